//! Transfers and redirections at a back-to-back agent, as policy.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod coupled;
mod support;

use std::time::Duration;

use coupled::{PBX, World, sdp};
use sip_core::auth::Account;
use sip_core::b2bua::{CouplingEvent, Plan, Redirects, Transfers, Trunk};
use sip_core::header::{Contact, NameAddr};
use sip_core::{
    Body, CallId, DigestPolicy, EndKind, Event, Invite, Message, Refer, Referrals, StatusCode,
    SubscriptionId,
};
use support::*;

/// Phones 2 and above, of whom the plan names 2, and an exchange with this policy.
fn exchange(transfers: Transfers) -> World {
    let plan = || Plan::to(coupled::phone(2));
    let mut world = World::with(3, plan, |_, config| {
        config.referrals = Referrals::InCalls;
        config.replaces = true;
    });
    world.policy.transfers = transfers;
    world.policy.replaces = true;
    world
}

fn to(index: usize) -> Refer {
    Refer::new(
        format!("sip:phone{index}@{}", address(index))
            .parse()
            .unwrap(),
    )
}

/// The statuses that a transferor heard, up to the final one.
fn reported(world: &mut World, at: usize, refer: SubscriptionId) -> Vec<u16> {
    let mut heard = Vec::new();
    loop {
        let status = world.until(at, |event| match event {
            Event::Notified {
                subscription, body, ..
            } if *subscription == refer => body.as_ref()?.sipfrag_status(),
            _ => None,
        });
        heard.push(status.0.code());
        if status.0.is_final() {
            return heard;
        }
    }
}

fn reinvited(world: &mut World, at: usize, call: CallId, answer: &str) -> Option<Body> {
    let (offer, _) = world.offered(at);
    let now = world.net.now;
    world.call(at, call).accept(now, sdp(answer)).unwrap();
    offer
}

fn hang_up(world: &mut World, at: usize, call: CallId) {
    let now = world.net.now;
    world.call(at, call).hang_up(now).unwrap();
}

/// Nothing is left of any call.
fn over(mut world: World) {
    world.run(Duration::from_secs(400));
    assert!(world.couplings.is_empty(), "{:#?}", world.couplings);
    world.net.assert_forgotten();
}

#[test]
fn a_refer_is_carried_out_in_the_place_of_the_side_that_sent_it() {
    for (from, leaves_at_once) in [(0, false), (2, false), (0, true), (2, true)] {
        let mut world = exchange(Transfers::Consume);
        let (caller, callee) = world.join();
        let (leg, stays, stayed) = match from {
            0 => (caller, 2, callee),
            _ => (callee, 0, caller),
        };
        let now = world.net.now;
        let refer = world.call(from, leg).refer(now, to(3)).unwrap();
        if leaves_at_once {
            world.until(from, |e| {
                matches!(e, Event::Subscribed { .. }).then_some(())
            });
            hang_up(&mut world, from, leg);
        }
        let (third, offer, request) = world.until(3, |event| match event {
            Event::Incoming {
                call,
                offer,
                request,
                ..
            } => Some((*call, offer.clone(), request.clone())),
            _ => None,
        });
        // The session of whoever stays, under the name of whoever stays.
        assert_eq!(offer, Some(sdp(if from == 0 { "b" } else { "a" })));
        let name = request.header("From").unwrap().to_str().into_owned();
        let wanted = if from == 0 {
            "sip:phone2@"
        } else {
            "sip:user0@"
        };
        assert!(name.contains(wanted), "{name}");
        let now = world.net.now;
        world.call(3, third).answer(now, Some(sdp("c"))).unwrap();
        assert_eq!(reinvited(&mut world, stays, stayed, "d"), Some(sdp("c")));
        assert_eq!(*reported(&mut world, from, refer).last().unwrap(), 200);
        if !leaves_at_once {
            let cause = world.until(from, ended);
            assert_eq!(cause.kind, EndKind::HungUp);
        }
        world.run(Duration::from_secs(1));
        let moved = |event: &CouplingEvent| matches!(event, CouplingEvent::Transferred { .. });
        assert!(world.heard.iter().any(moved), "{:?}", world.heard);
        // What is offered now crosses between the two that are left.
        let now = world.net.now;
        world.call(3, third).reinvite(now, sdp("e")).unwrap();
        assert_eq!(reinvited(&mut world, stays, stayed, "f"), Some(sdp("e")));
        assert_eq!(world.changed(3), Ok(Some(sdp("f"))));
        hang_up(&mut world, stays, stayed);
        world.until(3, ended);
        over(world);
    }
}

