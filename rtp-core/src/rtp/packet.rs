//! The RTP header, read and written (RFC 3550 §5.1).
//!
//! ```text
//!  0                   1                   2                   3
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! |                           timestamp                           |
//! |                             SSRC                              |
//! |                    CSRC list, CC of them                      |
//! | X: profile-defined            | length in 32-bit words | data |
//! ```

use super::extension::Elements;
use std::fmt;

/// Bytes of a header without CSRCs and extension.
pub const HEADER_LEN: usize = 12;

/// A synchronisation source: who sends, within one RTP session (RFC 3550 §3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Ssrc(pub u32);

impl fmt::Debug for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ssrc({:#010x})", self.0)
    }
}

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// Why bytes are not an RTP packet. All of them mean: drop it and count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RtpError {
    /// Fewer than 12 bytes.
    #[error("shorter than an RTP header")]
    TooShort,
    /// The version is not 2.
    #[error("RTP version {0}, not 2")]
    Version(u8),
    /// The CSRC list runs past the end.
    #[error("CSRC list past the end")]
    Csrcs,
    /// The header extension runs past the end.
    #[error("header extension past the end")]
    Extension,
    /// The padding count is 0 or larger than what follows the header.
    #[error("padding of {0} bytes does not fit")]
    Padding(u8),
}

/// The caller's buffer cannot hold what is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the buffer holds {have} bytes, {need} are needed")]
pub struct BufferTooSmall {
    /// Bytes needed.
    pub need: usize,
    /// Bytes there.
    pub have: usize,
}

/// A received RTP packet, borrowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rtp<'p> {
    /// The marker bit: for sound, the first packet of a talk spurt (RFC 3551 §4.1).
    pub marker: bool,
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp in ticks of the payload type's clock.
    pub timestamp: u32,
    /// Who sent it.
    pub ssrc: Ssrc,
    /// The payload without padding.
    pub payload: &'p [u8],
    csrcs: &'p [u8],
    extension: Option<(u16, &'p [u8])>,
    padding: u8,
}

