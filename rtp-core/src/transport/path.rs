//! The machine: its state, its commands, its timers.

use super::config::{Config, Keys, Latching, RtcpMode};
use super::latch::Latch;
use super::receive::{Component, Path, Reason};
use super::reports::Reports;
use super::rtcp_keys::RtcpKeys;
use super::send::{PacketBuf, Transmit};
use super::stats::{Dropped, PathStats};
use crate::Random;
use crate::rtcp::{Compound, Epoch, Packet, Writer};
use crate::rtp::{BufferTooSmall, Ssrc, static_clock_rate};
use crate::srtp::{Inbound, Outbound, SrtpError};
use std::collections::VecDeque;
use std::fmt;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Events kept until they are polled; the oldest goes first when more come.
const MAX_EVENTS: usize = 32;
/// Addresses remembered as having our SSRC (RFC 3550 §8.2).
const MAX_COLLISIONS: usize = 4;

/// What a media path noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Packets go to another address now, because they come from there.
    Latched {
        /// Which packets.
        component: Component,
        /// The new destination.
        to: SocketAddr,
    },
    /// A source is heard that was not heard before: the first, or another one.
    SourceChanged {
        /// Who was heard until now.
        from: Option<Ssrc>,
        /// Who is heard now.
        to: Ssrc,
    },
    /// Nothing has arrived for as long as [`Config`] allows. Told once, until something arrives again.
    Inactive {
        /// Whether anything ever arrived.
        ever: bool,
    },
    /// Something arrived after [`Event::Inactive`].
    Active,
    /// The peer said RTCP BYE for a source that was heard. The call may go on: a BYE is no hangup.
    Goodbye {
        /// The source.
        ssrc: Ssrc,
    },
    /// The peer had our SSRC: we have another one now (RFC 3550 §8.2).
    Collision {
        /// Ours until now.
        old: Ssrc,
        /// Ours from now on.
        new: Ssrc,
    },
    /// New keys came after our rollover counter had left 0, see [`MediaPath::set_keys`].
    SourceRenewed {
        /// Ours until now.
        old: Ssrc,
        /// Ours from now on.
        new: Ssrc,
    },
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) packets_sent: u64,
    pub(super) bytes_sent: u64,
    pub(super) packets_received: u64,
    pub(super) bytes_received: u64,
    pub(super) reports_sent: u64,
    pub(super) reports_received: u64,
    pub(super) handed_on: u64,
    pub(super) last_received: Option<Instant>,
    pub(super) dropped: Dropped,
}

/// The media path of one call leg. See the [module](super).
pub struct MediaPath {
    now: Instant,
    pub(super) epoch: Epoch,
    random: Random,
    pub(super) ssrc: Ssrc,
    pub(super) sequence: u16,
    pub(super) timestamp_offset: u32,
    cname: String,
    pub(super) latch: Latch,
    pub(super) latching: Latching,
    pub(super) rtcp: RtcpMode,
    rtcp_remote: SocketAddr,
    pub(super) reduced_size: bool,
    rtcp_follows: bool,
    keys: Option<Keys>,
    pub(super) outbound: Option<Outbound>,
    pub(super) inbound: Option<Inbound>,
    /// Where RTCP has keys of its own.
    pub(super) rtcp_keys: Option<Box<RtcpKeys>>,
    clock_rates: [u32; 128],
    pub(super) sending: bool,
    pub(super) receiving: bool,
    pub(super) counters: Counters,
    pub(super) reports: Reports,
    report_due: bool,
    bye: Option<String>,
    pub(super) closed: bool,
    first_media_timeout: Option<Duration>,
    media_timeout: Option<Duration>,
    ever_alive: bool,
    alive_at: Instant,
    inactive: bool,
    collisions: Vec<SocketAddr>,
    /// The source that we were before a collision, until its goodbye is said.
    abandoned: Option<Ssrc>,
    /// Packets and bytes sent under earlier SSRCs: reports count each source for itself (RFC 3550 §6.4.1).
    sent_before: (u64, u64),
    events: VecDeque<Event>,
    pub(super) stun: bool,
    pub(super) dtls: bool,
}

impl fmt::Debug for MediaPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaPath")
            .field("ssrc", &self.ssrc)
            .field("remote", &self.latch.current())
            .field("suite", &self.outbound.as_ref().map(Outbound::suite))
            .finish_non_exhaustive()
    }
}

