//! Sample rate conversion by a polyphase FIR filter.
//!
//! One prototype low-pass, windowed by Kaiser, spans 48 samples of the lower of the two rates: 3 ms of delay when
//! that is 8 kHz, less above. It passes up to 0.425 of the lower rate (3.4 kHz of 8) and stops 100 dB and more from
//! 0.575 of it on: what is between them folds back only above the telephone band.
//!
//! Products are summed in eight lanes in a fixed order, never fused: the result is the same on every machine, and
//! compilers turn the lanes into vectors.

use crate::Rate;
use crate::math::{bessel_i0, sin_turns};

/// Span of the filter, in samples of the lower rate.
const SPAN: usize = 48;
/// Edges of the transition band as fractions of the lower rate: 0.425 to 0.575. The filter is at -6 dB in the middle.
const TRANSITION: f64 = 0.15;
/// Stop-band attenuation to design for, dB.
const ATTENUATION: f64 = 108.0;
/// Most input samples filtered at once: 20 ms at 48 kHz. Longer input is taken in pieces.
const BLOCK: usize = 960;
const LANES: usize = 8;

/// Converts one mono stream from one rate to another. Keeps the stream's history; allocates only when made.
#[derive(Clone, Debug)]
pub struct Resampler {
    from: Rate,
    to: Rate,
    /// Phases of the filter: output samples a period.
    up: usize,
    /// Input samples a period.
    down: usize,
    /// Taps a phase, a multiple of `LANES`.
    taps: usize,
    /// `up` phases of `taps` coefficients, newest sample last.
    filter: Box<[f32]>,
    /// The last `taps - 1` samples, then the block in hand.
    samples: Box<[f32]>,
    /// Where in the period the next output falls: the input position in units of 1/up samples, less what is consumed.
    position: usize,
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

impl Resampler {
    /// From one rate to another; equal rates copy.
    pub fn new(from: Rate, to: Rate) -> Self {
        let divisor = greatest_common_divisor(from.khz(), to.khz());
        let (up, down) = (to.khz() / divisor, from.khz() / divisor);
        let taps = if from == to {
            0
        } else {
            (SPAN * from.khz())
                .div_ceil(from.khz().min(to.khz()))
                .next_multiple_of(LANES)
        };
        Resampler {
            from,
            to,
            up,
            down,
            taps,
            filter: design(from, to, up, taps),
            samples: vec![0.0; taps.saturating_sub(1) + BLOCK].into_boxed_slice(),
            position: 0,
        }
    }

    /// The rate of the input.
    pub fn from(&self) -> Rate {
        self.from
    }

    /// The rate of the output.
    pub fn to(&self) -> Rate {
        self.to
    }

    /// How much later than in the input a sound is in the output, ms: at most 3.
    pub fn delay_ms(&self) -> f64 {
        if self.taps == 0 {
            return 0.0;
        }
        let prototype = (self.taps * self.up) as f64;
        (prototype - 1.0) / 2.0 / (self.up * self.from.khz()) as f64
    }

    /// The most samples that `input` samples can give. Ticks of 10 or 20 ms always give exactly that.
    pub fn output_len(&self, input: usize) -> usize {
        (input * self.up).div_ceil(self.down)
    }

    /// Forget the stream.
    pub fn reset(&mut self) {
        self.samples.fill(0.0);
        self.position = 0;
    }

    /// Go on where `other`, of the same rates, stands.
    pub(crate) fn continue_from(&mut self, other: &Resampler) {
        debug_assert!(self.from == other.from && self.to == other.to);
        let history = self.taps.saturating_sub(1);
        self.samples[..history].copy_from_slice(&other.samples[..history]);
        self.position = other.position;
    }

    /// Convert `input` into the front of `out`; returns the samples written.
    ///
    /// `out` must hold [`Self::output_len`]`(input.len())` samples; what does not fit is lost.
    pub fn process(&mut self, input: &[i16], out: &mut [i16]) -> usize {
        if self.taps == 0 {
            let n = input.len().min(out.len());
            out[..n].copy_from_slice(&input[..n]);
            return n;
        }
        self.run(input, out, f32::from, |x| round(x) as i16)
    }

    /// The same for 32-bit sums of up to 2^24, which are not limited here.
    pub fn process_wide(&mut self, input: &[i32], out: &mut [i32]) -> usize {
        if self.taps == 0 {
            let n = input.len().min(out.len());
            out[..n].copy_from_slice(&input[..n]);
            return n;
        }
        self.run(input, out, |x| x as f32, |x| round(x) as i32)
    }

