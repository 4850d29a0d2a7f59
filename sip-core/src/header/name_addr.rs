use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Deref;

use bytes::Bytes;

use super::{HeaderError, HeaderErrorReason, TypedHeader};
use crate::message::{BuildError, HeaderName};
use crate::text;
use crate::uri::{Param, Params, Uri, UriError, UriRef, walk_generic};

/// A URI with an optional display name and parameters.
///
/// ```text
/// from-spec     =  ( name-addr / addr-spec ) *( SEMI from-param )
/// name-addr     =  [ display-name ] LAQUOT addr-spec RAQUOT
/// addr-spec     =  SIP-URI / SIPS-URI / absoluteURI
/// display-name  =  *(token LWS)/ quoted-string
/// ```
///
/// Without angle brackets, what follows a `;`, `,` or `?` belongs to the header, not to the URI
/// (RFC 3261 section 20.10).
#[derive(Clone, Copy)]
pub struct NameAddrRef<'a> {
    bytes: &'a [u8],
    display: &'a [u8],
    uri: &'a [u8],
    uri_at: usize,
    params: &'a [u8],
    /// The `tag` parameter, empty without one.
    tag: &'a [u8],
}

impl<'a> NameAddrRef<'a> {
    /// Parses one address; the errors name the header `Contact`.
    pub fn parse(value: &'a [u8]) -> Result<Self, HeaderError> {
        decode(value, HeaderName::CONTACT)
    }

    /// The display name with its quotes and escapes resolved; `None` without one, or when it is empty.
    pub fn display_name(&self) -> Option<Cow<'a, str>> {
        match self.display.first()? {
            b'"' => {
                let inner = text::unquote(self.display);
                (!inner.is_empty()).then(|| Cow::Owned(text::lossy(&inner).into_owned()))
            }
            _ => Some(text::lossy(self.display)),
        }
    }

    /// The URI.
    pub fn uri(&self) -> Result<UriRef<'a>, UriError> {
        UriRef::parse(self.uri)
    }

    /// The URI as it stands.
    pub fn uri_bytes(&self) -> &'a [u8] {
        self.uri
    }

    /// Where the URI starts in the value.
    pub(crate) fn uri_offset(&self) -> usize {
        self.uri_at
    }

    /// The parameters of the header (not of the URI).
    pub fn params(&self) -> Params<'a> {
        Params::new(self.params)
    }

    /// One parameter of the header.
    pub fn param(&self, name: &str) -> Option<Param<'a>> {
        self.params().get(name)
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&'a str> {
        if self.tag.is_empty() {
            None
        } else {
            std::str::from_utf8(self.tag).ok()
        }
    }

    /// The whole value as it stands.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// An address with bytes of its own.
    pub fn to_name_addr(&self) -> NameAddr {
        NameAddr {
            bytes: Bytes::copy_from_slice(self.bytes),
        }
    }
}

/// Where the unquoted words of a display name end, `*(token LWS)`. Bytes beyond ASCII are let through.
fn words_end(value: &[u8], mut at: usize) -> usize {
    loop {
        at += text::span(&value[at..], text::TOKEN);
        match value.get(at) {
            Some(b) if text::is_ws(*b) || !b.is_ascii() => at += 1,
            _ => return at,
        }
    }
}

