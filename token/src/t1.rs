//! The legacy tokens of the OpenTok family: not JWTs, but a query string under HMAC-SHA1.
//!
//! ```abnf
//! token  =  "T1==" BASE64( "partner_id=" api-key "&sig=" 40HEXDIG ":" query )
//! query  =  application/x-www-form-urlencoded, which the signature covers as it stands
//! ```
//!
//! SHA-1 is no longer a hash to trust for itself; as an HMAC nothing is known against it. Mint JWTs where there is a
//! choice.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::claims::{OpenTokConnect, Role};
use crate::error::{KeyError, Malformed, MintError, VerifyError};

/// What every such token starts with.
pub(crate) const SENTINEL: &str = "T1==";

/// A project's API key and secret, for `T1==` tokens. `Debug` shows the API key only.
#[derive(Clone)]
pub struct T1Secret {
    api_key: String,
    key: hmac::Key,
}

impl T1Secret {
    /// Takes a project's API key and secret.
    ///
    /// # Errors
    ///
    /// [`KeyError::BadApiKey`] when either is empty, or the API key is not of letters, digits, `-` and `_`.
    pub fn new(api_key: impl Into<String>, secret: &[u8]) -> Result<Self, KeyError> {
        let api_key = api_key.into();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if secret.is_empty() || api_key.is_empty() || !api_key.bytes().all(plain) {
            return Err(KeyError::BadApiKey);
        }
        Ok(Self {
            api_key,
            key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret),
        })
    }

    /// The API key.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }
}

impl fmt::Debug for T1Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("T1Secret")
            .field("api_key", &self.api_key)
            .finish_non_exhaustive()
    }
}

/// Writes and signs a `T1==` token.
///
/// # Errors
///
/// [`MintError`] when the claims would not be accepted by anyone, or are another API key's.
pub fn mint_t1(claims: &OpenTokConnect, secret: &T1Secret) -> Result<String, MintError> {
    claims.check()?;
    if claims.api_key != secret.api_key {
        return Err(MintError::OtherApiKey);
    }
    let (created, expires) = claims.times();
    let mut query = String::new();
    let mut add = |name: &str, value: &str| {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(name);
        query.push('=');
        form_encode(value, &mut query);
    };
    add("session_id", &claims.session_id);
    add("create_time", &created.to_string());
    add("expire_time", &expires.to_string());
    add("role", claims.role.name());
    if let Some(nonce) = claims.nonce.filter(|nonce| nonce.is_finite()) {
        add("nonce", &nonce.to_string());
    }
    if !claims.layout_classes.is_empty() {
        add(
            "initial_layout_class_list",
            &claims.layout_classes.join(" "),
        );
    }
    if let Some(data) = &claims.connection_data {
        add("connection_data", data);
    }
    let signature: String = hmac::sign(&secret.key, query.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let plain = format!("partner_id={}&sig={signature}:{query}", secret.api_key);
    Ok(format!("{SENTINEL}{}", STANDARD.encode(plain)))
}

/// Checks a token's signature and reads it; its time is still to be judged.
pub(crate) fn open(
    token: &str,
    secrets: &[T1Secret],
    max: usize,
) -> Result<OpenTokConnect, VerifyError> {
    if token.len() > max {
        return Err(Malformed::TooLong {
            len: token.len(),
            max,
        }
        .into());
    }
    let encoded = token.strip_prefix(SENTINEL).ok_or(Malformed::Parts)?;
    let plain = STANDARD
        .decode(encoded)
        .map_err(|_| Malformed::Base64("content"))?;
    let plain = std::str::from_utf8(&plain).map_err(|_| Malformed::Parts)?;
    let (head, query) = plain.split_once(':').ok_or(Malformed::Parts)?;
    let head = head.strip_prefix("partner_id=").ok_or(Malformed::Parts)?;
    let (api_key, signature) = head.split_once("&sig=").ok_or(Malformed::Parts)?;
    let signature = read_hex(signature).ok_or(Malformed::Parts)?;

    let mut known = secrets
        .iter()
        .filter(|secret| secret.api_key == api_key)
        .peekable();
    if known.peek().is_none() {
        return Err(VerifyError::UnknownKey {
            kid: api_key.chars().take(64).collect(),
        });
    }
    if !known.any(|secret| hmac::verify(&secret.key, query.as_bytes(), &signature).is_ok()) {
        return Err(VerifyError::Forged);
    }
    Ok(read_query(api_key, query)?)
}

fn read_query(api_key: &str, query: &str) -> Result<OpenTokConnect, Malformed> {
    let (mut session, mut created, mut expires, mut role) = (None, None, None, None);
    let (mut nonce, mut classes, mut data) = (None, None, None);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').ok_or(Malformed::OtherFamily)?;
        let slot = match name {
            "session_id" => &mut session,
            "create_time" => &mut created,
            "expire_time" => &mut expires,
            "role" => &mut role,
            "nonce" => &mut nonce,
            "initial_layout_class_list" => &mut classes,
            "connection_data" => &mut data,
            _ => continue,
        };
        // Which of two would count is anyone's guess.
        if slot
            .replace(form_decode(value).ok_or(Malformed::OtherFamily)?)
            .is_some()
        {
            return Err(Malformed::OtherFamily);
        }
    }
    let number = |text: Option<String>| {
        text?
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
    };
    // `as` cuts and saturates.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let time = |text| number(text).map(|seconds| seconds as u64);
    let created = time(created).ok_or(Malformed::OtherFamily)?;
    // The SDKs' default life is a day.
    let expires = match expires {
        Some(text) => time(Some(text)).ok_or(Malformed::OtherFamily)?,
        None => created.saturating_add(86_400),
    };
    let role = match role {
        Some(name) => name.parse().map_err(|_| Malformed::OtherFamily)?,
        None => Role::default(),
    };
    let session = session.ok_or(Malformed::OtherFamily)?;
    let mut claims = OpenTokConnect::at(api_key.to_owned(), session, created, expires);
    claims.role = role;
    claims.connection_data = data;
    claims.layout_classes = classes
        .unwrap_or_default()
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect();
    claims.nonce = number(nonce);
    Ok(claims)
}

fn form_encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte))
            }
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

fn form_decode(value: &str) -> Option<String> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

fn read_hex(text: &str) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    if text.len() != 40 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}
