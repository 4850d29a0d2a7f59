//! Two sides of a call without sockets or clocks: endpoints, calls and rooms on virtual time.
#![allow(dead_code, clippy::disallowed_methods, clippy::unwrap_used)]

use media_mix::codec::Registry;
use media_mix::{Rate, Tone};
use rtp_core::dtls::Certificate;
use rtp_core::negotiate::RtcpMux;
use rtp_core::rtcp;
use rtp_core::srtp::Suite;
use rtp_core::transport::{Component, PacketBuf, Path};
use signaling::call::{Call, CallEvent, capabilities, with_ice};
use signaling::engine::{LegConfig, PcmReader, Room, RoomEvent, Voice, Who};
use signaling::session::{Join, ParticipantId, Session, SessionOptions};
use signaling::{DialRequest, Ice, Random, Secure};
use sip_core::header::NameAddr;
use sip_core::{Config, Endpoint, Epoch, Event, Flow, Input, Local, Transport};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use token::Role;

pub(crate) const TICK: Duration = Duration::from_millis(20);

/// Bytes that differ at every call and are the same in every run.
pub(crate) fn random(seed: u64) -> Random {
    let state = AtomicU64::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    Random::new(move |bytes| {
        for byte in bytes {
            let mut x = state.load(Ordering::Relaxed);
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            state.store(x, Ordering::Relaxed);
            *byte = (x >> 32) as u8;
        }
    })
}

/// One side.
pub(crate) struct Side {
    pub(crate) sip: SocketAddr,
    pub(crate) rtp: SocketAddr,
    pub(crate) endpoint: Endpoint,
    pub(crate) call: Option<Call>,
    pub(crate) room: Room,
    pub(crate) person: ParticipantId,
    pub(crate) hears: PcmReader,
    pub(crate) events: Vec<CallEvent>,
    pub(crate) room_events: Vec<RoomEvent>,
    pub(crate) registry: Registry,
    pub(crate) secure: Secure,
    pub(crate) ice: Ice,
    /// Whether RTCP may share the port of RTP.
    pub(crate) mux: RtcpMux,
    /// What DTLS shows.
    pub(crate) certificate: Option<Certificate>,
    /// Packets that left, but for STUN.
    pub(crate) sent: usize,
    /// Whether what comes in is answered at once.
    pub(crate) answers: bool,
    random: Random,
    epoch: rtcp::Epoch,
    out: PacketBuf,
}

impl Side {
    fn new(number: u8, now: Instant, hz: f64) -> Side {
        let sip = SocketAddr::from(([127, 0, 0, number], 5060));
        let rtp = SocketAddr::from(([127, 0, 0, number], 4000));
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        let random = random(number.into());
        let config = Config::new(Local::new(Transport::Udp, sip));
        let endpoint = Endpoint::new(config, Epoch { instant: now, wall }, random.boxed());
        let mut session = Session::new("s", SessionOptions::default());
        let person = session.join(now, Join::new(Role::Publisher)).unwrap();
        let mut room = Room::default();
        let voice = Voice::tone(Tone::new(Rate::Khz48, hz, -12.0));
        room.add_participant(person, voice, true).unwrap();
        let hears = room.listen(Who::Participant(person), Rate::Khz48).unwrap();
        Side {
            sip,
            rtp,
            endpoint,
            call: None,
            room,
            person,
            hears,
            events: Vec::new(),
            room_events: Vec::new(),
            registry: Registry::default(),
            secure: Secure::Allow,
            ice: Ice::Off,
            mux: RtcpMux::Allow,
            certificate: None,
            sent: 0,
            answers: true,
            random,
            epoch: rtcp::Epoch::new(now, wall),
            out: PacketBuf::new(),
        }
    }

    pub(crate) fn call(&mut self) -> &mut Call {
        self.call.as_mut().expect("there is a call")
    }

    /// A command to the call.
    pub(crate) fn command<R>(&mut self, f: impl FnOnce(&mut Call, &mut Endpoint) -> R) -> R {
        f(
            self.call.as_mut().expect("there is a call"),
            &mut self.endpoint,
        )
    }

    fn take_events(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Incoming { call, offer, .. } => {
                    let can = capabilities(
                        &self.registry,
                        self.rtp.into(),
                        self.secure,
                        Suite::ALL,
                        self.certificate.as_ref().map(Certificate::fingerprint),
                    );
                    let mut can = with_ice(now, can, self.ice, &self.random);
                    can.rtcp_mux = self.mux;
                    let random = self.random.clone();
                    self.call =
                        Call::incoming(now, &mut self.endpoint, call, offer.as_ref(), can, random);
                    if let (Some(call), true) = (&mut self.call, self.answers) {
                        // When there is nothing in common, the call refuses itself.
                        let _ = call.answer(now, &mut self.endpoint);
                    }
                }
                event => {
                    if let Some(call) = &mut self.call {
                        call.handle_event(now, &mut self.endpoint, event);
                    }
                }
            }
        }
        let Some(call) = &mut self.call else { return };
        call.handle_timeout(now, &mut self.endpoint);
        let id = call.id();
        while let Some(event) = call.poll_event() {
            if let CallEvent::Media(stream) = &event {
                if self.room.calls().all(|known| known != id) {
                    let mut config =
                        LegConfig::new(self.registry.clone(), self.random.clone(), self.epoch);
                    config.media_timeout = Duration::from_secs(20);
                    config.certificate.clone_from(&self.certificate);
                    self.room.add_call(id, config, true).unwrap();
                }
                self.room.update_call(now, id, stream.as_deref()).unwrap();
            }
            self.events.push(event);
        }
    }
}

