//! PCM into Ogg Opus.

use std::io::Write;

use super::{OggError, OggOpusWriter, OpusHead};
use crate::codec::opus::Opus;
use crate::codec::{Codec as _, CodecOptions, Encoder};
use crate::error::CodecError;
use crate::rate::Rate;
use crate::recorder::Recorded;

/// What a packet lasts, ms.
const FRAME_MS: usize = 20;

/// Records PCM, one or two channels, as Opus in an Ogg file: a tenth of a WAV file and less.
///
/// It encodes and writes where it is called: on a media thread, hand the PCM to another by a [tap](crate::tap()). Sound
/// goes out a page (a second) at a time; what a killed program has not written is lost, what it has is whole.
///
/// ```
/// use media_mix::ogg::OggOpusRecorder;
/// use media_mix::{CodecOptions, Rate};
///
/// let options = CodecOptions::new().with_bitrate(24_000);
/// let mut recorder = OggOpusRecorder::new(Vec::new(), 0x5EED_0001, Rate::Khz16, 1, &options, 3600)?;
/// for _ in 0..50 {
///     let _ = recorder.record(&[0; 320])?;
/// }
/// assert_eq!(recorder.frames(), 16_000);
/// let file = recorder.finish()?;
/// assert!(file.len() < 4_000);
/// # Ok::<(), media_mix::ogg::OggError>(())
/// ```
pub struct OggOpusRecorder<W: Write> {
    writer: OggOpusWriter<W>,
    encoder: Box<dyn Encoder>,
    channels: usize,
    /// How much 48 kHz is of the rate.
    up: u64,
    pre_skip: u64,
    most_frames: u64,
    frames: u64,
    /// A frame that is being filled, and where its packet goes.
    frame: Vec<i16>,
    filled: usize,
    payload: Vec<u8>,
    buffer: Vec<i16>,
}

impl<W: Write> OggOpusRecorder<W> {
    /// Begin a file that may hold `most_seconds` seconds of PCM at `rate`. `serial` should be random
    /// ([`OggOpusWriter::new`]). Bit rate, complexity and CBR are taken from `options`; FEC and DTX are for networks, and
    /// not used.
    ///
    /// # Errors
    /// [`OggError::Codec`] for 32 kHz, which Opus does not have, other than one or two channels, and options out of
    /// range; [`OggError::Io`].
    pub fn new(
        stream: W,
        serial: u32,
        rate: Rate,
        channels: u8,
        options: &CodecOptions,
        most_seconds: u64,
    ) -> Result<Self, OggError> {
        if !(1..=2).contains(&channels) {
            return Err(OggError::Codec(CodecError::Option {
                codec: "opus",
                reason: "mono and stereo are recorded",
            }));
        }
        let codec = Opus::with_channels(rate, channels)?;
        let mut options = options.clone();
        options.fec = false;
        options.dtx = false;
        let encoder = codec.encoder(&options)?;
        let up = (Rate::Khz48.hz() / rate.hz()) as u64;
        let mut head = OpusHead::new(channels);
        head.input_hz = rate.hz();
        head.pre_skip = (u64::from(codec.description().delay_samples) * up) as u16;
        let frame = codec.description().frame_samples(FRAME_MS);
        Ok(Self {
            payload: vec![0; encoder.max_payload(frame)],
            writer: OggOpusWriter::new(stream, serial, head)?,
            encoder,
            channels: usize::from(channels),
            up,
            pre_skip: u64::from(head.pre_skip),
            most_frames: most_seconds.saturating_mul(u64::from(rate.hz())),
            frames: 0,
            frame: vec![0; frame],
            filled: 0,
            buffer: Vec::new(),
        })
    }

    /// Record interleaved samples.
    ///
    /// # Errors
    /// [`OggError::Io`], [`OggError::Codec`].
    pub fn record(&mut self, samples: &[i16]) -> Result<Recorded, OggError> {
        let frames = (samples.len() / self.channels) as u64;
        let now = frames.min(self.most_frames - self.frames);
        let mut left = &samples[..now as usize * self.channels];
        while !left.is_empty() {
            let n = left.len().min(self.frame.len() - self.filled);
            self.frame[self.filled..self.filled + n].copy_from_slice(&left[..n]);
            self.filled += n;
            left = &left[n..];
            self.frames += (n / self.channels) as u64;
            if self.filled == self.frame.len() {
                self.encode()?;
            }
        }
        if now < frames {
            self.writer.flush()?;
            return Ok(Recorded::Full);
        }
        Ok(Recorded::Written)
    }

    /// Record a tick of two mono tracks, left and right, into a file of two channels; the shorter one is filled up with
    /// silence. In a file of one channel they are averaged.
    ///
    /// # Errors
    /// [`OggError::Io`], [`OggError::Codec`].
    pub fn record_tracks(&mut self, left: &[i16], right: &[i16]) -> Result<Recorded, OggError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        crate::recorder::interleave(left, right, self.channels, &mut buffer);
        let recorded = self.record(&buffer);
        self.buffer = buffer;
        recorded
    }

    /// Samples of each channel so far, at the recorder's rate.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// End the file so that it plays as long as what was recorded, to the sample, and give the stream back.
    ///
    /// # Errors
    /// [`OggError::Io`], [`OggError::Codec`].
    pub fn finish(mut self) -> Result<W, OggError> {
        let end = self.pre_skip + self.frames * self.up;
        // What the encoder still holds comes out behind silence.
        while self.writer.samples() < end {
            self.encode()?;
        }
        self.writer.finish_at(end)
    }

    /// Encode the frame, with silence behind what is in it.
    fn encode(&mut self) -> Result<(), OggError> {
        self.frame[self.filled..].fill(0);
        self.filled = 0;
        let bytes = self.encoder.encode(&self.frame, &mut self.payload)?;
        self.writer.write(&self.payload[..bytes])
    }
}

impl<W: Write> std::fmt::Debug for OggOpusRecorder<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OggOpusRecorder")
            .field("frames", &self.frames)
            .field("channels", &self.channels)
            .finish_non_exhaustive()
    }
}
