//! `sip-core`'s endpoint against SIPp, as caller and as callee, over UDP and TCP.

use interop::{Direction, Outcome, Sipp, SippOptions, Transport, Ua, installed};
use sip_core::auth::Account;
use sip_core::header::NameAddr;
use sip_core::{CallId, EndCause, EndKind, EndedBy, Event, Invite, StatusCode};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(15);
const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];

/// SIPp waits with `scenario`; our endpoint calls it, after `prepare`, and does `talk`.
fn we_call(
    scenario: &str,
    transports: &[Transport],
    more: &[&str],
    prepare: impl Fn(Invite) -> Invite,
    talk: impl Fn(&mut Ua, CallId),
) -> Vec<Outcome> {
    if !installed(&["sipp"]) {
        return Vec::new();
    }
    let mut outcomes = Vec::new();
    for &transport in transports {
        let mut options = SippOptions::default();
        options.transport = transport;
        options.more = more.iter().map(ToString::to_string).collect();
        let sipp = Sipp::uas(scenario, &options);
        let mut ua = Ua::start(|_| {});
        let from = NameAddr::parse("\"Room 7\" <sip:room7@example.org>").expect("an address");
        let invite = Invite::new(sipp.uri().parse().expect("a URI"), from)
            .header("X-Room", "7")
            .body(ua.sdp(1, "sendrecv"));
        let call = ua
            .endpoint()
            .invite(Instant::now(), prepare(invite))
            .expect("a call");
        talk(&mut ua, call);
        // What the peer may still repeat or send late is answered.
        ua.run_for(Duration::from_millis(700));
        assert_eq!(
            ua.endpoint().calls().count(),
            0,
            "the endpoint forgets the call"
        );
        outcomes.push(sipp.wait().expect_passed());
    }
    outcomes
}

/// SIPp calls with `scenario`; `serve` is our side.
fn sipp_calls(scenario: &str, serve: impl Fn(&mut Ua)) {
    if !installed(&["sipp"]) {
        return;
    }
    for transport in BOTH {
        let mut options = SippOptions::default();
        options.transport = transport;
        let mut ua = Ua::start(|_| {});
        let sipp = Sipp::uac(scenario, "room7", ua.port(), &options);
        serve(&mut ua);
        ua.run_for(Duration::from_millis(700));
        sipp.wait().expect_passed();
        assert_eq!(
            ua.endpoint().calls().count(),
            0,
            "the endpoint forgets the call"
        );
    }
}

fn answered(ua: &mut Ua) {
    ua.wait_for("the answer", SOON, |e| {
        matches!(e, Event::Answered { .. }).then_some(())
    });
}

fn ended(ua: &mut Ua) -> EndCause {
    ua.wait_for("the end of the call", SOON, |e| match e {
        Event::Ended { cause, .. } => Some(cause.clone()),
        _ => None,
    })
}

fn incoming(ua: &mut Ua) -> CallId {
    ua.wait_for("a call", SOON, |e| match e {
        Event::Incoming { call, .. } => Some(*call),
        _ => None,
    })
}

fn offered(ua: &mut Ua) -> (CallId, String) {
    ua.wait_for("an offer", SOON, |e| match e {
        Event::Offered {
            call,
            offer: Some(offer),
            ..
        } => Some((*call, String::from_utf8_lossy(&offer.bytes).into_owned())),
        _ => None,
    })
}

fn direction_answering(offer: &str) -> &'static str {
    match offer.lines().rev().find_map(|l| l.strip_prefix("a=")) {
        Some("sendonly") => "recvonly",
        Some("inactive") => "inactive",
        _ => "sendrecv",
    }
}

#[test]
fn we_call_and_hang_up() {
    let outcomes = we_call(
        "uas_basic",
        &BOTH,
        &[],
        |i| i,
        |ua, call| {
            ua.wait_for("ringing", SOON, |e| match e {
                Event::Progress { status, .. } => (status.code() == 180).then_some(()),
                _ => None,
            });
            answered(ua);
            ua.call(call).hang_up(Instant::now()).expect("a BYE");
            assert_eq!(ended(ua).kind, EndKind::HungUp);
        },
    );
    for outcome in outcomes {
        let invites = outcome.with(Direction::Received, "INVITE");
        assert_eq!(invites[0].header("X-Room"), Some("7"));
        let from = invites[0].header("From").expect("From");
        assert!(
            from.starts_with("\"Room 7\" <sip:room7@example.org>;tag="),
            "{from}"
        );
    }
}

