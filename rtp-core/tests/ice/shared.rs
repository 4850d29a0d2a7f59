//! A thousand legs behind one port: agents on one side of a network on virtual time, their peers behind NATs on the other,
//! and strangers who know whatever can be overheard.

use super::world::{addr, random};
use proptest::prelude::*;
use rtp_core::ice::{Agent, Config, Event, Pair, Proof, Role, Router};
use rtp_core::stun::{self, Builder, Class, Message, TransactionId};
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const LEGS: usize = 1000;
const HUB: &str = "203.0.113.9:3478";
const LATENCY: Duration = Duration::from_millis(15);

/// A datagram on its way: when it arrives, its number, from whom, to whom.
type Flying = (
    std::cmp::Reverse<(Instant, u64)>,
    SocketAddr,
    SocketAddr,
    Vec<u8>,
);

struct Net {
    now: Instant,
    hub: Vec<Agent>,
    router: Router<usize>,
    peers: Vec<Agent>,
    /// Where each peer is seen from outside, and who is there.
    outside: Vec<SocketAddr>,
    inside: HashMap<SocketAddr, usize>,
    flying: BinaryHeap<Flying>,
    number: u64,
    /// When each agent wants to be woken.
    wakes: BTreeMap<(Instant, usize), ()>,
    wake_of: Vec<Option<Instant>>,
    /// Media that each leg got: from which peer.
    heard: Vec<Vec<usize>>,
    /// Media that was nobody's.
    dropped: usize,
}

fn public(n: usize) -> SocketAddr {
    // Four hundred to an address of a NAT.
    SocketAddr::from(([198, 51, 100, (n / 400) as u8], (20_000 + n % 400) as u16))
}

impl Net {
    fn new(legs: usize) -> Net {
        let now = Instant::now();
        let mut net = Net {
            now,
            hub: Vec::new(),
            router: Router::new(),
            peers: Vec::new(),
            outside: (0..legs).map(public).collect(),
            inside: (0..legs).map(|n| (public(n), n)).collect(),
            flying: BinaryHeap::new(),
            number: 0,
            wakes: BTreeMap::new(),
            wake_of: vec![None; 2 * legs],
            heard: vec![Vec::new(); legs],
            dropped: 0,
        };
        for n in 0..legs {
            let mut ours = Agent::new(now, Config::default(), random(2 * n as u64 + 1));
            ours.add_host(now, addr(HUB)).unwrap();
            ours.finish_gathering(now);
            let mut peer = Agent::new(now, Config::default(), random(2 * n as u64 + 2));
            // The same private addresses again and again, as in so many homes.
            let home = SocketAddr::from(([10, 0, 0, (n % 10) as u8 + 1], 5000));
            peer.add_host(now, home).unwrap();
            peer.finish_gathering(now);
            net.router.add(n, &ours.description().ufrag).unwrap();
            let (offer, answer) = (peer.description(), ours.description());
            ours.set_remote(now, &offer, Role::Controlled).unwrap();
            peer.set_remote(now, &answer, Role::Controlling).unwrap();
            net.hub.push(ours);
            net.peers.push(peer);
        }
        for n in 0..2 * legs {
            net.follow(n);
        }
        net
    }

    fn agent(&mut self, n: usize) -> &mut Agent {
        match n.checked_sub(self.hub.len()) {
            None => &mut self.hub[n],
            Some(n) => &mut self.peers[n],
        }
    }

    /// Takes what an agent has to say. The first half are ours.
    fn follow(&mut self, n: usize) {
        let legs = self.hub.len();
        while let Some(transmit) = self.agent(n).poll_transmit() {
            if n < legs {
                self.router.sent(n, &transmit.bytes);
                self.fly(addr(HUB), transmit.to, transmit.bytes);
            } else {
                let from = self.outside[n - legs];
                self.fly(from, transmit.to, transmit.bytes);
            }
        }
        while let Some(event) = self.agent(n).poll_event() {
            assert!(!matches!(event, Event::ConsentLost(_)), "{n}");
        }
        let wake = self.agent(n).poll_timeout();
        if let Some(at) = std::mem::replace(&mut self.wake_of[n], wake) {
            self.wakes.remove(&(at, n));
        }
        if let Some(at) = wake {
            self.wakes.insert((at, n), ());
        }
    }

    fn fly(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.number += 1;
        let when = std::cmp::Reverse((self.now + LATENCY, self.number));
        self.flying.push((when, from, to, bytes));
    }

