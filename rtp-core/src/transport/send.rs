//! The way out.

use super::path::MediaPath;
use super::receive::Component;
use crate::rtp::RtpHeader;
use crate::srtp::SrtpError;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Instant;

/// A frame to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutFrame<'a> {
    /// The payload type, 0 to 127, as the peer's SDP numbers it.
    pub payload_type: u8,
    /// The marker bit: the first packet after a silence, or of a DTMF event.
    pub marker: bool,
    /// The moment of its first sample on the payload's clock, from any origin: the path adds its own random
    /// offset (RFC 3550 §5.1). It goes on during silence. All packets of one event carry the same.
    pub timestamp: u32,
    /// The encoded sound or event.
    pub payload: &'a [u8],
}

/// Where the bytes in the [`PacketBuf`] go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the packet is in the buffer, and somebody has to send it"]
pub struct Transmit {
    /// The destination.
    pub to: SocketAddr,
    /// From which of our sockets.
    pub component: Component,
}

/// Why a frame was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The path is on hold: nothing is to be sent.
    #[error("nothing is to be sent now")]
    Held,
    /// The peer has given no address yet, or port 0.
    #[error("the peer has no address")]
    NoRemote,
    /// The handshake has not brought the keys yet: nothing goes in the clear.
    #[error("the keys are not there yet")]
    NoKeys,
    /// The frame does not fit into a packet.
    #[error("{len} bytes do not fit into a packet")]
    TooLarge {
        /// Bytes of the packet that it would make.
        len: usize,
    },
    /// SRTP refused, for instance because the key is used up.
    #[error(transparent)]
    Srtp(#[from] SrtpError),
    /// [`MediaPath::close`] was called.
    #[error("the path is closed")]
    Closed,
}

/// A buffer for one outgoing packet, owned by the caller and used again and again.
// Ciphers run up to a tenth slower on bytes that begin just anywhere.
#[derive(Clone)]
#[repr(C, align(16))]
pub struct PacketBuf {
    pub(crate) bytes: [u8; PacketBuf::CAPACITY],
    pub(crate) len: usize,
}

impl PacketBuf {
    /// The largest packet in bytes: an Ethernet frame's worth.
    pub const CAPACITY: usize = 1500;

    /// An empty buffer.
    #[must_use]
    pub fn new() -> PacketBuf {
        PacketBuf {
            bytes: [0; Self::CAPACITY],
            len: 0,
        }
    }

    /// Puts a packet of another protocol in, such as DTLS. `false`: it is too large, and the buffer is as before.
    #[must_use]
    pub fn write(&mut self, packet: &[u8]) -> bool {
        let fits = packet.len() <= Self::CAPACITY;
        if fits {
            self.bytes[..packet.len()].copy_from_slice(packet);
            self.len = packet.len();
        }
        fits
    }

    /// The packet.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The packet, to be changed on its way: what a test that simulates a network does.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

impl Default for PacketBuf {
    fn default() -> PacketBuf {
        PacketBuf::new()
    }
}

impl Deref for PacketBuf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl fmt::Debug for PacketBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketBuf").field("len", &self.len).finish()
    }
}

impl MediaPath {
    /// Makes the packet of a frame: header, payload and, with keys, encryption and tag.
    ///
    /// Allocates nothing. The sequence number goes on only when this succeeds.
    ///
    /// # Errors
    /// See [`SendError`]. None of them disturbs the stream.
    pub fn send(
        &mut self,
        now: Instant,
        frame: OutFrame<'_>,
        out: &mut PacketBuf,
    ) -> Result<Transmit, SendError> {
        let now = self.advance(now);
        if self.closed {
            return Err(SendError::Closed);
        }
        if !self.sending {
            return Err(SendError::Held);
        }
        if self.awaits_keys() {
            return Err(SendError::NoKeys);
        }
        let to = self.latch.current();
        if to.port() == 0 || to.ip().is_unspecified() {
            return Err(SendError::NoRemote);
        }
        let timestamp = frame.timestamp.wrapping_add(self.timestamp_offset);
        let header = RtpHeader {
            marker: frame.marker,
            payload_type: frame.payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
            csrcs: &[],
            extension: None,
        };
        let mut len = header
            .write_packet(frame.payload, &mut out.bytes)
            .map_err(|e| SendError::TooLarge { len: e.need })?;
        if let Some(outbound) = &mut self.outbound {
            len = match outbound.protect_rtp(&mut out.bytes, len) {
                Err(SrtpError::BufferTooSmall { need, .. }) => {
                    return Err(SendError::TooLarge { len: need });
                }
                other => other?,
            };
        }
        out.len = len;
        self.sequence = self.sequence.wrapping_add(1);
        self.counters.packets_sent += 1;
        self.counters.bytes_sent += frame.payload.len() as u64;
        let clock_rate = self.clock_rate(frame.payload_type);
        self.reports.sent_rtp(now, timestamp, clock_rate);
        Ok(Transmit {
            to,
            component: Component::Rtp,
        })
    }
}
