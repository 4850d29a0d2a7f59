//! STUN Binding, as far as SIP needs it to keep UDP flows alive (RFC 5626 section 4.4.2, RFC 8489).
//!
//! STUN and SIP share a port; the first byte tells them apart: a STUN message begins with 0 to 3, a SIP message with
//! a letter, a keep-alive with CR (RFC 7983).
//!
//! Left out: everything but Binding, and authentication, FINGERPRINT included: RFC 5626 uses neither.

use std::net::{IpAddr, SocketAddr};

/// What ties a response to its request: 96 random bits.
pub type TransactionId = [u8; 12];

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER: usize = 20;
const REQUEST: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const ERROR: u16 = 0x0111;
const MAPPED_ADDRESS: u16 = 0x0001;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// As many unknown attributes are named in an answer; who sends more hears of the first.
const UNKNOWN: usize = 8;

/// A Binding message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Binding {
    /// Where do you see me?
    Request(TransactionId),
    /// The same with attributes that must be understood and are not (RFC 8489 section 6.3.1); as bytes, the
    /// answer to it: 420, and which they are.
    Unknown {
        /// The request's.
        id: TransactionId,
        /// The types of these attributes, eight at most; the rest is zero.
        attributes: [u16; UNKNOWN],
    },
    /// There.
    Success {
        /// The request's.
        id: TransactionId,
        /// The sender of the request as its receiver saw it.
        mapped: SocketAddr,
    },
    /// The request was refused; that its sender lives is all that a keep-alive wants to know.
    Error(TransactionId),
}

/// Whether a datagram is STUN rather than SIP.
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4)
}

impl Binding {
    /// Reads a datagram. `None`: another method, a broken message, or a success without an address.
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let (header, attributes) = datagram.split_at_checked(HEADER)?;
        let kind = u16::from_be_bytes([header[0], header[1]]);
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[4..8] != COOKIE || length != attributes.len() || !length.is_multiple_of(4) {
            return None;
        }
        let id: TransactionId = header[8..].try_into().ok()?;
        let (mut mapped, mut unknown, mut count) = (None, [0; UNKNOWN], 0);
        let mut rest = attributes;
        while let Some((head, after)) = rest.split_first_chunk::<4>() {
            let name = u16::from_be_bytes([head[0], head[1]]);
            let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let (value, padded) = (after.get(..len)?, after.get(len.next_multiple_of(4)..)?);
            rest = padded;
            match name {
                XOR_MAPPED_ADDRESS => {
                    mapped = mapped.or(address(value, &[&COOKIE[..], &id].concat()))
                }
                MAPPED_ADDRESS => {}
                // Comprehension-required (RFC 8489 section 14).
                0..0x8000 => {
                    if let Some(place) = unknown.get_mut(count) {
                        *place = name;
                        count += 1;
                    }
                }
                _ => {}
            }
        }
        match kind {
            REQUEST if count == 0 => Some(Self::Request(id)),
            REQUEST => Some(Self::Unknown {
                id,
                attributes: unknown,
            }),
            SUCCESS => Some(Self::Success {
                id,
                mapped: mapped?,
            }),
            ERROR => Some(Self::Error(id)),
            _ => None,
        }
    }

    /// The bytes of a request, a success, or a refusal; those of [`Error`](Self::Error) say no more than that.
    pub fn to_bytes(self) -> Vec<u8> {
        let (kind, id, mapped) = match self {
            Self::Request(id) => (REQUEST, id, None),
            Self::Success { id, mapped } => (SUCCESS, id, Some(mapped)),
            Self::Error(id) | Self::Unknown { id, .. } => (ERROR, id, None),
        };
        let mut attributes = Vec::new();
        if let Self::Unknown {
            attributes: unknown,
            ..
        } = self
        {
            let phrase = b"Unknown Attribute";
            attributes.extend_from_slice(&ERROR_CODE.to_be_bytes());
            attributes.extend_from_slice(&(4 + phrase.len() as u16).to_be_bytes());
            attributes.extend_from_slice(&[0, 0, 4, 20]);
            attributes.extend_from_slice(phrase);
            attributes.resize(attributes.len().next_multiple_of(4), 0);
            let named: Vec<u16> = unknown.into_iter().take_while(|name| *name != 0).collect();
            attributes.extend_from_slice(&UNKNOWN_ATTRIBUTES.to_be_bytes());
            attributes.extend_from_slice(&(2 * named.len() as u16).to_be_bytes());
            attributes.extend(named.iter().flat_map(|name| name.to_be_bytes()));
            attributes.resize(attributes.len().next_multiple_of(4), 0);
        }
        if let Some(mapped) = mapped {
            let (family, mut ip) = match mapped.ip() {
                IpAddr::V4(ip) => (1, ip.octets().to_vec()),
                IpAddr::V6(ip) => (2, ip.octets().to_vec()),
            };
            let mask = [&COOKIE[..], &id].concat();
            ip.iter_mut()
                .zip(&mask)
                .for_each(|(byte, mask)| *byte ^= mask);
            let port = mapped.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
            attributes.extend_from_slice(&XOR_MAPPED_ADDRESS.to_be_bytes());
            attributes.extend_from_slice(&(4 + ip.len() as u16).to_be_bytes());
            attributes.extend_from_slice(&[0, family]);
            attributes.extend_from_slice(&port.to_be_bytes());
            attributes.extend_from_slice(&ip);
        }
        let mut bytes = Vec::with_capacity(HEADER + attributes.len());
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&(attributes.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&COOKIE);
        bytes.extend_from_slice(&id);
        bytes.extend_from_slice(&attributes);
        bytes
    }
}

