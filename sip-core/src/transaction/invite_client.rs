//! The INVITE client transaction: RFC 3261 section 17.1.1 and figure 5, RFC 6026 section 8.4.
//!
//! | state | timer | then |
//! |---|---|---|
//! | Calling | A (unreliable): T1, doubled each time | send the INVITE again |
//! | Calling | B | timed out |
//! | Proceeding | none: a phone may ring as long as its user lets it | |
//! | Accepted | M | terminated |
//! | Completed | D (0 when reliable) | terminated |

use std::time::{Duration, Instant};

use super::timers::after;
use super::{Step, Timer, Timers};

/// States of [`InviteClient`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteClientState {
    /// Sent; nothing came back.
    Calling,
    /// A provisional response came.
    Proceeding,
    /// A 2xx came; more may follow from other branches (RFC 6026).
    Accepted,
    /// A failure came and was acknowledged.
    Completed,
    /// Over.
    Terminated,
}

/// One INVITE, from its sending to its end.
#[derive(Clone, Debug)]
pub struct InviteClient {
    state: InviteClientState,
    reliable: bool,
    resend: Option<Instant>,
    interval: Duration,
    end: Option<Instant>,
    /// Whether nobody waits for the answer any more.
    cancelled: bool,
}

impl InviteClient {
    /// The INVITE is being sent `now`; the owner sends it once by itself.
    pub fn new(now: Instant, reliable: bool, timers: &Timers) -> Self {
        Self {
            state: InviteClientState::Calling,
            reliable,
            resend: (!reliable).then(|| after(now, timers.t1)),
            interval: timers.t1,
            end: Some(after(now, timers.b)),
            cancelled: false,
        }
    }

    /// The present state.
    pub fn state(&self) -> InviteClientState {
        self.state
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn deadline(&self) -> Option<Instant> {
        match (self.resend, self.end) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// A response with this status came.
    pub fn response(&mut self, now: Instant, status: u16, timers: &Timers) -> Step {
        use InviteClientState::*;
        match (self.state, status) {
            (Calling | Proceeding, 100..=199) => {
                if self.state == Calling {
                    self.state = Proceeding;
                    self.resend = None;
                    self.end = self.cancelled.then(|| after(now, timers.b));
                }
                Step::Pass
            }
            (Calling | Proceeding, 200..=299) => {
                self.state = Accepted;
                self.resend = None;
                self.end = Some(after(now, timers.m));
                Step::Pass
            }
            (Calling | Proceeding, 300..=699) => {
                self.state = Completed;
                self.resend = None;
                self.end = Some(if self.reliable {
                    now
                } else {
                    after(now, timers.d)
                });
                Step::PassAndAck
            }
            (Accepted, 200..=299) => Step::Pass,
            (Completed, 300..=699) => Step::Ack,
            _ => Step::Nothing,
        }
    }

    /// A CANCEL for this INVITE was sent, or nobody waits for its answer any more. Section 9.1: when
    /// no final response follows within 64 × T1, the transaction is over even though the phone was
    /// ringing, or begins to ring only now.
    pub fn cancelled(&mut self, now: Instant, timers: &Timers) {
        self.cancelled = true;
        if self.state == InviteClientState::Proceeding && self.end.is_none() {
            self.end = Some(after(now, timers.b));
        }
    }

    /// The transport could not send the INVITE or its ACK.
    pub fn transport_failed(&mut self) -> Step {
        match self.state {
            // In Accepted nothing of this transaction is being sent: the ACK is the dialog's.
            InviteClientState::Terminated | InviteClientState::Accepted => Step::Nothing,
            _ => self.end_with(Step::Failed),
        }
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Step {
        if self.end.is_some_and(|at| at <= now) {
            return match self.state {
                InviteClientState::Calling | InviteClientState::Proceeding => {
                    self.end_with(Step::TimedOut(Timer::B))
                }
                InviteClientState::Terminated => Step::Nothing,
                _ => self.end_with(Step::Terminated),
            };
        }
        if self.resend.is_some_and(|at| at <= now) {
            self.interval = self.interval.saturating_mul(2);
            // From now, not from the missed deadline: a caller that was late sends once, not a burst.
            self.resend = Some(after(now, self.interval));
            return Step::Send;
        }
        Step::Nothing
    }

    fn end_with(&mut self, step: Step) -> Step {
        self.state = InviteClientState::Terminated;
        self.resend = None;
        self.end = None;
        step
    }
}
