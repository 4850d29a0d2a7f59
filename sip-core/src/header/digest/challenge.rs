//! `WWW-Authenticate` and `Proxy-Authenticate`.

use core::fmt;
use std::borrow::Cow;

use super::params::Params;
use super::{
    AlgorithmParam, DigestParseError, DigestParseErrorKind, Qop, QopOptions, Quoted,
    write_algorithm,
};

/// The value of a `WWW-Authenticate` or `Proxy-Authenticate` header field.
///
/// ```
/// use sip_core::header::digest::{Algorithm, Challenge};
///
/// let challenge = Challenge::parse(
///     br#"Digest realm="biloxi.com", nonce="dcd98b71", algorithm=SHA-256, qop="auth,auth-int""#,
/// )?;
/// assert_eq!(challenge.realm, "biloxi.com");
/// assert_eq!(challenge.algorithm.algorithm(), Some(Algorithm::SHA_256));
/// assert!(challenge.qop.is_some_and(|qop| qop.auth_int));
/// # Ok::<(), sip_core::header::digest::DigestParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Challenge {
    /// Whom the password is for; unescaped.
    pub realm: String,
    /// The server's nonce; unescaped.
    pub nonce: String,
    /// Sent back as it came.
    pub opaque: Option<String>,
    /// The URIs protected, separated by spaces. Meaningless in `Proxy-Authenticate`.
    pub domain: Option<String>,
    /// The nonce of the request was too old, its password was right: try again with this nonce.
    pub stale: bool,
    /// The algorithm.
    pub algorithm: AlgorithmParam,
    /// The qualities of protection offered; `None` from a server of RFC 2069's age.
    pub qop: Option<QopOptions>,
}

impl Challenge {
    /// A challenge with a realm and a nonce; MD5, no `qop`, until the fields say otherwise.
    pub fn new(realm: impl Into<String>, nonce: impl Into<String>) -> Self {
        Self {
            realm: realm.into(),
            nonce: nonce.into(),
            ..Self::default()
        }
    }

    /// Reads a header field value.
    ///
    /// Tokens and quoted strings are accepted for every parameter, since phones quote `algorithm` and `stale` and
    /// leave quotes off elsewhere. Unknown parameters are passed over.
    ///
    /// # Errors
    ///
    /// [`DigestParseErrorKind::OtherScheme`] for `Basic`, `Bearer` and the like, which a client passes over; other
    /// kinds say what is wrong, and at which byte. A server answers 400.
    pub fn parse(value: &[u8]) -> Result<Self, DigestParseError> {
        // challenge   =  ("Digest" LWS digest-cln *(COMMA digest-cln)) / other-challenge
        // digest-cln  =  realm / domain / nonce / opaque / stale / algorithm / qop-options / auth-param
        let (mut realm, mut nonce, mut opaque, mut domain) = (None, None, None, None);
        let (mut stale, mut algorithm, mut qop) = (None, None, None);
        let mut params = Params::new(value, b"Digest")?;
        while let Some(param) = params.next_param()? {
            match &*param.lower_name() {
                "realm" => param.store(&mut realm)?,
                "nonce" => param.store(&mut nonce)?,
                "opaque" => param.store(&mut opaque)?,
                "domain" => param.store(&mut domain)?,
                "stale" => param.store(&mut stale)?,
                "algorithm" => param.store(&mut algorithm)?,
                "qop" => param.store(&mut qop)?,
                _ => {}
            }
        }
        let required = |value: Option<Cow<'_, str>>, name| {
            value
                .map(Cow::into_owned)
                .ok_or_else(|| params.error(DigestParseErrorKind::Missing(name)))
        };
        Ok(Self {
            realm: required(realm, "realm")?,
            nonce: required(nonce, "nonce")?,
            opaque: opaque.map(Cow::into_owned),
            domain: domain.map(Cow::into_owned),
            stale: stale.is_some_and(|value| value.eq_ignore_ascii_case("true")),
            algorithm: algorithm.map_or(AlgorithmParam::Absent, |name| {
                AlgorithmParam::from_value(&name)
            }),
            qop: qop.map(|list| {
                let mut options = QopOptions::default();
                for name in list.split(',') {
                    match Qop::from_name(name.trim_matches([' ', '\t'])) {
                        Some(Qop::Auth) => options.auth = true,
                        Some(Qop::AuthInt) => options.auth_int = true,
                        None => {}
                    }
                }
                options
            }),
        })
    }
}

/// Writes the header field value. A control character in a value, which no parsed value holds, becomes a space:
/// a line end must not start a header field of its own.
impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Digest realm={}, nonce={}",
            Quoted(&self.realm),
            Quoted(&self.nonce)
        )?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", Quoted(opaque))?;
        }
        if let Some(domain) = &self.domain {
            write!(f, ", domain={}", Quoted(domain))?;
        }
        if self.stale {
            f.write_str(", stale=true")?;
        }
        write_algorithm(&self.algorithm, f)?;
        match self.qop {
            Some(QopOptions {
                auth: true,
                auth_int: true,
            }) => f.write_str(r#", qop="auth,auth-int""#),
            Some(QopOptions {
                auth: true,
                auth_int: false,
            }) => f.write_str(r#", qop="auth""#),
            Some(QopOptions {
                auth: false,
                auth_int: true,
            }) => f.write_str(r#", qop="auth-int""#),
            Some(QopOptions {
                auth: false,
                auth_int: false,
            })
            | None => Ok(()),
        }
    }
}

impl core::str::FromStr for Challenge {
    type Err = DigestParseError;

    fn from_str(value: &str) -> Result<Self, DigestParseError> {
        Self::parse(value.as_bytes())
    }
}
