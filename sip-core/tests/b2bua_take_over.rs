//! The end of an attended transfer across a coupling: a call that comes in with Replaces takes a leg's place.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod coupled;
mod support;

use std::time::Duration;

use coupled::{PBX, World};
use sip_core::b2bua::Plan;
use sip_core::{Body, CallId, CallState, EndKind, Event, StatusCode};
use support::*;

/// A call of 0 and 2 through the exchange, both ends of it, and the values that name it in 0's Replaces. 3 shall take
/// 0's place.
fn talking() -> (World, CallId, CallId, String) {
    let plan = || Plan::to(coupled::phone(2));
    let mut world = World::with(2, plan, |_, config| config.replaces = true);
    world.takes_over = true;
    let ours = world.dial(|invite| invite);
    let theirs = world.until(2, incoming);
    let now = world.net.now;
    world.call(2, theirs).answer(now, Some(answer(2))).unwrap();
    world.until(0, |e| matches!(e, Event::Answered { .. }).then_some(()));
    world.run(Duration::from_secs(2));
    let handle = world.call(0, ours);
    let replaces = format!(
        "{};to-tag={};from-tag={}",
        handle.call_id(),
        handle.remote_tag().unwrap(),
        handle.local_tag()
    );
    (world, ours, theirs, replaces)
}

/// 3 wants 0's place.
fn arrive(world: &mut World, replaces: &str, offer: Option<Body>) -> CallId {
    world.net.invite(3, PBX, |mut invite| {
        invite.body = offer;
        invite.header("Replaces", replaces)
    })
}

fn answered(world: &mut World, at: usize) -> Option<Body> {
    world.until(at, |e| match e {
        Event::Answered { body, .. } => Some(body.clone()),
        _ => None,
    })
}

fn ended_as(world: &mut World, at: usize, which: CallId) -> EndKind {
    world.until(at, |e| match e {
        Event::Ended { call, cause, .. } if *call == which => Some(cause.kind.clone()),
        _ => None,
    })
}

/// 2 hangs up, `other` hears it, and nothing is remembered.
fn over(mut world: World, theirs: CallId, other: (usize, CallId)) {
    let now = world.net.now;
    world.call(2, theirs).hang_up(now).unwrap();
    ended_as(&mut world, other.0, other.1);
    world.assert_forgotten();
}

#[test]
fn the_newcomers_offer_reaches_the_other_side_and_the_old_leg_ends() {
    let (mut world, ours, theirs, replaces) = talking();
    let fresh = arrive(&mut world, &replaces, Some(offer(3)));
    assert_eq!(world.offered(2).0, Some(offer(3)));
    assert_eq!(
        world.call(0, ours).state(),
        CallState::Established,
        "until the answer"
    );
    let now = world.net.now;
    let accepted = Body::sdp("v=0\r\ns=for 3\r\n");
    world.call(2, theirs).accept(now, accepted.clone()).unwrap();
    assert_eq!(answered(&mut world, 3), Some(accepted));
    ended_as(&mut world, 0, ours);
    // What follows crosses between the two that are left.
    world.run(Duration::from_secs(1));
    let now = world.net.now;
    let hold = Body::sdp("v=0\r\ns=hold\r\n");
    world.call(3, fresh).reinvite(now, hold.clone()).unwrap();
    assert_eq!(world.offered(2).0, Some(hold));
    let now = world.net.now;
    world.call(2, theirs).accept(now, answer(2)).unwrap();
    world.until(3, |e| {
        matches!(e, Event::ReinviteAnswered { .. }).then_some(())
    });
    over(world, theirs, (3, fresh));
}

#[test]
fn without_an_offer_the_newcomer_is_told_the_other_sides_session() {
    let (mut world, ours, theirs, replaces) = talking();
    let fresh = arrive(&mut world, &replaces, None);
    assert_eq!(answered(&mut world, 3), Some(answer(2)));
    let now = world.net.now;
    world.call(3, fresh).accept(now, offer(3)).unwrap();
    assert_eq!(world.offered(2).0, Some(offer(3)));
    let now = world.net.now;
    world.call(2, theirs).accept(now, answer(2)).unwrap();
    ended_as(&mut world, 0, ours);
    over(world, theirs, (3, fresh));
}

#[test]
fn what_the_other_side_refuses_changes_nothing() {
    let (mut world, ours, theirs, replaces) = talking();
    let fresh = arrive(&mut world, &replaces, Some(offer(3)));
    world.offered(2);
    let now = world.net.now;
    world
        .call(2, theirs)
        .refuse(now, StatusCode::NOT_ACCEPTABLE_HERE)
        .unwrap();
    let cause = world.until(3, |e| match e {
        Event::Ended { call, cause, .. } if *call == fresh => Some(cause.clone()),
        _ => None,
    });
    assert_eq!(cause.status, Some(StatusCode::NOT_ACCEPTABLE_HERE));
    assert_eq!(world.call(0, ours).state(), CallState::Established);
    over(world, theirs, (0, ours));
}

#[test]
fn whoever_is_replaced_may_leave_before_the_answer() {
    let (mut world, ours, theirs, replaces) = talking();
    let fresh = arrive(&mut world, &replaces, Some(offer(3)));
    world.offered(2);
    let now = world.net.now;
    world.call(0, ours).hang_up(now).unwrap();
    world.run(Duration::from_secs(1));
    let now = world.net.now;
    world.call(2, theirs).accept(now, answer(2)).unwrap();
    assert_eq!(answered(&mut world, 3), Some(answer(2)));
    over(world, theirs, (3, fresh));
}

#[test]
fn a_newcomer_that_gives_up_is_undone() {
    let (mut world, ours, theirs, replaces) = talking();
    let fresh = arrive(&mut world, &replaces, Some(offer(3)));
    world.offered(2);
    let now = world.net.now;
    world.call(3, fresh).hang_up(now).unwrap();
    world.run(Duration::from_secs(1));
    let now = world.net.now;
    world.call(2, theirs).accept(now, answer(2)).unwrap();
    // 2 hears 0's session again.
    assert_eq!(world.offered(2).0, Some(offer(0)));
    let now = world.net.now;
    world.call(2, theirs).accept(now, answer(2)).unwrap();
    world.run(Duration::from_secs(1));
    assert_eq!(world.call(0, ours).state(), CallState::Established);
    over(world, theirs, (0, ours));
}
