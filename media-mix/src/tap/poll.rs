//! A tap's ends as `futures::Stream` and `futures::Sink`, for tasks of any runtime (feature `futures`).
//!
//! The end on the mixer's side stays a [`TapWriter`] or [`TapReader`], which never waits. A stream gives pieces of one
//! length; a slow task loses the oldest sound, as with [`TapReader::read`]. A sink waits for room instead of writing over
//! what was not heard yet, so whoever makes speech faster than it is spoken is held back to its pace.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_sink::Sink;
use thiserror::Error;

use super::{TapReader, TapWriter};

/// The reader of a tap is gone: nobody hears what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("nobody reads this tap any more")]
pub struct TapAbandoned;

/// Sound as it comes, in pieces of one length; the last one may be shorter. Ends when the writer is dropped.
#[derive(Debug)]
pub struct TapStream {
    reader: TapReader,
    samples: usize,
}

impl TapReader {
    /// A stream of pieces of `samples` samples, at least one and at most what the tap holds.
    pub fn into_stream(self, samples: usize) -> TapStream {
        let samples = samples.clamp(1, self.ring.samples.len());
        TapStream {
            reader: self,
            samples,
        }
    }
}

impl TapStream {
    /// The reader inside: for [`TapReader::lost`].
    pub fn reader(&self) -> &TapReader {
        &self.reader
    }

    fn next(&mut self, wanted: usize) -> Option<Vec<i16>> {
        if self.reader.available() < wanted {
            return None;
        }
        let mut piece = vec![0; self.samples];
        let n = self.reader.read(&mut piece);
        piece.truncate(n);
        (n > 0).then_some(piece)
    }
}

impl Stream for TapStream {
    type Item = Vec<i16>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Vec<i16>>> {
        let samples = self.samples;
        if let Some(piece) = self.next(samples) {
            return Poll::Ready(Some(piece));
        }
        self.reader.ring.reader.listen(context.waker());
        // Asked in this order, an end that comes after the question rings.
        let ended = self.reader.is_ended();
        match self.next(if ended { 1 } else { samples }) {
            Some(piece) => Poll::Ready(Some(piece)),
            None if ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

/// Sound to be heard, in pieces of any length. Dropping or closing it ends the tap.
#[derive(Debug)]
pub struct TapSink {
    writer: Option<TapWriter>,
    /// What did not fit yet, from `sent` on.
    pending: Vec<i16>,
    sent: usize,
}

impl TapWriter {
    /// A sink that takes pieces of any length, and waits while the tap is full.
    pub fn into_sink(self) -> TapSink {
        TapSink {
            writer: Some(self),
            pending: Vec::new(),
            sent: 0,
        }
    }
}

impl TapSink {
    /// Write what fits; `Ready` once nothing is pending.
    fn push(&mut self, context: Option<&Context<'_>>) -> Poll<Result<(), TapAbandoned>> {
        let Some(writer) = &mut self.writer else {
            return Poll::Ready(Err(TapAbandoned));
        };
        let mut listened = false;
        loop {
            if writer.is_abandoned() {
                return Poll::Ready(Err(TapAbandoned));
            }
            let waiting = writer.ring.written.load(Ordering::Relaxed)
                - writer.ring.read.load(Ordering::Acquire);
            let room = (writer.ring.samples.len() as u64).saturating_sub(waiting) as usize;
            let rest = &self.pending[self.sent..];
            let now = room.min(rest.len());
            if now > 0 {
                writer.write(&rest[..now]);
                self.sent += now;
            }
            if self.sent == self.pending.len() {
                self.pending.clear();
                self.sent = 0;
                return Poll::Ready(Ok(()));
            }
            match context {
                Some(context) if !listened => writer.ring.writer.listen(context.waker()),
                _ => return Poll::Pending,
            }
            // Room may have been made between the look and the listening.
            listened = true;
        }
    }
}

impl<T: AsRef<[i16]>> Sink<T> for TapSink {
    type Error = TapAbandoned;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), TapAbandoned>> {
        self.push(Some(context))
    }

    fn start_send(mut self: Pin<&mut Self>, piece: T) -> Result<(), TapAbandoned> {
        self.pending.extend_from_slice(piece.as_ref());
        match self.push(None) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), TapAbandoned>> {
        self.push(Some(context))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), TapAbandoned>> {
        if self.writer.is_none() {
            return Poll::Ready(Ok(()));
        }
        let done = self.push(Some(context));
        if done.is_ready() {
            self.writer = None;
        }
        done
    }
}
