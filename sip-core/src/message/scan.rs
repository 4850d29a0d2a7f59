//! The one scanner: bytes to spans, resumable at any byte.
//!
//! ```text
//! generic-message  =  start-line *message-header CRLF [ message-body ]
//! message-header   =  field-name HCOLON field-value CRLF
//! HCOLON           =  *( SP / HTAB ) ":" SWS
//! ```
//!
//! It is the only code that decides where a line, a header section and a body end, whether the
//! bytes came as a datagram, over a stream or in a WebSocket frame. What it finds wrong it flags
//! and reads on, so that a 400 can carry the sender's Via, From, To, Call-ID and CSeq.

use memchr::{memchr2, memchr3};

use super::error::{ParseError, ParseErrorReason};
use super::limits::Limits;
use super::name::{self, HeaderName, MALFORMED};
use crate::text;

/// One header field: where its name and value lie. Two words, so that it stays in registers on its
/// way into the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// Start of the line (32 bits) and of the value (32).
    starts: u64,
    /// End of the value (32 bits), length of the name (16), id (8), folded (8).
    rest: u64,
}

impl Span {
    #[inline(always)]
    fn new(start: usize, value: (usize, usize), name_len: usize, id: u8, folded: bool) -> Span {
        Span {
            starts: start as u64 | (value.0 as u64) << 32,
            rest: value.1 as u64
                | (name_len as u64) << 32
                | u64::from(id) << 48
                | u64::from(folded) << 56,
        }
    }

    /// The same where everything behind `at` lies so much further on; what the shift wraps round to is
    /// right for a shift back.
    pub(crate) fn moved(&self, at: usize, by: u32) -> Span {
        let place = |place: usize| match place > at {
            true => u64::from((place as u32).wrapping_add(by)),
            false => place as u64,
        };
        Span {
            starts: place(self.start()) | place(self.value_start()) << 32,
            rest: self.rest >> 32 << 32 | place(self.value_end()),
        }
    }

    /// First byte of the line; it ends where the next one, or the empty line, starts.
    #[inline(always)]
    pub(crate) fn start(&self) -> usize {
        self.starts as u32 as usize
    }

    #[inline(always)]
    pub(crate) fn value_start(&self) -> usize {
        (self.starts >> 32) as usize
    }

    #[inline(always)]
    pub(crate) fn value_end(&self) -> usize {
        self.rest as u32 as usize
    }

    /// The value in the bytes that were scanned.
    #[inline(always)]
    pub(crate) fn value<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        &bytes[self.value_start()..self.value_end()]
    }

    #[inline(always)]
    pub(crate) fn name_len(&self) -> usize {
        (self.rest >> 32) as u16 as usize
    }

    #[inline(always)]
    pub(crate) fn id(&self) -> u8 {
        (self.rest >> 48) as u8
    }

    #[inline(always)]
    pub(crate) fn folded(&self) -> bool {
        self.rest >> 56 != 0
    }
}

/// What is wrong with the framing or the lines of a message. A set of bits; empty for a clean one.
pub(crate) mod flaw {
    /// A line ends in LF without CR.
    pub(crate) const BARE_LF: u16 = 1;
    /// CR without LF in the header section.
    pub(crate) const BARE_CR: u16 = 1 << 1;
    /// More than one Content-Length.
    pub(crate) const DUPLICATE_LENGTH: u16 = 1 << 2;
    /// A Content-Length that is not `1*DIGIT`, or overflows, or a broken line that may be meant as one.
    pub(crate) const BAD_LENGTH: u16 = 1 << 3;
    /// A Content-Length larger than the datagram's rest.
    pub(crate) const SHORT_BODY: u16 = 1 << 4;
    /// No Content-Length where the transport needs one.
    pub(crate) const NO_LENGTH: u16 = 1 << 5;
    /// A line without a header name and colon.
    pub(crate) const BAD_LINE: u16 = 1 << 6;
    /// A start line that can be read but is not well formed.
    pub(crate) const START_LINE: u16 = 1 << 7;
    /// The empty line is missing.
    pub(crate) const UNTERMINATED: u16 = 1 << 8;
    /// Bytes behind the message in a WebSocket frame.
    pub(crate) const TRAILING: u16 = 1 << 9;
    /// Those after which nobody can say where the next message of a stream starts.
    pub(crate) const FRAMING: u16 = BARE_LF
        | BARE_CR
        | DUPLICATE_LENGTH
        | BAD_LENGTH
        | SHORT_BODY
        | NO_LENGTH
        | UNTERMINATED
        | TRAILING;
}

