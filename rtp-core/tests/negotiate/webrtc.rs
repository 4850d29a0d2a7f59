//! DTLS, ICE and BUNDLE as browsers speak them: values in, values out.

use crate::support::{all, answer, exchange, lines, offered, side, stream};
use rtp_core::negotiate::{
    AudioStream, Capabilities, Dtls, DtlsPolicy, IceDescription, LocalError, MediaProfile,
    Negotiation, NegotiationError, PeerIncompatible, PeerMisbehaved, Refusal, SdesPolicy,
};
use rtp_core::sdp::{Candidate, Direction, Fingerprint, Msid, Setup};

const BROWSER: &str = include_str!("../fuzz/seeds/sdp/browser-offer.sdp");
const LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

fn fingerprint(byte: u8) -> Fingerprint {
    Fingerprint {
        hash: "sha-256".to_owned(),
        value: vec![byte; 32],
    }
}

fn able(host: u8, policy: DtlsPolicy) -> Capabilities {
    let mut can = all(host);
    can.dtls = Dtls::new(policy, fingerprint(host));
    let mut ice = IceDescription::new(&format!("user{host}"), "apasswordoftwentytwochars");
    ice.candidates = vec![
        "1 1 UDP 2130706431 192.0.2.1 4000 typ host"
            .parse::<Candidate>()
            .expect("a candidate"),
    ];
    can.ice = vec![ice];
    can.extensions = vec![LEVEL.to_owned()];
    can
}

fn webrtc(host: u8, policy: DtlsPolicy) -> Negotiation {
    side(host, able(host, policy))
}

#[test]
fn a_browser_is_answered_with_what_it_needs() {
    let mut ours = webrtc(1, DtlsPolicy::Allow);
    let (description, stream) = answer(&mut ours, BROWSER).unwrap();
    let text = lines(&description);
    for line in [
        "a=group:BUNDLE 0",
        "m=audio 4000 UDP/TLS/RTP/SAVPF 111 9 0 8 110 126",
        "a=mid:0",
        "a=ice-ufrag:user1",
        "a=ice-pwd:apasswordoftwentytwochars",
        "a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host",
        "a=setup:active",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=rtcp-mux",
        "m=video 0 UDP/TLS/RTP/SAVPF 96 97",
        "a=mid:1",
    ] {
        assert_eq!(
            text.iter().filter(|l| *l == line).count(),
            1,
            "{line} in {text:#?}"
        );
    }
    assert_eq!(
        text.iter()
            .filter(|line| line.starts_with("a=extmap"))
            .count(),
        1,
        "only what we know"
    );
    // 0.0.0.0 and port 9 are no hold with ICE: there is only no default candidate.
    assert_eq!(
        (stream.direction, stream.held_by_peer, stream.remote_rtp),
        (Direction::SendRecv, None, None)
    );
    let dtls = stream.dtls.unwrap();
    assert_eq!(
        (
            dtls.setup,
            dtls.fingerprints.len(),
            dtls.fingerprints[0].value.len()
        ),
        (Setup::Active, 1, 32)
    );
    let ice = stream.ice.unwrap();
    assert_eq!(
        (
            ice.remote.ufrag.as_str(),
            ice.remote.trickle,
            ice.controlling,
            ice.restarted
        ),
        ("EOFp", true, false, false)
    );
    assert_eq!(ice.remote.candidates.len(), 2);
    assert_eq!((stream.mid.as_deref(), stream.srtp), (Some("0"), None));
}

#[test]
fn ice_is_said_whole_and_may_be_required() {
    let mut can = able(1, DtlsPolicy::Require);
    can.ice[0].complete = true;
    can.ice_required = true;
    let mut ours = side(1, can.clone());
    let offer = ours.offer().unwrap();
    let text = lines(offer.description());
    for line in ["a=ice-options:ice2", "a=end-of-candidates"] {
        assert!(text.contains(&line.to_owned()), "{line} in {text:#?}");
    }
    let mut callee = webrtc(2, DtlsPolicy::Allow);
    let (_, theirs) = exchange(&offer, &mut ours, &mut callee).unwrap();
    assert!(theirs.ice.unwrap().remote.complete);

    // Who knows nothing of it is refused, both ways.
    let mut plain = able(2, DtlsPolicy::Require);
    plain.ice.clear();
    let mut ours = side(1, can.clone());
    let offer = ours.offer().unwrap();
    let refused = exchange(&offer, &mut ours, &mut side(2, plain.clone()));
    assert!(
        matches!(
            refused,
            Err(NegotiationError::PeerIncompatible(PeerIncompatible::Ice {
                line: 0
            }))
        ),
        "{refused:?}"
    );
    let offer = side(2, plain).offer().unwrap();
    let text = String::from_utf8(offer.to_bytes().to_vec()).unwrap();
    let refused = answer(&mut side(1, can), &text);
    assert!(
        format!("{refused:?}").contains("IceRequired"),
        "{refused:?}"
    );
}

