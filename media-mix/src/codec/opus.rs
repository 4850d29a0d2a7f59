//! Opus (RFC 6716; RTP: RFC 7587) by `opus-pure`, a port of libopus to Rust.
//!
//! SDP says `opus/48000/2` whatever the packets hold. Here PCM is mono at 48 kHz: a stereo stream is mixed down by
//! the decoder, and the encoder sends mono. ([`Opus::at`] gives another rate: the packets say what they hold, so both
//! ends choose freely.) The offer says so with `stereo=0`, which is also RFC 7587's default, so
//! it is left out of `fmtp`.
//!
//! `opus-pure` is young. Every call into it is therefore fenced: a payload is checked against RFC 6716 section 3.4
//! before it is decoded, and should the library panic all the same, the panic is caught, the state made anew and
//! [`CodecError::Internal`] returned (with `panic = "abort"` there is nothing to catch).
//!
//! Decoding allocates nothing after the first packets. Concealing and repairing, and encoding, make a few short-lived
//! allocations a frame inside the library (encoding most of them at complexity 7 and above).

use std::panic::{AssertUnwindSafe, catch_unwind};

use opus_pure::{Application, Bandwidth, OpusDecoder, OpusEncoder, OpusMode, RateControl, packet};

use super::{Codec, CodecOptions, Decoder, Description, Encoder};
use crate::Rate;
use crate::error::CodecError;

const NAME: &str = "opus";
/// RFC 6716 section 3.2.1: no frame is longer.
const MAX_PAYLOAD: usize = 1275;
/// 20 ms at 48 kHz.
const LONGEST_FRAME: usize = 960;
/// 32 kbit/s: the middle of what RFC 7587 section 3.1.1 recommends for full-band speech.
const DEFAULT_BITRATE: u32 = 32_000;
const DEFAULT_COMPLEXITY: u8 = 5;

/// The codec `opus/48000/2`.
#[derive(Clone, Debug)]
pub struct Opus {
    description: Description,
}

impl Default for Opus {
    fn default() -> Self {
        Self::new()
    }
}

impl Opus {
    /// Mono PCM at 48 kHz; frames of 10, 20, 40 or 60 ms.
    pub fn new() -> Self {
        Self::with_rate(Rate::Khz48)
    }

    /// The same with PCM at another rate, for a room of narrower voices: 8, 12, 16, 24 or 48 kHz. SDP and RTP stay at
    /// 48,000.
    ///
    /// # Errors
    /// [`CodecError::Option`] for 32 kHz, which Opus does not have.
    pub fn at(rate: Rate) -> Result<Self, CodecError> {
        match rate {
            Rate::Khz32 => Err(option("the rate must be 8, 12, 16, 24 or 48 kHz")),
            _ => Ok(Self::with_rate(rate)),
        }
    }

    fn with_rate(rate: Rate) -> Self {
        let mut description = Description::new(NAME, 48_000, rate);
        description.rtp_channels = 2;
        description.fmtp = "useinbandfec=1";
        description.frame_ms = &[10, 20, 40, 60];
        description.bitrate = DEFAULT_BITRATE;
        // RFC 6716 section 2.1.4 and libopus: 6.5 ms of look-ahead in the voice mode.
        description.delay_samples = rate.hz() * 65 / 10_000;
        description.fec = true;
        // G.113 has no entry for Opus. In the narrow-band E-model it impairs nothing that G.711 does not; the
        // robustness is an estimate from its concealment without FEC.
        description.ie = 0.0;
        description.bpl = 20.0;
        Opus { description }
    }
}

impl Codec for Opus {
    fn description(&self) -> &Description {
        &self.description
    }

    fn decoder(&self, _: &CodecOptions) -> Result<Box<dyn Decoder>, CodecError> {
        Ok(Box::new(Decode {
            rate: self.description.rate,
            inner: new_decoder(self.description.rate)?,
            scratch: [0; LONGEST_FRAME],
        }))
    }

    fn encoder(&self, options: &CodecOptions) -> Result<Box<dyn Encoder>, CodecError> {
        let rate = self.description.rate;
        let inner = new_encoder(rate, options)?;
        Ok(Box::new(Encode {
            rate,
            inner,
            options: options.clone(),
        }))
    }
}

fn option(reason: &'static str) -> CodecError {
    CodecError::Option {
        codec: NAME,
        reason,
    }
}

fn malformed(reason: &'static str) -> CodecError {
    CodecError::Malformed {
        codec: NAME,
        reason,
    }
}

