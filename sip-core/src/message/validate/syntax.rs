use super::check::Judge;
use super::finding::What;
use crate::header::{self, HeaderError, HeaderErrorReason, NameAddrRef, TypedHeader};
use crate::message::HeaderName;
use crate::message::reference::HeaderField;
use crate::text;

/// Headers that a message has at most once, beside Content-Length, which is judged apart.
pub(super) const SINGLE: &[HeaderName<'static>] = &[
    HeaderName::FROM,
    HeaderName::TO,
    HeaderName::CALL_ID,
    HeaderName::CSEQ,
    HeaderName::MAX_FORWARDS,
    HeaderName::CONTENT_TYPE,
    HeaderName::CONTENT_DISPOSITION,
    HeaderName::EXPIRES,
    HeaderName::MIN_EXPIRES,
    HeaderName::EVENT,
    HeaderName::SUBSCRIPTION_STATE,
    HeaderName::REFER_TO,
    HeaderName::REFERRED_BY,
    HeaderName::REPLACES,
    HeaderName::SESSION_EXPIRES,
    HeaderName::MIN_SE,
    HeaderName::RSEQ,
    HeaderName::RACK,
    HeaderName::DATE,
    HeaderName::RETRY_AFTER,
    HeaderName::MIME_VERSION,
    HeaderName::SESSION_ID,
    HeaderName::PRIORITY,
    HeaderName::TIMESTAMP,
];

type Check = fn(&[u8]) -> Result<(), HeaderError>;

/// The name-addr headers also hold a URI, which is decoded apart from the header.
fn uri(name: HeaderName<'static>, address: &NameAddrRef<'_>) -> Result<(), HeaderError> {
    match address.uri() {
        Ok(_) => Ok(()),
        Err(error) => Err(HeaderError::new(
            name,
            HeaderErrorReason::Uri,
            address.uri_offset() + error.at,
        )),
    }
}

fn contact(value: &[u8]) -> Result<(), HeaderError> {
    match header::Contact::decode(value)? {
        header::Contact::Any => Ok(()),
        header::Contact::Address(address) => uri(HeaderName::CONTACT, &address),
    }
}

/// Of the headers that route a request, each element is a name-addr: without its brackets, nobody
/// could tell the parameters of the URI (`lr`) from those of the header.
///
/// ```text
/// route-param  =  name-addr *( SEMI rr-param )
/// ```
fn hop(name: HeaderName<'static>, address: &NameAddrRef<'_>) -> Result<(), HeaderError> {
    let at = address.uri_offset();
    if at == 0 || address.as_bytes().get(at - 1) != Some(&b'<') {
        return Err(HeaderError::new(name, HeaderErrorReason::Grammar, at));
    }
    uri(name, address)
}

/// What reads one value of the header, and whether the header is a list.
fn reader(name: HeaderName<'_>) -> Option<(Check, bool)> {
    macro_rules! plain {
        ($($header:ident),* $(,)?) => {
            $(if name == header::$header::NAME {
                return Some((|value| header::$header::decode(value).map(drop), header::$header::LIST));
            })*
        };
    }
    macro_rules! address {
        ($judge:ident: $($header:ident),* $(,)?) => {
            $(if name == header::$header::NAME {
                return Some((|value| $judge(header::$header::NAME, &header::$header::decode(value)?.0), header::$header::LIST));
            })*
        };
    }
    if name == HeaderName::CONTACT {
        return Some((contact, true));
    }
    address!(hop: Route, RecordRoute, Path, ServiceRoute);
    address!(uri:
        From,
        To,
        ReplyTo,
        ReferTo,
        ReferredBy,
        PAssertedIdentity,
        PPreferredIdentity,
        Diversion,
        HistoryInfo,
    );
    plain!(
        Via,
        CallId,
        CSeq,
        MaxForwards,
        Allow,
        Supported,
        Require,
        ProxyRequire,
        Unsupported,
        AllowEvents,
        Expires,
        MinExpires,
        FlowTimer,
        RSeq,
        RAck,
        ContentType,
        ContentDisposition,
        ContentEncoding,
        ContentLanguage,
        Accept,
        AcceptEncoding,
        AcceptLanguage,
        Event,
        SubscriptionState,
        Reason,
        RecvInfo,
        InfoPackage,
        SecurityClient,
        SecurityServer,
        SecurityVerify,
        Replaces,
        Join,
        TargetDialog,
        SessionExpires,
        MinSe,
        RetryAfter,
        Date,
        Warning,
        Identity,
        UserToUser,
        SessionId,
        AlertInfo,
        CallInfo,
        ErrorInfo,
        Authorization,
        ProxyAuthorization,
        WwwAuthenticate,
        ProxyAuthenticate,
        AuthenticationInfo,
        Priority,
        MimeVersion,
        Timestamp,
        InReplyTo,
    );
    None
}

/// A control character that is neither part of a fold nor a quoted pair.
///
/// ```text
/// header-value   =  *(TEXT-UTF8char / UTF8-CONT / LWS)
/// TEXT-UTF8char  =  %x21-7E / UTF8-NONASCII
/// quoted-pair    =  "\\" (%x00-09 / %x0B-0C / %x0E-7F)
/// ```
fn control(value: &[u8]) -> Option<usize> {
    let odd = |b: u8| (b < b' ' && !matches!(b, b'\t' | b'\r' | b'\n')) || b == 0x7f;
    (0..value.len()).find(|&i| odd(value[i]) && (i == 0 || value[i - 1] != b'\\'))
}

/// Judges one header field by its grammar.
pub(super) fn field(field: &HeaderField<'_>, judge: &mut Judge<'_>) {
    let value = field.value();
    if let Some(at) = control(value) {
        let name = text::lossy(field.raw_name()).into_owned();
        judge.bad(
            field.offset() + at,
            What::Control(name),
            "RFC 3261 section 25.1",
        );
    }
    if let Err((at, error)) = grammar(field.name(), value) {
        judge.bad(
            field.offset() + at,
            What::Header(error),
            "RFC 3261 section 25.1",
        );
    }
}

/// Whether a value follows its header's grammar, a list in each of its elements; with the offset of
/// what does not. Headers that are not known have none.
pub(crate) fn grammar(name: HeaderName<'_>, value: &[u8]) -> Result<(), (usize, HeaderError)> {
    let Some((check, list)) = reader(name) else {
        return Ok(());
    };
    if !list {
        return check(value).map_err(|error| (error.at, error));
    }
    let mut at = 0;
    loop {
        let end = text::list_end(value, at);
        let start = text::skip_ws(value, at).min(end);
        let element = text::trim_end(&value[start..end]);
        // An empty element between commas is nobody's grammar, but an empty header may be.
        let checked = if element.is_empty() {
            match name.to_static() {
                Some(name) if at != 0 || end != value.len() => {
                    Err(HeaderError::new(name, HeaderErrorReason::Empty, 0))
                }
                _ => Ok(()),
            }
        } else {
            check(element)
        };
        checked.map_err(|error| (start + error.at, error))?;
        if end == value.len() {
            return Ok(());
        }
        at = end + 1;
    }
}
