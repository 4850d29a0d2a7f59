//! One adapter a peer.

mod ezk;
mod rsip;
mod rsipstack;
#[cfg(feature = "heavy")]
mod rvoip;
mod sipx;
mod yardstick;

use crate::facts::Facts;

/// Parses once, then gives a function that prints the message and returns the length.
pub(crate) type Printer = fn(&[u8]) -> Box<dyn FnMut() -> usize>;

/// Parses and reads what a proxy reads.
pub(crate) type Access = fn(&[u8]) -> Option<Facts>;

/// Parses, reads the facts and the digest response of a REGISTER, and gives its length.
pub(crate) type Digest = fn(&[u8]) -> Option<usize>;

pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Takes the HTTP twin of the message.
    pub(crate) http: bool,
    pub(crate) parse: fn(&[u8]) -> bool,
    pub(crate) access: Option<Access>,
    pub(crate) digest: Option<Digest>,
    pub(crate) print: Option<Printer>,
}

impl Peer {
    pub(crate) fn input(&self, sip: &[u8]) -> Vec<u8> {
        if self.http {
            crate::messages::as_http(sip)
        } else {
            sip.to_vec()
        }
    }
}

pub(crate) fn all() -> Vec<Peer> {
    let mut peers = vec![rsip::peer(), rsipstack::peer(), ezk::peer(), sipx::peer()];
    #[cfg(feature = "heavy")]
    peers.push(rvoip::peer());
    peers.extend(yardstick::peers());
    peers
}
