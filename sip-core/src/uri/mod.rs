//! SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966); other schemes are kept as they are.
//!
//! [`UriRef`] is a view of bytes, [`Uri`] owns them. Both keep the text as it was written; escapes
//! are resolved when a part is compared or asked for decoded.

mod compare;
mod host;
mod params;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use thiserror::Error;

pub use host::Host;
pub(crate) use host::span as host_span;
pub use params::{Param, Params, UriHeaders};
pub(crate) use params::{check_generic, walk_generic};

use crate::text::{self, HNV, PARAM, URI, USER};

/// A URI's scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:` (RFC 3966)
    Tel,
    /// Any other; the URI is opaque to this crate.
    Other,
}

impl Scheme {
    /// ```text
    /// scheme  =  ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
    /// ```
    fn named(name: &[u8]) -> Option<Scheme> {
        if name.eq_ignore_ascii_case(b"sip") {
            return Some(Scheme::Sip);
        }
        if name.eq_ignore_ascii_case(b"sips") {
            return Some(Scheme::Sips);
        }
        if name.eq_ignore_ascii_case(b"tel") {
            return Some(Scheme::Tel);
        }
        let of_scheme = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        (name.first()?.is_ascii_alphabetic() && name.iter().all(of_scheme)).then_some(Scheme::Other)
    }
}

/// Why bytes are not a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{reason} at byte {at} of the URI")]
pub struct UriError {
    /// What is wrong.
    pub reason: UriErrorReason,
    /// Offset into the URI.
    pub at: usize,
}

/// What a [`UriError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UriErrorReason {
    /// No `scheme:` in front.
    #[error("no scheme")]
    Scheme,
    /// A character that the user or password part may not hold unescaped.
    #[error("not a user part")]
    User,
    /// Neither a host name nor an IPv4 address nor a bracketed IPv6 address.
    #[error("not a host")]
    Host,
    /// Not a port, 0 to 65,535.
    #[error("not a port")]
    Port,
    /// A parameter that is not `name` or `name=value`.
    #[error("not a parameter")]
    Parameter,
    /// A header that is not `name=value`.
    #[error("not a header")]
    Header,
    /// Not a telephone number.
    #[error("not a telephone number")]
    Number,
    /// A character that no URI holds.
    #[error("not a URI character")]
    Character,
}

/// Where the parts lie; `u32::MAX` starts an absent one.
#[derive(Clone, Copy, Debug)]
struct Parts {
    scheme: Scheme,
    scheme_len: u32,
    user: (u32, u32),
    password: (u32, u32),
    host: (u32, u32),
    port: Option<u16>,
    params: (u32, u32),
    headers: (u32, u32),
}

const ABSENT: (u32, u32) = (u32::MAX, u32::MAX);

/// A URI over borrowed bytes.
///
/// ```
/// use sip_core::{Host, UriRef};
/// let uri = UriRef::parse(b"sips:alice:secret@[2001:db8::1]:5061;transport=tcp?subject=hi")?;
/// assert_eq!(uri.user(), Some("alice"));
/// assert!(matches!(uri.host(), Some(Host::V6(_))));
/// assert_eq!(uri.port(), Some(5061));
/// assert_eq!(uri.param("transport").and_then(|p| p.value()), Some("tcp"));
/// # Ok::<(), sip_core::UriError>(())
/// ```
#[derive(Clone, Copy)]
pub struct UriRef<'a> {
    bytes: &'a [u8],
    parts: Parts,
}

impl<'a> UriRef<'a> {
    /// Parses a whole URI; nothing may stand behind it.
    pub fn parse(bytes: &'a [u8]) -> Result<UriRef<'a>, UriError> {
        Ok(UriRef {
            bytes,
            parts: parse(bytes)?,
        })
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    /// The scheme as it was written.
    pub fn scheme_str(&self) -> &'a str {
        str_of(&self.bytes[..self.parts.scheme_len as usize])
    }

    /// The user part with its escapes as they are; for `tel:`, the number. It may hold user
    /// parameters (`;`), which belong to the user (RFC 3261 section 19.1.1).
    pub fn user(&self) -> Option<&'a str> {
        self.part(self.parts.user).map(str_of)
    }

