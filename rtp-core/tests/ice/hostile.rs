//! Peers that nobody of ours made: one by hand that nominates at once, and those that mean no good.

use super::world::{MS, SECOND, addr, random};
use rtp_core::ice::{Agent, Config, Event, Pair, Role, State};
use rtp_core::negotiate::IceDescription;
use rtp_core::sdp::Candidate;
use rtp_core::stun::{self, Builder, Class, Message, TransactionId};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A peer by hand: it knows the words, and says them as a test wants.
struct Peer {
    ufrag: &'static str,
    pwd: &'static str,
    next: u64,
}

const PEER: &str = "192.0.2.2:5000";

impl Peer {
    fn check(&mut self, agent: &Agent, priority: u32, nominate: bool) -> Vec<u8> {
        let ours = agent.description();
        self.next += 1;
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.next.to_be_bytes());
        let name = format!("{}:{}", ours.ufrag, self.ufrag);
        let mut builder = Builder::new(Class::Request, stun::BINDING, TransactionId(id))
            .attribute(stun::USERNAME, name.as_bytes())
            .attribute(stun::PRIORITY, &priority.to_be_bytes())
            .attribute(stun::ICE_CONTROLLING, &7u64.to_be_bytes());
        if nominate {
            builder = builder.attribute(stun::USE_CANDIDATE, &[]);
        }
        builder.finish(Some(ours.pwd().as_bytes()))
    }

    fn answer(&self, check: &[u8], mapped: &[SocketAddr]) -> Vec<u8> {
        let check = Message::parse(check).unwrap();
        let mut builder = Builder::new(Class::Success, stun::BINDING, check.transaction());
        for mapped in mapped {
            builder = builder.address(stun::XOR_MAPPED_ADDRESS, *mapped);
        }
        builder.finish(Some(self.pwd.as_bytes()))
    }
}

const LOCAL: &str = "192.0.2.1:4000";

fn start() -> (Instant, Agent, Peer) {
    let now = Instant::now();
    let mut agent = Agent::new(now, Config::default(), random(1));
    agent.add_host(now, addr(LOCAL)).unwrap();
    let peer = Peer {
        ufrag: "peer",
        pwd: "0123456789012345678901",
        next: 0,
    };
    let remote = IceDescription::new(peer.ufrag, peer.pwd);
    agent.set_remote(now, &remote, Role::Controlled).unwrap();
    (now, agent, peer)
}

fn checks(agent: &mut Agent) -> Vec<(SocketAddr, Vec<u8>)> {
    std::iter::from_fn(|| agent.poll_transmit())
        .filter(|t| Message::parse(&t.bytes).unwrap().class() == Class::Request)
        .map(|t| (t.to, t.bytes))
        .collect()
}

#[test]
fn a_peer_that_nominates_everything_at_once_is_followed_to_its_best() {
    let (mut now, mut agent, mut peer) = start();
    let ways = [
        ("192.0.2.2:5000", 100),
        ("192.0.2.3:5000", 900),
        ("192.0.2.4:5000", 500),
    ];
    for _ in 0..40 {
        for (from, priority) in ways {
            let check = peer.check(&agent, priority, true);
            assert!(agent.receive(now, addr(LOCAL), addr(from), &check));
        }
        now += 50 * MS;
        agent.handle_timeout(now);
        for (to, check) in checks(&mut agent) {
            let answer = peer.answer(&check, &[addr(LOCAL)]);
            assert!(agent.receive(now, addr(LOCAL), to, &answer));
        }
    }
    let best = Pair {
        local: addr(LOCAL),
        remote: addr("192.0.2.3:5000"),
    };
    assert_eq!(agent.selected(), Some(best));
}

#[test]
fn nothing_is_sent_to_who_was_nominated_but_never_answered() {
    let (mut now, mut agent, mut peer) = start();
    for _ in 0..100 {
        let check = peer.check(&agent, 1, true);
        agent.receive(now, addr(LOCAL), addr(PEER), &check);
        now += 100 * MS;
        agent.handle_timeout(now);
        checks(&mut agent);
        assert_eq!(agent.selected(), None);
    }
}

#[test]
fn without_the_password_nothing_happens() {
    let (now, mut agent, mut peer) = start();
    let good = peer.check(&agent, 1, true);
    // A bit wrong anywhere, but for FINGERPRINT, which only guards against other protocols.
    for at in 0..good.len() - 8 {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(
            !agent.receive(now, addr(LOCAL), addr(PEER), &bad),
            "byte {at}"
        );
    }
    let other = Builder::new(Class::Request, stun::BINDING, TransactionId([1; 12]))
        .attribute(stun::USERNAME, b"nobody:peer")
        .attribute(stun::PRIORITY, &[0, 0, 0, 1])
        .finish(Some(b"guess"));
    assert!(!agent.receive(now, addr(LOCAL), addr(PEER), &other));
    assert_eq!(agent.poll_transmit(), None);
    assert!(agent.receive(now, addr(LOCAL), addr(PEER), &good));
    assert!(agent.poll_transmit().is_some());
}

