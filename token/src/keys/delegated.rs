//! A hierarchy of key pairs: a parent signs for a child's public key, and the root's public key verifies everyone.
//!
//! Every key is an ordinary, independent pair. The parent's signature over a *delegation* (path, the child's public
//! key, not before, expiry) makes it a child, and a token's header carries the chain of delegations from the root to
//! the key that signed it.
//!
//! Non-hardened derivation, by which public child keys follow from a public parent key, is not offered: with it the
//! parent's extended public key and any one child's private key give the parent's private key, so one leaked session
//! key would give the application away.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::jwk::Jwk;
use super::path::KeyPath;
use super::public::{Family, PublicKey, family};
use super::{Algorithm, KeyPair, SigningKey, sealed};
use crate::error::{DelegationError, KeyError, MintError};
use crate::jws::{self, Header, Parts};
use crate::time::{date, unix};

/// The `typ` of a delegation. A token is never one, and a delegation never a token.
pub(crate) const TYP: &str = "delegation+jwt";
/// Longest delegation, in bytes: one for an RSA key of 8192 bits fits.
const MAX_LEN: usize = 4096;

#[derive(Serialize, Deserialize)]
struct Content {
    path: String,
    jwk: Jwk,
    #[serde(deserialize_with = "date")]
    nbf: u64,
    #[serde(deserialize_with = "date")]
    exp: u64,
}

/// What a parent gives its child: the chain from the root down to the child's public key. Public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    path: KeyPath,
    chain: Vec<String>,
}

impl Delegation {
    /// Where the child stands.
    #[must_use]
    pub fn path(&self) -> &KeyPath {
        &self.path
    }

    /// The chain as text, one delegation a line, from the root's child down.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.chain.join("\n")
    }

    /// Reads what [`to_text`](Self::to_text) wrote. Signatures are for verifiers to check.
    ///
    /// # Errors
    ///
    /// [`KeyError::BadDelegation`].
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let chain: Vec<String> = text.lines().map(str::to_owned).collect();
        let last = chain.last().ok_or(KeyError::BadDelegation)?;
        let (_, content, _) = open(last).map_err(|_| KeyError::BadDelegation)?;
        Ok(Self {
            path: content.path.parse()?,
            chain,
        })
    }

    fn child_key(&self) -> Result<PublicKey, KeyError> {
        let last = self.chain.last().ok_or(KeyError::BadDelegation)?;
        open(last)
            .map_err(|_| KeyError::BadDelegation)?
            .1
            .jwk
            .public()
    }
}

/// A key pair with its place in a hierarchy. Mints tokens that carry its chain, and delegates to children.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use token::{Algorithm, DelegatedKey, KeyPair, KeyPath, SessionClaims, TrustRoot, Verifier, mint};
///
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
/// let day = Duration::from_secs(86_400);
///
/// let cluster = DelegatedKey::root(KeyPath::root("eu-1")?, KeyPair::generate(Algorithm::EdDsa)?.0);
/// // The application makes its own pair and sends its public key.
/// let (pair, _pem) = KeyPair::generate(Algorithm::Es256)?;
/// let delegation = cluster.delegate("shop", pair.public_key(), now, now + day)?;
/// let shop = DelegatedKey::new(pair, delegation)?;
///
/// let text = mint(&SessionClaims::new("desk-7", now, Duration::from_secs(60)), &shop)?;
/// let gateway = Verifier::new(TrustRoot::of(&cluster)); // knows the root's public key only
/// assert_eq!(gateway.verify::<SessionClaims>(&text, now)?.path, Some("eu-1/shop".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct DelegatedKey {
    pair: KeyPair,
    path: KeyPath,
    chain: Vec<String>,
}

impl DelegatedKey {
    /// The root of a hierarchy.
    #[must_use]
    pub fn root(path: KeyPath, pair: KeyPair) -> Self {
        Self {
            pair: pair.with_kid(path.to_string()),
            path,
            chain: Vec::new(),
        }
    }

    /// A child: its own pair, and what its parent gave it.
    ///
    /// # Errors
    ///
    /// [`KeyError::BadDelegation`] when the delegation is for another key.
    pub fn new(pair: KeyPair, delegation: Delegation) -> Result<Self, KeyError> {
        let (ours, theirs) = (pair.public_key(), delegation.child_key()?);
        if ours.material != theirs.material || ours.algorithm != theirs.algorithm {
            return Err(KeyError::BadDelegation);
        }
        let Delegation { path, chain } = delegation;
        Ok(Self {
            pair: pair.with_kid(path.to_string()),
            path,
            chain,
        })
    }

