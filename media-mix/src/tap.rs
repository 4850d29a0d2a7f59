//! A bounded pipe of PCM between a mixer's thread and another: for transcribers, voice agents, sound cards.
//!
//! Neither end ever waits for the other, and there is no lock. A writer that is faster than its reader overwrites the
//! oldest samples; a reader that is faster than its writer hears silence; both are counted. So a stalled transcriber
//! costs itself the oldest sound, and never the call.
//!
//! ```
//! let (mut writer, mut reader) = media_mix::tap(160);
//! writer.write(&[1; 120]);
//! let mut heard = [0; 160];
//! assert_eq!(reader.fill(&mut heard), 120);
//! assert_eq!(heard[119..121], [1, 0]);
//! writer.write(&[2; 200]);
//! assert_eq!(reader.read(&mut heard), 160);
//! assert_eq!((reader.lost(), reader.missing()), (40, 40));
//! ```

mod bell;
#[cfg(feature = "futures")]
mod poll;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI16, AtomicU64, Ordering, fence};

use self::bell::Bell;
#[cfg(feature = "futures")]
pub use self::poll::{TapAbandoned, TapSink, TapStream};

/// Make a pipe that holds `samples` samples (at least one).
pub fn tap(samples: usize) -> (TapWriter, TapReader) {
    let ring = Arc::new(Ring {
        samples: (0..samples.max(1)).map(|_| AtomicI16::new(0)).collect(),
        claimed: AtomicU64::new(0),
        written: AtomicU64::new(0),
        read: AtomicU64::new(0),
        ended: AtomicBool::new(false),
        abandoned: AtomicBool::new(false),
        reader: Bell::default(),
        writer: Bell::default(),
    });
    (
        TapWriter {
            ring: Arc::clone(&ring),
        },
        TapReader {
            ring,
            at: 0,
            lost: 0,
            missing: 0,
        },
    )
}

/// Positions count samples since the beginning; a sample's place is its position modulo the ring's length.
///
/// A sequence lock: the writer announces what it is about to overwrite (`claimed`), writes, and publishes (`written`).
/// The reader copies what is published, and then keeps only what was not claimed meanwhile.
#[derive(Debug)]
struct Ring {
    samples: Box<[AtomicI16]>,
    claimed: AtomicU64,
    written: AtomicU64,
    /// How far the reader is: who waits for room looks at it.
    read: AtomicU64,
    /// The writer is gone, and so is the reader.
    ended: AtomicBool,
    abandoned: AtomicBool,
    /// Rung when there is more to read, and when there is more room.
    reader: Bell,
    writer: Bell,
}

/// The end that writes.
#[derive(Debug)]
pub struct TapWriter {
    ring: Arc<Ring>,
}

impl TapWriter {
    /// Append samples, over the oldest if there is no room. Never waits, never allocates.
    pub fn write(&mut self, pcm: &[i16]) {
        let ring = &*self.ring;
        let len = ring.samples.len();
        let start = ring.written.load(Ordering::Relaxed);
        let end = start + pcm.len() as u64;
        ring.claimed.store(end, Ordering::Relaxed);
        // Whoever sees a new sample also sees the claim.
        fence(Ordering::Release);
        // Of more than fits, only the end will ever be read.
        let skipped = pcm.len().saturating_sub(len);
        for (position, &x) in (start + skipped as u64..).zip(&pcm[skipped..]) {
            ring.samples[(position % len as u64) as usize].store(x, Ordering::Relaxed);
        }
        ring.written.store(end, Ordering::Release);
        ring.reader.ring();
    }

    /// The reader is gone: what is written is not heard any more.
    pub fn is_abandoned(&self) -> bool {
        self.ring.abandoned.load(Ordering::Relaxed)
    }
}

impl Drop for TapWriter {
    fn drop(&mut self) {
        // What the writer wrote last is seen by whoever sees it gone.
        self.ring.ended.store(true, Ordering::Release);
        self.ring.reader.ring();
    }
}

/// The end that reads.
#[derive(Debug)]
pub struct TapReader {
    ring: Arc<Ring>,
    at: u64,
    lost: u64,
    missing: u64,
}

