//! Agents that have found their pair, beside a peer that answers their checks and makes its own.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::{Bench, OURS};
use rtc_shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use rtp_core::ice::{Agent, Config, Pair, Role};
use rtp_core::negotiate::IceDescription;
use rtp_core::stun::{self, Builder, Class, Message, TransactionId};
use sansio::Protocol;

pub(crate) const OUR_NAME: &str = "ours";
pub(crate) const OUR_PASSWORD: &str = "0123456789abcdefghijklmn";
const THEIR_NAME: &str = "peer";
const THEIR_PASSWORD: &str = "nmlkjihgfedcba9876543210";

/// How often the peer asks, as a browser does.
const CHECKS: Duration = Duration::from_millis(2500);
/// What the row of a while of consent takes.
const WHILE: Duration = Duration::from_secs(15);

pub(crate) fn local() -> SocketAddr {
    ([192, 0, 2, 1], 4000).into()
}

pub(crate) fn remote() -> SocketAddr {
    ([192, 0, 2, 2], 5000).into()
}

/// A check of the peer's, which nominates, as those of a browser do.
pub(crate) fn check() -> Vec<u8> {
    let name = format!("{OUR_NAME}:{THEIR_NAME}");
    Builder::new(Class::Request, stun::BINDING, TransactionId([7; 12]))
        .attribute(stun::USERNAME, name.as_bytes())
        .attribute(stun::PRIORITY, &1_845_501_695u32.to_be_bytes())
        .attribute(stun::ICE_CONTROLLING, &[9; 8])
        .attribute(stun::USE_CANDIDATE, &[])
        .finish(Some(OUR_PASSWORD.as_bytes()))
}

/// What the peer says to a check of ours, and nothing to anything else.
fn answer(bytes: &[u8]) -> Option<Vec<u8>> {
    let asked = Message::parse(bytes).ok()?;
    (asked.class() == Class::Request).then(|| {
        Builder::new(Class::Success, stun::BINDING, asked.transaction())
            .address(stun::XOR_MAPPED_ADDRESS, local())
            .finish(Some(THEIR_PASSWORD.as_bytes()))
    })
}

/// What the programs have in common.
trait Side {
    fn receive(&mut self, now: Instant, datagram: &[u8]);
    fn handle_timeout(&mut self, now: Instant);
    fn poll_timeout(&mut self) -> Option<Instant>;
    /// The next datagram, if there is one.
    fn transmit<T>(&mut self, with: impl FnOnce(&[u8]) -> T) -> Option<T>;
    fn is_selected(&self) -> bool;
}

impl Side for Agent {
    fn receive(&mut self, now: Instant, datagram: &[u8]) {
        let _ = Agent::receive(self, now, local(), remote(), datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        Agent::handle_timeout(self, now);
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        Agent::poll_timeout(self)
    }

    fn transmit<T>(&mut self, with: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.poll_transmit().map(|sent| with(&sent.bytes))
    }

    fn is_selected(&self) -> bool {
        self.selected().is_some()
    }
}

fn ours(now: Instant) -> Agent {
    let us = IceDescription::new(OUR_NAME, OUR_PASSWORD);
    let random = Box::new(|out: &mut [u8]| out.fill(7));
    let mut agent = Agent::with_credentials(now, Config::default(), &us, random);
    let peer = IceDescription::new(THEIR_NAME, THEIR_PASSWORD);
    agent.add_host(now, local()).expect("an address");
    agent
        .set_remote(now, &peer, Role::Controlled)
        .expect("credentials");
    agent
}

/// The checklist that ours stands on, with nothing around it.
struct Bare {
    agent: is::IceAgent,
    selected: bool,
}

impl Bare {
    fn new(now: Instant) -> Self {
        let creds = |ufrag: &str, pass: &str| is::IceCreds {
            ufrag: ufrag.to_owned(),
            pass: pass.to_owned(),
        };
        let mut agent = is::IceAgent::new(creds(OUR_NAME, OUR_PASSWORD));
        let host = is::Candidate::host(local(), is::Protocol::Udp).expect("an address");
        agent.add_local_candidate(host);
        agent.set_remote_credentials(creds(THEIR_NAME, THEIR_PASSWORD));
        agent.set_controlling(false);
        agent.handle_timeout(now);
        Self {
            agent,
            selected: false,
        }
    }
}

impl Side for Bare {
    fn receive(&mut self, now: Instant, datagram: &[u8]) {
        let Ok(message) = is::stun::StunMessage::parse(datagram) else {
            return;
        };
        let packet = is::stun::StunPacket {
            proto: is::Protocol::Udp,
            source: remote(),
            destination: local(),
            message,
        };
        self.agent.handle_packet(now, packet);
        self.agent.handle_timeout(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.agent.poll_timeout()
    }

    fn transmit<T>(&mut self, with: impl FnOnce(&[u8]) -> T) -> Option<T> {
        while let Some(event) = self.agent.poll_event() {
            self.selected |= matches!(event, is::IceAgentEvent::NominatedSend { .. });
        }
        let sent = self.agent.poll_transmit()?;
        let bytes: Vec<u8> = sent.contents.into();
        Some(with(&bytes))
    }

    fn is_selected(&self) -> bool {
        self.selected
    }
}

fn transport() -> TransportContext {
    TransportContext {
        local_addr: local(),
        peer_addr: remote(),
        transport_protocol: TransportProtocol::UDP,
        ecn: None,
    }
}

impl Side for rtc_ice::Agent {
    fn receive(&mut self, now: Instant, datagram: &[u8]) {
        // It takes datagrams as buffers of its own.
        let _ = self.handle_read(TaggedBytesMut {
            now,
            transport: transport(),
            message: datagram.into(),
        });
    }

