//! Conversion between any two rates, whose ratio may move while it runs, by `rubato` (feature `rubato`).
//!
//! For what [`Resampler`](super::Resampler) cannot do: 44.1 kHz and its kin, and two clocks that both say 48 kHz and
//! do not mean the same. Its filter is as long as the house's own, in samples of the lower rate; it is not bit exact
//! across machines.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Resampler, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};

use super::round;
use crate::error::UnsupportedRate;

/// Length of the filter, in samples of the lower rate.
const SPAN: f64 = 64.0;
/// How far a ratio may be moved, and then some: clocks are at most a few hundred ppm apart.
const MOST_PPM: f64 = 10_000.0;

/// Converts one mono stream from any rate to any other, 4 to 192 kHz; allocates only when made.
///
/// ```
/// use media_mix::VariableResampler;
///
/// // A sound file at 44.1 kHz, for a room at 48.
/// let mut resampler = VariableResampler::new(44_100, 48_000)?;
/// let mut out = vec![0; resampler.output_len(882)];
/// let written = resampler.process(&[0; 882], &mut out);
/// assert!((940..=980).contains(&written));
/// // The sound card's clock turns out to run 50 ppm fast.
/// resampler.set_drift(50.0);
/// # Ok::<(), media_mix::UnsupportedRate>(())
/// ```
pub struct VariableResampler {
    inner: Async<f32>,
    from_hz: u32,
    to_hz: u32,
    /// The input that makes a piece, and how much of it is there.
    piece: Vec<f32>,
    filled: usize,
    out: Vec<f32>,
}

impl VariableResampler {
    /// From one rate to another, Hz.
    ///
    /// # Errors
    /// [`UnsupportedRate`] names the one that is not between 4,000 and 192,000 Hz.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, UnsupportedRate> {
        for hz in [from_hz, to_hz] {
            if !(4_000..=192_000).contains(&hz) {
                return Err(UnsupportedRate { hz });
            }
        }
        let ratio = f64::from(to_hz) / f64::from(from_hz);
        let len = (SPAN / ratio.min(1.0)).ceil() as usize;
        // Blackman's window, squared: side lobes below -110 dB.
        let parameters =
            SincInterpolationParameters::new(len.next_multiple_of(8), WindowFunction::Blackman2)
                .f_cutoff(0.95)
                .oversampling_factor(256)
                .interpolation(SincInterpolationType::Cubic);
        // 2.5 ms a piece: what waits for one to be full is late by no more.
        let piece = (from_hz / 400) as usize;
        let most = 1.0 + MOST_PPM * 2e-6;
        let inner = Async::new_sinc(ratio, most, &parameters, piece, 1, FixedAsync::Input)
            .map_err(|_| UnsupportedRate { hz: from_hz })?;
        let most_out = inner.output_frames_max();
        Ok(VariableResampler {
            inner,
            from_hz,
            to_hz,
            piece: vec![0.0; piece],
            filled: 0,
            out: vec![0.0; most_out],
        })
    }

    /// How much faster the input's clock really runs than the output's, beyond what their rates say, in parts per
    /// million; up to 10,000 either way. The ratio glides there over the next 2.5 ms.
    pub fn set_drift(&mut self, ppm: f64) {
        let ppm = if ppm.is_finite() { ppm } else { 0.0 };
        let relative = 1.0 / (1.0 + ppm.clamp(-MOST_PPM, MOST_PPM) * 1e-6);
        // In the range that it was made for, so it cannot be refused.
        let _ = self.inner.set_resample_ratio_relative(relative, true);
    }

    /// How much later than in the input a sound is in the output, ms, a piece that waits to be full not counted.
    pub fn delay_ms(&self) -> f64 {
        self.inner.output_delay() as f64 * 1000.0 / f64::from(self.to_hz)
    }

    /// The most samples that the next `input` samples can give.
    pub fn output_len(&self, input: usize) -> usize {
        (self.filled + input) / self.piece.len() * self.out.len()
    }

    /// Convert `input` into the front of `out`; returns the samples written.
    ///
    /// `out` must hold [`Self::output_len`]`(input.len())` samples; what does not fit is lost.
    pub fn process(&mut self, mut input: &[i16], out: &mut [i16]) -> usize {
        let mut written = 0;
        while !input.is_empty() {
            let take = input.len().min(self.piece.len() - self.filled);
            let (now, rest) = input.split_at(take);
            input = rest;
            for (slot, &x) in self.piece[self.filled..].iter_mut().zip(now) {
                *slot = f32::from(x);
            }
            self.filled += take;
            if self.filled < self.piece.len() {
                break;
            }
            self.filled = 0;
            for (slot, &x) in
                out[written..]
                    .iter_mut()
                    .zip(convert(&mut self.inner, &self.piece, &mut self.out))
            {
                *slot = round(x) as i16;
                written += 1;
            }
        }
        written
    }

    /// Forget the stream, and any drift.
    pub fn reset(&mut self) {
        self.inner.reset();
        self.filled = 0;
    }
}

/// One piece; what it gives.
fn convert<'o>(inner: &mut Async<f32>, piece: &[f32], out: &'o mut [f32]) -> &'o [f32] {
    let most = out.len();
    let made = {
        let (Ok(from), Ok(mut to)) = (
            InterleavedSlice::new(piece, 1, piece.len()),
            InterleavedSlice::new_mut(&mut *out, 1, most),
        ) else {
            return &[];
        };
        inner
            .process_into_buffer(&from, &mut to, None)
            .map_or(0, |(_, made)| made)
    };
    &out[..made.min(most)]
}

impl std::fmt::Debug for VariableResampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VariableResampler")
            .field("from_hz", &self.from_hz)
            .field("to_hz", &self.to_hz)
            .finish_non_exhaustive()
    }
}
