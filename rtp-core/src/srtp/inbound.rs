//! Unprotecting what arrives.

use super::error::SrtpError;
use super::key::MasterKey;
use super::mki;
use super::session::{SessionKeys, Stream};
use super::stream::{Freshness, MAX_RTP_INDEX, StreamState, Streams};
use super::suite::Suite;
use super::{DEFAULT_MAX_STREAMS, RTCP_INDEX_LEN};
use crate::rtp::{Ssrc, header_len};
use std::fmt;

/// Verifies and decrypts the packets of one direction under one master key.
pub struct Inbound {
    suite: Suite,
    mki: Box<[u8]>,
    rtp: SessionKeys,
    rtcp: SessionKeys,
    streams: Streams,
    max_streams: usize,
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("suite", &self.suite)
            .field("streams", &self.streams.len())
            .finish_non_exhaustive()
    }
}

impl Inbound {
    /// Derives the session keys. Up to 32 sources are remembered.
    #[must_use]
    pub fn new(key: &MasterKey) -> Inbound {
        Inbound {
            suite: key.suite(),
            mki: key.mki().into(),
            rtp: SessionKeys::derive(key, Stream::Rtp),
            rtcp: SessionKeys::derive(key, Stream::Rtcp),
            streams: Streams::with_capacity(2),
            max_streams: DEFAULT_MAX_STREAMS,
        }
    }

    /// The same with another bound on sources: one more is refused with [`SrtpError::TooManyStreams`],
    /// because forgetting one would forget what it has replayed.
    #[must_use]
    pub fn with_max_streams(mut self, max: usize) -> Inbound {
        self.max_streams = max;
        self
    }

    /// Goes on under a new key. Rollover counters are kept; a source that begins at 0 again is recognised by
    /// its first packet. SRTCP indices may begin anew, and so do the replay windows: what was seen under the
    /// old key cannot verify under the new one.
    pub fn rekey(&mut self, key: &MasterKey) {
        self.suite = key.suite();
        self.mki = key.mki().into();
        self.rtp = SessionKeys::derive(key, Stream::Rtp);
        self.rtcp = SessionKeys::derive(key, Stream::Rtcp);
        self.streams.rekeyed();
    }

    /// The suite.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// How many sources are remembered.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// The rollover counter of a source; `None` when no packet of it has verified.
    #[must_use]
    pub fn rollover(&self, ssrc: Ssrc) -> Option<u32> {
        let at = self.streams.find(ssrc)?;
        Some(self.streams.get(Some(at), ssrc).rollover())
    }

    /// Sets the rollover counter of a source for its next packet: for joining a stream that is already
    /// running (RFC 3711 §3.3.1). What it has replayed is forgotten with it.
    ///
    /// # Errors
    /// [`SrtpError::TooManyStreams`] when it is a new source and the list is full.
    pub fn set_rollover(&mut self, ssrc: Ssrc, counter: u32) -> Result<(), SrtpError> {
        let at = self.streams.find(ssrc);
        let mut state = self.streams.get(at, ssrc);
        state.set_rollover(counter);
        if self.streams.put(at, state, self.max_streams) {
            Ok(())
        } else {
            Err(SrtpError::TooManyStreams)
        }
    }

    /// Forgets a source, for instance after its BYE.
    pub fn forget(&mut self, ssrc: Ssrc) {
        self.streams.remove(ssrc);
    }

