//! The inner loops, in plain Rust that compilers turn into vectors. [`crate::simd`] compiles each of them a second time
//! for wider vectors. Whole numbers are exact in any order, and floats are summed in a fixed order without fusing, so
//! all forms give the same bits.

use crate::codec::g711::{a_law_encode, mu_law_encode};
pub(crate) use crate::codec::g722::band::{decode as g722_decode, encode as g722_encode};

/// What a look at each sample of a frame tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// The sum of squares.
    pub(crate) energy: u64,
    /// No sample is further from zero: 0 to 32,768.
    pub(crate) peak: u16,
}

/// Measure a frame.
#[inline(always)]
pub(crate) fn measure(pcm: &[i16]) -> Measure {
    let (pairs, rest) = pcm.as_chunks::<2>();
    // Two squares fit 32 unsigned bits: 2 · 2^30.
    let square = |x: i16| i32::from(x) * i32::from(x);
    let energy: u64 = pairs
        .iter()
        .map(|&[x, y]| u64::from(square(x).wrapping_add(square(y)) as u32))
        .sum();
    Measure {
        energy: energy + rest.iter().map(|&x| square(x) as u64).sum::<u64>(),
        peak: pcm.iter().fold(0, |most, x| most.max(x.unsigned_abs())),
    }
}

/// Keep a frame, and measure it. Both are of one length.
#[inline(always)]
pub(crate) fn keep(frame: &[i16], place: &mut [i16]) -> Measure {
    place.copy_from_slice(frame);
    measure(frame)
}

/// Keep a frame, begin a sum with it, and measure it. All are of one length.
#[inline(always)]
pub(crate) fn keep_and_begin(frame: &[i16], place: &mut [i16], sum: &mut [i16]) -> Measure {
    sum.copy_from_slice(frame);
    keep(frame, place)
}

/// Keep a frame, add it to a sum modulo 2^16, and measure it. All are of one length.
#[inline(always)]
pub(crate) fn keep_and_add(frame: &[i16], place: &mut [i16], sum: &mut [i16]) -> Measure {
    add_fitting(sum, frame);
    keep(frame, place)
}

/// Whether all samples are zero.
#[inline(always)]
pub(crate) fn is_silent(pcm: &[i16]) -> bool {
    // A voice is known by its first samples.
    pcm.first_chunk::<16>()
        .is_none_or(|first| *first == [0; 16])
        && pcm.iter().fold(0, |any, &x| any | x) == 0
}

/// `mix += frame`.
#[inline(always)]
pub(crate) fn add(mix: &mut [i32], frame: &[i16]) {
    for (mix, &x) in mix.iter_mut().zip(frame) {
        *mix += i32::from(x);
    }
}

/// `mix -= frame`.
#[inline(always)]
pub(crate) fn subtract(mix: &mut [i32], frame: &[i16]) {
    for (mix, &x) in mix.iter_mut().zip(frame) {
        *mix -= i32::from(x);
    }
}

/// `mix = frame`.
#[inline(always)]
pub(crate) fn assign(mix: &mut [i32], frame: &[i16]) {
    for (mix, &x) in mix.iter_mut().zip(frame) {
        *mix = i32::from(x);
    }
}

/// `out = mix`, if all of it fits; whether it did. If not, `out` is of no use.
#[inline(always)]
pub(crate) fn narrow(mix: &[i32], out: &mut [i16]) -> bool {
    let (mut low, mut high) = (0, 0);
    for (out, &x) in out.iter_mut().zip(mix) {
        *out = x.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        (low, high) = (x.min(low), x.max(high));
    }
    low >= i32::from(i16::MIN) && high <= i32::from(i16::MAX)
}

/// `out = mix - own`, if all of it fits; whether it did. If not, `out` is of no use.
#[inline(always)]
pub(crate) fn narrow_without(mix: &[i32], own: &[i16], out: &mut [i16]) -> bool {
    let (mut low, mut high) = (0, 0);
    for ((out, &x), &own) in out.iter_mut().zip(mix).zip(own) {
        let x = x - i32::from(own);
        *out = x.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        (low, high) = (x.min(low), x.max(high));
    }
    low >= i32::from(i16::MIN) && high <= i32::from(i16::MAX)
}

/// `sum += frame`, if all of it fits; whether it did. If not, `sum` is as it was.
#[inline(always)]
pub(crate) fn add_narrow(sum: &mut [i16], frame: &[i16]) -> bool {
    let mut lost = 0;
    for (sum, &x) in sum.iter_mut().zip(frame) {
        let wrapped = sum.wrapping_add(x);
        lost |= wrapped ^ sum.saturating_add(x);
        *sum = wrapped;
    }
    if lost != 0 {
        for (sum, &x) in sum.iter_mut().zip(frame) {
            *sum = sum.wrapping_sub(x);
        }
    }
    lost == 0
}

