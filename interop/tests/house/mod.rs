//! A gateway with one session of two talkers, driven from a test without `async`.
#![allow(dead_code, reason = "each test program uses a part of it")]

use interop::{Baresip, Heard, Ports};
use media_mix::{Rate, Tone};
use signaling::engine::{PcmReader, Voice};
use signaling::net::{Event, Gateway, GatewayConfig, SessionId};
use signaling::session::{Join, SessionOptions};
use signaling::{CallId, DialRequest, Random};
use sip_core::header::NameAddr;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use token::Role;

pub(crate) const SOON: Duration = Duration::from_secs(10);
/// What the session's own talkers say, in Hz.
pub(crate) const TALKERS: [f64; 2] = [440.0, 660.0];
/// What the phone says, in Hz.
pub(crate) const PHONE: f64 = 1020.0;

/// A gateway with one session: two talkers, who also listen.
pub(crate) struct House {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) gateway: Gateway,
    pub(crate) session: SessionId,
    pub(crate) ears: [PcmReader; 2],
    pub(crate) heard: [Vec<i16>; 2],
    /// Events that no wait has taken.
    pub(crate) events: Vec<Event>,
    pub(crate) _ports: Ports,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut GatewayConfig)) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let ports = Ports::take();
        let random = Random::new(|out| {
            use std::io::Read;
            std::fs::File::open("/dev/urandom")
                .and_then(|mut f| f.read_exact(out))
                .expect("randomness");
        });
        let mut config = GatewayConfig::new((Ipv4Addr::LOCALHOST, 0).into(), random);
        config.rtp_ports = ports.port(0)..=ports.port(39);
        change(&mut config);
        let mut gateway = runtime.block_on(Gateway::bind(config)).expect("a gateway");
        let session = gateway
            .open_session("room7", SessionOptions::default())
            .expect("a session");
        let ears = TALKERS.map(|hz| {
            let voice = Voice::tone(Tone::new(Rate::Khz48, hz, -12.0));
            let id = gateway
                .join(session, Join::new(Role::Publisher), voice)
                .expect("a talker");
            gateway.listen(session, id, Rate::Khz16).expect("an ear")
        });
        Self {
            runtime,
            gateway,
            session,
            ears,
            heard: Default::default(),
            events: Vec::new(),
            _ports: ports,
        }
    }

    pub(crate) fn dial(&mut self, uri: &str, change: impl FnOnce(&mut DialRequest)) -> CallId {
        let from = NameAddr::parse("\"Room 7\" <sip:room7@example.org>").expect("an address");
        let mut request = DialRequest::new(uri.parse().expect("a URI"), from).header("X-Room", "7");
        change(&mut request);
        // A connection is opened where a runtime is.
        let _inside = self.runtime.enter();
        self.gateway.dial(self.session, &request).expect("a call")
    }

    /// Waits for a call, which joins the session.
    pub(crate) fn answer(&mut self) -> CallId {
        let call = self.wait_for("the call", |e| match e {
            Event::Incoming { call, .. } => Some(*call),
            _ => None,
        });
        self.gateway
            .answer(call, self.session, Join::new(Role::Publisher))
            .expect("an answer");
        call
    }

    pub(crate) fn turn(&mut self) {
        let event = self.runtime.block_on(async {
            tokio::time::timeout(Duration::from_millis(20), self.gateway.next_event())
                .await
                .ok()
        });
        self.events.extend(event);
        for (ear, heard) in self.ears.iter_mut().zip(&mut self.heard) {
            ear.drain_into(heard);
        }
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn();
        }
    }

    /// Runs until `look`, which is asked ten times a second, finds something; `None` when it does not in time.
    pub(crate) fn run_until<T>(&mut self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let end = Instant::now() + SOON;
        loop {
            match look() {
                None if Instant::now() < end => self.run_for(Duration::from_millis(100)),
                found => return found,
            }
        }
    }

    /// Runs until an event is `wanted`, and takes it; the others stay.
    pub(crate) fn wait_for<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&Event) -> Option<T>,
    ) -> T {
        let end = Instant::now() + SOON;
        loop {
            let found = self
                .events
                .iter()
                .enumerate()
                .find_map(|(i, e)| Some((i, wanted(e)?)));
            if let Some((i, value)) = found {
                self.events.remove(i);
                return value;
            }
            assert!(
                Instant::now() < end,
                "not within {SOON:?}: {what}; events: {:#?}",
                self.events
            );
            self.turn();
        }
    }

    pub(crate) fn keys(&self) -> String {
        self.events
            .iter()
            .filter_map(|e| {
                if let Event::Key { digit, .. } = e {
                    Some(*digit)
                } else {
                    None
                }
            })
            .collect()
    }

    /// What each talker hears from now on, for so long.
    pub(crate) fn hear(&mut self, time: Duration) -> [Heard; 2] {
        // What is under way in queues and buffers was said before.
        self.run_for(Duration::from_millis(100));
        self.heard = Default::default();
        self.run_for(time);
        std::mem::take(&mut self.heard).map(|samples| Heard::new(16_000, samples))
    }

    /// Packets that baresip receives and sends in half a second.
    pub(crate) fn flow(&mut self, baresip: &mut Baresip) -> (u64, u64) {
        let before = baresip.packets();
        self.run_for(Duration::from_millis(500));
        let after = baresip.packets();
        (after.received - before.received, after.sent - before.sent)
    }

    pub(crate) fn assert_flows(&mut self, baresip: &mut Baresip, when: &str) {
        let (received, sent) = self.flow(baresip);
        assert!(
            (18..=34).contains(&received) && (18..=34).contains(&sent),
            "{when}: {received} in, {sent} out"
        );
    }
}
