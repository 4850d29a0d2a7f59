//! A network on virtual time: hosts, NATs of each kind, a STUN server, a TURN server, and lines that may be cut.

#[cfg(feature = "turn")]
use super::relay::Relays;
use rtp_core::Random;
use rtp_core::ice::{Agent, Config, Event, Pair, Role, Transmit};
use rtp_core::stun::{self, Builder, Class, Message};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// How long every datagram takes.
const LATENCY: Duration = Duration::from_millis(15);

pub(crate) fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn stun_server() -> SocketAddr {
    addr("203.0.113.1:3478")
}

/// RFC 4787's words for what RFC 3489 called the four kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nat {
    /// None: a public address.
    Open,
    /// One mapping for all destinations, and everybody may use it.
    FullCone,
    /// Only addresses that were sent to may use it.
    Restricted,
    /// Only addresses and ports that were sent to may use it.
    PortRestricted,
    /// A mapping of its own for each destination, for nobody else.
    Symmetric,
}

pub(crate) const NATS: [Nat; 5] = [
    Nat::Open,
    Nat::FullCone,
    Nat::Restricted,
    Nat::PortRestricted,
    Nat::Symmetric,
];

struct Mapping {
    inside: SocketAddr,
    /// For one destination only.
    of: Option<SocketAddr>,
    outside: SocketAddr,
    sent_to: Vec<SocketAddr>,
}

pub(crate) struct Node {
    pub(crate) agent: Agent,
    pub(crate) hosts: Vec<SocketAddr>,
    pub(crate) events: Vec<(Instant, Event)>,
    /// What arrived and was not ICE: when, where, from whom.
    pub(crate) media: Vec<(Instant, SocketAddr, SocketAddr)>,
    #[cfg(feature = "turn")]
    pub(crate) relay: Option<rtp_core::turn::Client>,
    nat: Nat,
    outside: IpAddr,
    mappings: Vec<Mapping>,
}

impl Node {
    fn poll_timeout(&self) -> Option<Instant> {
        let timers = [
            self.agent.poll_timeout(),
            #[cfg(feature = "turn")]
            self.relay.as_ref().and_then(|relay| relay.poll_timeout()),
        ];
        timers.into_iter().flatten().min()
    }

    pub(crate) fn saw(&self, wanted: impl Fn(&Event) -> bool) -> Option<Instant> {
        let mut events = self.events.iter();
        events.find_map(|(at, event)| wanted(event).then_some(*at))
    }
}

struct Packet {
    at: Instant,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

pub(crate) type Rule = Box<dyn FnMut(SocketAddr, SocketAddr, &[u8]) -> bool>;

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) nodes: Vec<Node>,
    pub(crate) carried: usize,
    #[cfg(feature = "turn")]
    pub(crate) relays: Relays,
    flying: Vec<Packet>,
    /// What is lost: by the addresses on the public side.
    pub(crate) lost: Rule,
}

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

impl World {
    pub(crate) fn new() -> World {
        World {
            now: Instant::now(),
            nodes: Vec::new(),
            carried: 0,
            #[cfg(feature = "turn")]
            relays: Relays::default(),
            flying: Vec::new(),
            lost: Box::new(|_, _, _| false),
        }
    }

    /// A host at these addresses; behind a NAT its public address is 198.51.100.n.
    pub(crate) fn add(&mut self, config: Config, nat: Nat, hosts: &[&str]) -> usize {
        let n = self.add_gathering(config, nat, hosts);
        let now = self.now;
        self.agent(n).finish_gathering(now);
        n
    }

    /// The same, that may get more addresses.
    pub(crate) fn add_gathering(&mut self, config: Config, nat: Nat, hosts: &[&str]) -> usize {
        let n = self.nodes.len();
        let hosts: Vec<_> = hosts.iter().map(|host| addr(host)).collect();
        let mut agent = Agent::new(self.now, config, random(n as u64 + 1));
        for host in &hosts {
            agent.add_host(self.now, *host).unwrap();
        }
        self.nodes.push(Node {
            agent,
            hosts,
            events: Vec::new(),
            media: Vec::new(),
            #[cfg(feature = "turn")]
            relay: None,
            nat,
            outside: IpAddr::from([198, 51, 100, n as u8 + 1]),
            mappings: Vec::new(),
        });
        n
    }