#[test]
fn tracks_are_named_both_ways_where_dtls_is() {
    let can = |host, policy| {
        let mut can = able(host, policy);
        can.msid = vec![Msid {
            stream: "room7".to_owned(),
            track: Some(format!("mix{host}")),
        }];
        can
    };
    let mut ours = side(1, can(1, DtlsPolicy::Allow));
    let (description, browser) = answer(&mut ours, BROWSER).unwrap();
    assert!(lines(&description).contains(&"a=msid:room7 mix1".to_owned()));
    let theirs = browser.msid.unwrap();
    assert_eq!(theirs.stream, "-");
    assert_eq!(
        theirs.track.as_deref(),
        Some("4fc7b0f5-3c1d-4a3a-8a4e-0f9c6c0d7c11")
    );

    let mut a = side(1, can(1, DtlsPolicy::Require));
    let mut b = side(2, can(2, DtlsPolicy::Allow));
    let offer = a.offer().unwrap();
    let (caller, callee) = exchange(&offer, &mut a, &mut b).unwrap();
    let track = |stream: &AudioStream| stream.msid.clone().and_then(|msid| msid.track);
    assert_eq!(track(&caller).as_deref(), Some("mix2"));
    assert_eq!(track(&callee).as_deref(), Some("mix1"));

    // Who speaks plain RTP hears nothing of it.
    let mut a = side(1, can(1, DtlsPolicy::Off));
    let text = lines(a.offer().unwrap().description());
    assert!(!text.iter().any(|line| line.contains("msid")), "{text:#?}");
}

#[test]
fn policies_meet() {
    use DtlsPolicy::{Allow, Off, Require};
    for (caller, callee, expected) in [
        (Require, Require, Ok(true)),
        (Require, Allow, Ok(true)),
        (Require, Off, Err(Refusal::Protocol)),
        (Allow, Require, Err(Refusal::EncryptionRequired)),
        (Allow, Allow, Ok(false)),
        (Off, Require, Err(Refusal::EncryptionRequired)),
    ] {
        let (mut a, mut b) = (webrtc(1, caller), webrtc(2, callee));
        let offer = a.offer().unwrap();
        match (exchange(&offer, &mut a, &mut b), expected) {
            (Ok((ours, theirs)), Ok(dtls)) => {
                assert_eq!(
                    (ours.dtls.is_some(), theirs.dtls.is_some()),
                    (dtls, dtls),
                    "{caller:?} {callee:?}"
                );
                assert_eq!((ours.ice.is_some(), theirs.ice.is_some()), (dtls, dtls));
            }
            (
                Err(NegotiationError::PeerIncompatible(PeerIncompatible::Refused { why, .. })),
                Err(expected),
            ) => {
                assert_eq!(why, expected, "{caller:?} {callee:?}");
            }
            (result, expected) => panic!("{caller:?} {callee:?}: {result:?}, not {expected:?}"),
        }
    }
}

#[test]
fn the_roles_fit_and_stay() {
    // What is offered; what is answered, at first and again.
    for (theirs, prefer, expected) in [
        ("actpass", Setup::Active, Ok(Setup::Active)),
        ("actpass", Setup::Passive, Ok(Setup::Passive)),
        ("active", Setup::Active, Ok(Setup::Passive)),
        ("passive", Setup::Passive, Ok(Setup::Active)),
        ("holdconn", Setup::Active, Err(Refusal::NoDtlsRole)),
    ] {
        let mut can = able(1, DtlsPolicy::Allow);
        can.dtls.answer_setup = prefer;
        let mut ours = side(1, can);
        let offer = BROWSER.replace("setup:actpass", &format!("setup:{theirs}"));
        match (answer(&mut ours, &offer), expected) {
            (Ok((_, stream)), Ok(setup)) => {
                assert_eq!(stream.dtls.map(|dtls| dtls.setup), Some(setup), "{theirs}");
                let (_, again) = answer(&mut ours, BROWSER).unwrap();
                assert_eq!(
                    again.dtls.map(|dtls| dtls.setup),
                    Some(setup),
                    "an association keeps its roles"
                );
                let other = BROWSER.replace("19:E2", "E2:19");
                let (_, new) = answer(&mut ours, &other).unwrap();
                assert_eq!(
                    new.dtls.map(|dtls| dtls.setup),
                    Some(prefer),
                    "another certificate, another association"
                );
            }
            (
                Err(NegotiationError::PeerIncompatible(PeerIncompatible::Refused { why, .. })),
                Err(expected),
            ) => {
                assert_eq!(why, expected);
            }
            (result, _) => panic!("{theirs}: {result:?}"),
        }
    }
}

