//! What SDP agreed on, carried into a leg: addresses, keys, codecs, directions. It may change in mid-call.

use super::{Incoming, Keypad, Leg, LegError, Outgoing};
use crate::engine::association::Association;
use crate::engine::relays::Relays;
use crate::engine::way::{Found, Way};
use media_mix::codec::{Codec, CodecOptions, Registry};
use media_mix::{Audience, Mixer};
use rtp_core::dtls::{self, DtlsError};
use rtp_core::dtmf::{DtmfConfig, DtmfOut, DtmfSender};
use rtp_core::ice::IceError;
use rtp_core::negotiate::{AudioStream, Hold, Payload};
use rtp_core::transport::{Component, Config, Keys, Latching, MediaPath, RtcpMode};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Leg {
    /// Carries what SDP agreed on from now on; `None` stops both ways.
    pub(in crate::engine) fn update(
        &mut self,
        now: Instant,
        mixer: &mut Mixer,
        stream: Option<&AudioStream>,
    ) -> Result<(), LegError> {
        let Some(stream) = stream else {
            self.sending = false;
            self.waiting = None;
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
        self.levels.agree(stream, mixer);
        self.events_in = stream
            .receive_dtmf
            .iter()
            .map(|payload| (payload.payload_type, payload.codec.clock_rate))
            .collect();
        let (sends, _) = directions(stream);
        self.find_way(now, stream)?;
        self.associate(now, stream)?;
        self.connect(now, stream);
        // A phone that we hold is not to hear what the session says meanwhile.
        let audience = if stream.held_by_us.is_some() {
            Audience::Nobody
        } else {
            self.audience
        };
        mixer.set_audience(self.listener, audience)?;
        let holds = stream.held_by_us.is_some();
        if std::mem::replace(&mut self.held, holds) && !holds {
            self.stop_music(mixer)?;
        }
        self.marker |= sends && !self.sending;
        self.sending = sends;
        self.send_with(mixer, stream, codec)?;
        Ok(())
    }

    /// Begins the search for a way that a stream asks for, or goes on with the one that there is.
    fn find_way(&mut self, now: Instant, stream: &AudioStream) -> Result<(), IceError> {
        let Some(agreed) = &stream.ice else {
            (self.way, self.rtcp_way) = (None, None);
            self.relays.close(now);
            return Ok(());
        };
        let random = &self.config.random;
        let known = self.way.as_ref().map(Way::tie_breaker);
        let tie_breaker = known.unwrap_or_else(|| random.number());
        match &mut self.way {
            Some(way) => way.update(now, agreed)?,
            none => {
                let at = (Component::Rtp, stream.local.rtp);
                let way = Way::start(now, agreed, at, tie_breaker, random.boxed(), &self.relays);
                *none = Some(way?);
            }
        }
        match &mut self.rtcp_way {
            none if !agreed.rtcp => *none = None,
            Some(way) => way.update(now, agreed)?,
            none => {
                // Servers give addresses for RTP alone.
                let (at, relays) = ((Component::Rtcp, stream.local.rtcp), Relays::default());
                let way = Way::start(now, agreed, at, tie_breaker, random.boxed(), &relays);
                *none = Some(way?);
            }
        }
        Ok(())
    }

    /// Where packets go: as ICE has found, or as SDP says.
    fn remote(&self, stream: &AudioStream) -> Option<SocketAddr> {
        match &self.way {
            Some(way) => way.remote(),
            None => stream.remote_rtp,
        }
    }

    /// Takes what ICE has found.
    pub(super) fn follow_ways(&mut self, now: Instant) {
        while let Some(found) = self.way.as_mut().and_then(Way::poll_event) {
            match found {
                Found::To(remote) => {
                    if let Some(pair) = self.way.as_ref().and_then(Way::pair) {
                        self.relays.bind(now, pair);
                    }
                    if let Some(dtls) = &mut self.dtls {
                        dtls.redirect(remote);
                    }
                    if let Some(path) = &mut self.path {
                        path.set_remote(now, remote, None);
                    }
                    self.point_rtcp(now);
                    if let Some(stream) = self.waiting.take() {
                        if let Err(error) = self.associate(now, &stream) {
                            self.unsecured = Some(error);
                        }
                        self.connect(now, &stream);
                    }
                }
                // While there is no way nothing is sent, see `poll_transmit`.
                Found::Nowhere => {}
                Found::Never => self.unreachable = true,
            }
        }
        // RFC 8445 §8.1.2 would give up the stream with its RTCP; sound without reports is better than none.
        while let Some(found) = self.rtcp_way.as_mut().and_then(Way::poll_event) {
            if let Found::To(_) = found {
                // It fails as RTP's does, which is told.
                let _ = self.associate_rtcp(now);
            }
            self.point_rtcp(now);
        }
    }

    /// Lets RTCP on a port of its own go where its way leads, and nowhere without one.
    fn point_rtcp(&mut self, now: Instant) {
        let (Some(path), Some(own)) = (&mut self.path, &self.rtcp_way) else {
            return;
        };
        let rtp = self.way.as_ref().and_then(Way::remote);
        let (Some(rtp), Some(rtcp)) = (rtp, own.remote()) else {
            path.set_rtcp_mode(now, RtcpMode::Off);
            return;
        };
        path.set_rtcp_mode(now, RtcpMode::Separate);
        path.set_remote(now, rtp, Some(rtcp));
        if self.rtcp_peer.is_some() {
            let keys = self.rtcp_dtls.as_ref().and_then(Association::keys);
            path.set_rtcp_keys(now, keys.cloned());
        }
    }

    /// Begins the DTLS handshakes that a stream asks for, unless those that are up serve it. With ICE they wait for a way.
    fn associate(&mut self, now: Instant, stream: &AudioStream) -> Result<(), DtlsError> {
        let has_own = self.rtcp_way.is_some();
        self.rtcp_peer = stream.dtls.clone().filter(|_| has_own);
        let (Some(peer), Some(remote)) = (&stream.dtls, self.remote(stream)) else {
            return Ok(());
        };
        let none = || DtlsError::Certificate("there is none".to_owned());
        let certificate = self.config.certificate.as_ref().ok_or_else(none)?;
        let (dtls, early) = (&mut self.dtls, &mut self.early);
        let at = (Component::Rtp, remote, self.way.is_some());
        Association::agree(dtls, early, now, certificate, peer, at)?;
        if has_own {
            return self.associate_rtcp(now);
        }
        if stream.rtcp_mux || self.way.is_some() {
            self.rtcp_dtls = None;
            return Ok(());
        }
        let above = || SocketAddr::new(remote.ip(), remote.port().saturating_add(1));
        let to = stream.remote_rtcp.unwrap_or_else(above);
        let (dtls, early) = (&mut self.rtcp_dtls, &mut self.rtcp_early);
        Association::agree(
            dtls,
            early,
            now,
            certificate,
            peer,
            (Component::Rtcp, to, false),
        )
    }

    /// Begins the handshake of RTCP's own port, once there is a way.
    fn associate_rtcp(&mut self, now: Instant) -> Result<(), DtlsError> {
        let to = self.rtcp_way.as_ref().and_then(Way::remote);
        let (Some(peer), Some(to)) = (&self.rtcp_peer, to) else {
            return Ok(());
        };
        let none = || DtlsError::Certificate("there is none".to_owned());
        let certificate = self.config.certificate.as_ref().ok_or_else(none)?;
        let (dtls, early) = (&mut self.rtcp_dtls, &mut self.rtcp_early);
        let at = (Component::Rtcp, to, true);
        Association::agree(dtls, early, now, certificate, peer, at)
    }

    /// Takes what the handshake says. Sound begins with its keys.
    pub(super) fn shake(&mut self, now: Instant) {
        while let Some(event) = self.dtls.as_mut().and_then(Association::poll_event) {
            match event {
                dtls::Event::Keys(_) => {
                    if let Some(stream) = self.waiting.take() {
                        self.connect(now, &stream);
                    }
                }
                dtls::Event::Failed(error) => self.unsecured = Some(error),
                // A goodbye of the association alone; the dialog says whether the call is over.
                _ => {}
            }
        }
        // Without its keys RTCP stays silent; the call does not end over it.
        while let Some(event) = self.rtcp_dtls.as_mut().and_then(Association::poll_event) {
            if let (dtls::Event::Keys(keys), Some(path)) = (event, &mut self.path) {
                path.set_rtcp_keys(now, Some(keys));
            }
        }
    }

    /// Points the media path at the peer, and makes it the first time. Nothing goes either way in the clear that is to be
    /// encrypted: without its keys the stream waits, and with ICE also for its way.
    fn connect(&mut self, now: Instant, stream: &AudioStream) {
        self.waiting = None;
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
        let remote = self.remote(stream);
        let is_lost = stream.ice.is_some() && remote.is_none();
        if is_lost || stream.dtls.is_some() && keys.is_none() {
            self.waiting = Some(Box::new(stream.clone()));
            if let Some(path) = &mut self.path {
                path.set_direction(now, false, false);
            }
            return;
        }
        if let Some(remote) = remote {
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
        let mode = match (stream.rtcp_mux, &stream.ice) {
            (true, _) => RtcpMode::Mux,
            (false, None) => RtcpMode::Separate,
            // It has a way of its own, or none.
            (false, Some(_)) => RtcpMode::Off,
        };
        let remote_rtcp = stream.remote_rtcp.filter(|_| stream.ice.is_none());
        let path = match &mut self.path {
            Some(path) => {
                path.set_remote(now, remote, remote_rtcp);
                path.set_rtcp_mode(now, mode);
                path.set_keys(now, keys);
                path
            }
            none => {
                let mut config = Config::new(remote, self.config.epoch);
                config.remote_rtcp = remote_rtcp;
                config.rtcp = mode;
                if stream.ice.is_some() {
                    // ICE says where the peer is; no packet does.
                    config.latching = Latching::Off;
                }
                config.keys = keys;
                config.first_media_timeout = Some(self.config.media_timeout);
                config.media_timeout = Some(self.config.media_timeout);
                none.insert(MediaPath::new(now, config, self.config.random.boxed()))
            }
        };
        if stream.dtls.is_some() && mode == RtcpMode::Separate {
            let own = self.rtcp_dtls.as_ref().and_then(Association::keys);
            path.set_rtcp_keys(now, own.cloned());
        }
        let payloads = stream.receive.iter().chain(&stream.receive_dtmf);
        for payload in payloads.chain([&stream.send]).chain(&stream.send_dtmf) {
            path.set_clock_rate(payload.payload_type, payload.codec.clock_rate);
        }
        self.point_rtcp(now);
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
}

/// Whether sound is sent and whether it is received.
fn directions(stream: &AudioStream) -> (bool, bool) {
    match stream.held_by_us {
        Some(Hold::PortZero) => (false, false),
        _ => (
            stream.direction.sends() && (stream.remote_rtp.is_some() || stream.ice.is_some()),
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
