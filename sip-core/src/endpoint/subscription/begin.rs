//! Subscriptions and REFERs of ours outside any dialog, on their way from address to address (RFC
//! 3263 section 4.3), until one answers.

use std::sync::Arc;
use std::time::Instant;

use super::{Refer, Sub, Subscribe, SubscriptionEnd, SubscriptionId, SubscriptionState};
use crate::auth::{Attempt, ClientAuth};
use crate::endpoint::call::{Call, CallState};
use crate::endpoint::clients::Purpose;
use crate::endpoint::command::{CommandError, Outside};
use crate::endpoint::event::QuestionAnswer;
use crate::endpoint::flow::Target;
use crate::endpoint::hops::{Place, is_sips};
use crate::endpoint::standalone::Name;
use crate::endpoint::table::Key;
use crate::endpoint::{EndCause, EndKind, EndedBy, Endpoint, Gone, questions, route};
use crate::resolve::{Next, Resolution};
use crate::transaction::after;
use crate::{BuildError, Method};

/// What begins a subscription, while another address may have to be tried.
#[derive(Debug)]
pub(crate) struct Begin {
    outside: Outside,
    name: Name,
    way: Option<Box<Resolution>>,
    question: Option<Key>,
    /// What the last address said, while the next is looked for.
    last: Option<Box<SubscriptionEnd>>,
}

impl Endpoint {
    /// Subscribes in a dialog of its own (RFC 6665 section 4.1.2). The state comes as
    /// [`Event::Notified`](crate::Event::Notified); refreshes go out by themselves until
    /// [`unsubscribe`](crate::SubscriptionHandle::unsubscribe) or
    /// [`Event::SubscriptionEnded`](crate::Event::SubscriptionEnded).
    ///
    /// Names are asked for as for calls ([`Question::Resolve`](crate::Question::Resolve)).
    pub fn subscribe(
        &mut self,
        now: Instant,
        subscribe: Subscribe,
    ) -> Result<SubscriptionId, CommandError> {
        let seconds = u32::try_from(subscribe.expires.as_secs()).unwrap_or(u32::MAX);
        let mut outside = Outside::new(Method::Subscribe, subscribe.uri, subscribe.from);
        outside = outside
            .header("Event", &subscribe.package)
            .header("Expires", seconds.to_string());
        if !subscribe.accept.is_empty() {
            outside = outside.header("Accept", subscribe.accept.join(", "));
        }
        outside.headers.extend(subscribe.headers);
        outside.body = subscribe.body;
        outside.account = subscribe.account;
        outside.target = subscribe.target;
        outside.route = subscribe.route;
        outside.registration = subscribe.registration;
        let forks = subscribe.forks;
        self.begin(now, outside, |endpoint, key, now| {
            let mut sub = Sub::new(key, false, &subscribe.package, None);
            sub.seconds = seconds;
            let until = after(now, endpoint.config.timers.f);
            sub.forks_until = forks.then_some(until);
            sub
        })
    }

    /// Asks somebody to call somebody else, outside any call (RFC 3515). What becomes of it comes as
    /// [`Event::Notified`](crate::Event::Notified). The method of `outside` must be
    /// [`Method::Refer`]; inside a call it is [`CallHandle::refer`](crate::CallHandle::refer).
    pub fn refer(
        &mut self,
        now: Instant,
        mut outside: Outside,
        refer: Refer,
    ) -> Result<SubscriptionId, CommandError> {
        if outside.method != Method::Refer {
            return Err(CommandError::State("the method REFER"));
        }
        let by = match refer.by {
            _ if !refer.name_ourselves => None,
            Some(by) => Some(by.without_tag().to_string()),
            None => Some(outside.from.without_tag().to_string()),
        };
        let mut headers = vec![("Refer-To".to_owned(), format!("<{}>", refer.to))];
        headers.extend(by.map(|by| ("Referred-By".to_owned(), by)));
        if !refer.report {
            headers.push(("Refer-Sub".to_owned(), "false".to_owned()));
            headers.push(("Supported".to_owned(), "norefersub".to_owned()));
        }
        headers.extend(refer.headers);
        headers.append(&mut outside.headers);
        outside.headers = headers;
        self.begin(now, outside, |_, key, _| {
            let mut sub = Sub::new(key, false, "refer", None);
            (sub.refer, sub.quiet) = (true, !refer.report);
            sub
        })
    }

