//! What must hold, each by its name.
//!
//! | invariant | looked at |
//! |---|---|
//! | no dialog without a peer or a timer | `every_dialog_has_a_peer_or_a_timer` after every step, `every_dialog_has_its_peer` when all who died must have been missed |
//! | every INVITE ends in exactly one final state at both ends | `Wire::see` for what is sent, `phones.rs` for what is told: an answer once, an end once, nothing after it; `every_call_and_subscription_is_over` at the end |
//! | no transaction outlives its timers | `no_transaction_outlives_its_timers` after every step |
//! | every table returns to empty | `every_table_is_empty` at the end |
//! | nothing that we emit fails our own `validate` | `Network::drain`, for every message |
//! | what outlives all phones is a ring of several exchanges | `only_rings_of_exchanges_are_left` |
//! | a leg belongs to one coupling, and a call of an exchange is a leg | `every_call_of_an_exchange_is_a_leg` after every step |

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use sip_core::header::{CSeq, To, Via};
use sip_core::{Message, Method};

use super::{EXCHANGES, PHONES, Seen, World};

/// The longest that a transaction of ours can live: three minutes until somebody answers for the application, and 64 × T1
/// before and after.
const LIFE: Duration = Duration::from_secs(180 + 32 + 32 + 5);

/// How long a 2xx keeps its transaction (RFC 6026 section 8.7).
const TIMER_L: Duration = Duration::from_secs(32);

type Final = (usize, u16, Option<String>);

/// What went over the wire.
pub(super) struct Wire {
    /// The final answer to each INVITE by its branch: when, by whom, the status, and the tag of a 2xx.
    finals: HashMap<String, (Instant, Final)>,
    /// Branches of requests that were seen.
    seen: HashSet<(String, bool)>,
    /// When each endpoint sent, and was sent, a request that began a transaction.
    begun: Vec<VecDeque<Instant>>,
    asked: Vec<VecDeque<Instant>>,
}

impl Wire {
    pub(super) fn new(endpoints: usize) -> Self {
        Self {
            finals: HashMap::new(),
            seen: HashSet::new(),
            begun: vec![VecDeque::new(); endpoints],
            asked: vec![VecDeque::new(); endpoints],
        }
    }

    pub(super) fn see(&mut self, now: Instant, from: usize, to: usize, message: &Message) {
        let branch = message.typed::<Via<'_>>().unwrap();
        let branch = branch.branch().unwrap().to_owned();
        let cseq = message.typed::<CSeq<'_>>().unwrap();
        let Some(status) = message.status() else {
            let cancels = cseq.method() == Method::Cancel;
            if cseq.method() != Method::Ack && self.seen.insert((branch, cancels)) {
                self.begun[from].push_back(now);
                self.asked[to].push_back(now);
            }
            return;
        };
        if cseq.method() != Method::Invite || !status.is_final() {
            return;
        }
        let tag = message.typed::<To<'_>>().unwrap().tag().map(str::to_owned);
        let tag = tag.filter(|_| status.is_success());
        let answer = (from, status.code(), tag);
        let (since, first) = self
            .finals
            .entry(branch)
            .or_insert_with(|| (now, answer.clone()));
        // A copy of the INVITE that arrives when timer L has run out begins anew.
        if now < *since + TIMER_L {
            assert_eq!(*first, answer, "an INVITE has one final answer");
        }
    }

    /// An endpoint that was started again knows nothing of what it said.
    pub(super) fn forget(&mut self, at: usize) {
        self.finals.retain(|_, (_, (by, _, _))| *by != at);
    }
}

impl World {
    pub(super) fn check_step(&mut self) {
        self.every_dialog_has_a_peer_or_a_timer();
        self.no_transaction_outlives_its_timers();
    }

    /// Call-ID and tag of every dialog, by which its peer is found.
    fn dialogs(&mut self) -> HashSet<(String, String)> {
        let mut known = HashSet::new();
        for endpoint in &mut self.net.endpoints {
            for id in endpoint.calls().collect::<Vec<_>>() {
                let call = endpoint.call(id).unwrap();
                known.insert((call.call_id().to_owned(), call.local_tag().to_owned()));
            }
        }
        known
    }

