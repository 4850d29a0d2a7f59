//! Several endpoints behind one address: whatever belongs together meets at one of them, and nothing strays.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sip_core::auth::Account;
use sip_core::header::NameAddr;
use sip_core::homes::Homes;
use sip_core::registrar::{Aor, Policy};
use sip_core::registration::Proxy;
use sip_core::{
    CallId, DigestPolicy, EndKind, EndedBy, Event, Method, Registration, RegistrationState,
    StatusCode, Subscribe, Target, Transport,
};
use support::*;

const HOMES: usize = 3;

/// `HOMES` endpoints of one user agent at `address(0)`, and phones after them.
fn exchange(seed: u64, phones: usize, change: impl Fn(&mut sip_core::Config)) -> Network {
    let mut configs: Vec<_> = (0..HOMES + phones).map(|_| phone()).collect();
    configs[..HOMES].iter_mut().for_each(change);
    Network::shared(seed, Homes::new(HOMES as u16, seed), configs)
}

/// Runs until an event of any home fits: which home, and what was picked.
fn until<T>(net: &mut Network, mut pick: impl FnMut(&Event) -> Option<T>) -> (usize, T) {
    for _ in 0..100_000 {
        net.drain();
        for home in 0..HOMES {
            let found = net.events[home].iter().enumerate();
            let found = found
                .filter_map(|(at, event)| Some((at, pick(event)?)))
                .next();
            if let Some((at, value)) = found {
                net.events[home].drain(..=at);
                return (home, value);
            }
        }
        assert!(net.step(), "it never happened\n{}", net.show());
    }
    panic!("it never happened\n{}", net.show());
}

/// Phone `from` calls in and is answered: its call, the home, the call there.
fn call_in(net: &mut Network, from: usize) -> (CallId, usize, CallId) {
    let caller = net.invite(from, 0, |invite| invite);
    let (home, callee) = until(net, incoming);
    let now = net.now;
    let body = Some(answer(home));
    net.call(home, callee).answer(now, body).unwrap();
    net.until(from, |e| {
        matches!(e, Event::Answered { call, .. } if *call == caller).then_some(())
    });
    net.until(home, |e| {
        matches!(e, Event::Confirmed { call, .. } if *call == callee).then_some(())
    });
    (caller, home, callee)
}

fn ended_call(net: &mut Network, at: usize, id: CallId) -> sip_core::EndCause {
    net.until(at, |event| match event {
        Event::Ended { call, cause, .. } if *call == id => Some(cause.clone()),
        _ => None,
    })
}

fn assert_nothing_strayed(net: &mut Network) {
    net.assert_forgotten();
    for (index, endpoint) in net.endpoints[..HOMES].iter().enumerate() {
        assert_eq!(
            endpoint.counters().stray,
            0,
            "endpoint {index}\n{}",
            net.show()
        );
    }
    assert_eq!(
        (0..net.endpoints.len())
            .map(|at| net.count(at, "SIP/2.0 481"))
            .sum::<usize>(),
        0
    );
}

#[test]
fn calls_in_and_out_stay_where_they_began() {
    for seed in 0..20 {
        let mut net = exchange(seed, 2, |_| {});
        let mut seen = [0; HOMES];
        for round in 0..12 {
            let phone = HOMES + round % 2;
            let (caller, home, callee) = call_in(&mut net, phone);
            seen[home] += 1;
            let now = net.now;
            net.call(phone, caller).reinvite(now, offer(phone)).unwrap();
            net.until(home, |e| matches!(e, Event::Offered { .. }).then_some(()));
            let now = net.now;
            net.call(home, callee).accept(now, answer(home)).unwrap();
            net.until(phone, |e| {
                matches!(e, Event::ReinviteAnswered { .. }).then_some(())
            });

            // The same home calls out for it, as a coupling does: both legs are its own.
            let out = net.invite(home, phone, |invite| invite);
            let there = net.until(phone, incoming);
            let now = net.now;
            net.call(phone, there)
                .answer(now, Some(answer(phone)))
                .unwrap();
            net.until(home, |e| {
                matches!(e, Event::Answered { call, .. } if *call == out).then_some(())
            });
            net.hang_up(phone, there);
            assert_eq!(ended_call(&mut net, home, out).kind, EndKind::HungUp);
            let now = net.now;
            match round % 2 {
                0 => net.call(phone, caller).hang_up(now).unwrap(),
                _ => net.call(home, callee).hang_up(now).unwrap(),
            }
            ended_call(&mut net, phone, caller);
            ended_call(&mut net, home, callee);
        }
        assert!(
            seen.iter().filter(|&&calls| calls > 0).count() > 1,
            "{seen:?}"
        );
        assert_nothing_strayed(&mut net);
    }
}

