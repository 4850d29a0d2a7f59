//! Codecs and the payload types that stand for them.

use crate::support::{all, answer, exchange, g711, lines, offered, opus, pair, side, stream};
use rtp_core::negotiate::{AudioStream, Capabilities, Codec, Preference};

fn received(stream: &AudioStream) -> Vec<(u8, &str)> {
    stream
        .receive
        .iter()
        .map(|payload| (payload.payload_type, payload.codec.name.as_str()))
        .collect()
}

#[test]
fn the_order_that_decides_is_a_policy() {
    let offer = offered("m=audio 5000 RTP/AVP 8 0 100\na=rtpmap:100 OPUS/48000/2\n");
    for (preference, single, formats) in [
        (Preference::Own, false, "100 0 8"),
        (Preference::Offerer, false, "8 0 100"),
        (Preference::Own, true, "100"),
        (Preference::Offerer, true, "8"),
    ] {
        let mut can = all(1);
        (can.preference, can.single_codec) = (preference, single);
        let (description, stream) = answer(&mut side(1, can), &offer).unwrap();
        assert_eq!(
            description.media[0].formats.join(" "),
            formats,
            "{preference:?} {single}"
        );
        assert_eq!(
            stream.send.payload_type.to_string(),
            formats.split(' ').next().unwrap()
        );
        assert_eq!(stream.send_also.len(), if single { 0 } else { 2 });
    }
}

#[test]
fn static_types_need_no_rtpmap_and_strangers_are_passed_over() {
    let (mut ours, _) = pair();
    let offer = "m=audio 5000 RTP/AVP 18 3 9 0 0 200 x 101 102\na=rtpmap:101 telephone-event/8000\na=rtpmap:8 PCMA/8000\n";
    let (description, stream) = answer(&mut ours, &offered(offer)).unwrap();
    // 8 has an rtpmap but is not offered; 102 has none.
    assert_eq!(description.media[0].formats, ["9", "0", "101"]);
    assert_eq!(
        (stream.send.payload_type, stream.send.codec.clock_rate),
        (9, 8_000)
    );
}

#[test]
fn numbers_may_differ_each_way() {
    let (mut ours, _) = pair();
    let offer = ours.offer().unwrap();
    let answer = "m=audio 5000 RTP/AVP 107 100\na=rtpmap:107 opus/48000/2\na=fmtp:107 stereo=1\n\
                  a=rtpmap:100 telephone-event/8000\na=fmtp:100 0-15\n";
    let stream = stream(ours.answered(&offer, offered(answer)).unwrap());
    assert_eq!(
        (stream.send.payload_type, stream.send.codec.fmtp.as_deref()),
        (107, Some("stereo=1"))
    );
    assert_eq!(stream.receive[0].payload_type, 96);
    assert_eq!(
        stream.receive[0].codec.fmtp.as_deref(),
        Some("useinbandfec=1")
    );
    assert_eq!(
        stream
            .send_dtmf
            .as_ref()
            .map(|event| (event.payload_type, event.codec.clock_rate)),
        Some((100, 8_000))
    );
    assert_eq!(stream.receive_dtmf[0].payload_type, 101);
    assert_eq!(
        stream
            .received(107)
            .map(|payload| payload.codec.name.as_str()),
        Some("opus"),
        "sent by their own number"
    );
    assert_eq!(
        stream
            .received(100)
            .map(|payload| payload.codec.name.as_str()),
        Some("telephone-event")
    );
    assert_eq!(stream.received(55), None);
}

#[test]
fn an_answer_without_rtpmap_means_our_numbers() {
    let (mut ours, _) = pair();
    let offer = ours.offer().unwrap();
    let stream = stream(
        ours.answered(&offer, offered("m=audio 5000 RTP/AVP 96 101\n"))
            .unwrap(),
    );
    assert_eq!(
        (stream.send.payload_type, stream.send.codec.name.as_str()),
        (96, "opus")
    );
    assert_eq!(stream.send_dtmf.map(|event| event.payload_type), Some(101));
}

#[test]
fn formats_beside_the_offered_ones_are_ignored() {
    let (mut ours, _) = pair();
    let offer = ours.offer().unwrap();
    let stream = stream(
        ours.answered(&offer, offered("m=audio 5000 RTP/AVP 3 8 0\n"))
            .unwrap(),
    );
    assert_eq!(stream.send.codec.name, "PCMA");
    assert_eq!(stream.send_also.len(), 1);
}

#[test]
fn a_number_keeps_its_meaning_for_the_whole_session() {
    let mut ours = side(
        1,
        Capabilities::new(
            vec![opus(), Codec::new("iLBC", 8_000)],
            crate::support::address(1, 4000),
        ),
    );
    let first = "m=audio 5000 RTP/AVP 96\na=rtpmap:96 opus/48000/2\n";
    let (_, stream) = answer(&mut ours, &offered(first)).unwrap();
    assert_eq!(received(&stream), [(96, "opus")]);
    // Another machine behind the same dialog numbers its codecs in its own way.
    let second = "m=audio 5000 RTP/AVP 96 97\na=rtpmap:96 iLBC/8000\na=rtpmap:97 opus/48000/2\n";
    let (description, stream) = answer(&mut ours, &offered(second)).unwrap();
    assert_eq!(
        description.media[0].formats,
        ["97", "98"],
        "96 is Opus here, for good"
    );
    assert!(lines(&description).contains(&"a=rtpmap:98 iLBC/8000".to_owned()));
    assert_eq!(
        (stream.send.payload_type, stream.send_also[0].payload_type),
        (97, 96),
        "theirs, to send"
    );
    assert_eq!(
        received(&stream),
        [(97, "opus"), (98, "iLBC"), (96, "opus")],
        "old packets may still come"
    );
    let refresh = ours.offer().unwrap();
    assert_eq!(
        refresh.description().media[0].formats,
        ["97", "98", "99", "101"]
    );
}

