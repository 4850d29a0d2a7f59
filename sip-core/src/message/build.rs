use std::fmt;

use bytes::Bytes;

use super::error::BuildError;
use super::limits::Limits;
use super::method::Method;
use super::name::HeaderName;
use super::owned::Message;
use super::reference::MessageRef;
use super::status::StatusCode;
use super::validate::{self, Answer, Capabilities};
use crate::header::To;
use crate::text;
use crate::uri::Uri;

/// The lines of a message being built. The first error is kept and returned by `build`.
#[derive(Clone, Debug)]
struct Draft {
    out: Vec<u8>,
    error: Option<BuildError>,
    body: Bytes,
    /// The known headers that stand in `out`, one bit an id.
    seen: u128,
    /// Something came out of another message, which its sender answers for.
    copied: bool,
}

impl Draft {
    fn new(start_line: fmt::Arguments<'_>) -> Draft {
        use std::io::Write as _;
        let mut out = Vec::with_capacity(1024);
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{start_line}\r\n");
        Draft {
            out,
            error: None,
            body: Bytes::new(),
            seen: 0,
            copied: false,
        }
    }

    fn fail(&mut self, error: BuildError) {
        self.error.get_or_insert(error);
    }

    fn header(&mut self, name: HeaderName<'_>, value: &[u8]) {
        if name == HeaderName::CONTENT_LENGTH {
            return self.fail(BuildError::ContentLength);
        }
        let twice = self.seen & bit(name) != 0 && validate::stands_once(name);
        let grammar = || validate::grammar(name, value).map_err(|(_, error)| error.into());
        match check(name, value).and_then(|()| grammar()) {
            Err(error) => self.fail(error),
            Ok(()) if twice => self.fail(BuildError::Duplicate(name.to_string())),
            Ok(()) => self.raw(name, value),
        }
    }

    /// A value that came in a message: on one line, but otherwise as it was, NUL and all, whether it
    /// is right or not.
    fn copied(&mut self, name: HeaderName<'_>, value: &[u8]) {
        if name == HeaderName::CONTENT_LENGTH {
            return self.fail(BuildError::ContentLength);
        }
        self.copied = true;
        self.raw(name, &text::unfolded(value));
    }

    fn raw(&mut self, name: HeaderName<'_>, value: &[u8]) {
        self.seen |= bit(name);
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.out.extend_from_slice(part);
        }
    }

    fn display(&mut self, name: HeaderName<'_>, value: impl fmt::Display) {
        self.header(name, value.to_string().as_bytes());
    }

    fn finish(mut self) -> Result<Message, BuildError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        finish(&mut self.out, &self.body);
        Ok(Message::parse_with(self.out, &own_limits(self.body.len()))?)
    }
}

/// The bit of a known header name; none for any other.
fn bit(name: HeaderName<'_>) -> u128 {
    1u128.checked_shl(u32::from(name.id())).unwrap_or(0) & !1
}

/// What no single header shows: that all of them are there and fit one another.
fn judged(message: Message) -> Result<Message, BuildError> {
    let findings = validate::validate(&message, &Capabilities::default());
    match findings.iter().find(|f| f.answer != Answer::Accept) {
        Some(finding) => Err(BuildError::Broken(Box::new(finding.clone()))),
        None => Ok(message),
    }
}

/// What the application builds is bounded by what receivers take, except for its body.
pub(super) fn own_limits(body: usize) -> Limits {
    Limits {
        body: Limits::default().body.max(body),
        ..Limits::default()
    }
}

pub(super) fn check(name: HeaderName<'_>, value: &[u8]) -> Result<(), BuildError> {
    if !name.is_valid() {
        return Err(BuildError::Name(name.to_string()));
    }
    if value.iter().any(text::is_control) {
        return Err(BuildError::Injection(name.to_string()));
    }
    Ok(())
}

pub(super) fn finish(out: &mut Vec<u8>, body: &[u8]) {
    use std::io::Write as _;
    // Writing to a Vec cannot fail.
    let _ = write!(out, "Content-Length: {}\r\n\r\n", body.len());
    out.extend_from_slice(body);
}

