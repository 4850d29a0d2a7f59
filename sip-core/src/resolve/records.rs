//! What is asked of the DNS, and the records that answer: NAPTR (RFC 3403), SRV (RFC 2782),
//! addresses.

use std::net::IpAddr;

use crate::Transport;

/// One question to the DNS. Names come without a final dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DnsQuery {
    /// The NAPTR records of a domain.
    Naptr(String),
    /// The SRV records of a service name such as `_sip._udp.example.org`.
    Srv(String),
    /// The A and AAAA records of a host, CNAMEs followed, best first.
    Address(String),
}

impl DnsQuery {
    /// The name asked for.
    pub fn name(&self) -> &str {
        match self {
            Self::Naptr(name) | Self::Srv(name) | Self::Address(name) => name,
        }
    }
}

/// What the DNS said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DnsAnswer {
    /// To [`DnsQuery::Naptr`], in any order.
    Naptr(Vec<Naptr>),
    /// To [`DnsQuery::Srv`], in any order.
    Srv(Vec<Srv>),
    /// To [`DnsQuery::Address`], best first.
    Addresses(Vec<IpAddr>),
    /// No such records, or a resolver that cannot ask for this type.
    Nothing,
}

/// A NAPTR record, RFC 3403 section 4.1, as far as RFC 3263 reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Naptr {
    /// Lower first.
    pub order: u16,
    /// Lower first among equal orders.
    pub preference: u16,
    /// `s` when the replacement has SRV records.
    pub flags: String,
    /// `SIP+D2U`, `SIPS+D2T`, …
    pub service: String,
    /// The name to go on with.
    pub replacement: String,
}

impl Naptr {
    /// A record that leads to SRV records, flag `s`.
    pub fn new(order: u16, preference: u16, service: &str, replacement: &str) -> Self {
        Self {
            order,
            preference,
            flags: "s".to_owned(),
            service: service.to_owned(),
            replacement: replacement.to_owned(),
        }
    }

    /// The transport that the service field means (RFC 3263 section 4.1, RFC 7118 section 7).
    pub(super) fn transport(&self) -> Option<Transport> {
        const SERVICES: [(&str, Transport); 5] = [
            ("SIP+D2U", Transport::Udp),
            ("SIP+D2T", Transport::Tcp),
            ("SIPS+D2T", Transport::Tls),
            ("SIP+D2W", Transport::Ws),
            ("SIPS+D2W", Transport::Wss),
        ];
        if !self.flags.eq_ignore_ascii_case("s") {
            return None;
        }
        SERVICES
            .iter()
            .find(|(service, _)| self.service.eq_ignore_ascii_case(service))
            .map(|(_, transport)| *transport)
    }
}

/// An SRV record, RFC 2782.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Srv {
    /// Lower first.
    pub priority: u16,
    /// Its share among equal priorities.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; `.` says that there is no such service.
    pub target: String,
}

impl Srv {
    /// A record.
    pub fn new(priority: u16, weight: u16, port: u16, target: &str) -> Self {
        Self {
            priority,
            weight,
            port,
            target: target.to_owned(),
        }
    }
}

/// Puts records in the order in which they are tried: by priority, and drawn by weight among
/// equals. RFC 2782, "Weight": those of weight 0 stand in front, a number from 0 to the sum of
/// weights is drawn, and the first whose running sum reaches it is next; then again without it.
pub(super) fn by_weight(mut records: Vec<Srv>, chance: &mut dyn FnMut(&mut [u8])) -> Vec<Srv> {
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority;
        let equals = records
            .iter()
            .take_while(|record| record.priority == priority);
        let sum: u64 = equals.map(|record| u64::from(record.weight)).sum();
        let mut bytes = [0; 4];
        chance(&mut bytes);
        let drawn = (u64::from(u32::from_le_bytes(bytes)) * (sum + 1)) >> 32;
        let mut running = 0;
        let at = records.iter().position(|record| {
            running += u64::from(record.weight);
            running >= drawn
        });
        ordered.push(records.remove(at.unwrap_or(0)));
    }
    ordered
}
