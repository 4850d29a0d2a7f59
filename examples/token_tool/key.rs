//! Keys from files, whatever form they have.

use std::path::Path;

use token::{
    Algorithm, DelegatedKey, Delegation, KeyError, KeyPair, KeySet, PublicKey, SigningKey,
    StaticSecret, TrustRoot, VerifyingKey,
};
use zeroize::Zeroizing;

use crate::cli::KeyArgs;

/// Larger than any set of keys that `token` takes.
const MAX_LEN: u64 = 1 << 20;

/// What a file holds.
pub(crate) enum Key {
    Secret(StaticSecret),
    Pair(Box<KeyPair>),
    Public(PublicKey),
    Set(KeySet),
}

impl Key {
    /// Reads a file.
    ///
    /// # Errors
    /// A line that names the file and never what is in it.
    pub(crate) fn read(file: &Path, alg: Option<Algorithm>) -> Result<Key, String> {
        let text = text(file)?;
        Self::parse(&text, alg).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn parse(text: &str, alg: Option<Algorithm>) -> Result<Key, KeyError> {
        // Wherever it begins, with whatever in front: a public key must never be taken for a secret.
        if text.contains("-----BEGIN ") {
            return Self::from_pem(text, alg);
        }
        if text.trim_start().starts_with('{') {
            let key = Self::from_json(text)?;
            return match (alg, key.algorithm()) {
                (Some(asked), Some(found)) if asked != found => {
                    Err(KeyError::WrongAlgorithm(asked))
                }
                _ => Ok(key),
            };
        }
        let secret = text.strip_suffix('\n').unwrap_or(text);
        let secret = secret.strip_suffix('\r').unwrap_or(secret);
        StaticSecret::new(alg.unwrap_or(Algorithm::Hs256), secret.as_bytes()).map(Key::Secret)
    }

    /// PEM says what kind of key it is to those who can read it: asked for the right algorithm, `token` takes it.
    fn from_pem(pem: &str, alg: Option<Algorithm>) -> Result<Key, KeyError> {
        let public = pem.contains("PUBLIC KEY-----");
        let read = |alg| match public {
            true => PublicKey::from_pem(alg, pem).map(Key::Public),
            false => KeyPair::from_pem(alg, pem).map(|pair| Key::Pair(Box::new(pair))),
        };
        match alg {
            Some(alg) => read(alg),
            None => read(Algorithm::EdDsa)
                .or_else(|_| read(Algorithm::Es256))
                .or_else(|_| read(Algorithm::Rs256))
                // All three say the same of an encrypted key, or of what is no PEM.
                .map_err(|error| match error {
                    KeyError::WrongAlgorithm(_) => KeyError::UnsupportedKey,
                    other => other,
                }),
        }
    }

    fn from_json(json: &str) -> Result<Key, KeyError> {
        if let Ok(set) = KeySet::from_jwks(json) {
            return Ok(Key::Set(set));
        }
        if let Ok(pair) = KeyPair::from_jwk(json) {
            return Ok(Key::Pair(Box::new(pair)));
        }
        match StaticSecret::from_jwk(json) {
            Ok(secret) => Ok(Key::Secret(secret)),
            Err(error @ KeyError::TooShort { .. }) => Err(error),
            Err(_) => PublicKey::from_jwk(json).map(Key::Public),
        }
    }

    fn algorithm(&self) -> Option<Algorithm> {
        match self {
            Key::Secret(key) => Some(key.algorithm()),
            Key::Pair(pair) => Some(pair.algorithm()),
            Key::Public(key) => Some(key.algorithm()),
            Key::Set(_) => None,
        }
    }

    /// The public half.
    ///
    /// # Errors
    /// It is a secret, or a set.
    pub(crate) fn public(self) -> Result<PublicKey, &'static str> {
        match self {
            Key::Pair(pair) => Ok(pair.public_key().clone()),
            Key::Public(key) => Ok(key),
            Key::Secret(_) => Err("a secret has no public half"),
            Key::Set(_) => Err("a set of keys, not one"),
        }
    }

    fn pair(self) -> Result<KeyPair, &'static str> {
        match self {
            Key::Pair(pair) => Ok(*pair),
            Key::Secret(_) => Err("a secret cannot stand in a tree of key pairs"),
            Key::Public(_) => Err("a public key cannot sign"),
            Key::Set(_) => Err("a set of public keys cannot sign"),
        }
    }
}

impl KeyArgs {
    /// The keys to verify with.
    ///
    /// # Errors
    /// A line that says why.
    pub(crate) fn verifying(&self) -> Result<KeySet, String> {
        let key = Key::read(&self.key, self.alg)?;
        if let Some(at) = &self.at {
            let root = key.public().map_err(|why| self.line(why))?;
            return Ok(TrustRoot::new(at.clone(), root).into());
        }
        let named = |key: PublicKey| match &self.kid {
            Some(kid) => key.with_kid(kid),
            None => key,
        };
        Ok(match key {
            Key::Secret(key) => VerifyingKey::from(match &self.kid {
                Some(kid) => key.with_kid(kid),
                None => key,
            })
            .into(),
            Key::Pair(pair) => named(pair.public_key().clone()).into(),
            Key::Public(key) => named(key).into(),
            Key::Set(set) => set,
        })
    }

    /// The key to mint with.
    ///
    /// # Errors
    /// A line that says why.
    pub(crate) fn signing(&self, chain: Option<&Path>) -> Result<Box<dyn SigningKey>, String> {
        if self.at.is_some() || chain.is_some() {
            return Ok(Box::new(self.delegated(chain)?));
        }
        match Key::read(&self.key, self.alg)? {
            Key::Secret(key) => Ok(Box::new(match &self.kid {
                Some(kid) => key.with_kid(kid),
                None => key,
            })),
            other => {
                let pair = other.pair().map_err(|why| self.line(why))?;
                Ok(Box::new(match &self.kid {
                    Some(kid) => pair.with_kid(kid),
                    None => pair,
                }))
            }
        }
    }

    /// The key with its place in a tree: `--at` for the root, a chain for those below it.
    ///
    /// # Errors
    /// A line that says why.
    pub(crate) fn delegated(&self, chain: Option<&Path>) -> Result<DelegatedKey, String> {
        let pair = || {
            let key = Key::read(&self.key, self.alg)?;
            key.pair().map_err(|why| self.line(why))
        };
        match (chain, &self.at) {
            (Some(file), _) => {
                let delegation = Delegation::from_text(text(file)?.trim_end())
                    .map_err(|error| format!("{}: {error}", file.display()))?;
                DelegatedKey::new(pair()?, delegation)
                    .map_err(|error| self.line(&error.to_string()))
            }
            (None, Some(at)) => Ok(DelegatedKey::root(at.clone(), pair()?)),
            (None, None) => Err("--at or --chain is needed, to say where the key stands".into()),
        }
    }

    fn line(&self, why: &str) -> String {
        format!("{}: {why}", self.key.display())
    }
}

/// A file's text, forgotten after use.
fn text(file: &Path) -> Result<Zeroizing<String>, String> {
    let line = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let len = std::fs::metadata(file).map_err(|error| line(&error))?.len();
    if len > MAX_LEN {
        return Err(line(&"too large for a key"));
    }
    let bytes = Zeroizing::new(std::fs::read(file).map_err(|error| line(&error))?);
    let text = std::str::from_utf8(&bytes).map_err(|_| line(&"not a text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}
