//! The exchanges that the RFCs print, with us in the place of one side. Addresses are theirs; codecs that we
//! would need for the same answer are given to us.

use crate::support::{address, answer, g711, keys, stream};
use rtp_core::negotiate::{Capabilities, Codec, Hold, Negotiation, PeerHold, Preference};
use rtp_core::sdp::Direction;

fn bob(codecs: Vec<Codec>, port: u16) -> Negotiation {
    let mut can = Capabilities::new(codecs, address(2, port));
    can.preference = Preference::Offerer;
    can.telephone_event = None;
    Negotiation::new(2_890_844_730, can, keys(2))
}

fn ports(description: &rtp_core::sdp::Description) -> Vec<u16> {
    description.media.iter().map(|media| media.port).collect()
}

/// RFC 3264 §10.1: audio and two videos; later the callee would move a port and add a line.
#[test]
fn basic_exchange() {
    let alice = "v=0\r\no=alice 2890844526 2890844526 IN IP4 host.anywhere.com\r\ns=\r\nc=IN IP4 host.anywhere.com\r\n\
                 t=0 0\r\nm=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 51372 RTP/AVP 31\r\n\
                 a=rtpmap:31 H261/90000\r\nm=video 53000 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\n";
    let mut bob = bob(g711(), 49_920);
    let (description, stream) = answer(&mut bob, alice).unwrap();
    assert_eq!(ports(&description), [49_920, 0, 0]);
    assert_eq!(description.media[0].formats, ["0"]);
    assert_eq!(stream.remote_name.as_deref(), Some("host.anywhere.com"));
    assert_eq!((stream.remote_rtp, stream.remote_rtp_port), (None, 49_170));

    let moved = alice
        .replace("49170", "65422")
        .replace("2890844526 IN", "2890844527 IN")
        + "m=audio 51434 RTP/AVP 110\r\na=rtpmap:110 telephone-event/8000\r\na=recvonly\r\n";
    let (description, stream) = answer(&mut bob, &moved).unwrap();
    assert_eq!(ports(&description), [49_920, 0, 0, 0]);
    assert_eq!(stream.remote_rtp_port, 65_422);
}

/// RFC 3264 §10.2: one of several codecs at a time; the caller locks it with a second offer.
#[test]
fn one_of_several_codecs() {
    let alice = |formats: &str, version: u32| {
        format!(
            "v=0\r\no=alice 2890844526 {version} IN IP4 192.0.2.1\r\ns=\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
             m=audio 62986 RTP/AVP {formats}\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:4 G723/8000\r\n\
             a=rtpmap:18 G729/8000\r\na=inactive\r\n"
        )
    };
    let mut bob = bob(
        vec![Codec::new("PCMU", 8_000), Codec::new("G723", 8_000)],
        54_344,
    );
    let (description, stream) = answer(&mut bob, &alice("0 4 18", 1)).unwrap();
    assert_eq!(description.media[0].formats, ["0", "4"]);
    assert_eq!(
        (description.direction_of(0), stream.direction),
        (Direction::Inactive, Direction::Inactive)
    );
    let (description, stream) =
        answer(&mut bob, &alice("4", 2).replace("inactive", "sendrecv")).unwrap();
    assert_eq!(
        (
            description.media[0].formats.join(" "),
            description.origin.version.as_str()
        ),
        ("4".to_owned(), "2")
    );
    assert_eq!(
        (stream.send.codec.name.as_str(), stream.direction),
        ("G723", Direction::SendRecv)
    );
}

/// RFC 4317 §2.1: iLBC, PCMU and PCMA offered with H.261 and MPV; the answer takes PCMU and one video. Ours
/// refuses the video.
#[test]
fn codec_selection() {
    let alice = "v=0\r\no=alice 2890844526 2890844526 IN IP4 host.atlanta.example.com\r\ns=\r\n\
                 c=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0 8 97\r\na=rtpmap:0 PCMU/8000\r\n\
                 a=rtpmap:8 PCMA/8000\r\na=rtpmap:97 iLBC/8000\r\nm=video 51372 RTP/AVP 31 32\r\n\
                 a=rtpmap:31 H261/90000\r\na=rtpmap:32 MPV/90000\r\n";
    let (description, stream) =
        answer(&mut bob(vec![Codec::new("PCMU", 8_000)], 49_174), alice).unwrap();
    assert_eq!(ports(&description), [49_174, 0]);
    assert_eq!(description.media[0].formats, ["0"]);
    assert_eq!(description.media[1].formats, ["31", "32"]);
    assert_eq!(
        stream.remote_rtp.map(|at| at.to_string()).as_deref(),
        Some("192.0.2.10:49170")
    );
}

/// RFC 4317 §3.1: hold and unhold, offered by the peer and then by us.
#[test]
fn hold_and_unhold() {
    let alice = "v=0\r\no=alice 2890844526 2890844526 IN IP4 host.atlanta.example.com\r\ns=\r\n\
                 c=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0 97\r\na=rtpmap:0 PCMU/8000\r\n\
                 a=rtpmap:97 iLBC/8000\r\n";
    let mut bob = bob(
        vec![
            Codec::new("iLBC", 8_000).with_fmtp("mode=30"),
            Codec::new("PCMU", 8_000),
        ],
        49_172,
    );
    answer(&mut bob, alice).unwrap();
    let (description, held) = answer(&mut bob, &format!("{alice}a=sendonly\r\n")).unwrap();
    assert_eq!(description.direction_of(0), Direction::RecvOnly);
    assert_eq!(held.held_by_peer, Some(PeerHold::SendOnly));
    let (description, _) = answer(&mut bob, alice).unwrap();
    assert_eq!(
        (
            description.direction_of(0),
            description.origin.version.as_str()
        ),
        (Direction::SendRecv, "3")
    );

    let offer = bob.offer_hold(Hold::SendOnly).unwrap();
    assert_eq!(
        offer.description().media[0].formats,
        ["0", "97"],
        "the numbers and the codec of the session"
    );
    let held = stream(
        bob.answered(&offer, format!("{alice}a=recvonly\r\n"))
            .unwrap(),
    );
    assert_eq!(
        (held.held_by_us, held.held_by_peer),
        (Some(Hold::SendOnly), None)
    );
}

/// RFC 3725 §4.1: the controller offers a black hole first, then the other party's address.
#[test]
fn third_party_call_control() {
    let black_hole = "v=0\r\no=controller 1 1 IN IP4 192.0.2.77\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    let mut bob = bob(g711(), 49_920);
    let (_, waiting) = answer(&mut bob, black_hole).unwrap();
    assert_eq!(
        (waiting.remote_rtp, waiting.held_by_peer),
        (None, Some(PeerHold::NullAddress))
    );
    let real = black_hole
        .replace("0.0.0.0", "192.0.2.10")
        .replace("audio 9", "audio 49170");
    let (_, open) = answer(&mut bob, &real).unwrap();
    assert_eq!(
        (open.direction, open.remote_rtp.map(|at| at.port())),
        (Direction::SendRecv, Some(49_170))
    );
}
