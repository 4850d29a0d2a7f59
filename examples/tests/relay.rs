//! `mini_pbx --relay` between two phones of the test's own: what each says of its video reaches the other, and so does
//! every packet of pictures and of feedback, as it was.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // Programs and sockets; a test may fail.

#[path = "relay/phone.rs"]
mod phone;
#[allow(dead_code)] // Phones as programs are not wanted here.
#[path = "support/phones.rs"]
mod phones;
#[path = "support/program.rs"]
mod program;

use examples::chance::chance;
use rtp_core::rtcp::{Compound, FeedbackMessage, Packet, Writer};
use rtp_core::rtp::Ssrc;
use rtp_core::sdes::Crypto;
use rtp_core::sdp::{Description, Media, MediaKind, Protocol};
use rtp_core::srtp::{Inbound, MasterKey, Outbound, Suite};
use sip_core::StatusCode;

use phone::{Phone, Sockets, is_empty, next};
use phones::{Folder, Pbx};

/// What describes pictures, and must arrive as it is.
const FORMATS: &str = "\
a=rtpmap:96 VP8/90000\r\n\
a=rtpmap:97 VP9/90000\r\n\
a=fmtp:97 profile-id=2\r\n\
a=rtpmap:98 H264/90000\r\n\
a=fmtp:98 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
a=rtcp-fb:* nack\r\n\
a=rtcp-fb:* nack pli\r\n\
a=rtcp-fb:* ccm fir\r\n\
a=rtcp-fb:98 goog-remb\r\n\
a=rtcp-fb:98 transport-cc\r\n";

/// A description of sound that nobody sends and pictures in `formats`.
fn described(sound: &Sockets, pictures: &Sockets, numbers: &str, formats: &str) -> String {
    let [audio, _] = sound.ports();
    let [video, rtcp] = pictures.ports();
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {audio} RTP/AVP 0\r\n\
         m=video {video} RTP/AVPF {numbers}\r\na=rtcp:{rtcp}\r\n{formats}"
    )
}

fn video(said: &Description) -> &Media {
    let found = said
        .media
        .iter()
        .find(|media| media.kind == MediaKind::Video);
    found.unwrap()
}

/// A phone without encryption.
fn clear(offer: &Description, answer: &str) -> Result<String, StatusCode> {
    match video(offer).protocol {
        Protocol::RtpAvp | Protocol::RtpAvpf => Ok(answer.to_owned()),
        _ => Err(StatusCode::NOT_ACCEPTABLE_HERE),
    }
}

/// What a section says of its formats, in order.
fn formats(section: &Media) -> Vec<String> {
    let names = ["rtpmap", "fmtp", "rtcp-fb"];
    let said = section.attributes.iter();
    said.filter(|attribute| names.contains(&attribute.name.as_str()))
        .map(|attribute| format!("{}:{}", attribute.name, attribute.value.as_ref().unwrap()))
        .collect()
}

fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.strip_prefix("a=").unwrap());
    lines.map(str::to_owned).collect()
}

/// An RTP packet with some bytes of a picture.
fn picture(format: u8, sequence: u16, ssrc: Ssrc) -> Vec<u8> {
    let mut packet = vec![0x80, 0x80 | format];
    packet.extend(sequence.to_be_bytes());
    packet.extend(90_000_u32.to_be_bytes());
    packet.extend(ssrc.0.to_be_bytes());
    packet.extend((0..1100).map(|n| (n % 251) as u8 ^ format));
    packet
}

