use std::borrow::Cow;
use std::fmt;

use super::error::{ParseError, ParseErrorReason};
use super::limits::Limits;
use super::method::Method;
use super::name::{EXTENSION, HeaderName, MALFORMED};
use super::scan::{Head, Progress, Scanner, Span, Spans};
use super::status::StatusCode;
use crate::header::{self, HeaderError, TypedHeader};
use crate::text;
use crate::uri::{UriError, UriRef};

/// Room for the spans of one message, to be used again for the next: with it, parsing allocates nothing.
#[derive(Debug, Default)]
pub struct Index {
    pub(crate) spans: Vec<Span>,
    pub(crate) head: Head,
}

impl Index {
    /// An empty index; it grows with the first message.
    pub fn new() -> Self {
        Self::default()
    }

    /// An index that holds this many header fields before it grows.
    pub fn with_capacity(headers: usize) -> Self {
        Index {
            spans: Vec::with_capacity(headers),
            head: Head::default(),
        }
    }
}

/// A parsed message over the caller's bytes.
///
/// ```
/// use sip_core::{Index, Limits, MessageRef, header};
/// let bytes = b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\nl: 0\r\n\r\n";
/// let mut index = Index::new();
/// let message = MessageRef::parse(bytes, &mut index, &Limits::default())?;
/// assert_eq!(message.status().map(|s| s.code()), Some(200));
/// assert_eq!(message.typed::<header::Via>().unwrap().branch(), Some("z9hG4bK1"));
/// # Ok::<(), sip_core::ParseError>(())
/// ```
#[derive(Clone, Copy)]
pub struct MessageRef<'b> {
    pub(crate) bytes: &'b [u8],
    pub(crate) head: &'b Head,
    pub(crate) spans: &'b [Span],
}

/// The first line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'b> {
    /// `Method SP Request-URI SP SIP-Version`
    Request {
        /// The method as it stands.
        method: &'b [u8],
        /// The Request-URI as it stands.
        uri: &'b [u8],
        /// `SIP/2.0`, or what the sender claims.
        version: &'b [u8],
    },
    /// `SIP-Version SP Status-Code SP Reason-Phrase`
    Response {
        /// 100 to 699.
        status: StatusCode,
        /// The reason phrase, which may be empty and need not be UTF-8.
        reason: &'b [u8],
        /// `SIP/2.0`, or what the sender claims.
        version: &'b [u8],
    },
}

/// One header field as it came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HeaderField<'b> {
    pub(crate) name: HeaderName<'b>,
    pub(crate) raw_name: &'b [u8],
    pub(crate) value: &'b [u8],
    pub(crate) at: usize,
    pub(crate) folded: bool,
}

impl<'b> HeaderField<'b> {
    /// The name, known or not.
    pub fn name(&self) -> HeaderName<'b> {
        self.name
    }

    /// The name as the sender wrote it.
    pub fn raw_name(&self) -> &'b [u8] {
        self.raw_name
    }

    /// The value without white space around it; folds inside are kept.
    pub fn value(&self) -> &'b [u8] {
        self.value
    }

    /// Offset of the value in the bytes that were parsed.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The value as text: folds become one space (RFC 3261 section 7.3.1), bytes that are not
    /// UTF-8 the replacement character.
    pub fn to_str(&self) -> Cow<'b, str> {
        if self.folded {
            Cow::Owned(text::lossy(&text::unfolded(self.value)).into_owned())
        } else {
            text::lossy(self.value)
        }
    }
}

impl fmt::Debug for HeaderField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.to_str())
    }
}

/// First byte behind leading line ends, which a receiver ignores (RFC 3261 section 7.5).
pub(crate) fn skip_line_ends(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|b| !matches!(b, b'\r' | b'\n'))
        .unwrap_or(bytes.len())
}

/// Scans one datagram or WebSocket frame.
pub(crate) fn scan_datagram(
    bytes: &[u8],
    spans: &mut impl Spans,
    limits: &Limits,
) -> Result<Head, ParseError> {
    let start = skip_line_ends(bytes);
    if start == bytes.len() {
        return Err(ParseError {
            reason: ParseErrorReason::Empty,
            at: 0,
        });
    }
    let mut scanner = Scanner::new(start);
    if scanner.advance(bytes, spans, limits)? == Progress::More {
        scanner.finish_early(bytes, spans, limits)?;
    }
    let mut head = scanner.head;
    let rest = bytes.len() - head.body.0 as usize;
    // What follows the body that Content-Length promises is no part of the message (section 18.3).
    head.body.1 = match head.content_length {
        Some(length) if length as usize <= rest => head.body.0 + length,
        Some(_) => {
            head.flaws |= super::scan::flaw::SHORT_BODY;
            bytes.len() as u32
        }
        None => bytes.len() as u32,
    };
    Ok(head)
}