#[test]
fn an_older_name_for_dtls_is_understood() {
    let mut ours = webrtc(1, DtlsPolicy::Allow);
    let offer = BROWSER.replace("UDP/TLS/RTP/SAVPF", "RTP/SAVPF");
    let (description, first) = answer(&mut ours, &offer).unwrap();
    assert_eq!(description.media[0].protocol.as_str(), "RTP/SAVPF");
    assert!(first.dtls.is_some() && !description.media[0].attributes.has("crypto"));
    // Our own next offer stays with it.
    let refresh = ours.offer().unwrap();
    let media = &refresh.description().media[0];
    assert!(media.attributes.has("fingerprint") && !media.attributes.has("crypto"));
    assert_eq!(media.attributes.value("setup"), Some("actpass"));
    let reply = offer.replace("actpass", "passive");
    let again = stream(ours.answered(&refresh, reply).unwrap());
    assert_eq!(again.dtls.map(|dtls| dtls.setup), Some(Setup::Active));
}

#[test]
fn wrong_answers_are_named() {
    let reply =
        |attributes: &str| offered(&format!("m=audio 5000 UDP/TLS/RTP/SAVPF 0\n{attributes}"));
    let mark = "a=fingerprint:sha-256 12:34\n";
    for (attributes, expected) in [
        (
            "a=setup:active\n".to_owned(),
            Err(PeerMisbehaved::FingerprintMissing { line: 0 }),
        ),
        (
            "a=setup:active\na=fingerprint:sha-256 xx\n".to_owned(),
            Err(PeerMisbehaved::FingerprintMissing { line: 0 }),
        ),
        (
            format!("{mark}a=setup:actpass\n"),
            Err(PeerMisbehaved::Setup { line: 0 }),
        ),
        (
            format!("{mark}a=setup:holdconn\n"),
            Err(PeerMisbehaved::Setup { line: 0 }),
        ),
        (format!("{mark}a=setup:active\n"), Ok(Setup::Passive)),
        (format!("{mark}a=setup:passive\n"), Ok(Setup::Active)),
        (mark.to_owned(), Ok(Setup::Active)),
    ] {
        let mut ours = webrtc(1, DtlsPolicy::Require);
        let offer = ours.offer().unwrap();
        match (ours.answered(&offer, reply(&attributes)), expected) {
            (Ok(agreed), Ok(setup)) => {
                assert_eq!(
                    stream(agreed).dtls.map(|dtls| dtls.setup),
                    Some(setup),
                    "{attributes}"
                );
                assert_eq!(stream(agreed).ice, None, "a peer without ICE");
            }
            (Err(error), Err(expected)) => assert_eq!(error, expected.into(), "{attributes}"),
            (result, _) => panic!("{attributes}: {result:?}"),
        }
    }
}

#[test]
fn ice_starts_again_with_new_credentials_only() {
    let mut ours = webrtc(1, DtlsPolicy::Allow);
    let received = ours.receive_offer(BROWSER).unwrap();
    assert!(!received.restarts_ice(&ours, 0));
    assert!(
        !stream(ours.answer(received).unwrap().agreement())
            .ice
            .unwrap()
            .restarted
    );
    let (_, same) = answer(&mut ours, BROWSER).unwrap();
    assert!(!same.ice.unwrap().restarted);

    let restart = BROWSER
        .replace("EOFp", "nEWp")
        .replace("t=0 0", "a=ice-lite\r\nt=0 0");
    let received = ours.receive_offer(&restart).unwrap();
    assert!(received.restarts_ice(&ours, 0) && !received.restarts_ice(&ours, 1));
    let mut can = able(1, DtlsPolicy::Allow);
    can.ice = vec![IceDescription::new("newer", "anotherpasswordoftwentytwo")];
    ours.set_capabilities(can);
    let answer = ours.answer(received).unwrap();
    let ice = stream(answer.agreement()).ice.unwrap();
    assert!(
        ice.restarted && ice.remote.lite && ice.controlling,
        "the only full agent controls"
    );
    assert!(lines(answer.description()).contains(&"a=ice-ufrag:newer".to_owned()));
}

