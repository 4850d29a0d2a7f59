//! Sample rate conversion by a polyphase FIR filter.
//!
//! One prototype low-pass, windowed by Kaiser, spans 48 samples of the lower of the two rates: 3 ms of delay when
//! that is 8 kHz, less above. It passes up to 0.425 of the lower rate (3.4 kHz of 8) and stops 100 dB and more from
//! 0.575 of it on: what is between them folds back only above the telephone band.
//!
//! Products are summed in a fixed order, one output a lane, never fused: the result is the same on every machine, and
//! however the input is cut.

use crate::Rate;
use crate::math::{bessel_i0, sin_turns};
use crate::simd;

/// Span of the filter, in samples of the lower rate.
const SPAN: usize = 48;
/// Edges of the transition band as fractions of the lower rate: 0.425 to 0.575. The filter is at -6 dB in the middle.
const TRANSITION: f64 = 0.15;
/// Stop-band attenuation to design for, dB.
const ATTENUATION: f64 = 108.0;
/// Most input samples filtered at once: 20 ms at 48 kHz. Longer input is taken in pieces.
const BLOCK: usize = 960;

/// The taps of one phase: weight, and where the first sample that it weighs is.
type Taps = Box<[(f32, u32)]>;

/// Converts one mono stream from one rate to another. Keeps the stream's history; allocates only when made.
#[derive(Clone, Debug)]
pub struct Resampler {
    from: Rate,
    to: Rate,
    /// Phases of the filter: output samples a period.
    up: usize,
    /// Input samples a period.
    down: usize,
    /// Taps a phase.
    taps: usize,
    /// Of each phase, the taps as weights and where in `dealt` their first sample is.
    phases: Box<[Taps]>,
    /// The input, dealt into `down` streams, one after the other, each of `history` old samples and room for a block.
    dealt: Box<[f32]>,
    /// Old samples a stream.
    history: usize,
    /// Length of a stream.
    stride: usize,
    /// Samples of a period that is not complete, at the front of the block.
    pending: usize,
    /// One phase of a block.
    row: Box<[f32]>,
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
            (SPAN * from.khz()).div_ceil(from.khz().min(to.khz()))
        };
        let history = taps.div_ceil(down);
        let periods = BLOCK / down;
        let stride = history + periods;
        Resampler {
            from,
            to,
            up,
            down,
            taps,
            phases: design(from, to, up, down, taps, history, stride),
            dealt: vec![0.0; if taps == 0 { 0 } else { stride * down }].into_boxed_slice(),
            history,
            stride,
            pending: 0,
            row: vec![0.0; if taps == 0 { 0 } else { periods }].into_boxed_slice(),
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

    /// The samples that the next `input` samples give. Ticks of 10 or 20 ms give exactly a tick; other lengths are
    /// rounded to whole periods of the two rates, and the rest comes with what follows.
    pub fn output_len(&self, input: usize) -> usize {
        if self.taps == 0 {
            input
        } else {
            (self.pending + input) / self.down * self.up
        }
    }

    /// Forget the stream.
    pub fn reset(&mut self) {
        self.dealt.fill(0.0);
        self.pending = 0;
    }

    /// Go on where `other`, of the same rates, stands.
    pub(crate) fn continue_from(&mut self, other: &Resampler) {
        debug_assert!(self.from == other.from && self.to == other.to);
        self.dealt.copy_from_slice(&other.dealt);
        self.pending = other.pending;
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
        let (up, down, history, stride) = (self.up, self.down, self.history, self.stride);
        let room = BLOCK / down * down;
        let (mut input, mut written) = (input, 0);
        while !input.is_empty() {
            let (block, rest) = input.split_at(input.len().min(room - self.pending));
            input = rest;
            if down == 1 {
                for (slot, &new) in self.dealt[history..].iter_mut().zip(block) {
                    *slot = widen(new);
                }
            } else {
                for (at, &new) in (self.pending..).zip(block) {
                    self.dealt[at % down * stride + history + at / down] = widen(new);
                }
            }
            let filled = self.pending + block.len();
            let periods = filled / down;
            let row = &mut self.row[..periods];
            let start = written.min(out.len());
            for (phase, taps) in self.phases.iter().enumerate() {
                simd::fir(taps, &self.dealt, row);
                for (slot, &value) in out[start..].iter_mut().skip(phase).step_by(up).zip(&*row) {
                    *slot = narrow(value);
                }
            }
            written = (written + periods * up).min(out.len());
            self.pending = filled - periods * down;
            for stream in self.dealt.chunks_exact_mut(stride) {
                // What is pending moves along, to the front of the next block.
                stream.copy_within(periods..(periods + history + 1).min(stride), 0);
            }
        }
        written
    }
}

/// To the nearest integer, halves away from zero; the cast that follows saturates.
fn round(x: f32) -> f32 {
    x + f32::copysign(0.5, x)
}

/// The prototype's phases, each with a gain of exactly one at 0 Hz.
fn design(
    from: Rate,
    to: Rate,
    up: usize,
    down: usize,
    taps: usize,
    history: usize,
    stride: usize,
) -> Box<[Taps]> {
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
    (0..up)
        .map(|output| {
            // Output number `output` of a period lies at input position output·down/up: its newest sample, and its phase.
            let (newest, phase) = (output * down / up, output * down % up);
            let weights: Vec<f64> = (0..taps).map(|age| prototype(phase + up * age)).collect();
            let sum: f64 = weights.iter().sum();
            (0..taps)
                .map(|age| {
                    let at = history * down + newest - age;
                    (
                        (weights[age] / sum) as f32,
                        (at % down * stride + at / down) as u32,
                    )
                })
                .collect()
        })
        .collect()
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
