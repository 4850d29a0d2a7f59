//! Ways made ready before they are needed: sockets whose addresses on STUN and TURN servers are known, so that a description
//! has them at once. WebRTC calls it the candidate pool.

use super::config::{IceServers, TurnServer};
use super::listen::local_address;
use crate::engine::relays::{Relays, Unwrapped};
use crate::random::Random;
use rtp_core::ice::{self, Agent};
use rtp_core::negotiate::IceDescription;
use rtp_core::net::{PortAllocator, RtpSockets};
use rtp_core::transport::{Component, Transmit};
use rtp_core::turn::{self, Client, TurnError};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How often the sockets of ways that are not ready are looked at.
const LOOK: Duration = Duration::from_millis(10);

/// How long a server that failed is left alone.
const PAUSE: Duration = Duration::from_secs(10);

fn account(server: &TurnServer) -> turn::Config {
    turn::Config::new(turn::Transport::Udp, &server.username, &server.password)
}

/// One way.
pub(super) struct Prepared {
    pub(super) sockets: RtpSockets,
    pub(super) relays: Relays,
    agent: Agent,
    added: Vec<SocketAddr>,
}

impl Prepared {
    /// What a description says of it.
    pub(super) fn description(&self) -> IceDescription {
        self.agent.description()
    }
}

/// The ways that are ready or nearly so.
pub(super) struct Reserve {
    servers: IceServers,
    advertise: Option<IpAddr>,
    ways: Vec<Prepared>,
    /// Servers that failed are not asked again before.
    rests_until: Option<Instant>,
    /// When to look again.
    next: Option<Instant>,
}

impl Reserve {
    pub(super) fn new(servers: &IceServers, advertise: Option<IpAddr>) -> Result<Self, TurnError> {
        // An account of no use is told at once.
        for server in &servers.turn {
            Client::new(Instant::now(), account(server))?;
        }
        Ok(Self {
            servers: servers.clone(),
            advertise,
            ways: Vec::new(),
            rests_until: None,
            next: Some(Instant::now()),
        })
    }

    pub(super) fn relay_only(&self) -> bool {
        self.servers.relay_only
    }

    /// Whether a server is to be asked for anything.
    pub(super) fn is_wanted(&self) -> bool {
        let stun = !self.servers.relay_only && !self.servers.stun.is_empty();
        stun || !self.servers.turn.is_empty()
    }

    /// Whether there is nothing to wait for.
    pub(super) fn is_settled(&self) -> bool {
        let full = self.ways.len() >= self.servers.reserve || self.rests_until.is_some();
        !self.is_wanted() || full && self.ways.iter().all(|way| way.agent.is_gathered())
    }

    /// Begins as many ways as are missing.
    fn fill(&mut self, now: Instant, ports: &mut PortAllocator, random: &Random) {
        if self.rests_until.is_some_and(|until| until > now) || !self.is_wanted() {
            return;
        }
        self.rests_until = None;
        while self.ways.len() < self.servers.reserve {
            let Ok(sockets) = ports.allocate(now) else {
                self.rests_until = Some(now + PAUSE);
                return;
            };
            let mut config = ice::Config::default();
            if !self.servers.relay_only {
                config.stun_servers.clone_from(&self.servers.stun);
            }
            let mut agent = Agent::new(now, config, random.boxed());
            if !self.servers.relay_only {
                let host = local_address(&sockets, self.advertise).rtp;
                // Without an address that others can reach there are the servers'.
                let _ = agent.add_host(now, host);
            }
            let mut relays = Relays::new(self.servers.relay_only);
            for server in &self.servers.turn {
                if let Ok(client) = Client::new(now, account(server)) {
                    relays.push(server.address, client);
                }
            }
            self.ways.push(Prepared {
                sockets,
                relays,
                agent,
                added: Vec::new(),
            });
        }
    }

    /// Reads what came, says what is to be said, and begins what is missing.
    pub(super) fn turn(&mut self, now: Instant, ports: &mut PortAllocator, random: &Random) {
        for way in &mut self.ways {
            way.turn(now);
        }
        let relay_only = self.servers.relay_only;
        let is_useless = |way: &mut Prepared| {
            let is_lost = way.agent.is_gathered() && way.relays.is_one_gone();
            let has_none = relay_only && way.relays.addresses().next().is_none();
            is_lost
                && (has_none
                    || !way
                        .added
                        .iter()
                        .all(|at| way.relays.addresses().any(|a| a == *at)))
        };
        for way in self.ways.extract_if(.., is_useless) {
            self.rests_until = Some(now + PAUSE);
            ports.release(now, way.sockets);
        }
        self.fill(now, ports, random);
        self.next = self.timeout(now);
    }

    /// A way that is ready; another one is begun soon.
    pub(super) fn take(&mut self, now: Instant) -> Option<Prepared> {
        let at = self.ways.iter().position(|way| way.agent.is_gathered())?;
        self.next = Some(now);
        Some(self.ways.remove(at))
    }

    /// When to call [`Reserve::turn`] next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    fn timeout(&self, now: Instant) -> Option<Instant> {
        let of = |way: &Prepared| match way.agent.is_gathered() {
            true => way.relays.poll_timeout(),
            false => Some(now + LOOK),
        };
        let missing = (self.is_wanted() && self.ways.len() < self.servers.reserve)
            .then(|| self.rests_until.unwrap_or(now + LOOK));
        self.ways.iter().filter_map(of).chain(missing).min()
    }

    /// Gives the servers back what is theirs.
    pub(super) fn close(&mut self, now: Instant) {
        self.servers.reserve = 0;
        for mut way in self.ways.drain(..) {
            way.relays.close(now);
            way.flush();
        }
    }
}

impl Prepared {
    fn turn(&mut self, now: Instant) {
        let mut datagram = [0; 2048];
        let host = self.sockets.rtp_addr();
        while let Ok(Some((len, from))) = self.sockets.receive(Component::Rtp, &mut datagram) {
            let datagram = &datagram[..len];
            if let Unwrapped::Foreign = self.relays.unwrap(now, from, datagram) {
                self.agent.receive(now, host, from, datagram);
            }
        }
        self.relays.handle_timeout(now);
        self.agent.handle_timeout(now);
        for address in self.relays.addresses() {
            if !self.added.contains(&address) {
                self.added.push(address);
                // One that ICE cannot use is not told.
                let _ = self.agent.add_relayed(now, address);
            }
        }
        if self.relays.are_settled() {
            self.agent.finish_gathering(now);
        }
        self.flush();
    }

    fn flush(&mut self) {
        let send = |to, bytes: &[u8]| {
            let component = Component::Rtp;
            // What the system does not take is said again.
            let _ = self.sockets.send(Transmit { to, component }, bytes);
        };
        while let Some((server, bytes)) = self.relays.poll_transmit() {
            send(server, &bytes);
        }
        while let Some(transmit) = self.agent.poll_transmit() {
            send(transmit.to, &transmit.bytes);
        }
        while self.agent.poll_event().is_some() {}
    }
}
