//! Comfort noise (RFC 3389): the sound of the far end's room in a few bytes, so that silence does not sound dead.
//!
//! The payload is a level in dBov and the reflection coefficients of an all-pole model, both as the RFC quantizes them.
//! [`NoiseAnalyser`] makes it from PCM, [`ComfortNoise`] turns it back into sound.

use crate::level::Level;
use crate::simd::energy;

/// Order of the model that the analyser makes; a synthesizer takes up to `MOST_ORDER`.
const ORDER: usize = 6;
/// Coefficients that are used of a payload; a longer one is cut, as RFC 3389 section 3 allows.
const MOST_ORDER: usize = 12;

/// Makes noise like that described by a payload.
#[derive(Clone, Debug)]
pub struct ComfortNoise {
    level: Level,
    reflection: [f32; MOST_ORDER],
    /// Backward prediction errors of the lattice.
    state: [f32; MOST_ORDER + 1],
    /// Gain of the white noise now, and where it should go.
    gain: f32,
    target: f32,
    seed: u32,
}

impl Default for ComfortNoise {
    fn default() -> Self {
        Self::new()
    }
}

impl ComfortNoise {
    /// Silent until the first [`ComfortNoise::update`]. Two generators give the same noise: it is not a secret.
    pub fn new() -> Self {
        ComfortNoise {
            level: Level::SILENCE,
            reflection: [0.0; MOST_ORDER],
            state: [0.0; MOST_ORDER + 1],
            gain: 0.0,
            target: 0.0,
            seed: 0x1234_5678,
        }
    }

    /// Noise of this level and no colour, for a peer that stopped without saying how its silence sounds.
    pub fn white(level: Level) -> Self {
        let mut noise = Self::new();
        noise.set(level, &[]);
        noise
    }

    /// Take in a payload (RFC 3389 section 3): level, then any number of coefficients. An empty one changes nothing.
    pub fn update(&mut self, payload: &[u8]) {
        if let Some((&level, coefficients)) = payload.split_first() {
            self.set(Level::from_wire(level), coefficients);
        }
    }

    fn set(&mut self, level: Level, coefficients: &[u8]) {
        self.level = level;
        self.reflection = [0.0; MOST_ORDER];
        for (k, &code) in self.reflection.iter_mut().zip(coefficients) {
            // Code 255 is reserved; clamped, the filter stays stable (RFC 3389 section 3.1).
            *k = 258.0 * (f32::from(code.min(254)) - 127.0) / 32_768.0;
        }
        // An all-pole lattice amplifies white noise by 1 / Π(1 - k²).
        let loss: f32 = self.reflection.iter().map(|k| 1.0 - k * k).product();
        let rms = if level == Level::SILENCE {
            0.0
        } else {
            32_768.0 * 10_f32.powf(level.dbov() / 20.0)
        };
        self.target = rms * loss.max(0.0).sqrt();
    }

    /// The level of the last payload.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Fill `out` with noise. A change of level fades in over some 10 ms at 8 kHz.
    pub fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            self.gain += (self.target - self.gain) / 32.0;
            // The sum of four uniform numbers, near enough to normal; variance 1.
            let mut sum = 0_i32;
            for _ in 0..4 {
                self.seed = self
                    .seed
                    .wrapping_mul(1_664_525)
                    .wrapping_add(1_013_904_223);
                sum += (self.seed >> 16) as i32 - 32_768;
            }
            let white = sum as f32 / 37_837.0;
            let mut forward = white * self.gain;
            for m in (0..MOST_ORDER).rev() {
                forward -= self.reflection[m] * self.state[m];
                self.state[m + 1] = self.reflection[m] * forward + self.state[m];
            }
            self.state[0] = forward;
            *sample = (forward + f32::copysign(0.5, forward)) as i16;
        }
    }
}

/// Listens to background noise and describes it.
#[derive(Clone, Debug, Default)]
pub struct NoiseAnalyser {
    correlation: [f64; ORDER + 1],
    mean_square: f64,
    heard: bool,
}

