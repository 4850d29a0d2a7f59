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
        let (client, seq) = self.send_offer(now, call, 0, method, purpose, Some(&offer))?;
        call.offers.local_offer()?;
        call.sent_body = Some(offer);
        call.reinvite = Some(Box::new(Reinvite::Out {
            client,
            seq,
            offer: true,
            refresh: false,
            early: None,
        }));
        Ok(())
    }

    /// UPDATE with an offer; before the answer in the early dialog with this tag of the peer's, or
    /// in the only one where it may be.
    pub(crate) fn start_update(
        &mut self,
        now: Instant,
        call: &mut Call,
        branch: Option<&str>,
        offer: Body,
    ) -> Result<(), CommandError> {
        let early = match call.is_early() {
            true => Some(self.may_change_early(call, branch)?),
            false => {
                self.may_change(call)?;
                None
            }
        };
        if !call.peer_updates {
            return Err(CommandError::State("a peer that allows UPDATE"));
        }
        let at = match &early {
            Some(tag) => call
                .dialog_at(tag)
                .ok_or(CommandError::State("an early dialog"))?,
            None => 0,
        };
        let (method, purpose) = (Method::Update, Purpose::Update);
        let (client, seq) = self.send_offer(now, call, at, method, purpose, Some(&offer))?;
        let tag = early.as_deref().unwrap_or_default();
        call.offers_in(tag).local_offer()?;
        call.sent_body = Some(offer);
        call.reinvite = Some(Box::new(Reinvite::Out {
            client,
            seq,
            offer: true,
            refresh: false,
            early,
        }));
        Ok(())
    }

    /// RFC 3311 section 5.1: where the first offer was answered reliably, and nothing else is out.
    fn may_change_early(
        &self,
        call: &Call,
        branch: Option<&str>,
    ) -> Result<Box<str>, CommandError> {
        const NO: CommandError = CommandError::State("an early dialog with an agreed session");
        if call.reinvite.is_some() || call.update.is_some() {
            return Err(CommandError::State("the last offer to be answered"));
        }
        if let Some(arrival) = call.arrival.as_deref() {
            let agreed = arrival.sent.answered && call.offers.completed() > 0;
            if !agreed || arrival.sent.is_waiting() {
                return Err(NO);
            }
            call.offers.may_offer()?;
            let dialog = call.dialogs.first().ok_or(NO)?;
            return Ok(dialog.remote_tag().into());
        }
        let outgoing = call.outgoing.as_deref().ok_or(NO)?;
        let mut fit = outgoing
            .early
            .iter()
            .filter(|early| early.may_offer() && branch.is_none_or(|branch| early.is(branch)));
        match (fit.next(), fit.next()) {
            (Some(early), None) => Ok(early.tag().into()),
            (Some(_), Some(_)) => Err(CommandError::State("one early dialog: name it")),
            _ => Err(NO),
        }
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
        at: usize,
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
        // A session that is not there yet has nothing to be refreshed.
        let headers = match call.is_early() {
            true => Vec::new(),
            false => self.session_values(session.as_deref(), call.demand),
        };
        let sent = self.send_request_at(now, call, at, method, purpose, |builder| {
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
                client: out,
                offer,
                early,
                ..
            }) if *out == client => {
                let (offer, early) = (*offer, early.clone());
                call.reinvite = None;
                if offer {
                    call.offers_in(early.as_deref().unwrap_or_default())
                        .abandon();
                }
                true
            }
            _ => false,
        }
    }

    /// Says that a change before the answer failed, and sends what waited for it.
    pub(crate) fn reinvite_lost(&mut self, now: Instant, call: &mut Call, status: StatusCode) {
        if let Some(key) = call.key {
            self.out.tell(Event::ReinviteFailed {
                call: CallId(key),
                status,
                reason: status.reason().to_owned(),
            });
        }
        self.send_held(now, call);
    }

    /// The INVITE was answered in one early dialog, or goes out again: what was going on in the
    /// others is over.
    pub(crate) fn early_over(&mut self, now: Instant, call: &mut Call, kept: Option<&str>) {
        const GONE: StatusCode = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        let told = call.state == CallState::Calling;
        let mut lost = None;
        if let Some(Reinvite::Out { client, early, .. }) = call.reinvite.as_deref_mut()
            && early.is_some()
        {
            match early.as_deref() == kept {
                true => *early = None,
                false => lost = Some(*client),
            }
        }
        if let Some(client) = lost
            && self.reinvite_over(call, client)
            && told
        {
            self.reinvite_lost(now, call, GONE);
        }
        let asked = call.update.as_deref().map(|update| &update.request);
        if asked.is_some_and(|request| wire::from_tag(request) != kept)
            && self.refuse_update(now, call, GONE).is_ok()
            && let Some(key) = call.key.filter(|_| told)
        {
            self.out.tell(Event::OfferWithdrawn { call: CallId(key) });
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
        let (seq, offer, refresh, early) = match call.reinvite.as_deref() {
            Some(Reinvite::Out {
                client,
                seq,
                offer,
                refresh,
                early,
            }) if *client == reply.client => (*seq, *offer, *refresh, early.clone()),
            _ => return,
        };
        let Some(key) = call.key else { return };
        let tag = early.as_deref().unwrap_or_default();
        let alive = call.is_going_on();
        if status.is_success() {
            call.note_peer(reply.response);
            let at = early.as_deref().map_or(Some(0), |tag| call.dialog_at(tag));
            if let Some(dialog) = at.and_then(|at| call.dialogs.get_mut(at))
                && purpose != Purpose::Prack
            {
                dialog.refresh_target(reply.response);
            }
            let answer = wire::session(reply.response).filter(|_| offer);
            if answer.is_some() {
                // Our own offer is out, or `offer` would be false.
                let _ = call.offers_in(tag).remote_answer();
            }
            self.prack_over(call, reply.client);
            self.reinvite_over(call, reply.client);
            if purpose == Purpose::Reinvite {
                self.acknowledge(call, reply.client, seq, None);
            }
            // What went out before the answer said nothing of the timer, which runs on.
            let timed = [reply.request, reply.response]
                .iter()
                .any(|message| message.header(HeaderName::SESSION_EXPIRES).is_some());
            if call.state == CallState::Established && (timed || purpose == Purpose::Reinvite) {
                self.session_answered(now, call, reply.response);
            }
            if alive {
                // A refresh that changed nothing is nobody's business.
                if !refresh || answer.as_ref().is_some_and(|answer| !call.has_got(answer)) {
                    call.got(answer.as_ref());
                    self.out.tell(Event::ReinviteAnswered {
                        call: CallId(key),
                        answer,
                        response: reply.response.clone(),
                    });
                }
                self.send_held(now, call);
            }
            return;
        }
        if matches!(status.code(), 401 | 407)
            && alive
            && let Ok(attempt) = self.authorize(call, reply)
            && let Ok((client, seq)) = self.resend_authorized(now, call, reply, attempt, purpose)
        {
            self.prack_again(call, reply.client, client);
            call.reinvite = Some(Box::new(Reinvite::Out {
                client,
                seq,
                offer,
                refresh,
                early,
            }));
            return;
        }
        self.prack_over(call, reply.client);
        self.reinvite_over(call, reply.client);
        if !alive {
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
            self.send_held(now, call);
            return;
        }
        if !refresh {
            self.out.tell(Event::ReinviteFailed {
                call: CallId(key),
                status,
                reason,
            });
        }
        self.send_held(now, call);
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
        if let Some(key) = call.key
            && call.is_going_on()
        {
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
