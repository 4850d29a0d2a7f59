use std::fmt;

use super::{HeaderError, HeaderErrorReason, TypedHeader, ascii};
use crate::message::{HeaderName, Method};
use crate::text;

macro_rules! tokens {
    ($($(#[$doc:meta])* $name:ident, $header:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $name<'a>(&'a [u8]);

        impl<'a> TypedHeader<'a> for $name<'a> {
            const NAME: HeaderName<'static> = HeaderName::$header;
            const LIST: bool = true;

            fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
                if text::is_token(value) {
                    Ok($name(value))
                } else {
                    Err(HeaderError::new(Self::NAME, HeaderErrorReason::Grammar, text::span(value, text::TOKEN)))
                }
            }
        }

        impl<'a> $name<'a> {
            /// The token.
            pub fn as_str(&self) -> &'a str {
                ascii(self.0)
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

tokens! {
    /// One method. `Allow = "Allow" HCOLON [Method *(COMMA Method)]` (RFC 3261 section 20.5)
    Allow, ALLOW;
    /// One option tag. `Supported = ( "Supported" / "k" ) HCOLON [option-tag *(COMMA option-tag)]` (RFC 3261 section 20.37)
    Supported, SUPPORTED;
    /// One option tag. `Require = "Require" HCOLON option-tag *(COMMA option-tag)` (RFC 3261 section 20.32)
    Require, REQUIRE;
    /// One option tag. `Proxy-Require = "Proxy-Require" HCOLON option-tag *(COMMA option-tag)` (RFC 3261 section 20.29)
    ProxyRequire, PROXY_REQUIRE;
    /// One option tag. `Unsupported = "Unsupported" HCOLON option-tag *(COMMA option-tag)` (RFC 3261 section 20.40)
    Unsupported, UNSUPPORTED;
    /// One event package. `Allow-Events = ( "Allow-Events" / "u" ) HCOLON event-type *(COMMA event-type)` (RFC 6665 section 8.2.2)
    AllowEvents, ALLOW_EVENTS;
}

impl Allow<'_> {
    /// The method.
    pub fn method(&self) -> Method {
        // The decoder has checked that the bytes are a token.
        Method::from_bytes(self.0).unwrap_or(Method::Options)
    }
}
