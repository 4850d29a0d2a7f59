//! What one listener hears: the shared mix as long as nothing tells them apart, and otherwise the exact sum of the
//! others, narrowed by a limiter of its own.

use super::SourceId;
use super::bus::Bus;
use super::encoding::{Groups, OwnStream};
use super::limiter::Limiter;
use super::slots::Slots;
use super::source::Source;
use super::stereo::{Pair, Stereo};
use crate::rate::Rate;
use crate::resample::Resampler;
use crate::simd;

/// Whom a listener hears before any exception.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Audience {
    /// Every public source.
    #[default]
    Everyone,
    /// Nobody: a holding room, where only what is told to this listener alone is heard.
    Nobody,
}

/// What each tick asks for stands first, and together.
#[repr(C)]
pub(super) struct Listener {
    pub(super) own: Option<SourceId>,
    pub(super) audience: Audience,
    /// Public sources that this listener does not hear, its own voice first of all.
    pub(super) minus: Vec<SourceId>,
    /// Private sources that it does.
    pub(super) plus: Vec<SourceId>,
    pub(super) ears: Vec<Ear>,
    /// Ears in stereo.
    pub(super) pairs: Vec<Pair>,
    pub(super) stream: Option<OwnStream>,
}

/// One listener at one rate.
pub(super) struct Ear {
    pub(super) rate: Rate,
    /// Heard `out`, and not the shared mix, at this tick.
    pub(super) apart: bool,
    pub(super) limiter: Limiter,
    pub(super) out: Box<[i16]>,
    /// Of one of a pair: what it hears, not narrowed yet.
    pub(super) wide: Vec<i32>,
    /// It is one of a pair, which is narrowed together.
    pub(super) paired: bool,
    /// One for each other rate in which an exception speaks.
    crosses: Vec<Cross>,
}

/// The mix of one source rate without (or with) this listener's exceptions, on its way to the listener's rate.
struct Cross {
    from: Rate,
    resampler: Resampler,
    wide: Vec<i32>,
    out: Vec<i32>,
    /// It ran in the tick before, so its history is its own.
    running: bool,
}

impl Ear {
    pub(super) fn new(rate: Rate, tick_ms: usize) -> Self {
        let tick = rate.samples(tick_ms);
        Ear {
            rate,
            apart: false,
            limiter: Limiter::default(),
            out: vec![0; tick].into(),
            wide: Vec::new(),
            paired: false,
            crosses: Vec::new(),
        }
    }

    /// Make room for exceptions that speak at `from`.
    pub(super) fn cross(&mut self, from: Rate, tick_ms: usize) {
        if from != self.rate && !self.crosses.iter().any(|cross| cross.from == from) {
            self.crosses.push(Cross {
                from,
                resampler: Resampler::new(from, self.rate),
                wide: vec![0; from.samples(tick_ms)],
                out: vec![0; self.rate.samples(tick_ms)],
                running: false,
            });
        }
    }

    /// The usual tick of somebody who hears all but itself, and is speaking. Returns whether it was one.
    #[inline]
    pub(super) fn listen_as_usual(&mut self, own: &Source, bus: &mut Bus) -> bool {
        self.apart
            && own.live
            && own.public
            && own.rate == self.rate
            && self.limiter.is_open()
            && !self.paired
            && self.crosses.is_empty()
            && bus.mixes[self.rate.index()]
                .as_deref_mut()
                .is_some_and(|shared| {
                    let own_voice = own.frame();
                    shared.exact.without(own_voice, own.peak, &mut self.out)
                })
    }