/// An exchange whose calls to anybody but its phones go to a provider, endpoint 4, which asks for credentials.
fn with_provider() -> (World, Trunk) {
    let plan = || Plan::to(coupled::phone(2));
    let mut world = World::with(3, plan, |index, config| {
        config.referrals = Referrals::InCalls;
        config.replaces = true;
        if index == 4 {
            let policy = DigestPolicy::new("provider.example", [4; 32]);
            config.digest = Some(policy.user("4930123", "secret"));
        }
    });
    world.policy.replaces = true;
    let route = NameAddr::parse(format!("<sip:{};lr>", address(4))).unwrap();
    (world, Trunk::default().route([route]))
}

fn abroad() -> Refer {
    Refer::new("sip:+4940555@numbers.example".parse().unwrap())
}

fn name(address: &str) -> NameAddr {
    NameAddr::parse(address.to_owned()).unwrap()
}

#[test]
fn a_refer_is_carried_out_over_the_trunk_with_its_credentials() {
    for known in [true, false] {
        let (mut world, trunk) = with_provider();
        world.policy.transfers = Transfers::Consume;
        let password = if known { "secret" } else { "guessed" };
        world.policy.trunk = trunk
            .account(Account::with_password("4930123", password))
            .from(name("<sip:4930123@provider.example>"))
            .header("P-Asserted-Identity", "<sip:4930123@provider.example>");
        let (caller, callee) = world.join();
        let now = world.net.now;
        let refer = world.call(0, caller).refer(now, abroad()).unwrap();
        if !known {
            assert!(*reported(&mut world, 0, refer).last().unwrap() >= 400);
            assert_eq!(world.net.endpoints[4].calls().count(), 0);
            hang_up(&mut world, 2, callee);
            world.until(0, ended);
            over(world);
            continue;
        }
        let (third, offer, request) = world.until(4, |event| match event {
            Event::Incoming {
                call,
                offer,
                request,
                ..
            } => Some((*call, offer.clone(), request.clone())),
            _ => None,
        });
        assert_eq!(offer, Some(sdp("b")));
        assert_eq!(
            request.uri().unwrap().to_string(),
            "sip:+4940555@numbers.example"
        );
        for header in ["From", "P-Asserted-Identity"] {
            let value = request.header(header).unwrap().to_str().into_owned();
            assert!(value.contains("4930123@provider.example"), "{value}");
        }
        let now = world.net.now;
        world.call(4, third).answer(now, Some(sdp("c"))).unwrap();
        assert_eq!(reinvited(&mut world, 2, callee, "d"), Some(sdp("c")));
        assert_eq!(*reported(&mut world, 0, refer).last().unwrap(), 200);
        // The BYE is answered for too when the provider asks.
        world.run(Duration::from_secs(1));
        hang_up(&mut world, 2, callee);
        world.until(4, ended);
        over(world);
    }
}

