//! Character classes and small scanners shared by every grammar of this crate.
//!
//! Each class is one bit of a table over all bytes, so that a test is a load and a mask.
//! The names and sets are those of RFC 3261 section 25.1.

use std::borrow::Cow;

/// `token` (RFC 3261 section 25.1): `1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~")`.
pub(crate) const TOKEN: u16 = 1;
/// `word`, of which a Call-ID is made: a token plus `( ) < > : \ " / [ ] ? { }`.
pub(crate) const WORD: u16 = 1 << 1;
/// `user` without its escapes: unreserved and `& = + $ , ; ? /`.
pub(crate) const USER: u16 = 1 << 2;
/// `paramchar` without its escapes: unreserved and `[ ] / : & + $`.
pub(crate) const PARAM: u16 = 1 << 3;
/// `hname` and `hvalue` without their escapes: unreserved and `[ ] / ? : + $`.
pub(crate) const HNV: u16 = 1 << 4;
/// A host name: letters, digits, `-`, `.`, and the `_` that names of real machines contain.
pub(crate) const HOST: u16 = 1 << 5;
/// What may appear in a URI at all (RFC 3986 section 2), escapes included.
pub(crate) const URI: u16 = 1 << 6;
/// `unreserved` (RFC 3261): alphanum and mark.
pub(crate) const UNRESERVED: u16 = 1 << 7;
/// `qdtext` and UTF-8: what stands for itself between quotes. No line ends and other controls.
pub(crate) const QUOTED: u16 = 1 << 8;
/// What is visible and neither `,` nor `"`: a bare value in a list, generously.
pub(crate) const BARE: u16 = 1 << 9;

static CLASS: [u16; 256] = classes();

const fn contains(set: &[u8], byte: u8) -> bool {
    let mut i = 0;
    while i < set.len() {
        if set[i] == byte {
            return true;
        }
        i += 1;
    }
    false
}

const fn classes() -> [u16; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        let alnum = b.is_ascii_alphanumeric();
        let unreserved = alnum || contains(b"-_.!~*'()", b);
        let token = alnum || contains(b"-.!%*_+`'~", b);
        let mut class = 0;
        if token {
            class |= TOKEN;
        }
        if token || contains(b"()<>:\\\"/[]?{}", b) {
            class |= WORD;
        }
        if unreserved || contains(b"&=+$,;?/", b) {
            class |= USER;
        }
        if unreserved || contains(b"[]/:&+$", b) {
            class |= PARAM;
        }
        if unreserved || contains(b"[]/?:+$", b) {
            class |= HNV;
        }
        if alnum || contains(b"-._", b) {
            class |= HOST;
        }
        if unreserved || contains(b":/?#[]@!$&'()*+,;=%", b) {
            class |= URI;
        }
        if unreserved {
            class |= UNRESERVED;
        }
        let control = (b < b' ' && b != b'\t') || b == 0x7f;
        if !control && !contains(b"\"\\", b) {
            class |= QUOTED;
        }
        if !control && !contains(b" \t,\"", b) {
            class |= BARE;
        }
        table[i] = class;
        i += 1;
    }
    table
}

#[inline(always)]
pub(crate) fn is(byte: u8, class: u16) -> bool {
    CLASS[byte as usize] & class != 0
}

/// Length of the longest prefix that is of `class`.
#[inline]
pub(crate) fn span(bytes: &[u8], class: u16) -> usize {
    let mut at = 0;
    // Four at a time as far as all of them are.
    for [a, b, c, d] in bytes.as_chunks::<4>().0 {
        let of = |byte: &u8| CLASS[*byte as usize];
        if of(a) & of(b) & of(c) & of(d) & class == 0 {
            break;
        }
        at += 4;
    }
    while at < bytes.len() && is(bytes[at], class) {
        at += 1;
    }
    at
}

#[inline]
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && span(bytes, TOKEN) == bytes.len()
}