    /// What a driver of one port does with a datagram.
    fn arrive(&mut self, from: SocketAddr, bytes: &[u8]) {
        let Some(leg) = self.router.route(from, bytes) else {
            self.dropped += usize::from(bytes[0] & 0xc0 == 0x80);
            return;
        };
        let way = Pair {
            local: addr(HUB),
            remote: from,
        };
        if bytes[0] & 0xc0 == 0x80 {
            // The path behind it has keys; here it is enough that ICE knows the way.
            if self.hub[leg].knows(way) {
                let peer = u32::from_be_bytes(bytes[8..12].try_into().unwrap());
                self.heard[leg].push(peer as usize);
            }
            return;
        }
        let is_good = self.hub[leg].receive(self.now, way.local, from, bytes);
        if self.hub[leg].knows(way) {
            self.router.claim(leg, from, Proof::Answered);
        } else if is_good && Message::parse(bytes).unwrap().class() == Class::Request {
            self.router.claim(leg, from, Proof::Heard);
        }
        self.follow(leg);
    }

    fn run(&mut self, time: Duration) {
        let (end, legs) = (self.now + time, self.hub.len());
        loop {
            let wake = self.wakes.first_key_value().map(|((at, n), ())| (*at, *n));
            let lands = self.flying.peek().map(|(at, ..)| at.0.0);
            let next = wake.map(|(at, _)| at).into_iter().chain(lands).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if lands == Some(next) {
                let Some((_, from, to, bytes)) = self.flying.pop() else {
                    break;
                };
                if to == addr(HUB) {
                    self.arrive(from, &bytes);
                } else if let Some(&n) = self.inside.get(&to) {
                    let local = self.peers[n].description().candidates[0].address.clone();
                    let local = SocketAddr::new(local.parse().unwrap(), 5000);
                    self.peers[n].receive(self.now, local, from, &bytes);
                    self.follow(legs + n);
                }
            } else if let Some((_, n)) = wake {
                let now = self.now;
                self.agent(n).handle_timeout(now);
                self.follow(n);
            }
        }
        self.now = end;
    }

    fn voice(n: usize) -> Vec<u8> {
        let mut voice = vec![0x80; 172];
        voice[8..12].copy_from_slice(&(n as u32).to_be_bytes());
        voice
    }

    /// Every peer says something, and who got it is told.
    fn speak(&mut self) -> Vec<Vec<usize>> {
        for n in 0..self.peers.len() {
            self.fly(self.outside[n], addr(HUB), Net::voice(n));
        }
        self.run(2 * LATENCY);
        let none = vec![Vec::new(); self.heard.len()];
        std::mem::replace(&mut self.heard, none)
    }

    /// The NAT of a peer sends it out through another port from now on.
    fn move_to(&mut self, n: usize, outside: SocketAddr) {
        let before = std::mem::replace(&mut self.outside[n], outside);
        if self.inside.get(&before) == Some(&n) {
            self.inside.remove(&before);
        }
        self.inside.insert(outside, n);
    }
}

fn each_its_own(legs: usize) -> Vec<Vec<usize>> {
    (0..legs).map(|n| vec![n]).collect()
}

#[test]
fn a_thousand_legs_behind_one_port_hear_their_own_peers_alone() {
    let mut net = Net::new(LEGS);
    assert!(
        net.speak().iter().all(Vec::is_empty),
        "nobody has proved anything"
    );
    net.run(Duration::from_secs(3));
    for (n, agent) in net.hub.iter().enumerate() {
        assert_eq!(agent.selected().map(|pair| pair.remote), Some(public(n)));
    }
    assert_eq!(net.speak(), each_its_own(LEGS));

    // Every tenth peer's NAT takes another port; some take what was another's a moment ago.
    let moved: Vec<_> = (0..LEGS).step_by(10).collect();
    for (nth, &n) in moved.iter().enumerate() {
        let to = match nth % 4 {
            // To and fro.
            0 => public(n + 10),
            1 => public(n - 10),
            _ => SocketAddr::from(([198, 51, 100, 77], 30_000 + n as u16)),
        };
        net.move_to(n, to);
    }
    // Those two are for each other's ears by the address alone: SRTP's keys would tell. The others are nobody's.
    let dropped = net.dropped;
    for (n, heard) in net.speak().iter().enumerate() {
        match moved.iter().position(|&m| m == n).map(|nth| nth % 4) {
            None => assert_eq!(heard, &[n]),
            Some(0) => assert_eq!(heard, &[n + 10]),
            Some(1) => assert_eq!(heard, &[n - 10]),
            Some(_) => assert!(heard.is_empty()),
        }
    }
    assert_eq!(net.dropped - dropped, moved.len() / 2);
    // The next checks, of consent, prove it.
    net.run(Duration::from_secs(15));
    assert_eq!(net.speak(), each_its_own(LEGS));
    // And it lasts.
    net.run(Duration::from_secs(60));
    assert_eq!(net.speak(), each_its_own(LEGS));

    for n in 0..LEGS {
        net.router.remove(n);
    }
    assert!(net.router.is_empty());
    assert!(net.speak().iter().all(Vec::is_empty));
}

