//! What passed over the sockets, with its time.

use std::time::Instant;

use bytes::Bytes;

use crate::Flow;

/// Which way bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the peer to us.
    Received,
    /// From us to the peer.
    Sent,
}

/// Bytes that were sent or received: one datagram, or one piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tap {
    /// When the driver handed them to the socket or took them from it.
    pub at: Instant,
    /// Which way.
    pub direction: Direction,
    /// Between whom. While a connection is being opened its local address is unspecified.
    pub flow: Flow,
    /// The bytes, shared.
    pub bytes: Bytes,
}
