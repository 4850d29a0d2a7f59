//! G.711, A-law and µ-law (ITU-T G.711; RTP: RFC 3551 section 4.5.14), exact for every 16-bit input.
//!
//! Decoding is a table of 256 words. Concealment is [`crate::plc::Concealer`], as in G.711 appendix I in kind.

use super::{Codec, CodecOptions, Decoder, Description, Encoder};
use crate::Rate;
use crate::error::CodecError;
use crate::plc::Concealer;
use crate::simd;

/// Which of the two laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// µ-law: PCMU, payload type 0.
    Mu,
    /// A-law: PCMA, payload type 8.
    A,
}

impl Law {
    fn name(self) -> &'static str {
        match self {
            Law::Mu => "PCMU",
            Law::A => "PCMA",
        }
    }

    /// The code word for silence, for padding a payload.
    pub const fn silence(self) -> u8 {
        match self {
            Law::Mu => 0xFF,
            Law::A => 0xD5,
        }
    }
}

/// One µ-law code word for a 16-bit sample (G.711 table 2: 14-bit magnitude with a bias of 33).
pub const fn mu_law_encode(sample: i16) -> u8 {
    // One's complement for the negative half, as ITU-T G.191 does: -1 and 0 share a magnitude. Implementations that
    // negate instead differ in 127 inputs, those that lie on a decision value.
    let sign = (sample >> 15) as u16;
    let magnitude = ((sample as u16) ^ sign) >> 2;
    let biased = if magnitude > 8158 {
        8191
    } else {
        magnitude + 33
    };
    let segment = 10 - biased.leading_zeros() as u16;
    let mantissa = (biased >> (segment + 1)) & 0x0F;
    !(((segment << 4) | mantissa | (sign & 0x80)) as u8)
}

/// One A-law code word for a 16-bit sample (G.711 table 1: 12-bit magnitude, even bits inverted).
pub const fn a_law_encode(sample: i16) -> u8 {
    let sign = (sample >> 15) as u16;
    let magnitude = ((sample as u16) ^ sign) >> 4;
    let code = if magnitude < 16 {
        magnitude
    } else {
        let segment = 12 - magnitude.leading_zeros() as u16;
        (segment << 4) | ((magnitude >> (segment - 1)) & 0x0F)
    };
    ((code | (!sign & 0x80)) as u8) ^ 0x55
}

/// The 16-bit sample of a µ-law code word.
pub const fn mu_law_decode(code: u8) -> i16 {
    MU_LAW[code as usize]
}

/// The 16-bit sample of an A-law code word.
pub const fn a_law_decode(code: u8) -> i16 {
    A_LAW[code as usize]
}

const MU_LAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let inverted = !(code as u8) as i16;
        let (segment, mantissa) = ((inverted >> 4) & 7, inverted & 0x0F);
        let magnitude = (((mantissa << 1) + 33) << segment) - 33;
        table[code] = if inverted & 0x80 != 0 {
            -magnitude
        } else {
            magnitude
        } * 4;
        code += 1;
    }
    table
};

const A_LAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let plain = (code as u8 ^ 0x55) as i16;
        let (segment, mantissa) = ((plain >> 4) & 7, plain & 0x0F);
        let magnitude = if segment == 0 {
            (mantissa << 4) + 8
        } else {
            ((mantissa << 4) + 264) << (segment - 1)
        };
        table[code] = if plain & 0x80 != 0 {
            magnitude
        } else {
            -magnitude
        };
        code += 1;
    }
    table
};

/// The codec PCMU or PCMA. Takes any frame of a whole number of samples; offers 10 to 60 ms.
#[derive(Clone, Debug)]
pub struct G711 {
    law: Law,
    description: Description,
}

impl G711 {
    /// PCMU: payload type 0.
    pub fn mu_law() -> Self {
        Self::new(Law::Mu)
    }

    /// PCMA: payload type 8.
    pub fn a_law() -> Self {
        Self::new(Law::A)
    }

    fn new(law: Law) -> Self {
        let mut description = Description::new(law.name(), 8000, Rate::Khz8);
        description.payload_type = Some(if law == Law::Mu { 0 } else { 8 });
        description.frame_ms = &[10, 20, 30, 40, 50, 60];
        // G.113 appendix I: Ie 0; Bpl 25.1 with appendix-I concealment, random loss.
        description.ie = 0.0;
        description.bpl = 25.1;
        G711 { law, description }
    }
}

impl Codec for G711 {
    fn description(&self) -> &Description {
        &self.description
    }

    fn decoder(&self, _: &CodecOptions) -> Result<Box<dyn Decoder>, CodecError> {
        Ok(Box::new(G711Decoder {
            law: self.law,
            concealer: Concealer::new(Rate::Khz8),
        }))
    }

    fn encoder(&self, _: &CodecOptions) -> Result<Box<dyn Encoder>, CodecError> {
        Ok(Box::new(G711Encoder { law: self.law }))
    }
}

