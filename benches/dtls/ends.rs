//! The two ends of a handshake.

use std::time::Instant;

use rtp_core::dtls::{Backend, Certificate, Event, Handshake, HandshakeConfig, Role};
use rtp_core::transport::Keys;

/// The certificates of the phones and of our side.
pub(crate) struct Ends {
    client: Certificate,
    server: Certificate,
}

impl Ends {
    pub(crate) fn new() -> Self {
        let generate = || Certificate::generate().expect("random bytes");
        Self {
            client: generate(),
            server: generate(),
        }
    }

    pub(crate) fn start(&self, now: Instant, role: Role, backend: Backend) -> Handshake {
        let (ours, theirs) = match role {
            Role::Client => (&self.client, &self.server),
            Role::Server => (&self.server, &self.client),
        };
        let mut config = HandshakeConfig::default();
        config.backend = backend;
        let mut made = Handshake::new(now, ours, role, config).expect("a handshake");
        made.expect(&[theirs.fingerprint()]);
        made
    }
}

/// Carries what is waiting; whether there was anything.
pub(crate) fn carry(now: Instant, from: &mut Handshake, to: &mut Handshake) -> bool {
    let mut any = false;
    while let Some(datagram) = from.poll_transmit() {
        to.receive(now, &datagram);
        any = true;
    }
    any
}

pub(crate) fn keys(handshake: &mut Handshake) -> Option<Keys> {
    match handshake.poll_event() {
        Some(Event::Keys(keys)) => Some(keys),
        _ => None,
    }
}
