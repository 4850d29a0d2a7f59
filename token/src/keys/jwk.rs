//! Keys as JSON (RFC 7517, RFC 7518 section 6, RFC 8037), one or a set.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use ring::rsa::{KeyPairComponents, PublicKeyComponents};
use ring::signature::{Ed25519KeyPair, RsaKeyPair};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::pair::rejected;
use super::public::{Material, PublicKey};
use super::{Algorithm, KeyPair, KeySet, StaticSecret, VerifyingKey};
use crate::error::KeyError;
use crate::jws;

/// Keys that a set may have; a token without `kid` is tried with each.
const MAX_KEYS: usize = 64;

/// The members that we know; `Option` each, since they depend on `kty`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Jwk {
    kty: String,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    /// What follows is private: read, never written.
    #[serde(skip_serializing)]
    d: Option<Zeroizing<String>>,
    #[serde(skip_serializing)]
    p: Option<Zeroizing<String>>,
    #[serde(skip_serializing)]
    q: Option<Zeroizing<String>>,
    #[serde(skip_serializing)]
    dp: Option<Zeroizing<String>>,
    #[serde(skip_serializing)]
    dq: Option<Zeroizing<String>>,
    #[serde(skip_serializing)]
    qi: Option<Zeroizing<String>>,
    #[serde(skip_serializing)]
    k: Option<Zeroizing<String>>,
}

impl Jwk {
    fn parse(json: &str) -> Result<Self, KeyError> {
        jws::object(json.as_bytes()).map_err(|_| KeyError::NotJwk)
    }

    /// What `alg` says, or what the kind of key implies: RS256 for RSA, whose keys serve two.
    fn algorithm(&self) -> Result<Algorithm, KeyError> {
        match (self.alg.as_deref(), self.kty.as_str(), self.crv.as_deref()) {
            // RFC 9864 gives EdDSA with this curve a name of its own.
            (Some("Ed25519"), "OKP", _) => Ok(Algorithm::EdDsa),
            (Some(name), ..) => Algorithm::from_name(name).ok_or(KeyError::UnsupportedKey),
            (None, "RSA", _) => Ok(Algorithm::Rs256),
            (None, "EC", Some("P-256")) => Ok(Algorithm::Es256),
            (None, "OKP", Some("Ed25519")) => Ok(Algorithm::EdDsa),
            (None, "oct", _) => Ok(Algorithm::Hs256),
            _ => Err(KeyError::UnsupportedKey),
        }
    }

    pub(crate) fn public(&self) -> Result<PublicKey, KeyError> {
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Err(KeyError::UnsupportedKey);
        }
        let material = match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => Material::Ed25519(
                bytes(&self.x)?
                    .as_slice()
                    .try_into()
                    .map_err(|_| KeyError::NotJwk)?,
            ),
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(&self.x)?, bytes(&self.y)?);
                if x.len() != 32 || y.len() != 32 {
                    return Err(KeyError::NotJwk);
                }
                let mut point = [4; 65];
                point[1..33].copy_from_slice(&x);
                point[33..].copy_from_slice(&y);
                Material::P256(point)
            }
            ("RSA", _) => {
                let trim = |bytes: &[u8]| {
                    bytes[bytes.iter().take_while(|byte| **byte == 0).count()..].to_vec()
                };
                Material::Rsa {
                    n: trim(&bytes(&self.n)?),
                    e: trim(&bytes(&self.e)?),
                }
            }
            // RFC 7517 section 4.1: every key says its kind.
            ("", _) => return Err(KeyError::NotJwk),
            _ => return Err(KeyError::UnsupportedKey),
        };
        let mut key = PublicKey::new(self.algorithm()?, material)?;
        key.kid.clone_from(&self.kid);
        Ok(key)
    }

    fn pair(&self) -> Result<KeyPair, KeyError> {
        let public = self.public()?;
        let d = secret(&self.d)?;
        let pair = match &public.material {
            Material::Ed25519(key) => KeyPair::from_ed25519(
                Ed25519KeyPair::from_seed_and_public_key(&d, key).map_err(rejected)?,
            )?,
            Material::P256(point) => KeyPair::from_p256(&d, point)?,
            Material::Rsa { n, e } => {
                let components = KeyPairComponents {
                    public_key: PublicKeyComponents {
                        n: n.as_slice(),
                        e: e.as_slice(),
                    },
                    d: &d[..],
                    p: &secret(&self.p)?[..],
                    q: &secret(&self.q)?[..],
                    dP: &secret(&self.dp)?[..],
                    dQ: &secret(&self.dq)?[..],
                    qInv: &secret(&self.qi)?[..],
                };
                let pair = RsaKeyPair::from_components(&components).map_err(rejected)?;
                KeyPair::from_rsa(public.algorithm, pair)?
            }
        };
        Ok(match public.kid {
            Some(kid) => pair.with_kid(kid),
            None => pair,
        })
    }

    pub(crate) fn from_public(key: &PublicKey) -> Self {
        let b64 = |bytes: &[u8]| Some(BASE64URL.encode(bytes));
        let mut jwk = Self {
            usage: Some("sig".to_owned()),
            alg: Some(key.algorithm.name().to_owned()),
            kid: key.kid.clone(),
            ..Self::default()
        };
        match &key.material {
            Material::Ed25519(x) => {
                (jwk.kty, jwk.crv, jwk.x) = ("OKP".to_owned(), Some("Ed25519".to_owned()), b64(x));
            }
            Material::P256(point) => {
                (jwk.kty, jwk.crv) = ("EC".to_owned(), Some("P-256".to_owned()));
                (jwk.x, jwk.y) = (b64(&point[1..33]), b64(&point[33..]));
            }
            Material::Rsa { n, e } => (jwk.kty, jwk.n, jwk.e) = ("RSA".to_owned(), b64(n), b64(e)),
        }
        jwk
    }
}

