use std::fmt;

use super::{HeaderError, HeaderErrorReason, TypedHeader, ascii};
use crate::message::{HeaderName, Method};
use crate::text;

/// The place of a request in its dialog.
///
/// ```text
/// CSeq  =  "CSeq" HCOLON 1*DIGIT LWS Method
/// ```
///
/// RFC 3261 section 20.16; the number is below 2**31 (section 8.1.1.5).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CSeq<'a> {
    sequence: u32,
    method: &'a [u8],
}

impl<'a> TypedHeader<'a> for CSeq<'a> {
    const NAME: HeaderName<'static> = HeaderName::CSEQ;
    const LIST: bool = false;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        let (digits, number) = text::digits(value);
        let Some(sequence) = number.filter(|n| *n < 1 << 31) else {
            return Err(HeaderError::new(Self::NAME, HeaderErrorReason::Number, 0));
        };
        let start = text::skip_ws(value, digits);
        let method = &value[start..];
        if start == digits || !text::is_token(method) {
            return Err(HeaderError::new(
                Self::NAME,
                HeaderErrorReason::Grammar,
                start,
            ));
        }
        Ok(CSeq { sequence, method })
    }
}

impl<'a> CSeq<'a> {
    /// The sequence number.
    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    /// The method.
    pub fn method(&self) -> Method {
        // The decoder has checked that the bytes are a token.
        Method::from_bytes(self.method).unwrap_or(Method::Options)
    }

    /// The method as it was written.
    pub fn method_str(&self) -> &'a str {
        ascii(self.method)
    }
}

impl fmt::Display for CSeq<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sequence, self.method_str())
    }
}

impl fmt::Debug for CSeq<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What ties the messages of a call together.
///
/// ```text
/// Call-ID  =  ( "Call-ID" / "i" ) HCOLON callid
/// callid   =  word [ "@" word ]
/// ```
///
/// RFC 3261 section 20.8; compared byte for byte.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallId<'a>(&'a [u8]);

impl<'a> TypedHeader<'a> for CallId<'a> {
    const NAME: HeaderName<'static> = HeaderName::CALL_ID;
    const LIST: bool = false;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        let first = text::span(value, text::WORD);
        let end = match value.get(first) {
            Some(b'@') => {
                let second = text::span(&value[first + 1..], text::WORD);
                if second == 0 {
                    first
                } else {
                    first + 1 + second
                }
            }
            _ => first,
        };
        if first == 0 || end != value.len() {
            return Err(HeaderError::new(
                Self::NAME,
                HeaderErrorReason::Grammar,
                end,
            ));
        }
        Ok(CallId(value))
    }
}

impl<'a> CallId<'a> {
    /// The identifier.
    pub fn as_str(&self) -> &'a str {
        ascii(self.0)
    }
}

impl fmt::Display for CallId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CallId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident, $header:ident, $ty:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub $ty);

        impl TypedHeader<'_> for $name {
            const NAME: HeaderName<'static> = HeaderName::$header;
            const LIST: bool = false;

            fn decode(value: &[u8]) -> Result<Self, HeaderError> {
                text::decimal(value)
                    .and_then(|n| <$ty>::try_from(n).ok())
                    .map($name)
                    .ok_or(HeaderError::new(Self::NAME, HeaderErrorReason::Number, 0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

numbers! {
    /// Hops left. `Max-Forwards = "Max-Forwards" HCOLON 1*DIGIT` (RFC 3261 section 20.22), 0 to 255.
    MaxForwards, MAX_FORWARDS, u8;
    /// Bytes of the body. `Content-Length = ( "Content-Length" / "l" ) HCOLON 1*DIGIT` (RFC 3261 section 20.14)
    ContentLength, CONTENT_LENGTH, u32;
    /// Seconds. `Expires = "Expires" HCOLON delta-seconds` (RFC 3261 section 20.19)
    Expires, EXPIRES, u32;
    /// Seconds. `Min-Expires = "Min-Expires" HCOLON delta-seconds` (RFC 3261 section 20.23)
    MinExpires, MIN_EXPIRES, u32;
    /// Seconds. `Flow-Timer = "Flow-Timer" HCOLON 1*DIGIT` (RFC 5626 section 8)
    FlowTimer, FLOW_TIMER, u32;
    /// The number of a reliable provisional response.
    ///
    /// ```text
    /// RSeq          =  "RSeq" HCOLON response-num
    /// response-num  =  1*DIGIT
    /// ```
    ///
    /// RFC 3262 section 7.1.
    RSeq, RSEQ, u32;
}

/// `qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )` in thousandths.
pub(crate) fn qvalue(bytes: &[u8]) -> Option<u16> {
    let (whole, fraction) = match bytes.iter().position(|&b| b == b'.') {
        Some(dot) => (&bytes[..dot], &bytes[dot + 1..]),
        None => (bytes, &bytes[..0]),
    };
    if fraction.len() > 3 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut thousandths = match whole {
        b"0" | b"" if !bytes.is_empty() => 0,
        b"1" => 1000,
        _ => return None,
    };
    for (i, digit) in fraction.iter().enumerate() {
        thousandths += u16::from(digit - b'0') * [100, 10, 1][i];
    }
    (thousandths <= 1000).then_some(thousandths)
}
