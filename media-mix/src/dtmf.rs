//! In-band DTMF: keys found in sound (ITU-T Q.23, Q.24), for peers without RFC 4733.
//!
//! Eight Goertzel filters, one a frequency, look at blocks of 12.8 ms. A key must hold for two blocks and more (so that
//! 40 ms are always enough and 20 ms never), its two tones must be balanced, steady from block to block, and carry nearly
//! all of the block's power: that is what keeps speech and music from dialling.

use crate::math::sin_turns;
use crate::rate::Rate;
use crate::simd::energy;

const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];
/// 102 samples at 8 kHz: bins 78 Hz wide, which every tone meets within 1.8 %.
const BLOCK_AT_8: usize = 102;
/// Least power of the two tones together, as a mean square: -40 dBov.
const LEAST: f32 = 32_768.0 * 32_768.0 * 1e-4;
/// Row louder than column ("reverse twist") by at most 6 dB, column louder than row by at most 8 dB (Q.24 asks for
/// 4 to 8 and 4 to 10).
const ROW_OVER_COLUMN: f32 = 4.0;
const COLUMN_OVER_ROW: f32 = 6.3;
/// The best of a group over the next best of it.
const OVER_OTHERS: f32 = 6.0;
/// Share of the block's power in the two tones.
const SHARE: f32 = 0.74;

/// Each tone's power in two blocks that make a key, one over the other: less than 2 dB apart. Keys are steady, vowels not.
const STEADY: f32 = 1.5;

/// What the detector found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Key {
    /// A key went down: `0`-`9`, `*`, `#`, `A`-`D`.
    Down(char),
    /// It came up again, after this many ms, to the length of a block.
    Up(char, u32),
}

/// Finds keys in one stream of mono PCM.
#[derive(Clone, Debug)]
pub struct DtmfDetector {
    rate: Rate,
    block: usize,
    /// 2·cos(2πf/rate), rows then columns.
    factors: [f32; 8],
    filters: [[f32; 2]; 8],
    energy: u64,
    filled: usize,
    /// The key of the last block, and of how many blocks in a row.
    candidate: Option<char>,
    seen: u32,
    /// The powers of its tones there, row and column.
    powers: [f32; 2],
    /// The key that is down, for how many blocks, and blocks since it was last seen.
    down: Option<char>,
    held: u32,
    missed: u32,
}

impl DtmfDetector {
    /// For PCM at `rate`.
    pub fn new(rate: Rate) -> Self {
        let factor = |hz: f64| (2.0 * sin_turns(hz / f64::from(rate.hz()) + 0.25)) as f32;
        let mut factors = [0.0; 8];
        for (slot, hz) in factors.iter_mut().zip(ROWS.into_iter().chain(COLUMNS)) {
            *slot = factor(hz);
        }
        DtmfDetector {
            rate,
            block: BLOCK_AT_8 * rate.khz() / 8,
            factors,
            filters: [[0.0; 2]; 8],
            energy: 0,
            filled: 0,
            candidate: None,
            seen: 0,
            powers: [0.0; 2],
            down: None,
            held: 0,
            missed: 0,
        }
    }

    /// Listen to more PCM, of any length; `found` is told of every key that went down or up, in order.
    pub fn hear(&mut self, mut pcm: &[i16], mut found: impl FnMut(Key)) {
        while !pcm.is_empty() {
            let (part, rest) = pcm.split_at(pcm.len().min(self.block - self.filled));
            pcm = rest;
            self.energy += energy(part);
            self.filled += part.len();
            for (factor, [last, before]) in self.factors.iter().zip(&mut self.filters) {
                for &x in part {
                    let next = f32::from(x) + factor * *last - *before;
                    *before = *last;
                    *last = next;
                }
            }
            if self.filled == self.block {
                let key = self.judge();
                self.follow(key, &mut found);
                self.filters = [[0.0; 2]; 8];
                self.energy = 0;
                self.filled = 0;
            }
        }
    }

