//! The buffer: what goes in, what comes out, and when.

use super::delay::Delay;
use super::slots::{Kind, Slots};
use crate::rtp::{Rtp, Ssrc};
use std::time::{Duration, Instant};

/// The longest frame that is believed, in milliseconds: Opus and RFC 3551 end at 120 and 200 in theory, 60 in
/// the field.
const MAX_FRAME_MS: i64 = 120;
/// Timestamps that lie this far from the line have started anew.
const MAX_BEHIND_MS: i64 = 2000;
const MAX_AHEAD_MS: i64 = 1000;
/// Frames between two changes of speed, so that nobody hears them.
const SPACING: u32 = 5;

/// How a jitter buffer behaves. Build it with [`JitterConfig::new`] and change what differs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JitterConfig {
    /// The RTP clock of the stream in Hz.
    pub clock_rate: u32,
    /// The least delay that it goes down to. Default: 20 ms, one packet of the usual size.
    pub min_delay: Duration,
    /// The delay to start with, before the line is known. Default: 40 ms.
    pub initial_delay: Duration,
    /// The most delay that it allows; what would wait longer is thrown away. Default: 500 ms.
    pub max_delay: Duration,
    /// Of a thousand packets, how many the target delay waits for. Default: 985.
    pub on_time_permille: u16,
    /// How long it asks for concealment when nothing comes, before it says [`Playout::Empty`].
    /// Default: 120 ms; longer concealment sounds like a robot.
    pub max_conceal: Duration,
    /// The length of a frame until it is seen from the timestamps. Default: 20 ms.
    pub frame: Duration,
    /// The largest payload in bytes. Default: 1500.
    pub max_payload: usize,
    /// The payload type of comfort noise (RFC 3389): after such a frame silence is [`Playout::Comfort`].
    /// Default: 13.
    pub comfort_payload_type: Option<u8>,
    /// Whether a frame can be recovered from its successor (Opus in-band FEC). Default: no.
    pub recover: bool,
    /// Whether payloads of 2 bytes and fewer announce silence, as those of Opus with DTX do. Default: no.
    pub dtx: bool,
}

impl JitterConfig {
    /// The defaults, for a clock rate in Hz.
    #[must_use]
    pub fn new(clock_rate: u32) -> JitterConfig {
        JitterConfig {
            clock_rate: clock_rate.max(1),
            min_delay: Duration::from_millis(20),
            initial_delay: Duration::from_millis(40),
            max_delay: Duration::from_millis(500),
            on_time_permille: 985,
            max_conceal: Duration::from_millis(120),
            frame: Duration::from_millis(20),
            max_payload: 1500,
            comfort_payload_type: Some(13),
            recover: false,
            dtx: false,
        }
    }
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Push {
    /// It waits to be played.
    Stored,
    /// It waits, and the stream has started anew with it: another SSRC, or other timestamps. What waited
    /// before is gone; a decoder with a memory should be reset.
    Restarted,
    /// It is here already.
    Duplicate,
    /// Its time has passed.
    Late,
    /// Far away from the rest of the stream; believed when its successor follows.
    Jump,
    /// Its payload is larger than [`JitterConfig::max_payload`].
    TooLarge,
}

/// A frame that [`JitterBuffer::pull`] put into the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Bytes of its payload, at the start of the buffer.
    pub len: usize,
    /// Its payload type.
    pub payload_type: u8,
    /// Its sequence number.
    pub sequence: u16,
    /// Its timestamp.
    pub timestamp: u32,
    /// Its marker bit.
    pub marker: bool,
    /// How long it should be, in ticks of the RTP clock. The decoder knows better.
    pub samples: u32,
}

/// What to play next. Lengths are in ticks of the RTP clock (G.722's is 8000 Hz although it has 16 000
/// samples a second).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Playout {
    /// Decode and play this.
    Frame(Frame),
    /// A frame was lost, and the buffer holds its *successor*, which will come again as `Frame`: recover the
    /// lost one from it (Opus FEC), or conceal. `samples` is the length of the lost one.
    Recover(Frame),
    /// A frame was lost or is not here yet: make up for it.
    Conceal {
        /// How long.
        samples: u32,
    },
    /// The sender is silent on purpose: make comfort noise.
    Comfort {
        /// How long.
        samples: u32,
    },
    /// Decode and play this, lengthened by up to `by`: the delay is too short.
    Stretch {
        /// What to play.
        frame: Frame,
        /// The most to add.
        by: u32,
    },
    /// Decode and play this, shortened by up to `by`: the delay is too long.
    Shrink {
        /// What to play.
        frame: Frame,
        /// The most to take away.
        by: u32,
    },
    /// Nothing is to be heard: before the first packet, or after the stream has stopped.
    Empty,
}

