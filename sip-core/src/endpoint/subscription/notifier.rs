//! The notifier's side: RFC 6665 section 4.2.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{
    Sub, SubscriptionEnd, SubscriptionId, SubscriptionState, Terminated, Waiting, event_of,
};
use crate::dialog::{Dialog, Effect};
use crate::endpoint::body::Body;
use crate::endpoint::call::{Call, CallState};
use crate::endpoint::clients::Purpose;
use crate::endpoint::command::CommandError;
use crate::endpoint::event::Event;
use crate::endpoint::flow::Flow;
use crate::endpoint::table::Key;
use crate::endpoint::{Endpoint, wire};
use crate::header::Expires;
use crate::transaction::after;
use crate::{HeaderName, Message, Method, StatusCode};

impl Endpoint {
    /// Events that we notify of, as Allow-Events lists them.
    fn packages(&self) -> String {
        self.config.subscriptions.packages.join(", ")
    }

    /// A dialog of its own for a SUBSCRIBE or REFER outside any; `None` when it was refused.
    pub(crate) fn standing(
        &mut self,
        now: Instant,
        server: Key,
        flow: Flow,
        request: &Message,
    ) -> Option<Key> {
        let tag: Arc<str> = self.server_tag(server).into();
        let Ok(dialog) = Dialog::uas(request, &tag) else {
            let status = StatusCode::BAD_REQUEST;
            self.respond_status(now, server, request, status, |builder| builder);
            return None;
        };
        let mut call = Call::new(false, dialog.call_id().into(), tag);
        call.state = CallState::Ended;
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
        let key = self.new_call(call);
        if key.is_none() {
            self.no_room(now, server, request);
        }
        key
    }

    /// 503 with Retry-After: a table is full.
    pub(crate) fn no_room(&mut self, now: Instant, server: Key, request: &Message) {
        self.counters.overload += 1;
        let status = StatusCode::SERVICE_UNAVAILABLE;
        self.respond_status(now, server, request, status, |builder| {
            builder.header(HeaderName::RETRY_AFTER, "10")
        });
    }

    /// A SUBSCRIBE came, in a dialog of its own or in a call's.
    pub(crate) fn subscribed(
        &mut self,
        now: Instant,
        server: Key,
        call: &mut Call,
        request: &Message,
        user: Option<String>,
    ) {
        let event = event_of(request);
        let known = event.as_ref().filter(|event| {
            let mut packages = self.config.subscriptions.packages.iter();
            packages.any(|package| package.eq_ignore_ascii_case(event.package()))
        });
        let branch = wire::from_tag(request).unwrap_or_default();
        let refreshed = event.as_ref().and_then(|event| {
            let mine = |sub: &&Sub| sub.notifier && sub.branch.as_deref() == Some(&*branch);
            let mut subs = call.subs.iter().filter(mine);
            subs.find(|sub| sub.is_about(event)).map(|sub| sub.key)
        });
        let Some(event) = known.or(event.as_ref().filter(|_| refreshed.is_some())) else {
            let packages = self.packages();
            self.respond_status(now, server, request, StatusCode::BAD_EVENT, |builder| {
                builder.header(HeaderName::ALLOW_EVENTS, &packages)
            });
            return;
        };
        let limits = &self.config.subscriptions;
        let (min, max) = (limits.min.as_secs(), limits.max.as_secs());
        let asked = request.typed::<Expires>().map_or(max, |e| e.0.into());
        // RFC 6665 section 4.2.1.1: an hour is never too brief.
        if asked > 0 && asked < min && asked < 3600 {
            let status = StatusCode::INTERVAL_TOO_BRIEF;
            self.respond_status(now, server, request, status, |builder| {
                builder.header_display(HeaderName::MIN_EXPIRES, min)
            });
            return;
        }
        let seconds = u32::try_from(asked.min(max)).unwrap_or(u32::MAX);
        if let Some(key) = refreshed {
            self.refreshed(now, server, call, key, request, seconds);
            return;
        }
        let Some(key) = self.new_sub(call) else {
            self.no_room(now, server, request);
            return;
        };
        let mut sub = Sub::new(key, true, event.package(), event.id());
        sub.branch = Some(branch.into());
        self.ask_to_subscribe(now, call, sub, server, request, seconds);
        self.out.tell(Event::SubscribeRequested {
            subscription: SubscriptionId(key),
            call: call.beside(),
            user,
            package: event.package().to_owned(),
            expires: Duration::from_secs(seconds.into()),
            request: request.clone(),
        });
    }

