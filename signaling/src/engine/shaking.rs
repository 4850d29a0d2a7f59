//! Handshakes beside sound. A flight costs a thousand times what a packet of sound costs, and phones that were called
//! together answer together: so their datagrams wait while there is sound to read or a tick is due.

use super::thread::RoomKey;
use rtp_core::transport::{Path, Protocol};
use sip_core::CallId;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Datagrams that may wait, of all calls. What is over is lost, as a network loses it, and sent again.
const MAX_WAITING: usize = 4096;

/// Datagrams that may wait of one call, so that whoever floods one port takes no other's place.
const MAX_OF_ONE: usize = 16;

/// How long handshakes may keep the thread before it looks for sound again.
const TURN: Duration = Duration::from_millis(2);

/// A datagram of a handshake, and whose it is.
pub(super) struct Flight<C = CallId> {
    pub(super) room: RoomKey,
    pub(super) call: C,
    pub(super) path: Path,
    pub(super) datagram: Vec<u8>,
}

/// The datagrams of handshakes that wait for their turn, oldest first.
pub(super) struct Shaking<C = CallId> {
    waiting: VecDeque<Flight<C>>,
    of_one: HashMap<C, usize>,
}

impl<C: Copy + Eq + Hash> Default for Shaking<C> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            of_one: HashMap::new(),
        }
    }
}

impl Shaking {
    /// Whether a datagram is a handshake's.
    pub(super) fn takes(datagram: &[u8]) -> bool {
        datagram.first().map(|&first| Protocol::of(first)) == Some(Protocol::Dtls)
    }

    /// When the turn that begins now is over: sound is looked for again, or a tick is due.
    pub(super) fn until(now: Instant, tick: Instant) -> Instant {
        tick.min(now + TURN)
    }
}

impl<C: Copy + Eq + Hash> Shaking<C> {
    pub(super) fn push(&mut self, flight: Flight<C>) {
        let of_one = self.of_one.get(&flight.call).copied().unwrap_or(0);
        if self.waiting.len() < MAX_WAITING && of_one < MAX_OF_ONE {
            self.of_one.insert(flight.call, of_one + 1);
            self.waiting.push_back(flight);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn pop(&mut self) -> Option<Flight<C>> {
        let flight = self.waiting.pop_front()?;
        match self.of_one.get_mut(&flight.call) {
            Some(more) if *more > 1 => *more -= 1,
            _ => drop(self.of_one.remove(&flight.call)),
        }
        Some(flight)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn flight(call: u8, number: u8) -> Flight<u8> {
        Flight {
            room: 0,
            call,
            path: Path::rtp(SocketAddr::from(([192, 0, 2, 1], 4000))),
            datagram: vec![22, number],
        }
    }

    #[test]
    fn who_floods_takes_no_others_place() {
        let (flooder, caller) = (1, 2);
        let mut shaking = Shaking::default();
        for number in 0..200 {
            shaking.push(flight(flooder, number));
        }
        shaking.push(flight(caller, 0));
        let order: Vec<_> = std::iter::from_fn(|| shaking.pop()).collect();
        assert_eq!(order.len(), MAX_OF_ONE + 1);
        assert!(order.iter().zip(0..).all(|(it, n)| {
            let place = if it.call == flooder { n } else { 0 };
            it.datagram[1] == place
        }));
        assert_eq!(order[MAX_OF_ONE].call, caller);
        assert!(shaking.is_empty() && shaking.of_one.is_empty());
        shaking.push(flight(flooder, 0));
        assert!(!shaking.is_empty(), "its place is free again");
    }

    #[test]
    fn a_turn_ends_with_the_tick() {
        let now = Instant::now();
        assert_eq!(Shaking::until(now, now + 10 * TURN), now + TURN);
        assert_eq!(Shaking::until(now, now + TURN / 2), now + TURN / 2);
    }

    #[test]
    fn a_handshakes_datagrams_begin_as_dtls_does() {
        assert!(Shaking::takes(&[22, 254, 253]));
        assert!(!Shaking::takes(&[128, 0]) && !Shaking::takes(&[0, 1]) && !Shaking::takes(&[]));
    }
}
