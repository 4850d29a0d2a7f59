//! Reading.

use super::{COOKIE, FINGERPRINT_XOR, crc32, hmac_sha1};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use subtle::ConstantTimeEq;

/// The method that ICE and STUN servers use (§18.2).
pub const BINDING: u16 = 0x001;
/// USERNAME (§14.3).
pub const USERNAME: u16 = 0x0006;
/// MESSAGE-INTEGRITY (§14.5).
pub const MESSAGE_INTEGRITY: u16 = 0x0008;
/// ERROR-CODE (§14.8).
const ERROR_CODE: u16 = 0x0009;
/// XOR-MAPPED-ADDRESS (§14.2).
pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// PRIORITY (RFC 8445 §16.1).
pub const PRIORITY: u16 = 0x0024;
/// USE-CANDIDATE (RFC 8445 §16.1).
pub const USE_CANDIDATE: u16 = 0x0025;
/// FINGERPRINT (§14.7).
pub const FINGERPRINT: u16 = 0x8028;
/// ICE-CONTROLLED (RFC 8445 §16.1).
pub const ICE_CONTROLLED: u16 = 0x8029;
/// ICE-CONTROLLING (RFC 8445 §16.1).
pub const ICE_CONTROLLING: u16 = 0x802a;

/// What kind of message it is (§5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// An answer: yes.
    Success,
    /// An answer: no, see [`Message::error_code`].
    Error,
}

/// What an answer has in common with its request: 96 bits that nobody else should guess (§5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId(pub [u8; 12]);

/// Why bytes are no STUN message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum StunError {
    /// Too short, without the cookie, or of another length than it says: another protocol, or cut off.
    #[error("not a STUN message")]
    NotStun,
    /// An attribute does not fit.
    #[error("an attribute at byte {0} does not fit")]
    Attribute(usize),
    /// FINGERPRINT is not last or not the checksum.
    #[error("the fingerprint is wrong")]
    Fingerprint,
}

/// A message in a datagram.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Message<'b> {
    bytes: &'b [u8],
    /// Where MESSAGE-INTEGRITY begins.
    integrity: Option<usize>,
}

