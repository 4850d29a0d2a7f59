use std::fmt;

use crate::header::HeaderError;
use crate::message::{HeaderName, StatusCode};
use crate::uri::UriError;

/// What a message that breaks a rule deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Answer the request with this status.
    Status(StatusCode),
    /// Drop it silently: a response, an ACK, or nothing that could be answered.
    Drop,
    /// Take it as it is; the finding is worth knowing only.
    Accept,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Status(status) => status.fmt(f),
            Answer::Drop => f.write_str("drop"),
            Answer::Accept => f.write_str("accept"),
        }
    }
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Offset into the bytes that were parsed.
    pub at: usize,
    /// What is wrong.
    pub what: What,
    /// The rule: an RFC and its section.
    pub rule: &'static str,
    /// What the message deserves for it.
    pub answer: Answer,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at {}: {} ({}): {}",
            self.at, self.what, self.rule, self.answer
        )
    }
}

/// What can be wrong with a message that parses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum What {
    /// LF without CR in the header section.
    #[error("a line ends in LF without CR")]
    BareLf,
    /// CR without LF in the header section.
    #[error("CR without LF in the header section")]
    BareCr,
    /// More than one Content-Length.
    #[error("more than one Content-Length")]
    DuplicateLength,
    /// A Content-Length that is not a number.
    #[error("Content-Length is not a number")]
    BadLength,
    /// A stream needs Content-Length.
    #[error("no Content-Length on a stream")]
    NoLength,
    /// The body is shorter than Content-Length says.
    #[error("the body is shorter than Content-Length")]
    ShortBody,
    /// A WebSocket frame holds more than the message.
    #[error("bytes behind the message in one frame")]
    Trailing,
    /// The empty line is missing.
    #[error("the header section does not end")]
    Unterminated,
    /// A line of the header section is not a header field.
    #[error("a line is not a header field")]
    BadLine,
    /// The start line has white space where it may not.
    #[error("the start line is not well formed")]
    StartLine,
    /// A control character that the grammar does not allow there.
    #[error("a control character in {0}")]
    Control(String),
    /// A version other than SIP/2.0.
    #[error("not SIP/2.0")]
    Version,
    /// The Request-URI does not parse.
    #[error("Request-URI: {0}")]
    RequestUri(UriError),
    /// A Request-URI may not have headers.
    #[error("the Request-URI has headers")]
    RequestUriHeaders,
    /// The scheme of the Request-URI is not supported.
    #[error("the Request-URI's scheme is not supported")]
    Scheme,
    /// The method is not supported.
    #[error("the method is not supported")]
    Method,
    /// A header that must be there is not.
    #[error("{0} is missing")]
    Missing(HeaderName<'static>),
    /// A header that may stand once stands more often.
    #[error("more than one {0}")]
    Duplicate(HeaderName<'static>),
    /// A header does not follow its grammar.
    #[error(transparent)]
    Header(HeaderError),
    /// A parameter stands twice in one value, so that two readers may take different ones.
    #[error("{0} has the parameter {1} twice")]
    DuplicateParameter(HeaderName<'static>, String),
    /// The CSeq's method is not the request's.
    #[error("the CSeq's method is not the request's")]
    CSeqMethod,
    /// A From or To has no tag although it must.
    #[error("{0} has no tag")]
    NoTag(HeaderName<'static>),
    /// The topmost Via has no branch, as in RFC 2543.
    #[error("the topmost Via has no branch")]
    NoBranch,
    /// The branch is the magic cookie and nothing else.
    #[error("the branch identifies nothing")]
    EmptyBranch,
    /// A response would be sent to a broadcast or multicast address.
    #[error("a Via leads to a broadcast or multicast address")]
    Broadcast,
    /// A response that came to a user agent has more than one Via.
    #[error("more than one Via in a response")]
    ForeignVia,
    /// `*` beside other contacts, or where there may be no `*`.
    #[error("Contact * is not allowed here")]
    ContactStar,
    /// An option tag is required that is not supported.
    #[error("option tag {0} is not supported")]
    OptionTag(String),
    /// A body without Content-Type.
    #[error("a body without Content-Type")]
    NoContentType,
    /// The body's type is not supported.
    #[error("the body's type is not supported")]
    ContentType,
    /// The body's coding is not supported.
    #[error("the body's coding is not supported")]
    ContentEncoding,
    /// The body is longer than the application takes.
    #[error("the body is too large")]
    BodyTooLarge,
    /// Nothing that the application could answer with is accepted.
    #[error("no acceptable type for the response's body")]
    NotAcceptable,
    /// No hop is left.
    #[error("Max-Forwards is 0")]
    NoHopLeft,
}

/// What [`crate::validate`] found, in the order of the bytes as far as a place can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    pub(super) fn push(&mut self, at: usize, what: What, rule: &'static str, answer: Answer) {
        self.list.push(Finding {
            at,
            what,
            rule,
            answer,
        });
    }

    pub(super) fn sort(&mut self) {
        self.list.sort_by_key(|f| f.at);
    }

    /// Each finding.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.list.iter()
    }

    /// Whether no finding deserves an answer or a drop.
    pub fn is_valid(&self) -> bool {
        self.answer().is_none()
    }

    /// The one answer that the message deserves: the gravest, in the order in which RFC 3261
    /// section 8.2 has a server look at a request. `None` for a valid message.
    pub fn answer(&self) -> Option<Answer> {
        self.list
            .iter()
            .map(|f| f.answer)
            .filter(|a| *a != Answer::Accept)
            .min_by_key(|a| match a {
                Answer::Drop => 0,
                Answer::Status(status) => match status.code() {
                    505 => 1,
                    // RFC 4475 section 3.1.2.18: a method from the future may well look malformed.
                    501 => 2,
                    400 => 3,
                    416 => 4,
                    420 => 5,
                    413 => 6,
                    415 => 7,
                    406 => 8,
                    _ => 9,
                },
                Answer::Accept => 10,
            })
    }

    /// The option tags that a 420 lists in its Unsupported header.
    pub fn unsupported(&self) -> impl Iterator<Item = &str> {
        self.list.iter().filter_map(|f| match &f.what {
            What::OptionTag(tag) => Some(tag.as_str()),
            _ => None,
        })
    }
}