    /// RTCP's agent beside `first`, RTP's: behind the same NAT, with the same credentials.
    pub(crate) fn add_rtcp(&mut self, first: usize, config: Config, host: &str) -> usize {
        let (nat, outside) = (self.nodes[first].nat, self.nodes[first].outside);
        let ours = self.nodes[first].agent.description();
        let n = self.add_gathering(config.clone(), nat, &[]);
        let now = self.now;
        let mut agent = Agent::with_credentials(now, config, &ours, random(n as u64 + 1));
        agent.add_host(now, addr(host)).unwrap();
        agent.finish_gathering(now);
        let node = &mut self.nodes[n];
        (node.agent, node.hosts, node.outside) = (agent, vec![addr(host)], outside);
        n
    }

    pub(crate) fn agent(&mut self, n: usize) -> &mut Agent {
        &mut self.nodes[n].agent
    }

    /// Both tell each other everything; `a` offered.
    pub(crate) fn exchange(&mut self, roles: (Role, Role)) {
        let now = self.now;
        let (ours, theirs) = (
            self.nodes[0].agent.description(),
            self.nodes[1].agent.description(),
        );
        self.agent(1).set_remote(now, &ours, roles.1).unwrap();
        self.agent(0).set_remote(now, &theirs, roles.0).unwrap();
    }

    pub(crate) fn send(&mut self, n: usize, transmit: Transmit) {
        #[cfg(feature = "turn")]
        let Some(transmit) = self.through_relay(n, transmit) else {
            return;
        };
        let Transmit { local, to, bytes } = transmit;
        let node = &mut self.nodes[n];
        assert!(node.hosts.contains(&local), "{local} is no socket of {n}");
        let from = if node.nat == Nat::Open {
            local
        } else {
            let of = (node.nat == Nat::Symmetric).then_some(to);
            let mut mappings = node.mappings.iter().enumerate();
            let known = mappings.find(|(_, m)| m.inside == local && m.of == of);
            let at = known.map(|(at, _)| at).unwrap_or_else(|| {
                // Nodes behind one NAT get different ones.
                let port = 20_000 + 1_000 * n as u16 + 7 * node.mappings.len() as u16;
                node.mappings.push(Mapping {
                    inside: local,
                    of,
                    outside: SocketAddr::new(node.outside, port),
                    sent_to: Vec::new(),
                });
                node.mappings.len() - 1
            });
            if !node.mappings[at].sent_to.contains(&to) {
                node.mappings[at].sent_to.push(to);
            }
            node.mappings[at].outside
        };
        if self.fly(from, to, bytes) {
            self.carried += 1;
        }
    }

    /// On its way on the public side, or lost.
    pub(crate) fn fly(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) -> bool {
        let flies = !(self.lost)(from, to, &bytes);
        if flies {
            let at = self.now + LATENCY;
            self.flying.push(Packet {
                at,
                from,
                to,
                bytes,
            });
        }
        flies
    }

    /// Sends a datagram of media where the agent says.
    pub(crate) fn speak(&mut self, n: usize) -> bool {
        let Some(pair) = self.nodes[n].agent.selected() else {
            return false;
        };
        let transmit = Transmit {
            local: pair.local,
            to: pair.remote,
            bytes: vec![0x80; 172],
        };
        self.send(n, transmit);
        true
    }

