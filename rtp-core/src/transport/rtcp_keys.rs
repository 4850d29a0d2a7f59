//! RTCP that is keyed apart from RTP: on a port of its own it has a handshake of its own (RFC 5764 §3).

use super::config::{Keys, RtcpMode};
use super::path::MediaPath;
use super::receive::Reason;
use crate::srtp::{Inbound, Outbound, SrtpError};
use std::time::Instant;

/// The protection of RTCP where RTP's is another.
#[derive(Default)]
pub(super) struct RtcpKeys {
    keys: Option<Keys>,
    outbound: Option<Outbound>,
    inbound: Option<Inbound>,
}

impl MediaPath {
    /// The keys of RTCP on a port of its own, where a handshake of that port makes them (RFC 5764 §3); with `None` no
    /// report is sent or believed there until it has. From the first call on RTP's keys do not count for
    /// [`RtcpMode::Separate`] any more. The same ones again change nothing.
    pub fn set_rtcp_keys(&mut self, now: Instant, keys: Option<Keys>) {
        self.advance(now);
        let own = self.rtcp_keys.get_or_insert_default();
        if own.keys != keys {
            own.outbound = keys.as_ref().map(|keys| Outbound::new(&keys.send));
            own.inbound = keys.as_ref().map(|keys| Inbound::new(&keys.receive));
            own.keys = keys;
        }
    }

    /// Whether reports wait for keys of their own.
    pub(super) fn awaits_rtcp_keys(&self) -> bool {
        let own = self.rtcp_keys.as_ref();
        self.rtcp == RtcpMode::Separate && own.is_some_and(|own| own.keys.is_none())
    }

    /// What protects a report; `None` in the clear.
    pub(super) fn rtcp_outbound(&mut self) -> Result<Option<&mut Outbound>, SrtpError> {
        match (&mut self.rtcp_keys, self.rtcp) {
            (Some(own), RtcpMode::Separate) => {
                own.outbound.as_mut().map(Some).ok_or(SrtpError::UnknownKey)
            }
            _ => Ok(self.outbound.as_mut()),
        }
    }

    /// What unprotects a report; `None` in the clear.
    pub(super) fn rtcp_inbound(&mut self) -> Result<Option<&mut Inbound>, Reason> {
        match (&mut self.rtcp_keys, self.rtcp) {
            (Some(own), RtcpMode::Separate) => own.inbound.as_mut().map(Some).ok_or(Reason::NoKeys),
            _ => Ok(self.inbound.as_mut()),
        }
    }
}
