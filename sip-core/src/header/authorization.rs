use std::borrow::Cow;
use std::fmt;

use super::digest::params::Params;
use super::digest::{Challenge, CredentialsRef, DigestParseError};
use super::{HeaderError, HeaderErrorReason, TypedHeader, ascii};
use crate::message::HeaderName;
use crate::text;

/// Walks `name=value, name=value` from byte `at` on to its end.
///
/// ```text
/// auth-param       =  auth-param-name EQUAL ( token / quoted-string )
/// auth-param-name  =  token
/// ```
fn params(value: &[u8], at: usize, name: HeaderName<'static>) -> Result<(), HeaderError> {
    let walk = || {
        let mut params = Params::bare(value, at)?;
        let mut count = 0;
        while params.next_param()?.is_some() {
            count += 1;
        }
        Ok(count)
    };
    match walk() {
        Ok(0) => Err(HeaderError::new(name, HeaderErrorReason::Empty, at)),
        Ok(_) => Ok(()),
        Err(DigestParseError { offset, .. }) => {
            Err(HeaderError::new(name, HeaderErrorReason::Parameter, offset))
        }
    }
}

/// The decoded value of one parameter.
fn get<'a>(value: &'a [u8], at: usize, wanted: &str) -> Option<Cow<'a, str>> {
    let mut params = Params::bare(value, at).ok()?;
    loop {
        let param = params.next_param().ok()??;
        if param.is(wanted) {
            return Some(param.value);
        }
    }
}

/// The scheme, and where what belongs to it starts.
fn scheme(value: &[u8], name: HeaderName<'static>) -> Result<(usize, usize), HeaderError> {
    let end = text::span(value, text::TOKEN);
    let rest = text::skip_ws(value, end);
    if end == 0 || rest == end || rest == value.len() {
        return Err(HeaderError::new(name, HeaderErrorReason::Grammar, end));
    }
    let token68 = || {
        let letter = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(b);
        let word = &value[rest..];
        let letters = word.iter().take_while(|b| letter(b)).count();
        letters > 0 && word[letters..].iter().all(|b| *b == b'=')
    };
    // One word is what RFC 7235 section 2.1 calls token68, such as the token behind `Bearer`.
    if value[..end].eq_ignore_ascii_case(b"Digest") || !token68() {
        params(value, rest, name)?;
    }
    Ok((end, rest))
}

macro_rules! authorization {
    ($($(#[$doc:meta])* $name:ident, $header:ident, $digest:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name<'a> {
            bytes: &'a [u8],
            scheme: &'a [u8],
            /// Where what belongs to the scheme starts.
            rest: usize,
        }

        impl<'a> TypedHeader<'a> for $name<'a> {
            const NAME: HeaderName<'static> = HeaderName::$header;
            /// The commas part parameters (RFC 3261 section 7.3.1).
            const LIST: bool = false;

            fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
                let (end, rest) = scheme(value, Self::NAME)?;
                Ok($name { bytes: value, scheme: &value[..end], rest })
            }
        }

        impl<'a> $name<'a> {
            /// `Digest`, `Bearer` or another, as it was written.
            pub fn scheme(&self) -> &'a str {
                ascii(self.scheme)
            }

            /// Whether the scheme is `Digest`.
            pub fn is_digest(&self) -> bool {
                self.scheme.eq_ignore_ascii_case(b"Digest")
            }

            /// What digest says with it.
            ///
            /// # Errors
            /// Another scheme, or what digest itself demands and is not there.
            pub fn digest(&self) -> Result<$digest, DigestParseError> {
                <$digest>::parse(self.bytes)
            }

            /// One parameter, quotes resolved.
            pub fn param(&self, name: &str) -> Option<Cow<'a, str>> {
                get(self.bytes, self.rest, name)
            }

            /// What stands behind the scheme.
            pub fn rest(&self) -> Cow<'a, str> {
                text::lossy(&self.bytes[self.rest..])
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&text::lossy(self.bytes))
            }
        }

        // What a password can be guessed from does not belong in a log.
        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} …", self.scheme())
            }
        }
    )*};
}

