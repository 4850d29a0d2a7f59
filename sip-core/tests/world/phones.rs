//! Phones: what they do at random, and what they must and must not be told.

use std::time::Duration;

use sip_core::auth::Account;
use sip_core::header::NameAddr;
use sip_core::registration::Proxy;
use sip_core::{
    CallState, EndKind, Event, Invite, Refer, Registration, RegistrationState, StatusCode,
    Subscribe, Target, Terminated, Transport,
};

use super::{EXCHANGES, HOMES, PHONES, Seen, World, account};
use crate::support::*;

impl World {
    /// A phone; some have more to do than others, so that they have calls to join.
    fn somebody(&mut self) -> usize {
        let among = if self.net.random.chance(60) {
            5
        } else {
            PHONES
        };
        self.net.random.below(among as u64) as usize
    }

    /// A call from a phone to another, to whoever registered as such, or to an exchange's group.
    pub(super) fn dial(&mut self) {
        let (from, callee) = (self.somebody(), self.somebody());
        let to = match self.net.random.below(100) {
            0..45 if from != callee => callee,
            0..70 => HOMES[callee % 2],
            _ => EXCHANGES.end - 1 - callee % 2,
        };
        let password = match self.net.random.chance(90) {
            true => "secret",
            false => "wrong",
        };
        let ring = Duration::from_millis(500 + self.net.random.below(60_000));
        let early = self.net.random.chance(40);
        let silent = self.net.random.chance(8);
        let uri = format!("sip:user{callee}@{}", address(to)).parse().unwrap();
        let name = NameAddr::new(&format!("sip:user{from}@example.org").parse().unwrap());
        let mut invite = Invite::new(uri, name)
            .account(Account::with_password("bob", password))
            .ring_timeout(ring);
        invite.early_offers = early;
        if !silent {
            invite = invite.body(offer(from));
        }
        let now = self.net.now;
        let call = self.net.endpoints[from].invite(now, invite).unwrap();
        self.calls.insert((from, call), Seen::Calling);
        if silent {
            self.silent.insert((from, call));
        }
    }

    pub(super) fn register(&mut self, phone: usize) {
        let home = HOMES[phone % 2];
        let user = format!("user{phone}");
        let mut registration = Registration::new(
            "sip:example.org".parse().unwrap(),
            NameAddr::parse(format!("<sip:{user}@example.org>")).unwrap(),
        )
        .account(Account::with_password(user, "secret"))
        .expires(Duration::from_secs(60 + self.net.random.below(200)))
        .proxy(Proxy::target(Target::new(Transport::Udp, address(home))));
        if phone.is_multiple_of(4) {
            registration = registration.outbound(format!("urn:uuid:{phone}"));
        }
        let now = self.net.now;
        let id = self.net.endpoints[phone]
            .register(now, registration)
            .unwrap();
        self.wanted.insert(phone, id);
    }

    pub(super) fn act_on_registrations(&mut self) {
        let phone = self.net.random.below(PHONES as u64) as usize;
        let now = self.net.now;
        match self.wanted.get(&phone).copied() {
            None => self.register(phone),
            Some(id) if self.net.random.chance(50) => {
                self.wanted.remove(&phone);
                self.leaving.push((phone, id));
                self.net.endpoints[phone].unregister(now, id).unwrap();
            }
            Some(id) => {
                let endpoint = &mut self.net.endpoints[phone];
                endpoint.refresh_registration(now, id).unwrap();
            }
        }
    }

    fn registration(&mut self, at: usize, id: sip_core::RegistrationId, state: &RegistrationState) {
        let ours = self.wanted.get(&at) == Some(&id);
        let left = self.leaving.iter().position(|gone| *gone == (at, id));
        assert!(ours || left.is_some(), "of an id that is gone: {state:?}");
        match (state, left) {
            (RegistrationState::Registered { .. }, _) => self.sum.registered += 1,
            (RegistrationState::Unregistered, Some(left)) => {
                self.leaving.swap_remove(left);
                assert!(self.net.endpoints[at].registration(id).is_err());
            }
            (RegistrationState::Failed { .. }, _) => {}
            (state, _) => panic!("unexpected {state:?}"),
        }
    }

