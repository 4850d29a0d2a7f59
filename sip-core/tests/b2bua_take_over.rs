//! The end of an attended transfer across a coupling: a call that comes in with Replaces takes a leg's place.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::time::Duration;

use sip_core::b2bua::{Coupling, Plan, Policy};
use sip_core::header::NameAddr;
use sip_core::{Body, CallId, CallState, EndKind, Event, Invite, StatusCode};
use support::*;

/// 0 has a call with 1 through the coupling, and 2 shall take its place.
const PBX: usize = 3;

struct World {
    net: Network,
    couplings: Vec<Coupling>,
}

impl World {
    /// A call of 0 and 1, and the values that name it in 0's Replaces.
    fn talking() -> (Self, CallId, CallId, String) {
        let mut world = Self {
            net: Network::phones(7, 4),
            couplings: Vec::new(),
        };
        let ours = world.net.invite(0, PBX, |invite| invite);
        let theirs = world.until(1, incoming);
        let now = world.net.now;
        world
            .net
            .call(1, theirs)
            .answer(now, Some(answer(1)))
            .unwrap();
        world.until(0, |e| matches!(e, Event::Answered { .. }).then_some(()));
        world.run(Duration::from_secs(2));
        let handle = world.net.call(0, ours);
        let replaces = format!(
            "{};to-tag={};from-tag={}",
            handle.call_id(),
            handle.remote_tag().unwrap(),
            handle.local_tag()
        );
        (world, ours, theirs, replaces)
    }

    /// 2 wants 0's place.
    fn arrive(&mut self, replaces: &str, offer: Option<Body>) -> CallId {
        self.net.invite(2, PBX, |mut invite| {
            invite.body = offer;
            invite.header("Replaces", replaces)
        })
    }

    fn pump(&mut self) {
        loop {
            self.net.drain();
            let events = std::mem::take(&mut self.net.events[PBX]);
            if events.is_empty() {
                return;
            }
            let now = self.net.now;
            let pbx = &mut self.net.endpoints[PBX];
            for event in events {
                match event {
                    Event::Incoming {
                        call,
                        offer,
                        replaces: Some(old),
                        ..
                    } => {
                        let coupling = self.couplings.iter_mut().find(|c| c.has(old)).unwrap();
                        coupling.take_over(now, pbx, old, call, offer);
                    }
                    Event::Incoming {
                        call,
                        offer,
                        request,
                        ..
                    } => {
                        let from = NameAddr::new(&"sip:pbx@example.org".parse().unwrap());
                        let to = format!("sip:user1@{}", address(1)).parse().unwrap();
                        let plan = Plan::to(Invite::new(to, from));
                        let policy = Policy::default();
                        let coupling = Coupling::new(now, pbx, call, offer, &request, plan, policy);
                        self.couplings.push(coupling);
                    }
                    event => {
                        let mut event = Some(event);
                        for coupling in &mut self.couplings {
                            event = event.and_then(|event| coupling.handle_event(now, pbx, event));
                        }
                    }
                }
            }
            self.couplings.retain(|coupling| !coupling.is_over());
        }
    }

    fn run(&mut self, span: Duration) {
        let until = self.net.now + span;
        self.pump();
        while self.net.next().is_some_and(|at| at <= until) {
            self.net.step();
            self.pump();
        }
        self.net.now = until;
    }

    fn until<T>(&mut self, at: usize, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        for _ in 0..5_000 {
            self.pump();
            let found = self.net.events[at]
                .iter()
                .position(|event| pick(event).is_some());
            if let Some(index) = found {
                let event = self.net.events[at].drain(..=index).next_back().unwrap();
                return pick(&event).unwrap();
            }
            assert!(
                self.net.step(),
                "nothing happens any more: {}",
                self.net.show()
            );
        }
        panic!("it never happened: {}", self.net.show());
    }

    fn offered(&mut self, at: usize) -> Option<Body> {
        self.until(at, |e| match e {
            Event::Offered { offer, .. } => Some(offer.clone()),
            _ => None,
        })
    }

    fn answered(&mut self, at: usize) -> Option<Body> {
        self.until(at, |e| match e {
            Event::Answered { body, .. } => Some(body.clone()),
            _ => None,
        })
    }

    fn ended(&mut self, at: usize, which: CallId) -> EndKind {
        self.until(at, |e| match e {
            Event::Ended { call, cause, .. } if *call == which => Some(cause.kind.clone()),
            _ => None,
        })
    }