    fn handle_timeout(&mut self, now: Instant) {
        let _ = Protocol::handle_timeout(self, now);
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        Protocol::poll_timeout(self)
    }

    fn transmit<T>(&mut self, with: impl FnOnce(&[u8]) -> T) -> Option<T> {
        while Protocol::poll_event(self).is_some() {}
        self.poll_write().map(|sent| with(&sent.message))
    }

    fn is_selected(&self) -> bool {
        self.get_selected_candidate_pair().is_some()
    }
}

fn rtc(now: Instant) -> rtc_ice::Agent {
    use rtc_ice::candidate::{CandidateConfig, candidate_host::CandidateHostConfig};
    let config = rtc_ice::AgentConfig {
        local_ufrag: OUR_NAME.to_owned(),
        local_pwd: OUR_PASSWORD.to_owned(),
        ..Default::default()
    };
    let crypto = rtc_crypto::default_provider().expect("ring");
    let mut agent = rtc_ice::Agent::new(now, Arc::new(config), crypto).expect("an agent");
    let candidate = |at: SocketAddr| {
        let base_config = CandidateConfig {
            network: "udp".to_owned(),
            address: at.ip().to_string(),
            port: at.port(),
            component: 1,
            ..Default::default()
        };
        let host = CandidateHostConfig {
            base_config,
            ..Default::default()
        };
        host.new_candidate_host().expect("an address")
    };
    agent
        .add_local_candidate(candidate(local()))
        .expect("a candidate");
    agent
        .add_remote_candidate(candidate(remote()))
        .expect("a candidate");
    agent
        .start_connectivity_checks(now, false, THEIR_NAME.to_owned(), THEIR_PASSWORD.to_owned())
        .expect("a start");
    agent
}

/// Gives the side what the peer says to what it has to say.
fn carry(side: &mut impl Side, now: Instant) {
    while let Some(answered) = side.transmit(answer) {
        if let Some(answer) = answered {
            side.receive(now, &answer);
        }
    }
}

/// Until a pair is selected; when that was.
fn connect(side: &mut impl Side, mut now: Instant, check: &[u8]) -> Instant {
    for _ in 0..400 {
        side.handle_timeout(now);
        carry(side, now);
        side.receive(now, check);
        carry(side, now);
        if side.is_selected() {
            return now;
        }
        now += Duration::from_millis(25);
    }
    panic!("no pair was found")
}

/// Both sides ask and answer, each as often as it does.
fn keep(side: &mut impl Side, now: &mut Instant, check: &[u8]) {
    let end = *now + WHILE;
    let mut asks = *now + CHECKS;
    while *now < end {
        *now = side
            .poll_timeout()
            .map_or(asks, |at| at.min(asks))
            .max(*now);
        if *now == asks {
            side.receive(*now, check);
            asks += CHECKS;
        }
        side.handle_timeout(*now);
        carry(side, *now);
    }
    assert!(side.is_selected());
}

fn both<'a, S: Side + 'a>(bench: &mut Bench<'a>, who: &str, make: impl Fn(Instant) -> S) {
    let (start, check) = (Instant::now(), check());
    let mut side = make(start);
    let now = connect(&mut side, start, &check);
    let one = check.clone();
    bench.add("a check of consent answered", who, move |n| {
        for _ in 0..n {
            side.receive(now, black_box(&one));
            while side.transmit(|bytes| black_box(bytes.len())).is_some() {}
        }
    });
    let mut side = make(start);
    let mut now = connect(&mut side, start, &check);
    bench.add("15 s of consent, both ways", who, move |n| {
        for _ in 0..n {
            keep(&mut side, &mut now, &check);
        }
    });
}

pub(crate) fn add<'a>(bench: &mut Bench<'a>) {
    let (start, check) = (Instant::now(), check());
    let pair = Pair {
        local: local(),
        remote: remote(),
    };
    let mut agent = ours(start);
    connect(&mut agent, start, &check);
    bench.add(
        "is the sender the peer, and where to send",
        OURS,
        move |n| {
            for _ in 0..n {
                black_box((agent.knows(black_box(pair)), agent.selected()));
            }
        },
    );
    let mut agent = rtc(start);
    let now = connect(&mut agent, start, &check);
    bench.add(
        "is the sender the peer, and where to send",
        "rtc-ice",
        move |n| {
            for _ in 0..n {
                let known = agent.is_valid_non_stun_traffic(now, black_box(transport()));
                let to = agent.get_selected_candidate_pair();
                black_box((known, to.map(|(_, remote)| remote.addr())));
            }
        },
    );
    both(bench, OURS, ours);
    both(bench, "is", Bare::new);
    both(bench, "rtc-ice", rtc);
}
