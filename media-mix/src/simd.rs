//! The kernels, in the widest vectors of the machine at hand, chosen at run time.
//!
//! Each is the very loop of [`crate::kernels`], compiled once more with AVX2 allowed, but for [`measure`], which has a
//! form of its own there. On other machines, NEON ones among them, the target's own baseline is what the plain form is
//! compiled for.
#![allow(
    unsafe_code,
    reason = "calling code compiled for AVX2, after asking whether the machine has it"
)]

use crate::codec::g722::Mode;
use crate::codec::g722::band::Band;
use crate::kernels::{self, Measure};

macro_rules! dispatch {
    (@wide $plain:path) => { $plain };
    (@wide $plain:path, $own:path) => { $own };
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? $(, wide: $own:path)?;)*) => {$(
        #[inline]
        pub(crate) fn $name($($arg: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide($($arg: $type),*) $(-> $result)? {
                    dispatch!(@wide kernels::$name $(, $own)?)($($arg),*)
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the machine has what `wide` was compiled for; it asks nothing else of its caller.
                    return unsafe { wide($($arg),*) };
                }
            }
            kernels::$name($($arg),*)
        }
    )*};
}

dispatch! {
    measure(pcm: &[i16]) -> Measure, wide: avx2::measure;
    keep(frame: &[i16], place: &mut [i16]) -> Measure, wide: avx2::keep;
    keep_and_begin(frame: &[i16], place: &mut [i16], sum: &mut [i16]) -> Measure, wide: avx2::keep_and_begin;
    keep_and_add(frame: &[i16], place: &mut [i16], sum: &mut [i16]) -> Measure, wide: avx2::keep_and_add;
    subtract_fitting(sum: &mut [i16], frame: &[i16]);
    is_silent(pcm: &[i16]) -> bool;
    add_fitting(sum: &mut [i16], frame: &[i16]);
    without_fitting(mix: &[i16], own: &[i16], out: &mut [i16]);
    add(mix: &mut [i32], frame: &[i16]);
    subtract(mix: &mut [i32], frame: &[i16]);
    assign(mix: &mut [i32], frame: &[i16]);
    add_narrow(sum: &mut [i16], frame: &[i16]) -> bool;
    without(mix: &[i16], own: &[i16], out: &mut [i16]) -> bool;
    narrow(mix: &[i32], out: &mut [i16]) -> bool;
    narrow_without(mix: &[i32], own: &[i16], out: &mut [i16]) -> bool;
    range(mix: &[i32]) -> (i32, i32);
    ramp(mix: &[i32], from: f32, step: f32, out: &mut [i16]);
    fir(taps: &[(f32, u32)], samples: &[f32], out: &mut [f32]);
    mu_law(pcm: &[i16], out: &mut [u8]);
    a_law(pcm: &[i16], out: &mut [u8]);
    g722_encode(lower: &mut Band, higher: &mut Band, low: &[i32], high: &[i32], codes: &mut [u8]);
    g722_decode(lower: &mut Band, higher: &mut Band, codes: &[u8], mode: Mode, low: &mut [i32], high: &mut [i32]);
    mirror(evens: &[i32], odds: &[i32], c: &[i32; 12], even: &mut [i32], odd: &mut [i32]);
}

