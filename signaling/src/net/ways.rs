//! Where a call's packets come and go, and what is known of how they find it.

use super::listen::local_address;
use super::{Gateway, GatewayError};
use crate::dial::Ice;
use crate::engine::relays::Relays;
use crate::engine::thread::Port;
use rtp_core::negotiate::{Capabilities, IceDescription, LocalAddress};
use rtp_core::net::RtpSockets;
use rtp_core::sdp::Candidate;
use rtp_core::transport::{Component, Transmit};
use std::net::{IpAddr, SocketAddr};
#[cfg(feature = "turn")]
use std::time::Duration;
use std::time::Instant;

/// Sockets, and what servers know of them; or the shared port.
pub(super) struct Leased {
    pub(super) port: Port,
    pub(super) relays: Relays,
    description: Option<IceDescription>,
    /// Where it is, as phones are told.
    pub(super) local: LocalAddress,
}

impl Leased {
    /// Sockets of which no server knows.
    fn own(sockets: RtpSockets, advertise: Option<IpAddr>) -> Leased {
        Leased {
            local: local_address(&sockets, advertise),
            port: Port::Own(sockets),
            relays: Relays::default(),
            description: None,
        }
    }

    /// The shared port.
    pub(super) fn shared(at: SocketAddr) -> Leased {
        Leased {
            local: LocalAddress { rtp: at, rtcp: at },
            port: Port::Shared,
            relays: Relays::default(),
            description: None,
        }
    }

    /// Tells the candidates that servers gave, too. They are asked for RTP's port alone: where nothing may go but through
    /// them, RTCP has to share it.
    pub(super) fn describe(&self, mut can: Capabilities) -> Capabilities {
        if let (Some(ours), Some(plain)) = (&self.description, can.ice.first_mut()) {
            let (rtcp, is_only) = (Component::Rtcp.number(), self.relays.is_only());
            let host = std::mem::replace(plain, ours.clone());
            let of_rtcp = |candidate: &Candidate| candidate.component == rtcp && !is_only;
            let candidates = host.candidates.into_iter().filter(of_rtcp);
            plain.candidates.extend(candidates);
        }
        can
    }
}

impl Gateway {
    /// Sockets for a call, with the servers' candidates where they are ready and may be needed.
    pub(super) fn lease(&mut self, now: Instant, ice: Ice) -> Result<Leased, GatewayError> {
        #[cfg(feature = "turn")]
        if ice != Ice::Off {
            if let Some(way) = self.reserve.take(now) {
                let description = Some(way.description());
                return Ok(Leased {
                    relays: way.relays,
                    description,
                    ..Leased::own(way.sockets, self.advertise)
                });
            }
            if self.reserve.relay_only() {
                return Err(GatewayError::NoRelay);
            }
        }
        #[cfg(not(feature = "turn"))]
        let _ = ice;
        Ok(Leased::own(self.ports.allocate(now)?, self.advertise))
    }

    /// Goes on with the reserve, when it is time.
    pub(super) fn prepare(&mut self, now: Instant) {
        #[cfg(feature = "turn")]
        if self.reserve.poll_timeout().is_some_and(|at| at <= now) {
            self.reserve.turn(now, &mut self.ports, &self.random);
        }
        #[cfg(not(feature = "turn"))]
        let _ = now;
    }

    /// When the reserve wants to go on.
    pub(super) fn prepares_at(&self) -> Option<Instant> {
        #[cfg(feature = "turn")]
        return self.reserve.poll_timeout();
        #[cfg(not(feature = "turn"))]
        None
    }

    /// Waits until the first ways are ready, or their servers have failed: their own time limits say when.
    #[cfg(feature = "turn")]
    pub(super) async fn prepared(mut self) -> Self {
        loop {
            self.prepare(Instant::now());
            if self.reserve.is_settled() {
                return self;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Takes back what no call needs.
    pub(super) fn give_back(&mut self, now: Instant, port: Port, mut relays: Relays) {
        let Port::Own(sockets) = port else {
            return;
        };
        relays.close(now);
        while let Some((to, bytes)) = relays.poll_transmit() {
            let component = Component::Rtp;
            // A server that does not hear it forgets the address in time.
            let _ = sockets.send(Transmit { to, component }, &bytes);
        }
        self.ports.release(now, sockets);
    }
}