fn decode<'a>(value: &'a [u8], name: HeaderName<'static>) -> Result<NameAddrRef<'a>, HeaderError> {
    use HeaderErrorReason::*;
    let fail = |reason, at| HeaderError::new(name, reason, at);
    let error = |reason, at| Err(fail(reason, at));
    let mut display: &[u8] = &[];
    let start = text::skip_ws(value, 0);
    let mut open = None;
    match value.get(start) {
        None => return error(Empty, 0),
        Some(b'"') => {
            let Some(end) = text::quoted_end(value, start) else {
                return error(Unclosed, start);
            };
            display = &value[start..end];
            let at = text::skip_ws(value, end);
            if value.get(at) != Some(&b'<') {
                return error(Grammar, at);
            }
            open = Some(at);
        }
        Some(b'<') => open = Some(start),
        Some(_) => {
            let end = words_end(value, start);
            if value.get(end) == Some(&b'<') {
                display = text::trim_end(&value[start..end]);
                open = Some(end);
            } else if let Some(i) = memchr::memchr2(b'<', b';', &value[end..])
                && value[end + i] == b'<'
            {
                // What is no word needs quotes.
                return error(Grammar, end);
            }
        }
    }
    let (uri_at, uri, rest) = match open {
        Some(open) => {
            let Some(len) = memchr::memchr(b'>', &value[open..]) else {
                return error(Unclosed, open);
            };
            (open + 1, &value[open + 1..open + len], open + len + 1)
        }
        None => {
            let len =
                memchr::memchr3(b';', b',', b'?', &value[start..]).unwrap_or(value.len() - start);
            (
                start,
                text::trim_end(&value[start..start + len]),
                start + len,
            )
        }
    };
    if uri.is_empty() {
        return error(Uri, uri_at);
    }
    let params = &value[rest..];
    let mut tag: &[u8] = &[];
    walk_generic(params, false, |name, value| {
        if name.len() == 3 && tag.is_empty() && name.eq_ignore_ascii_case(b"tag") {
            tag = value;
        }
    })
    .map_err(|at| fail(Parameter, rest + at))?;
    Ok(NameAddrRef {
        bytes: value,
        display,
        uri,
        uri_at,
        params,
        tag,
    })
}

impl fmt::Display for NameAddrRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::lossy(self.bytes))
    }
}

impl fmt::Debug for NameAddrRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::lossy(self.bytes))
    }
}

/// An address that owns its text: to keep a dialog's identity, or to build a header.
///
/// ```
/// use sip_core::header::NameAddr;
/// let from = NameAddr::new(&"sip:alice@example.com".parse()?).with_display_name("Alice \"A\"")?.with_tag("1928")?;
/// assert_eq!(from.to_string(), r#""Alice \"A\"" <sip:alice@example.com>;tag=1928"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NameAddr {
    bytes: Bytes,
}

impl NameAddr {
    /// `<uri>`
    pub fn new(uri: &Uri) -> NameAddr {
        NameAddr {
            bytes: Bytes::from(format!("<{uri}>")),
        }
    }

    /// Parses one address.
    pub fn parse(value: impl Into<Bytes>) -> Result<NameAddr, HeaderError> {
        let bytes = value.into();
        NameAddrRef::parse(&bytes)?
            .uri()
            .map_err(|e| HeaderError::new(HeaderName::CONTACT, HeaderErrorReason::Uri, e.at))?;
        Ok(NameAddr { bytes })
    }

