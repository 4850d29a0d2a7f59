use thiserror::Error;

use crate::header::HeaderError;
use crate::message::Finding;
use crate::uri::UriError;

/// Why bytes are not a message that could be answered. Such a message is dropped.
///
/// What is wrong but can be answered is not an error of the parser: [`crate::validate`] finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{reason} at byte {at}")]
pub struct ParseError {
    /// What is wrong.
    pub reason: ParseErrorReason,
    /// Offset into the bytes given.
    pub at: usize,
}

/// What a [`ParseError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseErrorReason {
    /// Nothing but line ends: a keep-alive, not a message.
    #[error("no message")]
    Empty,
    /// Neither `Method Request-URI SIP/…` nor `SIP/… Status-Code Reason` (RFC 3261 section 7).
    #[error("not a SIP start line")]
    StartLine,
    /// A status code outside 100 to 699 (RFC 3261 section 7.2).
    #[error("not a status code")]
    StatusCode,
    /// The header section is longer than [`crate::Limits::head`].
    #[error("header section too long")]
    HeadTooLong,
    /// A header field is longer than [`crate::Limits::line`].
    #[error("header field too long")]
    LineTooLong,
    /// More header fields than [`crate::Limits::headers`].
    #[error("too many header fields")]
    TooManyHeaders,
    /// Longer than 4 GiB.
    #[error("message too long")]
    TooLong,
}

/// Why a message could not be built or edited.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A value holds CR or LF, which would let it write header fields of its own, or another control
    /// character.
    #[error("header {0} holds a control character")]
    Injection(String),
    /// The header name is not a token.
    #[error("not a header name: {0:?}")]
    Name(String),
    /// The method is not a token.
    #[error("not a method")]
    Method,
    /// The status code is outside 100 to 699.
    #[error("not a status code")]
    Status,
    /// The URI does not parse.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// A value is not its header's grammar.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A header that every message needs (RFC 3261 section 8.1.1) was not given.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// A header that stands once was given twice.
    #[error("more than one {0}")]
    Duplicate(String),
    /// Each header is right, and the whole is not: a CSeq of another method, a Request-URI with
    /// headers, …
    #[error("the message would break a rule: {0}")]
    Broken(Box<Finding>),
    /// Content-Length is computed from the body and cannot be set.
    #[error("Content-Length follows from the body")]
    ContentLength,
    /// Asked to edit the start line of the other kind of message.
    #[error("a response has no Request-URI, a request no status")]
    WrongKind,
    /// The caller's buffer is too small.
    #[error("the buffer is too small: {needed} bytes needed")]
    BufferTooSmall {
        /// Bytes that would have been written.
        needed: usize,
    },
    /// What was built is beyond the default [`crate::Limits`].
    #[error(transparent)]
    Parse(#[from] ParseError),
}
