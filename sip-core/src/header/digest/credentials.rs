//! `Authorization` and `Proxy-Authorization`.

use core::fmt;
use std::borrow::Cow;

use super::params::{Param, Params};
use super::{AlgorithmParam, DigestParseError, DigestParseErrorKind, Qop, Quoted, write_algorithm};

/// What `qop` adds to credentials: the three stand or fall together (RFC 7616 section 3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// What the response covers.
    pub qop: Qop,
    /// How many requests this client has sent with this nonce, this one included. On the wire eight digits.
    pub nc: u32,
    /// The client's own nonce; unescaped.
    pub cnonce: String,
}

/// The value of an `Authorization` or `Proxy-Authorization` header field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// The user; unescaped.
    pub username: String,
    /// The realm of the challenge; unescaped.
    pub realm: String,
    /// The nonce of the challenge; unescaped.
    pub nonce: String,
    /// `digest-uri`: the Request-URI as the client wrote it.
    pub uri: String,
    /// The response in hexadecimal. Not a secret, and enough to guess a password offline.
    pub response: String,
    /// The algorithm.
    pub algorithm: AlgorithmParam,
    /// The challenge's `opaque`.
    pub opaque: Option<String>,
    /// `qop`, `nc` and `cnonce`; `None` from a client of RFC 2069's age.
    pub protection: Option<Protection>,
}

/// The same as [`Credentials`], over the bytes of the header: nothing is copied unless it is escaped or folded.
///
/// ```
/// use sip_core::header::digest::CredentialsRef;
///
/// let value = br#"Digest username="bob", realm="biloxi.com", nonce="84a4cc6f", uri="sip:biloxi.com", response="7587""#;
/// let credentials = CredentialsRef::parse(value)?;
/// assert_eq!(credentials.username, "bob");
/// # Ok::<(), sip_core::header::digest::DigestParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CredentialsRef<'a> {
    /// The user; unescaped.
    pub username: Cow<'a, str>,
    /// The realm of the challenge; unescaped.
    pub realm: Cow<'a, str>,
    /// The nonce of the challenge; unescaped.
    pub nonce: Cow<'a, str>,
    /// `digest-uri`: the Request-URI as the client wrote it.
    pub uri: Cow<'a, str>,
    /// The response in hexadecimal. Not a secret, and enough to guess a password offline.
    pub response: Cow<'a, str>,
    /// The algorithm.
    pub algorithm: AlgorithmParam,
    /// The challenge's `opaque`.
    pub opaque: Option<Cow<'a, str>>,
    /// `qop`, `nc` and `cnonce`; `None` from a client of RFC 2069's age.
    pub protection: Option<ProtectionRef<'a>>,
}

/// The same as [`Protection`], over the bytes of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectionRef<'a> {
    /// What the response covers.
    pub qop: Qop,
    /// How many requests this client has sent with this nonce, this one included. On the wire eight digits.
    pub nc: u32,
    /// The client's own nonce; unescaped.
    pub cnonce: Cow<'a, str>,
}

