//! The DTLS associations of one leg (RFC 5763), one a port (RFC 5764 section 3): who may speak to them, where they answer,
//! and what came of them.

use rtp_core::dtls::{Certificate, DtlsError, Event, Handshake, HandshakeConfig, Role};
use rtp_core::negotiate::DtlsPeer;
use rtp_core::transport::{Component, Keys, PacketBuf, Transmit};
use std::net::SocketAddr;
use std::time::Instant;

/// Datagrams kept that came before the peer's description: one flight.
const MAX_EARLY: usize = 4;

/// A handshake with the peer that a description names.
pub(super) struct Association {
    handshake: Handshake,
    peer: DtlsPeer,
    component: Component,
    to: SocketAddr,
    /// ICE says where it answers, and who is listened to.
    is_led: bool,
    keys: Option<Keys>,
}

impl Association {
    fn start(
        now: Instant,
        certificate: &Certificate,
        peer: &DtlsPeer,
        component: Component,
        to: SocketAddr,
        is_led: bool,
    ) -> Result<Self, DtlsError> {
        let role = Role::of(peer.setup).unwrap_or(Role::Server);
        let mut handshake = Handshake::new(now, certificate, role, HandshakeConfig::default())?;
        handshake.expect(&peer.fingerprints);
        Ok(Self {
            handshake,
            peer: peer.clone(),
            component,
            to,
            is_led,
            keys: None,
        })
    }

    /// Whether it goes on under a new description: the certificates are the same (RFC 8842 section 5.1).
    fn is_with(&self, peer: &DtlsPeer) -> bool {
        self.peer.fingerprints == peer.fingerprints
    }

    /// Goes on with the association of a port where it serves the peer that a description names, and begins one where not.
    pub(super) fn agree(
        place: &mut Option<Association>,
        early: &mut Early,
        now: Instant,
        certificate: &Certificate,
        peer: &DtlsPeer,
        (component, to, is_led): (Component, SocketAddr, bool),
    ) -> Result<(), DtlsError> {
        match place.as_mut().filter(|known| known.is_with(peer)) {
            Some(known) => known.redirect(to),
            None => {
                let begun = Association::start(now, certificate, peer, component, to, is_led)?;
                early.hand_to(now, place.insert(begun));
            }
        }
        Ok(())
    }

    /// The peer's description names another address; whoever answers from there must still hold the same certificate.
    pub(super) fn redirect(&mut self, to: SocketAddr) {
        if self.is_led || self.to.ip() != to.ip() {
            self.to = to;
        }
    }

    pub(super) fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref()
    }

    /// Takes a datagram. Only the address of the description is listened to, at any port: strangers cannot disturb the
    /// handshake, and a NAT may have chosen the port. With ICE the leg has asked whether the peer was proved to be there.
    pub(super) fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        if self.is_led {
            self.handshake.receive(now, datagram);
        } else if from.ip() == self.to.ip() {
            self.to = from;
            self.handshake.receive(now, datagram);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.handshake.poll_timeout().is_some_and(|at| at <= now) {
            self.handshake.handle_timeout(now);
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        let event = self.handshake.poll_event()?;
        if let Event::Keys(keys) = &event {
            self.keys = Some(keys.clone());
        }
        Some(event)
    }

    pub(super) fn poll_transmit(&mut self, out: &mut PacketBuf) -> Option<Transmit> {
        let datagram = self.handshake.poll_transmit()?;
        out.write(&datagram).then_some(Transmit {
            to: self.to,
            component: self.component,
        })
    }

    pub(super) fn close(&mut self) {
        self.handshake.close();
    }
}

/// Datagrams that came before the peer's description, or ICE, said whose they are: an answer may be overtaken by the
/// handshake that it announces.
#[derive(Default)]
pub(super) struct Early(Vec<(SocketAddr, Vec<u8>)>);

impl Early {
    pub(super) fn keep(&mut self, from: SocketAddr, datagram: &[u8]) {
        if self.0.len() < MAX_EARLY {
            self.0.push((from, datagram.to_vec()));
        }
    }

    fn hand_to(&mut self, now: Instant, association: &mut Association) {
        for (from, datagram) in self.0.drain(..) {
            if !association.is_led || from == association.to {
                association.receive(now, from, &datagram);
            }
        }
    }
}
