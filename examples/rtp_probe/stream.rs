//! One stream: everything of one SSRC from one address to another.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rtp_core::dtmf::{DtmfReceiver, EventPayload};
use rtp_core::quality::{self, CodecImpairment, Conditions, LossCounter};
use rtp_core::rtp::{Rtp, SourceStats, Ssrc};
use serde::Serialize;

use crate::known::{Format, Known};
use crate::shield::Shield;
use crate::sound::{Sound, TICK};

/// What one row, one point of the drawing, is about.
const INTERVAL: Duration = Duration::from_secs(1);
/// A pause this long is left out of recording and rows: there is nothing to tell about it.
const LONG_PAUSE: Duration = Duration::from_secs(60);
/// Rows that are kept: a day.
const MAX_INTERVALS: usize = 86_400;

/// A piece of a stream.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Interval {
    /// Seconds since the first packet of all streams, at its end.
    pub(crate) at: f64,
    /// Packets that came.
    pub(crate) packets: u64,
    /// The share of packets lost, 0 to 1.
    pub(crate) loss: f64,
    /// Interarrival jitter, ms (RFC 3550).
    pub(crate) jitter_ms: f64,
    /// What a jitter buffer adds, ms.
    pub(crate) delay_ms: f64,
    /// The mean opinion score; absent while nothing was played.
    pub(crate) mos: Option<f64>,
}

/// A key that was pressed.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Key {
    pub(crate) at: f64,
    pub(crate) key: char,
    pub(crate) ms: u64,
}

/// What is known of a stream at its end.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) ssrc: String,
    /// In the order in which they were heard.
    pub(crate) codecs: Vec<String>,
    /// `none`, the suite, or `unknown key`.
    pub(crate) encryption: String,
    /// Seconds since the first packet of all streams.
    pub(crate) start: f64,
    /// From its first packet to its last, s.
    pub(crate) seconds: f64,
    pub(crate) packets: u64,
    pub(crate) expected: u64,
    pub(crate) lost: i64,
    pub(crate) loss: f64,
    pub(crate) longest_burst: u64,
    pub(crate) reordered: u64,
    pub(crate) duplicates: u64,
    pub(crate) late: u64,
    /// Packets whose tag was wrong, or that were seen before.
    pub(crate) refused: u64,
    pub(crate) jitter_ms: f64,
    pub(crate) highest_jitter_ms: f64,
    pub(crate) mos: Option<f64>,
    pub(crate) lowest_mos: Option<f64>,
    pub(crate) keys: Vec<Key>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) intervals: Vec<Interval>,
}

/// What was counted when an interval began.
#[derive(Clone, Copy, Default)]
struct Mark {
    expected: u64,
    lost: i64,
    received: u64,
    frames: LossCounter,
}

pub(crate) struct Stream {
    pub(crate) ends: (SocketAddr, SocketAddr),
    pub(crate) ssrc: Ssrc,
    epoch: Instant,
    first: Instant,
    last: Instant,
    next_tick: Instant,
    next_interval: Instant,
    shield: Shield,
    stats: SourceStats,
    sound: Sound,
    dtmf: DtmfReceiver,
    codecs: Vec<String>,
    keys: Vec<Key>,
    refused: u64,
    mark: Mark,
    intervals: Vec<Interval>,
}

impl Stream {
    /// `epoch` is the first packet of all streams.
    pub(crate) fn new(
        epoch: Instant,
        now: Instant,
        ends: (SocketAddr, SocketAddr),
        ssrc: Ssrc,
        wav: Option<PathBuf>,
    ) -> Self {
        Self {
            ends,
            ssrc,
            epoch,
            first: now,
            last: now,
            next_tick: now,
            next_interval: now + INTERVAL,
            shield: Shield::Unknown,
            stats: SourceStats::new(),
            sound: Sound::new(wav),
            dtmf: DtmfReceiver::new(),
            codecs: Vec::new(),
            keys: Vec::new(),
            refused: 0,
            mark: Mark::default(),
            intervals: Vec::new(),
        }
    }