macro_rules! common {
    () => {
        /// Appends a header field.
        ///
        /// A control character in the value, a value that is not that header's grammar (as
        /// [`crate::validate`] judges it), a second one of a header that stands once, a name that is
        /// not a token, and Content-Length, which follows from the body, make `build` fail.
        pub fn header<'n>(
            mut self,
            name: impl Into<HeaderName<'n>>,
            value: impl AsRef<[u8]>,
        ) -> Self {
            self.draft.header(name.into(), value.as_ref());
            self
        }

        /// Appends a header field whose value is written by `Display`.
        pub fn header_display<'n>(
            mut self,
            name: impl Into<HeaderName<'n>>,
            value: impl fmt::Display,
        ) -> Self {
            self.draft.display(name.into(), value);
            self
        }

        /// Appends every field of that name of another message, as it stands there. Whether it is
        /// right is not judged: an answer, an ACK or a CANCEL goes to whoever wrote it.
        pub fn copy<'n>(mut self, from: &Message, name: impl Into<HeaderName<'n>>) -> Self {
            let name = name.into();
            for field in from.as_ref().headers_named(name) {
                self.draft.copied(name, field.value());
            }
            self
        }

        /// Sets Content-Type and the body.
        pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
            self.draft
                .header(HeaderName::CONTENT_TYPE, content_type.as_bytes());
            self.draft.body = body.into();
            self
        }
    };
}

/// A request being built; see [`Message::request`].
///
/// ```
/// use sip_core::{HeaderName, Message, Method};
/// let register = Message::request(Method::Register, &"sip:example.com".parse()?)
///     .header(HeaderName::VIA, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKnashds7;rport")
///     .header(HeaderName::FROM, "<sip:bob@example.com>;tag=456248")
///     .header(HeaderName::TO, "<sip:bob@example.com>")
///     .header(HeaderName::CALL_ID, "843817637684230@998sdasdh09")
///     .cseq(1)
///     .max_forwards(70)
///     .header("X-Room", "blue")
///     .build()?;
/// assert!(register.to_string().ends_with("X-Room: blue\r\nContent-Length: 0\r\n\r\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RequestBuilder {
    draft: Draft,
    method: Method,
}

impl RequestBuilder {
    pub(crate) fn new(method: Method, uri: &Uri) -> Self {
        let draft = Draft::new(format_args!("{method} {uri} SIP/2.0"));
        RequestBuilder { draft, method }
    }

    common!();

    /// Appends `CSeq: sequence METHOD`.
    pub fn cseq(mut self, sequence: u32) -> Self {
        let value = format!("{sequence} {}", self.method);
        self.draft.header(HeaderName::CSEQ, value.as_bytes());
        self
    }

    /// Appends Max-Forwards; 70 is what RFC 3261 section 8.1.1.6 recommends.
    pub fn max_forwards(mut self, hops: u8) -> Self {
        self.draft.display(HeaderName::MAX_FORWARDS, hops);
        self
    }

    /// A header of a dialog, which was made of what the other side sent.
    pub(crate) fn unjudged(mut self, name: HeaderName<'_>, value: &[u8]) -> Self {
        self.draft.copied(name, value);
        self
    }

    /// The message, with Content-Length. [`crate::validate`] finds nothing in it that would deserve
    /// an answer, unless that was [`copy`](Self::copy)ed from another message.
    ///
    /// # Errors
    /// The first thing that was wrong, [`BuildError::Missing`] when Via, From, To, Call-ID or CSeq
    /// is not there, or [`BuildError::Broken`] when the parts do not fit one another.
    pub fn build(self) -> Result<Message, BuildError> {
        let copied = self.draft.copied;
        let message = self.draft.finish()?;
        complete(&message)?;
        if copied { Ok(message) } else { judged(message) }
    }
}

fn complete(message: &Message) -> Result<(), BuildError> {
    for (name, shown) in [
        (HeaderName::VIA, "Via"),
        (HeaderName::FROM, "From"),
        (HeaderName::TO, "To"),
        (HeaderName::CALL_ID, "Call-ID"),
        (HeaderName::CSEQ, "CSeq"),
    ] {
        if message.header(name).is_none() {
            return Err(BuildError::Missing(shown));
        }
    }
    Ok(())
}

