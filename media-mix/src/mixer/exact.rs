//! Exact sums, in 16 bits as long as they fit: half the memory of 32, and twice as many at once.
//!
//! Each voice comes with its peak. While the peaks together fit 16 bits so does every sample of the sum, and of the sum
//! without one of them, so neither is looked at twice. Where they do not, the sums themselves are looked at.

use crate::kernels::Measure;
use crate::simd;

/// More than any 16 bits: a bound that says nothing.
const UNKNOWN: u32 = u32::MAX / 2;
/// Sums bounded by this fit.
const MOST: u32 = i16::MAX as u32;

/// A sum of frames, exact.
pub(super) struct Exact {
    /// The sum, if it fits.
    narrow: Vec<i16>,
    /// The sum, if it does not, or where somebody asked for it.
    wide: Vec<i32>,
    fits: bool,
    /// `wide` is the sum.
    widened: bool,
    /// No sample is further from zero.
    bound: u32,
}

impl Exact {
    /// Silence.
    pub(super) fn new(samples: usize) -> Self {
        Exact {
            narrow: vec![0; samples],
            wide: vec![0; samples],
            fits: true,
            widened: true,
            bound: 0,
        }
    }

    /// It is silence.
    pub(super) fn clear(&mut self) {
        self.narrow.fill(0);
        (self.fits, self.widened, self.bound) = (true, false, 0);
    }

    /// It is `frame`, of which no sample is further from zero than `peak`.
    pub(super) fn set(&mut self, frame: &[i16], peak: u16) {
        self.narrow.copy_from_slice(frame);
        (self.fits, self.widened, self.bound) = (true, false, peak.into());
    }

    /// It is what `other` is.
    pub(super) fn copy(&mut self, other: &Exact) {
        if other.fits {
            self.narrow.copy_from_slice(&other.narrow);
        } else {
            self.wide.copy_from_slice(&other.wide);
        }
        (self.fits, self.widened, self.bound) = (other.fits, !other.fits, other.bound);
    }

    /// Add `frame`, of which no sample is further from zero than `peak`.
    pub(super) fn add(&mut self, frame: &[i16], peak: u16) {
        self.make_room(peak);
        self.add_bounded(frame, peak);
    }

    /// Look again at how loud the sum is, if it is not known to leave room for this peak: peaks seldom meet.
    #[inline]
    fn make_room(&mut self, peak: u16) {
        if self.fits && self.bound + u32::from(peak) > MOST {
            self.bound = simd::measure(&self.narrow).peak.into();
        }
    }

    fn add_bounded(&mut self, frame: &[i16], peak: u16) {
        let peak = u32::from(peak);
        if self.fits {
            self.widened = false;
            if self.bound + peak <= MOST {
                simd::add_fitting(&mut self.narrow, frame);
                self.bound += peak;
                return;
            }
            if simd::add_narrow(&mut self.narrow, frame) {
                // It fits, so no sample is further from zero than this.
                self.bound = (self.bound + peak).min(MOST + 1);
                return;
            }
            simd::assign(&mut self.wide, &self.narrow);
            (self.fits, self.widened, self.bound) = (false, true, UNKNOWN);
        }
        simd::add(&mut self.wide, frame);
    }

    /// It is `frame`, which goes to `place` as well; its measure. Both are as long as the sum.
    pub(super) fn keep_and_set(&mut self, frame: &[i16], place: &mut [i16]) -> Measure {
        let measure = simd::keep_and_begin(frame, place, &mut self.narrow);
        (self.fits, self.widened, self.bound) = (true, false, measure.peak.into());
        measure
    }

    /// Add `frame`, which goes to `place` as well; its measure. Both are as long as the sum. `guess` is what its peak
    /// may be: it decides the way, not the outcome.
    pub(super) fn keep_and_add(&mut self, frame: &[i16], place: &mut [i16], guess: u16) -> Measure {
        self.make_room(guess);
        if !self.fits || self.bound + u32::from(guess) > MOST {
            let measure = simd::keep(frame, place);
            self.add_bounded(frame, measure.peak);
            return measure;
        }
        let measure = simd::keep_and_add(frame, place, &mut self.narrow);
        let bound = self.bound + u32::from(measure.peak);
        if bound <= MOST {
            (self.widened, self.bound) = (false, bound);
        } else {
            // What wrapped wraps back.
            simd::subtract_fitting(&mut self.narrow, frame);
            self.add(frame, measure.peak);
        }
        measure
    }

    /// Take a frame out that was added.
    pub(super) fn subtract(&mut self, frame: &[i16]) {
        self.widen();
        simd::subtract(&mut self.wide, frame);
        // It may fit, but that is not looked into.
        (self.fits, self.bound) = (false, UNKNOWN);
    }

