//! Requests of ours outside any call: OPTIONS (RFC 3261 section 11), MESSAGE (RFC 3428), PUBLISH,
//! extensions. A challenge is answered once a nonce, when an account is given.

use std::time::Instant;

use super::clients::{Purpose, Reply};
use super::command::{CommandError, Options, Outside};
use super::event::{Event, RequestId};
use super::hops::Place;
use super::outgoing::check_headers;
use super::table::Key;
use super::{Endpoint, wire};
use crate::auth::{Attempt, ClientAuth};
use crate::header::NameAddr;
use crate::{HeaderName, Message, Method};

impl Endpoint {
    /// Sends OPTIONS outside any call; [`Event::Replied`] follows.
    ///
    /// The URI's host must be an address, or `target` given: no question is asked for a ping.
    pub fn options(&mut self, now: Instant, options: Options) -> Result<RequestId, CommandError> {
        let mut outside = Outside::new(Method::Options, options.uri, options.from);
        outside.headers = options.headers;
        outside.target = options.target;
        self.send_outside(now, outside)
    }

    /// Sends a request outside any call, a MESSAGE for instance;
    /// [`Event::Replied`] follows.
    ///
    /// The URI's host must be an address, or `target` given. Methods that make or need a call or a
    /// subscription have commands of their own, and are refused.
    pub fn send_outside(
        &mut self,
        now: Instant,
        outside: Outside,
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
        check_headers(&outside.headers)?;
        let target = match self.place(&outside.uri, outside.target.clone())? {
            Place::At(target) => target,
            Place::Ask(_) => return Err(CommandError::State("an address: give a target")),
        };
        let via = self.via(&target);
        let from = outside.from.without_tag().with_tag(&self.draw.tag())?;
        let to = outside
            .to
            .as_ref()
            .map_or_else(|| NameAddr::new(&outside.uri), NameAddr::without_tag);
        let mut builder = Message::request(outside.method.clone(), &outside.uri)
            .header(HeaderName::VIA, via)
            .max_forwards(70)
            .header_display(HeaderName::FROM, from)
            .header_display(HeaderName::TO, to)
            .header(HeaderName::CALL_ID, self.draw.call_id())
            .cseq(1);
        // RFC 3428 section 4: a MESSAGE moves no target.
        if outside.method != Method::Message {
            let user = outside.from.uri().ok();
            let user = user.and_then(|uri| uri.user().map(str::to_owned));
            let contact = self.contact(&target, &user.unwrap_or_default());
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
        let request = builder.build()?;
        let none = Attempt::none();
        let key = self.start_client(now, request, target, None, Purpose::Standalone, none)?;
        if let Some(account) = outside.account {
            self.remember_auth(key, Box::new(ClientAuth::new(account)));
        }
        Ok(RequestId(key))
    }

    /// A final response; `first` is the transaction under whose name the application knows it.
    pub(crate) fn outside_response(&mut self, now: Instant, first: Key, reply: &Reply<'_>) {
        let status = reply.response.status().map_or(0, |status| status.code());
        if matches!(status, 401 | 407)
            && let Some(mut auth) = self.recall_auth(reply.client)
            && let Ok(attempt) = self.authorize_with(Some(&mut auth), reply)
            && let Ok(key) = self.resend_outside(now, first, reply, attempt)
        {
            self.remember_auth(key, auth);
            return;
        }
        self.out.tell(Event::Replied {
            request: RequestId(first),
            result: Ok(reply.response.clone()),
        });
    }

    fn resend_outside(
        &mut self,
        now: Instant,
        first: Key,
        reply: &Reply<'_>,
        attempt: Attempt,
    ) -> Result<Key, CommandError> {
        let (seq, method) =
            wire::cseq(reply.request).ok_or(CommandError::State("a request with CSeq"))?;
        let via = self.via(&reply.target);
        let seq = seq.saturating_add(1);
        let mut editor = reply
            .request
            .edit()
            .set(HeaderName::VIA, via)
            .set(HeaderName::CSEQ, format!("{seq} {method}"))
            .remove(HeaderName::AUTHORIZATION)
            .remove(HeaderName::PROXY_AUTHORIZATION);
        for (name, value) in attempt.headers() {
            editor = editor.append(name, value);
        }
        let request = editor.build()?;
        let (target, purpose) = (reply.target.clone(), Purpose::Standalone);
        self.start_client(now, request, target, Some(first), purpose, attempt)
    }
}