#[test]
fn an_answer_comes_from_where_the_question_went_and_counts_once() {
    let (mut now, mut agent, mut peer) = start();
    let check = peer.check(&agent, 1, true);
    agent.receive(now, addr(LOCAL), addr(PEER), &check);
    now += 100 * MS;
    agent.handle_timeout(now);
    let (to, asked) = checks(&mut agent).remove(0);
    assert_eq!(to, addr(PEER));
    let answer = peer.answer(&asked, &[addr(LOCAL)]);
    assert!(!agent.receive(now, addr(LOCAL), addr("198.51.100.66:5000"), &answer));
    assert!(!agent.receive(now, addr("192.0.2.77:4000"), addr(PEER), &answer));
    assert_eq!(agent.selected(), None);
    assert!(agent.receive(now, addr(LOCAL), addr(PEER), &answer));
    assert!(agent.selected().is_some());
    // Somebody who overheard it cannot keep the consent alive with it.
    for _ in 0..31 {
        now += SECOND;
        assert!(!agent.receive(now, addr(LOCAL), addr(PEER), &answer));
        agent.handle_timeout(now);
        checks(&mut agent);
    }
    assert_eq!(
        (agent.selected(), agent.state()),
        (None, State::Disconnected)
    );
}

#[test]
fn what_a_peer_can_make_grow_is_bounded() {
    let (mut now, mut agent, mut peer) = start();
    let candidates = (0..1000u32).map(|n| {
        let text = format!(
            "{n} 1 udp {} 198.51.{}.{} 4000 typ host",
            n + 1,
            n / 250,
            n % 250 + 1
        );
        text.parse::<Candidate>().unwrap()
    });
    let taken = candidates.filter(|candidate| agent.add_remote(now, candidate).is_ok());
    assert_eq!(taken.count(), 64);

    // A check that was overheard, again from everywhere.
    let (_, mut agent2, _) = start();
    let check = peer.check(&agent2, 1, true);
    let answered = (0..20_000u16)
        .filter(|port| {
            let from = SocketAddr::from(([203, 0, 113, (port % 200) as u8], 1024 + port));
            let taken = agent2.receive(now, addr(LOCAL), from, &check);
            while agent2.poll_transmit().is_some() {}
            taken
        })
        .count();
    assert_eq!(answered, 64);

    // A peer that calls us something else every time, or two things at once.
    let (mut reflexive, mut lies) = (0, 0);
    let from = addr("198.51.0.1:4000");
    for _ in 0..2000 {
        now += 50 * MS;
        agent.handle_timeout(now);
        for (to, asked) in checks(&mut agent) {
            lies += 1;
            let lie = SocketAddr::from(([203, 0, 113, 9], lies));
            let twice = peer.answer(&asked, &[addr(LOCAL), lie]);
            assert!(!agent.receive(now, addr(LOCAL), to, &twice));
            let once = peer.answer(&asked, &[lie]);
            reflexive += usize::from(agent.receive(now, addr(LOCAL), to, &once));
        }
        let check = peer.check(&agent, 1, false);
        agent.receive(now, addr(LOCAL), from, &check);
        // Nobody takes what there is to send or to tell.
    }
    assert_eq!(reflexive, 15, "sixteen of ours, one of which is a host");
    assert!(std::iter::from_fn(|| agent.poll_transmit()).count() <= 128);
    assert!(std::iter::from_fn(|| agent.poll_event()).count() <= 128);
}

#[test]
fn other_protocols_are_left_alone() {
    let (now, mut agent, _) = start();
    let allocate = Builder::new(Class::Request, 0x003, TransactionId([1; 12])).finish(None);
    for datagram in [&b""[..], b"\x80\0", &[22, 254, 253], &allocate, &[0; 20]] {
        assert!(!agent.receive(now, addr(LOCAL), addr(PEER), datagram));
    }
    let alive = Builder::new(Class::Indication, stun::BINDING, TransactionId([1; 12])).finish(None);
    assert!(agent.receive(now, addr(LOCAL), addr(PEER), &alive));
    assert_eq!(agent.poll_transmit(), None);
}

#[test]
fn time_that_goes_back_or_leaps_harms_nobody() {
    let (now, mut agent, mut peer) = start();
    let check = peer.check(&agent, 1, true);
    agent.receive(now + 10 * SECOND, addr(LOCAL), addr(PEER), &check);
    agent.handle_timeout(now);
    agent.handle_timeout(now + Duration::from_secs(86_400 * 365));
    assert!(agent.poll_timeout().is_none());
    assert_eq!(agent.state(), State::Failed);
    let states: Vec<_> = std::iter::from_fn(|| agent.poll_event()).collect();
    assert!(states.contains(&Event::State(State::Failed)));
}