#[test]
fn strangers_with_stolen_names_reach_no_media_and_claim_nothing() {
    let mut net = Net::new(20);
    net.run(Duration::from_secs(3));
    assert_eq!(net.speak(), each_its_own(20));
    let stranger = addr("192.0.2.66:6666");
    let mut id = 0;
    for n in 0..20 {
        let username = {
            let (ours, theirs) = (net.hub[n].description(), net.peers[n].description());
            format!("{}:{}", ours.ufrag, theirs.ufrag)
        };
        for (password, nominate) in [(&b"guessed"[..], true), (b"", false)] {
            id += 1;
            let mut check = Builder::new(Class::Request, stun::BINDING, TransactionId([id; 12]))
                .attribute(stun::USERNAME, username.as_bytes())
                .attribute(stun::PRIORITY, &[255; 4])
                .attribute(stun::ICE_CONTROLLING, &[255; 8]);
            if nominate {
                check = check.attribute(stun::USE_CANDIDATE, &[]);
            }
            // From an address of its own, and from one that is another leg's peer's.
            let check = check.finish(Some(password));
            for from in [stranger, public((n + 1) % 20)] {
                net.fly(from, addr(HUB), check.clone());
            }
        }
        for garbage in [
            vec![0; 20],
            vec![22; 100],
            vec![1, 1],
            vec![0x80; 11],
            vec![200; 1400],
        ] {
            net.fly(stranger, addr(HUB), garbage);
        }
        net.fly(stranger, addr(HUB), Net::voice(n));
    }
    net.run(Duration::from_secs(2));
    assert_eq!(net.router.at(stranger), None);
    assert!(net.heard.iter().all(Vec::is_empty));
    assert_eq!(net.speak(), each_its_own(20));
    assert!((0..20).all(|n| net.router.at(public(n)) == Some(n)));
}

#[test]
fn a_peer_that_forges_its_source_takes_nobodys_address() {
    let mut net = Net::new(2);
    net.run(Duration::from_secs(3));
    // Peer 1, whose checks are good, sends them with the address of peer 0.
    let ours = net.hub[1].description();
    let theirs = net.peers[1].description();
    for id in 0..50 {
        let check = Builder::new(Class::Request, stun::BINDING, TransactionId([id; 12]))
            .attribute(
                stun::USERNAME,
                format!("{}:{}", ours.ufrag, theirs.ufrag).as_bytes(),
            )
            .attribute(stun::PRIORITY, &[100; 4])
            .attribute(stun::ICE_CONTROLLING, &[255; 8])
            .attribute(stun::USE_CANDIDATE, &[])
            .finish(Some(ours.pwd().as_bytes()));
        net.fly(public(0), addr(HUB), check);
        net.run(Duration::from_millis(200));
        assert_eq!(net.router.at(public(0)), Some(0));
    }
    assert_eq!(net.speak(), each_its_own(2));
    // An address that nobody has yet is theirs only until somebody answers from there.
    let later = addr("198.51.100.200:7000");
    let check = Builder::new(Class::Request, stun::BINDING, TransactionId([99; 12]))
        .attribute(
            stun::USERNAME,
            format!("{}:{}", ours.ufrag, theirs.ufrag).as_bytes(),
        )
        .attribute(stun::PRIORITY, &[100; 4])
        .attribute(stun::ICE_CONTROLLING, &[255; 8])
        .finish(Some(ours.pwd().as_bytes()));
    net.fly(later, addr(HUB), check);
    net.run(Duration::from_millis(100));
    assert_eq!(net.router.at(later), Some(1));
    net.move_to(0, later);
    net.run(Duration::from_secs(15));
    assert_eq!(net.router.at(later), Some(0));
    assert_eq!(net.speak(), each_its_own(2));
}

