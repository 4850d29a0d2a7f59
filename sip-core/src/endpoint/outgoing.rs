//! Calls that we make: RFC 3261 section 13.2, with digest retries, failover and CANCEL.

use std::sync::Arc;
use std::time::Instant;

use super::body::Body;
use super::call::{Call, CallState, Outgoing};
use super::clients::{Failure, Purpose, Reply, cancel};
use super::command::{CommandError, Invite};
use super::config::LaterSdp;
use super::event::{CallId, Event};
use super::flow::Target;
use super::hops::{Place, is_sips};
use super::reliable::Provisional;
use super::table::Key;
use super::{EndCause, EndKind, EndedBy, Endpoint, wire};
use crate::auth::{Attempt, ClientAuth};
use crate::dialog::Dialog;
use crate::header::NameAddr;
use crate::transaction::after;
use crate::{HeaderName, Message, Method, StatusCode};

impl Endpoint {
    /// Calls someone. What follows comes as events with the id returned: first
    /// [`Event::Progress`], then [`Event::Answered`] or [`Event::Ended`].
    pub fn invite(&mut self, now: Instant, mut invite: Invite) -> Result<CallId, CommandError> {
        let now = self.advance(now);
        if !self.out.has_room() {
            return Err(CommandError::Full("outbox"));
        }
        check_headers(&invite.headers)?;
        let contact = self.through(&mut invite)?;
        let hop = match invite.route.first() {
            Some(route) => route.uri().map_err(crate::BuildError::Uri)?,
            None => invite.uri.clone(),
        };
        let place = self.place(&hop, invite.target.clone())?;
        if self.calls.is_full() {
            return Err(CommandError::Full("call table"));
        }
        let mut call = Call::new(
            true,
            Arc::from(self.draw.call_id()),
            Arc::from(self.draw.tag()),
        );
        call.contact = contact.map(String::into_boxed_str);
        call.sips = is_sips(&invite.uri, invite.route.first());
        call.host = hop.host_str().unwrap_or_default().to_owned();
        call.contact_user = match (&self.config.contact_user, invite.from.uri()) {
            (Some(user), _) => user.clone(),
            (None, Ok(uri)) => uri.user().unwrap_or_default().to_owned(),
            (None, Err(_)) => String::new(),
        };
        call.auth = invite
            .account
            .clone()
            .map(|account| Box::new(ClientAuth::new(account)));
        if invite.has_offer() {
            call.offers.local_offer()?;
        }
        call.outgoing = Some(Box::new(Outgoing {
            rings_until: invite.ring_timeout.map(|wait| after(now, wait)),
            invite,
            way: None,
            last: None,
            client: None,
            question: None,
            seq: 1,
            provisional: false,
            cancelled: false,
            early: Vec::new(),
            previews: Vec::new(),
            reason: None,
        }));
        let Some(key) = self.new_call(call) else {
            return Err(CommandError::Full("call table"));
        };
        let sent = self.with_call(key, |endpoint, call| match place {
            Place::At(target) => endpoint.send_invite(now, call, target).inspect_err(|_| {
                // The command fails as a whole: no event for a call that never was.
                call.state = CallState::Ended;
            }),
            Place::Ask(way) => endpoint.begin_way(now, call, way),
        });
        match sent {
            Some(Err(error)) => Err(error),
            _ => Ok(CallId(key)),
        }
    }