#[test]
fn a_refer_left_to_the_application_is_carried_out_with_its_invite() {
    let (mut world, _) = with_provider();
    let (caller, callee) = world.join();
    let now = world.net.now;
    let refer = world.call(0, caller).refer(now, abroad()).unwrap();
    world.run(Duration::from_millis(100));
    let asked = world.left.drain(..).find_map(|event| match event {
        Event::ReferRequested {
            subscription, call, ..
        } => Some((subscription, call.unwrap())),
        _ => None,
    });
    let (asked, leg) = asked.unwrap();
    // It knows the number: it is that of a phone of its own.
    let invite = Invite::new(
        format!("sip:phone3@{}", address(3)).parse().unwrap(),
        name("<sip:desk@example.org>"),
    );
    let now = world.net.now;
    let pbx = &mut world.net.endpoints[PBX];
    let again = invite.clone();
    world.couplings[0]
        .follow(now, pbx, leg, asked, invite)
        .unwrap();
    // One at a time.
    let second = world.couplings[0].follow(now, pbx, leg, asked, again);
    assert_eq!(second, Err(StatusCode::REQUEST_PENDING));
    let third = world.until(3, incoming);
    let now = world.net.now;
    world.call(3, third).answer(now, Some(sdp("c"))).unwrap();
    assert_eq!(reinvited(&mut world, 2, callee, "d"), Some(sdp("c")));
    assert_eq!(*reported(&mut world, 0, refer).last().unwrap(), 200);
    world.run(Duration::from_secs(1));
    hang_up(&mut world, 2, callee);
    world.until(3, ended);
    over(world);
}

#[test]
fn a_transfer_that_fails_leaves_the_conversation_unless_its_sender_left() {
    for leaves_at_once in [false, true] {
        let mut world = exchange(Transfers::Consume);
        let (caller, callee) = world.join();
        let now = world.net.now;
        let refer = world.call(0, caller).refer(now, to(3)).unwrap();
        let third = world.until(3, incoming);
        // One at a time.
        let now = world.net.now;
        let second = world.call(2, callee).refer(now, to(4)).unwrap();
        let refused = world.until(2, |event| match event {
            Event::SubscriptionEnded {
                subscription, end, ..
            } if *subscription == second => Some(format!("{end:?}")),
            _ => None,
        });
        assert!(refused.contains("491"), "{refused}");
        if leaves_at_once {
            hang_up(&mut world, 0, caller);
            world.run(Duration::from_secs(1));
        }
        let now = world.net.now;
        let busy = StatusCode::BUSY_HERE;
        world.call(3, third).reject(now, busy, None).unwrap();
        assert_eq!(*reported(&mut world, 0, refer).last().unwrap(), 486);
        if leaves_at_once {
            world.until(2, ended);
        } else {
            world.run(Duration::from_secs(1));
            let now = world.net.now;
            world.call(0, caller).reinvite(now, sdp("x")).unwrap();
            assert_eq!(reinvited(&mut world, 2, callee, "y"), Some(sdp("x")));
            assert_eq!(world.changed(0), Ok(Some(sdp("y"))));
            hang_up(&mut world, 2, callee);
            world.until(0, ended);
        }
        over(world);
    }
}

#[test]
fn a_refer_is_passed_on_and_its_reports_come_back() {
    for refuses in [false, true] {
        let mut world = exchange(Transfers::Pass);
        let (caller, callee) = world.join();
        let now = world.net.now;
        let refer = world.call(0, caller).refer(now, to(3)).unwrap();
        let (asked, request) = world.until(2, |event| match event {
            Event::ReferRequested {
                subscription,
                request,
                ..
            } => Some((*subscription, request.clone())),
            _ => None,
        });
        let target = request.header("Refer-To").unwrap().to_str().into_owned();
        assert_eq!(target, format!("<sip:phone3@{}>", address(3)));
        let now = world.net.now;
        if refuses {
            let handle = world.net.endpoints[2].subscription(asked).unwrap();
            handle.reject(now, StatusCode::DECLINE).unwrap();
            let end = world.until(0, |event| match event {
                Event::SubscriptionEnded {
                    subscription, end, ..
                } if *subscription == refer => Some(format!("{end:?}")),
                _ => None,
            });
            assert!(end.contains("603"), "{end}");
        } else {
            let from = NameAddr::new(&"sip:phone2@example.org".parse().unwrap());
            let invite = Invite::referred(&request, from).unwrap();
            let invite = invite.body(sdp("m"));
            let made = world.net.endpoints[2].follow(now, asked, invite).unwrap();
            let third = world.until(3, incoming);
            let now = world.net.now;
            world.call(3, third).answer(now, Some(sdp("n"))).unwrap();
            assert_eq!(*reported(&mut world, 0, refer).last().unwrap(), 200);
            world.until(0, |event| match event {
                Event::SubscriptionEnded { subscription, .. } => {
                    (*subscription == refer).then_some(())
                }
                _ => None,
            });
            world.run(Duration::from_secs(1));
            hang_up(&mut world, 2, made);
        }
        hang_up(&mut world, 2, callee);
        world.until(0, ended);
        over(world);
    }
}