#[test]
fn the_peer_hangs_up_and_a_late_bye_gets_481() {
    we_call(
        "uas_late_bye",
        &BOTH,
        &[],
        |i| i,
        |ua, _| {
            answered(ua);
            let cause = ended(ua);
            assert_eq!((cause.by, cause.kind), (EndedBy::Remote, EndKind::HungUp));
            ua.run_for(Duration::from_millis(800));
        },
    );
}

#[test]
fn a_busy_peer_is_told_with_its_own_reason() {
    we_call(
        "uas_reject486",
        &BOTH,
        &[],
        |i| i,
        |ua, _| {
            let cause = ended(ua);
            assert_eq!(
                (cause.by, &cause.kind),
                (EndedBy::Remote, &EndKind::Rejected)
            );
            assert_eq!(cause.status.map(|s| s.code()), Some(486));
            assert_eq!(cause.phrase.as_deref(), Some("Busy Here"));
        },
    );
}

#[test]
fn cancel_before_the_answer() {
    let outcomes = we_call(
        "uas_cancel",
        &BOTH,
        &[],
        |i| i,
        |ua, call| {
            ua.wait_for("ringing", SOON, |e| {
                matches!(e, Event::Progress { .. }).then_some(())
            });
            ua.call(call).hang_up(Instant::now()).expect("a CANCEL");
            let cause = ended(ua);
            assert_eq!((cause.by, cause.kind), (EndedBy::Local, EndKind::Cancelled));
        },
    );
    for outcome in outcomes {
        let (invite, cancel) = (
            outcome.with(Direction::Received, "INVITE")[0],
            outcome.with(Direction::Received, "CANCEL")[0],
        );
        // RFC 3261 section 9.1: the CANCEL is the INVITE's but for the method, its CSeq and what goes with a body.
        assert_eq!(invite.header("Via"), cancel.header("Via"));
        assert_eq!(invite.header("Call-ID"), cancel.header("Call-ID"));
    }
}

#[test]
fn a_challenge_is_answered() {
    let account = |i: Invite| i.account(Account::with_password("alice", "secret"));
    let outcomes = we_call("uas_401_invite", &BOTH, &[], account, |ua, call| {
        answered(ua);
        ua.call(call).hang_up(Instant::now()).expect("a BYE");
        ended(ua);
    });
    for outcome in outcomes {
        let invites = outcome.with(Direction::Received, "INVITE");
        assert_eq!(invites.len(), 2);
        assert_eq!(invites[0].header("Call-ID"), invites[1].header("Call-ID"));
        assert_ne!(
            invites[0].header("Via"),
            invites[1].header("Via"),
            "a new transaction"
        );
        assert!(
            invites[0].header("Authorization").is_none()
                && invites[1].header("Authorization").is_some()
        );
    }
}

#[test]
fn a_wrong_password_ends_the_call_after_the_second_challenge() {
    let account = |i: Invite| i.account(Account::with_password("alice", "guess"));
    let outcomes = we_call(
        "uas_401_invite",
        &BOTH,
        &["-set", "wrong", "1"],
        account,
        |ua, _| {
            let cause = ended(ua);
            assert_eq!(
                cause.kind,
                EndKind::AuthFailed {
                    realm: "test".into(),
                    user: "alice".into()
                }
            );
        },
    );
    for outcome in outcomes {
        assert_eq!(outcome.with(Direction::Received, "INVITE").len(), 2);
        assert_eq!(outcome.with(Direction::Received, "ACK").len(), 2);
    }
}

/// RFC 3261 section 13.2.2.4: the ACK to a 2xx is sent again for each 2xx that comes again.
#[test]
fn a_200_that_comes_again_gets_its_ack_again() {
    let outcomes = we_call(
        "uas_lost_ack",
        &BOTH,
        &["-nr"],
        |i| i,
        |ua, call| {
            answered(ua);
            let events = ua.run_for(Duration::from_millis(1500));
            assert!(events.is_empty(), "repetitions are no events: {events:#?}");
            assert_eq!(ua.endpoint().calls().count(), 1, "no second call");
            ua.call(call).hang_up(Instant::now()).expect("a BYE");
            ended(ua);
        },
    );
    for outcome in outcomes {
        let acks = outcome.with(Direction::Received, "ACK");
        assert_eq!(acks.len(), 3);
        assert!(
            acks.iter().all(|a| a.text == acks[0].text),
            "the same ACK each time"
        );
        assert_eq!(outcome.with(Direction::Received, "INVITE").len(), 1);
    }
}

