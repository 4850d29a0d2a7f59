//! Session timers (RFC 4028) and UPDATE (RFC 3311) between endpoints on virtual time.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use sip_core::{CallState, Config, EndKind, EndedBy, Event, SessionTimers, StatusCode};
use support::*;

fn with_session(expires: u64, min: u64) -> Config {
    let mut config = Config::default();
    let mut timers = SessionTimers::default();
    timers.expires = Duration::from_secs(expires);
    timers.min = Duration::from_secs(min);
    config.session_timers = Some(timers);
    config
}

#[test]
fn a_session_is_refreshed_by_update_and_outlives_its_interval() {
    let mut net = Network::new(20, vec![with_session(90, 90), with_session(90, 90)]);
    let (caller, _) = net.connect(0, 1);
    net.run(Duration::from_secs(1000));
    assert_eq!(net.call(0, caller).state(), CallState::Established);
    let updates = net.count(0, "UPDATE");
    assert!((20..=24).contains(&updates), "every 45 s: {updates}");
    assert_eq!(net.count(1, "UPDATE"), 0, "one refresher");
    assert!(
        net.events.iter().all(Vec::is_empty),
        "refreshes are nobody's business"
    );
    net.hang_up(0, caller);
    net.assert_forgotten();
}

#[test]
fn a_session_whose_peer_is_gone_ends_at_both_roles() {
    for refresher in [0, 1] {
        let mut net = Network::new(21, vec![with_session(90, 90), with_session(90, 90)]);
        net.connect(0, 1);
        // One program dies: 0 refreshes, 1 is refreshed.
        net.lose = Box::new(move |from, _| from == refresher);
        net.ends(1 - refresher, EndedBy::Timer, EndKind::SessionExpired);
        let waited = (net.now - net.start).as_secs();
        assert!(
            (60..=95).contains(&waited),
            "BYE a third before the end: {waited}"
        );
    }
}

#[test]
fn an_interval_that_is_too_short_is_raised_by_422() {
    let mut net = Network::new(22, vec![with_session(100, 90), with_session(1800, 600)]);
    let (caller, _) = net.connect(0, 1);
    assert_eq!(net.count(1, "SIP/2.0 422"), 1);
    assert_eq!(net.count(0, "INVITE"), 2);
    net.run(Duration::from_secs(301));
    assert_eq!(net.count(0, "UPDATE"), 1, "half of 600 s");
    net.hang_up(0, caller);
    net.assert_forgotten();
}

#[test]
fn update_offers_are_answered_or_refused() {
    let mut net = Network::pair();
    let (caller, callee) = net.connect(0, 1);
    let now = net.now;
    net.call(1, callee).update(now, offer(1)).unwrap();
    let offered = net.until(0, |event| match event {
        Event::Offered { offer, .. } => Some(offer.clone()),
        _ => None,
    });
    assert_eq!(offered, Some(offer(1)));
    let now = net.now;
    net.call(0, caller).accept(now, answer(0)).unwrap();
    let got = net.until(1, |event| match event {
        Event::ReinviteAnswered { answer, .. } => Some(answer.clone()),
        _ => None,
    });
    assert_eq!(got, Some(answer(0)));
    assert_eq!(net.count(1, "ACK"), 0, "UPDATE needs none");

    let now = net.now;
    net.call(1, callee).update(now, offer(1)).unwrap();
    net.until(0, |e| matches!(e, Event::Offered { .. }).then_some(()));
    // Nobody decides: 504, since a person would have to be asked (RFC 3311 section 5.2).
    let failed = net.until(1, |event| match event {
        Event::ReinviteFailed { status, .. } => Some(*status),
        _ => None,
    });
    assert_eq!(failed, StatusCode::SERVER_TIMEOUT);
    net.until(0, |e| {
        matches!(e, Event::OfferWithdrawn { .. }).then_some(())
    });
    net.hang_up(0, caller);
    net.assert_forgotten();
}
