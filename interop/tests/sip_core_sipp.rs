//! `sip-core`'s driver against SIPp, as caller and as callee, over UDP, TCP and TLS.

use interop::{Direction, Outcome, Phone, Sipp, SippOptions, Transport, installed};
use sip_core::auth::Account;
use sip_core::header::NameAddr;
use sip_core::{
    CallId, Config, EndCause, EndKind, EndedBy, Event, Invite, SessionTimers, StatusCode,
};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(15);
const ALL: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// SIPp waits with `scenario`; our endpoint calls it, after `prepare`, and does `talk`.
fn we_call(
    scenario: &str,
    transports: &[Transport],
    more: &[&str],
    prepare: impl Fn(Invite) -> Invite,
    talk: impl Fn(&mut Phone, CallId),
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
        let mut ua = Phone::start(|_| {});
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
fn sipp_calls(scenario: &str, serve: impl Fn(&mut Phone)) {
    sipp_calls_over(scenario, &ALL, &[], |_| {}, serve);
}

fn sipp_calls_over(
    scenario: &str,
    transports: &[Transport],
    more: &[&str],
    set_up: impl Fn(&mut Config),
    serve: impl Fn(&mut Phone),
) {
    if !installed(&["sipp"]) {
        return;
    }
    for &transport in transports {
        let mut options = SippOptions::default();
        options.transport = transport;
        options.more = more.iter().map(ToString::to_string).collect();
        let mut ua = Phone::start(&set_up);
        let sipp = Sipp::uac(scenario, "room7", ua.port(transport), &options);
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

fn answered(ua: &mut Phone) {
    ua.wait_for("the answer", SOON, |e| {
        matches!(e, Event::Answered { .. }).then_some(())
    });
}

fn ended(ua: &mut Phone) -> EndCause {
    ua.wait_for("the end of the call", SOON, |e| match e {
        Event::Ended { cause, .. } => Some(cause.clone()),
        _ => None,
    })
}

/// The call was up, and the peer hung up.
fn they_hang_up(ua: &mut Phone) {
    let cause = ended(ua);
    assert_eq!((cause.by, cause.kind), (EndedBy::Remote, EndKind::HungUp));
}

/// Takes a call, and waits until the peer knows.
fn answer(ua: &mut Phone, call: CallId) {
    let answer = ua.sdp(1, "sendrecv");
    ua.call(call)
        .answer(Instant::now(), Some(answer))
        .expect("a 200");
    ua.wait_for("the ACK", SOON, |e| {
        matches!(e, Event::Confirmed { .. }).then_some(())
    });
}

fn incoming(ua: &mut Phone) -> CallId {
    ua.wait_for("a call", SOON, |e| match e {
        Event::Incoming { call, .. } => Some(*call),
        _ => None,
    })
}

fn offered(ua: &mut Phone) -> (CallId, String) {
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
        &ALL,
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
        &ALL,
        &[],
        |i| i,
        |ua, _| {
            answered(ua);
            they_hang_up(ua);
            ua.run_for(Duration::from_millis(800));
        },
    );
}

#[test]
fn a_busy_peer_is_told_with_its_own_reason() {
    we_call(
        "uas_reject486",
        &ALL,
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
        &ALL,
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
    let outcomes = we_call("uas_401_invite", &ALL, &[], account, |ua, call| {
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
        &ALL,
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
        &ALL,
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
        &ALL,
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
        &ALL,
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
        answer(ua, call);
        they_hang_up(ua);
    });
}

#[test]
fn we_hang_up_as_the_callee() {
    sipp_calls("uac_hung_up", |ua| {
        let call = incoming(ua);
        answer(ua, call);
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

#[test]
fn a_proxys_challenge_is_answered() {
    let account = |i: Invite| i.account(Account::with_password("alice", "secret"));
    we_call("uas_407_invite", &ALL, &[], account, |ua, call| {
        answered(ua);
        ua.call(call).hang_up(Instant::now()).expect("a BYE");
        ended(ua);
    });
}

#[test]
fn an_answer_that_crosses_our_cancel_is_ended() {
    we_call(
        "uas_answer_crosses_cancel",
        &ALL,
        &[],
        |i| i,
        |ua, call| {
            ua.wait_for("ringing", SOON, |e| {
                matches!(e, Event::Progress { .. }).then_some(())
            });
            ua.call(call).hang_up(Instant::now()).expect("a CANCEL");
            assert_eq!(ended(ua).by, EndedBy::Local);
            ua.run_for(Duration::from_millis(300));
        },
    );
}

#[test]
fn a_reliable_183_is_acknowledged() {
    we_call(
        "uas_reliable_183",
        &ALL,
        &[],
        |i| i,
        |ua, call| {
            let preview = ua.wait_for("a 183", SOON, |e| match e {
                Event::Progress {
                    status, preview, ..
                } => Some((status.code(), preview.is_some())),
                _ => None,
            });
            assert_eq!(preview, (183, true));
            answered(ua);
            ua.call(call).hang_up(Instant::now()).expect("a BYE");
            ended(ua);
        },
    );
}

/// By UPDATE, which tells the application nothing, then by re-INVITE, which offers what stands.
#[test]
fn the_peer_refreshes_its_session() {
    we_call(
        "uas_session_timer_refresh",
        &ALL,
        &[],
        |i| i,
        |ua, _| {
            answered(ua);
            let (call, offer) = offered(ua);
            let answer = ua.sdp(2, direction_answering(&offer));
            ua.call(call)
                .accept(Instant::now(), answer)
                .expect("an answer");
            assert_eq!(ended(ua).by, EndedBy::Remote);
        },
    );
}

#[test]
fn a_422_is_followed() {
    we_call(
        "uas_422_then_ok",
        &ALL,
        &[],
        |i| i,
        |ua, call| {
            answered(ua);
            ua.call(call).hang_up(Instant::now()).expect("a BYE");
            ended(ua);
        },
    );
}

/// Over UDP, where SIPp sees what comes twice.
#[test]
fn everything_that_comes_twice_is_one_call() {
    we_call(
        "uas_everything_twice",
        &[Transport::Udp],
        &["-nr"],
        |i| i,
        |ua, _| {
            answered(ua);
            assert_eq!(ended(ua).by, EndedBy::Remote);
            ua.run_for(Duration::from_millis(300));
        },
    );
    sipp_calls_over(
        "uac_everything_twice",
        &[Transport::Udp],
        &["-nr"],
        |_| {},
        |ua| {
            let call = incoming(ua);
            let now = Instant::now();
            ua.call(call)
                .ring(now, StatusCode::RINGING, None)
                .expect("a 180");
            let events = ua.run_for(Duration::from_millis(300));
            assert!(events.is_empty(), "one call: {events:#?}");
            let answer = ua.sdp(1, "sendrecv");
            ua.call(call)
                .answer(Instant::now(), Some(answer))
                .expect("a 200");
            assert_eq!(ended(ua).by, EndedBy::Remote);
        },
    );
}

#[test]
fn a_200_comes_again_until_it_is_acknowledged() {
    sipp_calls_over(
        "uac_lost_200",
        &ALL,
        &["-nr"],
        |_| {},
        |ua| {
            let call = incoming(ua);
            answer(ua, call);
            ended(ua);
        },
    );
}

#[test]
fn a_cancel_after_the_answer_has_no_effect() {
    sipp_calls("uac_cancel_after_answer", |ua| {
        let call = incoming(ua);
        answer(ua, call);
        they_hang_up(ua);
    });
}

#[test]
fn our_183_is_reliable_for_those_who_ask() {
    sipp_calls("uac_prack", |ua| {
        let call = incoming(ua);
        let preview = ua.sdp(1, "sendrecv");
        ua.call(call)
            .ring(Instant::now(), StatusCode::SESSION_PROGRESS, Some(preview))
            .expect("a 183");
        ua.run_for(Duration::from_millis(400));
        ua.call(call).answer(Instant::now(), None).expect("a 200");
        ended(ua);
    });
}

/// At half of the minute that is the least which is granted; over one transport, since that takes as long as it says.
#[test]
fn we_refresh_the_session() {
    let set_up = |config: &mut Config| {
        let mut timers = SessionTimers::default();
        timers.min = Duration::from_secs(60);
        config.session_timers = Some(timers);
    };
    let longer = ["-timeout", "60"];
    sipp_calls_over(
        "uac_session_timer",
        &[Transport::Udp],
        &longer,
        set_up,
        |ua| {
            let call = incoming(ua);
            let answer = ua.sdp(1, "sendrecv");
            ua.call(call)
                .answer(Instant::now(), Some(answer))
                .expect("a 200");
            let by = ua.wait_for("the end", Duration::from_secs(45), |e| match e {
                Event::Ended { cause, .. } => Some(cause.by),
                _ => None,
            });
            assert_eq!(by, EndedBy::Remote);
        },
    );
}

#[test]
fn too_small_a_session_timer_gets_422() {
    sipp_calls("uac_422", |ua| {
        let call = incoming(ua);
        let answer = ua.sdp(1, "sendrecv");
        ua.call(call)
            .answer(Instant::now(), Some(answer))
            .expect("a 200");
        ended(ua);
    });
}
