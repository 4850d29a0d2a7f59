//! What a second of sound is made of.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// How far from a wanted tone its own Hann lobe still reaches, in Hz.
const LOBE_HZ: usize = 5;

/// The spectrum of one second (Hann window), in bins of 1 Hz.
#[derive(Debug, Clone)]
pub struct Spectrum {
    /// The level of each Hz in dBFS, where a full-scale sine has 0.
    levels: Vec<f64>,
}

/// The loudest thing that was not wanted.
#[derive(Debug, Clone, Copy)]
pub struct Other {
    /// Where it is, in Hz.
    pub hz: usize,
    /// Its level in dB relative to the strongest wanted tone.
    pub db: f64,
}

impl Spectrum {
    /// Of one second of `samples` at `rate` Hz, `None` when there are not enough of them.
    pub fn of(samples: &[i16], rate: usize) -> Option<Self> {
        let second = samples.get(..rate)?;
        let mut bins: Vec<Complex<f64>> = second
            .iter()
            .enumerate()
            .map(|(i, &sample)| {
                let turn = std::f64::consts::TAU * i as f64 / rate as f64;
                let hann = 0.5 - 0.5 * turn.cos();
                Complex::new(f64::from(sample) / 32768.0 * hann, 0.0)
            })
            .collect();
        FftPlanner::new().plan_fft_forward(rate).process(&mut bins);
        // A sine's power is split over two sides, and the window halves its amplitude.
        let full_scale = rate as f64 / 4.0;
        let levels = bins[..rate / 2]
            .iter()
            .map(|bin| 20.0 * (bin.norm() / full_scale).max(1e-10).log10())
            .collect();
        Some(Self { levels })
    }

    /// The level at `hz`, in dBFS: the highest within 2 Hz, as clocks differ a little.
    pub fn level(&self, hz: usize) -> f64 {
        let from = hz.saturating_sub(2).min(self.levels.len());
        let to = (hz + 3).min(self.levels.len());
        self.levels[from..to]
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max)
    }

    /// The loudest bin that belongs to none of the `wanted` tones.
    pub fn loudest_other(&self, wanted: &[usize]) -> Other {
        let strongest = wanted
            .iter()
            .map(|&hz| self.level(hz))
            .fold(f64::NEG_INFINITY, f64::max);
        let (hz, level) = self
            .levels
            .iter()
            .enumerate()
            .filter(|(hz, _)| wanted.iter().all(|&tone| hz.abs_diff(tone) > LOBE_HZ))
            .fold((0, f64::NEG_INFINITY), |best, (hz, &level)| {
                if level > best.1 { (hz, level) } else { best }
            });
        Other {
            hz,
            db: level - strongest,
        }
    }
}

/// The level of all of `samples` together in dBFS, where a full-scale sine has 0; silence is −120.
pub fn loudness(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return -120.0;
    }
    let power = samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64;
    (10.0 * (power * 2.0 / 32768f64.powi(2)).max(1e-12).log10()).max(-120.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tones(tones: &[(f64, f64)], rate: usize) -> Vec<i16> {
        (0..rate)
            .map(|i| {
                let t = i as f64 / rate as f64;
                let sum: f64 = tones
                    .iter()
                    .map(|(hz, amplitude)| amplitude * (std::f64::consts::TAU * hz * t).sin())
                    .sum();
                (sum * 32767.0).round() as i16
            })
            .collect()
    }

    #[test]
    fn finds_each_tone_at_its_level_and_what_does_not_belong() {
        let spectrum = Spectrum::of(
            &tones(&[(440.0, 0.25), (660.0, 0.25), (1020.0, 0.0025)], 8000),
            8000,
        )
        .unwrap();
        assert!(
            (spectrum.level(440) + 12.04).abs() < 0.1,
            "{}",
            spectrum.level(440)
        );
        assert!((spectrum.level(660) + 12.04).abs() < 0.1);
        let other = spectrum.loudest_other(&[440, 660]);
        assert_eq!(other.hz, 1020);
        assert!((other.db + 40.0).abs() < 0.2, "{}", other.db);
        assert!(spectrum.loudest_other(&[440, 660, 1020]).db < -80.0);
    }

    #[test]
    fn loudness_of_a_sine_and_of_silence() {
        assert!((loudness(&tones(&[(440.0, 0.5)], 8000)) + 6.02).abs() < 0.05);
        assert_eq!(loudness(&[0; 100]), -120.0);
        assert!(Spectrum::of(&[0; 100], 8000).is_none());
    }
}
