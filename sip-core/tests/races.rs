//! Loss, crossing messages and silence: the races that RFC 3261 names.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use sip_core::transaction::Timer;
use sip_core::{
    Body, Config, EndKind, EndedBy, Event, FlowError, Input, Question, QuestionAnswer, StatusCode,
    Target, Transport,
};
use support::*;

#[test]
fn cancel_before_the_answer() {
    for weather in [CLEAR, STORM] {
        for seed in 0..10 {
            let mut net = Network::new(seed, vec![Config::default(), Config::default()]);
            net.weather = weather;
            let caller = net.invite(0, 1, |invite| invite);
            let callee = net.until(1, incoming);
            let now = net.now;
            net.call(1, callee)
                .ring(now, StatusCode::RINGING, None)
                .unwrap();
            net.until(0, |e| matches!(e, Event::Progress { .. }).then_some(()));
            net.hang_up(0, caller);
            assert!(net.call(0, caller).hang_up(now).is_err(), "once is enough");
            let cause = net.ends(0, EndedBy::Local, EndKind::Cancelled);
            assert_eq!(cause.status, Some(StatusCode::REQUEST_TERMINATED));
            net.ends(1, EndedBy::Remote, EndKind::Cancelled);
            net.assert_forgotten();
        }
    }
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut net = Network::pair();
    let caller = net.invite(0, 1, |invite| invite);
    net.hang_up(0, caller);
    net.run(Duration::from_millis(150));
    assert_eq!(
        net.count(0, "CANCEL"),
        0,
        "nothing to cancel has been seen (9.1)"
    );
    net.run(Duration::from_millis(200));
    assert_eq!(
        net.count(0, "CANCEL"),
        1,
        "the 100 that the phone sends by itself frees it"
    );
    net.ends(0, EndedBy::Local, EndKind::Cancelled);
    net.assert_forgotten();
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut net = Network::pair();
    let caller = net.invite(0, 1, |invite| invite);
    let callee = net.until(1, incoming);
    let now = net.now;
    net.call(1, callee)
        .ring(now, StatusCode::RINGING, None)
        .unwrap();
    net.until(0, |e| matches!(e, Event::Progress { .. }).then_some(()));
    let now = net.now;
    net.call(1, callee).answer(now, Some(answer(1))).unwrap();
    net.call(0, caller).hang_up(now).unwrap();
    net.ends(0, EndedBy::Local, EndKind::Cancelled);
    assert_eq!((net.count(0, "ACK"), net.count(0, "BYE")), (1, 1));
    net.ends(1, EndedBy::Remote, EndKind::HungUp);
    net.assert_forgotten();
}

#[test]
fn a_lost_ack_makes_the_200_come_again_and_no_second_call() {
    let mut net = Network::pair();
    let mut acks = 0;
    net.lose = Box::new(move |from, message| {
        let ack = from == 0 && message.method() == Some(sip_core::Method::Ack);
        acks += usize::from(ack);
        ack && acks <= 3
    });
    let (_, callee) = net.connect(0, 1);
    assert_eq!(net.count(1, "SIP/2.0 200"), 4);
    assert_eq!(net.count(0, "ACK"), 4, "one for each");
    assert!(
        net.events[0]
            .iter()
            .all(|e| !matches!(e, Event::Answered { .. })),
        "answered once"
    );
    net.hang_up(1, callee);
    net.assert_forgotten();
}

#[test]
fn a_200_that_is_never_acknowledged_ends_in_bye() {
    let mut net = Network::pair();
    net.lose = Box::new(|_, message| message.method() == Some(sip_core::Method::Ack));
    net.invite(0, 1, |invite| invite);
    let callee = net.until(1, incoming);
    let now = net.now;
    net.call(1, callee).answer(now, Some(answer(1))).unwrap();
    let cause = net.until(1, ended);
    assert_eq!(
        (cause.by, cause.kind),
        (EndedBy::Timer, EndKind::TimedOut(Timer::H))
    );
    net.ends(0, EndedBy::Remote, EndKind::HungUp);
    net.assert_forgotten();
}

#[test]
fn the_callee_hangs_up_only_after_the_ack() {
    let mut net = Network::pair();
    net.invite(0, 1, |invite| invite);
    let callee = net.until(1, incoming);
    let now = net.now;
    net.call(1, callee).answer(now, Some(answer(1))).unwrap();
    net.call(1, callee).hang_up(now).unwrap();
    net.drain();
    assert_eq!(net.count(1, "BYE"), 0, "section 15: not before the ACK");
    net.ends(1, EndedBy::Local, EndKind::HungUp);
    assert_eq!(net.count(1, "BYE"), 1);
    net.assert_forgotten();
}

#[test]
fn a_lost_200_is_repeated() {
    let mut net = Network::pair();
    let mut lost = 0;
    net.lose = Box::new(move |from, message| {
        let ok = from == 1 && message.status() == Some(StatusCode::OK);
        lost += usize::from(ok);
        ok && lost <= 2
    });
    let (caller, _) = net.connect(0, 1);
    assert_eq!(net.count(1, "SIP/2.0 200"), 3);
    net.hang_up(0, caller);
    net.assert_forgotten();
}