/// `sum += frame`, where all of it is known to fit.
#[inline(always)]
pub(crate) fn add_fitting(sum: &mut [i16], frame: &[i16]) {
    for (sum, &x) in sum.iter_mut().zip(frame) {
        *sum = sum.wrapping_add(x);
    }
}

/// `sum -= frame`, modulo 2^16: takes back what [`add_fitting`] or [`keep_and_add`] added, whether or not it fitted.
#[inline(always)]
pub(crate) fn subtract_fitting(sum: &mut [i16], frame: &[i16]) {
    for (sum, &x) in sum.iter_mut().zip(frame) {
        *sum = sum.wrapping_sub(x);
    }
}

/// `out = mix - own`, where all of it is known to fit.
#[inline(always)]
pub(crate) fn without_fitting(mix: &[i16], own: &[i16], out: &mut [i16]) {
    for ((out, &x), &own) in out.iter_mut().zip(mix).zip(own) {
        *out = x.wrapping_sub(own);
    }
}

/// `out = mix - own`, if all of it fits; whether it did. If not, `out` is of no use.
#[inline(always)]
pub(crate) fn without(mix: &[i16], own: &[i16], out: &mut [i16]) -> bool {
    let mut lost = 0;
    for ((out, &x), &own) in out.iter_mut().zip(mix).zip(own) {
        let rest = x.saturating_sub(own);
        lost |= rest ^ x.wrapping_sub(own);
        *out = rest;
    }
    lost == 0
}

/// The least and the greatest, but 0 where all are on one side of it.
#[inline(always)]
pub(crate) fn range(mix: &[i32]) -> (i32, i32) {
    mix.iter()
        .fold((0, 0), |(low, high), &x| (low.min(x), high.max(x)))
}

/// `out = mix · (from + step · n)`, rounded and saturated.
#[inline(always)]
pub(crate) fn ramp(mix: &[i32], from: f32, step: f32, out: &mut [i16]) {
    for (n, (out, &x)) in (0_i32..).zip(out.iter_mut().zip(mix)) {
        let y = x as f32 * (from + step * n as f32);
        *out = (y + f32::copysign(0.5, y)) as i16;
    }
}

/// Outputs computed side by side.
const SIDE: usize = 32;

/// A FIR filter over samples dealt out into streams: `out[k] = Σ weight · samples[start + k]` over `taps`, each
/// `(weight, start)`, summed in their order.
#[inline(always)]
pub(crate) fn fir(taps: &[(f32, u32)], samples: &[f32], out: &mut [f32]) {
    let (blocks, rest) = out.as_chunks_mut::<SIDE>();
    let done = blocks.len() * SIDE;
    for (k, block) in blocks.iter_mut().enumerate() {
        let mut sums = [0.0_f32; SIDE];
        for &(weight, start) in taps {
            let Some(window) = samples[start as usize + k * SIDE..].first_chunk::<SIDE>() else {
                return;
            };
            for (sum, x) in sums.iter_mut().zip(window) {
                *sum += weight * x;
            }
        }
        *block = sums;
    }
    for (k, out) in rest.iter_mut().enumerate() {
        let mut sum = 0.0;
        for &(weight, start) in taps {
            sum += weight * samples[start as usize + done + k];
        }
        *out = sum;
    }
}

/// µ-law of each sample.
#[inline(always)]
pub(crate) fn mu_law(pcm: &[i16], out: &mut [u8]) {
    for (out, &x) in out.iter_mut().zip(pcm) {
        *out = mu_law_encode(x);
    }
}

/// A-law of each sample.
#[inline(always)]
pub(crate) fn a_law(pcm: &[i16], out: &mut [u8]) {
    for (out, &x) in out.iter_mut().zip(pcm) {
        *out = a_law_encode(x);
    }
}

/// Two polyphase sums of the mirror filters of G.722 a pair: `even[n] = Σ x[2(n+i)]·c[i]`, and `odd` with the
/// coefficients reversed, over samples dealt into even and odd ones.
#[inline(always)]
pub(crate) fn mirror(
    evens: &[i32],
    odds: &[i32],
    c: &[i32; 12],
    even: &mut [i32],
    odd: &mut [i32],
) {
    let n = even.len().min(odd.len());
    let (even, odd) = (&mut even[..n], &mut odd[..n]);
    even.fill(0);
    odd.fill(0);
    for i in 0..12 {
        let (forward, backward) = (c[i], c[11 - i]);
        let evens = &evens[i..i + n];
        let odds = &odds[i..i + n];
        for k in 0..n {
            even[k] += evens[k] * forward;
            odd[k] += odds[k] * backward;
        }
    }
}
