//! From exact 32-bit sums to 16 bits: untouched while they fit, turned down smoothly while they do not.
//!
//! The gain is a line from millisecond to millisecond, never above what the loudest sample of either side allows, so
//! nothing is clipped. It looks ahead to the end of the frame that is there anyway: no delay is added. Only a peak in
//! the very first millisecond of a frame can turn the gain down at once; sums that loud mask it.

use crate::simd;

/// How much the gain may rise in a millisecond: 20 dB take about a quarter of a second.
const RELEASE: f32 = 1.01;
/// How much it falls in a millisecond ahead of a peak, as a fraction of full gain.
const ATTACK: f32 = 0.25;
/// The longest frame, ms.
const MOST_MS: usize = 20;

/// One gain a mix.
#[derive(Clone, Debug)]
pub(crate) struct Limiter {
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Limiter { gain: 1.0 }
    }
}

impl Limiter {
    /// Whether it would leave a mix that fits untouched.
    pub(crate) fn is_open(&self) -> bool {
        self.gain >= 1.0
    }

    /// Narrow one frame of at most 20 ms. `khz` is its rate.
    pub(crate) fn narrow(&mut self, mix: &[i32], khz: usize, out: &mut [i16]) {
        if self.is_open() && simd::narrow(mix, out) {
            return;
        }
        let mut allowed = [1.0_f32; MOST_MS];
        allow(mix, khz, &mut allowed);
        let edges = self.line(&allowed, mix.len().div_ceil(khz).min(MOST_MS));
        apply(mix, khz, &edges, out);
    }

    /// Narrow the two sides of one frame by one gain, so that nobody moves between them. `other` is this limiter of the
    /// other side, and stays its like.
    pub(crate) fn narrow_pair(
        &mut self,
        other: &mut Limiter,
        mixes: [&[i32]; 2],
        khz: usize,
        outs: [&mut [i16]; 2],
    ) {
        let [left, right] = mixes;
        let [out_left, out_right] = outs;
        if self.is_open() && simd::narrow(left, out_left) && simd::narrow(right, out_right) {
            return;
        }
        let mut allowed = [1.0_f32; MOST_MS];
        allow(left, khz, &mut allowed);
        allow(right, khz, &mut allowed);
        let edges = self.line(&allowed, left.len().div_ceil(khz).min(MOST_MS));
        apply(left, khz, &edges, out_left);
        apply(right, khz, &edges, out_right);
        other.clone_from(self);
    }

    /// The gain at the edges of the blocks: what both sides allow, falling early, rising slowly.
    fn line(&mut self, allowed: &[f32; MOST_MS], blocks: usize) -> [f32; MOST_MS + 1] {
        let mut edges = [1.0_f32; MOST_MS + 1];
        edges[0] = self.gain.min(allowed[0]);
        for k in 1..=blocks {
            edges[k] = allowed[k - 1].min(*allowed.get(k).unwrap_or(&1.0));
        }
        for k in (1..blocks).rev() {
            edges[k] = edges[k].min(edges[k + 1] + ATTACK);
        }
        for k in 1..=blocks {
            edges[k] = edges[k].min(edges[k - 1] * RELEASE);
        }
        self.gain = edges[blocks];
        edges
    }
}

/// What the peak of each block allows, if that is less than it was.
fn allow(mix: &[i32], khz: usize, allowed: &mut [f32; MOST_MS]) {
    for (allowed, block) in allowed.iter_mut().zip(mix.chunks(khz)) {
        let (low, high) = simd::range(block);
        if low < i32::from(i16::MIN) || high > i32::from(i16::MAX) {
            *allowed = allowed.min(32_767.0 / low.unsigned_abs().max(high.unsigned_abs()) as f32);
        }
    }
}

fn apply(mix: &[i32], khz: usize, edges: &[f32; MOST_MS + 1], out: &mut [i16]) {
    for (k, (block, out)) in mix.chunks(khz).zip(out.chunks_mut(khz)).enumerate() {
        let (from, to) = (edges[k.min(MOST_MS - 1)], edges[(k + 1).min(MOST_MS)]);
        // Saturating: the line is exact to a millionth, so that trims at most a rounding.
        simd::ramp(block, from, (to - from) / block.len() as f32, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_passes_untouched() {
        let mix: Vec<i32> = (0..960)
            .map(|n| if n % 2 == 0 { -32_768 } else { 32_767 })
            .collect();
        let mut out = vec![0; 960];
        Limiter::default().narrow(&mix, 48, &mut out);
        assert!(out.iter().zip(&mix).all(|(&o, &m)| i32::from(o) == m));
    }

    #[test]
    fn a_loud_mix_keeps_its_shape_and_recovers_smoothly() {
        let mut limiter = Limiter::default();
        let mut out = vec![0; 960];
        // Loud from the middle of the sixth tick to the end of the tenth, rising within 5 ms.
        let sample = |n: i32| {
            let rise = (f64::from(n - 5280) / 240.0).clamp(0.0, 1.0);
            let fall = (f64::from(9600 - n) / 240.0).clamp(0.0, 1.0);
            let peak = 10_000.0 + 190_000.0 * rise.min(fall);
            ((f64::from(n) * 0.05).sin() * peak) as i32
        };
        let (mut before, mut quiet_ticks) = (0_i32, 0);
        for tick in 0..60 {
            let mix: Vec<i32> = (0..960).map(|n| sample(n + tick * 960)).collect();
            limiter.narrow(&mix, 48, &mut out);
            assert!(
                out.iter()
                    .zip(&mix)
                    .all(|(&o, &m)| i32::from(o).signum() * m.signum() >= 0)
            );
            for &o in &out {
                // A full-scale sine of this frequency steps by at most 1640; the attack may add to it.
                let step = (i32::from(o) - before).abs();
                assert!(step < 4_000, "tick {tick}: a step of {step}");
                before = i32::from(o);
            }
            if tick >= 10 && limiter.is_open() {
                quiet_ticks += 1;
            }
        }
        assert!(quiet_ticks > 20, "the gain came back: {quiet_ticks}");
    }
}
