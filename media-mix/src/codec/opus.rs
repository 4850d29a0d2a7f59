//! Opus (RFC 6716; RTP: RFC 7587), by `opus-pure`, a port of libopus to Rust, or by libopus itself ([`Library`]).
//!
//! SDP says `opus/48000/2` whatever the packets hold. By default PCM here is mono at 48 kHz: a stereo stream is mixed
//! down by the decoder, and the encoder sends mono. [`Opus::at`] gives another rate, [`Opus::stereo`] two channels: the
//! packets say what they hold, so both ends choose freely. A mono offer says so with `stereo=0`, which is also
//! RFC 7587's default, so it is left out of `fmtp`.
//!
//! `opus-pure` is young. Every call into it is therefore fenced: should the library panic, the panic is caught, the
//! state made anew and [`CodecError::Internal`] returned (with `panic = "abort"` there is nothing to catch). Before any
//! library sees it, a payload is checked against RFC 6716 section 3.4.
//!
//! Decoding allocates nothing after the first packets. Concealing and repairing, and encoding, make a few short-lived
//! allocations a frame inside `opus-pure` (encoding most of them at complexity 7 and above); libopus makes none.

#[cfg(feature = "opus")]
mod libopus;
mod library;
mod pure;
#[cfg(feature = "audiopus")]
mod system;

use opus_pure::{OpusMode, packet};

use self::library::{DecoderLibrary, EncoderLibrary, Failure, Settings};
use super::{Codec, CodecOptions, Decoder, Description, Encoder};
use crate::Rate;
use crate::error::CodecError;

pub use self::library::Library;

const NAME: &str = "opus";
/// RFC 6716 section 3.2.1: no frame is longer.
const MAX_PAYLOAD: usize = 1275;
/// 20 ms at 48 kHz, of one channel.
const LONGEST_FRAME: usize = 960;
/// 32 kbit/s: the middle of what RFC 7587 section 3.1.1 recommends for full-band speech.
const DEFAULT_BITRATE: u32 = 32_000;
/// The least that the same section recommends for full-band stereo music.
const DEFAULT_STEREO_BITRATE: u32 = 64_000;
const DEFAULT_COMPLEXITY: u8 = 5;

/// The codec `opus/48000/2`.
#[derive(Clone, Debug)]
pub struct Opus {
    description: Description,
    library: Library,
}

impl Default for Opus {
    fn default() -> Self {
        Self::new()
    }
}

impl Opus {
    /// Mono PCM at 48 kHz; frames of 10, 20, 40 or 60 ms.
    pub fn new() -> Self {
        Self::with(Rate::Khz48, 1)
    }

    /// Interleaved stereo PCM at 48 kHz; otherwise the same.
    pub fn stereo() -> Self {
        Self::with(Rate::Khz48, 2)
    }

    /// Mono PCM at another rate, for a room of narrower voices: 8, 12, 16, 24 or 48 kHz. SDP and RTP stay at 48,000.
    ///
    /// # Errors
    /// [`CodecError::Option`] for 32 kHz, which Opus does not have.
    pub fn at(rate: Rate) -> Result<Self, CodecError> {
        Self::with_channels(rate, 1)
    }

    /// One channel or two, at a rate that Opus has.
    pub(crate) fn with_channels(rate: Rate, channels: u8) -> Result<Self, CodecError> {
        match rate {
            Rate::Khz32 => Err(option("the rate must be 8, 12, 16, 24 or 48 kHz")),
            _ => Ok(Self::with(rate, channels)),
        }
    }

    /// Which library does the work: [`Library::default`] until said otherwise.
    pub fn with_library(mut self, library: Library) -> Self {
        self.library = library;
        self
    }

    fn with(rate: Rate, channels: u8) -> Self {
        let mut description = Description::new(NAME, 48_000, rate);
        description.rtp_channels = 2;
        description.channels = channels;
        description.fmtp = "useinbandfec=1";
        description.frame_ms = &[10, 20, 40, 60];
        description.bitrate = DEFAULT_BITRATE;
        if channels == 2 {
            description.fmtp = "useinbandfec=1;stereo=1;sprop-stereo=1";
            description.bitrate = DEFAULT_STEREO_BITRATE;
        }
        // RFC 6716 section 2.1.4 and libopus: 6.5 ms of look-ahead in the voice mode.
        description.delay_samples = rate.hz() * 65 / 10_000;
        description.fec = true;
        // G.113 has no entry for Opus on either scale. In the narrow-band E-model it impairs nothing that G.711 does
        // not.
        description.ie = 0.0;
        // An estimate: it counts as the best that G.113 appendix IV has, AMR-WB at 23.05 kbit/s.
        description.ie_wideband = Some(1.0);
        // On the wideband scale, from PESQ of speech with 1 to 5 % lost, as P.834 has it: `interop/tests/speech_scores.rs`
        // prints the fit.
        description.bpl = 12.6;
        Opus {
            description,
            library: Library::default(),
        }
    }
}

impl Codec for Opus {
    fn description(&self) -> &Description {
        &self.description
    }

    fn decoder(&self, _: &CodecOptions) -> Result<Box<dyn Decoder>, CodecError> {
        let (rate, channels) = (self.description.rate, self.description.channels);
        Ok(Box::new(Decode {
            rate,
            channels: usize::from(channels),
            library: self.library,
            inner: self.library.decoder(rate, channels).ok_or(BROKEN)?,
            scratch: [0; LONGEST_FRAME * 2],
        }))
    }

