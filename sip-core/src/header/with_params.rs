//! Headers that are one word with parameters.

use std::borrow::Cow;
use std::fmt;

use super::{HeaderError, HeaderErrorReason, TypedHeader, ascii, qvalue};
use crate::message::HeaderName;
use crate::text;
use crate::uri::{Param, Params, check_generic};

/// The first word of `value`, of `class`, and its parameters.
pub(super) fn word<'a>(
    value: &'a [u8],
    class: u16,
    name: HeaderName<'static>,
) -> Result<(&'a [u8], &'a [u8]), HeaderError> {
    let len = text::span(value, class);
    if len == 0 {
        return Err(HeaderError::new(name, HeaderErrorReason::Grammar, 0));
    }
    let params = &value[len..];
    check_generic(params)
        .map_err(|at| HeaderError::new(name, HeaderErrorReason::Parameter, len + at))?;
    Ok((&value[..len], params))
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident, $header:ident, list: $list:literal, $(#[$get_doc:meta])* $get:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name<'a> {
            word: &'a [u8],
            params: &'a [u8],
        }

        impl<'a> TypedHeader<'a> for $name<'a> {
            const NAME: HeaderName<'static> = HeaderName::$header;
            const LIST: bool = $list;

            fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
                let (word, params) = word(value, text::TOKEN, Self::NAME)?;
                Ok($name { word, params })
            }
        }

        impl<'a> $name<'a> {
            $(#[$get_doc])*
            pub fn $get(&self) -> &'a str {
                ascii(self.word)
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
                write!(f, "{}{}", self.$get(), self.params())
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}
words! {
    /// What a body is for: `session`, `render`, `early-session`, …
    ///
    /// ```text
    /// Content-Disposition  =  "Content-Disposition" HCOLON disp-type *( SEMI disp-param )
    /// disp-param           =  handling-param / generic-param
    /// ```
    ///
    /// RFC 3261 section 20.11.
    ContentDisposition, CONTENT_DISPOSITION, list: false, /// `session`, `render`, …
    disposition;
    /// One content coding. `Content-Encoding = ( "Content-Encoding" / "e" ) HCOLON content-coding *(COMMA content-coding)`
    /// (RFC 3261 section 20.12)
    ContentEncoding, CONTENT_ENCODING, list: true, /// The coding.
    coding;
    /// One coding that the sender takes.
    ///
    /// ```text
    /// Accept-Encoding  =  "Accept-Encoding" HCOLON [ encoding *(COMMA encoding) ]
    /// encoding         =  codings *(SEMI accept-param)
    /// codings          =  content-coding / "*"
    /// ```
    ///
    /// RFC 3261 section 20.2.
    AcceptEncoding, ACCEPT_ENCODING, list: true, /// The coding, or `*`.
    coding;
    /// One language of the body.
    ///
    /// ```text
    /// Content-Language  =  "Content-Language" HCOLON language-tag *(COMMA language-tag)
    /// language-tag      =  primary-tag *( "-" subtag )
    /// ```
    ///
    /// RFC 3261 section 20.13.
    ContentLanguage, CONTENT_LANGUAGE, list: true, /// The language tag.
    language;
    /// One language that the sender takes.
    ///
    /// ```text
    /// Accept-Language  =  "Accept-Language" HCOLON [ language *(COMMA language) ]
    /// language         =  language-range *(SEMI accept-param)
    /// language-range   =  ( ( 1*8ALPHA *( "-" 1*8ALPHA ) ) / "*" )
    /// ```
    ///
    /// RFC 3261 section 20.3.
    AcceptLanguage, ACCEPT_LANGUAGE, list: true, /// The language range.
    language;
    /// Which events are subscribed to or reported.
    ///
    /// ```text
    /// Event       =  ( "Event" / "o" ) HCOLON event-type *( SEMI event-param )
    /// event-type  =  event-package *( "." event-template )
    /// ```
    ///
    /// RFC 6665 section 8.4.
    Event, EVENT, list: false, /// The package with its templates, such as `presence.winfo`.
    package;
    /// Whether a subscription lives.
    ///
    /// ```text
    /// Subscription-State  =  "Subscription-State" HCOLON substate-value *( SEMI subexp-params )
    /// substate-value      =  "active" / "pending" / "terminated" / extension-substate
    /// ```
    ///
    /// RFC 6665 section 8.4.
    SubscriptionState, SUBSCRIPTION_STATE, list: false, /// `active`, `pending`, `terminated` or an extension.
    state;
    /// Why something ended or was sent elsewhere.
    ///
    /// ```text
    /// Reason        =  "Reason" HCOLON reason-value *(COMMA reason-value)
    /// reason-value  =  protocol *(SEMI reason-params)
    /// protocol      =  "SIP" / "Q.850" / token
    /// ```
    ///
    /// RFC 3326.
    Reason, REASON, list: true, /// `SIP`, `Q.850` or another.
    protocol;
    /// One Info package that the sender takes.
    ///
    /// ```text
    /// Recv-Info          =  "Recv-Info" HCOLON [Info-package-list]
    /// Info-package-list  =  Info-package-type *( COMMA Info-package-type )
    /// Info-package-type  =  Info-package-name *( SEMI Info-package-param )
    /// ```
    ///
    /// RFC 6086 section 9.
    RecvInfo, RECV_INFO, list: true, /// The package.
    package;
    /// The Info package of an INFO.
    ///
    /// ```text
    /// Info-Package       =  "Info-Package" HCOLON Info-package-type
    /// Info-package-type  =  Info-package-name *( SEMI Info-package-param )
    /// ```
    ///
    /// RFC 6086 section 9.
    InfoPackage, INFO_PACKAGE, list: false, /// The package.
    package;
    /// One security mechanism of the client.
    ///
    /// ```text
    /// security-client  =  "Security-Client" HCOLON sec-mechanism *(COMMA sec-mechanism)
    /// sec-mechanism    =  mechanism-name *(SEMI mech-parameters)
    /// ```
    ///
    /// RFC 3329 section 2.2.
    SecurityClient, SECURITY_CLIENT, list: true, /// `tls`, `digest`, `ipsec-3gpp`, …
    mechanism;
    /// One security mechanism of the server.
    ///
    /// ```text
    /// security-server  =  "Security-Server" HCOLON sec-mechanism *(COMMA sec-mechanism)
    /// ```
    ///
    /// RFC 3329 section 2.2.
    SecurityServer, SECURITY_SERVER, list: true, /// `tls`, `digest`, `ipsec-3gpp`, …
    mechanism;
    /// One security mechanism of the server, said back to it.
    ///
    /// ```text
    /// security-verify  =  "Security-Verify" HCOLON sec-mechanism *(COMMA sec-mechanism)
    /// ```
    ///
    /// RFC 3329 section 2.2.
    SecurityVerify, SECURITY_VERIFY, list: true, /// `tls`, `digest`, `ipsec-3gpp`, …
    mechanism;
}

impl AcceptEncoding<'_> {
    /// How much it is wanted, in thousandths; 1000 where nothing is said.
    pub fn q(&self) -> u16 {
        self.param("q")
            .and_then(|p| qvalue(p.value_bytes()?))
            .unwrap_or(1000)
    }
}

