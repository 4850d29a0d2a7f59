//! Key pairs: one half mints, the other verifies and may be shown to anyone.

use std::fmt;
use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use zeroize::Zeroizing;

use super::der::{self, Reader};
use super::public::{Family, Material, PublicKey, family, point, read_pkcs1};
use super::{Algorithm, SigningKey, sealed};
use crate::error::{KeyError, MintError};

/// A private key with its public half, for RS256, PS256, ES256 or EdDSA. `Debug` shows the public half only.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use token::{Algorithm, KeyPair, SessionClaims, Verifier, mint};
///
/// let (pair, _pem) = KeyPair::generate(Algorithm::EdDsa)?;
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
/// let text = mint(&SessionClaims::new("standup", now, Duration::from_secs(60)), &pair)?;
///
/// let gateway = Verifier::new(pair.public_key().clone());
/// assert!(gateway.verify::<SessionClaims>(&text, now).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct KeyPair {
    public: PublicKey,
    private: Private,
}

#[derive(Clone)]
pub(super) enum Private {
    Ed25519(Arc<Ed25519KeyPair>),
    P256(Arc<EcdsaKeyPair>),
    Rsa(Arc<RsaKeyPair>),
}

impl KeyPair {
    /// Makes a pair for ES256 or EdDSA, and gives its private key as PEM (`PRIVATE KEY`, PKCS #8) to be kept. The
    /// randomness is the operating system's, by way of the crypto library.
    ///
    /// # Errors
    ///
    /// [`KeyError::WrongAlgorithm`] for RSA, whose keys OpenSSL makes (`openssl genpkey -algorithm RSA -pkeyopt
    /// rsa_keygen_bits:3072`), and for secrets; [`KeyError::NoRandomness`].
    pub fn generate(algorithm: Algorithm) -> Result<(Self, Zeroizing<String>), KeyError> {
        let random = SystemRandom::new();
        let pkcs8 = match family(algorithm) {
            Family::Ed25519 => Ed25519KeyPair::generate_pkcs8(&random),
            Family::P256 => {
                EcdsaKeyPair::generate_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            }
            Family::Rsa | Family::Secret => return Err(KeyError::WrongAlgorithm(algorithm)),
        };
        let pkcs8 = pkcs8.map_err(|_| KeyError::NoRandomness)?;
        let pem = Zeroizing::new(der::to_pem("PRIVATE KEY", pkcs8.as_ref()));
        Ok((Self::from_pkcs8(algorithm, pkcs8.as_ref())?, pem))
    }

    /// Reads a PEM text: `PRIVATE KEY` (PKCS #8), `RSA PRIVATE KEY` (PKCS #1) or `EC PRIVATE KEY` (SEC 1).
    ///
    /// # Errors
    ///
    /// [`KeyError`]: not PEM, encrypted, not a private key, not one for this algorithm, or one that the crypto library
    /// refuses (RSA below 2048 bits, a public half that does not belong to it).
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, KeyError> {
        let (label, der) = der::from_pem(pem)?;
        match (label, family(algorithm)) {
            ("PRIVATE KEY", _) => Self::from_pkcs8(algorithm, &der),
            ("RSA PRIVATE KEY", Family::Rsa) => {
                Self::from_rsa(algorithm, RsaKeyPair::from_der(&der).map_err(rejected)?)
            }
            ("EC PRIVATE KEY", Family::P256) => {
                let (private, public) = read_sec1(&der).ok_or(KeyError::UnsupportedKey)?;
                Self::from_p256(private, public)
            }
            ("RSA PRIVATE KEY" | "EC PRIVATE KEY", _) => Err(KeyError::WrongAlgorithm(algorithm)),
            ("ENCRYPTED PRIVATE KEY", _) => Err(KeyError::Encrypted),
            _ => Err(KeyError::WrongLabel),
        }
    }

