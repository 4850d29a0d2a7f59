//! Requests of ours outside any call: OPTIONS (RFC 3261 section 11), MESSAGE (RFC 3428), PUBLISH,
//! extensions. A challenge is answered once a nonce, when an account is given; the next address is
//! tried after a timeout, a transport error or 503 (RFC 3263 section 4.3).

use std::time::Instant;

use super::clients::{Failure, Purpose, Reply};
use super::command::{CommandError, Options, Outside};
use super::credentials::again;
use super::event::{Event, QuestionAnswer, RequestId};
use super::flow::{FlowError, Target};
use super::hops::{Place, is_sips};
use super::outgoing::check_headers;
use super::table::Key;
use super::{EndCause, EndKind, EndedBy, Endpoint, questions, route, wire};
use crate::auth::{Attempt, ClientAuth};
use crate::header::NameAddr;
use crate::resolve::{Next, Resolution};
use crate::{BuildError, HeaderName, Message, Method};

/// A request outside any call, until its final response.
#[derive(Debug)]
pub(crate) struct Standalone {
    outside: Outside,
    name: Name,
    auth: Option<Box<ClientAuth>>,
    way: Option<Box<Resolution>>,
    /// What the last address said, while the next is looked for.
    last: Option<Box<Result<Message, EndCause>>>,
}

/// What identifies a request that begins something, on its way from address to address.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) call_id: Box<str>,
    pub(crate) tag: Box<str>,
    pub(crate) seq: u32,
    /// Our Contact, where a registration made it.
    pub(crate) contact: Option<Box<str>>,
}

impl Endpoint {
    /// Sends OPTIONS outside any call; [`Event::Replied`] follows.
    pub fn options(&mut self, now: Instant, options: Options) -> Result<RequestId, CommandError> {
        let mut outside = Outside::new(Method::Options, options.uri, options.from);
        outside.headers = options.headers;
        outside.target = options.target;
        outside.registration = options.registration;
        self.send_outside(now, outside)
    }

    /// Sends a request outside any call, a MESSAGE for instance; [`Event::Replied`] follows.
    ///
    /// Names are asked for as for calls ([`Question::Resolve`](crate::Question::Resolve)). Methods
    /// that make or need a call or a subscription have commands of their own, and are refused.
    pub fn send_outside(
        &mut self,
        now: Instant,
        mut outside: Outside,
    ) -> Result<RequestId, CommandError> {
        use Method::{Ack, Bye, Cancel, Info, Invite, Prack, Refer, Subscribe, Update};
        let now = self.advance(now);
        if !self.out.has_room() {
            return Err(CommandError::Full("outbox"));
        }
        if matches!(
            outside.method,
            Ack | Bye | Cancel | Info | Invite | Prack | Refer | Subscribe | Update
        ) {
            return Err(CommandError::State("a method that needs no call"));
        }
        let (place, contact) = self.place_outside(&mut outside)?;
        let name = Name {
            call_id: self.draw.call_id().into(),
            tag: self.draw.tag().into(),
            seq: 1,
            contact,
        };
        let account = outside.account.clone();
        let standalone = Standalone {
            outside,
            name,
            auth: account.map(|account| Box::new(ClientAuth::new(account))),
            way: None,
            last: None,
        };
        let full = |_| CommandError::Full("transaction table");
        let key = self.requests.insert(standalone).map_err(full)?;
        let begun = match place {
            Place::At(target) => self.send_standalone(now, key, target),
            Place::Ask(way) => self.begin_standalone(now, key, way),
        };
        match begun {
            Ok(()) => Ok(RequestId(key)),
            Err(error) => {
                self.requests.remove(key);
                Err(error)
            }
        }
    }

