//! The sample rates that PCM may have inside the crate.

use crate::error::UnsupportedRate;

/// A PCM sample rate that every part of the crate understands.
///
/// All are multiples of 4 kHz, so that a tick of 10 or 20 ms holds a whole number of samples in each.
/// 44.1 kHz is left out for that reason: convert it before it enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rate {
    /// 8 kHz: G.711.
    Khz8,
    /// 12 kHz: Opus mediumband.
    Khz12,
    /// 16 kHz: G.722 and wideband speech.
    Khz16,
    /// 24 kHz: Opus superwideband.
    Khz24,
    /// 32 kHz.
    Khz32,
    /// 48 kHz: Opus fullband.
    Khz48,
}

impl Rate {
    /// Every rate, lowest first.
    pub const ALL: [Rate; 6] = [
        Rate::Khz8,
        Rate::Khz12,
        Rate::Khz16,
        Rate::Khz24,
        Rate::Khz32,
        Rate::Khz48,
    ];

    /// Samples a second.
    pub const fn hz(self) -> u32 {
        self.khz() as u32 * 1000
    }

    /// Samples a millisecond.
    pub const fn khz(self) -> usize {
        match self {
            Rate::Khz8 => 8,
            Rate::Khz12 => 12,
            Rate::Khz16 => 16,
            Rate::Khz24 => 24,
            Rate::Khz32 => 32,
            Rate::Khz48 => 48,
        }
    }

    /// Samples of one channel in `ms` milliseconds.
    pub const fn samples(self, ms: usize) -> usize {
        self.khz() * ms
    }

    /// Position in [`Rate::ALL`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Rate::Khz8 => 0,
            Rate::Khz12 => 1,
            Rate::Khz16 => 2,
            Rate::Khz24 => 3,
            Rate::Khz32 => 4,
            Rate::Khz48 => 5,
        }
    }
}

impl TryFrom<u32> for Rate {
    type Error = UnsupportedRate;

    /// From samples a second.
    fn try_from(hz: u32) -> Result<Self, UnsupportedRate> {
        Rate::ALL
            .into_iter()
            .find(|rate| rate.hz() == hz)
            .ok_or(UnsupportedRate { hz })
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} kHz", self.khz())
    }
}