/// More headers than this are refused whatever the limits say: `Head::hot` counts them in a byte.
const MAX_HEADERS: usize = 250;

/// Ids below this have their first occurrence remembered.
pub(crate) const HOT: usize = 24;

/// Everything about a message that is not a header field.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    /// First byte of the start line.
    pub(crate) start: u32,
    /// End of the method, 0 in a response.
    pub(crate) method_end: u32,
    /// Request-URI, or reason phrase.
    pub(crate) target: (u32, u32),
    pub(crate) version: (u32, u32),
    /// First byte behind the start line's end.
    pub(crate) headers: u32,
    /// First byte of the empty line.
    pub(crate) headers_end: u32,
    pub(crate) body: (u32, u32),
    pub(crate) content_length: Option<u32>,
    pub(crate) flaws: u16,
    /// 0 in a request.
    pub(crate) status: u16,
    /// One more than the index of the first header with that id; 0 for none.
    pub(crate) hot: [u8; HOT],
}

/// Where the scanner puts what it finds.
pub(crate) trait Spans {
    fn push(&mut self, span: Span);
    fn as_slice(&self) -> &[Span];
}

impl Spans for Vec<Span> {
    #[inline]
    fn push(&mut self, span: Span) {
        Vec::push(self, span);
    }

    fn as_slice(&self) -> &[Span] {
        self
    }
}

const ON_STACK: usize = 40;

/// Spans of a message that will have an index of its own: on the stack as far as most messages
/// go, so that the one allocation is that of the index.
pub(crate) struct StackSpans {
    few: [Span; ON_STACK],
    len: usize,
    many: Vec<Span>,
}

impl StackSpans {
    pub(crate) fn new() -> Self {
        StackSpans {
            few: [Span::default(); ON_STACK],
            len: 0,
            many: Vec::new(),
        }
    }
}

impl Spans for StackSpans {
    #[inline]
    fn push(&mut self, span: Span) {
        if let Some(place) = self.few.get_mut(self.len) {
            *place = span;
            self.len += 1;
            return;
        }
        if self.many.is_empty() {
            self.many.extend_from_slice(&self.few);
        }
        self.many.push(span);
    }

    fn as_slice(&self) -> &[Span] {
        if self.many.is_empty() {
            &self.few[..self.len]
        } else {
            &self.many
        }
    }
}

/// Whether the header section is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    More,
    Complete,
}

/// The scanner's state between two looks at a growing buffer. Positions count from the buffer's
/// start, so the buffer must keep its front until the head is complete.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scanner {
    pub(crate) head: Head,
    /// The first byte not searched for a line end.
    pos: usize,
    /// Start of the line being read.
    line: usize,
    /// A line end was found in front of `pos`, and only the byte behind can say whether the line goes on.
    pending: bool,
    folded: bool,
    started: bool,
    /// Where the line end in front of `pos` starts.
    content: usize,
    /// Bytes looked at: once in search of a line end, once when the line is read.
    examined: u64,
}

impl Scanner {
    /// A scanner whose message starts at byte `start` of the buffer.
    pub(crate) fn new(start: usize) -> Self {
        Scanner {
            head: Head {
                start: start as u32,
                ..Head::default()
            },
            pos: start,
            line: start,
            ..Scanner::default()
        }
    }

    /// Bytes looked at since the last call.
    pub(crate) fn take_examined(&mut self) -> u64 {
        std::mem::take(&mut self.examined)
    }

