//! Requests inside a call, from the peer and to it, and the call's own deadlines.

use std::time::Instant;

use super::body::Body;
use super::call::{Call, CallState, Reinvite};
use super::clients::{Failure, Purpose, Reply};
use super::command::CommandError;
use super::credentials::with_digest_request;
use super::event::{CallId, Event};
use super::flow::Flow;
use super::refer::Referrals;
use super::table::Key;
use super::{EndCause, EndKind, EndedBy, Endpoint, wire};
use crate::auth::Attempt;
use crate::dialog::{DialogError, Due};
use crate::transaction::Timer;
use crate::{HeaderName, Message, Method, RequestBuilder, StatusCode};

impl Endpoint {
    /// A request with our tag in To.
    pub(crate) fn request_inside(
        &mut self,
        now: Instant,
        flow: Flow,
        key: Key,
        request: &Message,
        method: &Method,
        name: Box<str>,
    ) {
        let Some(server) = self.start_server(now, flow, request, method, name) else {
            self.counters.overload += 1;
            return;
        };
        let from = wire::from_tag(request).unwrap_or_default();
        let known = self.with_call(key, |endpoint, call| {
            let known = |call: &Call| {
                let mut dialogs = call.dialogs.iter();
                dialogs.position(|dialog| dialog.remote_tag() == from)
            };
            let mut at = known(call);
            if at.is_none()
                && *method == Method::Notify
                && endpoint.notify_makes_dialog(now, call, request)
            {
                at = known(call);
            }
            let Some(at) = at else {
                return false;
            };
            call.flow = Some(flow);
            match call.dialogs[at].admit(request) {
                Ok(()) => endpoint.admitted(now, server, call, request, method),
                Err(DialogError::OutOfOrder) => {
                    let status = StatusCode::SERVER_INTERNAL_ERROR;
                    endpoint.respond_status(now, server, request, status, |builder| builder);
                }
                Err(_) => {
                    let status = StatusCode::BAD_REQUEST;
                    endpoint.respond_status(now, server, request, status, |builder| builder);
                }
            }
            true
        });
        if known != Some(true) {
            let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            self.respond_status(now, server, request, status, |builder| builder);
        }
    }

    fn admitted(
        &mut self,
        now: Instant,
        server: Key,
        call: &mut Call,
        request: &Message,
        method: &Method,
    ) {
        let gone = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        match method {
            Method::Notify if self.notified(now, server, call, request) => {}
            Method::Subscribe if !self.config.subscriptions.packages.is_empty() => {
                self.subscribed(now, server, call, request, None);
            }
            // A refresh of what a REFER began.
            Method::Subscribe if call.subs.iter().any(|sub| sub.notifier) => {
                self.subscribed(now, server, call, request, None);
            }
            // The call is over, only subscriptions in its dialog are not (RFC 5057).
            Method::Bye
            | Method::Invite
            | Method::Update
            | Method::Prack
            | Method::Info
            | Method::Refer
            | Method::Notify
                if call.state == CallState::Ended =>
            {
                self.respond_status(now, server, request, gone, |builder| builder);
            }
            Method::Refer if self.config.referrals != Referrals::Never => match call.state {
                CallState::Established | CallState::Accepted => {
                    self.referred(now, server, call, request, None);
                }
                _ => {
                    self.respond_status(now, server, request, gone, |builder| builder);
                }
            },
            Method::Bye => self.bye(now, server, call, request),
            Method::Invite => self.reinvited(now, server, call, request),
            Method::Update => self.updated(now, server, call, request),
            Method::Prack => self.pracked(now, server, call, request),
            Method::Options => self.respond_options(now, server, request),
            Method::Info => self.info_came(now, server, call, request),
            other if self.config.methods.contains(other) => {
                self.ask_for_response(now, server, call.key.map(CallId), request);
            }
            Method::Notify => {
                self.respond_status(now, server, request, gone, |builder| builder);
            }
            Method::Extension(_) => {
                let allowed = self.allow.clone();
                let allow = |b: crate::ResponseBuilder| b.header(HeaderName::ALLOW, &allowed);
                self.respond_status(now, server, request, StatusCode::NOT_IMPLEMENTED, allow);
            }
            _ => {
                let allowed = self.allow.clone();
                let allow = |b: crate::ResponseBuilder| b.header(HeaderName::ALLOW, &allowed);
                self.respond_status(now, server, request, StatusCode::METHOD_NOT_ALLOWED, allow);
            }
        }
    }

