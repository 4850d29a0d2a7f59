//! Headers whose value is one opaque piece of text, some with parameters.

use std::borrow::Cow;
use std::fmt;

use super::{HeaderError, HeaderErrorReason, TypedHeader, ascii};
use crate::message::HeaderName;
use crate::text;
use crate::uri::{Param, Params, check_generic};

/// A signature over the request, or a pointer into one.
///
/// ```text
/// Identity                =  "Identity" HCOLON signed-identity-digest *( SEMI ident-info-params )
/// signed-identity-digest  =  1*(base64-char / ".")
/// ident-info              =  "info" EQUAL ident-info-uri
/// ident-info-uri          =  LAQUOT absoluteURI RAQUOT
/// ```
///
/// RFC 8224 section 4; the quoted form of RFC 4474 is read too.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// As it was written, with its quotes if it has any.
    quoted: &'a [u8],
    digest: &'a [u8],
    params: &'a [u8],
}

impl<'a> TypedHeader<'a> for Identity<'a> {
    const NAME: HeaderName<'static> = HeaderName::IDENTITY;
    const LIST: bool = true;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        let error = |reason, at| Err(HeaderError::new(Self::NAME, reason, at));
        let base64 = |b: u8| {
            b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'.' | b'-' | b'_')
        };
        let end = if value.first() == Some(&b'"') {
            match text::quoted_end(value, 0) {
                Some(end) => end,
                None => return error(HeaderErrorReason::Unclosed, 0),
            }
        } else {
            value.iter().take_while(|&&b| base64(b)).count()
        };
        let digest = match value[..end] {
            [b'"', .., b'"'] => text::trim(&value[1..end - 1]),
            _ => &value[..end],
        };
        if digest.is_empty() || !digest.iter().all(|&b| base64(b) || text::is_ws(b)) {
            return error(HeaderErrorReason::Grammar, 0);
        }
        let params = &value[end..];
        // `info=<uri>` is not a generic parameter, so the rest is only checked for its start.
        let at = text::skip_ws(params, 0);
        if at < params.len() && params[at] != b';' {
            return error(HeaderErrorReason::Parameter, end + at);
        }
        Ok(Identity {
            quoted: &value[..end],
            digest,
            params,
        })
    }
}

impl<'a> Identity<'a> {
    /// The signed digest: a PASSporT, full or compact (RFC 8225).
    pub fn digest(&self) -> &'a str {
        ascii(self.digest)
    }

    /// Where the certificate is, without the angle brackets.
    pub fn info(&self) -> Option<&'a str> {
        self.param("info")?
            .value()
            .map(|v| v.trim_start_matches('<').trim_end_matches('>'))
    }

    /// The signature's algorithm.
    pub fn alg(&self) -> Option<&'a str> {
        self.param("alg")?.value()
    }

    /// The kind of PASSporT: `shaken`, …
    pub fn ppt(&self) -> Option<Cow<'a, str>> {
        self.param("ppt")?.decoded()
    }

    fn param(&self, name: &str) -> Option<Param<'a>> {
        Params::new(self.params).get(name)
    }
}

impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}",
            text::lossy(self.quoted),
            Params::new(self.params)
        )
    }
}

/// Data that one user hands to the other.
///
/// ```text
/// UUI        =  "User-to-User" HCOLON uui-value *(COMMA uui-value)
/// uui-value  =  uui-data *(SEMI uui-param)
/// uui-data   =  token / quoted-string
/// ```
///
/// RFC 7433 section 4.
#[derive(Clone, Copy, Debug)]
pub struct UserToUser<'a> {
    data: &'a [u8],
    params: &'a [u8],
}

impl<'a> TypedHeader<'a> for UserToUser<'a> {
    const NAME: HeaderName<'static> = HeaderName::USER_TO_USER;
    const LIST: bool = true;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        let error = |reason, at| HeaderError::new(Self::NAME, reason, at);
        let end = match value.first() {
            Some(b'"') => {
                text::quoted_end(value, 0).ok_or(error(HeaderErrorReason::Unclosed, 0))?
            }
            _ => text::span(value, text::TOKEN),
        };
        if end == 0 {
            return Err(error(HeaderErrorReason::Grammar, 0));
        }
        check_generic(&value[end..]).map_err(|at| error(HeaderErrorReason::Parameter, end + at))?;
        Ok(UserToUser {
            data: &value[..end],
            params: &value[end..],
        })
    }
}

impl<'a> UserToUser<'a> {
    /// The data without its quotes, still in its `encoding`.
    pub fn data(&self) -> Cow<'a, str> {
        match self.data.first() {
            Some(b'"') => Cow::Owned(text::lossy(&text::unquote(self.data)).into_owned()),
            _ => text::lossy(self.data),
        }
    }

    /// The bytes of hexadecimal data; `None` when the encoding is another, or not what it says.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        if !self.encoding().eq_ignore_ascii_case("hex") {
            return None;
        }
        let data = self.data();
        let digits = data.as_bytes();
        if !digits.len().is_multiple_of(2) {
            return None;
        }
        digits
            .chunks(2)
            .map(|pair| Some(text::hex(pair[0])? << 4 | text::hex(pair[1])?))
            .collect()
    }

    /// The encoding; `hex` where nothing is said (RFC 7433 section 4.1).
    pub fn encoding(&self) -> &'a str {
        self.param("encoding")
            .and_then(|p| p.value())
            .unwrap_or("hex")
    }

    /// What the data is for.
    pub fn purpose(&self) -> Option<&'a str> {
        self.param("purpose").and_then(|p| p.value())
    }

    /// One parameter.
    pub fn param(&self, name: &str) -> Option<Param<'a>> {
        Params::new(self.params).get(name)
    }
}

