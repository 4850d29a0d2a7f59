//! The peer's UPDATE (RFC 3311 section 5.2).

use std::time::Instant;

use super::body::Body;
use super::call::{Arrival, Call, CallState};
use super::command::CommandError;
use super::event::{CallId, Event};
use super::table::Key;
use super::{Endpoint, wire};
use crate::dialog::OfferAnswerState;
use crate::transaction::after;
use crate::{HeaderName, Message, StatusCode};

impl Endpoint {
    /// The peer's UPDATE: a change, or only a refresh (RFC 3311 section 5.2).
    pub(crate) fn updated(
        &mut self,
        now: Instant,
        server: Key,
        call: &mut Call,
        request: &Message,
    ) {
        let grant = match self.session_asked(request) {
            Ok(grant) => grant,
            Err(min) => return self.respond_min_se(now, server, request, min),
        };
        if let Some(lacking) = self.unsupported(request) {
            self.respond_status(now, server, request, StatusCode::BAD_EXTENSION, |builder| {
                builder.header(HeaderName::UNSUPPORTED, lacking)
            });
            return;
        }
        let offer = wire::session(request);
        let tag = wire::from_tag(request).unwrap_or_default();
        let early = call.outgoing.as_deref();
        let deaf = early.is_some_and(|outgoing| !outgoing.invite.early_offers);
        if offer.is_some() {
            let refused = match call.offers_in(tag).state() {
                _ if call.update.is_some() => Some(StatusCode::SERVER_INTERNAL_ERROR),
                _ if deaf => Some(StatusCode::REQUEST_PENDING),
                OfferAnswerState::RemoteOffer => Some(StatusCode::SERVER_INTERNAL_ERROR),
                OfferAnswerState::LocalOffer => Some(StatusCode::REQUEST_PENDING),
                OfferAnswerState::Idle => None,
            };
            if let Some(status) = refused {
                let wait =
                    (status == StatusCode::SERVER_INTERNAL_ERROR).then(|| self.draw.below(11));
                self.respond_status(now, server, request, status, |builder| match wait {
                    Some(wait) => builder.header_display(HeaderName::RETRY_AFTER, wait),
                    None => builder,
                });
                return;
            }
        }
        call.note_peer(request);
        if let Some(at) = call.dialog_at(tag) {
            call.dialogs[at].refresh_target(request);
        }
        let mut arrival = self.arrival(now, server, request);
        arrival.grant = grant;
        if offer.is_none() {
            // Building it fails only for a request that could not be answered at all.
            let _ = self.respond_update(now, call, &arrival, None);
            return;
        }
        call.got(offer.as_ref());
        // Seen to be possible above.
        let _ = call.offers_in(tag).remote_offer();
        // The client gives up after timer F; half of that is left for the way.
        arrival.until = arrival.until.min(after(now, self.config.timers.f / 2));
        call.update = Some(Box::new(arrival));
        if let Some(key) = call.key {
            self.out.tell(Event::Offered {
                call: CallId(key),
                offer,
                request: request.clone(),
            });
        }
    }

    fn respond_update(
        &mut self,
        now: Instant,
        call: &mut Call,
        arrival: &Arrival,
        body: Option<&Body>,
    ) -> Result<(), CommandError> {
        let contact = self.local_contact(call);
        let tag = self.server_tag(arrival.server);
        let mut builder = self
            .identify(arrival.request.reply(StatusCode::OK))
            .to_tag(&tag)
            .header(HeaderName::CONTACT, contact)
            .header(HeaderName::ALLOW, &self.allow);
        builder = Self::session_response(builder, arrival.grant);
        if let Some(body) = body {
            builder = wire::response_with_body(builder, body);
        }
        let response = builder.build()?;
        self.respond(now, arrival.server, &response);
        if matches!(call.state, CallState::Established | CallState::Accepted) {
            self.session_granted(now, call, arrival.grant);
        }
        Ok(())
    }

    pub(crate) fn accept_update(
        &mut self,
        now: Instant,
        call: &mut Call,
        body: Body,
    ) -> Result<(), CommandError> {
        let Some(arrival) = call.update.take() else {
            return Err(CommandError::State("an offer of the peer's"));
        };
        if let Err(error) = self.respond_update(now, call, &arrival, Some(&body)) {
            call.update = Some(arrival);
            return Err(error);
        }
        let tag = wire::from_tag(&arrival.request).unwrap_or_default();
        call.offers_in(tag).local_answer()?;
        call.sent_body = Some(body);
        // A 200 to the INVITE may have waited for this one.
        self.send_held(now, call);
        Ok(())
    }

    pub(crate) fn refuse_update(
        &mut self,
        now: Instant,
        call: &mut Call,
        status: StatusCode,
    ) -> Result<(), CommandError> {
        let Some(arrival) = call.update.take() else {
            return Err(CommandError::State("an offer of the peer's"));
        };
        self.respond_status(now, arrival.server, &arrival.request, status, |builder| {
            builder
        });
        let tag = wire::from_tag(&arrival.request).unwrap_or_default();
        call.offers_in(tag).abandon();
        self.send_held(now, call);
        Ok(())
    }

    pub(crate) fn update_due(&mut self, now: Instant, call: &mut Call) {
        if call
            .update
            .as_ref()
            .is_some_and(|update| update.until <= now)
        {
            // RFC 3311 section 5.2: what needs a person cannot be decided in an UPDATE.
            let _ = self.refuse_update(now, call, StatusCode::SERVER_TIMEOUT);
            if let Some(key) = call.key {
                self.out.tell(Event::OfferWithdrawn { call: CallId(key) });
            }
        }
    }
}
