//! Messages: parse, judge, build, change, print (RFC 3261 section 7).
//!
//! Parsing says what the bytes are, and fails only where nothing could be answered. Whether a
//! message is right is another question, which [`crate::validate`] answers.

mod build;
mod error;
mod limits;
mod method;
mod name;
mod owned;
mod reference;
pub(crate) mod scan;
mod status;
mod validate;

pub use build::{Editor, RequestBuilder, ResponseBuilder};
pub use error::{BuildError, ParseError, ParseErrorReason};
pub use limits::Limits;
pub use method::{Method, Token};
pub use name::HeaderName;
pub use owned::Message;
pub use reference::{HeaderField, HeaderFields, HeaderValues, Index, MessageRef, StartLine};
pub use status::StatusCode;
pub use validate::{Answer, Capabilities, Finding, Findings, Role, What, validate};
