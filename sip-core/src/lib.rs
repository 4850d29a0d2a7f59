//! See README.md.
#![forbid(unsafe_code)]

pub mod auth;
pub mod dialog;
pub mod endpoint;
mod framing;
pub mod header;
mod message;
mod text;
pub mod transaction;
mod uri;

pub use endpoint::{
    Body, Bounds, CallHandle, CallId, CallState, Chance, CommandError, Config, ConnectionId, Counters, DigestPolicy,
    EndCause, EndKind, EndedBy, Endpoint, Epoch, Event, Flow, FlowError, Gone, Input, Invite, Local, Options, Question,
    QuestionAnswer, QuestionId, RequestId, Target, Transmit, Transport, Uninvited, Users,
};
pub use framing::{Frame, FrameError, Framer, Refused};
pub use header::{HeaderError, HeaderErrorReason, TypedHeader};
pub use message::{
    Answer, BuildError, Capabilities, Editor, Finding, Findings, HeaderField, HeaderFields, HeaderName, HeaderValues,
    Index, Limits, Message, MessageRef, Method, ParseError, ParseErrorReason, RequestBuilder, ResponseBuilder, Role,
    StartLine, StatusCode, Token, What, validate,
};
pub use uri::{Host, Param, Params, Scheme, Uri, UriError, UriErrorReason, UriHeaders, UriRef};
