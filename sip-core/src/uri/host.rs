use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::text::{self, HOST};

/// Where a URI or a Via points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Host<'a> {
    /// A name to be resolved.
    Name(&'a str),
    /// `192.0.2.1`
    V4(Ipv4Addr),
    /// `[2001:db8::1]`
    V6(Ipv6Addr),
}

impl<'a> Host<'a> {
    /// Parses a whole host.
    ///
    /// ```text
    /// host          =  hostname / IPv4address / IPv6reference
    /// IPv6reference =  "[" IPv6address "]"
    /// ```
    pub fn parse(bytes: &'a [u8]) -> Option<Host<'a>> {
        if span(bytes)? != bytes.len() {
            return None;
        }
        let text = std::str::from_utf8(bytes).ok()?;
        if let Some(inner) = text.strip_prefix('[') {
            return v6(inner.strip_suffix(']')?).map(Host::V6);
        }
        if bytes.last()?.is_ascii_digit()
            && let Ok(v4) = text.parse()
        {
            return Some(Host::V4(v4));
        }
        Some(Host::Name(text))
    }

    /// The address, where the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match *self {
            Host::Name(_) => None,
            Host::V4(v4) => Some(v4.into()),
            Host::V6(v6) => Some(v6.into()),
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::V4(v4) => v4.fmt(f),
            Host::V6(v6) => write!(f, "[{v6}]"),
        }
    }
}

impl From<IpAddr> for Host<'static> {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => Host::V4(v4),
            IpAddr::V6(v6) => Host::V6(v6),
        }
    }
}

/// What stands between the brackets.
///
/// The grammar of RFC 3261 allows three colons in front of an IPv4 address at the end. RFC 5954
/// corrects that, and RFC 5118 section 4.10 has everybody tolerate it.
fn v6(text: &str) -> Option<Ipv6Addr> {
    let corrected = || {
        let (front, v4) = text.split_once(":::")?;
        v4.parse::<Ipv4Addr>().ok()?;
        format!("{front}::{v4}").parse().ok()
    };
    text.parse().ok().or_else(corrected)
}

/// Length of the host at the start of `bytes`. An address in brackets must be one; a name only
/// needs the characters of one.
#[inline]
pub(crate) fn span(bytes: &[u8]) -> Option<usize> {
    if bytes.first() == Some(&b'[') {
        let end = memchr::memchr(b']', &bytes[..bytes.len().min(64)])?;
        v6(std::str::from_utf8(&bytes[1..end]).ok()?)?;
        return Some(end + 1);
    }
    let len = text::span(bytes, HOST);
    (len > 0 && !matches!(bytes[0], b'.' | b'-')).then_some(len)
}

/// Length of the IPv6 address without brackets at the start of `bytes`.
pub(super) fn bare_v6_span(bytes: &[u8]) -> Option<usize> {
    let part = |b: &&u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
    let len = bytes.iter().take(46).take_while(part).count();
    std::str::from_utf8(&bytes[..len])
        .ok()?
        .parse::<Ipv6Addr>()
        .ok()?;
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_colons_only_in_front_of_an_ipv4_address() {
        let right = Host::parse(b"[2001:db8::192.0.2.1]");
        assert!(matches!(right, Some(Host::V6(_))));
        assert_eq!(Host::parse(b"[2001:db8:::192.0.2.1]"), right);
        assert_eq!(
            Host::parse(b"[:::192.0.2.1]"),
            Host::parse(b"[::192.0.2.1]")
        );
        for bad in [
            "[2001:db8:::1]",
            "[2001:db8::::192.0.2.1]",
            "[2001:db8::1:::192.0.2.1]",
            "[2001:db8:::192.0.2.1:1]",
            "[2001:db8:::192.0.2.256]",
        ] {
            assert_eq!(Host::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
