//! Spectra for the sound checks.
#![allow(dead_code, reason = "each test uses its share")]

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// The spectrum of a signal, as the power of a sine at each frequency.
pub(crate) struct Spectrum {
    power: Vec<f64>,
    hz: f64,
}

/// Bins to either side of a tone that its window spreads it over.
const SPREAD: usize = 8;

impl Spectrum {
    /// With a four-term Blackman-Harris window, whose side lobes are at -92 dB; for 110 dB and more, use [`Self::fine`].
    pub(crate) fn of(pcm: &[f64], rate_hz: u32) -> Self {
        Self::windowed(pcm, rate_hz, &[0.358_75, 0.488_29, 0.141_28, 0.011_68])
    }

    /// With a seven-term window, whose side lobes are at -180 dB.
    pub(crate) fn fine(pcm: &[f64], rate_hz: u32) -> Self {
        let terms = [
            0.271_051_400_693_424,
            0.433_297_939_234_485,
            0.218_122_999_543_110,
            0.065_925_446_388_031,
            0.010_811_742_098_371,
            0.000_776_584_825_226,
            0.000_013_887_217_352,
        ];
        Self::windowed(pcm, rate_hz, &terms)
    }

    fn windowed(pcm: &[f64], rate_hz: u32, terms: &[f64]) -> Self {
        let len = pcm.len();
        let mut bins: Vec<_> = pcm
            .iter()
            .enumerate()
            .map(|(n, &x)| {
                let turn = std::f64::consts::TAU * n as f64 / len as f64;
                let window: f64 = terms
                    .iter()
                    .enumerate()
                    .map(|(k, a)| if k % 2 == 0 { 1.0 } else { -1.0 } * a * (turn * k as f64).cos())
                    .sum();
                Complex::new(x * window, 0.0)
            })
            .collect();
        FftPlanner::new().plan_fft_forward(len).process(&mut bins);
        // Parseval: the window's own power, so that sums over a lobe give the power of the sine.
        let own: f64 = terms[0] * terms[0] + terms[1..].iter().map(|a| a * a / 2.0).sum::<f64>();
        let scale = 2.0 / (len as f64 * len as f64 * own);
        Spectrum {
            power: bins[..len / 2]
                .iter()
                .map(|c| c.norm_sqr() * scale)
                .collect(),
            hz: f64::from(rate_hz) / len as f64,
        }
    }

    pub(crate) fn of_pcm(pcm: &[i16], rate_hz: u32) -> Self {
        let wide: Vec<f64> = pcm.iter().map(|&x| f64::from(x)).collect();
        Self::of(&wide, rate_hz)
    }

    fn lobe(&self, hz: f64) -> std::ops::Range<usize> {
        let bin = (hz / self.hz).round() as usize;
        bin.saturating_sub(SPREAD)..(bin + SPREAD + 1).min(self.power.len())
    }

    /// Level of the tone at `hz`, dBov.
    pub(crate) fn tone(&self, hz: f64) -> f64 {
        decibels(self.power[self.lobe(hz)].iter().sum::<f64>())
    }

    /// Level of the loudest single component but for the tones named (and 0 Hz), dBov.
    pub(crate) fn worst_but(&self, tones: &[f64]) -> f64 {
        let lobes: Vec<_> = tones.iter().map(|&hz| self.lobe(hz)).collect();
        let worst = (SPREAD..self.power.len())
            .filter(|bin| !lobes.iter().any(|lobe| lobe.contains(bin)))
            .map(|bin| self.power[bin])
            .fold(0.0, f64::max);
        decibels(worst)
    }

    /// Level of all together but for the tones named (and 0 Hz), from 0 to `to_hz`, dBov.
    pub(crate) fn rest(&self, tones: &[f64], to_hz: f64) -> f64 {
        let lobes: Vec<_> = tones.iter().map(|&hz| self.lobe(hz)).collect();
        let end = ((to_hz / self.hz) as usize).min(self.power.len());
        let rest: f64 = (SPREAD..end)
            .filter(|bin| !lobes.iter().any(|lobe| lobe.contains(bin)))
            .map(|bin| self.power[bin])
            .sum();
        decibels(rest)
    }
}

fn decibels(power: f64) -> f64 {
    10.0 * (power / (32_768.0 * 32_768.0)).max(1e-30).log10()
}

/// A sine of one peak at full precision, `peak` in sample units.
pub(crate) fn sine(rate_hz: u32, hz: f64, peak: f64, len: usize) -> Vec<f64> {
    let step = std::f64::consts::TAU * hz / f64::from(rate_hz);
    (0..len).map(|n| peak * (n as f64 * step).sin()).collect()
}

/// Rounded to 16 bits.
pub(crate) fn rounded(wide: &[f64]) -> Vec<i16> {
    wide.iter().map(|x| x.round() as i16).collect()
}
