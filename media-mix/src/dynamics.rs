//! Optional stages before a mixer: a gain control that brings voices to one level, a gate for the noise between words,
//! and a clock for silence. All work in place and add no delay.

use crate::level::Level;
use crate::mixer::Limiter;
use crate::rate::Rate;
use crate::vad::VoiceDetector;

/// Automatic gain control: brings speech to a level, slowly, and leaves silence and noise as they are.
///
/// The gain moves only while there is speech, up by at most 3 dB a second and down by at most 20, within its bounds; a
/// limiter catches what that is too slow for.
#[derive(Clone, Debug)]
pub struct GainControl {
    rate: Rate,
    target: f32,
    most: f32,
    least: f32,
    /// dB.
    gain: f32,
    /// Power of speech of late, as a mean square; 0 before the first.
    power: f32,
    detector: VoiceDetector,
    limiter: Limiter,
    wide: Vec<i32>,
}

impl GainControl {
    /// For mono PCM at `rate`: speech at -22 dBov, by a gain of -12 to +18 dB.
    pub fn new(rate: Rate) -> Self {
        Self::with(rate, Level::from_wire(22), -12.0, 18.0)
    }

    /// With a target and bounds of one's own, dB; bounds are brought within -40 and +40, and into order.
    pub fn with(rate: Rate, target: Level, least_db: f32, most_db: f32) -> Self {
        let least = least_db.clamp(-40.0, 40.0);
        GainControl {
            rate,
            target: target.dbov(),
            least,
            most: most_db.clamp(least, 40.0),
            gain: 0.0,
            power: 0.0,
            detector: VoiceDetector::new(0),
            limiter: Limiter::default(),
            wide: vec![0; rate.samples(20)],
        }
    }

    /// The gain now, dB.
    pub fn gain_db(&self) -> f32 {
        self.gain
    }

    /// Treat the next samples, in place. Frames of 10 or 20 ms are best; longer ones are taken in pieces of 20.
    pub fn process(&mut self, pcm: &mut [i16]) {
        for frame in pcm.chunks_mut(self.rate.samples(20)) {
            self.frame(frame);
        }
    }

    fn frame(&mut self, frame: &mut [i16]) {
        let ms = frame.len() as f32 / self.rate.khz() as f32;
        let before = self.gain;
        if self.detector.hear(frame, ms as u32) {
            let mean = crate::simd::energy(frame) as f32 / frame.len() as f32;
            // About half a second of speech; the first frame counts at once.
            let weight = if self.power == 0.0 {
                1.0
            } else {
                ms / (ms + 500.0)
            };
            self.power += (mean - self.power) * weight;
            let level = 10.0 * (self.power.max(1e-3) / (32_768.0 * 32_768.0)).log10();
            let wanted = (self.target - level).clamp(self.least, self.most);
            self.gain += (wanted - self.gain).clamp(-20.0 * ms / 1000.0, 3.0 * ms / 1000.0);
        }
        if before == 0.0 && self.gain == 0.0 && self.limiter.is_open() {
            return;
        }
        let (from, to) = (10_f32.powf(before / 20.0), 10_f32.powf(self.gain / 20.0));
        let step = (to - from) / frame.len() as f32;
        let wide = &mut self.wide[..frame.len()];
        for (n, (wide, &x)) in wide.iter_mut().zip(&*frame).enumerate() {
            let y = f32::from(x) * (from + step * n as f32);
            *wide = (y + f32::copysign(0.5, y)) as i32;
        }
        self.limiter.narrow(wide, self.rate.khz(), frame);
    }
}

/// A noise gate: what is quieter than a threshold, for longer than a moment, is turned down.
#[derive(Clone, Debug)]
pub struct NoiseGate {
    rate: Rate,
    threshold: Level,
    closed: f32,
    hold_ms: u32,
    left_ms: u32,
    gain: f32,
}

impl NoiseGate {
    /// For mono PCM at `rate`: opens at `threshold`, stays open for 200 ms after, and is closed at -24 dB, so that the
    /// line does not sound dead.
    pub fn new(rate: Rate, threshold: Level) -> Self {
        Self::with(rate, threshold, 200, -24.0)
    }

    /// With a hold time (ms) and a closed gain (dB, at most 0) of one's own.
    pub fn with(rate: Rate, threshold: Level, hold_ms: u32, closed_db: f32) -> Self {
        let closed = 10_f32.powf(closed_db.min(0.0) / 20.0);
        NoiseGate {
            rate,
            threshold,
            closed,
            hold_ms,
            left_ms: hold_ms,
            gain: 1.0,
        }
    }

    /// Whether it is open, or still opening.
    pub fn is_open(&self) -> bool {
        self.left_ms > 0
    }

