//! One call in a room: its media path, jitter buffer, decoder, DTMF, and its place in the mixer.

mod agreed;
mod levels;
mod music;
mod playout;

pub(crate) use levels::AUDIO_LEVEL;

use super::association::{Association, Early};
use super::relays::{Relays, Unwrapped};
use super::way::Way;
use levels::Levels;
use media_mix::codec::{Codec, CodecOptions, Decoder, Registry};
use media_mix::{Audience, ComfortNoise, Level, ListenerId, Mixer, MixerError, Rate, SourceId};
use rtp_core::dtls::{Certificate, DtlsError};
use rtp_core::dtmf::{DtmfError, DtmfOut, DtmfReceiver, DtmfSender, KeyPress};
use rtp_core::ice::{IceError, Pair};
use rtp_core::jitter::{JitterBuffer, JitterConfig, JitterStats};
use rtp_core::negotiate::{AudioStream, DtlsPeer};
use rtp_core::rtcp::Epoch;
use rtp_core::rtp::Rtp;
use rtp_core::srtp::Suite;
use rtp_core::transport::{
    Component, Event, MediaPath, OutFrame, PacketBuf, Path, PathStats, Protocol, Received, Transmit,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest frame that is decoded, ms (Opus, RFC 6716 section 2.1.4).
const MAX_FRAME_MS: usize = 120;

/// The static payload type of comfort noise (RFC 3389).
const COMFORT_NOISE: u8 = 13;

/// What a leg needs to know for as long as it lives.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LegConfig {
    /// The codecs that were offered.
    pub registry: Registry,
    /// Random bytes for SSRCs and RTCP intervals.
    pub random: crate::Random,
    /// The wall clock, for RTCP.
    pub epoch: Epoch,
    /// Silence of the phone after which [`RoomEvent::Inactive`](super::RoomEvent::Inactive) comes; default 5 minutes.
    pub media_timeout: Duration,
    /// What DTLS handshakes show; without it (the default) a stream that was agreed to be keyed by DTLS fails.
    pub certificate: Option<Certificate>,
}

impl LegConfig {
    /// The defaults, for the codecs of `registry`.
    pub fn new(registry: Registry, random: crate::Random, epoch: Epoch) -> Self {
        Self {
            registry,
            random,
            epoch,
            media_timeout: Duration::from_secs(300),
            certificate: None,
        }
    }
}