/// What a jitter buffer has done, and how long sound waits in it now.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct JitterStats {
    /// Frames handed out.
    pub played: u64,
    /// Frames asked to be concealed, recovered ones included.
    pub concealed: u64,
    /// Of these, with a successor to recover from.
    pub recovered: u64,
    /// Packets never seen before their successors were played.
    pub lost: u64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets thrown away to shorten the delay.
    pub discarded: u64,
    /// Times that the stream started anew.
    pub restarts: u64,
    /// Frames asked to be stretched.
    pub stretched: u64,
    /// Frames asked to be shortened.
    pub shrunk: u64,
    /// The delay of playing, in milliseconds after the moment at which an undelayed packet arrives.
    pub delay_ms: f64,
    /// The delay that it steers to, in milliseconds.
    pub target_ms: f64,
}

/// See the [module](super).
#[derive(Debug, Clone)]
pub struct JitterBuffer {
    config: JitterConfig,
    rate: i64,
    origin: Option<Instant>,
    now: i64,
    slots: Slots,
    delay: Delay,
    ssrc: Option<Ssrc>,
    /// The highest sequence number and its timestamp, with their cycles.
    top: (i64, i64),
    top_is_sound: bool,
    /// What to play next.
    next: (i64, i64),
    /// Whether `next` means something: something has been played since the last restart.
    floor: bool,
    playing: bool,
    frame: i64,
    /// The last distance between two frames.
    measured: Option<i64>,
    /// Sound made up since the buffer ran dry.
    waited: i64,
    comfort: bool,
    /// The sequence number that would confirm a jump.
    jump: Option<u16>,
    /// The playout delay, smoothed.
    level: i64,
    /// Packets were thrown away since the last frame: the delay has made a leap.
    leap: bool,
    since_change: u32,
    stats: JitterStats,
}