impl<'b> MessageRef<'b> {
    /// Parses one datagram. Bytes behind the body that Content-Length promises are left alone.
    ///
    /// What is wrong but can be told from what is right does not fail here: [`crate::validate`]
    /// judges it.
    pub fn parse(
        bytes: &'b [u8],
        index: &'b mut Index,
        limits: &Limits,
    ) -> Result<MessageRef<'b>, ParseError> {
        index.spans.clear();
        index.head = scan_datagram(bytes, &mut index.spans, limits)?;
        Ok(MessageRef {
            bytes,
            head: &index.head,
            spans: &index.spans,
        })
    }

    /// Whether this is a request.
    pub fn is_request(&self) -> bool {
        self.head.status == 0
    }

    /// The first line.
    pub fn start_line(&self) -> StartLine<'b> {
        let version = self.slice(self.head.version);
        match self.status() {
            Some(status) => StartLine::Response {
                status,
                reason: self.slice(self.head.target),
                version,
            },
            None => StartLine::Request {
                method: self.method_bytes(),
                uri: self.slice(self.head.target),
                version,
            },
        }
    }

    /// The request's method; `None` in a response.
    pub fn method(&self) -> Option<Method> {
        if self.is_request() {
            Method::from_bytes(self.method_bytes())
        } else {
            None
        }
    }

    fn method_bytes(&self) -> &'b [u8] {
        self.slice((self.head.start, self.head.method_end.max(self.head.start)))
    }

    /// The response's status; `None` in a request.
    pub fn status(&self) -> Option<StatusCode> {
        StatusCode::new(self.head.status)
    }

    /// The response's reason phrase; empty in a request.
    pub fn reason(&self) -> Cow<'b, str> {
        if self.is_request() {
            Cow::Borrowed("")
        } else {
            text::lossy(self.slice(self.head.target))
        }
    }

    /// The Request-URI as it stands; `None` in a response.
    pub fn uri_bytes(&self) -> Option<&'b [u8]> {
        self.is_request().then(|| self.slice(self.head.target))
    }

    /// The Request-URI; in a response, an error.
    pub fn uri(&self) -> Result<UriRef<'b>, UriError> {
        UriRef::parse(self.uri_bytes().unwrap_or_default())
    }

    /// `SIP/2.0`, or what the sender claims.
    pub fn version(&self) -> &'b [u8] {
        self.slice(self.head.version)
    }

    /// The message without leading line ends and without what follows its body.
    pub fn as_bytes(&self) -> &'b [u8] {
        self.slice((self.head.start, self.head.body.1))
    }

    /// The body's bytes.
    pub fn body(&self) -> &'b [u8] {
        self.slice(self.head.body)
    }

    /// Every header field, in order. Lines that are not header fields are left out.
    pub fn headers(&self) -> HeaderFields<'b, 'static> {
        HeaderFields {
            bytes: self.bytes,
            spans: self.spans.iter(),
            name: None,
        }
    }

    /// The first header field of this name.
    pub fn header<'n>(&self, name: impl Into<HeaderName<'n>>) -> Option<HeaderField<'b>> {
        let name = name.into();
        if name.id() == EXTENSION {
            return self.headers().find(|h| h.name == name);
        }
        self.span(name.id()).map(|span| field(self.bytes, span))
    }

    /// The first span of a known header.
    #[inline]
    fn span(&self, id: u8) -> Option<&'b Span> {
        match self.head.hot.get(id as usize) {
            Some(0) => None,
            Some(index) => self.spans.get(*index as usize - 1),
            None => self.spans.iter().find(|s| s.id() == id),
        }
    }

    /// Every header field of this name, one a line.
    pub fn headers_named<'n>(&self, name: impl Into<HeaderName<'n>>) -> HeaderFields<'b, 'n> {
        HeaderFields {
            bytes: self.bytes,
            spans: self.spans.iter(),
            name: Some(name.into()),
        }
    }

    /// Every value of a header that is a comma-separated list, across all of its lines.
    pub fn values<'n>(&self, name: impl Into<HeaderName<'n>>) -> HeaderValues<'b, 'n> {
        HeaderValues {
            fields: self.headers_named(name),
            list: header::split_list(&[]),
        }
    }

    /// The first value of a typed header.
    ///
    /// # Errors
    /// [`HeaderError`] with reason `Missing` when the message has none, otherwise what is wrong with it.
    pub fn typed<T: TypedHeader<'b>>(&self) -> Result<T, HeaderError> {
        self.typed_opt()?
            .ok_or_else(|| HeaderError::missing(T::NAME))
    }

    /// The first value of a typed header, `None` when the message has none.
    pub fn typed_opt<T: TypedHeader<'b>>(&self) -> Result<Option<T>, HeaderError> {
        let value = match T::NAME.id() {
            EXTENSION => self.header(T::NAME).map(|field| field.value),
            id => self.span(id).map(|span| span.value(self.bytes)),
        };
        let Some(value) = value else {
            return Ok(None);
        };
        if !T::LIST {
            return T::decode(value).map(Some);
        }
        let first = &value[..text::list_end(value, 0)];
        T::decode(text::trim_end(first)).map(Some)
    }

    /// Every value of a typed header, in order, lists split.
    pub fn typed_all<T: TypedHeader<'b>>(
        &self,
    ) -> impl Iterator<Item = Result<T, HeaderError>> + use<'b, T> {
        self.headers_named(T::NAME)
            .flat_map(|h| {
                if T::LIST {
                    header::split_list(h.value)
                } else {
                    header::single(h.value)
                }
            })
            .map(T::decode)
    }

    /// Copies the message to the front of the caller's buffer and returns its length.
    ///
    /// # Errors
    /// [`crate::BuildError::BufferTooSmall`] says how much is needed.
    pub fn write_to(&self, out: &mut [u8]) -> Result<usize, crate::BuildError> {
        let bytes = self.as_bytes();
        let needed = bytes.len();
        out.get_mut(..needed)
            .ok_or(crate::BuildError::BufferTooSmall { needed })?
            .copy_from_slice(bytes);
        Ok(needed)
    }

    fn slice(&self, (from, to): (u32, u32)) -> &'b [u8] {
        &self.bytes[from as usize..to as usize]
    }
}

