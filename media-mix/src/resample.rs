//! Sample rate conversion by a polyphase FIR filter.
//!
//! One prototype low-pass, windowed by Kaiser, spans 48 samples of the lower of the two rates: 3 ms of delay when
//! that is 8 kHz, less above. It passes up to 0.425 of the lower rate (3.4 kHz of 8) and stops 100 dB and more from
//! 0.575 of it on: what is between them folds back only above the telephone band.
//!
//! Products are summed in a fixed order, one output a lane, never fused: the result is the same on every machine, and
//! however the input is cut.

mod polyphase;
#[cfg(feature = "rubato")]
mod variable;

pub(crate) use polyphase::Polyphase;
#[cfg(feature = "rubato")]
pub use variable::VariableResampler;

use crate::Rate;

/// Converts one mono stream from one rate to another. Keeps the stream's history; allocates only when made.
#[derive(Clone, Debug)]
pub struct Resampler {
    from: Rate,
    to: Rate,
    /// `None` where there is nothing to convert.
    filter: Option<Polyphase>,
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
        let filter = (from != to).then(|| Polyphase::new(to.khz() / divisor, from.khz() / divisor));
        Resampler { from, to, filter }
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
        self.filter
            .as_ref()
            .map_or(0.0, |filter| filter.delay() / self.from.khz() as f64)
    }

    /// The samples that the next `input` samples give. Ticks of 10 or 20 ms give exactly a tick; other lengths are
    /// rounded to whole periods of the two rates, and the rest comes with what follows.
    pub fn output_len(&self, input: usize) -> usize {
        self.filter
            .as_ref()
            .map_or(input, |filter| filter.output_len(input))
    }

    /// Forget the stream.
    pub fn reset(&mut self) {
        if let Some(filter) = &mut self.filter {
            filter.reset();
        }
    }

    /// Go on where `other`, of the same rates, stands.
    pub(crate) fn continue_from(&mut self, other: &Resampler) {
        debug_assert!(self.from == other.from && self.to == other.to);
        if let (Some(filter), Some(other)) = (&mut self.filter, &other.filter) {
            filter.continue_from(other);
        }
    }

    /// Convert `input` into the front of `out`; returns the samples written.
    ///
    /// `out` must hold [`Self::output_len`]`(input.len())` samples; what does not fit is lost.
    pub fn process(&mut self, input: &[i16], out: &mut [i16]) -> usize {
        match &mut self.filter {
            Some(filter) => filter.run(input, out, f32::from, |x| round(x) as i16),
            None => copy(input, out),
        }
    }

    /// The same for 32-bit sums of up to 2^24, which are not limited here.
    pub fn process_wide(&mut self, input: &[i32], out: &mut [i32]) -> usize {
        match &mut self.filter {
            Some(filter) => filter.run(input, out, |x| x as f32, |x| round(x) as i32),
            None => copy(input, out),
        }
    }
}

fn copy<T: Copy>(input: &[T], out: &mut [T]) -> usize {
    let n = input.len().min(out.len());
    out[..n].copy_from_slice(&input[..n]);
    n
}

/// To the nearest integer, halves away from zero; the cast that follows saturates.
pub(crate) fn round(x: f32) -> f32 {
    x + f32::copysign(0.5, x)
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
