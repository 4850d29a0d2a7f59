//! `m=` lines: their places, their addresses, their versions.

use crate::support::{address, all, answer, exchange, lines, offered, pair, side, stream};
use rtp_core::negotiate::{AgreedLine, LocalAddress, Refusal};
use rtp_core::sdp::MediaKind;
use std::net::SocketAddr;

#[test]
fn an_offer_reads_as_a_person_would_write_it() {
    let (mut ours, _) = pair();
    let offer = ours.offer().unwrap();
    assert_eq!(
        lines(offer.description()),
        [
            "v=0",
            "o=- 1 1 IN IP4 192.0.2.1",
            "s=-",
            "c=IN IP4 192.0.2.1",
            "t=0 0",
            "m=audio 4000 RTP/AVP 96 9 0 8 97 101",
            "a=rtpmap:96 opus/48000/2",
            "a=fmtp:96 useinbandfec=1",
            "a=rtpmap:9 G722/8000",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:97 telephone-event/48000",
            "a=fmtp:97 0-16",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-16",
            "a=ptime:20",
            "a=sendrecv",
            "a=rtcp-mux",
        ]
    );
}

#[test]
fn refused_lines_keep_their_places() {
    let (mut ours, _) = pair();
    let media = "m=video 6000 RTP/AVP 31 34\na=sendrecv\nm=image 7000 udptl t38\nm=audio 5000 RTP/AVP 0\n\
                 m=audio 5002 RTP/AVP 8\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\nm=audio 0 RTP/AVP 8\n";
    let received = ours.receive_offer(offered(media)).unwrap();
    let answer = ours.answer(received).unwrap();
    let heads: Vec<_> = lines(answer.description())
        .into_iter()
        .filter(|line| line.starts_with("m="))
        .collect();
    let expected = [
        "m=video 0 RTP/AVP 31 34",
        "m=image 0 udptl t38",
        "m=audio 4000 RTP/AVP 0",
        "m=audio 0 RTP/AVP 8",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
        "m=audio 0 RTP/AVP 8",
    ];
    assert_eq!(heads, expected);
    let agreed = &answer.agreement().lines;
    assert_eq!(
        agreed[0],
        AgreedLine::Refused {
            kind: MediaKind::Video,
            why: Refusal::Kind
        }
    );
    assert_eq!(
        agreed[3],
        AgreedLine::Refused {
            kind: MediaKind::Audio,
            why: Refusal::NoStream
        }
    );
    assert_eq!(
        agreed[5],
        AgreedLine::Closed {
            kind: MediaKind::Audio
        }
    );
    // Our own next offer has them in the same places.
    let refresh = ours.offer().unwrap();
    let kinds: Vec<_> = refresh
        .description()
        .media
        .iter()
        .map(|media| (media.kind.clone(), media.port))
        .collect();
    assert_eq!(
        kinds,
        [
            (MediaKind::Video, 0),
            (MediaKind::Image, 0),
            (MediaKind::Audio, 4000),
            (MediaKind::Audio, 0),
            (MediaKind::Application, 0),
            (MediaKind::Audio, 0),
        ]
    );
}

#[test]
fn several_audio_lines_each_have_their_address() {
    let two = |host| {
        let mut can = all(host);
        can.streams.push(LocalAddress::from(address(host, 4010)));
        can
    };
    let (mut a, mut b) = (side(1, two(1)), side(2, two(2)));
    let offer = a.offer().unwrap();
    let received = b.receive_offer(offer.to_bytes()).unwrap();
    let answer = b.answer(received).unwrap();
    let ports: Vec<_> = answer
        .agreement()
        .audio()
        .map(|s| (s.line, s.stream, s.remote_rtp.unwrap().port()))
        .collect();
    assert_eq!(ports, [(0, 0, 4000), (1, 1, 4010)]);
    let agreed = a.answered(&offer, answer.to_bytes()).unwrap();
    assert_eq!(
        agreed.audio().map(|s| s.remote_rtp).collect::<Vec<_>>(),
        [Some(address(2, 4000)), Some(address(2, 4010))]
    );
    // The first goes; the second keeps its place and its address.
    let mut text = offer.description().clone();
    text.media[0].port = 0;
    let received = b.receive_offer(text.to_bytes()).unwrap();
    let answer = b.answer(received).unwrap();
    let ports: Vec<_> = answer
        .description()
        .media
        .iter()
        .map(|media| media.port)
        .collect();
    assert_eq!(ports, [0, 4010]);
}

