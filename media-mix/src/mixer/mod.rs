//! The mixer: everyone hears everyone else, exactly, and never themselves.
//!
//! The caller drives it. Every 10 or 20 ms it pushes what the sources said, calls [`Mixer::tick`], and takes what each
//! listener hears, as PCM ([`Mixer::heard_by`]) or encoded ([`Mixer::payload`]). There is no clock, thread or lock
//! inside, and after warm-up no allocation (but for what `opus-pure` does inside its encoder).
//!
//! - **Exact.** Contributions are 16-bit, sums 32-bit; one's own voice is subtracted from the sum, before the limiter.
//!   What is left is to the last bit the sum of the others. Nothing is divided by the number of heads: while the sum
//!   fits 16 bits it is heard as it is, and only while it does not, a limiter turns it down.
//! - **Every rate.** Sources are summed at their own rates; each sum is converted once to each rate that somebody hears
//!   at. Two participants at 8 kHz hear each other unfiltered, whatever the rest of the room does.
//! - **Stereo** for those who want it: each source has a place ([`Mixer::set_pan`]), left and right are exact like mono.
//! - **Encode groups.** Those who hear the same mix in the same codec share one payload.
//! - **Who hears whom** is a table of exceptions to "everyone hears everyone", and costs nothing without exceptions.

mod bus;
mod chime;
mod config;
mod encoding;
mod exact;
mod limiter;
mod listener;
mod report;
mod rules;
mod slots;
mod source;
mod stereo;

use std::sync::Arc;

use thiserror::Error;

pub use chime::Chime;
pub use config::{MixerConfig, TickLength};
pub(crate) use limiter::Limiter;
pub use listener::Audience;
pub use report::{SourceReport, Tick};
pub use source::{Push, SourceStats};

use self::bus::Bus;
use self::chime::Chimes;
use self::encoding::Groups;
use self::listener::{Ear, Listener};
use self::slots::{Id, Slots};
use self::source::Source;
use self::stereo::Stereo;
use crate::codec::{Codec, CodecOptions};
use crate::error::CodecError;
use crate::level::Level;
use crate::rate::Rate;

/// Names a source in its mixer. Once the source is removed, the id stays invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceId(Id<Source>);