impl JitterBuffer {
    /// An empty buffer.
    #[must_use]
    pub fn new(config: JitterConfig) -> JitterBuffer {
        let rate = i64::from(config.clock_rate.max(1));
        // Room for the longest delay in packets of 10 ms, and as much again for what is ahead.
        let slots = (config.max_delay.as_millis() as usize / 10 * 2).clamp(16, 1024);
        JitterBuffer {
            rate,
            origin: None,
            now: 0,
            slots: Slots::new(slots),
            delay: Delay::new(config.clock_rate, config.on_time_permille),
            ssrc: None,
            top: (0, 0),
            top_is_sound: false,
            next: (0, 0),
            floor: false,
            playing: false,
            frame: ticks(config.frame, rate).max(1),
            measured: None,
            waited: 0,
            comfort: false,
            jump: None,
            level: 0,
            leap: false,
            since_change: 0,
            stats: JitterStats::default(),
            config,
        }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &JitterConfig {
        &self.config
    }

    /// Takes a packet. Its payload is copied.
    pub fn push(&mut self, now: Instant, rtp: Rtp<'_>) -> Push {
        if rtp.payload.len() > self.config.max_payload {
            return Push::TooLarge;
        }
        self.insert(now, rtp, Kind::Sound)
    }

    /// Takes note of a packet of this stream that carries no sound, such as an event (RFC 4733): its place is
    /// silence, not loss.
    pub fn skip(&mut self, now: Instant, rtp: Rtp<'_>) -> Push {
        self.insert(now, rtp, Kind::Skip)
    }

    fn insert(&mut self, now: Instant, rtp: Rtp<'_>, kind: Kind) -> Push {
        let t = self.advance(now);
        let mut result = Push::Stored;
        if self.ssrc != Some(rtp.ssrc) {
            if self.ssrc.is_some() {
                result = Push::Restarted;
            }
            self.begin(&rtp);
        }
        let step = i64::from(rtp.sequence.wrapping_sub(self.top.0 as u16).cast_signed());
        let mut sequence = self.top.0 + step;
        let ahead = rtp.timestamp.wrapping_sub(self.top.1 as u32).cast_signed();
        let mut timestamp = self.top.1 + i64::from(ahead);
        let off = self.delay.line().map_or(0, |line| t - timestamp - line);
        // An event's packets all carry its first timestamp: they say nothing about the line.
        let strange = kind == Kind::Sound
            && (off > MAX_BEHIND_MS * self.rate / 1000 || -off > MAX_AHEAD_MS * self.rate / 1000);
        if strange {
            if !(1..=16).contains(&step) && self.jump != Some(rtp.sequence) {
                self.jump = Some(rtp.sequence.wrapping_add(1));
                return Push::Jump;
            }
            result = Push::Restarted;
            self.begin(&rtp);
            (sequence, timestamp) = self.top;
        }
        self.jump = None;
        if result == Push::Restarted {
            self.stats.restarts += 1;
        }
        if kind == Kind::Sound {
            self.delay.packet(t, t - timestamp);
        }
        if self.slots.get(sequence).is_some() {
            self.stats.duplicates += 1;
            return Push::Duplicate;
        }
        if self.floor && sequence < self.next.0 {
            self.stats.late += u64::from(kind == Kind::Sound);
            return Push::Late;
        }
        let reach = self.slots.count() as i64;
        if kind == Kind::Skip && step >= reach {
            // Without a timeline of its own it may not push out what waits.
            return Push::Jump;
        }
        if sequence <= self.top.0 - reach {
            self.stats.late += u64::from(kind == Kind::Sound);
            return Push::Late;
        }
        // The ring turns: what lies a whole turn behind has to go.
        let oldest = sequence - reach + 1;
        if self.slots.used() > 0 {
            self.stats.discarded += self.slots.free_before(oldest);
        }
        if self.floor && self.next.0 < oldest {
            // Too far ahead of what was playing: go on from what is here.
            self.playing = false;
        }
        self.slots.put(
            kind,
            (sequence, timestamp),
            (rtp.payload_type, rtp.marker),
            if kind == Kind::Sound {
                rtp.payload
            } else {
                &[]
            },
        );
        if kind == Kind::Sound && sequence == self.top.0 + 1 && self.top_is_sound {
            self.measure_frame(timestamp - self.top.1);
        }
        if sequence >= self.top.0 {
            self.top_is_sound = kind == Kind::Sound;
        }
        if sequence > self.top.0 {
            // An event's timestamp stands still: time goes on with the sound after it.
            self.top.0 = sequence;
            self.top.1 = if kind == Kind::Sound {
                timestamp
            } else {
                self.top.1.max(timestamp)
            };
        } else if sequence < self.top.0 {
            self.stats.reordered += 1;
        }
        result
    }

    /// Starts anew with this packet.
    fn begin(&mut self, rtp: &Rtp<'_>) {
        self.slots.clear();
        self.delay.restart();
        self.ssrc = Some(rtp.ssrc);
        // One cycle above zero, so that what was sent before it has a place.
        self.top = (
            i64::from(rtp.sequence) + (1 << 16),
            i64::from(rtp.timestamp) + (1 << 32),
        );
        self.floor = false;
        self.playing = false;
        self.waited = 0;
        self.comfort = false;
        self.jump = None;
    }

    /// Learns how long a frame is from the distance to its predecessor. A pause of the sender looks like one
    /// long frame, hence twice the same.
    fn measure_frame(&mut self, length: i64) {
        if (1..=MAX_FRAME_MS * self.rate / 1000).contains(&length) {
            if self.measured.is_none_or(|before| before == length) {
                self.frame = length;
            }
            self.measured = Some(length);
        }
    }

    /// Says what to play next, and puts its payload into `out`.
    ///
    /// Call it whenever less sound is left than the next tick needs. `out` should hold
    /// [`JitterConfig::max_payload`] bytes; a frame that does not fit is concealed.
    pub fn pull(&mut self, now: Instant, out: &mut [u8]) -> Playout {
        let t = self.advance(now);
        if !self.playing && !self.start(t) {
            return self.idle();
        }
        // Each turn moves on by one sequence number at least, and the ring bounds them.
        for _ in 0..=2 * self.slots.count() {
            let (sequence, due) = self.next;
            let Some(slot) = self.slots.get(sequence) else {
                match self.missing(out) {
                    Some(playout) => return playout,
                    None => continue,
                }
            };
            if slot.kind == Kind::Skip {
                self.slots.free(sequence);
                self.next.0 += 1;
                self.comfort = true;
                continue;
            }
            let timestamp = slot.timestamp;
            let level = self.level_of(t, timestamp);
            if timestamp - due >= self.frame && level < self.target() - self.frame / 2 {
                // The sender paused: its silence lasts until this is due.
                return self.silence();
            }
            if self.span(timestamp) > self.ticks(self.config.max_delay) {
                self.slots.free(sequence);
                self.next = (sequence + 1, timestamp + self.frame);
                self.stats.discarded += 1;
                self.leap = true;
                continue;
            }
            return self.play(sequence, level, out);
        }
        self.idle()
    }

    /// Starts to play as soon as the first packet has waited long enough.
    fn start(&mut self, t: i64) -> bool {
        while let Some(first) = self.slots.lowest() {
            let (sequence, timestamp) = (first.sequence, first.timestamp);
            if first.kind == Kind::Skip {
                self.slots.free(sequence);
                self.next = (sequence + 1, self.next.1.max(timestamp));
                self.floor = true;
                self.comfort = true;
                continue;
            }
            let level = self.level_of(t, timestamp);
            if level < self.target() {
                return false;
            }
            if self.floor {
                self.stats.lost += (sequence - self.next.0).max(0).cast_unsigned();
            }
            self.next = (sequence, timestamp);
            self.floor = true;
            self.playing = true;
            self.waited = 0;
            self.level = level;
            return true;
        }
        false
    }

    /// The packet to be played is not here.
    fn missing(&mut self, out: &mut [u8]) -> Option<Playout> {
        let (sequence, due) = self.next;
        let Some(later) = self.slots.first_from(sequence) else {
            if self.comfort {
                return Some(self.silence());
            }
            self.waited += self.frame;
            if self.waited > self.ticks(self.config.max_conceal) {
                self.playing = false;
                return Some(Playout::Empty);
            }
            self.stats.concealed += 1;
            return Some(Playout::Conceal {
                samples: self.frame as u32,
            });
        };
        let (later_sequence, later_timestamp) = (later.sequence, later.timestamp);
        let packets = later_sequence - sequence;
        let step = (later_timestamp - due) / packets;
        if later.kind == Kind::Skip || step <= 0 || self.comfort {
            // Lost around a silence: there is nothing to make up for.
            self.stats.lost += packets.cast_unsigned();
            self.next.0 = later_sequence;
            return None;
        }
        let step = step.min(MAX_FRAME_MS * self.rate / 1000);
        self.stats.lost += 1;
        self.next = (sequence + 1, due + step);
        if self.waited >= step {
            // It was made up for while the buffer was dry.
            self.waited -= step;
            return None;
        }
        self.waited = 0;
        self.stats.concealed += 1;
        if packets == 1 && self.config.recover {
            let payload = later.payload();
            if let Some(target) = out.get_mut(..payload.len()) {
                target.copy_from_slice(payload);
                self.stats.recovered += 1;
                return Some(Playout::Recover(Frame {
                    len: payload.len(),
                    payload_type: later.payload_type,
                    sequence: later.sequence as u16,
                    timestamp: later.timestamp as u32,
                    marker: later.marker,
                    samples: step as u32,
                }));
            }
        }
        Some(Playout::Conceal {
            samples: step as u32,
        })
    }

    fn play(&mut self, sequence: i64, level: i64, out: &mut [u8]) -> Playout {
        let Some(slot) = self.slots.get(sequence) else {
            return self.idle();
        };
        let payload = slot.payload();
        let samples = match self.slots.get(sequence + 1) {
            Some(next) if (1..=2 * self.frame).contains(&(next.timestamp - slot.timestamp)) => {
                next.timestamp - slot.timestamp
            }
            _ => self.frame,
        };
        let frame = Frame {
            len: payload.len(),
            payload_type: slot.payload_type,
            sequence: slot.sequence as u16,
            timestamp: slot.timestamp as u32,
            marker: slot.marker,
            samples: samples as u32,
        };
        let fits = match out.get_mut(..payload.len()) {
            Some(target) => {
                target.copy_from_slice(payload);
                true
            }
            None => false,
        };
        let timestamp = slot.timestamp;
        self.comfort = self.config.comfort_payload_type == Some(frame.payload_type)
            || (self.config.dtx && frame.len <= 2);
        self.next = (sequence + 1, timestamp + samples);
        self.waited = 0;
        self.slots.free(sequence);
        if !fits {
            self.stats.concealed += 1;
            return Playout::Conceal {
                samples: frame.samples,
            };
        }
        self.stats.played += 1;
        self.steer(frame, timestamp, level)
    }

    /// Decides whether a frame is played at its own speed.
    fn steer(&mut self, frame: Frame, timestamp: i64, level: i64) -> Playout {
        if std::mem::take(&mut self.leap) {
            self.level = level;
        }
        self.level += (level - self.level) / 4;
        self.since_change = self.since_change.saturating_add(1);
        let target = self.target();
        let margin = self.frame.max(self.rate / 50);
        let off = self.level - target;
        let hurry = off.abs() > 4 * margin;
        if self.comfort || (self.since_change < SPACING && !hurry) {
            return Playout::Frame(frame);
        }
        let by = off.abs().min(i64::from(frame.samples)) as u32;
        // Sound that has not arrived cannot be played sooner: behind a line that has just become longer, the
        // delay is not ours to shorten.
        if off > margin && self.span(timestamp) >= margin {
            self.since_change = 0;
            self.stats.shrunk += 1;
            Playout::Shrink { frame, by }
        } else if -off > margin / 2 {
            self.since_change = 0;
            self.stats.stretched += 1;
            Playout::Stretch { frame, by }
        } else {
            Playout::Frame(frame)
        }
    }

    fn idle(&self) -> Playout {
        if self.comfort {
            self.silence()
        } else {
            Playout::Empty
        }
    }

    fn silence(&self) -> Playout {
        Playout::Comfort {
            samples: self.frame as u32,
        }
    }

    /// Forgets the stream, but not how late its packets were: for hold and for a change of codec.
    pub fn reset(&mut self) {
        self.slots.clear();
        self.delay.restart();
        self.ssrc = None;
        self.floor = false;
        self.playing = false;
        self.waited = 0;
        self.comfort = false;
        self.jump = None;
    }

    /// What it has done so far, and how long sound waits in it now.
    #[must_use]
    pub fn stats(&self) -> JitterStats {
        let ms = |ticks: i64| ticks as f64 * 1000.0 / self.rate as f64;
        JitterStats {
            delay_ms: if self.playing { ms(self.level) } else { 0.0 },
            target_ms: ms(self.target()),
            ..self.stats
        }
    }

    /// How long after an undelayed packet of this timestamp would have arrived it is now.
    fn level_of(&self, t: i64, timestamp: i64) -> i64 {
        self.delay.line().map_or(0, |line| t - timestamp - line)
    }

    /// How much sound waits behind this timestamp.
    fn span(&self, timestamp: i64) -> i64 {
        self.top.1 - timestamp
    }

    fn target(&self) -> i64 {
        let least = if self.delay.settled() {
            self.config.min_delay
        } else {
            self.config.initial_delay
        };
        self.delay
            .needed()
            .max(self.ticks(least))
            .min(self.ticks(self.config.max_delay))
    }

    fn ticks(&self, length: Duration) -> i64 {
        ticks(length, self.rate)
    }

    /// The time in ticks since the first call; it never goes back.
    fn advance(&mut self, now: Instant) -> i64 {
        let origin = *self.origin.get_or_insert(now);
        self.now = self
            .now
            .max(ticks(now.saturating_duration_since(origin), self.rate));
        self.now
    }
}

fn ticks(length: Duration, rate: i64) -> i64 {
    let whole = i64::try_from(length.as_secs()).unwrap_or(i64::MAX / 1_000_000);
    whole
        .saturating_mul(rate)
        .saturating_add(i64::from(length.subsec_nanos()) * rate / 1_000_000_000)
}
