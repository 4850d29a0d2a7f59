//! What RTCP says of both directions: counters a source, the schedule, round trip (RFC 3550 §6.3, §6.4).

use super::one_way::OneWayDelay;
use super::stats::RemoteReport;
use crate::rtcp::{
    Compound, Epoch, Interval, IntervalParameters, NtpTime, Packet, ReportBlock, SenderInfo,
    Writer, from_short, to_short,
};
use crate::rtp::{BufferTooSmall, Rtp, SourceStats, Ssrc};
use std::time::{Duration, Instant};

/// Sources that are counted at a time. A call has one, two around a change; the longest silent one makes room.
const MAX_SOURCES: usize = 4;
/// Our sender reports whose echo (LSR) is recognised.
const REMEMBERED_SRS: usize = 8;

#[derive(Debug)]
struct Source {
    ssrc: Ssrc,
    stats: SourceStats,
    last: Instant,
    since_report: bool,
    clock_rate: u32,
    last_sr: Option<(u32, Instant)>,
}

/// Totals over every source, those forgotten included.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) expected: u64,
    pub(super) lost: i64,
}

#[derive(Debug)]
pub(super) struct Reports {
    start: Instant,
    sources: Vec<Source>,
    current: Option<Ssrc>,
    retired: Totals,
    sizes: Interval,
    bandwidth: f64,
    minimum: Duration,
    initial: bool,
    /// When the next report is due; `None` when none is sent.
    next: Option<Instant>,
    interval: Duration,
    /// The last timestamp sent, when, and its clock rate: the line between both clocks in our SRs.
    anchor: Option<(Instant, u32, u32)>,
    last_sent: Option<Instant>,
    sent_srs: [u32; REMEMBERED_SRS],
    sent_at: usize,
    pub(super) round_trip: Option<Duration>,
    pub(super) one_way: OneWayDelay,
    pub(super) remote: Option<RemoteReport>,
}

impl Reports {
    pub(super) fn new(now: Instant, bandwidth: u32, minimum: Duration) -> Reports {
        Reports {
            start: now,
            sources: Vec::with_capacity(MAX_SOURCES),
            current: None,
            retired: Totals::default(),
            sizes: Interval::new(96),
            bandwidth: f64::from(bandwidth) / 8.0 * 0.05,
            minimum,
            initial: true,
            next: None,
            interval: minimum,
            anchor: None,
            last_sent: None,
            sent_srs: [0; REMEMBERED_SRS],
            sent_at: 0,
            round_trip: None,
            one_way: OneWayDelay::new(),
            remote: None,
        }
    }

    /// The source that was heard last.
    pub(super) fn remote_ssrc(&self) -> Option<Ssrc> {
        self.current
    }