/// The value of a Replaces that names a call of ours, as the other end of it has it.
fn replaces(world: &mut World, at: usize, call: CallId) -> String {
    let call = world.call(at, call);
    format!(
        "{};to-tag={};from-tag={}",
        call.call_id(),
        call.remote_tag().unwrap(),
        call.local_tag()
    )
}

#[test]
fn an_invite_takes_the_place_of_a_leg_and_the_other_side_hears_its_session() {
    for (offers, refused) in [(true, false), (false, false), (true, true)] {
        let mut world = exchange(Transfers::Application);
        let (caller, callee) = world.join();
        let value = replaces(&mut world, 0, caller);
        let new = world.net.invite(3, PBX, |mut invite| {
            invite.body = offers.then(|| sdp("new"));
            invite.header("Replaces", value)
        });
        if offers {
            let (offer, _) = world.offered(2);
            assert_eq!(offer, Some(sdp("new")));
            let now = world.net.now;
            if refused {
                let status = StatusCode::NOT_ACCEPTABLE_HERE;
                world.call(2, callee).refuse(now, status).unwrap();
                let cause = world.until(3, ended);
                assert_eq!(cause.status, Some(status));
                hang_up(&mut world, 0, caller);
                world.until(2, ended);
                over(world);
                continue;
            }
            world.call(2, callee).accept(now, sdp("b2")).unwrap();
        }
        let body = world.until(3, |event| match event {
            Event::Answered { body, .. } => Some(body.clone().unwrap()),
            _ => None,
        });
        if offers {
            assert_eq!(body, sdp("b2"));
        } else {
            assert_eq!(body, sdp("b"), "what the other side said last");
            let now = world.net.now;
            world.call(3, new).accept(now, sdp("new")).unwrap();
            assert_eq!(reinvited(&mut world, 2, callee, "b2"), Some(sdp("new")));
        }
        world.until(0, ended);
        world.run(Duration::from_secs(1));
        hang_up(&mut world, 3, new);
        world.until(2, ended);
        over(world);
    }
}

/// Whoever was to take a place leaves before the other side has answered.
#[test]
fn a_replacement_that_is_given_up_is_undone_on_the_other_side() {
    let mut world = exchange(Transfers::Application);
    let (caller, callee) = world.join();
    let value = replaces(&mut world, 0, caller);
    let new = world.net.invite(3, PBX, |invite| {
        invite.body(sdp("new")).header("Replaces", value)
    });
    let (offer, _) = world.offered(2);
    assert_eq!(offer, Some(sdp("new")));
    world.run(Duration::from_millis(500));
    hang_up(&mut world, 3, new);
    world.until(3, ended);
    world.run(Duration::from_secs(1));
    let now = world.net.now;
    world.call(2, callee).accept(now, sdp("b2")).unwrap();
    assert_eq!(reinvited(&mut world, 2, callee, "b"), Some(sdp("a")));
    world.run(Duration::from_secs(1));
    hang_up(&mut world, 0, caller);
    world.until(2, ended);
    over(world);
}

