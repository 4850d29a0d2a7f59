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
        self as usize
    }
}

/// A set of rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rates(u8);

impl Rates {
    pub(crate) fn insert(&mut self, rate: Rate) {
        self.0 |= 1 << rate.index();
    }

    /// Whether it is this one rate and no other.
    pub(crate) fn is_only(self, rate: Rate) -> bool {
        self.0 == 1 << rate.index()
    }

    /// Their positions in [`Rate::ALL`].
    pub(crate) fn indices(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let index = rest.trailing_zeros() as usize;
            rest &= rest.wrapping_sub(1);
            (index < 8).then_some(index)
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_rates_names_each_once() {
        let mut set = Rates::default();
        assert_eq!(set.indices().count(), 0);
        for rate in [Rate::Khz48, Rate::Khz8, Rate::Khz48] {
            set.insert(rate);
        }
        assert!(set.indices().eq([Rate::Khz8.index(), Rate::Khz48.index()]));
        assert!(!set.is_only(Rate::Khz8));
        let mut one = Rates::default();
        one.insert(Rate::Khz16);
        assert!(one.is_only(Rate::Khz16) && !one.is_only(Rate::Khz8));
        for (index, rate) in Rate::ALL.into_iter().enumerate() {
            assert_eq!(rate.index(), index);
        }
    }
}
