//! The parameters behind `Digest` and `Bearer`: one pass, no copy unless a value is escaped or folded.

use std::borrow::Cow;

use super::{DigestParseError, DigestParseErrorKind};
use crate::text::{self, BARE, QUOTED, TOKEN};

/// Walks `name = value` pairs.
pub(crate) struct Params<'a> {
    text: &'a str,
    at: usize,
    first: bool,
}

/// One parameter.
pub(crate) struct Param<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Cow<'a, str>,
    offset: usize,
}

impl<'a> Param<'a> {
    /// The name in lower case, as nearly everybody writes it; parameter names are case-insensitive.
    pub(crate) fn lower_name(&self) -> Cow<'a, str> {
        if self.name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(self.name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(self.name)
        }
    }

    /// Whether this is the parameter of that name.
    #[inline]
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Keeps the value, once.
    pub(crate) fn store(self, slot: &mut Option<Cow<'a, str>>) -> Result<(), DigestParseError> {
        if slot.is_some() {
            return Err(self.error(DigestParseErrorKind::Duplicate));
        }
        *slot = Some(self.value);
        Ok(())
    }

    pub(crate) fn error(&self, kind: DigestParseErrorKind) -> DigestParseError {
        DigestParseError {
            kind,
            offset: self.offset,
        }
    }
}

impl<'a> Params<'a> {
    /// A list with no scheme in front of it, from byte `at` on.
    pub(crate) fn bare(value: &'a [u8], at: usize) -> Result<Self, DigestParseError> {
        let text = core::str::from_utf8(value).map_err(|error| DigestParseError {
            kind: DigestParseErrorKind::NotUtf8,
            offset: error.valid_up_to(),
        })?;
        Ok(Self {
            text,
            at,
            first: true,
        })
    }

    /// Checks and steps over `scheme LWS`.
    pub(crate) fn new(value: &'a [u8], scheme: &[u8]) -> Result<Self, DigestParseError> {
        let mut params = Self::bare(value, 0)?;
        params.skip_whitespace();
        let name = params.at..params.at + scheme.len();
        if !value
            .get(name.clone())
            .is_some_and(|found| found.eq_ignore_ascii_case(scheme))
        {
            return Err(params.error(DigestParseErrorKind::OtherScheme));
        }
        params.at = name.end;
        // `Digestx` is another scheme than `Digest`; `Digest` alone is ours with everything missing.
        if params.at < value.len() && params.skip_whitespace() == 0 {
            return Err(DigestParseError {
                kind: DigestParseErrorKind::OtherScheme,
                offset: name.start,
            });
        }
        Ok(params)
    }

    pub(crate) fn error(&self, kind: DigestParseErrorKind) -> DigestParseError {
        DigestParseError {
            kind,
            offset: self.at,
        }
    }

    /// The next parameter, `None` at the end.
    ///
    /// ```abnf
    /// auth-param  =  auth-param-name EQUAL ( token / quoted-string )
    /// COMMA       =  SWS "," SWS
    /// EQUAL       =  SWS "=" SWS
    /// ```
    ///
    /// Empty list elements (`a=b,,c=d`, a comma at the end) are stepped over, as RFC 9110 section 5.6.1 has
    /// recipients do.
    pub(crate) fn next_param(&mut self) -> Result<Option<Param<'a>>, DigestParseError> {
        self.skip_whitespace();
        let mut commas = 0;
        while self.peek() == Some(b',') {
            self.at += 1;
            commas += 1;
            self.skip_whitespace();
        }
        if self.at == self.text.len() {
            return Ok(None);
        }
        if commas == 0 && !self.first {
            return Err(self.error(DigestParseErrorKind::ExpectedComma));
        }
        self.first = false;

        let offset = self.at;
        self.at += text::span(self.rest(), TOKEN);
        let name = &self.text[offset..self.at];
        if name.is_empty() {
            return Err(self.error(DigestParseErrorKind::ExpectedName));
        }
        self.skip_whitespace();
        if self.peek() != Some(b'=') {
            return Err(self.error(DigestParseErrorKind::ExpectedEquals));
        }
        self.at += 1;
        self.skip_whitespace();
        let value = if self.peek() == Some(b'"') {
            self.quoted()?
        } else {
            self.unquoted()?
        };
        Ok(Some(Param {
            name,
            value,
            offset,
        }))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// `token`, widened to whatever is visible and neither `,` nor `"`: nonces with `=` and bare URIs are seen.
    fn unquoted(&mut self) -> Result<Cow<'a, str>, DigestParseError> {
        let start = self.at;
        self.at += text::span(self.rest(), BARE);
        if self.at == start {
            return Err(self.error(DigestParseErrorKind::ExpectedValue));
        }
        Ok(Cow::Borrowed(&self.text[start..self.at]))
    }

    /// The content of a quoted string, unescaped and unfolded.
    ///
    /// ```abnf
    /// quoted-string  =  SWS DQUOTE *(qdtext / quoted-pair ) DQUOTE
    /// qdtext         =  LWS / %x21 / %x23-5B / %x5D-7E / UTF8-NONASCII
    /// quoted-pair    =  "\" (%x00-09 / %x0B-0C / %x0E-7F)
    /// ```
    ///
    /// Escaped control characters are refused although the grammar has them: no value needs one, and a NUL or a
    /// line end inside a user name hurts whoever logs or looks it up.
    fn quoted(&mut self) -> Result<Cow<'a, str>, DigestParseError> {
        self.at += 1;
        let start = self.at;
        // Empty until the first escape or fold; then everything up to `copied` is in it.
        let mut owned: Option<String> = None;
        let mut copied = start;
        loop {
            self.at += text::span(self.rest(), QUOTED);
            match self.peek() {
                None => return Err(self.error(DigestParseErrorKind::UnterminatedQuote)),
                Some(b'"') => {
                    let rest = &self.text[copied..self.at];
                    self.at += 1;
                    return Ok(match owned {
                        None => Cow::Borrowed(rest),
                        Some(mut text) => {
                            text.push_str(rest);
                            Cow::Owned(text)
                        }
                    });
                }
                Some(b'\\') => {
                    owned
                        .get_or_insert_default()
                        .push_str(&self.text[copied..self.at]);
                    self.at += 1;
                    copied = self.at;
                    match self.peek() {
                        None => return Err(self.error(DigestParseErrorKind::UnterminatedQuote)),
                        Some(byte) if text::is_control(byte) => {
                            return Err(self.error(DigestParseErrorKind::ControlCharacter));
                        }
                        // The escaped character itself is copied with what follows; all of it when it is UTF-8.
                        Some(byte) if byte.is_ascii() => self.at += 1,
                        Some(_) => {}
                    }
                }
                Some(b'\r' | b'\n') => {
                    let fold = self.at;
                    if self.skip_whitespace() == 0 {
                        return Err(self.error(DigestParseErrorKind::ControlCharacter));
                    }
                    let text = owned.get_or_insert_default();
                    text.push_str(&self.text[copied..fold]);
                    text.push(' ');
                    copied = self.at;
                }
                Some(_) => return Err(self.error(DigestParseErrorKind::ControlCharacter)),
            }
        }
    }

    /// `SWS`: spaces, tabs, and line ends that a space or a tab follows. Returns how many bytes it took.
    fn skip_whitespace(&mut self) -> usize {
        let start = self.at;
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += match self.rest() {
                [b' ' | b'\t', ..] => 1,
                [b'\r', b'\n', b' ' | b'\t', ..] => 3,
                [_, b' ' | b'\t', ..] => 2,
                _ => break,
            };
        }
        self.at - start
    }
}
