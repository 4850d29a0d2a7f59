//! RTP packets (RFC 3550 §5): a borrowed view of what arrived, a header writer for what leaves, header
//! extensions (RFC 8285), comfort noise payloads (RFC 3389), and what a receiver counts of one source (RFC 3550
//! appendix A).
//!
//! Nothing is copied: [`Rtp`] points into the packet, and [`RtpHeader::write`] writes into the caller's
//! buffer. Left out: profiles that redefine the header's fixed part, which nobody uses.

mod comfort;
mod extension;
mod packet;
mod source;

pub use comfort::ComfortNoise;
pub use extension::{Element, Elements, ExtensionWriter};
pub use packet::{BufferTooSmall, HEADER_LEN, Rtp, RtpError, RtpHeader, Ssrc, header_len};
pub use source::{Arrival, SourceStats};

/// The RTP clock of a static payload type in Hz (RFC 3551 §6), `None` for dynamic and unassigned ones.
///
/// G.722 says 8000 although it samples at 16 kHz: a known and permanent erratum of RFC 1890.
#[must_use]
pub const fn static_clock_rate(payload_type: u8) -> Option<u32> {
    match payload_type {
        0 | 3..=5 | 7..=9 | 12 | 13 | 15 | 18 => Some(8000),
        6 => Some(16_000),
        10 | 11 => Some(44_100),
        14 | 25 | 26 | 28 | 31..=34 => Some(90_000),
        16 => Some(11_025),
        17 => Some(22_050),
        _ => None,
    }
}
