//! Public keys: what checks a key pair's signatures.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use ring::signature;

use super::Algorithm;
use super::der::{self, Reader};
use crate::error::KeyError;

/// The public half of a key pair, for RS256, PS256, ES256 or EdDSA.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    pub(super) material: Material,
}

/// The parameters, big-endian and as their JWK has them.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Material {
    Ed25519([u8; 32]),
    /// The uncompressed point: 4, x, y.
    P256([u8; 65]),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

/// The kind of key that an algorithm takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Secret,
    Rsa,
    P256,
    Ed25519,
}

pub(super) fn family(algorithm: Algorithm) -> Family {
    match algorithm {
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 | Algorithm::T1 => Family::Secret,
        Algorithm::Rs256 | Algorithm::Ps256 => Family::Rsa,
        Algorithm::Es256 => Family::P256,
        Algorithm::EdDsa => Family::Ed25519,
    }
}

impl PublicKey {
    /// Reads a PEM text: `PUBLIC KEY` (RFC 5280's SubjectPublicKeyInfo) or `RSA PUBLIC KEY` (PKCS #1).
    ///
    /// # Errors
    ///
    /// [`KeyError`]: not PEM, not a public key, not one for this algorithm, or an RSA modulus below 2048 bits.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, KeyError> {
        let (label, der) = der::from_pem(pem)?;
        let material = match label {
            "PUBLIC KEY" => read_spki(&der).ok_or(KeyError::UnsupportedKey)?,
            "RSA PUBLIC KEY" => read_pkcs1(&der).ok_or(KeyError::UnsupportedKey)?,
            _ => return Err(KeyError::WrongLabel),
        };
        Self::new(algorithm, material)
    }

    pub(super) fn new(algorithm: Algorithm, material: Material) -> Result<Self, KeyError> {
        let fits = match &material {
            Material::Ed25519(_) => Family::Ed25519,
            Material::P256(_) => Family::P256,
            Material::Rsa { n, e } => {
                // What `ring` verifies with: 2048 to 8192 bits, an odd exponent from 3 to 33 bits.
                let bits =
                    n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
                if !(2048..=8192).contains(&bits) || e.is_empty() || e.len() > 5 {
                    return Err(KeyError::RsaSize { bits });
                }
                Family::Rsa
            }
        };
        if fits != family(algorithm) {
            return Err(KeyError::WrongAlgorithm(algorithm));
        }
        Ok(Self {
            algorithm,
            kid: None,
            material,
        })
    }

    /// Names the key, so that a verifier with several finds it at once.
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

    /// The key as PEM, `PUBLIC KEY`. The algorithm is not in it: RS256 and PS256 have the same form.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let oid = |oid| der::element(der::OID, &[oid]);
        let (algorithm, key) = match &self.material {
            Material::Ed25519(key) => (oid(der::ED25519), key.to_vec()),
            Material::P256(point) => (
                [oid(der::EC_PUBLIC_KEY), oid(der::PRIME256V1)].concat(),
                point.to_vec(),
            ),
            Material::Rsa { n, e } => (
                [oid(der::RSA_ENCRYPTION), vec![5, 0]].concat(),
                der::element(der::SEQUENCE, &[&der::unsigned(n), &der::unsigned(e)]),
            ),
        };
        let algorithm = der::element(der::SEQUENCE, &[&algorithm]);
        let spki = der::element(
            der::SEQUENCE,
            &[&algorithm, &der::element(der::BIT_STRING, &[&[0], &key])],
        );
        der::to_pem("PUBLIC KEY", &spki)
    }

    /// The JWK thumbprint (RFC 7638): a name that follows from the key, good as a `kid`.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        // The members that are required, in the order of their names, and no space.
        let b64 = |bytes: &[u8]| BASE64URL.encode(bytes);
        let json = match &self.material {
            Material::Ed25519(x) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, b64(x)),
            Material::P256(point) => {
                format!(
                    r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
                    b64(&point[1..33]),
                    b64(&point[33..])
                )
            }
            Material::Rsa { n, e } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, b64(e), b64(n))
            }
        };
        b64(ring::digest::digest(&ring::digest::SHA256, json.as_bytes()).as_ref())
    }

    pub(super) fn verifies(&self, message: &[u8], given: &[u8]) -> bool {
        let unparsed = |algorithm: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            signature::UnparsedPublicKey::new(algorithm, key)
                .verify(message, given)
                .is_ok()
        };
        match &self.material {
            Material::Ed25519(key) => unparsed(&signature::ED25519, key),
            Material::P256(point) => unparsed(&signature::ECDSA_P256_SHA256_FIXED, point),
            Material::Rsa { n, e } => {
                let scheme = match self.algorithm {
                    Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                    _ => &signature::RSA_PKCS1_2048_8192_SHA256,
                };
                signature::RsaPublicKeyComponents { n, e }
                    .verify(scheme, message, given)
                    .is_ok()
            }
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .field("thumbprint", &self.thumbprint())
            .finish()
    }
}

/// ```asn1
/// SubjectPublicKeyInfo ::= SEQUENCE { algorithm SEQUENCE { OID, parameters }, subjectPublicKey BIT STRING }
/// ```
fn read_spki(der: &[u8]) -> Option<Material> {
    let mut outer = Reader(der);
    let mut info = Reader(outer.expect(der::SEQUENCE)?);
    outer.done()?;
    let mut algorithm = Reader(info.expect(der::SEQUENCE)?);
    let [0, key @ ..] = info.expect(der::BIT_STRING)? else {
        return None;
    };
    info.done()?;
    match algorithm.expect(der::OID)? {
        der::RSA_ENCRYPTION => read_pkcs1(key),
        der::EC_PUBLIC_KEY if algorithm.expect(der::OID)? == der::PRIME256V1 => point(key),
        der::ED25519 => Some(Material::Ed25519(key.try_into().ok()?)),
        _ => None,
    }
}

/// ```asn1
/// RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }
/// ```
pub(super) fn read_pkcs1(der: &[u8]) -> Option<Material> {
    let mut outer = Reader(der);
    let mut key = Reader(outer.expect(der::SEQUENCE)?);
    outer.done()?;
    let (n, e) = (key.unsigned()?, key.unsigned()?);
    key.done()?;
    Some(Material::Rsa {
        n: n.to_vec(),
        e: e.to_vec(),
    })
}

/// An uncompressed point. That it lies on the curve is checked with each signature.
pub(super) fn point(bytes: &[u8]) -> Option<Material> {
    let point: [u8; 65] = bytes.try_into().ok()?;
    (point[0] == 4).then_some(Material::P256(point))
}