/// `mask` is the cookie and the transaction's id.
fn address(value: &[u8], mask: &[u8]) -> Option<SocketAddr> {
    let (head, ip) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([head[2] ^ mask[0], head[3] ^ mask[1]]);
    let ip: Vec<u8> = ip
        .iter()
        .zip(mask)
        .map(|(byte, mask)| byte ^ mask)
        .collect();
    let ip = match (head[1], value.len()) {
        (1, 8) => IpAddr::from(<[u8; 4]>::try_from(ip).ok()?),
        (2, 20) => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TransactionId = [
        0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
    ];

    /// The addresses of RFC 5769 sections 2.2 and 2.3, whose XOR-MAPPED-ADDRESS attributes these are.
    #[test]
    fn addresses_are_those_of_rfc_5769() {
        for (mapped, attribute) in [
            ("192.0.2.1:32853", &b"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"[..]),
            (
                "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
                &b"\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9"[..],
            ),
        ] {
            let mapped = mapped.parse().unwrap();
            let success = Binding::Success { id: ID, mapped };
            let bytes = success.to_bytes();
            assert_eq!(&bytes[HEADER..], attribute);
            assert_eq!(Binding::parse(&bytes), Some(success));
            // An attribute that may be ignored, with padding.
            let mut more = bytes.clone();
            more.extend_from_slice(b"\x80\x22\x00\x05hello\0\0\0");
            more[3] += 12;
            assert_eq!(Binding::parse(&more), Some(success));
            for end in 0..bytes.len() {
                assert_eq!(Binding::parse(&bytes[..end]), None, "cut at {end}");
            }
        }
    }

    #[test]
    fn requests_are_told_from_sip_and_from_what_we_do_not_know() {
        let request = Binding::Request(ID).to_bytes();
        assert_eq!(Binding::parse(&request), Some(Binding::Request(ID)));
        let error = Binding::Error(ID);
        assert_eq!(Binding::parse(&error.to_bytes()), Some(error));
        assert!(is_stun(&request) && !is_stun(b"OPTIONS sip:a SIP/2.0") && !is_stun(b"\r\n\r\n"));
        assert!(!is_stun(b""));
        // USERNAME must be understood; another method; an old STUN without the cookie.
        let mut named = request.clone();
        named.extend_from_slice(b"\x00\x06\x00\x03bob\0");
        named[3] = 8;
        let mut attributes = [0; UNKNOWN];
        attributes[0] = 6;
        let unknown = Binding::Unknown { id: ID, attributes };
        assert_eq!(Binding::parse(&named), Some(unknown));
        let refusal = unknown.to_bytes();
        assert_eq!(
            &refusal[HEADER..],
            b"\x00\x09\x00\x15\0\0\x04\x14Unknown Attribute\0\0\0\x00\x0a\x00\x02\x00\x06\0\0"
        );
        assert_eq!(Binding::parse(&refusal), Some(Binding::Error(ID)));
        // As many as there is room for, however many there are.
        for name in 1..=40u8 {
            named.extend_from_slice(&[0x01, name, 0, 0]);
        }
        named[3] += 160;
        let Some(Binding::Unknown { attributes, .. }) = Binding::parse(&named) else {
            panic!("a request");
        };
        assert_eq!((attributes[0], attributes[7]), (6, 0x0107));
        for (at, byte) in [(1, 3), (4, 0)] {
            let mut other = request.clone();
            other[at] = byte;
            assert_eq!(Binding::parse(&other), None);
        }
    }
}
