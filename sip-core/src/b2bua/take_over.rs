//! A call that takes the place of one of the two (RFC 3891, RFC 5589 section 7.3): the end of an attended transfer.

use std::time::Instant;

use super::coupling::{Coupling, CouplingEvent, Side, Stage};
use super::exchange::{Exchange, send};
use crate::{Body, CallId, CallState, EndCause, EndKind, EndedBy, Endpoint, StatusCode};

impl Coupling {
    /// Lets `by`, an [`Event::Incoming`](crate::Event::Incoming) whose `replaces` is the joined leg `old`, take that
    /// leg's place. Its offer goes to the other side as a re-INVITE, and the answer to that answers `by`; the leg
    /// replaced then ends by itself. An INVITE without an offer is answered with what the other side said last.
    ///
    /// What cannot be done is the newcomer's answer: 491 while another change is under way, 481 for a leg that is not
    /// joined, and otherwise what the other side says to the offer. The conversation goes on as it was then.
    pub fn take_over(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        old: CallId,
        by: CallId,
        offer: Option<Body>,
    ) {
        let place = self.side(old).filter(|_| self.stage == Stage::Joined);
        let Some(place) = place else {
            let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            return reject(now, endpoint, by, status);
        };
        if self.exchange != Exchange::None || self.transfer.is_some() {
            return reject(now, endpoint, by, StatusCode::REQUEST_PENDING);
        }
        match (offer, self.said[place.other().index()].clone()) {
            (Some(offer), _) => {
                self.legs.push(by);
                self.offer_newcomer(now, endpoint, place, by, offer);
            }
            (None, Some(theirs)) => {
                let answered = endpoint
                    .call(by)
                    .is_ok_and(|handle| handle.answer(now, Some(theirs)).is_ok());
                if answered {
                    self.legs.push(by);
                    self.said[place.index()] = None;
                    // Its ACK brings what the other side must hear.
                    self.exchange = Exchange::Asked { from: place };
                    self.seat(now, endpoint, place, by);
                } else {
                    reject(now, endpoint, by, StatusCode::SERVER_INTERNAL_ERROR);
                }
            }
            (None, None) => reject(now, endpoint, by, StatusCode::NOT_ACCEPTABLE_HERE),
        }
    }

    /// Shows the other side whom it will talk to.
    pub(super) fn offer_newcomer(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        side: Side,
        by: CallId,
        offer: Body,
    ) {
        let sent = self
            .leg(side.other())
            .is_some_and(|call| send(now, endpoint, call, &offer, false).is_ok());
        match sent {
            true => self.exchange = Exchange::Replacing { side, by, offer },
            // The other side is just changing the session, or leaving.
            false => self.refuse_newcomer(now, endpoint, side, by, StatusCode::REQUEST_PENDING),
        }
    }

    /// The other side has answered the newcomer's offer.
    pub(super) fn replace_now(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        side: Side,
        by: CallId,
        offer: Body,
        answer: Option<Body>,
    ) {
        let joined = answer.is_some()
            && endpoint
                .call(by)
                .is_ok_and(|handle| handle.answer(now, answer.clone()).is_ok());
        if joined {
            self.said[side.index()] = Some(offer);
            self.said[side.other().index()] = answer;
            self.seat(now, endpoint, side, by);
            return;
        }
        self.said[side.other().index()] = answer.or(self.said[side.other().index()].take());
        self.refuse_newcomer(now, endpoint, side, by, StatusCode::NOT_ACCEPTABLE_HERE);
        if self.stage != Stage::Joined {
            return;
        }
        // The newcomer left too late for the other side: its session is put back.
        if let Some(before) = self.said[side.index()].clone() {
            self.settle(now, endpoint, side.other(), before);
        }
    }

    /// The newcomer is sent away; the conversation goes on, unless whom it would have replaced has left already.
    pub(super) fn refuse_newcomer(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        side: Side,
        by: CallId,
        status: StatusCode,
    ) {
        let status = match status.code() {
            300.. => status,
            _ => StatusCode::NOT_ACCEPTABLE_HERE,
        };
        reject(now, endpoint, by, status);
        if self.leg(side).is_none() {
            let cause = EndCause::new(EndedBy::Remote, EndKind::HungUp);
            self.finish(now, endpoint, side, cause);
        }
    }

    /// Whether the end of `call` decides nothing, because somebody is about to take its place.
    pub(super) fn newcomer_decides(&self, call: CallId) -> bool {
        match self.exchange {
            Exchange::Replacing { side, by, .. } => self.side(call) == Some(side) && self.has(by),
            _ => false,
        }
    }

    /// From now on `by` is this side.
    pub(super) fn seat(&mut self, now: Instant, endpoint: &mut Endpoint, side: Side, by: CallId) {
        let from = match side {
            Side::Caller => std::mem::replace(&mut self.caller, by),
            Side::Callee => self.callee.replace(by).unwrap_or(by),
        };
        self.events
            .push_back(CouplingEvent::Transferred { side, from, to: by });
        if let Some(other) = self.leg(side.other()) {
            endpoint.join(by, other);
        }
        if endpoint.leads_back(by) {
            // Somebody has joined the two ends of one line, at which he stood himself.
            let kind = EndKind::Protocol("nobody is left at either end");
            let cause = EndCause::new(EndedBy::Local, kind);
            self.finish(now, endpoint, side, cause);
        }
    }
}

fn reject(now: Instant, endpoint: &mut Endpoint, call: CallId, status: StatusCode) {
    if let Ok(handle) = endpoint.call(call)
        && handle.state() == CallState::Incoming
    {
        // Gone by itself otherwise, when nobody answers it in time.
        let _ = handle.reject(now, status, None);
    }
}
