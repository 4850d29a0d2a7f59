//! REFER from one side of a coupling (RFC 3515): carried out here, so that the other side hears
//! nothing but a new session, or passed on.
//!
//! An attended transfer between two calls of one exchange becomes a call from the exchange to
//! itself, whose Replaces the second coupling executes.

use std::time::Instant;

use super::coupling::{Coupling, CouplingEvent, Side, Stage};
use super::exchange::Exchange;
use super::policy::Transfers;
use crate::header::NameAddr;
use crate::{
    Body, CallId, EndCause, Endpoint, Event, Invite, Message, Refer, ReferError, StatusCode,
    SubscriptionEnd, SubscriptionId, Terminated,
};

/// What is under way; one at a time.
#[derive(Debug)]
pub(super) enum Transfer {
    /// `call` rings in the place of `side`, whose REFER asked for it.
    Ringing { side: Side, call: CallId },
    /// The REFER was passed on: `asked` reports to the transferor what `sent` tells.
    Passed {
        asked: SubscriptionId,
        sent: SubscriptionId,
        accepted: bool,
    },
}

impl Coupling {
    /// Transfers and what becomes of them; gives back what is not this coupling's, or not its
    /// policy's.
    pub(super) fn transfer_event(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        event: Event,
    ) -> Option<Event> {
        match event {
            Event::ReferRequested {
                subscription,
                call: Some(call),
                ref to,
                ref request,
                ..
            } if self.policy.transfers != Transfers::Application => {
                let Some(side) = self.side(call).filter(|_| self.has(call)) else {
                    return Some(event);
                };
                let refused = match self.may_transfer() {
                    false => Err(StatusCode::REQUEST_PENDING),
                    true if self.policy.transfers == Transfers::Pass => {
                        self.pass_on(now, endpoint, side, subscription, to, request)
                    }
                    true => self.carry_out(now, endpoint, side, subscription, request),
                };
                if let (Err(status), Ok(handle)) = (refused, endpoint.subscription(subscription)) {
                    let _ = handle.reject(now, status);
                }
                None
            }
            Event::Incoming {
                call,
                replaces: Some(leg),
                ref offer,
                ..
            } if self.policy.replaces => {
                if self.side(leg).is_none() || !self.has(leg) {
                    return Some(event);
                }
                self.take_over(now, endpoint, leg, call, offer.clone());
                None
            }
            Event::Subscribed { subscription, .. } => self
                .accept_passed(now, endpoint, subscription)
                .then_some(event),
            Event::Notified {
                subscription,
                ref body,
                ..
            } => match self.passed(subscription) {
                Some(asked) => {
                    self.accept_passed(now, endpoint, subscription);
                    if let Ok(handle) = endpoint.subscription(asked) {
                        let _ = handle.notify(now, body.clone());
                    }
                    None
                }
                None => Some(event),
            },
            Event::SubscriptionEnded {
                subscription,
                ref end,
                ..
            } => match self.passed(subscription) {
                Some(asked) => {
                    self.passed_over(now, endpoint, asked, end);
                    None
                }
                None => Some(event),
            },
            event => Some(event),
        }
    }

    fn may_transfer(&self) -> bool {
        self.stage == Stage::Joined
            && self.transfer.is_none()
            && self.exchange == Exchange::None
            && self.leg(Side::Caller).is_some()
            && self.leg(Side::Callee).is_some()
    }

