//! Our changes of a session: re-INVITE (RFC 3261 section 14.1, with its waits after 491) and
//! UPDATE (RFC 3311), and the refreshes of RFC 4028 by either.

use std::time::{Duration, Instant};

use super::body::Body;
use super::call::{Call, CallState, Reinvite};
use super::clients::{Purpose, Reply};
use super::command::CommandError;
use super::event::{CallId, Event};
use super::session::Demand;
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
        self.may_change(call)?;
        let (method, purpose) = (Method::Invite, Purpose::Reinvite);
        let (client, seq) = self.send_offer(now, call, method, purpose, Some(&offer))?;
        call.offers.local_offer()?;
        call.sent_body = Some(offer);
        call.reinvite = Some(Box::new(Reinvite::Out {
            client,
            seq,
            offer: true,
            refresh: false,
        }));
        Ok(())
    }

    pub(crate) fn start_update(
        &mut self,
        now: Instant,
        call: &mut Call,
        offer: Body,
    ) -> Result<(), CommandError> {
        self.may_change(call)?;
        if !call.peer_updates {
            return Err(CommandError::State("a peer that allows UPDATE"));
        }
        let (method, purpose) = (Method::Update, Purpose::Update);
        let (client, seq) = self.send_offer(now, call, method, purpose, Some(&offer))?;
        call.offers.local_offer()?;
        call.sent_body = Some(offer);
        call.reinvite = Some(Box::new(Reinvite::Out {
            client,
            seq,
            offer: true,
            refresh: false,
        }));
        Ok(())
    }

    fn may_change(&self, call: &Call) -> Result<(), CommandError> {
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
        Ok(call.offers.may_offer()?)
    }

    /// Sends a re-INVITE or UPDATE.
    pub(crate) fn send_offer(
        &mut self,
        now: Instant,
        call: &mut Call,
        method: Method,
        purpose: Purpose,
        body: Option<&Body>,
    ) -> Result<(Key, u32), CommandError> {
        let contact = self.local_contact(call);
        let supported = self.supported();
        let allow = self.allow.clone();
        let packages = self.recv_info();
        let session = call.session.take();
        // Only what the builder needs of the endpoint, which sends meanwhile.
        let headers = self.session_values(session.as_deref(), call.demand);
        let sent = self.send_request_inside(now, call, method, purpose, |builder| {
            let mut builder = builder
                .header(HeaderName::CONTACT, contact)
                .header(HeaderName::ALLOW, &allow);
            if !supported.is_empty() {
                builder = builder.header(HeaderName::SUPPORTED, supported);
            }
            if let Some(packages) = packages {
                builder = builder.header(HeaderName::RECV_INFO, packages);
            }
            for (name, value) in headers {
                builder = builder.header(name, value);
            }
            match body {
                Some(body) => wire::with_body(builder, body),
                None => builder,
            }
        });
        call.session = session;
        sent
    }

    /// Whether this transaction is the change that is out; if so it is out no longer.
    pub(crate) fn reinvite_over(&mut self, call: &mut Call, client: Key) -> bool {
        match call.reinvite.as_deref() {
            Some(Reinvite::Out {
                client: out, offer, ..
            }) if *out == client => {
                if *offer {
                    call.offers.abandon();
                }
                call.reinvite = None;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn reinvite_response(
        &mut self,
        now: Instant,
        call: &mut Call,
        purpose: Purpose,
        reply: &Reply<'_>,
    ) {
        let Some(status) = reply.response.status().filter(|status| status.is_final()) else {
            return;
        };
        call.flow = Some(reply.flow);
        let (seq, offer, refresh) = match call.reinvite.as_deref() {
            Some(Reinvite::Out {
                client,
                seq,
                offer,
                refresh,
            }) if *client == reply.client => (*seq, *offer, *refresh),
            _ => return,
        };
        let Some(key) = call.key else { return };
        if status.is_success() {
            call.note_peer(reply.response);
            if let Some(dialog) = call.dialog() {
                dialog.refresh_target(reply.response);
            }
            let answer = wire::session(reply.response).filter(|_| offer);
            if answer.is_some() {
                // Our own offer is out, or `offer` would be false.
                let _ = call.offers.remote_answer();
            }
            self.reinvite_over(call, reply.client);
            if purpose == Purpose::Reinvite {
                self.acknowledge(call, reply.client, seq, None);
            }
            if call.state == CallState::Established {
                self.session_answered(now, call, reply.response);
                // A refresh that changed nothing is nobody's business.
                if !refresh || answer.as_ref().is_some_and(|answer| !call.has_got(answer)) {
                    call.got(answer.as_ref());
                    self.out.tell(Event::ReinviteAnswered {
                        call: CallId(key),
                        answer,
                        response: reply.response.clone(),
                    });
                }
            }
            return;
        }
        if matches!(status.code(), 401 | 407)
            && call.state == CallState::Established
            && let Ok(attempt) = self.authorize(call, reply)
            && let Ok((client, seq)) = self.resend_authorized(now, call, reply, attempt, purpose)
        {
            call.reinvite = Some(Box::new(Reinvite::Out {
                client,
                seq,
                offer,
                refresh,
            }));
            return;
        }
        self.reinvite_over(call, reply.client);
        if call.state != CallState::Established {
            return;
        }
        if status.code() == 422 {
            // The next refresh says so; a change that the application wanted fails like any other.
            call.demand = self
                .demanded(reply.response, call.demand)
                .unwrap_or(call.demand);
        }
        let reason = reply.response.reason().into_owned();
        if status == StatusCode::REQUEST_PENDING && !refresh {
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
        if !refresh {
            self.out.tell(Event::ReinviteFailed {
                call: CallId(key),
                status,
                reason,
            });
        }
        if matches!(status.code(), 408 | 481) {
            self.lost(now, call, status, reply.response);
        }
    }

    /// The wait after 491 is over.
    pub(crate) fn glare_due(&mut self, now: Instant, call: &mut Call) {
        let over = matches!(
            call.reinvite.as_deref(),
            Some(Reinvite::Wait { until, .. }) if *until <= now
        );
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

    /// What 422 asked of this call so far.
    pub(crate) fn raise_demand(&self, call: &mut Call, response: &crate::Message) -> bool {
        match self.demanded(response, call.demand) {
            Some(Demand { seconds }) => {
                call.demand = Demand { seconds };
                true
            }
            None => false,
        }
    }
}
