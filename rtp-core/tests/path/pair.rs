//! Two paths with a network between them, on virtual time.

use rtp_core::Random;
use rtp_core::rtcp::Epoch;
use rtp_core::srtp::{MasterKey, Suite};
use rtp_core::transport::{
    Component, Config, Event, Keys, MediaPath, OutFrame, PacketBuf, Path, Received, SendError,
};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

pub(crate) const MS: Duration = Duration::from_millis(1);

pub(crate) fn random(seed: u64) -> Random {
    let mut state = seed;
    Box::new(move |out| {
        for byte in out {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
    })
}

pub(crate) fn key(seed: u64) -> MasterKey {
    MasterKey::generate(Suite::AesCm128HmacSha1_80, &mut *random(seed + 1000))
}

pub(crate) fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) const A: &str = "192.0.2.1:4000";
pub(crate) const B: &str = "192.0.2.2:5000";

/// Alice and Bob with a network between them that takes `latency` each way.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) a: MediaPath,
    pub(crate) b: MediaPath,
    pub(crate) latency: Duration,
    pub(crate) ticks: u32,
    /// RTCP on its way: when, to Bob or not, component, bytes.
    reports: Vec<(Instant, bool, Component, Vec<u8>)>,
}

impl Pair {
    pub(crate) fn new(secure: bool, change: impl Fn(&mut Config)) -> Pair {
        let now = Instant::now();
        let epoch = Epoch::new(
            now,
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        );
        let make = |remote: &str, send: u64, receive: u64| {
            let mut config = Config::new(addr(remote), epoch);
            config.keys = secure.then(|| Keys {
                send: key(send),
                receive: key(receive),
            });
            change(&mut config);
            MediaPath::new(now, config, random(send))
        };
        Pair {
            now,
            a: make(B, 1, 2),
            b: make(A, 2, 1),
            latency: 30 * MS,
            ticks: 0,
            reports: Vec::new(),
        }
    }

    pub(crate) fn frame(&mut self, payload: &[u8]) -> Result<Vec<u8>, SendError> {
        let mut out = PacketBuf::new();
        let frame = OutFrame {
            payload_type: 0,
            marker: false,
            timestamp: self.ticks * 160,
            payload,
        };
        let _to = self.a.send(self.now, frame, &mut out)?;
        Ok(out.to_vec())
    }

    /// One tick of 20 ms in which Alice sends a frame, and maybe loses it; RTCP flows.
    pub(crate) fn tick(&mut self, lose: bool) {
        let mut packet = self.frame(&[self.ticks as u8; 160]).unwrap();
        if !lose {
            let got = self
                .b
                .receive(self.now + self.latency, Path::rtp(addr(A)), &mut packet);
            assert!(matches!(got, Received::Rtp(_)), "{got:?}");
        }
        self.rest();
    }

    /// One tick in which nobody sends sound.
    pub(crate) fn rest(&mut self) {
        self.ticks += 1;
        self.now += 20 * MS;
        let mut out = PacketBuf::new();
        for (to_b, path) in [(true, &mut self.a), (false, &mut self.b)] {
            path.handle_timeout(self.now);
            while let Some(t) = path.poll_transmit(&mut out) {
                self.reports
                    .push((self.now + self.latency, to_b, t.component, out.to_vec()));
            }
        }
        let now = self.now;
        for (at, to_b, component, mut bytes) in std::mem::take(&mut self.reports) {
            if at > now {
                self.reports.push((at, to_b, component, bytes));
                continue;
            }
            let (path, from) = if to_b {
                (&mut self.b, A)
            } else {
                (&mut self.a, B)
            };
            let mut from = addr(from);
            if component == Component::Rtcp {
                from.set_port(from.port() + 1);
            }
            let got = path.receive(at, Path { component, from }, &mut bytes);
            assert!(matches!(got, Received::Rtcp(_)), "{got:?}");
        }
    }
}

pub(crate) fn events(path: &mut MediaPath) -> Vec<Event> {
    std::iter::from_fn(|| path.poll_event()).collect()
}
