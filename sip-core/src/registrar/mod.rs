//! The registrar: which contacts stand for an address-of-record, as values and plain functions.
//!
//! Implements the binding rules of RFC 3261 section 10.3 with Path (RFC 3327), outbound flows (RFC 5626 section 6) and
//! GRUUs (RFC 5627). No clock, no store, no socket:
//!
//! * [`Register`] is what a REGISTER asks, read from the request once.
//! * [`Bindings::apply`] computes what an address-of-record holds afterwards, or why the request is refused. It changes
//!   nothing, so that it can be computed again when another node was faster.
//! * [`Policy`] makes an [`Endpoint`](crate::Endpoint) a registrar: it challenges, asks for bindings
//!   ([`Question::Load`](crate::Question::Load), [`Question::Store`](crate::Question::Store)) or keeps them itself, and
//!   tells of each change ([`Event::Binding`](crate::Event::Binding)).
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use sip_core::Message;
//! use sip_core::registrar::{BindingChange, Bindings, Limits, Register};
//!
//! let request = Message::parse(&b"REGISTER sip:example.org SIP/2.0\r\n\
//!     Via: SIP/2.0/UDP 192.0.2.4;branch=z9hG4bKnashds7\r\n\
//!     Max-Forwards: 70\r\n\
//!     To: <sip:bob@example.org>\r\n\
//!     From: <sip:bob@example.org>;tag=456248\r\n\
//!     Call-ID: 843817637684230\r\n\
//!     CSeq: 1826 REGISTER\r\n\
//!     Contact: <sip:bob@192.0.2.4>\r\n\
//!     Expires: 7200\r\n\
//!     Content-Length: 0\r\n\r\n"[..])?;
//! let limits = Limits::default();
//! let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
//!
//! let register = Register::read(&request, None, &limits)?;
//! let change = Bindings::default().apply(&register, now, &limits)?;
//! assert_eq!(change.events().next().map(|event| event.change), Some(BindingChange::Added));
//! // Two hours were asked for, and one is the limit.
//! let binding = change.bindings().targets(now).next().expect("one contact");
//! assert_eq!(binding.expires, now + Duration::from_secs(3600));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Left out: third-party registration by policy, the `reg` event package (RFC 3680), redirecting to other registrars.

mod aor;
mod apply;
mod base64url;
mod binding;
mod flow_token;
mod gruu;
mod limits;
mod memory;
mod policy;
mod register;

pub use aor::Aor;
pub use apply::{BindingChange, BindingEvent, Change, Rejection};
pub use binding::{Binding, Bindings};
pub use flow_token::FlowTokens;
pub use gruu::{Gruu, GruuKey, public_gruu};
pub use limits::{Crowd, Limits, RememberFlow};
pub use memory::{Memory, StoreError};
pub use policy::{Authorize, Policy, Store};
pub use register::{Asked, Contacts, Register};