    /// Treat the next samples, in place, 10 ms at a time. It opens within 2 ms of the 10 in which it hears something, so
    /// that the beginning of a word is kept, and closes within 50.
    pub fn process(&mut self, pcm: &mut [i16]) {
        for block in pcm.chunks_mut(self.rate.samples(10)) {
            if Level::of(block).louder_than(self.threshold) || Level::of(block) == self.threshold {
                self.left_ms = self.hold_ms.max(1);
            } else {
                self.left_ms = self.left_ms.saturating_sub(10);
            }
            let (target, ms) = if self.left_ms > 0 {
                (1.0, 2.0)
            } else {
                (self.closed, 50.0)
            };
            if self.gain == target && target == 1.0 {
                continue;
            }
            let step = (1.0 - self.closed) / (ms * self.rate.khz() as f32);
            for sample in block {
                self.gain += (target - self.gain).clamp(-step, step);
                let y = f32::from(*sample) * self.gain;
                *sample = (y + f32::copysign(0.5, y)) as i16;
            }
        }
    }
}

/// How long it has been silent.
#[derive(Clone, Debug)]
pub struct SilenceClock {
    rate: Rate,
    threshold: Level,
    samples: u64,
}

impl SilenceClock {
    /// For mono PCM at `rate`: quieter than `threshold` is silent.
    pub fn new(rate: Rate, threshold: Level) -> Self {
        SilenceClock {
            rate,
            threshold,
            samples: 0,
        }
    }

    /// Listen to a frame; returns for how many ms, to its end, it has been silent.
    pub fn hear(&mut self, frame: &[i16]) -> u64 {
        if self.threshold.louder_than(Level::of(frame)) {
            self.samples += frame.len() as u64;
        } else {
            self.samples = 0;
        }
        self.samples / self.rate.khz() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comfort::ComfortNoise;
    use crate::tone::Tone;

    /// Syllables of 200 ms with 100 ms between, 20 ms a frame.
    fn speech(level: f64, frames: usize) -> Vec<Vec<i16>> {
        let mut voice = Tone::dual(Rate::Khz16, 150.0, 900.0, level - 3.01);
        let mut room = ComfortNoise::white(Level::from_wire(70));
        (0..frames)
            .map(|n| {
                let (mut frame, mut said) = (vec![0; 320], vec![0; 320]);
                room.fill(&mut frame);
                voice.fill(&mut said);
                if n % 15 < 10 {
                    frame.iter_mut().zip(said).for_each(|(f, s)| *f += s);
                }
                frame
            })
            .collect()
    }

    #[test]
    fn quiet_and_loud_voices_come_to_one_level_and_silence_stays() {
        for level in [-38.0, -30.0, -22.0, -14.0] {
            let mut control = GainControl::new(Rate::Khz16);
            let (mut last, mut seen) = (Vec::new(), 0.0);
            for frame in &mut speech(level, 700) {
                control.process(frame);
                last.clone_from(frame);
                seen = control.gain_db();
            }
            let wanted = (-22.0 - level as f32).clamp(-12.0, 18.0);
            assert!(
                (seen - wanted).abs() < 1.5,
                "{level}: {seen} for {wanted} dB"
            );
            let mut room = ComfortNoise::white(Level::from_wire(60));
            for _ in 0..200 {
                last.fill(0);
                room.fill(&mut last);
                control.process(&mut last);
            }
            assert!(
                (control.gain_db() - seen).abs() < 0.5,
                "once it is known, noise moves nothing"
            );
        }
    }

    #[test]
    fn a_shout_after_a_whisper_is_limited_not_clipped() {
        let mut control = GainControl::new(Rate::Khz16);
        for frame in &mut speech(-38.0, 500) {
            control.process(frame);
        }
        assert!(control.gain_db() > 14.0);
        let mut shout = vec![0; 320];
        Tone::new(Rate::Khz16, 500.0, -6.0).fill(&mut shout);
        control.process(&mut shout);
        let flat = shout
            .windows(3)
            .filter(|w| w[0].unsigned_abs() > 32_700 && w.iter().all(|x| *x == w[0]))
            .count();
        assert_eq!(flat, 0, "no plateaus");
    }

    #[test]
    fn the_gate_keeps_words_whole_and_closes_between() {
        let mut gate = NoiseGate::new(Rate::Khz8, Level::from_wire(45));
        let mut noise = ComfortNoise::white(Level::from_wire(55));
        let mut frame = [0; 160];
        for _ in 0..30 {
            noise.fill(&mut frame);
            gate.process(&mut frame);
        }
        assert!(!gate.is_open());
        assert_eq!(Level::of(&frame).to_wire(), 79, "55 + 24");
        let mut word = [0; 160];
        Tone::new(Rate::Khz8, 1_000.0, -20.0).fill(&mut word);
        let said = word;
        gate.process(&mut word);
        assert!(gate.is_open());
        assert_eq!(word[17..], said[17..], "open within 2 ms");
        assert!(word.windows(2).all(|p| (p[0] - p[1]).abs() < 4_000));
    }

    #[test]
    fn silence_is_timed() {
        let mut clock = SilenceClock::new(Rate::Khz8, Level::from_wire(50));
        assert_eq!(
            [
                clock.hear(&[0; 160]),
                clock.hear(&[1; 160]),
                clock.hear(&[9_000; 160]),
                clock.hear(&[0; 80])
            ],
            [20, 40, 0, 10]
        );
    }
}
