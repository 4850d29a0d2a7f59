//! The TURN servers of one leg: addresses that they relay, and what goes through them (RFC 8656).

use rtp_core::ice::Pair;
use rtp_core::transport::PacketBuf;
use rtp_core::turn::{Client, Received, Sent};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

/// An address on a server.
struct Relay {
    server: SocketAddr,
    client: Client,
}

/// The addresses of a leg, asked for before its call began.
#[derive(Default)]
pub(crate) struct Relays {
    all: Vec<Relay>,
    only: bool,
}

/// What came from a server.
pub(crate) enum Unwrapped {
    /// A peer's datagram: which way it came, and where it is in what came.
    Data(Pair, Range<usize>),
    /// The server's own business; there may be an answer to send.
    Handled,
    /// It is from nobody that is asked here.
    Foreign,
}

impl Relays {
    /// None yet; with `only`, nothing is to go but through them.
    #[cfg(feature = "net")]
    pub(crate) fn new(only: bool) -> Relays {
        let all = Vec::new();
        Relays { all, only }
    }

    /// Whether nothing goes but through them.
    pub(crate) fn is_only(&self) -> bool {
        self.only
    }

    pub(crate) fn push(&mut self, server: SocketAddr, client: Client) {
        self.all.push(Relay { server, client });
    }

    /// The addresses that there are.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.all.iter().filter_map(|relay| relay.client.relayed())
    }

    /// Whether every server has given its address, or will not.
    pub(crate) fn are_settled(&self) -> bool {
        let mut all = self.all.iter();
        all.all(|relay| relay.client.relayed().is_some() || relay.client.is_over())
    }

    /// Whether a server gave no address, or took it back.
    pub(crate) fn is_one_gone(&self) -> bool {
        self.all.iter().any(|relay| relay.client.is_over())
    }

    /// Takes a datagram that came to the leg's RTP socket.
    pub(crate) fn unwrap(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Unwrapped {
        let Some(relay) = self.all.iter_mut().find(|relay| relay.server == from) else {
            return Unwrapped::Foreign;
        };
        let local = relay.client.relayed();
        match (relay.client.receive(now, datagram), local) {
            (Received::Data { peer, payload }, Some(local)) => {
                let at = payload.as_ptr() as usize - datagram.as_ptr() as usize;
                let way = Pair {
                    local,
                    remote: peer,
                };
                Unwrapped::Data(way, at..at + payload.len())
            }
            // A STUN server may stand at the same address.
            (Received::Foreign, _) => Unwrapped::Foreign,
            _ => Unwrapped::Handled,
        }
    }

    /// Wraps what is in `out` if it is to leave from a relayed address; where it goes now. `None`: it waits, or is lost.
    pub(crate) fn wrap(
        &mut self,
        now: Instant,
        way: Pair,
        out: &mut PacketBuf,
    ) -> Option<SocketAddr> {
        let from = |relay: &&mut Relay| relay.client.relayed() == Some(way.local);
        let Some(relay) = self.all.iter_mut().find(from) else {
            return Some(way.remote);
        };
        let packet = out.clone();
        match relay.client.send(now, way.remote, &packet, out) {
            Ok(Sent::Now) => Some(relay.server),
            Ok(Sent::Later) | Err(_) => None,
        }
    }

    /// Media goes this way from now on: with fewer bytes, if it goes through a server.
    pub(crate) fn bind(&mut self, now: Instant, way: Pair) {
        for relay in &mut self.all {
            if relay.client.relayed() == Some(way.local) {
                // Without a channel it goes on as it went.
                let _ = relay.client.bind(now, way.remote);
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for relay in &mut self.all {
            if relay.client.poll_timeout().is_some_and(|at| at <= now) {
                relay.client.handle_timeout(now);
            }
            // A server that took its address back is noticed by ICE, which turns to another way.
            while relay.client.poll_event().is_some() {}
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let timers = self
            .all
            .iter()
            .filter_map(|relay| relay.client.poll_timeout());
        timers.min()
    }

    /// The next message to a server.
    pub(crate) fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        let mut all = self.all.iter_mut();
        all.find_map(|relay| Some((relay.server, relay.client.poll_transmit()?)))
    }

    /// Gives the addresses back.
    pub(crate) fn close(&mut self, now: Instant) {
        for relay in &mut self.all {
            relay.client.close(now);
        }
    }
}
