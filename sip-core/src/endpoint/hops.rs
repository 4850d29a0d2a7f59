//! Where requests go: from a URI to a target (RFC 3261 sections 8.1.2 and 18.1.1), and how we are
//! named there.

use std::net::SocketAddr;

use super::command::CommandError;
use super::flow::{Flow, Target, Transport};
use super::{Endpoint, wire};
use crate::header::NameAddr;
use crate::resolve::{Next, Resolution};
use crate::{HeaderName, RequestBuilder, Scheme, Uri};

impl Endpoint {
    /// Where a URI leads, as far as that needs no name service.
    pub(crate) fn place(&self, uri: &Uri, given: Option<Target>) -> Result<Place, CommandError> {
        let available = |transport: Transport| {
            self.config
                .locals
                .iter()
                .any(|local| local.transport == transport)
        };
        if let Some(target) = given {
            let transport = target.transport();
            return match available(transport) {
                true => Ok(Place::At(target)),
                false => Err(CommandError::Transport(transport.to_string())),
            };
        }
        let mut way = Resolution::request(uri, &self.transports())?;
        if way.is_known()
            && let Next::Target(target) = way.next(self.now, &self.avoided)
        {
            return Ok(Place::At(target));
        }
        Ok(Place::Ask(Box::new(way)))
    }

    /// The transports of our sockets, in the order in which we have them.
    fn transports(&self) -> Vec<Transport> {
        let mut transports = Vec::new();
        for local in &self.config.locals {
            if !transports.contains(&local.transport) {
                transports.push(local.transport);
            }
        }
        transports
    }

    /// The next hop of a request inside a dialog: over the connection on which the peer spoke last
    /// if it is open, else to the address in the URI, else to where the peer spoke from.
    pub(crate) fn hop(&self, uri: &Uri, flow: Option<Flow>, sent: Option<&Target>) -> Target {
        let open = |id| self.connections.contains_key(&id);
        if let Some(flow) = flow.filter(|flow| flow.connection.is_some_and(open)) {
            return Target::Flow(flow);
        }
        match (self.place(uri, None), flow, sent) {
            (Ok(Place::At(target)), ..) => target,
            (_, Some(flow), _) if flow.transport == Transport::Udp => Target::Flow(flow),
            (_, _, Some(sent)) => Target::new(sent.transport(), sent.remote()),
            (_, Some(flow), None) => Target::new(flow.transport, flow.remote),
            (_, None, None) => Target::new(Transport::Udp, SocketAddr::from(([0, 0, 0, 0], 0))),
        }
    }

    fn sent_by(&self, target: &Target) -> String {
        match self.config.local(target.transport(), target.remote()) {
            Some(local) => local.sent_by(),
            None => match target {
                Target::Flow(flow) => flow.local.to_string(),
                Target::Open { .. } => "invalid.invalid".to_owned(),
            },
        }
    }

    /// A Via for a new transaction over `target`.
    pub(crate) fn via(&mut self, target: &Target) -> String {
        let branch = self.draw.branch();
        wire::via(target.transport(), &self.sent_by(target), &branch)
    }

    /// Our Contact as a peer behind `target` reaches us. A SIPS URI only where `sips` asks for one (8.1.1.8, 12.1.1):
    /// not every phone that speaks TLS knows that scheme, and TLS on this hop promises nothing about the others.
    pub(crate) fn contact(&self, target: &Target, user: &str, sips: bool) -> String {
        let sent_by = self.sent_by(target);
        let at = if user.is_empty() { "" } else { "@" };
        let transport = target.transport();
        let scheme = match sips && transport.is_secure() {
            true => "sips",
            false => "sip",
        };
        match transport {
            Transport::Udp => format!("<{scheme}:{user}{at}{sent_by}>"),
            // The `tls` of RFC 3261 is deprecated under `sips:` (26.2.2), which says it already.
            Transport::Tls if sips => format!("<{scheme}:{user}{at}{sent_by}>"),
            _ => format!(
                "<{scheme}:{user}{at}{sent_by};transport={}>",
                transport.param()
            ),
        }
    }

    /// Adds User-Agent.
    pub(crate) fn identify_request(&self, builder: RequestBuilder) -> RequestBuilder {
        match &self.config.user_agent {
            Some(name) => builder.header(HeaderName::USER_AGENT, name),
            None => builder,
        }
    }

    pub(crate) fn place_target(&self, target: &Target) -> Result<(), CommandError> {
        let available = self
            .config
            .locals
            .iter()
            .any(|local| local.transport == target.transport());
        if available {
            Ok(())
        } else {
            Err(CommandError::Transport(target.transport().to_string()))
        }
    }
}

/// Whether a request of ours to this URI, over this first route, asks for TLS on every hop, so that its Contact must be
/// a SIPS URI too (8.1.1.8).
pub(crate) fn is_sips(uri: &Uri, route: Option<&NameAddr>) -> bool {
    let secure = |scheme| scheme == Scheme::Sips;
    secure(uri.scheme())
        || route.is_some_and(|route| route.uri().is_ok_and(|uri| secure(uri.scheme())))
}

/// Where a URI leads.
pub(crate) enum Place {
    At(Target),
    /// Somewhere that must be found out.
    Ask(Box<Resolution>),
}
