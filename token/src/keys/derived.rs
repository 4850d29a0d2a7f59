//! A hierarchy of secrets: who holds one can make every one below it, and nothing else.

use std::fmt;

use ring::hmac;
use zeroize::Zeroizing;

use super::path::KeyPath;
use super::{Algorithm, KeyPair, SigningKey, StaticSecret, sealed};
use crate::error::{KeyError, MintError};

/// Separates the two uses of a seed: a child named `HS256` is not the signing key.
const CHILD: &[u8] = b"patchcord-token child v1";
const SIGN: &[u8] = b"patchcord-token sign v1";

/// One secret of a hierarchy, for HS256, HS384 or HS512.
///
/// A child's seed is `HKDF-SHA256(salt = "patchcord-token child v1", ikm = the parent's seed, info = length in two
/// bytes || segment)` (RFC 5869). The key that signs is derived from the seed once more, with the salt
/// `"patchcord-token sign v1"` and the algorithm's name as the segment. So a child tells nothing of its parent or its
/// siblings, and the parent's holder mints and verifies for every child. `Debug` shows the path only.
///
/// Tokens carry the path as their `kid`. A verifier given one node verifies for all that lies below it, and holds the
/// third segment against the token's session: the key of one session cannot open another.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use token::{Algorithm, DerivedSecret, KeyPath, SessionClaims, Verifier, mint};
///
/// let cluster = DerivedSecret::root(Algorithm::Hs256, KeyPath::root("eu-1")?, &[7; 32])?;
/// let shop = cluster.child("shop")?; // the application gets this one
///
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
/// let text = mint(&SessionClaims::new("desk-7", now, Duration::from_secs(60)), &shop.child("desk-7")?)?;
/// let verified = Verifier::new(cluster).verify::<SessionClaims>(&text, now)?;
/// assert_eq!(verified.path, Some("eu-1/shop/desk-7".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct DerivedSecret {
    algorithm: Algorithm,
    path: KeyPath,
    seed: Zeroizing<[u8; 32]>,
    secret: StaticSecret,
}

impl DerivedSecret {
    /// The top of a hierarchy, or a node that was handed over: its path and its seed, which is random or derived.
    ///
    /// # Errors
    ///
    /// [`KeyError::WrongAlgorithm`] for one that takes a key pair.
    pub fn root(algorithm: Algorithm, path: KeyPath, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let len = match algorithm {
            Algorithm::Hs256 => 32,
            Algorithm::Hs384 => 48,
            Algorithm::Hs512 => 64,
            other => return Err(KeyError::WrongAlgorithm(other)),
        };
        let mut key = Zeroizing::new([0; 64]);
        derive(SIGN, seed, algorithm.name(), &mut key[..len]);
        let secret = StaticSecret::new(algorithm, &key[..len])?.with_kid(path.to_string());
        Ok(Self {
            algorithm,
            path,
            seed: Zeroizing::new(*seed),
            secret,
        })
    }

    /// The node one segment below.
    ///
    /// # Errors
    ///
    /// [`KeyError::BadPath`] when it cannot be a segment, or the path is as deep as may be.
    pub fn child(&self, segment: &str) -> Result<Self, KeyError> {
        let path = self.path.child(segment)?;
        let mut seed = Zeroizing::new([0; 32]);
        derive(CHILD, &self.seed, segment, &mut seed[..]);
        Self::root(self.algorithm, path, &seed)
    }

    /// The node at a path at or below this one.
    ///
    /// # Errors
    ///
    /// [`KeyError::OutsideHierarchy`] when the path does not start with this node's.
    pub fn descend(&self, path: &KeyPath) -> Result<Self, KeyError> {
        let below = path.below(&self.path).ok_or(KeyError::OutsideHierarchy)?;
        below
            .iter()
            .try_fold(self.clone(), |node, segment| node.child(segment))
    }

    /// An Ed25519 key pair that follows from this node, for a hierarchy of key pairs whose root is to be kept as one
    /// seed. The derivation is hardened: knowing public keys, or a child's private one, gives nothing else.
    ///
    /// # Errors
    ///
    /// As [`KeyPair::from_ed25519_seed`].
    pub fn key_pair(&self) -> Result<KeyPair, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        derive(SIGN, &self.seed, Algorithm::EdDsa.name(), &mut seed[..]);
        Ok(KeyPair::from_ed25519_seed(&seed)?.with_kid(self.path.to_string()))
    }

    /// Where this node stands.
    #[must_use]
    pub fn path(&self) -> &KeyPath {
        &self.path
    }

    /// The seed, to be handed to whoever shall own this node and all below it. Treat it as the secret that it is.
    #[must_use]
    pub fn expose_seed(&self) -> &[u8; 32] {
        &self.seed
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.secret.verifies(message, signature)
    }
}

/// HKDF-SHA256 with the length-prefixed segment as `info`: `ab` + `c` and `a` + `bc` differ.
fn derive(salt: &[u8], seed: &[u8; 32], segment: &str, out: &mut [u8]) {
    // Extract and expand written on HMAC: `ring`'s own expand has an error for lengths that do not occur here, and
    // a key must not depend on how such an error is swallowed.
    let pseudorandom = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), seed);
    let key = hmac::Key::new(hmac::HMAC_SHA256, pseudorandom.as_ref());
    let [.., high, low] = segment.len().to_be_bytes();
    let mut previous: Option<hmac::Tag> = None;
    for (block, counter) in out.chunks_mut(32).zip(1u8..) {
        let mut context = hmac::Context::with_key(&key);
        if let Some(previous) = &previous {
            context.update(previous.as_ref());
        }
        context.update(&[high, low]);
        context.update(segment.as_bytes());
        context.update(&[counter]);
        let tag = context.sign();
        block.copy_from_slice(&tag.as_ref()[..block.len()]);
        previous = Some(tag);
    }
}

impl sealed::Sign for DerivedSecret {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, MintError> {
        self.secret.sign(message)
    }

    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn kid(&self) -> Option<&str> {
        self.secret.kid()
    }
}

impl SigningKey for DerivedSecret {}

impl fmt::Debug for DerivedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DerivedSecret")
            .field("algorithm", &self.algorithm)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
