//! Whose fault it is, and that a failed exchange changes nothing.

use crate::support::{all, answer, exchange, offered, pair, side};
use rtp_core::negotiate::{
    LocalError, Negotiation, NegotiationError, PeerIncompatible, PeerMisbehaved, Refusal, RtcpMux,
};

fn is_send<T: Send>() {}

#[test]
fn machines_are_send() {
    is_send::<Negotiation>();
    is_send::<rtp_core::negotiate::SentOffer>();
    is_send::<rtp_core::negotiate::ReceivedOffer>();
    is_send::<rtp_core::negotiate::Answer>();
}

#[test]
fn wrong_answers_are_named_and_change_nothing() {
    let line = "m=audio 5000 RTP/AVP 0\n";
    let no_connection =
        "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nt=0 0\nm=audio 5000 RTP/AVP 0\n".to_owned();
    let cases: [(String, NegotiationError); 7] = [
        (
            offered(""),
            PeerMisbehaved::LineCount {
                offered: 1,
                answered: 0,
            }
            .into(),
        ),
        (
            offered(&line.repeat(2)),
            PeerMisbehaved::LineCount {
                offered: 1,
                answered: 2,
            }
            .into(),
        ),
        (
            offered("m=video 5000 RTP/AVP 0\n"),
            PeerMisbehaved::KindChanged { line: 0 }.into(),
        ),
        (
            offered("m=audio 5000 RTP/SAVP 0\n"),
            PeerMisbehaved::ProtocolChanged { line: 0 }.into(),
        ),
        (
            offered("m=audio 5000 RTP/AVP 3 112\n"),
            PeerMisbehaved::NoOfferedFormat { line: 0 }.into(),
        ),
        (
            offered("m=audio 5000 RTP/AVP 101\na=rtpmap:101 telephone-event/8000\n"),
            PeerMisbehaved::NoOfferedFormat { line: 0 }.into(),
        ),
        (
            no_connection,
            PeerMisbehaved::NoConnection { line: 0 }.into(),
        ),
    ];
    for (bad, expected) in cases {
        let (mut a, mut b) = pair();
        let first = a.offer().unwrap();
        exchange(&first, &mut a, &mut b).unwrap();
        let before = a.agreement().cloned();
        let offer = a.offer().unwrap();
        assert_eq!(a.answered(&offer, &bad), Err(expected), "{bad}");
        assert_eq!(a.agreement().cloned(), before);
        assert_eq!(a.offer().unwrap_err(), LocalError::OfferPending);
        assert!(
            a.answered(&offer, offered(line)).is_ok(),
            "the right answer may still come"
        );
    }
    let (mut a, _) = pair();
    let offer = a.offer().unwrap();
    assert!(matches!(
        a.answered(&offer, "rubbish"),
        Err(NegotiationError::Parse(_))
    ));
    assert_eq!(
        a.answered(&offer, offered("m=audio 0 RTP/AVP 0\n")),
        Err(PeerIncompatible::RefusedByPeer.into())
    );
}

#[test]
fn offers_that_cannot_be_taken_say_why() {
    let refused = |why| NegotiationError::from(PeerIncompatible::Refused { line: 0, why });
    for (media, expected) in [
        (
            "m=video 5000 RTP/AVP 31\n",
            PeerIncompatible::NoAudio.into(),
        ),
        ("m=audio 5000 RTP/AVP 3\n", refused(Refusal::NoCommonCodec)),
        (
            "m=audio 5000 RTP/AVP 101\na=rtpmap:101 telephone-event/8000\n",
            refused(Refusal::NoCommonCodec),
        ),
        (
            "m=audio 5000 RTP/AVP 112\n",
            refused(Refusal::NoCommonCodec),
        ),
        (
            "m=audio 5000 RTP/AVP 112\na=rtpmap:0 PCMU/8000\n",
            refused(Refusal::NoCommonCodec),
        ),
        (
            "m=audio 5000 UDP/TLS/RTP/SAVPF 0\n",
            refused(Refusal::Protocol),
        ),
        ("m=audio 5000 RTP/NEW 0\n", refused(Refusal::Protocol)),
        ("m=audio 5000 RTP/SAVP 0\n", refused(Refusal::EncryptionOff)),
    ] {
        let (mut a, _) = pair();
        let offer = offered(media);
        assert_eq!(answer(&mut a, &offer).unwrap_err(), expected, "{media}");
        assert!(a.agreement().is_none());
        assert!(answer(&mut a, &offered("m=audio 5000 RTP/AVP 0\n")).is_ok());
        let before = a.agreement().cloned();
        assert_eq!(
            answer(&mut a, &offered(&format!("{media}m=image 1 udptl t38\n"))).unwrap_err(),
            expected
        );
        assert_eq!(
            a.agreement().cloned(),
            before,
            "a refused re-INVITE leaves the call as it was"
        );
    }
}

