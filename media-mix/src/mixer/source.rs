//! What one source has pushed and not yet been heard: a bounded ring, and the frame of this tick.

use super::limiter::Limiter;
use super::stereo::{Panner, Side};
use crate::level::Level;
use crate::rate::Rate;
use crate::simd;

/// What became of a pushed frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum Push {
    /// It waits in the ring.
    Taken,
    /// It waits in the ring, but a tick before it ran short and faded out: from now on this source is heard later.
    Late,
    /// The ring was full: its oldest samples were dropped to make room.
    Overrun,
    /// There is no such source.
    Gone,
}

/// What a source has been through since it was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceStats {
    /// Ticks that found too few samples, and faded out.
    pub missing: u64,
    /// Pushes that came after such a tick.
    pub late: u64,
    /// Samples dropped because the ring was full.
    pub overrun: u64,
}

pub(super) struct Source {
    pub(super) rate: Rate,
    pub(super) public: bool,
    pub(super) muted: bool,
    pub(super) gain: f32,
    pub(super) stats: SourceStats,
    pub(super) level: Level,
    pub(super) speaking: bool,
    /// Among the loudest, or there is no limit to them.
    pub(super) chosen: bool,
    /// Ticks for which it still counts as speaking.
    pub(super) hangover: u32,
    /// This tick's contribution, after gain. Exactly what is summed and what is subtracted.
    pub(super) frame: Vec<i16>,
    /// Whether `frame` holds anything but zeros, and whether the one before did.
    pub(super) live: bool,
    pub(super) was_live: bool,
    /// Its place between left and right.
    pub(super) panner: Panner,
    /// It is the mixer's own: always mixed, and never reported.
    pub(super) house: bool,
    ring: Vec<i16>,
    head: usize,
    len: usize,
    gain_now: f32,
    limiter: Limiter,
    wide: Vec<i32>,
    /// The last tick ran short: the next samples fade in.
    dry: bool,
    /// Pushed at least once since the last long silence.
    started: bool,
    /// A tick ran short since the last push.
    stumbled: bool,
    last: i16,
    /// This tick's samples are in `frame`, and no longer in the ring.
    staged: bool,
    /// They are all zero.
    silent: bool,
    /// Its frame was not decoded, being too quiet to be mixed; this was its level.
    pub(super) skipped: Option<Level>,
    /// Ticks in a row that ran short.
    short_ticks: u64,
    /// The level with a slow release, in half dB below full scale: who is loudest should not flicker.
    smooth: u8,
}

impl Source {
    pub(super) fn new(rate: Rate, tick_ms: usize, ring_ms: usize) -> Self {
        let tick = rate.samples(tick_ms);
        Source {
            rate,
            public: true,
            muted: false,
            gain: 1.0,
            stats: SourceStats::default(),
            level: Level::SILENCE,
            speaking: false,
            chosen: true,
            hangover: 0,
            frame: vec![0; tick],
            live: false,
            was_live: false,
            panner: Panner::default(),
            house: false,
            ring: vec![0; rate.samples(ring_ms).max(tick)],
            head: 0,
            len: 0,
            gain_now: 1.0,
            limiter: Limiter::default(),
            wide: vec![0; tick],
            dry: false,
            started: false,
            stumbled: false,
            last: 0,
            staged: true,
            silent: true,
            skipped: None,
            short_ticks: 0,
            smooth: u8::MAX,
        }
    }

    /// This tick's contribution to one side.
    pub(super) fn frame_on(&self, side: Side) -> &[i16] {
        self.panner.side(side).unwrap_or(&self.frame)
    }

    pub(super) fn buffered(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, mut frame: &[i16]) -> Push {
        let capacity = self.ring.len();
        let mut dropped = frame.len().saturating_sub(capacity);
        frame = &frame[dropped..];
        let excess = (self.len + frame.len()).saturating_sub(capacity);
        self.head = (self.head + excess) % capacity;
        self.len -= excess;
        dropped += excess;
        let tail = (self.head + self.len) % capacity;
        let first = frame.len().min(capacity - tail);
        self.ring[tail..tail + first].copy_from_slice(&frame[..first]);
        self.ring[..frame.len() - first].copy_from_slice(&frame[first..]);
        self.len += frame.len();
        let late = std::mem::take(&mut self.stumbled);
        self.started = true;
        if dropped > 0 {
            self.stats.overrun += dropped as u64;
            Push::Overrun
        } else if late {
            self.stats.late += 1;
            Push::Late
        } else {
            Push::Taken
        }
    }

