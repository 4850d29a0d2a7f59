//! The grammar of digest challenges and credentials: `WWW-Authenticate`, `Proxy-Authenticate`,
//! `Authorization` and `Proxy-Authorization`.
//!
//! Implements RFC 3261 section 25.1 with the algorithms of RFC 8760 (which takes them from RFC 7616).
//! What the values *mean* (which challenge to answer, whether a response is right) is [`crate::auth`]'s part.
//!
//! Left out: `userhash`, `username*` and `charset` of RFC 7616, which RFC 8760 does not bring into SIP; they are
//! read over like any unknown parameter. Each header field carries one challenge (RFC 3261 section 7.3.1 forbids
//! joining these fields with commas), so each value here is one challenge.

use core::fmt;
use std::borrow::Cow;

use params::{Param, Params};

mod params;

/// A hash that digest authentication is built on, without the `-sess` question.
///
/// Ordered from weakest to strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HashAlgorithm {
    /// `MD5` (RFC 3261): broken as a hash, and still what most phones and both browser libraries speak.
    Md5,
    /// `SHA-256` (RFC 8760).
    Sha256,
    /// `SHA-512-256` (RFC 8760): SHA-512/256 of FIPS 180-4, which is not SHA-512 cut short.
    Sha512_256,
}

impl HashAlgorithm {
    /// Every hash, weakest first.
    pub const ALL: [Self; 3] = [Self::Md5, Self::Sha256, Self::Sha512_256];

    /// Digits of the hash in hexadecimal: 32 or 64.
    #[must_use]
    pub const fn hex_len(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 | Self::Sha512_256 => 64,
        }
    }

    /// The name on the wire, as in `algorithm=SHA-256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A digest algorithm: a hash, and whether the HA1 is bound to the nonce (`-sess`).
///
/// ```
/// use sip_core::header::digest::{Algorithm, HashAlgorithm};
///
/// assert_eq!(Algorithm::from_name("sha-256-SESS"), Some(Algorithm::SHA_256_SESS));
/// assert_eq!(Algorithm::SHA_256_SESS.hash, HashAlgorithm::Sha256);
/// assert_eq!(Algorithm::from_name("AKAv1-MD5"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Algorithm {
    /// The hash.
    pub hash: HashAlgorithm,
    /// Whether this is the `-sess` variant (RFC 7616 section 3.4.2).
    pub session: bool,
}

impl Algorithm {
    /// `MD5`, also what an absent `algorithm` means.
    pub const MD5: Self = Self::plain(HashAlgorithm::Md5);
    /// `MD5-sess`.
    pub const MD5_SESS: Self = Self::sess(HashAlgorithm::Md5);
    /// `SHA-256`.
    pub const SHA_256: Self = Self::plain(HashAlgorithm::Sha256);
    /// `SHA-256-sess`.
    pub const SHA_256_SESS: Self = Self::sess(HashAlgorithm::Sha256);
    /// `SHA-512-256`.
    pub const SHA_512_256: Self = Self::plain(HashAlgorithm::Sha512_256);
    /// `SHA-512-256-sess`.
    pub const SHA_512_256_SESS: Self = Self::sess(HashAlgorithm::Sha512_256);

    /// The plain variant of a hash.
    #[must_use]
    pub const fn plain(hash: HashAlgorithm) -> Self {
        Self {
            hash,
            session: false,
        }
    }

    /// The `-sess` variant of a hash.
    #[must_use]
    pub const fn sess(hash: HashAlgorithm) -> Self {
        Self {
            hash,
            session: true,
        }
    }