#[test]
fn a_line_added_later_finds_its_place() {
    let mut can = all(1);
    can.streams.push(LocalAddress::from(address(1, 4010)));
    let mut ours = side(1, can);
    let one = "m=audio 5000 RTP/AVP 0\n";
    answer(&mut ours, &offered(one)).unwrap();
    let (two, _) = answer(
        &mut ours,
        &offered(&format!("{one}m=audio 5002 RTP/AVP 8\n")),
    )
    .unwrap();
    assert_eq!(
        two.media.iter().map(|media| media.port).collect::<Vec<_>>(),
        [4000, 4010]
    );
    // Closed and opened again, it is where it was.
    let (closed, _) = answer(&mut ours, &offered(&format!("{one}m=audio 0 RTP/AVP 8\n"))).unwrap();
    assert_eq!(closed.media[1].port, 0);
    let (open, _) = answer(
        &mut ours,
        &offered(&format!("{one}m=audio 5002 RTP/AVP 8\n")),
    )
    .unwrap();
    assert_eq!(open.media[1].port, 4010);
}

#[test]
fn the_version_rises_with_each_change_and_only_then() {
    let (mut a, mut b) = pair();
    let version = |n: &rtp_core::negotiate::SentOffer| n.description().origin.version.clone();
    let first = a.offer().unwrap();
    exchange(&first, &mut a, &mut b).unwrap();
    let refresh = a.offer().unwrap();
    exchange(&refresh, &mut a, &mut b).unwrap();
    let hold = a.offer_hold(rtp_core::negotiate::Hold::SendOnly).unwrap();
    exchange(&hold, &mut a, &mut b).unwrap();
    let mut can = all(1);
    can.streams = vec![address(1, 4444).into()];
    a.set_capabilities(can);
    let moved = a.offer_resume().unwrap();
    let (_, theirs) = exchange(&moved, &mut a, &mut b).unwrap();
    assert_eq!(
        [&first, &refresh, &hold, &moved].map(version),
        ["1", "1", "2", "3"]
    );
    assert_eq!(theirs.remote_rtp, Some(address(1, 4444)));
    for offer in [&first, &refresh, &hold, &moved] {
        assert_eq!(offer.description().origin.session_id, "1");
    }
}

#[test]
fn addresses_come_from_where_they_are_said() {
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    // Media section; RTP, RTCP, name.
    for (media, rtp, rtcp, name) in [
        (
            "m=audio 5000 RTP/AVP 0\n",
            Some("192.0.2.9:5000"),
            Some("192.0.2.9:5001"),
            None,
        ),
        (
            "m=audio 5000 RTP/AVP 0\nc=IN IP4 198.51.100.7\n",
            Some("198.51.100.7:5000"),
            Some("198.51.100.7:5001"),
            None,
        ),
        (
            "m=audio 5000 RTP/AVP 0\nc=IN IP4 198.51.100.7/127\n",
            Some("198.51.100.7:5000"),
            Some("198.51.100.7:5001"),
            None,
        ),
        (
            "m=audio 5000 RTP/AVP 0\nc=IN IP6 2001:db8::9\n",
            Some("[2001:db8::9]:5000"),
            Some("[2001:db8::9]:5001"),
            None,
        ),
        (
            "m=audio 5000 RTP/AVP 0\na=rtcp:6000\n",
            Some("192.0.2.9:5000"),
            Some("192.0.2.9:6000"),
            None,
        ),
        (
            "m=audio 5000 RTP/AVP 0\na=rtcp:6000 IN IP4 198.51.100.7\n",
            Some("192.0.2.9:5000"),
            Some("198.51.100.7:6000"),
            None,
        ),
        (
            "m=audio 5000 RTP/AVP 0\na=rtcp:6000\na=rtcp-mux\n",
            Some("192.0.2.9:5000"),
            Some("192.0.2.9:5000"),
            None,
        ),
        (
            "m=audio 5000 RTP/AVP 0\na=rtcp:0\n",
            Some("192.0.2.9:5000"),
            None,
            None,
        ),
        (
            "m=audio 65535 RTP/AVP 0\n",
            Some("192.0.2.9:65535"),
            None,
            None,
        ),
        (
            "m=audio 5000 RTP/AVP 0\nc=IN IP4 media.example.net\n",
            None,
            None,
            Some("media.example.net"),
        ),
    ] {
        let (mut ours, _) = pair();
        let (_, stream) = answer(&mut ours, &offered(media)).unwrap();
        assert_eq!(stream.remote_rtp, rtp.map(at), "{media}");
        assert_eq!(stream.remote_rtcp, rtcp.map(at), "{media}");
        assert_eq!(stream.remote_name.as_deref(), name, "{media}");
    }
}

