//! Requests that begin something here: RFC 3261 sections 8.2, 11.2 and 13.3, and the digest policy.

use std::sync::Arc;
use std::time::Instant;

use super::body::Body;
use super::call::{Arrival, Call, CallState, Reinvite, Success};
use super::command::CommandError;
use super::config::Uninvited;
use super::event::{CallId, Event};
use super::flow::Flow;
use super::refer::Referrals;
use super::table::Key;
use super::{EndCause, EndKind, EndedBy, Endpoint, wire};
use crate::dialog::{Dialog, OfferAnswerState, OfferError, Repeat};
use crate::transaction::after;
use crate::{HeaderName, Message, Method, StatusCode};

impl Endpoint {
    /// A request that belongs to no transaction yet.
    pub(crate) fn request(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Message,
        method: &Method,
        name: Box<str>,
    ) {
        if *method == Method::Cancel {
            self.cancelled(now, flow, request, name);
            return;
        }
        if let Some(tag) = wire::to_tag(request) {
            let found = wire::call_id(request).and_then(|id| self.find_call(id, tag));
            match found {
                Some(key) => self.request_inside(now, flow, key, request, method, name),
                None => {
                    let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
                    self.respond_stateless(flow, request, status, false, |builder| builder);
                }
            }
            return;
        }
        if self.drained_away(flow, request, method) {
            return;
        }
        if self.busy && *method == Method::Invite {
            self.counters.overload += 1;
            self.overloaded(flow, request);
            return;
        }
        let refused = match self.config.uninvited {
            Uninvited::Accept => None,
            Uninvited::Forbid => Some(Some(StatusCode::FORBIDDEN)),
            Uninvited::Unknown => Some(Some(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)),
            Uninvited::Unavailable => Some(Some(StatusCode::SERVICE_UNAVAILABLE)),
            Uninvited::Drop => Some(None),
        };
        if let Some(status) = refused {
            self.counters.uninvited += 1;
            if let Some(status) = status {
                self.respond_stateless(flow, request, status, false, |builder| match status {
                    StatusCode::SERVICE_UNAVAILABLE => {
                        builder.header(HeaderName::RETRY_AFTER, "10")
                    }
                    _ => builder,
                });
            }
            return;
        }
        if *method == Method::Invite && self.is_merged(request) {
            self.respond_stateless(flow, request, StatusCode::LOOP_DETECTED, false, |builder| {
                builder
            });
            return;
        }
        let Some(server) = self.start_server(now, flow, request, method, name) else {
            self.counters.overload += 1;
            if *method == Method::Invite {
                self.overloaded(flow, request);
            }
            return;
        };
        match method {
            Method::Options => self.respond_options(now, server, request),
            Method::Invite => self.invited(now, server, flow, request),
            Method::Register if self.config.registrar.is_some() => {
                self.register_arrived(now, server, flow, request);
            }
            Method::Subscribe if !self.config.subscriptions.packages.is_empty() => {
                self.admit(now, server, flow, request);
            }
            Method::Refer if self.config.referrals == Referrals::Anywhere => {
                self.admit(now, server, flow, request);
            }
            Method::Message if self.config.methods.contains(&Method::Message) => {
                self.admit(now, server, flow, request);
            }
            other if self.config.methods.contains(other) => {
                self.ask_for_response(now, server, None, request);
            }
            Method::Extension(_) => {
                let allowed = self.allow.clone();
                let allow = |b: crate::ResponseBuilder| b.header(HeaderName::ALLOW, &allowed);
                self.respond_status(now, server, request, StatusCode::NOT_IMPLEMENTED, allow);
            }
            // Those that only make sense inside a call.
            Method::Bye | Method::Info | Method::Notify | Method::Prack | Method::Update => {
                let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
                self.respond_status(now, server, request, status, |builder| builder);
            }
            _ => {
                let allowed = self.allow.clone();
                let allow = |b: crate::ResponseBuilder| b.header(HeaderName::ALLOW, &allowed);
                self.respond_status(now, server, request, StatusCode::METHOD_NOT_ALLOWED, allow);
            }
        }
    }

    fn overloaded(&mut self, flow: Flow, request: &Message) {
        self.respond_stateless(
            flow,
            request,
            StatusCode::SERVICE_UNAVAILABLE,
            false,
            |builder| builder.header(HeaderName::RETRY_AFTER, "10"),
        );
    }