impl AcceptLanguage<'_> {
    /// How much it is wanted, in thousandths; 1000 where nothing is said.
    pub fn q(&self) -> u16 {
        self.param("q")
            .and_then(|p| qvalue(p.value_bytes()?))
            .unwrap_or(1000)
    }
}

impl ContentDisposition<'_> {
    /// Whether a receiver that does not understand the body may go on (`handling=optional`).
    pub fn is_optional(&self) -> bool {
        self.param("handling")
            .and_then(|p| p.value())
            .is_some_and(|v| v.eq_ignore_ascii_case("optional"))
    }
}

impl<'a> Event<'a> {
    /// The `id` parameter, which tells subscriptions of one dialog apart.
    pub fn id(&self) -> Option<&'a str> {
        self.param("id").and_then(|p| p.value())
    }
}

impl<'a> SubscriptionState<'a> {
    /// Whether the subscription is over.
    pub fn is_terminated(&self) -> bool {
        self.state().eq_ignore_ascii_case("terminated")
    }

    /// Seconds left.
    pub fn expires(&self) -> Option<u32> {
        self.param("expires")
            .and_then(|p| text::decimal(p.value_bytes()?))
    }

    /// Why it is over: `deactivated`, `probation`, `rejected`, `timeout`, `giveup`, `noresource`, `invariant`.
    pub fn reason(&self) -> Option<&'a str> {
        self.param("reason").and_then(|p| p.value())
    }

    /// Seconds to wait before subscribing again.
    pub fn retry_after(&self) -> Option<u32> {
        self.param("retry-after")
            .and_then(|p| text::decimal(p.value_bytes()?))
    }
}

impl<'a> Reason<'a> {
    /// The `cause` parameter: a SIP status, or a Q.850 cause value.
    pub fn cause(&self) -> Option<u32> {
        self.param("cause")
            .and_then(|p| text::decimal(p.value_bytes()?))
    }

    /// The `text` parameter without its quotes.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        self.param("text").and_then(|p| p.decoded())
    }
}
