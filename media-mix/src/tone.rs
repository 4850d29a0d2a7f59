//! Tones: sines of exact phase, alone or summed, steady or in a cadence.

use crate::Rate;
use crate::math::sin_turns;

/// The sum of up to four sines, at a fixed rate.
///
/// Each sine's phase is an integer that advances by an integer step modulo the sample rate (in µHz): it neither
/// drifts nor loses precision, however long it runs. A sample costs four multiplications a sine: within a block of 128 a
/// vector is turned, and each block begins at its exact phase again.
#[derive(Clone, Debug)]
pub struct Tone {
    rate: Rate,
    sines: [Sine; 4],
    count: usize,
}

/// Samples between two exact phases.
const BLOCK: usize = 128;

#[derive(Clone, Copy, Debug, Default)]
struct Sine {
    /// Parts of a turn, in units of 1 / (rate in µHz).
    phase: u64,
    step: u64,
    /// Cosine and sine of a step.
    rotation: (f64, f64),
    amplitude: f64,
}

impl Sine {
    /// Adds the next samples, one for each of `sums`.
    fn add(&mut self, turn: u64, sums: &mut [f64]) {
        let at = self.phase as f64 / turn as f64;
        let (mut x, mut y) = (
            self.amplitude * sin_turns(at + 0.25),
            self.amplitude * sin_turns(at),
        );
        let (cos, sin) = self.rotation;
        for sum in &mut *sums {
            *sum += y;
            (x, y) = (x * cos - y * sin, x * sin + y * cos);
        }
        self.phase = (self.phase + self.step * sums.len() as u64) % turn;
    }
}

impl Tone {
    /// One sine of `hz` at `dbov`: 0 dBov is the level of a full-scale square, so a sine that just fits is -3.01.
    /// Frequencies are taken to the µHz, modulo the sample rate; levels above -3.01 are brought down to it.
    pub fn new(rate: Rate, hz: f64, dbov: f64) -> Self {
        Tone {
            rate,
            sines: [Sine::default(); 4],
            count: 0,
        }
        .and(hz, dbov)
    }

    /// Two sines of `dbov` each.
    pub fn dual(rate: Rate, first_hz: f64, second_hz: f64, dbov: f64) -> Self {
        Self::new(rate, first_hz, dbov).and(second_hz, dbov)
    }

    /// Add another sine; a fifth is ignored.
    pub fn and(mut self, hz: f64, dbov: f64) -> Self {
        if let Some(sine) = self.sines.get_mut(self.count) {
            let turn = u64::from(self.rate.hz()) * 1_000_000;
            let step = (hz.abs() * 1e6 + 0.5) as u64 % turn;
            let part = step as f64 / turn as f64;
            *sine = Sine {
                phase: 0,
                step,
                rotation: (sin_turns(part + 0.25), sin_turns(part)),
                amplitude: 32_767.0 * 10_f64.powf((dbov.min(-3.0103) + 3.0103) / 20.0),
            };
            self.count += 1;
        }
        self
    }

    /// The keys `0`-`9`, `*`, `#`, `A`-`D` (ITU-T Q.23), each of the two sines at `dbov`; `None` for other characters.
    pub fn dtmf(rate: Rate, key: char, dbov: f64) -> Option<Self> {
        let (row, column) = match key.to_ascii_uppercase() {
            '1' => (0, 0),
            '2' => (0, 1),
            '3' => (0, 2),
            'A' => (0, 3),
            '4' => (1, 0),
            '5' => (1, 1),
            '6' => (1, 2),
            'B' => (1, 3),
            '7' => (2, 0),
            '8' => (2, 1),
            '9' => (2, 2),
            'C' => (2, 3),
            '*' => (3, 0),
            '0' => (3, 1),
            '#' => (3, 2),
            'D' => (3, 3),
            _ => return None,
        };
        const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
        const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
        Some(Self::dual(rate, ROWS[row], COLUMNS[column], dbov))
    }

    /// The rate of its samples.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Fill `out` with the next samples.
    pub fn fill(&mut self, out: &mut [i16]) {
        let turn = u64::from(self.rate.hz()) * 1_000_000;
        for block in out.chunks_mut(BLOCK) {
            let mut sums = [0.0; BLOCK];
            for sine in &mut self.sines[..self.count] {
                sine.add(turn, &mut sums[..block.len()]);
            }
            for (sample, sum) in block.iter_mut().zip(sums) {
                // `as` saturates, should the sum of several leave the range.
                *sample = (sum + f64::copysign(0.5, sum)) as i16;
            }
        }
    }

    /// Begin again at phase zero.
    pub fn restart(&mut self) {
        for sine in &mut self.sines {
            sine.phase = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_later_it_is_still_in_phase() {
        let mut tone = Tone::new(Rate::Khz8, 1020.0, -3.0103);
        let mut second = vec![0; 8000];
        tone.fill(&mut second);
        let first = second.clone();
        for _ in 0..60 {
            tone.fill(&mut second);
        }
        assert_eq!(first, second);
        assert_eq!(first.iter().max(), Some(&32_767));
    }

    #[test]
    fn every_sample_is_the_sine_at_its_phase_in_pieces_of_any_length() {
        let hz = 1633.0;
        let mut tone = Tone::new(Rate::Khz48, hz, -9.0).and(440.5, -12.0);
        let amplitude = |dbov: f64| 32_767.0 * 10_f64.powf((dbov + 3.0103) / 20.0);
        let mut at = 0;
        for length in [1, 127, 128, 129, 960, 1000, 7] {
            let mut piece = vec![0; length];
            tone.fill(&mut piece);
            for &sample in &piece {
                let turns = |hz: f64| f64::from(at) * hz / 48_000.0 * std::f64::consts::TAU;
                let exact =
                    amplitude(-9.0) * turns(hz).sin() + amplitude(-12.0) * turns(440.5).sin();
                assert!(
                    (f64::from(sample) - exact).abs() < 0.5001,
                    "{at}: {sample}, {exact}"
                );
                at += 1;
            }
        }
    }

    #[test]
    fn only_sixteen_keys_have_a_tone() {
        assert_eq!(
            (0..=255_u8)
                .filter(|&c| Tone::dtmf(Rate::Khz8, c as char, -10.0).is_some())
                .count(),
            20
        );
    }
}