    /// Capabilities (11.2).
    pub(crate) fn respond_options(&mut self, now: Instant, server: Key, request: &Message) {
        let allow = self.allow.clone();
        self.respond_status(now, server, request, StatusCode::OK, |builder| {
            builder
                .header(HeaderName::ALLOW, &allow)
                .header(HeaderName::ACCEPT, "application/sdp")
        });
    }

    /// Extensions that are required of us and that we lack (8.2.2.3).
    pub(crate) fn unsupported(&self, request: &Message) -> Option<String> {
        let known = self.supported();
        let lacking: Vec<String> = request
            .values(HeaderName::REQUIRE)
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .filter(|value| {
                !known
                    .split(", ")
                    .any(|known| known.eq_ignore_ascii_case(value))
            })
            .collect();
        (!lacking.is_empty()).then(|| lacking.join(", "))
    }

    /// An INVITE that makes a call.
    fn invited(&mut self, now: Instant, server: Key, flow: Flow, request: &Message) {
        if let Some(lacking) = self.unsupported(request) {
            self.respond_status(now, server, request, StatusCode::BAD_EXTENSION, |builder| {
                builder.header(HeaderName::UNSUPPORTED, lacking)
            });
            return;
        }
        if self.calls.is_full() {
            self.counters.overload += 1;
            self.respond_status(
                now,
                server,
                request,
                StatusCode::SERVICE_UNAVAILABLE,
                |builder| builder.header(HeaderName::RETRY_AFTER, "10"),
            );
            return;
        }
        if let Err(min) = self.session_asked(request) {
            self.respond_min_se(now, server, request, min);
            return;
        }
        self.admit(now, server, flow, request);
    }

    /// A request that begins something: through the digest policy, if there is one.
    fn admit(&mut self, now: Instant, server: Key, flow: Flow, request: &Message) {
        if self.config.digest.is_some() {
            self.authenticate(now, server, flow, request);
        } else {
            self.admitted_by(now, server, flow, request, None);
        }
    }

    /// The same once the digest policy is satisfied.
    pub(crate) fn admitted_by(
        &mut self,
        now: Instant,
        server: Key,
        flow: Flow,
        request: &Message,
        user: Option<String>,
    ) {
        match request.method() {
            Some(method @ (Method::Subscribe | Method::Refer)) => {
                let Some(key) = self.standing(now, server, flow, request) else {
                    return;
                };
                self.with_call(key, |endpoint, call| match method {
                    Method::Refer => endpoint.referred(now, server, call, request, user),
                    _ => endpoint.subscribed(now, server, call, request, user),
                });
            }
            Some(Method::Invite) => self.incoming(now, server, flow, request, user),
            _ => self.ask_for_response(now, server, None, request),
        }
    }

    /// A session timer that is too short (RFC 4028 section 9).
    pub(crate) fn respond_min_se(
        &mut self,
        now: Instant,
        server: Key,
        request: &Message,
        min: u64,
    ) {
        let status = StatusCode::SESSION_INTERVAL_TOO_SMALL;
        self.respond_status(now, server, request, status, |builder| {
            builder.header_display(HeaderName::MIN_SE, min)
        });
    }

    /// A call comes in.
    pub(crate) fn incoming(
        &mut self,
        now: Instant,
        server: Key,
        flow: Flow,
        request: &Message,
        user: Option<String>,
    ) {
        let tag: Arc<str> = self.server_tag(server).into();
        let Ok(dialog) = Dialog::uas(request, &tag) else {
            self.respond_status(now, server, request, StatusCode::BAD_REQUEST, |builder| {
                builder
            });
            return;
        };
        let mut call = Call::new(false, dialog.call_id().into(), tag);
        call.flow = Some(flow);
        call.sips = wire::is_sips(request);
        call.contact_user = match &self.config.contact_user {
            Some(user) => user.clone(),
            None => request
                .uri()
                .ok()
                .and_then(|uri| uri.user().map(str::to_owned))
                .unwrap_or_default(),
        };
        call.dialogs.push(dialog);
        call.note_peer(request);
        let offer = wire::session(request);
        call.got(offer.as_ref());
        if offer.is_some() {
            // A new machine takes an offer.
            let _ = call.offers.remote_offer();
        }
        call.arrival = Some(Box::new(self.arrival(now, server, request)));
        match self.replaced(request) {
            Ok(replaces) => call.replaces = replaces,
            Err(status) => {
                self.respond_status(now, server, request, status, |builder| builder);
                return;
            }
        }
        let replaces = call.replaces.map(CallId);
        let Some(key) = self.new_call(call) else {
            // Other callers took the last places while this one's credentials were looked up.
            self.counters.overload += 1;
            let status = StatusCode::SERVICE_UNAVAILABLE;
            self.respond_status(now, server, request, status, |builder| {
                builder.header(HeaderName::RETRY_AFTER, "10")
            });
            return;
        };
        if let Some(server) = self.servers_get(server) {
            server.owner = Some(key);
        }
        self.out.tell(Event::Incoming {
            call: CallId(key),
            flow,
            user,
            offer,
            replaces,
            request: request.clone(),
        });
    }

