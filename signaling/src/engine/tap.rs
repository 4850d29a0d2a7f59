//! Sound between an application and a media thread: bounded, wait-free, never a reason for the mixer to wait.
//!
//! A [`PcmReader`] that is read too slowly loses its oldest samples, a [`PcmWriter`] that is fed too slowly gives
//! silence; both are counted. Samples are mono, 16 bit.

use media_mix::{Rate, TapReader, TapWriter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Two seconds: enough for an application that looks at its taps once a second.
pub(crate) const TAP_SECONDS: usize = 2;

/// Takes sound out of a session.
#[derive(Debug)]
pub struct PcmReader {
    ring: TapReader,
    rate: Rate,
}

/// Brings sound into a session, as the voice of a participant.
#[derive(Debug)]
pub struct PcmWriter {
    ring: rtrb::Producer<i16>,
    rate: Rate,
    missed: Arc<AtomicU64>,
}

/// The media thread's end of a [`PcmReader`].
#[derive(Debug)]
pub(crate) struct TapSink {
    ring: TapWriter,
    rate: Rate,
}

/// The media thread's end of a [`PcmWriter`].
#[derive(Debug)]
pub(crate) struct FeedSource {
    ring: rtrb::Consumer<i16>,
    rate: Rate,
    missed: Arc<AtomicU64>,
}

pub(crate) fn tap(rate: Rate) -> (TapSink, PcmReader) {
    let (write, read) = media_mix::tap(rate.samples(1000 * TAP_SECONDS));
    (
        TapSink { ring: write, rate },
        PcmReader { ring: read, rate },
    )
}

pub(crate) fn feed(rate: Rate) -> (PcmWriter, FeedSource) {
    let (write, read) = rtrb::RingBuffer::new(rate.samples(1000 * TAP_SECONDS));
    let missed = Arc::new(AtomicU64::new(0));
    (
        PcmWriter {
            ring: write,
            rate,
            missed: missed.clone(),
        },
        FeedSource {
            ring: read,
            rate,
            missed,
        },
    )
}

impl PcmReader {
    /// The rate of its samples.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Moves what has come, oldest first, into the front of `out`; returns how many samples that were.
    pub fn read(&mut self, out: &mut [i16]) -> usize {
        self.ring.read(out)
    }

    /// Appends all that has come to `out`; returns how many samples that were.
    pub fn drain_into(&mut self, out: &mut Vec<i16>) -> usize {
        let from = out.len();
        out.resize(from + self.ring.available(), 0);
        let read = self.read(&mut out[from..]);
        out.truncate(from + read);
        read
    }

    /// Samples that were lost because nobody read them in time: the oldest make room.
    pub fn lost(&self) -> u64 {
        self.ring.lost()
    }

    /// Whether the session will never give more: the participant or the call is gone.
    pub fn is_ended(&self) -> bool {
        self.ring.is_ended()
    }
}

impl PcmWriter {
    /// The rate of its samples.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Gives the session as many of `samples` as there is room for; returns how many that were.
    pub fn write(&mut self, samples: &[i16]) -> usize {
        self.ring.push_partial_slice(samples).0.len()
    }

    /// How many samples [`PcmWriter::write`] would take now.
    pub fn room(&self) -> usize {
        self.ring.slots()
    }

    /// Samples of silence that were mixed because none had been written.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Whether nobody listens any more.
    pub fn is_ended(&self) -> bool {
        self.ring.is_abandoned()
    }
}

impl TapSink {
    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    pub(crate) fn write(&mut self, samples: &[i16]) {
        self.ring.write(samples);
    }
}

impl FeedSource {
    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    pub(crate) fn fill(&mut self, out: &mut [i16]) {
        let read = self.ring.pop_partial_slice(out).0.len();
        out[read..].fill(0);
        if read < out.len() {
            self.missed
                .fetch_add((out.len() - read) as u64, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_reader_loses_and_knows_how_much() {
        let (mut sink, mut reader) = tap(Rate::Khz8);
        let capacity = 8000 * TAP_SECONDS;
        sink.write(&[1; 5]);
        sink.write(&vec![7; capacity]);
        let mut out = Vec::new();
        assert_eq!(reader.drain_into(&mut out), capacity);
        assert_eq!(reader.lost(), 5);
        assert!(
            out.iter().all(|&sample| sample == 7),
            "the oldest made room"
        );
        assert!(!reader.is_ended());
        drop(sink);
        assert!(reader.is_ended());
    }

    #[test]
    fn a_slow_writer_gives_silence_and_knows_how_much() {
        let (mut writer, mut source) = feed(Rate::Khz8);
        assert_eq!(writer.write(&[1, 2, 3]), 3);
        let mut frame = [9; 5];
        source.fill(&mut frame);
        assert_eq!(frame, [1, 2, 3, 0, 0]);
        assert_eq!(writer.missed(), 2);
    }
}