    fn begin(
        &mut self,
        now: Instant,
        mut outside: Outside,
        make: impl FnOnce(&Self, Key, Instant) -> Sub,
    ) -> Result<SubscriptionId, CommandError> {
        let now = self.advance(now);
        if !self.out.has_room() {
            return Err(CommandError::Full("outbox"));
        }
        let (place, contact) = self.place_outside(&mut outside)?;
        let mut call = Call::new(
            true,
            Arc::from(self.draw.call_id()),
            Arc::from(self.draw.tag()),
        );
        call.state = CallState::Ended;
        call.host = outside.uri.host_str().unwrap_or_default().to_owned();
        call.contact_user = self.contact_user(&outside.from);
        call.contact = contact.clone();
        call.sips = is_sips(&outside.uri, outside.route.first());
        let account = outside.account.clone();
        call.auth = account.map(|account| Box::new(ClientAuth::new(account)));
        let name = Name {
            call_id: (*call.call_id).into(),
            tag: (*call.local_tag).into(),
            seq: 1,
            contact,
        };
        let Some(key) = self.new_call(call) else {
            return Err(CommandError::Full("call table"));
        };
        self.with_call(key, |endpoint, call| {
            let Some(key) = endpoint.new_sub(call) else {
                return Err(CommandError::Full("subscription table"));
            };
            let mut sub = make(endpoint, key, now);
            sub.begin = Some(Box::new(Begin {
                outside,
                name,
                way: None,
                question: None,
                last: None,
            }));
            call.subs.push(sub);
            let begun = match place {
                Place::At(target) => endpoint.send_begin(now, call, key, target),
                Place::Ask(way) => {
                    if let Some(begin) = begin_of(call, key) {
                        begin.way = Some(way);
                    }
                    match endpoint.step_begin(now, call, key, None) {
                        true => Ok(()),
                        false => Err(CommandError::Full("question table")),
                    }
                }
            };
            begun.map(|()| SubscriptionId(key)).inspect_err(|_| {
                call.subs.clear();
                endpoint.subscriptions.remove(key);
            })
        })
        .unwrap_or(Err(Gone.into()))
    }

    fn send_begin(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: Key,
        target: Target,
    ) -> Result<(), CommandError> {
        let Some(begin) = begin_of(call, key) else {
            return Err(BuildError::Method.into());
        };
        let request = self.build_outside(&begin.outside, &begin.name, &target)?;
        let (seq, purpose) = (begin.name.seq, Purpose::Usage(key));
        let (none, f) = (Attempt::none(), self.config.timers.f);
        self.start_client(now, request, target.clone(), call.key, purpose, none)?;
        call.target = Some(target);
        if let Some(sub) = call.sub(key) {
            (sub.seq, sub.out) = (seq, true);
            // Timer F ends the request; after the 2xx of a REFER a NOTIFY is due within as much again.
            let wait = if sub.refer { f.saturating_mul(2) } else { f };
            sub.wait = Some(after(now, wait));
        }
        Ok(())
    }

    /// Tries the next address, or asks for it; false when nothing is left. `last` is what the
    /// address before said.
    fn step_begin(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: Key,
        mut last: Option<SubscriptionEnd>,
    ) -> bool {
        while let Some(begin) = begin_of(call, key)
            && let Some(mut way) = begin.way.take()
        {
            match way.next(now, &self.avoided) {
                Next::Target(target) => {
                    begin.way = Some(way);
                    if self.place_target(&target).is_ok()
                        && self.send_begin(now, call, key, target).is_ok()
                    {
                        return true;
                    }
                }
                Next::Ask(query) => {
                    let purpose = questions::Purpose::Subscription(key);
                    if let Some(asked) = self.ask_way(now, &way, query, purpose) {
                        begin.question = Some(asked);
                        begin.way = Some(way);
                        begin.last = last.take().map(Box::new);
                        if let Some(sub) = call.sub(key) {
                            sub.wait = None;
                        }
                        return true;
                    }
                }
                Next::Exhausted => {}
            }
        }
        false
    }

    /// What we asked on the way was answered, or not in time.
    pub(crate) fn begin_resolved(
        &mut self,
        now: Instant,
        key: Key,
        answer: Option<QuestionAnswer>,
    ) {
        let Some(owner) = self.subscriptions.get(key).copied() else {
            return;
        };
        self.with_call(owner, |endpoint, call| {
            let host = call.host.clone();
            let Some(begin) = begin_of(call, key) else {
                return;
            };
            begin.question = None;
            if let Some(way) = begin.way.as_deref_mut() {
                route::hear(way, answer, &mut endpoint.draw.chance);
            }
            let none = || {
                let cause = EndCause::new(EndedBy::Transport, EndKind::Unresolved);
                SubscriptionEnd::Failed(cause.with_host(Some(host)))
            };
            let last = begin.last.take().map_or_else(none, |last| *last);
            if !endpoint.step_begin(now, call, key, Some(last.clone())) {
                endpoint.end_sub(call, key, last);
            }
        });
    }

    /// The address said nothing, or 503: true when the next one is tried.
    pub(super) fn begin_elsewhere(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: Key,
        last: SubscriptionEnd,
    ) -> bool {
        let waits = |sub: &Sub| sub.state == SubscriptionState::Subscribing && sub.branch.is_none();
        if !call.sub(key).is_some_and(|sub| waits(sub)) {
            return false;
        }
        let seq = call.sub(key).map_or(1, |sub| sub.seq);
        if let Some(begin) = begin_of(call, key) {
            begin.name.seq = seq;
        }
        self.step_begin(now, call, key, Some(last))
    }

    /// Gives up the question of a subscription that is over.
    pub(super) fn forget_begin(&mut self, sub: &Sub) {
        let question = sub.begin.as_deref().and_then(|begin| begin.question);
        if let Some(question) = question {
            self.take_question(question);
        }
    }
}

fn begin_of(call: &mut Call, key: Key) -> Option<&mut Begin> {
    call.subs
        .iter_mut()
        .find(|sub| sub.key == key)?
        .begin
        .as_deref_mut()
}
