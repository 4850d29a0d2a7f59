//! The subscriber's side: RFC 6665 sections 4.1 and 4.4.

use std::time::{Duration, Instant};

use super::{Sub, SubscriptionEnd, SubscriptionId, SubscriptionState, Terminated, event_of};
use crate::auth::Attempt;
use crate::dialog::{Dialog, Effect};
use crate::endpoint::call::Call;
use crate::endpoint::clients::{Purpose, Reply};
use crate::endpoint::command::CommandError;
use crate::endpoint::event::Event;
use crate::endpoint::table::Key;
use crate::endpoint::{Endpoint, wire};
use crate::header::{self, Expires, MinExpires};
use crate::transaction::after;
use crate::{HeaderName, Message, Method, StatusCode};

impl Endpoint {
    /// SUBSCRIBE inside the dialog: a refresh, or with zero seconds the end.
    pub(crate) fn resubscribe(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: Key,
        seconds: u32,
    ) -> Result<(), CommandError> {
        let contact = self.local_contact(call);
        let (Some(at), Some(sub)) = (call.dialog_of(key), call.sub(key)) else {
            return Err(CommandError::State("a subscription that was notified"));
        };
        if sub.out {
            return Err(CommandError::State("the last SUBSCRIBE to be answered"));
        }
        let event = sub.event();
        let purpose = Purpose::Usage(key);
        self.send_request_at(now, call, at, Method::Subscribe, purpose, |builder| {
            builder
                .header(HeaderName::CONTACT, contact)
                .header(HeaderName::EVENT, event)
                .header_display(HeaderName::EXPIRES, seconds)
        })?;
        if let Some(sub) = call.sub(key) {
            sub.out = true;
            sub.refresh = None;
            if seconds == 0 {
                sub.state = SubscriptionState::Ending;
                sub.expires = None;
                sub.wait = Some(after(now, self.config.timers.f));
            } else {
                sub.seconds = seconds;
            }
        }
        Ok(())
    }

    /// A refresh failed that may be tried again: half-way to the end, as long as that is a while.
    pub(crate) fn refresh_again(&mut self, now: Instant, call: &mut Call, key: Key) {
        let Some(sub) = call.sub(key) else { return };
        let rest = sub
            .expires
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        sub.refresh = (rest > Duration::from_secs(5)).then(|| after(now, rest / 2));
    }

    pub(super) fn subscribe_answered(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: Key,
        status: StatusCode,
        reply: &Reply<'_>,
    ) {
        if status.is_success() {
            self.subscribe_accepted(now, call, key, reply.response);
            return;
        }
        let (max, f) = (self.config.subscriptions.max, self.config.timers.f);
        let Some(sub) = call.sub(key) else { return };
        let asked = reply.request.typed::<Expires>().map_or(0, |e| e.0);
        if status.code() == 423
            && let Ok(least) = reply.response.typed::<MinExpires>()
            // What does not grow, or grows beyond reason, would go on for ever.
            && least.0 > asked
            && u64::from(least.0) <= max.as_secs().max(86_400)
        {
            sub.seconds = least.0;
            let seconds = least.0.to_string();
            if let Ok(seq) = self.resend_with_expires(now, call, key, reply, &seconds)
                && let Some(sub) = call.sub(key)
            {
                sub.out = true;
                if sub.state == SubscriptionState::Subscribing {
                    sub.seq = seq;
                    sub.wait = Some(after(now, f));
                }
                return;
            }
        }
        match call.sub(key).map(|sub| sub.state) {
            Some(SubscriptionState::Ending) => {
                self.end_sub(call, key, SubscriptionEnd::Unsubscribed);
            }
            Some(SubscriptionState::Pending | SubscriptionState::Active)
                if Effect::of(status) == Effect::Transaction =>
            {
                self.refresh_again(now, call, key);
            }
            _ => {
                let end = SubscriptionEnd::Refused(status);
                let elsewhere = status == StatusCode::SERVICE_UNAVAILABLE
                    && self.begin_elsewhere(now, call, key, end.clone());
                if !elsewhere {
                    self.end_sub(call, key, end);
                }
            }
        }
    }

