//! One session's sound: its mixer, its calls, its local voices, and who listens in.

use super::leg::{Leg, LegConfig, LegError, LegReport};
use super::tap::{PcmReader, TapSink, tap};
use super::voice::Voice;
use crate::session::ParticipantId;
use media_mix::{
    Audience, Level, ListenerId, Mixer, MixerConfig, MixerError, Rate, Resampler, SourceId,
};
use rtp_core::dtls::DtlsError;
use rtp_core::dtmf::{DtmfError, KeyPress};
use rtp_core::negotiate::AudioStream;
use rtp_core::transport::{Event, PacketBuf, Path, Transmit};
use sip_core::CallId;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Events kept until they are polled; then the oldest is dropped and counted.
const MAX_EVENTS: usize = 256;

/// Why a room refused; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoomError {
    /// There is no such participant or call in the room.
    #[error("there is no such participant or call in the room")]
    Unknown,
    /// It is there already.
    #[error("the participant or call is in the room already")]
    Twice,
    /// The call cannot carry what was agreed on.
    #[error(transparent)]
    Leg(#[from] LegError),
    /// The mixer refused.
    #[error(transparent)]
    Mixer(#[from] MixerError),
    /// The phone did not agree to take keys in RTP.
    #[error("the phone takes no keys in RTP")]
    NoKeys,
    /// The keys cannot be pressed.
    #[error(transparent)]
    Keys(#[from] DtmfError),
    /// The call's sockets cannot be watched; the text is the system's.
    #[error("the call's sockets cannot be watched: {0}")]
    Socket(String),
}

/// What a room noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomEvent {
    /// The phone pressed a key and released it; each press is told once.
    Key {
        /// Which call.
        call: CallId,
        /// Which key, for how long.
        key: KeyPress,
    },
    /// The phone has sent no sound for as long as its leg allows, hold aside.
    Inactive {
        /// Which call.
        call: CallId,
    },
    /// The phone's sound came from another address than SDP said, and goes there now.
    Latched {
        /// Which call.
        call: CallId,
        /// The address.
        to: std::net::SocketAddr,
    },
    /// The DTLS handshake that a call's sound needs has failed: nothing will be heard either way.
    Unsecured {
        /// Which call.
        call: CallId,
        /// Why.
        error: DtlsError,
    },
    /// ICE has found no way to the phone, or the phone has withdrawn its consent for good: nothing is sent.
    Unreachable {
        /// Which call.
        call: CallId,
    },
}

/// Somebody who voice the application makes.
struct Local {
    id: ParticipantId,
    voice: Voice,
    source: Option<SourceId>,
    listener: ListenerId,
    rate: Rate,
}

/// Sound that is copied out of the room.
struct Tap {
    who: Who,
    what: Tapped,
    sink: TapSink,
}

enum Tapped {
    /// What this listener hears.
    Heard(ListenerId),
    /// What this source says, with what brings it to the sink's rate.
    Said(SourceId, Option<Resampler>),
}

/// Somebody in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// A participant whose voice the application makes.
    Participant(ParticipantId),
    /// A phone.
    Call(CallId),
}

/// One session's sound. See the [module](super) for who drives it.
pub struct Room {
    mixer: Mixer,
    locals: Vec<Local>,
    legs: Vec<(CallId, Leg)>,
    taps: Vec<Tap>,
    /// The level of each source at the last tick.
    levels: Vec<(SourceId, Level)>,
    events: VecDeque<RoomEvent>,
    dropped: u64,
    /// The leg who packets are polled next.
    turn: usize,
    scratch: Box<[i16]>,
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room")
            .field("locals", &self.locals.len())
            .field("legs", &self.legs.len())
            .finish_non_exhaustive()
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::new(MixerConfig::default())
    }
}

impl Room {
    /// An empty room.
    pub fn new(config: MixerConfig) -> Self {
        Self {
            mixer: Mixer::new(config),
            locals: Vec::new(),
            legs: Vec::new(),
            taps: Vec::new(),
            levels: Vec::new(),
            events: VecDeque::with_capacity(MAX_EVENTS),
            dropped: 0,
            turn: 0,
            scratch: vec![0; Rate::Khz48.samples(20)].into(),
        }
    }

    /// How often [`Room::tick`] is to be called.
    pub fn period(&self) -> Duration {
        Duration::from_millis(self.mixer.tick_length().ms() as u64)
    }

