use std::fmt;

use super::{HeaderError, HeaderErrorReason, TypedHeader};
use crate::message::HeaderName;
use crate::text;
use crate::uri::{Param, Params, check_generic};

/// Who refreshes a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refresher {
    /// The client of the transaction that carries the header.
    Uac,
    /// Its server.
    Uas,
}

/// `delta-seconds *(SEMI generic-param)`
fn seconds<'a>(value: &'a [u8], name: HeaderName<'static>) -> Result<(u32, &'a [u8]), HeaderError> {
    let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
    let seconds = text::decimal(&value[..digits]).ok_or(HeaderError::new(
        name,
        HeaderErrorReason::Number,
        0,
    ))?;
    let params = &value[digits..];
    check_generic(params)
        .map_err(|at| HeaderError::new(name, HeaderErrorReason::Parameter, digits + at))?;
    Ok((seconds, params))
}

/// How long the session lives without a refresh.
///
/// ```text
/// Session-Expires  =  ("Session-Expires" / "x") HCOLON delta-seconds *(SEMI se-params)
/// se-params        =  refresher-param / generic-param
/// refresher-param  =  "refresher" EQUAL ("uas" / "uac")
/// ```
///
/// RFC 4028 section 4.
#[derive(Clone, Copy, Debug)]
pub struct SessionExpires<'a> {
    seconds: u32,
    params: Params<'a>,
}

impl<'a> TypedHeader<'a> for SessionExpires<'a> {
    const NAME: HeaderName<'static> = HeaderName::SESSION_EXPIRES;
    const LIST: bool = false;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        let (seconds, params) = seconds(value, Self::NAME)?;
        Ok(SessionExpires {
            seconds,
            params: Params::new(params),
        })
    }
}

impl SessionExpires<'_> {
    /// Seconds.
    pub fn seconds(&self) -> u32 {
        self.seconds
    }

    /// Who refreshes, where it is said.
    pub fn refresher(&self) -> Option<Refresher> {
        let value = self.params.get("refresher")?.value()?;
        if value.eq_ignore_ascii_case("uac") {
            Some(Refresher::Uac)
        } else {
            value.eq_ignore_ascii_case("uas").then_some(Refresher::Uas)
        }
    }
}

impl fmt::Display for SessionExpires<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.seconds, self.params)
    }
}

/// The shortest session interval that the sender takes, in seconds.
///
/// ```text
/// Min-SE  =  "Min-SE" HCOLON delta-seconds *(SEMI generic-param)
/// ```
///
/// RFC 4028 section 5.
#[derive(Clone, Copy, Debug)]
pub struct MinSe<'a> {
    seconds: u32,
    params: Params<'a>,
}

impl<'a> TypedHeader<'a> for MinSe<'a> {
    const NAME: HeaderName<'static> = HeaderName::MIN_SE;
    const LIST: bool = false;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        let (seconds, params) = seconds(value, Self::NAME)?;
        Ok(MinSe {
            seconds,
            params: Params::new(params),
        })
    }
}

impl MinSe<'_> {
    /// Seconds.
    pub fn seconds(&self) -> u32 {
        self.seconds
    }
}

impl fmt::Display for MinSe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.seconds, self.params)
    }
}

/// When to try again.
///
/// ```text
/// Retry-After  =  "Retry-After" HCOLON delta-seconds [ comment ] *( SEMI retry-param )
/// retry-param  =  ("duration" EQUAL delta-seconds) / generic-param
/// ```
///
/// RFC 3261 section 20.33.
#[derive(Clone, Copy, Debug)]
pub struct RetryAfter<'a> {
    seconds: u32,
    comment: Option<&'a [u8]>,
    params: Params<'a>,
}

impl<'a> TypedHeader<'a> for RetryAfter<'a> {
    const NAME: HeaderName<'static> = HeaderName::RETRY_AFTER;
    const LIST: bool = false;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        let error = |reason, at| HeaderError::new(Self::NAME, reason, at);
        let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
        let seconds = text::decimal(&value[..digits]).ok_or(error(HeaderErrorReason::Number, 0))?;
        let mut at = text::skip_ws(value, digits);
        let mut comment = None;
        if value.get(at) == Some(&b'(') {
            let end = comment_end(value, at).ok_or(error(HeaderErrorReason::Unclosed, at))?;
            comment = Some(&value[at + 1..end - 1]);
            at = end;
        }
        let params = &value[at..];
        check_generic(params).map_err(|i| error(HeaderErrorReason::Parameter, at + i))?;
        Ok(RetryAfter {
            seconds,
            comment,
            params: Params::new(params),
        })
    }
}

/// One past the `)` that closes the comment at `at`. Comments nest; this counts, and does not recurse.
pub(super) fn comment_end(value: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0usize;
    while at < value.len() {
        match value[at] {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

impl<'a> RetryAfter<'a> {
    /// Seconds.
    pub fn seconds(&self) -> u32 {
        self.seconds
    }

    /// What the server says about it, in parentheses.
    pub fn comment(&self) -> Option<std::borrow::Cow<'a, str>> {
        self.comment.map(text::lossy)
    }

    /// How long the server will be there then, in seconds.
    pub fn duration(&self) -> Option<u32> {
        self.param("duration")
            .and_then(|p| text::decimal(p.value_bytes()?))
    }

    /// One parameter.
    pub fn param(&self, name: &str) -> Option<Param<'a>> {
        self.params.get(name)
    }
}

impl fmt::Display for RetryAfter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        if let Some(comment) = self.comment() {
            write!(f, " ({comment})")?;
        }
        write!(f, "{}", self.params)
    }
}
