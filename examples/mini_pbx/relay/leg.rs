//! One side of one relayed line: what comes in is opened, what goes out is sealed for whoever stands there.

use std::net::SocketAddr;
use std::time::Instant;

use rtp_core::srtp::{Inbound, MasterKey, Outbound};
use rtp_core::transport::{Component, Protocol};

use super::browser::{Browser, Found};

/// How a side is spoken to, the weakest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// DTLS-SRTP, everything on one port, found by ICE where the side does ICE.
    Browser,
    /// SRTP with keys that travel in the SDP (RFC 4568), RTP and RTCP on a port each.
    Sdes,
    /// RTP and RTCP in the clear on a port each.
    Clear,
}

/// What a side's description says of one line.
#[derive(Debug, Clone)]
pub(crate) enum Peer {
    Phone {
        /// Where it receives RTP and RTCP.
        at: [SocketAddr; 2],
        /// Its key and ours.
        keys: Option<Box<[MasterKey; 2]>>,
    },
    Browser(Box<Found>),
}

/// The machine of one side.
pub(crate) enum Leg {
    Phone(Box<Phone>),
    Browser(Box<Browser>),
}

impl Leg {
    /// Takes what a description says.
    pub(crate) fn update(&mut self, now: Instant, peer: Peer) {
        match (self, peer) {
            (Self::Phone(phone), Peer::Phone { at, keys }) => {
                phone.at = at.map(Some);
                if let Some(keys) = keys {
                    phone.take(&keys);
                }
            }
            (Self::Browser(browser), Peer::Browser(found)) => browser.update(now, *found),
            // A side stays what it was when the call began.
            _ => {}
        }
    }

    /// Takes a datagram, and gives the length of the packet that it held, opened in place, and whether it is RTP or RTCP.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        component: Component,
        from: SocketAddr,
        packet: &mut [u8],
    ) -> Option<(Component, usize)> {
        let protocol = Protocol::of(*packet.first()?);
        match self {
            Self::Phone(phone) => phone.receive(component, protocol, from, packet),
            Self::Browser(browser) => browser.receive(now, protocol, from, packet),
        }
    }

    /// Seals the packet in the first `len` bytes of `buffer`, and gives from which port it goes, where to, and its length;
    /// `None` while it may go nowhere.
    pub(crate) fn seal(
        &mut self,
        component: Component,
        buffer: &mut [u8],
        len: usize,
    ) -> Option<(Component, SocketAddr, usize)> {
        match self {
            Self::Phone(phone) => phone.seal(component, buffer, len),
            Self::Browser(browser) => browser.seal(component, buffer, len),
        }
    }

    /// The next datagram of its own, from its RTP port.
    pub(crate) fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        match self {
            Self::Phone(_) => None,
            Self::Browser(browser) => browser.poll_transmit(),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Phone(_) => None,
            Self::Browser(browser) => browser.poll_timeout(),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Self::Browser(browser) = self {
            browser.handle_timeout(now);
        }
    }
}

/// The index of a component's port.
pub(crate) fn index(component: Component) -> usize {
    usize::from(component == Component::Rtcp)
}

/// A side that names its ports, and perhaps its key.
pub(crate) struct Phone {
    at: [Option<SocketAddr>; 2],
    guard: Guard,
}

/// What keeps packets from being read on the way.
enum Guard {
    Clear,
    /// Nothing passes before there are keys.
    Awaited,
    Keys(Box<Keys>),
}

struct Keys {
    /// What the others are made of: the phone's key and ours.
    told: [MasterKey; 2],
    inbound: Inbound,
    outbound: Outbound,
}

impl Phone {
    pub(crate) fn new(secure: bool) -> Self {
        Self {
            at: [None, None],
            guard: match secure {
                true => Guard::Awaited,
                false => Guard::Clear,
            },
        }
    }

    fn take(&mut self, keys: &[MasterKey; 2]) {
        let [theirs, ours] = keys;
        match &mut self.guard {
            Guard::Clear => {}
            Guard::Awaited => {
                self.guard = Guard::Keys(Box::new(Keys {
                    told: keys.clone(),
                    inbound: Inbound::new(theirs),
                    outbound: Outbound::new(ours),
                }));
            }
            Guard::Keys(before) => {
                // The same once more changes nothing; a new one goes on where the old one was.
                if before.told[0] != *theirs {
                    before.inbound.rekey(theirs);
                }
                if before.told[1] != *ours {
                    before.outbound.rekey(ours);
                }
                before.told.clone_from(keys);
            }
        }
    }

    fn receive(
        &mut self,
        component: Component,
        protocol: Protocol,
        from: SocketAddr,
        packet: &mut [u8],
    ) -> Option<(Component, usize)> {
        let at = self.at[index(component)].as_mut()?;
        // Whoever the description names, at the port that a NAT chose.
        if from.ip() != at.ip() || protocol != Protocol::Media {
            return None;
        }
        let len = match &mut self.guard {
            Guard::Clear => packet.len(),
            Guard::Awaited => return None,
            Guard::Keys(keys) => {
                let opened = match component {
                    Component::Rtp => keys.inbound.unprotect_rtp(packet),
                    Component::Rtcp => keys.inbound.unprotect_rtcp(packet),
                };
                opened.ok()?.len()
            }
        };
        *at = from;
        Some((component, len))
    }

    fn seal(
        &mut self,
        component: Component,
        buffer: &mut [u8],
        len: usize,
    ) -> Option<(Component, SocketAddr, usize)> {
        let to = self.at[index(component)]?;
        let len = match &mut self.guard {
            Guard::Clear => len,
            Guard::Awaited => return None,
            Guard::Keys(keys) => {
                let sealed = match component {
                    Component::Rtp => keys.outbound.protect_rtp(buffer, len),
                    Component::Rtcp => keys.outbound.protect_rtcp(buffer, len),
                };
                sealed.ok()?
            }
        };
        Some((component, to, len))
    }
}