    /// 1 hangs up, `other` hears it, and nothing is remembered.
    fn over(mut self, theirs: CallId, other: (usize, CallId)) {
        let now = self.net.now;
        self.net.call(1, theirs).hang_up(now).unwrap();
        self.ended(other.0, other.1);
        self.run(Duration::from_secs(60));
        assert!(self.couplings.is_empty());
        self.net.assert_forgotten();
    }
}

#[test]
fn the_newcomers_offer_reaches_the_other_side_and_the_old_leg_ends() {
    let (mut world, ours, theirs, replaces) = World::talking();
    let fresh = world.arrive(&replaces, Some(offer(2)));
    assert_eq!(world.offered(1), Some(offer(2)));
    assert_eq!(
        world.net.call(0, ours).state(),
        CallState::Established,
        "until the answer"
    );
    let now = world.net.now;
    let accepted = Body::sdp("v=0\r\ns=for 2\r\n");
    world
        .net
        .call(1, theirs)
        .accept(now, accepted.clone())
        .unwrap();
    assert_eq!(world.answered(2), Some(accepted));
    world.ended(0, ours);
    // What follows crosses between the two that are left.
    world.run(Duration::from_secs(1));
    let now = world.net.now;
    let hold = Body::sdp("v=0\r\ns=hold\r\n");
    world
        .net
        .call(2, fresh)
        .reinvite(now, hold.clone())
        .unwrap();
    assert_eq!(world.offered(1), Some(hold));
    let now = world.net.now;
    world.net.call(1, theirs).accept(now, answer(1)).unwrap();
    world.until(2, |e| {
        matches!(e, Event::ReinviteAnswered { .. }).then_some(())
    });
    world.over(theirs, (2, fresh));
}

#[test]
fn without_an_offer_the_newcomer_is_told_the_other_sides_session() {
    let (mut world, ours, theirs, replaces) = World::talking();
    let fresh = world.arrive(&replaces, None);
    assert_eq!(world.answered(2), Some(answer(1)));
    let now = world.net.now;
    world.net.call(2, fresh).accept(now, offer(2)).unwrap();
    assert_eq!(world.offered(1), Some(offer(2)));
    let now = world.net.now;
    world.net.call(1, theirs).accept(now, answer(1)).unwrap();
    world.ended(0, ours);
    world.over(theirs, (2, fresh));
}

#[test]
fn what_the_other_side_refuses_changes_nothing() {
    let (mut world, ours, theirs, replaces) = World::talking();
    let fresh = world.arrive(&replaces, Some(offer(2)));
    world.offered(1);
    let now = world.net.now;
    world
        .net
        .call(1, theirs)
        .refuse(now, StatusCode::NOT_ACCEPTABLE_HERE)
        .unwrap();
    let cause = world.until(2, |e| match e {
        Event::Ended { call, cause, .. } if *call == fresh => Some(cause.clone()),
        _ => None,
    });
    assert_eq!(cause.status, Some(StatusCode::NOT_ACCEPTABLE_HERE));
    assert_eq!(world.net.call(0, ours).state(), CallState::Established);
    world.over(theirs, (0, ours));
}

#[test]
fn whoever_is_replaced_may_leave_before_the_answer() {
    let (mut world, ours, theirs, replaces) = World::talking();
    let fresh = world.arrive(&replaces, Some(offer(2)));
    world.offered(1);
    let now = world.net.now;
    world.net.call(0, ours).hang_up(now).unwrap();
    world.run(Duration::from_secs(1));
    let now = world.net.now;
    world.net.call(1, theirs).accept(now, answer(1)).unwrap();
    assert_eq!(world.answered(2), Some(answer(1)));
    world.over(theirs, (2, fresh));
}

#[test]
fn a_newcomer_that_gives_up_is_undone() {
    let (mut world, ours, theirs, replaces) = World::talking();
    let fresh = world.arrive(&replaces, Some(offer(2)));
    world.offered(1);
    let now = world.net.now;
    world.net.call(2, fresh).hang_up(now).unwrap();
    world.run(Duration::from_secs(1));
    let now = world.net.now;
    world.net.call(1, theirs).accept(now, answer(1)).unwrap();
    // 1 hears 0's session again.
    assert_eq!(world.offered(1), Some(offer(0)));
    let now = world.net.now;
    world.net.call(1, theirs).accept(now, answer(1)).unwrap();
    world.run(Duration::from_secs(1));
    assert_eq!(world.net.call(0, ours).state(), CallState::Established);
    world.over(theirs, (0, ours));
}
