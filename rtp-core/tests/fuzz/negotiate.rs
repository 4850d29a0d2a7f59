//! Offer and answer: whatever a peer says, nothing panics and no answer of ours is wrong.

use rtp_core::negotiate::{
    Answer, Capabilities, Codec, Dtls, DtlsPolicy, Hold, IceDescription, Negotiation, Relay,
    RtcpMux, Sdes, SdesPolicy,
};
use rtp_core::sdes::Crypto;
use rtp_core::sdp::{
    Attributes, Description, Direction, ExtMap, Fingerprint, Media, MediaKind, Protocol,
    RtcpFeedback, Setup,
};
use std::net::SocketAddr;

/// One input: descriptions of the peer's, apart by a line of `=====`, for one call. The first byte picks our
/// policies. Descriptions are taken as offer and as answer by turns.
pub(crate) fn fuzz(data: &[u8]) {
    let (&choice, rest) = data.split_first().unwrap_or((&0, &[]));
    let mut call = Negotiation::new(1, capabilities(choice), Box::new(|key| key.fill(7)));
    let mut lines = 0;
    for (turn, text) in split(rest).into_iter().take(8).enumerate() {
        if (turn + usize::from(choice >> 7)) % 2 == 0 {
            if let Ok(received) = call.receive_offer(text) {
                let offered = received.description().clone();
                if let Ok(answer) = call.answer(received) {
                    check(&offered, &answer);
                }
            }
        } else {
            let offer = match turn % 3 {
                0 => call.offer_resume(),
                1 => call.offer_hold(Hold::SendOnly),
                _ => call.offer_hold(Hold::PortZero),
            };
            let offer = offer.expect("no exchange is under way");
            assert!(offer.description().media.len() >= lines, "lines stay");
            let _ = call.answered(&offer, text);
        }
        let now = call
            .agreement()
            .map_or(0, |agreement| agreement.lines.len());
        assert!(now >= lines, "lines stay");
        lines = now;
    }
}

fn split(data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(7).position(|window| window == b"\n=====\n") {
        parts.push(&rest[..=at]);
        rest = &rest[at + 7..];
    }
    parts.push(rest);
    parts
}

fn capabilities(choice: u8) -> Capabilities {
    let codecs = vec![
        Codec::new("opus", 48_000)
            .with_channels(2)
            .with_fmtp("useinbandfec=1"),
        Codec::new("G722", 8_000),
        Codec::new("PCMU", 8_000),
        Codec::new("iLBC", 8_000).with_fmtp("mode=20"),
        Codec::new("AMR", 8_000),
        Codec::new("CN", 8_000),
    ];
    let mut can = Capabilities::new(codecs, SocketAddr::from(([192, 0, 2, 1], 4000)));
    can.streams
        .push(SocketAddr::from(([192, 0, 2, 1], 4002)).into());
    can.sdes = Sdes::new(match choice & 3 {
        0 => SdesPolicy::Off,
        1 => SdesPolicy::Require,
        _ => SdesPolicy::Allow,
    });
    if choice & 16 != 0 {
        let policy = if choice & 32 == 0 {
            DtlsPolicy::Allow
        } else {
            DtlsPolicy::Require
        };
        can.dtls = Dtls::new(
            policy,
            Fingerprint {
                hash: "sha-256".to_owned(),
                value: vec![7; 32],
            },
        );
        can.ice = vec![IceDescription::new("ours", "apasswordoftwentytwochars")];
        can.extensions = vec!["urn:ietf:params:rtp-hdrext:ssrc-audio-level".to_owned()];
        can.feedback = vec!["transport-cc".to_owned(), "nack".to_owned()];
    }
    can.rtcp_mux = if choice & 4 == 0 {
        RtcpMux::Allow
    } else {
        RtcpMux::Off
    };
    can.single_codec = choice & 8 != 0;
    if choice & 64 != 0 {
        let mut video = Media::new(MediaKind::Video, 1, Protocol::RtpAvpf);
        video.formats = vec!["31".to_owned(), "96".to_owned()];
        video.attributes.add("rtpmap", "96 VP8/90000");
        video.attributes.add("rtcp-fb", "96 nack pli");
        let here = SocketAddr::from(([192, 0, 2, 1], 4004));
        can.relays = vec![Relay::of(&video, here)];
    }
    can
}