    /// Reads on until the empty line or the end of `bytes`.
    pub(crate) fn advance(
        &mut self,
        bytes: &[u8],
        spans: &mut impl Spans,
        limits: &Limits,
    ) -> Result<Progress, ParseError> {
        if bytes.len() > u32::MAX as usize {
            return Err(ParseError {
                reason: ParseErrorReason::TooLong,
                at: 0,
            });
        }
        loop {
            if self.started && !self.pending && !self.folded && self.pos == self.line {
                self.take_plain_lines(bytes, spans, limits);
            }
            // `pending` means that the line's end was found, and the byte behind it was not there.
            if !self.pending && !self.find_line_end(bytes) {
                self.within(self.pos, limits)?;
                return Ok(Progress::More);
            }
            let (content, end) = (self.content, self.pos);
            self.within(end, limits)?;
            if content == self.line && self.started && !self.folded {
                self.head.headers_end = self.line as u32;
                self.finish(bytes, end, spans);
                return Ok(Progress::Complete);
            }
            let Some(&next) = bytes.get(end) else {
                self.pending = true;
                return Ok(Progress::More);
            };
            self.pending = false;
            if self.started && matches!(next, b' ' | b'\t') {
                self.folded = true;
            } else {
                self.take_line(bytes, content, end, spans, limits)?;
            }
        }
    }

    /// Moves `pos` behind the next line end and `content` in front of it. CR is searched for as
    /// well as LF, so that the same look finds the one without the other.
    #[inline]
    fn find_line_end(&mut self, bytes: &[u8]) -> bool {
        loop {
            let Some(i) = memchr2(b'\r', b'\n', &bytes[self.pos..]) else {
                self.examined += (bytes.len() - self.pos) as u64;
                self.pos = bytes.len();
                return false;
            };
            let at = self.pos + i;
            self.examined += i as u64 + 1;
            self.pos = at + 1;
            if bytes[at] == b'\n' {
                self.head.flaws |= flaw::BARE_LF;
                self.content = at;
                return true;
            }
            match bytes.get(at + 1) {
                Some(b'\n') => {
                    self.content = at;
                    self.pos = at + 2;
                    return true;
                }
                Some(_) => self.head.flaws |= flaw::BARE_CR,
                None => {
                    self.pos = at;
                    return false;
                }
            }
        }
    }

    /// Takes header lines as nearly all are: ended by CRLF, not folded, well formed, within the limits. What else
    /// comes is left where it starts, as far as it was looked at.
    #[inline]
    fn take_plain_lines(&mut self, bytes: &[u8], spans: &mut impl Spans, limits: &Limits) {
        let head_end = self.head.start as usize + limits.head;
        let (most, longest) = (limits.headers.min(MAX_HEADERS), limits.line);
        let mut n = spans.as_slice().len();
        let (mut line, mut examined) = (self.line, 0);
        loop {
            let rest = &bytes[line..];
            let Some(len) = memchr2(b'\r', b'\n', rest) else {
                examined += rest.len();
                self.pos = bytes.len();
                break;
            };
            examined += len;
            let content = line + len;
            let Some([b'\r', b'\n', next]) = rest[len..].first_chunk() else {
                self.pos = content;
                break;
            };
            examined += 1;
            let end = content + 2;
            if len != 0
                && !matches!(*next, b' ' | b'\t')
                && n < most
                && end <= head_end
                && end - line <= longest
            {
                let span = header_line(rest, line, len, false);
                if span.id() != MALFORMED {
                    spans.push(span);
                    n += 1;
                    self.note(span.id(), n as u8);
                    examined += len;
                    line = end;
                    continue;
                }
            }
            self.content = content;
            self.pos = end;
            self.pending = true;
            break;
        }
        self.line = line;
        self.examined += examined as u64;
    }

    /// The `n`th header, from 1, has this id.
    #[inline]
    fn note(&mut self, id: u8, n: u8) {
        if let Some(hot) = self.head.hot.get_mut(id as usize) {
            if *hot == 0 {
                *hot = n;
            } else if id == HeaderName::CONTENT_LENGTH.id() {
                self.head.flaws |= flaw::DUPLICATE_LENGTH;
            }
        }
    }

    /// Whether a head that reaches to `end` is within the limits. The same bytes fail in the same
    /// place however a stream was cut.
    #[inline]
    fn within(&self, end: usize, limits: &Limits) -> Result<(), ParseError> {
        let line = self.line + limits.line;
        let head = self.head.start as usize + limits.head;
        if end <= line.min(head) {
            return Ok(());
        }
        Err(if head <= line {
            ParseError {
                reason: ParseErrorReason::HeadTooLong,
                at: head,
            }
        } else {
            ParseError {
                reason: ParseErrorReason::LineTooLong,
                at: line,
            }
        })
    }

