//! See README.md.
#![forbid(unsafe_code)]

pub mod auth;
mod framing;
pub mod header;
mod message;
mod text;
mod uri;

pub use framing::{Frame, FrameError, Framer, Refused};
pub use header::{HeaderError, HeaderErrorReason, TypedHeader};
pub use message::{
    Answer, BuildError, Capabilities, Editor, Finding, Findings, HeaderField, HeaderFields, HeaderName, HeaderValues,
    Index, Limits, Message, MessageRef, Method, ParseError, ParseErrorReason, RequestBuilder, ResponseBuilder, Role,
    StartLine, StatusCode, Token, What, validate,
};
pub use uri::{Host, Param, Params, Scheme, Uri, UriError, UriErrorReason, UriHeaders, UriRef};