    /// The same address, borrowed.
    pub fn as_ref(&self) -> NameAddrRef<'_> {
        // Every constructor has parsed the bytes.
        NameAddrRef::parse(&self.bytes).unwrap_or(NameAddrRef {
            bytes: &self.bytes,
            display: &[],
            uri: &[],
            uri_at: 0,
            params: &[],
            tag: &[],
        })
    }

    /// The URI.
    pub fn uri(&self) -> Result<Uri, UriError> {
        self.as_ref().uri().map(|u| u.to_uri())
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&str> {
        self.as_ref().tag()
    }

    /// The same address with this display name, quoted.
    pub fn with_display_name(&self, name: &str) -> Result<NameAddr, BuildError> {
        no_line_end("display name", name)?;
        let this = self.as_ref();
        Self::assemble(&text::quote(name), this.uri, this.params)
    }

    /// The same address with this `tag`, whatever tag it had before.
    pub fn with_tag(&self, tag: &str) -> Result<NameAddr, BuildError> {
        self.with_param("tag", Some(tag))
    }

    /// The same address without a `tag`.
    pub fn without_tag(&self) -> NameAddr {
        self.rebuild(|p| !p.name().eq_ignore_ascii_case("tag"), "")
            .unwrap_or_else(|_| self.clone())
    }

    /// The same address with this parameter instead of one of that name. A value that is not a
    /// token is quoted.
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Result<NameAddr, BuildError> {
        no_line_end(name, value.unwrap_or_default())?;
        if !text::is_token(name.as_bytes()) {
            return Err(BuildError::Name(name.to_owned()));
        }
        let mut added = format!(";{name}");
        if let Some(value) = value {
            added.push('=');
            if text::is_token(value.as_bytes()) {
                added.push_str(value)
            } else {
                added.push_str(&text::quote(value))
            }
        }
        self.rebuild(|p| !p.name().eq_ignore_ascii_case(name), &added)
    }

    /// The URI and the parameters that `keep` keeps, without the display name.
    pub(crate) fn bare_with(
        &self,
        keep: impl Fn(&Param<'_>) -> bool,
    ) -> Result<NameAddr, BuildError> {
        let bare = Self::assemble("", self.as_ref().uri, self.as_ref().params)?;
        bare.rebuild(keep, "")
    }

    fn rebuild(
        &self,
        keep: impl Fn(&Param<'_>) -> bool,
        added: &str,
    ) -> Result<NameAddr, BuildError> {
        let this = self.as_ref();
        let mut params = Vec::with_capacity(this.params.len() + added.len());
        for param in this.params().iter().filter(|p| keep(p)) {
            params.push(b';');
            params.extend_from_slice(param.name().as_bytes());
            if let Some(value) = param.value_bytes() {
                params.push(b'=');
                params.extend_from_slice(value);
            }
        }
        params.extend_from_slice(added.as_bytes());
        Self::assemble(&text::lossy(this.display), this.uri, &params)
    }

    fn assemble(display: &str, uri: &[u8], params: &[u8]) -> Result<NameAddr, BuildError> {
        let mut out = Vec::with_capacity(display.len() + uri.len() + params.len() + 3);
        out.extend_from_slice(display.as_bytes());
        if !display.is_empty() {
            out.push(b' ');
        }
        out.push(b'<');
        out.extend_from_slice(uri);
        out.push(b'>');
        out.extend_from_slice(params);
        Ok(NameAddr::parse(out)?)
    }
}

fn no_line_end(what: &str, text: &str) -> Result<(), BuildError> {
    if text.bytes().any(text::is_control) {
        Err(BuildError::Injection(what.to_owned()))
    } else {
        Ok(())
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::lossy(&self.bytes))
    }
}

impl fmt::Debug for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('`')
            .and_then(|()| fmt::Display::fmt(self, f))
            .and_then(|()| f.write_char('`'))
    }
}