    /// Fits a request to the registration that it goes through; where it goes, and our Contact.
    pub(crate) fn place_outside(
        &self,
        outside: &mut Outside,
    ) -> Result<(Place, Option<Box<str>>), CommandError> {
        check_headers(&outside.headers)?;
        let contact = match self.standing_registration(outside.registration)? {
            Some(through) => {
                outside.account = outside.account.take().or(through.account);
                if outside.route.is_empty() {
                    outside.route = through.route;
                }
                outside.target.get_or_insert(through.target);
                through.contact
            }
            None => None,
        };
        let hop = match outside.route.first() {
            Some(route) => route.uri().map_err(BuildError::Uri)?,
            None => outside.uri.clone(),
        };
        let place = self.place(&hop, outside.target.clone())?;
        Ok((place, contact.map(String::into_boxed_str)))
    }

    fn begin_standalone(
        &mut self,
        now: Instant,
        key: Key,
        mut way: Box<Resolution>,
    ) -> Result<(), CommandError> {
        match way.next(now, &self.avoided) {
            Next::Ask(query) => {
                let purpose = questions::Purpose::Standalone(key);
                let asked = self.ask_way(now, &way, query, purpose);
                asked.ok_or(CommandError::Full("question table"))?;
                if let Some(standalone) = self.requests.get_mut(key) {
                    standalone.way = Some(way);
                }
                Ok(())
            }
            Next::Target(target) => {
                if let Some(standalone) = self.requests.get_mut(key) {
                    standalone.way = Some(way);
                }
                self.send_standalone(now, key, target)
            }
            Next::Exhausted => Err(CommandError::State("an address")),
        }
    }

    fn send_standalone(
        &mut self,
        now: Instant,
        key: Key,
        target: Target,
    ) -> Result<(), CommandError> {
        // Out of its table, so that everything else can be reached.
        let Some(standalone) = self.requests.take(key) else {
            return Ok(());
        };
        let request = self.build_outside(&standalone.outside, &standalone.name, &target);
        self.requests.put_back(key, standalone);
        let (none, purpose) = (Attempt::none(), Purpose::Standalone);
        self.start_client(now, request?, target, Some(key), purpose, none)?;
        Ok(())
    }

    /// A request outside any dialog, as it goes to this target.
    pub(crate) fn build_outside(
        &mut self,
        outside: &Outside,
        name: &Name,
        target: &Target,
    ) -> Result<Message, CommandError> {
        let via = self.via(target);
        let from = outside.from.without_tag().with_tag(&name.tag)?;
        let to = outside
            .to
            .as_ref()
            .map_or_else(|| NameAddr::new(&outside.uri), NameAddr::without_tag);
        let mut builder =
            Message::request(outside.method.clone(), &outside.uri).header(HeaderName::VIA, via);
        for route in &outside.route {
            builder = builder.header_display(HeaderName::ROUTE, route);
        }
        builder = builder
            .max_forwards(70)
            .header_display(HeaderName::FROM, from)
            .header_display(HeaderName::TO, to)
            .header(HeaderName::CALL_ID, name.call_id.as_bytes())
            .cseq(name.seq);
        // RFC 3428 section 4: a MESSAGE moves no target.
        if outside.method != Method::Message {
            let contact = match &name.contact {
                Some(contact) => contact.to_string(),
                None => {
                    let sips = is_sips(&outside.uri, outside.route.first());
                    self.contact(target, &self.contact_user(&outside.from), sips)
                }
            };
            builder = builder.header(HeaderName::CONTACT, contact);
        }
        if outside.method == Method::Options {
            builder = builder.header(HeaderName::ACCEPT, "application/sdp");
        }
        for (name, value) in &outside.headers {
            builder = builder.header(name, value);
        }
        builder = self.identify_request(builder);
        if let Some(body) = &outside.body {
            builder = wire::with_body(builder, body);
        }
        Ok(builder.build()?)
    }

    /// The user part of our Contact where we begin.
    pub(crate) fn contact_user(&self, from: &NameAddr) -> String {
        match (&self.config.contact_user, from.uri()) {
            (Some(user), _) => user.clone(),
            (None, Ok(uri)) => uri.user().unwrap_or_default().to_owned(),
            (None, Err(_)) => String::new(),
        }
    }