    /// Brings in a participant who voice the application makes; `hears` says whether it may listen.
    ///
    /// # Errors
    /// When it is in the room already, or the mixer is full.
    pub fn add_participant(
        &mut self,
        id: ParticipantId,
        voice: Voice,
        hears: bool,
    ) -> Result<(), RoomError> {
        if self.local(id).is_ok() {
            return Err(RoomError::Twice);
        }
        let rate = voice.rate().unwrap_or(Rate::Khz48);
        let source = match voice.rate() {
            Some(rate) => Some(self.mixer.add_source(rate)?),
            None => None,
        };
        let audience = if hears {
            Audience::Everyone
        } else {
            Audience::Nobody
        };
        let listener = self.mixer.add_listener_to(rate, source, audience)?;
        self.locals.push(Local {
            id,
            voice,
            source,
            listener,
            rate,
        });
        self.reserve();
        Ok(())
    }

    /// Takes a participant out, with the taps on it.
    ///
    /// # Errors
    /// [`RoomError::Unknown`].
    pub fn remove_participant(&mut self, id: ParticipantId) -> Result<(), RoomError> {
        let at = self
            .locals
            .iter()
            .position(|local| local.id == id)
            .ok_or(RoomError::Unknown)?;
        self.untap(Who::Participant(id));
        let local = self.locals.swap_remove(at);
        if let Some(source) = local.source {
            self.mixer.remove_source(source)?;
        }
        self.mixer.remove_listener(local.listener)?;
        Ok(())
    }

    /// Brings in a call; `hears` says whether it may listen. Nothing flows before [`Room::update_call`].
    ///
    /// # Errors
    /// When it is in the room already, or the mixer is full.
    pub fn add_call(
        &mut self,
        id: CallId,
        config: LegConfig,
        hears: bool,
    ) -> Result<(), RoomError> {
        if self.legs.iter().any(|(call, _)| *call == id) {
            return Err(RoomError::Twice);
        }
        let leg = Leg::new(config, &mut self.mixer, hears)?;
        self.legs.push((id, leg));
        self.reserve();
        Ok(())
    }

    /// Gives a call the servers through which its packets may go.
    #[cfg(feature = "net")]
    pub(crate) fn give_relays(&mut self, id: CallId, relays: super::relays::Relays) {
        if let Some((_, leg)) = self.legs.iter_mut().find(|(call, _)| *call == id) {
            leg.set_relays(relays);
        }
    }

    /// After the last packet of a call: what its servers are to be told. Poll once more.
    #[cfg(feature = "net")]
    pub(crate) fn take_leave(&mut self, now: Instant, id: CallId) {
        if let Some((_, leg)) = self.legs.iter_mut().find(|(call, _)| *call == id) {
            leg.give_back(now);
        }
        self.turn = 0;
    }

    /// What its ICE agent knows of who is at an address.
    #[cfg(feature = "net")]
    pub(crate) fn proof(
        &self,
        id: CallId,
        from: std::net::SocketAddr,
    ) -> Option<rtp_core::ice::Proof> {
        self.leg(id).ok()?.proof(from)
    }

    /// Lets a call carry what SDP agreed on, or nothing.
    ///
    /// # Errors
    /// When there is no such call, or its codec cannot be used.
    pub fn update_call(
        &mut self,
        now: Instant,
        id: CallId,
        stream: Option<&AudioStream>,
    ) -> Result<(), RoomError> {
        let (_, leg) = self
            .legs
            .iter_mut()
            .find(|(call, _)| *call == id)
            .ok_or(RoomError::Unknown)?;
        leg.update(now, &mut self.mixer, stream)?;
        // A handshake may begin with it.
        self.turn = 0;
        Ok(())
    }

    /// Begins to take a call out: poll its last packet, then call [`Room::remove_call`].
    pub fn close_call(&mut self, now: Instant, id: CallId) {
        if let Some((_, leg)) = self.legs.iter_mut().find(|(call, _)| *call == id) {
            leg.close(now);
        }
        self.turn = 0;
    }

    /// Takes a call out, with the taps on it.
    ///
    /// # Errors
    /// [`RoomError::Unknown`].
    pub fn remove_call(&mut self, id: CallId) -> Result<(), RoomError> {
        let at = self
            .legs
            .iter()
            .position(|(call, _)| *call == id)
            .ok_or(RoomError::Unknown)?;
        self.untap(Who::Call(id));
        let (_, mut leg) = self.legs.swap_remove(at);
        leg.stop_music(&mut self.mixer)?;
        self.mixer.remove_source(leg.source)?;
        self.mixer.remove_listener(leg.listener)?;
        Ok(())
    }

    /// Presses keys on a call (RFC 4733): `0`–`9`, `*`, `#`, `A`–`D`, and pauses.
    ///
    /// # Errors
    /// When there is no such call, or it takes no keys.
    pub fn press(&mut self, id: CallId, digits: &str) -> Result<(), RoomError> {
        let (_, leg) = self
            .legs
            .iter_mut()
            .find(|(call, _)| *call == id)
            .ok_or(RoomError::Unknown)?;
        Ok(leg.press(digits).ok_or(RoomError::NoKeys)??)
    }

