//! Offers and answers on their way from side to side, after the join: RFC 3264, RFC 3725.

use std::time::Instant;

use super::coupling::{Coupling, Side, Stage};
use super::policy::Updates;
use crate::{
    Body, CallId, CommandError, EndCause, EndKind, EndedBy, Endpoint, Event, Method, StatusCode,
};

/// The one exchange that is under way; a further offer of either side meets 491.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Exchange {
    /// None.
    #[default]
    None,
    /// The caller's INVITE had no offer: the callee's answer to it waits for the caller's ACK.
    FirstAck,
    /// `from` offered, and its offer is out to the other side.
    Crossing {
        from: Side,
        offer: Body,
        /// `from` took it back meanwhile: what the other side then answers must be undone.
        withdrawn: bool,
    },
    /// `from` asked for an offer and has the other side's; its ACK brings the answer.
    Asked { from: Side },
    /// An offer of ours to bring `to` up to date; its answer goes nowhere.
    Settling { to: Side, offer: Body },
    /// A call that comes in takes the place of `side`'s leg; its offer is out to the other side.
    Replacing { side: Side, by: CallId, offer: Body },
}

impl Coupling {
    /// Events inside the joined calls.
    pub(super) fn inside(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        event: Event,
    ) -> Option<Event> {
        match event {
            Event::Confirmed {
                call, ref answer, ..
            } if self.has(call) => {
                if let Some(side) = self.side(call) {
                    self.confirmed(now, endpoint, side, answer.clone());
                }
                None
            }
            Event::Offered {
                call,
                offer,
                request,
            } if self.has(call) => {
                let update = request.method() == Some(Method::Update);
                match self.side(call) {
                    Some(side) => self.offered(now, endpoint, side, offer, update),
                    None => refuse(now, endpoint, call, StatusCode::REQUEST_PENDING),
                }
                None
            }
            Event::OfferWithdrawn { call } if self.has(call) => {
                let side = self.side(call);
                if let Exchange::Crossing {
                    from, withdrawn, ..
                } = &mut self.exchange
                    && side == Some(*from)
                {
                    *withdrawn = true;
                }
                None
            }
            Event::ReinviteAnswered { call, answer, .. } if self.has(call) => {
                if let Some(side) = self.side(call) {
                    self.change_answered(now, endpoint, side, answer);
                    self.settle_late(now, endpoint);
                }
                None
            }
            Event::ReinviteFailed { call, status, .. } if self.has(call) => {
                if let Some(side) = self.side(call) {
                    self.change_failed(now, endpoint, side, status);
                    self.settle_late(now, endpoint);
                }
                None
            }
            event => {
                let event = self.transfer_event(now, endpoint, event)?;
                self.request(now, endpoint, event)
            }
        }
    }

    fn confirmed(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        side: Side,
        answer: Option<Body>,
    ) {
        match std::mem::take(&mut self.exchange) {
            Exchange::FirstAck if side == Side::Caller => {
                let accepted = match (&answer, self.leg(Side::Callee)) {
                    (Some(answer), Some(callee)) => endpoint
                        .call(callee)
                        .map_err(CommandError::from)
                        .and_then(|callee| callee.accept(now, answer.clone())),
                    _ => Err(CommandError::State("an answer in the ACK")),
                };
                if accepted.is_err() {
                    let kind = EndKind::Protocol("the offer in the 200 was never answered");
                    let cause = EndCause::new(EndedBy::Local, kind);
                    self.finish(now, endpoint, side, cause);
                    return;
                }
                self.said[side.index()] = answer;
            }
            Exchange::Asked { from } if from == side => {
                let Some(answer) = answer else { return };
                // The other side's session was the offer; it must hear what was answered to it,
                // unless that is what it knows already.
                if self.said[side.index()].as_ref() != Some(&answer) {
                    self.settle(now, endpoint, side.other(), answer.clone());
                }
                self.said[side.index()] = Some(answer);
            }
            other => self.exchange = other,
        }
    }