impl<'a> CredentialsRef<'a> {
    /// Reads a header field value.
    ///
    /// # Errors
    ///
    /// As [`Credentials::parse`].
    pub fn parse(value: &'a [u8]) -> Result<Self, DigestParseError> {
        // credentials  =  ("Digest" LWS digest-response) / other-response
        // dig-resp     =  username / realm / nonce / digest-uri / dresponse / algorithm / cnonce / opaque
        //                 / message-qop / nonce-count / auth-param
        let (mut username, mut realm, mut nonce, mut uri, mut response) =
            (None, None, None, None, None);
        let (mut algorithm, mut opaque, mut qop, mut nc, mut cnonce) =
            (None, None, None, None, None);
        let mut params = Params::new(value, b"Digest")?;
        while let Some(param) = params.next_param()? {
            match &*param.lower_name() {
                "username" => param.store(&mut username)?,
                "realm" => param.store(&mut realm)?,
                "nonce" => param.store(&mut nonce)?,
                "uri" => param.store(&mut uri)?,
                "response" => param.store(&mut response)?,
                "algorithm" => param.store(&mut algorithm)?,
                "opaque" => param.store(&mut opaque)?,
                "qop" => qop = Some(read_qop(&param, qop.is_some())?),
                "nc" => nc = Some(read_nc(&param, nc.is_some())?),
                "cnonce" => param.store(&mut cnonce)?,
                _ => {}
            }
        }
        let missing = |name| params.error(DigestParseErrorKind::Missing(name));
        let required = |value: Option<Cow<'a, str>>, name| value.ok_or_else(|| missing(name));
        Ok(Self {
            username: required(username, "username")?,
            realm: required(realm, "realm")?,
            nonce: required(nonce, "nonce")?,
            uri: required(uri, "uri")?,
            response: required(response, "response")?,
            algorithm: algorithm.map_or(AlgorithmParam::Absent, |name| {
                AlgorithmParam::from_value(&name)
            }),
            opaque,
            protection: match qop {
                Some(qop) => Some(ProtectionRef {
                    qop,
                    nc: nc.ok_or_else(|| missing("nc"))?,
                    cnonce: required(cnonce, "cnonce")?,
                }),
                None => None,
            },
        })
    }

    /// The same with bytes of its own.
    pub fn into_owned(self) -> Credentials {
        Credentials {
            username: self.username.into_owned(),
            realm: self.realm.into_owned(),
            nonce: self.nonce.into_owned(),
            uri: self.uri.into_owned(),
            response: self.response.into_owned(),
            algorithm: self.algorithm,
            opaque: self.opaque.map(Cow::into_owned),
            protection: self.protection.map(|protection| Protection {
                qop: protection.qop,
                nc: protection.nc,
                cnonce: protection.cnonce.into_owned(),
            }),
        }
    }
}

impl Credentials {
    /// Reads a header field value; [`CredentialsRef`] does so without copying.
    ///
    /// # Errors
    ///
    /// [`DigestParseErrorKind::OtherScheme`] for `Basic`, `Bearer` and the like; other kinds say what is wrong, and
    /// at which byte. A server answers 400.
    pub fn parse(value: &[u8]) -> Result<Self, DigestParseError> {
        CredentialsRef::parse(value).map(CredentialsRef::into_owned)
    }
}

fn read_qop(param: &Param<'_>, seen: bool) -> Result<Qop, DigestParseError> {
    if seen {
        return Err(param.error(DigestParseErrorKind::Duplicate));
    }
    Qop::from_name(&param.value).ok_or_else(|| param.error(DigestParseErrorKind::UnknownQop))
}

/// `nc-value = 8LHEX`. Exactly eight lower-case digits: the response is computed over this text.
fn read_nc(param: &Param<'_>, seen: bool) -> Result<u32, DigestParseError> {
    if seen {
        return Err(param.error(DigestParseErrorKind::Duplicate));
    }
    let lhex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let text = param.value.as_ref();
    if text.len() == 8
        && text.as_bytes().iter().all(lhex)
        && let Ok(nc) = u32::from_str_radix(text, 16)
    {
        return Ok(nc);
    }
    Err(param.error(DigestParseErrorKind::BadNonceCount))
}

/// Writes the header field value; control characters as in [`Challenge`](super::Challenge).
impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Digest username={}, realm={}, nonce={}, uri={}, response={}",
            Quoted(&self.username),
            Quoted(&self.realm),
            Quoted(&self.nonce),
            Quoted(&self.uri),
            Quoted(&self.response)
        )?;
        write_algorithm(&self.algorithm, f)?;
        if let Some(Protection { qop, nc, cnonce }) = &self.protection {
            write!(f, ", qop={qop}, nc={nc:08x}, cnonce={}", Quoted(cnonce))?;
        }
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", Quoted(opaque))?;
        }
        Ok(())
    }
}

impl core::str::FromStr for Credentials {
    type Err = DigestParseError;

    fn from_str(value: &str) -> Result<Self, DigestParseError> {
        Self::parse(value.as_bytes())
    }
}