    /// Carries out a REFER of `leg`, an [`Event::ReferRequested`] that the policy left to the application: calls with
    /// `invite` (see [`Invite::referred`]) in the place of that leg's side. The coupling sets the body, which is the
    /// other side's session, and Max-Forwards; where the call goes, under which name and with whose credentials is the
    /// application's. The transferor hears each response, [`CouplingEvent::Transferred`] or
    /// [`CouplingEvent::TransferFailed`] tells the outcome.
    ///
    /// # Errors
    ///
    /// The status with which the REFER was refused: 481 when `leg` is not of this coupling, 491 while another transfer or
    /// change of the session is under way, and what a call that could not be made deserves.
    pub fn follow(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        leg: CallId,
        refer: SubscriptionId,
        invite: Invite,
    ) -> Result<CallId, StatusCode> {
        let made = match self.side(leg).filter(|_| self.has(leg)) {
            None => Err(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
            Some(_) if !self.may_transfer() => Err(StatusCode::REQUEST_PENDING),
            Some(side) => self.call_in_place(now, endpoint, side, refer, invite),
        };
        if let (Err(status), Ok(handle)) = (&made, endpoint.subscription(refer)) {
            // Gone when nobody answered it in time.
            let _ = handle.reject(now, *status);
        }
        made
    }

    /// Calls whom the REFER names, in the place of the side that sent it.
    fn carry_out(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        side: Side,
        refer: SubscriptionId,
        request: &Message,
    ) -> Result<(), StatusCode> {
        let from = self.policy.trunk.from.clone();
        let from = from.or_else(|| self.names[side.other().index()].clone());
        let from = from.ok_or(StatusCode::SERVER_INTERNAL_ERROR)?;
        let invite = Invite::referred(request, from).map_err(|error| match error {
            ReferError::Method => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_REQUEST,
        })?;
        let comes_back = endpoint.would_replace(&invite);
        let invite = self.policy.trunk.dress(invite, comes_back);
        self.call_in_place(now, endpoint, side, refer, invite)
            .map(|_| ())
    }

    fn call_in_place(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        side: Side,
        refer: SubscriptionId,
        invite: Invite,
    ) -> Result<CallId, StatusCode> {
        // What the one who stays said last is the offer to the one who comes.
        let mut invite = match self.said[side.other().index()].clone() {
            Some(body) => invite.body(body),
            None => return Err(StatusCode::SERVER_INTERNAL_ERROR),
        };
        invite.max_forwards = self.hops;
        invite.early_offers = false;
        let called = invite.uri.clone();
        let call = endpoint
            .follow(now, refer, invite)
            .map_err(|error| super::coupling::uncallable(&error).1)?;
        self.legs.push(call);
        self.coming = Some(NameAddr::new(&called));
        self.transfer = Some(Transfer::Ringing { side, call });
        Ok(call)
    }

    /// Asks the other side to do what the REFER asks of us.
    fn pass_on(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        side: Side,
        asked: SubscriptionId,
        to: &NameAddr,
        request: &Message,
    ) -> Result<(), StatusCode> {
        let uri = to.uri().map_err(|_| StatusCode::BAD_REQUEST)?;
        let mut refer = Refer::new(uri);
        let by = request.header("Referred-By");
        refer.by = by.and_then(|by| NameAddr::parse(by.to_str().into_owned()).ok());
        let Some(Ok(other)) = self.leg(side.other()).map(|leg| endpoint.call(leg)) else {
            return Err(StatusCode::SERVER_INTERNAL_ERROR);
        };
        let sent = other
            .refer(now, refer)
            .map_err(|_| StatusCode::SERVER_INTERNAL_ERROR)?;
        self.transfer = Some(Transfer::Passed {
            asked,
            sent,
            accepted: false,
        });
        Ok(())
    }

    /// Who hears what a REFER that was passed on tells.
    fn passed(&self, subscription: SubscriptionId) -> Option<SubscriptionId> {
        match self.transfer {
            Some(Transfer::Passed { asked, sent, .. }) if sent == subscription => Some(asked),
            _ => None,
        }
    }

    /// The other side took the REFER, so that it is taken here; true when the subscription is nobody's
    /// of ours.
    fn accept_passed(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        subscription: SubscriptionId,
    ) -> bool {
        let Some(Transfer::Passed {
            asked,
            sent,
            accepted,
        }) = &mut self.transfer
        else {
            return true;
        };
        if *sent != subscription {
            return true;
        }
        if !std::mem::replace(accepted, true)
            && let Ok(handle) = endpoint.subscription(*asked)
        {
            let trying = Body::sipfrag(StatusCode::TRYING, StatusCode::TRYING.reason());
            let _ = handle.accept(now, Some(trying));
        }
        false
    }

    fn passed_over(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        asked: SubscriptionId,
        end: &SubscriptionEnd,
    ) {
        let accepted = matches!(self.transfer, Some(Transfer::Passed { accepted: true, .. }));
        self.transfer = None;
        let Ok(handle) = endpoint.subscription(asked) else {
            return;
        };
        let _ = match (accepted, end) {
            (true, _) => handle.terminate(now, Terminated::NoResource, None),
            (false, SubscriptionEnd::Refused(status)) => handle.reject(now, *status),
            // RFC 4488: the other side will not report, whatever becomes of it.
            (false, SubscriptionEnd::Unreported) => handle.accept(now, None),
            (false, _) => handle.reject(now, StatusCode::REQUEST_TIMEOUT),
        };
    }

    /// The call that rang in the place of a side was answered: what it says goes to the other side.
    pub(super) fn transfer_answered(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        call: CallId,
        body: Option<Body>,
    ) -> bool {
        let side = match self.transfer {
            Some(Transfer::Ringing { side, call: c }) if c == call => side,
            _ => return false,
        };
        self.transfer = None;
        let old = self.leg(side);
        self.names[side.index()] = self.coming.take();
        if let Some(old) = old {
            self.drop_questions(now, endpoint, old);
        }
        self.said[side.index()] = body.clone();
        self.seat(now, endpoint, side, call);
        if let Some(old) = old {
            self.hang_up_leg(now, endpoint, old);
        }
        if let Some(body) = body.filter(|_| self.stage == Stage::Joined) {
            match self.exchange {
                Exchange::None => self.settle(now, endpoint, side.other(), body),
                // Something is out between the two already: afterwards.
                _ => self.unsettled = Some(side.other()),
            }
        }
        true
    }

    /// A leg ended that was to take a place, or whose place was to be taken: true when the
    /// conversation goes on without it.
    pub(super) fn transfer_ended(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        call: CallId,
        cause: &EndCause,
    ) -> bool {
        match self.transfer {
            Some(Transfer::Ringing {
                side,
                call: ringing,
            }) if ringing == call => {
                self.transfer = None;
                self.coming = None;
                self.events.push_back(CouplingEvent::TransferFailed {
                    side,
                    cause: cause.clone(),
                });
                // Its place was left already: there is nobody to talk to.
                if self.leg(side).is_none() {
                    self.finish(now, endpoint, side, cause.clone());
                }
                true
            }
            // Whoever transfers a call may hang up as soon as that was accepted.
            Some(Transfer::Ringing { side, .. }) => self.side(call) == Some(side),
            _ => false,
        }
    }
}