    /// After all phones have hung up a coupling can only be part of a ring of several exchanges, each of which takes the
    /// next for a caller: nothing in SIP tells them. An application sees the silence of its media.
    pub(super) fn only_rings_of_exchanges_are_left(&mut self) {
        let mut phones = HashSet::new();
        for endpoint in &mut self.net.endpoints[..PHONES] {
            for id in endpoint.calls().collect::<Vec<_>>() {
                let call = endpoint.call(id).unwrap();
                phones.insert((call.call_id().to_owned(), call.local_tag().to_owned()));
            }
        }
        let (known, now) = (self.dialogs(), self.net.now);
        for at in EXCHANGES {
            for (coupling, _) in &mut self.couplings[at - PHONES] {
                for leg in coupling.legs() {
                    let call = self.net.endpoints[at].call(*leg).unwrap();
                    let tag = call.remote_tag().unwrap_or_default().to_owned();
                    let peer = (call.call_id().to_owned(), tag);
                    let ring = known.contains(&peer) && !phones.contains(&peer);
                    assert!(ring, "a coupling outlives its phones: {coupling:?}");
                }
                coupling.hang_up(now, &mut self.net.endpoints[at], None);
                self.sum.rings += 1;
            }
        }
    }

    fn every_dialog_has_a_peer_or_a_timer(&mut self) {
        let alone = |endpoint: &sip_core::Endpoint| {
            endpoint.poll_timeout().is_none() && endpoint.calls().next().is_some()
        };
        if self.net.endpoints.iter().any(alone) {
            self.every_dialog_has_its_peer();
        }
    }

    pub(super) fn every_dialog_has_its_peer(&mut self) {
        let known = self.dialogs();
        for at in 0..EXCHANGES.end {
            for id in self.net.endpoints[at].calls().collect::<Vec<_>>() {
                let call = self.net.call(at, id);
                let tag = call.remote_tag().unwrap_or_default().to_owned();
                let (id, state) = (call.call_id().to_owned(), call.state());
                assert!(
                    known.contains(&(id, tag)),
                    "a call of {at}, {state:?}, has no peer"
                );
            }
        }
    }

    fn no_transaction_outlives_its_timers(&mut self) {
        let mut wire = self.wire.borrow_mut();
        let now = self.net.now;
        for (at, endpoint) in self.net.endpoints.iter().enumerate() {
            let [_, clients, servers, _] = endpoint.sizes();
            let wire = &mut *wire;
            let sides = [
                (&mut wire.begun[at], clients),
                (&mut wire.asked[at], servers),
            ];
            for (begun, left) in sides {
                while begun.front().is_some_and(|at| *at + LIFE < now) {
                    begun.pop_front();
                }
                assert!(
                    left <= begun.len(),
                    "{at} keeps {left} transactions, and {} can live",
                    begun.len()
                );
            }
        }
    }

    pub(super) fn every_call_of_an_exchange_is_a_leg(&mut self, at: usize) {
        let mut legs = HashSet::new();
        for (coupling, _) in &self.couplings[at - PHONES] {
            for leg in coupling.legs() {
                assert!(legs.insert(*leg), "a leg of one coupling");
                let found = self.net.endpoints[at].call(*leg);
                assert!(found.is_ok(), "a leg is a call: {coupling:?}");
            }
        }
        for call in self.net.endpoints[at].calls() {
            assert!(legs.contains(&call), "every call is a leg");
        }
    }

    pub(super) fn every_call_and_subscription_is_over(&mut self) {
        let left: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, s)| **s != Seen::Over)
            .collect();
        assert!(left.is_empty(), "calls that never ended: {left:?}");
        for couplings in &self.couplings {
            assert!(couplings.is_empty(), "{couplings:#?}");
        }
        let open = self.subs.values().filter(|over| !**over).count();
        assert_eq!(open, 0, "subscriptions that never ended");
        assert!(self.leaving.is_empty(), "who left: {:?}", self.leaving);
    }

    pub(super) fn every_table_is_empty(&mut self) {
        for (index, endpoint) in self.net.endpoints.iter().enumerate() {
            let sizes = endpoint.sizes();
            assert!(endpoint.is_idle(), "endpoint {index} keeps {sizes:?}");
        }
    }
}