    pub(crate) fn arrival(&self, now: Instant, server: Key, request: &Message) -> Arrival {
        let until = after(now, self.config.answer_within);
        // One that asks for too little was refused before.
        let grant = self.session_asked(request).unwrap_or(None);
        Arrival {
            server,
            request: request.clone(),
            preview: None,
            until,
            grant,
            sent: Default::default(),
            again: None,
        }
    }

    /// An INVITE that waits for the application: its deadlines.
    pub(crate) fn arrival_due(&mut self, now: Instant, call: &mut Call) {
        let Some(arrival) = call.arrival.as_deref_mut() else {
            return;
        };
        if arrival.until <= now {
            if call.state == CallState::Incoming {
                let status = StatusCode::TEMPORARILY_UNAVAILABLE;
                let _ = self.refuse_invite(now, call, status, None);
                let cause = EndCause::new(EndedBy::Timer, EndKind::RingTimeout);
                self.end(call, cause.with_status(status, status.reason()), None);
            } else {
                let _ = self.refuse_invite(now, call, StatusCode::SERVER_INTERNAL_ERROR, None);
                if let Some(key) = call.key {
                    self.out.tell(Event::OfferWithdrawn { call: CallId(key) });
                }
            }
        } else if arrival.again.is_some_and(|at| at <= now) {
            arrival.again = Some(after(now, self.config.progress_every));
            let server = arrival.server;
            self.server_retransmitted(server);
        }
    }

    /// Sends a provisional response.
    pub(crate) fn ring(
        &mut self,
        now: Instant,
        call: &mut Call,
        status: StatusCode,
        body: Option<Body>,
    ) -> Result<(), CommandError> {
        if call.state != CallState::Incoming {
            return Err(CommandError::State(
                "an incoming call that is not answered yet",
            ));
        }
        let contact = self.local_contact(call);
        let Some(arrival) = call.arrival.as_deref_mut() else {
            return Err(CommandError::State(
                "an incoming call that is not answered yet",
            ));
        };
        if let (Some(before), Some(body)) = (&arrival.preview, &body)
            && before != body
        {
            return Err(OfferError::AnswerDiffers.into());
        }
        let reliable = self.is_reliable(&arrival.request, body.is_some());
        if reliable && arrival.sent.is_waiting() {
            arrival.sent.queue(status, body);
            return Ok(());
        }
        let answers = reliable && body.is_some() && !arrival.sent.answered;
        let mut offers = call.offers;
        if answers {
            // RFC 3262 section 5: the first reliable response to an INVITE without an offer bears
            // ours, and PRACK the answer.
            match offers.state() {
                OfferAnswerState::RemoteOffer => offers.local_answer()?,
                _ => offers.local_offer()?,
            }
        }
        let tag = self.server_tag(arrival.server);
        let mut builder = self
            .identify(arrival.request.reply(status))
            .to_tag(&tag)
            .header(HeaderName::CONTACT, contact)
            .header(HeaderName::ALLOW, &self.allow);
        let sequence = arrival.sent.next(1 + self.draw.below(0x7fff_0000));
        if reliable {
            builder = builder
                .header(HeaderName::REQUIRE, "100rel")
                .header_display(HeaderName::RSEQ, sequence);
        }
        // An answer may be repeated while it holds; an offer would be another one.
        let holds = offers.completed() < 2
            && offers.state() != OfferAnswerState::LocalOffer
            && !arrival.sent.offered;
        let repeats = !arrival.sent.answered || holds;
        if let Some(body) = body.as_ref().filter(|_| answers || repeats) {
            builder = wire::response_with_body(builder, body);
        }
        let response = builder.build()?;
        if let (true, Some(to)) = (reliable, self.server_target(arrival.server)) {
            let t1 = self.config.timers.t1;
            arrival
                .sent
                .sent(now, sequence, response.to_bytes(), to, t1);
        }
        if answers {
            arrival.sent.answered = true;
            arrival.sent.offered = call.offers.state() == OfferAnswerState::Idle;
            call.offers = offers;
        }
        arrival.again = Some(after(now, self.config.progress_every));
        if body.is_some() {
            arrival.preview = body;
        }
        let server = arrival.server;
        self.respond(now, server, &response);
        Ok(())
    }