impl NoiseAnalyser {
    /// Nothing heard yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hear a frame of background noise (say, 20 ms that a voice detector called silent). Averages over about eight.
    pub fn hear(&mut self, pcm: &[i16]) {
        if pcm.len() <= ORDER {
            return;
        }
        let weight = if self.heard { 0.125 } else { 1.0 };
        self.heard = true;
        let mean = energy(pcm) as f64 / pcm.len() as f64;
        self.mean_square += (mean - self.mean_square) * weight;
        for (lag, slot) in self.correlation.iter_mut().enumerate() {
            let sum: f64 = pcm
                .iter()
                .zip(&pcm[lag..])
                .map(|(&x, &y)| f64::from(x) * f64::from(y))
                .sum();
            *slot += (sum / pcm.len() as f64 - *slot) * weight;
        }
    }

    /// The payload of what was heard: 7 bytes.
    pub fn payload(&self) -> [u8; ORDER + 1] {
        let mut payload = [127; ORDER + 1];
        if self.mean_square >= 1e-3 {
            let below = -10.0 * (self.mean_square / (32_768.0 * 32_768.0)).log10();
            payload[0] = (below + 0.5).clamp(0.0, 127.0) as u8;
        }
        // Schur's recursion for the reflection coefficients, with a floor of noise 40 dB down to keep it stable.
        let mut upper = self.correlation;
        upper[0] = upper[0] * 1.0001 + 1e-9;
        let mut lower = upper;
        for (m, code) in payload[1..].iter_mut().enumerate() {
            let k = (-upper[m + 1] / lower[0]).clamp(-0.999, 0.999);
            *code = (k * 32_768.0 / 258.0 + 127.5).clamp(0.0, 254.0) as u8;
            for i in 0..ORDER - m {
                let (up, low) = (upper[m + 1 + i], lower[i]);
                upper[m + 1 + i] = up + k * low;
                lower[i] = low + k * up;
            }
        }
        payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Power below and above 1 kHz at 8 kHz, by a one-pole split good enough for a tilt.
    fn tilt(pcm: &[i16]) -> f64 {
        let (mut low, mut lows, mut highs) = (0.0, 0.0, 0.0);
        for &x in pcm {
            let x = f64::from(x);
            low += (x - low) * 0.54;
            lows += low * low;
            highs += (x - low) * (x - low);
        }
        10.0 * f64::log10(lows / highs)
    }

    #[test]
    fn noise_comes_back_with_its_level_and_colour() {
        for colour in [-0.9_f32, -0.5, 0.0, 0.5, 0.8] {
            let mut white = ComfortNoise::white(Level::from_wire(45));
            let mut room = vec![0; 80_000];
            white.fill(&mut room);
            let mut last = 0.0;
            for sample in &mut room {
                last = f32::from(*sample) - colour * last;
                *sample = last as i16;
            }
            let mut analyser = NoiseAnalyser::new();
            room.chunks(160).for_each(|frame| analyser.hear(frame));
            let mut again = ComfortNoise::new();
            again.update(&analyser.payload());
            let mut made = vec![0; 80_000];
            again.fill(&mut made);
            let (before, after) = (Level::of(&room[8_000..]), Level::of(&made[8_000..]));
            assert!(
                before.to_wire().abs_diff(after.to_wire()) <= 1,
                "{colour}: {before:?}, {after:?}"
            );
            let (before, after) = (tilt(&room), tilt(&made[8_000..]));
            assert!(
                (before - after).abs() < 1.5,
                "{colour}: {before:.1} dB, {after:.1} dB"
            );
        }
    }

    #[test]
    fn any_payload_is_stable() {
        let mut seed = 1_u32;
        for _ in 0..300 {
            let payload: Vec<u8> = (0..20)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 24) as u8
                })
                .collect();
            let mut noise = ComfortNoise::new();
            noise.update(&payload);
            let mut out = [0; 1600];
            noise.fill(&mut out);
            noise.update(&[100]);
            noise.fill(&mut out);
            noise.fill(&mut out);
            assert!(
                Level::of(&out[800..]).to_wire() > 80,
                "it rings on: {payload:?}"
            );
        }
        let mut silent = ComfortNoise::new();
        silent.update(&[]);
        silent.fill(&mut [1; 10]);
        assert_eq!(silent.level(), Level::SILENCE);
    }

    #[test]
    fn silence_is_described_as_silence() {
        let mut analyser = NoiseAnalyser::new();
        analyser.hear(&[0; 160]);
        assert_eq!(analyser.payload()[0], 127);
    }
}
