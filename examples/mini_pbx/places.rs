//! Where phones find the switchboard.

use std::net::{IpAddr, SocketAddr};

use sip_core::Transport;
use sip_core::Uri;
use sip_core::header::NameAddr;

/// What phones are told, for each transport that is listened on.
#[derive(Debug, Default)]
pub(crate) struct Places(Vec<(Transport, SocketAddr)>);

impl Places {
    /// One more.
    pub(crate) fn add(&mut self, transport: Transport, told: SocketAddr) {
        self.0.push((transport, told));
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Transport, SocketAddr)> + '_ {
        self.0.iter().copied()
    }

    /// The URI by which a phone on this transport calls `user` through us, with headers if there are any.
    pub(crate) fn uri(&self, transport: Transport, user: &str, headers: &str) -> Option<Uri> {
        let (_, at) = self.0.iter().find(|(known, _)| *known == transport)?;
        let param = match transport {
            Transport::Udp => String::new(),
            other => format!(";transport={}", other.param()),
        };
        Uri::parse(format!("sip:{user}@{at}{param}{headers}")).ok()
    }

    /// The same as an address.
    pub(crate) fn address(&self, transport: Transport, user: &str) -> Option<NameAddr> {
        Some(NameAddr::new(&self.uri(transport, user, "")?))
    }
}

/// The address by which others on the network reach us when we listen on all.
#[allow(clippy::disallowed_methods)] // Nothing is sent: the system only says which address it would send from.
pub(crate) fn outward(bound: SocketAddr) -> IpAddr {
    if !bound.ip().is_unspecified() {
        return bound.ip();
    }
    // Addresses for documentation (RFC 5737, RFC 3849): nobody's, so they go the default way.
    let (any, far): (&str, &str) = match bound {
        SocketAddr::V4(_) => ("0.0.0.0:0", "192.0.2.1:9"),
        SocketAddr::V6(_) => ("[::]:0", "[2001:db8::1]:9"),
    };
    let found = std::net::UdpSocket::bind(any).and_then(|socket| {
        socket.connect(far)?;
        socket.local_addr()
    });
    match (found, bound) {
        (Ok(found), _) if !found.ip().is_unspecified() => found.ip(),
        (_, SocketAddr::V4(_)) => IpAddr::from([127, 0, 0, 1]),
        (_, SocketAddr::V6(_)) => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
    }
}
