//! Writing.

use std::io::{Seek, SeekFrom, Write};

use super::WavError;
use crate::rate::Rate;

/// Bytes before the first sample.
const HEADER: u32 = 44;

/// Writes 16-bit PCM. After every [`WavWriter::flush`] the header is right for what was written so far: a program that
/// is killed loses only what came after the last one.
#[derive(Debug)]
pub struct WavWriter<W: Write + Seek> {
    inner: Option<W>,
    block: u32,
    /// Bytes of sound.
    written: u32,
    dirty: bool,
    buffer: Vec<u8>,
}

impl<W: Write + Seek> WavWriter<W> {
    /// Begin a file of 1 or 2 channels at the stream's start.
    ///
    /// # Errors
    /// [`WavError::Io`]; [`WavError::Unsupported`] for other channel counts.
    pub fn new(mut inner: W, rate: Rate, channels: u8) -> Result<Self, WavError> {
        if !(1..=2).contains(&channels) {
            return Err(WavError::Unsupported {
                what: "channel count",
                value: u32::from(channels),
                offset: 22,
                supported: "mono and stereo are written",
            });
        }
        let block = u32::from(channels) * 2;
        let mut header = Vec::with_capacity(HEADER as usize);
        header.extend_from_slice(b"RIFF");
        header.extend_from_slice(&(HEADER - 8).to_le_bytes());
        header.extend_from_slice(b"WAVEfmt ");
        header.extend_from_slice(&16_u32.to_le_bytes());
        header.extend_from_slice(&1_u16.to_le_bytes());
        header.extend_from_slice(&u16::from(channels).to_le_bytes());
        header.extend_from_slice(&rate.hz().to_le_bytes());
        header.extend_from_slice(&(rate.hz() * block).to_le_bytes());
        header.extend_from_slice(&(block as u16).to_le_bytes());
        header.extend_from_slice(&16_u16.to_le_bytes());
        header.extend_from_slice(b"data");
        header.extend_from_slice(&0_u32.to_le_bytes());
        inner.seek(SeekFrom::Start(0))?;
        inner.write_all(&header)?;
        inner.flush()?;
        Ok(WavWriter {
            inner: Some(inner),
            block,
            written: 0,
            dirty: false,
            buffer: Vec::new(),
        })
    }

    /// Append interleaved samples.
    ///
    /// # Errors
    /// [`WavError::TooLong`], and nothing is written; [`WavError::Io`].
    pub fn write(&mut self, samples: &[i16]) -> Result<(), WavError> {
        let bytes = u32::try_from(samples.len() * 2).map_err(|_| WavError::TooLong)?;
        let total = self
            .written
            .checked_add(bytes)
            .filter(|total| *total <= u32::MAX - HEADER)
            .ok_or(WavError::TooLong)?;
        let Some(inner) = &mut self.inner else {
            return Ok(());
        };
        self.buffer.clear();
        self.buffer
            .extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        inner.write_all(&self.buffer)?;
        self.written = total;
        self.dirty = true;
        Ok(())
    }

    /// Samples of each channel written so far.
    pub fn frames(&self) -> u64 {
        u64::from(self.written / self.block)
    }

    /// Bytes of the file so far, header included.
    pub fn bytes(&self) -> u64 {
        u64::from(self.written) + u64::from(HEADER)
    }

    /// Bring the header up to date and flush the stream.
    ///
    /// # Errors
    /// [`WavError::Io`].
    pub fn flush(&mut self) -> Result<(), WavError> {
        let Some(inner) = &mut self.inner else {
            return Ok(());
        };
        if self.dirty {
            // The sound first: a header must not promise what is not there.
            inner.flush()?;
            inner.seek(SeekFrom::Start(4))?;
            inner.write_all(&(self.written + HEADER - 8).to_le_bytes())?;
            inner.seek(SeekFrom::Start(u64::from(HEADER - 4)))?;
            inner.write_all(&self.written.to_le_bytes())?;
            inner.seek(SeekFrom::Start(u64::from(HEADER) + u64::from(self.written)))?;
            self.dirty = false;
        }
        inner.flush()?;
        Ok(())
    }

    /// Flush, and give the stream back.
    ///
    /// # Errors
    /// [`WavError::Io`].
    pub fn finish(mut self) -> Result<W, WavError> {
        self.flush()?;
        self.inner
            .take()
            .ok_or_else(|| std::io::Error::other("already finished").into())
    }
}

impl<W: Write + Seek> Drop for WavWriter<W> {
    fn drop(&mut self) {
        // Nobody is left to tell of an error; `finish` tells.
        let _ = self.flush();
    }
}
