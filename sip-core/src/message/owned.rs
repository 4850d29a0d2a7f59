use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::build::{Editor, RequestBuilder, ResponseBuilder};
use super::error::{BuildError, ParseError};
use super::limits::Limits;
use super::method::Method;
use super::name::{HeaderName, MALFORMED};
use super::reference::{
    HeaderField, HeaderFields, HeaderValues, MessageRef, StartLine, field, scan_datagram,
};
use super::scan::{Head, Span, Spans, StackSpans};
use super::status::StatusCode;
use crate::header::{HeaderError, TypedHeader};
use crate::uri::{Uri, UriError, UriRef};

/// A parsed message with its own bytes: cheap to clone, `Send` and `Sync`.
///
/// A message that was not changed prints as it came, byte for byte. Change one with
/// [`Message::edit`]; make one with [`Message::request`], [`Message::response`] or [`Message::reply`].
#[derive(Clone)]
pub struct Message {
    bytes: Bytes,
    head: Head,
    spans: Arc<[Span]>,
}

impl Message {
    /// Parses one datagram or WebSocket frame, under the default [`Limits`].
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Message, ParseError> {
        Self::parse_with(bytes, &Limits::default())
    }

    /// Parses one datagram or WebSocket frame.
    pub fn parse_with(bytes: impl Into<Bytes>, limits: &Limits) -> Result<Message, ParseError> {
        let bytes = bytes.into();
        let mut spans = StackSpans::new();
        let head = scan_datagram(&bytes, &mut spans, limits)?;
        Ok(Message::from_parts(bytes, head, spans.as_slice()))
    }

    pub(crate) fn from_parts(bytes: Bytes, head: Head, spans: &[Span]) -> Message {
        Message {
            bytes,
            head,
            spans: Arc::from(spans),
        }
    }

    pub(crate) fn flaws(&self) -> u16 {
        self.head.flaws
    }

    /// The same message with a flaw that only the framer can see.
    pub(crate) fn with_flaw(mut self, flaw: u16) -> Message {
        self.head.flaws |= flaw;
        self
    }

    /// The same message with a part of a header's value replaced, without scanning it anew: `part` must
    /// be a slice of this message that lies in one value, and `with` hold no line end. `None` otherwise.
    pub(crate) fn spliced(&self, part: &[u8], with: &[u8]) -> Option<Message> {
        let at = (part.as_ptr() as usize).checked_sub(self.bytes.as_ptr() as usize)?;
        let end = at.checked_add(part.len())?;
        let inside = |span: &Span| span.value_start() <= at && end <= span.value_end();
        if !self.spans.iter().any(inside) || memchr::memchr2(b'\r', b'\n', with).is_some() {
            return None;
        }
        let length = self.bytes.len() - part.len() + with.len();
        u32::try_from(length).ok()?;
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(&self.bytes[..at]);
        bytes.extend_from_slice(with);
        bytes.extend_from_slice(&self.bytes[end..]);
        let by = (with.len() as u32).wrapping_sub(part.len() as u32);
        let mut head = self.head;
        for place in [&mut head.headers_end, &mut head.body.0, &mut head.body.1] {
            *place = place.wrapping_add(by);
        }
        Some(Message {
            bytes: bytes.into(),
            head,
            spans: self.spans.iter().map(|span| span.moved(at, by)).collect(),
        })
    }

    /// One past the message's last byte in the bytes that were parsed.
    pub(crate) fn end(&self) -> usize {
        self.head.body.1 as usize
    }

    /// The same message, borrowed.
    pub fn as_ref(&self) -> MessageRef<'_> {
        MessageRef {
            bytes: &self.bytes,
            head: &self.head,
            spans: &self.spans,
        }
    }

    /// The message's bytes, shared.
    pub fn to_bytes(&self) -> Bytes {
        self.bytes
            .slice(self.head.start as usize..self.head.body.1 as usize)
    }

    /// The body's bytes, shared.
    pub fn body_bytes(&self) -> Bytes {
        self.bytes
            .slice(self.head.body.0 as usize..self.head.body.1 as usize)
    }

    /// Starts a request.
    pub fn request(method: Method, uri: &Uri) -> RequestBuilder {
        RequestBuilder::new(method, uri)
    }

    /// Starts a response that answers no particular request; see [`Message::reply`].
    pub fn response(status: StatusCode) -> ResponseBuilder {
        ResponseBuilder::new(status)
    }

    /// Starts the response to this request: Via, From, To, Call-ID and CSeq are copied, and so is
    /// Record-Route when the response may create a dialog (RFC 3261 sections 8.2.6 and 12.1.1).
    pub fn reply(&self, status: StatusCode) -> ResponseBuilder {
        ResponseBuilder::to(self.as_ref(), status)
    }

    /// Changes this message; what is not touched keeps its bytes.
    pub fn edit(&self) -> Editor {
        Editor::new(self.clone())
    }
}

/// What the editor needs: lines by their place.
impl Message {
    pub(super) fn span_count(&self) -> usize {
        self.spans.len()
    }

    pub(super) fn start_line_bytes(&self) -> &[u8] {
        &self.bytes[self.head.start as usize..self.head.headers as usize]
    }

