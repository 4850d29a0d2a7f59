//! What is wrong with the bytes, and where.

/// Bytes that are no session description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, byte {offset}: {kind}")]
pub struct ParseError {
    /// The line, counted from 1.
    pub line: u32,
    /// The byte in the whole input, counted from 0, at which something else was expected.
    pub offset: usize,
    /// What is wrong.
    pub kind: ParseErrorKind,
}

/// The ways in which bytes are no session description. For SIP each deserves a 400 (RFC 3261 §21.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// More than [`Limits`](super::Limits) allows; names what there is too much of.
    #[error("too many or too large: {0}")]
    TooMuch(&'static str),
    /// Something else was expected here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A type letter that RFC 8866 §5 does not define: the description must be ignored as a whole.
    #[error("unknown line type {:?}", char::from(*.0))]
    UnknownType(u8),
    /// A session line in a media section.
    #[error("a line {}= may not stand in a media section", char::from(*.0))]
    Misplaced(u8),
    /// A second line of a type that may come once.
    #[error("a second line {}=", char::from(*.0))]
    Duplicate(u8),
    /// The end came before a line that every description has.
    #[error("no line {}=", char::from(*.0))]
    Missing(u8),
}