    /// The bytes end without the empty line (a datagram cut short): what is there is taken, and flagged.
    pub(crate) fn finish_early(
        &mut self,
        bytes: &[u8],
        spans: &mut impl Spans,
        limits: &Limits,
    ) -> Result<(), ParseError> {
        self.head.flaws |= flaw::UNTERMINATED;
        if self.line < bytes.len() {
            let content = if self.pending {
                self.content
            } else {
                bytes.len()
            };
            self.take_line(bytes, content, bytes.len(), spans, limits)?;
        }
        self.head.headers_end = bytes.len() as u32;
        self.finish(bytes, bytes.len(), spans);
        Ok(())
    }

    #[inline]
    fn take_line(
        &mut self,
        bytes: &[u8],
        content: usize,
        end: usize,
        spans: &mut impl Spans,
        limits: &Limits,
    ) -> Result<(), ParseError> {
        self.examined += (content - self.line) as u64;
        if self.started {
            if spans.as_slice().len() >= limits.headers.min(MAX_HEADERS) {
                return Err(ParseError {
                    reason: ParseErrorReason::TooManyHeaders,
                    at: self.line,
                });
            }
            let span = header_line(
                &bytes[self.line..],
                self.line,
                content - self.line,
                self.folded,
            );
            if span.id() == MALFORMED {
                self.head.flaws |= flaw::BAD_LINE;
                if resembles_length(&bytes[self.line..content]) {
                    self.head.flaws |= flaw::BAD_LENGTH;
                }
            }
            spans.push(span);
            self.note(span.id(), spans.as_slice().len() as u8);
        } else {
            start_line(bytes, self.line, content, &mut self.head)?;
            self.started = true;
            self.head.headers = end as u32;
        }
        self.line = end;
        self.folded = false;
        Ok(())
    }

    fn finish(&mut self, bytes: &[u8], body: usize, spans: &impl Spans) {
        let head = &mut self.head;
        head.body = (body as u32, body as u32);
        let index = head.hot[HeaderName::CONTENT_LENGTH.id() as usize];
        if index != 0 {
            let span = spans.as_slice()[index as usize - 1];
            match text::decimal(span.value(bytes)) {
                Some(length) => head.content_length = Some(length),
                None => head.flaws |= flaw::BAD_LENGTH,
            }
        }
    }
}

/// Reads the header line that starts at `line`: the first `len` bytes of `rest`.
#[inline(always)]
fn header_line(rest: &[u8], line: usize, len: usize, folded: bool) -> Span {
    match usual_line(rest, len) {
        Some((name_len, id)) => {
            let start = line + name_len + ": ".len();
            Span::new(line, (start, line + len), name_len, id, folded)
        }
        None => any_line(rest, line, len, folded),
    }
}

/// The name's length and id in a line such as most are: a short name in its usual spelling, a colon, one space, and
/// a value that neither starts nor ends with white space.
#[inline(always)]
fn usual_line(rest: &[u8], len: usize) -> Option<(usize, u8)> {
    let (name_len, id) = name::usual(rest.first_chunk()?)?;
    let start = name_len + ": ".len();
    let value = rest.get(start..len)?;
    let visible = |byte: Option<&u8>| byte.is_some_and(|b| *b > b' ');
    (rest[start - 1] == b' ' && visible(value.first()) && visible(value.last()))
        .then_some((name_len, id))
}

/// Any other line.
#[inline(never)]
fn any_line(rest: &[u8], line: usize, len: usize, folded: bool) -> Span {
    let malformed = Span::new(line, (line, line + len), 0, MALFORMED, folded);
    let Some((colon, name_len, id)) = name::scan(rest, len) else {
        return malformed;
    };
    let field = &rest[..len];
    if id == name::EXTENSION
        && (name_len > u16::MAX as usize || !text::is_token(&field[..name_len]))
    {
        return malformed;
    }
    let start = text::skip_ws(field, colon + 1);
    let end = start + text::trim_end(&field[start..]).len();
    Span::new(line, (line + start, line + end), name_len, id, folded)
}

/// Whether a line that is no header field may be a Content-Length to a laxer reader: the letters in
/// front of its colon spell the name. Such a reader would see another end of the message.
#[cold]
fn resembles_length(line: &[u8]) -> bool {
    let name = &line[..memchr::memchr(b':', line).unwrap_or(line.len())];
    let letters = || {
        name.iter()
            .filter(|b| b.is_ascii_alphabetic())
            .map(u8::to_ascii_lowercase)
    };
    letters().eq(*b"contentlength") || letters().eq(*b"l")
}