impl MediaPath {
    /// A path that sends and receives. `random` must be cryptographic: SSRC, first sequence number and
    /// timestamp offset come from it (RFC 3550 §5.1).
    #[must_use]
    pub fn new(now: Instant, config: Config, mut random: Random) -> MediaPath {
        let mut seed = [0u8; 18];
        random(&mut seed);
        let four =
            |at: usize| u32::from_be_bytes([seed[at], seed[at + 1], seed[at + 2], seed[at + 3]]);
        let mut cname = config.cname;
        if cname.is_empty() {
            for byte in &seed[10..18] {
                // Writing to a String cannot fail.
                let _ = write!(cname, "{byte:02x}");
            }
        }
        let mut clock_rates = [config.clock_rate; 128];
        for (payload_type, rate) in (0u8..).zip(clock_rates.iter_mut()) {
            *rate = static_clock_rate(payload_type).unwrap_or(config.clock_rate);
        }
        for (payload_type, rate) in config.clock_rates {
            clock_rates[usize::from(payload_type & 0x7f)] = rate;
        }
        let reports = Reports::new(now, config.bandwidth, config.rtcp_interval);
        let mut path = MediaPath {
            now,
            epoch: config.epoch,
            random,
            ssrc: Ssrc(four(0)),
            // Below 2^15, so that a loss at the start cannot make a receiver guess a wrong rollover counter
            // (RFC 3711 §3.3.1).
            sequence: u16::from_be_bytes([seed[4], seed[5]]) & 0x7fff,
            timestamp_offset: four(6),
            cname,
            latch: Latch::new(config.latching, config.remote),
            latching: config.latching,
            rtcp: config.rtcp,
            rtcp_remote: rtcp_address(config.rtcp, config.remote, config.remote_rtcp),
            rtcp_follows: config.remote_rtcp.is_none(),
            outbound: config.keys.as_ref().map(|k| Outbound::new(&k.send)),
            inbound: config.keys.as_ref().map(|k| Inbound::new(&k.receive)),
            rtcp_keys: None,
            keys: config.keys,
            clock_rates,
            sending: true,
            receiving: true,
            counters: Counters::default(),
            reports,
            report_due: false,
            bye: None,
            closed: false,
            reduced_size: config.reduced_size,
            first_media_timeout: config.first_media_timeout,
            media_timeout: config.media_timeout,
            ever_alive: false,
            alive_at: now,
            inactive: false,
            collisions: Vec::new(),
            abandoned: None,
            sent_before: (0, 0),
            events: VecDeque::with_capacity(MAX_EVENTS),
            stun: config.stun,
            dtls: config.dtls,
        };
        if path.rtcp != RtcpMode::Off {
            let random = path.draw();
            path.reports.schedule(now, random);
        }
        path
    }