fn new_decoder(rate: Rate) -> Result<Box<OpusDecoder>, CodecError> {
    OpusDecoder::new(rate.hz() as i32, 1)
        .map(Box::new)
        .map_err(|_| CodecError::Internal { codec: NAME })
}

fn new_encoder(rate: Rate, options: &CodecOptions) -> Result<Box<OpusEncoder>, CodecError> {
    let bitrate = options.bitrate.unwrap_or(DEFAULT_BITRATE);
    if !(6_000..=510_000).contains(&bitrate) {
        return Err(option("bitrate must be 6,000 to 510,000 bit/s"));
    }
    let complexity = options.complexity.unwrap_or(DEFAULT_COMPLEXITY);
    if complexity > 10 {
        return Err(option("complexity must be 0 to 10"));
    }
    if options.expected_loss > 100 {
        return Err(option("expected_loss must be 0 to 100 percent"));
    }
    let mut encoder = OpusEncoder::new(rate.hz() as i32, 1, Application::Voip)
        .map_err(|_| CodecError::Internal { codec: NAME })?;
    encoder.bitrate_bps = bitrate as i32;
    encoder.complexity = i32::from(complexity);
    encoder.rate_control = if options.cbr {
        RateControl::Cbr
    } else {
        RateControl::ConstrainedVbr
    };
    encoder.use_inband_fec = options.fec;
    encoder.use_dtx = options.dtx;
    encoder.packet_loss_perc = i32::from(options.expected_loss);
    encoder.max_bandwidth = match options.max_playback_rate {
        None => Bandwidth::Fullband,
        Some(hz) if hz <= 8_000 => Bandwidth::Narrowband,
        Some(hz) if hz <= 12_000 => Bandwidth::Mediumband,
        Some(hz) if hz <= 16_000 => Bandwidth::Wideband,
        Some(hz) if hz <= 24_000 => Bandwidth::Superwideband,
        Some(_) => Bandwidth::Fullband,
    };
    Ok(Box::new(encoder))
}

struct Decode {
    rate: Rate,
    inner: Box<OpusDecoder>,
    /// Takes the whole 2.5 ms units of a concealment whose length is not a multiple of them.
    scratch: [i16; LONGEST_FRAME],
}

impl Decode {
    /// 2.5 ms: every Opus duration is a multiple of it.
    fn unit(&self) -> usize {
        self.rate.samples(5) / 2
    }

    /// Run `call` inside the fence; whatever it does, the decoder is usable afterwards.
    fn fenced(
        &mut self,
        call: impl FnOnce(&mut OpusDecoder) -> opus_pure::Result<usize>,
    ) -> Result<usize, CodecError> {
        let inner = &mut self.inner;
        match catch_unwind(AssertUnwindSafe(|| call(inner))) {
            Ok(Ok(samples)) => Ok(samples),
            Ok(Err(_)) => Err(malformed("the bit stream is not valid")),
            Err(_) => {
                self.inner = new_decoder(self.rate)?;
                Err(CodecError::Internal { codec: NAME })
            }
        }
    }
}

impl Decoder for Decode {
    fn samples(&self, payload: &[u8]) -> Result<usize, CodecError> {
        packet::samples(payload, self.rate.hz() as i32)
            .map_err(|_| malformed("no valid table of contents"))
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let need = self.samples(payload)?;
        let have = out.len();
        let out = out
            .get_mut(..need)
            .ok_or(CodecError::OutputTooSmall { need, have })?;
        let made = self.fenced(|decoder| decoder.decode_s16(payload, need, out))?;
        // Shorter than the table of contents says: silence the rest rather than leave the caller's old samples.
        out[made.min(need)..].fill(0);
        Ok(need)
    }

    fn conceal(&mut self, out: &mut [i16]) {
        for chunk in out.chunks_mut(self.rate.samples(20)) {
            let whole = chunk.len().next_multiple_of(self.unit());
            let mut scratch = self.scratch;
            let made = self.fenced(|decoder| decoder.decode_s16(&[], whole, &mut scratch[..whole]));
            match made {
                Ok(made) if made >= chunk.len() => chunk.copy_from_slice(&scratch[..chunk.len()]),
                _ => chunk.fill(0),
            }
        }
    }

