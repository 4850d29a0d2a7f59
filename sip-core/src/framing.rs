//! From transport bytes to messages: datagram, stream and WebSocket frame (RFC 3261 section 18.3,
//! RFC 5626 section 4.4.1, RFC 7118 section 5).
//!
//! All three use one scanner, so there is one answer to where a message ends. Where two readers
//! could disagree about that, a request could be smuggled past one of them; such bytes are refused,
//! and a stream is closed after the answer, because nobody can say where its next message starts.
//!
//! ```
//! use sip_core::{Frame, Framer};
//! let mut framer = Framer::stream();
//! framer.push(&b"OPTIONS sip:a.example SIP/2.0\r\nContent-Le"[..]);
//! assert!(framer.next_frame().is_none());
//! framer.push(&b"ngth: 0\r\n\r\n\r\n\r\n"[..]);
//! assert!(matches!(framer.next_frame(), Some(Frame::Message(m)) if m.is_request()));
//! ```

use bytes::{Bytes, BytesMut};

use crate::Transport;
use crate::message::scan::{Progress, Scanner, Span, flaw};
use crate::message::{Limits, Message, ParseError, ParseErrorReason, StatusCode};

/// What a transport's bytes turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// A message whose end is certain. [`crate::validate`] says whether it is right.
    Message(Message),
    /// CRLF CRLF: the sender asks whether the connection lives. Answer CRLF (RFC 5626 section 4.4.1).
    Ping,
    /// CRLF: the answer to our ping, or an empty line that nobody asked for. On a stream, the first
    /// line end of a ping is reported so too, as it cannot wait for the second.
    Pong,
    /// Bytes that are not a message, or whose message has no certain end.
    Refused(Refused),
}

/// Bytes that a [`Framer`] refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// What could be read, to answer it; its body is empty or cut. `None`: drop the bytes.
    pub message: Option<Message>,
    /// What a request deserves: 400, or 413 when the body is beyond the limit.
    pub answer: StatusCode,
    /// Why.
    pub why: FrameError,
    /// The stream is to be closed after the answer; nothing more will come out of the framer.
    pub close: bool,
}

/// Why a [`Framer`] refuses bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Not a message at all, or beyond the limits.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// LF without CR in the header section.
    #[error("a line ends in LF without CR")]
    BareLf,
    /// CR without LF in the header section.
    #[error("CR without LF in the header section")]
    BareCr,
    /// More than one Content-Length, equal or not.
    #[error("more than one Content-Length")]
    DuplicateLength,
    /// A Content-Length that is not `1*DIGIT`, or overflows.
    #[error("Content-Length is not a number")]
    BadLength,
    /// A stream needs Content-Length (RFC 3261 section 18.3).
    #[error("no Content-Length on a stream")]
    NoLength,
    /// Content-Length promises more than the datagram holds (RFC 3261 section 18.3).
    #[error("the body is shorter than Content-Length")]
    ShortBody,
    /// The empty line behind the header section is missing.
    #[error("the header section does not end")]
    Unterminated,
    /// A WebSocket frame holds more than one message (RFC 7118 section 5.2).
    #[error("bytes behind the message in one frame")]
    Trailing,
    /// Content-Length is beyond [`Limits::body`].
    #[error("the body is too large")]
    BodyTooLarge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Datagram,
    Stream,
    WebSocket,
}

/// Splits what one transport gives into [`Frame`]s: [`push`](Framer::push) bytes, then take
/// [`next_frame`](Framer::next_frame) until it is `None`.
///
/// On a stream, bytes wait here until a message is complete: at most the limits' head and body, and
/// what one `push` gave. No byte is looked at more than twice, however the stream is cut.
#[derive(Debug)]
pub struct Framer {
    kind: Kind,
    limits: Limits,
    /// Input that nothing had to be joined to.
    fresh: Bytes,
    /// Input joined over several pushes. At most one of the two is not empty.
    joined: BytesMut,
    scanner: Scanner,
    spans: Vec<Span>,
    /// The scanner stands inside a message.
    inside: bool,
    /// The header section is complete; the whole message ends here.
    end: Option<usize>,
    /// The frame before was the first CRLF of what may be a ping.
    half_ping: bool,
    closed: bool,
    examined: u64,
}

