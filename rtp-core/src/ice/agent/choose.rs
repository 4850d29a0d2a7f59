//! Which pair carries media: what the checklist says, and what becomes of a pair that falls silent.

use super::{Agent, Event, Pair, State, Transmit};
use crate::stun::TransactionId;
use std::time::{Duration, Instant};

/// How old the last answer of a working pair may be: checks go out every 3 s.
const FRESH: Duration = Duration::from_secs(4);

/// Rounds of the checklist for one call: it handles one of at most a hundred requests that came early in each.
const MAX_ROUNDS: usize = 128;

impl Agent {
    pub(super) fn check(&mut self, now: Instant) {
        self.listen(now);
        if self.theirs.is_none() || self.state == State::Failed {
            return;
        }
        for _ in 0..MAX_ROUNDS {
            if self.checks.poll_timeout().is_some_and(|at| at > now) {
                break;
            }
            self.checks.handle_timeout(now);
            self.listen(now);
        }
    }

    /// Takes what the checklist has to say.
    fn listen(&mut self, now: Instant) {
        while let Some(transmit) = self.checks.poll_transmit() {
            let bytes: Vec<u8> = transmit.contents.into();
            let pair = Pair {
                local: transmit.source,
                remote: transmit.destination,
            };
            if let [0, 1, _, _, _, _, _, _, id @ ..] = &bytes[..]
                && let Some(id) = id.first_chunk()
            {
                self.consent.asked(TransactionId(*id), pair);
            }
            self.send(Transmit {
                local: pair.local,
                to: pair.remote,
                bytes,
            });
        }
        while let Some(event) = self.checks.poll_event() {
            match event {
                is::IceAgentEvent::NominatedSend {
                    source,
                    destination,
                    ..
                } => self.select(
                    now,
                    Pair {
                        local: source,
                        remote: destination,
                    },
                ),
                // Every pair has failed. As long as there is time they are tried again: a network may come back.
                is::IceAgentEvent::IceConnectionStateChange(
                    is::IceConnectionState::Disconnected,
                ) if !self.checks.ice_lite() => self.checks.recreate_candidate_pairs(),
                _ => {}
            }
        }
    }

    fn select(&mut self, now: Instant, pair: Pair) {
        if self.consent.is_lost(pair) || self.consent.verified(pair).is_none() {
            return;
        }
        if self.selected != Some(pair) {
            self.selected = Some(pair);
            self.push_event(Event::Selected(pair));
        }
        // Consent may have run out between the proof and the nomination.
        if self.consent_ends().is_some_and(|end| end > now) {
            self.deadline = None;
            self.set_state(State::Connected);
        }
    }

    /// The pair in use answers no more, and another one does. Who controls begins the list anew, and takes what works; who
    /// does not takes what the peer nominated, for the checklist would hold on to the dead one until its checks have failed.
    pub(super) fn fail_over(&mut self, now: Instant) {
        let Some(pair) = self.selected else { return };
        let patience = self.config.fail_over.max(FRESH);
        let silent = self
            .consent
            .verified(pair)
            .is_some_and(|at| now.saturating_duration_since(at) >= patience);
        if !silent || self.fails_over_from > now || self.checks.ice_lite() {
            return;
        }
        if self.checks.controlling() {
            if self.consent.fresher(now, pair, FRESH).is_some() {
                self.fails_over_from = now + patience;
                self.checks.recreate_candidate_pairs();
                self.check(now);
            }
        } else if let Some(other) = self.consent.nominated(now, pair, FRESH) {
            self.select(now, other);
        }
    }

    pub(super) fn consent_ends(&self) -> Option<Instant> {
        let verified = self.consent.verified(self.selected?);
        verified.and_then(|at| at.checked_add(self.config.consent_timeout))
    }
}
