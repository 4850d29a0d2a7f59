//! The way in.

use super::config::{Latching, RtcpMode};
use super::latch::Admission;
use super::path::{Event, MediaPath};
use crate::rtcp::Compound;
use crate::rtp::{Rtp, Ssrc};
use crate::srtp::SrtpError;
use std::net::SocketAddr;
use std::time::Instant;

/// Which of the two sockets of a media path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Component {
    /// RTP's, and RTCP's too when they are multiplexed.
    Rtp,
    /// RTCP's own.
    Rtcp,
}

impl Component {
    /// Its number in candidates (RFC 8839 §5.1): 1 and 2.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Component::Rtp => 1,
            Component::Rtcp => 2,
        }
    }
}

/// Which way a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path {
    /// The socket that it arrived on.
    pub component: Component,
    /// Who sent it.
    pub from: SocketAddr,
}

impl Path {
    /// On the RTP socket.
    #[must_use]
    pub fn rtp(from: SocketAddr) -> Path {
        Path {
            component: Component::Rtp,
            from,
        }
    }

    /// On the RTCP socket.
    #[must_use]
    pub fn rtcp(from: SocketAddr) -> Path {
        Path {
            component: Component::Rtcp,
            from,
        }
    }
}

/// What the first byte of a packet says (RFC 7983 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// 0–3.
    Stun,
    /// 16–19.
    Zrtp,
    /// 20–63.
    Dtls,
    /// 64–79.
    TurnChannel,
    /// 128–191: RTP or RTCP.
    Media,
    /// The rest.
    Unknown,
}

impl Protocol {
    /// Looks at the first byte of a packet.
    #[must_use]
    pub const fn of(first: u8) -> Protocol {
        match first {
            0..=3 => Protocol::Stun,
            16..=19 => Protocol::Zrtp,
            20..=63 => Protocol::Dtls,
            64..=79 => Protocol::TurnChannel,
            128..=191 => Protocol::Media,
            _ => Protocol::Unknown,
        }
    }
}

/// Why a packet was not used. Each is counted in [`Dropped`](super::Dropped).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Not RTP or RTCP although the first byte said so.
    Malformed,
    /// Another protocol, which nobody asked for.
    NotMedia(Protocol),
    /// From an address that is not the peer's, see [`Latching`](super::Latching).
    Stranger,
    /// SRTP refused it.
    Srtp(SrtpError),
    /// It carries our own SSRC: our packets come back, or the peer chose the same.
    Looped,
    /// Nothing is to be received now.
    Held,
    /// The handshake has not brought the keys yet.
    NoKeys,
}

