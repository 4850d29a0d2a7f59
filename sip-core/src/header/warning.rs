use std::borrow::Cow;
use std::fmt;

use super::{HeaderError, HeaderErrorReason, TypedHeader};
use crate::message::HeaderName;
use crate::text;

/// More about a response, for people and for logs.
///
/// ```text
/// Warning        =  "Warning" HCOLON warning-value *(COMMA warning-value)
/// warning-value  =  warn-code SP warn-agent SP warn-text
/// warn-code      =  3DIGIT
/// warn-agent     =  hostport / pseudonym
/// warn-text      =  quoted-string
/// ```
///
/// RFC 3261 section 20.43.
#[derive(Clone, Copy, Debug)]
pub struct Warning<'a> {
    code: u16,
    agent: &'a [u8],
    text: &'a [u8],
}

impl<'a> TypedHeader<'a> for Warning<'a> {
    const NAME: HeaderName<'static> = HeaderName::WARNING;
    const LIST: bool = true;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        let error = |reason, at| HeaderError::new(Self::NAME, reason, at);
        let code = match value.get(..4) {
            Some([a, b, c, b' ']) => text::decimal(&[*a, *b, *c]),
            _ => None,
        };
        let code = code.ok_or(error(HeaderErrorReason::Number, 0))? as u16;
        let agent = text::skip_ws(value, 3);
        let end = agent
            + value[agent..]
                .iter()
                .take_while(|&&b| !text::is_ws(b) && b != b'"')
                .count();
        let quote = text::skip_ws(value, end);
        if end == agent || quote == end || value.get(quote) != Some(&b'"') {
            return Err(error(HeaderErrorReason::Grammar, end));
        }
        if text::quoted_end(value, quote) != Some(value.len()) {
            return Err(error(HeaderErrorReason::Unclosed, quote));
        }
        Ok(Warning {
            code,
            agent: &value[agent..end],
            text: &value[quote..],
        })
    }
}

impl<'a> Warning<'a> {
    /// Three digits; 399 is "miscellaneous".
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Who warns: a host and port, or a pseudonym.
    pub fn agent(&self) -> Cow<'a, str> {
        text::lossy(self.agent)
    }

    /// The text without its quotes.
    pub fn text(&self) -> String {
        text::lossy(&text::unquote(self.text)).into_owned()
    }
}

impl fmt::Display for Warning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:03} {} {}",
            self.code,
            self.agent(),
            text::lossy(self.text)
        )
    }
}
