//! One call in a room: its media path, jitter buffer, decoder, DTMF, and its place in the mixer.

use super::association::{Association, Early};
use media_mix::codec::{Codec, CodecOptions, Decoder, Registry};
use media_mix::{Audience, ComfortNoise, Level, ListenerId, Mixer, MixerError, Rate, SourceId};
use rtp_core::dtls::{self, Certificate, DtlsError};
use rtp_core::dtmf::{DtmfConfig, DtmfError, DtmfOut, DtmfReceiver, DtmfSender, KeyPress};
use rtp_core::jitter::{Frame, JitterBuffer, JitterConfig, JitterStats, Playout};
use rtp_core::negotiate::{AudioStream, Hold, Payload};
use rtp_core::rtcp::Epoch;
use rtp_core::rtp::Rtp;
use rtp_core::srtp::Suite;
use rtp_core::transport::{
    Component, Config, Event, Keys, MediaPath, OutFrame, PacketBuf, Path, PathStats, Protocol,
    Received, RtcpMode, Transmit,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most frames that one tick takes from a jitter buffer: 20 ms of tick in frames of 2.5 ms.
const MAX_PULLS: usize = 8;

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
    /// The stream that waits for its keys.
    unkeyed: Option<Box<AudioStream>>,
    /// Why there will be no keys.
    unsecured: Option<DtlsError>,
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
    payload: Box<[u8]>,
    pcm: Box<[i16]>,
    bent: Box<[i16]>,
    comfort: Option<ComfortNoise>,
    undecodable: u64,
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
            unkeyed: None,
            unsecured: None,
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
            payload: vec![0; 1500].into(),
            pcm: vec![0; Rate::Khz48.samples(MAX_FRAME_MS)].into(),
            bent: vec![0; Rate::Khz48.samples(MAX_FRAME_MS)].into(),
            comfort: None,
            undecodable: 0,
            playing: false,
            reported: false,
            config,
        })
    }

    /// Carries what SDP agreed on from now on; `None` stops both ways.
    pub(super) fn update(
        &mut self,
        now: Instant,
        mixer: &mut Mixer,
        stream: Option<&AudioStream>,
    ) -> Result<(), LegError> {
        let Some(stream) = stream else {
            self.sending = false;
            self.unkeyed = None;
            mixer.stop_encoding(self.listener)?;
            if let Some(path) = &mut self.path {
                path.set_direction(now, false, false);
            }
            return Ok(());
        };
        let registry = &self.config.registry;
        let incoming = stream
            .receive
            .iter()
            .filter_map(|payload| Some((payload.payload_type, find(registry, payload)?)))
            .collect::<Vec<_>>();
        let codec = find(registry, &stream.send)
            .ok_or_else(|| LegError::UnknownCodec(stream.send.codec.name.clone()))?;
        self.receive_with(incoming);
        self.events_in = stream
            .receive_dtmf
            .iter()
            .map(|payload| (payload.payload_type, payload.codec.clock_rate))
            .collect();
        let (sends, _) = directions(stream);
        self.associate(now, stream)?;
        self.connect(now, stream);
        // A phone that we hold is not to hear what the session says meanwhile.
        let audience = if stream.held_by_us.is_some() {
            Audience::Nobody
        } else {
            self.audience
        };
        mixer.set_audience(self.listener, audience)?;
        self.marker |= sends && !self.sending;
        self.sending = sends;
        self.send_with(mixer, stream, codec)?;
        Ok(())
    }

    /// Begins the DTLS handshake that a stream asks for, unless the one that is up serves it.
    fn associate(&mut self, now: Instant, stream: &AudioStream) -> Result<(), DtlsError> {
        let (Some(peer), Some(remote)) = (&stream.dtls, stream.remote_rtp) else {
            return Ok(());
        };
        match self.dtls.as_mut().filter(|dtls| dtls.is_with(peer)) {
            Some(dtls) => dtls.redirect(remote),
            None => {
                let none = || DtlsError::Certificate("there is none".to_owned());
                let certificate = self.config.certificate.as_ref().ok_or_else(none)?;
                let mut dtls = Association::start(now, certificate, peer, remote)?;
                self.early.hand_to(now, &mut dtls);
                self.dtls = Some(dtls);
            }
        }
        Ok(())
    }

    /// Takes what the handshake says. Sound begins with its keys.
    fn shake(&mut self, now: Instant) {
        while let Some(event) = self.dtls.as_mut().and_then(Association::poll_event) {
            match event {
                dtls::Event::Keys(_) => {
                    if let Some(stream) = self.unkeyed.take() {
                        self.connect(now, &stream);
                    }
                }
                dtls::Event::Failed(error) => self.unsecured = Some(error),
                // A goodbye of the association alone; the dialog says whether the call is over.
                _ => {}
            }
        }
    }

    /// Points the media path at the peer, and makes it the first time. Nothing goes either way in the clear that is to be
    /// encrypted: without its keys the stream waits.
    fn connect(&mut self, now: Instant, stream: &AudioStream) {
        self.unkeyed = None;
        let agreed = || {
            stream.srtp.as_ref().map(|keys| Keys {
                send: keys.local.clone(),
                receive: keys.remote.clone(),
            })
        };
        let keys = match (&stream.dtls, &self.dtls) {
            (None, _) => agreed(),
            (Some(_), dtls) => dtls.as_ref().and_then(|dtls| dtls.keys().cloned()),
        };
        if stream.dtls.is_some() && keys.is_none() {
            self.unkeyed = Some(Box::new(stream.clone()));
            if let Some(path) = &mut self.path {
                path.set_direction(now, false, false);
            }
            return;
        }
        if let Some(remote) = stream.remote_rtp {
            self.point(now, stream, remote, keys);
        }
        if let Some(path) = &mut self.path {
            let (sends, receives) = directions(stream);
            path.set_direction(now, sends, receives);
        }
    }

    fn point(
        &mut self,
        now: Instant,
        stream: &AudioStream,
        remote: SocketAddr,
        keys: Option<Keys>,
    ) {
        self.suite = keys.as_ref().map(|keys| keys.send.suite());
        let mode = match (stream.rtcp_mux, &stream.dtls) {
            (true, _) => RtcpMode::Mux,
            (false, None) => RtcpMode::Separate,
            // A port of its own would need a handshake of its own (RFC 5764 section 3).
            (false, Some(_)) => RtcpMode::Off,
        };
        let path = match &mut self.path {
            Some(path) => {
                path.set_remote(now, remote, stream.remote_rtcp);
                path.set_rtcp_mode(now, mode);
                path.set_keys(now, keys);
                path
            }
            none => {
                let mut config = Config::new(remote, self.config.epoch);
                config.remote_rtcp = stream.remote_rtcp;
                config.rtcp = mode;
                config.keys = keys;
                config.first_media_timeout = Some(self.config.media_timeout);
                config.media_timeout = Some(self.config.media_timeout);
                none.insert(MediaPath::new(now, config, self.config.random.boxed()))
            }
        };
        let payloads = stream.receive.iter().chain(&stream.receive_dtmf);
        for payload in payloads.chain([&stream.send]).chain(&stream.send_dtmf) {
            path.set_clock_rate(payload.payload_type, payload.codec.clock_rate);
        }
    }

    /// Decoders of payload types that stay keep their memory.
    fn receive_with(&mut self, wanted: Vec<(u8, Arc<dyn Codec>)>) {
        let mut known = std::mem::take(&mut self.incoming);
        self.incoming = wanted
            .into_iter()
            .map(|(payload_type, codec)| {
                let same = known.iter().position(|incoming| {
                    incoming.payload_type == payload_type && Arc::ptr_eq(&incoming.codec, &codec)
                });
                match same {
                    Some(at) => known.swap_remove(at),
                    None => Incoming {
                        payload_type,
                        codec,
                        decoder: None,
                    },
                }
            })
            .collect();
    }

    fn send_with(
        &mut self,
        mixer: &mut Mixer,
        stream: &AudioStream,
        codec: Arc<dyn Codec>,
    ) -> Result<(), LegError> {
        let description = codec.description();
        let clock_rate = description.clock_rate;
        self.keys = stream.send_dtmf.as_ref().map(|payload| {
            let (payload_type, clock_rate) = (payload.payload_type, payload.codec.clock_rate);
            match self
                .keys
                .take()
                .filter(|keys| keys.clock_rate == clock_rate)
            {
                Some(keys) => Keypad {
                    payload_type,
                    ..keys
                },
                None => {
                    let mut config = DtmfConfig::new(clock_rate);
                    config.interval = Duration::from_millis(u64::from(self.tick_ms));
                    let sender = DtmfSender::new(config);
                    Keypad {
                        payload_type,
                        clock_rate,
                        sender,
                        now: DtmfOut::Sound,
                        sent: true,
                    }
                }
            }
        });
        // The longest frame that the codec has and the peer takes.
        let ptime_ms = description
            .frame_ms
            .iter()
            .copied()
            .filter(|&ms| u32::from(ms) <= stream.ptime && ms >= 10)
            .max()
            .unwrap_or(description.ptime_ms);
        let fmtp = stream.send.codec.fmtp.as_deref().unwrap_or("");
        let options = CodecOptions::new().narrowed_by(fmtp);
        if !self.sending {
            mixer.stop_encoding(self.listener)?;
            self.outgoing = None;
        } else {
            let same = self.outgoing.as_ref().is_some_and(|outgoing| {
                Arc::ptr_eq(&outgoing.codec, &codec)
                    && outgoing.options == options
                    && outgoing.ptime_ms == ptime_ms
            });
            if !same {
                mixer.encode(self.listener, &codec, &options, ptime_ms)?;
            }
            self.outgoing = Some(Outgoing {
                payload_type: stream.send.payload_type,
                codec,
                options,
                ptime_ms,
                per_tick: (self.tick_ms / u32::from(ptime_ms)).max(1),
            });
        }
        if clock_rate != self.clock_rate {
            self.clock =
                (u64::from(self.clock) * u64::from(clock_rate) / u64::from(self.clock_rate)) as u32;
            self.clock_rate = clock_rate;
        }
        Ok(())
    }

    /// Takes a packet of this leg's sockets. `true`: there may be an answer to send, and it should not wait for a tick.
    pub(super) fn receive(&mut self, now: Instant, path: Path, packet: &mut [u8]) -> bool {
        let is_dtls = packet.first().map(|&first| Protocol::of(first)) == Some(Protocol::Dtls);
        if is_dtls && path.component == Component::Rtp && self.config.certificate.is_some() {
            match &mut self.dtls {
                Some(dtls) => dtls.receive(now, path.from, packet),
                None => self.early.keep(path.from, packet),
            }
            self.shake(now);
            return true;
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
        let _ = self.jitter.push(now, rtp);
    }

    /// Gives the mixer a tick of the phone's sound, as far as there is any.
    pub(super) fn fill(&mut self, now: Instant, mixer: &mut Mixer) {
        if std::mem::take(&mut self.reported)
            && let Some(report) = self
                .path
                .as_ref()
                .and_then(|path| path.stats().remote_report)
        {
            // What the phone lost of late is what an encoder with FEC should expect.
            let percent = (report.loss * 100.0).round().clamp(0.0, 100.0) as u8;
            let _ = mixer.expect_loss(self.listener, percent);
        }
        for _ in 0..MAX_PULLS {
            if mixer.buffered(self.source) >= mixer.wanted(self.source) {
                break;
            }
            let samples = match self.jitter.pull(now, &mut self.payload) {
                Playout::Frame(frame) => self.play(frame, mixer),
                Playout::Stretch { frame, by } => {
                    let samples = self.play(frame, mixer);
                    self.bend(samples, by, mixer, media_mix::stretch)
                }
                Playout::Shrink { frame, by } => {
                    let samples = self.play(frame, mixer);
                    self.bend(samples, by, mixer, media_mix::shrink)
                }
                Playout::Recover(next) => {
                    self.recover(next.payload_type, next.len, next.samples, mixer)
                }
                Playout::Conceal { samples } => self.conceal(samples, mixer),
                Playout::Comfort { samples } => self.rest(samples, mixer),
                _ => {
                    self.stopped();
                    break;
                }
            };
            if samples == 0 {
                break;
            }
            let _ = mixer.push(self.source, &self.pcm[..samples]);
        }
    }

    /// The phone's stream has stopped. What comes next is likely to come from a fresh encoder, whose first frames a
    /// decoder with a memory of its own (Opus in its speech mode) would blow up: it starts from silence, too.
    fn stopped(&mut self) {
        if std::mem::take(&mut self.playing) {
            for decoder in self
                .incoming
                .iter_mut()
                .filter_map(|incoming| incoming.decoder.as_mut())
            {
                decoder.reset();
            }
        }
    }

    /// Ticks of the RTP clock as samples at the source's rate.
    fn pcm_samples(&self, ticks: u32, mixer: &Mixer) -> usize {
        let tick_ms = mixer.tick_length().ms() as u64;
        let hz = mixer.wanted(self.source) as u64 * 1000 / tick_ms;
        let samples = u64::from(ticks) * hz / u64::from(self.jitter.config().clock_rate);
        (samples as usize).min(self.pcm.len())
    }

    /// A frame of sound, or of how the silence sounds.
    fn play(&mut self, frame: Frame, mixer: &mut Mixer) -> usize {
        if frame.payload_type == COMFORT_NOISE {
            let noise = self.comfort.get_or_insert_with(ComfortNoise::new);
            noise.update(&self.payload[..frame.len]);
            return self.rest(frame.samples, mixer);
        }
        self.playing = true;
        let decoded = match decoder(&mut self.incoming, frame.payload_type) {
            None => None,
            Some((decoder, rate)) => {
                let _ = mixer.set_source_rate(self.source, rate);
                decoder
                    .decode(&self.payload[..frame.len], &mut self.pcm)
                    .ok()
            }
        };
        decoded.unwrap_or_else(|| {
            self.undecodable += 1;
            self.conceal(frame.samples, mixer)
        })
    }

    /// Plays the frame a pitch period longer or shorter, if that is no more than `by` ticks.
    fn bend(
        &mut self,
        samples: usize,
        by: u32,
        mixer: &Mixer,
        how: fn(Rate, &[i16], &mut [i16]) -> usize,
    ) -> usize {
        let most = self.pcm_samples(by, mixer);
        let rate = mixer.wanted(self.source) / mixer.tick_length().ms() * 1000;
        let Ok(rate) = Rate::try_from(rate as u32) else {
            return samples;
        };
        let bent = how(rate, &self.pcm[..samples], &mut self.bent);
        if bent.abs_diff(samples) > most {
            return samples;
        }
        self.pcm[..bent].copy_from_slice(&self.bent[..bent]);
        bent
    }

    /// The phone is silent on purpose: its own description of that silence (RFC 3389), or its codec's idea of it.
    fn rest(&mut self, ticks: u32, mixer: &Mixer) -> usize {
        let samples = self.pcm_samples(ticks, mixer);
        match &mut self.comfort {
            Some(noise) => {
                noise.fill(&mut self.pcm[..samples]);
                samples
            }
            None => self.conceal(ticks, mixer),
        }
    }

    fn recover(&mut self, payload_type: u8, len: usize, ticks: u32, mixer: &Mixer) -> usize {
        let samples = self.pcm_samples(ticks, mixer);
        match decoder(&mut self.incoming, payload_type) {
            Some((decoder, _)) => {
                decoder.recover(&self.payload[..len], &mut self.pcm[..samples]);
                samples
            }
            None => 0,
        }
    }

    fn conceal(&mut self, ticks: u32, mixer: &Mixer) -> usize {
        let samples = self.pcm_samples(ticks, mixer);
        let out = &mut self.pcm[..samples];
        // The decoder that ran last knows best what to make up.
        match self
            .incoming
            .iter_mut()
            .find_map(|incoming| incoming.decoder.as_mut())
        {
            Some(decoder) => decoder.conceal(out),
            None => out.fill(0),
        }
        samples
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
        if let Some(dtls) = &mut self.dtls {
            dtls.handle_timeout(now);
            self.shake(now);
        }
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
        if let Some(transmit) = self.dtls.as_mut().and_then(|dtls| dtls.poll_transmit(out)) {
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
        if let Some(dtls) = &mut self.dtls {
            dtls.close();
        }
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
            path: self.path.as_ref().map(MediaPath::stats),
            jitter: self.jitter.stats(),
            received,
            sent,
            undecodable: self.undecodable,
        }
    }
}

/// Whether sound is sent and whether it is received.
fn directions(stream: &AudioStream) -> (bool, bool) {
    match stream.held_by_us {
        Some(Hold::PortZero) => (false, false),
        _ => (
            stream.direction.sends() && stream.remote_rtp.is_some(),
            stream.direction.receives(),
        ),
    }
}

fn find(registry: &Registry, payload: &Payload) -> Option<Arc<dyn Codec>> {
    let codec = &payload.codec;
    registry
        .find(&codec.name, codec.clock_rate, codec.channels)
        .or_else(|| registry.by_payload_type(payload.payload_type))
        .cloned()
}

/// The decoder of a payload type, made when its first frame is played.
fn decoder(incoming: &mut [Incoming], payload_type: u8) -> Option<(&mut Box<dyn Decoder>, Rate)> {
    let entry = incoming
        .iter_mut()
        .find(|entry| entry.payload_type == payload_type)?;
    let rate = entry.codec.description().rate;
    if entry.decoder.is_none() {
        entry.decoder = entry.codec.decoder(&CodecOptions::new()).ok();
    }
    entry.decoder.as_mut().map(|decoder| (decoder, rate))
}
