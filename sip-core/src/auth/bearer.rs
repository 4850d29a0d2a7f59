//! Bearer tokens (RFC 8898): the door for tokens that say by themselves who may do what.
//!
//! What a token means is not this crate's to know: here it is text, taken out of a request or put into one.

use core::fmt;

use crate::header::digest::params::Params;
use crate::header::digest::{DigestParseError, DigestParseErrorKind, Quoted};

/// The token of an `Authorization` or `Proxy-Authorization` header field value, `None` when it is none.
///
/// ```abnf
/// credentials     =/ "Bearer" LWS bearer-response
/// bearer-response =  token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
/// ```
///
/// To send one, write `Bearer ` and the token. It goes over TLS only (RFC 8898 section 5): whoever reads it has it.
///
/// ```
/// use sip_core::auth::bearer_token;
///
/// assert_eq!(bearer_token(b"bearer  eyJh.bGci.OiJI"), Some("eyJh.bGci.OiJI"));
/// assert_eq!(bearer_token(b"Digest username=\"bob\""), None);
/// ```
#[must_use]
pub fn bearer_token(value: &[u8]) -> Option<&str> {
    let text = core::str::from_utf8(value)
        .ok()?
        .trim_matches([' ', '\t', '\r', '\n']);
    let (scheme, token) = text.split_once([' ', '\t', '\r'])?;
    let token = token.trim_start_matches([' ', '\t', '\r', '\n']);
    let body = token.trim_end_matches('=');
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
    };
    (scheme.eq_ignore_ascii_case("Bearer") && !body.is_empty() && body.bytes().all(plain))
        .then_some(token)
}

/// Why a token was refused (RFC 6750 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BearerError {
    /// The request is malformed. Answer 400.
    InvalidRequest,
    /// Expired, revoked, forged, or for someone else. Answer 401 or 407.
    InvalidToken,
    /// A good token that does not allow this. Answer 403.
    InsufficientScope,
}

impl BearerError {
    /// The word on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }
}

impl fmt::Display for BearerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A challenge that asks for a token, beside or instead of digest's.
///
/// `Display` writes the header field value; control characters in a value become spaces.
///
/// ```
/// use sip_core::auth::{BearerChallenge, BearerError};
///
/// let mut challenge = BearerChallenge::new("example.com", "https://auth.example.com");
/// challenge.error = Some(BearerError::InvalidToken);
/// let text = challenge.to_string();
/// assert_eq!(
///     text,
///     r#"Bearer realm="example.com", authz_server="https://auth.example.com", error="invalid_token""#
/// );
/// assert_eq!(BearerChallenge::parse(text.as_bytes())?, challenge);
/// # Ok::<(), sip_core::header::digest::DigestParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BearerChallenge {
    /// Whom the token is for.
    pub realm: String,
    /// Where tokens are given out, an `https` URI.
    pub authz_server: String,
    /// What the token must allow, words separated by spaces.
    pub scope: Option<String>,
    /// Why the token of the request was refused; `None` when it had none, or for a reason not named in RFC 6750.
    pub error: Option<BearerError>,
}

impl BearerChallenge {
    /// A challenge for a request without a token.
    pub fn new(realm: impl Into<String>, authz_server: impl Into<String>) -> Self {
        Self {
            realm: realm.into(),
            authz_server: authz_server.into(),
            scope: None,
            error: None,
        }
    }

    /// Reads a header field value.
    ///
    /// ```abnf
    /// challenge  =/ "Bearer" LWS bearer-cln *(COMMA bearer-cln)
    /// bearer-cln =  realm / scope-param / authz-server-param / error-param / auth-param
    /// ```
    ///
    /// # Errors
    ///
    /// [`DigestParseError`]: another scheme, or what is wrong and at which byte.
    pub fn parse(value: &[u8]) -> Result<Self, DigestParseError> {
        let (mut realm, mut authz_server, mut scope, mut error) = (None, None, None, None);
        let mut params = Params::new(value, b"Bearer")?;
        while let Some(param) = params.next_param()? {
            match &*param.lower_name() {
                "realm" => param.store(&mut realm)?,
                "authz_server" => param.store(&mut authz_server)?,
                "scope" => param.store(&mut scope)?,
                "error" => param.store(&mut error)?,
                _ => {}
            }
        }
        let missing = |name| params.error(DigestParseErrorKind::Missing(name));
        let errors = [
            BearerError::InvalidRequest,
            BearerError::InvalidToken,
            BearerError::InsufficientScope,
        ];
        Ok(Self {
            realm: realm.ok_or_else(|| missing("realm"))?.into_owned(),
            authz_server: authz_server
                .ok_or_else(|| missing("authz_server"))?
                .into_owned(),
            scope: scope.map(|scope| scope.into_owned()),
            error: error.and_then(|name| errors.into_iter().find(|error| error.name() == name)),
        })
    }
}

impl fmt::Display for BearerChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Bearer realm={}, authz_server={}",
            Quoted(&self.realm),
            Quoted(&self.authz_server)
        )?;
        if let Some(scope) = &self.scope {
            write!(f, ", scope={}", Quoted(scope))?;
        }
        if let Some(error) = self.error {
            write!(f, ", error=\"{error}\"")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_token_and_nothing_else() {
        let table: &[(&[u8], Option<&str>)] = &[
            (b"Bearer abc.def-_~+/==", Some("abc.def-_~+/==")),
            (b" BEARER\tx ", Some("x")),
            (b"Bearer\r\n x", Some("x")),
            (b"Bearer", None),
            (b"Bearer ", None),
            (b"Bearer =", None),
            (b"Bearer a b", None),
            (b"Bearer a=b", None),
            (b"Bearer a,b", None),
            (b"Bearer a\r\nX: y", None),
            (b"Bearerx y", None),
            (b"Bearer \xff", None),
            (b"Digest a", None),
        ];
        for (value, expected) in table {
            assert_eq!(bearer_token(value), *expected, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn challenges_survive_the_wire_and_wrong_ones_say_why() {
        let mut challenge = BearerChallenge::new("a \"b\" \\", "https://x.example");
        challenge.scope = Some("call register".into());
        for error in [
            None,
            Some(BearerError::InvalidRequest),
            Some(BearerError::InsufficientScope),
        ] {
            challenge.error = error;
            assert_eq!(
                BearerChallenge::parse(challenge.to_string().as_bytes()),
                Ok(challenge.clone())
            );
        }
        let kind = |value: &[u8]| BearerChallenge::parse(value).map_err(|error| error.kind);
        assert_eq!(
            kind(b"Digest realm=r"),
            Err(DigestParseErrorKind::OtherScheme)
        );
        assert_eq!(
            kind(b"Bearer authz_server=x"),
            Err(DigestParseErrorKind::Missing("realm"))
        );
        assert_eq!(
            kind(b"Bearer realm=r"),
            Err(DigestParseErrorKind::Missing("authz_server"))
        );
        assert_eq!(
            kind(b"Bearer realm=r, realm=r"),
            Err(DigestParseErrorKind::Duplicate)
        );
        let other = kind(b"Bearer realm=r, authz_server=x, error=\"new\", y=z").unwrap();
        assert_eq!(other.error, None);
    }
}
