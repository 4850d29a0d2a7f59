//! What a recording holds: tones, by Goertzel's filter over blocks of a tenth of a second.

use crate::Wav;
use std::path::Path;

/// One channel of a recording, to be asked about.
#[derive(Clone, Debug)]
pub struct Heard {
    rate: u32,
    samples: Vec<i16>,
}

/// Below about -50 dBFS a block counts as silent (root mean square of a 16-bit sample).
const QUIET: f64 = 100.0;

impl Heard {
    /// Takes the samples of one channel at `rate` Hz.
    pub fn new(rate: u32, samples: Vec<i16>) -> Self {
        Self { rate, samples }
    }

    /// Takes the first channel of a WAV file.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn wav(path: &Path) -> Self {
        let wav = Wav::read(path).expect("a recording");
        Self::new(
            wav.rate,
            wav.samples
                .into_iter()
                .step_by(usize::from(wav.channels))
                .collect(),
        )
    }

    /// The part from `from` to `to` seconds (as much of it as there is).
    pub fn part(&self, from: f64, to: f64) -> Self {
        let at = |s: f64| ((s * f64::from(self.rate)) as usize).min(self.samples.len());
        Self::new(
            self.rate,
            self.samples[at(from)..at(to).max(at(from))].to_vec(),
        )
    }

    /// Its length in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }

    /// For how many seconds `hz` alone held more than half of the power.
    pub fn seconds_of(&self, hz: f64) -> f64 {
        self.seconds_where(|b| self.loud(b) && self.share(b, hz) > 0.5)
    }

    /// For how many seconds all of `tones` were there, a fifth of the power each at least and 80 % of it together.
    pub fn seconds_of_all(&self, tones: &[f64]) -> f64 {
        self.seconds_where(|b| {
            let shares: Vec<f64> = tones.iter().map(|&hz| self.share(b, hz)).collect();
            self.loud(b) && shares.iter().all(|&s| s > 0.2) && shares.iter().sum::<f64>() > 0.8
        })
    }

    /// For how many seconds there was sound, of whatever kind.
    pub fn seconds_loud(&self) -> f64 {
        self.seconds_where(|b| self.loud(b))
    }

    /// Power at `hz` over the whole, under a Hann window, in dB relative to a sine of full scale.
    pub fn level_db(&self, hz: f64) -> f64 {
        let n = self.samples.len().max(1) as f64;
        let (mut re, mut im) = (0.0, 0.0);
        for (i, &v) in self.samples.iter().enumerate() {
            let turn = std::f64::consts::TAU * i as f64;
            let windowed = f64::from(v) * (1.0 - (turn / n).cos());
            let phase = turn * hz / f64::from(self.rate);
            re += windowed * phase.cos();
            im += windowed * phase.sin();
        }
        let amplitude = 2.0 * re.hypot(im) / n;
        20.0 * (amplitude / 32_768.0).max(1e-10).log10()
    }

    fn seconds_where(&self, wanted: impl Fn(&[i16]) -> bool) -> f64 {
        let blocks = self.samples.chunks_exact((self.rate / 10) as usize);
        blocks.filter(|b| wanted(b)).count() as f64 / 10.0
    }

    fn loud(&self, block: &[i16]) -> bool {
        power(block) >= block.len() as f64 * QUIET * QUIET
    }

    fn share(&self, block: &[i16], hz: f64) -> f64 {
        self.tone_power(block, hz) / power(block).max(1.0)
    }

    /// The sum of squares that a sine of `hz` contributes to `block`.
    fn tone_power(&self, block: &[i16], hz: f64) -> f64 {
        let c = 2.0 * (std::f64::consts::TAU * hz / f64::from(self.rate)).cos();
        let (mut s1, mut s2) = (0.0, 0.0);
        for &v in block {
            (s1, s2) = (f64::from(v) + c * s1 - s2, s1);
        }
        (s1 * s1 + s2 * s2 - c * s1 * s2) * 2.0 / block.len().max(1) as f64
    }
}

fn power(block: &[i16]) -> f64 {
    block.iter().map(|&v| f64::from(v) * f64::from(v)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone;

    #[test]
    fn tells_one_tone_from_another_and_from_silence() {
        let mut samples = tone(440.0, 8000, 1, 2).samples;
        samples.extend(vec![0; 8000]);
        samples.extend(tone(1020.0, 8000, 1, 1).samples);
        let heard = Heard::new(8000, samples);
        assert_eq!(heard.seconds_of(440.0), 2.0);
        assert_eq!(heard.seconds_of(1020.0), 1.0);
        assert_eq!(heard.seconds_of(660.0), 0.0);
        assert_eq!(heard.seconds_loud(), 3.0);
        assert!(
            (heard.part(0.0, 2.0).level_db(440.0) + 6.02).abs() < 0.1,
            "{}",
            heard.part(0.0, 2.0).level_db(440.0)
        );
        assert!(heard.part(2.1, 2.9).level_db(440.0) < -100.0);
    }

    #[test]
    fn two_tones_are_neither_of_them_alone() {
        let (a, b) = (
            tone(440.0, 16_000, 1, 1).samples,
            tone(660.0, 16_000, 1, 1).samples,
        );
        let both = a.iter().zip(&b).map(|(a, b)| a / 2 + b / 2).collect();
        let heard = Heard::new(16_000, both);
        assert_eq!(heard.seconds_of_all(&[440.0, 660.0]), 1.0);
        assert_eq!(heard.seconds_of_all(&[440.0, 1020.0]), 0.0);
        assert_eq!(Heard::new(16_000, a).seconds_of_all(&[440.0, 660.0]), 0.0);
    }

    #[test]
    fn a_recording_whose_header_is_not_final_is_read_whole() {
        let scratch = crate::Scratch::new("wav");
        let path = scratch.path().join("a.wav");
        tone(440.0, 8000, 2, 1).write(&path).expect("written");
        let mut bytes = std::fs::read(&path).expect("read");
        bytes[40..44].fill(0);
        std::fs::write(&path, bytes).expect("written again");
        let heard = Heard::wav(&path);
        assert_eq!(heard.seconds(), 1.0);
        assert_eq!(heard.seconds_of(440.0), 1.0);
    }
}