    /// The user part with its escapes resolved; bytes that are not UTF-8 become the replacement character.
    pub fn user_decoded(&self) -> Option<Cow<'a, str>> {
        self.user().map(|u| {
            if u.contains('%') {
                Cow::Owned(text::lossy(&text::unescape(u.as_bytes())).into_owned())
            } else {
                Cow::Borrowed(u)
            }
        })
    }

    /// The password, which nobody should send (RFC 3261 section 19.1.1).
    pub fn password(&self) -> Option<&'a str> {
        self.part(self.parts.password).map(str_of)
    }

    /// The host; `None` for `tel:` and opaque URIs.
    pub fn host(&self) -> Option<Host<'a>> {
        self.host_str().and_then(|h| Host::parse(h.as_bytes()))
    }

    /// The host as it was written, brackets of an IPv6 address included.
    pub fn host_str(&self) -> Option<&'a str> {
        self.part(self.parts.host).map(str_of)
    }

    /// The port, where one is written.
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// The parameters behind the host (or the telephone number).
    pub fn params(&self) -> Params<'a> {
        Params::of_uri(self.part(self.parts.params).unwrap_or_default())
    }

    /// One parameter; names compare without regard to case.
    pub fn param(&self, name: &str) -> Option<Param<'a>> {
        self.params().get(name)
    }

    /// The headers behind `?`.
    pub fn headers(&self) -> UriHeaders<'a> {
        UriHeaders::new(self.part(self.parts.headers).unwrap_or_default())
    }

    /// The whole URI.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The whole URI; only characters that a URI may hold, so it is ASCII.
    pub fn as_str(&self) -> &'a str {
        str_of(self.bytes)
    }

    /// Whether the `lr` parameter says that this is a loose router (RFC 3261 section 19.1.1).
    pub fn is_loose_router(&self) -> bool {
        self.param("lr").is_some()
    }

    /// A URI with bytes of its own.
    pub fn to_uri(&self) -> Uri {
        Uri {
            bytes: Bytes::copy_from_slice(self.bytes),
            parts: self.parts,
        }
    }

    fn part(&self, (from, to): (u32, u32)) -> Option<&'a [u8]> {
        (from != u32::MAX).then(|| &self.bytes[from as usize..to as usize])
    }
}

/// Only bytes that the parser has found to be ASCII come here.
fn str_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// ```text
/// SIP-URI   =  "sip:" [ userinfo ] hostport uri-parameters [ headers ]
/// SIPS-URI  =  "sips:" [ userinfo ] hostport uri-parameters [ headers ]
/// userinfo  =  ( user / telephone-subscriber ) [ ":" password ] "@"
/// hostport  =  host [ ":" port ]
/// telephone-uri = "tel:" telephone-subscriber
/// ```
fn parse(bytes: &[u8]) -> Result<Parts, UriError> {
    let fail = |reason, at| Err(UriError { reason, at });
    let (scheme, colon) = if bytes.starts_with(b"sip:") {
        (Scheme::Sip, "sip".len())
    } else {
        let colon = bytes.iter().take(64).position(|&b| b == b':');
        match colon.and_then(|colon| Some((Scheme::named(&bytes[..colon])?, colon))) {
            Some(found) => found,
            None => return fail(UriErrorReason::Scheme, 0),
        }
    };
    let mut parts = Parts {
        scheme,
        scheme_len: colon as u32,
        user: ABSENT,
        password: ABSENT,
        host: ABSENT,
        port: None,
        params: ABSENT,
        headers: ABSENT,
    };
    let start = colon + 1;
    match scheme {
        Scheme::Tel => tel(bytes, start, &mut parts)?,
        Scheme::Other => {
            if let Some(i) = bytes[start..].iter().position(|&b| !text::is(b, URI)) {
                return fail(UriErrorReason::Character, start + i);
            }
        }
        Scheme::Sip | Scheme::Sips => sip(bytes, start, &mut parts)?,
    }
    Ok(parts)
}

fn sip(bytes: &[u8], start: usize, parts: &mut Parts) -> Result<(), UriError> {
    let fail = |reason, at| Err(UriError { reason, at });
    let mut at = start;
    // "@" cannot stand unescaped in host, parameters or headers, so the first one ends the user
    // part; without one, what looks like a user is the host.
    let user = text::escaped_end(bytes, start, USER);
    let end = match bytes.get(user) {
        Some(b'@') => Some(user),
        Some(_) => memchr::memchr(b'@', &bytes[user..]).map(|i| user + i),
        None => None,
    };
    if let Some(end) = end {
        if user == start || (user < end && bytes[user] != b':') {
            return fail(UriErrorReason::User, start);
        }
        parts.user = (start as u32, user as u32);
        if user < end {
            let password = &bytes[user + 1..end];
            if !text::is_escaped(password, USER)
                || password.iter().any(|b| matches!(b, b';' | b'?' | b'/'))
            {
                return fail(UriErrorReason::User, user + 1);
            }
            parts.password = ((user + 1) as u32, end as u32);
        }
        at = end + 1;
    }
    let host = host::span(&bytes[at..]).ok_or(UriError {
        reason: UriErrorReason::Host,
        at,
    })?;
    parts.host = (at as u32, (at + host) as u32);
    at += host;
    if bytes.get(at) == Some(&b':') {
        let (digits, number) = text::digits(&bytes[at + 1..]);
        match number.and_then(|n| u16::try_from(n).ok()) {
            Some(port) => parts.port = Some(port),
            None => return fail(UriErrorReason::Port, at + 1),
        }
        at += 1 + digits;
    }
    if bytes.get(at) == Some(&b';') {
        let end = params_end(bytes, at)?;
        parts.params = (at as u32, end as u32);
        at = end;
    }
    if bytes.get(at) == Some(&b'?') {
        params::check_headers(&bytes[at + 1..], HNV).map_err(|i| UriError {
            reason: UriErrorReason::Header,
            at: at + 1 + i,
        })?;
        parts.headers = ((at + 1) as u32, bytes.len() as u32);
        at = bytes.len();
    }
    if at != bytes.len() {
        fail(UriErrorReason::Host, at)
    } else {
        Ok(())
    }
}