    /// Our Contact towards this call's peer.
    pub(crate) fn local_contact(&self, call: &Call) -> String {
        if let Some(contact) = &call.contact {
            return contact.to_string();
        }
        let towards = match (&call.flow, &call.target) {
            (Some(flow), _) => super::Target::Flow(*flow),
            (None, Some(target)) => target.clone(),
            (None, None) => return String::new(),
        };
        self.contact(&towards, &call.contact_user, call.sips)
    }

    /// Answers an INVITE, the first or a later one, with 200.
    pub(crate) fn accept_invite(
        &mut self,
        now: Instant,
        call: &mut Call,
        body: Option<Body>,
    ) -> Result<(), CommandError> {
        let contact = self.local_contact(call);
        let Some(arrival) = call.arrival.as_deref_mut() else {
            return Err(CommandError::State("an INVITE of the peer's"));
        };
        let body = match (&arrival.preview, body) {
            (Some(preview), Some(body)) if *preview != body => {
                return Err(OfferError::AnswerDiffers.into());
            }
            (Some(preview), _) => Some(preview.clone()),
            (None, body) => body,
        };
        let changing =
            call.update.is_some() || matches!(call.reinvite.as_deref(), Some(Reinvite::Out { .. }));
        if arrival.sent.is_waiting() || (changing && arrival.sent.answered) {
            // RFC 3262 section 3: not while what a reliable response bears may be lost; nor while
            // somebody changes it.
            arrival.sent.hold_answer(body);
            return Ok(());
        }
        // What came after the early answer is the session now; the 200 must not bring it back.
        let body = body.filter(|_| {
            !arrival.sent.answered || (call.offers.completed() < 2 && !arrival.sent.offered)
        });
        let mut offers = call.offers;
        match (offers.state(), &body) {
            // The answer went out reliably; the 200 repeats it for those who look only there.
            _ if arrival.sent.answered => {}
            (OfferAnswerState::RemoteOffer, Some(_)) => offers.local_answer()?,
            (OfferAnswerState::RemoteOffer, None) => return Err(OfferError::AnswerMissing.into()),
            (_, Some(_)) => offers.local_offer()?,
            (_, None) => return Err(OfferError::OfferMissing.into()),
        }
        let tag = self.server_tag(arrival.server);
        let mut builder = self
            .identify(arrival.request.reply(StatusCode::OK))
            .to_tag(&tag)
            .header(HeaderName::CONTACT, contact)
            .header(HeaderName::ALLOW, &self.allow);
        let supported = self.supported();
        if !supported.is_empty() {
            builder = builder.header(HeaderName::SUPPORTED, supported);
        }
        if let Some(packages) = self.recv_info() {
            builder = builder.header(HeaderName::RECV_INFO, packages);
        }
        let grant = arrival.grant;
        builder = Self::session_response(builder, grant);
        if let Some(body) = &body {
            builder = wire::response_with_body(builder, body);
        }
        let response = builder.build()?;
        if !self.respond(now, arrival.server, &response) {
            return Err(CommandError::State("an INVITE that still waits"));
        }
        // Known only now: its connection may have closed since the request.
        let to = self.server_target(arrival.server);
        let Some(to) = to else {
            return Err(CommandError::State("an INVITE that still waits"));
        };
        call.offers = offers;
        if let Some(dialog) = call.dialogs.first_mut() {
            dialog.refresh_target(&arrival.request);
        }
        call.success = Some(Box::new(Success {
            seq: wire::cseq(&arrival.request).map_or(0, |(seq, _)| seq),
            bytes: response.to_bytes(),
            to,
            repeat: Repeat::new(now, &self.config.timers),
        }));
        call.arrival = None;
        call.sent_body = body.or(call.sent_body.take());
        self.session_granted(now, call, grant);
        if call.state == CallState::Incoming {
            call.state = CallState::Accepted;
        }
        if let Some(old) = call.replaces.take() {
            self.give_way(now, old, call.key);
        }
        Ok(())
    }