    /// Sends the first INVITE to an address, or sends it again to the next one.
    pub(crate) fn send_invite(
        &mut self,
        now: Instant,
        call: &mut Call,
        target: Target,
    ) -> Result<(), CommandError> {
        let via = self.via(&target);
        let contact = match &call.contact {
            Some(contact) => contact.to_string(),
            None => self.contact(&target, &call.contact_user, call.sips),
        };
        let Some(outgoing) = call.outgoing.as_deref_mut() else {
            return Ok(());
        };
        let invite = &outgoing.invite;
        let from = invite.from.without_tag().with_tag(&call.local_tag)?;
        let to = invite
            .to
            .as_ref()
            .map_or_else(|| NameAddr::new(&invite.uri), NameAddr::without_tag);
        let mut builder =
            Message::request(Method::Invite, &invite.uri).header(HeaderName::VIA, via);
        for route in &invite.route {
            builder = builder.header_display(HeaderName::ROUTE, route);
        }
        builder = builder
            .max_forwards(invite.max_forwards)
            .header_display(HeaderName::FROM, from)
            .header_display(HeaderName::TO, to)
            .header(HeaderName::CALL_ID, call.call_id.as_bytes())
            .cseq(outgoing.seq)
            .header(HeaderName::CONTACT, contact)
            .header(HeaderName::ALLOW, &self.allow);
        let mut supported = self.supported();
        if !invite.has_offer() && !invite.early_offers {
            // A reliable response would carry an offer, and PRACK our answer.
            let but = supported.split(", ").filter(|tag| *tag != "100rel");
            supported = but.collect::<Vec<_>>().join(", ");
        }
        if !supported.is_empty() {
            builder = builder.header(HeaderName::SUPPORTED, supported);
        }
        if let Some(packages) = self.recv_info() {
            builder = builder.header(HeaderName::RECV_INFO, packages);
        }
        for (name, value) in self.session_values(None, call.demand) {
            builder = builder.header(name, value);
        }
        builder = self.identify_request(builder);
        for (name, value) in &invite.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = &invite.body {
            builder = wire::with_body(builder, body);
        }
        let request = builder.build()?;
        let attempt = Attempt::none();
        let client = self.start_client(
            now,
            request,
            target.clone(),
            call.key,
            Purpose::Invite,
            attempt,
        )?;
        if let Some(outgoing) = call.outgoing.as_deref_mut() {
            outgoing.client = Some(client);
            outgoing.provisional = false;
            outgoing.cancelled = false;
            outgoing.early.clear();
            outgoing.previews.clear();
        }
        call.target = Some(target);
        call.state = CallState::Calling;
        Ok(())
    }

    /// The INVITE got no final response.
    pub(crate) fn invite_failed(
        &mut self,
        now: Instant,
        call: &mut Call,
        client: Key,
        failure: Failure,
    ) {
        if call.outgoing.as_ref().and_then(|outgoing| outgoing.client) != Some(client) {
            return;
        }
        if call.state == CallState::Cancelling {
            let cause = self.take_ending(call, EndKind::Cancelled);
            self.end(call, cause, None);
            return;
        }
        let host = match &call.target {
            Some(target)
                if !call.host.is_empty() && call.host != target.remote().ip().to_string() =>
            {
                format!("{} ({target})", call.host)
            }
            Some(target) => target.to_string(),
            None => call.host.clone(),
        };
        self.early_over(now, call, None);
        self.try_next(now, call, failure.cause(host), None);
    }

    pub(crate) fn take_ending(&mut self, call: &mut Call, otherwise: EndKind) -> EndCause {
        match call.ending.take() {
            Some(cause) => *cause,
            None => EndCause::new(EndedBy::Local, otherwise),
        }
    }

    /// A response to the INVITE that made the call.
    pub(crate) fn invite_response(&mut self, now: Instant, call: &mut Call, reply: &Reply<'_>) {
        let Some(status) = reply.response.status() else {
            return;
        };
        call.flow = Some(reply.flow);
        if status.is_provisional() {
            self.invite_progress(now, call, reply, status);
        } else if status.is_success() {
            self.invite_success(now, call, reply);
        } else {
            self.invite_failure(now, call, reply, status);
        }
    }