impl fmt::Display for UserToUser<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", text::lossy(self.data), Params::new(self.params))
    }
}

/// An identifier that stays the same through B2BUAs.
///
/// ```text
/// session-id        =  "Session-ID" HCOLON session-id-value
/// session-id-value  =  local-uuid *(SEMI sess-id-param)
/// local-uuid        =  sess-uuid / null
/// sess-uuid         =  32(DIGIT / %x61-66)
/// remote-param      =  "remote" EQUAL remote-uuid
/// ```
///
/// RFC 7989 section 5.
#[derive(Clone, Copy, Debug)]
pub struct SessionId<'a> {
    local: &'a [u8],
    params: &'a [u8],
}

impl<'a> TypedHeader<'a> for SessionId<'a> {
    const NAME: HeaderName<'static> = HeaderName::SESSION_ID;
    const LIST: bool = false;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        let error = |reason, at| HeaderError::new(Self::NAME, reason, at);
        let uuid = |bytes: &[u8]| bytes.len() == 32 && bytes.iter().all(u8::is_ascii_hexdigit);
        let end = text::span(value, text::TOKEN);
        if !uuid(&value[..end]) {
            return Err(error(HeaderErrorReason::Grammar, 0));
        }
        check_generic(&value[end..]).map_err(|at| error(HeaderErrorReason::Parameter, end + at))?;
        let id = SessionId {
            local: &value[..end],
            params: &value[end..],
        };
        match Params::new(id.params).get("remote") {
            Some(remote) if !remote.value_bytes().is_some_and(uuid) => {
                Err(error(HeaderErrorReason::Parameter, end))
            }
            _ => Ok(id),
        }
    }
}

impl<'a> SessionId<'a> {
    /// The sender's identifier: 32 hexadecimal digits.
    pub fn local(&self) -> &'a str {
        ascii(self.local)
    }

    /// The receiver's identifier, as far as the sender knows it.
    pub fn remote(&self) -> Option<&'a str> {
        Params::new(self.params)
            .get("remote")
            .and_then(|p| p.value())
    }
}

impl fmt::Display for SessionId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.local(), Params::new(self.params))
    }
}

macro_rules! infos {
    ($($(#[$doc:meta])* $name:ident, $header:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name<'a> {
            uri: &'a [u8],
            params: &'a [u8],
        }

        impl<'a> TypedHeader<'a> for $name<'a> {
            const NAME: HeaderName<'static> = HeaderName::$header;
            const LIST: bool = true;

            fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
                let error = |reason, at| HeaderError::new(Self::NAME, reason, at);
                if value.first() != Some(&b'<') {
                    return Err(error(HeaderErrorReason::Grammar, 0));
                }
                let end = memchr::memchr(b'>', value).ok_or(error(HeaderErrorReason::Unclosed, 0))?;
                let params = &value[end + 1..];
                check_generic(params).map_err(|at| error(HeaderErrorReason::Parameter, end + 1 + at))?;
                Ok($name { uri: &value[1..end], params })
            }
        }

        impl<'a> $name<'a> {
            /// The URI as it stands.
            pub fn uri(&self) -> Cow<'a, str> {
                text::lossy(self.uri)
            }

            /// One parameter.
            pub fn param(&self, name: &str) -> Option<Param<'a>> {
                Params::new(self.params).get(name)
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "<{}>{}", self.uri(), Params::new(self.params))
            }
        }
    )*};
}

infos! {
    /// A ring tone.
    ///
    /// ```text
    /// Alert-Info   =  "Alert-Info" HCOLON alert-param *(COMMA alert-param)
    /// alert-param  =  LAQUOT absoluteURI RAQUOT *( SEMI generic-param )
    /// ```
    ///
    /// RFC 3261 section 20.4.
    AlertInfo, ALERT_INFO;
    /// More about the caller or callee.
    ///
    /// ```text
    /// Call-Info   =  "Call-Info" HCOLON info *(COMMA info)
    /// info        =  LAQUOT absoluteURI RAQUOT *( SEMI info-param)
    /// info-param  =  ( "purpose" EQUAL ( "icon" / "info" / "card" / token ) ) / generic-param
    /// ```
    ///
    /// RFC 3261 section 20.9.
    CallInfo, CALL_INFO;
    /// More about an error.
    ///
    /// ```text
    /// Error-Info  =  "Error-Info" HCOLON error-uri *(COMMA error-uri)
    /// error-uri   =  LAQUOT absoluteURI RAQUOT *( SEMI generic-param )
    /// ```
    ///
    /// RFC 3261 section 20.18.
    ErrorInfo, ERROR_INFO;
}