/// A response being built; see [`Message::reply`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ResponseBuilder {
    draft: Draft,
    /// What a bad request lacks, its answer lacks too (RFC 4475 section 3.3.1).
    reply: bool,
    /// Where a tag would go behind the To that was copied, as long as nothing in front of it moves.
    tag_at: Option<usize>,
}

impl ResponseBuilder {
    pub(crate) fn new(status: StatusCode) -> Self {
        Self::with_reason(status, status.reason())
    }

    fn with_reason(status: StatusCode, reason: &str) -> Self {
        let mut draft = Draft::new(format_args!("SIP/2.0 {status} {reason}"));
        if reason.bytes().any(text::is_control) {
            draft.fail(BuildError::Injection("reason phrase".to_owned()));
        }
        ResponseBuilder {
            draft,
            reply: false,
            tag_at: None,
        }
    }

    pub(crate) fn to(request: MessageRef<'_>, status: StatusCode) -> Self {
        let mut builder = Self::new(status);
        builder.reply = true;
        let mut copy = |name: HeaderName<'static>| {
            for field in request.headers_named(name) {
                builder.draft.copied(name, field.value());
            }
        };
        copy(HeaderName::VIA);
        // Section 12.1.1: responses that create a dialog carry the route set back.
        if status.code() > 100 && status.code() < 300 {
            copy(HeaderName::RECORD_ROUTE);
        }
        for name in [
            HeaderName::FROM,
            HeaderName::TO,
            HeaderName::CALL_ID,
            HeaderName::CSEQ,
        ] {
            // A second one would be an attack on whoever reads the other; only the first counts.
            if let Some(field) = request.header(name) {
                builder.draft.copied(name, field.value());
            }
            if name == HeaderName::TO
                && request.typed::<To<'_>>().is_ok_and(|to| to.tag().is_none())
            {
                // In front of the line end that was just written.
                builder.tag_at = Some(builder.draft.out.len() - 2);
            }
        }
        builder
    }

    common!();

    /// Replaces the reason phrase.
    pub fn reason(mut self, reason: &str) -> Self {
        if reason.bytes().any(text::is_control) {
            self.draft
                .fail(BuildError::Injection("reason phrase".to_owned()));
            return self;
        }
        // "SIP/2.0 200 " is 12 bytes; the reason ends at the first line end.
        let end = memchr::memchr(b'\r', &self.draft.out).unwrap_or(12);
        self.tag_at = None;
        self.draft.out.splice(12..end, reason.bytes());
        self
    }

    /// Adds a tag to the To that was copied from the request, unless it has one (RFC 3261 section 8.2.6.2).
    pub fn to_tag(mut self, tag: &str) -> Self {
        if let Some(at) = self.tag_at.take()
            && text::is_token(tag.as_bytes())
        {
            let parts = [b";tag=", tag.as_bytes()].concat();
            self.draft.out.splice(at..at, parts);
            return self;
        }
        match add_to_tag(&self.draft.out, tag) {
            Ok(Some(out)) => self.draft.out = out,
            Ok(None) => {}
            Err(error) => self.draft.fail(error),
        }
        self
    }

    /// The message, with Content-Length. In the reply to a request that is right,
    /// [`crate::validate`] finds nothing that would have it dropped.
    ///
    /// # Errors
    /// The first thing that was wrong, [`BuildError::Missing`] when Via, From, To, Call-ID or CSeq
    /// is not there and was not copied from a request that lacked it too, or [`BuildError::Broken`]
    /// when the parts do not fit one another.
    pub fn build(self) -> Result<Message, BuildError> {
        let copied = self.draft.copied;
        let message = self.draft.finish()?;
        if self.reply {
            return Ok(message);
        }
        complete(&message)?;
        if copied { Ok(message) } else { judged(message) }
    }
}