    fn invite_progress(
        &mut self,
        now: Instant,
        call: &mut Call,
        reply: &Reply<'_>,
        status: StatusCode,
    ) {
        let Some(outgoing) = call.outgoing.as_deref_mut() else {
            return;
        };
        if outgoing.client != Some(reply.client) {
            return;
        }
        outgoing.provisional = true;
        if call.state == CallState::Cancelling {
            self.send_cancel(now, call);
            return;
        }
        if status.code() == 100 {
            return;
        }
        let branch = wire::to_tag(reply.response).unwrap_or_default();
        let mut at = None;
        if !branch.is_empty() {
            at = call
                .dialogs
                .iter()
                .position(|dialog| dialog.remote_tag() == branch);
            match at {
                Some(at) => call.dialogs[at].confirm(reply.response),
                None if call.dialogs.len() >= self.config.bounds.forks => return,
                None => {
                    if let Ok(dialog) = Dialog::uac(reply.request, reply.response) {
                        at = Some(call.dialogs.len());
                        call.dialogs.push(dialog);
                    }
                }
            }
        }
        call.note_peer(reply.response);
        let agreed = call
            .early(branch)
            .is_some_and(|early| early.offers.completed() > 0);
        let reliable = match self.provisional(now, call, at, reply) {
            Provisional::Old => return,
            reliable => reliable == Provisional::Fresh,
        };
        self.report(call, status, &reply.response.reason());
        // Behind an agreed session it can only be a repetition, perhaps of what no longer holds.
        let preview = wire::session(reply.response).filter(|_| !agreed);
        let preview = preview.and_then(|body| self.previewed(call, branch, body));
        if let Some(key) = call.key {
            self.out.tell(Event::Progress {
                call: CallId(key),
                status,
                reason: reply.response.reason().into_owned(),
                branch: branch.to_owned(),
                preview,
                reliable,
                response: reply.response.clone(),
            });
        }
    }

    /// Notes a preview of the answer; gives it back if it is to be heard.
    fn previewed(&self, call: &mut Call, branch: &str, body: Body) -> Option<Body> {
        let previews = &mut call.outgoing.as_deref_mut()?.previews;
        let room = previews.len() < self.config.bounds.forks;
        match previews.iter_mut().find(|(tag, _)| **tag == *branch) {
            Some(_) if self.config.later_sdp == LaterSdp::Ignore => return None,
            Some((_, last)) => *last = body.clone(),
            // As many as there are early dialogs, which are bounded.
            None if room => previews.push((branch.into(), body.clone())),
            None => {}
        }
        Some(body)
    }

