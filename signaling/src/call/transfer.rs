//! Transfers (RFC 3515, 5589): we ask the phone to call somebody else, or it asks us.
//!
//! Ours: [`Call::transfer`] names whom to call, [`Call::transfer_to`] another call of ours whose phone it is to be joined
//! with. [`CallEvent::Transfer`] tells how it goes; when the new call is answered, this one is hung up. The phone's:
//! [`CallEvent::TransferAsked`], which is carried out by dialling [`TransferRequest::dial`], or refused.

use super::{Call, CallError, CallEvent};
use crate::dial::DialRequest;
use sip_core::header::NameAddr;
use sip_core::{
    CallId, CommandError, Endpoint, Event, HeaderName, Invite, Message, Refer, ReferError,
    StatusCode, SubscriptionEnd, SubscriptionId, Uri,
};
use std::time::Instant;

/// How a transfer that we asked for goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transfer {
    /// What the phone hears of the new call: 100 Trying, 180 Ringing.
    Progress {
        /// The status.
        status: StatusCode,
        /// The reason phrase.
        reason: String,
    },
    /// The new call was answered. Ours is hung up; [`CallEvent::Ended`] follows.
    Done,
    /// Nothing came of it; this call goes on as before.
    Failed {
        /// Why: the phone's answer to the request, that of whom it called, or 408 when nobody said anything.
        status: StatusCode,
        /// The reason phrase.
        reason: String,
    },
}

/// The phone asks us to call somebody else in its place.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TransferRequest {
    /// By which the phone hears how it goes.
    pub id: SubscriptionId,
    /// Whom to call (Refer-To).
    pub to: NameAddr,
    /// On whose behalf (Referred-By, RFC 3892), as claimed.
    pub referred_by: Option<String>,
    /// The REFER, with every header as it came.
    pub refer: Message,
}

impl PartialEq for TransferRequest {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for TransferRequest {}

impl TransferRequest {
    /// The call that it asks for, made by `from`: with the Replaces and Referred-By that belong to it. To dial it is to accept:
    /// the phone hears 202, and then how that call goes.
    ///
    /// # Errors
    /// When Refer-To asks for no INVITE: refuse it.
    pub fn dial(&self, from: NameAddr) -> Result<DialRequest, ReferError> {
        let invite = Invite::referred(&self.refer, from)?;
        let mut request = DialRequest::new(invite.uri, invite.from);
        request.headers = invite.headers;
        request.refer = Some(self.id);
        Ok(request)
    }

    /// Whether it is attended: the new call takes the place of one that the phone has there (RFC 3891).
    pub fn is_attended(&self) -> bool {
        let uri = self.to.uri();
        uri.is_ok_and(|uri| {
            let headers = uri.as_ref().headers();
            headers
                .iter()
                .any(|(name, _)| HeaderName::from(name) == HeaderName::REPLACES)
        })
    }

    /// Refuses it, with 603 Decline for instance.
    ///
    /// # Errors
    /// When the phone does not wait for an answer any more, or the status is none of 300 to 699.
    pub fn refuse(
        &self,
        now: Instant,
        endpoint: &mut Endpoint,
        status: StatusCode,
    ) -> Result<(), CallError> {
        let handle = endpoint.subscription(self.id).map_err(CommandError::from)?;
        Ok(handle.reject(now, status)?)
    }
}

/// The REFER that is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnderWay {
    id: SubscriptionId,
    /// Its outcome was told; only the end of its subscription is missing.
    is_told: bool,
}

impl Call {
    /// Asks the phone to call `to` in our place (blind transfer). The phone says how that goes; when the new call is
    /// answered, ours is hung up.
    ///
    /// # Errors
    /// When the call is not up, or a transfer is under way.
    pub fn transfer(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        to: Uri,
    ) -> Result<(), CallError> {
        self.refer(now, endpoint, &Refer::new(to))
    }

    /// Asks the phone to take our place in `other` (attended transfer, RFC 5589 section 7.3): both phones then talk to each
    /// other, and both of our calls end.
    ///
    /// # Errors
    /// When one of the calls is not up, it is this one, or a transfer is under way.
    pub fn transfer_to(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        other: CallId,
    ) -> Result<(), CallError> {
        if other == self.id {
            return Err(CallError::State("another than the one to join it with"));
        }
        let handle = endpoint.call(other).map_err(CommandError::from)?;
        let refer = handle.as_replaced()?;
        self.refer(now, endpoint, &refer)
    }

    fn refer(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        refer: &Refer,
    ) -> Result<(), CallError> {
        if self.transfer.is_some_and(|known| !known.is_told) {
            return Err(CallError::Busy);
        }
        let handle = self.on_line(endpoint)?;
        let id = handle.refer(now, refer.clone())?;
        self.transfer = Some(UnderWay { id, is_told: false });
        Ok(())
    }

    /// The subscription by which the phone tells how the last transfer of ours goes; what the endpoint says of it is for
    /// [`Call::handle_event`].
    pub fn transfer_id(&self) -> Option<SubscriptionId> {
        self.transfer.map(|known| known.id)
    }

    fn is_ours(&self, subscription: SubscriptionId) -> bool {
        self.transfer_id() == Some(subscription)
    }

    /// Takes what a subscription of this call has to say.
    pub(super) fn referral(&mut self, now: Instant, endpoint: &mut Endpoint, event: Event) {
        match event {
            Event::ReferRequested {
                subscription,
                to,
                referred_by,
                request,
                ..
            } => {
                let asked = TransferRequest {
                    id: subscription,
                    to,
                    referred_by,
                    refer: request,
                };
                self.events
                    .push_back(CallEvent::TransferAsked(Box::new(asked)));
            }
            Event::Notified {
                subscription,
                body: Some(body),
                ..
            } if self.is_ours(subscription) => {
                if let Some((status, reason)) = body.sipfrag_status() {
                    self.transfer_goes(now, endpoint, status, reason);
                }
            }
            Event::SubscriptionEnded {
                subscription, end, ..
            } if self.is_ours(subscription) => {
                let status = match end {
                    SubscriptionEnd::Refused(status) => status,
                    SubscriptionEnd::Failed(cause) => {
                        cause.status.unwrap_or(StatusCode::REQUEST_TIMEOUT)
                    }
                    _ => StatusCode::REQUEST_TIMEOUT,
                };
                self.transfer_goes(now, endpoint, status, status.reason().to_owned());
                self.transfer = None;
            }
            _ => {}
        }
    }

    fn transfer_goes(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        status: StatusCode,
        reason: String,
    ) {
        let Some(transfer) = self.transfer.as_mut().filter(|known| !known.is_told) else {
            return;
        };
        transfer.is_told = status.is_final();
        let step = match status.code() {
            ..200 => Transfer::Progress { status, reason },
            200..300 => Transfer::Done,
            _ => Transfer::Failed { status, reason },
        };
        let is_done = step == Transfer::Done;
        self.events.push_back(CallEvent::Transfer(step));
        if is_done {
            // Fails when the phone has hung up already.
            let _ = self.leave(now, endpoint, None);
        }
    }
}
