//! Candidates that have a name instead of an address.

use crate::sdp::Candidate;
use std::time::{Duration, Instant};

/// Names that are asked for at a time; further ones are passed over.
const MAX_OPEN: usize = 16;

/// Which question an answer is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuestionId(u64);

/// The names that are asked for.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: Vec<(QuestionId, Candidate, Instant)>,
    next: u64,
}

impl Questions {
    pub(super) fn ask(
        &mut self,
        now: Instant,
        candidate: &Candidate,
        timeout: Duration,
    ) -> Option<QuestionId> {
        if self.open.len() == MAX_OPEN {
            return None;
        }
        let id = QuestionId(self.next);
        self.next += 1;
        self.open.push((id, candidate.clone(), now + timeout));
        Some(id)
    }

    /// The candidate that a question was about; `None` when it is answered or too old.
    pub(super) fn take(&mut self, id: QuestionId) -> Option<Candidate> {
        let at = self.open.iter().position(|(open, ..)| *open == id)?;
        Some(self.open.swap_remove(at).1)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.open.retain(|(_, _, deadline)| *deadline > now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.open.iter().map(|(_, _, deadline)| *deadline).min()
    }

    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}