    /// Plays `voice` to a phone while we hold it with [`Hold::SendOnly`](crate::Hold::SendOnly), from now on or from when
    /// the hold begins; it ends with the hold. [`Voice::silent`] gives back silence.
    ///
    /// # Errors
    /// When there is no such call, or the mixer is full.
    pub fn play_on_hold(&mut self, id: CallId, voice: Voice) -> Result<(), RoomError> {
        let (_, leg) = self
            .legs
            .iter_mut()
            .find(|(call, _)| *call == id)
            .ok_or(RoomError::Unknown)?;
        leg.set_music(&mut self.mixer, voice)?;
        self.reserve();
        Ok(())
    }

    /// Silences a voice in the mix, or gives it back.
    ///
    /// # Errors
    /// [`RoomError::Unknown`].
    pub fn mute(&mut self, who: Who, muted: bool) -> Result<(), RoomError> {
        match self.source(who)? {
            Some(source) => Ok(self.mixer.set_muted(source, muted)?),
            None => Ok(()),
        }
    }

    /// What somebody hears, from the next tick on.
    ///
    /// # Errors
    /// [`RoomError::Unknown`].
    pub fn listen(&mut self, who: Who, rate: Rate) -> Result<PcmReader, RoomError> {
        let (sink, reader) = tap(rate);
        self.tap_heard(who, sink).map(|()| reader)
    }

    /// What somebody says, as it is mixed, from the next tick on.
    ///
    /// # Errors
    /// [`RoomError::Unknown`], also for a participant without a voice.
    pub fn overhear(&mut self, who: Who, rate: Rate) -> Result<PcmReader, RoomError> {
        let (sink, reader) = tap(rate);
        self.tap_said(who, sink).map(|()| reader)
    }

    /// Copies what somebody hears into `sink`, at its rate, from the next tick on.
    pub(crate) fn tap_heard(&mut self, who: Who, sink: TapSink) -> Result<(), RoomError> {
        let listener = match who {
            Who::Participant(id) => self.local(id)?.listener,
            Who::Call(id) => self.leg(id)?.listener,
        };
        self.mixer.listen_at(listener, sink.rate())?;
        self.taps.push(Tap {
            who,
            what: Tapped::Heard(listener),
            sink,
        });
        Ok(())
    }

    /// Copies what somebody says into `sink`, at its rate, from the next tick on: the sound as it is mixed.
    pub(crate) fn tap_said(&mut self, who: Who, sink: TapSink) -> Result<(), RoomError> {
        let source = self.source(who)?.ok_or(RoomError::Unknown)?;
        self.taps.push(Tap {
            who,
            what: Tapped::Said(source, None),
            sink,
        });
        Ok(())
    }

    /// Takes a packet that arrived for a call. It is decrypted in place. `true`: poll events and transmits now, for an
    /// answer that should not wait for the tick.
    pub fn receive(&mut self, now: Instant, id: CallId, path: Path, packet: &mut [u8]) -> bool {
        let Some((_, leg)) = self.legs.iter_mut().find(|(call, _)| *call == id) else {
            return false;
        };
        let answers = leg.receive(now, path, packet);
        if answers {
            self.turn = 0;
            if let Some(error) = leg.poll_unsecured() {
                let event = RoomEvent::Unsecured { call: id, error };
                push(&mut self.events, &mut self.dropped, event);
            }
            if leg.poll_unreachable() {
                let event = RoomEvent::Unreachable { call: id };
                push(&mut self.events, &mut self.dropped, event);
            }
        }
        answers
    }

    /// Mixes one tick. Poll transmits and events afterwards.
    pub fn tick(&mut self, now: Instant) {
        for local in &mut self.locals {
            if let Some(source) = local.source {
                let frame = &mut self.scratch[..local.rate.samples(self.mixer.tick_length().ms())];
                local.voice.fill(frame);
                let _ = self.mixer.push(source, frame);
            }
        }
        for (_, leg) in &mut self.legs {
            leg.fill(now, &mut self.mixer);
            leg.play_music(&mut self.mixer, &mut self.scratch);
        }
        let tick = self.mixer.tick();
        self.levels.clear();
        self.levels.extend(
            tick.sources
                .iter()
                .map(|report| (report.source, report.level)),
        );
        for tap in &mut self.taps {
            tap.take(&self.mixer, &mut self.scratch);
        }
        for (id, leg) in &mut self.legs {
            leg.ticked(now);
            while let Some(key) = leg.poll_key() {
                push(
                    &mut self.events,
                    &mut self.dropped,
                    RoomEvent::Key { call: *id, key },
                );
            }
            if let Some(error) = leg.poll_unsecured() {
                push(
                    &mut self.events,
                    &mut self.dropped,
                    RoomEvent::Unsecured { call: *id, error },
                );
            }
            if leg.poll_unreachable() {
                let event = RoomEvent::Unreachable { call: *id };
                push(&mut self.events, &mut self.dropped, event);
            }
            while let Some(event) = leg.poll_event() {
                let event = match event {
                    Event::Inactive { .. } => RoomEvent::Inactive { call: *id },
                    Event::Latched { to, .. } => RoomEvent::Latched { call: *id, to },
                    _ => continue,
                };
                push(&mut self.events, &mut self.dropped, event);
            }
        }
        self.turn = 0;
    }