/// Both calls of the transferor go through one exchange, which calls itself, whatever its trunk.
#[test]
fn an_attended_transfer_joins_the_far_sides_of_two_couplings() {
    for trunk in [false, true] {
        let (mut world, over_provider) = with_provider();
        world.policy.transfers = Transfers::Consume;
        if trunk {
            world.policy.trunk = over_provider;
        }
        let (first, second_phone) = world.join();
        world.plan = Box::new(|| Plan::to(coupled::phone(3)));
        let second = world.dial(|invite| invite.body(sdp("a2")));
        let third = world.until(3, incoming);
        let now = world.net.now;
        world.call(3, third).answer(now, Some(sdp("c"))).unwrap();
        world.until(0, |e| matches!(e, Event::Answered { .. }).then_some(()));
        world.run(Duration::from_millis(200));
        let now = world.net.now;
        let refer = world.call(0, first).transfer_to(now, second).unwrap();
        // The third phone hears the second one's session, and the other way round.
        assert_eq!(reinvited(&mut world, 3, third, "c2"), Some(sdp("b")));
        assert_eq!(
            reinvited(&mut world, 2, second_phone, "b2"),
            Some(sdp("c2"))
        );
        assert_eq!(*reported(&mut world, 0, refer).last().unwrap(), 200);
        world.run(Duration::from_secs(1));
        assert_eq!(world.net.endpoints[0].calls().count(), 0, "both are over");
        hang_up(&mut world, 2, second_phone);
        world.until(3, ended);
        over(world);
    }
}

/// A phone that talks to itself, through two couplings in a row, joins its two ends.
#[test]
fn a_line_without_anybody_at_its_ends_is_ended() {
    let mut world = exchange(Transfers::Consume);
    let calls = std::cell::Cell::new(0);
    world.plan = Box::new(move || {
        calls.set(calls.get() + 1);
        Plan::to(coupled::phone(if calls.get() == 1 { PBX } else { 0 }))
    });
    let first = world.dial(|invite| invite.body(sdp("a")));
    let second = world.until(0, incoming);
    let now = world.net.now;
    world.call(0, second).answer(now, Some(sdp("b"))).unwrap();
    world.until(0, |e| matches!(e, Event::Answered { .. }).then_some(()));
    world.run(Duration::from_secs(1));
    assert_eq!(world.couplings.len(), 2);
    let now = world.net.now;
    world.call(0, first).transfer_to(now, second).unwrap();
    for _ in 0..300 {
        world.run(Duration::from_millis(100));
        for event in std::mem::take(&mut world.net.events[0]) {
            let now = world.net.now;
            if let Event::Offered { call, .. } = event {
                let handle = world.net.endpoints[0].call(call);
                let _ = handle.map(|handle| handle.accept(now, sdp("c")));
            }
        }
    }
    let nobody = |event: &CouplingEvent| match event {
        CouplingEvent::Ended { cause, .. } => matches!(cause.kind, EndKind::Protocol(_)),
        _ => false,
    };
    assert!(world.heard.iter().any(nobody), "{:?}", world.heard);
    assert_eq!(world.net.endpoints[PBX].calls().count(), 0);
    over(world);
}

#[test]
fn redirections_are_refused_followed_or_passed_on() {
    for policy in [Redirects::Refuse, Redirects::Follow, Redirects::Pass] {
        let mut world = exchange(Transfers::Application);
        world.policy.redirects = policy;
        world.dial(|invite| invite.body(sdp("a")));
        let phone = world.until(2, incoming);
        let to = [3, 4].map(|index| {
            let uri = format!("sip:phone{index}@{}", address(index));
            let q = if index == 3 { "0.2" } else { "0.9" };
            let to = NameAddr::new(&uri.parse().unwrap());
            to.with_param("q", Some(q)).unwrap()
        });
        let now = world.net.now;
        world.call(2, phone).redirect(now, &to).unwrap();
        let failed = |world: &mut World| -> (StatusCode, Message) {
            world.until(0, |event| match event {
                Event::Ended { cause, message, .. } => {
                    Some((cause.status.unwrap(), message.clone().unwrap()))
                }
                _ => None,
            })
        };
        match policy {
            Redirects::Follow => {
                // The best first, under the name that was dialled.
                let busy = world.until(4, incoming);
                let now = world.net.now;
                let status = StatusCode::BUSY_HERE;
                world.call(4, busy).reject(now, status, None).unwrap();
                let (call, request) = world.until(3, |event| match event {
                    Event::Incoming { call, request, .. } => Some((*call, request.clone())),
                    _ => None,
                });
                let to = request.header("To").unwrap().to_str().into_owned();
                assert!(to.contains("sip:phone2@"), "{to}");
                let now = world.net.now;
                world.call(3, call).answer(now, Some(sdp("c"))).unwrap();
                world.until(0, |e| matches!(e, Event::Answered { .. }).then_some(()));
                world.run(Duration::from_secs(1));
                hang_up(&mut world, 3, call);
                world.until(0, ended);
            }
            Redirects::Pass => {
                let (status, response) = failed(&mut world);
                assert_eq!(status, StatusCode::MOVED_TEMPORARILY);
                let contacts: Vec<_> = response
                    .typed_all::<Contact<'_>>()
                    .map(|contact| contact.unwrap().to_string())
                    .collect();
                assert_eq!(contacts.len(), 2);
                assert!(contacts[0].contains("sip:phone4@"), "{contacts:?}");
            }
            _ => {
                let (status, _) = failed(&mut world);
                assert_eq!(status, StatusCode::TEMPORARILY_UNAVAILABLE);
            }
        }
        over(world);
    }
}