/// Where the run of bytes of `class` and of `%HH` escapes that starts at `at` ends.
#[inline]
pub(crate) fn escaped_end(bytes: &[u8], mut at: usize, class: u16) -> usize {
    loop {
        at += span(bytes.get(at..).unwrap_or_default(), class);
        match bytes.get(at..) {
            Some([b'%', high, low, ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                at += 3;
            }
            _ => return at,
        }
    }
}

/// Whether every byte is of `class` or part of a `%HH` escape.
#[inline]
pub(crate) fn is_escaped(bytes: &[u8], class: u16) -> bool {
    escaped_end(bytes, 0, class) == bytes.len()
}

/// Linear white space inside a value: a fold is CRLF followed by white space, and bare CR or LF is
/// judged elsewhere, so all four bytes separate.
#[inline(always)]
pub(crate) fn is_ws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// A byte that no header value holds outside of a quoted pair, and that an application's value may
/// therefore not bring in: a line end would start a header of its own.
pub(crate) fn is_control(byte: impl std::borrow::Borrow<u8>) -> bool {
    let byte = *byte.borrow();
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

#[inline]
pub(crate) fn skip_ws(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && is_ws(bytes[at]) {
        at += 1;
    }
    at
}

#[inline]
pub(crate) fn trim_end(bytes: &[u8]) -> &[u8] {
    let mut end = bytes.len();
    while end > 0 && is_ws(bytes[end - 1]) {
        end -= 1;
    }
    &bytes[..end]
}

#[inline]
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(&bytes[skip_ws(bytes, 0)..])
}

/// `1*DIGIT` that fits `u32`; no sign, no space.
#[inline]
pub(crate) fn decimal(bytes: &[u8]) -> Option<u32> {
    let (len, number) = digits(bytes);
    number.filter(|_| len == bytes.len())
}

/// How many digits `bytes` starts with, and their number if there are any and it fits `u32`.
#[inline]
pub(crate) fn digits(bytes: &[u8]) -> (usize, Option<u32>) {
    const TOO_LARGE: u64 = 1 << 32;
    let (mut len, mut number) = (0, 0);
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = (number * 10 + u64::from(digit)).min(TOO_LARGE);
        len += 1;
    }
    (len, u32::try_from(number).ok().filter(|_| len > 0))
}

/// End (exclusive, behind the closing quote) of the quoted string that opens at `at`.
///
/// ```text
/// quoted-string = SWS DQUOTE *(qdtext / quoted-pair ) DQUOTE
/// ```
#[inline]
pub(crate) fn quoted_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut i = at + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'"' => return Some(i + 1),
            b'\\' => i += 2,
            _ => i += 1,
        }
    }
    None
}

/// The text between the quotes with its quoted pairs resolved; `quoted` includes both quotes.
pub(crate) fn unquote(quoted: &[u8]) -> Vec<u8> {
    let inner = &quoted[1..quoted.len().max(2) - 1];
    let mut out = Vec::with_capacity(inner.len());
    let mut i = 0;
    while i < inner.len() {
        if inner[i] == b'\\' && i + 1 < inner.len() {
            i += 1;
        }
        out.push(inner[i]);
        i += 1;
    }
    out
}

/// The value on one line: each fold, CRLF and the white space around it, is one space (RFC 3261
/// section 7.3.1).
pub(crate) fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\r', b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let lines = value
        .split(|b| matches!(b, b'\r' | b'\n'))
        .map(trim)
        .filter(|line| !line.is_empty());
    Cow::Owned(lines.collect::<Vec<_>>().join(&b' '))
}

/// `text` as a quoted string.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

pub(crate) fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The character that `%HH` at the start of `bytes` stands for.
#[inline]
pub(crate) fn escaped(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [b'%', high, low, ..] => Some(hex(*high)? << 4 | hex(*low)?),
        _ => None,
    }
}

/// Resolves `%HH`; an escape that is not one stays as it is.
pub(crate) fn unescape(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let (byte, len) = match escaped(&bytes[i..]) {
            Some(byte) => (byte, 3),
            None => (bytes[i], 1),
        };
        out.push(byte);
        i += len;
    }
    out
}

/// Bytes shown to a person: UTF-8 as it is, the rest replaced.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A comma outside quotes and angle brackets, at or after `at`: where one list element ends.
#[inline]
pub(crate) fn list_end(bytes: &[u8], mut at: usize) -> usize {
    // Most values have no comma, and most commas nothing in front that could hide them.
    match memchr::memchr(b',', bytes.get(at..).unwrap_or_default()) {
        None => return bytes.len(),
        Some(comma) => {
            if memchr::memchr2(b'"', b'<', &bytes[at..at + comma]).is_none() {
                return at + comma;
            }
        }
    }
    let mut angle = false;
    while at < bytes.len() {
        match bytes[at] {
            b',' if !angle => return at,
            b'"' if !angle => match quoted_end(bytes, at) {
                Some(end) => {
                    at = end;
                    continue;
                }
                None => return bytes.len(),
            },
            b'<' => angle = true,
            b'>' => angle = false,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}