    fn recover(&mut self, next: &[u8], out: &mut [i16]) -> bool {
        // Only SILK carries a copy, and only of a whole frame (RFC 6716 section 2.1.7).
        let carries = matches!(
            packet::mode(next),
            Ok(OpusMode::SilkOnly | OpusMode::Hybrid)
        );
        let samples = out.len();
        if !carries
            || !has_copy(next)
            || samples == 0
            || !samples.is_multiple_of(self.unit())
            || samples > self.rate.samples(60)
        {
            self.conceal(out);
            return false;
        }
        match self.fenced(|decoder| decoder.decode_fec_s16(next, samples, out)) {
            Ok(made) if made >= samples => true,
            _ => {
                self.conceal(out);
                false
            }
        }
    }

    fn reset(&mut self) {
        if self
            .fenced(|decoder| decoder.reset_state().map(|()| 0))
            .is_err()
            && let Ok(fresh) = new_decoder(self.rate)
        {
            self.inner = fresh;
        }
    }
}

/// Whether the first SILK frame of `payload` says that it carries low bit-rate redundancy (RFC 6716 section 4.2.3).
///
/// Each header bit is coded with probability 1/2, so the bits are simply the first of the range coder's, most
/// significant first: one VAD bit for each SILK frame of 20 ms (or the one of 10 ms), then the LBRR flag.
fn has_copy(payload: &[u8]) -> bool {
    let Some(&toc) = payload.first() else {
        return false;
    };
    let Ok(frame) = packet::samples_per_frame(payload, 48_000) else {
        return false;
    };
    let Some(start) = first_frame(payload) else {
        return false;
    };
    let silk_frames = frame.div_ceil(LONGEST_FRAME).max(1) as u32;
    let stereo = toc & 4 != 0;
    let Some(&first) = payload.get(start) else {
        return false;
    };
    let flag = |at: u32| first & (0x80 >> at) != 0;
    flag(silk_frames) || (stereo && flag(silk_frames * 2 + 1))
}

/// Where the first frame of a packet starts, by its framing code (RFC 6716 section 3.2).
fn first_frame(payload: &[u8]) -> Option<usize> {
    // A frame length of 252 and more takes a second byte.
    let length_at = |at: usize| {
        payload
            .get(at)
            .map(|&first| if first < 252 { 1 } else { 2 })
    };
    match payload.first()? & 3 {
        0 | 1 => Some(1),
        2 => Some(1 + length_at(1)?),
        _ => {
            let frames = *payload.get(1)?;
            let mut at = 2;
            if frames & 0x40 != 0 {
                // The length of the padding, in bytes of 255 and a last one that is less.
                at += 1 + payload
                    .get(at..)?
                    .iter()
                    .take_while(|&&byte| byte == 255)
                    .count();
            }
            if frames & 0x80 != 0 {
                for _ in 1..frames & 0x3F {
                    at += length_at(at)?;
                }
            }
            Some(at)
        }
    }
}

struct Encode {
    rate: Rate,
    inner: Box<OpusEncoder>,
    options: CodecOptions,
}

impl Encoder for Encode {
    fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let samples = pcm.len();
        if ![10, 20, 40, 60]
            .iter()
            .any(|&ms| self.rate.samples(ms) == samples)
        {
            return Err(CodecError::FrameSize {
                codec: NAME,
                samples,
            });
        }
        let have = out.len();
        // opus-pure takes the length of `out` as its budget: never more than fits a datagram, never silently less.
        let out = out
            .get_mut(..MAX_PAYLOAD)
            .ok_or(CodecError::OutputTooSmall {
                need: MAX_PAYLOAD,
                have,
            })?;
        let inner = &mut self.inner;
        match catch_unwind(AssertUnwindSafe(|| inner.encode_s16(pcm, samples, out))) {
            // RFC 6716 section 2.1.9: a packet of a table of contents alone need not be sent.
            Ok(Ok(bytes)) if bytes <= 1 && self.options.dtx => Ok(0),
            Ok(Ok(bytes)) => Ok(bytes),
            _ => {
                self.inner = new_encoder(self.rate, &self.options)?;
                Err(CodecError::Internal { codec: NAME })
            }
        }
    }

    fn max_payload(&self, _: usize) -> usize {
        MAX_PAYLOAD
    }

    fn set_expected_loss(&mut self, percent: u8) {
        self.options.expected_loss = percent.min(100);
        self.inner.packet_loss_perc = i32::from(self.options.expected_loss);
    }

    fn reset(&mut self) {
        if self.inner.reset_state().is_err()
            && let Ok(fresh) = new_encoder(self.rate, &self.options)
        {
            self.inner = fresh;
        }
    }
}