struct G711Decoder {
    law: Law,
    concealer: Concealer,
}

impl Decoder for G711Decoder {
    fn samples(&self, payload: &[u8]) -> Result<usize, CodecError> {
        if payload.is_empty() {
            return Err(CodecError::Malformed {
                codec: self.law.name(),
                reason: "empty",
            });
        }
        Ok(payload.len())
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let need = self.samples(payload)?;
        let have = out.len();
        let out = out
            .get_mut(..need)
            .ok_or(CodecError::OutputTooSmall { need, have })?;
        let table = match self.law {
            Law::Mu => &MU_LAW,
            Law::A => &A_LAW,
        };
        for (sample, &code) in out.iter_mut().zip(payload) {
            *sample = table[usize::from(code)];
        }
        self.concealer.received(out);
        Ok(need)
    }

    fn conceal(&mut self, out: &mut [i16]) {
        self.concealer.conceal(out);
    }

    fn reset(&mut self) {
        self.concealer.reset();
    }
}

struct G711Encoder {
    law: Law,
}

impl Encoder for G711Encoder {
    fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let (need, have) = (pcm.len(), out.len());
        let out = out
            .get_mut(..need)
            .ok_or(CodecError::OutputTooSmall { need, have })?;
        match self.law {
            Law::Mu => simd::mu_law(pcm, out),
            Law::A => simd::a_law(pcm, out),
        }
        Ok(need)
    }

    fn max_payload(&self, samples: usize) -> usize {
        samples
    }

    fn reset(&mut self) {}

    fn continue_from(&mut self, other: &dyn Encoder) -> bool {
        // There is no state: any stream of the same law goes on as it is.
        other
            .as_any()
            .and_then(|any| any.downcast_ref::<Self>())
            .is_some_and(|o| o.law == self.law)
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The µ-law decision values of G.711 table 2a, counted up from the segments' steps, in the 14-bit scale.
    fn mu_by_search(sample: i16) -> u8 {
        let magnitude = i32::from(if sample < 0 { !sample } else { sample }) >> 2;
        // Upper decision value of code k: the steps before it summed; the first step of segment 0 is half as wide.
        let mut upper = -1;
        for k in 0..128_i32 {
            upper += if k == 0 { 1 } else { 2 << (k >> 4) };
            if magnitude <= upper || k == 127 {
                let word = !(k as u8);
                return if sample < 0 { word & 0x7F } else { word };
            }
        }
        unreachable!("the last code takes everything")
    }

    /// The A-law decision values of table 1a in the same manner, in the 12-bit scale.
    fn a_by_search(sample: i16) -> u8 {
        let magnitude = i32::from(if sample < 0 { !sample } else { sample }) >> 4;
        let mut upper = -1;
        for k in 0..128_i32 {
            upper += 1 << ((k >> 4) - 1).max(0);
            if magnitude <= upper || k == 127 {
                let word = (k as u8) ^ 0x55;
                return if sample < 0 { word } else { word | 0x80 };
            }
        }
        unreachable!("the last code takes everything")
    }

    #[test]
    fn every_input_has_the_code_of_the_tables() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(
                mu_law_encode(sample),
                mu_by_search(sample),
                "µ-law of {sample}"
            );
            assert_eq!(
                a_law_encode(sample),
                a_by_search(sample),
                "A-law of {sample}"
            );
        }
    }

    #[test]
    fn decoding_and_encoding_again_gives_the_same_code() {
        for code in 0..=255_u8 {
            assert_eq!(a_law_encode(a_law_decode(code)), code);
            // 0x7F is negative zero: it decodes to 0, which encodes as positive zero.
            let expected = if code == 0x7F { 0xFF } else { code };
            assert_eq!(mu_law_encode(mu_law_decode(code)), expected);
        }
    }

    #[test]
    fn ends_of_the_scale() {
        assert_eq!(
            (mu_law_decode(0x80), mu_law_decode(0x00)),
            (32_124, -32_124)
        );
        assert_eq!((a_law_decode(0xAA), a_law_decode(0x2A)), (32_256, -32_256));
        assert_eq!((mu_law_decode(0xFF), mu_law_decode(0x7F)), (0, 0));
        assert_eq!((a_law_decode(0xD5), a_law_decode(0x55)), (8, -8));
        assert_eq!(
            (mu_law_encode(0), a_law_encode(0)),
            (Law::Mu.silence(), Law::A.silence())
        );
    }

    #[test]
    fn refuses_a_short_output_and_an_empty_payload() {
        let codec = G711::mu_law();
        let mut decoder = codec.decoder(&CodecOptions::new()).expect("no options");
        let short = decoder.decode(&[0xFF; 160], &mut [0; 159]);
        assert_eq!(
            short,
            Err(CodecError::OutputTooSmall {
                need: 160,
                have: 159
            })
        );
        assert!(matches!(
            decoder.decode(&[], &mut [0; 160]),
            Err(CodecError::Malformed { .. })
        ));
    }
}