/// What a receiver says of the pictures of `media`: each a compound of its own, the last without a report (RFC 5506).
fn feedback(sender: Ssrc, media: Ssrc) -> Vec<Vec<u8>> {
    type Said<'w> = &'w dyn Fn(&mut Writer<'_>);
    let said: [Said<'_>; 5] = [
        &|writer| writer.picture_loss(sender, media).unwrap(),
        &|writer| writer.full_intra(sender, media, 7).unwrap(),
        &|writer| writer.nack(sender, media, &[1000, 1003, 1016]).unwrap(),
        &|writer| writer.maximum_bitrate(sender, 750_000, &[media]).unwrap(),
        &|writer| {
            let arrivals = [Some(4), None, Some(12)];
            writer
                .transport_wide((sender, media), (17, 3), 65_534, &arrivals)
                .map(drop)
                .unwrap();
        },
    ];
    let compound = |say: Said<'_>, report: bool| {
        let mut bytes = [0; 512];
        let mut writer = Writer::new(&mut bytes);
        if report {
            writer.receiver_report(sender, &[]).unwrap();
            writer.cname(sender, "a phone").unwrap();
        }
        say(&mut writer);
        writer.finish().to_vec()
    };
    let mut all: Vec<_> = said.iter().map(|say| compound(*say, true)).collect();
    all.push(compound(said[0], false));
    all
}

/// What feedback asks for, and of whose pictures.
fn asked(compound: &[u8]) -> Vec<(String, Ssrc)> {
    let packets: Vec<_> = Compound::parse(compound).unwrap().packets().collect();
    let said = packets.iter().filter_map(|packet| match packet {
        Packet::Feedback(feedback) => Some(feedback),
        _ => None,
    });
    said.map(|said| match said.message() {
        FeedbackMessage::PictureLoss => ("PLI".to_owned(), said.media),
        FeedbackMessage::FullIntra => {
            let (whose, number) = said.full_intra().next().unwrap();
            (format!("FIR {number}"), whose)
        }
        FeedbackMessage::Nack => {
            let lost: Vec<u16> = said.nacked().collect();
            (format!("NACK {lost:?}"), said.media)
        }
        FeedbackMessage::MaximumBitrate { bits_per_second } => {
            let whose = said.control[8..12].try_into().unwrap();
            (
                format!("REMB {bits_per_second}"),
                Ssrc(u32::from_be_bytes(whose)),
            )
        }
        FeedbackMessage::TransportWide(said_of) => (
            format!("TWCC {} of {}", said_of.base, said_of.count),
            said.media,
        ),
        other => panic!("{other:?}"),
    })
    .collect()
}

#[tokio::test]
async fn pictures_and_what_is_said_of_them_pass_as_they_are() {
    let folder = Folder::new();
    let pbx = Pbx::start(&folder, &["--relay"]);
    let mut alice = Phone::registered("alice", pbx.at("udp")).await;
    let mut bob = Phone::registered("bob", pbx.at("udp")).await;
    let [sound_a, mut eyes_a, sound_b, mut eyes_b] = std::array::from_fn(|_| Sockets::open());

    // The three codecs are offered; the answer has two, the third's parameters its own.
    let offer = described(&sound_a, &eyes_a, "96 97 98", FORMATS);
    let of_bob = "\
        a=rtpmap:98 H264/90000\r\na=fmtp:98 packetization-mode=1;profile-level-id=42e034\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtcp-fb:* nack pli\r\n";
    let answer = described(&sound_b, &eyes_b, "98 96", of_bob);
    let (called, (answered, told_bob)) = tokio::join!(
        alice.call("bob", &offer),
        bob.answer(|offer| clear(offer, &answer))
    );
    let (call, told_alice) = called.unwrap();
    let told_bob = &told_bob[told_bob.len() - 1];
    for (told, numbers, wanted) in [
        (told_bob, "96 97 98", FORMATS),
        (&told_alice, "98 96", of_bob),
    ] {
        let section = video(told);
        assert_eq!(section.protocol.as_str(), "RTP/AVPF");
        assert_eq!(section.formats.join(" "), numbers);
        assert_eq!(formats(section), lines(wanted));
        let own = [&eyes_a, &eyes_b].map(|eyes| eyes.ports()[0]);
        assert!(
            !own.contains(&section.port),
            "the way leads past the switchboard"
        );
    }
    eyes_a.point_at(video(&told_alice));
    eyes_b.point_at(video(told_bob));

    // Pictures of each codec, each way.
    let of_alice = Ssrc(0x0a11_ce00);
    let of_bob = Ssrc(0x0b0b_0b0b);
    for (sequence, format) in [(1000, 96), (1001, 97), (1002, 98)] {
        for (from, to, ssrc) in [(&eyes_a, &eyes_b, of_alice), (&eyes_b, &eyes_a, of_bob)] {
            let sent = picture(format, sequence, ssrc);
            from.send_rtp(&sent);
            assert_eq!(next(&to.rtp).as_ref(), Some(&sent), "format {format}");
        }
    }

    // What each says of the other's pictures, each way.
    let wanted = [
        "PLI",
        "FIR 7",
        "NACK [1000, 1003, 1016]",
        "REMB 750000",
        "TWCC 65534 of 3",
        "PLI",
    ];
    for (from, to, sender, media) in [
        (&eyes_b, &eyes_a, of_bob, of_alice),
        (&eyes_a, &eyes_b, of_alice, of_bob),
    ] {
        for (sent, wanted) in feedback(sender, media).iter().zip(wanted) {
            from.send_rtcp(sent);
            let came = next(&to.rtcp).unwrap_or_else(|| panic!("no {wanted}"));
            assert_eq!(asked(&came), [(wanted.to_owned(), media)]);
            assert_eq!(&came, sent, "{wanted}");
        }
    }

    // And nothing else came to anybody.
    std::thread::sleep(std::time::Duration::from_millis(200));
    for line in [&sound_a, &sound_b, &eyes_a, &eyes_b] {
        let empty = [&line.rtp, &line.rtcp].map(is_empty);
        assert_eq!(empty, [true, true], "nobody sent that");
    }
    tokio::join!(alice.hang_up(call), bob.ended(answered));
    pbx.process.quit();
}