    /// Answers an INVITE with a failure. The call itself is the caller's business.
    pub(crate) fn refuse_invite(
        &mut self,
        now: Instant,
        call: &mut Call,
        status: StatusCode,
        phrase: Option<&str>,
    ) -> Result<(), CommandError> {
        self.refuse_invite_with(now, call, status, phrase, None)
    }

    /// The same with the Contact of a redirection.
    pub(crate) fn refuse_invite_with(
        &mut self,
        now: Instant,
        call: &mut Call,
        status: StatusCode,
        phrase: Option<&str>,
        contact: Option<&str>,
    ) -> Result<(), CommandError> {
        let Some(arrival) = call.arrival.as_deref() else {
            return Err(CommandError::State("an INVITE of the peer's"));
        };
        let tag = self.server_tag(arrival.server);
        let mut builder = self.identify(arrival.request.reply(status)).to_tag(&tag);
        if let Some(phrase) = phrase {
            builder = builder.reason(phrase);
        }
        if let Some(contact) = contact {
            builder = builder.header(HeaderName::CONTACT, contact);
        }
        let response = builder.build()?;
        self.respond(now, arrival.server, &response);
        call.arrival = None;
        call.offers.abandon();
        Ok(())
    }

    /// A CANCEL (9.2).
    fn cancelled(&mut self, now: Instant, flow: Flow, request: &Message, name: Box<str>) {
        let Some(invite) = self.find_server(request, &Method::Invite) else {
            let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            self.respond_stateless(flow, request, status, false, |builder| builder);
            return;
        };
        let Some(server) = self.start_server(now, flow, request, &Method::Cancel, name) else {
            self.counters.overload += 1;
            return;
        };
        let tag = self.server_tag(invite);
        if let Some(server) = self.servers_get(server) {
            server.tag = tag.into();
        }
        self.respond_status(now, server, request, StatusCode::OK, |builder| builder);
        if !self.is_unanswered(invite) {
            return;
        }
        let status = StatusCode::REQUEST_TERMINATED;
        match self.servers_get(invite).and_then(|server| server.owner) {
            Some(owner) => {
                self.with_call(owner, |endpoint, call| {
                    let _ = endpoint.refuse_invite(now, call, status, None);
                    if call.state == CallState::Incoming {
                        let cause = EndCause::new(EndedBy::Remote, EndKind::Cancelled)
                            .with_reason(wire::reason(request).as_deref());
                        endpoint.end(call, cause, Some(request.clone()));
                    } else if let Some(key) = call.key {
                        endpoint
                            .out
                            .tell(Event::OfferWithdrawn { call: CallId(key) });
                    }
                });
            }
            // Its credentials are still being looked up.
            None => {
                if let Some(original) = self.server_request(invite) {
                    self.respond_status(now, invite, &original, status, |builder| builder);
                }
            }
        }
    }

    /// An ACK: for a failure it ends the transaction, for a 2xx it confirms the dialog (13.3.1.4).
    pub(crate) fn ack(&mut self, now: Instant, flow: Flow, request: &Message) {
        if let Some(key) = self.find_server(request, &Method::Invite)
            && !self.server_ack(now, key)
        {
            return;
        }
        let found = wire::to_tag(request)
            .zip(wire::call_id(request))
            .and_then(|(tag, id)| self.find_call(id, tag));
        let (Some(key), Some((seq, _))) = (found, wire::cseq(request)) else {
            self.counters.stray += 1;
            return;
        };
        self.with_call(key, |endpoint, call| {
            let success = call.success.as_ref();
            if call.state == CallState::Ended || success.is_none_or(|success| success.seq != seq) {
                return;
            }
            call.success = None;
            call.flow = Some(flow);
            let answer = wire::session(request);
            if call.offers.state() == OfferAnswerState::LocalOffer {
                match &answer {
                    Some(_) => {
                        call.got(answer.as_ref());
                        // The state was just seen to be right.
                        let _ = call.offers.remote_answer();
                    }
                    None => call.offers.abandon(),
                }
            }
            match call.state {
                CallState::Leaving => {
                    let cause = endpoint.take_ending(call, EndKind::HungUp);
                    endpoint.send_bye(now, call, cause);
                    return;
                }
                CallState::Accepted => call.state = CallState::Established,
                _ => {}
            }
            if let Some(key) = call.key {
                endpoint.out.tell(Event::Confirmed {
                    call: CallId(key),
                    answer,
                    request: wire::stamp(request.clone(), flow.remote),
                });
            }
        });
    }
}
