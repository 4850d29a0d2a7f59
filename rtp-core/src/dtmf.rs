//! DTMF: telephone events in RTP (RFC 4733) both ways, and INFO bodies for the phones that use those.
//!
//! An event is told apart from its neighbours by its **timestamp**, which all of its packets share, and by
//! nothing else: a lost start, a missing marker bit, a repeated end and a changed payload type then lose no
//! key and double none. A key whose end packets were all lost ends by timeout.
//!
//! Left out: events above 15 (tones of modems and trunks), which are passed over.

mod info;
mod receive;
mod send;

pub use info::{InfoKey, dtmf_body, dtmf_relay_body, parse_info};
pub use receive::{DtmfReceiver, KeyPress};
pub use send::{DtmfConfig, DtmfError, DtmfOut, DtmfSender, EventFrame};

use std::fmt;

/// A key of the telephone: `0`–`9`, `*`, `#`, `A`–`D`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digit(u8);

impl Digit {
    /// From its character; `a`–`d` count as `A`–`D`.
    #[must_use]
    pub fn from_char(c: char) -> Option<Digit> {
        let code = match c {
            '0'..='9' => c as u8 - b'0',
            '*' => 10,
            '#' => 11,
            'A'..='D' => c as u8 - b'A' + 12,
            'a'..='d' => c as u8 - b'a' + 12,
            _ => return None,
        };
        Some(Digit(code))
    }

    /// From its event code, 0–15 (RFC 4733 §3.2).
    #[must_use]
    pub fn from_event(code: u8) -> Option<Digit> {
        (code < 16).then_some(Digit(code))
    }

    /// Its event code.
    #[must_use]
    pub fn event(self) -> u8 {
        self.0
    }

    /// Its character.
    #[must_use]
    pub fn to_char(self) -> char {
        char::from(b"0123456789*#ABCD"[usize::from(self.0)])
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digit({})", self.to_char())
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_char())
    }
}

/// The four bytes of an event packet (RFC 4733 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPayload {
    /// The event code.
    pub event: u8,
    /// Whether the event is over.
    pub end: bool,
    /// How loud, in dB below 0 dBm0: 0–63.
    pub volume: u8,
    /// How long it has lasted so far, in ticks of the RTP clock.
    pub duration: u16,
}

impl EventPayload {
    /// Reads the first event of a payload; `None` when it has fewer than 4 bytes.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<EventPayload> {
        let &[event, flags, high, low, ..] = payload else {
            return None;
        };
        Some(EventPayload {
            event,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// The four bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [
            self.event,
            (u8::from(self.end) << 7) | (self.volume & 0x3f),
            high,
            low,
        ]
    }
}