    /// The next packet to send, and for which call, written into `out`.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        out: &mut PacketBuf,
    ) -> Option<(CallId, Transmit)> {
        while let Some((id, leg)) = self.legs.get_mut(self.turn) {
            if let Some(transmit) = leg.poll_transmit(now, &mut self.mixer, out) {
                return Some((*id, transmit));
            }
            self.turn += 1;
        }
        None
    }

    /// What the room noticed, oldest first.
    pub fn poll_event(&mut self) -> Option<RoomEvent> {
        self.events.pop_front()
    }

    /// The figures of a call.
    ///
    /// # Errors
    /// [`RoomError::Unknown`].
    pub fn call_report(&self, id: CallId) -> Result<LegReport, RoomError> {
        let leg = self.leg(id)?;
        let rate = self.mixer_rate(leg);
        let sent = Level::of(self.mixer.heard_by(leg.listener, rate));
        Ok(leg.report(self.level_of(leg.source), sent))
    }

    /// The level of a participant's voice at the last tick.
    ///
    /// # Errors
    /// [`RoomError::Unknown`].
    pub fn participant_level(&self, id: ParticipantId) -> Result<Level, RoomError> {
        let local = self.local(id)?;
        Ok(local
            .source
            .map_or(Level::SILENCE, |source| self.level_of(source)))
    }

    /// The calls in the room.
    pub fn calls(&self) -> impl Iterator<Item = CallId> + '_ {
        self.legs.iter().map(|(id, _)| *id)
    }

    /// The participants who voices the application makes.
    pub fn participants(&self) -> impl Iterator<Item = ParticipantId> + '_ {
        self.locals.iter().map(|local| local.id)
    }

    fn level_of(&self, source: SourceId) -> Level {
        let known = self.levels.iter().find(|(id, _)| *id == source);
        known.map_or(Level::SILENCE, |(_, level)| *level)
    }

    /// The rate at which a leg's listener certainly hears: what its codec takes, or the 8 kHz that it began with.
    fn mixer_rate(&self, leg: &Leg) -> Rate {
        leg.sent_rate().unwrap_or(Rate::Khz8)
    }

    fn local(&self, id: ParticipantId) -> Result<&Local, RoomError> {
        self.locals
            .iter()
            .find(|local| local.id == id)
            .ok_or(RoomError::Unknown)
    }

    fn leg(&self, id: CallId) -> Result<&Leg, RoomError> {
        self.legs
            .iter()
            .find(|(call, _)| *call == id)
            .map(|(_, leg)| leg)
            .ok_or(RoomError::Unknown)
    }

    fn source(&self, who: Who) -> Result<Option<SourceId>, RoomError> {
        Ok(match who {
            Who::Participant(id) => self.local(id)?.source,
            Who::Call(id) => Some(self.leg(id)?.source),
        })
    }

    fn untap(&mut self, who: Who) {
        self.taps.retain(|tap| tap.who != who);
    }

    /// So that no tick has to allocate.
    fn reserve(&mut self) {
        let sources = self.locals.len() + 2 * self.legs.len();
        self.levels.reserve(sources);
    }
}

impl Tap {
    /// Copies this tick's sound.
    fn take(&mut self, mixer: &Mixer, scratch: &mut [i16]) {
        let rate = self.sink.rate();
        let (source, resampler) = match &mut self.what {
            Tapped::Heard(listener) => return self.sink.write(mixer.heard_by(*listener, rate)),
            Tapped::Said(source, resampler) => (*source, resampler),
        };
        let said = mixer.said_by(source);
        let hz = (said.len() / mixer.tick_length().ms() * 1000) as u32;
        match Rate::try_from(hz) {
            Ok(from) if from == rate => self.sink.write(said),
            Ok(from) => {
                // Made anew only when the source's codec changed.
                if resampler.as_ref().is_none_or(|known| known.from() != from) {
                    *resampler = Some(Resampler::new(from, rate));
                }
                if let Some(resampler) = resampler {
                    let samples = resampler.process(said, scratch);
                    self.sink.write(&scratch[..samples]);
                }
            }
            Err(_) => {}
        }
    }
}

fn push(events: &mut VecDeque<RoomEvent>, dropped: &mut u64, event: RoomEvent) {
    if events.len() == MAX_EVENTS {
        events.pop_front();
        *dropped += 1;
    }
    events.push_back(event);
}
