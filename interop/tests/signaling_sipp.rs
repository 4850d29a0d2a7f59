//! `signaling`'s gateway dials SIPp: refusals, a CANCEL, challenges, lost ACKs and a phone that holds.

mod house;

use house::{House, TALKERS};
use interop::{Direction, Outcome, Sipp, SippOptions, installed};
use signaling::call::CallEnd;
use signaling::net::Event;
use signaling::session::{LeaveReason, SessionEvent};
use signaling::{CallId, DialRequest, Secure};
use sip_core::auth::Account;
use sip_core::{EndKind, EndedBy};
use std::time::Duration;

fn dial(
    scenario: &str,
    more: &[&str],
    change: impl FnOnce(&mut DialRequest),
    talk: impl FnOnce(&mut House, CallId),
) -> Option<Outcome> {
    if !installed(&["sipp"]) {
        return None;
    }
    let mut options = SippOptions::default();
    options.more = more.iter().map(ToString::to_string).collect();
    let sipp = Sipp::uas(scenario, &options);
    let mut house = House::new();
    let call = house.dial(&sipp.uri(), |request| {
        request.secure = Secure::Off;
        change(request);
    });
    talk(&mut house, call);
    house.run_for(Duration::from_millis(700));
    assert_eq!(house.gateway.calls().count(), 0);
    let session = house.gateway.session(house.session).expect("the session");
    assert_eq!(
        session.participants().len(),
        TALKERS.len(),
        "only the talkers are left"
    );
    Some(sipp.wait().expect_passed())
}

fn answered(house: &mut House) {
    house.wait_for("the answer", |e| {
        matches!(e, Event::Answered { .. }).then_some(())
    });
}

fn ended(house: &mut House) -> CallEnd {
    house.wait_for("the end", |e| {
        if let Event::Ended { end, .. } = e {
            Some(end.clone())
        } else {
            None
        }
    })
}

#[test]
fn a_busy_phone_is_told_in_its_own_words() {
    dial(
        "uas_reject486",
        &[],
        |_| {},
        |house, _| {
            let end = ended(house);
            assert_eq!(end.cause.status.map(|s| s.code()), Some(486));
            assert!(end.to_string().contains("Busy Here"), "{end}");
        },
    );
}

#[test]
fn a_call_is_cancelled_while_it_rings() {
    let outcome = dial(
        "uas_cancel",
        &[],
        |_| {},
        |house, call| {
            house.wait_for("ringing", |e| {
                matches!(e, Event::Progress { .. }).then_some(())
            });
            house.gateway.hang_up(call).expect("a CANCEL");
            let end = ended(house);
            assert_eq!(
                (end.cause.by, &end.cause.kind),
                (EndedBy::Local, &EndKind::Cancelled)
            );
        },
    );
    if let Some(outcome) = outcome {
        assert_eq!(outcome.with(Direction::Received, "CANCEL").len(), 1);
        assert!(outcome.with(Direction::Received, "BYE").is_empty());
    }
}

#[test]
fn a_phone_that_asks_for_a_password_gets_it() {
    let account = |r: &mut DialRequest| r.account = Some(Account::with_password("alice", "secret"));
    dial("uas_401_invite", &[], account, |house, call| {
        answered(house);
        house.gateway.hang_up(call).expect("a BYE");
        assert!(ended(house).is_clean());
    });
}

#[test]
fn a_wrong_password_is_named_with_realm_and_user() {
    let account = |r: &mut DialRequest| r.account = Some(Account::with_password("alice", "guess"));
    dial(
        "uas_401_invite",
        &["-set", "wrong", "1"],
        account,
        |house, _| {
            let line = ended(house).to_string();
            assert!(line.contains("alice") && line.contains("test"), "{line}");
            assert!(!line.contains("guess"), "{line}");
        },
    );
}

#[test]
fn a_200_that_comes_again_makes_no_second_call() {
    let outcome = dial(
        "uas_lost_ack",
        &["-nr"],
        |_| {},
        |house, call| {
            answered(house);
            house.run_for(Duration::from_millis(1500));
            assert_eq!(house.gateway.calls().collect::<Vec<_>>(), [call]);
            assert!(
                !house
                    .events
                    .iter()
                    .any(|e| matches!(e, Event::Answered { .. } | Event::Ended { .. }))
            );
            house.gateway.hang_up(call).expect("a BYE");
            assert!(ended(house).is_clean());
        },
    );
    if let Some(outcome) = outcome {
        let acks = outcome.with(Direction::Received, "ACK");
        assert_eq!(acks.len(), 3);
        assert!(acks.iter().all(|a| a.text == acks[0].text));
        assert_eq!(outcome.with(Direction::Received, "INVITE").len(), 1);
    }
}

/// SIPp holds with `sendonly`, `inactive` to 0.0.0.0, and port 0, resumes each, and hangs up.
#[test]
fn a_phone_holds_three_ways_and_hangs_up() {
    dial(
        "uas_hold",
        &[],
        |_| {},
        |house, call| {
            answered(house);
            for _ in 0..3 {
                house.wait_for("a hold", |e| matches!(e, Event::Held { .. }).then_some(()));
                assert!(house.gateway.call(call).expect("the call").held_by_peer);
                house.wait_for("a resume", |e| {
                    matches!(e, Event::Resumed { .. }).then_some(())
                });
            }
            let end = ended(house);
            assert_eq!(
                (end.cause.by, &end.cause.kind),
                (EndedBy::Remote, &EndKind::HungUp)
            );
            house.wait_for("the phone leaves the session", |e| match e {
                Event::Session {
                    event: SessionEvent::Left { reason, .. },
                    ..
                } => (*reason == LeaveReason::Left).then_some(()),
                _ => None,
            });
        },
    );
}