    pub(super) fn knows(&self, ssrc: Ssrc) -> bool {
        self.sources.iter().any(|s| s.ssrc == ssrc)
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Draws the time of the next report.
    pub(super) fn schedule(&mut self, now: Instant, random: u32) {
        let we_sent = self.we_sent(now);
        let senders = self.sources.len() as u32 + u32::from(we_sent);
        self.interval = IntervalParameters {
            members: self.sources.len() as u32 + 1,
            senders,
            rtcp_bandwidth: self.bandwidth,
            we_sent,
            average_size: self.sizes.average_size(),
            initial: self.initial,
            minimum: self.minimum,
        }
        .randomised(random);
        self.next = Some(now + self.interval);
    }

    /// Whether RTP went out since the second last report (§6.4).
    fn we_sent(&self, now: Instant) -> bool {
        self.last_sent
            .is_some_and(|at| now.saturating_duration_since(at) <= self.interval * 2)
    }

    pub(super) fn sent_rtp(&mut self, now: Instant, timestamp: u32, clock_rate: u32) {
        // All packets of an event carry its first timestamp: only a new one tells the time.
        if self.anchor.is_none_or(|(_, last, _)| last != timestamp) {
            self.anchor = Some((now, timestamp, clock_rate));
        }
        self.last_sent = Some(now);
    }

    /// Counts a packet; `true` when its source is another than the last one's.
    pub(super) fn received_rtp(&mut self, now: Instant, rtp: &Rtp<'_>, clock_rate: u32) -> bool {
        let arrival = ticks(now.saturating_duration_since(self.start), clock_rate);
        let at = self
            .sources
            .iter()
            .position(|s| s.ssrc == rtp.ssrc)
            .unwrap_or_else(|| self.make_room(now, rtp.ssrc));
        let source = &mut self.sources[at];
        source
            .stats
            .update(rtp.sequence, rtp.timestamp, arrival, clock_rate);
        source.last = now;
        source.since_report = true;
        source.clock_rate = clock_rate;
        let changed = self.current != Some(rtp.ssrc);
        self.current = Some(rtp.ssrc);
        if changed {
            self.one_way.restart();
        }
        self.one_way.packet(now, arrival, rtp.timestamp, clock_rate);
        changed
    }

    fn make_room(&mut self, now: Instant, ssrc: Ssrc) -> usize {
        let source = Source {
            ssrc,
            stats: SourceStats::new(),
            last: now,
            since_report: false,
            clock_rate: 0,
            last_sr: None,
        };
        if self.sources.len() < MAX_SOURCES {
            self.sources.push(source);
            return self.sources.len() - 1;
        }
        let oldest = (0..MAX_SOURCES)
            .min_by_key(|&at| self.sources[at].last)
            .unwrap_or(0);
        let old = std::mem::replace(&mut self.sources[oldest], source);
        self.retired.expected += old.stats.expected();
        self.retired.lost += old.stats.lost();
        oldest
    }

    /// Reads a report: remembers the peer's SR, measures the round trip, notes what it receives.
    pub(super) fn received_rtcp(
        &mut self,
        now: Instant,
        ntp: NtpTime,
        own: Ssrc,
        compound: &Compound<'_>,
        left: &mut Option<Ssrc>,
    ) {
        self.sizes.count(compound.as_bytes().len());
        for packet in compound.packets() {
            match packet {
                Packet::SenderReport(report) => {
                    if let Some(source) = self.sources.iter_mut().find(|s| s.ssrc == report.ssrc) {
                        source.last_sr = Some((report.info.ntp.middle(), now));
                    }
                    report.blocks().for_each(|b| self.block(now, ntp, own, &b));
                }
                Packet::ReceiverReport(report) => {
                    report.blocks().for_each(|b| self.block(now, ntp, own, &b));
                }
                Packet::Goodbye(bye) => {
                    *left = bye.sources().find(|&s| self.knows(s)).or(*left);
                }
                _ => {}
            }
        }
    }

    fn block(&mut self, now: Instant, ntp: NtpTime, own: Ssrc, block: &ReportBlock) {
        if block.ssrc != own {
            return;
        }
        let rate = self.anchor.map_or(8000, |(_, _, rate)| rate.max(1));
        self.remote = Some(RemoteReport {
            at: now,
            loss: f64::from(block.fraction_lost) / 256.0,
            lost: block.cumulative_lost,
            jitter_ms: f64::from(block.jitter) * 1000.0 / f64::from(rate),
        });
        // Only an SR of ours counts: a peer that echoes nonsense measures nothing.
        if block.last_sr != 0 && self.sent_srs.contains(&block.last_sr) {
            let units = ntp
                .middle()
                .wrapping_sub(block.last_sr)
                .wrapping_sub(block.delay_since_last_sr);
            if units < 1 << 31 {
                let round_trip = from_short(units);
                self.round_trip = Some(round_trip);
                self.one_way.round_trip(round_trip);
            }
        }
    }

    /// Writes a report: SR when we send, RR when not, then the CNAME.
    pub(super) fn write(
        &mut self,
        now: Instant,
        epoch: &Epoch,
        own: Ssrc,
        (packets, octets): (u64, u64),
        cname: &str,
        writer: &mut Writer<'_>,
    ) -> Result<(), BufferTooSmall> {
        let mut blocks = [ReportBlock::default(); MAX_SOURCES];
        let mut count = 0;
        for source in self.sources.iter_mut().filter(|s| s.since_report) {
            source.since_report = false;
            let (last_sr, delay_since_last_sr) = match source.last_sr {
                Some((middle, at)) => (middle, to_short(now.saturating_duration_since(at))),
                None => (0, 0),
            };
            blocks[count] = ReportBlock {
                ssrc: source.ssrc,
                fraction_lost: source.stats.take_fraction_lost(),
                cumulative_lost: i32::try_from(source.stats.lost()).unwrap_or(i32::MAX),
                highest_sequence: source.stats.highest_sequence(),
                jitter: source.stats.jitter(),
                last_sr,
                delay_since_last_sr,
            };
            count += 1;
        }
        let blocks = &blocks[..count];
        match self.anchor.filter(|_| self.we_sent(now)) {
            Some((at, timestamp, rate)) => {
                let ntp = epoch.ntp(now);
                let info = SenderInfo {
                    ntp,
                    rtp_timestamp: timestamp
                        .wrapping_add(ticks(now.saturating_duration_since(at), rate)),
                    packets: packets as u32,
                    octets: octets as u32,
                };
                writer.sender_report(own, &info, blocks)?;
                self.sent_srs[self.sent_at] = ntp.middle();
                self.sent_at = (self.sent_at + 1) % REMEMBERED_SRS;
            }
            None => writer.receiver_report(own, blocks)?,
        }
        writer.cname(own, cname)
    }

    /// Counts what was sent.
    pub(super) fn sent_rtcp(&mut self, size: usize) {
        self.sizes.count(size);
        self.initial = false;
    }

    pub(super) fn totals(&self) -> Totals {
        self.sources.iter().fold(self.retired, |sum, s| Totals {
            expected: sum.expected + s.stats.expected(),
            lost: sum.lost + s.stats.lost(),
        })
    }

    /// Jitter and highest jitter of the current source in milliseconds.
    pub(super) fn jitter_ms(&self) -> (f64, f64) {
        self.sources
            .iter()
            .find(|s| Some(s.ssrc) == self.current)
            .map_or((0.0, 0.0), |s| {
                (s.stats.jitter_ms(), s.stats.highest_jitter_ms())
            })
    }
}

/// A length in ticks of a clock, wrapping as timestamps do.
fn ticks(length: Duration, clock_rate: u32) -> u32 {
    let rate = u64::from(clock_rate);
    let whole = length.as_secs().wrapping_mul(rate);
    let part = u64::from(length.subsec_nanos()) * rate / 1_000_000_000;
    whole.wrapping_add(part) as u32
}