/// The lines in `out` with a tag behind the first To; `None` when it has one.
fn add_to_tag(out: &[u8], tag: &str) -> Result<Option<Vec<u8>>, BuildError> {
    if !text::is_token(tag.as_bytes()) {
        return Err(BuildError::Injection("tag".to_owned()));
    }
    let message = Message::parse_with(out.to_vec(), &Limits::default())?;
    let Some(field) = message.header(HeaderName::TO) else {
        return Err(BuildError::Missing("To"));
    };
    if message.typed::<To<'_>>().is_ok_and(|to| to.tag().is_some()) {
        return Ok(None);
    }
    let end = field.offset() + field.value().len();
    Ok(Some(
        [&out[..end], b";tag=", tag.as_bytes(), &out[end..]].concat(),
    ))
}

/// One line of an edited message.
#[derive(Clone, Debug)]
enum Line {
    /// The header at this index of the original, as it stands.
    Kept(usize),
    New(Vec<u8>),
}

/// Changes a message; see [`Message::edit`]. What is not touched keeps its bytes: case, compact
/// forms, folds, order.
///
/// ```
/// use sip_core::{HeaderName, Message};
/// let m = Message::parse(&b"OPTIONS sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP c;branch=z9hG4bK1\r\nmax-forwards: 70\r\n\r\n"[..])?;
/// let edited = m.edit().set(HeaderName::MAX_FORWARDS, "69").build()?;
/// assert_eq!(edited.as_bytes(), &b"OPTIONS sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP c;branch=z9hG4bK1\r\nmax-forwards: 69\r\n\r\n"[..]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Editor {
    original: Message,
    start_line: Option<Vec<u8>>,
    lines: Vec<Line>,
    body: Option<Bytes>,
    error: Option<BuildError>,
}

impl Editor {
    pub(crate) fn new(original: Message) -> Self {
        let lines = (0..original.span_count()).map(Line::Kept).collect();
        Editor {
            original,
            start_line: None,
            lines,
            body: None,
            error: None,
        }
    }

    fn fail(mut self, error: BuildError) -> Self {
        self.error.get_or_insert(error);
        self
    }

    fn name_of<'a>(&'a self, line: &'a Line) -> Option<HeaderName<'a>> {
        match line {
            Line::Kept(i) => self.original.name_at(*i),
            Line::New(bytes) => {
                let colon = memchr::memchr(b':', bytes)?;
                Some(HeaderName::from_bytes(&bytes[..colon]))
            }
        }
    }

    fn position(&self, name: HeaderName<'_>) -> Option<usize> {
        self.lines
            .iter()
            .position(|l| self.name_of(l) == Some(name))
    }

    fn line(spelling: &[u8], value: &[u8]) -> Line {
        Line::New([spelling, b": ", value, b"\r\n"].concat())
    }