#[test]
fn our_own_addresses_are_told_in_full_when_they_differ() {
    let mut can = all(1);
    can.streams = vec![
        LocalAddress {
            rtp: "[2001:db8::1]:4000".parse().unwrap(),
            rtcp: "[2001:db8::1]:4009".parse().unwrap(),
        },
        LocalAddress {
            rtp: address(1, 4010),
            rtcp: address(3, 4011),
        },
    ];
    let mut ours = side(1, can);
    let offer = ours.offer().unwrap();
    let text = lines(offer.description());
    for line in [
        "c=IN IP6 2001:db8::1",
        "a=rtcp:4009",
        "c=IN IP4 192.0.2.1",
        "a=rtcp:4011 IN IP4 192.0.2.3",
    ] {
        assert_eq!(
            text.iter().filter(|l| *l == line).count(),
            1,
            "{line} in {text:#?}"
        );
    }
}

#[test]
fn packet_times_are_the_peers_wish() {
    for (attributes, ptime, max) in [
        ("", 20, None),
        ("a=ptime:30\n", 30, None),
        ("a=ptime:60\na=maxptime:40\n", 40, Some(40)),
        ("a=maxptime:10\n", 10, Some(10)),
        ("a=ptime:0\n", 20, None),
        ("a=ptime:5000\n", 20, None),
        ("a=ptime:x\n", 20, None),
    ] {
        let (mut ours, _) = pair();
        let (description, stream) = answer(
            &mut ours,
            &offered(&format!("m=audio 5000 RTP/AVP 0\n{attributes}")),
        )
        .unwrap();
        assert_eq!(
            (stream.ptime, stream.max_ptime),
            (ptime, max),
            "{attributes}"
        );
        assert_eq!(
            description.media[0].attributes.millis("ptime"),
            Some(20),
            "ours is what we like to receive"
        );
    }
}

#[test]
fn the_answers_times_are_the_offers() {
    let (mut ours, _) = pair();
    let offer = offered("m=audio 5000 RTP/AVP 0\n").replace("t=0 0", "t=3034423619 3042462419");
    let (description, _) = answer(&mut ours, &offer).unwrap();
    assert!(lines(&description).contains(&"t=3034423619 3042462419".to_owned()));
}

#[test]
fn forks_go_their_own_ways() {
    let (mut a, mut b) = pair();
    let mut c = side(3, {
        let mut can = all(3);
        can.codecs.retain(|codec| codec.name == "PCMA");
        can
    });
    let offer = a.offer().unwrap();
    let mut fork = a.fork(crate::support::keys(9));
    let (first, _) = exchange(&offer, &mut a, &mut b).unwrap();
    let (second, _) = exchange(&offer, &mut fork, &mut c).unwrap();
    assert_eq!(
        (
            first.send.codec.name.as_str(),
            second.send.codec.name.as_str()
        ),
        ("opus", "PCMA")
    );
    assert_eq!(stream(a.agreement().unwrap()), first);
}

