//! The kernels, in the widest vectors of the machine at hand, chosen at run time.
//!
//! Each is the very loop of [`crate::kernels`], compiled once more with AVX2 allowed. On other machines, NEON ones
//! among them, the target's own baseline is what the plain form is compiled for.
#![allow(
    unsafe_code,
    reason = "calling code compiled for AVX2, after asking whether the machine has it"
)]

use crate::codec::g722::Mode;
use crate::codec::g722::band::Band;
use crate::kernels;

macro_rules! dispatch {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)?;)*) => {$(
        #[inline]
        pub(crate) fn $name($($arg: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide($($arg: $type),*) $(-> $result)? {
                    kernels::$name($($arg),*)
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
    energy(pcm: &[i16]) -> u64;
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
            prop_assert_eq!(energy(&pcm), kernels::energy(&pcm));
            prop_assert_eq!(energy(&pcm), pcm.iter().map(|&x| (i64::from(x) * i64::from(x)) as u64).sum::<u64>());
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
                let fits = without(sum, own, &mut a);
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
