//! One side of one relayed line: what comes in is opened, what goes out is sealed for whoever stands there.

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

/// How a side is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// RTP and RTCP in the clear on a port each.
    Plain,
    /// ICE, DTLS-SRTP, everything on one port.
    Browser,
}

/// What a side's description says of one line.
#[derive(Debug, Clone)]
pub(crate) enum Peer {
    Plain {
        rtp: SocketAddr,
        rtcp: SocketAddr,
    },
    Browser {
        /// Ours, which are new when ICE starts again.
        ours: IceDescription,
        theirs: IceDescription,
        ice: ice::Role,
        fingerprints: Vec<Fingerprint>,
        dtls: dtls::Role,
    },
}

/// The machine of one side.
pub(crate) enum Leg {
    Plain([Option<SocketAddr>; 2]),
    Browser(Box<Browser>),
}

impl Leg {
    pub(crate) fn plain() -> Self {
        Self::Plain([None, None])
    }

    /// A side found by ICE at our address `host`; `None` when nobody can be found there.
    pub(crate) fn browser(
        now: Instant,
        host: SocketAddr,
        ours: &IceDescription,
        certificate: &Certificate,
    ) -> Option<Self> {
        let mut agent =
            Agent::with_credentials(now, ice::Config::default(), ours, chance().boxed());
        agent.add_host(now, host).ok()?;
        agent.finish_gathering(now);
        Some(Self::Browser(Box::new(Browser {
            agent,
            host,
            ours: ours.clone(),
            certificate: certificate.clone(),
            told: None,
            handshake: None,
            early: Vec::new(),
            keys: None,
        })))
    }

    /// Takes what a description says.
    pub(crate) fn update(&mut self, now: Instant, peer: Peer) {
        match (self, peer) {
            (Self::Plain(at), Peer::Plain { rtp, rtcp }) => *at = [Some(rtp), Some(rtcp)],
            (Self::Browser(browser), peer @ Peer::Browser { .. }) => browser.update(now, peer),
            // A side stays what it was when the call began.
            _ => {}
        }
    }

    /// Takes a datagram, and gives the length of the packet that it held, opened in place, and whether it is RTP or RTCP.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        component: Component,
        from: SocketAddr,
        packet: &mut [u8],
    ) -> Option<(Component, usize)> {
        let protocol = Protocol::of(*packet.first()?);
        match self {
            Self::Plain(at) => {
                let at = at[index(component)].as_mut()?;
                // Whoever the description names, at the port that a NAT chose.
                if from.ip() != at.ip() || protocol != Protocol::Media {
                    return None;
                }
                *at = from;
                Some((component, packet.len()))
            }
            Self::Browser(browser) => browser.receive(now, protocol, from, packet),
        }
    }

    /// Seals the packet in the first `len` bytes of `buffer`, and gives where it goes and its length; `None` while it may
    /// go nowhere.
    pub(crate) fn seal(
        &mut self,
        component: Component,
        buffer: &mut [u8],
        len: usize,
    ) -> Option<(Component, SocketAddr, usize)> {
        match self {
            Self::Plain(at) => Some((component, at[index(component)]?, len)),
            Self::Browser(browser) => {
                let to = browser.agent.selected()?.remote;
                let (_, outbound) = browser.keys.as_mut()?;
                let sealed = match component {
                    Component::Rtp => outbound.protect_rtp(buffer, len),
                    Component::Rtcp => outbound.protect_rtcp(buffer, len),
                };
                Some((Component::Rtp, to, sealed.ok()?))
            }
        }
    }

    /// The next datagram of its own, from its RTP port.
    pub(crate) fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        match self {
            Self::Plain(_) => None,
            Self::Browser(browser) => browser.poll_transmit(),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Plain(_) => None,
            Self::Browser(browser) => {
                let handshake = browser.handshake.as_ref().and_then(Handshake::poll_timeout);
                browser
                    .agent
                    .poll_timeout()
                    .into_iter()
                    .chain(handshake)
                    .min()
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Self::Browser(browser) = self {
            browser.agent.handle_timeout(now);
            if let Some(handshake) = &mut browser.handshake {
                handshake.handle_timeout(now);
            }
            browser.settle(now);
        }
    }
}

/// The index of a component's port.
pub(crate) fn index(component: Component) -> usize {
    usize::from(component == Component::Rtcp)
}

/// A side with ICE and DTLS.
pub(crate) struct Browser {
    agent: Agent,
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
    fn update(&mut self, now: Instant, peer: Peer) {
        let Peer::Browser {
            ours,
            theirs,
            ice,
            fingerprints,
            dtls,
        } = peer
        else {
            return;
        };
        if !self.ours.same_credentials(&ours) {
            self.agent.restart_with(now, &ours);
            self.ours = ours;
        }
        // Candidates that cannot be used leave those that can.
        let _ = self.agent.set_remote(now, &theirs, ice);
        let told = Some((fingerprints, dtls));
        if self.told != told {
            // Another certificate is another association (RFC 8842 section 5.1).
            self.told = told;
            self.handshake = None;
            self.keys = None;
        }
        self.settle(now);
    }

    fn knows(&self, from: SocketAddr) -> bool {
        self.agent.knows(Pair {
            local: self.host,
            remote: from,
        })
    }

    fn receive(
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

    /// Begins the handshake when there is a way, and takes what comes of it.
    fn settle(&mut self, now: Instant) {
        while self.agent.poll_event().is_some() {}
        if let (None, Some((fingerprints, role)), Some(_)) =
            (&self.handshake, &self.told, self.agent.selected())
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

    fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        if let Some(transmit) = self.agent.poll_transmit() {
            return Some((transmit.to, transmit.bytes));
        }
        let to = self.agent.selected()?.remote;
        let datagram = self.handshake.as_mut()?.poll_transmit()?;
        Some((to, datagram))
    }
}