    fn offered(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        side: Side,
        offer: Option<Body>,
        update: bool,
    ) {
        let (Some(from), Some(to)) = (self.leg(side), self.leg(side.other())) else {
            return;
        };
        let theirs = self.said[side.other().index()].clone();
        if self.stage != Stage::Joined || self.exchange != Exchange::None {
            refuse(now, endpoint, from, StatusCode::REQUEST_PENDING);
            return;
        }
        let accept = |endpoint: &mut Endpoint, body: Body| {
            endpoint
                .call(from)
                .is_ok_and(|handle| handle.accept(now, body).is_ok())
        };
        match (offer, theirs) {
            // Asked for an offer: the other side's session, as it stands.
            (None, Some(theirs)) => {
                if accept(endpoint, theirs) {
                    self.exchange = Exchange::Asked { from: side };
                }
            }
            (Some(offer), Some(theirs))
                if !self.policy.refreshes && self.said[side.index()].as_ref() == Some(&offer) =>
            {
                accept(endpoint, theirs);
            }
            (Some(_), _) if update && self.policy.updates == Updates::Refuse => {
                refuse(now, endpoint, from, StatusCode::NOT_ACCEPTABLE_HERE);
            }
            (Some(offer), _) => {
                let update = update && self.policy.updates == Updates::Same;
                match send(now, endpoint, to, &offer, update) {
                    Ok(()) => {
                        self.exchange = Exchange::Crossing {
                            from: side,
                            offer,
                            withdrawn: false,
                        };
                    }
                    // The other side is just changing the session, or leaving.
                    Err(_) => refuse(now, endpoint, from, StatusCode::REQUEST_PENDING),
                }
            }
            (None, None) => refuse(now, endpoint, from, StatusCode::NOT_ACCEPTABLE_HERE),
        }
    }

    fn change_answered(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        side: Side,
        answer: Option<Body>,
    ) {
        match std::mem::take(&mut self.exchange) {
            Exchange::Crossing {
                from,
                offer,
                withdrawn,
            } if from.other() == side => {
                let accepted = !withdrawn
                    && match (self.leg(from), &answer) {
                        (Some(call), Some(answer)) => endpoint
                            .call(call)
                            .is_ok_and(|handle| handle.accept(now, answer.clone()).is_ok()),
                        _ => false,
                    };
                if accepted {
                    self.said[from.index()] = Some(offer);
                    self.said[side.index()] = answer;
                } else if let Some(before) = self.said[from.index()].clone() {
                    // Taken back too late for the other side: its session is put back.
                    self.said[side.index()] = answer.or(self.said[side.index()].take());
                    self.settle(now, endpoint, side, before);
                }
            }
            Exchange::Settling { to, .. } if to == side => {
                if answer.is_some() {
                    self.said[side.index()] = answer;
                }
            }
            Exchange::Replacing {
                side: place,
                by,
                offer,
            } if place.other() == side => {
                self.replace_now(now, endpoint, place, by, offer, answer);
            }
            other => self.exchange = other,
        }
    }

    fn change_failed(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        side: Side,
        status: StatusCode,
    ) {
        match std::mem::take(&mut self.exchange) {
            Exchange::Crossing {
                from, withdrawn, ..
            } if from.other() == side => {
                if let Some(call) = self.leg(from).filter(|_| !withdrawn) {
                    let status = match status.code() {
                        300.. => status,
                        _ => StatusCode::NOT_ACCEPTABLE_HERE,
                    };
                    refuse(now, endpoint, call, status);
                }
            }
            // After 491 the event comes when the wait is over, so that we offer again at once.
            Exchange::Settling { to, offer } if to == side => {
                if status == StatusCode::REQUEST_PENDING {
                    self.settle(now, endpoint, side, offer);
                }
            }
            Exchange::Replacing {
                side: place,
                by,
                offer,
            } if place.other() == side => {
                if status == StatusCode::REQUEST_PENDING && self.has(by) {
                    self.offer_newcomer(now, endpoint, place, by, offer);
                } else {
                    self.refuse_newcomer(now, endpoint, place, by, status);
                }
            }
            other => self.exchange = other,
        }
    }

    /// What could not be settled while an exchange was under way.
    fn settle_late(&mut self, now: Instant, endpoint: &mut Endpoint) {
        if self.exchange == Exchange::None
            && let Some(side) = self.unsettled.take()
            && let Some(said) = self.said[side.other().index()].clone()
        {
            self.settle(now, endpoint, side, said);
        }
    }

    /// Brings one side up to date with what the other said last.
    pub(super) fn settle(&mut self, now: Instant, endpoint: &mut Endpoint, to: Side, offer: Body) {
        let Some(call) = self.leg(to) else { return };
        if send(now, endpoint, call, &offer, false).is_ok() {
            self.exchange = Exchange::Settling { to, offer };
        }
    }
}

pub(super) fn send(
    now: Instant,
    endpoint: &mut Endpoint,
    call: CallId,
    offer: &Body,
    update: bool,
) -> Result<(), CommandError> {
    if update && endpoint.call(call)?.update(now, offer.clone()).is_ok() {
        return Ok(());
    }
    endpoint.call(call)?.reinvite(now, offer.clone())
}

fn refuse(now: Instant, endpoint: &mut Endpoint, call: CallId, status: StatusCode) {
    if let Ok(handle) = endpoint.call(call) {
        // An offer that is gone already needs no refusal, and the endpoint refuses one by itself
        // that nobody answers in time.
        let _ = handle.refuse(now, status);
    }
}