#[test]
fn whoever_takes_a_calls_place_comes_to_its_home_and_may_think_again() {
    for seed in 0..20 {
        let mut net = exchange(seed, 2, |_| {});
        let (first, second) = (HOMES, HOMES + 1);
        let (caller, home, callee) = call_in(&mut net, first);
        let handle = net.call(home, callee);
        let (name, ours, theirs) = (handle.call_id(), handle.local_tag(), handle.remote_tag());
        let replaces = format!("{name};to-tag={ours};from-tag={}", theirs.unwrap());

        // Rings, and is given up: CANCEL names neither the other call nor a tag of ours.
        let taker = net.invite(second, 0, |invite| {
            invite.header("Replaces", replaces.clone())
        });
        let ringing = net.until(home, incoming);
        let now = net.now;
        net.call(home, ringing)
            .ring(now, StatusCode::RINGING, None)
            .unwrap();
        net.until(second, |e| {
            matches!(e, Event::Progress { .. }).then_some(())
        });
        net.hang_up(second, taker);
        let cause = ended_call(&mut net, home, ringing);
        assert_eq!(
            (cause.by, cause.kind),
            (EndedBy::Remote, EndKind::Cancelled)
        );

        let taker = net.invite(second, 0, |invite| invite.header("Replaces", replaces));
        let taking = net.until(home, |event| match event {
            Event::Incoming { call, replaces, .. } => {
                assert_eq!(*replaces, Some(callee));
                Some(*call)
            }
            _ => None,
        });
        let now = net.now;
        net.call(home, taking)
            .answer(now, Some(answer(home)))
            .unwrap();
        let cause = ended_call(&mut net, home, callee);
        assert_eq!(cause.kind, EndKind::Replaced { by: taking });
        ended_call(&mut net, first, caller);
        // What follows names the new call's tag, not the old one's.
        net.hang_up(second, taker);
        ended_call(&mut net, home, taking);
        assert_nothing_strayed(&mut net);
    }
}

#[test]
fn a_user_has_one_home_and_its_nonces_are_counted_there() {
    for seed in 0..6 {
        let mut net = exchange(seed, 4, |config| {
            let mut policy = DigestPolicy::new("example.org", [9; 32]);
            for phone in HOMES..HOMES + 4 {
                policy = policy.user(&format!("user{phone}"), "secret");
            }
            config.digest = Some(policy);
            config.registrar = Some(Policy::new(["example.org"]));
        });
        let account = |phone| Account::with_password(format!("user{phone}"), "secret");
        for phone in HOMES..HOMES + 4 {
            let registration = Registration::new(
                "sip:example.org".parse().unwrap(),
                NameAddr::parse(format!("<sip:user{phone}@example.org>")).unwrap(),
            )
            .account(account(phone))
            .expires(Duration::from_secs(120))
            .proxy(Proxy::target(Target::new(Transport::Udp, address(0))));
            let now = net.now;
            let id = net.endpoints[phone].register(now, registration).unwrap();
            let registered = |e: &Event| match e {
                Event::Registration { state, .. } => {
                    matches!(state, RegistrationState::Registered { .. }).then_some(())
                }
                _ => None,
            };
            net.until(phone, registered);
            net.run(Duration::from_secs(1000));
            net.until(phone, registered);
            let uri: sip_core::Uri = format!("sip:user{phone}@example.org").parse().unwrap();
            let aor = Aor::new(&uri.as_ref()).unwrap();
            let known = (0..HOMES).filter(|&home| net.endpoints[home].bindings(&aor).is_some());
            assert_eq!(known.count(), 1, "refreshed where it began");

            // Its calls are spread by Call-ID; a nonce of another home costs one more question and no password.
            for _ in 0..6 {
                let heard = Arc::new(Mutex::new(None));
                let tape = Arc::clone(&heard);
                net.watch = Box::new(move |_, from, _, message| {
                    if from == phone && message.method() == Some(Method::Invite) {
                        *tape.lock().unwrap() = Some(message.to_string());
                    }
                });
                let caller = net.invite(phone, 0, |invite| invite.account(account(phone)));
                let (home, callee) = until(&mut net, incoming);
                let now = net.now;
                net.call(home, callee)
                    .answer(now, Some(answer(home)))
                    .unwrap();
                net.until(home, |e| matches!(e, Event::Confirmed { .. }).then_some(()));
                net.hang_up(phone, caller);
                ended_call(&mut net, home, callee);

                // Who heard the request sends it as a call of his own, to whichever home.
                let heard = heard.lock().unwrap().take().unwrap();
                assert!(heard.contains("Authorization: "));
                for number in 0..9 {
                    let again = heard.replace("Call-ID: ", &format!("Call-ID: {number}"));
                    let again = again.replace("z9hG4bK", &format!("z9hG4bK{number}"));
                    net.inject(phone, 0, again.into());
                }
                net.run(Duration::from_secs(2));
                assert!(
                    net.events[..HOMES]
                        .iter()
                        .flatten()
                        .all(|e| incoming(e).is_none())
                );
            }
            let now = net.now;
            net.endpoints[phone].unregister(now, id).unwrap();
        }
        assert_nothing_strayed(&mut net);
    }
}

#[test]
fn a_subscription_stays_with_whom_it_is_about() {
    for seed in 0..20 {
        let mut net = exchange(seed, 1, |_| {});
        let phone = HOMES;
        let mut last = None;
        for _ in 0..3 {
            let uri = format!("sip:desk@{}", address(0)).parse().unwrap();
            let from = NameAddr::parse("<sip:a@example.org>".to_owned()).unwrap();
            let now = net.now;
            let ours = net.endpoints[phone]
                .subscribe(now, Subscribe::new(uri, from, "dialog"))
                .unwrap();
            let (home, theirs) = until(&mut net, |event| match event {
                Event::SubscribeRequested { subscription, .. } => Some(*subscription),
                _ => None,
            });
            assert_eq!(*last.get_or_insert(home), home);
            let now = net.now;
            net.sub(home, theirs).accept(now, None).unwrap();
            net.run(Duration::from_secs(5));
            let now = net.now;
            net.sub(phone, ours).unsubscribe(now).unwrap();
            net.run(Duration::from_secs(100));
        }
        assert_nothing_strayed(&mut net);
    }
}
