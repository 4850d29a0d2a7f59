//! Feedback on its way out: what cannot wait for the next report (RFC 4585 §3.4).

use super::config::RtcpMode;
use super::path::MediaPath;
use super::send::{PacketBuf, SendError, Transmit};
use crate::rtcp::Writer;
use crate::rtp::{BufferTooSmall, Ssrc};
use std::time::Instant;

impl MediaPath {
    /// Makes an RTCP packet of what `write` adds: a NACK, a picture loss indication. It is handed the writer,
    /// our SSRC and the peer's, which is 0 as long as nobody was heard. Without
    /// [`Config::reduced_size`](super::Config::reduced_size) a report stands before it.
    ///
    /// Feedback goes at once; how often is the caller's to bound.
    ///
    /// # Errors
    /// [`SendError::Closed`]; [`SendError::NoKeys`]; [`SendError::NoRemote`] without an address, or with [`RtcpMode::Off`];
    /// [`SendError::TooLarge`] when it does not fit; [`SendError::Srtp`].
    pub fn send_feedback(
        &mut self,
        now: Instant,
        write: impl FnOnce(&mut Writer<'_>, Ssrc, Ssrc) -> Result<(), BufferTooSmall>,
        out: &mut PacketBuf,
    ) -> Result<Transmit, SendError> {
        let _now = self.advance(now);
        if self.closed {
            return Err(SendError::Closed);
        }
        if self.awaits_keys() {
            return Err(SendError::NoKeys);
        }
        let to = self
            .rtcp_destination()
            .filter(|_| self.rtcp != RtcpMode::Off)
            .ok_or(SendError::NoRemote)?;
        let too_large = |error: BufferTooSmall| SendError::TooLarge { len: error.need };
        let mut writer = Writer::new(&mut out.bytes);
        if !self.reduced_size {
            self.write_report(&mut writer).map_err(too_large)?;
        }
        let peer = self.reports.remote_ssrc().unwrap_or(Ssrc(0));
        write(&mut writer, self.ssrc, peer).map_err(too_large)?;
        let len = writer.len();
        Ok(self.finish_rtcp(to, len, out)?)
    }
}