/// Whether an answer of ours answers this offer (RFC 3264 §6, RFC 4568 §5.1.2, RFC 5761 §5.1.1).
pub(crate) fn check(offer: &Description, answer: &Answer) {
    let agreed = &answer.agreement().lines;
    let answer = Description::parse(answer.to_bytes()).expect("what we print is SDP");
    assert_eq!(
        (offer.media.len(), offer.media.len()),
        (answer.media.len(), agreed.len())
    );
    assert_eq!(offer.times, answer.times);
    for (line, (theirs, ours)) in offer.media.iter().zip(&answer.media).enumerate() {
        assert_eq!(
            (&theirs.kind, &theirs.protocol),
            (&ours.kind, &ours.protocol)
        );
        if ours.port == 0 {
            continue;
        }
        assert_ne!(theirs.port, 0, "what is closed stays closed");
        let (asked, said) = (offer.direction_of(line), answer.direction_of(line));
        assert_eq!(said.and(asked.reversed()), said, "{said} answers {asked}");
        assert!(said != Direction::SendRecv || asked == Direction::SendRecv);
        formats(theirs, ours);
        assert!(!ours.attributes.has("rtcp-mux") || theirs.attributes.has("rtcp-mux"));
        crypto(theirs, ours);
        dtls(offer, theirs, ours);
        let mid = theirs
            .attributes
            .value("mid")
            .map(str::trim)
            .filter(|mid| (1..=64).contains(&mid.len()));
        assert_eq!(mid, ours.attributes.value("mid"));
        let feedback = |media: &Media| -> Vec<String> {
            let lines = media.attributes.typed::<RtcpFeedback>("rtcp-fb");
            lines.map(|line| line.value).collect()
        };
        let asked = feedback(theirs);
        assert!(feedback(ours).iter().all(|value| asked.contains(value)));
        assert!(!ours.attributes.has("rtcp-rsize") || theirs.attributes.has("rtcp-rsize"));
        for extension in ours.attributes.typed::<ExtMap>("extmap") {
            let same = |theirs: ExtMap| theirs.id == extension.id && theirs.uri == extension.uri;
            assert!(
                theirs.attributes.typed("extmap").any(same),
                "{extension} was offered"
            );
        }
    }
}

/// Each format of an answer names a codec that was offered, and each number has one meaning.
fn formats(theirs: &Media, ours: &Media) {
    let meanings = |media: &Media| -> Vec<(String, u32)> {
        media
            .payload_types()
            .filter_map(|number| {
                let map = media
                    .attributes
                    .rtpmaps()
                    .filter(|map| map.payload_type == number)
                    .last();
                let mapped = map.map(|map| (map.encoding.to_ascii_lowercase(), map.clock_rate));
                let fixed = || {
                    Codec::of_static(number).map(|c| (c.name.to_ascii_lowercase(), c.clock_rate))
                };
                // Video has static numbers that are no codec of ours (RFC 3551 table 5).
                let other = || (number < 96).then(|| (format!("static {number}"), 0));
                mapped.or_else(fixed).or_else(other)
            })
            .collect()
    };
    let (offered, answered) = (meanings(theirs), meanings(ours));
    assert_eq!(
        answered.len(),
        ours.formats.len(),
        "every number of ours has a meaning"
    );
    assert!(!answered.is_empty());
    for meaning in &answered {
        assert!(
            offered.contains(meaning),
            "{meaning:?} was not offered: {offered:?}"
        );
    }
    let mut numbers: Vec<_> = ours.payload_types().collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), ours.formats.len(), "no number twice");
}

/// A fingerprint answers a fingerprint only, with a role that fits (RFC 5763 §5).
fn dtls(offer: &Description, theirs: &Media, ours: &Media) {
    let fingerprint = |media: &Attributes| media.typed::<Fingerprint>("fingerprint").next();
    if fingerprint(&ours.attributes).is_none() {
        return;
    }
    assert!(
        fingerprint(&theirs.attributes)
            .or_else(|| fingerprint(&offer.attributes))
            .is_some()
    );
    assert!(!ours.attributes.has("crypto"));
    let setup = |media: &Attributes| media.typed::<Setup>("setup").next();
    let asked = setup(&theirs.attributes).or_else(|| setup(&offer.attributes));
    match setup(&ours.attributes) {
        Some(Setup::Active) => assert!(matches!(asked, Some(Setup::ActPass | Setup::Passive))),
        Some(Setup::Passive) => {
            assert!(matches!(asked, None | Some(Setup::ActPass | Setup::Active)))
        }
        other => panic!("{other:?} settles nothing"),
    }
}

/// One line of crypto, of a tag and suite that were offered; none only where the profile allows it.
fn crypto(theirs: &Media, ours: &Media) {
    let lines = |media: &Media| -> Vec<Crypto> {
        media
            .attributes
            .values("crypto")
            .filter_map(|value| value.parse().ok())
            .collect()
    };
    let (offered, answered) = (lines(theirs), lines(ours));
    assert!(answered.len() <= 1);
    match answered.first() {
        Some(answered) => {
            let same = offered.iter().find(|offered| {
                offered.tag == answered.tag && offered.suite.eq_ignore_ascii_case(&answered.suite)
            });
            assert!(same.is_some(), "tag and suite were offered");
        }
        None => assert!(
            !theirs.protocol.as_str().contains("SAVP") || ours.attributes.has("fingerprint")
        ),
    }
}