/// What the application makes of a redirection: another phone rings beside those that do, or instead of the last.
#[test]
fn a_phone_may_be_rung_beside_the_plan() {
    let mut world = exchange(Transfers::Application);
    world.dial(|invite| invite.body(sdp("a")));
    let first = world.until(2, incoming);
    let ring = |world: &mut World, index| {
        let now = world.net.now;
        let endpoint = &mut world.net.endpoints[PBX];
        let coupling = &mut world.couplings[0];
        coupling.ring(now, endpoint, coupled::phone(index))
    };
    let leg = ring(&mut world, 3).unwrap();
    let second = world.until(3, incoming);
    // The one that sends us there leaves, and the caller waits for the other.
    let elsewhere = NameAddr::new(&"sip:phone3@example.org".parse().unwrap());
    let now = world.net.now;
    world.call(2, first).redirect(now, &[elsewhere]).unwrap();
    world.run(Duration::from_secs(5));
    assert!(world.net.events[0].iter().all(|e| ended(e).is_none()));
    let now = world.net.now;
    world.call(3, second).answer(now, Some(sdp("c"))).unwrap();
    world.until(0, |e| matches!(e, Event::Answered { .. }).then_some(()));
    assert_eq!(world.couplings[0].callee(), Some(leg));
    assert_eq!(ring(&mut world, 4), None, "nobody is waited for any more");
    hang_up(&mut world, 3, second);
    world.until(0, ended);
    over(world);

    // As many as a plan may have, and no more.
    let mut world = exchange(Transfers::Application);
    world.dial(|invite| invite.body(sdp("a")));
    world.until(2, incoming);
    let rung = (0..70).filter(|_| ring(&mut world, 4).is_some()).count();
    assert_eq!(rung, 63);
}

/// Phones that send one another round and round end with the caller's answer.
#[test]
fn a_ring_of_redirections_ends() {
    let mut world = exchange(Transfers::Application);
    world.policy.redirects = Redirects::Follow;
    world.dial(|invite| invite.body(sdp("a")));
    let mut asked = 0;
    let cause = loop {
        world.pump();
        for at in [2, 3] {
            for event in std::mem::take(&mut world.net.events[at]) {
                if let Event::Incoming { call, .. } = event {
                    asked += 1;
                    let uri = format!("sip:phone@{}", address(5 - at)).parse().unwrap();
                    let now = world.net.now;
                    let to = [NameAddr::new(&uri)];
                    world.call(at, call).redirect(now, &to).unwrap();
                }
            }
        }
        if let Some(cause) = world.net.events[0].iter().find_map(ended) {
            break cause;
        }
        assert!(world.net.step(), "something happens");
    };
    assert_eq!(cause.status, Some(StatusCode::TEMPORARILY_UNAVAILABLE));
    assert_eq!(asked, 6, "the first, and five times what it said");
    over(world);
}