    fn invite_success(&mut self, now: Instant, call: &mut Call, reply: &Reply<'_>) {
        let branch = wire::to_tag(reply.response).unwrap_or_default();
        let current = call
            .outgoing
            .as_ref()
            .is_some_and(|o| o.client == Some(reply.client));
        if !current {
            // Answered before: an answer of another branch, or of the same one, whose ACK waits
            // for the application (13.2.2.4).
            if !call
                .dialogs
                .iter()
                .any(|dialog| dialog.remote_tag() == branch)
            {
                self.decline_success(now, reply, Some(call));
            }
            return;
        }
        let known = call
            .dialogs
            .iter()
            .position(|dialog| dialog.remote_tag() == branch);
        let dialog = match known {
            Some(at) => {
                let mut dialog = call.dialogs.swap_remove(at);
                dialog.confirm(reply.response);
                Ok(dialog)
            }
            None => Dialog::uac(reply.request, reply.response),
        };
        let Ok(dialog) = dialog else {
            let cause = EndCause::new(EndedBy::Remote, EndKind::Protocol("a 200 without a dialog"));
            self.end(call, cause, Some(reply.response.clone()));
            return;
        };
        let seq = wire::cseq(reply.request).map_or(1, |(seq, _)| seq);
        call.dialogs = vec![dialog];
        let cancelled = call.state == CallState::Cancelling;
        call.note_peer(reply.response);
        let offered = call.outgoing.as_ref().is_some_and(|o| o.invite.has_offer());
        // What PRACK or UPDATE agreed on in this branch is the session; the others' is nobody's.
        let early = call
            .early(branch)
            .map(|early| (early.offers, early.answer.take()));
        self.early_over(now, call, Some(branch));
        let preview = call.outgoing.as_deref_mut().and_then(|outgoing| {
            let mut previews = outgoing.previews.drain(..);
            previews
                .find(|(tag, _)| **tag == *branch)
                .map(|(_, body)| body)
        });
        call.sent_body = call
            .outgoing
            .take()
            .and_then(|outgoing| outgoing.invite.body);
        call.state = CallState::Established;
        self.session_answered(now, call, reply.response);
        let last = wire::session(reply.response);
        let agreed = early
            .as_ref()
            .is_some_and(|(offers, _)| offers.completed() > 0);
        let body = match early {
            // What came reliably is the answer; the 200 may repeat it, but not change it.
            Some((offers, answer)) if agreed => {
                call.offers = offers;
                answer.filter(|_| offers.completed() == 1)
            }
            _ if !offered => last,
            _ => match self.config.later_sdp {
                LaterSdp::Follow => last.or(preview),
                LaterSdp::Ignore => preview.or(last),
            },
        };
        if !agreed {
            call.got(body.as_ref());
        }
        let broken = match (offered, &body) {
            _ if agreed => None,
            (true, Some(_)) => call
                .offers
                .remote_answer()
                .err()
                .map(|_| "an answer too many"),
            (true, None) => Some("a 200 without an answer"),
            (false, Some(_)) => call
                .offers
                .remote_offer()
                .err()
                .map(|_| "an offer too many"),
            (false, None) => Some("a 200 without an offer"),
        };
        if cancelled || broken.is_some() || offered || agreed {
            self.acknowledge(call, reply.client, seq, None);
        } else {
            let until = after(now, self.config.timers.h);
            call.ack_due = Some(Box::new(super::call::AckDue {
                client: reply.client,
                seq,
                until,
            }));
        }
        if cancelled {
            // 9.1: the answer crossed the CANCEL, so that the call exists and must be ended.
            let cause = self.take_ending(call, EndKind::Cancelled);
            self.send_bye(now, call, cause);
            return;
        }
        if let Some(what) = broken {
            let cause = EndCause::new(EndedBy::Remote, EndKind::Protocol(what));
            self.send_bye(now, call, cause);
            return;
        }
        self.report(call, StatusCode::OK, &reply.response.reason());
        if let Some(key) = call.key {
            self.out.tell(Event::Answered {
                call: CallId(key),
                body,
                response: reply.response.clone(),
            });
        }
    }

    fn invite_failure(
        &mut self,
        now: Instant,
        call: &mut Call,
        reply: &Reply<'_>,
        status: StatusCode,
    ) {
        let Some(outgoing) = call.outgoing.as_deref_mut() else {
            return;
        };
        if outgoing.client != Some(reply.client) {
            return;
        }
        outgoing.client = None;
        let phrase = reply.response.reason().into_owned();
        let reason = wire::reason(reply.response);
        if call.state == CallState::Cancelling {
            let cause = self
                .take_ending(call, EndKind::Cancelled)
                .with_status(status, &phrase);
            self.end(call, cause, Some(reply.response.clone()));
            return;
        }
        self.early_over(now, call, None);
        let mut cause = EndCause::new(EndedBy::Remote, EndKind::Rejected)
            .with_status(status, &phrase)
            .with_reason(reason.as_deref());
        if matches!(status.code(), 401 | 407) {
            match self.authorize(call, reply) {
                Ok(attempt) => {
                    let sent = self.resend_authorized(now, call, reply, attempt, Purpose::Invite);
                    if let (Ok((client, seq)), Some(outgoing)) =
                        (sent, call.outgoing.as_deref_mut())
                    {
                        outgoing.client = Some(client);
                        outgoing.seq = seq;
                        outgoing.provisional = false;
                        // Early dialogs belonged to the refused request.
                        outgoing.early.clear();
                        outgoing.previews.clear();
                        call.dialogs.clear();
                        return;
                    }
                }
                Err(kind) => cause.kind = kind,
            }
        }
        if status == StatusCode::SESSION_INTERVAL_TOO_SMALL
            && self.raise_demand(call, reply.response)
            && let Some(outgoing) = call.outgoing.as_deref_mut()
        {
            outgoing.seq = outgoing.seq.saturating_add(1);
            call.dialogs.clear();
            if self.send_invite(now, call, reply.target.clone()).is_ok() {
                return;
            }
        }
        if self.offer_again(now, call, reply, status) {
            return;
        }
        let message = Some(reply.response.clone());
        if status.code() == 503 {
            self.try_next(now, call, cause, message);
        } else {
            self.end(call, cause, message);
        }
    }