    fn encoder(&self, options: &CodecOptions) -> Result<Box<dyn Encoder>, CodecError> {
        let settings = settings(&self.description, options)?;
        Ok(Box::new(Encode {
            library: self.library,
            inner: self.library.encoder(&settings).ok_or(BROKEN)?,
            settings,
        }))
    }
}

const BROKEN: CodecError = CodecError::Internal { codec: NAME };

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

fn settings(description: &Description, options: &CodecOptions) -> Result<Settings, CodecError> {
    let bitrate = options.bitrate.unwrap_or(description.bitrate);
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
    Ok(Settings {
        rate: description.rate,
        channels: description.channels,
        bitrate,
        complexity,
        cbr: options.cbr,
        fec: options.fec,
        dtx: options.dtx,
        loss: options.expected_loss,
        most_hz: options.max_playback_rate.unwrap_or(48_000),
    })
}

struct Decode {
    rate: Rate,
    channels: usize,
    library: Library,
    inner: Box<dyn DecoderLibrary>,
    /// Takes the whole 2.5 ms units of a concealment whose length is not a multiple of them.
    scratch: [i16; LONGEST_FRAME * 2],
}

impl Decode {
    /// 2.5 ms of one channel: every Opus duration is a multiple of it.
    fn unit(&self) -> usize {
        self.rate.samples(5) / 2
    }

    /// What the library's answer means; whatever it is, the decoder is usable afterwards.
    fn judge(&mut self, made: Result<usize, Failure>) -> Result<usize, CodecError> {
        match made {
            Ok(frames) => Ok(frames * self.channels),
            Err(Failure::Refused) => Err(malformed("the bit stream is not valid")),
            Err(Failure::Broken) => {
                self.inner = self
                    .library
                    .decoder(self.rate, self.channels as u8)
                    .ok_or(BROKEN)?;
                Err(BROKEN)
            }
        }
    }
}

impl Decoder for Decode {
    fn samples(&self, payload: &[u8]) -> Result<usize, CodecError> {
        packet::samples(payload, self.rate.hz() as i32)
            .map(|frames| frames * self.channels)
            .map_err(|_| malformed("no valid table of contents"))
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let need = self.samples(payload)?;
        let have = out.len();
        let out = out
            .get_mut(..need)
            .ok_or(CodecError::OutputTooSmall { need, have })?;
        let made = self.inner.decode(payload, need / self.channels, out);
        let made = self.judge(made)?;
        // Shorter than the table of contents says: silence the rest rather than leave the caller's old samples.
        out[made.min(need)..].fill(0);
        Ok(need)
    }

    fn conceal(&mut self, out: &mut [i16]) {
        for chunk in out.chunks_mut(self.rate.samples(20) * self.channels) {
            let frames = chunk
                .len()
                .div_ceil(self.channels)
                .next_multiple_of(self.unit());
            let mut scratch = self.scratch;
            let made = self
                .inner
                .conceal(frames, &mut scratch[..frames * self.channels]);
            match self.judge(made) {
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
        let whole = self.unit() * self.channels;
        if !carries
            || !has_copy(next)
            || samples == 0
            || !samples.is_multiple_of(whole)
            || samples > self.rate.samples(60) * self.channels
        {
            self.conceal(out);
            return false;
        }
        let made = self.inner.recover(next, samples / self.channels, out);
        match self.judge(made) {
            Ok(made) if made >= samples => true,
            _ => {
                self.conceal(out);
                false
            }
        }
    }

    fn reset(&mut self) {
        if !self.inner.reset()
            && let Some(fresh) = self.library.decoder(self.rate, self.channels as u8)
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
    library: Library,
    inner: Box<dyn EncoderLibrary>,
    settings: Settings,
}

impl Encoder for Encode {
    fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let samples = pcm.len();
        let channels = usize::from(self.settings.channels);
        if ![10, 20, 40, 60]
            .iter()
            .any(|&ms| self.settings.rate.samples(ms) * channels == samples)
        {
            return Err(CodecError::FrameSize {
                codec: NAME,
                samples,
            });
        }
        let have = out.len();
        // The libraries take the length of `out` as their budget: never more than fits a datagram, never silently less.
        let out = out
            .get_mut(..MAX_PAYLOAD)
            .ok_or(CodecError::OutputTooSmall {
                need: MAX_PAYLOAD,
                have,
            })?;
        match self.inner.encode(pcm, samples / channels, out) {
            // RFC 6716 section 2.1.9: a packet of a table of contents alone need not be sent; nor, says libopus, one of
            // two bytes.
            Ok(bytes) if bytes <= 2 && self.settings.dtx => Ok(0),
            Ok(bytes) => Ok(bytes),
            Err(_) => {
                self.inner = self.library.encoder(&self.settings).ok_or(BROKEN)?;
                Err(BROKEN)
            }
        }
    }

    fn max_payload(&self, _: usize) -> usize {
        MAX_PAYLOAD
    }

    fn set_expected_loss(&mut self, percent: u8) {
        self.settings.loss = percent.min(100);
        self.inner.set_loss(self.settings.loss);
    }

    fn reset(&mut self) {
        if !self.inner.reset()
            && let Some(fresh) = self.library.encoder(&self.settings)
        {
            self.inner = fresh;
        }
    }
}
