//! Requests too large for UDP (RFC 3261 section 18.1.1).
//!
//! Above [`Config::datagram_limit`](crate::Config::datagram_limit) a request that would be sent to a UDP address goes to
//! the same address over TCP, if we have a TCP socket; its Via says so. A peer without TCP refuses the connection: then
//! the request goes out over UDP after all, as that section wants, in fragments.
//!
//! A request inside a dialog over UDP stays there: it goes back along the flow on which the peer was heard, and behind a
//! NAT nothing else reaches it.

use std::time::Instant;

use super::Endpoint;
use super::flow::{Target, Transport};
use super::wire;
use crate::header::Via;
use crate::{HeaderName, Message};

/// What goes out over UDP if TCP fails.
#[derive(Debug)]
pub(crate) struct Fallback {
    pub(crate) request: Box<Message>,
    pub(crate) target: Target,
}

impl Endpoint {
    /// The request and target over TCP, if it is too large for UDP and TCP is there.
    pub(crate) fn grown(&self, request: &Message, target: &Target) -> Option<(Message, Target)> {
        let Target::Open {
            transport: Transport::Udp,
            remote,
            ..
        } = target
        else {
            return None;
        };
        let limit = self.config.datagram_limit?;
        if request.as_bytes().len() <= limit {
            return None;
        }
        let local = self.config.locals.iter().find(|local| {
            local.transport == Transport::Tcp && local.bound.is_ipv4() == remote.is_ipv4()
        })?;
        let branch = request.typed::<Via<'_>>().ok()?.branch()?.to_owned();
        let via = wire::via(Transport::Tcp, &local.sent_by(), &branch);
        let moved = request
            .edit()
            .remove_first(HeaderName::VIA)
            .prepend(HeaderName::VIA, via)
            .build()
            .ok()?;
        Some((moved, Target::new(Transport::Tcp, *remote)))
    }

    /// Sends a client's request over UDP after TCP failed; whether there was such a way.
    pub(crate) fn fall_back(&mut self, now: Instant, key: super::Key) -> bool {
        let timers = &self.config.timers;
        let Some(client) = self.clients.get_mut(key) else {
            return false;
        };
        let Some(Fallback { request, target }) = client.fall_back(now, timers) else {
            return false;
        };
        let old = (client.target.transport(), client.target.remote());
        let bytes = request.to_bytes();
        client.redirect(*request, target.clone());
        self.by_remote.remove(&(old.0, old.1, key));
        self.by_remote
            .insert((target.transport(), target.remote(), key));
        self.rearm_client(key);
        self.out.send(target, bytes);
        true
    }
}
