//! Keys, each bound to one algorithm.

mod der;
mod jwk;
mod pair;
mod public;
mod secret;

use std::fmt;

pub use pair::KeyPair;
pub use public::PublicKey;
pub use secret::StaticSecret;

use crate::error::MintError;

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// EdDSA on Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 7] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Ps256,
        Self::Es256,
        Self::EdDsa,
    ];

    /// The name in a token's header: `HS256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Reads a name from a token's header; names are case-sensitive (RFC 7515 section 4.1.1).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

pub(crate) mod sealed {
    use super::{Algorithm, MintError};

    pub trait Sign {
        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, MintError>;
        fn algorithm(&self) -> Algorithm;
        fn kid(&self) -> Option<&str>;
    }
}

/// A key that mints. The crate's keys implement it, and nothing else can.
pub trait SigningKey: sealed::Sign + fmt::Debug + Send + Sync {}

/// A key that checks signatures, made from one of the crate's keys by `into()`.
#[derive(Debug, Clone)]
pub struct VerifyingKey(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Secret(StaticSecret),
    Public(PublicKey),
}

impl VerifyingKey {
    /// The one algorithm that it is good for.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match &self.0 {
            Kind::Secret(secret) => secret.algorithm(),
            Kind::Public(key) => key.algorithm(),
        }
    }

    /// Its name, which tokens repeat in their header.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        match &self.0 {
            Kind::Secret(secret) => secret.kid(),
            Kind::Public(key) => key.kid(),
        }
    }

    /// The public key that it is; `None` for a secret.
    #[must_use]
    pub fn public_key(&self) -> Option<&PublicKey> {
        match &self.0 {
            Kind::Secret(_) => None,
            Kind::Public(key) => Some(key),
        }
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            Kind::Secret(secret) => secret.verifies(message, signature),
            Kind::Public(key) => key.verifies(message, signature),
        }
    }
}

impl From<StaticSecret> for VerifyingKey {
    fn from(secret: StaticSecret) -> Self {
        Self(Kind::Secret(secret))
    }
}

impl From<PublicKey> for VerifyingKey {
    fn from(key: PublicKey) -> Self {
        Self(Kind::Public(key))
    }
}

/// The keys that a verifier trusts, several at once while one replaces another.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

impl KeySet {
    /// No keys: nothing verifies.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key.
    #[must_use]
    pub fn with(mut self, key: impl Into<VerifyingKey>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// The keys, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.iter()
    }

    /// The keys that may have signed a token with this `kid`: those of that name, else those without a name. A token
    /// without `kid` may be of any key.
    pub(crate) fn candidates<'a>(
        &'a self,
        kid: Option<&'a str>,
    ) -> impl Iterator<Item = &'a VerifyingKey> {
        let named = kid.is_some() && self.keys.iter().any(|key| key.kid() == kid);
        self.keys.iter().filter(move |key| match kid {
            None => true,
            Some(_) if named => key.kid() == kid,
            Some(_) => key.kid().is_none(),
        })
    }
}

impl<K: Into<VerifyingKey>> From<K> for KeySet {
    fn from(key: K) -> Self {
        Self::new().with(key)
    }
}