    /// Decide whether this tick is heard with everyone else, and if not, make the mix.
    pub(super) fn listen(
        &mut self,
        audience: Audience,
        minus: &[SourceId],
        plus: &[SourceId],
        sources: &Slots<Source>,
        bus: &mut Bus,
    ) {
        let everyone = audience == Audience::Everyone;
        let minus = if everyone { minus } else { &[] };
        let exceptions = || {
            let without = minus
                .iter()
                .filter_map(|&id| sources.get(id.0))
                .filter(|s| s.public)
                .map(|s| (s, -1));
            let with = plus
                .iter()
                .filter_map(|&id| sources.get(id.0))
                .filter(|s| !s.public)
                .map(|s| (s, 1));
            without.chain(with)
        };
        // What a filter still holds of a voice that just fell silent is heard for one more tick.
        let differs =
            !everyone || exceptions().any(|(s, _)| s.live || (s.rate != self.rate && s.was_live));
        let Some(shared) = bus.mixes[self.rate.index()].as_deref_mut() else {
            return;
        };
        if !differs {
            if !self.apart {
                shared.needed = true;
                return;
            }
            // Come back only where both gains agree, so that nothing jumps.
            let unheard = !shared.needed && !shared.was_needed;
            if unheard {
                shared.limiter.clone_from(&self.limiter);
            }
            if unheard || shared.limiter.is_open() && self.limiter.is_open() {
                self.apart = false;
                self.crosses
                    .iter_mut()
                    .for_each(|cross| cross.running = false);
                shared.needed = true;
                return;
            }
        }
        if !self.apart {
            self.apart = true;
            self.limiter.clone_from(&shared.limiter);
        }

        // The usual case: all but one voice of the same rate, and no limiting. One pass.
        if everyone && self.limiter.is_open() && !self.paired {
            let mut live =
                exceptions().filter(|(s, _)| s.live || (s.rate != self.rate && s.was_live));
            if let (Some((own, -1)), None) = (live.next(), live.next())
                && own.rate == self.rate
                && shared.exact.without(own.frame(), own.peak, &mut self.out)
            {
                self.crosses
                    .iter_mut()
                    .for_each(|cross| cross.running = false);
                return;
            }
        }
        let mut wide = std::mem::take(if self.paired {
            &mut self.wide
        } else {
            &mut bus.scratch
        });
        wide.clear();
        if everyone {
            shared.exact.widen();
            wide.extend_from_slice(shared.exact.wide());
        } else {
            wide.resize(self.out.len(), 0);
        }
        for (source, sign) in exceptions().filter(|(s, _)| s.live && s.rate == self.rate) {
            add(&mut wide, source.frame_on(bus.side), sign);
        }
        for cross in &mut self.crosses {
            let concerned = |s: &Source| s.rate == cross.from && (s.live || s.was_live);
            if !exceptions().any(|(s, _)| concerned(s)) {
                cross.running = false;
                continue;
            }
            let base = if everyone {
                bus.sums[cross.from.index()].as_mut()
            } else {
                None
            };
            match base {
                Some(sum) => {
                    sum.exact.widen();
                    cross.wide.copy_from_slice(sum.exact.wide());
                }
                None => cross.wide.fill(0),
            }
            for (source, sign) in exceptions().filter(|(s, _)| s.live && s.rate == cross.from) {
                add(&mut cross.wide, source.frame_on(bus.side), sign);
            }
            let converter = if everyone {
                bus.converter(cross.from, self.rate)
            } else {
                None
            };
            if !cross.running {
                match converter {
                    Some(converter) => cross.resampler.continue_from(&converter.before),
                    None => cross.resampler.reset(),
                }
                cross.running = true;
            }
            cross.resampler.process_wide(&cross.wide, &mut cross.out);
            for (wide, &x) in wide.iter_mut().zip(&cross.out) {
                *wide += x;
            }
            if let Some(converter) = converter {
                for (wide, &x) in wide.iter_mut().zip(&converter.out) {
                    *wide -= x;
                }
            }
        }
        if self.paired {
            self.wide = wide;
        } else {
            self.limiter.narrow(&wide, self.rate.khz(), &mut self.out);
            bus.scratch = wide;
        }
    }

    /// This tick's sound.
    pub(super) fn heard<'m>(&'m self, bus: &'m Bus) -> &'m [i16] {
        if self.apart {
            return &self.out;
        }
        bus.mix(self.rate).map_or(&[], |mix| mix.out())
    }
}

fn add(wide: &mut [i32], frame: &[i16], sign: i32) {
    if sign < 0 {
        simd::subtract(wide, frame);
    } else {
        simd::add(wide, frame);
    }
}

impl Listener {
    /// Its stream, whether it hears a mix of its own at the stream's rate, and what it hears there.
    pub(super) fn encoded<'m>(
        &'m mut self,
        groups: &Groups,
        bus: &'m Bus,
        stereo: Option<&'m Stereo>,
    ) -> Option<(&'m mut OwnStream, bool, &'m [i16])> {
        let stream = self.stream.as_mut()?;
        let (rate, channels) = groups.shape(stream)?;
        if channels == 2 {
            let pair = self.pairs.iter().find(|pair| pair.rate() == rate)?;
            return Some((stream, pair.apart(), pair.heard(stereo?)));
        }
        let ear = self.ears.iter().find(|ear| ear.rate == rate)?;
        Some((stream, ear.apart, ear.heard(bus)))
    }

    pub(super) fn ear(&self, rate: Rate) -> Option<&Ear> {
        self.ears.iter().find(|ear| ear.rate == rate)
    }
}
