//! A recorder: PCM into a WAV file that is right whenever the program ends, and never longer than it may be.

use std::io::{Seek, Write};

use crate::rate::Rate;
use crate::wav::{WavError, WavWriter};

/// What became of recorded samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum Recorded {
    /// They are in the file.
    Written,
    /// The file is as long as it may be; what did not fit is lost, and so will be what comes.
    Full,
}

/// Writes 16-bit PCM, one or two channels, and brings the header up to date every second of sound.
///
/// It writes where it is called: on a media thread, hand it a stream that only buffers.
#[derive(Debug)]
pub struct Recorder<W: Write + Seek> {
    writer: WavWriter<W>,
    channels: usize,
    most_frames: u64,
    flush_every: u64,
    flushed_at: u64,
    buffer: Vec<i16>,
}

impl<W: Write + Seek> Recorder<W> {
    /// Begin a file that may hold `most_seconds` seconds, and 4 GiB at most.
    ///
    /// # Errors
    /// [`WavError::Io`]; [`WavError::Unsupported`] for other than one or two channels.
    pub fn new(stream: W, rate: Rate, channels: u8, most_seconds: u64) -> Result<Self, WavError> {
        let writer = WavWriter::new(stream, rate, channels)?;
        let second = u64::from(rate.hz());
        let format = u64::from(u32::MAX - 64) / (2 * u64::from(channels));
        Ok(Recorder {
            writer,
            channels: usize::from(channels),
            most_frames: most_seconds.saturating_mul(second).min(format),
            flush_every: second,
            flushed_at: 0,
            buffer: Vec::new(),
        })
    }

    /// Record interleaved samples.
    ///
    /// # Errors
    /// [`WavError::Io`].
    pub fn record(&mut self, samples: &[i16]) -> Result<Recorded, WavError> {
        let left = self.most_frames - self.writer.frames().min(self.most_frames);
        let frames = (samples.len() / self.channels) as u64;
        let now = frames.min(left);
        self.writer
            .write(&samples[..now as usize * self.channels])?;
        if self.writer.frames() >= self.flushed_at + self.flush_every || now < frames {
            self.flushed_at = self.writer.frames();
            self.writer.flush()?;
        }
        Ok(if now < frames {
            Recorded::Full
        } else {
            Recorded::Written
        })
    }

    /// Record a tick of two mono tracks, left and right, into a file of two channels; the shorter one is filled up with
    /// silence. In a file of one channel they are averaged.
    ///
    /// # Errors
    /// [`WavError::Io`].
    pub fn record_tracks(&mut self, left: &[i16], right: &[i16]) -> Result<Recorded, WavError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        interleave(left, right, self.channels, &mut buffer);
        let recorded = self.record(&buffer);
        self.buffer = buffer;
        recorded
    }

    /// Samples of each channel so far.
    pub fn frames(&self) -> u64 {
        self.writer.frames()
    }

    /// End the file, and give the stream back.
    ///
    /// # Errors
    /// [`WavError::Io`].
    pub fn finish(self) -> Result<W, WavError> {
        self.writer.finish()
    }
}

/// Two mono tracks as a file of one or two channels has them, in place of what was in `out`.
pub(crate) fn interleave(left: &[i16], right: &[i16], channels: usize, out: &mut Vec<i16>) {
    out.clear();
    for n in 0..left.len().max(right.len()) {
        let (l, r) = (
            left.get(n).copied().unwrap_or(0),
            right.get(n).copied().unwrap_or(0),
        );
        if channels == 2 {
            out.extend([l, r]);
        } else {
            out.push(((i32::from(l) + i32::from(r)) >> 1) as i16);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::wav::WavReader;

    #[test]
    fn it_stops_at_its_limit_and_says_so() {
        let mut recorder = Recorder::new(Cursor::new(Vec::new()), Rate::Khz8, 1, 2).unwrap();
        for n in 0..110 {
            let recorded = recorder.record(&[n; 160]).unwrap();
            assert_eq!(recorded == Recorded::Full, n >= 100, "{n}");
        }
        let file = recorder.finish().unwrap().into_inner();
        assert_eq!(
            WavReader::new(&file[..]).unwrap().spec().frames,
            Some(16_000)
        );
    }

    #[test]
    fn two_tracks_are_left_and_right() {
        let mut recorder = Recorder::new(Cursor::new(Vec::new()), Rate::Khz16, 2, 10).unwrap();
        assert_eq!(
            recorder.record_tracks(&[1, 2, 3], &[-1]).unwrap(),
            Recorded::Written
        );
        assert_eq!(recorder.frames(), 3);
        let file = recorder.finish().unwrap().into_inner();
        let mut heard = [9; 8];
        assert_eq!(
            WavReader::new(&file[..]).unwrap().read(&mut heard).unwrap(),
            6
        );
        assert_eq!(heard[..6], [1, -1, 2, 0, 3, 0]);
    }
}