    /// Files a subscription that waits for the application.
    pub(crate) fn ask_to_subscribe(
        &mut self,
        now: Instant,
        call: &mut Call,
        mut sub: Sub,
        server: Key,
        request: &Message,
        seconds: u32,
    ) {
        sub.seq = wire::cseq(request).map_or(0, |(seq, _)| seq);
        // The client gives up after timer F; half of that is left for the way.
        sub.wait = Some(after(now, self.config.timers.f / 2));
        sub.waiting = Some(Box::new(Waiting {
            server,
            request: request.clone(),
            seconds,
        }));
        call.subs.push(sub);
    }

    /// The peer's SUBSCRIBE for what it has subscribed to already.
    fn refreshed(
        &mut self,
        now: Instant,
        server: Key,
        call: &mut Call,
        key: Key,
        request: &Message,
        seconds: u32,
    ) {
        let contact = self.local_contact(call);
        if let Some(at) = call.dialog_of(key) {
            call.dialogs[at].refresh_target(request);
        }
        let Some(sub) = call.sub(key) else { return };
        if matches!(
            sub.state,
            SubscriptionState::Asked | SubscriptionState::Ending
        ) {
            let status = match sub.state {
                SubscriptionState::Asked => StatusCode::SERVER_INTERNAL_ERROR,
                _ => StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
            };
            self.respond_status(now, server, request, status, |builder| builder);
            return;
        }
        sub.expires = Some(after(now, Duration::from_secs(seconds.into())));
        self.respond_status(now, server, request, StatusCode::OK, |builder| {
            builder
                .header(HeaderName::CONTACT, contact)
                .header_display(HeaderName::EXPIRES, seconds)
        });
        if seconds == 0 {
            let end = SubscriptionEnd::Unsubscribed;
            self.finish_sub(now, call, key, Terminated::Timeout, end);
        } else {
            // RFC 6665 section 4.2.1.2: every SUBSCRIBE is answered with the state.
            let _ = self.send_notify(now, call, key);
        }
    }

    /// Answers the SUBSCRIBE or REFER that waits with 2xx, and sends the first NOTIFY.
    pub(crate) fn accept_sub(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: Key,
        pending: bool,
        body: Option<Body>,
    ) -> Result<(), CommandError> {
        const ASKED: CommandError = CommandError::State("a subscription that is asked for");
        let contact = self.local_contact(call);
        let refer_for = self.config.subscriptions.refer;
        let Some(sub) = call.sub(key) else {
            return Err(ASKED);
        };
        let Some(waiting) = sub.waiting.as_deref() else {
            return Err(ASKED);
        };
        let (server, request, seconds) = (waiting.server, waiting.request.clone(), waiting.seconds);
        let (refer, quiet) = (sub.refer, sub.quiet);
        let status = match refer {
            true => StatusCode::ACCEPTED,
            false => StatusCode::OK,
        };
        let sent = self.respond_status(now, server, &request, status, |builder| {
            let builder = builder.header(HeaderName::CONTACT, contact);
            match (refer, quiet) {
                (true, true) => builder.header(HeaderName::REFER_SUB, "false"),
                (true, false) => builder,
                (false, _) => builder.header_display(HeaderName::EXPIRES, seconds),
            }
        });
        let Some(sub) = call.sub(key) else {
            return Err(ASKED);
        };
        sub.waiting = None;
        sub.wait = None;
        sub.body = body;
        sub.state = match pending {
            true => SubscriptionState::Pending,
            false => SubscriptionState::Active,
        };
        let interval = match refer {
            true => refer_for,
            false => Duration::from_secs(seconds.into()),
        };
        sub.expires = Some(after(now, interval));
        if !sent {
            self.end_sub(call, key, SubscriptionEnd::Expired);
            return Err(ASKED);
        }
        if seconds == 0 && !refer {
            // RFC 6665 section 4.4.3: the state once.
            let end = SubscriptionEnd::Unsubscribed;
            self.finish_sub(now, call, key, Terminated::Timeout, end);
            return Ok(());
        }
        self.send_notify(now, call, key)
    }