/// A description of sound.
fn said(sockets: &Sockets, profile: &str, more: &str) -> String {
    let [rtp, rtcp] = sockets.ports();
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {rtp} {profile} 0\r\na=rtcp:{rtcp}\r\n{more}"
    )
}

/// A phone that wants keys in the SDP and nothing else is called and calls: the other is in the clear all the while.
#[tokio::test]
async fn a_phone_with_keys_in_its_description_and_one_in_the_clear() {
    let folder = Folder::new();
    let pbx = Pbx::start(&folder, &["--relay"]);
    let mut alice = Phone::registered("alice", pbx.at("udp")).await;
    let mut bob = Phone::registered("bob", pbx.at("udp")).await;
    let [mut of_alice, mut of_bob] = std::array::from_fn(|_| Sockets::open());
    let key = MasterKey::generate(Suite::AesCm128HmacSha1_32, &mut chance().boxed());
    let plain = said(&of_alice, "RTP/AVP", "");
    let crypto = |tag| format!("a=crypto:{}\r\n", Crypto::new(tag, &key));

    for called in [true, false] {
        let (call, answered, told_alice, told_bob);
        if called {
            // It refuses DTLS, and takes the second of the suites that it is offered then.
            let takes_keys = |offer: &Description| match offer.media[0].protocol {
                Protocol::RtpSavp => Ok(said(&of_bob, "RTP/SAVP", &crypto(2))),
                _ => Err(StatusCode::NOT_ACCEPTABLE_HERE),
            };
            let (made, mut offers);
            (made, (answered, offers)) =
                tokio::join!(alice.call("bob", &plain), bob.answer(takes_keys));
            let profiles = offers.iter().map(|offer| offer.media[0].protocol.as_str());
            let profiles: Vec<&str> = profiles.collect();
            assert_eq!(profiles, ["UDP/TLS/RTP/SAVPF", "RTP/SAVP"]);
            told_bob = offers.remove(1);
            (call, told_alice) = made.unwrap();
        } else {
            let secret = said(&of_bob, "RTP/SAVP", &crypto(7));
            let in_the_clear = |offer: &Description| match offer.media[0].protocol {
                Protocol::RtpAvp => Ok(plain.clone()),
                _ => Err(StatusCode::NOT_ACCEPTABLE_HERE),
            };
            let (made, mut offers);
            (made, (answered, offers)) =
                tokio::join!(bob.call("alice", &secret), alice.answer(in_the_clear));
            assert_eq!(offers.len(), 3, "DTLS, keys, the clear");
            told_alice = offers.remove(2);
            (call, told_bob) = made.unwrap();
        }
        let (to_alice, to_bob) = (&told_alice.media[0], &told_bob.media[0]);
        assert_eq!(to_alice.protocol, Protocol::RtpAvp);
        assert!(!to_alice.attributes.has("crypto"), "the key is bob's alone");
        let theirs: Vec<Crypto> = to_bob.attributes.typed("crypto").collect();
        let tag = if called { 2 } else { 7 };
        let theirs = theirs.iter().find(|line| line.tag == tag).unwrap();
        let mut inbound = Inbound::new(&theirs.usable().unwrap());
        let mut outbound = Outbound::new(&key);
        of_alice.point_at(to_alice);
        of_bob.point_at(to_bob);

        let packet = picture(0, 7, Ssrc(1));
        let report = &feedback(Ssrc(1), Ssrc(2))[0];
        let mut buffer = vec![0; 2048];
        let mut sealed = |packet: &[u8], is_rtp: bool| {
            buffer[..packet.len()].copy_from_slice(packet);
            let len = match is_rtp {
                true => outbound.protect_rtp(&mut buffer, packet.len()),
                false => outbound.protect_rtcp(&mut buffer, packet.len()),
            };
            buffer[..len.unwrap()].to_vec()
        };
        // What is not sealed, or by another key, goes nowhere.
        of_bob.send_rtp(&packet);
        of_bob.send_rtp(&sealed(&packet, true));
        assert_eq!(next(&of_alice.rtp).as_ref(), Some(&packet));
        of_bob.send_rtcp(&sealed(report, false));
        assert_eq!(next(&of_alice.rtcp).as_ref(), Some(report));
        of_alice.send_rtp(&packet);
        let mut came = next(&of_bob.rtp).unwrap();
        assert_ne!(came, packet);
        assert_eq!(inbound.unprotect_rtp(&mut came).unwrap(), packet);
        of_alice.send_rtcp(report);
        let mut came = next(&of_bob.rtcp).unwrap();
        assert_eq!(inbound.unprotect_rtcp(&mut came).unwrap(), report);
        std::thread::sleep(std::time::Duration::from_millis(100));
        for sockets in [&of_alice, &of_bob] {
            assert!(is_empty(&sockets.rtp) && is_empty(&sockets.rtcp));
            sockets.rtp.set_nonblocking(false).unwrap();
            sockets.rtcp.set_nonblocking(false).unwrap();
        }
        let (caller, callee) = match called {
            true => (&mut alice, &mut bob),
            false => (&mut bob, &mut alice),
        };
        tokio::join!(caller.hang_up(call), callee.ended(answered));
    }
    pbx.process.quit();
}

