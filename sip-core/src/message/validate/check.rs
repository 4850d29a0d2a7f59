use std::net::IpAddr;

use super::capabilities::{Capabilities, Role};
use super::finding::{Answer, Findings, What};
use super::syntax;
use crate::header::{CSeq, Contact, From, MaxForwards, To, TypedHeader, Via};
use crate::message::reference::{HeaderField, MessageRef, field};
use crate::message::scan::{Span, flaw};
use crate::message::{HeaderName, Method, StatusCode};
use crate::text;
use crate::uri::{Host, Params, Scheme, UriRef};

/// Who deserves what: a bad request is answered, a bad response or ACK is not.
pub(super) struct Judge<'f> {
    pub(super) findings: &'f mut Findings,
    answerable: bool,
}

impl Judge<'_> {
    pub(super) fn push(&mut self, at: usize, what: What, rule: &'static str, status: StatusCode) {
        let answer = if self.answerable {
            Answer::Status(status)
        } else {
            Answer::Drop
        };
        self.findings.push(at, what, rule, answer);
    }

    pub(super) fn bad(&mut self, at: usize, what: What, rule: &'static str) {
        self.push(at, what, rule, StatusCode::BAD_REQUEST);
    }

    pub(super) fn note(&mut self, at: usize, what: What, rule: &'static str) {
        self.findings.push(at, what, rule, Answer::Accept);
    }
}

pub(super) fn message(message: MessageRef<'_>, caps: &Capabilities, findings: &mut Findings) {
    let method = message.method();
    let answerable = message.is_request() && method != Some(Method::Ack);
    let mut judge = Judge {
        findings,
        answerable,
    };
    if !message.version().eq_ignore_ascii_case(b"SIP/2.0") {
        // What else a later version means is not for this one to say.
        let at = message.head.version.0 as usize;
        judge.push(
            at,
            What::Version,
            "RFC 3261 section 21.5.6",
            StatusCode::VERSION_NOT_SUPPORTED,
        );
        return;
    }
    flaws(&message, &mut judge);
    if let Some(method) = &method {
        request(&message, method, caps, &mut judge);
    } else {
        response(&message, caps, &mut judge);
    }
    common(&message, &mut judge);
    for field in message.headers() {
        syntax::field(&field, &mut judge);
    }
    findings.sort();
}

/// What the scanner has flagged, with its place.
fn flaws(message: &MessageRef<'_>, judge: &mut Judge<'_>) {
    let flaws = message.head.flaws;
    if flaws == 0 {
        return;
    }
    let start = message.head.start as usize;
    let head = &message.bytes[start..message.head.body.0 as usize];
    if flaws & (flaw::BARE_LF | flaw::BARE_CR) != 0 {
        let bare_lf = memchr::memchr_iter(b'\n', head).find(|&i| i == 0 || head[i - 1] != b'\r');
        let bare_cr = memchr::memchr_iter(b'\r', head).find(|&i| head.get(i + 1) != Some(&b'\n'));
        if let Some(i) = bare_lf {
            judge.bad(start + i, What::BareLf, "RFC 3261 section 7");
        }
        if let Some(i) = bare_cr {
            judge.bad(start + i, What::BareCr, "RFC 3261 section 7");
        }
    }
    let lengths = || message.headers_named(HeaderName::CONTENT_LENGTH);
    let end = message.bytes.len();
    if flaws & flaw::DUPLICATE_LENGTH != 0 {
        let at = lengths().nth(1).map_or(end, |f| f.offset());
        judge.bad(at, What::DuplicateLength, "RFC 4475 section 3.3.9");
    }
    if flaws & flaw::BAD_LENGTH != 0 {
        let at = lengths()
            .find(|f| text::decimal(f.value()).is_none())
            .map(|f| f.offset());
        let at = at.or_else(|| broken_lines(message).next()).unwrap_or(end);
        judge.bad(at, What::BadLength, "RFC 3261 section 20.14");
    }
    if flaws & flaw::SHORT_BODY != 0 {
        judge.bad(
            lengths().next().map_or(end, |f| f.offset()),
            What::ShortBody,
            "RFC 3261 section 18.3",
        );
    }
    if flaws & flaw::NO_LENGTH != 0 {
        judge.bad(
            message.head.headers_end as usize,
            What::NoLength,
            "RFC 3261 section 18.3",
        );
    }
    if flaws & flaw::TRAILING != 0 {
        judge.bad(
            message.head.body.1 as usize,
            What::Trailing,
            "RFC 7118 section 5.2",
        );
    }
    if flaws & flaw::UNTERMINATED != 0 {
        judge.bad(
            message.head.headers_end as usize,
            What::Unterminated,
            "RFC 3261 section 7",
        );
    }
    if flaws & flaw::START_LINE != 0 {
        judge.bad(start, What::StartLine, "RFC 3261 section 7.1");
    }
    if flaws & flaw::BAD_LINE != 0 {
        for at in broken_lines(message) {
            judge.bad(at, What::BadLine, "RFC 3261 section 7.3.1");
        }
    }
}

