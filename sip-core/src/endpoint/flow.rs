//! Where bytes come from and go to: [`Flow`], [`Target`], [`Input`], [`Transmit`].

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::Frame;

/// A transport protocol of SIP (RFC 3261 section 18, RFC 7118).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Transport {
    /// Datagrams; unreliable, so transactions retransmit.
    Udp,
    /// A byte stream.
    Tcp,
    /// A byte stream in TLS.
    Tls,
    /// WebSocket.
    Ws,
    /// WebSocket in TLS.
    Wss,
}

impl Transport {
    /// Whether the transport retransmits by itself, so that transactions need not.
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }

    /// Whether it is protected by TLS.
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// The word in a Via header: `UDP`, `TCP`, `TLS`, `WS`, `WSS`.
    pub fn via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The value of a URI's `transport` parameter.
    pub fn param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws | Self::Wss => "ws",
        }
    }

    /// The port that a URI or Via without one means (RFC 3261 19.1.2, RFC 7118 section 5.2 for
    /// the Via of a WebSocket).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// The transport named by a URI's `transport` parameter or a Via, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss]
            .into_iter()
            .find(|t| t.via().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.via())
    }
}

/// A connection's number, given by whoever owns the socket and never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// The path of a message: its transport and both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The transport.
    pub transport: Transport,
    /// Our address; for a socket bound to a wildcard, that wildcard.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// The connection, on every transport but UDP.
    pub connection: Option<ConnectionId>,
}

impl Flow {
    /// A UDP flow between two addresses.
    pub fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            transport: Transport::Udp,
            local,
            remote,
            connection: None,
        }
    }
}

/// Where a [`Transmit`] goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// Over this flow. If its connection is gone, report [`Input::Closed`].
    Flow(Flow),
    /// To this address: over an open connection to it if there is one, else open one. For UDP,
    /// from the socket that [`Config`](crate::Config) names for this transport.
    ///
    /// If opening fails, report [`Input::Closed`] with a flow whose `connection` is `None`.
    Open {
        /// The transport.
        transport: Transport,
        /// The peer.
        remote: SocketAddr,
        /// The name that a TLS certificate must bear.
        server_name: Option<Arc<str>>,
    },
}

impl Target {
    /// A target to be opened when needed.
    pub fn new(transport: Transport, remote: SocketAddr) -> Self {
        Self::Open {
            transport,
            remote,
            server_name: None,
        }
    }

    /// The transport.
    pub fn transport(&self) -> Transport {
        match self {
            Self::Flow(flow) => flow.transport,
            Self::Open { transport, .. } => *transport,
        }
    }

    /// The peer's address.
    pub fn remote(&self) -> SocketAddr {
        match self {
            Self::Flow(flow) => flow.remote,
            Self::Open { remote, .. } => *remote,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over {}", self.remote(), self.transport())
    }
}

/// What happened on the network.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input {
    /// Bytes came: a whole datagram, or whatever a stream's read returned.
    Received {
        /// Where they came from.
        flow: Flow,
        /// The bytes.
        bytes: Bytes,
    },
    /// What a [`Framer`](crate::Framer) of the caller's own made of such bytes, for whoever has to look into messages
    /// before it knows which of several endpoints they are for ([`homes`](crate::homes)). A connection is fed with
    /// either of the two, never with both.
    Framed {
        /// Where it came from.
        flow: Flow,
        /// The message, or what else it was.
        frame: Frame,
    },
    /// A connection opened, by either side.
    Opened {
        /// The new connection.
        flow: Flow,
    },
    /// A connection closed or could not be opened; for UDP, a datagram could not be delivered
    /// (ICMP port unreachable): transactions to that address fail.
    Closed {
        /// The connection; with `connection: None`, the attempt to open it, or UDP.
        flow: Flow,
        /// Why.
        cause: FlowError,
    },
}

/// Why a flow ended or could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// The peer closed it in the ordinary way.
    #[error("closed by the peer")]
    Closed,
    /// Nothing listens there.
    #[error("connection refused")]
    Refused,
    /// No route, or the network is down.
    #[error("host unreachable")]
    Unreachable,
    /// The peer did not answer in time.
    #[error("connection timed out")]
    TimedOut,
    /// The connection was reset.
    #[error("connection reset")]
    Reset,
    /// A TLS or WebSocket handshake failed.
    #[error("handshake failed")]
    Handshake,
    /// The peer's certificate is out of date, or not valid yet.
    #[error("the peer's certificate is not valid at this time")]
    CertificateExpired,
    /// The peer's certificate is not one that the application trusts: self-signed, revoked, from an unknown issuer.
    #[error("the peer's certificate is not trusted")]
    CertificateUntrusted,
    /// The peer's certificate bears another name (RFC 5922).
    #[error("the peer's certificate is for another name")]
    CertificateName,
    /// The peer sent a WebSocket frame that is longer than any message may be.
    #[error("message too long")]
    TooLong,
    /// The driver has no socket for this transport.
    #[error("transport not available")]
    NoTransport,
    /// The driver's queue for this peer is full: it does not read.
    #[error("the peer does not read")]
    Congested,
    /// No file descriptor is left, or the driver has as many connections as it may.
    #[error("no more connections can be opened")]
    Exhausted,
    /// Anything else that the operating system said.
    #[error("transport error")]
    Other,
}

/// Bytes to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "bytes that are not sent are lost"]
pub struct Transmit {
    /// Where to.
    pub to: Target,
    /// One whole SIP message, shared with the store that repeats it.
    pub bytes: Bytes,
    /// Close the connection after sending: what came over it cannot be framed any more.
    pub then_close: bool,
}