    /// The peer hung up (15.1.2).
    fn bye(&mut self, now: Instant, server: Key, call: &mut Call, request: &Message) {
        self.respond_status(now, server, request, StatusCode::OK, |builder| builder);
        if call.arrival.is_some() {
            let _ = self.refuse_invite(now, call, StatusCode::REQUEST_TERMINATED, None);
        }
        if call.update.is_some() {
            let _ = self.refuse_update(now, call, StatusCode::REQUEST_TERMINATED);
        }
        match call.state {
            // The other branches of our INVITE go on; only this early dialog ended.
            CallState::Calling | CallState::Cancelling => {
                let from = wire::from_tag(request).unwrap_or_default();
                call.dialogs.retain(|dialog| dialog.remote_tag() != from);
            }
            // Our own BYE crossed it and ends the call when it is answered; one that still
            // waited for an ACK is not needed any more.
            CallState::Leaving if call.success.is_none() => {}
            CallState::Leaving => {
                let cause = self.take_ending(call, EndKind::HungUp);
                self.end(call, cause, Some(request.clone()));
            }
            _ => {
                let cause = EndCause::new(EndedBy::Remote, EndKind::HungUp)
                    .with_reason(wire::reason(request).as_deref());
                self.end(call, cause, Some(request.clone()));
            }
        }
    }

