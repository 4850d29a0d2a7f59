//! API keys: random, shown once, kept as a hash.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use ring::{digest, hmac};
use zeroize::Zeroizing;

use crate::error::KeyError;

/// Bytes of the identifier and of the secret.
const ID: usize = 9;
const SECRET: usize = 32;
/// Their lengths in base64url.
const ID_TEXT: usize = 12;
const SECRET_TEXT: usize = 43;
/// What sets our keys apart, for those who search leaked texts.
const PREFIX: &str = "pck_";

/// A new API key, to be shown to its owner once: `pck_` identifier `.` secret, 60 characters.
///
/// The secret has 256 random bits, so its plain SHA-256 is all that a store needs: there is nothing to guess that a
/// slow hash would slow down. `Debug` shows the identifier only.
///
/// ```
/// use token::{ApiKey, ApiKeyHash, ApiKeyText};
///
/// let mut chance = |bytes: &mut [u8]| bytes.fill(7); // a cryptographic generator in real life
/// let key = ApiKey::generate(&mut chance);
/// let shown = key.expose().to_owned();   // to the owner
/// let stored = key.hash().to_string();   // to the database, by key.hash().id()
///
/// // A request arrives with the key. Its identifier finds the row.
/// let text: ApiKeyText = shown.parse()?;
/// let row: ApiKeyHash = stored.parse()?;
/// assert_eq!(text.id(), row.id());
/// assert!(row.matches(&text));
/// # Ok::<(), token::KeyError>(())
/// ```
pub struct ApiKey {
    text: Zeroizing<String>,
    hash: ApiKeyHash,
}

impl ApiKey {
    /// Makes a key from a cryptographic generator.
    pub fn generate(chance: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut id = [0; ID];
        let mut secret = Zeroizing::new([0; SECRET]);
        chance(&mut id);
        chance(&mut secret[..]);
        let id = BASE64URL.encode(id);
        let hash = ApiKeyHash {
            hash: hash(&secret[..]),
            id: id.clone(),
        };
        let encoded = Zeroizing::new(BASE64URL.encode(&secret[..]));
        Self {
            text: Zeroizing::new(format!("{PREFIX}{id}.{}", encoded.as_str())),
            hash,
        }
    }

    /// The whole key. There is no second chance to see it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What to store.
    #[must_use]
    pub fn hash(&self) -> &ApiKeyHash {
        &self.hash
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("id", &self.hash.id)
            .finish_non_exhaustive()
    }
}

/// An API key as a request brought it; nothing is known of it yet but its form.
pub struct ApiKeyText {
    id: String,
    secret: Zeroizing<[u8; SECRET]>,
}

impl ApiKeyText {
    /// The identifier, by which the store finds the hash. Not secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl FromStr for ApiKeyText {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (id, secret) = split(text.strip_prefix(PREFIX).ok_or(KeyError::NotApiKey)?)?;
        Ok(Self { id, secret })
    }
}

impl fmt::Debug for ApiKeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyText")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What a store keeps of an API key: its identifier and the SHA-256 of its secret.
///
/// `Display` writes it as identifier `.` hash, 56 characters; `FromStr` reads that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyHash {
    id: String,
    hash: [u8; 32],
}

impl ApiKeyHash {
    /// The identifier.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether this is the key, in constant time.
    #[must_use]
    pub fn matches(&self, key: &ApiKeyText) -> bool {
        // Two tags under one key are equal when the hashes are, and `ring` compares tags in constant time. The key
        // need not be secret.
        let compare = hmac::Key::new(hmac::HMAC_SHA256, &self.hash);
        let tag = hmac::sign(&compare, &hash(&key.secret[..]));
        self.id == key.id && hmac::verify(&compare, &self.hash, tag.as_ref()).is_ok()
    }
}

impl fmt::Display for ApiKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.id, BASE64URL.encode(self.hash))
    }
}

impl FromStr for ApiKeyHash {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (id, hash) = split(text)?;
        Ok(Self { id, hash: *hash })
    }
}

fn hash(secret: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, secret).as_ref());
    out
}

/// Identifier and 32 bytes, of exactly the right lengths.
fn split(text: &str) -> Result<(String, Zeroizing<[u8; 32]>), KeyError> {
    let (id, rest) = text.split_once('.').ok_or(KeyError::NotApiKey)?;
    if id.len() != ID_TEXT || rest.len() != SECRET_TEXT || BASE64URL.decode(id).is_err() {
        return Err(KeyError::NotApiKey);
    }
    let decoded = Zeroizing::new(BASE64URL.decode(rest).map_err(|_| KeyError::NotApiKey)?);
    let mut bytes = Zeroizing::new([0; 32]);
    if decoded.len() != bytes.len() {
        return Err(KeyError::NotApiKey);
    }
    bytes.copy_from_slice(&decoded);
    Ok((id.to_owned(), bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u8) -> ApiKey {
        let mut next = seed;
        ApiKey::generate(&mut |bytes| {
            bytes.iter_mut().for_each(|byte| {
                next = next.wrapping_mul(181).wrapping_add(97);
                *byte = next;
            });
        })
    }

    #[test]
    fn a_key_opens_its_own_hash_only() {
        let (one, two) = (key(1), key(2));
        let text: ApiKeyText = one.expose().parse().unwrap();
        assert_eq!((one.expose().len(), one.hash().to_string().len()), (60, 56));
        assert_eq!(one.hash().to_string().parse(), Ok(one.hash().clone()));
        assert!(one.hash().matches(&text));
        assert!(!two.hash().matches(&text));
        // The same secret under another identifier, and the stored hash shown as a key.
        let renamed = ApiKeyHash {
            id: two.hash().id.clone(),
            ..one.hash().clone()
        };
        assert!(!renamed.matches(&text));
        let replay: ApiKeyText = format!("pck_{}", one.hash()).parse().unwrap();
        assert!(!one.hash().matches(&replay), "a stolen table opens nothing");
    }

    #[test]
    fn nothing_secret_in_debug() {
        let one = key(1);
        let text: ApiKeyText = one.expose().parse().unwrap();
        let secret = one.expose().split_once('.').unwrap().1;
        let debug = format!("{one:?} {text:?}");
        assert!(
            debug.contains(one.hash().id()) && !debug.contains(secret),
            "{debug}"
        );
    }

    #[test]
    fn other_texts_are_no_keys() {
        let good = key(1).expose().to_owned();
        for wrong in [
            "",
            "pck_",
            &good[4..],
            &good[..59],
            &format!("{good}A"),
            &good.replace('.', "_"),
        ] {
            assert_eq!(
                wrong.parse::<ApiKeyText>().unwrap_err(),
                KeyError::NotApiKey,
                "{wrong}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_other_text_is_refused(place in 0..60usize, bit in 0..7u8) {
            let one = key(1);
            let mut bytes = one.expose().as_bytes().to_vec();
            bytes[place] ^= 1 << bit;
            let changed = String::from_utf8(bytes).unwrap();
            if let Ok(text) = changed.parse::<ApiKeyText>() {
                prop_assert!(!one.hash().matches(&text));
            }
        }
    }
}
