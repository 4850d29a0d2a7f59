//! The non-INVITE server transaction: RFC 3261 section 17.2.2 and figure 8.
//!
//! | state | timer | then |
//! |---|---|---|
//! | Trying, Proceeding | none | |
//! | Completed | J (0 when reliable) | terminated |

use std::time::Instant;

use super::timers::after;
use super::{Step, Timers};

/// States of [`NonInviteServer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonInviteServerState {
    /// Nothing sent yet.
    Trying,
    /// A provisional response was sent.
    Proceeding,
    /// A final response was sent.
    Completed,
    /// Over.
    Terminated,
}

/// One received request that is not INVITE or ACK, from its arrival to its end.
#[derive(Clone, Debug)]
pub struct NonInviteServer {
    state: NonInviteServerState,
    reliable: bool,
    end: Option<Instant>,
}

impl NonInviteServer {
    /// A request arrived; the owner passes it to its user by itself.
    pub fn new(reliable: bool) -> Self {
        Self {
            state: NonInviteServerState::Trying,
            reliable,
            end: None,
        }
    }

    /// The present state.
    pub fn state(&self) -> NonInviteServerState {
        self.state
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.end
    }

    /// The same request arrived again.
    pub fn retransmitted(&mut self) -> Step {
        match self.state {
            NonInviteServerState::Proceeding | NonInviteServerState::Completed => Step::Send,
            _ => Step::Nothing,
        }
    }

    /// The user sends a response. [`Step::Nothing`] means that it comes too late and must not go out.
    pub fn respond(&mut self, now: Instant, status: u16, timers: &Timers) -> Step {
        use NonInviteServerState::*;
        match (self.state, status) {
            (Trying | Proceeding, 100..=199) => {
                self.state = Proceeding;
                Step::Send
            }
            (Trying | Proceeding, 200..=699) => {
                self.state = Completed;
                self.end = Some(if self.reliable {
                    now
                } else {
                    after(now, timers.j)
                });
                Step::Send
            }
            _ => Step::Nothing,
        }
    }

    /// The transport could not send a response.
    pub fn transport_failed(&mut self) -> Step {
        match self.state {
            NonInviteServerState::Proceeding | NonInviteServerState::Completed => {
                self.end_with(Step::Failed)
            }
            _ => Step::Nothing,
        }
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Step {
        match self.end {
            Some(at) if at <= now => self.end_with(Step::Terminated),
            _ => Step::Nothing,
        }
    }

    fn end_with(&mut self, step: Step) -> Step {
        self.state = NonInviteServerState::Terminated;
        self.end = None;
        step
    }
}
