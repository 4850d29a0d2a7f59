//! Whether a stream is protected, and by which of the known keys: found by trying, because only a tag tells.

use std::net::SocketAddr;

use rtp_core::rtp::Ssrc;
use rtp_core::srtp::{Inbound, MasterKey, SrtpError, Suite};

use crate::known::Known;

/// Rollovers that a stream may have had before it was first seen: ten minutes and more at 50 packets a second each.
const MAX_ROLLOVER: u32 = 16;

pub(crate) enum Shield {
    /// Not looked at yet.
    Unknown,
    /// In the clear.
    Clear,
    /// Under this key.
    Keyed(Suite, Box<Inbound>),
    /// Under a key that nobody told.
    Locked,
}

impl Shield {
    /// Makes a packet plain in place; its new length, or `None` for one that cannot be read.
    pub(crate) fn open(
        &mut self,
        known: &Known,
        (source, destination): (SocketAddr, SocketAddr),
        ssrc: Ssrc,
        packet: &mut [u8],
    ) -> Option<usize> {
        let len = packet.len();
        match self {
            Shield::Clear => return Some(len),
            Shield::Keyed(_, inbound) => {
                let mut copy = packet.to_vec();
                match inbound.unprotect_rtp(&mut copy) {
                    Ok(plain) => {
                        let len = plain.len();
                        packet[..len].copy_from_slice(plain);
                        return Some(len);
                    }
                    // Perhaps there is a new key since; a forged packet finds none.
                    Err(SrtpError::Authentication | SrtpError::UnknownKey) => {}
                    Err(_) => return None,
                }
            }
            Shield::Unknown | Shield::Locked => {}
        }
        for key in known.keys(source) {
            if let Some((inbound, plain)) = attempt(&key, ssrc, packet) {
                packet[..plain.len()].copy_from_slice(&plain);
                *self = Shield::Keyed(key.suite(), Box::new(inbound));
                return Some(plain.len());
            }
        }
        match self {
            Shield::Keyed(..) => None,
            _ if known.is_secure(source, destination) => {
                *self = Shield::Locked;
                None
            }
            _ => {
                *self = Shield::Clear;
                Some(len)
            }
        }
    }
}

fn attempt(key: &MasterKey, ssrc: Ssrc, packet: &[u8]) -> Option<(Inbound, Vec<u8>)> {
    for rollover in 0..MAX_ROLLOVER {
        let mut inbound = Inbound::new(key);
        inbound.set_rollover(ssrc, rollover).ok()?;
        let mut copy = packet.to_vec();
        let plain = inbound.unprotect_rtp(&mut copy).map(|plain| plain.to_vec());
        if let Ok(plain) = plain {
            return Some((inbound, plain));
        }
    }
    None
}
