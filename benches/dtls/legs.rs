//! A leg as an application builds it: an ICE agent, a handshake, the media path that its keys make, and a jitter buffer.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use rtp_core::dtls::{Backend, Event, Handshake, Role};
use rtp_core::ice::{self, Agent};
use rtp_core::jitter::{JitterBuffer, JitterConfig};
use rtp_core::negotiate::IceDescription;
use rtp_core::rtcp::Epoch;
use rtp_core::transport::{
    Config, MediaPath, OutFrame, PacketBuf, Path, Protocol, Received, RtcpMode,
};

use crate::ends::Ends;

/// How our side takes part in ICE; the phone is full, and decides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ice {
    Without,
    Lite,
    Full,
}

pub(crate) struct Leg {
    agent: Option<Agent>,
    handshake: Handshake,
    path: Option<MediaPath>,
    jitter: JitterBuffer,
    here: SocketAddr,
    there: SocketAddr,
    frames: u32,
    /// When the first packet of sound was read.
    pub(crate) heard: Option<Instant>,
}

fn random(seed: u64) -> rtp_core::Random {
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    Box::new(move |out| {
        for byte in out {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
    })
}

impl Leg {
    /// The leg `n` of the phone's side or of ours, at the moment when both know both descriptions.
    pub(crate) fn new(
        now: Instant,
        ends: &Ends,
        role: Role,
        backend: Backend,
        ice: Ice,
        n: u16,
    ) -> Leg {
        let port = 10_000 + n;
        let [phone, server] =
            [[192, 0, 2, 1], [192, 0, 2, 2]].map(|ip| SocketAddr::from((ip, port)));
        let (here, there) = match role {
            Role::Client => (phone, server),
            Role::Server => (server, phone),
        };
        let agent = (ice != Ice::Without).then(|| agent(now, role, ice, here, there));
        Leg {
            agent,
            handshake: ends.start(now, role, backend),
            path: None,
            jitter: JitterBuffer::new(JitterConfig::new(8000)),
            here,
            there,
            frames: 0,
            heard: None,
        }
    }

    pub(crate) fn receive(&mut self, now: Instant, datagram: &mut [u8]) {
        match datagram.first().map(|&first| Protocol::of(first)) {
            Some(Protocol::Stun) => {
                if let Some(agent) = &mut self.agent {
                    let _ = agent.receive(now, self.here, self.there, datagram);
                }
            }
            Some(Protocol::Dtls) if self.is_known() => self.handshake.receive(now, datagram),
            Some(Protocol::Media) => {
                let Some(path) = &mut self.path else { return };
                if let Received::Rtp(rtp) = path.receive(now, Path::rtp(self.there), datagram) {
                    self.heard.get_or_insert(now);
                    self.jitter.push(now, rtp);
                }
            }
            _ => {}
        }
        self.settle(now);
    }

    /// Whether there is a way to the peer.
    fn is_found(&self) -> bool {
        let agent = self.agent.as_ref();
        agent.is_none_or(|agent| agent.selected().is_some())
    }

    /// Whether the peer has shown that it is where this came from: its flight may come before its nomination.
    fn is_known(&self) -> bool {
        let (local, remote) = (self.here, self.there);
        let agent = self.agent.as_ref();
        agent.is_none_or(|agent| agent.knows(ice::Pair { local, remote }))
    }

    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.handshake.poll_event() {
            let Event::Keys(keys) = event else {
                panic!("{event:?}")
            };
            let mut config = Config::new(self.there, Epoch::new(now, SystemTime::UNIX_EPOCH));
            config.keys = Some(keys);
            config.rtcp = RtcpMode::Mux;
            (config.stun, config.dtls) = (self.agent.is_some(), true);
            let seed = u64::from(self.here.port()) << 1;
            let seed = seed | u64::from(self.handshake.role() == Role::Client);
            self.path = Some(MediaPath::new(now, config, random(seed)));
        }
        if let Some(agent) = &mut self.agent {
            while agent.poll_event().is_some() {}
        }
    }

    /// Timers, and what is to be sent.
    pub(crate) fn poll(&mut self, now: Instant, out: &mut Vec<Vec<u8>>) {
        if let Some(agent) = &mut self.agent {
            if agent.poll_timeout().is_some_and(|at| at <= now) {
                agent.handle_timeout(now);
            }
            out.extend(std::iter::from_fn(|| agent.poll_transmit()).map(|sent| sent.bytes));
        }
        if self.is_found() {
            if self.handshake.poll_timeout().is_some_and(|at| at <= now) {
                self.handshake.handle_timeout(now);
            }
            out.extend(std::iter::from_fn(|| self.handshake.poll_transmit()));
        }
        self.settle(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let checks = self.agent.as_ref().and_then(Agent::poll_timeout);
        let flights = self.handshake.poll_timeout().filter(|_| self.is_found());
        checks.into_iter().chain(flights).min()
    }

    /// 20 ms of sound, once there are keys.
    pub(crate) fn speak(&mut self, now: Instant) -> Option<Vec<u8>> {
        let path = self.path.as_mut()?;
        let frame = OutFrame {
            payload_type: 0,
            marker: self.frames == 0,
            timestamp: self.frames * 160,
            payload: &[0xd5; 160],
        };
        self.frames += 1;
        let mut packet = PacketBuf::new();
        path.send(now, frame, &mut packet)
            .ok()
            .map(|_| packet.to_vec())
    }

    /// Takes what is to be played, as a mixer does every 20 ms.
    pub(crate) fn play(&mut self, now: Instant) {
        let mut frame = [0; 1500];
        let _ = self.jitter.pull(now, &mut frame);
    }

    pub(crate) fn has_keys(&self) -> bool {
        self.path.is_some()
    }
}

/// How long until a leg looks again when nothing happens.
pub(crate) const TICK: Duration = Duration::from_millis(20);

fn agent(now: Instant, role: Role, ice: Ice, here: SocketAddr, there: SocketAddr) -> Agent {
    let side = |at: SocketAddr| {
        let mut side = IceDescription::new("side", &format!("password of {at:>30}"));
        let told = format!(
            "candidate:1 1 udp 2130706431 {} {} typ host",
            at.ip(),
            at.port()
        );
        side.candidates = vec![told.parse().expect("a candidate")];
        side
    };
    let mut config = ice::Config::default();
    config.lite = ice == Ice::Lite && role == Role::Server;
    let seed = u64::from(here.port()) + (u64::from(role == Role::Server) << 32);
    let mut agent = Agent::with_credentials(now, config, &side(here), random(seed));
    agent.add_host(now, here).expect("an address");
    agent.finish_gathering(now);
    let decides = match role {
        Role::Client => ice::Role::Controlling,
        Role::Server => ice::Role::Controlled,
    };
    agent
        .set_remote(now, &side(there), decides)
        .expect("credentials");
    agent
}
