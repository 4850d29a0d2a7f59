//! Protecting what leaves.

use super::error::SrtpError;
use super::key::MasterKey;
use super::mki;
use super::session::{SessionKeys, Stream};
use super::stream::{Freshness, MAX_RTCP_INDEX, MAX_RTP_INDEX, StreamState, Streams};
use super::suite::Suite;
use super::{DEFAULT_MAX_STREAMS, RTCP_INDEX_LEN};
use crate::rtp::{Ssrc, header_len};
use std::fmt;

/// Protects the packets of one direction under one master key.
///
/// A sequence number may be used once: a second packet with the same one would be encrypted with the same
/// keystream, which gives both away (RFC 3711 §9.1), and is refused with [`SrtpError::Replayed`].
pub struct Outbound {
    suite: Suite,
    mki: Box<[u8]>,
    rtp: SessionKeys,
    rtcp: SessionKeys,
    streams: Streams,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("suite", &self.suite)
            .field("streams", &self.streams.len())
            .finish_non_exhaustive()
    }
}

impl Outbound {
    /// Derives the session keys.
    #[must_use]
    pub fn new(key: &MasterKey) -> Outbound {
        Outbound {
            suite: key.suite(),
            mki: key.mki().into(),
            rtp: SessionKeys::derive(key, Stream::Rtp),
            rtcp: SessionKeys::derive(key, Stream::Rtcp),
            streams: Streams::with_capacity(2),
        }
    }

    /// Goes on under a new key without losing the place of any source: rollover counters and SRTCP indices
    /// stay as they are (RFC 3711 §3.3.1 resets them only with a new stream).
    pub fn rekey(&mut self, key: &MasterKey) {
        self.suite = key.suite();
        self.mki = key.mki().into();
        self.rtp = SessionKeys::derive(key, Stream::Rtp);
        self.rtcp = SessionKeys::derive(key, Stream::Rtcp);
    }

    /// The suite.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Bytes that protection adds to an RTP packet.
    #[must_use]
    pub fn rtp_overhead(&self) -> usize {
        self.rtp.tag_len() + self.mki.len()
    }

    /// Bytes that protection adds to an RTCP packet.
    #[must_use]
    pub fn rtcp_overhead(&self) -> usize {
        RTCP_INDEX_LEN + self.rtcp.tag_len() + self.mki.len()
    }

    /// The rollover counter of a source; `None` before its first packet.
    #[must_use]
    pub fn rollover(&self, ssrc: Ssrc) -> Option<u32> {
        let at = self.streams.find(ssrc)?;
        Some(self.streams.get(Some(at), ssrc).rollover())
    }

    /// Sets the rollover counter of a source for its next packet: for taking over a running stream.
    ///
    /// # Errors
    /// [`SrtpError::TooManyStreams`] when it is a new source and the list is full.
    pub fn set_rollover(&mut self, ssrc: Ssrc, counter: u32) -> Result<(), SrtpError> {
        let at = self.streams.find(ssrc);
        let mut state = self.streams.get(at, ssrc);
        state.set_rollover(counter);
        if self.streams.put(at, state, DEFAULT_MAX_STREAMS) {
            Ok(())
        } else {
            Err(SrtpError::TooManyStreams)
        }
    }

    /// Forgets a source that sends no more. Under the same key its SSRC must not come again: its indices would.
    pub(crate) fn forget(&mut self, ssrc: Ssrc) {
        self.streams.remove(ssrc);
    }

    /// Encrypts the RTP packet in the first `len` bytes of `buffer` and appends its tag; returns the length
    /// of the result.
    ///
    /// # Errors
    /// [`SrtpError::Malformed`], [`SrtpError::BufferTooSmall`], [`SrtpError::Replayed`] for a sequence number
    /// used before, [`SrtpError::TooOld`], [`SrtpError::KeyExhausted`], [`SrtpError::TooManyStreams`]. The
    /// buffer is untouched then.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get(..len).ok_or(SrtpError::Malformed)?;
        let start = header_len(packet).map_err(|_| SrtpError::Malformed)?;
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let ssrc = Ssrc(u32::from_be_bytes([
            packet[8], packet[9], packet[10], packet[11],
        ]));
        let need = len + self.rtp_overhead();
        let have = buffer.len();
        let Some(buffer) = buffer.get_mut(..need) else {
            return Err(SrtpError::BufferTooSmall { need, have });
        };
        let at = self.streams.find(ssrc);
        let index = match at.and_then(|at| self.streams.at(at)) {
            Some(state) => next(state, sequence)?,
            None => {
                let mut state = StreamState::new(ssrc);
                let index = next(&mut state, sequence)?;
                if !self.streams.put(None, state, DEFAULT_MAX_STREAMS) {
                    return Err(SrtpError::TooManyStreams);
                }
                index
            }
        };
        let tag = self.rtp.tag_len();
        self.rtp
            .seal_rtp(ssrc, index, &mut buffer[..len + tag], start);
        let after = self.suite.tag_after_mki(tag);
        mki::insert(&self.mki, buffer, len + tag, after);
        Ok(need)
    }

    /// Encrypts the RTCP packet in the first `len` bytes of `buffer`, appends its index and tag, and returns
    /// the length of the result.
    ///
    /// # Errors
    /// [`SrtpError::Malformed`], [`SrtpError::BufferTooSmall`], [`SrtpError::KeyExhausted`],
    /// [`SrtpError::TooManyStreams`]. The buffer is untouched then.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get(..len).ok_or(SrtpError::Malformed)?;
        let &[first, _, _, _, a, b, c, d, ..] = packet else {
            return Err(SrtpError::Malformed);
        };
        if first >> 6 != 2 {
            return Err(SrtpError::Malformed);
        }
        let ssrc = Ssrc(u32::from_be_bytes([a, b, c, d]));
        let need = len + self.rtcp_overhead();
        let have = buffer.len();
        if have < need {
            return Err(SrtpError::BufferTooSmall { need, have });
        }
        let at = self.streams.find(ssrc);
        let index = match at.and_then(|at| self.streams.at(at)) {
            Some(state) => next_rtcp(state)?,
            None => {
                let mut state = StreamState::new(ssrc);
                let index = next_rtcp(&mut state)?;
                if !self.streams.put(None, state, DEFAULT_MAX_STREAMS) {
                    return Err(SrtpError::TooManyStreams);
                }
                index
            }
        };
        let tag = self.rtcp.tag_len();
        let sealed = len + RTCP_INDEX_LEN + tag;
        self.rtcp
            .seal_rtcp(ssrc, index as u32, &mut buffer[..sealed], len);
        let after = self.suite.tag_after_mki(tag);
        mki::insert(&self.mki, buffer, sealed, after);
        Ok(need)
    }
}

/// The index of the packet to be sent, which is used up with that.
#[inline]
fn next(state: &mut StreamState, sequence: u16) -> Result<u64, SrtpError> {
    let index = state.guess(sequence);
    if index > MAX_RTP_INDEX {
        return Err(SrtpError::KeyExhausted);
    }
    match state.check(index) {
        Freshness::Fresh => {}
        Freshness::Seen => return Err(SrtpError::Replayed),
        Freshness::TooOld => return Err(SrtpError::TooOld),
    }
    state.accept(index);
    Ok(index)
}

/// The index of the report to be sent, which is used up with that.
#[inline]
fn next_rtcp(state: &mut StreamState) -> Result<u64, SrtpError> {
    let index = state.next_rtcp;
    if index > MAX_RTCP_INDEX {
        return Err(SrtpError::KeyExhausted);
    }
    state.next_rtcp += 1;
    Ok(index)
}
