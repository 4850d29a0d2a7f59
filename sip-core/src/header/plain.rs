//! Headers for people and for logs, and the small ones that stand alone.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::{CallId, HeaderError, HeaderErrorReason, TypedHeader, ascii};
use crate::message::HeaderName;
use crate::text;

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $header:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $name<'a>(&'a [u8]);

        impl<'a> TypedHeader<'a> for $name<'a> {
            const NAME: HeaderName<'static> = HeaderName::$header;
            const LIST: bool = false;

            /// Never fails: any text is taken.
            fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
                Ok($name(value))
            }
        }

        impl<'a> $name<'a> {
            /// The text on one line; bytes that are not UTF-8 become the replacement character.
            pub fn text(&self) -> Cow<'a, str> {
                match text::unfolded(self.0) {
                    Cow::Borrowed(bytes) => text::lossy(bytes),
                    Cow::Owned(bytes) => Cow::Owned(text::lossy(&bytes).into_owned()),
                }
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text())
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.text(), f)
            }
        }
    )*};
}

texts! {
    /// What the call is about. `Subject = ( "Subject" / "s" ) HCOLON [TEXT-UTF8-TRIM]` (RFC 3261 section 20.36)
    Subject, SUBJECT;
    /// Whose device this is. `Organization = "Organization" HCOLON [TEXT-UTF8-TRIM]` (RFC 3261 section 20.25)
    Organization, ORGANIZATION;
    /// The software of a server. Read as text, because devices write there what they like.
    ///
    /// ```text
    /// Server      =  "Server" HCOLON server-val *(LWS server-val)
    /// server-val  =  product / comment
    /// product     =  token [SLASH product-version]
    /// ```
    ///
    /// RFC 3261 section 20.35.
    Server, SERVER;
    /// The software of a client. Read as text, because devices write there what they like.
    ///
    /// ```text
    /// User-Agent  =  "User-Agent" HCOLON server-val *(LWS server-val)
    /// ```
    ///
    /// RFC 3261 section 20.41.
    UserAgent, USER_AGENT;
}

/// How urgent the request is.
///
/// ```text
/// Priority        =  "Priority" HCOLON priority-value
/// priority-value  =  "emergency" / "urgent" / "normal" / "non-urgent" / other-priority
/// ```
///
/// RFC 3261 section 20.26.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority<'a>(&'a [u8]);

impl<'a> TypedHeader<'a> for Priority<'a> {
    const NAME: HeaderName<'static> = HeaderName::PRIORITY;
    const LIST: bool = false;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        if text::is_token(value) {
            return Ok(Priority(value));
        }
        let at = text::span(value, text::TOKEN);
        Err(HeaderError::new(Self::NAME, HeaderErrorReason::Grammar, at))
    }
}

impl<'a> Priority<'a> {
    /// The token.
    pub fn as_str(&self) -> &'a str {
        ascii(self.0)
    }

    /// Whether a life may be at stake.
    pub fn is_emergency(&self) -> bool {
        self.0.eq_ignore_ascii_case(b"emergency")
    }
}

impl fmt::Display for Priority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The version of MIME that the body follows.
///
/// ```text
/// MIME-Version  =  "MIME-Version" HCOLON 1*DIGIT "." 1*DIGIT
/// ```
///
/// RFC 3261 section 20.24.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MimeVersion {
    major: u32,
    minor: u32,
}

impl TypedHeader<'_> for MimeVersion {
    const NAME: HeaderName<'static> = HeaderName::MIME_VERSION;
    const LIST: bool = false;

    fn decode(value: &[u8]) -> Result<Self, HeaderError> {
        let error = |reason, at| HeaderError::new(Self::NAME, reason, at);
        let dot = memchr::memchr(b'.', value).ok_or(error(HeaderErrorReason::Grammar, 0))?;
        let number = |bytes, at| text::decimal(bytes).ok_or(error(HeaderErrorReason::Number, at));
        Ok(MimeVersion {
            major: number(&value[..dot], 0)?,
            minor: number(&value[dot + 1..], dot + 1)?,
        })
    }
}

impl MimeVersion {
    /// In front of the point.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// Behind the point.
    pub fn minor(&self) -> u32 {
        self.minor
    }
}

impl fmt::Display for MimeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// When the client sent the request, by a clock of its own; the response carries it back.
///
/// ```text
/// Timestamp  =  "Timestamp" HCOLON 1*(DIGIT) [ "." *(DIGIT) ] [ LWS delay ]
/// delay      =  *(DIGIT) [ "." *(DIGIT) ]
/// ```
///
/// RFC 3261 section 20.38.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp<'a> {
    bytes: &'a [u8],
    sent: Duration,
    delay: Option<Duration>,
}

