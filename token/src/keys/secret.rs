//! Static secrets: one value that both mints and verifies.

use std::fmt;

use ring::hmac;

use super::{Algorithm, SigningKey, sealed};
use crate::error::{KeyError, MintError};

/// A shared secret for HS256, HS384 or HS512. Whoever can verify with it can also mint.
///
/// `Debug` shows the algorithm and the name only.
#[derive(Clone)]
pub struct StaticSecret {
    algorithm: Algorithm,
    kid: Option<String>,
    key: hmac::Key,
}

impl StaticSecret {
    /// Takes a secret, at least as long as the hash: 32, 48 or 64 bytes (RFC 7518 section 3.2).
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`], or [`KeyError::WrongAlgorithm`] for one that takes a key pair.
    pub fn new(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let (_, min) = hash(algorithm)?;
        if secret.len() < min {
            return Err(KeyError::TooShort {
                algorithm,
                len: secret.len(),
                min,
            });
        }
        Self::of_any_length(algorithm, secret)
    }

    /// Takes a secret of any length but zero, where someone else has chosen it: the API secrets of services are
    /// shorter than RFC 7518 asks. A secret that a person can remember can be guessed offline from one token.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`] when it is empty, or [`KeyError::WrongAlgorithm`] for one that takes a key pair.
    pub fn of_any_length(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let (hash, _) = hash(algorithm)?;
        if secret.is_empty() {
            return Err(KeyError::TooShort {
                algorithm,
                len: 0,
                min: 1,
            });
        }
        Ok(Self {
            algorithm,
            kid: None,
            key: hmac::Key::new(hash, secret),
        })
    }

    /// Names the key, so that a verifier with several finds it at once. The name is written into tokens.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The name.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// In constant time.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        hmac::verify(&self.key, message, signature).is_ok()
    }
}

fn hash(algorithm: Algorithm) -> Result<(hmac::Algorithm, usize), KeyError> {
    match algorithm {
        Algorithm::Hs256 => Ok((hmac::HMAC_SHA256, 32)),
        Algorithm::Hs384 => Ok((hmac::HMAC_SHA384, 48)),
        Algorithm::Hs512 => Ok((hmac::HMAC_SHA512, 64)),
        other => Err(KeyError::WrongAlgorithm(other)),
    }
}

impl sealed::Sign for StaticSecret {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, MintError> {
        Ok(hmac::sign(&self.key, message).as_ref().to_vec())
    }

    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }
}

impl SigningKey for StaticSecret {}

impl fmt::Debug for StaticSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticSecret")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