/// What a packet was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received<'p> {
    /// Sound or an event, for the jitter buffer or the DTMF receiver.
    Rtp(Rtp<'p>),
    /// A report, already accounted for.
    Rtcp(Compound<'p>),
    /// A STUN message (RFC 8489 §5), whole, with the cookie, from anybody: only its MESSAGE-INTEGRITY says from
    /// whom. With [`Config::stun`](super::Config::stun).
    Stun(&'p [u8]),
    /// DTLS records (RFC 6347 §4.1, RFC 9147 §4) for the handshake. With [`Config::dtls`](super::Config::dtls).
    Dtls(&'p [u8]),
    /// Something that needs nothing more: an empty keep-alive (RFC 6263 §4.1).
    Handled,
    /// Not used.
    Dropped(Reason),
}

impl MediaPath {
    /// Takes a datagram. SRTP is decrypted in place.
    ///
    /// Allocates nothing, and never fails: what cannot be used is counted and returned as
    /// [`Received::Dropped`].
    pub fn receive<'p>(&mut self, now: Instant, path: Path, packet: &'p mut [u8]) -> Received<'p> {
        let now = self.advance(now);
        let Some(&first) = packet.first() else {
            return Received::Handled;
        };
        let result = match Protocol::of(first) {
            Protocol::Media if self.is_rtcp(path.component, packet) => {
                self.receive_rtcp(now, path, packet).map(Received::Rtcp)
            }
            Protocol::Media => self.receive_rtp(now, path, packet).map(Received::Rtp),
            Protocol::Stun if self.stun => self
                .hand_on(is_stun(packet))
                .map(|()| Received::Stun(packet)),
            Protocol::Dtls if self.dtls => self
                .judge_dtls(path)
                .and_then(|()| self.hand_on(is_dtls(packet)))
                .map(|()| Received::Dtls(packet)),
            other => Err(Reason::NotMedia(other)),
        };
        result.unwrap_or_else(|reason| {
            self.count_drop(reason);
            Received::Dropped(reason)
        })
    }

    /// What is handed on is borrowed from the caller's buffer: nothing is queued here, whatever the flood.
    fn hand_on(&mut self, whole: bool) -> Result<(), Reason> {
        if !whole {
            return Err(Reason::Malformed);
        }
        self.counters.handed_on += 1;
        Ok(())
    }

    /// Records carry no proof of their sender before the handshake is over. Without latching and without ICE
    /// the negotiated address is the only one that has a say.
    fn judge_dtls(&self, path: Path) -> Result<(), Reason> {
        let anybody = self.stun || self.latching != Latching::Off;
        if anybody || self.latch.knows_ip(path.from) {
            Ok(())
        } else {
            Err(Reason::Stranger)
        }
    }

    /// RTCP's packet types 192–223 would be RTP payload types 64–95, which nobody may use with mux
    /// (RFC 5761 §4).
    fn is_rtcp(&self, component: Component, packet: &[u8]) -> bool {
        match component {
            Component::Rtcp => true,
            Component::Rtp => {
                self.rtcp != RtcpMode::Separate
                    && packet.get(1).is_some_and(|kind| (192..=223).contains(kind))
            }
        }
    }

    fn receive_rtp<'p>(
        &mut self,
        now: Instant,
        path: Path,
        packet: &'p mut [u8],
    ) -> Result<Rtp<'p>, Reason> {
        if self.awaits_keys() {
            return Err(Reason::NoKeys);
        }
        let verified = self.inbound.is_some();
        let packet: &'p [u8] = match &mut self.inbound {
            Some(inbound) => inbound.unprotect_rtp(packet).map_err(Reason::Srtp)?,
            None => packet,
        };
        let rtp = Rtp::parse(packet).map_err(|_| Reason::Malformed)?;
        if rtp.ssrc == self.ssrc {
            self.collide(now, path.from);
            return Err(Reason::Looped);
        }
        match self
            .latch
            .judge(now, path.from, rtp.ssrc, rtp.sequence, verified)
        {
            Admission::Admit => {}
            Admission::Moved => self.moved(path.from),
            Admission::Refuse => return Err(Reason::Stranger),
        }
        self.alive(now);
        self.counters.last_received = Some(now);
        let clock_rate = self.clock_rate(rtp.payload_type);
        let before = self.reports.remote_ssrc();
        if self.reports.received_rtp(now, &rtp, clock_rate) {
            self.push_event(Event::SourceChanged {
                from: before,
                to: rtp.ssrc,
            });
        }
        if !self.receiving {
            return Err(Reason::Held);
        }
        self.counters.packets_received += 1;
        self.counters.bytes_received += rtp.payload.len() as u64;
        Ok(rtp)
    }

    fn receive_rtcp<'p>(
        &mut self,
        now: Instant,
        path: Path,
        packet: &'p mut [u8],
    ) -> Result<Compound<'p>, Reason> {
        if self.awaits_keys() {
            return Err(Reason::NoKeys);
        }
        let inbound = self.rtcp_inbound()?;
        let verified = inbound.is_some();
        let packet: &'p [u8] = match inbound {
            Some(inbound) => inbound.unprotect_rtcp(packet).map_err(Reason::Srtp)?,
            None => packet,
        };
        let compound = Compound::parse(packet).map_err(|_| Reason::Malformed)?;
        if !verified && !self.knows_rtcp(path) {
            return Err(Reason::Stranger);
        }
        self.follow_rtcp(path, &compound);
        self.alive(now);
        self.counters.reports_received += 1;
        let (ntp, ssrc) = (self.epoch.ntp(now), self.ssrc);
        let mut left: Option<Ssrc> = None;
        self.reports
            .received_rtcp(now, ntp, ssrc, &compound, &mut left);
        if let Some(ssrc) = left {
            self.push_event(Event::Goodbye { ssrc });
        }
        Ok(compound)
    }
}

/// The header of RFC 8489 §5: cookie, and a length that fits.
fn is_stun(packet: &[u8]) -> bool {
    match packet {
        [_, _, high, low, 0x21, 0x12, 0xa4, 0x42, rest @ ..] => {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            length.is_multiple_of(4) && rest.len() == length + 12
        }
        _ => false,
    }
}

/// A whole header of DTLS 1.2, whose version begins with 254, or the beginning of a unified one of 1.3.
fn is_dtls(packet: &[u8]) -> bool {
    match packet {
        [20..=31, major, ..] => *major == 254 && packet.len() >= 13,
        _ => packet.len() >= 3,
    }
}