/// Where each line starts that is no header field.
fn broken_lines(message: &MessageRef<'_>) -> impl Iterator<Item = usize> {
    let broken = |span: &&Span| span.id() == crate::message::name::MALFORMED;
    message.spans.iter().filter(broken).map(|span| span.start())
}

fn request(message: &MessageRef<'_>, method: &Method, caps: &Capabilities, judge: &mut Judge<'_>) {
    let at = message.head.target.0 as usize;
    match message.uri() {
        Err(error) => judge.bad(
            at + error.at,
            What::RequestUri(error),
            "RFC 3261 section 7.1",
        ),
        Ok(uri) => {
            if !uri.headers().as_bytes().is_empty() {
                judge.bad(at, What::RequestUriHeaders, "RFC 3261 section 19.1.1");
            }
            if caps
                .schemes
                .as_ref()
                .is_some_and(|s| !s.contains(&uri.scheme()))
            {
                judge.push(
                    at,
                    What::Scheme,
                    "RFC 3261 section 8.2.2.1",
                    StatusCode::UNSUPPORTED_URI_SCHEME,
                );
            }
        }
    }
    if caps.methods.as_ref().is_some_and(|m| !m.contains(method)) {
        judge.push(
            message.head.start as usize,
            What::Method,
            "RFC 3261 section 8.2.1",
            StatusCode::NOT_IMPLEMENTED,
        );
    }
    if message
        .typed::<CSeq<'_>>()
        .is_ok_and(|cseq| cseq.method_str() != method.as_str())
    {
        let at = offset(message, HeaderName::CSEQ);
        judge.bad(at, What::CSeqMethod, "RFC 3261 section 8.1.1.5");
    }
    match message.header(HeaderName::MAX_FORWARDS) {
        // As in RFC 2543; a proxy adds it (RFC 3261 section 16.6 step 3).
        None => judge.note(
            message.head.headers_end as usize,
            What::Missing(HeaderName::MAX_FORWARDS),
            "RFC 3261 section 8.1.1.6",
        ),
        Some(field)
            if caps.role == Role::Proxy
                && MaxForwards::decode(field.value()) == Ok(MaxForwards(0)) =>
        {
            judge.push(
                field.offset(),
                What::NoHopLeft,
                "RFC 3261 section 16.3",
                StatusCode::TOO_MANY_HOPS,
            );
        }
        Some(_) => {}
    }
    if let Ok(via) = message.typed::<Via<'_>>() {
        let at = offset(message, HeaderName::VIA);
        match via.branch() {
            None => judge.note(at, What::NoBranch, "RFC 3261 section 8.1.1.7"),
            Some(branch) if branch.eq_ignore_ascii_case("z9hG4bK") => {
                judge.bad(at, What::EmptyBranch, "RFC 4475 section 3.2.1");
            }
            Some(_) => {}
        }
    }
    require(message, caps, judge);
    contacts(message, method, judge);
    if caps.role == Role::Registrar && *method == Method::Register {
        let aor = message.typed::<To<'_>>().ok().and_then(|to| to.uri().ok());
        if aor.is_some_and(|u: UriRef<'_>| !matches!(u.scheme(), Scheme::Sip | Scheme::Sips)) {
            judge.bad(
                offset(message, HeaderName::TO),
                What::Scheme,
                "RFC 3261 section 10.2",
            );
        }
    }
    content(message, caps, judge);
}

/// Require names what a user agent must understand, Proxy-Require what a proxy must (RFC 3261
/// sections 8.2.2.3 and 16.3). CANCEL and ACK are processed whatever they require.
fn require(message: &MessageRef<'_>, caps: &Capabilities, judge: &mut Judge<'_>) {
    let Some(known) = &caps.option_tags else {
        return;
    };
    if matches!(message.method(), Some(Method::Ack | Method::Cancel)) {
        return;
    }
    let names: &[_] = match caps.role {
        Role::Proxy => &[HeaderName::PROXY_REQUIRE],
        _ => &[HeaderName::REQUIRE],
    };
    for name in names {
        for field in message.headers_named(*name) {
            for tag in crate::header::split_list(field.value()) {
                if !known.iter().any(|k| k.as_bytes().eq_ignore_ascii_case(tag)) {
                    let what = What::OptionTag(text::lossy(tag).into_owned());
                    judge.push(
                        field.offset(),
                        what,
                        "RFC 3261 section 8.2.2.3",
                        StatusCode::BAD_EXTENSION,
                    );
                }
            }
        }
    }
}