#[test]
fn events_follow_the_clock_of_the_speech() {
    // Codecs of the answer, events of the answer; payload type and clock to send.
    for (formats, expected) in [
        ("96 97 101", Some((97, 48_000))),
        ("96 101", Some((101, 8_000))),
        ("0 97 101", Some((101, 8_000))),
        ("0 97", Some((97, 48_000))),
        ("0", None),
    ] {
        let (mut ours, _) = pair();
        let offer = ours.offer().unwrap();
        let stream = stream(
            ours.answered(
                &offer,
                offered(&format!("m=audio 5000 RTP/AVP {formats}\n")),
            )
            .unwrap(),
        );
        let sent = stream
            .send_dtmf
            .map(|event| (event.payload_type, event.codec.clock_rate));
        assert_eq!(sent, expected, "{formats}");
    }
    // Answering: every clock that one of our codecs has, and 8000 Hz beside Opus alone.
    let mut ours = side(
        1,
        Capabilities::new(vec![opus()], crate::support::address(1, 4000)),
    );
    let media = "m=audio 5000 RTP/AVP 96 101 102 103\na=rtpmap:96 opus/48000/2\na=rtpmap:101 telephone-event/8000\n\
                 a=rtpmap:102 telephone-event/16000\na=rtpmap:103 telephone-event/48000\n";
    let (description, stream) = answer(&mut ours, &offered(media)).unwrap();
    assert_eq!(description.media[0].formats, ["96", "101", "103"]);
    assert_eq!(stream.send_dtmf.map(|event| event.payload_type), Some(103));
}

#[test]
fn events_can_be_left_out() {
    let mut can = all(1);
    can.telephone_event = None;
    let mut ours = side(1, can);
    let offer = ours.offer().unwrap();
    assert!(!offer.description().to_string().contains("telephone-event"));
    drop(offer);
    let media = "m=audio 5000 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\n";
    let (description, stream) = answer(&mut ours, &offered(media)).unwrap();
    assert_eq!(
        (description.media[0].formats.len(), stream.send_dtmf),
        (1, None)
    );
}

#[test]
fn comfort_noise_accompanies_and_never_speaks() {
    let can = |host| {
        let mut codecs = vec![Codec::new("CN", 8_000)];
        codecs.extend(g711());
        Capabilities::new(codecs, crate::support::address(host, 4000))
    };
    let (mut a, mut b) = (side(1, can(1)), side(2, can(2)));
    let offer = a.offer().unwrap();
    assert_eq!(
        offer.description().media[0].formats,
        ["0", "8", "13", "101"]
    );
    let (ours, theirs) = exchange(&offer, &mut a, &mut b).unwrap();
    assert_eq!(
        (ours.send.payload_type, ours.send_comfort_noise),
        (0, Some(13))
    );
    assert_eq!(
        (theirs.send.payload_type, theirs.send_comfort_noise),
        (0, Some(13))
    );
    let (mut only_noise, _) = (side(1, can(1)), ());
    assert!(answer(&mut only_noise, &offered("m=audio 5000 RTP/AVP 13\n")).is_err());
}

#[test]
fn wished_numbers_are_given_while_free() {
    let codecs = vec![
        opus().with_payload_type(111),
        Codec::new("iLBC", 8_000).with_payload_type(111),
        Codec::new("PCMU", 8_000).with_payload_type(200),
    ];
    let mut ours = side(
        1,
        Capabilities::new(codecs, crate::support::address(1, 4000)),
    );
    let offer = ours.offer().unwrap();
    assert_eq!(
        offer.description().media[0].formats,
        ["111", "96", "0", "97", "101"]
    );
}

#[test]
fn a_hold_by_the_other_side_does_not_change_the_codec() {
    let can = |host: u8, names: [&str; 2]| {
        let codecs = names.map(|name| Codec::new(name, 8_000)).to_vec();
        Capabilities::new(codecs, crate::support::address(host, 4000))
    };
    let (mut a, mut b) = (
        side(1, can(1, ["PCMU", "PCMA"])),
        side(2, can(2, ["PCMA", "PCMU"])),
    );
    let offer = a.offer().unwrap();
    let (first, _) = exchange(&offer, &mut a, &mut b).unwrap();
    assert_eq!(first.send.codec.name, "PCMA", "the callee's order");
    let hold = b.offer_hold(rtp_core::negotiate::Hold::SendOnly).unwrap();
    let (_, held) = exchange(&hold, &mut b, &mut a).unwrap();
    assert_eq!(held.send.codec.name, "PCMA");
    let refresh = a.offer().unwrap();
    assert_eq!(refresh.description().media[0].formats, ["8", "0", "101"]);
    drop(refresh);
    // Another order is another wish.
    let mut now = can(1, ["PCMA", "PCMU"]);
    now.codecs.reverse();
    now.single_codec = true;
    a.set_capabilities(can(1, ["PCMA", "PCMU"]));
    a.set_capabilities(now);
    let offer = b.offer_resume().unwrap();
    let (_, changed) = exchange(&offer, &mut b, &mut a).unwrap();
    assert_eq!(changed.send.codec.name, "PCMU");
}
