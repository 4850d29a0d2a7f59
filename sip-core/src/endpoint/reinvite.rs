//! Our re-INVITE: RFC 3261 section 14.1, with its waits after 491.

use std::time::{Duration, Instant};

use super::body::Body;
use super::call::{Call, CallState, Reinvite};
use super::clients::{Purpose, Reply};
use super::command::CommandError;
use super::event::{CallId, Event};
use super::table::Key;
use super::{Endpoint, wire};
use crate::transaction::after;
use crate::{HeaderName, Method, StatusCode};

impl Endpoint {
    pub(crate) fn start_reinvite(
        &mut self,
        now: Instant,
        call: &mut Call,
        offer: Body,
    ) -> Result<(), CommandError> {
        if call.state != CallState::Established || call.success.is_some() || call.ack_due.is_some()
        {
            return Err(CommandError::State("an answered and acknowledged call"));
        }
        if call.reinvite.is_some() {
            return Err(CommandError::State("the last re-INVITE to be over"));
        }
        if call.arrival.is_some() {
            return Err(CommandError::State("the peer's re-INVITE to be answered"));
        }
        call.offers.may_offer()?;
        let contact = self.local_contact(call);
        let (client, seq) =
            self.send_request_inside(now, call, Method::Invite, Purpose::Reinvite, |builder| {
                let builder = builder
                    .header(HeaderName::CONTACT, contact)
                    .header(HeaderName::ALLOW, wire::ALLOW);
                wire::with_body(builder, &offer)
            })?;
        call.offers.local_offer()?;
        call.reinvite = Some(Box::new(Reinvite::Out { client, seq }));
        Ok(())
    }

    /// Whether this transaction is the re-INVITE that is out; if so it is out no longer.
    pub(crate) fn reinvite_over(&mut self, call: &mut Call, client: Key) -> bool {
        match call.reinvite.as_deref() {
            Some(Reinvite::Out { client: out, .. }) if *out == client => {
                call.reinvite = None;
                call.offers.abandon();
                true
            }
            _ => false,
        }
    }

    pub(crate) fn reinvite_response(&mut self, now: Instant, call: &mut Call, reply: &Reply<'_>) {
        let Some(status) = reply.response.status().filter(|status| status.is_final()) else {
            return;
        };
        call.flow = Some(reply.flow);
        let seq = match call.reinvite.as_deref() {
            Some(Reinvite::Out { client, seq }) if *client == reply.client => *seq,
            _ => return,
        };
        let Some(key) = call.key else { return };
        if status.is_success() {
            if let Some(dialog) = call.dialog() {
                dialog.refresh_target(reply.response);
            }
            let answer = wire::body(reply.response);
            if answer.is_some() {
                // Our own offer is out, or reinvite would be none.
                let _ = call.offers.remote_answer();
            }
            call.reinvite = None;
            call.offers.abandon();
            self.acknowledge(call, reply.client, seq, None);
            if call.state == CallState::Established {
                self.out.tell(Event::ReinviteAnswered {
                    call: CallId(key),
                    answer,
                    response: reply.response.clone(),
                });
            }
            return;
        }
        if matches!(status.code(), 401 | 407)
            && call.state == CallState::Established
            && let Ok(attempt) = self.authorize(call, reply)
            && let Ok((client, seq)) =
                self.resend_authorized(now, call, reply, attempt, Purpose::Reinvite)
        {
            call.reinvite = Some(Box::new(Reinvite::Out { client, seq }));
            return;
        }
        self.reinvite_over(call, reply.client);
        if call.state != CallState::Established {
            return;
        }
        let reason = reply.response.reason().into_owned();
        if status == StatusCode::REQUEST_PENDING {
            // 14.1: the owner of the Call-ID waits longer, so that the two do not meet again.
            let wait = if call.caller {
                2100 + 10 * self.draw.below(191)
            } else {
                10 * self.draw.below(201)
            };
            let until = after(now, Duration::from_millis(wait.into()));
            call.reinvite = Some(Box::new(Reinvite::Wait { until, reason }));
            return;
        }
        self.out.tell(Event::ReinviteFailed {
            call: CallId(key),
            status,
            reason,
        });
        if matches!(status.code(), 408 | 481) {
            self.lost(now, call, status, reply.response);
        }
    }

    /// The wait after 491 is over.
    pub(crate) fn glare_due(&mut self, now: Instant, call: &mut Call) {
        let over =
            matches!(call.reinvite.as_deref(), Some(Reinvite::Wait { until, .. }) if *until <= now);
        if !over {
            return;
        }
        let reason = match call.reinvite.take().map(|reinvite| *reinvite) {
            Some(Reinvite::Wait { reason, .. }) => reason,
            _ => String::new(),
        };
        if let (Some(key), CallState::Established) = (call.key, call.state) {
            let status = StatusCode::REQUEST_PENDING;
            self.out.tell(Event::ReinviteFailed {
                call: CallId(key),
                status,
                reason,
            });
        }
    }
}