    /// Reads a name from the wire, in any case. `None` when it is not one of ours.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        const SUFFIX: &[u8] = b"-sess";
        let bytes = name.as_bytes();
        let (base, session) = match bytes.len().checked_sub(SUFFIX.len()) {
            Some(at) if bytes[at..].eq_ignore_ascii_case(SUFFIX) => (&bytes[..at], true),
            _ => (bytes, false),
        };
        HashAlgorithm::ALL
            .into_iter()
            .find(|hash| hash.name().as_bytes().eq_ignore_ascii_case(base))
            .map(|hash| Self { hash, session })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.name())?;
        f.write_str(if self.session { "-sess" } else { "" })
    }
}

/// The `algorithm` parameter as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AlgorithmParam {
    /// No parameter, which means [`Algorithm::MD5`].
    #[default]
    Absent,
    /// One that we speak.
    Known(Algorithm),
    /// One that we do not speak, such as `AKAv1-MD5`; RFC 7616 section 3.3 has such a challenge passed over.
    Other(String),
}

impl AlgorithmParam {
    /// The algorithm meant, `None` when it is not one of ours.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        match self {
            Self::Absent => Some(Algorithm::MD5),
            Self::Known(algorithm) => Some(*algorithm),
            Self::Other(_) => None,
        }
    }

    fn from_value(value: &str) -> Self {
        Algorithm::from_name(value).map_or_else(|| Self::Other(value.to_owned()), Self::Known)
    }
}

/// Quality of protection: what the response covers (RFC 7616 section 3.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Qop {
    /// `auth`: method and Request-URI.
    Auth,
    /// `auth-int`: the body too.
    AuthInt,
}

