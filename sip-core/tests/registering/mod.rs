//! Phones that register, refresh, leave and lose their memory, over the same network as the calls.
//!
//! Invariants: a user never has more contacts than may be, nor two of one device's flow; a phone tells of its end
//! once and of nothing after it; when the network is calm again, whoever wants to be registered is, under one
//! contact, and nobody else; when all have left, every table is empty.

use std::collections::HashMap;
use std::time::Duration;

use sip_core::auth::Account;
use sip_core::header::NameAddr;
use sip_core::registrar::{Aor, Policy};
use sip_core::registration::Proxy;
use sip_core::{
    Config, DigestPolicy, Event, Registration, RegistrationId, RegistrationState, Target, Transport,
};

use crate::support::*;

const PHONES: usize = 8;
const REGISTRAR: usize = PHONES;

fn aor(phone: usize) -> Aor {
    let uri: sip_core::Uri = format!("sip:user{phone}@example.org").parse().unwrap();
    Aor::new(&uri.as_ref()).unwrap()
}

pub(crate) struct World {
    net: Network,
    wanted: HashMap<usize, RegistrationId>,
    leaving: Vec<(usize, RegistrationId)>,
    registered: usize,
    failed: usize,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut configs: Vec<Config> = (0..=PHONES).map(|_| Config::default()).collect();
        configs[REGISTRAR].registrar = Some(Policy::new(["example.org"]).gruu([seed as u8; 32]));
        let mut policy = DigestPolicy::new("example.org", [seed as u8; 32]);
        for phone in 0..PHONES {
            policy = policy.user(&format!("user{phone}"), "secret");
        }
        configs[REGISTRAR].digest = Some(policy);
        let mut net = Network::new(seed, configs);
        net.weather = if seed.is_multiple_of(2) { CLEAR } else { STORM };
        Self {
            net,
            wanted: HashMap::new(),
            leaving: Vec::new(),
            registered: 0,
            failed: 0,
        }
    }

    fn listen(&mut self) {
        for at in 0..=PHONES {
            for event in std::mem::take(&mut self.net.events[at]) {
                match event {
                    Event::Registration {
                        registration,
                        state,
                        ..
                    } => {
                        let ours = self.wanted.get(&at) == Some(&registration);
                        let left = self
                            .leaving
                            .iter()
                            .position(|gone| *gone == (at, registration));
                        assert!(ours || left.is_some(), "of an id that is gone: {state:?}");
                        match (state, left) {
                            (RegistrationState::Registered { .. }, _) => self.registered += 1,
                            (RegistrationState::Failed { .. }, _) => self.failed += 1,
                            (RegistrationState::Unregistered, Some(left)) => {
                                self.leaving.swap_remove(left);
                                assert!(self.net.endpoints[at].registration(registration).is_err());
                            }
                            (state, _) => panic!("unexpected {state:?}"),
                        }
                    }
                    Event::Binding { aor, .. } => {
                        let bindings = self.net.endpoints[REGISTRAR].bindings(&aor);
                        for (number, binding) in bindings.into_iter().flatten().enumerate() {
                            assert!(number < 10);
                            assert!(binding.reg_id.is_none() || binding.instance.is_some());
                        }
                        let flows: Vec<_> = bindings
                            .into_iter()
                            .flatten()
                            .filter_map(|b| Some((b.instance.clone()?, b.reg_id?)))
                            .collect();
                        let mut once = flows.clone();
                        once.sort();
                        once.dedup();
                        assert_eq!(once.len(), flows.len(), "one binding a flow");
                    }
                    other => panic!("unexpected {other:?}"),
                }
            }
        }
    }

    fn spend(&mut self, span: Duration) {
        let until = self.net.now + span;
        while self.net.next().is_some_and(|at| at <= until) {
            self.net.step();
            self.listen();
        }
        self.net.now = until;
    }

    fn act(&mut self) {
        let phone = self.net.random.below(PHONES as u64) as usize;
        let now = self.net.now;
        match self.wanted.get(&phone).copied() {
            None => {
                let registrar = Target::new(Transport::Udp, address(REGISTRAR));
                let user = format!("user{phone}");
                let mut registration = Registration::new(
                    "sip:example.org".parse().unwrap(),
                    NameAddr::parse(format!("<sip:{user}@example.org>")).unwrap(),
                )
                .account(Account::with_password(user, "secret"))
                .expires(Duration::from_secs(60 + self.net.random.below(900)))
                .proxy(Proxy::target(registrar));
                if phone.is_multiple_of(2) {
                    registration = registration.outbound(format!("urn:uuid:{phone}"));
                }
                let endpoint = &mut self.net.endpoints[phone];
                let id = endpoint.register(now, registration).unwrap();
                self.wanted.insert(phone, id);
            }
            Some(id) => match self.net.random.below(10) {
                0..4 => {
                    self.wanted.remove(&phone);
                    self.leaving.push((phone, id));
                    self.net.endpoints[phone].unregister(now, id).unwrap();
                }
                4 => {
                    self.net.restart(phone);
                    self.wanted.remove(&phone);
                    self.leaving.retain(|(at, _)| *at != phone);
                }
                _ => {
                    let endpoint = &mut self.net.endpoints[phone];
                    endpoint.refresh_registration(now, id).unwrap();
                }
            },
        }
    }

    pub(crate) fn run(mut self) -> (usize, usize) {
        for _ in 0..100 {
            self.act();
            let pause = Duration::from_millis(self.net.random.below(60_000));
            self.spend(pause);
            // Now and then nothing gets through, longer than a transaction lives.
            if self.net.random.chance(3) {
                self.net.lose = Box::new(|_, _| true);
                self.net.deaf = true;
                self.spend(Duration::from_secs(100));
                self.net.lose = Box::new(|_, _| false);
                self.net.deaf = false;
            }
        }
        // Calm for longer than any wait and any binding.
        self.net.weather = CLEAR;
        self.spend(Duration::from_secs(4000));
        assert!(
            self.leaving.is_empty(),
            "who left has left: {:?}",
            self.leaving
        );
        for phone in 0..PHONES {
            let bindings = self.net.endpoints[REGISTRAR].bindings(&aor(phone));
            let found = bindings.map_or(0, |bindings| bindings.len());
            let wanted = self.wanted.contains_key(&phone);
            assert_eq!(found, usize::from(wanted), "phone {phone}");
        }
        for (phone, id) in std::mem::take(&mut self.wanted) {
            let status = self.net.endpoints[phone].registration(id).unwrap();
            assert!(status.is_registered());
            self.leaving.push((phone, id));
            let now = self.net.now;
            self.net.endpoints[phone].unregister(now, id).unwrap();
        }
        self.spend(Duration::from_secs(200));
        assert!(self.leaving.is_empty());
        self.net.assert_forgotten();
        (self.registered, self.failed)
    }
}