/// ```text
/// Request-Line  =  Method SP Request-URI SP SIP-Version CRLF
/// Status-Line   =  SIP-Version SP Status-Code SP Reason-Phrase CRLF
/// SIP-Version   =  "SIP" "/" 1*DIGIT "." 1*DIGIT
/// ```
fn start_line(
    bytes: &[u8],
    line: usize,
    content: usize,
    head: &mut Head,
) -> Result<(), ParseError> {
    let field = &bytes[line..content];
    let error = |reason, at: usize| {
        Err(ParseError {
            reason,
            at: line + at,
        })
    };
    let at = |i: usize| (line + i) as u32;
    if let Some(version) = version_len(field) {
        // A method may not hold "/", so this is a status line.
        let rest = &field[version..];
        if rest.first() != Some(&b' ') {
            return error(ParseErrorReason::StartLine, version);
        }
        let digits = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
        let code = text::decimal(&rest[1..1 + digits]).unwrap_or(0);
        if digits != 3 || !(100..700).contains(&code) {
            return error(ParseErrorReason::StatusCode, version + 1);
        }
        head.status = code as u16;
        head.version = (at(0), at(version));
        let mut reason = version + 4;
        match field.get(reason) {
            Some(b' ') => reason += 1,
            // Without the space, and without a reason: not the grammar, but not to be misread.
            None => head.flaws |= flaw::START_LINE,
            Some(_) => return error(ParseErrorReason::StatusCode, version + 1),
        }
        head.target = (at(reason), at(field.len()));
        return Ok(());
    }
    let method = text::span(field, text::TOKEN);
    if method == 0 || field.get(method) != Some(&b' ') {
        return error(ParseErrorReason::StartLine, 0);
    }
    // The version is what stands behind the last space; trailing white space is a flaw.
    let (last, trimmed) = if field.ends_with(b" SIP/2.0") {
        (field.len() - " SIP/2.0".len(), field.len())
    } else {
        let trimmed = text::trim_end(field).len();
        let last = field[..trimmed].iter().rposition(|&b| b == b' ');
        let known = |last: &usize| {
            let version = &field[last + 1..trimmed];
            version_len(version) == Some(version.len())
        };
        match last.filter(known) {
            Some(last) => (last, trimmed),
            None => return error(ParseErrorReason::StartLine, 0),
        }
    };
    if trimmed != field.len() || last <= method + 1 {
        head.flaws |= flaw::START_LINE;
    }
    let (from, to) = (method + 1, last.max(method + 1));
    if memchr3(b' ', b'\t', b'\r', &field[from..to]).is_some() {
        head.flaws |= flaw::START_LINE;
    }
    head.method_end = at(method);
    head.target = (at(from), at(to));
    head.version = (at(last + 1), at(trimmed));
    Ok(())
}

/// Length of the SIP version at the start of `bytes`.
fn version_len(bytes: &[u8]) -> Option<usize> {
    if bytes.len() < 7 || !bytes[..4].eq_ignore_ascii_case(b"SIP/") {
        return None;
    }
    let major = bytes[4..].iter().take_while(|b| b.is_ascii_digit()).count();
    if major == 0 || bytes.get(4 + major) != Some(&b'.') {
        return None;
    }
    let minor = bytes[5 + major..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    (minor > 0).then_some(5 + major + minor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The short way through the usual line is nothing but shorter.
        #[test]
        fn a_usual_line_reads_as_any_line_does(
            line in "(Via|v|VIA|To|From|Call-ID|Max-Forwards|Session-Expires|Record-Route|Subject|X-Room|)[ \t]?:?[ \t]{0,2}[a:é\0 ]{0,3}[ \t]?",
            behind in "\r\n(To: b\r\n)?(Contact: <sip:a@b>\r\n)?",
            before in 0usize..9,
        ) {
            let bytes = format!("{line}{behind}");
            let (rest, len) = (bytes.as_bytes(), line.len());
            prop_assert_eq!(header_line(rest, before, len, false), any_line(rest, before, len, false));
        }
    }
}
