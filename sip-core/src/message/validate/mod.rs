//! Judging messages: what is wrong, where, by which rule, and what it deserves.
//!
//! [`validate`] reads the whole message strictly by the grammar of RFC 3261 section 25 and the rules
//! of the sections that each [`Finding`] names. What an application supports is its
//! [`Capabilities`]; by default, everything.

mod capabilities;
mod check;
mod finding;
mod syntax;

pub(super) use syntax::grammar;

pub use capabilities::{Capabilities, Role};
pub use finding::{Answer, Finding, Findings, What};

use super::HeaderName;
use super::reference::MessageRef;

/// Judges a message.
///
/// ```
/// use sip_core::{Answer, Capabilities, Message, StatusCode, validate};
/// let options = Message::parse(&b"OPTIONS sip:a.example SIP/2.0\r\nVia: SIP/2.0/UDP b;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:b>;tag=1\r\nTo: <sip:a>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n"[..])?;
/// let findings = validate(&options, &Capabilities::default());
/// assert_eq!(findings.answer(), Some(Answer::Status(StatusCode::BAD_REQUEST)));
/// assert_eq!(findings.iter().next().map(|f| f.rule), Some("RFC 3261 section 8.1.1.5"));
/// # Ok::<(), sip_core::ParseError>(())
/// ```
pub fn validate<'b>(message: impl Into<MessageRef<'b>>, capabilities: &Capabilities) -> Findings {
    let mut findings = Findings::default();
    check::message(message.into(), capabilities, &mut findings);
    findings
}

/// Whether a message has at most one header of this name.
pub(super) fn stands_once(name: HeaderName<'_>) -> bool {
    syntax::SINGLE.contains(&name)
}