    fn run<T: Copy>(
        &mut self,
        input: &[T],
        out: &mut [T],
        widen: impl Fn(T) -> f32,
        narrow: impl Fn(f32) -> T,
    ) -> usize {
        let history = self.taps - 1;
        let mut written = 0;
        for block in input.chunks(BLOCK) {
            for (sample, &new) in self.samples[history..].iter_mut().zip(block) {
                *sample = widen(new);
            }
            // Output k of a period lies at input position k·down/up: whole part the newest sample, rest the phase.
            let end = block.len() * self.up;
            let (mut newest, mut phase) = (self.position / self.up, self.position % self.up);
            let (whole, part) = (self.down / self.up, self.down % self.up);
            while newest < block.len() {
                let coefficients = &self.filter[phase * self.taps..][..self.taps];
                let value = dot(coefficients, &self.samples[newest..newest + self.taps]);
                if let Some(slot) = out.get_mut(written) {
                    *slot = narrow(value);
                    written += 1;
                }
                newest += whole;
                phase += part;
                if phase >= self.up {
                    phase -= self.up;
                    newest += 1;
                }
            }
            self.position = newest * self.up + phase - end;
            self.samples
                .copy_within(block.len()..block.len() + history, 0);
        }
        written
    }
}

/// To the nearest integer, halves away from zero; the cast that follows saturates.
fn round(x: f32) -> f32 {
    x + f32::copysign(0.5, x)
}

/// The sum of products, in eight lanes: `a` is a whole number of them, and `b` as long.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    for (a, b) in a
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(b.as_chunks::<LANES>().0)
    {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// The prototype's phases, each with a gain of exactly one at 0 Hz, newest sample last.
fn design(from: Rate, to: Rate, up: usize, taps: usize) -> Box<[f32]> {
    let len = up * taps;
    if len == 0 {
        return Box::default();
    }
    let high = (up * from.khz()) as f64;
    let low = from.khz().min(to.khz()) as f64;
    // The span in samples of the lower rate decides how steep the filter can be; Kaiser's formula, turned round.
    let beta = 0.1102 * (ATTENUATION - 8.7);
    let steepness = (ATTENUATION - 7.95) / (14.36 * len as f64);
    debug_assert!(steepness * high / low < TRANSITION);
    let cutoff = 0.5 * low / high;
    let middle = (len as f64 - 1.0) / 2.0;
    let prototype = |n: usize| {
        let t = n as f64 - middle;
        let edge = t / (middle + 0.5);
        let window = bessel_i0(beta * (1.0 - edge * edge).max(0.0).sqrt()) / bessel_i0(beta);
        // The length is even, so t is never zero.
        sin_turns(cutoff * t) / (std::f64::consts::PI * t) * window
    };
    let mut filter = vec![0.0; len].into_boxed_slice();
    for (phase, row) in filter.chunks_exact_mut(taps).enumerate() {
        // Tap k (newest last) weighs the sample taps-1-k before the newest: prototype index phase + up·(taps-1-k).
        let weights: Vec<f64> = (0..taps)
            .map(|k| prototype(phase + up * (taps - 1 - k)))
            .collect();
        let sum: f64 = weights.iter().sum();
        for (slot, weight) in row.iter_mut().zip(weights) {
            *slot = (weight / sum) as f32;
        }
    }
    filter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_gives_whole_ticks_within_three_milliseconds() {
        for from in Rate::ALL {
            for to in Rate::ALL {
                let mut resampler = Resampler::new(from, to);
                assert!(
                    resampler.delay_ms() <= 3.0,
                    "{from} to {to}: {} ms",
                    resampler.delay_ms()
                );
                let mut out = vec![0; to.samples(20)];
                for _ in 0..5 {
                    assert_eq!(
                        resampler.process(&vec![0; from.samples(20)], &mut out),
                        to.samples(20)
                    );
                }
            }
        }
    }

    #[test]
    fn cutting_the_input_anywhere_changes_nothing() {
        for (from, to) in [
            (Rate::Khz12, Rate::Khz8),
            (Rate::Khz8, Rate::Khz48),
            (Rate::Khz32, Rate::Khz12),
        ] {
            let input: Vec<i16> = (0..4800_i32)
                .map(|n| (n.wrapping_mul(n).wrapping_mul(7919) >> 3) as i16)
                .collect();
            let mut whole = vec![0; 30_000];
            let n = Resampler::new(from, to).process(&input, &mut whole);
            let (mut cut, mut pieces) = (Resampler::new(from, to), Vec::new());
            let mut rest = &input[..];
            for size in (1..200).cycle() {
                let (head, tail) = rest.split_at(size.min(rest.len()));
                let mut out = vec![0; cut.output_len(head.len())];
                let n = cut.process(head, &mut out);
                pieces.extend_from_slice(&out[..n]);
                rest = tail;
                if rest.is_empty() {
                    break;
                }
            }
            assert_eq!(&whole[..n], &pieces[..], "{from} to {to}");
        }
    }
}
