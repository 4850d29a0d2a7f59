//! The filter behind every conversion: a ratio of two small numbers, whatever rates they stand for.

use crate::math::{bessel_i0, sin_turns};
use crate::simd;

/// Span of the filter, in samples of the lower rate.
pub(super) const SPAN: usize = 48;
/// Width of the transition band as a fraction of the lower rate: 0.425 to 0.575. The filter is at -6 dB in the middle.
const TRANSITION: f64 = 0.15;
/// Stop-band attenuation to design for, dB.
const ATTENUATION: f64 = 108.0;
/// Most input samples filtered at once: 20 ms at 48 kHz. Longer input is taken in pieces.
const BLOCK: usize = 960;

/// The taps of one phase: weight, and where the first sample that it weighs is.
type Taps = Box<[(f32, u32)]>;

/// Gives `up` samples for every `down`.
#[derive(Clone, Debug)]
pub(crate) struct Polyphase {
    up: usize,
    down: usize,
    taps: usize,
    /// Of each phase, the taps.
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

impl Polyphase {
    /// `up` and `down` have no common factor, are not both 1, and at most `BLOCK`.
    pub(crate) fn new(up: usize, down: usize) -> Self {
        let taps = (SPAN * down).div_ceil(up.min(down)).next_multiple_of(2);
        let history = taps.div_ceil(down);
        let periods = BLOCK / down;
        let stride = history + periods;
        Polyphase {
            up,
            down,
            taps,
            phases: design(up, down, taps, history, stride),
            dealt: vec![0.0; stride * down].into_boxed_slice(),
            history,
            stride,
            pending: 0,
            row: vec![0.0; periods].into_boxed_slice(),
        }
    }

    /// Input samples by which the output is late.
    pub(crate) fn delay(&self) -> f64 {
        ((self.taps * self.up) as f64 - 1.0) / 2.0 / self.up as f64
    }

    /// The samples that the next `input` samples give.
    pub(crate) fn output_len(&self, input: usize) -> usize {
        (self.pending + input) / self.down * self.up
    }

    pub(crate) fn reset(&mut self) {
        self.dealt.fill(0.0);
        self.pending = 0;
    }

    /// Go on where `other`, of the same ratio, stands.
    pub(crate) fn continue_from(&mut self, other: &Polyphase) {
        self.dealt.copy_from_slice(&other.dealt);
        self.pending = other.pending;
    }

    /// Filter `input` into the front of `out`; returns the samples written. What does not fit is lost.
    pub(crate) fn run<T: Copy>(
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

/// The prototype's phases, each with a gain of exactly one at 0 Hz.
fn design(up: usize, down: usize, taps: usize, history: usize, stride: usize) -> Box<[Taps]> {
    let len = up * taps;
    // In units of the rates' common divisor, the filter runs at up·down.
    let (high, low) = ((up * down) as f64, up.min(down) as f64);
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