    pub(super) fn phone(&mut self, at: usize, event: Event) {
        let now = self.net.now;
        if let Event::Registration {
            registration,
            state,
            ..
        } = &event
        {
            self.registration(at, *registration, state);
            return;
        }
        let Some(event) = self.hear_sub(at, event) else {
            return;
        };
        let id = match &event {
            Event::Incoming { call, offer, .. } => {
                let before = self.calls.insert((at, *call), Seen::Ringing);
                assert_eq!(before, None, "an id is never used twice");
                if offer.is_none() {
                    self.silent.insert((at, *call));
                }
                return;
            }
            Event::Progress { call, .. }
            | Event::Answered { call, .. }
            | Event::Confirmed { call, .. }
            | Event::Offered { call, .. }
            | Event::EarlyAnswer { call, .. }
            | Event::OfferWithdrawn { call, .. }
            | Event::ReinviteAnswered { call, .. }
            | Event::ReinviteFailed { call, .. }
            | Event::Info { call, .. }
            | Event::RequestAnswered { call, .. }
            | Event::Ended { call, .. } => (at, *call),
            other => panic!("unexpected {other:?}"),
        };
        let seen = *self
            .calls
            .get(&id)
            .expect("an event of a call that was told of");
        assert_ne!(seen, Seen::Over, "nothing after the end: {event:?}");
        match event {
            Event::Answered { call, .. } => {
                assert_eq!(seen, Seen::Calling, "answered once");
                self.calls.insert((at, call), Seen::Up);
                self.sum.answered += 1;
                // An INVITE without an offer waits for this.
                if let Ok(handle) = self.net.endpoints[at].call(call) {
                    let done = handle.accept(now, answer(at));
                    assert!(done.is_err() || self.silent.contains(&(at, call)));
                }
            }
            Event::Offered { call, .. } => {
                let endpoint = &mut self.net.endpoints[at];
                // Its end, or its withdrawal, may be the next event already.
                let Ok(handle) = endpoint.call(call) else {
                    return;
                };
                if self.net.random.chance(10) {
                    let _ = handle.refuse(now, StatusCode::NOT_ACCEPTABLE_HERE);
                } else if handle.accept(now, answer(at)).is_ok() {
                    let twice = endpoint.call(call).unwrap().accept(now, answer(at));
                    assert!(twice.is_err(), "nobody answers twice");
                }
            }
            Event::Ended { call, cause, .. } => {
                if let EndKind::Replaced { by } = cause.kind {
                    assert!(
                        self.calls.contains_key(&(at, by)),
                        "by a call that was told of"
                    );
                    self.sum.replaced += 1;
                }
                assert!(
                    self.net.endpoints[at].call(call).is_err(),
                    "the id is stale"
                );
                self.calls.insert((at, call), Seen::Over);
                self.sum.ended += 1;
            }
            Event::ReinviteFailed {
                status: StatusCode::REQUEST_PENDING,
                call,
                ..
            } => {
                // The wait is over: the call may have been changed meanwhile, but not refuse us for it.
                self.sum.asked_again += 1;
                // Its end may be the next event already.
                if let Ok(handle) = self.net.endpoints[at].call(call) {
                    let _ = handle.reinvite(now, offer(at));
                }
            }
            Event::Progress {
                call,
                branch,
                reliable: true,
                ..
            } => {
                self.sum.reliable += 1;
                let body = self.net.random.chance(30).then(|| offer(at));
                // Some leave that to the endpoint, which does it for those who never asked.
                if self.net.random.chance(80)
                    && let Ok(handle) = self.net.endpoints[at].call(call)
                {
                    let _ = handle.prack(now, &branch, body);
                }
            }
            _ => {}
        }
    }

    /// Takes the events of subscriptions and gives back the others.
    fn hear_sub(&mut self, at: usize, event: Event) -> Option<Event> {
        let now = self.net.now;
        match &event {
            Event::SubscribeRequested { subscription, .. }
            | Event::ReferRequested { subscription, .. }
            | Event::SubscriptionForked { subscription, .. } => {
                let before = self.subs.insert((at, *subscription), false);
                assert_eq!(before, None, "an id is never used twice");
            }
            Event::Subscribed { subscription, .. }
            | Event::Notified { subscription, .. }
            | Event::SubscriptionEnded { subscription, .. } => {
                let over = self.subs.get_mut(&(at, *subscription));
                let over = over.expect("a subscription that was told of");
                assert!(!*over, "nothing after the end: {event:?}");
                *over = matches!(event, Event::SubscriptionEnded { .. });
            }
            _ => return Some(event),
        }
        match event {
            Event::SubscribeRequested { subscription, .. } => {
                // Its end may be the next event already.
                if let Ok(handle) = self.net.endpoints[at].subscription(subscription) {
                    let _ = match self.net.random.below(4) {
                        0 => handle.reject(now, StatusCode::FORBIDDEN),
                        1 => handle.accept_pending(now),
                        _ => handle.accept(now, Some(offer(at))),
                    };
                }
            }
            Event::ReferRequested {
                subscription,
                request,
                ..
            } => match self.net.random.below(6) {
                0 => {
                    if let Ok(handle) = self.net.endpoints[at].subscription(subscription) {
                        handle.reject(now, StatusCode::DECLINE).expect("it waits");
                    }
                }
                1 => {}
                _ => {
                    let from = NameAddr::new(&format!("sip:user{at}@example.org").parse().unwrap());
                    let invite = Invite::referred(&request, from)
                        .expect("one of ours")
                        .account(account())
                        .ring_timeout(Duration::from_secs(30))
                        .body(offer(at));
                    if let Ok(call) = self.net.endpoints[at].follow(now, subscription, invite) {
                        self.calls.insert((at, call), Seen::Calling);
                    }
                }
            },
            Event::Notified {
                body: Some(body), ..
            } => {
                let told = body.sipfrag_status();
                self.sum.reported += usize::from(told.is_some_and(|(status, _)| status.is_final()));
            }
            Event::SubscriptionEnded { subscription, .. } => {
                let gone = self.net.endpoints[at].subscription(subscription).is_err();
                assert!(gone, "the id is stale");
            }
            _ => {}
        }
        None
    }

