//! Flow tokens: a flow, written so that it comes back only as it was given out (RFC 5626 section 5.2).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::base64url;
use crate::endpoint::{ConnectionId, Flow, Transport};

const TAG: usize = 16;

/// Writes flows as tokens for the user part of a Path or Record-Route, and reads them back.
///
/// A token is the flow itself with a MAC: nothing has to be remembered, and nobody can make us send over a flow of
/// their choice. Connections live no longer than the process, so the key should be drawn when it starts.
///
/// ```
/// use sip_core::{ConnectionId, Flow, Transport, registrar::FlowTokens};
/// let tokens = FlowTokens::new([7; 32]); // drawn at random in real life
/// let flow = Flow {
///     transport: Transport::Tcp,
///     local: "192.0.2.1:5060".parse()?,
///     remote: "198.51.100.9:41022".parse()?,
///     connection: Some(ConnectionId(12)),
/// };
/// let token = tokens.write(&flow);
/// assert_eq!(tokens.read(&token), Some(flow));
/// assert_eq!(FlowTokens::new([8; 32]).read(&token), None);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone)]
pub struct FlowTokens {
    key: [u8; 32],
}

impl FlowTokens {
    /// Tokens under a key.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The token of a flow: letters, digits, `-` and `_`.
    pub fn write(&self, flow: &Flow) -> String {
        let mut bytes = vec![0; TAG];
        bytes.push(match flow.transport {
            Transport::Udp => 0,
            Transport::Tcp => 1,
            Transport::Tls => 2,
            Transport::Ws => 3,
            Transport::Wss => 4,
        });
        write_address(&mut bytes, flow.local);
        write_address(&mut bytes, flow.remote);
        if let Some(ConnectionId(id)) = flow.connection {
            bytes.extend_from_slice(&id.to_be_bytes());
        }
        let tag = self.tag(&bytes[TAG..]);
        bytes[..TAG].copy_from_slice(&tag);
        base64url::encode(&bytes)
    }

    /// The flow of a token of ours.
    pub fn read(&self, token: &str) -> Option<Flow> {
        // The longest: two IPv6 addresses and a connection.
        if token.len() > 100 {
            return None;
        }
        let bytes = base64url::decode(token)?;
        let (tag, body) = bytes.split_at_checked(TAG)?;
        if !bool::from(self.tag(body).ct_eq(tag)) {
            return None;
        }
        let (&transport, rest) = body.split_first()?;
        let transport = match transport {
            0 => Transport::Udp,
            1 => Transport::Tcp,
            2 => Transport::Tls,
            3 => Transport::Ws,
            4 => Transport::Wss,
            _ => return None,
        };
        let (local, rest) = read_address(rest)?;
        let (remote, rest) = read_address(rest)?;
        let connection = match rest {
            [] => None,
            id => Some(ConnectionId(u64::from_be_bytes(id.try_into().ok()?))),
        };
        Some(Flow {
            transport,
            local,
            remote,
            connection,
        })
    }

    fn tag(&self, body: &[u8]) -> [u8; TAG] {
        mac(&self.key, &[b"flow", body])
    }
}

/// The first bytes of an HMAC-SHA-256 over several pieces.
pub(super) fn mac<const N: usize>(key: &[u8], pieces: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    // HMAC takes keys of any length, so this cannot fail.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) {
        for piece in pieces {
            mac.update(piece);
        }
        let full = mac.finalize().into_bytes();
        out.copy_from_slice(&full[..N]);
    }
    out
}

fn write_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

fn read_address(bytes: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let (ip, rest) = match kind {
        4 => {
            let (ip, rest) = rest.split_first_chunk::<4>()?;
            (IpAddr::from(*ip), rest)
        }
        6 => {
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            (IpAddr::from(*ip), rest)
        }
        _ => return None,
    };
    let (port, rest) = rest.split_first_chunk::<2>()?;
    Some((SocketAddr::new(ip, u16::from_be_bytes(*port)), rest))
}

impl fmt::Debug for FlowTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlowTokens")
    }
}