/// ```text
/// telephone-subscriber = global-number / local-number
/// global-number        = "+" *phonedigit DIGIT *phonedigit *par
/// local-number         = *phonedigit-hex (HEXDIG / "*" / "#") *phonedigit-hex *par context *par
/// phonedigit           = DIGIT / [ visual-separator ]
/// visual-separator     = "-" / "." / "(" / ")"
/// ```
fn tel(bytes: &[u8], start: usize, parts: &mut Parts) -> Result<(), UriError> {
    let end = memchr::memchr(b';', &bytes[start..]).map_or(bytes.len(), |i| start + i);
    let number = &bytes[start..end];
    let separator = |b: &u8| matches!(b, b'-' | b'.' | b'(' | b')');
    let valid = match number.strip_prefix(b"+") {
        Some(global) => {
            global.iter().all(|b| b.is_ascii_digit() || separator(b))
                && global.iter().any(u8::is_ascii_digit)
        }
        None => {
            let digit = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b'*' | b'#');
            number.iter().all(|b| digit(b) || separator(b)) && number.iter().any(digit)
        }
    };
    if !valid {
        return Err(UriError {
            reason: UriErrorReason::Number,
            at: start,
        });
    }
    parts.user = (start as u32, end as u32);
    if end < bytes.len() {
        let behind = params_end(bytes, end)?;
        // A telephone number has no headers.
        if behind < bytes.len() {
            return Err(UriError {
                reason: UriErrorReason::Parameter,
                at: behind,
            });
        }
        parts.params = (end as u32, bytes.len() as u32);
    }
    Ok(())
}

fn params_end(bytes: &[u8], at: usize) -> Result<usize, UriError> {
    params::end(bytes, at, PARAM).map_err(|at| UriError {
        reason: UriErrorReason::Parameter,
        at,
    })
}

impl fmt::Display for UriRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for UriRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A URI that owns its text; cheap to clone.
///
/// ```
/// use sip_core::Uri;
/// let uri: Uri = "sip:alice@example.com".parse()?;
/// assert!(uri.equivalent(&"SIP:alice@EXAMPLE.com".parse()?));
/// # Ok::<(), sip_core::UriError>(())
/// ```
#[derive(Clone)]
pub struct Uri {
    bytes: Bytes,
    parts: Parts,
}

impl Uri {
    /// Parses a whole URI.
    pub fn parse(text: impl Into<Bytes>) -> Result<Uri, UriError> {
        let bytes = text.into();
        let parts = parse(&bytes)?;
        Ok(Uri { bytes, parts })
    }

    /// The same URI, borrowed.
    pub fn as_ref(&self) -> UriRef<'_> {
        UriRef {
            bytes: &self.bytes,
            parts: self.parts,
        }
    }

    /// The whole URI.
    pub fn as_str(&self) -> &str {
        str_of(&self.bytes)
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    /// The user part with its escapes as they are; for `tel:`, the number.
    pub fn user(&self) -> Option<&str> {
        self.as_ref().user()
    }

    /// The host; `None` for `tel:` and opaque URIs.
    pub fn host(&self) -> Option<Host<'_>> {
        self.as_ref().host()
    }

    /// The host as it was written.
    pub fn host_str(&self) -> Option<&str> {
        self.as_ref().host_str()
    }

    /// The port, where one is written.
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// One parameter; names compare without regard to case.
    pub fn param(&self, name: &str) -> Option<Param<'_>> {
        self.as_ref().param(name)
    }

    /// Whether the `lr` parameter is there.
    pub fn is_loose_router(&self) -> bool {
        self.as_ref().is_loose_router()
    }

    /// Whether both mean the same (RFC 3261 section 19.1.4); see [`UriRef::equivalent`].
    pub fn equivalent(&self, other: &Uri) -> bool {
        self.as_ref().equivalent(&other.as_ref())
    }
}

impl std::str::FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uri::parse(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Uri {
    /// Byte for byte; [`Uri::equivalent`] compares what they mean.
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Uri {}

impl std::hash::Hash for Uri {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}
