//! Writing.

use super::message::{Class, FINGERPRINT, MESSAGE_INTEGRITY, TransactionId};
use super::{COOKIE, FINGERPRINT_XOR, crc32, hmac_sha1};
use std::net::{IpAddr, SocketAddr};

/// A message in the making.
#[derive(Debug, Clone)]
pub struct Builder {
    bytes: Vec<u8>,
}

impl Builder {
    /// A message without attributes.
    #[must_use]
    pub fn new(class: Class, method: u16, transaction: TransactionId) -> Builder {
        let class: u16 = match class {
            Class::Request => 0x000,
            Class::Indication => 0x010,
            Class::Success => 0x100,
            Class::Error => 0x110,
        };
        let kind = class | (method & 0x000f) | (method & 0x0070) << 1 | (method & 0x0f80) << 2;
        let mut bytes = Vec::with_capacity(128);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(COOKIE);
        bytes.extend(transaction.0);
        Builder { bytes }
    }

    /// One more attribute; of a value that would make the message larger than 64 KiB nothing is written.
    #[must_use]
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Builder {
        // Room for MESSAGE-INTEGRITY and FINGERPRINT.
        let room = usize::from(u16::MAX) - 64;
        if let Ok(length) = u16::try_from(value.len())
            && self.bytes.len() + value.len() < room
        {
            self.bytes.extend(kind.to_be_bytes());
            self.bytes.extend(length.to_be_bytes());
            self.bytes.extend(value);
            self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        }
        self
    }

    /// An address, written as XOR-MAPPED-ADDRESS is (§14.2).
    #[must_use]
    pub fn address(self, kind: u16, address: SocketAddr) -> Builder {
        let mut value = Vec::with_capacity(20);
        value.extend([0, if address.is_ipv4() { 1 } else { 2 }]);
        value.extend(address.port().to_be_bytes());
        match address.ip() {
            IpAddr::V4(ip) => value.extend(ip.octets()),
            IpAddr::V6(ip) => value.extend(ip.octets()),
        }
        let mask = self.bytes[4..20].to_vec();
        let (port, ip) = value[2..].split_at_mut(2);
        port.iter_mut().zip(&mask).for_each(|(byte, m)| *byte ^= m);
        ip.iter_mut().zip(&mask).for_each(|(byte, m)| *byte ^= m);
        self.attribute(kind, &value)
    }

    /// The bytes, with MESSAGE-INTEGRITY when there is a key, and FINGERPRINT.
    #[must_use]
    pub fn finish(mut self, key: Option<&[u8]>) -> Vec<u8> {
        if let Some(key) = key {
            self.set_length(24);
            let tag = hmac_sha1(key, &[&self.bytes]);
            self = self.attribute(MESSAGE_INTEGRITY, &tag);
        }
        self.set_length(8);
        let sum = crc32(&self.bytes) ^ FINGERPRINT_XOR;
        self.attribute(FINGERPRINT, &sum.to_be_bytes()).bytes
    }

    /// The length that a sum covers counts the attribute that carries the sum.
    fn set_length(&mut self, more: usize) {
        let length = (self.bytes.len() - 20 + more) as u16;
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
    }
}
