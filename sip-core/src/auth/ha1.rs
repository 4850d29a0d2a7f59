//! HA1: the hash of user, realm and password, which stands in for the password.

use core::fmt;

use zeroize::Zeroizing;

use super::response::hex_of;
use crate::header::digest::HashAlgorithm;

/// `H(username ":" realm ":" password)` (RFC 7616 section 3.4.2), with the hash and the realm that it belongs to.
///
/// Whoever holds it can log in to this realm as this user, so it is treated as the password is: `Debug` leaves it
/// out, nothing prints it, and it is wiped when dropped.
#[derive(Clone)]
pub struct Ha1 {
    hash: HashAlgorithm,
    realm: String,
    hex: Zeroizing<[u8; 64]>,
}

impl Ha1 {
    /// Computes the HA1 of a password.
    #[must_use]
    pub fn from_password(hash: HashAlgorithm, username: &str, realm: &str, password: &str) -> Self {
        let hex = hex_of(
            hash,
            &[username.as_bytes(), realm.as_bytes(), password.as_bytes()],
        );
        Self {
            hash,
            realm: realm.to_owned(),
            hex: Zeroizing::new(hex.into_array()),
        }
    }

    /// Takes an HA1 from a store, as 32 (MD5) or 64 hexadecimal digits in either case.
    ///
    /// # Errors
    ///
    /// [`Ha1Error`] when the text is not that many digits. The error does not repeat the text.
    pub fn from_hex(hash: HashAlgorithm, realm: &str, hex: &str) -> Result<Self, Ha1Error> {
        if hex.len() != hash.hex_len() {
            return Err(Ha1Error::Length {
                expected: hash.hex_len(),
                found: hex.len(),
            });
        }
        if let Some(offset) = hex.bytes().position(|byte| !byte.is_ascii_hexdigit()) {
            return Err(Ha1Error::NotHex { offset });
        }
        let mut digits = Zeroizing::new([0; 64]);
        for (digit, byte) in digits.iter_mut().zip(hex.bytes()) {
            *digit = byte.to_ascii_lowercase();
        }
        Ok(Self {
            hash,
            realm: realm.to_owned(),
            hex: digits,
        })
    }

    /// The hash that made it. It serves the plain algorithm and its `-sess` variant.
    #[must_use]
    pub fn hash(&self) -> HashAlgorithm {
        self.hash
    }

    /// The realm that it is for.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    pub(super) fn hex(&self) -> &[u8] {
        &self.hex[..self.hash.hex_len()]
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ha1")
            .field("hash", &self.hash)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// Why a text is not an HA1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ha1Error {
    /// Wrong number of digits for the hash.
    #[error("an HA1 of this hash has {expected} hexadecimal digits, this has {found}")]
    Length {
        /// Digits that the hash has.
        expected: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// A byte that is no hexadecimal digit.
    #[error("not a hexadecimal digit at byte {offset}")]
    NotHex {
        /// Where it is.
        offset: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_digits_nor_password() {
        let ha1 = Ha1::from_password(HashAlgorithm::Md5, "bob", "biloxi.com", "zanzibar");
        let digits = core::str::from_utf8(ha1.hex()).unwrap().to_owned();
        let debug = format!("{ha1:?}");
        assert!(debug.contains("biloxi.com") && debug.contains("Md5"));
        assert!(!debug.contains(&digits) && !debug.contains("zanzibar") && !debug.contains("bob"));
    }

    #[test]
    fn takes_hex_of_the_right_length_only() {
        let digits = "12AF60467A33E8518DA5C68BBFF12B11";
        let ha1 = Ha1::from_hex(HashAlgorithm::Md5, "biloxi.com", digits).unwrap();
        assert_eq!(ha1.hex(), digits.to_ascii_lowercase().as_bytes());
        let wrong = |hash, hex: &str| Ha1::from_hex(hash, "r", hex).unwrap_err();
        assert_eq!(
            wrong(HashAlgorithm::Sha256, digits),
            Ha1Error::Length {
                expected: 64,
                found: 32
            }
        );
        assert_eq!(
            wrong(HashAlgorithm::Md5, ""),
            Ha1Error::Length {
                expected: 32,
                found: 0
            }
        );
        assert_eq!(
            wrong(HashAlgorithm::Md5, &digits.replace('6', "g")),
            Ha1Error::NotHex { offset: 4 }
        );
    }
}