fn bytes(member: &Option<String>) -> Result<Vec<u8>, KeyError> {
    BASE64URL
        .decode(member.as_deref().ok_or(KeyError::NotJwk)?)
        .map_err(|_| KeyError::NotJwk)
}

fn secret(member: &Option<Zeroizing<String>>) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let text = member.as_ref().ok_or(KeyError::NotJwk)?;
    Ok(Zeroizing::new(
        BASE64URL
            .decode(text.as_bytes())
            .map_err(|_| KeyError::NotJwk)?,
    ))
}

impl PublicKey {
    /// Reads a JWK, private members passed over. RSA without `alg` is taken for RS256.
    ///
    /// # Errors
    ///
    /// [`KeyError`]: not a JWK, or of a kind or for a use that is not ours.
    pub fn from_jwk(json: &str) -> Result<Self, KeyError> {
        Jwk::parse(json)?.public()
    }

    /// The key as a JWK, with `use` and `alg`.
    #[must_use]
    pub fn to_jwk(&self) -> String {
        // Strings alone: nothing here that could fail to be written.
        serde_json::to_string(&Jwk::from_public(self)).unwrap_or_default()
    }
}

impl KeyPair {
    /// Reads a private JWK. RSA needs its prime factors (`p`, `q`, `dp`, `dq`, `qi`) beside `d`.
    ///
    /// # Errors
    ///
    /// [`KeyError`]: not a private JWK, of a kind that is not ours, or with halves that do not belong together.
    pub fn from_jwk(json: &str) -> Result<Self, KeyError> {
        Jwk::parse(json)?.pair()
    }
}

impl StaticSecret {
    /// Reads a JWK of `kty` `oct`, for HS256 where it has no `alg`.
    ///
    /// # Errors
    ///
    /// [`KeyError`]: not such a JWK, or shorter than RFC 7518 asks.
    pub fn from_jwk(json: &str) -> Result<Self, KeyError> {
        let jwk = Jwk::parse(json)?;
        if jwk.kty != "oct" {
            return Err(KeyError::UnsupportedKey);
        }
        let key = Self::new(jwk.algorithm()?, &secret(&jwk.k)?)?;
        Ok(match jwk.kid {
            Some(kid) => key.with_kid(kid),
            None => key,
        })
    }
}

impl KeySet {
    /// Reads a JWK set: its public keys that we can use. Keys of other kinds and uses are passed over (RFC 7517
    /// section 5); secrets are too, since a set that is published has none to trust.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotJwk`] when it is not a set, [`KeyError::TooManyKeys`] above 64.
    pub fn from_jwks(json: &str) -> Result<Self, KeyError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let set: Set = jws::object(json.as_bytes()).map_err(|_| KeyError::NotJwk)?;
        if set.keys.len() > MAX_KEYS {
            return Err(KeyError::TooManyKeys { max: MAX_KEYS });
        }
        let usable = set
            .keys
            .into_iter()
            .filter_map(|key| serde_json::from_value::<Jwk>(key).ok()?.public().ok());
        Ok(usable.fold(Self::new(), Self::with))
    }

    /// The public keys of the set, as a JWK set. Secrets stay where they are.
    #[must_use]
    pub fn to_jwks(&self) -> String {
        #[derive(Serialize)]
        struct Set {
            keys: Vec<Jwk>,
        }
        let keys = self
            .iter()
            .filter_map(VerifyingKey::public_key)
            .map(Jwk::from_public)
            .collect();
        serde_json::to_string(&Set { keys }).unwrap_or_default()
    }
}
