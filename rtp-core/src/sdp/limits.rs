//! How much is read.

/// How much a description may hold. Every bound is checked before memory is spent on what passes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes in all; default 65,536: what a UDP datagram can carry, ten times a browser's offer.
    pub bytes: usize,
    /// Lines in all; default 2,048.
    pub lines: u32,
    /// `m=` sections; default 64.
    pub media: usize,
    /// Formats of one `m=` line; default 128, one for each RTP payload type.
    pub formats: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 65_536,
            lines: 2_048,
            media: 64,
            formats: 128,
        }
    }
}
