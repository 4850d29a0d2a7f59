//! What a media path has counted, as plain data.

use super::one_way::OneWay;
use crate::rtp::Ssrc;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Packets that arrived and were not used, by cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Dropped {
    /// Not RTP or RTCP although the first byte said so.
    pub malformed: u64,
    /// Neither RTP nor RTCP by the first byte (RFC 7983), nor asked for.
    pub not_media: u64,
    /// From an address that is not the peer's.
    pub stranger: u64,
    /// A wrong SRTP tag.
    pub unauthenticated: u64,
    /// Seen before, or too old to tell.
    pub replayed: u64,
    /// Our own packets come back, or a source with our SSRC.
    pub looped: u64,
    /// Arrived while nothing was to be received.
    pub held: u64,
    /// Arrived before the handshake had brought keys.
    pub no_keys: u64,
}

impl Dropped {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.malformed
            + self.not_media
            + self.stranger
            + self.unauthenticated
            + self.replayed
            + self.looped
            + self.held
            + self.no_keys
    }
}

/// What the peer last said of what it receives from us.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RemoteReport {
    /// When it came.
    pub at: Instant,
    /// Share lost since its report before, 0 to 1.
    pub loss: f64,
    /// Packets lost in all.
    pub lost: i32,
    /// Interarrival jitter in milliseconds.
    pub jitter_ms: f64,
}

/// The counters of a media path since its start.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PathStats {
    /// Our SSRC.
    pub ssrc: Ssrc,
    /// The peer's, once it has been heard.
    pub remote_ssrc: Option<Ssrc>,
    /// Where RTP goes now.
    pub remote: SocketAddr,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Payload bytes sent, without headers and tags.
    pub bytes_sent: u64,
    /// RTP packets received and believed.
    pub packets_received: u64,
    /// Payload bytes received and believed.
    pub bytes_received: u64,
    /// Packets that should have come.
    pub packets_expected: u64,
    /// Packets that did not come; negative when there were doubles.
    pub packets_lost: i64,
    /// Interarrival jitter in milliseconds (RFC 3550 A.8).
    pub jitter_ms: f64,
    /// The highest that it was, in milliseconds.
    pub highest_jitter_ms: f64,
    /// Time to the peer and back, from its last report; without the time that it kept the report.
    pub round_trip: Option<Duration>,
    /// How long packets take from the peer to us, by estimate; `None` before the first round trip.
    pub one_way: Option<OneWay>,
    /// What the peer says of what it receives.
    pub remote_report: Option<RemoteReport>,
    /// RTCP packets sent.
    pub reports_sent: u64,
    /// RTCP packets received and believed.
    pub reports_received: u64,
    /// STUN messages and DTLS records handed on.
    pub handed_on: u64,
    /// What was not used.
    pub dropped: Dropped,
    /// When RTP last arrived.
    pub last_received: Option<Instant>,
}

impl PathStats {
    /// The share of packets lost on the way to us, 0 to 1.
    #[must_use]
    pub fn loss(&self) -> f64 {
        if self.packets_expected == 0 {
            return 0.0;
        }
        (self.packets_lost.max(0) as f64 / self.packets_expected as f64).min(1.0)
    }

    /// The share of packets lost since `before`, an earlier copy: a figure by interval, 0 to 1.
    #[must_use]
    pub fn loss_since(&self, before: &PathStats) -> f64 {
        let expected = self
            .packets_expected
            .saturating_sub(before.packets_expected);
        if expected == 0 {
            return 0.0;
        }
        let lost = self.packets_lost.saturating_sub(before.packets_lost).max(0);
        (lost as f64 / expected as f64).min(1.0)
    }
}