impl Qop {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt]
            .into_iter()
            .find(|qop| qop.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Qop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The `qop` list of a challenge. Both `false` means: a list was sent, and none of it is known to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QopOptions {
    /// `auth` is offered.
    pub auth: bool,
    /// `auth-int` is offered.
    pub auth_int: bool,
}

impl QopOptions {
    /// Offers `auth` alone, what every phone speaks.
    pub const AUTH: Self = Self {
        auth: true,
        auth_int: false,
    };

    /// Whether `qop` is in the list.
    #[must_use]
    pub const fn contains(self, qop: Qop) -> bool {
        match qop {
            Qop::Auth => self.auth,
            Qop::AuthInt => self.auth_int,
        }
    }
}

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
        let mut params = Params::new(value)?;
        while let Some(param) = params.next_param()? {
            match param.known(&[
                "realm",
                "nonce",
                "opaque",
                "domain",
                "stale",
                "algorithm",
                "qop",
            ]) {
                Some("realm") => param.store(&mut realm)?,
                Some("nonce") => param.store(&mut nonce)?,
                Some("opaque") => param.store(&mut opaque)?,
                Some("domain") => param.store(&mut domain)?,
                Some("stale") => param.store(&mut stale)?,
                Some("algorithm") => param.store(&mut algorithm)?,
                Some("qop") => param.store(&mut qop)?,
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

impl Credentials {
    /// Reads a header field value.
    ///
    /// # Errors
    ///
    /// [`DigestParseErrorKind::OtherScheme`] for `Basic`, `Bearer` and the like; other kinds say what is wrong, and
    /// at which byte. A server answers 400.
    pub fn parse(value: &[u8]) -> Result<Self, DigestParseError> {
        // credentials  =  ("Digest" LWS digest-response) / other-response
        // dig-resp     =  username / realm / nonce / digest-uri / dresponse / algorithm / cnonce / opaque
        //                 / message-qop / nonce-count / auth-param
        let (mut username, mut realm, mut nonce, mut uri, mut response) =
            (None, None, None, None, None);
        let (mut algorithm, mut opaque, mut qop, mut nc, mut cnonce) =
            (None, None, None, None, None);
        let mut params = Params::new(value)?;
        while let Some(param) = params.next_param()? {
            const NAMES: [&str; 10] = [
                "username",
                "realm",
                "nonce",
                "uri",
                "response",
                "algorithm",
                "opaque",
                "qop",
                "nc",
                "cnonce",
            ];
            match param.known(&NAMES) {
                Some("username") => param.store(&mut username)?,
                Some("realm") => param.store(&mut realm)?,
                Some("nonce") => param.store(&mut nonce)?,
                Some("uri") => param.store(&mut uri)?,
                Some("response") => param.store(&mut response)?,
                Some("algorithm") => param.store(&mut algorithm)?,
                Some("opaque") => param.store(&mut opaque)?,
                Some("qop") => qop = Some(read_qop(&param, qop.is_some())?),
                Some("nc") => nc = Some(read_nc(&param, nc.is_some())?),
                Some("cnonce") => param.store(&mut cnonce)?,
                _ => {}
            }
        }
        let missing = |name| params.error(DigestParseErrorKind::Missing(name));
        let required = |value: Option<Cow<'_, str>>, name| {
            value.map(Cow::into_owned).ok_or_else(|| missing(name))
        };
        Ok(Self {
            username: required(username, "username")?,
            realm: required(realm, "realm")?,
            nonce: required(nonce, "nonce")?,
            uri: required(uri, "uri")?,
            response: required(response, "response")?,
            algorithm: algorithm.map_or(AlgorithmParam::Absent, |name| {
                AlgorithmParam::from_value(&name)
            }),
            opaque: opaque.map(Cow::into_owned),
            protection: match qop {
                Some(qop) => Some(Protection {
                    qop,
                    nc: nc.ok_or_else(|| missing("nc"))?,
                    cnonce: required(cnonce, "cnonce")?,
                }),
                None => None,
            },
        })
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

/// Writes the header field value; control characters as in [`Challenge`].
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

/// What is wrong with a digest header field value, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct DigestParseError {
    /// What is wrong.
    pub kind: DigestParseErrorKind,
    /// Bytes from the start of the value.
    pub offset: usize,
}

/// The kinds of [`DigestParseError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestParseErrorKind {
    /// The scheme is not `Digest`.
    #[error("the scheme is not Digest")]
    OtherScheme,
    /// The value is not UTF-8 (RFC 3261 section 7 makes messages UTF-8).
    #[error("not UTF-8")]
    NotUtf8,
    /// A parameter's name is expected.
    #[error("a parameter name is expected")]
    ExpectedName,
    /// `=` is expected.
    #[error("`=` is expected")]
    ExpectedEquals,
    /// A parameter's value is expected.
    #[error("a value is expected")]
    ExpectedValue,
    /// `,` or the end is expected.
    #[error("`,` or the end is expected")]
    ExpectedComma,
    /// A quoted string does not end.
    #[error("a quoted string does not end")]
    UnterminatedQuote,
    /// A control character inside a value.
    #[error("a control character in a value")]
    ControlCharacter,
    /// A parameter appears twice; which one counts would be a guess.
    #[error("a parameter appears twice")]
    Duplicate,
    /// A parameter that the scheme needs is absent.
    #[error("the parameter `{0}` is missing")]
    Missing(&'static str),
    /// `nc` is not eight lower-case hexadecimal digits.
    #[error("nc is not eight lower-case hexadecimal digits")]
    BadNonceCount,
    /// Credentials with a `qop` that we do not know, and thus did not offer.
    #[error("unknown qop")]
    UnknownQop,
}

fn write_algorithm(algorithm: &AlgorithmParam, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match algorithm {
        AlgorithmParam::Absent => Ok(()),
        AlgorithmParam::Known(known) => write!(f, ", algorithm={known}"),
        AlgorithmParam::Other(name) if !name.is_empty() && name.bytes().all(params::is_token) => {
            write!(f, ", algorithm={name}")
        }
        AlgorithmParam::Other(name) => write!(f, ", algorithm={}", Quoted(name)),
    }
}

/// `quoted-string` with `"` and `\` escaped.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => {
                    f.write_char('\\')?;
                    f.write_char(c)?;
                }
                '\t' => f.write_char(c)?,
                c if c.is_ascii_control() => f.write_char(' ')?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests;