impl Framer {
    /// Each push is one datagram.
    pub fn datagram() -> Framer {
        Self::new(Kind::Datagram)
    }

    /// Pushes are pieces of a TCP or TLS stream.
    pub fn stream() -> Framer {
        Self::new(Kind::Stream)
    }

    /// Each push is the payload of one WebSocket frame, text or binary.
    pub fn websocket() -> Framer {
        Self::new(Kind::WebSocket)
    }

    /// What a connection of this transport needs.
    pub(crate) fn connection(transport: Transport) -> Framer {
        match transport {
            Transport::Ws | Transport::Wss => Self::websocket(),
            _ => Self::stream(),
        }
    }

    fn new(kind: Kind) -> Framer {
        Framer {
            kind,
            limits: Limits::default(),
            fresh: Bytes::new(),
            joined: BytesMut::new(),
            scanner: Scanner::default(),
            spans: Vec::new(),
            inside: false,
            end: None,
            half_ping: false,
            closed: false,
            examined: 0,
        }
    }

    /// The same framer with other limits.
    pub fn with_limits(mut self, limits: Limits) -> Framer {
        self.limits = limits;
        self
    }

    /// Takes bytes from the transport. After a stream was refused they are dropped; a datagram or
    /// WebSocket frame replaces one that was not taken.
    pub fn push(&mut self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        if self.closed {
            return;
        }
        if self.kind != Kind::Stream || (self.fresh.is_empty() && self.joined.is_empty()) {
            self.fresh = bytes;
            return;
        }
        if !self.fresh.is_empty() {
            self.joined.extend_from_slice(&self.fresh);
            self.fresh = Bytes::new();
        }
        self.joined.extend_from_slice(&bytes);
    }

    /// The next frame, or `None` until there are more bytes.
    pub fn next_frame(&mut self) -> Option<Frame> {
        if self.closed {
            return None;
        }
        match self.kind {
            Kind::Stream => self.next_in_stream(),
            kind => self.next_whole(kind),
        }
    }

    /// Whether bytes of an unfinished message wait for the rest.
    pub fn is_partial(&self) -> bool {
        !self.closed && (!self.fresh.is_empty() || !self.joined.is_empty())
    }

    /// Bytes looked at so far; at most twice the bytes pushed.
    pub fn examined(&self) -> u64 {
        self.examined
    }

    fn next_whole(&mut self, kind: Kind) -> Option<Frame> {
        let bytes = std::mem::take(&mut self.fresh);
        if bytes.is_empty() {
            return None;
        }
        match &bytes[..] {
            b"\r\n\r\n" => return Some(Frame::Ping),
            b"\r\n" => return Some(Frame::Pong),
            _ => {}
        }
        let whole = bytes.len();
        let message = match Message::parse_with(bytes, &self.limits) {
            Ok(message) => message,
            // A datagram of line ends, or of the zero bytes that some devices send to keep a NAT open.
            Err(ParseError {
                reason: ParseErrorReason::Empty,
                ..
            }) => return Some(Frame::Pong),
            Err(error) => return Some(refused(None, error.into(), false)),
        };
        let message = if kind == Kind::WebSocket && message.end() != whole {
            message.with_flaw(flaw::TRAILING)
        } else {
            message
        };
        let why = match reason(message.flaws()) {
            Some(why) => why,
            None if message.body().len() > self.limits.body => FrameError::BodyTooLarge,
            None => return Some(Frame::Message(message)),
        };
        Some(refused(Some(message), why, false))
    }