    /// `None` for a line that is not a header field.
    pub(super) fn name_at(&self, index: usize) -> Option<HeaderName<'_>> {
        let span = &self.spans[index];
        (span.id() != MALFORMED).then(|| field(&self.bytes, span).name())
    }

    pub(super) fn value_at(&self, index: usize) -> &[u8] {
        self.spans[index].value(&self.bytes)
    }

    /// The line up to its value.
    pub(super) fn prefix_at(&self, index: usize) -> &[u8] {
        let span = &self.spans[index];
        &self.bytes[span.start()..span.value_start()]
    }

    /// The whole line with its line end.
    pub(super) fn line_at(&self, index: usize) -> &[u8] {
        let end = self
            .spans
            .get(index + 1)
            .map_or(self.head.headers_end as usize, Span::start);
        &self.bytes[self.spans[index].start()..end]
    }
}

macro_rules! forward {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        /// What a [`MessageRef`] can say.
        impl Message {
            $($(#[$doc])* pub fn $name(&self, $($arg: $ty),*) -> $ret {
                self.as_ref().$name($($arg),*)
            })*
        }
    };
}

forward! {
    /// Whether this is a request.
    fn is_request() -> bool;
    /// The first line.
    fn start_line() -> StartLine<'_>;
    /// The request's method; `None` in a response.
    fn method() -> Option<Method>;
    /// The response's status; `None` in a request.
    fn status() -> Option<StatusCode>;
    /// The response's reason phrase; empty in a request.
    fn reason() -> Cow<'_, str>;
    /// The Request-URI as it stands; `None` in a response.
    fn uri_bytes() -> Option<&[u8]>;
    /// The Request-URI; in a response, an error.
    fn uri() -> Result<UriRef<'_>, UriError>;
    /// `SIP/2.0`, or what the sender claims.
    fn version() -> &[u8];
    /// The message without leading line ends and without what follows its body.
    fn as_bytes() -> &[u8];
    /// The body's bytes.
    fn body() -> &[u8];
    /// Copies the message to the front of the caller's buffer; see [`MessageRef::write_to`].
    fn write_to(out: &mut [u8]) -> Result<usize, BuildError>;
}

impl Message {
    /// Every header field, in order.
    pub fn headers(&self) -> HeaderFields<'_, 'static> {
        self.as_ref().headers()
    }

    /// The first header field of this name.
    pub fn header<'n>(&self, name: impl Into<HeaderName<'n>>) -> Option<HeaderField<'_>> {
        self.as_ref().header(name)
    }

    /// Every header field of this name, one a line.
    pub fn headers_named<'n>(&self, name: impl Into<HeaderName<'n>>) -> HeaderFields<'_, 'n> {
        self.as_ref().headers_named(name)
    }

    /// Every value of a header that is a comma-separated list, across all of its lines.
    pub fn values<'n>(&self, name: impl Into<HeaderName<'n>>) -> HeaderValues<'_, 'n> {
        self.as_ref().values(name)
    }

    /// The first value of a typed header; see [`MessageRef::typed`].
    pub fn typed<'b, T: TypedHeader<'b>>(&'b self) -> Result<T, HeaderError> {
        self.as_ref().typed()
    }

    /// The first value of a typed header, `None` when the message has none.
    pub fn typed_opt<'b, T: TypedHeader<'b>>(&'b self) -> Result<Option<T>, HeaderError> {
        self.as_ref().typed_opt()
    }

    /// Every value of a typed header, in order, lists split.
    pub fn typed_all<'b, T: TypedHeader<'b>>(
        &'b self,
    ) -> impl Iterator<Item = Result<T, HeaderError>> {
        self.as_ref().typed_all::<T>()
    }
}

impl PartialEq for Message {
    /// Byte for byte.
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Message {}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_ref(), f)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::text::lossy(self.as_bytes()))
    }
}

impl<'a> From<&'a Message> for MessageRef<'a> {
    fn from(message: &'a Message) -> Self {
        message.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Via;

    /// What is spliced reads like the same bytes scanned.
    #[test]
    fn a_spliced_message_is_the_one_that_its_bytes_say() {
        let texts = [
            "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1;rport\r\nX: y\r\nl: 3\r\n\r\nabc",
            "\r\nOPTIONS sip:a SIP/2.0\r\nX: y\r\nv: SIP/2.0/UDP a ;rport, SIP/2.0/TCP b\r\n folded\r\n\r\n",
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nbroken\r\nVia: SIP/2.0/UDP b\r\n\r\nbody beyond",
        ];
        for text in texts {
            let message = Message::parse(text).unwrap();
            let via: Via<'_> = message.typed().unwrap();
            for with in [
                "",
                "v",
                &"SIP/2.0/UDP a;rport=5060;received=192.0.2.1".repeat(3),
            ] {
                let spliced = message.spliced(via.as_bytes(), with.as_bytes()).unwrap();
                let scanned = Message::parse(spliced.bytes.clone()).unwrap();
                assert_eq!(spliced.as_bytes(), scanned.as_bytes());
                if !with.is_empty() {
                    assert_eq!(spliced.spans, scanned.spans, "{text} with {with}");
                }
                assert_eq!(spliced.head.body, scanned.head.body);
                assert_eq!(spliced.body(), message.body());
                assert_eq!(spliced.headers().count(), message.headers().count());
            }
            // Not inside one value, or with a line end: no.
            assert!(message.spliced(message.start_line_bytes(), b"x").is_none());
            assert!(message.spliced(via.as_bytes(), b"a\r\nX: y").is_none());
            assert!(message.spliced(b"elsewhere", b"x").is_none());
        }
    }
}
