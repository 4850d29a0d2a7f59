//! Stopping in good order: what happens to new calls, to old ones, and at the deadline.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use sip_core::{CallState, Drain, EndKind, EndedBy, Event, HeaderName, StatusCode};
use support::*;

fn drained(event: &Event) -> Option<()> {
    matches!(event, Event::Drained).then_some(())
}

#[test]
fn new_calls_are_sent_away_and_old_ones_go_on() {
    let mut net = Network::phones(1, 3);
    let (alice, bob) = net.connect(0, 1);
    let now = net.now;
    let drain = Drain::new(Duration::from_secs(600)).retry_after(Duration::from_secs(17));
    net.endpoints[1].drain(now, drain);
    assert!(net.endpoints[1].is_draining());
    let before = net.endpoints[1].sizes();
    net.invite(2, 1, |invite| invite);
    let (cause, response) = net.until(2, |event| match event {
        Event::Ended { cause, message, .. } => Some((cause.clone(), message.clone())),
        _ => None,
    });
    assert_eq!(cause.status, Some(StatusCode::SERVICE_UNAVAILABLE));
    let after = response.unwrap();
    let after = after.header(HeaderName::RETRY_AFTER).unwrap();
    assert_eq!(after.to_str(), "17");
    assert_eq!(net.endpoints[1].sizes(), before, "stateless");

    // Hold and resume still work, and the drain ends with the last call, not with time.
    net.run(Duration::from_secs(100));
    let now = net.now;
    net.call(0, alice).reinvite(now, offer(0)).unwrap();
    net.until(1, |event| {
        matches!(event, Event::Offered { .. }).then_some(())
    });
    let now = net.now;
    net.call(1, bob).accept(now, answer(1)).unwrap();
    net.until(0, |event| {
        matches!(event, Event::ReinviteAnswered { .. }).then_some(())
    });
    assert!(net.events[1].iter().all(|event| drained(event).is_none()));
    net.hang_up(0, alice);
    let before = net.now;
    net.until(1, drained);
    assert!(net.now - before <= Duration::from_millis(300));
    net.run(Duration::from_secs(700));
    assert!(
        net.events[1].iter().all(|event| drained(event).is_none()),
        "once"
    );
    net.assert_forgotten();
}

#[test]
fn at_the_deadline_everything_ends_as_its_state_wants() {
    let mut net = Network::phones(2, 4);
    let (alice, _) = net.connect(0, 1);
    // One that rings here, and one of ours that rings there.
    let ringing = net.invite(2, 1, |invite| invite);
    let waiting = net.until(1, incoming);
    let ours = net.invite(1, 3, |invite| invite);
    let theirs = net.until(3, incoming);
    let now = net.now;
    net.call(3, theirs)
        .ring(now, StatusCode::RINGING, None)
        .unwrap();
    net.run(Duration::from_secs(1));
    assert_eq!(net.call(1, waiting).state(), CallState::Incoming);

    let now = net.now;
    net.endpoints[1].drain(now, Drain::new(Duration::from_secs(5)));
    net.run(Duration::from_millis(4900));
    assert_eq!(net.endpoints[1].calls().count(), 3);
    net.until(1, drained);
    net.run(Duration::from_secs(1));
    let end = |net: &mut Network, at: usize| net.until(at, ended);
    let cause = end(&mut net, 0);
    assert_eq!((cause.by, cause.kind), (EndedBy::Remote, EndKind::HungUp));
    assert_eq!(cause.q850, Some(31));
    assert!(net.endpoints[0].call(alice).is_err());
    let cause = end(&mut net, 2);
    assert_eq!(cause.status, Some(StatusCode::SERVICE_UNAVAILABLE));
    assert!(net.endpoints[2].call(ringing).is_err());
    let cause = end(&mut net, 3);
    assert_eq!(cause.kind, EndKind::Cancelled);
    assert!(net.endpoints[1].call(ours).is_err());
    net.run(Duration::from_secs(100));
    net.assert_forgotten();
}

#[test]
fn many_calls_end_at_once_without_filling_the_outbox() {
    let mut configs = vec![phone(), phone()];
    for config in &mut configs {
        config.bounds.undrained = 16;
    }
    let mut net = Network::new(3, configs);
    for _ in 0..100 {
        net.connect(0, 1);
    }
    let now = net.now;
    net.endpoints[1].drain(now, Drain::new(Duration::ZERO));
    net.until(1, drained);
    assert_eq!(net.count(1, "BYE "), 100);
    net.run(Duration::from_secs(100));
    net.assert_forgotten();
}

#[test]
fn without_a_call_it_is_over_at_once() {
    let mut net = Network::phones(4, 1);
    let now = net.now;
    net.endpoints[0].drain(now, Drain::new(Duration::from_secs(60)));
    net.until(0, drained);
    assert_eq!(net.now, now);
}

#[test]
fn a_busy_endpoint_refuses_new_calls_only() {
    let mut net = Network::phones(5, 2);
    let (alice, _) = net.connect(0, 1);
    net.endpoints[1].set_busy(true);
    net.invite(0, 1, |invite| invite);
    let cause = net.until(0, ended);
    assert_eq!(cause.status, Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(net.endpoints[1].counters().overload, 1);
    net.hang_up(0, alice);
    assert_eq!(net.until(1, ended).kind, EndKind::HungUp);
    net.endpoints[1].set_busy(false);
    net.connect(0, 1);
}