#[test]
fn credentials_that_are_none_are_no_ice() {
    for (from, to) in [
        ("ice-ufrag:EOFp", "ice-ufrag:EOF"),
        ("ice-pwd:", "ice-pwd:x "),
        ("ice-ufrag:EOFp", "ice-ufrag:EO p"),
    ] {
        let mut ours = webrtc(1, DtlsPolicy::Allow);
        let (_, stream) = answer(&mut ours, &BROWSER.replace(from, to)).unwrap();
        assert_eq!(stream.ice, None, "{to}");
    }
}

#[test]
fn extensions_keep_their_ids() {
    let mut ours = webrtc(1, DtlsPolicy::Allow);
    let mut can = able(1, DtlsPolicy::Allow);
    can.extensions.insert(0, "urn:ours".to_owned());
    ours.set_capabilities(can);
    let (_, stream) = answer(
        &mut ours,
        &BROWSER.replace("extmap:1 ", "extmap:1/recvonly "),
    )
    .unwrap();
    assert_eq!(stream.extensions.len(), 1);
    assert_eq!(
        (stream.extensions[0].id, stream.extensions[0].direction),
        (1, Some(Direction::SendOnly))
    );
    let refresh = ours.offer().unwrap();
    let text = lines(refresh.description());
    for line in [
        "a=extmap:2 urn:ours",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=mid:0",
    ] {
        assert!(text.contains(&line.to_owned()), "{line} in {text:#?}");
    }
}

#[test]
fn dtls_needs_a_fingerprint_on_both_sides() {
    let mut can = able(1, DtlsPolicy::Require);
    can.dtls.fingerprints.clear();
    assert_eq!(side(1, can).offer().unwrap_err(), LocalError::NoFingerprint);
    let bare: String = BROWSER
        .lines()
        .filter(|line| !line.contains("fingerprint"))
        .flat_map(|line| [line, "\r\n"])
        .collect();
    let result = answer(&mut webrtc(1, DtlsPolicy::Allow), &bare).unwrap_err();
    assert_eq!(
        result,
        PeerIncompatible::Refused {
            line: 0,
            why: Refusal::NoFingerprint
        }
        .into()
    );
}

#[test]
fn the_profile_follows_the_policies() {
    for (dtls, sdes, protocol) in [
        (DtlsPolicy::Allow, SdesPolicy::Off, "RTP/AVP"),
        (DtlsPolicy::Allow, SdesPolicy::Require, "RTP/SAVP"),
        (DtlsPolicy::Require, SdesPolicy::Off, "UDP/TLS/RTP/SAVPF"),
        (
            DtlsPolicy::Require,
            SdesPolicy::Require,
            "UDP/TLS/RTP/SAVPF",
        ),
    ] {
        let mut can = able(1, dtls);
        can.sdes.policy = sdes;
        let mut ours = side(1, can);
        let offer = ours.offer().unwrap();
        let media = &offer.description().media[0];
        assert_eq!(media.protocol.as_str(), protocol);
        assert_eq!(media.attributes.has("crypto"), protocol == "RTP/SAVP");
        assert_eq!(
            media.attributes.has("fingerprint"),
            dtls == DtlsPolicy::Require
        );
        assert!(!format!("{offer:?} {ours:?}").contains("apasswordof"));
    }
}

#[test]
fn what_is_refused_is_tried_in_the_next_weaker_profile_and_never_below_the_policy() {
    use MediaProfile::{Avp, DtlsSavpf, Savp};
    use SdesPolicy::{Allow, Off, Require};
    for (dtls, sdes, expected) in [
        (DtlsPolicy::Off, Off, &[Avp][..]),
        (DtlsPolicy::Off, Allow, &[Savp, Avp]),
        (DtlsPolicy::Off, Require, &[Savp]),
        (DtlsPolicy::Allow, Off, &[DtlsSavpf, Avp]),
        (DtlsPolicy::Allow, Allow, &[DtlsSavpf, Savp, Avp]),
        (DtlsPolicy::Allow, Require, &[DtlsSavpf, Savp]),
        (DtlsPolicy::Require, Off, &[DtlsSavpf]),
        (DtlsPolicy::Require, Require, &[DtlsSavpf]),
    ] {
        let mut can = able(1, dtls);
        can.sdes.policy = sdes;
        assert_eq!(can.profiles(), expected, "{dtls:?} {sdes:?}");
        let mut ours = side(1, can);
        let mut offer = ours.offer_profile(expected[0]).unwrap();
        for profile in expected {
            assert_eq!(offer.profile(), *profile);
            let media = &offer.description().media[0];
            let (protocol, key, mark) = match profile {
                DtlsSavpf => ("UDP/TLS/RTP/SAVPF", false, true),
                Savp => ("RTP/SAVP", true, false),
                _ => ("RTP/AVP", sdes == Allow, false),
            };
            assert_eq!(media.protocol.as_str(), protocol);
            assert_eq!(media.attributes.has("crypto"), key, "{profile:?} {sdes:?}");
            assert_eq!(media.attributes.has("fingerprint"), mark, "{profile:?}");
            match ours.offer_weaker(offer).unwrap() {
                Some(next) => offer = next,
                None => {
                    assert_eq!(Some(profile), expected.last());
                    break;
                }
            }
        }
        for profile in [Avp, Savp, DtlsSavpf] {
            let allowed = ours.offer_profile(profile).map(|offer| offer.profile());
            match expected.contains(&profile) {
                true => assert_eq!(allowed, Ok(profile)),
                false => assert_eq!(allowed, Err(LocalError::ProfileNotAllowed)),
            }
        }
    }
    // Without a certificate there is no DTLS to allow.
    let mut can = able(1, DtlsPolicy::Allow);
    can.dtls.fingerprints.clear();
    assert_eq!(can.profiles(), [Avp]);
}