    /// Take this tick's samples out of the ring and measure them. They are copied, and brought to their gain, only once
    /// it is known that they are heard ([`Source::apply_gain`]).
    pub(super) fn pull(&mut self, idle_after: u64) {
        let tick = self.frame.len();
        if let Some(level) = self.skipped.take() {
            // What was pushed before it was skipped is out of date.
            self.drop_front(self.len);
            self.last = 0;
            self.staged = true;
            self.silent = true;
            self.short_ticks = 0;
            self.hear_level(level);
        } else if self.len >= tick && !self.dry {
            let (first, second) = self.waiting(tick);
            let energy = simd::energy(first) + simd::energy(second);
            self.last = second.last().or(first.last()).copied().unwrap_or(0);
            self.measure(energy);
            self.staged = false;
            self.short_ticks = 0;
        } else if self.len == 0 && !self.started && !self.dry {
            self.last = 0;
            self.measure(0);
            self.frame.fill(0);
            self.staged = true;
        } else {
            self.pull_short(idle_after);
            self.measure(simd::energy(&self.frame));
        }
    }

    fn measure(&mut self, energy: u64) {
        self.silent = energy == 0;
        self.hear_level(Level::of_energy(energy, self.frame.len()));
    }

    fn hear_level(&mut self, level: Level) {
        self.level = level;
        // Rises at once, falls by half a dB a tick.
        self.smooth = (self.level.to_wire() * 2).min(self.smooth.saturating_add(1));
    }

    /// The next `n` samples of the ring, in two pieces.
    fn waiting(&self, n: usize) -> (&[i16], &[i16]) {
        let first = n.min(self.ring.len() - self.head);
        (
            &self.ring[self.head..self.head + first],
            &self.ring[..n - first],
        )
    }

    /// Copy up to a tick of samples out of the ring into `frame`; returns how many.
    fn stage(&mut self) -> usize {
        let have = self.len.min(self.frame.len());
        let first = have.min(self.ring.len() - self.head);
        self.frame[..first].copy_from_slice(&self.ring[self.head..self.head + first]);
        self.frame[first..have].copy_from_slice(&self.ring[..have - first]);
        self.drop_front(have);
        have
    }

    fn drop_front(&mut self, n: usize) {
        self.head = (self.head + n) % self.ring.len();
        self.len -= n;
    }

    /// A tick that begins or ends without samples: fade, and count.
    fn pull_short(&mut self, idle_after: u64) {
        let tick = self.frame.len();
        let have = self.stage();
        self.staged = true;
        let fade = self.rate.khz() * 5 / 2;
        if have > 0 && self.dry {
            for (i, sample) in self.frame[..have].iter_mut().take(fade).enumerate() {
                *sample = (i32::from(*sample) * i as i32 / fade as i32) as i16;
            }
        }
        if have < tick {
            // The last sample dies away over 2.5 ms: no click, and nothing invented.
            let from = match have {
                0 if self.dry => 0,
                0 => i32::from(self.last),
                _ => i32::from(self.frame[have - 1]),
            };
            for (i, sample) in self.frame[have..].iter_mut().enumerate() {
                *sample = (from * (fade - i.min(fade)) as i32 / (fade as i32 + 1)) as i16;
            }
            if self.started {
                self.short_ticks += 1;
                self.stats.missing += 1;
                self.dry = true;
                if self.short_ticks > idle_after {
                    // It stopped rather than stumbled: what comes next is a new beginning.
                    self.stats.missing -= self.short_ticks;
                    self.started = false;
                    self.dry = false;
                }
                self.stumbled = self.started;
            }
        } else {
            self.dry = false;
            self.short_ticks = 0;
        }
        self.last = self.frame[tick - 1];
    }

    /// It was part of the last mix, or fades out of it.
    pub(super) fn is_mixed(&self) -> bool {
        self.chosen && self.live
    }

    /// For choosing the loudest: less is louder. Who was mixed keeps its place against one as loud, give or take 3 dB.
    pub(super) fn rank(&self) -> u8 {
        self.rank_at(self.smooth)
    }

    /// The rank that it would have at `level`.
    pub(super) fn rank_with(&self, level: Level) -> u8 {
        self.rank_at((level.to_wire() * 2).min(self.smooth.saturating_add(1)))
    }

    fn rank_at(&self, smooth: u8) -> u8 {
        smooth.saturating_sub(if self.chosen { 6 } else { 0 })
    }

    /// Bring `frame` to its gain, ramping over the tick when it changed.
    pub(super) fn apply_gain(&mut self) {
        let target = if self.muted || !self.chosen {
            0.0
        } else {
            self.gain
        };
        let from = std::mem::replace(&mut self.gain_now, target);
        self.was_live = self.live;
        if self.silent || (from == 0.0 && target == 0.0) {
            // Nobody looks at the frame of a source that is not live.
            self.live = false;
            if !self.staged {
                self.drop_front(self.frame.len());
            }
            return;
        }
        if !self.staged {
            self.stage();
        }
        if from != 1.0 || target != 1.0 || !self.limiter.is_open() {
            let step = (target - from) / self.frame.len() as f32;
            for (i, (wide, &x)) in self.wide.iter_mut().zip(&self.frame).enumerate() {
                let y = f32::from(x) * (from + step * (i + 1) as f32);
                *wide = (y + f32::copysign(0.5, y)) as i32;
            }
            self.limiter
                .narrow(&self.wide, self.rate.khz(), &mut self.frame);
        }
        self.live = true;
    }
}
