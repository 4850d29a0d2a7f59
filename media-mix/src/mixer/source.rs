//! What one source has pushed and not yet been heard: a bounded ring, and the frame of this tick.

use super::bus::Sum;
use super::limiter::Limiter;
use super::stereo::{Panner, Side};
use super::{SourceId, SourceReport};
use crate::kernels::Measure;
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

/// What most ticks do not touch, out of the way of what all do: rooms too large for the caches are walked through.
pub(super) struct Rare {
    pub(super) stats: SourceStats,
    /// Its place between left and right.
    pub(super) panner: Panner,
}

pub(super) struct Source {
    pub(super) rare: Box<Rare>,
    pub(super) rate: Rate,
    pub(super) public: bool,
    pub(super) muted: bool,
    pub(super) gain: f32,
    pub(super) level: Level,
    pub(super) speaking: bool,
    /// Among the loudest, or there is no limit to them.
    pub(super) chosen: bool,
    /// Ticks for which it still counts as speaking.
    pub(super) hangover: u32,
    /// Whether this tick's frame holds anything but zeros, and whether the one before did.
    pub(super) live: bool,
    pub(super) was_live: bool,
    /// It is the mixer's own: always mixed, and never reported.
    pub(super) house: bool,
    ring: Box<[i16]>,
    head: usize,
    len: usize,
    /// This tick's contribution, unless it can stay where it was pushed to.
    frame: Box<[i16]>,
    /// Where in the ring it then is: whole, untouched, and no longer among the samples that wait.
    place: Option<usize>,
    /// No sample of this tick's contribution is further from zero.
    pub(super) peak: u16,
    /// What waits is part of the next tick's sum already.
    pub(super) summed: bool,
    /// The last tick was heard as it was pushed, and no command has come since.
    pub(super) plain: bool,
    /// What waits is one tick, in one piece, and this is its measure: taken as it came, while it was at hand.
    measured: Option<Measure>,
    /// And this its last sample.
    end: i16,
    /// It is all zeros, and was therefore not written down.
    unwritten: bool,
    gain_now: f32,
    limiter: Limiter,
    /// The last tick ran short: the next samples fade in.
    dry: bool,
    /// Pushed at least once since the last long silence.
    started: bool,
    /// A tick ran short since the last push.
    stumbled: bool,
    last: i16,
    /// This tick's samples are all zero.
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
            rare: Box::new(Rare {
                stats: SourceStats::default(),
                panner: Panner::default(),
            }),
            rate,
            public: true,
            muted: false,
            gain: 1.0,
            level: Level::SILENCE,
            speaking: false,
            chosen: true,
            hangover: 0,
            live: false,
            was_live: false,
            house: false,
            ring: vec![0; rate.samples(ring_ms).max(tick)].into(),
            head: 0,
            len: 0,
            frame: vec![0; tick].into(),
            place: None,
            peak: 0,
            summed: false,
            plain: false,
            measured: None,
            end: 0,
            unwritten: false,
            gain_now: 1.0,
            limiter: Limiter::default(),
            dry: false,
            started: false,
            stumbled: false,
            last: 0,
            silent: true,
            skipped: None,
            short_ticks: 0,
            smooth: u8::MAX,
        }
    }

    /// This tick's contribution to one side.
    pub(super) fn frame_on(&self, side: Side) -> &[i16] {
        self.rare.panner.side(side).unwrap_or_else(|| self.frame())
    }

    /// This tick's contribution, after gain. Exactly what is summed and what is subtracted. Of no meaning while the
    /// source is not live.
    pub(super) fn frame(&self) -> &[i16] {
        match self.place {
            Some(at) => &self.ring[at..at + self.frame.len()],
            None => &self.frame,
        }
    }

    /// Samples of a tick.
    pub(super) fn tick_samples(&self) -> usize {
        self.frame.len()
    }

    /// Make what panning needs of this tick's contribution.
    pub(super) fn pan(&mut self) {
        let frame = match self.place {
            Some(at) => &self.ring[at..at + self.frame.len()],
            None => &self.frame,
        };
        self.rare.panner.run(frame, self.live);
    }

    pub(super) fn buffered(&self) -> usize {
        self.len
    }

    /// Whether this is the usual push: one tick, and nothing waits.
    pub(super) fn is_usual(&self, frame: &[i16]) -> bool {
        self.len == 0 && frame.len() == self.frame.len()
    }

    /// Any other push.
    pub(super) fn push(&mut self, mut frame: &[i16]) -> Push {
        self.write_down();
        let capacity = self.ring.len();
        let mut dropped = frame.len().saturating_sub(capacity);
        frame = &frame[dropped..];
        let excess = (self.len + frame.len()).saturating_sub(capacity);
        self.drop_front(excess);
        dropped += excess;
        self.measured = None;
        if self.len == 0 {
            self.begin_beside(frame.len());
        }
        self.write(frame);
        self.len += frame.len();
        self.pushed(dropped)
    }

    /// The usual push. Measured while it is at hand, and added to `sum`; silence is not written down.
    #[inline]
    pub(super) fn push_usual(&mut self, frame: &[i16], sum: Option<&mut Sum>) -> Push {
        let tick = frame.len();
        self.begin_beside(tick);
        self.len = tick;
        self.unwritten = simd::is_silent(frame);
        self.measured = Some(if self.unwritten {
            Measure::default()
        } else {
            if self.place.is_some_and(|at| at.abs_diff(self.head) < tick) {
                self.keep();
            }
            let place = &mut self.ring[self.head..self.head + tick];
            self.end = frame.last().copied().unwrap_or(0);
            self.summed = sum.is_some();
            match sum {
                // As loud as a tick ago, perhaps.
                Some(sum) => sum.keep_and_add(frame, place, self.peak),
                None => simd::keep(frame, place),
            }
        });
        self.pushed(0)
    }

    /// Whether only a command can change how a usual push will be heard: by everyone, as it is.
    #[inline]
    pub(super) fn is_settled(&self) -> bool {
        self.plain && self.public && !self.dry && self.skipped.is_none()
    }

    /// The tick that waits, after a usual push that was not silent.
    pub(super) fn waiting(&self) -> &[i16] {
        &self.ring[self.head..self.head + self.frame.len()]
    }

    /// It waits now, and `dropped` samples do not.
    fn pushed(&mut self, dropped: usize) -> Push {
        let late = std::mem::take(&mut self.stumbled);
        self.started = true;
        if dropped > 0 {
            self.rare.stats.overrun += dropped as u64;
            Push::Overrun
        } else if late {
            self.rare.stats.late += 1;
            Push::Late
        } else {
            Push::Taken
        }
    }

    /// Take this tick's samples out of the ring and measure them. Where they lie in one piece they stay there; they are
    /// brought to their gain only once it is known that they are heard ([`Source::apply_gain`]).
    pub(super) fn pull(&mut self, idle_after: u64) {
        let tick = self.frame.len();
        if let Some(measure) = self.measured.take()
            && self.skipped.is_none()
            && !self.dry
        {
            // The usual tick: what waits is one, in one piece.
            self.len = 0;
            self.short_ticks = 0;
            if std::mem::take(&mut self.unwritten) {
                self.last = 0;
            } else {
                self.place = Some(self.head);
                self.last = self.end;
            }
            self.measure(measure);
        } else if let Some(level) = self.skipped.take() {
            // What was pushed before it was skipped is out of date.
            self.drop_front(self.len);
            self.unwritten = false;
            self.last = 0;
            self.silent = true;
            self.place = None;
            self.short_ticks = 0;
            self.hear_level(level);
        } else if self.len >= tick && !self.dry {
            if self.head + tick <= self.ring.len() {
                self.place = Some(self.head);
                self.drop_front(tick);
            } else {
                self.stage();
            }
            let frame = self.frame();
            let measure = simd::measure(frame);
            self.last = frame.last().copied().unwrap_or(0);
            self.measure(measure);
            self.short_ticks = 0;
        } else if self.len == 0 && !self.started && !self.dry {
            self.last = 0;
            self.measure(Measure::default());
        } else {
            self.pull_short(idle_after);
            self.measure(simd::measure(&self.frame));
        }
    }

    /// The usual tick of who is in the sum already: it is heard as it was pushed.
    #[inline]
    pub(super) fn pull_summed(&mut self) {
        self.summed = false;
        self.len = 0;
        self.short_ticks = 0;
        self.place = Some(self.head);
        self.last = self.end;
        self.was_live = std::mem::replace(&mut self.live, true);
        self.silent = false;
        let Measure { energy, peak } = self.measured.take().unwrap_or_default();
        self.peak = peak;
        self.hear_level(Level::of_energy(energy, self.frame.len()));
    }

    #[inline]
    fn measure(&mut self, Measure { energy, peak }: Measure) {
        self.silent = energy == 0;
        self.peak = peak;
        if self.silent {
            // Nobody looks at it: its place is free.
            self.place = None;
        }
        self.hear_level(Level::of_energy(energy, self.frame.len()));
    }

    fn hear_level(&mut self, level: Level) {
        self.level = level;
        // Rises at once, falls by half a dB a tick.
        self.smooth = (self.level.to_wire() * 2).min(self.smooth.saturating_add(1));
    }

    /// Nothing waits: let what comes begin beside this tick's frame, near the front, so that little memory is walked
    /// over.
    fn begin_beside(&mut self, n: usize) {
        let tick = self.frame.len();
        self.head = match self.place {
            Some(at) if n > at && at + tick + n <= self.ring.len() => at + tick,
            _ => 0,
        };
    }

    /// Copy what comes behind what waits.
    fn write(&mut self, frame: &[i16]) {
        let tail = self.wrap(self.head + self.len);
        let first = frame.len().min(self.ring.len() - tail);
        let rest = frame.len() - first;
        if let Some(at) = self.place
            && (tail < at + self.frame.len() && at < tail + first || at < rest)
        {
            self.keep();
        }
        self.ring[tail..tail + first].copy_from_slice(&frame[..first]);
        self.ring[..rest].copy_from_slice(&frame[first..]);
    }

    /// Write the zeros that were not.
    fn write_down(&mut self) {
        if std::mem::take(&mut self.unwritten) {
            self.keep();
            // It was put where a tick lies in one piece.
            self.ring[self.head..self.head + self.len].fill(0);
        }
    }

    /// Take this tick's frame out of the way of what is pushed.
    fn keep(&mut self) {
        if let Some(at) = self.place.take() {
            let tick = self.frame.len();
            self.frame.copy_from_slice(&self.ring[at..at + tick]);
        }
    }

    /// Copy up to a tick of samples out of the ring into `frame`; returns how many.
    fn stage(&mut self) -> usize {
        self.place = None;
        let have = self.len.min(self.frame.len());
        let first = have.min(self.ring.len() - self.head);
        self.frame[..first].copy_from_slice(&self.ring[self.head..self.head + first]);
        self.frame[first..have].copy_from_slice(&self.ring[..have - first]);
        self.drop_front(have);
        have
    }

    fn drop_front(&mut self, n: usize) {
        self.head = self.wrap(self.head + n);
        self.len -= n;
    }

    /// A place of the ring, of at most twice its length.
    fn wrap(&self, at: usize) -> usize {
        if at < self.ring.len() {
            at
        } else {
            at - self.ring.len()
        }
    }

    /// A tick that begins or ends without samples: fade, and count.
    fn pull_short(&mut self, idle_after: u64) {
        self.write_down();
        let tick = self.frame.len();
        let have = self.stage();
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
                self.rare.stats.missing += 1;
                self.dry = true;
                if self.short_ticks > idle_after {
                    // It stopped rather than stumbled: what comes next is a new beginning.
                    self.rare.stats.missing -= self.short_ticks;
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

    /// What this tick has found.
    #[inline]
    pub(super) fn report(&self, source: SourceId) -> SourceReport {
        SourceReport {
            source,
            level: self.level,
            speaking: self.speaking,
            mixed: self.chosen && !self.muted,
        }
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

    /// Bring `frame` to its gain, ramping over the tick when it changed. `scratch` is used meanwhile.
    pub(super) fn apply_gain(&mut self, scratch: &mut Vec<i32>) {
        let target = if self.muted || !self.chosen {
            0.0
        } else {
            self.gain
        };
        let from = std::mem::replace(&mut self.gain_now, target);
        self.plain = from == 1.0 && target == 1.0 && self.limiter.is_open();
        self.was_live = self.live;
        if self.silent || (from == 0.0 && target == 0.0) {
            // Nobody looks at the frame of a source that is not live.
            self.live = false;
            return;
        }
        if !self.plain {
            let frame = match self.place.take() {
                Some(at) => &self.ring[at..at + self.frame.len()],
                None => &self.frame,
            };
            // No louder than this, rounding included; the limiter sees to the rest.
            self.peak = (f32::from(self.peak) * from.max(target) + 1.0) as u16;
            let step = (target - from) / frame.len() as f32;
            scratch.clear();
            scratch.extend(frame.iter().enumerate().map(|(i, &x)| {
                let y = f32::from(x) * (from + step * (i + 1) as f32);
                (y + f32::copysign(0.5, y)) as i32
            }));
            self.limiter
                .narrow(scratch, self.rate.khz(), &mut self.frame);
        }
        self.live = true;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn every_tick_is_what_was_pushed_and_stays_until_the_next_whatever_is_pushed_meanwhile() {
        let mut state = 3_u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for ring_ms in [20, 40, 60, 200] {
            let mut source = Source::new(Rate::Khz8, 20, ring_ms);
            let capacity = Rate::Khz8.samples(ring_ms);
            let (mut model, mut dropped) = (VecDeque::new(), 0);
            let mut kept: Option<Vec<i16>> = None;
            for _ in 0..5_000 {
                while model.len() < 160 || random(4) == 0 {
                    let n = [160, 160, 160, 80, 480, 37, 2000][random(7) as usize];
                    let silent = random(3) == 0;
                    let frame: Vec<i16> = (0..n)
                        .map(|_| {
                            if silent {
                                0
                            } else {
                                random(65_536) as u16 as i16
                            }
                        })
                        .collect();
                    let _ = if source.is_usual(&frame) {
                        source.push_usual(&frame, None)
                    } else {
                        source.push(&frame)
                    };
                    model.extend(frame);
                    dropped += model.len().saturating_sub(capacity) as u64;
                    model.drain(..model.len().saturating_sub(capacity));
                    assert_eq!(
                        (source.buffered(), source.rare.stats.overrun),
                        (model.len(), dropped)
                    );
                    if let Some(kept) = &kept {
                        assert_eq!(source.frame(), kept, "the tick before is still to be had");
                    }
                }
                source.pull(50);
                source.apply_gain(&mut Vec::new());
                let expected: Vec<i16> = model.drain(..160).collect();
                assert_eq!(source.level, Level::of(&expected));
                assert_eq!(source.live, expected.iter().any(|&x| x != 0));
                kept = source.live.then_some(expected);
                if let Some(kept) = &kept {
                    assert_eq!(source.frame(), kept);
                }
            }
            assert_eq!(source.rare.stats.missing, 0);
        }
    }
}
