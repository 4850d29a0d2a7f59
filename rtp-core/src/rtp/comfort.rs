//! Comfort noise payloads (RFC 3389 §3): how loud a silence is, and its spectrum. The sound itself is made
//! elsewhere.

/// A comfort noise payload, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComfortNoise<'p> {
    /// How loud, in dB below the overload point: 0 (loudest) to 127.
    pub level: u8,
    /// Quantised reflection coefficients, one a byte, 127 for 0; empty for white noise.
    pub spectrum: &'p [u8],
}

impl<'p> ComfortNoise<'p> {
    /// Reads a payload; `None` when it is empty. The level's top bit is reserved and passed over.
    #[must_use]
    pub fn parse(payload: &'p [u8]) -> Option<ComfortNoise<'p>> {
        let (&level, spectrum) = payload.split_first()?;
        Some(ComfortNoise {
            level: level & 0x7f,
            spectrum,
        })
    }

    /// Writes the payload at the start of `out` and returns its length; `None` when `out` is too short.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        let len = 1 + self.spectrum.len();
        let (level, spectrum) = out.get_mut(..len)?.split_first_mut()?;
        *level = self.level.min(127);
        spectrum.copy_from_slice(self.spectrum);
        Some(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let mut out = [0; 8];
        for spectrum in [&[][..], &[127, 90, 140]] {
            let noise = ComfortNoise {
                level: 55,
                spectrum,
            };
            let len = noise.write(&mut out).unwrap();
            assert_eq!(ComfortNoise::parse(&out[..len]), Some(noise));
        }
        assert_eq!(ComfortNoise::parse(&[]), None);
        assert_eq!(ComfortNoise::parse(&[0xb7]).unwrap().level, 0x37);
        let long = ComfortNoise {
            level: 1,
            spectrum: &[0; 8],
        };
        assert_eq!(long.write(&mut out), None);
    }
}