macro_rules! addresses {
    ($($(#[$doc:meta])* $name:ident, $header:ident, list: $list:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name<'a>(pub NameAddrRef<'a>);

        impl<'a> TypedHeader<'a> for $name<'a> {
            const NAME: HeaderName<'static> = HeaderName::$header;
            const LIST: bool = $list;

            fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
                decode(value, Self::NAME).map($name)
            }
        }

        impl<'a> Deref for $name<'a> {
            type Target = NameAddrRef<'a>;

            fn deref(&self) -> &NameAddrRef<'a> {
                &self.0
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}

addresses! {
    /// Who sent the request.
    ///
    /// ```text
    /// From        =  ( "From" / "f" ) HCOLON from-spec
    /// from-spec   =  ( name-addr / addr-spec ) *( SEMI from-param )
    /// from-param  =  tag-param / generic-param
    /// ```
    ///
    /// RFC 3261 section 20.20.
    From, FROM, list: false;
    /// Whom the request is for.
    ///
    /// ```text
    /// To        =  ( "To" / "t" ) HCOLON ( name-addr / addr-spec ) *( SEMI to-param )
    /// to-param  =  tag-param / generic-param
    /// ```
    ///
    /// RFC 3261 section 20.39.
    To, TO, list: false;
    /// Whom to call back.
    ///
    /// ```text
    /// Reply-To     =  "Reply-To" HCOLON rplyto-spec
    /// rplyto-spec  =  ( name-addr / addr-spec ) *( SEMI rplyto-param )
    /// ```
    ///
    /// RFC 3261 section 20.31.
    ReplyTo, REPLY_TO, list: false;
    /// One proxy that the request is to pass.
    ///
    /// ```text
    /// Route        =  "Route" HCOLON route-param *(COMMA route-param)
    /// route-param  =  name-addr *( SEMI rr-param )
    /// ```
    ///
    /// RFC 3261 section 20.34. An address without brackets is read, and [`crate::validate`] finds it.
    Route, ROUTE, list: true;
    /// One proxy that wants to see the dialog's requests.
    ///
    /// ```text
    /// Record-Route  =  "Record-Route" HCOLON rec-route *(COMMA rec-route)
    /// rec-route     =  name-addr *( SEMI rr-param )
    /// ```
    ///
    /// RFC 3261 section 20.30.
    RecordRoute, RECORD_ROUTE, list: true;
    /// One proxy between a phone and its registrar.
    ///
    /// ```text
    /// Path        =  "Path" HCOLON path-value *( COMMA path-value )
    /// path-value  =  name-addr *( SEMI rr-param )
    /// ```
    ///
    /// RFC 3327 section 4.
    Path, PATH, list: true;
    /// One proxy that a registered phone is to send through.
    ///
    /// ```text
    /// Service-Route  =  "Service-Route" HCOLON sr-value *( COMMA sr-value )
    /// sr-value       =  name-addr *( SEMI rr-param )
    /// ```
    ///
    /// RFC 3608 section 5.
    ServiceRoute, SERVICE_ROUTE, list: true;
    /// Where a REFER sends its receiver.
    ///
    /// ```text
    /// Refer-To  =  ("Refer-To" / "r") HCOLON ( name-addr / addr-spec ) *(SEMI generic-param)
    /// ```
    ///
    /// RFC 3515 section 2.1.
    ReferTo, REFER_TO, list: false;
    /// Who sent the REFER.
    ///
    /// ```text
    /// Referred-By   =  ("Referred-By" / "b") HCOLON referrer-uri
    ///                  *( SEMI (referredby-id-param / generic-param) )
    /// referrer-uri  =  ( name-addr / addr-spec )
    /// ```
    ///
    /// RFC 3892 section 3.
    ReferredBy, REFERRED_BY, list: false;
    /// Who the caller is, said by a network that knows.
    ///
    /// ```text
    /// PAssertedID        =  "P-Asserted-Identity" HCOLON PAssertedID-value *(COMMA PAssertedID-value)
    /// PAssertedID-value  =  name-addr / addr-spec
    /// ```
    ///
    /// RFC 3325 section 9.1.
    PAssertedIdentity, P_ASSERTED_IDENTITY, list: true;
    /// As whom the caller wants to be asserted.
    ///
    /// ```text
    /// PPreferredID        =  "P-Preferred-Identity" HCOLON PPreferredID-value *(COMMA PPreferredID-value)
    /// PPreferredID-value  =  name-addr / addr-spec
    /// ```
    ///
    /// RFC 3325 section 9.2.
    PPreferredIdentity, P_PREFERRED_IDENTITY, list: true;
    /// Who diverted the call, and why.
    ///
    /// ```text
    /// Diversion           =  "Diversion" HCOLON diversion-params *(COMMA diversion-params)
    /// diversion-params    =  name-addr *(SEMI (diversion-reason / diversion-counter /
    ///                        diversion-limit / diversion-privacy / diversion-screen / diversion-extension))
    /// diversion-reason    =  "reason" EQUAL ("unknown" / "user-busy" / "no-answer" / … / quoted-string)
    /// diversion-counter   =  "counter" EQUAL 1*2DIGIT
    /// ```
    ///
    /// RFC 5806 section 9.2.
    Diversion, DIVERSION, list: true;
    /// One target that the request had.
    ///
    /// ```text
    /// History-Info        =  "History-Info" HCOLON hi-entry *(COMMA hi-entry)
    /// hi-entry            =  hi-targeted-to-uri *(SEMI hi-param)
    /// hi-targeted-to-uri  =  name-addr
    /// hi-param            =  hi-index / hi-target-param / hi-extension
    /// hi-index            =  "index" EQUAL 1*DIGIT *("." 1*DIGIT)
    /// ```
    ///
    /// RFC 7044 section 5.
    HistoryInfo, HISTORY_INFO, list: true;
}

impl Diversion<'_> {
    /// Why the call was diverted: `user-busy`, `no-answer`, `unconditional`, … (RFC 5806 section 6).
    pub fn reason(&self) -> Option<&str> {
        self.param("reason").and_then(|p| p.value())
    }

    /// How many diversions this entry stands for.
    pub fn counter(&self) -> Option<u32> {
        self.param("counter")
            .and_then(|p| text::decimal(p.value_bytes()?))
    }
}

impl<'a> HistoryInfo<'a> {
    /// The place of the entry in the tree of retargets, such as `1.2` (RFC 7044 section 5).
    pub fn index(&self) -> Option<&'a str> {
        self.param("index").and_then(|p| p.value())
    }
}

