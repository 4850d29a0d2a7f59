//! Time stretch and shrink by one pitch period (WSOLA), for a jitter buffer that wants to play a little slower or
//! faster without a change of pitch.
//!
//! One period within the frame is doubled or dropped, and the seam cross-faded over the length of a period; the frame's
//! two ends stay as they are, so that it fits its neighbours. Where the frame does not repeat itself (a plosive, a
//! click), it is left alone: the next one will do.

use crate::rate::Rate;

/// Shortest pitch period, tenths of a millisecond (400 Hz).
const SHORTEST: usize = 25;
/// How alike two periods must be, as the square of their normalized correlation, unless they are quiet.
const ALIKE: f32 = 0.64;
/// Mean square below which nobody hears a seam: -60 dBov.
const QUIET: f32 = 32_768.0 * 32_768.0 * 1e-6;

/// Play `frame` one pitch period longer: 2.5 ms to half the frame, 15 ms at most. Writes to the front of `out`, which
/// must hold one and a half times the frame, and returns the samples written; `frame.len()` of them if the frame was
/// better left alone (or `out` is too short for more).
pub fn stretch(rate: Rate, frame: &[i16], out: &mut [i16]) -> usize {
    let n = frame.len();
    match find_period(rate, frame) {
        Some(period) if out.len() >= n + period => {
            out[..period].copy_from_slice(&frame[..period]);
            fade(
                &frame[period..2 * period],
                &frame[..period],
                &mut out[period..2 * period],
            );
            out[2 * period..n + period].copy_from_slice(&frame[period..]);
            n + period
        }
        _ => copy(frame, out),
    }
}

/// Play `frame` one pitch period shorter: 2.5 ms to half the frame, 15 ms at most. Writes to the front of `out`, which
/// must hold the frame, and returns the samples written; `frame.len()` of them if the frame was better left alone.
pub fn shrink(rate: Rate, frame: &[i16], out: &mut [i16]) -> usize {
    let n = frame.len();
    match find_period(rate, frame) {
        Some(period) if out.len() >= n - period => {
            fade(
                &frame[..period],
                &frame[period..2 * period],
                &mut out[..period],
            );
            out[period..n - period].copy_from_slice(&frame[2 * period..]);
            n - period
        }
        _ => copy(frame, out),
    }
}

fn copy(frame: &[i16], out: &mut [i16]) -> usize {
    let n = frame.len().min(out.len());
    out[..n].copy_from_slice(&frame[..n]);
    n
}

/// From one signal to the other.
fn fade(from: &[i16], to: &[i16], out: &mut [i16]) {
    let n = out.len() as i32;
    for (i, ((out, &from), &to)) in out.iter_mut().zip(from).zip(to).enumerate() {
        let (to, from, i) = (i32::from(to), i32::from(from), i as i32);
        // At most 720 · 65,535 in magnitude.
        *out = (from + (to - from) * (2 * i + 1) / (2 * n)) as i16;
    }
}

/// The shift at which the first half of the frame is found again, if it is.
fn find_period(rate: Rate, frame: &[i16]) -> Option<usize> {
    let window = frame.len() / 2;
    let (shortest, longest) = (rate.samples(SHORTEST) / 10, rate.samples(15).min(window));
    if shortest > longest {
        return None;
    }
    let first = &frame[..window];
    let power: f32 = first.iter().map(|&x| f32::from(x) * f32::from(x)).sum();
    // Normalized correlation squared, signed, on every `stride`th sample.
    let alike = |shift: usize, stride: usize| {
        let (mut cross, mut here, mut there) = (0.0_f32, 1.0_f32, 1.0_f32);
        for (&x, &y) in first.iter().zip(&frame[shift..]).step_by(stride) {
            let (x, y) = (f32::from(x), f32::from(y));
            cross += x * y;
            here += x * x;
            there += y * y;
        }
        cross * cross.abs() / here / there
    };
    let best = |shifts: std::ops::RangeInclusive<usize>, by: usize, stride: usize| {
        let mut found = (f32::MIN, shortest);
        for shift in shifts.step_by(by) {
            let score = alike(shift, stride);
            if score > found.0 {
                found = (score, shift);
            }
        }
        found
    };
    // Coarsely as at 4 kHz, then to the sample.
    let coarse = (rate.khz() / 4).max(1);
    let (_, near) = best(shortest..=longest, coarse, coarse);
    let around = near.saturating_sub(coarse).max(shortest)..=(near + coarse).min(longest);
    let (score, period) = best(around, 1, 1);
    (score >= ALIKE || power < QUIET * window as f32).then_some(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(rate: Rate, from: usize, len: usize) -> Vec<i16> {
        let turn = |hz: f64, n: usize| {
            (n as f64 * hz / f64::from(rate.hz()) * std::f64::consts::TAU).sin()
        };
        (from..from + len)
            .map(|n| {
                (1..6)
                    .map(|k| turn(137.0 * f64::from(k), n) * 3_000.0 / f64::from(k))
                    .sum::<f64>() as i16
            })
            .collect()
    }

    fn steepest(pcm: &[i16]) -> i32 {
        pcm.windows(2)
            .map(|p| (i32::from(p[1]) - i32::from(p[0])).abs())
            .max()
            .unwrap()
    }

    #[test]
    fn a_voice_grows_and_shrinks_by_whole_periods_without_a_click() {
        for rate in Rate::ALL {
            let period = f64::from(rate.hz()) / 137.0;
            let n = rate.samples(20);
            let all = voice(rate, 0, 3 * n);
            let (before, frame, after) = (&all[..n], &all[n..2 * n], &all[2 * n..]);
            let mut out = vec![0; 2 * n];
            for longer in [true, false] {
                let len = if longer {
                    stretch(rate, frame, &mut out)
                } else {
                    shrink(rate, frame, &mut out)
                };
                let change = (len as f64 - n as f64).abs();
                assert!(
                    (change - period).abs() <= 1.0,
                    "{rate}: by {change} for a period of {period:.1}"
                );
                let joined = [before, &out[..len], after].concat();
                assert!(
                    steepest(&joined) <= steepest(&all) * 5 / 4,
                    "{rate}, longer: {longer}"
                );
            }
        }
    }

    #[test]
    fn a_click_is_left_alone_and_silence_is_not() {
        let mut frame = vec![0_i16; 160];
        let mut out = vec![0; 240];
        assert!(stretch(Rate::Khz8, &frame, &mut out) > 160);
        assert!(shrink(Rate::Khz8, &frame, &mut out) < 160);
        frame[30] = 30_000;
        for len in [
            stretch(Rate::Khz8, &frame, &mut out),
            shrink(Rate::Khz8, &frame, &mut out),
        ] {
            assert_eq!((len, &out[..160]), (160, &frame[..]));
        }
    }

    #[test]
    fn short_frames_and_short_outputs_are_copied() {
        let frame = voice(Rate::Khz8, 0, 30);
        let mut out = [0; 20];
        assert_eq!(stretch(Rate::Khz8, &frame, &mut out), 20);
        assert_eq!(shrink(Rate::Khz8, &[], &mut out), 0);
    }
}
