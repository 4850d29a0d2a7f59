use std::fmt;

use super::{HeaderError, HeaderErrorReason, TypedHeader, ascii};
use crate::message::HeaderName;
use crate::text;
use crate::uri::{Param, Params, check_generic};

macro_rules! references {
    ($($(#[$doc:meta])* $name:ident, $header:ident, $to:literal, $from:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name<'a> {
            call_id: &'a [u8],
            params: &'a [u8],
        }

        impl<'a> TypedHeader<'a> for $name<'a> {
            const NAME: HeaderName<'static> = HeaderName::$header;
            const LIST: bool = false;

            fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
                let (call_id, params) = reference(value, Self::NAME)?;
                for tag in [$to, $from] {
                    let found = Params::new(params).iter().filter(|p| p.name().eq_ignore_ascii_case(tag));
                    // Exactly one of each, and with a value.
                    if found.filter(|p| p.value().is_some()).count() != 1 {
                        return Err(HeaderError::new(Self::NAME, HeaderErrorReason::Parameter, call_id.len()));
                    }
                }
                Ok($name { call_id, params })
            }
        }

        impl<'a> $name<'a> {
            /// The dialog's Call-ID.
            pub fn call_id(&self) -> &'a str {
                ascii(self.call_id)
            }

            #[doc = concat!("The `", $to, "` parameter: the tag of whoever receives the header.")]
            pub fn to_tag(&self) -> &'a str {
                self.param($to).and_then(|p| p.value()).unwrap_or_default()
            }

            #[doc = concat!("The `", $from, "` parameter: the tag of the other side.")]
            pub fn from_tag(&self) -> &'a str {
                self.param($from).and_then(|p| p.value()).unwrap_or_default()
            }

            /// The parameters.
            pub fn params(&self) -> Params<'a> {
                Params::new(self.params)
            }

            /// One parameter.
            pub fn param(&self, name: &str) -> Option<Param<'a>> {
                self.params().get(name)
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", self.call_id(), self.params())
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

/// `callid *(SEMI param)`. A Call-ID ends at the first `;`, which it cannot hold.
fn reference<'a>(
    value: &'a [u8],
    name: HeaderName<'static>,
) -> Result<(&'a [u8], &'a [u8]), HeaderError> {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    let call_id = text::trim_end(&value[..end]);
    super::CallId::decode(call_id).map_err(|e| HeaderError { name, ..e })?;
    let params = &value[end..];
    check_generic(params)
        .map_err(|at| HeaderError::new(name, HeaderErrorReason::Parameter, end + at))?;
    Ok((call_id, params))
}

references! {
    /// The dialog that the new one takes the place of.
    ///
    /// ```text
    /// Replaces        =  "Replaces" HCOLON callid *(SEMI replaces-param)
    /// replaces-param  =  to-tag / from-tag / early-flag / generic-param
    /// ```
    ///
    /// RFC 3891 section 6.1.
    Replaces, REPLACES, "to-tag", "from-tag";
    /// The dialog that the new one joins.
    ///
    /// ```text
    /// Join        =  "Join" HCOLON callid *(SEMI join-param)
    /// join-param  =  to-tag / from-tag / generic-param
    /// ```
    ///
    /// RFC 3911 section 7.1.
    Join, JOIN, "to-tag", "from-tag";
    /// The dialog that a request outside it is about.
    ///
    /// ```text
    /// Target-Dialog  =  "Target-Dialog" HCOLON callid *(SEMI td-param)
    /// td-param       =  remote-param / local-param / generic-param
    /// ```
    ///
    /// RFC 4538 section 7.
    TargetDialog, TARGET_DIALOG, "local-tag", "remote-tag";
}

impl Replaces<'_> {
    /// Whether only an early dialog may be replaced (`early-only`).
    pub fn is_early_only(&self) -> bool {
        self.param("early-only").is_some()
    }
}