#[test]
fn an_offer_of_each_profile_is_answered_by_who_can() {
    for profile in [
        MediaProfile::DtlsSavpf,
        MediaProfile::Savp,
        MediaProfile::Avp,
    ] {
        let side_with = |host| {
            let mut can = able(host, DtlsPolicy::Allow);
            can.sdes.policy = SdesPolicy::Allow;
            side(host, can)
        };
        let (mut a, mut b) = (side_with(1), side_with(2));
        let offer = a.offer_profile(profile).unwrap();
        let (ours, theirs) = exchange(&offer, &mut a, &mut b).unwrap();
        let dtls = profile == MediaProfile::DtlsSavpf;
        for stream in [ours, theirs] {
            assert_eq!(stream.dtls.is_some(), dtls);
            assert_eq!(stream.srtp.is_some(), !dtls);
        }
        // A later offer of either keeps what was agreed on, and has nothing weaker.
        assert!(a.offer_weaker(offer).unwrap().is_none());
        let refresh = b.offer().unwrap();
        let protocol = refresh.description().media[0].protocol.as_str();
        assert_eq!(protocol.starts_with("UDP/TLS"), dtls);
    }
}

#[test]
fn feedback_is_what_both_know_in_profiles_that_have_it() {
    let media = "m=audio 5000 RTP/AVPF 0 96 101\na=rtpmap:96 opus/48000/2\n\
        a=rtcp-fb:96 transport-cc\na=rtcp-fb:* nack\na=rtcp-fb:0 nack\na=rtcp-fb:96 nack pli\n\
        a=rtcp-fb:55 nack\na=rtcp-fb:x nack\na=rtcp-rsize\n";
    let mut can = all(1);
    can.feedback = vec!["nack".to_owned(), "transport-cc".to_owned()];
    let mut ours = side(1, can.clone());
    let (description, stream) = answer(&mut ours, &offered(media)).unwrap();
    let printed = |text: Vec<String>| -> Vec<String> {
        let wanted = |line: &String| line.starts_with("a=rtcp-fb") || line == "a=rtcp-rsize";
        text.into_iter().filter(wanted).collect()
    };
    let all = [
        "a=rtcp-rsize",
        "a=rtcp-fb:96 transport-cc",
        "a=rtcp-fb:* nack",
        "a=rtcp-fb:0 nack",
    ];
    assert_eq!(printed(lines(&description)), all);
    assert_eq!((stream.feedback.len(), stream.reduced_size), (3, true));
    let refresh = ours.offer().unwrap();
    let again = printed(lines(refresh.description()));
    assert_eq!(
        again,
        [
            "a=rtcp-rsize",
            "a=rtcp-fb:* nack",
            "a=rtcp-fb:* transport-cc"
        ]
    );
    let agreed = ours.answered(&refresh, offered(media)).unwrap();
    assert_eq!(agreed.audio().next().unwrap().feedback, stream.feedback);

    // Nothing of it without our knowing, nor in a profile without feedback.
    can.reduced_size = false;
    can.feedback.clear();
    let (description, _) = answer(&mut side(1, can.clone()), &offered(media)).unwrap();
    assert_eq!(printed(lines(&description)), [""; 0]);
    can.feedback.push("nack".to_owned());
    let (description, stream) =
        answer(&mut side(1, can), &offered(&media.replace("AVPF", "AVP"))).unwrap();
    assert_eq!(printed(lines(&description)), [""; 0]);
    assert!(stream.feedback.is_empty() && !stream.reduced_size);
}