/// Where requests of this dialog go, or where a registration leads.
///
/// ```text
/// Contact         =  ("Contact" / "m" ) HCOLON ( STAR / (contact-param *(COMMA contact-param)))
/// contact-param   =  (name-addr / addr-spec) *(SEMI contact-params)
/// contact-params  =  c-p-q / c-p-expires / contact-extension
/// ```
///
/// RFC 3261 section 20.10.
#[derive(Clone, Copy, Debug)]
pub enum Contact<'a> {
    /// `*`: every binding (REGISTER with `Expires: 0` only).
    Any,
    /// One address.
    Address(NameAddrRef<'a>),
}

impl<'a> TypedHeader<'a> for Contact<'a> {
    const NAME: HeaderName<'static> = HeaderName::CONTACT;
    const LIST: bool = true;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        if value == b"*" {
            Ok(Contact::Any)
        } else {
            decode(value, Self::NAME).map(Contact::Address)
        }
    }
}

impl<'a> Contact<'a> {
    /// The address, unless this is `*`.
    pub fn address(&self) -> Option<&NameAddrRef<'a>> {
        match self {
            Contact::Any => None,
            Contact::Address(address) => Some(address),
        }
    }

    /// The URI, unless this is `*`.
    pub fn uri(&self) -> Option<Result<UriRef<'a>, UriError>> {
        self.address().map(|a| a.uri())
    }

    /// One parameter of the header.
    pub fn param(&self, name: &str) -> Option<Param<'a>> {
        self.address().and_then(|a| a.param(name))
    }

    /// The `expires` parameter in seconds. A value that is not a number counts as 3600, as
    /// RFC 3261 section 10.3 step 6 has it; one that overflows as `u32::MAX`.
    pub fn expires(&self) -> Option<u32> {
        let value = self.param("expires")?.value_bytes().unwrap_or_default();
        if !value.is_empty() && value.iter().all(u8::is_ascii_digit) {
            return Some(text::decimal(value).unwrap_or(u32::MAX));
        }
        Some(3600)
    }

    /// The `q` parameter in thousandths, 0 to 1000.
    pub fn q(&self) -> Option<u16> {
        self.param("q")
            .and_then(|p| super::qvalue(p.value_bytes()?))
    }

    /// The `+sip.instance` parameter without its quotes (RFC 5626 section 4.1).
    pub fn instance(&self) -> Option<Cow<'a, str>> {
        self.param("+sip.instance").and_then(|p| p.decoded())
    }

    /// The `reg-id` parameter (RFC 5626 section 4.2).
    pub fn reg_id(&self) -> Option<u32> {
        self.param("reg-id")
            .and_then(|p| text::decimal(p.value_bytes()?))
    }
}

impl fmt::Display for Contact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contact::Any => f.write_str("*"),
            Contact::Address(address) => fmt::Display::fmt(address, f),
        }
    }
}