fn contacts(message: &MessageRef<'_>, method: &Method, judge: &mut Judge<'_>) {
    let (mut stars, mut others) = (0, 0);
    for contact in message.typed_all::<Contact<'_>>() {
        match contact {
            Ok(Contact::Any) => stars += 1,
            _ => others += 1,
        }
    }
    let at = offset(message, HeaderName::CONTACT);
    if stars > 0 && (*method != Method::Register || stars > 1 || others > 0) {
        judge.bad(at, What::ContactStar, "RFC 3261 section 10.2.2");
    }
    if stars == 1 && *method == Method::Register {
        let zero = message
            .header(HeaderName::EXPIRES)
            .is_some_and(|f| text::decimal(f.value()) == Some(0));
        if !zero {
            judge.bad(at, What::ContactStar, "RFC 3261 section 10.3 step 6");
        }
    }
    if others == 0 && matches!(method, Method::Invite | Method::Subscribe | Method::Refer) {
        // As in RFC 2543. Whoever makes a dialog of it finds no target.
        judge.note(
            message.head.headers_end as usize,
            What::Missing(HeaderName::CONTACT),
            "RFC 3261 section 8.1.1.8",
        );
    }
}

fn content(message: &MessageRef<'_>, caps: &Capabilities, judge: &mut Judge<'_>) {
    let accepts = |list: &Option<Vec<String>>, what: &[u8]| {
        list.as_ref()
            .is_none_or(|l| l.iter().any(|t| t.as_bytes().eq_ignore_ascii_case(what)))
    };
    if let (Some(types), Some(_)) = (&caps.produces, message.header(HeaderName::ACCEPT)) {
        let acceptable = message.values(HeaderName::ACCEPT).any(|range| {
            let range = media_type(range);
            range.starts_with(b"*/")
                || types.iter().any(|t| {
                    t.as_bytes().eq_ignore_ascii_case(&range)
                        || (range.ends_with(b"/*")
                            && t.as_bytes()
                                .to_ascii_lowercase()
                                .starts_with(&range[..range.len() - 1]))
                })
        });
        if !acceptable {
            let at = offset(message, HeaderName::ACCEPT);
            judge.push(
                at,
                What::NotAcceptable,
                "RFC 3261 section 20.1",
                StatusCode::NOT_ACCEPTABLE,
            );
        }
    }
    let body = message.body();
    if body.is_empty() {
        return;
    }
    let at = message.head.body.0 as usize;
    if caps.body.is_some_and(|limit| body.len() > limit) {
        judge.push(
            at,
            What::BodyTooLarge,
            "RFC 3261 section 21.4.11",
            StatusCode::REQUEST_ENTITY_TOO_LARGE,
        );
    }
    if let Some(field) = message.header(HeaderName::CONTENT_TYPE)
        && !accepts(&caps.content_types, &media_type(field.value()))
    {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        judge.push(
            field.offset(),
            What::ContentType,
            "RFC 3261 section 8.2.3",
            status,
        );
    }
    for coding in message.values(HeaderName::CONTENT_ENCODING) {
        if !coding.eq_ignore_ascii_case(b"identity") && !accepts(&caps.content_encodings, coding) {
            let at = offset(message, HeaderName::CONTENT_ENCODING);
            judge.push(
                at,
                What::ContentEncoding,
                "RFC 3261 section 8.2.3",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            );
        }
    }
}

/// `type/subtype` in lower case, without parameters and white space.
fn media_type(value: &[u8]) -> Vec<u8> {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    value[..end]
        .iter()
        .filter(|&&b| !text::is_ws(b))
        .map(u8::to_ascii_lowercase)
        .collect()
}

