use super::{Scheme, UriRef};
use crate::text;

/// Parameters that make URIs differ when only one has them (RFC 3261 section 19.1.4).
/// `transport` is among them by that section's examples and its words on omitted defaults.
const MUST_MATCH: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

impl UriRef<'_> {
    /// Whether both mean the same, by the rules of RFC 3261 section 19.1.4 for SIP and SIPS, of
    /// RFC 3966 section 4 for tel, and byte for byte for others and for URIs of more than 64
    /// parameters. The relation is not transitive.
    pub fn equivalent(&self, other: &UriRef<'_>) -> bool {
        if self.as_bytes() == other.as_bytes() {
            return true;
        }
        if self.scheme() != other.scheme() {
            return false;
        }
        match self.scheme() {
            _ if has_many(self) || has_many(other) => false,
            Scheme::Other => false,
            Scheme::Tel => tel(self, other),
            Scheme::Sip | Scheme::Sips => sip(self, other),
        }
    }
}

fn sip(a: &UriRef<'_>, b: &UriRef<'_>) -> bool {
    let part = |x: Option<&str>, y: Option<&str>| match (x, y) {
        (None, None) => true,
        (Some(x), Some(y)) => same(x.as_bytes(), y.as_bytes(), true),
        _ => false,
    };
    let host = match (a.host(), b.host()) {
        (Some(super::Host::Name(x)), Some(super::Host::Name(y))) => x.eq_ignore_ascii_case(y),
        (x, y) => x == y,
    };
    if !host
        || a.port() != b.port()
        || !part(a.user(), b.user())
        || !part(a.password(), b.password())
    {
        return false;
    }
    let covers = |a: &UriRef<'_>, b: &UriRef<'_>| {
        a.params().iter().all(|p| match b.param(p.name()) {
            Some(q) => same(
                p.value_bytes().unwrap_or_default(),
                q.value_bytes().unwrap_or_default(),
                false,
            ),
            None => !MUST_MATCH.iter().any(|m| p.name().eq_ignore_ascii_case(m)),
        })
    };
    if !covers(a, b) || !covers(b, a) {
        return false;
    }
    let headers = |a: &UriRef<'_>, b: &UriRef<'_>| {
        a.headers().iter().all(|(name, value)| {
            b.headers().iter().any(|(n, v)| {
                same(name.as_bytes(), n.as_bytes(), false)
                    && same(value.as_bytes(), v.as_bytes(), true)
            })
        })
    };
    headers(a, b) && headers(b, a)
}

fn tel(a: &UriRef<'_>, b: &UriRef<'_>) -> bool {
    let digits = |u: &UriRef<'_>| -> Vec<u8> {
        let number = u.user().unwrap_or_default().bytes();
        number
            .filter(|b| !matches!(b, b'-' | b'.' | b'(' | b')'))
            .map(|b| b.to_ascii_lowercase())
            .collect()
    };
    let covers = |a: &UriRef<'_>, b: &UriRef<'_>| {
        a.params().iter().all(|p| {
            b.param(p.name()).is_some_and(|q| {
                same(
                    p.value_bytes().unwrap_or_default(),
                    q.value_bytes().unwrap_or_default(),
                    false,
                )
            })
        })
    };
    digits(a) == digits(b) && covers(a, b) && covers(b, a)
}

/// More parameters or headers than any real URI has. Beyond it only equal bytes are equal, because
/// each part of one URI is looked for in the other.
const MANY: usize = 64;

fn has_many(uri: &UriRef<'_>) -> bool {
    uri.params().iter().nth(MANY).is_some() || uri.headers().iter().nth(MANY).is_some()
}

/// Equal with escapes resolved. An escaped reserved character is not the character itself
/// (RFC 3261 section 19.1.4: "Characters other than those in the reserved set are equivalent to
/// their encoding").
pub(super) fn same(a: &[u8], b: &[u8], case: bool) -> bool {
    let (mut i, mut j) = (0, 0);
    loop {
        match (next(a, &mut i), next(b, &mut j)) {
            (None, None) => return true,
            (Some(x), Some(y))
                if x == y || (!case && x.0.eq_ignore_ascii_case(&y.0) && x.1 == y.1) => {}
            _ => return false,
        }
    }
}

/// One character and whether it is an escaped reserved one.
fn next(bytes: &[u8], at: &mut usize) -> Option<(u8, bool)> {
    let rest = bytes.get(*at..).filter(|r| !r.is_empty())?;
    if let Some(c) = text::escaped(rest) {
        *at += 3;
        return Some((c, !text::is(c, text::UNRESERVED)));
    }
    *at += 1;
    Some((rest[0], false))
}
