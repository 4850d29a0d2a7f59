//! Stereo: a place between left and right for each source, and ears in pairs.
//!
//! Left and right are two more mixes of the same kind, exact as the mono one is, and narrowed by one gain, so that
//! nobody moves when the limiter acts. They cost nothing until somebody listens in stereo. A voice in the middle is as
//! loud on either side as it is in mono, bit for bit; one that is moved to a side is turned down on the other one alone.
//!
//! Sources are mono. Sound that is stereo already comes as two of them, one placed left and one right.

use super::bus::Bus;
use super::listener::{Ear, Listener};
use super::slots::Slots;
use super::source::Source;
use super::{ListenerId, Mixer, MixerError, SourceId};
use crate::rate::Rate;
use crate::simd;

/// Which of a source's frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Side {
    #[default]
    Mono,
    Left,
    Right,
}

/// Brings a source to its place.
#[derive(Default)]
pub(super) struct Panner {
    at: f32,
    now: [f32; 2],
    /// Left and right, as long as they are not both what the source says.
    sides: Option<Box<[Vec<i16>; 2]>>,
    /// `sides` are those of this tick.
    in_use: bool,
    started: bool,
    wide: Vec<i32>,
}

impl Panner {
    pub(super) fn at(&self) -> f32 {
        self.at
    }

    pub(super) fn place(&mut self, at: f32) {
        self.at = at;
    }

    pub(super) fn side(&self, side: Side) -> Option<&[i16]> {
        let [left, right] = self.sides.as_deref().filter(|_| self.in_use)?;
        match side {
            Side::Mono => None,
            Side::Left => Some(left),
            Side::Right => Some(right),
        }
    }

    /// Make this tick's sides, moving to the place over the tick.
    pub(super) fn run(&mut self, frame: &[i16], live: bool) {
        let target = [1.0 - self.at.max(0.0), 1.0 + self.at.min(0.0)];
        if !self.started {
            self.started = true;
            self.now = target;
        }
        let from = std::mem::replace(&mut self.now, target);
        self.in_use = live && (from != [1.0; 2] || target != [1.0; 2]);
        if !self.in_use {
            return;
        }
        let sides = self
            .sides
            .get_or_insert_with(|| Box::new([vec![0; frame.len()], vec![0; frame.len()]]));
        self.wide.clear();
        self.wide.extend(frame.iter().map(|&x| i32::from(x)));
        for (side, (from, to)) in sides.iter_mut().zip(from.into_iter().zip(target)) {
            let step = (to - from) / frame.len() as f32;
            simd::ramp(&self.wide, from + step, step, side);
        }
    }
}

/// Two ears of one listener.
pub(super) struct Pair {
    left: Ear,
    right: Ear,
    out: Vec<i16>,
}

impl Pair {
    fn new(rate: Rate, tick_ms: usize) -> Self {
        let ear = || {
            let mut ear = Ear::new(rate, tick_ms);
            ear.paired = true;
            ear.wide.reserve(rate.samples(tick_ms));
            ear
        };
        Pair {
            left: ear(),
            right: ear(),
            out: vec![0; rate.samples(tick_ms) * 2],
        }
    }

    pub(super) fn rate(&self) -> Rate {
        self.left.rate
    }

    /// Both are: what tells a listener apart is the same on either side.
    pub(super) fn apart(&self) -> bool {
        self.left.apart
    }

    pub(super) fn cross(&mut self, from: Rate, tick_ms: usize) {
        self.left.cross(from, tick_ms);
        self.right.cross(from, tick_ms);
    }

    pub(super) fn heard<'m>(&'m self, stereo: &'m Stereo) -> &'m [i16] {
        if self.apart() {
            &self.out
        } else {
            stereo.shared(self.rate())
        }
    }

    /// Narrow what was mixed for this listener alone.
    fn narrow(&mut self) {
        let (left, right) = (&mut self.left, &mut self.right);
        if !left.apart {
            return;
        }
        left.limiter.narrow_pair(
            &mut right.limiter,
            [&left.wide, &right.wide],
            left.rate.khz(),
            [&mut left.out, &mut right.out],
        );
        interleave(&left.out, &right.out, &mut self.out);
    }
}

fn interleave(left: &[i16], right: &[i16], out: &mut [i16]) {
    for (frame, (&l, &r)) in out.chunks_exact_mut(2).zip(left.iter().zip(right)) {
        frame.copy_from_slice(&[l, r]);
    }
}

/// Left and right of everything public.
pub(super) struct Stereo {
    left: Bus,
    right: Bus,
    /// What is shared at each rate, interleaved.
    shared: [Option<Vec<i16>>; 6],
}

