//! Loudness in dBov: decibels below the loudest possible signal, as RFC 6464 and RFC 6465 carry it.

use crate::simd;

/// A level of 0 to -127 dBov, held as the 7-bit number of the header extension (RFC 6464 section 3): 0 is the
/// loudest, 127 silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Level(u8);

impl Level {
    /// Digital silence, or anything below -126.5 dBov.
    pub const SILENCE: Level = Level(127);

    /// The level of one frame: its root mean square against that of a square wave at full scale.
    /// An empty frame is silent.
    pub fn of(pcm: &[i16]) -> Level {
        Self::of_energy(simd::energy(pcm), pcm.len())
    }

    /// From a sum of `len` squares.
    pub(crate) fn of_energy(energy: u64, len: usize) -> Level {
        if energy == 0 {
            return Level::SILENCE;
        }
        let mean = energy as f64 / len as f64;
        let below = -10.0 * (mean / (32_768.0 * 32_768.0)).log10();
        Level((below + 0.5).clamp(0.0, 127.0) as u8)
    }

    /// From the wire: the 7 low bits of the extension's octet.
    pub const fn from_wire(octet: u8) -> Level {
        Level(octet & 0x7F)
    }

    /// For the wire: 0 to 127.
    pub const fn to_wire(self) -> u8 {
        self.0
    }

    /// In dBov: 0 down to -127.
    pub fn dbov(self) -> f32 {
        -f32::from(self.0)
    }

    /// Whether this is louder than `other`.
    pub fn louder_than(self, other: Level) -> bool {
        self.0 < other.0
    }
}

impl Default for Level {
    /// [`Level::SILENCE`].
    fn default() -> Self {
        Level::SILENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_levels() {
        let square: Vec<i16> = (0..160)
            .map(|n| if n % 2 == 0 { i16::MIN } else { i16::MAX })
            .collect();
        let tenth: Vec<i16> = square.iter().map(|s| s / 10).collect();
        for (pcm, wire) in [
            (&square[..], 0),
            (&tenth[..], 20),
            (&[0; 160][..], 127),
            (&[][..], 127),
            (&[1][..], 90),
        ] {
            assert_eq!(Level::of(pcm).to_wire(), wire);
        }
    }
}
