//! Two dozen endpoints in one world: phones that call one another, two exchanges that are their registrars too, and two
//! that only couple.
//!
//! A call goes from phone to phone, or through an exchange to whoever registered there, or to a group of phones and
//! further exchanges. Phones ring, answer, refuse, send elsewhere, cancel, hold, glare, refresh, transfer blind and
//! attended, subscribe, register, leave, and die without a word; so do the exchanges that keep no bindings.

mod exchanges;
mod invariants;
mod phones;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use sip_core::auth::Account;
use sip_core::b2bua::Coupling;
use sip_core::registrar::Policy;
use sip_core::{CallId, Config, DigestPolicy, RegistrationId, SessionTimers, SubscriptionId};

use crate::support::*;
use exchanges::Told;
use invariants::Wire;

/// Endpoints below this one are phones.
const PHONES: usize = 20;
/// Exchanges at which phones register.
const HOMES: [usize; 2] = [PHONES, PHONES + 1];
/// All exchanges; the last two keep no bindings.
const EXCHANGES: std::ops::Range<usize> = PHONES..PHONES + 4;

/// What an endpoint was told of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Calling,
    Ringing,
    Up,
    Over,
}

/// What one seed made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    pub(crate) answered: usize,
    pub(crate) ended: usize,
    pub(crate) asked_again: usize,
    /// Provisional responses that came reliably.
    pub(crate) reliable: usize,
    /// Calls that gave way to another, and transfers that were reported to the end.
    pub(crate) replaced: usize,
    pub(crate) reported: usize,
    /// Registrations made or refreshed.
    pub(crate) registered: usize,
    /// Calls that an exchange sent to whoever was registered.
    pub(crate) located: usize,
    /// Couplings that were joined, over, moved by REFER or Replaces, and those for which a 3xx came.
    pub(crate) joined: usize,
    pub(crate) over: usize,
    pub(crate) transferred: usize,
    pub(crate) taken_over: usize,
    pub(crate) redirected: usize,
    /// Endpoints that died.
    pub(crate) vanished: usize,
    /// Couplings left in rings of several exchanges.
    pub(crate) rings: usize,
}

impl std::ops::AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.answered += other.answered;
        self.ended += other.ended;
        self.asked_again += other.asked_again;
        self.reliable += other.reliable;
        self.replaced += other.replaced;
        self.reported += other.reported;
        self.registered += other.registered;
        self.located += other.located;
        self.joined += other.joined;
        self.over += other.over;
        self.transferred += other.transferred;
        self.taken_over += other.taken_over;
        self.redirected += other.redirected;
        self.vanished += other.vanished;
        self.rings += other.rings;
    }
}

pub(crate) struct World {
    net: Network,
    /// Calls of phones, and those among them without an offer in their INVITE.
    calls: HashMap<(usize, CallId), Seen>,
    silent: HashSet<(usize, CallId)>,
    /// Subscriptions of phones, and whether they are over.
    subs: HashMap<(usize, SubscriptionId), bool>,
    wanted: HashMap<usize, RegistrationId>,
    leaving: Vec<(usize, RegistrationId)>,
    couplings: Vec<Vec<(Coupling, Told)>>,
    /// Calls of exchanges that were refused at once.
    refused: HashSet<(usize, CallId)>,
    wire: Rc<RefCell<Wire>>,
    sum: Sum,
}

fn account() -> Account {
    Account::with_password("bob", "secret")
}

