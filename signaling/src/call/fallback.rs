//! What is offered when the phone refuses the protection of a dial: with [`Secure::Allow`] the next weaker, and nothing
//! weaker than that allows.

use super::{Call, CallEvent, CallState};
use crate::dial::Secure;
use crate::random::Random;
use rtp_core::negotiate::{LocalError, Negotiation, SentOffer};
use sip_core::StatusCode;
use std::collections::VecDeque;

/// The offers of a dial in the order in which they are made, each with the side of it that takes the answer.
pub(super) fn offers(
    mut negotiation: Negotiation,
    secure: Secure,
    random: &Random,
) -> Result<VecDeque<(Negotiation, SentOffer)>, LocalError> {
    if secure != Secure::Allow {
        let offer = negotiation.offer()?;
        return Ok(VecDeque::from([(negotiation, offer)]));
    }
    let profiles = negotiation.capabilities().profiles();
    let offers = profiles.into_iter().map(|profile| {
        let mut side = negotiation.fork(random.boxed());
        let offer = side.offer_profile(profile)?;
        Ok((side, offer))
    });
    offers.collect()
}

impl Call {
    /// The endpoint has offered the next.
    pub(super) fn fall_back(&mut self, status: StatusCode) {
        let Some((negotiation, offer)) = self.weaker.pop_front() else {
            return;
        };
        if self.state == CallState::EarlyMedia {
            self.events.push_back(CallEvent::Media(None));
        }
        if self.state != CallState::Ending {
            self.state = CallState::Calling;
        }
        let profile = offer.profile();
        self.negotiation = negotiation;
        self.offer = Some(offer);
        self.events
            .push_back(CallEvent::FellBack { status, profile });
    }
}
