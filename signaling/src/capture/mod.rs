//! What crossed the wire, kept for people: [`Pcapng`] files that Wireshark opens, [`Hep`] packets for a Homer
//! collector, and a [`Ladder`] that a terminal shows.
//!
//! None of them is on a call's path. Whoever owns the sockets copies a packet here when it wants one; a driver that captures
//! nothing pays nothing. The pcapng file holds IP packets (link type RAW): the IP, UDP and TCP headers are made anew
//! around each payload, so what a TLS or SRTP layer took off stays off.

mod hep;
mod ladder;
mod pcapng;

pub use hep::{Hep, HepPayload};
pub use ladder::{Ladder, LadderLine};
pub use pcapng::{CaptureError, Pcapng};

use std::net::SocketAddr;
use std::time::Duration;

/// How a captured payload travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// One datagram.
    Udp,
    /// A piece of a stream, whatever its framing.
    Tcp,
}

/// One payload as it was given to a socket or came from one.
#[derive(Debug, Clone, Copy)]
pub struct Captured<'a> {
    /// When, as time since the Unix epoch.
    pub at: Duration,
    /// How it travelled.
    pub carrier: Carrier,
    /// Who sent it.
    pub source: SocketAddr,
    /// Who it was for.
    pub destination: SocketAddr,
    /// The payload.
    pub bytes: &'a [u8],
}
