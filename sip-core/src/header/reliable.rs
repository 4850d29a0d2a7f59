use std::fmt;

use super::{HeaderError, HeaderErrorReason, TypedHeader, ascii};
use crate::message::{HeaderName, Method};
use crate::text;

/// Which provisional response a PRACK acknowledges.
///
/// ```text
/// RAck          =  "RAck" HCOLON response-num LWS CSeq-num LWS Method
/// response-num  =  1*DIGIT
/// CSeq-num      =  1*DIGIT
/// ```
///
/// RFC 3262 section 7.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RAck<'a> {
    response: u32,
    sequence: u32,
    method: &'a [u8],
}

impl<'a> TypedHeader<'a> for RAck<'a> {
    const NAME: HeaderName<'static> = HeaderName::RACK;
    const LIST: bool = false;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        let error = |reason, at| HeaderError::new(Self::NAME, reason, at);
        let number = |at: usize| {
            let digits = value[at..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count();
            let number = text::decimal(&value[at..at + digits])
                .ok_or(error(HeaderErrorReason::Number, at))?;
            let next = text::skip_ws(value, at + digits);
            if next == at + digits {
                Err(error(HeaderErrorReason::Grammar, next))
            } else {
                Ok((number, next))
            }
        };
        let (response, at) = number(0)?;
        let (sequence, at) = number(at)?;
        let method = &value[at..];
        if !text::is_token(method) {
            return Err(error(HeaderErrorReason::Grammar, at));
        }
        Ok(RAck {
            response,
            sequence,
            method,
        })
    }
}

impl RAck<'_> {
    /// The RSeq of the response.
    pub fn response(&self) -> u32 {
        self.response
    }

    /// The CSeq number of the response.
    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    /// The CSeq method of the response.
    pub fn method(&self) -> Method {
        // The decoder has checked that the bytes are a token.
        Method::from_bytes(self.method).unwrap_or(Method::Invite)
    }
}

impl fmt::Display for RAck<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {}",
            self.response,
            self.sequence,
            ascii(self.method)
        )
    }
}
