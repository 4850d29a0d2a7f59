//! SIP for programs that own their sockets, clocks and threads.
//!
//! A parser that nothing can hurt, a framer that cannot be made to smuggle, transactions, dialogs,
//! digest authentication, and one poll-style [`Endpoint`] that ties them together. There is no
//! runtime, no socket, no clock and no global state inside: bytes and time come in, bytes and events
//! go out (see the feature `net` for a driver).
//!
//! # From bytes to an answer
//!
//! ```
//! use sip_core::{Answer, Capabilities, Message, StatusCode, header, validate};
//!
//! let request = Message::parse(&b"OPTIONS sip:carol@chicago.example.com SIP/2.0\r\n\
//!     Via: SIP/2.0/UDP pc33.atlanta.example.com;branch=z9hG4bKhjhs8ass877\r\n\
//!     Max-Forwards: 70\r\n\
//!     To: <sip:carol@chicago.example.com>\r\n\
//!     From: Alice <sip:alice@atlanta.example.com>;tag=1928301774\r\n\
//!     Call-ID: a84b4c76e66710\r\n\
//!     CSeq: 63104 OPTIONS\r\n\
//!     Content-Length: 0\r\n\r\n"[..])?;
//!
//! // Headers are decoded when asked for, without an allocation.
//! let from: header::From = request.typed()?;
//! assert_eq!(from.display_name().as_deref(), Some("Alice"));
//! assert_eq!(from.tag(), Some("1928301774"));
//! assert_eq!(request.uri()?.user(), Some("carol"));
//!
//! // What the bytes say is one question, whether they are right another.
//! let findings = validate(&request, &Capabilities::default());
//! assert!(findings.is_valid());
//!
//! let ok = request.reply(StatusCode::OK).to_tag("314159").header("Allow", "INVITE, ACK, BYE").build()?;
//! assert!(ok.as_bytes().starts_with(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP pc33.atlanta.example.com"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is where
//!
//! - [`Message`] and [`MessageRef`]: one pass over one buffer; typed [`header`]s on demand; builders
//!   and an [`Editor`] that changes only what it is asked to.
//! - [`validate`]: findings with place, rule and the [`Answer`] that each deserves.
//! - [`Framer`]: datagrams, streams and WebSocket frames through one scanner.
//! - [`registrar`]: which contacts stand for an address-of-record; [`registration`]: the registrar's client.
//! - [`b2bua`]: two calls joined, what crosses as policy, ring groups.
//! - [`homes`]: several endpoints behind the same sockets, and whose each message is.
//! - [`resolve`]: from a URI to addresses (RFC 3263), as a machine that asks its DNS questions.
//! - [`Uri`]: `sip:`, `sips:`, `tel:`, and the comparison of RFC 3261 section 19.1.4.
//! - [`transaction`], [`dialog`] and [`auth`]: the machines that the [`Endpoint`] is made of, for those
//!   who build their own.
//! - [`Endpoint`]: a user agent that is fed with bytes and time; [`endpoint`] tells how.
//!
//! # Features
//!
//! None is on by default, and without them there is no socket, no clock and no runtime. Each adds to the others:
//!
//! - `net`: the module `net`, UDP and TCP on tokio;
//! - `tls`: TLS for it, with `rustls` configurations that the application hands in;
//! - `ws`: WebSocket for it (RFC 7118), in TLS too together with `tls`;
//! - `dns`: NAPTR and SRV records for it (RFC 3263), by `hickory-resolver`;
//! - `tracing`: spans and events by call, and a line for whoever is refused.
//!
//! The minimum Rust version is 1.89; a later one is a minor release.
#![forbid(unsafe_code)]

pub mod auth;
pub mod b2bua;
pub mod dialog;
pub mod endpoint;
mod framing;
pub mod header;
pub mod homes;
mod message;
#[cfg(feature = "net")]
pub mod net;
pub mod registrar;
pub mod registration;
pub mod resolve;
mod text;
pub mod transaction;
mod uri;

pub use endpoint::{
    Body, Bounds, CallHandle, CallId, CallState, Chance, CommandError, Config, ConnectionId,
    Counters, DigestPolicy, Drain, EndCause, EndKind, EndedBy, Endpoint, Epoch, Event, Flow,
    FlowError, Gone, Input, Invite, LaterSdp, Local, Options, Outside, Question, QuestionAnswer,
    QuestionId, Refer, ReferError, Referrals, Reliable, RequestId, Resubscribe, SessionTimers,
    Subscribe, SubscriptionEnd, SubscriptionHandle, SubscriptionId, SubscriptionState,
    Subscriptions, Target, Terminated, Transmit, Transport, Uninvited, Users,
};
pub use framing::{Frame, FrameError, Framer, Refused};
pub use header::{HeaderError, HeaderErrorReason, TypedHeader};
pub use message::{
    Answer, BuildError, Capabilities, Editor, Finding, Findings, HeaderField, HeaderFields,
    HeaderName, HeaderValues, Index, Limits, Message, MessageRef, Method, ParseError,
    ParseErrorReason, RequestBuilder, ResponseBuilder, Role, StartLine, StatusCode, Token, What,
    validate,
};
pub use registration::{Registration, RegistrationId, RegistrationState, RegistrationStatus};
pub use uri::{Host, Param, Params, Scheme, Uri, UriError, UriErrorReason, UriHeaders, UriRef};
