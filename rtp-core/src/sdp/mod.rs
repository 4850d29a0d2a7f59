//! SDP (RFC 8866): read, judge nothing, print.
//!
//! [`Description::parse`] says what the bytes are; what they mean for a call is the
//! negotiator's business. What the grammar does not know (attributes, media kinds,
//! transport protocols, network and address types, payload formats, bytes that are not UTF-8) is kept and
//! printed back; `parse` of a printed description gives the same description again.
//!
//! Read although the grammar forbids it, because real phones send it and it can mean only one thing:
//!
//! - lines that end in LF alone, blank lines, and a last line without an end;
//! - no `s=` (read as `-`) and no `t=` (read as `0 0`);
//! - the lines of one section in any order, `v=` first;
//! - several spaces where the grammar wants one, and spaces at the end of `o=`, `c=`, `t=`, `m=` and `b=`;
//! - session ids and versions that are no decimal number or longer than 64 bits (they are kept as text).
//!
//! Refused, with the line and byte where it went wrong ([`ParseError`]): a version other than 0, no `o=`, a
//! type letter that RFC 8866 §5 does not know, a line twice that may come once, a session line after the
//! first `m=`, a NUL, and whatever passes the [`Limits`]. `k=` is read over: RFC 8866 §5.12 says that it MUST
//! be discarded.
//!
//! Left out: the meaning of `r=` and `z=` (kept as text), and multicast scopes.

mod address;
mod attribute;
mod candidate;
mod description;
mod direction;
mod dtls;
mod error;
mod extmap;
mod format;
mod grouping;
mod limits;
mod line;
mod media;
mod parse;
mod print;
mod rtcp;
mod text;

pub use address::Address;
pub use attribute::{Attribute, Attributes};
pub use candidate::Candidate;
pub use description::{Bandwidth, Description, Origin, Timing};
pub use direction::Direction;
pub use dtls::{Fingerprint, Setup};
pub use error::{ParseError, ParseErrorKind};
pub use extmap::{ExtMap, RtcpFeedback};
pub use format::{Fmtp, RtpMap};
pub use grouping::{Group, Msid};
pub use limits::Limits;
pub use media::{Media, MediaKind, Protocol};
pub use rtcp::RtcpAddress;
pub use text::Text;

/// An attribute value that does not have the form its name promises.
///
/// The line is still in the [`Description`]; only its typed reading failed. Ignore the attribute, as
/// RFC 8866 §5.13 asks for what is not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a={attribute}: expected {expected}")]
pub struct AttributeError {
    /// The attribute's name.
    pub attribute: &'static str,
    /// What should have stood there.
    pub expected: &'static str,
}
