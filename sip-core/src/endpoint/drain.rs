//! Stopping in good order: no new calls, time for those that stand, and an end for what is left then.

use std::time::{Duration, Instant};

use super::call::CallState;
use super::deadlines::Waiter;
use super::event::Event;
use super::flow::Flow;
use super::table::Key;
use super::{EndCause, EndKind, EndedBy, Endpoint};
use crate::transaction::after;
use crate::{HeaderName, Message, Method, StatusCode};

/// How often it is looked whether the last call is over.
const LOOK: Duration = Duration::from_millis(200);

/// What every BYE at the deadline says (RFC 3326; cause 31 of Q.850 is "normal, unspecified").
const REASON: &str = "Q.850;cause=31;text=\"Server is stopping\"";

/// How an endpoint stops; see [`Endpoint::drain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drain {
    /// How long the calls that stand may go on; then each gets a BYE.
    pub within: Duration,
    /// When callers who are refused may come again, in Retry-After, whole seconds; default 30 s. By then another node
    /// has taken over, or this one is back.
    pub retry_after: Duration,
}

impl Drain {
    /// Calls may go on for this long.
    pub fn new(within: Duration) -> Self {
        Self {
            within,
            retry_after: Duration::from_secs(30),
        }
    }

    /// When callers may come again.
    pub fn retry_after(mut self, span: Duration) -> Self {
        self.retry_after = span;
        self
    }
}

/// A drain that has begun.
#[derive(Debug)]
pub(crate) struct Draining {
    until: Instant,
    retry_after: u64,
    armed: Option<Instant>,
    told: bool,
}

impl Endpoint {
    /// Takes no more calls, and lets those that stand go on for a while.
    ///
    /// From now on every request that would begin something here (INVITE, REGISTER, SUBSCRIBE, OPTIONS, …) gets a
    /// stateless 503 with Retry-After, so that callers and proxies go elsewhere (RFC 3263 section 4.3); an INVITE that takes
    /// the place of a call which stands (Replaces) is part of that call and still taken. What belongs to calls goes on
    /// as before, and so do commands. At the deadline every call that is left is ended: BYE, CANCEL, or 503 where it was
    /// not answered. When the last is over there is one [`Event::Drained`], at most 200 ms later.
    ///
    /// Called again, it sets another deadline: with [`Duration::ZERO`] all ends at once.
    pub fn drain(&mut self, now: Instant, drain: Drain) {
        let now = self.advance(now);
        let armed = self.draining.take().and_then(|draining| draining.armed);
        self.draining = Some(Draining {
            until: after(now, drain.within),
            retry_after: drain.retry_after.as_secs(),
            armed,
            told: false,
        });
        self.arm_drain(Some(now));
    }

    /// Whether [`drain`](Self::drain) was called.
    pub fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    fn arm_drain(&mut self, wanted: Option<Instant>) {
        if let Some(draining) = &mut self.draining {
            self.deadlines
                .arm(Waiter::Drain, &mut draining.armed, wanted);
        }
    }

    /// Refuses a request outside any call while we drain; whether it did.
    pub(crate) fn drained_away(&mut self, flow: Flow, request: &Message, method: &Method) -> bool {
        let Some(retry_after) = self.draining.as_ref().map(|drain| drain.retry_after) else {
            return false;
        };
        if *method == Method::Invite && matches!(self.replaced(request), Ok(Some(_))) {
            return false;
        }
        self.counters.uninvited += 1;
        let status = StatusCode::SERVICE_UNAVAILABLE;
        self.respond_stateless(flow, request, status, false, |builder| {
            builder.header_display(HeaderName::RETRY_AFTER, retry_after)
        });
        true
    }

    pub(crate) fn drain_due(&mut self, now: Instant) -> bool {
        let Some(draining) = &self.draining else {
            return false;
        };
        let (until, told) = (draining.until, draining.told);
        if self.calls().next().is_none() {
            self.arm_drain(None);
            if let Some(draining) = &mut self.draining {
                draining.told = true;
            }
            if !told {
                self.out.tell(Event::Drained);
            }
            return true;
        }
        let mut next = after(now, LOOK);
        if now < until {
            next = next.min(until);
        } else {
            // One after the other, so that the outbox has room for each.
            let standing: Vec<Key> = self
                .calls()
                .map(|call| call.0)
                .filter(|key| self.may_leave(*key))
                .collect();
            for key in standing {
                if !self.out.has_room() {
                    next = now;
                    break;
                }
                self.end_for_good(now, key);
            }
        }
        self.arm_drain(Some(next));
        true
    }

    fn may_leave(&self, key: Key) -> bool {
        self.calls.get(key).is_some_and(|call| {
            !matches!(
                call.state,
                CallState::Cancelling | CallState::Leaving | CallState::Ended
            )
        })
    }

    fn end_for_good(&mut self, now: Instant, key: Key) {
        self.with_call(key, |endpoint, call| {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            if call.state == CallState::Incoming {
                // However that goes, the call is over.
                let _ = endpoint.refuse_invite(now, call, status, None);
                let cause = EndCause::new(EndedBy::Local, EndKind::Rejected);
                let cause = cause.with_status(status, status.reason());
                endpoint.end(call, cause, None);
                return;
            }
            let cause = EndCause::new(EndedBy::Local, EndKind::HungUp).with_reason(Some(REASON));
            if endpoint
                .leave(now, call, cause.clone(), Some(REASON.to_owned()))
                .is_err()
            {
                endpoint.end(call, cause, None);
            }
        });
    }
}
