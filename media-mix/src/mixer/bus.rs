//! One exact sum a rate, each sum converted to each other rate once, and the mix that everyone shares.

use super::exact::Exact;
use super::limiter::Limiter;
use super::source::{Push, Source};
use super::stereo::Side;
use crate::kernels::Measure;
use crate::rate::{Rate, Rates};
use crate::resample::Resampler;

/// The public sources of one rate, summed.
pub(super) struct Sum {
    pub(super) exact: Exact,
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
    /// The sum, and once the limiter has run, what everyone hears.
    pub(super) exact: Exact,
    pub(super) limiter: Limiter,
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
    /// Which of them there are, and which mixes.
    summed: Rates,
    mixed: Rates,
    converters: [[Option<Box<Converter>>; 6]; 6],
    pub(super) mixes: [Option<Box<Mix>>; 6],
    /// For one frame at a time, on its way to 16 bits.
    pub(super) scratch: Vec<i32>,
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
        self.reserve_scratch(rate.samples(tick_ms));
        self.summed.insert(rate);
        self.sums[rate.index()].get_or_insert_with(|| Sum {
            exact: Exact::new(rate.samples(tick_ms)),
            live: false,
            was_live: false,
        });
        self.connect(tick_ms);
    }

    /// Somebody listens at this rate.
    pub(super) fn add_listener_rate(&mut self, rate: Rate, tick_ms: usize) {
        self.reserve_scratch(rate.samples(tick_ms));
        self.mixed.insert(rate);
        self.mixes[rate.index()].get_or_insert_with(|| {
            Box::new(Mix {
                rate,
                exact: Exact::new(rate.samples(tick_ms)),
                limiter: Limiter::default(),
                needed: false,
                was_needed: false,
            })
        });
        self.connect(tick_ms);
    }

    /// So that no tick has to.
    fn reserve_scratch(&mut self, samples: usize) {
        self.scratch.clear();
        self.scratch.reserve(samples);
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

    /// The usual push: one tick, and nothing waits. If it is `early` known what of it will be heard, but for commands,
    /// it is added to the next tick's sum while it is at hand: one walk through memory less. [`Bus::take_back`] must be
    /// called before a command changes that.
    #[inline]
    pub(super) fn push_usual(&mut self, source: &mut Source, frame: &[i16], early: bool) -> Push {
        let sum = if early && source.is_settled() {
            self.sums[source.rate.index()].as_mut()
        } else {
            None
        };
        source.push_usual(frame, sum)
    }

    /// What a source will say is not known after all.
    #[inline]
    pub(super) fn take_back(&mut self, source: &mut Source) {
        source.plain = false;
        if std::mem::take(&mut source.summed)
            && let Some(sum) = &mut self.sums[source.rate.index()]
        {
            sum.exact.subtract(source.waiting());
        }
    }

    /// Begin a tick without anyone in it.
    pub(super) fn begin(&mut self) {
        for from in self.summed.indices() {
            if let Some(sum) = &mut self.sums[from] {
                sum.was_live = std::mem::replace(&mut sum.live, false);
            }
        }
    }

    /// Bring what a source says to its gain, and add it if everyone hears it.
    pub(super) fn contribute(&mut self, source: &mut Source) {
        source.apply_gain(&mut self.scratch);
        self.add(source);
    }

    /// Add what a source says, if everyone hears it.
    pub(super) fn add(&mut self, source: &Source) {
        if !source.live || !source.public {
            return;
        }
        let Some(sum) = &mut self.sums[source.rate.index()] else {
            return;
        };
        sum.add(source.frame_on(self.side), source.peak);
    }

    /// Convert each sum to each rate that somebody hears.
    pub(super) fn end(&mut self) {
        let (summed, mixed) = (self.summed, self.mixed);
        for from in summed.indices() {
            if let Some(sum) = &mut self.sums[from]
                && !sum.live
                && sum.was_live
            {
                sum.exact.clear();
            }
        }
        for to in mixed.indices() {
            let Some(mix) = &mut self.mixes[to] else {
                continue;
            };
            match &mut self.sums[to] {
                // Nobody needs the sum itself any more.
                Some(sum) if sum.live && mixed.is_only(mix.rate) => {
                    std::mem::swap(&mut mix.exact, &mut sum.exact);
                }
                Some(sum) => mix.exact.copy(&sum.exact),
                None => mix.exact.clear(),
            }
            for from in summed.indices() {
                let (Some(sum), Some(converter)) =
                    (&mut self.sums[from], &mut self.converters[from][to])
                else {
                    continue;
                };
                converter.run(sum);
                // The filter is shorter than a tick: after one tick of silence only zeros come out.
                if sum.live || sum.was_live {
                    mix.exact.add_wide(&converter.out);
                }
            }
        }
    }

    /// The mixes of this tick are to be made.
    pub(super) fn begin_mixes(&mut self) {
        for to in self.mixed.indices() {
            if let Some(mix) = &mut self.mixes[to] {
                mix.was_needed = std::mem::replace(&mut mix.needed, false);
            }
        }
    }

    /// Bring the shared mixes into 16 bits.
    pub(super) fn limit(&mut self) {
        for to in self.mixed.indices() {
            if let Some(mix) = &mut self.mixes[to] {
                mix.limit();
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

impl Sum {
    /// Add `frame`, which goes to `place` as well; its measure. `guess` is what its peak may be.
    #[inline]
    pub(super) fn keep_and_add(&mut self, frame: &[i16], place: &mut [i16], guess: u16) -> Measure {
        if std::mem::replace(&mut self.live, true) {
            self.exact.keep_and_add(frame, place, guess)
        } else {
            self.exact.keep_and_set(frame, place)
        }
    }

    #[inline]
    fn add(&mut self, frame: &[i16], peak: u16) {
        if self.live {
            self.exact.add(frame, peak);
        } else {
            self.exact.set(frame, peak);
            self.live = true;
        }
    }
}

impl Converter {
    fn run(&mut self, sum: &mut Sum) {
        self.before.continue_from(&self.resampler);
        if sum.live || sum.was_live {
            sum.exact.widen();
            self.resampler.process_wide(sum.exact.wide(), &mut self.out);
        } else {
            self.out.fill(0);
        }
    }
}

impl Mix {
    /// What everyone hears, once the limiter has run.
    pub(super) fn out(&self) -> &[i16] {
        self.exact.narrow()
    }

    /// Narrow the shared mix, if anybody hears it.
    pub(super) fn limit(&mut self) {
        if self.needed {
            if !(self.exact.fits() && self.limiter.is_open()) {
                let (wide, out) = self.exact.parts();
                self.limiter.narrow(wide, self.rate.khz(), out);
            }
        } else {
            self.limiter = Limiter::default();
        }
    }
}