/// What may be done to a router.
#[derive(Debug, Clone)]
enum Step {
    Add(u8, u8),
    Remove(u8),
    Claim(u8, u16, bool),
    Sent(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let leg = 0u8..6;
    prop_oneof![
        (leg.clone(), 0u8..10).prop_map(|(leg, name)| Step::Add(leg, name)),
        leg.clone().prop_map(Step::Remove),
        (leg.clone(), 1u16..40, any::<bool>()).prop_map(|(leg, at, is)| Step::Claim(leg, at, is)),
        (leg, any::<u8>()).prop_map(|(leg, id)| Step::Sent(leg, id)),
    ]
}

fn request(username: &str, id: u8) -> Vec<u8> {
    Builder::new(Class::Request, stun::BINDING, TransactionId([id; 12]))
        .attribute(stun::USERNAME, username.as_bytes())
        .finish(None)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Against a list that is searched from end to end: an address is the last leg's that answered from there, or the first
    /// one's that was heard from there; nothing of a leg outlives it.
    #[test]
    fn a_router_agrees_with_a_list(steps in prop::collection::vec(step(), 0..120)) {
        let at = |port: u16| SocketAddr::from(([192, 0, 2, 1], port));
        let mut router = Router::new();
        let mut names: Vec<(u8, u8)> = Vec::new();
        let mut claims: Vec<(u8, u16, bool)> = Vec::new();
        let mut checks: Vec<(u8, u8)> = Vec::new();
        for step in steps {
            match step {
                Step::Add(leg, name) => {
                    let owner = names.iter().find(|(_, known)| *known == name).map(|(leg, _)| *leg);
                    let added = router.add(leg, &format!("n{name}"));
                    prop_assert_eq!(added.is_ok(), owner.is_none_or(|owner| owner == leg));
                    if owner.is_none() {
                        if names.iter().filter(|(of, _)| *of == leg).count() == 2 {
                            let oldest = names.iter().position(|(of, _)| *of == leg).unwrap();
                            names.remove(oldest);
                        }
                        names.push((leg, name));
                    }
                }
                Step::Remove(leg) => {
                    router.remove(leg);
                    names.retain(|(of, _)| *of != leg);
                    claims.retain(|(of, ..)| *of != leg);
                    checks.retain(|(of, _)| *of != leg);
                }
                Step::Claim(leg, port, is_answered) => {
                    let proof = if is_answered { Proof::Answered } else { Proof::Heard };
                    let is_there = names.iter().any(|(of, _)| *of == leg);
                    let known = claims.iter().position(|(_, known, _)| *known == port);
                    let mine = known.is_some_and(|n| claims[n].0 == leg);
                    let takes = is_there && (known.is_none() || mine || is_answered);
                    prop_assert_eq!(router.claim(leg, at(port), proof), takes);
                    match known {
                        Some(n) if takes && mine => claims[n].2 |= is_answered,
                        _ if takes => {
                            known.map(|n| claims.remove(n));
                            let theirs = || claims.iter().filter(|(of, ..)| *of == leg);
                            if theirs().count() == 16 {
                                let weak = claims.iter().position(|c| c.0 == leg && !c.2);
                                let any = claims.iter().position(|c| c.0 == leg);
                                claims.remove(weak.or(any).unwrap());
                            }
                            claims.push((leg, port, is_answered));
                        }
                        _ => {}
                    }
                }
                Step::Sent(leg, id) => {
                    router.sent(leg, &request("x:y", id));
                    let is_there = names.iter().any(|(of, _)| *of == leg);
                    if is_there && !checks.iter().any(|(_, known)| *known == id) {
                        if checks.iter().filter(|(of, _)| *of == leg).count() == 64 {
                            let oldest = checks.iter().position(|(of, _)| *of == leg).unwrap();
                            checks.remove(oldest);
                        }
                        checks.push((leg, id));
                    }
                }
            }
            for port in 1..40 {
                let owner = claims.iter().find(|(_, known, _)| *known == port).map(|c| c.0);
                prop_assert_eq!(router.route(at(port), &[0x80; 12]), owner);
            }
            for name in 0..10 {
                let owner = names.iter().find(|(_, known)| *known == name).map(|(leg, _)| *leg);
                prop_assert_eq!(router.route(at(1), &request(&format!("n{name}:x"), 0)), owner);
            }
        }
        for id in 0..=255 {
            let answer = Builder::new(Class::Success, stun::BINDING, TransactionId([id; 12])).finish(None);
            let owner = checks.iter().find(|(_, known)| *known == id).map(|(leg, _)| *leg);
            prop_assert_eq!(router.route(at(1), &answer), owner);
        }
    }
}
