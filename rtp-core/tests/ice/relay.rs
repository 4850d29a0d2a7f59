//! Who cannot be reached but through a TURN server.

use super::turn_server::{PASSWORD, Server, USER};
use super::world::{NATS, Nat, Node, SECOND, World, addr, stun_server};
use rtp_core::ice::{Config, Event, Pair, Role, State, Transmit};
use rtp_core::transport::PacketBuf;
use rtp_core::turn::{self, Client, Received, Sent, Transport};
use std::net::SocketAddr;
use std::time::Instant;

/// The one TURN server.
pub(crate) struct Relays {
    pub(crate) server: Server,
}

impl Default for Relays {
    fn default() -> Relays {
        Relays {
            server: Server::new(addr("203.0.113.2:3478")),
        }
    }
}

impl Relays {
    pub(crate) fn is_server(&self, from: SocketAddr) -> bool {
        from == self.server.at
    }

    /// Whether a pair goes through it.
    fn carries(&self, pair: Pair) -> bool {
        [pair.local, pair.remote]
            .iter()
            .any(|at| at.ip() == self.server.at.ip())
    }
}

impl Node {
    /// What the server sent to our host.
    pub(crate) fn hear_relay(&mut self, now: Instant, bytes: &[u8]) {
        let Some(relay) = &mut self.relay else { return };
        let relayed = relay.relayed();
        if let (Received::Data { peer, payload }, Some(local)) =
            (relay.receive(now, bytes), relayed)
            && !self.agent.receive(now, local, peer, payload)
            && payload[0] >= 128
        {
            self.media.push((now, local, peer));
        }
    }

    /// The pair in use gets a channel.
    pub(crate) fn shorten(&mut self, now: Instant, event: &Event) {
        if let (Event::Selected(pair), Some(relay)) = (event, &mut self.relay)
            && relay.relayed() == Some(pair.local)
        {
            relay.bind(now, pair.remote).unwrap();
        }
    }
}

impl World {
    /// What goes out from a relayed address goes to the server instead, or waits.
    pub(crate) fn through_relay(&mut self, n: usize, transmit: Transmit) -> Option<Transmit> {
        let node = &mut self.nodes[n];
        let relay = node.relay.as_mut();
        let Some(relay) = relay.filter(|relay| relay.relayed() == Some(transmit.local)) else {
            // An address that is gone takes what is sent from it along.
            return node.hosts.contains(&transmit.local).then_some(transmit);
        };
        let mut out = PacketBuf::new();
        match relay.send(self.now, transmit.to, &transmit.bytes, &mut out) {
            Ok(Sent::Now) => Some(Transmit {
                local: node.hosts[0],
                to: self.relays.server.at,
                bytes: out.to_vec(),
            }),
            Ok(Sent::Later) | Err(_) => None,
        }
    }