impl fmt::Debug for Rtp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rtp")
            .field("ssrc", &self.ssrc)
            .field("payload_type", &self.payload_type)
            .field("sequence", &self.sequence)
            .field("timestamp", &self.timestamp)
            .field("marker", &self.marker)
            .field("payload_len", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// Bytes of the header of `packet`, CSRCs and extension included: where the payload starts.
///
/// # Errors
/// When the bytes are not an RTP header. Padding is not looked at: in an SRTP packet it is ciphertext.
#[inline]
pub fn header_len(packet: &[u8]) -> Result<usize, RtpError> {
    match packet.split_first_chunk::<HEADER_LEN>() {
        Some((&[PLAIN, ..], _)) => Ok(HEADER_LEN),
        Some((&[first, ..], rest)) => {
            let (csrcs, extension) = optional(first, rest)?;
            Ok(HEADER_LEN + csrcs + extension)
        }
        None => Err(RtpError::TooShort),
    }
}

/// The first byte of nearly every packet: version 2, without padding, extension and CSRCs.
const PLAIN: u8 = 0x80;

/// Bytes of the CSRC list, and of the extension with its header of 4 bytes (0 without), of what follows the first 12
/// bytes of a header that begins with `first`.
fn optional(first: u8, rest: &[u8]) -> Result<(usize, usize), RtpError> {
    if first >> 6 != 2 {
        return Err(RtpError::Version(first >> 6));
    }
    let csrcs = 4 * usize::from(first & 0x0f);
    let Some(rest) = rest.get(csrcs..) else {
        return Err(RtpError::Csrcs);
    };
    if first & 0x10 == 0 {
        return Ok((csrcs, 0));
    }
    let Some(&[_, _, high, low]) = rest.get(..4) else {
        return Err(RtpError::Extension);
    };
    let extension = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
    if extension > rest.len() {
        return Err(RtpError::Extension);
    }
    Ok((csrcs, extension))
}

/// What a packet holds after the first 12 bytes of its header.
#[derive(Default)]
struct Rest<'p> {
    csrcs: &'p [u8],
    extension: Option<(u16, &'p [u8])>,
    payload: &'p [u8],
    padding: u8,
}

impl<'p> Rest<'p> {
    fn parse(first: u8, rest: &'p [u8]) -> Result<Rest<'p>, RtpError> {
        let (csrcs, extension) = optional(first, rest)?;
        let (csrcs, rest) = rest.split_at(csrcs);
        let (extension, mut payload) = rest.split_at(extension);
        let extension = match *extension {
            [high, low, _, _, ..] => Some((u16::from_be_bytes([high, low]), &extension[4..])),
            _ => None,
        };
        let mut padding = 0;
        if first & 0x20 != 0 {
            // RFC 3550 A.1: the last byte of the packet says how many, itself included.
            padding = payload.last().copied().unwrap_or(0);
            let Some(len) = payload.len().checked_sub(usize::from(padding)) else {
                return Err(RtpError::Padding(padding));
            };
            if padding == 0 {
                return Err(RtpError::Padding(0));
            }
            payload = &payload[..len];
        }
        Ok(Rest {
            csrcs,
            extension,
            payload,
            padding,
        })
    }
}

impl<'p> Rtp<'p> {
    /// Reads a packet.
    ///
    /// # Errors
    /// When the bytes are not an RTP packet (RFC 3550 §5.1, and the checks of appendix A.1).
    // Inlined, what a caller does not look at is not read either.
    #[inline]
    pub fn parse(packet: &'p [u8]) -> Result<Rtp<'p>, RtpError> {
        let Some((head, rest)) = packet.split_first_chunk::<HEADER_LEN>() else {
            return Err(RtpError::TooShort);
        };
        let &[first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = head;
        let rest = if first == PLAIN {
            Rest {
                payload: rest,
                ..Rest::default()
            }
        } else {
            Rest::parse(first, rest)?
        };
        Ok(Rtp {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: Ssrc(u32::from_be_bytes([c0, c1, c2, c3])),
            payload: rest.payload,
            csrcs: rest.csrcs,
            extension: rest.extension,
            padding: rest.padding,
        })
    }

    /// The contributing sources, at most 15: whom a mixer put into this packet.
    pub fn csrcs(&self) -> impl ExactSizeIterator<Item = Ssrc> + 'p {
        self.csrcs.chunks_exact(4).map(|four| Ssrc(be32(four)))
    }

    /// The header extension: its profile-defined number, and its data (a multiple of 4 bytes).
    #[must_use]
    pub fn extension(&self) -> Option<(u16, &'p [u8])> {
        self.extension
    }

    /// The elements of an RFC 8285 header extension; none when there is no such extension.
    #[must_use]
    pub fn elements(&self) -> Elements<'p> {
        match self.extension {
            Some((profile, data)) => Elements::new(profile, data),
            None => Elements::new(0, &[]),
        }
    }

    /// Bytes of padding after the payload.
    #[must_use]
    pub fn padding_len(&self) -> u8 {
        self.padding
    }

    /// A packet that never was on the wire: for feeding a jitter buffer from elsewhere, and for tests.
    #[must_use]
    pub fn new(header: &RtpHeader<'p>, payload: &'p [u8]) -> Rtp<'p> {
        Rtp {
            marker: header.marker,
            payload_type: header.payload_type & 0x7f,
            sequence: header.sequence,
            timestamp: header.timestamp,
            ssrc: header.ssrc,
            payload,
            csrcs: &[],
            extension: header.extension,
            padding: 0,
        }
    }
}

fn be32(bytes: &[u8]) -> u32 {
    match *bytes {
        [a, b, c, d] => u32::from_be_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// A header to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RtpHeader<'a> {
    /// The marker bit.
    pub marker: bool,
    /// The payload type; only its lower 7 bits are written.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp in ticks of the payload type's clock.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: Ssrc,
    /// Whom a mixer heard; only the first 15 are written.
    pub csrcs: &'a [Ssrc],
    /// A header extension: its number, and its data, padded with zeros to a multiple of 4 bytes.
    pub extension: Option<(u16, &'a [u8])>,
}

impl RtpHeader<'_> {
    /// Bytes that [`RtpHeader::write`] takes.
    #[must_use]
    pub fn len(&self) -> usize {
        let extension = self
            .extension
            .map_or(0, |(_, data)| 4 + data.len().div_ceil(4) * 4);
        HEADER_LEN + 4 * self.csrcs.len().min(15) + extension
    }

    /// Always false: a header has 12 bytes at least.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Writes the header at the start of `out` and returns its length.
    ///
    /// # Errors
    /// When `out` is shorter than [`RtpHeader::len`], or the extension longer than 65535 words.
    pub fn write(&self, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let need = self.len();
        let have = out.len();
        let Some(out) = out.get_mut(..need) else {
            return Err(BufferTooSmall { need, have });
        };
        let csrcs = &self.csrcs[..self.csrcs.len().min(15)];
        let x = if self.extension.is_some() { 0x10 } else { 0 };
        out[0] = 0x80 | x | csrcs.len() as u8;
        out[1] = (u8::from(self.marker) << 7) | (self.payload_type & 0x7f);
        out[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        out[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        out[8..12].copy_from_slice(&self.ssrc.0.to_be_bytes());
        let mut at = HEADER_LEN;
        for csrc in csrcs {
            out[at..at + 4].copy_from_slice(&csrc.0.to_be_bytes());
            at += 4;
        }
        if let Some((profile, data)) = self.extension {
            let words = data.len().div_ceil(4);
            let Ok(words16) = u16::try_from(words) else {
                return Err(BufferTooSmall { need, have });
            };
            out[at..at + 2].copy_from_slice(&profile.to_be_bytes());
            out[at + 2..at + 4].copy_from_slice(&words16.to_be_bytes());
            at += 4;
            out[at..at + data.len()].copy_from_slice(data);
            out[at + data.len()..at + words * 4].fill(0);
        }
        Ok(need)
    }

    /// Writes header and payload at the start of `out` and returns the length of both.
    ///
    /// # Errors
    /// When `out` cannot hold them.
    pub fn write_packet(&self, payload: &[u8], out: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let need = self.len() + payload.len();
        if out.len() < need {
            return Err(BufferTooSmall {
                need,
                have: out.len(),
            });
        }
        let at = self.write(out)?;
        out[at..need].copy_from_slice(payload);
        Ok(need)
    }
}