    /// Offers the next alternative after a refusal of the session (RFC 3261 section 8.1.3.5); says whether there was one.
    fn offer_again(
        &mut self,
        now: Instant,
        call: &mut Call,
        reply: &Reply<'_>,
        status: StatusCode,
    ) -> bool {
        let Some(outgoing) = call.outgoing.as_deref_mut().filter(|outgoing| {
            matches!(status.code(), 406 | 415 | 488 | 606) && outgoing.invite.has_offer()
        }) else {
            return false;
        };
        if outgoing.invite.alternatives.is_empty() {
            return false;
        }
        outgoing.invite.body = Some(outgoing.invite.alternatives.remove(0));
        outgoing.seq = outgoing.seq.saturating_add(1);
        call.dialogs.clear();
        if self.send_invite(now, call, reply.target.clone()).is_err() {
            return false;
        }
        if let Some(key) = call.key {
            self.out.tell(Event::OfferedAgain {
                call: CallId(key),
                status,
                reason: reply.response.reason().into_owned(),
                response: reply.response.clone(),
            });
        }
        true
    }

    /// Sends the CANCEL that was waiting for a provisional response (9.1).
    pub(crate) fn send_cancel(&mut self, now: Instant, call: &mut Call) {
        let Some(outgoing) = call.outgoing.as_deref_mut() else {
            return;
        };
        let Some(client) = outgoing
            .client
            .filter(|_| outgoing.provisional && !outgoing.cancelled)
        else {
            return;
        };
        outgoing.cancelled = true;
        let Some((request, target)) = self.sent(client) else {
            return;
        };
        let (message, target) = (cancel(request, outgoing.reason.as_deref()), target.clone());
        if let Ok(message) = message {
            // A full table leaves the phone ringing until the INVITE's own end: nothing better is left.
            let _ = self.start_client(
                now,
                message,
                target,
                call.key,
                Purpose::Cancel,
                Attempt::none(),
            );
        }
        self.client_cancelled(now, client);
    }

    /// Sends the ACK for the 2xx with this CSeq, with the INVITE's credentials (22.1).
    pub(crate) fn acknowledge(
        &mut self,
        call: &mut Call,
        client: Key,
        seq: u32,
        body: Option<&Body>,
    ) {
        let (flow, sent) = (call.flow, call.target.clone());
        let Some(dialog) = call.dialogs.first() else {
            return;
        };
        let to = self.hop(&dialog.next_hop(), flow, sent.as_ref());
        let via = self.via(&to);
        let mut builder = dialog.ack(seq, &via);
        if let Some((request, _)) = self.sent(client) {
            builder = builder
                .copy(request, HeaderName::AUTHORIZATION)
                .copy(request, HeaderName::PROXY_AUTHORIZATION);
        }
        builder = self.identify_request(builder);
        if let Some(body) = body {
            builder = wire::with_body(builder, body);
        }
        let tag = dialog.remote_tag().to_owned();
        if let Ok(ack) = builder.build() {
            self.send_ack(client, &tag, &ack, to);
        }
    }
}

pub(crate) fn check_headers(headers: &[(String, String)]) -> Result<(), CommandError> {
    match headers
        .iter()
        .find(|(name, _)| wire::is_reserved(HeaderName::from(name)))
    {
        Some((name, _)) => Err(CommandError::ReservedHeader(name.clone())),
        None => Ok(()),
    }
}
