//! Master keys, as SDES and DTLS agree on them.

use super::suite::Suite;
use std::fmt;
use zeroize::Zeroizing;

/// The longest master key of any suite, in bytes.
const MAX_KEY: usize = 32;
/// The longest master salt of any suite, in bytes.
const MAX_SALT: usize = 14;
/// The longest master key identifier, in bytes (RFC 4568 §6.1).
const MAX_MKI: usize = 128;

/// Key material of the wrong size for its suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{suite:?} takes {expected} bytes of key material, not {found}: refuse the key")]
pub struct KeyLengthError {
    /// The suite that was asked for.
    pub suite: Suite,
    /// Bytes that it takes.
    pub expected: usize,
    /// Bytes that were given.
    pub found: usize,
}

/// A master key and salt for one direction, with the suite they are for.
///
/// Wiped when dropped; `Debug` names the suite only.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    suite: Suite,
    bytes: Secret,
    mki: Box<[u8]>,
}

/// Key then salt, as long as the suite says; the rest is zero.
type Secret = Zeroizing<[u8; MAX_KEY + MAX_SALT]>;

impl MasterKey {
    /// From a key and its salt.
    ///
    /// # Errors
    /// When either has another length than [`Suite::key_len`] and [`Suite::salt_len`].
    pub fn new(suite: Suite, key: &[u8], salt: &[u8]) -> Result<MasterKey, KeyLengthError> {
        if key.len() != suite.key_len() || salt.len() != suite.salt_len() {
            return Err(KeyLengthError {
                suite,
                expected: suite.key_salt_len(),
                found: key.len() + salt.len(),
            });
        }
        let mut bytes = Secret::new([0; MAX_KEY + MAX_SALT]);
        bytes[..key.len()].copy_from_slice(key);
        bytes[key.len()..key.len() + salt.len()].copy_from_slice(salt);
        Ok(MasterKey {
            suite,
            bytes,
            mki: Box::default(),
        })
    }

    /// From key and salt in one piece, as SDES carries them (RFC 4568 §6.1).
    ///
    /// # Errors
    /// When the length is not [`Suite::key_salt_len`].
    pub fn from_key_salt(suite: Suite, key_salt: &[u8]) -> Result<MasterKey, KeyLengthError> {
        if key_salt.len() != suite.key_salt_len() {
            return Err(KeyLengthError {
                suite,
                expected: suite.key_salt_len(),
                found: key_salt.len(),
            });
        }
        let (key, salt) = key_salt.split_at(suite.key_len());
        MasterKey::new(suite, key, salt)
    }

    /// A new key, from a generator that must be cryptographic.
    #[must_use]
    pub fn generate(suite: Suite, random: &mut dyn FnMut(&mut [u8])) -> MasterKey {
        let mut bytes = Secret::new([0; MAX_KEY + MAX_SALT]);
        random(&mut bytes[..suite.key_salt_len()]);
        MasterKey {
            suite,
            bytes,
            mki: Box::default(),
        }
    }

    /// The same key with an identifier that every packet carries (RFC 3711 §3.1): `1:4` in an `a=crypto` line is
    /// the value 1 in 4 bytes, network order. Empty for none; only the first 128 bytes count (RFC 4568 §6.1).
    #[must_use]
    pub fn with_mki(mut self, mki: &[u8]) -> MasterKey {
        self.mki = mki[..mki.len().min(MAX_MKI)].into();
        self
    }

    /// The identifier that every packet carries; empty for none.
    #[must_use]
    pub fn mki(&self) -> &[u8] {
        &self.mki
    }

    /// The suite that it is for.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.bytes[..self.suite.key_len()]
    }

    /// The salt.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.bytes[self.suite.key_len()..self.suite.key_salt_len()]
    }

    /// Key and salt in one piece: what an `a=crypto` line carries in base64. Treat it as the secret it is.
    #[must_use]
    pub fn key_salt(&self) -> &[u8] {
        &self.bytes[..self.suite.key_salt_len()]
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey")
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}
