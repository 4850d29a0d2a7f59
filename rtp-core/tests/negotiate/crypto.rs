//! SDES (RFC 4568) within offer and answer.

use crate::support::{all, answer, exchange, offered, side, stream};
use rtp_core::negotiate::SdesPolicy::{self, Allow, Off, Require};
use rtp_core::negotiate::{
    AudioStream, Hold, NegotiationError, PeerIncompatible, PeerMisbehaved, Refusal, Sdes,
};
use rtp_core::sdes::{Crypto, Unusable};
use rtp_core::sdp::Protocol;
use rtp_core::srtp::Suite;

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const OTHER_KEY: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

fn with(host: u8, policy: SdesPolicy) -> rtp_core::negotiate::Negotiation {
    let mut can = all(host);
    can.sdes = Sdes::new(policy);
    side(host, can)
}

#[test]
fn policies_meet() {
    // Caller, callee: encrypted or not, or the callee's reason to refuse.
    let table = [
        (Off, Off, Ok(false)),
        (Off, Allow, Ok(false)),
        (Off, Require, Err(Refusal::EncryptionRequired)),
        (Allow, Off, Ok(false)),
        (Allow, Allow, Ok(true)),
        (Allow, Require, Ok(true)),
        (Require, Off, Err(Refusal::EncryptionOff)),
        (Require, Allow, Ok(true)),
        (Require, Require, Ok(true)),
    ];
    for (caller, callee, expected) in table {
        let (mut a, mut b) = (with(1, caller), with(2, callee));
        let offer = a.offer().unwrap();
        match (exchange(&offer, &mut a, &mut b), expected) {
            (Ok((ours, theirs)), Ok(encrypted)) => {
                assert_eq!(
                    (ours.srtp.is_some(), theirs.srtp.is_some()),
                    (encrypted, encrypted),
                    "{caller:?} {callee:?}"
                );
                if let (Some(ours), Some(theirs)) = (ours.srtp, theirs.srtp) {
                    assert_eq!((&ours.local, &ours.remote), (&theirs.remote, &theirs.local));
                    assert_ne!(ours.local, ours.remote);
                }
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
fn answers_with_tag_suite_and_profile_of_the_chosen_line() {
    let mut ours = with(1, Allow);
    let offer = offered(&format!(
        "m=audio 5000 RTP/SAVP 0\na=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:{OTHER_KEY}\n\
         a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^31\n"
    ));
    let (description, stream) = answer(&mut ours, &offer).unwrap();
    assert_eq!(description.media[0].protocol, Protocol::RtpSavp);
    let values: Vec<_> = description.media[0].attributes.values("crypto").collect();
    assert_eq!(values.len(), 1);
    assert!(values[0].starts_with("7 AES_CM_128_HMAC_SHA1_80 inline:"));
    assert!(!values[0].contains(KEY), "never the peer's own key");
    let keys = stream.srtp.unwrap();
    let theirs: Crypto = format!("7 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")
        .parse()
        .unwrap();
    assert_eq!(Ok(keys.remote), theirs.usable());
    assert_eq!(
        (keys.local.suite(), keys.remote_lifetime),
        (Suite::AesCm128HmacSha1_80, Some(1 << 31))
    );
}

#[test]
fn our_order_of_suites_decides() {
    let mut can = all(1);
    can.sdes = Sdes::new(Require);
    can.sdes.suites = vec![
        Suite::AesCm256HmacSha1_80,
        Suite::AesCm128HmacSha1_32,
        Suite::AesCm128HmacSha1_80,
    ];
    let mut a = side(1, can.clone());
    can.sdes.suites.reverse();
    can.streams = all(2).streams;
    let mut b = side(2, can);
    let offer = a.offer().unwrap();
    assert_eq!(
        offer.description().media[0]
            .attributes
            .values("crypto")
            .count(),
        3
    );
    let (ours, theirs) = exchange(&offer, &mut a, &mut b).unwrap();
    assert_eq!(
        ours.srtp.as_ref().map(|keys| keys.local.suite()),
        Some(Suite::AesCm128HmacSha1_80)
    );
    assert_eq!(
        theirs.srtp.map(|keys| keys.local.suite()),
        Some(Suite::AesCm128HmacSha1_80)
    );
    // The answerer's order has decided; whoever offers next changes nothing by it, unless somebody wants to.
    let agreed = |ours: &AudioStream| ours.srtp.clone().map(|keys| keys.local.suite());
    let hold = b.offer_hold(Hold::SendOnly).unwrap();
    let (held, _) = exchange(&hold, &mut b, &mut a).unwrap();
    assert_eq!(agreed(&held), Some(Suite::AesCm128HmacSha1_80));
    drop(hold);
    let mut can = a.capabilities().clone();
    can.sdes.suites = vec![Suite::AesCm128HmacSha1_32, Suite::AesCm256HmacSha1_80];
    a.set_capabilities(can);
    let resume = b.offer_resume().unwrap();
    let (resumed, _) = exchange(&resume, &mut b, &mut a).unwrap();
    assert_eq!(agreed(&resumed), Some(Suite::AesCm128HmacSha1_32));
}

#[test]
fn what_cannot_be_used_is_refused_or_left_in_the_clear() {
    let line =
        |parameters: &str| format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}{parameters}\n");
    for crypto in [
        String::new(),
        "a=crypto:1 ROT13 inline:AAAA\n".to_owned(),
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA\n".to_owned(),
        "a=crypto:rubbish\n".to_owned(),
        line(" UNENCRYPTED_SRTP"),
        line(" KDR=1"),
    ] {
        for (policy, protocol, expected) in [
            (Allow, "RTP/SAVP", Err(Refusal::NoUsableCrypto)),
            (Require, "RTP/SAVP", Err(Refusal::NoUsableCrypto)),
            (Allow, "RTP/AVP", Ok(false)),
            (Require, "RTP/AVP", Err(Refusal::EncryptionRequired)),
        ] {
            let mut ours = with(1, policy);
            let result = answer(
                &mut ours,
                &offered(&format!("m=audio 5000 {protocol} 0\n{crypto}")),
            );
            match (result, expected) {
                (Ok((description, stream)), Ok(_)) => {
                    assert!(
                        stream.srtp.is_none() && !description.media[0].attributes.has("crypto")
                    );
                }
                (
                    Err(NegotiationError::PeerIncompatible(PeerIncompatible::Refused {
                        why,
                        line: 0,
                    })),
                    Err(expected),
                ) => {
                    assert_eq!(why, expected, "{crypto}");
                }
                (result, _) => panic!("{crypto} {protocol}: {result:?}"),
            }
        }
    }
}

#[test]
fn wrong_answers_are_named() {
    for (policy, crypto, expected) in [
        (
            Require,
            String::new(),
            PeerMisbehaved::CryptoMissing { line: 0 },
        ),
        (
            Allow,
            "a=crypto:x\n".to_owned(),
            PeerMisbehaved::CryptoMalformed { line: 0 },
        ),
        (
            Require,
            format!("a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\n"),
            PeerMisbehaved::CryptoTag { line: 0, tag: 9 },
        ),
        (
            Allow,
            format!("a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}\n"),
            PeerMisbehaved::CryptoSuite { line: 0, tag: 1 },
        ),
        (
            Require,
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA\n".to_owned(),
            PeerMisbehaved::CryptoUnusable {
                line: 0,
                why: Unusable::KeyLength,
            },
        ),
    ] {
        let mut ours = with(1, policy);
        let offer = ours.offer().unwrap();
        let protocol = if policy == Require {
            "RTP/SAVP"
        } else {
            "RTP/AVP"
        };
        let bad = offered(&format!("m=audio 5000 {protocol} 0\n{crypto}"));
        assert_eq!(ours.answered(&offer, bad), Err(expected.into()));
        assert!(ours.agreement().is_none());
        // The offer is still open: the right answer may come after the wrong one.
        let good = offered(&format!(
            "m=audio 5000 {protocol} 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\n"
        ));
        assert!(stream(ours.answered(&offer, good).unwrap()).srtp.is_some());
    }
}

#[test]
fn keys_stay_while_the_peers_stays_and_change_with_it() {
    let mut ours = with(1, Allow);
    let offer = |key: &str| {
        offered(&format!(
            "m=audio 5000 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\n"
        ))
    };
    let (first, a) = answer(&mut ours, &offer(KEY)).unwrap();
    let (second, b) = answer(&mut ours, &offer(KEY)).unwrap();
    assert_eq!(a.srtp, b.srtp);
    assert_eq!(
        first, second,
        "nothing changed, so neither does the version"
    );
    let (third, c) = answer(&mut ours, &offer(OTHER_KEY)).unwrap();
    assert_ne!(
        b.srtp.map(|keys| keys.local),
        c.srtp.clone().map(|keys| keys.local)
    );
    assert_eq!(third.origin.version, "2");
    // Our own offers keep the profile and the key of the session.
    let refresh = ours.offer().unwrap();
    assert_eq!(refresh.description().media[0].protocol, Protocol::RtpSavp);
    let again = offered(&format!(
        "m=audio 5000 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{OTHER_KEY}\n"
    ));
    assert_eq!(stream(ours.answered(&refresh, again).unwrap()).srtp, c.srtp);
}

#[test]
fn nothing_that_is_formatted_shows_a_key() {
    let (mut a, mut b) = (with(1, Require), with(2, Require));
    let offer = a.offer().unwrap();
    let received = b.receive_offer(offer.to_bytes()).unwrap();
    let mut shown = format!("{offer:?} {received:?}");
    let answer = b.answer(received).unwrap();
    shown += &format!("{answer:?} {b:?}");
    a.answered(&offer, answer.to_bytes()).unwrap();
    shown += &format!("{a:?} {:?}", a.agreement());
    for body in [offer.to_bytes(), answer.to_bytes()] {
        let body = String::from_utf8_lossy(&body).into_owned();
        let key = body
            .split("inline:")
            .nth(1)
            .and_then(|rest| rest.lines().next())
            .unwrap();
        assert_eq!(key.len(), 40);
        assert!(!shown.contains(&key[..8]), "{shown}");
    }
}

#[test]
fn new_keys_come_when_asked_for() {
    let (mut a, mut b) = (with(1, Require), with(2, Require));
    let offer = a.offer().unwrap();
    let (first, _) = exchange(&offer, &mut a, &mut b).unwrap();
    a.renew_keys();
    let offer = a.offer().unwrap();
    let (second, theirs) = exchange(&offer, &mut a, &mut b).unwrap();
    let (first, second, theirs) = (
        first.srtp.unwrap(),
        second.srtp.unwrap(),
        theirs.srtp.unwrap(),
    );
    assert_ne!(first.local, second.local);
    assert_ne!(
        first.remote, second.remote,
        "the other side answers a new key with a new key"
    );
    assert_eq!((second.local, second.remote), (theirs.remote, theirs.local));
}

#[test]
fn a_key_identifier_is_taken_over() {
    let mut callee = with(2, Require);
    let line = format!("a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^31|9:2\n");
    let text = offered(&format!("m=audio 5000 RTP/SAVP 0\n{line}"));
    let (description, stream) = answer(&mut callee, &text).unwrap();
    let keys = stream.srtp.unwrap();
    assert_eq!(
        (keys.remote.mki(), keys.remote_lifetime),
        (&[0, 9][..], Some(1 << 31))
    );
    assert!(
        keys.local.mki().is_empty(),
        "an identifier is each side's own"
    );
    let ours = description.media[0].attributes.value("crypto").unwrap();
    assert!(ours.starts_with("4 AES_CM_128_HMAC_SHA1_80 inline:") && !ours.contains('|'));

    // What the peer sends under that key is read, and nothing without the identifier is.
    let mut buffer = [0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4].to_vec();
    buffer.resize(64, 0);
    let mut theirs = rtp_core::srtp::Outbound::new(&keys.remote);
    let len = theirs.protect_rtp(&mut buffer, 16).unwrap();
    let mut rx = rtp_core::srtp::Inbound::new(&keys.remote);
    assert_eq!(
        rx.unprotect_rtp(&mut buffer[..len]).unwrap()[12..],
        [1, 2, 3, 4]
    );
}

#[test]
fn several_keys_in_a_line_leave_it_to_another_line() {
    let mut callee = with(2, Require);
    let two =
        format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:1;inline:{OTHER_KEY}|2:1\n");
    let one = format!("a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{OTHER_KEY}\n");
    let refused = answer(
        &mut callee,
        &offered(&format!("m=audio 5000 RTP/SAVP 0\n{two}")),
    );
    assert_eq!(
        refused.unwrap_err(),
        PeerIncompatible::Refused {
            line: 0,
            why: Refusal::NoUsableCrypto
        }
        .into()
    );
    let text = offered(&format!("m=audio 5000 RTP/SAVP 0\n{two}{one}"));
    let (description, _) = answer(&mut callee, &text).unwrap();
    assert!(
        description.media[0]
            .attributes
            .value("crypto")
            .unwrap()
            .starts_with("2 ")
    );
}
