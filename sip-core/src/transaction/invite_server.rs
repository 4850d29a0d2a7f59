//! The INVITE server transaction: RFC 3261 section 17.2.1 and figure 7, RFC 6026 section 8.7.
//!
//! | state | timer | then |
//! |---|---|---|
//! | Proceeding, nothing sent | 200 ms | send 100 |
//! | Completed | G (unreliable): T1, doubled up to T2 | send the response again |
//! | Completed | H | timed out: no ACK |
//! | Confirmed | I (0 when reliable) | terminated |
//! | Accepted | L | terminated |
//!
//! In Accepted the 2xx is repeated by the dialog, not here, and an ACK is the dialog's.

use std::time::{Duration, Instant};

use super::timers::after;
use super::{Step, Timer, Timers};

/// States of [`InviteServer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteServerState {
    /// No final response yet.
    Proceeding,
    /// Answered with 2xx (RFC 6026).
    Accepted,
    /// Answered with a failure; ACK outstanding.
    Completed,
    /// The ACK came.
    Confirmed,
    /// Over.
    Terminated,
}

/// One received INVITE, from its arrival to its end.
#[derive(Clone, Debug)]
pub struct InviteServer {
    state: InviteServerState,
    reliable: bool,
    responded: bool,
    resend: Option<Instant>,
    interval: Duration,
    end: Option<Instant>,
}

impl InviteServer {
    /// An INVITE arrived `now`; the owner passes it to its user by itself.
    pub fn new(now: Instant, reliable: bool, timers: &Timers) -> Self {
        Self {
            state: InviteServerState::Proceeding,
            reliable,
            responded: false,
            resend: Some(after(now, timers.trying)),
            interval: timers.t1,
            end: None,
        }
    }

    /// The present state.
    pub fn state(&self) -> InviteServerState {
        self.state
    }

    /// Whether a response was sent. While not, [`Step::Send`] on timeout means: send a 100.
    pub fn has_responded(&self) -> bool {
        self.responded
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn deadline(&self) -> Option<Instant> {
        match (self.resend, self.end) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The same INVITE arrived again.
    pub fn retransmitted(&mut self) -> Step {
        match self.state {
            InviteServerState::Proceeding if self.responded => Step::Send,
            InviteServerState::Completed => Step::Send,
            // RFC 6026 section 7.1: absorbed, since the dialog repeats its 2xx by itself.
            _ => Step::Nothing,
        }
    }

    /// The user sends a response. [`Step::Nothing`] means that it comes too late and must not go out.
    pub fn respond(&mut self, now: Instant, status: u16, timers: &Timers) -> Step {
        use InviteServerState::*;
        match (self.state, status) {
            (Proceeding, 100..=199) => {
                self.responded = true;
                self.resend = None;
                Step::Send
            }
            (Proceeding, 200..=299) => {
                self.state = Accepted;
                self.responded = true;
                self.resend = None;
                self.end = Some(after(now, timers.l));
                Step::Send
            }
            (Proceeding, 300..=699) => {
                self.state = Completed;
                self.responded = true;
                self.resend = (!self.reliable).then(|| after(now, timers.t1));
                self.end = Some(after(now, timers.h));
                Step::Send
            }
            (Accepted, 200..=299) => Step::Send,
            _ => Step::Nothing,
        }
    }

    /// An ACK that matches this transaction arrived.
    pub fn ack(&mut self, now: Instant, timers: &Timers) -> Step {
        match self.state {
            InviteServerState::Completed => {
                self.state = InviteServerState::Confirmed;
                self.resend = None;
                self.end = Some(if self.reliable {
                    now
                } else {
                    after(now, timers.i)
                });
                Step::Nothing
            }
            InviteServerState::Accepted => Step::Pass,
            _ => Step::Nothing,
        }
    }

    /// The transport could not send a response.
    pub fn transport_failed(&mut self) -> Step {
        match self.state {
            InviteServerState::Proceeding | InviteServerState::Completed => {
                self.end_with(Step::Failed)
            }
            // RFC 6026 section 8.8: the dialog keeps repeating its 2xx; this waits for timer L.
            _ => Step::Nothing,
        }
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Instant, timers: &Timers) -> Step {
        if self.end.is_some_and(|at| at <= now) {
            return match self.state {
                InviteServerState::Completed => self.end_with(Step::TimedOut(Timer::H)),
                InviteServerState::Terminated => Step::Nothing,
                _ => self.end_with(Step::Terminated),
            };
        }
        if self.resend.is_some_and(|at| at <= now) {
            if self.state == InviteServerState::Proceeding {
                self.responded = true;
                self.resend = None;
                return Step::Send;
            }
            self.interval = self.interval.saturating_mul(2).min(timers.t2);
            self.resend = Some(after(now, self.interval));
            return Step::Send;
        }
        Step::Nothing
    }

    fn end_with(&mut self, step: Step) -> Step {
        self.state = InviteServerState::Terminated;
        self.resend = None;
        self.end = None;
        step
    }
}
