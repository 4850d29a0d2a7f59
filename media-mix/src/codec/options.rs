//! What a caller may ask of an encoder or decoder.

/// Options of a codec. Each codec reads those it has and ignores the rest.
///
/// Two listeners with equal options may share one encoder, hence `Eq` and `Hash`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CodecOptions {
    /// Bits a second; `None` is the codec's own choice. Opus: 6,000 to 510,000. G.722: 64,000, 56,000 or 48,000.
    pub bitrate: Option<u32>,
    /// 0 (fast) to 10 (good); `None` is the codec's own choice. Opus: 5.
    pub complexity: Option<u8>,
    /// Put a coarse copy of the frame before into each packet (Opus in-band FEC).
    pub fec: bool,
    /// Send nothing while the input is silent.
    pub dtx: bool,
    /// Loss that the encoder should expect, percent. Opus spends bits on FEC only when this is above 0.
    pub expected_loss: u8,
    /// Constant bit rate.
    pub cbr: bool,
    /// Highest audio bandwidth that the peer plays, Hz (`maxplaybackrate`, RFC 7587 section 6.1).
    pub max_playback_rate: Option<u32>,
}

impl CodecOptions {
    /// The defaults: each codec's own bit rate and complexity, no FEC, no DTX.
    pub fn new() -> Self {
        Self::default()
    }

    /// Set [`Self::bitrate`].
    pub fn with_bitrate(mut self, bits_a_second: u32) -> Self {
        self.bitrate = Some(bits_a_second);
        self
    }

    /// Set [`Self::complexity`].
    pub fn with_complexity(mut self, complexity: u8) -> Self {
        self.complexity = Some(complexity);
        self
    }

    /// Set [`Self::fec`] and the loss to expect, percent.
    pub fn with_fec(mut self, expected_loss: u8) -> Self {
        self.fec = true;
        self.expected_loss = expected_loss;
        self
    }

    /// Set [`Self::dtx`].
    pub fn with_dtx(mut self) -> Self {
        self.dtx = true;
        self
    }

    /// Narrow these options to what the peer's `a=fmtp` parameters say of what it wants to receive
    /// (RFC 7587 section 6.1): `maxaveragebitrate`, `maxplaybackrate`, `useinbandfec`, `usedtx`, `cbr`.
    /// Unknown parameters and values that are no number are ignored, as the RFC asks.
    pub fn narrowed_by(mut self, fmtp: &str) -> Self {
        for parameter in fmtp.split(';') {
            let Some((key, value)) = parameter.split_once('=') else {
                continue;
            };
            let Ok(value) = value.trim().parse::<u32>() else {
                continue;
            };
            match key.trim().to_ascii_lowercase().as_str() {
                "maxaveragebitrate" => {
                    let most = value.clamp(6_000, 510_000);
                    self.bitrate = Some(self.bitrate.map_or(most, |ours| ours.min(most)));
                }
                "maxplaybackrate" => self.max_playback_rate = Some(value),
                "useinbandfec" => self.fec = value == 1,
                "usedtx" => self.dtx = value == 1,
                "cbr" => self.cbr = value == 1,
                _ => {}
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rfc7587_parameters_and_ignores_the_rest() {
        let options = CodecOptions::new().narrowed_by(
            "maxplaybackrate=16000; sprop-maxcapturerate=16000; maxaveragebitrate=20000; useinbandfec=1;x;usedtx=no",
        );
        assert_eq!(options.bitrate, Some(20_000));
        assert_eq!(options.max_playback_rate, Some(16_000));
        assert!(options.fec);
        assert!(!options.dtx);
        assert_eq!(
            CodecOptions::new()
                .with_bitrate(12_000)
                .narrowed_by("maxaveragebitrate=40000")
                .bitrate,
            Some(12_000)
        );
        assert_eq!(
            CodecOptions::new()
                .narrowed_by("maxaveragebitrate=1")
                .bitrate,
            Some(6_000)
        );
    }
}