    fn next_in_stream(&mut self) -> Option<Frame> {
        let bytes: &[u8] = if self.joined.is_empty() {
            &self.fresh
        } else {
            &self.joined
        };
        if !self.inside {
            match bytes {
                [] => return None,
                [b'\r', b'\n', ..] => {
                    self.take(2);
                    self.examined += 2;
                    self.half_ping = !self.half_ping;
                    return Some(if self.half_ping {
                        Frame::Pong
                    } else {
                        Frame::Ping
                    });
                }
                [b'\r'] => return self.wait(),
                _ => {}
            }
            self.inside = true;
            self.half_ping = false;
            self.end = None;
            self.spans.clear();
            self.scanner = Scanner::new(0);
        }
        let end = match self.end {
            Some(end) => end,
            None => {
                let progress = self.scanner.advance(bytes, &mut self.spans, &self.limits);
                self.examined += self.scanner.take_examined();
                match progress {
                    Ok(Progress::More) => return self.wait(),
                    Ok(Progress::Complete) => {}
                    Err(error) => return self.refuse(None, error.into()),
                }
                let head = &mut self.scanner.head;
                if head.content_length.is_none() && head.flaws & flaw::BAD_LENGTH == 0 {
                    head.flaws |= flaw::NO_LENGTH;
                }
                let why = match reason(head.flaws) {
                    None if head.content_length.unwrap_or(0) as usize > self.limits.body => {
                        Some(FrameError::BodyTooLarge)
                    }
                    why => why,
                };
                let body = head.body.0 as usize;
                if let Some(why) = why {
                    let head = *head;
                    let bytes = self.take(body);
                    let message = Message::from_parts(bytes, head, &self.spans);
                    return self.refuse(Some(message), why);
                }
                let end = body + head.content_length.unwrap_or(0) as usize;
                head.body.1 = end as u32;
                self.end = Some(end);
                end
            }
        };
        let bytes: &[u8] = if self.joined.is_empty() {
            &self.fresh
        } else {
            &self.joined
        };
        if bytes.len() < end {
            return self.wait();
        }
        let bytes = self.take(end);
        self.inside = false;
        Some(Frame::Message(Message::from_parts(
            bytes,
            self.scanner.head,
            &self.spans,
        )))
    }

    /// Nothing more in these bytes. They are copied, so that a few of them do not keep a large read
    /// buffer alive, and so that the next push has something to join.
    fn wait(&mut self) -> Option<Frame> {
        if !self.fresh.is_empty() {
            self.joined.extend_from_slice(&self.fresh);
            self.fresh = Bytes::new();
        }
        None
    }

    fn take(&mut self, len: usize) -> Bytes {
        if self.joined.is_empty() {
            self.fresh.split_to(len)
        } else {
            self.joined.split_to(len).freeze()
        }
    }

    fn refuse(&mut self, message: Option<Message>, why: FrameError) -> Option<Frame> {
        self.closed = true;
        self.fresh = Bytes::new();
        self.joined = BytesMut::new();
        Some(refused(message, why, true))
    }
}

fn refused(message: Option<Message>, why: FrameError, close: bool) -> Frame {
    let answer = match why {
        FrameError::BodyTooLarge => StatusCode::REQUEST_ENTITY_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    Frame::Refused(Refused {
        message,
        answer,
        why,
        close,
    })
}

/// The worst of the framing flaws.
fn reason(flaws: u16) -> Option<FrameError> {
    if flaws & flaw::FRAMING == 0 {
        return None;
    }
    [
        (flaw::BARE_LF, FrameError::BareLf),
        (flaw::BARE_CR, FrameError::BareCr),
        (flaw::DUPLICATE_LENGTH, FrameError::DuplicateLength),
        (flaw::BAD_LENGTH, FrameError::BadLength),
        (flaw::UNTERMINATED, FrameError::Unterminated),
        (flaw::NO_LENGTH, FrameError::NoLength),
        (flaw::SHORT_BODY, FrameError::ShortBody),
        (flaw::TRAILING, FrameError::Trailing),
    ]
    .into_iter()
    .find_map(|(bit, why)| (flaws & bit != 0).then_some(why))
}
