use std::borrow::Cow;
use std::fmt;

use crate::text::{self, TOKEN};

/// `;name=value;flag`: the parameters of a URI or of a header.
#[derive(Clone, Copy, Default)]
pub struct Params<'a> {
    bytes: &'a [u8],
    /// Those of a URI, in which `%HH` is an escape; in a header it is three token characters.
    of_uri: bool,
}

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    name: &'a [u8],
    value: Option<&'a [u8]>,
    of_uri: bool,
}

impl<'a> Params<'a> {
    /// The parameters in `bytes`, which is empty or starts with `;`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Params {
            bytes,
            of_uri: false,
        }
    }

    /// The parameters of a URI.
    pub(super) fn of_uri(bytes: &'a [u8]) -> Self {
        Params {
            bytes,
            of_uri: true,
        }
    }

    /// As they were written.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Each parameter, in order.
    pub fn iter(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        let params = *self;
        let mut at = 0;
        std::iter::from_fn(move || next(&params, &mut at))
    }

    /// The first parameter of this name; names compare without regard to case.
    pub fn get(&self, name: &str) -> Option<Param<'a>> {
        let mut at = 0;
        while let Some(param) = next(self, &mut at) {
            if param.name.eq_ignore_ascii_case(name.as_bytes())
                || (self.of_uri
                    && param.name.contains(&b'%')
                    && super::compare::same(param.name, name.as_bytes(), false))
            {
                return Some(param);
            }
        }
        None
    }
}

/// The parameter at `at`, which is at a `;` or at the end.
#[inline]
fn next<'a>(params: &Params<'a>, at: &mut usize) -> Option<Param<'a>> {
    let bytes = params.bytes;
    let mut i = text::skip_ws(bytes, *at);
    if bytes.get(i) != Some(&b';') {
        return None;
    }
    i = text::skip_ws(bytes, i + 1);
    let name_start = i;
    while i < bytes.len() && !matches!(bytes[i], b'=' | b';') {
        i += 1;
    }
    let name = text::trim_end(&bytes[name_start..i]);
    let mut value = None;
    if bytes.get(i) == Some(&b'=') {
        i = text::skip_ws(bytes, i + 1);
        let start = i;
        if bytes.get(i) == Some(&b'"') {
            i = text::quoted_end(bytes, i).unwrap_or(bytes.len());
        }
        while i < bytes.len() && bytes[i] != b';' {
            i += 1;
        }
        value = Some(text::trim_end(&bytes[start..i]));
    }
    *at = i;
    Some(Param {
        name,
        value,
        of_uri: params.of_uri,
    })
}

impl fmt::Debug for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::lossy(self.bytes))
    }
}

impl fmt::Display for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::lossy(self.bytes))
    }
}

impl<'a> Param<'a> {
    /// The name as it was written; empty if it is not UTF-8.
    pub fn name(&self) -> &'a str {
        std::str::from_utf8(self.name).unwrap_or_default()
    }

    /// The value as it was written, quotes and escapes included; `None` for a flag, and for a value
    /// that is not UTF-8 (see [`Param::value_bytes`]).
    pub fn value(&self) -> Option<&'a str> {
        self.value.and_then(|v| std::str::from_utf8(v).ok())
    }

    /// The value's bytes as they were written; `None` for a flag.
    pub fn value_bytes(&self) -> Option<&'a [u8]> {
        self.value
    }

    /// The value with its quotes or escapes resolved.
    pub fn decoded(&self) -> Option<Cow<'a, str>> {
        let value = self.value?;
        if value.len() >= 2 && value[0] == b'"' {
            return Some(Cow::Owned(text::lossy(&text::unquote(value)).into_owned()));
        }
        if self.of_uri && value.contains(&b'%') {
            return Some(Cow::Owned(text::lossy(&text::unescape(value)).into_owned()));
        }
        Some(text::lossy(value))
    }
}

/// `name=value&name=value`: the headers of a URI.
#[derive(Clone, Copy, Debug, Default)]
pub struct UriHeaders<'a> {
    bytes: &'a [u8],
}

