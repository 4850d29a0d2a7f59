//! Where ICE may find a peer: `a=candidate`.

use super::AttributeError;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// `a=candidate` (RFC 8839 §5.1).
///
/// ```text
/// candidate-attribute = "candidate" ":" foundation SP component-id SP transport SP priority SP
///                       connection-address SP port SP cand-type [SP rel-addr] [SP rel-port]
///                       *(SP extension-att-name SP extension-att-value)
/// cand-type           = "typ" SP candidate-types
/// rel-addr            = "raddr" SP connection-address
/// rel-port            = "rport" SP port
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Equal for candidates of one kind, base and server.
    pub foundation: String,
    /// 1 for RTP, 2 for RTCP; 1 to 256.
    pub component: u16,
    /// `UDP`, `TCP`.
    pub transport: String,
    /// 1 to 2^31 − 1; the higher first.
    pub priority: u32,
    /// An IP address, or a name: browsers hide host addresses behind `.local` names.
    pub address: String,
    /// The port.
    pub port: u16,
    /// `host`, `srflx`, `prflx`, `relay`.
    pub kind: String,
    /// The address that this one was learned from.
    pub related: Option<(String, u16)>,
    /// Further names and values (`generation 0`), in order.
    pub extensions: Vec<(String, String)>,
}

/// Extensions of one candidate that are read.
const MAX_EXTENSIONS: usize = 16;

impl Candidate {
    /// The address, when it is one and not a name.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.parse().ok()
    }
}

impl FromStr for Candidate {
    type Err = AttributeError;

    /// A leading `candidate:`, as trickled candidates have it (RFC 8840), is passed over.
    fn from_str(value: &str) -> Result<Candidate, AttributeError> {
        let fail = |expected| AttributeError {
            attribute: "candidate",
            expected,
        };
        let value = value.trim();
        let mut fields = value
            .strip_prefix("candidate:")
            .unwrap_or(value)
            .split_ascii_whitespace();
        let mut next = |expected| fields.next().ok_or(fail(expected));
        let foundation = next("a foundation")?.to_owned();
        let component = next("a component")?
            .parse()
            .ok()
            .filter(|id| (1..=256).contains(id));
        let component = component.ok_or(fail("a component from 1 to 256"))?;
        let transport = next("a transport")?.to_owned();
        let priority = next("a priority")?
            .parse()
            .map_err(|_| fail("a priority"))?;
        let address = next("an address")?.to_owned();
        let port = next("a port")?.parse().map_err(|_| fail("a port"))?;
        if !next("typ")?.eq_ignore_ascii_case("typ") {
            return Err(fail("typ"));
        }
        let kind = next("a candidate type")?.to_owned();
        let (mut raddr, mut rport, mut extensions) = (None, None, Vec::new());
        while let Some(name) = fields.next() {
            let value = fields.next().ok_or(fail("a value after each name"))?;
            match name {
                "raddr" if raddr.is_none() => raddr = Some(value.to_owned()),
                "rport" if rport.is_none() => {
                    rport = Some(value.parse().map_err(|_| fail("a related port"))?)
                }
                _ if extensions.len() == MAX_EXTENSIONS => return Err(fail("fewer extensions")),
                _ => extensions.push((name.to_owned(), value.to_owned())),
            }
        }
        let related = raddr.map(|address| (address, rport.unwrap_or(0)));
        Ok(Candidate {
            foundation,
            component,
            transport,
            priority,
            address,
            port,
            kind,
            related,
            extensions,
        })
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {} {} {} typ {}",
            self.foundation,
            self.component,
            self.transport,
            self.priority,
            self.address,
            self.port,
            self.kind
        )?;
        if let Some((address, port)) = &self.related {
            write!(f, " raddr {address} rport {port}")?;
        }
        self.extensions
            .iter()
            .try_for_each(|(name, value)| write!(f, " {name} {value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        for text in [
            "1 1 UDP 2130706431 203.0.113.141 8998 typ host",
            "2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998",
            "842163049 1 udp 1677729535 2001:db8::7 41000 typ relay raddr :: rport 0 generation 0 network-cost 999",
            "0 2 TCP 1 9b36eaac-bb2e-49bb-bb78-21c41c499900.local 9 typ host tcptype active",
        ] {
            let candidate: Candidate = text.parse().unwrap();
            assert_eq!(candidate.to_string(), text);
            assert_eq!(candidate.ip().is_none(), text.contains(".local"));
            assert_eq!(format!("candidate:{text}").parse(), Ok(candidate));
        }
        for bad in [
            "",
            "1 0 UDP 1 1.2.3.4 5 typ host",
            "1 257 UDP 1 1.2.3.4 5 typ host",
            "1 1 UDP x 1.2.3.4 5 typ host",
            "1 1 UDP 1 1.2.3.4 65536 typ host",
            "1 1 UDP 1 1.2.3.4 5 type host",
            "1 1 UDP 1 1.2.3.4 5 typ",
            "1 1 UDP 1 1.2.3.4 5 typ host raddr",
        ] {
            assert!(bad.parse::<Candidate>().is_err(), "{bad}");
        }
    }
}
