//! What waits to be polled, and numbers drawn from chance.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;

use super::event::Event;
use super::flow::{Target, Transmit};
use crate::homes::Home;

/// A source of random bytes; see [`Endpoint::new`](crate::Endpoint::new).
pub type Chance = Box<dyn FnMut(&mut [u8]) + Send>;

/// Transmits and events in order. Producers ask [`has_room`](Self::has_room) before they begin
/// something; what one input or command then adds is a small constant.
pub(crate) struct Outbox {
    pub(crate) transmits: VecDeque<Transmit>,
    pub(crate) events: VecDeque<Event>,
    limit: usize,
}

impl Outbox {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            limit: limit.max(1),
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.transmits.len() < self.limit && self.events.len() < self.limit
    }

    pub(crate) fn send(&mut self, to: Target, bytes: Bytes) {
        self.transmits.push_back(Transmit {
            to,
            bytes,
            then_close: false,
        });
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }
}

/// Identifiers drawn from the application's generator, each of which this endpoint is the home of.
pub(crate) struct Draw {
    pub(crate) chance: Chance,
    pub(crate) home: Option<Home>,
}

impl Draw {
    /// `N` random bytes as lower-case hexadecimal behind `prefix`.
    fn hex<const N: usize>(&mut self, prefix: &str) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(prefix.len() + 2 * N);
        self.own::<N>(|home, bytes| {
            text.clear();
            text.push_str(prefix);
            for byte in bytes {
                text.push(char::from(DIGITS[usize::from(byte >> 4)]));
                text.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
            home.is_none_or(|home| home.owns(text.as_bytes()))
        });
        text
    }

    /// Random bytes that fit: the next number after those drawn which does, so that a generator is asked once, and a
    /// poor one cannot hold this up.
    fn own<const N: usize>(
        &mut self,
        mut fits: impl FnMut(Option<Home>, &[u8; N]) -> bool,
    ) -> [u8; N] {
        let mut bytes = [0; N];
        (self.chance)(&mut bytes);
        for _ in 0..=u16::MAX {
            if fits(self.home, &bytes) {
                break;
            }
            for byte in bytes.iter_mut().rev() {
                *byte = byte.wrapping_add(1);
                if *byte != 0 {
                    break;
                }
            }
        }
        bytes
    }

    /// The id of a STUN request.
    pub(crate) fn stun_id(&mut self) -> [u8; 12] {
        self.own(|home, id| home.is_none_or(|home| home.owns(id)))
    }

    /// A tag: 64 bits, twice what RFC 3261 section 19.3 asks.
    pub(crate) fn tag(&mut self) -> String {
        self.hex::<8>("")
    }

    /// A branch with the cookie of RFC 3261 section 8.1.1.7.
    pub(crate) fn branch(&mut self) -> String {
        self.hex::<12>("z9hG4bK")
    }

    /// A Call-ID without a host, so that it tells nothing about us (8.1.1.4).
    pub(crate) fn call_id(&mut self) -> String {
        self.hex::<16>("")
    }

    /// A number below `bound`, uniform enough for timers.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let mut bytes = [0; 4];
        (self.chance)(&mut bytes);
        ((u64::from(u32::from_le_bytes(bytes)) * u64::from(bound)) >> 32) as u32
    }
}

impl fmt::Debug for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draw")
    }
}
