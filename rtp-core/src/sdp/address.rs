//! Where something is: the address of `o=`, `c=` and `a=rtcp`.

use std::fmt;
use std::net::IpAddr;

/// `nettype SP addrtype SP connection-address` (RFC 8866 §5.7), kept as text so that types unknown to us
/// print back unharmed.
///
/// ```text
/// connection-field = "c=" nettype SP addrtype SP connection-address CRLF
/// nettype          = token                  ; "IN"
/// addrtype         = token                  ; "IP4" or "IP6"
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// The network type: `IN`.
    pub network: String,
    /// The address type: `IP4` or `IP6`.
    pub kind: String,
    /// An address or a host name; a multicast address carries `/ttl` or `/count`.
    pub host: String,
}

impl Address {
    /// The unspecified IPv4 address: "send me nothing", the hold of RFC 2543 (RFC 3264 §8.4).
    #[must_use]
    pub fn unspecified() -> Address {
        Address::from(IpAddr::from([0, 0, 0, 0]))
    }

    /// The host without `/ttl`.
    #[must_use]
    pub fn host_name(&self) -> &str {
        match self.host.split_once('/') {
            Some((host, _)) => host,
            None => &self.host,
        }
    }

    /// The IP address, when the host is one and not a name. The literal decides, not the address type.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host_name().parse().ok()
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Address {
        Address {
            network: "IN".to_owned(),
            kind: if ip.is_ipv4() { "IP4" } else { "IP6" }.to_owned(),
            host: ip.to_string(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.network, self.kind, self.host)
    }
}