#[tokio::test]
async fn how_phones_are_encrypted_is_policy() {
    for (policy, offered) in [
        ("off", &["RTP/AVP"][..]),
        ("allow", &["UDP/TLS/RTP/SAVPF", "RTP/SAVP", "RTP/AVP"]),
        // What comes in the clear is refused at once.
        ("require", &[]),
    ] {
        let folder = Folder::new();
        let pbx = Pbx::start(&folder, &["--relay", "--relay-secure", policy]);
        let mut alice = Phone::registered("alice", pbx.at("udp")).await;
        let mut bob = Phone::registered("bob", pbx.at("udp")).await;
        // A call in the clear, to a phone that takes nothing.
        let offers = std::cell::RefCell::new(Vec::new());
        let refuses = |offer: &Description| {
            let profile = offer.media[0].protocol.to_string();
            offers.borrow_mut().push(profile);
            Err(StatusCode::NOT_ACCEPTABLE_HERE)
        };
        let sockets = Sockets::open();
        let offer = said(&sockets, "RTP/AVP", "");
        let called = tokio::select! {
            called = alice.call("bob", &offer) => called.map(drop),
            _ = bob.answer(refuses) => Ok(()),
        };
        let refused = Err(Some(StatusCode::NOT_ACCEPTABLE_HERE));
        assert_eq!(called, refused, "{policy}");
        assert_eq!(*offers.borrow(), offered, "{policy}");
        pbx.process.quit();
    }
}