    fn deliver(&mut self, packet: Packet) {
        let Packet {
            from, to, bytes, ..
        } = packet;
        if to == stun_server() {
            let question = Message::parse(&bytes).unwrap();
            let bytes = Builder::new(Class::Success, stun::BINDING, question.transaction())
                .address(stun::XOR_MAPPED_ADDRESS, from)
                .finish(None);
            self.fly(to, from, bytes);
            return;
        }
        #[cfg(feature = "turn")]
        if self.at_relay(from, to, &bytes) {
            return;
        }
        for node in &mut self.nodes {
            let local = match node.nat {
                Nat::Open => Some(to),
                nat => {
                    let mapping = node.mappings.iter().find(|m| m.outside == to);
                    let open = mapping.filter(|m| match nat {
                        Nat::Open | Nat::FullCone => true,
                        Nat::Restricted => m.sent_to.iter().any(|to| to.ip() == from.ip()),
                        Nat::PortRestricted | Nat::Symmetric => m.sent_to.contains(&from),
                    });
                    open.map(|m| m.inside)
                }
            };
            let Some(local) = local.filter(|local| node.hosts.contains(local)) else {
                continue;
            };
            #[cfg(feature = "turn")]
            if self.relays.is_server(from) {
                node.hear_relay(self.now, &bytes);
                continue;
            }
            if !node.agent.receive(self.now, local, from, &bytes) && bytes[0] >= 128 {
                node.media.push((self.now, local, from));
            }
        }
    }

    /// Lets time pass until `done`, or for `limit`. Whether it was done.
    pub(crate) fn run(&mut self, limit: Duration, done: impl Fn(&World) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            for n in 0..self.nodes.len() {
                #[cfg(feature = "turn")]
                self.drive_relay(n);
                while let Some(transmit) = self.nodes[n].agent.poll_transmit() {
                    self.send(n, transmit);
                }
                while let Some(event) = self.nodes[n].agent.poll_event() {
                    #[cfg(feature = "turn")]
                    self.nodes[n].shorten(self.now, &event);
                    self.nodes[n].events.push((self.now, event));
                }
            }
            if done(self) {
                return true;
            }
            let timers = self.nodes.iter().filter_map(Node::poll_timeout);
            let next = timers.chain(self.flying.iter().map(|p| p.at)).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return false;
            };
            self.now = self.now.max(next);
            let (now, flying) = (self.now, std::mem::take(&mut self.flying));
            let (due, later) = flying.into_iter().partition(|p| p.at <= now);
            self.flying = later;
            let due: Vec<Packet> = due;
            due.into_iter().for_each(|packet| self.deliver(packet));
            for node in &mut self.nodes {
                if node.poll_timeout().is_some_and(|at| at <= now) {
                    node.agent.handle_timeout(now);
                    #[cfg(feature = "turn")]
                    node.relay
                        .iter_mut()
                        .for_each(|relay| relay.handle_timeout(now));
                }
                let next = node.poll_timeout();
                assert!(next.is_none_or(|at| at > now), "a timer that never ends");
            }
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.run(time, |_| false);
    }

    /// Until both may send.
    pub(crate) fn connect(&mut self, limit: Duration) -> bool {
        self.run(limit, |world| {
            let mut nodes = world.nodes.iter();
            nodes.all(|node| node.agent.selected().is_some())
        })
    }

    /// Both send, and hear each other from where they send to.
    pub(crate) fn assert_media(&mut self) {
        for (other, way) in self.assert_heard() {
            assert_eq!(self.nodes[other].agent.selected(), Some(way));
        }
    }

    /// Both send, and hear each other from where the other is known to be: of two relayed ways that work, each may take
    /// its own. Who heard, and which way.
    pub(crate) fn assert_heard(&mut self) -> Vec<(usize, Pair)> {
        let mut ways = Vec::new();
        for (n, other) in [(0, 1), (1, 0)] {
            let before = self.nodes[other].media.len();
            assert!(self.speak(n), "{n} may not send");
            // A relay is a detour.
            self.pass(3 * LATENCY);
            let heard = &self.nodes[other].media[before..];
            assert_eq!(heard.len(), 1, "{other} hears {n}");
            let (_, local, remote) = heard[0];
            let way = Pair { local, remote };
            assert!(self.nodes[other].agent.knows(way), "{way:?}");
            ways.push((other, way));
        }
        ways
    }
}
