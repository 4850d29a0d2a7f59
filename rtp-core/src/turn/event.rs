//! What a client says, and what it refuses.

use std::net::{IpAddr, SocketAddr};

/// Why there is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// The server did not answer in time, or only what could not be believed.
    Silent,
    /// It said no, with this code (RFC 8656 §19): 401 when name or password are wrong, 486 when the account has as many
    /// addresses as it may, 508 when the server has none left.
    Refused(u16),
}

/// What a client noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// There is an address.
    Allocated {
        /// What is sent there reaches us, as soon as the sender is permitted.
        relayed: SocketAddr,
        /// Our own address as the server sees it; over UDP a server-reflexive candidate.
        mapped: Option<SocketAddr>,
    },
    /// There will be none. The client is done.
    Failed(Failure),
    /// The address is gone: it could not be renewed in time, or the server has forgotten it. The client is done.
    Lost,
    /// The server lets this peer not be reached, or no longer.
    Denied(IpAddr),
}

/// What a message from the server was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received<'m> {
    /// A peer sent this.
    Data {
        /// Who.
        peer: SocketAddr,
        /// What.
        payload: &'m [u8],
    },
    /// The client's own business.
    Handled,
    /// It is not TURN, or not for this client.
    Foreign,
}

/// When a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Sent {
    /// Send what is in the buffer to the server.
    Now,
    /// It waits until the peer is permitted, and then comes out of [`Client::poll_transmit`](super::Client::poll_transmit).
    Later,
}

/// Why a command was refused. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TurnError {
    /// There is no address yet, or no longer.
    #[error("the server has given no address")]
    NoAddress,
    /// The server refused to permit this peer.
    #[error("the server lets this peer not be reached")]
    Denied,
    /// There are as many peers as [`Config::max_peers`](super::Config::max_peers) allows.
    #[error("there are as many peers as may be")]
    TooMany,
    /// The peer's address is of the other family, or has no port.
    #[error("the relayed address cannot send there")]
    Address,
    /// The datagram does not fit into a packet to the server.
    #[error("{0} bytes do not fit into a packet")]
    TooLarge(usize),
    /// The name is empty or longer than 508 bytes.
    #[error("the user name is of no use")]
    Username,
}
