//! Opus packets into Ogg pages.

use std::io::Write;

use opus_pure::packet;

use super::OggError;
use super::page::{FIRST, LAST, Page};
use crate::error::CodecError;

/// Samples of a page at most, at 48 kHz: a second, as RFC 7845 section 6 recommends.
const PAGE: u64 = 48_000;
/// How this crate calls itself in a file.
const VENDOR: &[u8] = b"patchcord-media-mix";

/// What the first packet of a file says (RFC 7845 section 5.1). Build it with [`OpusHead::new`] and change what differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpusHead {
    /// Channels to play, 1 or 2; packets may hold either.
    pub channels: u8,
    /// Samples at 48 kHz that players leave out at the beginning: what the encoder needed to get going. Default 312, the
    /// look-ahead of libopus; 3840 (80 ms) for a stream that begins in the middle.
    pub pre_skip: u16,
    /// The rate of the PCM that was encoded, Hz: for information. Default 48,000.
    pub input_hz: u32,
    /// Gain to play it with, in 1/256 dB. Default 0.
    pub gain: i16,
}

impl OpusHead {
    /// The defaults, for one channel or two.
    pub fn new(channels: u8) -> Self {
        Self {
            channels: channels.clamp(1, 2),
            pre_skip: 312,
            input_hz: 48_000,
            gain: 0,
        }
    }
}

/// Writes Opus packets, as they come from an encoder or from RTP, into an Ogg file.
///
/// ```
/// use media_mix::ogg::{OggOpusWriter, OpusHead};
///
/// let mut file = OggOpusWriter::new(Vec::new(), 0x5EED_0001, OpusHead::new(1))?;
/// // 20 ms of silence, as Opus packs it: nothing but a table of contents.
/// file.write(&[0xF8, 0xFF, 0xFE])?;
/// assert_eq!(file.samples(), 960);
/// let bytes = file.finish()?;
/// assert!(bytes.starts_with(b"OggS"));
/// # Ok::<(), media_mix::ogg::OggError>(())
/// ```
#[derive(Debug)]
pub struct OggOpusWriter<W: Write> {
    inner: Option<W>,
    serial: u32,
    /// Pages so far.
    pages: u32,
    page: Page,
    /// Samples at 48 kHz in all packets, and in those of the pages before this one.
    samples: u64,
    closed: u64,
}

impl<W: Write> OggOpusWriter<W> {
    /// Begin a stream: both header pages are written. `serial` tells streams of one file apart, and should be random.
    ///
    /// # Errors
    /// [`OggError::Io`].
    pub fn new(mut stream: W, serial: u32, head: OpusHead) -> Result<Self, OggError> {
        let mut page = Page::default();
        let mut packet = Vec::with_capacity(19);
        packet.extend_from_slice(b"OpusHead");
        packet.extend_from_slice(&[1, head.channels.clamp(1, 2)]);
        packet.extend_from_slice(&head.pre_skip.to_le_bytes());
        packet.extend_from_slice(&head.input_hz.to_le_bytes());
        packet.extend_from_slice(&head.gain.to_le_bytes());
        // Mapping family 0: one stream, mono or stereo.
        packet.push(0);
        page.add(&packet);
        stream.write_all(page.close(FIRST, 0, serial, 0))?;
        packet.clear();
        packet.extend_from_slice(b"OpusTags");
        packet.extend_from_slice(&(VENDOR.len() as u32).to_le_bytes());
        packet.extend_from_slice(VENDOR);
        packet.extend_from_slice(&0_u32.to_le_bytes());
        page.add(&packet);
        stream.write_all(page.close(0, 0, serial, 1))?;
        stream.flush()?;
        Ok(Self {
            inner: Some(stream),
            serial,
            pages: 2,
            page,
            samples: 0,
            closed: 0,
        })
    }

    /// Append a packet. How long it lasts is read from its table of contents.
    ///
    /// # Errors
    /// [`OggError::Codec`] for what is no Opus packet, [`OggError::PacketTooLong`]: it is left out. [`OggError::Io`].
    pub fn write(&mut self, payload: &[u8]) -> Result<(), OggError> {
        let lasts = packet::samples(payload, 48_000).map_err(|_| CodecError::Malformed {
            codec: "opus",
            reason: "no valid table of contents",
        })?;
        if payload.len() > 255 * 255 - 1 {
            return Err(OggError::PacketTooLong(payload.len()));
        }
        if self.samples - self.closed + lasts as u64 > PAGE {
            self.flush()?;
        }
        if !self.page.add(payload) {
            self.flush()?;
            self.page.add(payload);
        }
        self.samples += lasts as u64;
        Ok(())
    }

    /// Samples of each channel at 48 kHz in all packets so far, those that players skip included.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Close the page that is being filled, and write it: what came so far survives whatever follows.
    ///
    /// # Errors
    /// [`OggError::Io`].
    pub fn flush(&mut self) -> Result<(), OggError> {
        match self.page.is_empty() {
            true => Ok(()),
            false => self.put(0, self.samples),
        }
    }

    /// End the stream, and give what it was written to back.
    ///
    /// # Errors
    /// [`OggError::Io`].
    pub fn finish(self) -> Result<W, OggError> {
        let samples = self.samples;
        self.finish_at(samples)
    }

    /// The same, but let players stop at `samples`, at 48 kHz and with those that they skip: in the last packet, if it
    /// holds more than there was to say (RFC 7845 section 4.4).
    ///
    /// # Errors
    /// [`OggError::Io`].
    pub fn finish_at(mut self, samples: u64) -> Result<W, OggError> {
        // Never before a page that is out.
        self.put(LAST, samples.clamp(self.closed, self.samples))?;
        self.inner
            .take()
            .ok_or_else(|| std::io::Error::other("the stream is gone").into())
    }

    fn put(&mut self, flags: u8, granule: u64) -> Result<(), OggError> {
        let number = self.pages;
        self.pages = number.wrapping_add(1);
        self.closed = self.samples;
        if let Some(inner) = &mut self.inner {
            inner.write_all(self.page.close(flags, granule, self.serial, number))?;
            inner.flush()?;
        }
        Ok(())
    }
}

impl<W: Write> Drop for OggOpusWriter<W> {
    fn drop(&mut self) {
        // Without an end, as if the program had been killed, but with all that came.
        if self.inner.is_some() {
            let _ = self.flush();
        }
    }
}
