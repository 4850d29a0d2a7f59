//! Exchanges: every call that comes in is coupled, to whoever registered, or to a group.

use std::time::Duration;

use sip_core::b2bua::{
    Coupling, CouplingEvent, Plan, Policy, Redirects, Transfers, Trunk, Updates,
};
use sip_core::header::NameAddr;
use sip_core::{Endpoint, Event, Invite, Message, StatusCode, Uri};

use super::{HOMES, PHONES, World, account};
use crate::support::*;

/// What a coupling told.
#[derive(Debug, Default)]
pub(super) struct Told {
    joined: usize,
    ended: usize,
}

fn call(uri: Uri) -> Invite {
    let from = NameAddr::new(&"sip:exchange@example.org".parse().unwrap());
    let invite = Invite::new(uri, from).account(account());
    invite.ring_timeout(Duration::from_secs(40))
}

/// A group of phones, some of them behind an exchange.
fn group(random: &mut Random) -> Plan {
    let mut invites = Vec::new();
    for _ in 0..1 + random.below(3) {
        let phone = random.below(PHONES as u64) as usize;
        let at = match random.chance(15) {
            true => HOMES[phone % 2],
            false => phone,
        };
        invites.push(call(
            format!("sip:user{phone}@{}", address(at)).parse().unwrap(),
        ));
    }
    match random.chance(50) {
        true => Plan::parallel(invites),
        false => Plan::serial(invites, Duration::from_secs(8)),
    }
}

/// Every contact that the called user registered.
fn registered(now: std::time::Instant, home: &Endpoint, request: &Message) -> Plan {
    let user = request.uri().unwrap().user().unwrap_or_default().to_owned();
    let uri: Uri = format!("sip:{user}@example.org").parse().unwrap();
    let bindings = home.locate(now, &uri);
    Plan::parallel(bindings.iter().map(|binding| call(uri.clone()).at(binding)))
}

fn policy(random: &mut Random) -> Policy {
    let mut policy = Policy::default();
    if random.chance(30) {
        policy.updates = Updates::Reinvite;
    }
    policy.refreshes = random.chance(50);
    policy.replaces = true;
    // It may call itself, and asks itself for credentials like everybody.
    policy.trunk = Trunk::default().account(account());
    policy.transfers = match random.below(6) {
        0 => Transfers::Application,
        1 => Transfers::Pass,
        _ => Transfers::Consume,
    };
    policy.redirects = match random.below(3) {
        0 => Redirects::Refuse,
        1 => Redirects::Pass,
        _ => Redirects::Follow,
    };
    policy
}

impl World {
    pub(super) fn exchange(&mut self, at: usize, event: Event) {
        let now = self.net.now;
        let index = at - PHONES;
        let endpoint = &mut self.net.endpoints[at];
        let newcomer = match &event {
            Event::Incoming {
                call,
                replaces: Some(_),
                ..
            } => Some(*call),
            _ => None,
        };
        let mut event = Some(event);
        for (coupling, _) in &mut self.couplings[index] {
            event = event.and_then(|event| coupling.handle_event(now, endpoint, event));
        }
        if let (Some(call), None) = (newcomer, &event) {
            self.sum.taken_over += 1;
            // A coupling that cannot take it refuses it, and tells nobody.
            self.refused.insert((at, call));
        }
        match event {
            Some(Event::Incoming {
                call,
                replaces: Some(_),
                ..
            }) => {
                // Its coupling is over, or not joined yet.
                let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
                endpoint
                    .call(call)
                    .unwrap()
                    .reject(now, status, None)
                    .unwrap();
                self.refused.insert((at, call));
            }
            Some(Event::Incoming {
                call,
                offer,
                request,
                ..
            }) => {
                let random = &mut self.net.random;
                let plan = match HOMES.contains(&at) && random.chance(80) {
                    true => registered(now, endpoint, &request),
                    false => group(random),
                };
                if HOMES.contains(&at) && plan.phones() > 0 {
                    self.sum.located += 1;
                }
                let policy = policy(random);
                let coupling = Coupling::new(now, endpoint, call, offer, &request, plan, policy);
                self.couplings[index].push((coupling, Told::default()));
            }
            Some(Event::Ended { call, .. }) if self.refused.remove(&(at, call)) => {}
            Some(Event::ReferRequested { subscription, .. }) => {
                let handle = endpoint.subscription(subscription);
                let _ = handle.map(|handle| handle.reject(now, StatusCode::FORBIDDEN));
            }
            // What becomes of a REFER is the transferor's, also after the coupling.
            None
            | Some(
                Event::SubscriptionEnded { .. }
                | Event::Subscribed { .. }
                | Event::Notified { .. }
                | Event::Binding { .. },
            ) => {}
            event => panic!("an event of nobody's: {event:?}"),
        }
        self.hear_couplings(at);
    }

    fn hear_couplings(&mut self, at: usize) {
        let couplings = &mut self.couplings[at - PHONES];
        for (coupling, told) in couplings.iter_mut() {
            while let Some(event) = coupling.poll_event() {
                assert_eq!(told.ended, 0, "nothing after the end: {event:?}");
                match event {
                    CouplingEvent::Connected { .. } => {
                        told.joined += 1;
                        self.sum.joined += 1;
                    }
                    CouplingEvent::Transferred { .. } => self.sum.transferred += 1,
                    CouplingEvent::PhoneFailed { cause, .. } => {
                        let code = cause.status.map_or(0, StatusCode::code);
                        self.sum.redirected += usize::from((300..400).contains(&code));
                    }
                    CouplingEvent::Ended { .. } => told.ended += 1,
                    _ => {}
                }
                assert!(told.joined <= 1, "joined once");
            }
            let over = coupling.is_over();
            assert!(!over || told.ended == 1, "it says when it is over");
        }
        let before = couplings.len();
        couplings.retain(|(coupling, _)| !coupling.is_over());
        self.sum.over += before - couplings.len();
    }
}
