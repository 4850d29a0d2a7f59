//! Which pairs have answered, and when: what consent is made of (RFC 7675).

use super::event::Pair;
use crate::stun::TransactionId;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Checks whose answer is awaited: more than the pairs of a checklist have in flight. The oldest is forgotten first.
const MAX_SENT: usize = 512;

/// Pairs whose proof is remembered: as many as a checklist has.
const MAX_PAIRS: usize = 128;

/// Nominations that are remembered.
const MAX_NOMINATED: usize = 16;

/// The checks that are on their way, and the pairs that answered one.
#[derive(Debug, Default)]
pub(super) struct Consent {
    sent: VecDeque<(TransactionId, Pair)>,
    verified: Vec<(Pair, Instant)>,
    /// Pairs that the peer nominated, the last one last.
    nominated: Vec<Pair>,
    /// Pairs that had consent and lost it: never again with these credentials (RFC 7675 §5.1).
    lost: Vec<Pair>,
}

impl Consent {
    /// A check goes out.
    pub(super) fn asked(&mut self, id: TransactionId, pair: Pair) {
        if self.sent.len() == MAX_SENT {
            self.sent.pop_front();
        }
        self.sent.push_back((id, pair));
    }

    /// Where the check went that this answers. The last ones are the likely ones.
    pub(super) fn question(&self, id: TransactionId) -> Option<Pair> {
        let mut sent = self.sent.iter().rev();
        sent.find_map(|(sent, pair)| (*sent == id).then_some(*pair))
    }

    /// The answer was the peer's: it counts once.
    pub(super) fn answered(&mut self, now: Instant, id: TransactionId, pair: Pair) {
        self.sent.retain(|(sent, _)| *sent != id);
        self.verify(now, pair);
    }

    /// The peer has shown on this pair that it knows our password.
    pub(super) fn verify(&mut self, now: Instant, pair: Pair) {
        match self.verified.iter_mut().find(|(known, _)| *known == pair) {
            Some((_, at)) => *at = now,
            None => {
                if self.verified.len() == MAX_PAIRS {
                    let oldest = (0..MAX_PAIRS).min_by_key(|&n| self.verified[n].1);
                    oldest.map(|n| self.verified.swap_remove(n));
                }
                self.verified.push((pair, now));
            }
        }
    }

    /// When the pair last answered.
    pub(super) fn verified(&self, pair: Pair) -> Option<Instant> {
        let mut verified = self.verified.iter();
        verified.find_map(|(known, at)| (*known == pair).then_some(*at))
    }

    /// The peer wants this pair.
    pub(super) fn nominate(&mut self, pair: Pair) {
        self.nominated.retain(|known| *known != pair);
        if self.nominated.len() == MAX_NOMINATED {
            self.nominated.remove(0);
        }
        self.nominated.push(pair);
    }

    /// Another pair that has answered within `age`.
    pub(super) fn fresher(&self, now: Instant, than: Pair, age: Duration) -> Option<Pair> {
        let others = self.verified.iter().filter(|(pair, at)| {
            *pair != than && now.saturating_duration_since(*at) <= age && !self.is_lost(*pair)
        });
        others.max_by_key(|(_, at)| *at).map(|(pair, _)| *pair)
    }

    /// Another pair that has answered within `age` and that the peer wants, the last that it named.
    pub(super) fn nominated(&self, now: Instant, than: Pair, age: Duration) -> Option<Pair> {
        let mut wanted = self.nominated.iter().rev().copied();
        wanted.find(|pair| {
            let answered = self.verified(*pair);
            *pair != than
                && answered.is_some_and(|at| now.saturating_duration_since(at) <= age)
                && !self.is_lost(*pair)
        })
    }

    pub(super) fn lose(&mut self, pair: Pair) {
        if self.lost.len() < MAX_PAIRS && !self.lost.contains(&pair) {
            self.lost.push(pair);
        }
    }

    pub(super) fn is_lost(&self, pair: Pair) -> bool {
        self.lost.contains(&pair)
    }

    /// New credentials: what was lost may be found again. The clock of the pair in use goes on.
    pub(super) fn restart(&mut self, keep: Option<Pair>) {
        self.sent.clear();
        self.lost.clear();
        self.nominated.clear();
        self.verified.retain(|(pair, _)| Some(*pair) == keep);
    }
}
