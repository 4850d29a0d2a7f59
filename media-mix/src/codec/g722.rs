//! G.722, 64, 56 and 48 kbit/s (ITU-T G.722; RTP: RFC 3551 section 4.5.2): two bands of adaptive differential PCM,
//! 6 bits for the lower and 2 for the higher one, between a pair of quadrature mirror filters.
//!
//! RTP carries 64 kbit/s; its clock is 8000 Hz for historical reasons although the PCM is at 16 kHz. The lower rates
//! drop the least significant bits of the lower band and pack the rest in the low bits of each octet.

mod band;
mod tables;

use self::band::Band;
use self::tables::QMF;
use super::{Codec, CodecOptions, Decoder, Description, Encoder};
use crate::Rate;
use crate::error::CodecError;
use crate::plc::Concealer;

const NAME: &str = "G722";

/// Bit rate of the bit stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// 64 kbit/s, mode 1: what RTP carries.
    #[default]
    Kbit64,
    /// 56 kbit/s, mode 2.
    Kbit56,
    /// 48 kbit/s, mode 3.
    Kbit48,
}

impl Mode {
    /// Low bits of the lower band that are not transmitted.
    const fn dropped_bits(self) -> u32 {
        match self {
            Mode::Kbit64 => 0,
            Mode::Kbit56 => 1,
            Mode::Kbit48 => 2,
        }
    }
}

/// The codec `G722/8000`.
#[derive(Clone, Debug)]
pub struct G722 {
    description: Description,
}

impl Default for G722 {
    fn default() -> Self {
        Self::new()
    }
}

impl G722 {
    /// Mono PCM at 16 kHz; payload type 9; any even number of samples a frame, 10 to 60 ms offered.
    pub fn new() -> Self {
        let mut description = Description::new(NAME, 8000, Rate::Khz16);
        description.payload_type = Some(9);
        description.frame_ms = &[10, 20, 30, 40, 50, 60];
        // The two mirror filters: 22 samples together.
        description.delay_samples = 22;
        // The narrow-band E-model has no entry for it; it impairs nothing there that G.711 does not. The robustness
        // is an estimate: concealment as for G.711, but the predictors need a few ms to agree again.
        description.ie = 0.0;
        description.bpl = 15.0;
        G722 { description }
    }
}

fn mode(options: &CodecOptions) -> Result<Mode, CodecError> {
    match options.bitrate {
        None | Some(64_000..) => Ok(Mode::Kbit64),
        Some(56_000..) => Ok(Mode::Kbit56),
        Some(48_000..) => Ok(Mode::Kbit48),
        Some(_) => Err(CodecError::Option {
            codec: NAME,
            reason: "bitrate must be 48,000, 56,000 or 64,000 bit/s",
        }),
    }
}

impl Codec for G722 {
    fn description(&self) -> &Description {
        &self.description
    }

    fn decoder(&self, options: &CodecOptions) -> Result<Box<dyn Decoder>, CodecError> {
        Ok(Box::new(G722Decoder::new(mode(options)?)))
    }

    fn encoder(&self, options: &CodecOptions) -> Result<Box<dyn Encoder>, CodecError> {
        Ok(Box::new(G722Encoder::new(mode(options)?)))
    }
}

/// Taps of a mirror filter.
const TAPS: usize = 24;

/// The mirror filters' two polyphase sums over the last 24 inputs: even and odd.
fn qmf(x: &[i32; TAPS]) -> (i32, i32) {
    let (mut even, mut odd) = (0, 0);
    for i in 0..TAPS / 2 {
        even += x[2 * i] * QMF[i];
        odd += x[2 * i + 1] * QMF[TAPS / 2 - 1 - i];
    }
    (even, odd)
}

fn shift_in(x: &mut [i32; TAPS], first: i32, second: i32) {
    x.copy_within(2.., 0);
    x[TAPS - 2] = first;
    x[TAPS - 1] = second;
}

/// A G.722 encoder.
#[derive(Clone, Debug)]
pub struct G722Encoder {
    mode: Mode,
    lower: Band,
    higher: Band,
    x: [i32; TAPS],
}

impl G722Encoder {
    /// A fresh encoder.
    pub fn new(mode: Mode) -> Self {
        G722Encoder {
            mode,
            lower: Band::lower(),
            higher: Band::higher(),
            x: [0; TAPS],
        }
    }

    /// Two samples at 16 kHz into one code.
    fn pair(&mut self, first: i16, second: i16) -> u8 {
        shift_in(&mut self.x, i32::from(first), i32::from(second));
        let (even, odd) = qmf(&self.x);
        let low = self.lower.encode_lower((even + odd) >> 14);
        let high = self.higher.encode_higher((odd - even) >> 14);
        (high << 6 | low) >> self.mode.dropped_bits()
    }
}

impl Encoder for G722Encoder {
    fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let (pairs, odd) = pcm.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(CodecError::FrameSize {
                codec: NAME,
                samples: pcm.len(),
            });
        }
        let (need, have) = (pairs.len(), out.len());
        let out = out
            .get_mut(..need)
            .ok_or(CodecError::OutputTooSmall { need, have })?;
        for (code, &[first, second]) in out.iter_mut().zip(pairs) {
            *code = self.pair(first, second);
        }
        Ok(need)
    }

    fn max_payload(&self, samples: usize) -> usize {
        samples.div_ceil(2)
    }

    fn reset(&mut self) {
        *self = Self::new(self.mode);
    }

    fn continue_from(&mut self, other: &dyn Encoder) -> bool {
        match other.as_any().and_then(|any| any.downcast_ref::<Self>()) {
            Some(other) if other.mode == self.mode => {
                self.clone_from(other);
                true
            }
            _ => false,
        }
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

/// A G.722 decoder with concealment.
#[derive(Clone, Debug)]
pub struct G722Decoder {
    mode: Mode,
    lower: Band,
    higher: Band,
    x: [i32; TAPS],
    concealer: Concealer,
}

impl G722Decoder {
    /// A fresh decoder.
    pub fn new(mode: Mode) -> Self {
        G722Decoder {
            mode,
            lower: Band::lower(),
            higher: Band::higher(),
            x: [0; TAPS],
            concealer: Concealer::new(Rate::Khz16),
        }
    }

    /// One code into two samples. What overshoots is saturated; decoders that wrap here differ in just those samples.
    fn pair(&mut self, code: u8) -> [i16; 2] {
        let code = code << self.mode.dropped_bits();
        let low = self.lower.decode_lower(code & 0x3F, self.mode);
        let high = self.higher.decode_higher(code >> 6);
        shift_in(&mut self.x, low + high, low - high);
        let (even, odd) = qmf(&self.x);
        [saturate(odd >> 11), saturate(even >> 11)]
    }
}

fn saturate(x: i32) -> i16 {
    x.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

impl Decoder for G722Decoder {
    fn samples(&self, payload: &[u8]) -> Result<usize, CodecError> {
        if payload.is_empty() {
            return Err(CodecError::Malformed {
                codec: NAME,
                reason: "empty",
            });
        }
        Ok(payload.len() * 2)
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let need = self.samples(payload)?;
        let have = out.len();
        let out = out
            .get_mut(..need)
            .ok_or(CodecError::OutputTooSmall { need, have })?;
        for (pair, &code) in out.as_chunks_mut::<2>().0.iter_mut().zip(payload) {
            *pair = self.pair(code);
        }
        self.concealer.received(out);
        Ok(need)
    }

    fn conceal(&mut self, out: &mut [i16]) {
        self.concealer.conceal(out);
    }

    fn reset(&mut self) {
        *self = Self::new(self.mode);
    }
}