    /// What came to the server or to one of its addresses.
    pub(crate) fn at_relay(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> bool {
        let server = &mut self.relays.server;
        if to.ip() != server.at.ip() {
            return false;
        }
        let on = if to == server.at {
            server.by_client(self.now, from, bytes)
        } else {
            let on = server.by_peer(self.now, to, from, bytes);
            on.map(|(client, bytes)| (server.at, client, bytes))
        };
        if let Some((from, to, bytes)) = on {
            self.fly(from, to, bytes);
        }
        true
    }

    pub(crate) fn drive_relay(&mut self, n: usize) {
        let (now, server) = (self.now, self.relays.server.at);
        let node = &mut self.nodes[n];
        let Some(relay) = &mut node.relay else { return };
        let mut messages = Vec::new();
        while let Some(bytes) = relay.poll_transmit() {
            messages.push(bytes);
        }
        while let Some(event) = relay.poll_event() {
            match event {
                turn::Event::Allocated { relayed, .. } => {
                    node.agent.add_relayed(now, relayed).unwrap();
                    node.agent.finish_gathering(now);
                }
                turn::Event::Failed(_) => node.agent.finish_gathering(now),
                _ => {}
            }
        }
        let local = node.hosts[0];
        for bytes in messages {
            let to = server;
            self.send(n, Transmit { local, to, bytes });
        }
    }
}

/// Two hosts, each with a relay if it is to have one, that have told each other everything.
fn world(a: (Nat, bool), b: (Nat, bool)) -> World {
    let mut world = World::new();
    for (n, (nat, relayed)) in [(1, a), (2, b)] {
        let mut config = Config::default();
        config.stun_servers = vec![stun_server()];
        let host = match nat {
            Nat::Open => format!("192.0.2.{n}:4000"),
            _ => format!("10.0.{n}.2:4000"),
        };
        let n = world.add_gathering(config, nat, &[&host]);
        if relayed {
            let config = turn::Config::new(Transport::Udp, USER, PASSWORD);
            world.nodes[n].relay = Some(Client::new(world.now, config).unwrap());
        } else {
            let now = world.now;
            world.agent(n).finish_gathering(now);
        }
    }
    let gathered = |world: &World| world.nodes.iter().all(|node| node.agent.is_gathered());
    assert!(world.run(SECOND, gathered));
    world.exchange((Role::Controlling, Role::Controlled));
    world
}

fn is_relayed(world: &World) -> bool {
    let pair = world.nodes[0].agent.selected().unwrap();
    world.relays.carries(pair)
}

#[test]
fn with_a_relay_everybody_reaches_everybody() {
    let mut relayed = 0;
    for a in NATS {
        for b in NATS {
            for (ours, theirs) in [(true, true), (true, false), (false, true)] {
                let mut world = world((a, ours), (b, theirs));
                assert!(world.connect(10 * SECOND), "{a:?} {ours}, {b:?} {theirs}");
                world.pass(10 * SECOND);
                world.assert_heard();
                relayed += usize::from(is_relayed(&world));
            }
        }
    }
    // Three pairs of kinds have no other way, each with three ways to have a relay.
    assert_eq!(relayed, 9);
}

#[test]
fn a_relayed_call_goes_on_for_an_hour_and_on_channels() {
    for (ours, theirs) in [(true, true), (true, false), (false, true)] {
        let mut world = world((Nat::Symmetric, ours), (Nat::Symmetric, theirs));
        assert!(world.connect(10 * SECOND));
        for _ in 0..6 {
            world.pass(600 * SECOND);
            world.relays.server.nonce += 1;
            let server = &mut world.relays.server;
            (server.on_channels, server.as_indications) = (0, 0);
            world.assert_heard();
            assert!(is_relayed(&world));
            let server = &world.relays.server;
            assert!(server.on_channels >= 2 && server.as_indications == 0);
        }
        for node in &world.nodes {
            assert!(node.saw(|e| matches!(e, Event::ConsentLost(_))).is_none());
        }
    }
}

#[test]
fn a_path_that_dies_gives_way_to_the_relay() {
    let mut world = world((Nat::PortRestricted, true), (Nat::FullCone, true));
    assert!(world.connect(10 * SECOND));
    world.pass(30 * SECOND);
    world.assert_heard();
    assert!(!is_relayed(&world));
    let cut = world.now;
    let server = world.relays.server.at.ip();
    world.lost = Box::new(move |from, to, _| from.ip() != server && to.ip() != server);
    let both = |world: &World| {
        let mut nodes = world.nodes.iter();
        nodes.all(|n| {
            n.agent
                .selected()
                .is_some_and(|pair| world.relays.carries(pair))
        })
    };
    assert!(world.run(20 * SECOND, both), "nobody took the relay");
    assert!(world.now - cut <= 12 * SECOND, "{:?}", world.now - cut);
    world.pass(SECOND);
    world.assert_heard();
    world.pass(120 * SECOND);
    world.assert_heard();
}

#[test]
fn a_server_that_forgets_the_address_ends_the_call_in_time() {
    let mut world = world((Nat::Symmetric, true), (Nat::Symmetric, false));
    assert!(world.connect(10 * SECOND));
    world.relays.server.forget();
    world.pass(90 * SECOND);
    for node in &world.nodes {
        assert!(node.saw(|e| matches!(e, Event::ConsentLost(_))).is_some());
        assert_eq!(node.agent.state(), State::Failed);
    }
}