    /// Verifies and decrypts an SRTP packet in place and returns the RTP packet: the same bytes without the
    /// tag.
    ///
    /// # Errors
    /// Any [`SrtpError`] but `KeyExhausted` and `BufferTooSmall`. Nothing is remembered of a packet that
    /// fails; its bytes are to be thrown away (they are untouched but with an MKI, and with GCM from
    /// `ring`).
    pub fn unprotect_rtp<'p>(&mut self, packet: &'p mut [u8]) -> Result<&'p mut [u8], SrtpError> {
        let tag_len = self.rtp.tag_len();
        let after = self.suite.tag_after_mki(tag_len);
        let len = mki::strip(&self.mki, packet, after).ok_or(SrtpError::UnknownKey)?;
        let packet = &mut packet[..len];
        let signed = packet
            .len()
            .checked_sub(tag_len)
            .ok_or(SrtpError::Malformed)?;
        let start = header_len(&packet[..signed]).map_err(|_| SrtpError::Malformed)?;
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let ssrc = Ssrc(u32::from_be_bytes([
            packet[8], packet[9], packet[10], packet[11],
        ]));
        let at = self.streams.find(ssrc);
        match at.and_then(|at| self.streams.at(at)) {
            Some(state) if !state.rekeyed => {
                let index = state.guess(sequence);
                open(&self.rtp, state, index, packet, start)?;
                state.accept(index);
            }
            _ => self.first_rtp(at, (ssrc, sequence), packet, start)?,
        }
        Ok(&mut packet[..signed])
    }

    /// The first packet of a source, or under a new key.
    #[cold]
    fn first_rtp(
        &mut self,
        at: Option<usize>,
        (ssrc, sequence): (Ssrc, u16),
        packet: &mut [u8],
        start: usize,
    ) -> Result<(), SrtpError> {
        let mut state = self.streams.get(at, ssrc);
        let guess = state.guess(sequence);
        let index = if state.rekeyed && guess != u64::from(sequence) {
            self.open_rekeyed(&mut state, (sequence, guess), packet, start)?
        } else {
            open(&self.rtp, &state, guess, packet, start)?
        };
        state.rekeyed = false;
        state.accept(index);
        if !self.streams.put(at, state, self.max_streams) {
            return Err(SrtpError::TooManyStreams);
        }
        Ok(())
    }

    /// The first packets under a new key: the counter goes on, or begins at 0. A try that fails may spoil the
    /// bytes (see [`super::gcm`]), hence on a copy.
    #[cold]
    fn open_rekeyed(
        &self,
        state: &mut StreamState,
        (sequence, index): (u16, u64),
        packet: &mut [u8],
        start: usize,
    ) -> Result<u64, SrtpError> {
        let mut copy = [0; 2048];
        let Some(copy) = copy.get_mut(..packet.len()) else {
            return open(&self.rtp, state, index, packet, start);
        };
        copy.copy_from_slice(packet);
        let went_on = open(&self.rtp, state, index, copy, start);
        if went_on.is_ok() {
            packet.copy_from_slice(copy);
            return went_on;
        }
        let mut fresh = StreamState::new(state.ssrc);
        fresh.rtcp_window = state.rtcp_window;
        let index = open(&self.rtp, &fresh, u64::from(sequence), packet, start)?;
        *state = fresh;
        Ok(index)
    }

    /// Verifies and decrypts an SRTCP packet in place and returns the RTCP packet.
    ///
    /// # Errors
    /// As [`Inbound::unprotect_rtp`], and [`SrtpError::NotEncrypted`]. Nothing is remembered of a packet that
    /// fails.
    pub fn unprotect_rtcp<'p>(&mut self, packet: &'p mut [u8]) -> Result<&'p mut [u8], SrtpError> {
        let after = self.suite.tag_after_mki(self.rtcp.tag_len());
        let len = mki::strip(&self.mki, packet, after).ok_or(SrtpError::UnknownKey)?;
        let packet = &mut packet[..len];
        let signed = packet
            .len()
            .checked_sub(self.rtcp.tag_len())
            .ok_or(SrtpError::Malformed)?;
        let len = signed
            .checked_sub(RTCP_INDEX_LEN)
            .filter(|&len| len >= 8)
            .ok_or(SrtpError::Malformed)?;
        if packet[0] >> 6 != 2 {
            return Err(SrtpError::Malformed);
        }
        let ssrc = Ssrc(u32::from_be_bytes([
            packet[4], packet[5], packet[6], packet[7],
        ]));
        let at = self.streams.find(ssrc);
        match at.and_then(|at| self.streams.at(at)) {
            Some(state) => open_rtcp(&self.rtcp, state, packet)?,
            None => self.first_rtcp(ssrc, packet)?,
        }
        Ok(&mut packet[..len])
    }

    /// The first report of a source that has sent nothing else.
    #[cold]
    fn first_rtcp(&mut self, ssrc: Ssrc, packet: &mut [u8]) -> Result<(), SrtpError> {
        let mut state = StreamState::new(ssrc);
        open_rtcp(&self.rtcp, &mut state, packet)?;
        if !self.streams.put(None, state, self.max_streams) {
            return Err(SrtpError::TooManyStreams);
        }
        Ok(())
    }
}

/// Decrypts a packet that has this index; gives the index back.
#[inline]
fn open(
    keys: &SessionKeys,
    state: &StreamState,
    index: u64,
    packet: &mut [u8],
    start: usize,
) -> Result<u64, SrtpError> {
    if index > MAX_RTP_INDEX {
        return Err(SrtpError::Authentication);
    }
    // The window is asked first because it is cheap; an index that was seen cannot become unseen.
    match state.check(index) {
        Freshness::Fresh => {}
        Freshness::Seen => return Err(SrtpError::Replayed),
        Freshness::TooOld => return Err(SrtpError::TooOld),
    }
    if keys.open_rtp(state.ssrc, index, packet, start) {
        Ok(index)
    } else {
        Err(SrtpError::Authentication)
    }
}

/// Verifies and decrypts a report; the window moves only when that succeeds.
#[inline]
fn open_rtcp(
    keys: &SessionKeys,
    state: &mut StreamState,
    packet: &mut [u8],
) -> Result<(), SrtpError> {
    let word = keys.rtcp_word(packet);
    let index = u64::from(word & 0x7fff_ffff);
    match state.rtcp_window.check(index) {
        Freshness::Fresh => {}
        Freshness::Seen => return Err(SrtpError::Replayed),
        Freshness::TooOld => return Err(SrtpError::TooOld),
    }
    if !keys.open_rtcp(state.ssrc, word, packet) {
        return Err(SrtpError::Authentication);
    }
    if word >> 31 == 0 && keys.encrypts() {
        return Err(SrtpError::NotEncrypted);
    }
    state.rtcp_window.accept(index);
    Ok(())
}
