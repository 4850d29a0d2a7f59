//! The way of one leg's packets, when ICE finds it (RFC 8445): which address is the peer's, and whether it wants them. RTCP
//! on a port of its own has one of its own.

use super::relays::Relays;
#[cfg(feature = "net")]
use rtp_core::ice::Proof;
use rtp_core::ice::{Agent, Config, Event, IceError, Pair, Role, State};
use rtp_core::negotiate::{IceAgreed, IceDescription};
use rtp_core::stun::{Class, Message};
use rtp_core::transport::{Component, PacketBuf};
use std::net::SocketAddr;
use std::time::Instant;

/// What became of the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Packets go there from now on.
    To(SocketAddr),
    /// Nowhere, for now.
    Nowhere,
    /// Nowhere, for good.
    Never,
}

/// The agent of one port of a leg. It has one address: that of the port's socket, as the description says it.
pub(super) struct Way {
    agent: Agent,
    host: SocketAddr,
    tie_breaker: u64,
    ours: IceDescription,
    /// Where the last good check came from.
    heard: Option<SocketAddr>,
}

impl Way {
    /// Begins with what was told to each other in SDP. The tie-breaker is one for both components.
    pub(super) fn start(
        now: Instant,
        agreed: &IceAgreed,
        (component, host): (Component, SocketAddr),
        tie_breaker: u64,
        random: rtp_core::Random,
        relays: &Relays,
    ) -> Result<Self, IceError> {
        let mut config = Config::default();
        config.lite = agreed.local.lite;
        config.component = component;
        config.tie_breaker = Some(tie_breaker);
        let mut agent = Agent::with_credentials(now, config, &agreed.local, random);
        if !relays.is_only() {
            agent.add_host(now, host)?;
        }
        for address in relays.addresses() {
            // One that ICE cannot use was not told either.
            let _ = agent.add_relayed(now, address);
        }
        agent.finish_gathering(now);
        let mut way = Self {
            agent,
            host,
            tie_breaker,
            ours: agreed.local.clone(),
            heard: None,
        };
        way.update(now, agreed)?;
        Ok(way)
    }

    /// A later description: more candidates, or a restart.
    pub(super) fn update(&mut self, now: Instant, agreed: &IceAgreed) -> Result<(), IceError> {
        if !self.ours.same_credentials(&agreed.local) {
            self.ours = agreed.local.clone();
            self.agent.restart_with(now, &agreed.local);
        }
        let role = if agreed.controlling {
            Role::Controlling
        } else {
            Role::Controlled
        };
        self.agent.set_remote(now, &agreed.remote, role)
    }

    /// The address of the port's socket, as it was told.
    pub(super) fn host(&self) -> SocketAddr {
        self.host
    }

    pub(super) fn tie_breaker(&self) -> u64 {
        self.tie_breaker
    }

    /// Where packets go, while the peer agrees.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.pair().map(|pair| pair.remote)
    }

    pub(super) fn pair(&self) -> Option<Pair> {
        self.agent.selected()
    }

    /// Whether the peer has been proved to be there.
    pub(super) fn knows(&self, way: Pair) -> bool {
        self.agent.knows(way)
    }

    pub(super) fn receive(&mut self, now: Instant, way: Pair, datagram: &[u8]) {
        let is_good = self.agent.receive(now, way.local, way.remote, datagram);
        if is_good && Message::parse(datagram).is_ok_and(|it| it.class() == Class::Request) {
            self.heard = Some(way.remote);
        }
    }

    /// What is known of who is at an address of the network of our host address.
    #[cfg(feature = "net")]
    pub(super) fn proof(&self, remote: SocketAddr) -> Option<Proof> {
        let local = self.host;
        if self.knows(Pair { local, remote }) {
            return Some(Proof::Answered);
        }
        (self.heard == Some(remote)).then_some(Proof::Heard)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.agent.poll_timeout().is_some_and(|at| at <= now) {
            self.agent.handle_timeout(now);
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<Found> {
        loop {
            return Some(match self.agent.poll_event()? {
                Event::Selected(pair) => Found::To(pair.remote),
                Event::ConsentLost(_) => Found::Nowhere,
                Event::State(State::Failed) => Found::Never,
                _ => continue,
            });
        }
    }

    /// The next check, and the way that it goes.
    pub(super) fn poll_transmit(&mut self, out: &mut PacketBuf) -> Option<Pair> {
        let transmit = self.agent.poll_transmit()?;
        out.write(&transmit.bytes).then_some(Pair {
            local: transmit.local,
            remote: transmit.to,
        })
    }
}
