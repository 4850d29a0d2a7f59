//! Changes of a call that is up: hold, resume and a fresh start of ICE, from this side and from the phone's.

use super::{Call, CallError, CallEvent, CallState, read_answer, read_offer, status_of};
use rtp_core::negotiate::{Hold, ReceivedOffer};
use sip_core::{Body, CommandError, Endpoint, StatusCode};
use std::time::Instant;

/// How often an offer is sent again after 491 Request Pending before it fails: glare clears in a round or two.
const GLARE_RETRIES: u8 = 5;

/// What a change of ours is for, to be offered again after glare.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    Hold(Hold),
    Resume,
    /// Other ICE credentials are offered.
    Way,
}

impl Call {
    /// Holds the call.
    ///
    /// # Errors
    /// When it is not up, or a change is under way.
    pub fn hold(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        how: Hold,
    ) -> Result<(), CallError> {
        self.change(now, endpoint, Change::Hold(how), 0)
    }

    /// Ends our hold.
    ///
    /// # Errors
    /// When it is not up, or a change is under way.
    pub fn resume(&mut self, now: Instant, endpoint: &mut Endpoint) -> Result<(), CallError> {
        self.change(now, endpoint, Change::Resume, 0)
    }

    /// Lets ICE begin anew, with other credentials and a re-INVITE: for a way that was lost, or a network that changed.
    /// Sound goes on where it went meanwhile. Without ICE it is a re-INVITE that changes nothing.
    ///
    /// # Errors
    /// When it is not up, or a change is under way.
    pub fn restart_ice(&mut self, now: Instant, endpoint: &mut Endpoint) -> Result<(), CallError> {
        self.change(now, endpoint, Change::Way, 0)
    }

    pub(super) fn offered(&mut self, now: Instant, endpoint: &mut Endpoint, offer: Option<&Body>) {
        let Ok(handle) = endpoint.call(self.id) else {
            return;
        };
        // The endpoint lets the peer's offer through only while none of ours is out: after glare, ours is
        // withdrawn until its turn comes again (RFC 3261 14.1).
        self.offer = None;
        let Some(body) = offer else {
            match self.negotiation.offer() {
                Ok(offer) => {
                    if handle.accept(now, Body::sdp(offer.to_bytes())).is_ok() {
                        self.offer = Some(offer);
                    }
                }
                Err(_) => {
                    let _ = handle.refuse(now, StatusCode::REQUEST_PENDING);
                }
            }
            return;
        };
        let answer = read_offer(&mut self.negotiation, body).and_then(|offer| {
            self.answer_restart(&offer);
            self.negotiation
                .answer(offer)
                .map_err(|error| status_of(&error))
        });
        match answer {
            Ok(answer) => {
                if handle.accept(now, Body::sdp(answer.to_bytes())).is_ok() {
                    self.agreed();
                }
            }
            Err(status) => {
                let _ = handle.refuse(now, status);
            }
        }
    }

    /// A phone that begins ICE anew gets new credentials (RFC 8839 4.4.1.1.1).
    fn answer_restart(&mut self, offer: &ReceivedOffer) {
        let mut lines = 0..offer.description().media.len();
        if lines.any(|line| offer.restarts_ice(&self.negotiation, line)) {
            self.renew_ice();
        }
    }

    fn renew_ice(&mut self) {
        let mut can = self.negotiation.capabilities().clone();
        let mut random = self.random.boxed();
        for ice in &mut can.ice {
            *ice = ice.renewed(&mut random);
        }
        self.negotiation.set_capabilities(can);
    }

    fn change(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        change: Change,
        glare: u8,
    ) -> Result<(), CallError> {
        if self.state != CallState::Up {
            return Err(CallError::State("answered"));
        }
        if self.offer.is_some() || self.change.is_some() {
            return Err(CallError::Busy);
        }
        let handle = endpoint.call(self.id).map_err(CommandError::from)?;
        let offer = match change {
            Change::Hold(how) => self.negotiation.offer_hold(how)?,
            Change::Resume => self.negotiation.offer_resume()?,
            Change::Way => {
                self.renew_ice();
                self.negotiation.offer()?
            }
        };
        handle.reinvite(now, Body::sdp(offer.to_bytes()))?;
        self.offer = Some(offer);
        self.change = Some((change, glare));
        Ok(())
    }

    pub(super) fn change_answered(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        answer: Option<&Body>,
    ) {
        self.change = None;
        let Some(offer) = self.offer.take() else {
            return;
        };
        match read_answer(&mut self.negotiation, &offer, answer) {
            Ok(()) => self.agreed(),
            Err(why) => self.give_up(now, endpoint, why),
        }
    }

    pub(super) fn change_refused(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        status: StatusCode,
        reason: String,
    ) {
        self.offer = None;
        if let Some((change, glare)) = self.change.take() {
            let again = status == StatusCode::REQUEST_PENDING && glare < GLARE_RETRIES;
            if again && self.change(now, endpoint, change, glare + 1).is_ok() {
                return;
            }
        }
        self.events
            .push_back(CallEvent::ChangeRefused { status, reason });
    }
}