impl<'b> Message<'b> {
    /// Reads a datagram that is one message and nothing else.
    ///
    /// ```text
    /// |0 0|M11..M7|C1|M6..M4|C0|M3..M0|  length of what follows the header  |
    /// |                        cookie 0x2112a442                             |
    /// |                        transaction id, 96 bits                       |
    /// |      type              |  length        |  value, padded to 4 bytes  | *
    /// ```
    ///
    /// # Errors
    /// When it is none. What follows MESSAGE-INTEGRITY is not read (§14.5), but for FINGERPRINT.
    pub fn parse(bytes: &'b [u8]) -> Result<Message<'b>, StunError> {
        let [first, _, high, low, cookie @ ..] = bytes else {
            return Err(StunError::NotStun);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if bytes.len() != length + 20 || length % 4 != 0 || first >> 6 != 0 || cookie[..4] != COOKIE
        {
            return Err(StunError::NotStun);
        }
        let mut message = Message {
            bytes,
            integrity: None,
        };
        let mut at = 20;
        while at < bytes.len() {
            // Lengths are multiples of four: the four bytes are there.
            let kind = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
            let end = at + 4 + length.next_multiple_of(4);
            if end > bytes.len() {
                return Err(StunError::Attribute(at));
            }
            match (kind, length) {
                (MESSAGE_INTEGRITY, 20) if message.integrity.is_none() => {
                    message.integrity = Some(at);
                }
                (MESSAGE_INTEGRITY, _) if message.integrity.is_none() => {
                    return Err(StunError::Attribute(at));
                }
                (FINGERPRINT, _) => {
                    let sum = (crc32(&bytes[..at]) ^ FINGERPRINT_XOR).to_be_bytes();
                    if end != bytes.len() || bytes[at + 4..] != sum {
                        return Err(StunError::Fingerprint);
                    }
                }
                _ => {}
            }
            at = end;
        }
        Ok(message)
    }

    /// What kind of message it is.
    #[must_use]
    pub fn class(&self) -> Class {
        match (self.bytes[0] & 1, self.bytes[1] & 0x10) {
            (0, 0) => Class::Request,
            (0, _) => Class::Indication,
            (_, 0) => Class::Success,
            _ => Class::Error,
        }
    }

    /// What it is about: [`BINDING`], or a method of TURN.
    #[must_use]
    pub fn method(&self) -> u16 {
        let kind = u16::from_be_bytes([self.bytes[0], self.bytes[1]]);
        (kind & 0x000f) | (kind & 0x00e0) >> 1 | (kind & 0x3e00) >> 2
    }

    /// What joins request and answer.
    #[must_use]
    pub fn transaction(&self) -> TransactionId {
        let mut id = [0; 12];
        id.copy_from_slice(&self.bytes[8..20]);
        TransactionId(id)
    }

    /// The attributes before MESSAGE-INTEGRITY: type and value.
    pub fn attributes(&self) -> impl Iterator<Item = (u16, &'b [u8])> + use<'b> {
        let bytes = &self.bytes[..self.integrity.unwrap_or(self.bytes.len())];
        let mut at = 20;
        std::iter::from_fn(move || {
            let [a, b, c, d] = *bytes.get(at..at + 4)? else {
                return None;
            };
            let length = usize::from(u16::from_be_bytes([c, d]));
            let value = bytes.get(at + 4..at + 4 + length)?;
            at += 4 + length.next_multiple_of(4);
            Some((u16::from_be_bytes([a, b]), value))
        })
    }

    /// The first attribute of a type: the only one that counts (§14).
    #[must_use]
    pub fn attribute(&self, kind: u16) -> Option<&'b [u8]> {
        self.attributes()
            .find_map(|(k, value)| (k == kind).then_some(value))
    }

    /// USERNAME, when it is text.
    #[must_use]
    pub fn username(&self) -> Option<&'b str> {
        std::str::from_utf8(self.attribute(USERNAME)?).ok()
    }

    /// The code of an answer that says no (§14.8): 300 to 699.
    #[must_use]
    pub fn error_code(&self) -> Option<u16> {
        match self.attribute(ERROR_CODE)? {
            [_, _, class, number, ..] if (3..=6).contains(class) && *number < 100 => {
                Some(u16::from(*class) * 100 + u16::from(*number))
            }
            _ => None,
        }
    }

    /// Where the request came from, as the answerer saw it.
    #[must_use]
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        self.address(XOR_MAPPED_ADDRESS)
    }

    /// An address that is written as XOR-MAPPED-ADDRESS is (§14.2).
    #[must_use]
    pub fn address(&self, kind: u16) -> Option<SocketAddr> {
        let [_, family, high, low, ip @ ..] = self.attribute(kind)? else {
            return None;
        };
        let mask = &self.bytes[4..20];
        let port = u16::from_be_bytes([high ^ mask[0], low ^ mask[1]]);
        let plain = |to: &mut [u8]| {
            let masked = ip.iter().zip(mask);
            to.iter_mut()
                .zip(masked)
                .for_each(|(to, (a, b))| *to = a ^ b);
        };
        let ip = match (family, ip.len()) {
            (1, 4) => {
                let mut octets = [0; 4];
                plain(&mut octets);
                IpAddr::from(octets)
            }
            (2, 16) => {
                let mut octets = [0; 16];
                plain(&mut octets);
                IpAddr::from(octets)
            }
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    /// Whether MESSAGE-INTEGRITY is there and was made with this key: the password, for ICE (§9.1).
    #[must_use]
    pub fn verify(&self, key: &[u8]) -> bool {
        let Some(at) = self.integrity else {
            return false;
        };
        // The length that it covers ends with itself, whatever follows.
        let length = (at + 4) as u16;
        let tag = hmac_sha1(
            key,
            &[&self.bytes[..2], &length.to_be_bytes(), &self.bytes[4..at]],
        );
        tag[..].ct_eq(&self.bytes[at + 4..at + 24]).into()
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("class", &self.class())
            .field("method", &self.method())
            .field("transaction", &self.transaction())
            .finish_non_exhaustive()
    }
}