    fn resend_with_expires(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: Key,
        reply: &Reply<'_>,
        seconds: &str,
    ) -> Result<u32, CommandError> {
        let seq = match call.dialog_of(key) {
            Some(at) => call.dialogs[at].next_seq(),
            None => wire::cseq(reply.request).map_or(1, |(seq, _)| seq.saturating_add(1)),
        };
        let via = self.via(&reply.target);
        let request = reply
            .request
            .edit()
            .set(HeaderName::VIA, via)
            .set(HeaderName::CSEQ, format!("{seq} {}", Method::Subscribe))
            .set(HeaderName::EXPIRES, seconds)
            .build()?;
        let target = reply.target.clone();
        let purpose = Purpose::Usage(key);
        self.start_client(now, request, target, call.key, purpose, Attempt::none())?;
        Ok(seq)
    }

    fn subscribe_accepted(&mut self, now: Instant, call: &mut Call, key: Key, response: &Message) {
        let (timers, refer) = (self.config.timers.f, self.config.subscriptions.refer);
        let beside = call.beside();
        let at = call.dialog_of(key);
        let Some(sub) = call.sub(key) else { return };
        let first = sub.state == SubscriptionState::Subscribing;
        sub.begin = None;
        if sub.refer {
            let refused = response
                .header(HeaderName::REFER_SUB)
                .is_some_and(|field| field.value().eq_ignore_ascii_case(b"false"));
            let quiet = sub.quiet;
            if refused || quiet {
                self.end_sub(call, key, SubscriptionEnd::Unreported);
                return;
            }
            sub.expires.get_or_insert(after(now, refer));
            self.out.tell(Event::Subscribed {
                subscription: SubscriptionId(key),
                call: beside,
                expires: refer,
                response: response.clone(),
            });
            return;
        }
        let granted = response
            .typed::<Expires>()
            .map_or(sub.seconds, |expires| expires.0.min(sub.seconds));
        if sub.state == SubscriptionState::Ending || granted == 0 {
            // The last NOTIFY is on its way.
            sub.state = SubscriptionState::Ending;
            sub.wait = Some(after(now, timers));
            sub.expires = None;
            sub.refresh = None;
        } else {
            sub.set_interval(now, granted);
        }
        if let (false, Some(at)) = (first, at) {
            call.dialogs[at].refresh_target(response);
        }
        if first {
            self.out.tell(Event::Subscribed {
                subscription: SubscriptionId(key),
                call: beside,
                expires: Duration::from_secs(granted.into()),
                response: response.clone(),
            });
        }
    }

    /// A NOTIFY came; false when it is about nothing that we subscribed to.
    pub(crate) fn notified(
        &mut self,
        now: Instant,
        server: Key,
        call: &mut Call,
        request: &Message,
    ) -> bool {
        let branch = wire::from_tag(request).unwrap_or_default();
        let Some(key) = self.find_notified(call, request, branch) else {
            return false;
        };
        self.respond_status(now, server, request, StatusCode::OK, |builder| builder);
        if let Some(at) = call.dialog_of(key) {
            call.dialogs[at].refresh_target(request);
        }
        let beside = call.beside();
        let refer = self.config.subscriptions.refer;
        let Some(sub) = call.sub(key) else {
            return true;
        };
        let state = request.typed::<header::SubscriptionState<'_>>().ok();
        let word = state.as_ref().map_or("active", |state| state.state());
        sub.wait = None;
        let over = word.eq_ignore_ascii_case("terminated");
        let unsubscribed = sub.state == SubscriptionState::Ending;
        if over {
            sub.state = SubscriptionState::Ending;
        } else if !unsubscribed {
            sub.state = match word.eq_ignore_ascii_case("pending") {
                true => SubscriptionState::Pending,
                false => SubscriptionState::Active,
            };
            match state.as_ref().and_then(|state| state.expires()) {
                Some(seconds) if sub.refer => {
                    sub.expires = Some(after(now, Duration::from_secs(seconds.into())));
                }
                // The 2xx, if it has come, granted this much; a NOTIFY can make it less.
                Some(seconds) => sub.set_interval(now, seconds.min(sub.seconds)),
                None if sub.refer => {
                    sub.expires.get_or_insert(after(now, refer));
                }
                // The 2xx may be lost for ever; what was asked for is the most there can be.
                None if sub.expires.is_none() => sub.set_interval(now, sub.seconds),
                None => {}
            }
        } else {
            sub.wait = Some(after(now, self.config.timers.f));
        }
        let told = sub.state;
        self.out.tell(Event::Notified {
            subscription: SubscriptionId(key),
            call: beside,
            state: told,
            body: wire::body(request),
            request: request.clone(),
        });
        if over {
            let end = match (unsubscribed, &state) {
                (true, _) => SubscriptionEnd::Unsubscribed,
                (false, Some(state)) => SubscriptionEnd::Terminated(Terminated::read(state)),
                (false, None) => SubscriptionEnd::Terminated(Terminated::Other(String::new())),
            };
            self.end_sub(call, key, end);
        }
        true
    }