authorization! {
    /// Who the client is, to a user agent server or registrar.
    ///
    /// ```text
    /// Authorization   =  "Authorization" HCOLON credentials
    /// credentials     =  ("Digest" LWS digest-response) / other-response
    /// other-response  =  auth-scheme LWS auth-param *(COMMA auth-param)
    /// ```
    ///
    /// RFC 3261 section 20.7; [`digest`](Self::digest) reads the rest.
    Authorization, AUTHORIZATION, CredentialsRef<'a>;
    /// Who the client is, to a proxy.
    ///
    /// ```text
    /// Proxy-Authorization  =  "Proxy-Authorization" HCOLON credentials
    /// ```
    ///
    /// RFC 3261 section 20.28.
    ProxyAuthorization, PROXY_AUTHORIZATION, CredentialsRef<'a>;
    /// What a user agent server or registrar wants to know.
    ///
    /// ```text
    /// WWW-Authenticate  =  "WWW-Authenticate" HCOLON challenge
    /// challenge         =  ("Digest" LWS digest-cln *(COMMA digest-cln)) / other-challenge
    /// other-challenge   =  auth-scheme LWS auth-param *(COMMA auth-param)
    /// ```
    ///
    /// RFC 3261 section 20.44; [`digest`](Self::digest) reads the rest.
    WwwAuthenticate, WWW_AUTHENTICATE, Challenge;
    /// What a proxy wants to know.
    ///
    /// ```text
    /// Proxy-Authenticate  =  "Proxy-Authenticate" HCOLON challenge
    /// ```
    ///
    /// RFC 3261 section 20.27.
    ProxyAuthenticate, PROXY_AUTHENTICATE, Challenge;
}

/// What the server says after the client has shown who it is.
///
/// ```text
/// Authentication-Info  =  "Authentication-Info" HCOLON ainfo *(COMMA ainfo)
/// ainfo                =  nextnonce / message-qop / response-auth / cnonce / nonce-count
/// ```
///
/// RFC 3261 section 20.6.
#[derive(Clone, Copy)]
pub struct AuthenticationInfo<'a>(&'a [u8]);

impl<'a> TypedHeader<'a> for AuthenticationInfo<'a> {
    const NAME: HeaderName<'static> = HeaderName::AUTHENTICATION_INFO;
    const LIST: bool = false;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        params(value, 0, Self::NAME)?;
        Ok(AuthenticationInfo(value))
    }
}

impl<'a> AuthenticationInfo<'a> {
    /// The nonce to use from now on.
    pub fn next_nonce(&self) -> Option<Cow<'a, str>> {
        self.param("nextnonce")
    }

    /// What proves that the server knows the password too.
    pub fn response_auth(&self) -> Option<Cow<'a, str>> {
        self.param("rspauth")
    }

    /// One parameter, quotes resolved.
    pub fn param(&self, name: &str) -> Option<Cow<'a, str>> {
        get(self.0, 0, name)
    }
}

impl fmt::Display for AuthenticationInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::lossy(self.0))
    }
}

impl fmt::Debug for AuthenticationInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthenticationInfo")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_and_their_parameters() {
        let digest = Authorization::decode(
            b"digest username=\"bob, \\\"b\\\"\" , realm=\"a\",nonce=x,uri=sip:a@b,response=\"f\"",
        );
        let digest = digest.unwrap();
        assert!(digest.is_digest());
        assert_eq!(digest.param("USERNAME").as_deref(), Some("bob, \"b\""));
        assert_eq!(digest.param("uri").as_deref(), Some("sip:a@b"));
        assert_eq!(digest.digest().unwrap().realm, "a");
        let bearer = Authorization::decode(b"Bearer eyJ0.eyJp-_~+/x==").unwrap();
        assert_eq!(bearer.rest(), "eyJ0.eyJp-_~+/x==");
        assert!(bearer.digest().is_err());
        let challenge = WwwAuthenticate::decode(b"Digest realm=\"a\", nonce=\"b\"").unwrap();
        assert_eq!(challenge.digest().unwrap().nonce, "b");
        let info = AuthenticationInfo::decode(b"nextnonce=\"47364c23432d\", nc=00000001").unwrap();
        assert_eq!(info.next_nonce().as_deref(), Some("47364c23432d"));
        assert_eq!(info.response_auth(), None);
    }

    #[test]
    fn what_is_not_their_grammar() {
        for bad in [
            "",
            "Digest",
            "Digest ",
            "Digest realm=\"a",
            "Digest realm=\"a\" nonce=\"b\"",
            "Digest ,",
            "Digest realm=\"a\", b",
            "Digest =a",
            "Digest realm=",
            "Digest a b",
            "\"Digest\" realm=\"a\"",
        ] {
            assert!(Authorization::decode(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(AuthenticationInfo::decode(b"nextnonce").is_err());
    }
}