/// Names a listener in its mixer. Once the listener is removed, the id stays invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(Id<Listener>);

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MixerError {
    /// The bound of [`MixerConfig`] is reached: refuse the newcomer.
    #[error("the mixer is full")]
    Full,
    /// The source or listener was removed.
    #[error("no such source or listener")]
    Gone,
    /// A gain that is no number between 0 and 16.
    #[error("a gain must be between 0 and 16")]
    Gain,
    /// A place that is no number between -1, left, and 1, right.
    #[error("a pan must be between -1 and 1")]
    Pan,
    /// The codec cannot be used.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// An N-way mixer, driven by its caller. See the [module](self).
pub struct Mixer {
    config: MixerConfig,
    sources: Slots<Source>,
    listeners: Slots<Listener>,
    bus: Bus,
    /// The same for left and right, once somebody listens in stereo.
    stereo: Option<Box<Stereo>>,
    chimes: Option<Box<Chimes>>,
    groups: Groups,
    reports: Vec<SourceReport>,
    loudest: Vec<(u8, u32)>,
    /// The rank of the quietest that was mixed, if as many were as may be.
    threshold: Option<u8>,
    /// A tick of silence at the highest rate.
    silence: Vec<i16>,
    number: u64,
}

impl Default for Mixer {
    fn default() -> Self {
        Self::new(MixerConfig::default())
    }
}

impl Mixer {
    /// An empty mixer.
    pub fn new(mut config: MixerConfig) -> Self {
        config.max_sources = config.max_sources.min(4096);
        Mixer {
            sources: Slots::new(config.max_sources),
            listeners: Slots::new(config.max_listeners),
            bus: Bus::default(),
            stereo: None,
            chimes: None,
            groups: Groups::default(),
            reports: Vec::new(),
            loudest: Vec::new(),
            threshold: None,
            silence: vec![0; Rate::Khz48.samples(config.tick.ms())],
            number: 0,
            config,
        }
    }

    /// The length of a tick.
    pub fn tick_length(&self) -> TickLength {
        self.config.tick
    }

    /// Add a source of PCM at `rate`, heard by everyone from its first tick on.
    ///
    /// # Errors
    /// [`MixerError::Full`].
    pub fn add_source(&mut self, rate: Rate) -> Result<SourceId, MixerError> {
        let tick_ms = self.config.tick.ms();
        let source = Source::new(rate, tick_ms, self.config.ring_ms);
        let id = self.sources.insert(source).ok_or(MixerError::Full)?;
        self.bus.add_source_rate(rate, tick_ms);
        if let Some(stereo) = &mut self.stereo {
            stereo.add_source_rate(rate, tick_ms);
        }
        self.reports
            .reserve(self.sources.len().saturating_sub(self.reports.len()));
        self.loudest
            .reserve(self.sources.len().saturating_sub(self.loudest.len()));
        Ok(SourceId(id))
    }

    /// Add a source that nobody hears until [`Mixer::whisper`] says who does.
    ///
    /// # Errors
    /// [`MixerError::Full`].
    pub fn add_private_source(&mut self, rate: Rate) -> Result<SourceId, MixerError> {
        let id = self.add_source(rate)?;
        if let Some(source) = self.sources.get_mut(id.0) {
            source.public = false;
        }
        Ok(id)
    }

    /// Add a listener at `rate` that hears everyone, except `own`, its own voice.
    ///
    /// # Errors
    /// [`MixerError::Full`]; [`MixerError::Gone`] if `own` is no source.
    pub fn add_listener(
        &mut self,
        rate: Rate,
        own: Option<SourceId>,
    ) -> Result<ListenerId, MixerError> {
        self.add_listener_to(rate, own, Audience::Everyone)
    }

    /// The same, with a choice of whom it hears before exceptions.
    ///
    /// # Errors
    /// [`MixerError::Full`]; [`MixerError::Gone`] if `own` is no source.
    pub fn add_listener_to(
        &mut self,
        rate: Rate,
        own: Option<SourceId>,
        audience: Audience,
    ) -> Result<ListenerId, MixerError> {
        if own.is_some_and(|own| self.sources.get(own.0).is_none()) {
            return Err(MixerError::Gone);
        }
        let listener = Listener {
            own,
            audience,
            minus: own.into_iter().collect(),
            plus: Vec::new(),
            ears: Vec::new(),
            pairs: Vec::new(),
            stream: None,
        };
        let id = ListenerId(self.listeners.insert(listener).ok_or(MixerError::Full)?);
        self.listen_at(id, rate)?;
        Ok(id)
    }

    /// Add a source and the listener that is the same person: it never hears itself.
    ///
    /// # Errors
    /// [`MixerError::Full`].
    pub fn add_participant(&mut self, rate: Rate) -> Result<(SourceId, ListenerId), MixerError> {
        let source = self.add_source(rate)?;
        match self.add_listener(rate, Some(source)) {
            Ok(listener) => Ok((source, listener)),
            Err(error) => {
                self.remove_source(source)?;
                Err(error)
            }
        }
    }

    /// Let a listener hear at one more rate, from the next tick on.
    ///
    /// # Errors
    /// [`MixerError::Gone`].
    pub fn listen_at(&mut self, listener: ListenerId, rate: Rate) -> Result<(), MixerError> {
        let tick_ms = self.config.tick.ms();
        let entry = self.listeners.get_mut(listener.0).ok_or(MixerError::Gone)?;
        if entry.ear(rate).is_none() {
            entry.ears.push(Ear::new(rate, tick_ms));
            self.bus.add_listener_rate(rate, tick_ms);
        }
        self.prepare(listener);
        Ok(())
    }

    /// Let a listener hear at this rate and no other, and at the rate of what is encoded for it: rates that nobody takes
    /// cost a mix each.
    ///
    /// # Errors
    /// [`MixerError::Gone`].
    pub fn listen_only_at(&mut self, listener: ListenerId, rate: Rate) -> Result<(), MixerError> {
        self.listen_at(listener, rate)?;
        let entry = self.listeners.get_mut(listener.0).ok_or(MixerError::Gone)?;
        let encoded = entry
            .stream
            .as_ref()
            .and_then(|stream| self.groups.shape(stream));
        entry
            .ears
            .retain(|ear| ear.rate == rate || Some((ear.rate, 1)) == encoded);
        entry.pairs.retain(|pair| Some((pair.rate(), 2)) == encoded);
        Ok(())
    }

    /// Make the converters that this listener's exceptions need, so that no tick has to.
    fn prepare(&mut self, listener: ListenerId) {
        let Some(entry) = self.listeners.get_mut(listener.0) else {
            return;
        };
        for &id in entry.minus.iter().chain(&entry.plus) {
            let Some(source) = self.sources.get(id.0) else {
                continue;
            };
            let tick_ms = self.config.tick.ms();
            for ear in &mut entry.ears {
                ear.cross(source.rate, tick_ms);
            }
            for pair in &mut entry.pairs {
                pair.cross(source.rate, tick_ms);
            }
        }
    }

    /// Take a source out of the room. What waits in its ring is not heard.
    ///
    /// # Errors
    /// [`MixerError::Gone`].
    pub fn remove_source(&mut self, source: SourceId) -> Result<(), MixerError> {
        let mut gone = self.sources.remove(source.0).ok_or(MixerError::Gone)?;
        self.bus.take_back(&mut gone);
        for listener in self.listeners.values_mut() {
            listener.minus.retain(|&id| id != source);
            listener.plus.retain(|&id| id != source);
            if listener.own == Some(source) {
                listener.own = None;
            }
        }
        Ok(())
    }

    /// Take a listener out of the room.
    ///
    /// # Errors
    /// [`MixerError::Gone`].
    pub fn remove_listener(&mut self, listener: ListenerId) -> Result<(), MixerError> {
        let removed = self.listeners.remove(listener.0).ok_or(MixerError::Gone)?;
        if let Some(stream) = removed.stream {
            self.groups.leave(stream);
        }
        Ok(())
    }

    /// Give the mixer more of a source's PCM, any number of samples, mono, at the source's rate.
    pub fn push(&mut self, source: SourceId, frame: &[i16]) -> Push {
        let Some(source) = self.sources.get_mut(source.0) else {
            return Push::Gone;
        };
        if source.is_usual(frame) {
            let early = self.config.max_talkers.is_none();
            return self.bus.push_usual(source, frame, early);
        }
        self.bus.take_back(source);
        source.push(frame)
    }

    /// Whether only the loudest are mixed ([`MixerConfig::max_talkers`]).
    pub fn chooses_talkers(&self) -> bool {
        self.config.max_talkers.is_some()
    }

    /// Ask, before decoding, whether a frame of this level would be mixed: the level that its packet carries (RFC 6464).
    ///
    /// If not, the source counts as heard at that level in the next tick, silently and without a missing frame, and
    /// the frame need not be decoded. True whenever [`MixerConfig::max_talkers`] sets no limit.
    pub fn worth_decoding(&mut self, source: SourceId, level: Level) -> bool {
        let limited = self.config.max_talkers.is_some();
        let Some(source) = self.sources.get_mut(source.0) else {
            return false;
        };
        // Who is mixed now is decoded on: it fades out rather than breaks off.
        let wanted = !limited
            || source.is_mixed()
            || !self.config.speaks_from.louder_than(level)
                && self
                    .threshold
                    .is_none_or(|most| source.rank_with(level) < most);
        source.skipped = (!wanted).then_some(level);
        if !wanted {
            self.bus.take_back(source);
        }
        wanted
    }

    /// Samples that wait in a source's ring: less than a tick means that the next tick will run short. 0 for a source
    /// that is gone.
    pub fn buffered(&self, source: SourceId) -> usize {
        self.sources.get(source.0).map_or(0, Source::buffered)
    }

    /// Samples of a tick at a source's rate: what [`Mixer::buffered`] should reach before [`Mixer::tick`]. 0 for a
    /// source that is gone.
    pub fn wanted(&self, source: SourceId) -> usize {
        self.sources.get(source.0).map_or(0, Source::tick_samples)
    }

    /// What a source has been through; `None` if it is gone.
    pub fn source_stats(&self, source: SourceId) -> Option<SourceStats> {
        self.sources.get(source.0).map(|source| source.rare.stats)
    }

    /// Change the rate of a source, when its codec changed. What waits in its ring is dropped; gain, mute and
    /// exceptions stay.
    ///
    /// # Errors
    /// [`MixerError::Gone`].
    pub fn set_source_rate(&mut self, source: SourceId, rate: Rate) -> Result<(), MixerError> {
        let tick_ms = self.config.tick.ms();
        let entry = self.sources.get_mut(source.0).ok_or(MixerError::Gone)?;
        if entry.rate == rate {
            return Ok(());
        }
        self.bus.take_back(entry);
        let mut fresh = Source::new(rate, tick_ms, self.config.ring_ms);
        fresh.public = entry.public;
        fresh.muted = entry.muted;
        fresh.gain = entry.gain;
        fresh.rare.stats = entry.rare.stats;
        fresh.rare.panner.place(entry.rare.panner.at());
        *entry = fresh;
        self.bus.add_source_rate(rate, tick_ms);
        if let Some(stereo) = &mut self.stereo {
            stereo.add_source_rate(rate, tick_ms);
        }
        for listener in self.listeners.values_mut() {
            if listener.minus.contains(&source) || listener.plus.contains(&source) {
                for ear in &mut listener.ears {
                    ear.cross(rate, tick_ms);
                }
                for pair in &mut listener.pairs {
                    pair.cross(rate, tick_ms);
                }
            }
        }
        Ok(())
    }

    /// Encode what `listener` hears, in stereo if the codec is, in packets of `ptime_ms`. Listeners with the same codec
    /// (the same `Arc`), options and packet time share encoders where they hear the same.
    ///
    /// # Errors
    /// [`MixerError::Gone`]; [`MixerError::Codec`] if the codec refuses the options or the packet time.
    pub fn encode(
        &mut self,
        listener: ListenerId,
        codec: &Arc<dyn Codec>,
        options: &CodecOptions,
        ptime_ms: u8,
    ) -> Result<(), MixerError> {
        if self.listeners.get(listener.0).is_none() {
            return Err(MixerError::Gone);
        }
        let stream = self.groups.join(codec, options, ptime_ms)?;
        self.stop_encoding(listener)?;
        let description = codec.description();
        if description.channels == 2 {
            self.listen_in_stereo_at(listener, description.rate)?;
        } else {
            self.listen_at(listener, description.rate)?;
        }
        if let Some(entry) = self.listeners.get_mut(listener.0) {
            entry.stream = Some(stream);
        }
        Ok(())
    }

    /// Tell the encoder of `listener` what loss its peer reports, percent (RTCP receiver reports): Opus spends bits on FEC
    /// accordingly, if its options ask for FEC. A shared encoder follows the greatest loss that one of its listeners
    /// reports. 0 until told.
    ///
    /// # Errors
    /// [`MixerError::Gone`]; nothing happens if nothing is encoded for the listener.
    pub fn expect_loss(&mut self, listener: ListenerId, percent: u8) -> Result<(), MixerError> {
        let entry = self.listeners.get_mut(listener.0).ok_or(MixerError::Gone)?;
        if let Some(stream) = &mut entry.stream {
            stream.expect_loss(percent);
        }
        Ok(())
    }

    /// Encode nothing for `listener` any more: it is on hold, or took PCM only.
    ///
    /// # Errors
    /// [`MixerError::Gone`].
    pub fn stop_encoding(&mut self, listener: ListenerId) -> Result<(), MixerError> {
        let entry = self.listeners.get_mut(listener.0).ok_or(MixerError::Gone)?;
        if let Some(stream) = entry.stream.take() {
            self.groups.leave(stream);
        }
        Ok(())
    }

    /// Mix: take one tick of PCM from every source, make what each listener hears, and encode it.
    pub fn tick(&mut self) -> Tick<'_> {
        self.number += 1;
        self.feed_chimes();
        self.pull();

        self.bus.begin_mixes();
        for listener in self.listeners.values_mut() {
            let Listener {
                own,
                audience,
                minus,
                plus,
                ears,
                ..
            } = listener;
            // One's own voice is hidden, so it is the only one there.
            let all_but_own =
                *audience == Audience::Everyone && minus.len() == 1 && plus.is_empty();
            let own = own.filter(|_| all_but_own);
            let own = own.and_then(|own| self.sources.get(own.0));
            for ear in ears {
                if !own.is_some_and(|own| ear.listen_as_usual(own, &mut self.bus)) {
                    ear.listen(*audience, minus, plus, &self.sources, &mut self.bus);
                }
            }
        }
        self.bus.limit();
        self.mix_stereo();
        let own_encoders = self.run_encoders();
        self.bus.begin();
        Tick {
            number: self.number,
            sources: &self.reports,
            shared_encoders: self.groups.shared_encoders(),
            own_encoders,
        }
    }

    /// Take a tick out of every ring, say who speaks, choose the loudest, and apply gains.
    fn pull(&mut self) {
        let tick_ms = self.config.tick.ms();
        let hangover = (self.config.hangover_ms / tick_ms) as u32;
        // After a second without a sample a source has stopped; it is not stumbling.
        let idle_after = (1000 / tick_ms) as u64;
        let limited = self.config.max_talkers.is_some();
        let stereo = self.stereo.is_some();
        self.loudest.clear();
        self.reports.clear();
        for (id, source) in self.sources.iter_mut() {
            if source.summed {
                source.pull_summed();
            } else {
                source.pull(idle_after);
                // Everyone is mixed: at once, while the samples are at hand.
                if !limited {
                    self.bus.contribute(source);
                }
            }
            if stereo && !limited {
                source.pan();
            }
            if source.house {
                continue;
            }
            if !self.config.speaks_from.louder_than(source.level) {
                source.hangover = hangover;
                source.speaking = true;
            } else {
                source.speaking = source.hangover > 0;
                source.hangover = source.hangover.saturating_sub(1);
            }
            source.speaking &= !source.muted;
            if !limited {
                self.reports.push(source.report(SourceId(id)));
            } else if source.speaking && source.public {
                self.loudest.push((source.rank(), id.index()));
            }
        }
        self.threshold = None;
        if let Some(most) = self.config.max_talkers {
            if self.loudest.len() > most && most > 0 {
                self.loudest.select_nth_unstable(most - 1);
            }
            self.loudest.truncate(most);
            if self.loudest.len() == most {
                self.threshold = Some(
                    self.loudest
                        .iter()
                        .map(|&(rank, _)| rank)
                        .max()
                        .unwrap_or(0),
                );
            }
        }
        if limited {
            for (id, source) in self.sources.iter_mut() {
                // What is told to named listeners alone takes nobody's place.
                source.chosen = source.house
                    || !source.public
                    || source.speaking
                        && self.loudest.iter().any(|&(_, index)| index == id.index());
                self.bus.contribute(source);
                if stereo {
                    source.pan();
                }
                if !source.house {
                    self.reports.push(source.report(SourceId(id)));
                }
            }
        }
        self.bus.end();
    }

    /// Encode the shared mixes once and the others one by one; returns how many of those there were.
    fn run_encoders(&mut self) -> usize {
        if self.groups.is_empty() {
            return 0;
        }
        let Mixer {
            listeners,
            groups,
            bus,
            stereo,
            config,
            ..
        } = self;
        let stereo = stereo.as_deref();
        let patience = (config.own_encoder_ms / config.tick.ms()) as u32;
        groups.begin();
        for listener in listeners.values_mut() {
            let Some((stream, apart, _)) = listener.encoded(groups, bus, stereo) else {
                continue;
            };
            groups.count(stream, apart, patience);
        }
        for listener in listeners.values_mut() {
            let Some((stream, apart, _)) = listener.encoded(groups, bus, stereo) else {
                continue;
            };
            groups.part(stream, apart);
        }
        groups.encode_shared(|rate, channels| match channels {
            2 => stereo.map_or(&[], |stereo| stereo.shared(rate)),
            _ => bus.mix(rate).map_or(&[], |mix| mix.out()),
        });
        let mut own = 0;
        for listener in listeners.values_mut() {
            let Some((stream, _, pcm)) = listener.encoded(groups, bus, stereo) else {
                continue;
            };
            groups.encode_own(stream, pcm);
            own += usize::from(stream.is_own());
        }
        own
    }

    /// What `listener` hears at this tick: one tick of mono PCM at `rate`. Empty if the listener is gone, does not
    /// listen at that rate ([`Mixer::listen_at`]), or there was no tick yet.
    pub fn heard_by(&self, listener: ListenerId, rate: Rate) -> &[i16] {
        if self.number == 0 {
            return &[];
        }
        self.listeners
            .get(listener.0)
            .and_then(|listener| listener.ear(rate))
            .map_or(&[], |ear| ear.heard(&self.bus))
    }

    /// What `source` contributed to this tick, after mute and gain, at its own rate: the track of a recording. Empty if
    /// the source is gone, or there was no tick yet.
    pub fn said_by(&self, source: SourceId) -> &[i16] {
        match self.sources.get(source.0) {
            Some(source) if self.number > 0 && source.live => source.frame(),
            Some(source) if self.number > 0 => &self.silence[..source.tick_samples()],
            _ => &[],
        }
    }

    /// The next payload of this tick for `listener`: `None` when there is no more, because the packet is not full
    /// yet, or because there is nothing to send (DTX). Call it until then: packets of 10 ms come in pairs.
    ///
    /// Each payload ends at the end of this tick, but for the first of two, which ends in its middle.
    pub fn payload(&mut self, listener: ListenerId) -> Option<&[u8]> {
        let stream = self.listeners.get_mut(listener.0)?.stream.as_mut()?;
        self.groups.payload(stream)
    }

    /// Frames that an encoder failed on, and that were therefore not sent. Should stay 0.
    pub fn encoder_failures(&self) -> u64 {
        self.groups.failures
    }
}

impl std::fmt::Debug for Mixer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mixer")
            .field("config", &self.config)
            .field("sources", &self.sources.len())
            .field("listeners", &self.listeners.len())
            .field("ticks", &self.number)
            .finish_non_exhaustive()
    }
}
