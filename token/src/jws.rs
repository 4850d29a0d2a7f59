//! The compact serialisation of JWS (RFC 7515 section 3.1).
//!
//! ```abnf
//! token  =  BASE64URL(header) "." BASE64URL(claims) "." BASE64URL(signature)
//! ```
//!
//! Written here rather than taken from a library, because the library of the field keeps its cryptography in one slot
//! of the process: whoever comes first decides for every crate in the binary, and an empty slot panics on the first
//! token that arrives.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::{Deserialize, Serialize};

use crate::error::Malformed;

/// The header parameters that we read and write.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) typ: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kid: Option<String>,
    /// Any content at all is an extension that we do not know.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub(crate) crit: Option<serde_json::Value>,
    /// Delegations from the root's child down to the key that signed: a parameter of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) chain: Option<Vec<String>>,
}

/// Present even when it is `null`: RFC 7515 has no empty `crit`.
fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(deserializer).map(Some)
}

/// A token taken apart; nothing in it is to be believed yet.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) header: Header,
    pub(crate) header_json: Vec<u8>,
    /// What the signature covers.
    pub(crate) signed: &'a str,
    /// The claims' JSON, still encoded: decoded after the signature was found right.
    claims: &'a str,
    pub(crate) signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    pub(crate) fn parse(token: &'a str, max: usize) -> Result<Self, Malformed> {
        if token.len() > max {
            return Err(Malformed::TooLong {
                len: token.len(),
                max,
            });
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Malformed::Parts)?;
        let (header, claims) = signed.split_once('.').ok_or(Malformed::Parts)?;
        if claims.contains('.') {
            return Err(Malformed::Parts);
        }
        let header_json = decode(header, "header")?;
        let header = object(&header_json).map_err(|_| Malformed::Header)?;
        let signature = decode(signature, "signature")?;
        Ok(Self {
            header,
            header_json,
            signed,
            claims,
            signature,
        })
    }

    pub(crate) fn claims(&self) -> Result<Vec<u8>, Malformed> {
        decode(self.claims, "claims")
    }
}

/// A JSON object. (serde would take a list for a struct too, member by member.)
pub(crate) fn object<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    if json.trim_ascii_start().first() == Some(&b'{') {
        return serde_json::from_slice(json);
    }
    Err(serde::de::Error::custom("not an object"))
}

fn decode(part: &str, name: &'static str) -> Result<Vec<u8>, Malformed> {
    BASE64URL.decode(part).map_err(|_| Malformed::Base64(name))
}

/// Header and claims as the signature covers them.
pub(crate) fn signing_input(header: &Header, claims: &[u8]) -> Result<String, serde_json::Error> {
    let mut text = BASE64URL.encode(serde_json::to_vec(header)?);
    text.push('.');
    BASE64URL.encode_string(claims, &mut text);
    Ok(text)
}

/// Appends the signature.
pub(crate) fn finish(mut signed: String, signature: &[u8]) -> String {
    signed.push('.');
    BASE64URL.encode_string(signature, &mut signed);
    signed
}
