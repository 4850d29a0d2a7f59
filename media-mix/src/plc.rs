//! Packet loss concealment for codecs without their own: waveform substitution by pitch, in the manner of
//! ITU-T G.711 appendix I, but without its 3.75 ms of delay.
//!
//! A lost frame repeats the last pitch period. After 10 ms two periods are repeated and after 20 ms three, so that a
//! long loss does not buzz; from 10 ms on it fades, to silence at 60 ms. The first frame that arrives again is
//! cross-faded with the substitute.
//!
//! Where appendix I delays the stream to blend the seam, here the step between the last sample played and the first
//! one repeated is spread over the next 2.5 ms: a listener in a conference has delay enough.

use crate::Rate;

/// Longest pitch period, ms (66 Hz).
const LONGEST_MS: usize = 15;
/// Samples correlated to find the pitch, ms.
const WINDOW_MS: usize = 20;
/// Substitution is silent after this, ms.
const SILENT_MS: usize = 60;
/// Cycles repeated at most.
const MOST_PERIODS: usize = 3;

/// Remembers what was heard and makes up what was not. One a decoder; allocates only when made.
#[derive(Clone, Debug)]
pub struct Concealer {
    rate: Rate,
    /// The last 48.75 ms heard or made up, oldest first: three longest periods and a quarter.
    history: Box<[f32]>,
    /// The samples repeated now, at most three periods.
    cycle: Box<[f32]>,
    cycle_len: usize,
    cycle_at: usize,
    period: usize,
    /// Samples made up since the last frame heard.
    lost: usize,
    /// What is left of the step at the seam, and how fast it goes.
    step: f32,
    /// Scratch for the cross-fade after a loss.
    tail: Box<[f32]>,
}

impl Concealer {
    /// For mono PCM at `rate`.
    pub fn new(rate: Rate) -> Self {
        let longest = rate.samples(LONGEST_MS);
        let zeros = |n: usize| vec![0.0; n].into_boxed_slice();
        Concealer {
            rate,
            history: zeros(longest * MOST_PERIODS + longest / 4),
            cycle: zeros(longest * MOST_PERIODS),
            cycle_len: 0,
            cycle_at: 0,
            period: 0,
            lost: 0,
            step: 0.0,
            tail: zeros(rate.samples(10)),
        }
    }

    /// Forget the stream.
    pub fn reset(&mut self) {
        self.history.fill(0.0);
        self.lost = 0;
        self.step = 0.0;
    }

    /// Take note of a frame that arrived. After a loss its beginning is blended with the substitute, in place.
    pub fn received(&mut self, frame: &mut [i16]) {
        if self.lost > 0 {
            // 4 ms, and 4 more for each further 10 ms that were lost, up to 10 (appendix I, I.2.8).
            let lost_ms = self.lost / self.rate.khz();
            let blend = self
                .rate
                .samples((4 + 4 * (lost_ms.saturating_sub(10) / 10)).min(10))
                .min(frame.len());
            let mut tail = std::mem::take(&mut self.tail);
            for sample in &mut tail[..blend] {
                *sample = self.next();
            }
            for (i, (sample, &made_up)) in frame.iter_mut().zip(&tail[..blend]).enumerate() {
                let weight = (i + 1) as f32 / (blend + 1) as f32;
                *sample = to_i16(f32::from(*sample) * weight + made_up * (1.0 - weight));
            }
            self.tail = tail;
            self.lost = 0;
            self.step = 0.0;
        }
        self.remember(frame);
    }

    /// Make up a frame that did not arrive; fills the whole of `out`.
    pub fn conceal(&mut self, out: &mut [i16]) {
        if self.lost == 0 {
            self.period = self.find_period();
            self.step = 0.0;
            self.cycle_len = 0;
            self.cycle_at = 0;
        }
        for sample in out.iter_mut() {
            *sample = to_i16(self.next());
        }
        // History stays what was last heard: substitutes are made from it until the stream comes back.
    }

    fn remember(&mut self, frame: &[i16]) {
        let keep = frame.len().min(self.history.len());
        let from = self.history.len() - keep;
        self.history.copy_within(keep.., 0);
        for (old, &new) in self.history[from..]
            .iter_mut()
            .zip(&frame[frame.len() - keep..])
        {
            *old = f32::from(new);
        }
    }

    /// The next made-up sample.
    fn next(&mut self) -> f32 {
        if self.cycle_at == self.cycle_len {
            self.begin_cycle();
        }
        let sample = self.cycle[self.cycle_at] + self.step;
        self.cycle_at += 1;
        // 2.5 ms to a tenth: 0.9 a sample at 8 kHz, slower at higher rates.
        self.step *= 1.0 - 0.8 / self.rate.khz() as f32;
        let faded = sample * self.gain();
        self.lost = self.lost.saturating_add(1);
        faded
    }

    fn gain(&self) -> f32 {
        let (start, end) = (self.rate.samples(10), self.rate.samples(SILENT_MS));
        if self.lost <= start {
            1.0
        } else {
            (end.saturating_sub(self.lost)) as f32 / (end - start) as f32
        }
    }