    /// Replaces the value of the first field of this name, keeping how the name was written, or
    /// appends the field.
    pub fn set<'n>(mut self, name: impl Into<HeaderName<'n>>, value: impl AsRef<[u8]>) -> Self {
        let (name, value) = (name.into(), value.as_ref());
        if let Err(error) = check_editable(name, value) {
            return self.fail(error);
        }
        match self.position(name) {
            Some(at) => self.lines[at] = self.replaced(at, value),
            None => self.lines.push(Self::line(name.as_bytes(), value)),
        }
        self
    }

    /// The line at `at` with another value; everything in front of the value stays.
    fn replaced(&self, at: usize, value: &[u8]) -> Line {
        match &self.lines[at] {
            Line::Kept(i) => Line::New([self.original.prefix_at(*i), value, b"\r\n"].concat()),
            Line::New(bytes) => {
                let colon = memchr::memchr(b':', bytes).unwrap_or(0);
                Self::line(&bytes[..colon], value)
            }
        }
    }

    /// Appends a field behind all others.
    pub fn append<'n>(mut self, name: impl Into<HeaderName<'n>>, value: impl AsRef<[u8]>) -> Self {
        let (name, value) = (name.into(), value.as_ref());
        if let Err(error) = check_editable(name, value) {
            return self.fail(error);
        }
        self.lines.push(Self::line(name.as_bytes(), value));
        self
    }

    /// Puts a field in front of the first of its name, or in front of all others: how a proxy adds
    /// its Via, Record-Route and Route.
    pub fn prepend<'n>(mut self, name: impl Into<HeaderName<'n>>, value: impl AsRef<[u8]>) -> Self {
        let (name, value) = (name.into(), value.as_ref());
        if let Err(error) = check_editable(name, value) {
            return self.fail(error);
        }
        let at = self.position(name).unwrap_or(0);
        self.lines.insert(at, Self::line(name.as_bytes(), value));
        self
    }

    /// Removes every field of this name.
    pub fn remove<'n>(mut self, name: impl Into<HeaderName<'n>>) -> Self {
        let name = name.into();
        if name == HeaderName::CONTENT_LENGTH {
            return self.fail(BuildError::ContentLength);
        }
        let lines = std::mem::take(&mut self.lines);
        self.lines = lines
            .into_iter()
            .filter(|l| self.name_of(l) != Some(name))
            .collect();
        self
    }

    /// Removes the first value of a comma-separated header: its line, or the part in front of the
    /// first comma. How a response loses its topmost Via, and a request its topmost Route.
    pub fn remove_first<'n>(mut self, name: impl Into<HeaderName<'n>>) -> Self {
        let name = name.into();
        let Some(at) = self.position(name) else {
            return self;
        };
        let value = match &self.lines[at] {
            Line::Kept(i) => self.original.value_at(*i).to_vec(),
            Line::New(bytes) => {
                let colon = memchr::memchr(b':', bytes).unwrap_or(0);
                text::trim(&bytes[colon + 1..]).to_vec()
            }
        };
        let end = text::list_end(&value, 0);
        let rest = text::trim(value.get(end + 1..).unwrap_or_default());
        if rest.is_empty() {
            self.lines.remove(at);
        } else {
            self.lines[at] = self.replaced(at, rest);
        }
        self
    }

    /// Replaces the Request-URI.
    pub fn uri(mut self, uri: &Uri) -> Self {
        let Some(method) = self.original.method() else {
            return self.fail(BuildError::WrongKind);
        };
        let version = text::lossy(self.original.version()).into_owned();
        self.start_line = Some(format!("{method} {uri} {version}\r\n").into_bytes());
        self
    }

    /// Replaces Content-Type and the body; Content-Length follows.
    pub fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut this = self.set(HeaderName::CONTENT_TYPE, content_type);
        this.body = Some(body.into());
        this
    }

    /// Removes the body with its Content-Type, Content-Disposition, Content-Encoding and Content-Language.
    pub fn without_body(self) -> Self {
        let mut this = self
            .remove(HeaderName::CONTENT_TYPE)
            .remove(HeaderName::CONTENT_DISPOSITION)
            .remove(HeaderName::CONTENT_ENCODING)
            .remove(HeaderName::CONTENT_LANGUAGE);
        this.body = Some(Bytes::new());
        this
    }

    /// The edited message.
    pub fn build(mut self) -> Result<Message, BuildError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if let Some(body) = &self.body {
            let length = body.len().to_string();
            match self.position(HeaderName::CONTENT_LENGTH) {
                Some(at) => self.lines[at] = self.replaced(at, length.as_bytes()),
                None => self
                    .lines
                    .push(Self::line(b"Content-Length", length.as_bytes())),
            }
        }
        let body = self.body.as_deref().unwrap_or(self.original.body());
        let mut out = Vec::with_capacity(self.original.as_bytes().len() + 256);
        out.extend_from_slice(
            self.start_line
                .as_deref()
                .unwrap_or(self.original.start_line_bytes()),
        );
        for line in &self.lines {
            match line {
                Line::Kept(i) => out.extend_from_slice(self.original.line_at(*i)),
                Line::New(bytes) => out.extend_from_slice(bytes),
            }
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
        Ok(Message::parse_with(out, &own_limits(body.len()))?)
    }
}

fn check_editable(name: HeaderName<'_>, value: &[u8]) -> Result<(), BuildError> {
    if name == HeaderName::CONTENT_LENGTH {
        Err(BuildError::ContentLength)
    } else {
        check(name, value)
    }
}