    /// Our SSRC.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Where RTP goes now: as negotiated, or where the peer was found.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.latch.current()
    }

    /// The next sequence number that will be sent.
    #[must_use]
    pub fn next_sequence(&self) -> u16 {
        self.sequence
    }

    /// What is added to the timestamps of frames.
    #[must_use]
    pub fn timestamp_offset(&self) -> u32 {
        self.timestamp_offset
    }

    /// The rollover counter of what we send; `None` without SRTP or before the first packet.
    #[must_use]
    pub fn rollover(&self) -> Option<u32> {
        self.outbound.as_ref()?.rollover(self.ssrc)
    }

    /// The protection of what arrives, for reading and setting rollover counters.
    #[must_use]
    pub fn inbound(&mut self) -> Option<&mut Inbound> {
        self.inbound.as_mut()
    }

    /// The peer's address after negotiation. The same one again changes nothing; another one opens the
    /// [latch](Latching) anew.
    pub fn set_remote(&mut self, now: Instant, rtp: SocketAddr, rtcp: Option<SocketAddr>) {
        self.advance(now);
        self.latch.set_signalled(rtp);
        self.rtcp_follows = rtcp.is_none();
        self.rtcp_remote = rtcp_address(self.rtcp, self.latch.current(), rtcp);
    }

    /// Where RTCP travels after negotiation.
    pub fn set_rtcp_mode(&mut self, now: Instant, mode: RtcpMode) {
        let now = self.advance(now);
        if mode == self.rtcp {
            return;
        }
        self.rtcp = mode;
        self.rtcp_remote = rtcp_address(mode, self.latch.current(), None);
        if mode != RtcpMode::Off && self.reports.next().is_none() {
            let random = self.draw();
            self.reports.schedule(now, random);
        }
    }

    /// The keys after negotiation. The same ones again change nothing. `None` goes on in the clear, or with
    /// [`Config::dtls`] waits for the next handshake.
    ///
    /// With a new key the rollover counter goes on by RFC 3711 §3.3.1, while many phones begin a new context at 0, and
    /// a peer that is another machine by now cannot know it. So what we receive may go on or begin at 0: its first
    /// packet tells. What we send goes on as long as our counter is 0; later, after 22 minutes of 20 ms packets at
    /// the earliest, it goes on as another source ([`Event::SourceRenewed`]), whose counter is 0 for everybody.
    pub fn set_keys(&mut self, now: Instant, keys: Option<Keys>) {
        self.advance(now);
        let (before, mut renewed) = (self.rollover(), false);
        match (&self.keys, &keys) {
            (Some(old), Some(new)) => {
                if old.send != new.send {
                    match &mut self.outbound {
                        Some(outbound) => outbound.rekey(&new.send),
                        None => self.outbound = Some(Outbound::new(&new.send)),
                    }
                    renewed = before.is_some_and(|counter| counter != 0);
                }
                if old.receive != new.receive {
                    match &mut self.inbound {
                        Some(inbound) => inbound.rekey(&new.receive),
                        None => self.inbound = Some(Inbound::new(&new.receive)),
                    }
                }
            }
            (_, new) => {
                self.outbound = new.as_ref().map(|k| Outbound::new(&k.send));
                self.inbound = new.as_ref().map(|k| Inbound::new(&k.receive));
            }
        }
        self.keys = keys;
        if renewed {
            let (old, new) = self.renew_source();
            self.push_event(Event::SourceRenewed { old, new });
            if let Some(outbound) = &mut self.outbound {
                outbound.forget(old);
            }
        }
    }

    /// Whether a handshake has yet to bring the keys, see [`Config::dtls`]. Nothing is sent and no media is
    /// believed until then.
    #[must_use]
    pub fn awaits_keys(&self) -> bool {
        self.dtls && self.keys.is_none()
    }

    /// The clock rate in Hz of a payload type after negotiation.
    pub fn set_clock_rate(&mut self, payload_type: u8, hz: u32) {
        self.clock_rates[usize::from(payload_type & 0x7f)] = hz.max(1);
    }

    /// What the negotiated direction allows (RFC 3264 §6.1), seen from here. While nothing is to be received
    /// the inactivity clock stands still; it starts anew when receiving does. RTCP goes on during hold
    /// (RFC 3264 §5.1).
    pub fn set_direction(&mut self, now: Instant, send: bool, receive: bool) {
        let now = self.advance(now);
        self.sending = send;
        if receive && !self.receiving {
            self.alive_at = now;
            self.inactive = false;
        }
        self.receiving = receive;
    }

    /// Replaces the wall clock after a step of it.
    pub fn set_epoch(&mut self, epoch: Epoch) {
        self.epoch = epoch;
    }

    /// Ends the path: one last report with a BYE is to be polled; nothing is sent afterwards.
    pub fn close(&mut self, now: Instant, reason: &str) {
        self.advance(now);
        if !self.closed && self.rtcp != RtcpMode::Off {
            self.bye = Some(reason.to_owned());
        }
        self.closed = true;
    }

    /// Lets timers expire. Harmless when none has.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        if self.closed {
            return;
        }
        if self.rtcp != RtcpMode::Off && self.reports.next().is_some_and(|at| at <= now) {
            self.report_due = true;
            let random = self.draw();
            self.reports.schedule(now, random);
        }
        if self.inactive_at().is_some_and(|at| at <= now) {
            self.inactive = true;
            self.push_event(Event::Inactive {
                ever: self.ever_alive,
            });
        }
    }

    /// When to call [`MediaPath::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let report = self.reports.next().filter(|_| self.rtcp != RtcpMode::Off);
        [report, self.inactive_at()].into_iter().flatten().min()
    }

    /// The next RTCP packet to send, written into `out`.
    pub fn poll_transmit(&mut self, out: &mut PacketBuf) -> Option<Transmit> {
        if self.awaits_keys() {
            (self.bye, self.report_due) = (None, false);
            return None;
        }
        if let Some(old) = self.abandoned.take() {
            return self.leave(old, out);
        }
        let bye = self.bye.take();
        if !std::mem::take(&mut self.report_due) && bye.is_none() {
            return None;
        }
        let to = self.rtcp_destination()?;
        let mut writer = Writer::new(&mut out.bytes);
        self.write_report(&mut writer).ok()?;
        if let Some(reason) = bye {
            writer.goodbye(self.ssrc, &reason).ok()?;
        }
        let len = writer.len();
        self.finish_rtcp(to, len, out).ok()
    }

    /// The goodbye of a source that we no longer are (RFC 3550 §8.2).
    fn leave(&mut self, old: Ssrc, out: &mut PacketBuf) -> Option<Transmit> {
        let to = self.rtcp_destination()?;
        let mut writer = Writer::new(&mut out.bytes);
        writer.receiver_report(old, &[]).ok()?;
        writer.cname(old, &self.cname).ok()?;
        writer.goodbye(old, "SSRC collision").ok()?;
        let len = writer.len();
        self.finish_rtcp(to, len, out).ok()
    }

    /// Where RTCP goes; `None` while that is nowhere.
    pub(super) fn rtcp_destination(&self) -> Option<SocketAddr> {
        if self.awaits_rtcp_keys() {
            return None;
        }
        let to = match self.rtcp {
            RtcpMode::Mux => self.latch.current(),
            _ => self.rtcp_remote,
        };
        (to.port() != 0 && !to.ip().is_unspecified()).then_some(to)
    }

    /// A report and our CNAME: what every compound begins with (RFC 3550 §6.1).
    pub(super) fn write_report(&mut self, writer: &mut Writer<'_>) -> Result<(), BufferTooSmall> {
        self.reports.write(
            self.now,
            &self.epoch,
            self.ssrc,
            (
                self.counters.packets_sent - self.sent_before.0,
                self.counters.bytes_sent - self.sent_before.1,
            ),
            &self.cname,
            writer,
        )
    }

    /// Protects and counts the first `len` bytes of `out`.
    pub(super) fn finish_rtcp(
        &mut self,
        to: SocketAddr,
        mut len: usize,
        out: &mut PacketBuf,
    ) -> Result<Transmit, SrtpError> {
        if let Some(outbound) = self.rtcp_outbound()? {
            len = outbound.protect_rtcp(&mut out.bytes, len)?;
        }
        out.len = len;
        self.reports.sent_rtcp(len);
        self.counters.reports_sent += 1;
        Ok(Transmit {
            to,
            component: match self.rtcp {
                RtcpMode::Mux => Component::Rtp,
                _ => Component::Rtcp,
            },
        })
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The counters, as of now.
    #[must_use]
    pub fn stats(&self) -> PathStats {
        let totals = self.reports.totals();
        let (jitter_ms, highest_jitter_ms) = self.reports.jitter_ms();
        let c = &self.counters;
        PathStats {
            ssrc: self.ssrc,
            remote_ssrc: self.reports.remote_ssrc(),
            remote: self.latch.current(),
            packets_sent: c.packets_sent,
            bytes_sent: c.bytes_sent,
            packets_received: c.packets_received,
            bytes_received: c.bytes_received,
            packets_expected: totals.expected,
            packets_lost: totals.lost,
            jitter_ms,
            highest_jitter_ms,
            round_trip: self.reports.round_trip,
            one_way: self.reports.one_way.estimate(),
            remote_report: self.reports.remote,
            reports_sent: c.reports_sent,
            reports_received: c.reports_received,
            handed_on: c.handed_on,
            dropped: c.dropped,
            last_received: c.last_received,
        }
    }

    /// Time only goes on: an earlier `now` counts as the last one.
    pub(super) fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    pub(super) fn clock_rate(&self, payload_type: u8) -> u32 {
        self.clock_rates[usize::from(payload_type & 0x7f)]
    }

    pub(super) fn push_event(&mut self, event: Event) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// A sign of life from the peer.
    pub(super) fn alive(&mut self, now: Instant) {
        self.alive_at = now;
        self.ever_alive = true;
        if std::mem::take(&mut self.inactive) {
            self.push_event(Event::Active);
        }
    }

    fn inactive_at(&self) -> Option<Instant> {
        if !self.receiving || self.inactive {
            return None;
        }
        let timeout = if self.ever_alive {
            self.media_timeout
        } else {
            self.first_media_timeout
        };
        timeout.and_then(|timeout| self.alive_at.checked_add(timeout))
    }

    pub(super) fn count_drop(&mut self, reason: Reason) {
        let dropped = &mut self.counters.dropped;
        let counter = match reason {
            Reason::Malformed | Reason::Srtp(SrtpError::Malformed) => &mut dropped.malformed,
            Reason::NotMedia(_) => &mut dropped.not_media,
            Reason::Stranger => &mut dropped.stranger,
            Reason::Srtp(SrtpError::Replayed | SrtpError::TooOld) => &mut dropped.replayed,
            Reason::Srtp(_) => &mut dropped.unauthenticated,
            Reason::Looped => &mut dropped.looped,
            Reason::Held => &mut dropped.held,
            Reason::NoKeys => &mut dropped.no_keys,
        };
        *counter += 1;
    }

    /// Somebody has our SSRC. The first time from an address we take another; after that it is a loop, and
    /// changing again would never end (RFC 3550 §8.2).
    pub(super) fn collide(&mut self, now: Instant, from: SocketAddr) {
        if self.collisions.contains(&from)
            || self.collisions.len() == MAX_COLLISIONS
            || !(self.inbound.is_some() || self.latch.knows_ip(from))
        {
            return;
        }
        self.collisions.push(from);
        let (old, new) = self.renew_source();
        self.push_event(Event::Collision { old, new });
        if self.rtcp != RtcpMode::Off {
            self.abandoned = Some(old);
            let random = self.draw();
            self.reports.schedule(now, random);
        }
    }

    /// Goes on as another source; what we were, and what we are now.
    fn renew_source(&mut self) -> (Ssrc, Ssrc) {
        let old = self.ssrc;
        self.ssrc = Ssrc(self.draw());
        self.sent_before = (self.counters.packets_sent, self.counters.bytes_sent);
        (old, self.ssrc)
    }

    pub(super) fn knows_rtcp(&self, path: Path) -> bool {
        self.latch.knows_ip(path.from) || path.from.ip() == self.rtcp_remote.ip()
    }

    /// Sends reports to where they come from, once they name a source that is heard.
    pub(super) fn follow_rtcp(&mut self, path: Path, compound: &Compound<'_>) {
        if self.rtcp != RtcpMode::Separate
            || path.component != Component::Rtcp
            || self.latching == Latching::Off
            || path.from == self.rtcp_remote
        {
            return;
        }
        let known = compound.packets().next().is_some_and(|p| match p {
            Packet::SenderReport(report) => self.reports.knows(report.ssrc),
            Packet::ReceiverReport(report) => self.reports.knows(report.ssrc),
            _ => false,
        });
        if known {
            self.rtcp_remote = path.from;
            self.rtcp_follows = false;
            self.push_event(Event::Latched {
                component: Component::Rtcp,
                to: path.from,
            });
        }
    }

    /// RTP moved: RTCP moves with it, unless its address was given.
    pub(super) fn moved(&mut self, to: SocketAddr) {
        if self.rtcp_follows {
            self.rtcp_remote = rtcp_address(self.rtcp, to, None);
        }
        self.push_event(Event::Latched {
            component: Component::Rtp,
            to,
        });
    }

    fn draw(&mut self) -> u32 {
        let mut bytes = [0; 4];
        (self.random)(&mut bytes);
        u32::from_be_bytes(bytes)
    }
}

fn rtcp_address(mode: RtcpMode, rtp: SocketAddr, rtcp: Option<SocketAddr>) -> SocketAddr {
    match (mode, rtcp) {
        (RtcpMode::Mux, _) => rtp,
        (_, Some(rtcp)) => rtcp,
        // Port 65535 has no successor: 0 means that nothing is sent. Neither is to port 0.
        _ => SocketAddr::new(
            rtp.ip(),
            match rtp.port() {
                0 => 0,
                port => port.checked_add(1).unwrap_or(0),
            },
        ),
    }
}