#[test]
fn glare_is_refused_waited_out_and_then_free() {
    let mut net = Network::pair();
    let (caller, callee) = net.connect(0, 1);
    let now = net.now;
    net.call(0, caller).reinvite(now, offer(0)).unwrap();
    net.call(1, callee).reinvite(now, offer(1)).unwrap();
    let pending = |event: &Event| match event {
        Event::ReinviteFailed { status, .. } => Some(*status),
        _ => None,
    };
    let start = net.now;
    assert_eq!(net.until(1, pending), StatusCode::REQUEST_PENDING);
    let callee_waited = net.now - start;
    assert_eq!(net.until(0, pending), StatusCode::REQUEST_PENDING);
    let caller_waited = net.now - start;
    assert!(
        callee_waited <= Duration::from_millis(2_020),
        "{callee_waited:?}"
    );
    let range = Duration::from_millis(2_100)..=Duration::from_millis(4_020);
    assert!(range.contains(&caller_waited), "{caller_waited:?}");
    assert!(
        net.events
            .iter()
            .flatten()
            .all(|e| !matches!(e, Event::Offered { .. }))
    );
    let now = net.now;
    net.call(1, callee).reinvite(now, offer(1)).unwrap();
    net.until(0, |e| matches!(e, Event::Offered { .. }).then_some(()));
    let now = net.now;
    net.call(0, caller).accept(now, answer(0)).unwrap();
    net.until(1, |e| {
        matches!(e, Event::ReinviteAnswered { .. }).then_some(())
    });
    net.hang_up(0, caller);
    net.assert_forgotten();
}

#[test]
fn a_host_that_does_not_answer_is_named_after_timer_b() {
    let mut net = Network::pair();
    net.weather.loss = 100;
    net.invite(0, 1, |invite| invite);
    let cause = net.until(0, ended);
    assert_eq!(
        (cause.by, &cause.kind),
        (EndedBy::Timer, &EndKind::TimedOut(Timer::B))
    );
    assert!(cause.to_string().contains("127.0.0.1:5061"), "{cause}");
    assert_eq!((net.now - net.start).as_secs(), 32);
    assert_eq!(net.count(0, "INVITE"), 7, "the first and six by timer A");
    net.assert_forgotten();
}

#[test]
fn nobody_answers_within_the_ring_timeout() {
    let mut net = Network::pair();
    net.invite(0, 1, |invite| invite.ring_timeout(Duration::from_secs(20)));
    let callee = net.until(1, incoming);
    let now = net.now;
    net.call(1, callee)
        .ring(now, StatusCode::RINGING, None)
        .unwrap();
    net.ends(0, EndedBy::Timer, EndKind::RingTimeout);
    assert_eq!((net.now - net.start).as_secs(), 20);
    net.ends(1, EndedBy::Remote, EndKind::Cancelled);
    net.assert_forgotten();
}

#[test]
fn names_are_asked_for_and_the_next_address_is_tried() {
    let mut net = Network::pair();
    let target = |index| Target::new(Transport::Udp, address(index));
    let uri = "sip:bob@phone.example.org".parse().unwrap();
    let from = sip_core::header::NameAddr::new(&"sip:alice@example.org".parse().unwrap());
    let invite = sip_core::Invite::new(uri, from).body(offer(0));
    let now = net.now;
    net.endpoints[0].invite(now, invite.clone()).unwrap();
    let id = net.until(0, |event| match event {
        Event::Ask {
            id,
            question: Question::Resolve {
                host, port: None, ..
            },
            ..
        } => {
            assert_eq!(host, "phone.example.org");
            Some(*id)
        }
        _ => None,
    });
    let nobody = Target::new(Transport::Udp, "127.0.0.1:9".parse().unwrap());
    let targets = QuestionAnswer::Targets(vec![nobody, target(1)]);
    net.endpoints[0].answer_question(now, id, targets).unwrap();
    let callee = net.until(1, incoming);
    assert_eq!(
        (net.now - net.start).as_secs(),
        32,
        "the second address, after timer B"
    );
    let now = net.now;
    net.call(1, callee)
        .reject(now, StatusCode::DECLINE, None)
        .unwrap();
    net.until(0, ended);

    let now = net.now;
    net.endpoints[0].invite(now, invite).unwrap();
    let cause = net.until(0, ended);
    assert_eq!(cause.kind, EndKind::Unresolved);
    assert!(cause.to_string().contains("phone.example.org"), "{cause}");
    net.assert_forgotten();
}

#[test]
fn a_transport_error_ends_the_invite_at_once() {
    let mut net = Network::pair();
    net.weather.loss = 100;
    net.invite(0, 1, |invite| invite);
    net.run(Duration::from_millis(10));
    let flow = sip_core::Flow::udp(address(0), address(1));
    let now = net.now;
    net.endpoints[0].handle_input(
        now,
        Input::Closed {
            flow,
            cause: FlowError::Refused,
        },
    );
    let cause = net.until(0, ended);
    assert_eq!(
        (cause.by, cause.kind),
        (EndedBy::Transport, EndKind::Transport(FlowError::Refused))
    );
    net.assert_forgotten();
}

#[test]
fn a_peer_that_forgot_the_call_ends_it() {
    let mut net = Network::pair();
    let (caller, _) = net.connect(0, 1);
    // The peer restarts.
    let fresh = Network::new(99, vec![Config::default(), Config::default()])
        .endpoints
        .remove(1);
    net.endpoints[1] = fresh;
    let now = net.now;
    net.call(0, caller)
        .info(now, Body::new("text/plain", "x"))
        .unwrap();
    net.ends(0, EndedBy::Remote, EndKind::Lost);
    net.assert_forgotten();
}