    /// Signs for a child's public key, for the times from `not_before` until `expires`.
    ///
    /// # Errors
    ///
    /// [`MintError::NeverValid`], [`MintError::BadPath`], [`MintError::Signing`].
    pub fn delegate(
        &self,
        segment: &str,
        child: &PublicKey,
        not_before: SystemTime,
        expires: SystemTime,
    ) -> Result<Delegation, MintError> {
        let path = self.path.child(segment).map_err(|_| MintError::BadPath)?;
        let (nbf, exp) = (unix(not_before), unix(expires));
        if exp <= nbf {
            return Err(MintError::NeverValid);
        }
        let header = Header {
            alg: self.pair.algorithm().name().to_owned(),
            typ: Some(TYP.to_owned()),
            kid: Some(self.path.to_string()),
            crit: None,
            chain: None,
        };
        let content = Content {
            path: path.to_string(),
            jwk: Jwk::from_public(child),
            nbf,
            exp,
        };
        let json = serde_json::to_vec(&content).map_err(|_| MintError::Json)?;
        let signed = jws::signing_input(&header, &json).map_err(|_| MintError::Json)?;
        let signature = sealed::Sign::sign(&self.pair, signed.as_bytes())?;
        let mut chain = self.chain.clone();
        chain.push(jws::finish(signed, &signature));
        Ok(Delegation { path, chain })
    }

    /// Where this key stands.
    #[must_use]
    pub fn path(&self) -> &KeyPath {
        &self.path
    }

    /// The half that verifies.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        self.pair.public_key()
    }
}

impl sealed::Sign for DelegatedKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, MintError> {
        self.pair.sign(message)
    }

    fn algorithm(&self) -> Algorithm {
        self.pair.algorithm()
    }

    fn kid(&self) -> Option<&str> {
        sealed::Sign::kid(&self.pair)
    }

    fn chain(&self) -> &[String] {
        &self.chain
    }
}

impl SigningKey for DelegatedKey {}

impl fmt::Debug for DelegatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelegatedKey")
            .field("path", &self.path)
            .field("pair", &self.pair)
            .finish_non_exhaustive()
    }
}

/// The root's public key: all that a verifier needs for the whole hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRoot {
    path: KeyPath,
    key: PublicKey,
    max_depth: usize,
}

impl TrustRoot {
    /// A root by its path and public key.
    #[must_use]
    pub fn new(path: KeyPath, key: PublicKey) -> Self {
        let key = key.with_kid(path.to_string());
        Self {
            path,
            key,
            max_depth: usize::MAX,
        }
    }

    /// What others need to know of a key, to trust it and all below it.
    #[must_use]
    pub fn of(key: &DelegatedKey) -> Self {
        Self::new(key.path.clone(), key.public_key().clone())
    }

    /// Refuses keys more than `depth` steps below the root; 0 trusts the root alone. Without it, paths end the depth
    /// at eight segments.
    #[must_use]
    pub fn with_max_depth(mut self, depth: usize) -> Self {
        self.max_depth = depth;
        self
    }

    /// Where the root stands.
    #[must_use]
    pub fn path(&self) -> &KeyPath {
        &self.path
    }

    pub(super) fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Follows a chain down to the key that signs, which must stand at `path`. Times are seconds since 1970.
    pub(super) fn follow(
        &self,
        chain: &[String],
        path: &KeyPath,
        now: u64,
        leeway: u64,
    ) -> Result<PublicKey, DelegationError> {
        if chain.len() > self.max_depth {
            return Err(DelegationError::TooDeep);
        }
        let (mut at, mut key) = (self.path.clone(), self.key.clone());
        for text in chain {
            let (parts, content, child) = open(text)?;
            // Signed by the key before it, in that key's own algorithm.
            if parts.header.alg != key.algorithm.name()
                || !key.verifies(parts.signed.as_bytes(), &parts.signature)
            {
                return Err(DelegationError::Forged);
            }
            // One step down from where that key stands; never sideways, never up.
            if !child.starts_with(&at) || child.depth() != at.depth() + 1 {
                return Err(DelegationError::WrongPath);
            }
            if now >= content.exp.saturating_add(leeway) {
                return Err(DelegationError::Expired {
                    since_s: now - content.exp,
                });
            }
            if now.saturating_add(leeway) < content.nbf {
                return Err(DelegationError::NotYetValid {
                    in_s: content.nbf - now,
                });
            }
            key = content
                .jwk
                .public()
                .map_err(|_| DelegationError::Malformed)?;
            at = child;
        }
        if at == *path {
            Ok(key)
        } else {
            Err(DelegationError::WrongPath)
        }
    }
}

/// Takes a delegation apart and reads it; its signature is still to be checked.
fn open(text: &str) -> Result<(Parts<'_>, Content, KeyPath), DelegationError> {
    let malformed = DelegationError::Malformed;
    let parts = Parts::parse(text, MAX_LEN).map_err(|_| malformed)?;
    let known =
        Algorithm::from_name(&parts.header.alg).is_some_and(|alg| family(alg) != Family::Secret);
    if parts.header.typ.as_deref() != Some(TYP) || parts.header.crit.is_some() || !known {
        return Err(malformed);
    }
    let json = parts.claims().map_err(|_| malformed)?;
    let content: Content = jws::object(&json).map_err(|_| malformed)?;
    let path = content.path.parse().map_err(|_| malformed)?;
    Ok((parts, content, path))
}
