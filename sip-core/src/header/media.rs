use std::fmt;

use super::{HeaderError, HeaderErrorReason, TypedHeader, ascii, qvalue};
use crate::message::HeaderName;
use crate::text;
use crate::uri::{Param, Params, check_generic};

/// A media type with its parameters.
///
/// ```text
/// Content-Type  =  ( "Content-Type" / "c" ) HCOLON media-type
/// media-type    =  m-type SLASH m-subtype *(SEMI m-parameter)
/// m-parameter   =  m-attribute EQUAL m-value
/// ```
///
/// RFC 3261 section 20.15.
#[derive(Clone, Copy)]
pub struct ContentType<'a> {
    main: &'a [u8],
    sub: &'a [u8],
    params: &'a [u8],
}

impl<'a> TypedHeader<'a> for ContentType<'a> {
    const NAME: HeaderName<'static> = HeaderName::CONTENT_TYPE;
    const LIST: bool = false;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        media_range(value, Self::NAME)
    }
}

impl<'a> ContentType<'a> {
    /// The part in front of the slash, as it was written.
    pub fn main_type(&self) -> &'a str {
        ascii(self.main)
    }

    /// The part behind the slash, as it was written.
    pub fn subtype(&self) -> &'a str {
        ascii(self.sub)
    }

    /// Whether this is `media_type` (`application/sdp`), whatever the case and the parameters.
    pub fn is(&self, media_type: &str) -> bool {
        media_type.split_once('/').is_some_and(|(main, sub)| {
            self.main_type().eq_ignore_ascii_case(main) && self.subtype().eq_ignore_ascii_case(sub)
        })
    }

    /// The parameters.
    pub fn params(&self) -> Params<'a> {
        Params::new(self.params)
    }

    /// One parameter.
    pub fn param(&self, name: &str) -> Option<Param<'a>> {
        self.params().get(name)
    }
}

impl fmt::Display for ContentType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}{}",
            self.main_type(),
            self.subtype(),
            self.params()
        )
    }
}

impl fmt::Debug for ContentType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `token SLASH token *( SEMI generic-param )`
pub(super) fn media_range<'a>(
    value: &'a [u8],
    name: HeaderName<'static>,
) -> Result<ContentType<'a>, HeaderError> {
    let main = text::span(value, text::TOKEN);
    let slash = text::skip_ws(value, main);
    if main == 0 || value.get(slash) != Some(&b'/') {
        return Err(HeaderError::new(name, HeaderErrorReason::Grammar, slash));
    }
    let start = text::skip_ws(value, slash + 1);
    let sub = text::span(&value[start..], text::TOKEN);
    if sub == 0 {
        return Err(HeaderError::new(name, HeaderErrorReason::Grammar, start));
    }
    let params = &value[start + sub..];
    check_generic(params)
        .map_err(|at| HeaderError::new(name, HeaderErrorReason::Parameter, start + sub + at))?;
    Ok(ContentType {
        main: &value[..main],
        sub: &value[start..start + sub],
        params,
    })
}

/// One media range that the sender takes.
///
/// ```text
/// Accept        =  "Accept" HCOLON [ accept-range *(COMMA accept-range) ]
/// accept-range  =  media-range *(SEMI accept-param)
/// ```
///
/// RFC 3261 section 20.1.
#[derive(Clone, Copy)]
pub struct Accept<'a>(ContentType<'a>);

impl<'a> TypedHeader<'a> for Accept<'a> {
    const NAME: HeaderName<'static> = HeaderName::ACCEPT;
    const LIST: bool = true;

    fn decode(value: &'a [u8]) -> Result<Self, HeaderError> {
        media_range(value, Self::NAME).map(Accept)
    }
}

impl<'a> Accept<'a> {
    /// Whether the range covers this media type: `*/*`, `audio/*` or the type itself.
    pub fn covers(&self, media_type: &str) -> bool {
        let Some((main, sub)) = media_type.split_once('/') else {
            return false;
        };
        let matches = |range: &str, part: &str| range == "*" || range.eq_ignore_ascii_case(part);
        matches(self.0.main_type(), main) && matches(self.0.subtype(), sub)
    }

    /// The range and its parameters.
    pub fn range(&self) -> ContentType<'a> {
        self.0
    }

    /// How much it is wanted, in thousandths; 1000 where nothing is said.
    pub fn q(&self) -> u16 {
        self.0
            .param("q")
            .and_then(|p| qvalue(p.value_bytes()?))
            .unwrap_or(1000)
    }
}

impl fmt::Display for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