/// Why a leg cannot carry a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LegError {
    /// SDP agreed on a codec that the registry does not have.
    #[error("codec {0} was agreed on and is not in the registry")]
    UnknownCodec(String),
    /// The mixer refused.
    #[error(transparent)]
    Mixer(#[from] MixerError),
    /// A DTLS handshake was agreed on and cannot begin.
    #[error(transparent)]
    Dtls(#[from] DtlsError),
    /// ICE was agreed on and cannot begin.
    #[error(transparent)]
    Ice(#[from] IceError),
}

/// The figures of a leg at one moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LegReport {
    /// The codec that is sent, by its SDP name; empty while nothing is.
    pub codec: &'static str,
    /// Ie and Bpl of that codec, for the E-model.
    pub impairment: (f32, f32),
    /// Its Ie on the wideband scale (ITU-T G.107.1), when it is a wideband codec.
    pub ie_wideband: Option<f32>,
    /// The suite that encrypts what is sent; `None` in the clear, and until a DTLS handshake has ended.
    pub suite: Option<Suite>,
    /// The way that ICE has found, while the phone agrees to it; `None` without ICE.
    pub pair: Option<Pair>,
    /// The same for RTCP, where it has a port of its own.
    pub rtcp_pair: Option<Pair>,
    /// Packets, loss, jitter, round trip; `None` before the first agreement.
    pub path: Option<PathStats>,
    /// What the jitter buffer did.
    pub jitter: JitterStats,
    /// The level of the last tick's sound from the phone.
    pub received: Level,
    /// The level of the last tick's sound for the phone.
    pub sent: Level,
    /// Payloads that no decoder could read; they were concealed.
    pub undecodable: u64,
    /// Frames that were not decoded: by what their packets say they were too quiet to be mixed (RFC 6464).
    pub left_out: u64,
}

/// A payload type that may arrive and how to read it.
struct Incoming {
    payload_type: u8,
    codec: Arc<dyn Codec>,
    decoder: Option<Box<dyn Decoder>>,
}

/// What is sent.
struct Outgoing {
    payload_type: u8,
    codec: Arc<dyn Codec>,
    options: CodecOptions,
    ptime_ms: u8,
    /// Payloads a tick: 1, or 2 of 10 ms.
    per_tick: u32,
}

/// Keys to the phone.
struct Keypad {
    payload_type: u8,
    clock_rate: u32,
    sender: DtmfSender,
    /// What it said of this tick.
    now: DtmfOut,
    /// The event of this tick was taken.
    sent: bool,
}

pub(super) struct Leg {
    config: LegConfig,
    pub(super) source: SourceId,
    pub(super) listener: ListenerId,
    /// Whom the phone hears while nobody holds it.
    audience: Audience,
    path: Option<MediaPath>,
    suite: Option<Suite>,
    dtls: Option<Association>,
    early: Early,
    /// The same for RTCP, where it has a port of its own.
    rtcp_dtls: Option<Association>,
    rtcp_early: Early,
    /// What ICE does, where it was agreed on.
    way: Option<Way>,
    /// The same for RTCP, where it has a port of its own.
    rtcp_way: Option<Way>,
    /// Whom its handshake is to find, once there is a way.
    rtcp_peer: Option<DtlsPeer>,
    /// The servers through which it may go.
    relays: Relays,
    /// The way of the packet that is being sent, if ICE has found it.
    goes: Option<Pair>,
    /// The stream that waits for its way or its keys.
    waiting: Option<Box<AudioStream>>,
    /// Why there will be no keys.
    unsecured: Option<DtlsError>,
    /// There will be no way.
    unreachable: bool,
    jitter: JitterBuffer,
    incoming: Vec<Incoming>,
    events_in: Vec<(u8, u32)>,
    outgoing: Option<Outgoing>,
    sending: bool,
    /// The end of this tick on the clock of what is sent.
    clock: u32,
    clock_rate: u32,
    tick_ms: u32,
    /// Payloads of this tick that were taken from the mixer.
    taken: u32,
    /// The next packet begins a talk spurt.
    marker: bool,
    dtmf_in: DtmfReceiver,
    keys: Option<Keypad>,
    /// We hold the phone.
    held: bool,
    /// What it hears meanwhile.
    music: Option<music::Music>,
    payload: Box<[u8]>,
    pcm: Box<[i16]>,
    bent: Box<[i16]>,
    comfort: Option<ComfortNoise>,
    undecodable: u64,
    levels: Levels,
    /// Frames are being played.
    playing: bool,
    /// The phone has said what it receives since the last tick.
    reported: bool,
}

impl Leg {
    pub(super) fn new(config: LegConfig, mixer: &mut Mixer, hears: bool) -> Result<Self, LegError> {
        let source = mixer.add_source(Rate::Khz8)?;
        let audience = if hears {
            Audience::Everyone
        } else {
            Audience::Nobody
        };
        let listener = match mixer.add_listener_to(Rate::Khz8, Some(source), audience) {
            Ok(listener) => listener,
            Err(error) => {
                mixer.remove_source(source)?;
                return Err(error.into());
            }
        };
        Ok(Self {
            source,
            listener,
            audience,
            path: None,
            suite: None,
            dtls: None,
            early: Early::default(),
            rtcp_dtls: None,
            rtcp_early: Early::default(),
            way: None,
            rtcp_way: None,
            rtcp_peer: None,
            relays: Relays::default(),
            goes: None,
            waiting: None,
            unsecured: None,
            unreachable: false,
            jitter: JitterBuffer::new(JitterConfig::new(8000)),
            incoming: Vec::new(),
            events_in: Vec::new(),
            outgoing: None,
            sending: false,
            clock: 0,
            clock_rate: 8000,
            tick_ms: mixer.tick_length().ms() as u32,
            taken: 0,
            marker: true,
            dtmf_in: DtmfReceiver::new(),
            keys: None,
            held: false,
            music: None,
            payload: vec![0; 1500].into(),
            pcm: vec![0; Rate::Khz48.samples(MAX_FRAME_MS)].into(),
            bent: vec![0; Rate::Khz48.samples(MAX_FRAME_MS)].into(),
            comfort: None,
            undecodable: 0,
            levels: Levels::new(),
            playing: false,
            reported: false,
            config,
        })
    }

    /// The servers through which its packets may go.
    #[cfg(feature = "net")]
    pub(super) fn set_relays(&mut self, relays: Relays) {
        self.relays = relays;
    }

    /// What ICE knows of who is at an address.
    #[cfg(feature = "net")]
    pub(super) fn proof(&self, from: std::net::SocketAddr) -> Option<rtp_core::ice::Proof> {
        self.way.as_ref()?.proof(from)
    }

    /// Takes a packet of this leg's sockets. `true`: there may be an answer to send, and it should not wait for a tick.
    pub(super) fn receive(&mut self, now: Instant, path: Path, packet: &mut [u8]) -> bool {
        if path.component == Component::Rtp {
            match self.relays.unwrap(now, path.from, packet) {
                Unwrapped::Data(way, at) => {
                    // Only ICE sends through servers.
                    let is_ours = self.way.is_some();
                    return is_ours && self.take(now, Path::rtp(way.remote), way, &mut packet[at]);
                }
                Unwrapped::Handled => return true,
                Unwrapped::Foreign => {}
            }
        }
        let remote = path.from;
        let way = match path.component {
            Component::Rtp => &self.way,
            Component::Rtcp => &self.rtcp_way,
        };
        let local = way.as_ref().map_or(remote, Way::host);
        self.take(now, path, Pair { local, remote }, packet)
    }

    /// Takes a packet that came this way.
    fn take(&mut self, now: Instant, path: Path, came: Pair, packet: &mut [u8]) -> bool {
        let protocol = packet.first().map(|&first| Protocol::of(first));
        let is_found_by_ice = self.way.is_some();
        let way = match path.component {
            Component::Rtp => &mut self.way,
            Component::Rtcp => &mut self.rtcp_way,
        };
        let is_known = match way {
            Some(way) if protocol == Some(Protocol::Stun) => {
                way.receive(now, came, packet);
                self.follow_ways(now);
                return true;
            }
            Some(way) => way.knows(came),
            None => !is_found_by_ice,
        };
        if protocol == Some(Protocol::Dtls) && self.config.certificate.is_some() {
            let (dtls, early) = match path.component {
                Component::Rtp => (&mut self.dtls, &mut self.early),
                Component::Rtcp => (&mut self.rtcp_dtls, &mut self.rtcp_early),
            };
            match dtls {
                Some(dtls) if is_known => dtls.receive(now, path.from, packet),
                Some(_) => {}
                None => early.keep(path.from, packet),
            }
            self.shake(now);
            return true;
        }
        // With ICE only who has proved itself is heard.
        if !is_known {
            return false;
        }
        self.media(now, path, packet);
        false
    }

    fn media(&mut self, now: Instant, path: Path, packet: &mut [u8]) {
        let Some(media) = &mut self.path else { return };
        let rtp = match media.receive(now, path, packet) {
            Received::Rtp(rtp) => rtp,
            Received::Rtcp(_) => {
                self.reported = true;
                return;
            }
            _ => return,
        };
        if let Some(&(_, hz)) = self
            .events_in
            .iter()
            .find(|(kind, _)| *kind == rtp.payload_type)
        {
            self.dtmf_in.receive(now, rtp, hz);
            let _ = self.jitter.skip(now, rtp);
            return;
        }
        if rtp.payload_type == COMFORT_NOISE {
            // Phones send it whether it was negotiated or not; it describes silence of the stream that is there.
            let _ = self.jitter.push(now, rtp);
            return;
        }
        self.sound(now, rtp);
    }

    fn sound(&mut self, now: Instant, rtp: Rtp<'_>) {
        let Some(incoming) = self
            .incoming
            .iter()
            .find(|i| i.payload_type == rtp.payload_type)
        else {
            return;
        };
        let description = incoming.codec.description();
        if self.jitter.config().clock_rate != description.clock_rate {
            let mut config = JitterConfig::new(description.clock_rate);
            config.recover = description.fec;
            config.dtx = description.name.eq_ignore_ascii_case("opus");
            self.jitter = JitterBuffer::new(config);
        }
        self.levels.note(&rtp);
        let _ = self.jitter.push(now, rtp);
    }

    /// Called once a tick, after the mixer's.
    pub(super) fn ticked(&mut self, now: Instant) {
        self.clock = self
            .clock
            .wrapping_add(self.clock_rate / 1000 * self.tick_ms);
        self.taken = 0;
        if let Some(keys) = self.keys.as_mut().filter(|_| self.sending) {
            // The sender speaks of the tick's first sample.
            let tick = keys.clock_rate / 1000 * self.tick_ms;
            keys.now = keys.sender.poll(self.clock.wrapping_sub(tick));
            keys.sent = false;
        }
        self.dtmf_in.handle_timeout(now);
        self.relays.handle_timeout(now);
        for way in self.way.iter_mut().chain(&mut self.rtcp_way) {
            way.handle_timeout(now);
        }
        self.follow_ways(now);
        for dtls in self.dtls.iter_mut().chain(&mut self.rtcp_dtls) {
            dtls.handle_timeout(now);
        }
        self.shake(now);
        if let Some(path) = &mut self.path {
            path.handle_timeout(now);
        }
    }

    /// The next packet of this tick, written into `out`.
    pub(super) fn poll_transmit(
        &mut self,
        now: Instant,
        mixer: &mut Mixer,
        out: &mut PacketBuf,
    ) -> Option<Transmit> {
        loop {
            let component = Component::Rtp;
            if let Some((to, bytes)) = self.relays.poll_transmit()
                && out.write(&bytes)
            {
                return Some(Transmit { to, component });
            }
            let transmit = self.next_packet(now, mixer, out)?;
            let Some(way) = self.goes.filter(|_| transmit.component == component) else {
                return Some(transmit);
            };
            if let Some(to) = self.relays.wrap(now, way, out) {
                return Some(Transmit { to, component });
            }
        }
    }

    /// The next packet of this tick, as the peer is to get it.
    fn next_packet(
        &mut self,
        now: Instant,
        mixer: &mut Mixer,
        out: &mut PacketBuf,
    ) -> Option<Transmit> {
        self.goes = None;
        if let Some(way) = &mut self.way {
            if let Some(pair) = way.poll_transmit(out) {
                self.goes = Some(pair);
                return Some(Transmit {
                    to: pair.remote,
                    component: Component::Rtp,
                });
            }
            if let Some(pair) = self
                .rtcp_way
                .as_mut()
                .and_then(|way| way.poll_transmit(out))
            {
                return Some(Transmit {
                    to: pair.remote,
                    component: Component::Rtcp,
                });
            }
            // Nothing goes to who has not agreed to it of late (RFC 7675).
            self.goes = Some(way.pair()?);
        }
        let may_report = match &self.rtcp_way {
            Some(way) => way.pair().is_some(),
            None => self.way.is_none(),
        };
        let of_rtcp = self.rtcp_dtls.as_mut().filter(|_| may_report);
        let mut handshakes = self.dtls.iter_mut().chain(of_rtcp);
        if let Some(transmit) = handshakes.find_map(|dtls| dtls.poll_transmit(out)) {
            return Some(transmit);
        }
        let path = self.path.as_mut()?;
        let mut quiet = false;
        if let Some(keys) = self.keys.as_mut().filter(|_| self.sending) {
            quiet = keys.now != DtmfOut::Sound;
            if let (DtmfOut::Event(event), false) =
                (keys.now, std::mem::replace(&mut keys.sent, true))
            {
                let frame = OutFrame {
                    payload_type: keys.payload_type,
                    marker: event.marker,
                    timestamp: event.timestamp,
                    payload: &event.payload,
                };
                if let Ok(transmit) = path.send(now, frame, out) {
                    self.marker = true;
                    return Some(transmit);
                }
            }
        }
        if let Some(outgoing) = &self.outgoing {
            let units = self.clock_rate / 1000 * u32::from(outgoing.ptime_ms);
            while let Some(payload) = mixer.payload(self.listener) {
                let left = outgoing.per_tick.saturating_sub(self.taken).max(1);
                self.taken += 1;
                if quiet {
                    continue;
                }
                let frame = OutFrame {
                    payload_type: outgoing.payload_type,
                    marker: self.marker,
                    timestamp: self.clock.wrapping_sub(units * left),
                    payload,
                };
                if let Ok(transmit) = path.send(now, frame, out) {
                    self.marker = false;
                    return Some(transmit);
                }
            }
        }
        path.poll_transmit(out)
    }

    /// The next key that the phone pressed.
    pub(super) fn poll_key(&mut self) -> Option<KeyPress> {
        self.dtmf_in.poll()
    }

    /// Why the phone and we have no keys, once.
    pub(super) fn poll_unsecured(&mut self) -> Option<DtlsError> {
        self.unsecured.take()
    }

    /// Whether ICE has found no way, once.
    pub(super) fn poll_unreachable(&mut self) -> bool {
        std::mem::take(&mut self.unreachable)
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.path.as_mut()?.poll_event()
    }

    /// Presses keys, or says why not: `None` when the phone takes none in RTP.
    pub(super) fn press(&mut self, digits: &str) -> Option<Result<(), DtmfError>> {
        self.keys.as_mut().map(|keys| keys.sender.queue(digits))
    }

    /// Says RTCP BYE; poll once more afterwards.
    pub(super) fn close(&mut self, now: Instant) {
        self.sending = false;
        self.outgoing = None;
        if let Some(path) = &mut self.path {
            path.close(now, "");
        }
        for dtls in self.dtls.iter_mut().chain(&mut self.rtcp_dtls) {
            dtls.close();
        }
    }

    /// Gives the servers their addresses back, when the last packet is out; poll once more afterwards.
    #[cfg(feature = "net")]
    pub(super) fn give_back(&mut self, now: Instant) {
        self.relays.close(now);
    }

    /// The rate of the sound that is encoded for the phone.
    pub(super) fn sent_rate(&self) -> Option<Rate> {
        self.outgoing
            .as_ref()
            .map(|outgoing| outgoing.codec.description().rate)
    }

    pub(super) fn report(&self, received: Level, sent: Level) -> LegReport {
        let description = self
            .outgoing
            .as_ref()
            .map(|outgoing| outgoing.codec.description());
        LegReport {
            codec: description.map_or("", |description| description.name),
            impairment: description
                .map_or((0.0, 10.0), |description| (description.ie, description.bpl)),
            ie_wideband: description.and_then(|description| description.ie_wideband),
            suite: self.suite,
            pair: self.way.as_ref().and_then(Way::pair),
            rtcp_pair: self.rtcp_way.as_ref().and_then(Way::pair),
            path: self.path.as_ref().map(MediaPath::stats),
            jitter: self.jitter.stats(),
            received,
            sent,
            undecodable: self.undecodable,
            left_out: self.levels.left_out,
        }
    }
}