/// What compilers do not find by themselves.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{Measure, kernels};

    /// Samples of a vector, and of two.
    const STEP: usize = 16;
    const TWO: usize = 2 * STEP;
    /// For so many times two vectors the sums of [`Lanes`] hold.
    const MOST: usize = 32_768;

    #[target_feature(enable = "avx2")]
    #[inline]
    fn vector(s: &[i16; STEP]) -> __m256i {
        // One load: the compiler sees that they are neighbours.
        _mm256_setr_epi16(
            s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13],
            s[14], s[15],
        )
    }

    /// Half by half: compilers would make a second loop of what they know to be one copy.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn copy(two: &[i16; TWO], place: &mut [i16; TWO]) {
        let (from, _) = two.as_chunks::<STEP>();
        let (to, _) = place.as_chunks_mut::<STEP>();
        to[0] = from[0];
        to[1] = from[1];
    }

    /// Measures in the making.
    struct Lanes {
        /// Sums of the squares of pairs, modulo 2^32, and of their upper halves.
        all: __m256i,
        high: __m256i,
        peak: __m256i,
    }

    impl Lanes {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn new() -> Self {
            let zero = _mm256_setzero_si256();
            Lanes {
                all: zero,
                high: zero,
                peak: zero,
            }
        }

        #[target_feature(enable = "avx2")]
        #[inline]
        fn add(&mut self, two: &[i16; TWO]) {
            let (steps, _) = two.as_chunks::<STEP>();
            for step in steps {
                self.add_vector(vector(step));
            }
        }

        #[target_feature(enable = "avx2")]
        #[inline]
        fn add_vector(&mut self, x: __m256i) {
            // Two squares fit 32 unsigned bits: 2 · 2^30.
            let squares = _mm256_madd_epi16(x, x);
            self.all = _mm256_add_epi32(self.all, squares);
            self.high = _mm256_add_epi32(self.high, _mm256_srli_epi32::<16>(squares));
            self.peak = _mm256_max_epu16(self.peak, _mm256_abs_epi16(x));
        }

        /// With what is left over, and measured otherwise.
        #[target_feature(enable = "avx2")]
        #[inline]
        fn done(self, rest: &[i16], measure: impl FnOnce(&[i16]) -> Measure) -> Measure {
            // The sum of the lower halves is less than 2^32, so what its modulus says of it is all of it.
            let low = _mm256_sub_epi32(self.all, _mm256_slli_epi32::<16>(self.high));
            let zero = _mm256_setzero_si256();
            let total = |x| {
                _mm256_add_epi64(
                    _mm256_unpacklo_epi32(x, zero),
                    _mm256_unpackhi_epi32(x, zero),
                )
            };
            let sums = _mm256_add_epi64(total(low), _mm256_slli_epi64::<16>(total(self.high)));
            let halves = |x| (_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
            let (one, two) = halves(sums);
            let sums = _mm_add_epi64(one, two);
            let sums = _mm_add_epi64(sums, _mm_unpackhi_epi64(sums, sums));
            let (one, two) = halves(self.peak);
            // The least of the complements.
            let least =
                _mm_minpos_epu16(_mm_xor_si128(_mm_max_epu16(one, two), _mm_set1_epi16(-1)));
            let mut whole = Measure {
                energy: _mm_cvtsi128_si64(sums) as u64,
                peak: !(_mm_cvtsi128_si32(least) as u16),
            };
            if !rest.is_empty() {
                let Measure { energy, peak } = measure(rest);
                whole.energy += energy;
                whole.peak = whole.peak.max(peak);
            }
            whole
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn measure(pcm: &[i16]) -> Measure {
        let (twos, rest) = pcm.as_chunks::<TWO>();
        if twos.len() > MOST {
            return kernels::measure(pcm);
        }
        let mut lanes = Lanes::new();
        for two in twos {
            lanes.add(two);
        }
        lanes.done(rest, kernels::measure)
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn keep(frame: &[i16], place: &mut [i16]) -> Measure {
        let (twos, rest) = frame.as_chunks::<TWO>();
        let (places, place) = place.as_chunks_mut::<TWO>();
        debug_assert!(twos.len() <= MOST && twos.len() == places.len());
        let mut lanes = Lanes::new();
        for (two, place) in twos.iter().zip(places) {
            lanes.add(two);
            copy(two, place);
        }
        lanes.done(rest, |rest| kernels::keep(rest, place))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn keep_and_begin(frame: &[i16], place: &mut [i16], sum: &mut [i16]) -> Measure {
        let (twos, rest) = frame.as_chunks::<TWO>();
        let (places, place) = place.as_chunks_mut::<TWO>();
        let (sums, sum) = sum.as_chunks_mut::<TWO>();
        debug_assert!(twos.len() <= MOST);
        debug_assert!(twos.len() == places.len() && twos.len() == sums.len());
        let mut lanes = Lanes::new();
        for ((two, place), sum) in twos.iter().zip(places).zip(sums) {
            lanes.add(two);
            copy(two, sum);
            copy(two, place);
        }
        lanes.done(rest, |rest| kernels::keep_and_begin(rest, place, sum))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn keep_and_add(frame: &[i16], place: &mut [i16], sum: &mut [i16]) -> Measure {
        let (twos, rest) = frame.as_chunks::<TWO>();
        let (places, place) = place.as_chunks_mut::<TWO>();
        let (sums, sum) = sum.as_chunks_mut::<TWO>();
        debug_assert!(twos.len() <= MOST);
        debug_assert!(twos.len() == places.len() && twos.len() == sums.len());
        let mut lanes = Lanes::new();
        for ((two, place), sum) in twos.iter().zip(places).zip(sums) {
            lanes.add(two);
            kernels::add_fitting(sum, two);
            copy(two, place);
        }
        lanes.done(rest, |rest| kernels::keep_and_add(rest, place, sum))
    }
}

/// The sum of squares.
pub(crate) fn energy(pcm: &[i16]) -> u64 {
    measure(pcm).energy
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn samples() -> impl Strategy<Value = Vec<i16>> {
        proptest::collection::vec(
            prop_oneof![any::<i16>(), Just(i16::MIN), Just(i16::MAX)],
            0..200,
        )
    }

    fn sums(peak: i32) -> impl Strategy<Value = Vec<i32>> {
        proptest::collection::vec(-peak..peak, 200)
    }

    proptest! {
        #[test]
        fn wide_and_plain_forms_agree(pcm in samples(), fits in sums(32_000), wild in sums(10_000_000), from in 0.0_f32..1.0, step in -0.01_f32..0.01) {
            let n = pcm.len();
            for end in [n, n / 32 * 32] {
                let pcm = &pcm[..end];
                let known = Measure {
                    energy: pcm.iter().map(|&x| (i64::from(x) * i64::from(x)) as u64).sum(),
                    peak: pcm.iter().map(|x| x.unsigned_abs()).max().unwrap_or(0),
                };
                prop_assert_eq!(measure(pcm), known);
                prop_assert_eq!(kernels::measure(pcm), known);
            }
            let sum: Vec<i16> = wild[..n].iter().map(|&x| x as i16).collect();
            for end in [n, n / 32 * 32] {
                let pcm = &pcm[..end];
                let known = kernels::measure(pcm);
                let mut place = vec![0; end];
                prop_assert_eq!(keep(pcm, &mut place), known);
                prop_assert_eq!(&place[..], pcm);
                for (wide, plain) in [
                    (keep_and_begin as fn(&[i16], &mut [i16], &mut [i16]) -> Measure, kernels::keep_and_begin as fn(&[i16], &mut [i16], &mut [i16]) -> Measure),
                    (keep_and_add, kernels::keep_and_add),
                ] {
                    let (mut a, mut b) = (sum[..end].to_vec(), sum[..end].to_vec());
                    place.fill(0);
                    prop_assert_eq!(wide(pcm, &mut place, &mut a), known);
                    prop_assert_eq!(&place[..], pcm);
                    prop_assert_eq!(plain(pcm, &mut place, &mut b), known);
                    prop_assert_eq!(&a, &b);
                }
                let mut back = sum[..end].to_vec();
                keep_and_add(pcm, &mut place, &mut back);
                let added: Vec<i16> = sum.iter().zip(pcm).map(|(&sum, &x)| sum.wrapping_add(x)).collect();
                prop_assert_eq!(&back, &added);
                kernels::subtract_fitting(&mut back, pcm);
                prop_assert_eq!(&back[..], &sum[..end]);
                let mut wide = added;
                subtract_fitting(&mut wide, pcm);
                prop_assert_eq!(&wide[..], &sum[..end]);
            }
            let hush: Vec<i16> = pcm.iter().map(|x| x >> 15 & x & 1).collect();
            for pcm in [&pcm, &hush] {
                let silent = pcm.iter().all(|&x| x == 0);
                prop_assert_eq!(is_silent(pcm), silent);
                prop_assert_eq!(kernels::is_silent(pcm), silent);
            }
            for (wide, plain) in [
                (add as fn(&mut [i32], &[i16]), kernels::add as fn(&mut [i32], &[i16])),
                (subtract, kernels::subtract),
                (assign, kernels::assign),
            ] {
                let (mut a, mut b) = (wild.clone(), wild.clone());
                wide(&mut a, &pcm);
                plain(&mut b, &pcm);
                prop_assert_eq!(a, b);
            }
            let own = &pcm;
            let all: Vec<i16> = fits[..n].iter().map(|&x| (x * 3 / 2) as i16).collect();
            for (sum, own) in [(&all, own), (own, &all)] {
                let (mut a, mut b) = (sum.clone(), sum.clone());
                let fits = add_narrow(&mut a, own);
                prop_assert_eq!(fits, kernels::add_narrow(&mut b, own));
                prop_assert_eq!(&a, &b);
                let sums = || sum.iter().zip(own).map(|(&x, &y)| i32::from(x) + i32::from(y));
                prop_assert_eq!(fits, sums().all(|sum| i16::try_from(sum).is_ok()));
                let kept = sums().eq(a.iter().map(|&x| i32::from(x)));
                prop_assert!(if fits { kept } else { a == *sum }, "added whole or not at all");
                let (mut whole, mut plain) = (sum.clone(), sum.clone());
                add_fitting(&mut whole, own);
                kernels::add_fitting(&mut plain, own);
                prop_assert_eq!(&whole, &plain);
                prop_assert!(!fits || whole == a);
                let fits = without(sum, own, &mut a);
                without_fitting(sum, own, &mut whole);
                kernels::without_fitting(sum, own, &mut plain);
                prop_assert_eq!(&whole, &plain);
                prop_assert!(!fits || whole == a);
                prop_assert_eq!(fits, kernels::without(sum, own, &mut b));
                prop_assert_eq!(&a, &b);
                let rests = || sum.iter().zip(own).map(|(&x, &y)| i32::from(x) - i32::from(y));
                prop_assert_eq!(fits, rests().all(|rest| i16::try_from(rest).is_ok()));
                let exact = rests().eq(a.iter().map(|&x| i32::from(x)));
                prop_assert!(!fits || exact);
            }
            for mix in [&fits, &wild] {
                let (mut a, mut b) = (vec![0; n], vec![0; n]);
                prop_assert_eq!(narrow(&mix[..n], &mut a), kernels::narrow(&mix[..n], &mut b));
                prop_assert_eq!(&a, &b);
                let (x, y) = (narrow_without(mix, &pcm, &mut a), kernels::narrow_without(mix, &pcm, &mut b));
                prop_assert_eq!(x, y);
                prop_assert_eq!(&a, &b);
                let differences = mix.iter().zip(&pcm).map(|(&m, &p)| m - i32::from(p));
                prop_assert_eq!(x, differences.clone().all(|d| i16::try_from(d).is_ok()));
                if x {
                    prop_assert!(differences.zip(&a).all(|(d, &a)| d == i32::from(a)));
                }
                prop_assert_eq!(range(&mix[..n]), kernels::range(&mix[..n]));
                ramp(&mix[..n], from, step, &mut a);
                kernels::ramp(&mix[..n], from, step, &mut b);
                prop_assert_eq!(&a, &b);
            }
            let (mut a, mut b) = (vec![0; n], vec![0; n]);
            mu_law(&pcm, &mut a);
            kernels::mu_law(&pcm, &mut b);
            prop_assert_eq!(&a, &b);
            a_law(&pcm, &mut a);
            kernels::a_law(&pcm, &mut b);
            prop_assert_eq!(&a, &b);
        }

        #[test]
        fn wide_and_plain_filters_agree_bit_for_bit(pcm in sums(8_000_000), len in 0_usize..100, weights in proptest::collection::vec(-1.0_f32..1.0, 1..60)) {
            let x: Vec<f32> = pcm.iter().map(|&x| x as f32).collect();
            let taps: Vec<(f32, u32)> = weights.iter().enumerate().map(|(i, &w)| (w, (i * 37 % 100) as u32)).collect();
            let (mut a, mut b) = (vec![0.0; len], vec![0.0; len]);
            fir(&taps, &x, &mut a);
            kernels::fir(&taps, &x, &mut b);
            prop_assert!(a.iter().zip(&b).all(|(a, b)| a.to_bits() == b.to_bits()));
            let c = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
            let half: Vec<i32> = pcm.iter().map(|x| x / 256).collect();
            let mut sums = [vec![0; len], vec![0; len], vec![0; len], vec![0; len]];
            let [a, b, p, q] = &mut sums;
            mirror(&half[..120], &half[80..], &c, a, b);
            kernels::mirror(&half[..120], &half[80..], &c, p, q);
            prop_assert_eq!((a, b), (p, q));
        }
    }
}