    /// A transfer, or something that is done to a subscription.
    pub(super) fn act_on_subs(&mut self) {
        let now = self.net.now;
        let (at, to) = (self.somebody(), self.somebody());
        let uri = || format!("sip:user{to}@{}", address(to)).parse().unwrap();
        let calls: Vec<_> = self.net.endpoints[at].calls().collect();
        let call = |random: &mut Random| calls[random.below(calls.len() as u64) as usize];
        let made = match self.net.random.below(5) {
            0 if !calls.is_empty() => {
                let mut refer = Refer::new(uri());
                if self.net.random.chance(20) {
                    refer = refer.without_report();
                }
                let call = call(&mut self.net.random);
                self.net.call(at, call).refer(now, refer)
            }
            1 | 2 if calls.len() > 1 => {
                let one = call(&mut self.net.random);
                let other = call(&mut self.net.random);
                self.net.call(at, one).transfer_to(now, other)
            }
            3 => {
                let from = NameAddr::new(&"sip:bob@example.org".parse().unwrap());
                let wanted = Subscribe::new(uri(), from, "dialog")
                    .expires(Duration::from_secs(60 + self.net.random.below(100)))
                    .account(account());
                self.net.endpoints[at].subscribe(now, wanted)
            }
            _ => {
                let subs: Vec<_> = self.net.endpoints[at].subscriptions().collect();
                if !subs.is_empty() {
                    let id = subs[self.net.random.below(subs.len() as u64) as usize];
                    let choice = self.net.random.below(4);
                    let handle = self.net.sub(at, id);
                    let notifier = handle.is_notifier();
                    let result = match choice {
                        0 => handle.notify(now, Some(answer(at))),
                        1 => handle.terminate(now, Terminated::NoResource, None),
                        2 => handle.refresh(now, Duration::from_secs(80)),
                        _ => handle.unsubscribe(now),
                    };
                    assert!(
                        result.is_err() || notifier == (choice < 2),
                        "by the right role"
                    );
                }
                return;
            }
        };
        if let Ok(id) = made {
            self.subs.insert((at, id), false);
        }
    }

    /// Something that an application might do, sensible or not.
    pub(super) fn act(&mut self) {
        self.listen();
        let open = self.open_calls();
        if open.is_empty() {
            return;
        }
        let (at, call) = open[self.net.random.below(open.len() as u64) as usize];
        let now = self.net.now;
        let choice = self.net.random.below(100);
        let other = self.net.random.below(PHONES as u64) as usize;
        let elsewhere = format!("sip:user{other}@{}", address(other))
            .parse()
            .unwrap();
        let elsewhere = NameAddr::new(&elsewhere);
        let silent = self.silent.contains(&(at, call));
        let Ok(handle) = self.net.endpoints[at].call(call) else {
            panic!("a call that has not ended is there");
        };
        let state = handle.state();
        let result = match choice {
            0..8 => handle.ring(now, StatusCode::RINGING, None),
            8..20 => handle.ring(now, StatusCode::SESSION_PROGRESS, Some(answer(at))),
            20..50 => {
                let result = handle.answer(now, Some(answer(at)));
                if result.is_ok() {
                    self.calls.insert((at, call), Seen::Up);
                }
                result
            }
            50..53 => handle.reject(now, StatusCode::BUSY_HERE, None),
            53..55 => handle.redirect(now, &[elsewhere]),
            55..68 => handle.reinvite(now, offer(at)),
            68..75 => handle.update(now, offer(at)),
            75..80 => handle.info(now, sip_core::Body::new("text/plain", "x")),
            80..85 => handle.accept(now, answer(at)),
            _ => handle.hang_up(now),
        };
        let fits = match choice {
            0..55 => state == CallState::Incoming,
            55..68 => state == CallState::Established,
            68..75 => matches!(
                state,
                CallState::Established | CallState::Calling | CallState::Incoming
            ),
            75..80 => matches!(state, CallState::Established | CallState::Accepted),
            80..85 => false,
            _ => !matches!(state, CallState::Cancelling | CallState::Leaving),
        };
        if !fits {
            assert!(result.is_err(), "{choice} in {state:?} must be refused");
        }
        // An offer may be on its way or out, so that a re-INVITE is refused even when established.
        // Nor is there anything to preview without an offer.
        if fits && !(55..75).contains(&choice) && !(silent && choice < 50) {
            assert_eq!(result, Ok(()), "{choice} in {state:?}");
        }
    }
}