    /// Refuses what waits.
    pub(crate) fn refuse_sub(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: Key,
        status: StatusCode,
    ) -> Result<(), CommandError> {
        let Some(waiting) = call.sub(key).and_then(|sub| sub.waiting.take()) else {
            return Err(CommandError::State("a subscription that is asked for"));
        };
        self.respond_status(
            now,
            waiting.server,
            &waiting.request,
            status,
            |builder| match status {
                StatusCode::SERVICE_UNAVAILABLE => builder.header(HeaderName::RETRY_AFTER, "10"),
                _ => builder,
            },
        );
        self.end_sub(call, key, SubscriptionEnd::Refused(status));
        Ok(())
    }

    /// Sends the state, now or when the last NOTIFY is answered.
    pub(crate) fn send_notify(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: Key,
    ) -> Result<(), CommandError> {
        let contact = self.local_contact(call);
        let Some(at) = call.dialog_of(key) else {
            return Err(CommandError::State("a subscription with a dialog"));
        };
        let Some(sub) = call.sub(key) else {
            return Err(CommandError::State("a subscription"));
        };
        if sub.quiet {
            return Ok(());
        }
        if sub.out {
            sub.queued = true;
            return Ok(());
        }
        let left = sub
            .expires
            .map_or(0, |at| at.saturating_duration_since(now).as_secs());
        let state = match (&sub.ending, sub.state) {
            (Some(ending), _) => ending.0.write(),
            (None, SubscriptionState::Pending) => format!("pending;expires={left}"),
            (None, _) => format!("active;expires={left}"),
        };
        let (event, body) = (sub.event(), sub.body.clone());
        let purpose = Purpose::Usage(key);
        let sent = self.send_request_at(now, call, at, Method::Notify, purpose, |builder| {
            let builder = builder
                .header(HeaderName::CONTACT, contact)
                .header(HeaderName::EVENT, event)
                .header(HeaderName::SUBSCRIPTION_STATE, state);
            match &body {
                Some(body) => wire::with_body(builder, body),
                None => builder,
            }
        });
        if let (Ok(_), Some(sub)) = (&sent, call.sub(key)) {
            sub.out = true;
            sub.queued = false;
        }
        sent.map(|_| ())
    }

    /// Sends the last NOTIFY; the subscription is over when it is answered.
    pub(crate) fn finish_sub(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: Key,
        reason: Terminated,
        end: SubscriptionEnd,
    ) {
        let Some(sub) = call.sub(key) else { return };
        sub.state = SubscriptionState::Ending;
        sub.expires = None;
        if sub.quiet {
            self.end_sub(call, key, end);
            return;
        }
        sub.ending = Some(Box::new((reason, end.clone())));
        if self.send_notify(now, call, key).is_err() {
            // No room for a transaction: the subscriber's own clock ends it there.
            self.end_sub(call, key, end);
        }
    }

    pub(super) fn notify_answered(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: Key,
        status: StatusCode,
    ) {
        let Some(sub) = call.sub(key) else { return };
        let last = sub.ending.as_ref().map(|ending| ending.1.clone());
        match last {
            Some(end) if !sub.queued => self.end_sub(call, key, end),
            _ if Effect::of(status) != Effect::Transaction => {
                // RFC 6665 section 4.2.2.
                let end = last.unwrap_or(SubscriptionEnd::Refused(status));
                self.end_sub(call, key, end);
            }
            _ if sub.queued => {
                if self.send_notify(now, call, key).is_err()
                    && let Some(end) = last
                {
                    self.end_sub(call, key, end);
                }
            }
            _ => {}
        }
    }

    pub(super) fn notifier_due(&mut self, now: Instant, call: &mut Call, key: Key) {
        let Some(sub) = call.sub(key) else { return };
        if sub.waiting.is_some() {
            if sub.wait.is_some_and(|at| at <= now) {
                let _ = self.refuse_sub(now, call, key, StatusCode::SERVICE_UNAVAILABLE);
            }
        } else if sub.expires.is_some_and(|at| at <= now) {
            let end = SubscriptionEnd::Expired;
            self.finish_sub(now, call, key, Terminated::Timeout, end);
        }
    }
}
