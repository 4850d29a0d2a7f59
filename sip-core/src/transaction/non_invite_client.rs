//! The non-INVITE client transaction: RFC 3261 section 17.1.2 and figure 6.
//!
//! | state | timer | then |
//! |---|---|---|
//! | Trying | E (unreliable): T1, doubled up to T2 | send the request again |
//! | Proceeding | E (unreliable): T2 | send the request again |
//! | Trying, Proceeding | F | timed out |
//! | Completed | K (0 when reliable) | terminated |

use std::time::{Duration, Instant};

use super::timers::after;
use super::{Step, Timer, Timers};

/// States of [`NonInviteClient`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonInviteClientState {
    /// Sent; nothing came back.
    Trying,
    /// A provisional response came.
    Proceeding,
    /// A final response came; its retransmissions are absorbed.
    Completed,
    /// Over.
    Terminated,
}

/// One request that is not INVITE or ACK, from its sending to its end.
#[derive(Clone, Debug)]
pub struct NonInviteClient {
    state: NonInviteClientState,
    reliable: bool,
    resend: Option<Instant>,
    interval: Duration,
    end: Option<Instant>,
}

impl NonInviteClient {
    /// The request is being sent `now`; the owner sends it once by itself.
    pub fn new(now: Instant, reliable: bool, timers: &Timers) -> Self {
        Self {
            state: NonInviteClientState::Trying,
            reliable,
            resend: (!reliable).then(|| after(now, timers.t1)),
            interval: timers.t1,
            end: Some(after(now, timers.f)),
        }
    }

    /// The present state.
    pub fn state(&self) -> NonInviteClientState {
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
        use NonInviteClientState::*;
        match (self.state, status) {
            (Trying | Proceeding, 100..=199) => {
                self.state = Proceeding;
                Step::Pass
            }
            (Trying | Proceeding, 200..=699) => {
                self.state = Completed;
                self.resend = None;
                self.end = Some(if self.reliable {
                    now
                } else {
                    after(now, timers.k)
                });
                Step::Pass
            }
            _ => Step::Nothing,
        }
    }

    /// The transport could not send the request.
    pub fn transport_failed(&mut self) -> Step {
        match self.state {
            NonInviteClientState::Trying | NonInviteClientState::Proceeding => {
                self.end_with(Step::Failed)
            }
            _ => Step::Nothing,
        }
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Instant, timers: &Timers) -> Step {
        if self.end.is_some_and(|at| at <= now) {
            return match self.state {
                NonInviteClientState::Trying | NonInviteClientState::Proceeding => {
                    self.end_with(Step::TimedOut(Timer::F))
                }
                NonInviteClientState::Terminated => Step::Nothing,
                NonInviteClientState::Completed => self.end_with(Step::Terminated),
            };
        }
        if self.resend.is_some_and(|at| at <= now) {
            self.interval = match self.state {
                NonInviteClientState::Proceeding => timers.t2,
                _ => self.interval.saturating_mul(2).min(timers.t2),
            };
            self.resend = Some(after(now, self.interval));
            return Step::Send;
        }
        Step::Nothing
    }

    fn end_with(&mut self, step: Step) -> Step {
        self.state = NonInviteClientState::Terminated;
        self.resend = None;
        self.end = None;
        step
    }
}