fn response(message: &MessageRef<'_>, caps: &Capabilities, judge: &mut Judge<'_>) {
    let at = offset(message, HeaderName::VIA);
    let mut hops = 0;
    for via in message.typed_all::<Via<'_>>() {
        hops += 1;
        let Ok(via) = via else { continue };
        // A proxy that follows the Via would multiply the response (RFC 4475 section 3.3.10).
        let maddr = via
            .maddr()
            .and_then(|m| Host::parse(m.as_bytes()))
            .and_then(|h| h.ip());
        let widely = |ip: IpAddr| ip.is_multicast() || ip == IpAddr::from([255, 255, 255, 255]);
        let sent_by = via.host().and_then(|h| h.ip());
        if sent_by.is_some_and(widely)
            || maddr.is_some_and(|ip| ip == IpAddr::from([255, 255, 255, 255]))
        {
            judge.bad(at, What::Broadcast, "RFC 4475 section 3.3.10");
        }
    }
    if hops > 1 && caps.role == Role::UserAgent {
        judge.bad(at, What::ForeignVia, "RFC 3261 section 8.1.3.3");
    }
}

/// Headers of which a message has exactly one (RFC 3261 section 8.1.1), and of which it has at most one.
const ONE: [HeaderName<'static>; 4] = [
    HeaderName::FROM,
    HeaderName::TO,
    HeaderName::CALL_ID,
    HeaderName::CSEQ,
];

fn common(message: &MessageRef<'_>, judge: &mut Judge<'_>) {
    let end = message.head.headers_end as usize;
    for name in ONE {
        if message.header(name).is_none() {
            judge.bad(end, What::Missing(name), "RFC 3261 section 8.1.1");
        }
    }
    if message.values(HeaderName::VIA).next().is_none() {
        judge.bad(
            end,
            What::Missing(HeaderName::VIA),
            "RFC 3261 section 8.1.1.7",
        );
    }
    single(message, judge);
    let from = message.typed::<From<'_>>();
    let tagged = [
        (HeaderName::FROM, from.as_ref().ok().map(|h| h.params())),
        (
            HeaderName::TO,
            message.typed::<To<'_>>().ok().map(|h| h.params()),
        ),
        (
            HeaderName::VIA,
            message.typed::<Via<'_>>().ok().map(|h| h.params()),
        ),
    ];
    for (name, params) in tagged {
        if let Some(twice) = params.and_then(duplicate) {
            let what = What::DuplicateParameter(name, twice);
            judge.bad(offset(message, name), what, "RFC 3261 section 7.3.1");
        }
    }
    if from.is_ok_and(|from| from.tag().is_none()) {
        // As in RFC 2543 (RFC 3261 section 8.2.6.2 expects it; section 12.2.1.1 treats it as null).
        let at = offset(message, HeaderName::FROM);
        judge.note(
            at,
            What::NoTag(HeaderName::FROM),
            "RFC 3261 section 8.1.1.3",
        );
    }
    if !message.body().is_empty() && message.header(HeaderName::CONTENT_TYPE).is_none() {
        judge.bad(
            message.head.body.0 as usize,
            What::NoContentType,
            "RFC 3261 section 20.15",
        );
    }
}

/// Headers that may stand once and stand twice, in one pass over the message.
fn single(message: &MessageRef<'_>, judge: &mut Judge<'_>) {
    let (mut once, mut twice) = ([0u64; 4], [0u64; 4]);
    for span in message.spans {
        let (word, bit) = (usize::from(span.id() / 64), 1 << (span.id() % 64));
        if once[word] & bit == 0 {
            once[word] |= bit;
        } else if twice[word] & bit == 0 {
            twice[word] |= bit;
            let single = |name: &&HeaderName<'static>| name.id() == span.id();
            if let Some(name) = syntax::SINGLE.iter().find(single) {
                let at = field(message.bytes, span).offset();
                judge.bad(at, What::Duplicate(*name), "RFC 3261 section 7.3.1");
            }
        }
    }
}

/// The name of a parameter that stands twice.
fn duplicate(params: Params<'_>) -> Option<String> {
    // A few are compared in pairs; many would take quadratic time.
    const FEW: usize = 8;
    if params.iter().nth(FEW).is_none() {
        let twice = params.iter().enumerate().find(|(at, one)| {
            let mut before = params.iter().take(*at);
            before.any(|other| other.name().eq_ignore_ascii_case(one.name()))
        });
        return twice.map(|(_, one)| one.name().to_ascii_lowercase());
    }
    let mut names: Vec<_> = params
        .iter()
        .map(|p| p.name().to_ascii_lowercase())
        .collect();
    names.sort_unstable();
    names
        .windows(2)
        .find(|pair| pair[0] == pair[1])
        .map(|pair| pair[0].clone())
}

/// Where the value of the first header of this name starts, or the header section ends.
fn offset(message: &MessageRef<'_>, name: HeaderName<'_>) -> usize {
    message
        .header(name)
        .map_or(message.head.headers_end as usize, |f: HeaderField<'_>| {
            f.offset()
        })
}