    /// The subscription that a NOTIFY in this branch is about.
    fn find_notified(&mut self, call: &Call, request: &Message, branch: &str) -> Option<Key> {
        let event = event_of(request)?;
        let mine = |sub: &&Sub| !sub.notifier && sub.branch.as_deref() == Some(branch);
        let exact = call
            .subs
            .iter()
            .filter(mine)
            .find(|sub| sub.is_about(&event));
        exact.map(|sub| sub.key)
    }

    /// A NOTIFY of a branch that is not known: it makes the dialog of the subscription that waits
    /// for one, or of one more, if the SUBSCRIBE was forked (RFC 6665 section 4.4.1).
    pub(crate) fn notify_makes_dialog(
        &mut self,
        now: Instant,
        call: &mut Call,
        request: &Message,
    ) -> bool {
        let (Some(event), Some(branch)) = (event_of(request), wire::from_tag(request)) else {
            return false;
        };
        let Some(at) = call
            .subs
            .iter()
            .position(|sub| !sub.notifier && sub.forks_or_waits(now) && sub.is_about(&event))
        else {
            return false;
        };
        if call.dialogs.len() >= self.config.bounds.forks {
            self.counters.overload += 1;
            return false;
        }
        let Ok(dialog) = Dialog::from_notify(request, call.subs[at].seq) else {
            return false;
        };
        call.subs[at].begin = None;
        if call.subs[at].branch.is_none() {
            call.subs[at].branch = Some(branch.into());
        } else {
            let Some(key) = self.new_sub(call) else {
                self.counters.overload += 1;
                return false;
            };
            let first = &call.subs[at];
            let mut sub = Sub::new(key, false, &first.package, first.id.as_deref());
            (sub.seq, sub.seconds, sub.refer) = (first.seq, first.seconds, first.refer);
            sub.branch = Some(branch.into());
            let of = SubscriptionId(first.key);
            call.subs.push(sub);
            self.out.tell(Event::SubscriptionForked {
                subscription: SubscriptionId(key),
                of,
            });
        }
        call.dialogs.push(dialog);
        true
    }

    pub(super) fn subscriber_due(&mut self, now: Instant, call: &mut Call, key: Key) {
        let Some(sub) = call.sub(key) else { return };
        let passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if passed(sub.wait) {
            let end = match sub.state {
                SubscriptionState::Ending => SubscriptionEnd::Unsubscribed,
                _ => SubscriptionEnd::Silent,
            };
            self.end_sub(call, key, end);
        } else if passed(sub.expires) {
            self.end_sub(call, key, SubscriptionEnd::Expired);
        } else if passed(sub.refresh) {
            sub.refresh = None;
            let seconds = sub.seconds;
            if self.resubscribe(now, call, key, seconds).is_err() {
                self.refresh_again(now, call, key);
            }
        }
    }
}

impl Sub {
    /// The notifier grants this many seconds from now on.
    fn set_interval(&mut self, now: Instant, seconds: u32) {
        let interval = Duration::from_secs(seconds.into());
        self.expires = Some(after(now, interval));
        // A refresh that must be repeated until timer F still comes in time.
        let early = (interval / 4).min(Duration::from_secs(60));
        self.refresh = (!self.refer).then(|| after(now, interval - early));
    }

    fn forks_or_waits(&self, now: Instant) -> bool {
        self.branch.is_none() || self.forks_until.is_some_and(|until| now <= until)
    }
}
