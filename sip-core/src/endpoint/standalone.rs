//! Requests of ours outside any call: OPTIONS (RFC 3261 section 11).

use std::time::Instant;

use super::Endpoint;
use super::clients::Purpose;
use super::command::{CommandError, Options};
use super::event::RequestId;
use super::hops::Place;
use super::outgoing::check_headers;
use crate::auth::Attempt;
use crate::header::NameAddr;
use crate::{HeaderName, Message, Method};

impl Endpoint {
    /// Sends OPTIONS outside any call; [`Event::Replied`](crate::Event::Replied) follows.
    ///
    /// The URI's host must be an address, or `target` given: no question is asked for a ping.
    pub fn options(&mut self, now: Instant, options: Options) -> Result<RequestId, CommandError> {
        let now = self.advance(now);
        if !self.out.has_room() {
            return Err(CommandError::Full("outbox"));
        }
        check_headers(&options.headers)?;
        let target = match self.place(&options.uri, options.target.clone())? {
            Place::At(target) => target,
            Place::Ask(_) => return Err(CommandError::State("an address: give a target")),
        };
        let user = options
            .from
            .uri()
            .ok()
            .and_then(|uri| uri.user().map(str::to_owned));
        let via = self.via(&target);
        let contact = self.contact(&target, &user.unwrap_or_default());
        let from = options.from.without_tag().with_tag(&self.draw.tag())?;
        let mut builder = Message::request(Method::Options, &options.uri)
            .header(HeaderName::VIA, via)
            .max_forwards(70)
            .header_display(HeaderName::FROM, from)
            .header_display(HeaderName::TO, NameAddr::new(&options.uri))
            .header(HeaderName::CALL_ID, self.draw.call_id())
            .cseq(1)
            .header(HeaderName::CONTACT, contact)
            .header(HeaderName::ACCEPT, "application/sdp");
        for (name, value) in &options.headers {
            builder = builder.header(name, value);
        }
        let request = self.identify_request(builder).build()?;
        let key = self.start_client(
            now,
            request,
            target,
            None,
            Purpose::Standalone,
            Attempt::none(),
        )?;
        Ok(RequestId(key))
    }
}