    /// Add what was converted from another rate.
    pub(super) fn add_wide(&mut self, other: &[i32]) {
        self.widen();
        for (wide, &x) in self.wide.iter_mut().zip(other) {
            *wide += x;
        }
        self.fits = simd::narrow(&self.wide, &mut self.narrow);
        self.bound = UNKNOWN;
    }

    /// Make [`Exact::wide`] at hand.
    pub(super) fn widen(&mut self) {
        if !self.widened {
            simd::assign(&mut self.wide, &self.narrow);
            self.widened = true;
        }
    }

    /// The sum. [`Exact::widen`] must have been called since it changed.
    pub(super) fn wide(&self) -> &[i32] {
        debug_assert!(self.widened);
        &self.wide
    }

    pub(super) fn fits(&self) -> bool {
        self.fits
    }

    /// The sum if it fits; and otherwise, or once [`Exact::parts`] was used, what was put here.
    pub(super) fn narrow(&self) -> &[i16] {
        &self.narrow
    }

    /// The sum, and a place to narrow it to.
    pub(super) fn parts(&mut self) -> (&[i32], &mut [i16]) {
        self.widen();
        (&self.wide, &mut self.narrow)
    }

    /// The sum without one of its voices, if that fits 16 bits; whether it does. If not, `out` is of no use.
    #[inline]
    pub(super) fn without(&mut self, own: &[i16], peak: u16, out: &mut [i16]) -> bool {
        if self.fits && self.bound + u32::from(peak) <= MOST {
            simd::without_fitting(&self.narrow, own, out);
            return true;
        }
        if self.fits && simd::without(&self.narrow, own, out) {
            return true;
        }
        self.widen();
        simd::narrow_without(&self.wide, own, out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_and_differences_are_exact_however_loud(
            frames in proptest::collection::vec((0_u32..16, proptest::collection::vec(any::<i16>(), 40)), 1..8),
            slack in 0_u16..3,
            guess in prop_oneof![Just(0), Just(1000), Just(u16::MAX)],
            converted in proptest::collection::vec(-70_000_i32..70_000, 40),
        ) {
            let frames: Vec<Vec<i16>> = frames
                .into_iter()
                .map(|(shift, frame)| frame.into_iter().map(|x| x >> shift).collect())
                .collect();
            let peak = |frame: &[i16]| simd::measure(frame).peak.saturating_add(slack);
            let mut sum = Exact::new(40);
            let mut kept = Exact::new(40);
            let mut known = [0; 40];
            for (n, frame) in frames.iter().enumerate() {
                let mut place = [0; 40];
                let measure = if n == 0 {
                    sum.set(frame, peak(frame));
                    kept.keep_and_set(frame, &mut place)
                } else {
                    sum.add(frame, peak(frame));
                    kept.keep_and_add(frame, &mut place, guess)
                };
                prop_assert_eq!(measure, simd::measure(frame));
                prop_assert_eq!(&place[..], &frame[..]);
                for (known, &x) in known.iter_mut().zip(frame) {
                    *known += i32::from(x);
                }
                let mut copy = Exact::new(40);
                copy.copy(&kept);
                copy.widen();
                prop_assert!(copy.wide().iter().eq(&known));
                copy.copy(&sum);
                let fits = known.iter().all(|&x| i16::try_from(x).is_ok());
                prop_assert!(!sum.fits() || fits);
                if sum.fits() {
                    prop_assert!(sum.narrow().iter().map(|&x| i32::from(x)).eq(known.iter().copied()));
                }
                for own in &frames[..=n] {
                    let rest: Vec<i32> = known.iter().zip(own).map(|(&all, &own)| all - i32::from(own)).collect();
                    let mut out = vec![0; 40];
                    let fits = copy.without(own, peak(own), &mut out);
                    prop_assert_eq!(fits, rest.iter().all(|&x| i16::try_from(x).is_ok()));
                    prop_assert!(!fits || out.iter().map(|&x| i32::from(x)).eq(rest));
                }
                copy.widen();
                prop_assert_eq!(copy.wide(), &known[..]);
            }
            let mut less = Exact::new(40);
            less.copy(&sum);
            less.subtract(&frames[0]);
            let rest: Vec<i32> = known.iter().zip(&frames[0]).map(|(&all, &one)| all - i32::from(one)).collect();
            prop_assert_eq!(less.wide(), &rest[..]);
            less.add(&frames[0], peak(&frames[0]));
            prop_assert_eq!(less.wide(), &known[..]);
            sum.add_wide(&converted);
            for (known, &x) in known.iter_mut().zip(&converted) {
                *known += x;
            }
            prop_assert_eq!(sum.wide(), &known[..]);
            prop_assert_eq!(sum.fits(), known.iter().all(|&x| i16::try_from(x).is_ok()));
            sum.clear();
            prop_assert_eq!(sum.parts().0, &[0; 40][..]);
        }
    }
}