fn config(index: usize, seed: u64) -> Config {
    let mut config = phone();
    config.subscriptions.max = Duration::from_secs(100);
    // Whoever dies is missed within this time by all who talked to it.
    let mut timers = SessionTimers::default();
    timers.expires = Duration::from_secs(if index % 4 == 1 { 90 } else { 150 });
    config.session_timers = Some(timers);
    let key = [index as u8; 32];
    if HOMES.contains(&index) {
        config.registrar = Some(Policy::new(["example.org"]).gruu([seed as u8; 32]));
        let policy = DigestPolicy::new("example.org", key).user("bob", "secret");
        let users = (0..PHONES).map(|phone| format!("user{phone}"));
        config.digest = Some(users.fold(policy, |policy, user| policy.user(&user, "secret")));
    } else if index.is_multiple_of(3) {
        config.digest = Some(DigestPolicy::new("simulation", key).user("bob", "secret"));
    }
    config
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let configs = (0..EXCHANGES.end).map(|index| config(index, seed));
        let mut net = Network::new(seed, configs.collect());
        net.weather = match seed % 3 {
            0 => CLEAR,
            1 => STORM,
            _ => Weather {
                loss: 5,
                double: 30,
                delay: Duration::from_millis(150),
                jitter: Duration::from_millis(700),
            },
        };
        let wire = Rc::new(RefCell::new(Wire::new(EXCHANGES.end)));
        let watch = Rc::clone(&wire);
        net.watch = Box::new(move |now, from, to, message| {
            watch.borrow_mut().see(now, from, to, message);
        });
        Self {
            net,
            calls: HashMap::new(),
            silent: HashSet::new(),
            subs: HashMap::new(),
            wanted: HashMap::new(),
            leaving: Vec::new(),
            couplings: EXCHANGES.map(|_| Vec::new()).collect(),
            refused: HashSet::new(),
            wire,
            sum: Sum::default(),
        }
    }

    /// Hands everybody what happened to them.
    fn listen(&mut self) {
        let mut exchanges = [false; EXCHANGES.end - EXCHANGES.start];
        loop {
            self.net.drain();
            let mut idle = true;
            for at in 0..EXCHANGES.end {
                for event in std::mem::take(&mut self.net.events[at]) {
                    idle = false;
                    if at < PHONES {
                        self.phone(at, event);
                    } else {
                        exchanges[at - PHONES] = true;
                        self.exchange(at, event);
                    }
                }
            }
            if idle {
                break;
            }
        }
        for at in EXCHANGES.filter(|at| exchanges[at - PHONES]) {
            self.every_call_of_an_exchange_is_a_leg(at);
        }
        self.check_step();
    }

    fn step(&mut self) -> bool {
        let more = self.net.step();
        self.listen();
        more
    }

    fn pass(&mut self, span: Duration) {
        let until = self.net.now + span;
        self.listen();
        while self.net.next().is_some_and(|at| at <= until) {
            self.step();
        }
        self.net.now = until;
    }

    /// Some programs die without a word, and are started again.
    fn vanish(&mut self) {
        let at = match self.net.random.chance(20) {
            // What an exchange knows of registrations would outlive it in a database.
            true => EXCHANGES.end - 1 - self.net.random.below(2) as usize,
            false => self.net.random.below(PHONES as u64) as usize,
        };
        self.net.restart(at);
        self.wire.borrow_mut().forget(at);
        self.calls.retain(|(index, _), _| *index != at);
        self.subs.retain(|(index, _), _| *index != at);
        self.refused.retain(|(index, _)| *index != at);
        self.wanted.remove(&at);
        self.leaving.retain(|(index, _)| *index != at);
        if EXCHANGES.contains(&at) {
            self.couplings[at - PHONES].clear();
        }
        self.sum.vanished += 1;
    }

    pub(crate) fn run(mut self, calls: usize) -> Sum {
        for phone in 0..PHONES {
            self.register(phone);
        }
        self.pass(Duration::from_secs(3));
        for _ in 0..calls {
            self.dial();
            for _ in 0..self.net.random.below(8) {
                match self.net.random.below(100) {
                    0..25 => self.act_on_subs(),
                    25..28 => self.act_on_registrations(),
                    _ => self.act(),
                }
                for _ in 0..self.net.random.below(12) {
                    self.step();
                }
            }
            let pause = Duration::from_millis(self.net.random.below(400));
            self.pass(pause);
            if self.net.random.chance(2) {
                self.vanish();
            }
        }
        // The weather clears, and everybody hears who is gone.
        self.net.weather = CLEAR;
        self.pass(Duration::from_secs(300));
        self.every_dialog_has_its_peer();
        self.everybody_leaves();
        self.every_call_and_subscription_is_over();
        self.every_table_is_empty();
        self.sum
    }

    fn everybody_leaves(&mut self) {
        for (phone, id) in std::mem::take(&mut self.wanted) {
            let now = self.net.now;
            self.net.endpoints[phone].unregister(now, id).unwrap();
            self.leaving.push((phone, id));
        }
        for _ in 0..4 {
            for (at, call) in self.open_calls() {
                let now = self.net.now;
                if let Ok(handle) = self.net.endpoints[at].call(call) {
                    let _ = handle.hang_up(now);
                }
            }
            for at in 0..PHONES {
                for id in self.net.endpoints[at].subscriptions().collect::<Vec<_>>() {
                    let now = self.net.now;
                    let _ = self.net.sub(at, id).unsubscribe(now);
                }
            }
            self.pass(Duration::from_secs(120));
        }
        self.only_rings_of_exchanges_are_left();
        self.pass(Duration::from_secs(120));
    }

    /// Calls of phones that are not over, in one order for every run of a seed.
    fn open_calls(&self) -> Vec<(usize, CallId)> {
        let open = self.calls.iter().filter(|(_, seen)| **seen != Seen::Over);
        let mut open: Vec<_> = open.map(|(id, _)| *id).collect();
        open.sort();
        open
    }
}