#[test]
fn lines_cannot_be_taken_away() {
    let (mut a, _) = pair();
    answer(
        &mut a,
        &offered("m=audio 5000 RTP/AVP 0\nm=video 0 RTP/AVP 31\n"),
    )
    .unwrap();
    assert_eq!(
        a.receive_offer(offered("m=audio 5000 RTP/AVP 0\n"))
            .unwrap_err(),
        PeerMisbehaved::LinesRemoved {
            known: 2,
            offered: 1
        }
        .into()
    );
    assert!(a.offer().is_ok(), "the refused offer is over");
}

#[test]
fn exchanges_do_not_cross() {
    let (mut a, mut b) = pair();
    let ours = a.offer().unwrap();
    let theirs = b.offer().unwrap();
    let crossing = a.receive_offer(theirs.to_bytes()).unwrap_err();
    assert_eq!(crossing, LocalError::OfferPending.into());
    // The peer's 491 to ours: it is dropped, and theirs can be taken.
    drop(ours);
    let received = a.receive_offer(theirs.to_bytes()).unwrap();
    assert_eq!(a.offer().unwrap_err(), LocalError::OfferUnanswered);
    assert_eq!(
        a.receive_offer(theirs.to_bytes()).unwrap_err(),
        LocalError::OfferUnanswered.into()
    );
    let answer = a.answer(received).unwrap();
    assert!(b.answered(&theirs, answer.to_bytes()).is_ok());
    assert!(
        b.answered(&theirs, answer.to_bytes()).is_ok(),
        "a 183 and a 200 may both answer"
    );

    let refresh = a.offer().unwrap();
    exchange(&refresh, &mut a, &mut b).unwrap();
    assert_eq!(
        b.answered(&theirs, answer.to_bytes()).unwrap_err(),
        LocalError::Stale.into()
    );
}

#[test]
fn nothing_to_offer_is_said_at_once() {
    let mut can = all(1);
    can.codecs.clear();
    assert_eq!(
        side(1, can).offer().unwrap_err(),
        LocalError::NothingToOffer
    );
    let mut can = all(1);
    can.streams.clear();
    assert_eq!(
        side(1, can).offer().unwrap_err(),
        LocalError::NothingToOffer
    );
    let mut can = all(1);
    can.sdes.policy = rtp_core::negotiate::SdesPolicy::Allow;
    can.sdes.suites.clear();
    assert_eq!(side(1, can).offer().unwrap_err(), LocalError::NoSuite);
}

#[test]
fn mux_policies_meet() {
    use RtcpMux::{Allow, Off, Require};
    for (caller, callee, expected) in [
        (Off, Off, Some(false)),
        (Off, Allow, Some(false)),
        (Off, Require, None),
        (Allow, Off, Some(false)),
        (Allow, Allow, Some(true)),
        (Allow, Require, Some(true)),
        (Require, Off, None),
        (Require, Allow, Some(true)),
        (Require, Require, Some(true)),
    ] {
        let (mut a, mut b) = (all(1), all(2));
        (a.rtcp_mux, b.rtcp_mux) = (caller, callee);
        let (mut a, mut b) = (side(1, a), side(2, b));
        let offer = a.offer().unwrap();
        let result = exchange(&offer, &mut a, &mut b).ok();
        assert_eq!(
            result.as_ref().map(|(ours, _)| ours.rtcp_mux),
            expected,
            "{caller:?} {callee:?}"
        );
        if let Some((ours, theirs)) = result {
            assert_eq!(ours.rtcp_mux, theirs.rtcp_mux);
            assert_eq!(ours.remote_rtcp == ours.remote_rtp, ours.rtcp_mux);
            assert_eq!(
                ours.remote_rtcp,
                Some(if ours.rtcp_mux {
                    theirs.local.rtp
                } else {
                    theirs.local.rtcp
                })
            );
        }
    }
}
