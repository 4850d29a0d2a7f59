//! G.722, 64, 56 and 48 kbit/s (ITU-T G.722; RTP: RFC 3551 section 4.5.2): two bands of adaptive differential PCM,
//! 6 bits for the lower and 2 for the higher one, between a pair of quadrature mirror filters.
//!
//! RTP carries 64 kbit/s; its clock is 8000 Hz for historical reasons although the PCM is at 16 kHz. The lower rates
//! drop the least significant bits of the lower band and pack the rest in the low bits of each octet.

pub(crate) mod band;
mod tables;

use self::band::Band;
use self::tables::QMF;
use super::{Codec, CodecOptions, Decoder, Description, Encoder};
use crate::Rate;
use crate::error::CodecError;
use crate::plc::Concealer;
use crate::simd;

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
        // The narrow-band E-model has no entry for it; it impairs nothing there that G.711 does not.
        description.ie = 0.0;
        // G.113 appendix IV, at 64 kbit/s; 20 and 31 at 56 and 48.
        description.ie_wideband = Some(13.0);
        // On the wideband scale, from PESQ of speech with 1 to 5 % lost, as P.834 has it: `interop/tests/speech_scores.rs`
        // prints the fit. After a loss the predictors need a while to agree again.
        description.bpl = 5.4;
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

/// Pairs of samples filtered at once: 20 ms.
const BLOCK: usize = 160;
/// Pairs that the mirror filters remember.
const MEMORY: usize = 11;

/// The two polyphase halves of a mirror filter's input: what it remembers, then a block.
#[derive(Clone, Debug)]
struct Halves {
    first: [i32; MEMORY + BLOCK],
    second: [i32; MEMORY + BLOCK],
}

impl Halves {
    fn new() -> Self {
        Halves {
            first: [0; MEMORY + BLOCK],
            second: [0; MEMORY + BLOCK],
        }
    }

    /// Filter a block of `n` pairs, and remember its end.
    fn filter(&mut self, n: usize, forward: &mut [i32; BLOCK], backward: &mut [i32; BLOCK]) {
        simd::mirror(
            &self.first,
            &self.second,
            &QMF,
            &mut forward[..n],
            &mut backward[..n],
        );
        self.first.copy_within(n..n + MEMORY, 0);
        self.second.copy_within(n..n + MEMORY, 0);
    }
}

/// A G.722 encoder.
#[derive(Clone, Debug)]
pub struct G722Encoder {
    mode: Mode,
    lower: Band,
    higher: Band,
    halves: Halves,
}

impl G722Encoder {
    /// A fresh encoder.
    pub fn new(mode: Mode) -> Self {
        G722Encoder {
            mode,
            lower: Band::lower(),
            higher: Band::higher(),
            halves: Halves::new(),
        }
    }

    /// A block of pairs of samples into codes.
    fn block(&mut self, pairs: &[[i16; 2]], codes: &mut [u8]) {
        let (first, second) = (
            &mut self.halves.first[MEMORY..],
            &mut self.halves.second[MEMORY..],
        );
        for ((first, second), pair) in first.iter_mut().zip(second).zip(pairs) {
            *first = i32::from(pair[0]);
            *second = i32::from(pair[1]);
        }
        let (mut forward, mut backward) = ([0; BLOCK], [0; BLOCK]);
        self.halves.filter(pairs.len(), &mut forward, &mut backward);
        for (forward, backward) in forward.iter_mut().zip(&mut backward) {
            (*forward, *backward) = ((*forward + *backward) >> 14, (*backward - *forward) >> 14);
        }
        simd::g722_encode(
            &mut self.lower,
            &mut self.higher,
            &forward,
            &backward,
            codes,
        );
        let dropped = self.mode.dropped_bits();
        codes.iter_mut().for_each(|code| *code >>= dropped);
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
        for (pairs, codes) in pairs.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
            self.block(pairs, codes);
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
    halves: Halves,
    concealer: Concealer,
}

impl G722Decoder {
    /// A fresh decoder.
    pub fn new(mode: Mode) -> Self {
        G722Decoder {
            mode,
            lower: Band::lower(),
            higher: Band::higher(),
            halves: Halves::new(),
            concealer: Concealer::new(Rate::Khz16),
        }
    }

    /// A block of codes into pairs of samples. What overshoots is saturated; decoders that wrap here differ in just
    /// those samples.
    fn block(&mut self, codes: &[u8], pairs: &mut [[i16; 2]]) {
        let (first, second) = (
            &mut self.halves.first[MEMORY..],
            &mut self.halves.second[MEMORY..],
        );
        let (low, high) = (&mut first[..codes.len()], &mut second[..codes.len()]);
        simd::g722_decode(
            &mut self.lower,
            &mut self.higher,
            codes,
            self.mode,
            low,
            high,
        );
        for (low, high) in low.iter_mut().zip(high) {
            (*low, *high) = (*low + *high, *low - *high);
        }
        let (mut forward, mut backward) = ([0; BLOCK], [0; BLOCK]);
        self.halves.filter(codes.len(), &mut forward, &mut backward);
        for ((pair, &forward), &backward) in pairs.iter_mut().zip(&forward).zip(&backward) {
            *pair = [saturate(backward >> 11), saturate(forward >> 11)];
        }
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
        for (pairs, codes) in out
            .as_chunks_mut::<2>()
            .0
            .chunks_mut(BLOCK)
            .zip(payload.chunks(BLOCK))
        {
            self.block(codes, pairs);
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