    /// The key in the block that just ended, and the powers of its tones.
    fn judge(&self) -> Option<(char, [f32; 2])> {
        let n = self.block as f32;
        let mean = self.energy as f32 / n;
        if mean < LEAST {
            return None;
        }
        // A sine of mean square p gives a squared magnitude of p·n²/2.
        let mut powers = [0.0; 8];
        for ((power, factor), [last, before]) in
            powers.iter_mut().zip(&self.factors).zip(&self.filters)
        {
            *power = (last * last + before * before - factor * last * before) * 2.0 / (n * n);
        }
        let (row, row_power) = strongest(&powers[..4])?;
        let (column, column_power) = strongest(&powers[4..])?;
        let balanced = row_power <= column_power * ROW_OVER_COLUMN
            && column_power <= row_power * COLUMN_OVER_ROW;
        (balanced && row_power + column_power >= mean * SHARE)
            .then(|| (KEYS[row][column], [row_power, column_power]))
    }

    fn follow(&mut self, heard: Option<(char, [f32; 2])>, found: &mut impl FnMut(Key)) {
        let (key, powers) = match heard {
            Some((key, powers)) => (Some(key), powers),
            None => (None, [0.0; 2]),
        };
        let steady = powers
            .iter()
            .zip(self.powers)
            .all(|(&now, before)| now <= before * STEADY && before <= now * STEADY);
        self.seen = if key == self.candidate && steady {
            self.seen + 1
        } else {
            1
        };
        (self.candidate, self.powers) = (key, powers);
        if let Some(down) = self.down {
            self.held += 1;
            if key == Some(down) {
                self.missed = 0;
                return;
            }
            // One bad block in a key is a click on the line, not a second press (Q.24: breaks of 10 ms).
            self.missed += 1;
            if self.missed >= 2 {
                let ms = (self.held - self.missed) * self.block as u32 / self.rate.khz() as u32;
                found(Key::Up(down, ms));
                self.down = None;
            }
        }
        if self.down.is_none()
            && self.seen == 2
            && let Some(key) = key
        {
            self.down = Some(key);
            self.held = 2;
            self.missed = 0;
            found(Key::Down(key));
        }
    }
}

