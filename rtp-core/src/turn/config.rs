//! What a client is told once.

use std::fmt;
use std::time::Duration;

/// How messages reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// A datagram a message.
    Udp,
    /// A TCP connection.
    Tcp,
    /// TLS on a TCP connection; the caller makes it.
    Tls,
}

impl Transport {
    /// Whether messages follow one another in a stream, see [`Framer`](super::Framer).
    #[must_use]
    pub fn is_stream(self) -> bool {
        self != Transport::Udp
    }
}

/// What a [`Client`](super::Client) is told once. The password is in no debug output.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// How messages reach the server.
    pub transport: Transport,
    /// The name of the account, at most 508 bytes (RFC 8489 §14.3).
    pub username: String,
    /// Its password.
    pub password: String,
    /// Ask for an IPv6 address instead of an IPv4 one. Default: no.
    pub ipv6: bool,
    /// How long the server may take to give an address. Default: 7.5 s, as STUN servers have for their answer.
    pub timeout: Duration,
    /// Peers that may send to us through the server, by IP address; further ones are refused. Default: 64.
    pub max_peers: usize,
}

impl Config {
    /// The defaults, for an account.
    #[must_use]
    pub fn new(transport: Transport, username: &str, password: &str) -> Config {
        Config {
            transport,
            username: username.to_owned(),
            password: password.to_owned(),
            ipv6: false,
            timeout: Duration::from_millis(7500),
            max_peers: 64,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("transport", &self.transport)
            .field("username", &self.username)
            .field("ipv6", &self.ipv6)
            .field("timeout", &self.timeout)
            .field("max_peers", &self.max_peers)
            .finish_non_exhaustive()
    }
}