impl<'a> UriHeaders<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        UriHeaders { bytes }
    }

    /// As they were written, without the `?`.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Each header's name and value, escapes as they are.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.bytes
            .split(|&b| b == b'&')
            .filter(|h| !h.is_empty())
            .map(|header| {
                let eq = header
                    .iter()
                    .position(|&b| b == b'=')
                    .unwrap_or(header.len());
                let text = |b| std::str::from_utf8(b).unwrap_or_default();
                (
                    text(&header[..eq]),
                    text(header.get(eq + 1..).unwrap_or_default()),
                )
            })
    }
}

/// ```text
/// uri-parameters  =  *( ";" uri-parameter)
/// other-param     =  pname [ "=" pvalue ]
/// pname           =  1*paramchar
/// ```
///
/// Where the parameters that start with the `;` at `at` end: at the `?` of the headers or with the bytes. The error
/// says where something else stands.
#[inline]
pub(crate) fn end(bytes: &[u8], at: usize, class: u16) -> Result<usize, usize> {
    let mut i = at;
    loop {
        // A name must follow `;`, and a value `=`, which may stand once.
        let start = i + 1;
        i = text::escaped_end(bytes, start, class);
        if i == start {
            return Err(i);
        }
        if bytes.get(i) == Some(&b'=') {
            let value = i + 1;
            i = text::escaped_end(bytes, value, class);
            if i == value {
                return Err(i);
            }
        }
        match bytes.get(i) {
            None | Some(b'?') => return Ok(i),
            Some(b';') => {}
            Some(_) => return Err(i),
        }
    }
}

/// ```text
/// headers  =  "?" header *( "&" header )
/// header   =  hname "=" hvalue
/// ```
pub(crate) fn check_headers(bytes: &[u8], class: u16) -> Result<(), usize> {
    let mut at = 0;
    for part in bytes.split(|&b| b == b'&') {
        let Some(eq) = part.iter().position(|&b| b == b'=') else {
            return Err(at);
        };
        if eq == 0
            || !text::is_escaped(&part[..eq], class)
            || !text::is_escaped(&part[eq + 1..], class)
        {
            return Err(at);
        }
        at += part.len() + 1;
    }
    Ok(())
}

/// ```text
/// generic-param  =  token [ EQUAL gen-value ]
/// gen-value      =  token / host / quoted-string
/// ```
///
/// `bytes` is empty or starts with `;`.
#[inline]
pub(crate) fn check_generic(bytes: &[u8]) -> Result<(), usize> {
    walk_generic(bytes, false, |_, _| {})
}

/// The same, showing each parameter on the way. With `bare_v6`, a value may be an IPv6 address
/// without its brackets.
#[inline(always)]
pub(crate) fn walk_generic<'a>(
    bytes: &'a [u8],
    bare_v6: bool,
    mut found: impl FnMut(&'a [u8], &'a [u8]),
) -> Result<(), usize> {
    let mut i = text::skip_ws(bytes, 0);
    while i < bytes.len() {
        if bytes[i] != b';' {
            return Err(i);
        }
        let start = text::skip_ws(bytes, i + 1);
        let end = start + text::span(&bytes[start..], TOKEN);
        if end == start {
            return Err(start);
        }
        i = text::skip_ws(bytes, end);
        let mut value: &[u8] = &[];
        if bytes.get(i) == Some(&b'=') {
            i = text::skip_ws(bytes, i + 1);
            let len = match bytes.get(i) {
                Some(b'"') => text::quoted_end(bytes, i).ok_or(i)? - i,
                Some(b'[') => super::host::span(&bytes[i..]).ok_or(i)?,
                _ => text::span(&bytes[i..], TOKEN),
            };
            let len = match bytes.get(i + len) {
                Some(b':') if bare_v6 => super::host::bare_v6_span(&bytes[i..]).ok_or(i)?,
                _ => len,
            };
            if len == 0 {
                return Err(i);
            }
            value = &bytes[i..i + len];
            i = text::skip_ws(bytes, i + len);
        }
        found(&bytes[start..end], value);
    }
    Ok(())
}
