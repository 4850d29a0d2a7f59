//! Keys, each bound to one algorithm.

mod delegated;
mod der;
mod derived;
mod jwk;
mod pair;
mod path;
mod public;
mod secret;

use std::fmt;

pub(crate) use delegated::TYP as DELEGATION;
pub use delegated::{DelegatedKey, Delegation, TrustRoot};
pub use derived::DerivedSecret;
pub use pair::KeyPair;
pub use path::KeyPath;
pub use public::PublicKey;
pub use secret::StaticSecret;

use crate::error::{DelegationError, MintError};
use crate::jws::Parts;

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
    /// HMAC with SHA-1: that of [`T1==`](crate::mint_t1) texts, and never of a JWT.
    T1,
}

impl Algorithm {
    /// Every algorithm of JWTs.
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
            Self::T1 => "HMAC-SHA1",
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
        fn chain(&self) -> &[String] {
            &[]
        }
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
    Derived(DerivedSecret),
    Root(TrustRoot),
}

/// What a key says of a token.
pub(crate) enum Check {
    /// It signed it; or the key at this path below it did.
    Right { path: Option<KeyPath> },
    /// Its algorithm is another.
    OtherAlgorithm,
    /// The algorithm is right, the signature is not.
    Forged,
    /// The token does not ask for this key.
    NotMine,
    /// The chain of delegations does not hold.
    Broken(DelegationError),
}

impl VerifyingKey {
    /// The one algorithm that it is good for. (Below a [`TrustRoot`] each key has its own.)
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match &self.0 {
            Kind::Secret(secret) => secret.algorithm(),
            Kind::Public(key) => key.algorithm(),
            Kind::Derived(node) => node.algorithm(),
            Kind::Root(root) => root.key().algorithm(),
        }
    }

    /// Its name, which tokens repeat in their header; for a hierarchy, the path of its top.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        match &self.0 {
            Kind::Secret(secret) => secret.kid(),
            Kind::Public(key) => key.kid(),
            Kind::Derived(node) => sealed::Sign::kid(node),
            Kind::Root(root) => root.key().kid(),
        }
    }

    /// The public key that it is; `None` for secrets.
    #[must_use]
    pub fn public_key(&self) -> Option<&PublicKey> {
        match &self.0 {
            Kind::Secret(_) | Kind::Derived(_) => None,
            Kind::Public(key) => Some(key),
            Kind::Root(root) => Some(root.key()),
        }
    }

    /// Whether a token with this `kid` asks for this key.
    fn answers_to(&self, kid: &str) -> bool {
        let top = match &self.0 {
            Kind::Secret(_) | Kind::Public(_) => return self.kid() == Some(kid),
            Kind::Derived(node) => node.path(),
            Kind::Root(root) => root.path(),
        };
        kid.parse::<KeyPath>()
            .is_ok_and(|path| path.starts_with(top))
    }

    /// Checks a signature; `now` and `leeway` in seconds, for chains of delegations.
    pub(crate) fn check(
        &self,
        parts: &Parts<'_>,
        algorithm: Algorithm,
        now: u64,
        leeway: u64,
    ) -> Check {
        let (message, signature) = (parts.signed.as_bytes(), parts.signature.as_slice());
        let judge = |fits: bool, verifies: &dyn Fn() -> bool, path| match fits {
            false => Check::OtherAlgorithm,
            true if verifies() => Check::Right { path },
            true => Check::Forged,
        };
        let path = || {
            parts
                .header
                .kid
                .as_deref()
                .and_then(|kid| kid.parse::<KeyPath>().ok())
        };
        match &self.0 {
            Kind::Secret(key) => judge(
                key.algorithm() == algorithm,
                &|| key.verifies(message, signature),
                None,
            ),
            Kind::Public(key) => judge(
                key.algorithm() == algorithm,
                &|| key.verifies(message, signature),
                None,
            ),
            Kind::Derived(top) => match path().and_then(|path| top.descend(&path).ok()) {
                None => Check::NotMine,
                Some(node) => judge(
                    node.algorithm() == algorithm,
                    &|| node.verifies(message, signature),
                    Some(node.path().clone()),
                ),
            },
            Kind::Root(root) => match path().filter(|path| path.starts_with(root.path())) {
                None => Check::NotMine,
                Some(path) => {
                    match root.follow(
                        parts.header.chain.as_deref().unwrap_or_default(),
                        &path,
                        now,
                        leeway,
                    ) {
                        Err(error) => Check::Broken(error),
                        Ok(key) => judge(
                            key.algorithm() == algorithm,
                            &|| key.verifies(message, signature),
                            Some(path),
                        ),
                    }
                }
            },
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

impl From<DerivedSecret> for VerifyingKey {
    /// Verifies for the node and for all that lies below it.
    fn from(node: DerivedSecret) -> Self {
        Self(Kind::Derived(node))
    }
}

impl From<TrustRoot> for VerifyingKey {
    /// Verifies for the root and for all that it delegated to.
    fn from(root: TrustRoot) -> Self {
        Self(Kind::Root(root))
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
        let named = kid.is_some_and(|kid| self.keys.iter().any(|key| key.answers_to(kid)));
        self.keys.iter().filter(move |key| match kid {
            None => true,
            Some(kid) if named => key.answers_to(kid),
            Some(_) => key.kid().is_none(),
        })
    }
}

impl<K: Into<VerifyingKey>> From<K> for KeySet {
    fn from(key: K) -> Self {
        Self::new().with(key)
    }
}