    /// Takes a packet as it was on the wire.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        known: &Known,
        packet: &mut [u8],
    ) -> io::Result<()> {
        if now.saturating_duration_since(self.last) > LONG_PAUSE {
            // Play what there is, then go on where it goes on.
            self.advance(self.last + Duration::from_secs(1))?;
            (self.next_tick, self.next_interval) = (now, now + INTERVAL);
        }
        self.advance(now)?;
        let (source, destination) = self.ends;
        let Ok(header) = Rtp::parse(packet) else {
            return Ok(());
        };
        let (number, sequence, timestamp) =
            (header.payload_type, header.sequence, header.timestamp);
        let meaning = known.meaning(source, destination, number);
        let opened = self.shield.open(known, self.ends, self.ssrc, packet);
        let Some(len) = opened else {
            // Of what cannot be read, the header still tells how it travelled.
            if matches!(self.shield, Shield::Locked) {
                self.account(now, (sequence, timestamp), meaning.clock_rate());
                self.name(&meaning);
            } else {
                self.refused += 1;
            }
            return Ok(());
        };
        let Ok(rtp) = Rtp::parse(&packet[..len]) else {
            self.refused += 1;
            return Ok(());
        };
        let meaning = match meaning {
            // No description tells, but nothing else looks like it.
            Format::Other(_, rate) if number >= 96 && is_event(&rtp) => Format::Events(rate),
            other => other,
        };
        let clock_rate = meaning.clock_rate();
        match &meaning {
            Format::Events(rate) => {
                self.account(now, (sequence, timestamp), clock_rate);
                self.dtmf.receive(now, rtp, *rate);
                self.sound.skip(now, rtp);
            }
            Format::Comfort => {
                self.account(now, (sequence, timestamp), clock_rate);
                self.sound.silence(now, rtp);
            }
            Format::Sound(codec) => {
                self.account(now, (sequence, timestamp), clock_rate);
                self.name(&meaning);
                self.sound.push(now, rtp, Some(codec), clock_rate);
            }
            Format::Other(..) => {
                self.account(now, (sequence, timestamp), clock_rate);
                self.name(&meaning);
                self.sound.push(now, rtp, None, clock_rate);
            }
        }
        Ok(())
    }

    fn account(&mut self, now: Instant, (sequence, timestamp): (u16, u32), clock_rate: u32) {
        self.last = now;
        let arrival = self.arrival(now, clock_rate);
        self.stats.update(sequence, timestamp, arrival, clock_rate);
    }

    fn arrival(&self, now: Instant, clock_rate: u32) -> u32 {
        let since = now.saturating_duration_since(self.first);
        (since.as_nanos() * u128::from(clock_rate) / 1_000_000_000) as u32
    }

    fn name(&mut self, meaning: &Format) {
        let name = match meaning {
            Format::Sound(codec) => codec.description().name,
            Format::Other(name, _) => name,
            Format::Events(_) | Format::Comfort => return,
        };
        if self.codecs.last().is_none_or(|last| last != name) && self.codecs.len() < 16 {
            self.codecs.push(name.to_owned());
        }
    }

    /// Plays up to `now`.
    pub(crate) fn advance(&mut self, now: Instant) -> io::Result<()> {
        while self.next_tick <= now {
            self.sound.tick(self.next_tick)?;
            self.next_tick += TICK;
            if self.next_interval <= self.next_tick {
                self.interval();
                self.next_interval += INTERVAL;
            }
        }
        self.dtmf.handle_timeout(now);
        while let Some(press) = self.dtmf.poll() {
            if self.keys.len() < 4096 {
                self.keys.push(Key {
                    at: self.since_epoch(now),
                    key: press.digit.to_char(),
                    ms: press.duration.as_millis() as u64,
                });
            }
        }
        Ok(())
    }

    fn since_epoch(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.epoch).as_secs_f64()
    }

    fn interval(&mut self) {
        let before = self.mark;
        self.mark = Mark {
            expected: self.stats.expected(),
            lost: self.stats.lost(),
            received: self.stats.received(),
            frames: self.sound.frames,
        };
        let packets = self.mark.received - before.received;
        if packets == 0 || self.intervals.len() == MAX_INTERVALS {
            return;
        }
        let expected = self.mark.expected.saturating_sub(before.expected);
        let lost = (self.mark.lost - before.lost).max(0);
        let frames = self.sound.frames.since(&before.frames);
        let jitter = self.sound.stats();
        self.intervals.push(Interval {
            at: self.since_epoch(self.next_interval),
            packets,
            loss: (lost as f64 / expected.max(1) as f64).min(1.0),
            jitter_ms: self.stats.jitter_ms(),
            delay_ms: jitter.delay_ms.max(0.0),
            mos: self.mos(&frames),
        });
    }

    /// By the E-model, on the wideband scale for wideband codecs: what was not played, and the delay of the buffer and of two packets. How long the
    /// network takes cannot be seen from one place.
    fn mos(&self, frames: &LossCounter) -> Option<f64> {
        let description = self.sound.codec()?.description();
        if frames.frames() == 0 {
            return None;
        }
        let codec = CodecImpairment {
            ie: f64::from(description.ie_wideband.unwrap_or(description.ie)),
            bpl: f64::from(description.bpl),
        };
        let mut conditions = Conditions::perfect();
        conditions.loss = frames.loss();
        conditions.burst_ratio = frames.burst_ratio();
        let waits = Duration::from_secs_f64(self.sound.stats().delay_ms.max(0.0) / 1000.0);
        conditions.delay = waits + Duration::from_millis(2 * u64::from(description.ptime_ms));
        Some(match description.ie_wideband {
            Some(_) => quality::estimate_wideband(codec, conditions),
            None => quality::estimate(codec, conditions),
        })
    }

    /// Plays to the end, and says what there is to say.
    pub(crate) fn finish(mut self) -> io::Result<Report> {
        self.advance(self.last + Duration::from_secs(1))?;
        let (stats, jitter) = (&self.stats, self.sound.stats());
        let frames = self.sound.frames;
        let lost = stats.lost();
        let mos = self.mos(&frames);
        let scores = self.intervals.iter().filter_map(|i| i.mos);
        Ok(Report {
            source: self.ends.0,
            destination: self.ends.1,
            ssrc: format!("0x{:08x}", self.ssrc.0),
            codecs: self.codecs,
            encryption: match self.shield {
                Shield::Keyed(suite, _) => suite.name().to_owned(),
                Shield::Locked => "unknown key".to_owned(),
                Shield::Unknown | Shield::Clear => "none".to_owned(),
            },
            start: self
                .first
                .saturating_duration_since(self.epoch)
                .as_secs_f64(),
            seconds: self
                .last
                .saturating_duration_since(self.first)
                .as_secs_f64(),
            packets: stats.received(),
            expected: stats.expected(),
            lost,
            loss: (lost.max(0) as f64 / stats.expected().max(1) as f64).min(1.0),
            longest_burst: frames.longest_burst(),
            reordered: jitter.reordered,
            duplicates: jitter.duplicates,
            late: jitter.late,
            refused: self.refused,
            jitter_ms: stats.jitter_ms(),
            highest_jitter_ms: stats.highest_jitter_ms(),
            mos,
            lowest_mos: scores.reduce(f64::min),
            keys: self.keys,
            files: self.sound.finish()?,
            intervals: self.intervals,
        })
    }
}

/// Whether this is a named event for a key (RFC 4733 §2.3).
fn is_event(rtp: &Rtp<'_>) -> bool {
    rtp.payload.len() == 4
        && EventPayload::parse(rtp.payload)
            .is_some_and(|event| event.event <= 16 && event.volume <= 63)
}