impl TapReader {
    /// Samples that wait.
    pub fn available(&self) -> usize {
        let waiting = self.ring.written.load(Ordering::Acquire) - self.at;
        usize::try_from(waiting)
            .unwrap_or(usize::MAX)
            .min(self.ring.samples.len())
    }

    /// Take what waits, as much as fits, oldest first; returns how much. Never waits.
    pub fn read(&mut self, out: &mut [i16]) -> usize {
        let len = self.ring.samples.len() as u64;
        loop {
            let written = self.ring.written.load(Ordering::Acquire);
            let oldest = written.saturating_sub(len);
            if self.at < oldest {
                self.lost += oldest - self.at;
                self.at = oldest;
            }
            let n = (written - self.at).min(out.len() as u64) as usize;
            for (position, slot) in (self.at..).zip(&mut out[..n]) {
                *slot = self.ring.samples[(position % len) as usize].load(Ordering::Relaxed);
            }
            fence(Ordering::Acquire);
            // Overwritten while we read: the samples from here on are still good, but they must be read again, since
            // what was copied may be torn.
            let claimed = self.ring.claimed.load(Ordering::Relaxed);
            let safe = claimed.saturating_sub(len);
            if n > 0 && self.at < safe {
                // No further than what is published: the claim is not yet filled.
                let skip_to = safe.min(written).max(self.at + 1);
                self.lost += skip_to - self.at;
                self.at = skip_to;
                continue;
            }
            self.at += n as u64;
            self.ring.read.store(self.at, Ordering::Release);
            self.ring.writer.ring();
            return n;
        }
    }

    /// Fill the whole of `out`, with silence where samples are missing; returns how many were there.
    pub fn fill(&mut self, out: &mut [i16]) -> usize {
        let n = self.read(out);
        out[n..].fill(0);
        self.missing += (out.len() - n) as u64;
        n
    }

    /// Samples lost because they were not read in time.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Samples of silence that [`TapReader::fill`] put in for those that were not written in time.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// The writer is gone: nothing will come after what waits.
    pub fn is_ended(&self) -> bool {
        self.ring.ended.load(Ordering::Acquire)
    }
}

impl Drop for TapReader {
    fn drop(&mut self) {
        self.ring.abandoned.store(true, Ordering::Relaxed);
        self.ring.writer.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_lost_and_counted() {
        let (mut writer, mut reader) = tap(100);
        let said: Vec<i16> = (0..250).collect();
        writer.write(&said[..60]);
        writer.write(&said[60..130]);
        assert_eq!(reader.available(), 100);
        let mut out = [0; 70];
        assert_eq!(reader.read(&mut out), 70);
        assert_eq!((out[0], out[69], reader.lost()), (30, 99, 30));
        writer.write(&said);
        assert_eq!(reader.read(&mut out), 70);
        assert_eq!((out[0], reader.lost()), (150, 30 + 30 + 150));
        assert_eq!((reader.read(&mut out), reader.read(&mut out)), (30, 0));
        drop(writer);
        assert!(reader.is_ended());
    }

    #[test]
    #[allow(
        clippy::disallowed_methods,
        reason = "the other end lives on another thread"
    )]
    fn a_fast_writer_and_a_slow_reader_on_two_threads_never_tear() {
        let (mut writer, mut reader) = tap(1000);
        const TOTAL: u64 = 3_000_000;
        let thread = std::thread::spawn(move || {
            let mut position = 0_u64;
            while position < TOTAL {
                let n = 1 + position % 170;
                let frame: Vec<i16> = (position..position + n)
                    .map(|p| (p % 32_000) as i16)
                    .collect();
                writer.write(&frame);
                position += n;
            }
            position
        });
        let (mut read, mut out) = (0_u64, vec![0; 300]);
        loop {
            let ended = reader.is_ended();
            let n = reader.read(&mut out);
            read += n as u64;
            // The last sample's position is known: what was read and what was lost.
            let first = read - n as u64 + reader.lost();
            for (position, &x) in (first..).zip(&out[..n]) {
                assert_eq!(x, (position % 32_000) as i16);
            }
            if ended && n == 0 {
                break;
            }
        }
        assert_eq!(read + reader.lost(), thread.join().unwrap());
    }
}
