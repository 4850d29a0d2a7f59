//! Reliable provisional responses (RFC 3262) between endpoints on virtual time.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod support;

use sip_core::{Config, EndKind, EndedBy, Event, Method, Reliable, StatusCode};
use support::*;

fn progress(event: &Event) -> Option<(u16, bool, bool)> {
    match event {
        Event::Progress {
            status,
            reliable,
            preview,
            ..
        } => Some((status.code(), *reliable, preview.is_some())),
        _ => None,
    }
}

#[test]
fn early_media_arrives_reliably_and_the_200_waits_for_its_prack() {
    for (weather, seeds) in [(CLEAR, 1), (STORM, 20)] {
        for seed in 0..seeds {
            let mut net = Network::new(seed, vec![Config::default(), Config::default()]);
            net.weather = weather;
            let caller = net.invite(0, 1, |invite| invite);
            let callee = net.until(1, incoming);
            let now = net.now;
            let phone = &mut net.endpoints[1];
            phone
                .call(callee)
                .unwrap()
                .ring(now, StatusCode::RINGING, None)
                .unwrap();
            let status = StatusCode::SESSION_PROGRESS;
            phone
                .call(callee)
                .unwrap()
                .ring(now, status, Some(answer(1)))
                .unwrap();
            // A second one waits for the PRACK of the first, and the 200 for both.
            let queued = StatusCode::CALL_IS_BEING_FORWARDED;
            phone
                .call(callee)
                .unwrap()
                .ring(now, queued, Some(answer(1)))
                .unwrap();
            net.drain();
            assert_eq!(net.count(1, "SIP/2.0 181"), 0);
            assert_eq!(
                net.until(0, |e| progress(e).filter(|p| p.0 == 183)),
                (183, true, true)
            );
            assert_eq!(
                net.until(0, |e| progress(e).filter(|p| p.0 == 181)),
                (181, true, true)
            );
            let now = net.now;
            net.endpoints[1]
                .call(callee)
                .unwrap()
                .answer(now, None)
                .unwrap();
            let body = net.until(0, |event| match event {
                Event::Answered { body, .. } => Some(body.clone()),
                _ => None,
            });
            assert_eq!(body, Some(answer(1)));
            net.until(1, |e| matches!(e, Event::Confirmed { .. }).then_some(()));
            net.endpoints[0]
                .call(caller)
                .unwrap()
                .hang_up(net.now)
                .unwrap();
            net.assert_forgotten();
        }
    }
}

#[test]
fn what_is_never_acknowledged_ends_the_call() {
    let mut net = Network::pair();
    net.lose = Box::new(|_, message| message.method() == Some(Method::Prack));
    net.invite(0, 1, |invite| invite);
    let callee = net.until(1, incoming);
    let status = StatusCode::SESSION_PROGRESS;
    let now = net.now;
    net.endpoints[1]
        .call(callee)
        .unwrap()
        .ring(now, status, Some(answer(1)))
        .unwrap();
    net.endpoints[1]
        .call(callee)
        .unwrap()
        .answer(now, None)
        .unwrap();
    let cause = net.until(1, ended);
    assert_eq!(cause.by, EndedBy::Timer);
    assert!(matches!(cause.kind, EndKind::Protocol(_)), "{cause}");
    assert_eq!(net.count(1, "SIP/2.0 183"), 7, "T1 doubled for 64 x T1");
    assert_eq!(net.count(1, "SIP/2.0 200"), 0, "the 200 never went out");
    let cause = net.until(0, ended);
    assert_eq!(
        (cause.kind, cause.status),
        (EndKind::Rejected, Some(StatusCode::SERVER_TIMEOUT))
    );
    net.assert_forgotten();
}

#[test]
fn nothing_is_reliable_for_whoever_does_not_want_it() {
    for never in [0, 1] {
        let mut configs = vec![Config::default(), Config::default()];
        configs[never].reliable = Reliable::Never;
        let mut net = Network::new(2, configs);
        let caller = net.invite(0, 1, |invite| invite);
        let callee = net.until(1, incoming);
        let status = StatusCode::SESSION_PROGRESS;
        let now = net.now;
        net.endpoints[1]
            .call(callee)
            .unwrap()
            .ring(now, status, Some(answer(1)))
            .unwrap();
        assert_eq!(net.until(0, progress), (183, false, true));
        net.endpoints[0]
            .call(caller)
            .unwrap()
            .hang_up(net.now)
            .unwrap();
        net.until(0, ended);
        assert_eq!(net.count(0, "PRACK"), 0);
        net.assert_forgotten();
    }
}

#[test]
fn cancel_and_refusal_while_a_prack_is_out() {
    for refuse in [false, true] {
        let mut net = Network::pair();
        let caller = net.invite(0, 1, |invite| invite);
        let callee = net.until(1, incoming);
        let status = StatusCode::SESSION_PROGRESS;
        let now = net.now;
        net.endpoints[1]
            .call(callee)
            .unwrap()
            .ring(now, status, Some(answer(1)))
            .unwrap();
        net.until(0, progress);
        let now = net.now;
        if refuse {
            net.endpoints[1]
                .call(callee)
                .unwrap()
                .reject(now, StatusCode::DECLINE, None)
                .unwrap();
        } else {
            net.endpoints[0].call(caller).unwrap().hang_up(now).unwrap();
        }
        net.until(0, ended);
        net.until(1, ended);
        net.assert_forgotten();
    }
}