    /// The EdDSA pair of an Ed25519 seed (RFC 8032 section 5.1.5's private key). The seed must be random, or derived
    /// from something random.
    ///
    /// # Errors
    ///
    /// None that a caller can bring about; the crypto library's signature has one.
    pub fn from_ed25519_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        Self::from_ed25519(Ed25519KeyPair::from_seed_unchecked(seed).map_err(rejected)?)
    }

    fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        match family(algorithm) {
            Family::Secret => Err(KeyError::WrongAlgorithm(algorithm)),
            // OpenSSL leaves the public half out.
            Family::Ed25519 => Self::from_ed25519(
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(rejected)?,
            ),
            Family::P256 => {
                let curve = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair =
                    EcdsaKeyPair::from_pkcs8(curve, der, &SystemRandom::new()).map_err(rejected)?;
                Self::from_ecdsa(pair)
            }
            Family::Rsa => {
                Self::from_rsa(algorithm, RsaKeyPair::from_pkcs8(der).map_err(rejected)?)
            }
        }
    }

    pub(super) fn from_ed25519(pair: Ed25519KeyPair) -> Result<Self, KeyError> {
        let key = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| KeyError::UnsupportedKey)?;
        let public = PublicKey::new(Algorithm::EdDsa, Material::Ed25519(key))?;
        Ok(Self {
            public,
            private: Private::Ed25519(Arc::new(pair)),
        })
    }

    pub(super) fn from_p256(private: &[u8], public: &[u8]) -> Result<Self, KeyError> {
        let curve = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(curve, private, public, &random)
            .map_err(rejected)?;
        Self::from_ecdsa(pair)
    }

    fn from_ecdsa(pair: EcdsaKeyPair) -> Result<Self, KeyError> {
        let material = point(pair.public_key().as_ref()).ok_or(KeyError::UnsupportedKey)?;
        let public = PublicKey::new(Algorithm::Es256, material)?;
        Ok(Self {
            public,
            private: Private::P256(Arc::new(pair)),
        })
    }

    pub(super) fn from_rsa(algorithm: Algorithm, pair: RsaKeyPair) -> Result<Self, KeyError> {
        let material = read_pkcs1(pair.public_key().as_ref()).ok_or(KeyError::UnsupportedKey)?;
        let public = PublicKey::new(algorithm, material)?;
        Ok(Self {
            public,
            private: Private::Rsa(Arc::new(pair)),
        })
    }

    /// Names the key, in both halves. The name is written into tokens.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.public = self.public.with_kid(kid);
        self
    }

    /// The half that verifies.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm
    }
}

/// ```asn1
/// ECPrivateKey ::= SEQUENCE { version 1, privateKey OCTET STRING, [0] OID OPTIONAL, [1] BIT STRING OPTIONAL }
/// ```
///
/// The public half, optional there, is demanded: `ring` does not compute it.
fn read_sec1(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut outer = Reader(der);
    let mut key = Reader(outer.expect(der::SEQUENCE)?);
    outer.done()?;
    if key.expect(der::INTEGER)? != [1] {
        return None;
    }
    let private = key.expect(der::OCTET_STRING)?;
    if let Some(curve) = key.optional(der::CONTEXT_0)
        && Reader(curve).expect(der::OID)? != der::PRIME256V1
    {
        return None;
    }
    let [0, public @ ..] = Reader(key.expect(der::CONTEXT_1)?).expect(der::BIT_STRING)? else {
        return None;
    };
    Some((private, public))
}

pub(super) fn rejected(error: ring::error::KeyRejected) -> KeyError {
    KeyError::Rejected(error.to_string())
}

impl sealed::Sign for KeyPair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, MintError> {
        let random = SystemRandom::new();
        match &self.private {
            Private::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Private::P256(pair) => {
                let signature = pair
                    .sign(&random, message)
                    .map_err(|_| MintError::Signing)?;
                Ok(signature.as_ref().to_vec())
            }
            Private::Rsa(pair) => {
                let padding: &dyn signature::RsaEncoding = match self.public.algorithm {
                    Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut out = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, message, &mut out)
                    .map_err(|_| MintError::Signing)?;
                Ok(out)
            }
        }
    }

    fn algorithm(&self) -> Algorithm {
        self.public.algorithm
    }

    fn kid(&self) -> Option<&str> {
        self.public.kid()
    }
}

impl SigningKey for KeyPair {}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}
