//! One line, field by field.

use super::{ParseError, ParseErrorKind, Text};

/// One line and what is left of it.
pub(super) struct Line<'a> {
    pub(super) number: u32,
    /// Where `rest` begins in the whole input.
    pub(super) offset: usize,
    pub(super) rest: &'a [u8],
}

impl<'a> Line<'a> {
    pub(super) fn error(&self, kind: ParseErrorKind) -> ParseError {
        ParseError {
            line: self.number,
            offset: self.offset,
            kind,
        }
    }

    pub(super) fn expected(&self, what: &'static str) -> ParseError {
        self.error(ParseErrorKind::Expected(what))
    }

    pub(super) fn skip_spaces(&mut self) {
        let spaces = self
            .rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        self.offset += spaces;
        self.rest = &self.rest[spaces..];
    }

    /// The next field, up to a space; `None` at the end.
    pub(super) fn next(&mut self, what: &'static str) -> Result<Option<&'a str>, ParseError> {
        self.skip_spaces();
        let rest = self.rest;
        let len = rest
            .iter()
            .position(|byte| matches!(byte, b' ' | b'\t'))
            .unwrap_or(rest.len());
        if len == 0 {
            return Ok(None);
        }
        let (field, rest) = rest.split_at(len);
        let field = std::str::from_utf8(field).map_err(|_| self.expected(what))?;
        self.offset += len;
        self.rest = rest;
        Ok(Some(field))
    }

    pub(super) fn field(&mut self, what: &'static str) -> Result<&'a str, ParseError> {
        self.next(what)?.ok_or_else(|| self.expected(what))
    }

    pub(super) fn number<T: std::str::FromStr>(
        &mut self,
        what: &'static str,
    ) -> Result<T, ParseError> {
        self.skip_spaces();
        let (at, field) = (self.offset, self.field(what)?);
        decimal(field).ok_or(ParseError {
            line: self.number,
            offset: at,
            kind: ParseErrorKind::Expected(what),
        })
    }

    pub(super) fn end(&mut self) -> Result<(), ParseError> {
        self.skip_spaces();
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.expected("the end of the line"))
        }
    }

    pub(super) fn text(&self) -> Text {
        Text::from(self.rest)
    }
}

/// Digits only: `FromStr` alone would take a sign.
pub(super) fn decimal<T: std::str::FromStr>(field: &str) -> Option<T> {
    field
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| field.parse().ok())
        .flatten()
}
