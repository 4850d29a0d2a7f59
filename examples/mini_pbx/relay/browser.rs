//! A side with DTLS-SRTP, and with ICE as a rule.

use std::net::SocketAddr;
use std::time::Instant;

use examples::chance::chance;
use rtp_core::dtls::{self, Certificate, Handshake, HandshakeConfig};
use rtp_core::ice::{self, Agent, Pair};
use rtp_core::negotiate::IceDescription;
use rtp_core::sdp::Fingerprint;
use rtp_core::srtp::{Inbound, Outbound};
use rtp_core::transport::{Component, Protocol};

/// Datagrams of a handshake kept until the description that vouches for it is there: one flight.
const MAX_EARLY: usize = 4;

/// What its description says of it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Our credentials, which are new when ICE starts again.
    pub(crate) ours: IceDescription,
    /// How it does ICE.
    pub(crate) ice: Option<(IceDescription, ice::Role)>,
    /// Where it is when it does none.
    pub(crate) at: SocketAddr,
    pub(crate) fingerprints: Vec<Fingerprint>,
    pub(crate) dtls: dtls::Role,
}

/// Its machine.
pub(crate) struct Browser {
    agent: Agent,
    /// Where it is, when it does no ICE.
    direct: Option<SocketAddr>,
    host: SocketAddr,
    ours: IceDescription,
    certificate: Certificate,
    /// Who shall show which certificate.
    told: Option<(Vec<Fingerprint>, dtls::Role)>,
    handshake: Option<Handshake>,
    early: Vec<Vec<u8>>,
    keys: Option<(Inbound, Outbound)>,
}

impl Browser {
    /// Found by ICE at our address `host`; `None` when nobody can be found there.
    pub(crate) fn new(
        now: Instant,
        host: SocketAddr,
        ours: &IceDescription,
        certificate: &Certificate,
    ) -> Option<Self> {
        let mut agent =
            Agent::with_credentials(now, ice::Config::default(), ours, chance().boxed());
        agent.add_host(now, host).ok()?;
        agent.finish_gathering(now);
        Some(Self {
            agent,
            direct: None,
            host,
            ours: ours.clone(),
            certificate: certificate.clone(),
            told: None,
            handshake: None,
            early: Vec::new(),
            keys: None,
        })
    }

    pub(crate) fn update(&mut self, now: Instant, found: Found) {
        if !self.ours.same_credentials(&found.ours) {
            self.agent.restart_with(now, &found.ours);
            self.ours = found.ours;
        }
        self.direct = match &found.ice {
            Some((theirs, role)) => {
                // Candidates that cannot be used leave those that can.
                let _ = self.agent.set_remote(now, theirs, *role);
                None
            }
            None => Some(found.at),
        };
        let told = Some((found.fingerprints, found.dtls));
        if self.told != told {
            // Another certificate is another association (RFC 8842 section 5.1).
            self.told = told;
            self.handshake = None;
            self.keys = None;
        }
        self.settle(now);
    }

    /// Where packets go.
    fn way(&self) -> Option<SocketAddr> {
        let selected = || self.agent.selected().map(|pair| pair.remote);
        self.direct.or_else(selected)
    }

    fn knows(&self, from: SocketAddr) -> bool {
        let pair = Pair {
            local: self.host,
            remote: from,
        };
        match self.direct {
            Some(direct) => direct == from,
            None => self.agent.knows(pair),
        }
    }

    pub(crate) fn receive(
        &mut self,
        now: Instant,
        protocol: Protocol,
        from: SocketAddr,
        packet: &mut [u8],
    ) -> Option<(Component, usize)> {
        match protocol {
            Protocol::Stun => {
                self.agent.receive(now, self.host, from, packet);
            }
            // Only who has proved to be there is heard.
            Protocol::Dtls if self.knows(from) => match &mut self.handshake {
                Some(handshake) => handshake.receive(now, packet),
                None if self.early.len() < MAX_EARLY => self.early.push(packet.to_vec()),
                None => {}
            },
            Protocol::Media if self.knows(from) => {
                let (inbound, _) = self.keys.as_mut()?;
                // RFC 5761 section 4.
                let is_rtcp = packet.get(1).is_some_and(|kind| (192..=223).contains(kind));
                let (component, opened) = match is_rtcp {
                    true => (Component::Rtcp, inbound.unprotect_rtcp(packet)),
                    false => (Component::Rtp, inbound.unprotect_rtp(packet)),
                };
                return Some((component, opened.ok()?.len()));
            }
            _ => {}
        }
        self.settle(now);
        None
    }

    pub(crate) fn seal(
        &mut self,
        component: Component,
        buffer: &mut [u8],
        len: usize,
    ) -> Option<(Component, SocketAddr, usize)> {
        let to = self.way()?;
        let (_, outbound) = self.keys.as_mut()?;
        let sealed = match component {
            Component::Rtp => outbound.protect_rtp(buffer, len),
            Component::Rtcp => outbound.protect_rtcp(buffer, len),
        };
        Some((Component::Rtp, to, sealed.ok()?))
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let handshake = self.handshake.as_ref().and_then(Handshake::poll_timeout);
        let ice = self.agent.poll_timeout();
        ice.into_iter().chain(handshake).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
        if let Some(handshake) = &mut self.handshake {
            handshake.handle_timeout(now);
        }
        self.settle(now);
    }

    /// Begins the handshake when there is a way, and takes what comes of it.
    fn settle(&mut self, now: Instant) {
        while self.agent.poll_event().is_some() {}
        if let (None, Some((fingerprints, role)), Some(_)) =
            (&self.handshake, &self.told, self.way())
        {
            let config = HandshakeConfig::default();
            if let Ok(mut handshake) = Handshake::new(now, &self.certificate, *role, config) {
                handshake.expect(fingerprints);
                for datagram in self.early.drain(..) {
                    handshake.receive(now, &datagram);
                }
                self.handshake = Some(handshake);
            }
        }
        while let Some(event) = self.handshake.as_mut().and_then(Handshake::poll_event) {
            if let dtls::Event::Keys(keys) = event {
                self.keys = Some((Inbound::new(&keys.receive), Outbound::new(&keys.send)));
            }
        }
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        if let Some(transmit) = self.agent.poll_transmit() {
            return Some((transmit.to, transmit.bytes));
        }
        let to = self.way()?;
        let datagram = self.handshake.as_mut()?.poll_transmit()?;
        Some((to, datagram))
    }
}
