//! Loudness in dBov: decibels below the loudest possible signal, as RFC 6464 and RFC 6465 carry it.

use crate::simd;

/// A level of 0 to -127 dBov, held as the 7-bit number of the header extension (RFC 6464 section 3): 0 is the
/// loudest, 127 silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Level(u8);

/// The mean square that a frame must exceed to be of each level: half a dB below it.
const LEAST: [f64; 127] = {
    let mut least = [0.0; 127];
    // 2^30, less half a dB; then 1 dB each.
    let (mut bound, mut n) = (1_073_741_824.0 * 0.891_250_938_133_745_6, 0);
    while n < least.len() {
        least[n] = bound;
        bound *= 0.794_328_234_724_281_5;
        n += 1;
    }
    least
};

impl Level {
    /// Digital silence, or anything below -126.5 dBov.
    pub const SILENCE: Level = Level(127);

    /// The level of one frame: its root mean square against that of a square wave at full scale.
    /// An empty frame is silent.
    pub fn of(pcm: &[i16]) -> Level {
        Self::of_energy(simd::measure(pcm).energy, pcm.len())
    }

    /// From a sum of `len` squares.
    pub(crate) fn of_energy(energy: u64, len: usize) -> Level {
        if energy == 0 {
            return Level::SILENCE;
        }
        // Signed, which machines convert in one step; 2^63 would take 2^33 samples.
        let mean = energy.cast_signed() as f64 / len.cast_signed() as f64;
        // 0.376 dB for each eighth of a power of two below full scale, then a step or two to the very level: no
        // logarithm, which differs from one machine's library to another's.
        let full = (1023 + 30) * 8;
        let eighths = full - ((mean.to_bits() >> 49) as usize).min(full);
        let mut level = ((eighths * 3763).saturating_sub(1400) / 10_000).min(127);
        while level < 127 && mean <= LEAST[level] {
            level += 1;
        }
        Level(level as u8)
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
    fn levels_are_those_of_the_logarithm() {
        let mut mean = 1.3e-3_f64;
        while mean <= 1_073_741_824.0 {
            let energy = (mean * 960.0) as u64;
            let exact = -10.0 * (energy as f64 / 960.0 / 1_073_741_824.0).log10();
            let level = f64::from(Level::of_energy(energy, 960).to_wire());
            assert!(
                energy == 0 || (level - exact.min(127.0)).abs() <= 0.5 + 1e-9,
                "{energy}: {level} for {exact}"
            );
            mean *= 1.003;
        }
        assert_eq!(Level::of_energy(960 << 30, 960).to_wire(), 0);
    }

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