/// `*(DIGIT) [ "." *(DIGIT) ]` in seconds, to the nanosecond; the second part is what it left over.
fn seconds(value: &[u8]) -> Option<(Duration, &[u8])> {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let whole = digits(value);
    let mut seconds = 0u64;
    for digit in &value[..whole] {
        seconds = seconds
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
    }
    let (mut nanos, mut rest) = (0, &value[whole..]);
    if let [b'.', fraction @ ..] = rest {
        let len = digits(fraction);
        let padded = fraction[..len].iter().chain(std::iter::repeat(&b'0'));
        nanos = padded
            .take(9)
            .fold(0, |n, digit| n * 10 + u32::from(digit - b'0'));
        rest = &fraction[len..];
    }
    Some((Duration::new(seconds, nanos), rest))
}

impl<'a> TypedHeader<'a> for Timestamp<'a> {
    const NAME: HeaderName<'static> = HeaderName::TIMESTAMP;
    const LIST: bool = false;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        let number = HeaderError::new(Self::NAME, HeaderErrorReason::Number, 0);
        if !value.first().is_some_and(u8::is_ascii_digit) {
            return Err(number);
        }
        let (sent, rest) = seconds(value).ok_or(number)?;
        let at = value.len() - rest.len();
        let fail = |reason| HeaderError::new(Self::NAME, reason, at);
        let mut delay = None;
        if !rest.is_empty() {
            let behind = &rest[text::skip_ws(rest, 0)..];
            if behind.len() == rest.len() {
                return Err(fail(HeaderErrorReason::Grammar));
            }
            match seconds(behind) {
                Some((found, [])) => delay = Some(found),
                Some(_) => return Err(fail(HeaderErrorReason::Grammar)),
                None => return Err(fail(HeaderErrorReason::Number)),
            }
        }
        Ok(Timestamp {
            bytes: value,
            sent,
            delay,
        })
    }
}

impl Timestamp<'_> {
    /// When the request was sent, in the client's own time.
    pub fn sent(&self) -> Duration {
        self.sent
    }

    /// How long the server took to answer.
    pub fn delay(&self) -> Option<Duration> {
        self.delay
    }
}

impl fmt::Display for Timestamp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::lossy(self.bytes))
    }
}

/// One call that this one answers.
///
/// ```text
/// In-Reply-To  =  "In-Reply-To" HCOLON callid *(COMMA callid)
/// ```
///
/// RFC 3261 section 20.21.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InReplyTo<'a>(CallId<'a>);

impl<'a> TypedHeader<'a> for InReplyTo<'a> {
    const NAME: HeaderName<'static> = HeaderName::IN_REPLY_TO;
    const LIST: bool = true;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        let name = Self::NAME;
        CallId::decode(value)
            .map(InReplyTo)
            .map_err(|error| HeaderError { name, ..error })
    }
}

impl<'a> InReplyTo<'a> {
    /// The Call-ID of that call.
    pub fn call_id(&self) -> CallId<'a> {
        self.0
    }
}

impl fmt::Display for InReplyTo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_on_one_line() {
        let subject = Subject::decode(b"A multiline \r\n\t subject: \xc3\xa4").unwrap();
        assert_eq!(subject.text(), "A multiline subject: ä");
        assert_eq!(
            UserAgent::decode(b"Phone/1.0 (x, y").unwrap().text(),
            "Phone/1.0 (x, y"
        );
    }

    #[test]
    fn times_and_versions() {
        let time = Timestamp::decode(b"54.5 .25").unwrap();
        assert_eq!(time.sent(), Duration::from_millis(54_500));
        assert_eq!(time.delay(), Some(Duration::from_millis(250)));
        assert_eq!(Timestamp::decode(b"54").unwrap().delay(), None);
        for bad in ["", ".5", "5x", "5 x", "99999999999999999999", "5 1 1"] {
            assert!(Timestamp::decode(bad.as_bytes()).is_err(), "{bad}");
        }
        let version = MimeVersion::decode(b"1.0").unwrap();
        assert_eq!((version.major(), version.minor()), (1, 0));
        for bad in ["", "1", "1.", ".1", "1.0.0", "+1.0"] {
            assert!(MimeVersion::decode(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn words() {
        assert!(Priority::decode(b"Emergency").unwrap().is_emergency());
        assert!(Priority::decode(b"very urgent").is_err());
        let calls = InReplyTo::decode(b"70710@saturn.bell-tel.com").unwrap();
        assert_eq!(calls.call_id().as_str(), "70710@saturn.bell-tel.com");
        let error = InReplyTo::decode(b"a@").unwrap_err();
        assert_eq!(error.name, HeaderName::IN_REPLY_TO);
    }
}
