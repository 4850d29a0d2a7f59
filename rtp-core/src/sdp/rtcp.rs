//! Where RTCP goes when not one port above RTP.

use super::{Address, AttributeError};
use std::fmt;
use std::str::FromStr;

/// `a=rtcp` (RFC 3605 §2.1).
///
/// ```text
/// rtcp-attribute = "a=rtcp:" port [nettype space addrtype space connection-address] CRLF
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RtcpAddress {
    /// The UDP port.
    pub port: u16,
    /// The address, when it is not that of RTP.
    pub address: Option<Address>,
}

impl FromStr for RtcpAddress {
    type Err = AttributeError;

    fn from_str(value: &str) -> Result<RtcpAddress, AttributeError> {
        let fail = |expected| AttributeError {
            attribute: "rtcp",
            expected,
        };
        let mut fields = value.split_ascii_whitespace();
        let port = fields
            .next()
            .and_then(|port| port.parse().ok())
            .ok_or(fail("a port"))?;
        let address = match fields.next() {
            None => None,
            Some(network) => {
                let (Some(kind), Some(host)) = (fields.next(), fields.next()) else {
                    return Err(fail("an address"));
                };
                Some(Address {
                    network: network.to_owned(),
                    kind: kind.to_owned(),
                    host: host.to_owned(),
                })
            }
        };
        Ok(RtcpAddress { port, address })
    }
}

impl fmt::Display for RtcpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            None => write!(f, "{}", self.port),
            Some(address) => write!(f, "{} {address}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms() {
        let short: RtcpAddress = "53020".parse().unwrap();
        assert_eq!((short.port, short.address.is_none()), (53020, true));
        let long: RtcpAddress = "53020 IN IP6 2001:2345:6789:abcd::1".parse().unwrap();
        assert_eq!(long.to_string(), "53020 IN IP6 2001:2345:6789:abcd::1");
        assert!("65536".parse::<RtcpAddress>().is_err());
        assert!("1 IN IP4".parse::<RtcpAddress>().is_err());
    }
}