/// Both sides and the wire between them.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) ours: Side,
    pub(crate) phone: Side,
    /// Whether sound crosses.
    pub(crate) sound: bool,
    /// Whether what goes to the ports of RTCP crosses.
    pub(crate) reports: bool,
}

impl World {
    /// We speak 440 Hz, the phone 1020 Hz.
    pub(crate) fn new() -> World {
        let now = Instant::now();
        World {
            now,
            ours: Side::new(1, now, 440.0),
            phone: Side::new(2, now, 1020.0),
            sound: true,
            reports: true,
        }
    }

    pub(crate) fn request(&self) -> DialRequest {
        let from = NameAddr::new(&"sip:desk@example.org".parse().unwrap());
        DialRequest::new(
            format!("sip:phone@{}", self.phone.sip).parse().unwrap(),
            from,
        )
    }

    pub(crate) fn dial(&mut self, request: &DialRequest) {
        let ours = &mut self.ours;
        let can = capabilities(
            &ours.registry,
            ours.rtp.into(),
            request.secure,
            &request.suites,
            ours.certificate.as_ref().map(Certificate::fingerprint),
        );
        let mut can = with_ice(self.now, can, request.ice, &ours.random);
        can.rtcp_mux = ours.mux;
        let random = ours.random.clone();
        ours.call = Some(Call::dial(self.now, &mut ours.endpoint, request, can, random).unwrap());
        self.settle();
    }

    /// Lets SIP cross until nothing moves any more; the wire has no delay.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut moved = false;
            for (from, to) in [(0, 1), (1, 0)] {
                let mut bytes = Vec::new();
                let side = if from == 0 {
                    &mut self.ours
                } else {
                    &mut self.phone
                };
                side.endpoint.handle_timeout(self.now);
                side.take_events(self.now);
                while let Some(transmit) = side.endpoint.poll_transmit() {
                    bytes.push(transmit.bytes);
                }
                let source = side.sip;
                let side = if to == 0 {
                    &mut self.ours
                } else {
                    &mut self.phone
                };
                for bytes in bytes {
                    moved = true;
                    let flow = Flow::udp(side.sip, source);
                    side.endpoint
                        .handle_input(self.now, Input::Received { flow, bytes });
                    side.take_events(self.now);
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// One tick of sound on both sides.
    pub(crate) fn tick(&mut self) {
        self.now += TICK;
        for from in [0, 1] {
            let (side, other) = match from {
                0 => (&mut self.ours, &mut self.phone),
                _ => (&mut self.phone, &mut self.ours),
            };
            side.room.tick(self.now);
            while let Some((_, transmit)) = side.room.poll_transmit(self.now, &mut side.out) {
                side.sent += usize::from(side.out[0] > 3);
                let port = if transmit.component == Component::Rtp {
                    0
                } else {
                    1
                };
                let source = SocketAddr::new(side.rtp.ip(), side.rtp.port() + port);
                let component = match transmit.to.port() {
                    4000 => Component::Rtp,
                    _ => Component::Rtcp,
                };
                let crosses = match component {
                    Component::Rtp => self.sound,
                    Component::Rtcp => self.sound && self.reports,
                };
                if let (Some(call), true) = (&other.call, crosses) {
                    let path = Path {
                        component,
                        from: source,
                    };
                    other
                        .room
                        .receive(self.now, call.id(), path, side.out.as_mut_slice());
                }
            }
            while let Some(event) = side.room.poll_event() {
                side.room_events.push(event);
            }
        }
    }

    /// Runs for a while: ticks of sound, timers of SIP.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.tick();
            self.settle();
        }
    }
}

/// The share of the power of the last 400 ms that is at `hz`, and that power's level in dBFS of a sine.
pub(crate) fn heard(reader: &mut PcmReader, hz: f64) -> (f64, f64) {
    let mut samples = Vec::new();
    reader.drain_into(&mut samples);
    let rate = f64::from(reader.rate().hz());
    let last = &samples[samples.len().saturating_sub((rate * 0.4) as usize)..];
    let power: f64 = last.iter().map(|&s| f64::from(s).powi(2)).sum();
    let turn = std::f64::consts::TAU * hz / rate;
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &s) in last.iter().enumerate() {
        re += f64::from(s) * (turn * i as f64).cos();
        im += f64::from(s) * (turn * i as f64).sin();
    }
    let count = last.len().max(1) as f64;
    let level = 10.0 * (2.0 * power / count / 32768f64.powi(2)).max(1e-12).log10();
    (2.0 * (re * re + im * im) / count / power.max(1.0), level)
}
