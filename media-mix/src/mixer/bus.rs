//! One exact sum a rate, each sum converted to each other rate once, and the mix that everyone shares.

use super::limiter::Limiter;
use super::source::Source;
use super::stereo::Side;
use crate::rate::Rate;
use crate::resample::Resampler;
use crate::simd;

/// The public sources of one rate, summed.
#[derive(Default)]
pub(super) struct Sum {
    pub(super) mix: Vec<i32>,
    /// The same, as long as it fits: half the memory, and twice as many at once.
    narrow: Vec<i16>,
    fits: bool,
    live: bool,
    was_live: bool,
}

/// One sum on its way to another rate.
pub(super) struct Converter {
    resampler: Resampler,
    /// The resampler as it was before this tick: whoever leaves the shared mix starts from here.
    pub(super) before: Resampler,
    pub(super) out: Vec<i32>,
}

/// Everything public, at one rate.
pub(super) struct Mix {
    pub(super) rate: Rate,
    /// Before the limiter.
    pub(super) wide: Vec<i32>,
    pub(super) limiter: Limiter,
    pub(super) out: Vec<i16>,
    /// All of `wide` fits 16 bits, and stands in `out` until the limiter has run.
    pub(super) fits: bool,
    /// Somebody hears it as it is at this tick.
    pub(super) needed: bool,
    /// Somebody did at the last one, so its gain must not jump.
    pub(super) was_needed: bool,
}

#[derive(Default)]
pub(super) struct Bus {
    /// Which of each source's frames it sums.
    pub(super) side: Side,
    pub(super) sums: [Option<Sum>; 6],
    converters: [[Option<Box<Converter>>; 6]; 6],
    pub(super) mixes: [Option<Box<Mix>>; 6],
}

impl Bus {
    pub(super) fn on(side: Side) -> Self {
        Bus {
            side,
            ..Bus::default()
        }
    }

    /// There is, or was, a source of this rate.
    pub(super) fn add_source_rate(&mut self, rate: Rate, tick_ms: usize) {
        self.sums[rate.index()].get_or_insert_with(|| Sum {
            mix: vec![0; rate.samples(tick_ms)],
            narrow: vec![0; rate.samples(tick_ms)],
            ..Sum::default()
        });
        self.connect(tick_ms);
    }

    /// Somebody listens at this rate.
    pub(super) fn add_listener_rate(&mut self, rate: Rate, tick_ms: usize) {
        self.mixes[rate.index()].get_or_insert_with(|| {
            Box::new(Mix {
                rate,
                wide: vec![0; rate.samples(tick_ms)],
                limiter: Limiter::default(),
                out: vec![0; rate.samples(tick_ms)],
                fits: true,
                needed: false,
                was_needed: false,
            })
        });
        self.connect(tick_ms);
    }

    fn connect(&mut self, tick_ms: usize) {
        for from in Rate::ALL {
            for to in Rate::ALL {
                let wanted = from != to
                    && self.sums[from.index()].is_some()
                    && self.mixes[to.index()].is_some();
                let place = &mut self.converters[from.index()][to.index()];
                if wanted && place.is_none() {
                    let resampler = Resampler::new(from, to);
                    let before = resampler.clone();
                    let out = vec![0; to.samples(tick_ms)];
                    *place = Some(Box::new(Converter {
                        resampler,
                        before,
                        out,
                    }));
                }
            }
        }
    }

    /// Sum all sources, then convert each sum to each rate that somebody hears.
    pub(super) fn run<'s>(&mut self, sources: impl Iterator<Item = &'s Source>) {
        self.begin();
        sources.for_each(|source| self.add(source));
        self.end();
    }

    /// Begin a tick without anyone in it.
    pub(super) fn begin(&mut self) {
        for sum in self.sums.iter_mut().flatten() {
            sum.was_live = std::mem::replace(&mut sum.live, false);
        }
    }

    /// Add what a source says, if everyone hears it.
    pub(super) fn add(&mut self, source: &Source) {
        if !source.live || !source.public {
            return;
        }
        let Some(sum) = &mut self.sums[source.rate.index()] else {
            return;
        };
        let frame = source.frame_on(self.side);
        if !sum.live {
            sum.narrow.copy_from_slice(frame);
            (sum.live, sum.fits) = (true, true);
        } else if !sum.fits || !simd::add_narrow(&mut sum.narrow, frame) {
            if sum.fits {
                simd::assign(&mut sum.mix, &sum.narrow);
                sum.fits = false;
            }
            simd::add(&mut sum.mix, frame);
        }
    }

    /// Convert each sum to each rate that somebody hears.
    pub(super) fn end(&mut self) {
        for sum in self.sums.iter_mut().flatten() {
            if sum.live && sum.fits {
                simd::assign(&mut sum.mix, &sum.narrow);
            } else if !sum.live && sum.was_live {
                sum.mix.fill(0);
                sum.narrow.fill(0);
                sum.fits = true;
            }
        }
        for mix in self.mixes.iter_mut().flatten() {
            let to = mix.rate.index();
            mix.fits = true;
            match &self.sums[to] {
                Some(sum) => {
                    mix.wide.copy_from_slice(&sum.mix);
                    mix.fits = sum.fits;
                    if sum.fits {
                        mix.out.copy_from_slice(&sum.narrow);
                    }
                }
                None => {
                    mix.wide.fill(0);
                    mix.out.fill(0);
                }
            }
            let mut converted = false;
            for (from, sum) in self.sums.iter().enumerate() {
                let (Some(sum), Some(converter)) = (sum, &mut self.converters[from][to]) else {
                    continue;
                };
                converter.run(sum);
                // The filter is shorter than a tick: after one tick of silence only zeros come out.
                if sum.live || sum.was_live {
                    for (mix, &x) in mix.wide.iter_mut().zip(&converter.out) {
                        *mix += x;
                    }
                    converted = true;
                }
            }
            if converted {
                mix.fits = simd::narrow(&mix.wide, &mut mix.out);
            }
        }
    }

    pub(super) fn converter(&self, from: Rate, to: Rate) -> Option<&Converter> {
        self.converters[from.index()][to.index()].as_deref()
    }

    pub(super) fn mix(&self, rate: Rate) -> Option<&Mix> {
        self.mixes[rate.index()].as_deref()
    }
}

impl Converter {
    fn run(&mut self, sum: &Sum) {
        self.before.continue_from(&self.resampler);
        if sum.live || sum.was_live {
            self.resampler.process_wide(&sum.mix, &mut self.out);
        } else {
            self.out.fill(0);
        }
    }
}

impl Mix {
    pub(super) fn begin(&mut self) {
        self.was_needed = std::mem::replace(&mut self.needed, false);
    }

    /// The mix without one of its voices, if that fits 16 bits; whether it does. If not, `out` is of no use.
    pub(super) fn without(&self, own: &[i16], out: &mut [i16]) -> bool {
        self.fits && simd::without(&self.out, own, out)
            || simd::narrow_without(&self.wide, own, out)
    }

    /// Narrow the shared mix, if anybody hears it.
    pub(super) fn limit(&mut self) {
        if self.needed {
            if !(self.fits && self.limiter.is_open()) {
                self.limiter
                    .narrow(&self.wide, self.rate.khz(), &mut self.out);
            }
        } else {
            self.limiter = Limiter::default();
        }
    }
}