    /// What we asked on the way was answered, or not in time.
    pub(crate) fn standalone_resolved(
        &mut self,
        now: Instant,
        key: Key,
        answer: Option<QuestionAnswer>,
    ) {
        let Some(standalone) = self.requests.get_mut(key) else {
            return;
        };
        if let Some(way) = standalone.way.as_deref_mut() {
            route::hear(way, answer, &mut self.draw.chance);
        }
        let last = match standalone.last.take() {
            Some(last) => *last,
            None => {
                let cause = EndCause::new(EndedBy::Transport, EndKind::Unresolved);
                let host = standalone.outside.uri.host_str().map(str::to_owned);
                Err(cause.with_host(host))
            }
        };
        self.next_standalone(now, key, last);
    }

    /// Tries the next address, or tells what the last one said.
    fn next_standalone(&mut self, now: Instant, key: Key, mut last: Result<Message, EndCause>) {
        while let Some(standalone) = self.requests.get_mut(key)
            && let Some(mut way) = standalone.way.take()
        {
            match way.next(now, &self.avoided) {
                Next::Target(target) => {
                    standalone.way = Some(way);
                    if self.place_target(&target).is_ok()
                        && self.send_standalone(now, key, target).is_ok()
                    {
                        return;
                    }
                    if matches!(&last, Err(cause) if cause.kind == EndKind::Unresolved) {
                        let none = Failure::Transport(FlowError::NoTransport);
                        last = Err(none.cause(String::new()));
                    }
                }
                Next::Ask(query) => {
                    let purpose = questions::Purpose::Standalone(key);
                    if self.ask_way(now, &way, query, purpose).is_some()
                        && let Some(standalone) = self.requests.get_mut(key)
                    {
                        standalone.way = Some(way);
                        standalone.last = Some(Box::new(last));
                        return;
                    }
                }
                Next::Exhausted => {}
            }
        }
        if self.requests.remove(key).is_some() {
            self.out.tell(Event::Replied {
                request: RequestId(key),
                result: last,
            });
        }
    }

    /// No final response came.
    pub(crate) fn standalone_failed(&mut self, now: Instant, key: Key, cause: EndCause) {
        self.next_standalone(now, key, Err(cause));
    }

    /// A final response.
    pub(crate) fn outside_response(&mut self, now: Instant, key: Key, reply: &Reply<'_>) {
        let status = reply.response.status().map_or(0, |status| status.code());
        if matches!(status, 401 | 407)
            && let Some(mut standalone) = self.requests.take(key)
        {
            let attempt = self.authorize_with(standalone.auth.as_deref_mut(), reply);
            standalone.name.seq = standalone.name.seq.saturating_add(1);
            self.requests.put_back(key, standalone);
            if let Ok(attempt) = attempt
                && self.resend_outside(now, key, reply, attempt).is_ok()
            {
                return;
            }
        }
        let last = Ok(reply.response.clone());
        if status == 503 {
            self.next_standalone(now, key, last);
        } else if self.requests.remove(key).is_some() {
            self.out.tell(Event::Replied {
                request: RequestId(key),
                result: last,
            });
        }
    }

    fn resend_outside(
        &mut self,
        now: Instant,
        key: Key,
        reply: &Reply<'_>,
        attempt: Attempt,
    ) -> Result<Key, CommandError> {
        let (seq, method) =
            wire::cseq(reply.request).ok_or(CommandError::State("a request with CSeq"))?;
        let via = self.via(&reply.target);
        let seq = seq.saturating_add(1);
        let request = again(reply, via, (seq, method), &attempt)?;
        let (target, purpose) = (reply.target.clone(), Purpose::Standalone);
        self.start_client(now, request, target, Some(key), purpose, attempt)
    }
}
