//! What waits to be polled, and numbers drawn from chance.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;

use super::event::Event;
use super::flow::{Target, Transmit};

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

/// Identifiers drawn from the application's generator.
pub(crate) struct Draw(pub(crate) Chance);

impl Draw {
    /// `N` random bytes as lower-case hexadecimal behind `prefix`.
    fn hex<const N: usize>(&mut self, prefix: &str) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        let mut text = String::with_capacity(prefix.len() + 2 * N);
        text.push_str(prefix);
        for byte in bytes {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        text
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
        (self.0)(&mut bytes);
        ((u64::from(u32::from_le_bytes(bytes)) * u64::from(bound)) >> 32) as u32
    }
}

impl fmt::Debug for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draw")
    }
}