    /// The peer's re-INVITE (14.2).
    fn reinvited(&mut self, now: Instant, server: Key, call: &mut Call, request: &Message) {
        let refused = match call.state {
            CallState::Established | CallState::Accepted => None,
            CallState::Incoming => Some(StatusCode::SERVER_INTERNAL_ERROR),
            _ => Some(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
        };
        let pending = call.ack_due.is_some()
            || matches!(
                call.reinvite.as_deref(),
                Some(Reinvite::Out { offer: true, .. })
            );
        let refused = refused.or_else(|| {
            if call.arrival.is_some() {
                Some(StatusCode::SERVER_INTERNAL_ERROR)
            } else if pending || call.offers.may_offer().is_err() {
                Some(StatusCode::REQUEST_PENDING)
            } else {
                None
            }
        });
        if let Some(status) = refused {
            // 14.2: 500 bears a random wait of 0 to 10 s.
            let wait = (status == StatusCode::SERVER_INTERNAL_ERROR).then(|| self.draw.below(11));
            self.respond_status(now, server, request, status, |builder| match wait {
                Some(wait) => builder.header_display(HeaderName::RETRY_AFTER, wait),
                None => builder,
            });
            return;
        }
        if let Some(lacking) = self.unsupported(request) {
            self.respond_status(now, server, request, StatusCode::BAD_EXTENSION, |builder| {
                builder.header(HeaderName::UNSUPPORTED, lacking)
            });
            return;
        }
        if let Err(min) = self.session_asked(request) {
            self.respond_min_se(now, server, request, min);
            return;
        }
        call.note_peer(request);
        let offer = wire::session(request);
        call.got(offer.as_ref());
        if offer.is_some() {
            // Seen to be possible above.
            let _ = call.offers.remote_offer();
        }
        // A new INVITE shows that our last 200 arrived, even though its ACK was lost.
        if call.success.take().is_some() && call.state == CallState::Accepted {
            call.state = CallState::Established;
        }
        call.arrival = Some(Box::new(self.arrival(now, server, request)));
        if let Some(server) = self.servers_get(server) {
            server.owner = call.key;
        }
        if let Some(key) = call.key {
            self.out.tell(Event::Offered {
                call: CallId(key),
                offer,
                request: request.clone(),
            });
        }
    }

    /// Sends a request in the confirmed dialog.
    pub(crate) fn send_inside(
        &mut self,
        now: Instant,
        call: &mut Call,
        method: Method,
        finish: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<(), CommandError> {
        let purpose = match method {
            Method::Bye => Purpose::Bye,
            Method::Invite => Purpose::Reinvite,
            _ => Purpose::Info,
        };
        self.send_request_inside(now, call, method, purpose, finish)
            .map(|_| ())
    }

    pub(crate) fn send_request_inside(
        &mut self,
        now: Instant,
        call: &mut Call,
        method: Method,
        purpose: Purpose,
        finish: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<(Key, u32), CommandError> {
        self.send_request_at(now, call, 0, method, purpose, finish)
    }

    /// Sends a request in one of a call's dialogs.
    pub(crate) fn send_request_at(
        &mut self,
        now: Instant,
        call: &mut Call,
        at: usize,
        method: Method,
        purpose: Purpose,
        finish: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<(Key, u32), CommandError> {
        let (flow, sent, key) = (call.flow, call.target.clone(), call.key);
        let Some(dialog) = call.dialogs.get_mut(at) else {
            return Err(CommandError::State("an answered call"));
        };
        let to = self.hop(&dialog.next_hop(), flow, sent.as_ref());
        let via = self.via(&to);
        let builder = self.identify_request(dialog.request(method, &via));
        let mut request = finish(builder).build()?;
        let seq = dialog.local_seq();
        let mut attempt = Attempt::none();
        if let Some(auth) = call.auth.as_deref_mut() {
            attempt = with_digest_request(&request, |digest| auth.attempt(digest));
            if !attempt.is_empty() {
                let mut editor = request.edit();
                for (name, value) in attempt.headers() {
                    editor = editor.append(name, value);
                }
                request = editor.build()?;
            }
        }
        let client = self.start_client(now, request, to, key, purpose, attempt)?;
        Ok((client, seq))
    }

    /// Ends a call with what fits its state.
    pub(crate) fn leave(
        &mut self,
        now: Instant,
        call: &mut Call,
        mut cause: EndCause,
        reason: Option<String>,
    ) -> Result<(), CommandError> {
        match call.state {
            CallState::Cancelling | CallState::Leaving | CallState::Ended => {
                return Err(CommandError::State("a call that is not ending already"));
            }
            CallState::Resolving => {
                if let Some(question) = call.outgoing.as_ref().and_then(|out| out.question) {
                    self.take_question(question);
                }
                cancelled(&mut cause);
                self.end(call, cause, None);
            }
            CallState::Calling => {
                cancelled(&mut cause);
                call.state = CallState::Cancelling;
                call.ending = Some(Box::new(cause));
                if let Some(outgoing) = call.outgoing.as_deref_mut() {
                    outgoing.rings_until = None;
                    outgoing.way = None;
                    outgoing.reason = reason;
                }
                self.send_cancel(now, call);
            }
            CallState::Incoming => {
                self.refuse_invite(now, call, StatusCode::DECLINE, None)?;
                cause.kind = EndKind::Rejected;
                let cause = cause.with_status(StatusCode::DECLINE, StatusCode::DECLINE.reason());
                self.end(call, cause, None);
            }
            // Section 15: the callee waits for the ACK, or for having waited long enough.
            CallState::Accepted => {
                call.state = CallState::Leaving;
                call.ending = Some(Box::new(cause));
                call.bye_reason = reason;
            }
            CallState::Established => {
                call.bye_reason = reason;
                self.send_bye(now, call, cause);
            }
        }
        Ok(())
    }

    /// Sends BYE; the call ends when it is answered.
    pub(crate) fn send_bye(&mut self, now: Instant, call: &mut Call, cause: EndCause) {
        call.state = CallState::Leaving;
        call.success = None;
        if call.ack_due.is_some() {
            let _ = self.send_due_ack(now, call, None);
        }
        if matches!(call.reinvite.as_deref(), Some(Reinvite::Wait { .. })) {
            call.reinvite = None;
        }
        if call.arrival.is_some() {
            let _ = self.refuse_invite(now, call, StatusCode::REQUEST_TERMINATED, None);
        }
        if call.update.is_some() {
            let _ = self.refuse_update(now, call, StatusCode::REQUEST_TERMINATED);
        }
        call.session = None;
        let reason = call.bye_reason.take();
        let sent = self.send_inside(now, call, Method::Bye, |builder| match &reason {
            Some(reason) => builder.header(HeaderName::REASON, reason),
            None => builder,
        });
        match sent {
            Ok(()) => call.ending = Some(Box::new(cause)),
            // No room for a transaction: the peer will find out by itself.
            Err(_) => self.end(call, cause, None),
        }
    }

    /// The ACK that waited for the application's answer.
    pub(crate) fn send_due_ack(
        &mut self,
        _now: Instant,
        call: &mut Call,
        body: Option<Body>,
    ) -> Result<(), CommandError> {
        if body.is_some() {
            call.offers.local_answer()?;
            call.sent_body = body.clone();
        } else {
            call.offers.abandon();
        }
        if let Some(due) = call.ack_due.take() {
            self.acknowledge(call, due.client, due.seq, body.as_ref());
        }
        Ok(())
    }

    /// A response to BYE or INFO.
    pub(crate) fn inside_response(
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
        if purpose == Purpose::Prack && call.is_changing(reply.client) {
            self.reinvite_response(now, call, purpose, reply);
            return;
        }
        if matches!(status.code(), 401 | 407)
            && let Ok(attempt) = self.authorize(call, reply)
            && let Ok((client, _)) = self.resend_authorized(now, call, reply, attempt, purpose)
        {
            self.prack_again(call, reply.client, client);
            return;
        }
        if purpose == Purpose::Bye {
            // 15.1.1: over, whatever the status says.
            let cause = self.take_ending(call, EndKind::HungUp);
            self.end(call, cause, Some(reply.response.clone()));
            return;
        }
        if purpose == Purpose::Prack {
            self.prack_over(call, reply.client);
            return;
        }
        if let (Some(key), Some(method)) = (call.key, reply.request.method()) {
            self.out.tell(Event::RequestAnswered {
                call: CallId(key),
                method,
                status,
                response: Some(reply.response.clone()),
            });
        }
        if matches!(status.code(), 408 | 481) {
            self.lost(now, call, status, reply.response);
        }
    }

    /// 12.2.1.2: the peer says that the call does not exist, or nothing answers any more.
    pub(crate) fn lost(
        &mut self,
        now: Instant,
        call: &mut Call,
        status: StatusCode,
        response: &Message,
    ) {
        if !matches!(call.state, CallState::Established | CallState::Accepted) {
            return;
        }
        let cause =
            EndCause::new(EndedBy::Remote, EndKind::Lost).with_status(status, &response.reason());
        self.send_bye(now, call, cause);
    }

    /// A request inside the call got no final response.
    pub(crate) fn inside_failed(
        &mut self,
        now: Instant,
        call: &mut Call,
        client: Key,
        purpose: Purpose,
        failure: Failure,
    ) {
        if purpose == Purpose::Bye {
            let cause = self.take_ending(call, EndKind::HungUp);
            self.end(call, cause, None);
            return;
        }
        self.prack_over(call, client);
        if self.reinvite_over(call, client) && call.is_early() {
            // The INVITE goes on; whether the peer lives is found out by it.
            self.reinvite_lost(now, call, StatusCode::REQUEST_TIMEOUT);
            return;
        }
        if purpose == Purpose::Prack {
            return;
        }
        if !matches!(call.state, CallState::Established | CallState::Accepted) {
            return;
        }
        let host = call
            .flow
            .map(|flow| format!("{} over {}", flow.remote, flow.transport))
            .unwrap_or_else(|| call.host.clone());
        self.send_bye(now, call, failure.cause(host));
    }

    pub(crate) fn call_due(&mut self, now: Instant, key: Key) -> bool {
        self.with_call(key, |endpoint, call| {
            endpoint.subs_due(now, call);
            if call.state == CallState::Ended {
                return;
            }
            if call
                .outgoing
                .as_ref()
                .and_then(|o| o.rings_until)
                .is_some_and(|at| at <= now)
            {
                if let Some(outgoing) = call.outgoing.as_deref_mut() {
                    outgoing.rings_until = None;
                }
                let cause = EndCause::new(EndedBy::Timer, EndKind::RingTimeout);
                let _ = endpoint.leave(now, call, cause, None);
            }
            let due = match call.success.as_deref_mut() {
                Some(success) => success.repeat.due(now, &endpoint.config.timers),
                None => Due::Nothing,
            };
            match due {
                Due::Nothing => {}
                Due::Send => {
                    if let Some(success) = &call.success {
                        endpoint.out.send(success.to.clone(), success.bytes.clone());
                    }
                }
                Due::GiveUp => {
                    // 13.3.1.4: no ACK ever came, so that the dialog is ended with BYE.
                    let cause = match call.ending.take() {
                        Some(cause) => *cause,
                        None => EndCause::new(EndedBy::Timer, EndKind::TimedOut(Timer::H)),
                    };
                    endpoint.send_bye(now, call, cause);
                }
            }
            if call.ack_due.as_ref().is_some_and(|due| due.until <= now) {
                let kind = EndKind::Protocol("the offer in the 200 was never answered");
                endpoint.send_bye(now, call, EndCause::new(EndedBy::Local, kind));
            }
            endpoint.glare_due(now, call);
            endpoint.arrival_due(now, call);
            endpoint.reliable_due(now, call);
            endpoint.pracks_due(now, call);
            endpoint.update_due(now, call);
            endpoint.session_due(now, call);
        })
        .is_some()
    }
}

fn cancelled(cause: &mut EndCause) {
    if cause.kind == EndKind::HungUp {
        cause.kind = EndKind::Cancelled;
    }
}