#[test]
fn streams_are_added_and_closed_in_place() {
    let (mut a, _) = pair();
    let mut b = side(2, {
        let mut can = all(2);
        can.streams.push(LocalAddress::from(address(2, 4010)));
        can
    });
    let ports = |offer: &rtp_core::negotiate::SentOffer| -> Vec<u16> {
        offer
            .description()
            .media
            .iter()
            .map(|media| media.port)
            .collect()
    };
    let first = a.offer().unwrap();
    assert_eq!(ports(&first), [4000]);
    exchange(&first, &mut a, &mut b).unwrap();

    // Offered, abandoned, offered again: it is added once.
    assert_eq!(a.add_stream(address(1, 4010)), 1);
    drop(a.offer().unwrap());
    let second = a.offer().unwrap();
    assert_eq!(ports(&second), [4000, 4010]);
    exchange(&second, &mut a, &mut b).unwrap();
    assert_eq!(a.agreement().unwrap().audio().count(), 2);

    a.close_stream(0);
    let third = a.offer().unwrap();
    assert_eq!(ports(&third), [0, 4010]);
    let (left, _) = exchange(&third, &mut a, &mut b).unwrap();
    assert_eq!((left.line, a.agreement().unwrap().audio().count()), (1, 1));

    // The peer cannot open what we closed for good.
    let media = "m=audio 5000 RTP/AVP 0\nm=audio 5002 RTP/AVP 0\n";
    let (description, _) = answer(&mut a, &offered(media)).unwrap();
    assert_eq!(
        description
            .media
            .iter()
            .map(|media| media.port)
            .collect::<Vec<_>>(),
        [0, 4010]
    );
    assert_eq!(
        a.agreement().unwrap().lines[0],
        AgreedLine::Refused {
            kind: MediaKind::Audio,
            why: Refusal::Closed
        }
    );
}

#[test]
fn a_refused_new_line_leaves_the_others() {
    let (mut a, mut b) = pair();
    let first = a.offer().unwrap();
    exchange(&first, &mut a, &mut b).unwrap();
    a.add_stream(address(1, 4010));
    let second = a.offer().unwrap();
    let (ours, _) = exchange(&second, &mut a, &mut b).unwrap();
    assert_eq!((ours.line, a.agreement().unwrap().audio().count()), (0, 1));
    assert_eq!(
        a.agreement().unwrap().lines[1],
        AgreedLine::Refused {
            kind: MediaKind::Audio,
            why: Refusal::ByPeer
        }
    );
    let third = a.offer().unwrap();
    assert_eq!(third.description().media[1].port, 0, "not again and again");
}

#[test]
fn a_call_may_begin_without_media() {
    let (mut ours, _) = pair();
    let received = ours.receive_offer(offered("")).unwrap();
    let empty = ours.answer(received).unwrap();
    assert_eq!(
        (
            empty.description().media.len(),
            empty.agreement().lines.len()
        ),
        (0, 0)
    );
    let offer = ours.offer().unwrap();
    assert_eq!(offer.description().media.len(), 1);
    drop(offer);
    let (description, _) = answer(&mut ours, &offered("m=audio 5000 RTP/AVP 0\n")).unwrap();
    assert_eq!(
        (
            description.media[0].port,
            description.origin.version.as_str()
        ),
        (4000, "3")
    );
}

#[test]
fn a_stream_may_come_back_on_another_line() {
    let (mut ours, _) = pair();
    answer(&mut ours, &offered("m=audio 5000 RTP/AVP 0\n")).unwrap();
    let media = "m=audio 0 RTP/AVP 0\nm=audio 5002 RTP/AVP 0\n";
    let (description, stream) = answer(&mut ours, &offered(media)).unwrap();
    assert_eq!(
        description
            .media
            .iter()
            .map(|media| media.port)
            .collect::<Vec<_>>(),
        [0, 4000]
    );
    assert_eq!(
        (stream.line, ours.agreement().unwrap().audio().count()),
        (1, 1)
    );
    let refresh = ours.offer().unwrap();
    assert_eq!(
        refresh
            .description()
            .media
            .iter()
            .map(|media| media.port)
            .collect::<Vec<_>>(),
        [0, 4000]
    );
}
