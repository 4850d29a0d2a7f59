//! Where a server is, as WebRTC's configurations write it (RFC 7064, RFC 7065).

use super::config::Transport;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// What is wrong with a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not of the form stun:HOST[:PORT], turn:HOST[:PORT][?transport=udp|tcp] or turns:HOST[:PORT]"
)]
pub struct UriError;

/// A server's place.
///
/// ```text
/// turnURI = ("turn" / "turns") ":" host [ ":" port ] [ "?transport=" ("udp" / "tcp") ]
/// stunURI = "stun" ":" host [ ":" port ]
/// ```
///
/// ```
/// use rtp_core::turn::{Transport, Uri};
///
/// let uri: Uri = "turns:relay.example.org".parse()?;
/// assert_eq!((uri.host(), uri.port(), uri.transport()), ("relay.example.org", 5349, Transport::Tls));
/// assert!(uri.relays());
/// # Ok::<(), rtp_core::turn::UriError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    host: String,
    port: u16,
    transport: Transport,
    relays: bool,
}

impl Uri {
    /// A name to be resolved, or an IP address (of IPv6 without its brackets).
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 3478 when none was given, and 5349 for `turns`.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How messages reach it.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Whether it is a TURN server; otherwise it is a STUN server.
    #[must_use]
    pub fn relays(&self) -> bool {
        self.relays
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Uri, UriError> {
        let (scheme, rest) = text.split_once(':').ok_or(UriError)?;
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        let (relays, is_secure) = (!is("stun"), is("turns"));
        if relays && !is_secure && !is("turn") {
            return Err(UriError);
        }
        let transport = match query.map(str::to_ascii_lowercase).as_deref() {
            Some("transport=tcp") if is_secure => Transport::Tls,
            Some("transport=tcp") if relays => Transport::Tcp,
            Some("transport=udp") if relays && !is_secure => Transport::Udp,
            None if is_secure => Transport::Tls,
            None => Transport::Udp,
            // DTLS to the server, and what nobody has defined.
            Some(_) => return Err(UriError),
        };
        let (host, port) = split(place)?;
        let default = if is_secure { 5349 } else { 3478 };
        let port = match port {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits
                .parse()
                .ok()
                .filter(|&port| port > 0)
                .ok_or(UriError)?,
            Some(_) => return Err(UriError),
            None => default,
        };
        Ok(Uri {
            host: host.to_owned(),
            port,
            transport,
            relays,
        })
    }
}

/// Host and port.
fn split(place: &str) -> Result<(&str, Option<&str>), UriError> {
    if let Some(bracketed) = place.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').ok_or(UriError)?;
        host.parse::<Ipv6Addr>().map_err(|_| UriError)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(UriError),
        };
    }
    let (host, port) = match place.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (place, None),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if host.is_empty() || host.len() > 253 || !host.bytes().all(is_name) {
        return Err(UriError);
    }
    Ok((host, port))
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, query) = match (self.relays, self.transport) {
            (false, _) => ("stun", ""),
            (true, Transport::Udp) => ("turn", ""),
            (true, Transport::Tcp) => ("turn", "?transport=tcp"),
            (true, Transport::Tls) => ("turns", ""),
        };
        match self.host.parse() {
            Ok(IpAddr::V6(ip)) => write!(f, "{scheme}:[{ip}]:{}{query}", self.port),
            _ => write!(f, "{scheme}:{}:{}{query}", self.host, self.port),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_read_and_printed() {
        for (text, printed, transport) in [
            (
                "stun:stun.example.org",
                "stun:stun.example.org:3478",
                Transport::Udp,
            ),
            (
                "STUN:192.0.2.1:19302",
                "stun:192.0.2.1:19302",
                Transport::Udp,
            ),
            ("turn:example.org", "turn:example.org:3478", Transport::Udp),
            (
                "turn:example.org?transport=UDP",
                "turn:example.org:3478",
                Transport::Udp,
            ),
            (
                "turn:example.org:80?transport=tcp",
                "turn:example.org:80?transport=tcp",
                Transport::Tcp,
            ),
            (
                "turns:[2001:db8::1]?transport=tcp",
                "turns:[2001:db8::1]:5349",
                Transport::Tls,
            ),
            (
                "turn:[2001:db8::1]:1",
                "turn:[2001:db8::1]:1",
                Transport::Udp,
            ),
        ] {
            let uri: Uri = text.parse().unwrap();
            assert_eq!(
                (uri.to_string().as_str(), uri.transport()),
                (printed, transport)
            );
            assert_eq!(printed.parse::<Uri>().unwrap(), uri);
            assert_eq!(uri.relays(), !printed.starts_with("stun"));
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "turn",
            "turn:",
            "turn::3478",
            "http:example.org",
            "turn:example.org:0",
            "turn:example.org:65536",
            "turn:example.org:+1",
            "turn:example.org:",
            "turn:exa mple",
            "turn:user@example.org",
            "turns:a?transport=udp",
            "stun:a?transport=tcp",
            "turn:a?transport=sctp",
            "turn:[::1",
            "turn:[1.2.3.4]",
            "turn:[::1]3478",
            "turn:a:b:c",
        ] {
            assert_eq!(text.parse::<Uri>(), Err(UriError), "{text}");
        }
    }
}