/// The strongest of a group, if it stands out.
fn strongest(powers: &[f32]) -> Option<(usize, f32)> {
    let mut best = (0, 0.0);
    for (i, &power) in powers.iter().enumerate() {
        if power > best.1 {
            best = (i, power);
        }
    }
    let clear = powers
        .iter()
        .enumerate()
        .all(|(i, &power)| i == best.0 || power * OVER_OTHERS < best.1);
    (clear && best.1 > 0.0).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comfort::ComfortNoise;
    use crate::level::Level;
    use crate::tone::Tone;

    const ALL: &str = "0123456789*#ABCD";

    /// Keys of `on` ms with `off` ms between, at `dbov` each tone.
    fn dial(rate: Rate, keys: &str, on: usize, off: usize, dbov: f64) -> Vec<i16> {
        let mut pcm = vec![0; rate.samples(off)];
        for key in keys.chars() {
            let mut tone = vec![0; rate.samples(on)];
            Tone::dtmf(rate, key, dbov).unwrap().fill(&mut tone);
            pcm.extend(tone);
            pcm.extend(vec![0; rate.samples(off)]);
        }
        pcm
    }

    fn detect(rate: Rate, pcm: &[i16]) -> (String, Vec<u32>) {
        let mut detector = DtmfDetector::new(rate);
        let (mut keys, mut lengths) = (String::new(), Vec::new());
        for frame in pcm.chunks(rate.samples(20)) {
            detector.hear(frame, |key| match key {
                Key::Down(key) => keys.push(key),
                Key::Up(_, ms) => lengths.push(ms),
            });
        }
        (keys, lengths)
    }

    #[test]
    fn every_key_is_found_once_at_every_rate_and_level() {
        for rate in Rate::ALL {
            for dbov in [-6.5, -12.0, -25.0, -36.0] {
                for (on, off) in [(45, 45), (70, 50), (250, 100)] {
                    let (keys, lengths) = detect(rate, &dial(rate, ALL, on, off, dbov));
                    assert_eq!(keys, ALL, "{rate}, {dbov} dBov, {on} ms");
                    assert!(
                        lengths.iter().all(|ms| ms.abs_diff(on as u32) <= 26),
                        "{on}: {lengths:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn noise_and_companding_and_twist_do_not_matter() {
        let mut pcm = dial(Rate::Khz8, ALL, 60, 50, -15.0);
        let mut noise = vec![0; pcm.len()];
        ComfortNoise::white(Level::from_wire(32)).fill(&mut noise);
        for (x, n) in pcm.iter_mut().zip(&noise) {
            *x += n;
            *x = crate::codec::g711::mu_law_decode(crate::codec::g711::mu_law_encode(*x));
        }
        assert_eq!(detect(Rate::Khz8, &pcm).0, ALL);
        for (row, column) in [(-12.0, -17.0), (-18.0, -11.5)] {
            let mut pcm = vec![0; 800];
            Tone::new(Rate::Khz8, 852.0, row)
                .and(1336.0, column)
                .fill(&mut pcm[100..]);
            assert_eq!(detect(Rate::Khz8, &pcm).0, "8", "{row}, {column}");
        }
        // 1.5 % off, as Q.24 has it.
        let mut pcm = vec![0; 800];
        Tone::dual(Rate::Khz8, 770.0 * 1.014, 1477.0 * 0.986, -10.0).fill(&mut pcm[80..]);
        assert_eq!(detect(Rate::Khz8, &pcm).0, "6");
    }

    #[test]
    fn what_is_no_key_is_not_taken_for_one() {
        let none = |pcm: &[i16], what: &str| assert_eq!(detect(Rate::Khz8, pcm).0, "", "{what}");
        none(&dial(Rate::Khz8, ALL, 20, 50, -10.0), "20 ms");
        none(&dial(Rate::Khz8, ALL, 100, 50, -46.0), "too quiet");
        let tone = |first: f64, second: f64| {
            let mut pcm = vec![0; 4000];
            Tone::dual(Rate::Khz8, first, second, -12.0).fill(&mut pcm);
            pcm
        };
        none(&tone(350.0, 440.0), "dial tone");
        none(&tone(480.0, 620.0), "busy");
        none(&tone(697.0, 852.0), "two rows");
        none(&tone(735.0, 1270.0), "between keys");
        let mut one = vec![0; 4000];
        Tone::new(Rate::Khz8, 941.0, -10.0).fill(&mut one);
        none(&one, "one tone");
        let mut noise = vec![0; 800_000];
        ComfortNoise::white(Level::from_wire(15)).fill(&mut noise);
        none(&noise, "100 s of noise");
        // A minute of a buzz that glides through every pitch of a voice, with its harmonics.
        let mut phase = 0.0_f64;
        let voice: Vec<i16> = (0..480_000_u32)
            .map(|n| {
                let t = f64::from(n) / 8000.0;
                phase += (80.0 + 260.0 * (t * 0.7).sin().powi(2)) / 8000.0;
                let formant = 500.0 + 400.0 * (t * 3.1).sin();
                let pitch = 80.0 + 260.0 * (t * 0.7).sin().powi(2);
                (1..20)
                    .map(|k| {
                        let distance = (pitch * f64::from(k) - formant) / 300.0;
                        4_000.0 / (1.0 + distance * distance) * sin_turns(phase * f64::from(k))
                    })
                    .sum::<f64>() as i16
            })
            .collect();
        none(&voice, "a voice");
    }

    #[test]
    fn a_click_within_a_key_does_not_double_it() {
        let mut pcm = dial(Rate::Khz8, "5", 200, 50, -10.0);
        pcm[1000..1060].fill(0);
        assert_eq!(detect(Rate::Khz8, &pcm).0, "5");
        assert_eq!(
            detect(Rate::Khz8, &dial(Rate::Khz8, "55", 60, 45, -10.0)).0,
            "55",
            "but 45 ms of silence do"
        );
    }
}
