//! What stands for the TURN servers of a leg where the feature `turn` is off: none.

use rtp_core::ice::Pair;
use rtp_core::transport::PacketBuf;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

#[derive(Default)]
pub(crate) struct Relays(());

#[allow(dead_code, reason = "nobody relays")]
pub(crate) enum Unwrapped {
    Data(Pair, Range<usize>),
    Handled,
    Foreign,
}

impl Relays {
    pub(crate) fn is_only(&self) -> bool {
        false
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        std::iter::empty()
    }

    pub(crate) fn unwrap(&mut self, _: Instant, _: SocketAddr, _: &[u8]) -> Unwrapped {
        Unwrapped::Foreign
    }

    pub(crate) fn wrap(&mut self, _: Instant, way: Pair, _: &mut PacketBuf) -> Option<SocketAddr> {
        Some(way.remote)
    }

    pub(crate) fn bind(&mut self, _: Instant, _: Pair) {}

    pub(crate) fn handle_timeout(&mut self, _: Instant) {}

    pub(crate) fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        None
    }

    pub(crate) fn close(&mut self, _: Instant) {}
}
