use super::{ContentType, TypedHeader};
use crate::message::{HeaderName, Limits, MessageRef};
use crate::text;

/// The parts of a `multipart/…` body.
///
/// ```text
/// multipart-body  =  [preamble CRLF] dash-boundary CRLF body-part
///                    *( CRLF dash-boundary CRLF body-part )
///                    CRLF dash-boundary "--" [CRLF epilogue]
/// ```
///
/// RFC 2046 section 5.1.1. Parts are slices of the body and may be binary. Parts within parts are
/// entered only when asked for, and only as deep as [`crate::Limits::nesting`].
///
/// ```
/// use sip_core::header::Multipart;
/// let body = b"--x\r\nContent-Type: text/plain\r\n\r\nHello\r\n--x--\r\n";
/// let parts: Vec<_> = Multipart::new(b"multipart/mixed;boundary=x", body).unwrap().collect();
/// assert_eq!(parts[0].body(), b"Hello");
/// ```
#[derive(Clone, Debug)]
pub struct Multipart<'a> {
    boundary: Vec<u8>,
    rest: &'a [u8],
    /// The first boundary may stand at the body's start.
    started: bool,
    nesting: usize,
}

impl<'a> Multipart<'a> {
    /// The parts of `body`, or `None` when the Content-Type is not a multipart with a boundary.
    pub fn new(content_type: &[u8], body: &'a [u8]) -> Option<Multipart<'a>> {
        Self::nested(content_type, body, Limits::default().nesting)
    }

    /// The parts of a message's body, under these limits; `None` when it is not a multipart.
    pub fn of(message: impl Into<MessageRef<'a>>, limits: &Limits) -> Option<Multipart<'a>> {
        let message = message.into();
        let content_type = message.header(HeaderName::CONTENT_TYPE)?;
        Self::nested(content_type.value(), message.body(), limits.nesting)
    }

    /// The same as [`new`](Self::new), with another limit on parts within parts.
    pub fn nested(content_type: &[u8], body: &'a [u8], nesting: usize) -> Option<Multipart<'a>> {
        let content_type = ContentType::decode(content_type).ok()?;
        if !content_type.main_type().eq_ignore_ascii_case("multipart") || nesting == 0 {
            return None;
        }
        let boundary = content_type.param("boundary")?;
        let boundary = match boundary.value_bytes()? {
            quoted @ [b'"', ..] => text::unquote(quoted),
            plain => plain.to_vec(),
        };
        // RFC 2046: 1 to 70 characters.
        if boundary.is_empty() || boundary.len() > 70 {
            return None;
        }
        let boundary = [b"--", &boundary[..]].concat();
        Some(Multipart {
            boundary,
            rest: body,
            started: false,
            nesting,
        })
    }

    /// The next line that is the boundary: where the text in front of it ends, where the line ends,
    /// and whether it is the last.
    fn delimiter(&self, from: usize, at_line_start: bool) -> Option<(usize, usize, bool)> {
        let bytes = self.rest;
        for found in memchr::memmem::find_iter(&bytes[from..], &self.boundary) {
            let at = from + found;
            let line_start = (at == 0 && at_line_start) || bytes[..at].ends_with(b"\r\n");
            if !line_start {
                continue;
            }
            let mut end = at + self.boundary.len();
            let last = bytes[end..].starts_with(b"--");
            if last {
                end += 2;
            }
            while matches!(bytes.get(end), Some(b' ' | b'\t')) {
                end += 1;
            }
            let text = at.saturating_sub(2);
            if bytes[end..].starts_with(b"\r\n") {
                return Some((text, end + 2, last));
            }
            if last && end == bytes.len() {
                return Some((text, end, last));
            }
        }
        None
    }
}

impl<'a> Iterator for Multipart<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        if !self.started {
            let (_, end, last) = self.delimiter(0, true)?;
            self.started = true;
            self.rest = if last { &[] } else { &self.rest[end..] };
        }
        if self.rest.is_empty() {
            return None;
        }
        let Some((text, end, last)) = self.delimiter(0, true) else {
            // Cut short: no part without its end.
            self.rest = &[];
            return None;
        };
        let part = Part {
            bytes: &self.rest[..text],
            nesting: self.nesting,
        };
        self.rest = if last { &[] } else { &self.rest[end..] };
        Some(part)
    }
}

/// One part of a multipart body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    bytes: &'a [u8],
    nesting: usize,
}

impl<'a> Part<'a> {
    /// The part with its header fields.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    fn split(&self) -> (&'a [u8], &'a [u8]) {
        if let Some(body) = self.bytes.strip_prefix(b"\r\n") {
            return (&[], body);
        }
        match memchr::memmem::find(self.bytes, b"\r\n\r\n") {
            Some(at) => (&self.bytes[..at + 2], &self.bytes[at + 4..]),
            None => (self.bytes, &[]),
        }
    }

    /// The part's own body.
    pub fn body(&self) -> &'a [u8] {
        self.split().1
    }

    /// The value of the part's first header field of this name, folds kept.
    pub fn header<'n>(&self, name: impl Into<HeaderName<'n>>) -> Option<&'a [u8]> {
        let name = name.into();
        let head = self.split().0;
        let mut at = 0;
        while at < head.len() {
            let mut end = at;
            loop {
                end =
                    memchr::memmem::find(&head[end..], b"\r\n").map_or(head.len(), |i| end + i + 2);
                if !matches!(head.get(end), Some(b' ' | b'\t')) {
                    break;
                }
            }
            let line = &head[at..end];
            at = end;
            let Some(colon) = memchr::memchr(b':', line) else {
                continue;
            };
            if HeaderName::from_bytes(text::trim(&line[..colon])) == name {
                return Some(text::trim(&line[colon + 1..]));
            }
        }
        None
    }

    /// The part's Content-Type, where it has one; `text/plain` is meant otherwise (RFC 2046 section 5.1).
    pub fn content_type(&self) -> Option<ContentType<'a>> {
        self.header(HeaderName::CONTENT_TYPE)
            .and_then(|v| ContentType::decode(v).ok())
    }

    /// The parts of this part, when it is a multipart itself and the nesting limit is not reached.
    pub fn parts(&self) -> Option<Multipart<'a>> {
        let content_type = self.header(HeaderName::CONTENT_TYPE)?;
        Multipart::nested(content_type, self.body(), self.nesting - 1)
    }
}