impl Stereo {
    fn new() -> Self {
        Stereo {
            left: Bus::on(Side::Left),
            right: Bus::on(Side::Right),
            shared: Default::default(),
        }
    }

    pub(super) fn add_source_rate(&mut self, rate: Rate, tick_ms: usize) {
        self.left.add_source_rate(rate, tick_ms);
        self.right.add_source_rate(rate, tick_ms);
    }

    fn add_listener_rate(&mut self, rate: Rate, tick_ms: usize) {
        self.left.add_listener_rate(rate, tick_ms);
        self.right.add_listener_rate(rate, tick_ms);
        self.shared[rate.index()].get_or_insert_with(|| vec![0; rate.samples(tick_ms) * 2]);
    }

    pub(super) fn shared(&self, rate: Rate) -> &[i16] {
        self.shared[rate.index()].as_deref().unwrap_or(&[])
    }

    fn run(&mut self, sources: &Slots<Source>, listeners: &mut Slots<Listener>) {
        for bus in [&mut self.left, &mut self.right] {
            bus.run(sources.values());
            bus.begin_mixes();
        }
        for listener in listeners.values_mut() {
            let Listener {
                audience,
                minus,
                plus,
                pairs,
                ..
            } = listener;
            for pair in pairs {
                pair.left
                    .listen(*audience, minus, plus, sources, &mut self.left);
                pair.right
                    .listen(*audience, minus, plus, sources, &mut self.right);
                pair.narrow();
            }
        }
        let mixes = self.left.mixes.iter_mut().zip(&mut self.right.mixes);
        for (mixes, shared) in mixes.zip(&mut self.shared) {
            let ((Some(left), Some(right)), Some(shared)) = (mixes, shared) else {
                continue;
            };
            if left.needed {
                let (wide_left, out_left) = left.exact.parts();
                let (wide_right, out_right) = right.exact.parts();
                left.limiter.narrow_pair(
                    &mut right.limiter,
                    [wide_left, wide_right],
                    left.rate.khz(),
                    [out_left, out_right],
                );
                interleave(left.out(), right.out(), shared);
            } else {
                left.limit();
                right.limit();
            }
        }
    }
}

impl Mixer {
    /// Place a source for those who listen in stereo: -1 is left, 0 the middle, 1 right. Moves over one tick. Those who
    /// listen in mono hear no difference.
    ///
    /// # Errors
    /// [`MixerError::Gone`], [`MixerError::Pan`].
    pub fn set_pan(&mut self, source: SourceId, pan: f32) -> Result<(), MixerError> {
        if !(-1.0..=1.0).contains(&pan) {
            return Err(MixerError::Pan);
        }
        let source = self.sources.get_mut(source.0).ok_or(MixerError::Gone)?;
        source.rare.panner.place(pan);
        Ok(())
    }

    /// Let a listener hear in stereo at this rate, too, from the next tick on. [`Mixer::encode`] with a codec of two
    /// channels does it by itself.
    ///
    /// # Errors
    /// [`MixerError::Gone`].
    pub fn listen_in_stereo_at(
        &mut self,
        listener: ListenerId,
        rate: Rate,
    ) -> Result<(), MixerError> {
        let tick_ms = self.config.tick.ms();
        let entry = self.listeners.get_mut(listener.0).ok_or(MixerError::Gone)?;
        let sources = &self.sources;
        let stereo = self.stereo.get_or_insert_with(|| {
            let mut stereo = Stereo::new();
            for source in sources.values() {
                stereo.add_source_rate(source.rate, tick_ms);
            }
            Box::new(stereo)
        });
        if !entry.pairs.iter().any(|pair| pair.rate() == rate) {
            entry.pairs.push(Pair::new(rate, tick_ms));
            stereo.add_listener_rate(rate, tick_ms);
        }
        self.prepare(listener);
        Ok(())
    }

    /// What `listener` hears at this tick in stereo, left and right interleaved. Empty if the listener is gone, does not
    /// listen so ([`Mixer::listen_in_stereo_at`]), or there was no tick yet.
    pub fn heard_in_stereo_by(&self, listener: ListenerId, rate: Rate) -> &[i16] {
        let (Some(stereo), Some(listener)) = (&self.stereo, self.listeners.get(listener.0)) else {
            return &[];
        };
        listener
            .pairs
            .iter()
            .find(|pair| self.number > 0 && pair.rate() == rate)
            .map_or(&[], |pair| pair.heard(stereo))
    }

    pub(super) fn mix_stereo(&mut self) {
        if let Some(stereo) = &mut self.stereo {
            stereo.run(&self.sources, &mut self.listeners);
        }
    }
}