#[test]
fn the_peer_holds_three_ways_and_resumes() {
    we_call(
        "uas_hold",
        &BOTH,
        &[],
        |i| i,
        |ua, _| {
            answered(ua);
            let mut seen = Vec::new();
            for version in 2..8 {
                let (call, offer) = offered(ua);
                let answer = ua.sdp(version, direction_answering(&offer));
                seen.push(direction_answering(&offer));
                ua.call(call)
                    .accept(Instant::now(), answer)
                    .expect("an answer");
            }
            assert_eq!(
                seen,
                [
                    "recvonly", "sendrecv", "inactive", "sendrecv", "inactive", "sendrecv"
                ]
            );
            assert_eq!(ended(ua).by, EndedBy::Remote);
        },
    );
}

#[test]
fn we_hold_and_resume() {
    we_call(
        "uas_held",
        &BOTH,
        &[],
        |i| i,
        |ua, call| {
            answered(ua);
            for (version, direction, answer) in
                [(2, "sendonly", "a=recvonly"), (3, "sendrecv", "a=sendrecv")]
            {
                let offer = ua.sdp(version, direction);
                ua.call(call)
                    .reinvite(Instant::now(), offer)
                    .expect("a re-INVITE");
                let got = ua.wait_for("the answer to the re-INVITE", SOON, |e| match e {
                    Event::ReinviteAnswered {
                        answer: Some(body), ..
                    } => Some(String::from_utf8_lossy(&body.bytes).into_owned()),
                    _ => None,
                });
                assert!(got.contains(answer), "{got}");
            }
            ua.call(call).hang_up(Instant::now()).expect("a BYE");
            ended(ua);
        },
    );
}

#[test]
fn we_are_called_and_the_caller_hangs_up() {
    sipp_calls("uac_basic", |ua| {
        let call = incoming(ua);
        ua.call(call)
            .ring(Instant::now(), StatusCode::RINGING, None)
            .expect("a 180");
        let answer = ua.sdp(1, "sendrecv");
        ua.call(call)
            .answer(Instant::now(), Some(answer))
            .expect("a 200");
        ua.wait_for("the ACK", SOON, |e| {
            matches!(e, Event::Confirmed { .. }).then_some(())
        });
        let cause = ended(ua);
        assert_eq!((cause.by, cause.kind), (EndedBy::Remote, EndKind::HungUp));
    });
}

#[test]
fn we_hang_up_as_the_callee() {
    sipp_calls("uac_hung_up", |ua| {
        let call = incoming(ua);
        let answer = ua.sdp(1, "sendrecv");
        ua.call(call)
            .answer(Instant::now(), Some(answer))
            .expect("a 200");
        ua.wait_for("the ACK", SOON, |e| {
            matches!(e, Event::Confirmed { .. }).then_some(())
        });
        ua.call(call).hang_up(Instant::now()).expect("a BYE");
        ended(ua);
    });
}

#[test]
fn we_refuse_a_call() {
    sipp_calls("uac_rejected", |ua| {
        let call = incoming(ua);
        ua.call(call)
            .reject(Instant::now(), StatusCode::BUSY_HERE, None)
            .expect("a 486");
        assert_eq!(ended(ua).kind, EndKind::Rejected);
    });
}

#[test]
fn the_caller_cancels() {
    sipp_calls("uac_cancel", |ua| {
        let call = incoming(ua);
        ua.call(call)
            .ring(Instant::now(), StatusCode::RINGING, None)
            .expect("a 180");
        let cause = ended(ua);
        assert_eq!(
            (cause.by, cause.kind),
            (EndedBy::Remote, EndKind::Cancelled)
        );
    });
}

#[test]
fn the_caller_holds_us() {
    sipp_calls("uac_hold", |ua| {
        let call = incoming(ua);
        let answer = ua.sdp(1, "sendrecv");
        ua.call(call)
            .answer(Instant::now(), Some(answer))
            .expect("a 200");
        for version in 2..4 {
            let (call, offer) = offered(ua);
            let answer = ua.sdp(version, direction_answering(&offer));
            ua.call(call)
                .accept(Instant::now(), answer)
                .expect("an answer");
        }
        ended(ua);
    });
}

#[test]
fn options_is_answered_and_a_stray_bye_gets_481() {
    sipp_calls("uac_options", |ua| {
        drop(ua.run_for(Duration::from_millis(800)))
    });
    sipp_calls("uac_stray_bye_out_of_dialog", |ua| {
        drop(ua.run_for(Duration::from_millis(800)))
    });
}
