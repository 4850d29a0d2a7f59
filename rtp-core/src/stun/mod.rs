//! STUN messages (RFC 8489): read, verified, written. What ICE's checks and the questions to a STUN server are made of.
//!
//! A [`Message`] borrows its bytes; [`Builder`] writes one, with MESSAGE-INTEGRITY (HMAC-SHA1, §14.5) when a key is given,
//! and always with FINGERPRINT (§14.7). What is read is bounded by the datagram, and nothing is copied.
//!
//! ```
//! use rtp_core::stun::{self, Builder, Class, Message, TransactionId};
//!
//! let id = TransactionId([7; 12]); // an application draws it
//! let asked = Builder::new(Class::Request, stun::BINDING, id).finish(None);
//!
//! // What a server says to it.
//! let question = Message::parse(&asked)?;
//! let said = Builder::new(Class::Success, stun::BINDING, question.transaction())
//!     .address(stun::XOR_MAPPED_ADDRESS, "192.0.2.1:40000".parse().unwrap())
//!     .finish(None);
//!
//! let answer = Message::parse(&said)?;
//! assert_eq!((answer.class(), answer.transaction()), (Class::Success, id));
//! assert_eq!(answer.mapped_address(), Some("192.0.2.1:40000".parse().unwrap()));
//! # Ok::<(), stun::StunError>(())
//! ```
//!
//! # What is left out
//!
//! MESSAGE-INTEGRITY-SHA256, ALTERNATE-SERVER, STUN over streams, and the form of RFC 3489 without the cookie.

mod message;
#[cfg(test)]
mod vectors;
mod write;

pub use message::{
    BINDING, Class, FINGERPRINT, ICE_CONTROLLED, ICE_CONTROLLING, MESSAGE_INTEGRITY, Message,
    PRIORITY, StunError, TransactionId, USE_CANDIDATE, USERNAME, XOR_MAPPED_ADDRESS,
};
pub use write::Builder;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// The cookie of every message (§5).
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// What FINGERPRINT's checksum is combined with (§14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// HMAC-SHA1 over some pieces, as if they were one.
pub(crate) fn hmac_sha1(key: &[u8], pieces: &[&[u8]]) -> [u8; 20] {
    // A key of any length is taken.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key) else {
        return [0; 20];
    };
    pieces.iter().for_each(|piece| mac.update(piece));
    mac.finalize().into_bytes().into()
}

/// The checksum of ISO 3309, which Ethernet and ZIP have too, eight bytes at a time.
fn crc32(bytes: &[u8]) -> u32 {
    /// What a byte does to the sum when so many more follow it.
    static TABLES: [[u32; 256]; 8] = {
        let mut tables = [[0; 256]; 8];
        let mut n = 0;
        while n < 256 {
            let (mut entry, mut bit) = (n as u32, 0);
            while bit < 8 {
                entry = (entry >> 1) ^ (0xedb8_8320 & (entry & 1).wrapping_neg());
                bit += 1;
            }
            tables[0][n] = entry;
            n += 1;
        }
        let mut after = 1;
        while after < 8 {
            let mut n = 0;
            while n < 256 {
                let before = tables[after - 1][n];
                tables[after][n] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
                n += 1;
            }
            after += 1;
        }
        tables
    };
    let step = |after: usize, byte: u8| TABLES[after][usize::from(byte)];
    let (eights, rest) = bytes.as_chunks::<8>();
    let crc = eights.iter().fold(!0u32, |crc, eight| {
        let [a, b, c, d] = crc.to_le_bytes();
        let [e, f, g, h, i, j, k, l] = *eight;
        step(7, a ^ e)
            ^ step(6, b ^ f)
            ^ step(5, c ^ g)
            ^ step(4, d ^ h)
            ^ step(3, i)
            ^ step(2, j)
            ^ step(1, k)
            ^ step(0, l)
    });
    !rest
        .iter()
        .fold(crc, |crc, &byte| (crc >> 8) ^ step(0, crc as u8 ^ byte))
}

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn the_checksum_is_that_of_iso_3309_at_every_length() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let bytes: Vec<u8> = (0..100u8).map(|n| n.wrapping_mul(37)).collect();
        for length in 0..bytes.len() {
            let slow = bytes[..length].iter().fold(!0u32, |crc, &byte| {
                (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                    (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
                })
            });
            assert_eq!(crc32(&bytes[..length]), !slow, "{length} bytes");
        }
    }
}