    /// Choose how many periods to repeat next, and copy them so that their end leads to their beginning.
    fn begin_cycle(&mut self) {
        let ended_with = if self.cycle_len == 0 {
            self.history[self.history.len() - 1]
        } else {
            self.cycle[self.cycle_len - 1] + self.step
        };
        let periods = (1 + self.lost / self.rate.samples(10)).min(MOST_PERIODS);
        let len = self.period * periods;
        let end = self.history.len();
        self.cycle[..len].copy_from_slice(&self.history[end - len..]);
        let blend = self.period / 4;
        for i in 0..blend {
            // What came before the cycle's first sample takes over towards its last one.
            let weight = (i + 1) as f32 / blend as f32;
            let before = self.history[end - len - blend + i];
            let at = len - blend + i;
            self.cycle[at] = self.cycle[at] * (1.0 - weight) + before * weight;
        }
        // The sample that would have come before this cycle, had the signal been periodic.
        self.step = ended_with - self.history[end - len - 1];
        self.cycle_len = len;
        self.cycle_at = 0;
    }

    /// The lag, between 5 ms... and 15 ms, at which the last 20 ms resemble what came before best.
    fn find_period(&self) -> usize {
        find_period(
            &self.history,
            self.rate,
            self.rate.samples(5) / 2,
            self.rate.samples(LONGEST_MS),
        )
    }
}

/// The lag in `shortest..=longest` samples with the greatest normalized correlation over the last 20 ms (or what
/// there is) of `signal`. Searched on every `khz / 4`th sample first, then around the best.
pub(crate) fn find_period(signal: &[f32], rate: Rate, shortest: usize, longest: usize) -> usize {
    let window = rate
        .samples(WINDOW_MS)
        .min(signal.len().saturating_sub(longest));
    let now = &signal[signal.len() - window..];
    let score = |lag: usize, stride: usize| {
        let start = signal.len() - window - lag;
        let then = &signal[start..start + window];
        let (mut cross, mut energy) = (0.0_f32, 1.0_f32);
        for (&x, &y) in now.iter().zip(then).step_by(stride) {
            cross += x * y;
            energy += y * y;
        }
        // The square root of the energy normalizes; compare signed squares instead.
        cross * cross.abs() / energy
    };
    let best = |lags: &mut dyn Iterator<Item = usize>, stride: usize| {
        let mut found = (f32::NEG_INFINITY, longest);
        for lag in lags {
            let s = score(lag, stride);
            if s > found.0 {
                found = (s, lag);
            }
        }
        found.1
    };
    let coarse = (rate.khz() / 4).max(1);
    let near = best(&mut (shortest..=longest).step_by(coarse), coarse);
    let low = near.saturating_sub(coarse).max(shortest);
    best(&mut (low..=(near + coarse).min(longest)), 1)
}

fn to_i16(x: f32) -> i16 {
    // `as` saturates and rounds towards zero.
    (x + if x < 0.0 { -0.5 } else { 0.5 }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(rate: Rate, hz: f32, from: usize, len: usize) -> Vec<i16> {
        let step = std::f32::consts::TAU * hz / rate.hz() as f32;
        (from..from + len)
            .map(|n| (10_000.0 * (n as f32 * step).sin()) as i16)
            .collect()
    }

    #[test]
    fn a_lost_frame_of_a_steady_tone_goes_on_without_a_click() {
        for rate in [Rate::Khz8, Rate::Khz16, Rate::Khz48] {
            let (frame, hz) = (rate.samples(20), 203.0);
            let mut concealer = Concealer::new(rate);
            let mut heard = Vec::new();
            for n in 0..12 {
                let mut pcm = sine(rate, hz, n * frame, frame);
                if n == 6 {
                    concealer.conceal(&mut pcm);
                } else {
                    concealer.received(&mut pcm);
                }
                heard.extend(pcm);
            }
            let steepest = (10_000.0 * std::f32::consts::TAU * hz / rate.hz() as f32) as i32;
            for pair in heard.windows(2) {
                let slope = (i32::from(pair[1]) - i32::from(pair[0])).abs();
                assert!(slope < steepest * 2, "{rate}: a step of {slope}");
            }
            // The first 10 ms are at full level and close to the tone itself.
            let truth = sine(rate, hz, 6 * frame, frame / 2);
            let worst = truth
                .iter()
                .zip(&heard[6 * frame..])
                .map(|(t, h)| (t - h).abs())
                .max()
                .unwrap();
            assert!(worst < 2500, "{rate}: off by {worst}");
        }
    }

    #[test]
    fn a_long_loss_fades_to_silence_and_stays_silent() {
        let mut concealer = Concealer::new(Rate::Khz8);
        concealer.received(&mut sine(Rate::Khz8, 200.0, 0, 800));
        let mut out = [0; 160];
        let mut peaks = Vec::new();
        for _ in 0..5 {
            concealer.conceal(&mut out);
            peaks.push(out.iter().map(|s| s.abs()).max().unwrap());
        }
        assert!(
            peaks[0] > 9_000 && peaks[1] < 9_000 && peaks[2] < peaks[1],
            "{peaks:?}"
        );
        assert_eq!(&peaks[3..], [0, 0]);
    }

    #[test]
    fn nothing_heard_yet_conceals_as_silence() {
        let mut out = [7; 320];
        Concealer::new(Rate::Khz16).conceal(&mut out);
        assert!(out.iter().all(|&s| s == 0));
    }
}
