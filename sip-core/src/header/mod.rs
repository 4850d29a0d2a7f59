//! Typed header fields, one family a file, decoded when asked for.
//!
//! Each type borrows from the value that it reads and implements [`TypedHeader`]; ask a message for
//! it with [`crate::MessageRef::typed`]. `Display` writes the value back, without the header's name.

mod authorization;
mod date;
mod dialog_reference;
pub mod digest;
mod media;
mod multipart;
mod name_addr;
mod number;
mod opaque;
mod plain;
mod reliable;
mod session_timer;
mod token_list;
mod via;
mod warning;
mod with_params;

use thiserror::Error;

pub use authorization::{
    AuthenticationInfo, Authorization, ProxyAuthenticate, ProxyAuthorization, WwwAuthenticate,
};
pub use date::Date;
pub use dialog_reference::{Join, Replaces, TargetDialog};
pub use media::{Accept, ContentType};
pub use multipart::{Multipart, Part};
pub use name_addr::{
    Contact, Diversion, From, HistoryInfo, NameAddr, NameAddrRef, PAssertedIdentity,
    PPreferredIdentity, Path, RecordRoute, ReferTo, ReferredBy, ReplyTo, Route, ServiceRoute, To,
};
pub(crate) use number::qvalue;
pub use number::{CSeq, CallId, ContentLength, Expires, FlowTimer, MaxForwards, MinExpires, RSeq};
pub use opaque::{AlertInfo, CallInfo, ErrorInfo, Identity, SessionId, UserToUser};
pub use plain::{
    InReplyTo, MimeVersion, Organization, Priority, Server, Subject, Timestamp, UserAgent,
};
pub use reliable::RAck;
pub use session_timer::{MinSe, Refresher, RetryAfter, SessionExpires};
pub use token_list::{Allow, AllowEvents, ProxyRequire, Require, Supported, Unsupported};
pub use via::Via;
pub use warning::Warning;
pub use with_params::{
    AcceptEncoding, AcceptLanguage, ContentDisposition, ContentEncoding, ContentLanguage, Event,
    InfoPackage, Reason, RecvInfo, SecurityClient, SecurityServer, SecurityVerify,
    SubscriptionState,
};

use crate::message::HeaderName;
use crate::text;

/// A header field whose value can be decoded.
pub trait TypedHeader<'a>: Sized {
    /// The header's name.
    const NAME: HeaderName<'static>;
    /// Whether the value is a comma-separated list, of which this type is one element.
    const LIST: bool;

    /// Decodes one value, without the white space around it.
    fn decode(value: &'a [u8]) -> Result<Self, HeaderError>;
}

/// Why a header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{name}: {reason} at byte {at}")]
pub struct HeaderError {
    /// Which header.
    pub name: HeaderName<'static>,
    /// What is wrong.
    pub reason: HeaderErrorReason,
    /// Offset into the value given to the decoder.
    pub at: usize,
}

/// What a [`HeaderError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderErrorReason {
    /// The message does not have the header.
    #[error("missing")]
    Missing,
    /// The value is empty.
    #[error("empty")]
    Empty,
    /// The value does not follow the header's grammar.
    #[error("not the header's grammar")]
    Grammar,
    /// A number is not a number, or too large.
    #[error("not a number in range")]
    Number,
    /// The URI inside does not parse.
    #[error("not a URI")]
    Uri,
    /// A quoted string or an angle bracket is not closed.
    #[error("not closed")]
    Unclosed,
    /// A parameter is not `name` or `name=value`.
    #[error("not a parameter")]
    Parameter,
    /// Text that the grammar limits to ASCII holds something else.
    #[error("not ASCII")]
    Encoding,
}

impl HeaderError {
    pub(crate) fn new(name: HeaderName<'static>, reason: HeaderErrorReason, at: usize) -> Self {
        HeaderError { name, reason, at }
    }

    pub(crate) fn missing(name: HeaderName<'static>) -> Self {
        HeaderError {
            name,
            reason: HeaderErrorReason::Missing,
            at: 0,
        }
    }
}

/// The elements of a comma-separated value, empty ones left out (RFC 3261 section 7.3.1).
///
/// Commas in quoted strings and in angle brackets do not separate.
pub fn split_list(value: &[u8]) -> ListIter<'_> {
    ListIter {
        rest: Some(value),
        whole: false,
    }
}

pub(crate) fn single(value: &[u8]) -> ListIter<'_> {
    ListIter {
        rest: Some(value),
        whole: true,
    }
}

/// Iterator of [`split_list`].
#[derive(Clone, Debug)]
pub struct ListIter<'a> {
    rest: Option<&'a [u8]>,
    whole: bool,
}

impl<'a> Iterator for ListIter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.whole {
            return self.rest.take();
        }
        loop {
            let rest = self.rest?;
            let end = text::list_end(rest, 0);
            self.rest = rest.get(end + 1..);
            let element = text::trim(&rest[..end]);
            if !element.is_empty() {
                return Some(element);
            }
        }
    }
}

/// ASCII text, which the caller has checked.
pub(crate) fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