/// Iterator of [`MessageRef::headers`] and [`MessageRef::headers_named`].
#[derive(Clone, Debug)]
pub struct HeaderFields<'b, 'n> {
    bytes: &'b [u8],
    spans: std::slice::Iter<'b, Span>,
    name: Option<HeaderName<'n>>,
}

impl<'b> Iterator for HeaderFields<'b, '_> {
    type Item = HeaderField<'b>;

    fn next(&mut self) -> Option<HeaderField<'b>> {
        loop {
            let span = self.spans.next()?;
            match self.name {
                _ if span.id() == MALFORMED => {}
                None => return Some(field(self.bytes, span)),
                Some(name) if name.id() == span.id() => {
                    let field = field(self.bytes, span);
                    if field.name == name {
                        return Some(field);
                    }
                }
                Some(_) => {}
            }
        }
    }
}

/// Iterator of [`MessageRef::values`].
#[derive(Clone, Debug)]
pub struct HeaderValues<'b, 'n> {
    fields: HeaderFields<'b, 'n>,
    list: header::ListIter<'b>,
}

impl<'b> Iterator for HeaderValues<'b, '_> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        loop {
            if let Some(value) = self.list.next() {
                return Some(value);
            }
            self.list = header::split_list(self.fields.next()?.value);
        }
    }
}

#[inline]
pub(crate) fn field<'b>(bytes: &'b [u8], span: &Span) -> HeaderField<'b> {
    let raw_name = &bytes[span.start()..span.start() + span.name_len()];
    HeaderField {
        name: if span.id() == EXTENSION {
            HeaderName::from_bytes(raw_name)
        } else {
            HeaderName::known(span.id())
        },
        raw_name,
        value: span.value(bytes),
        at: span.value_start(),
        folded: span.folded(),
    }
}

impl fmt::Debug for MessageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&text::lossy(self.as_bytes()), f)
    }
}
