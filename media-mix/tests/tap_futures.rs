//! A tap between a mixer's thread and tasks: nothing is lost where both keep up, nothing waits on the mixer's side.
#![cfg(feature = "futures")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(
    clippy::disallowed_methods,
    reason = "the other end lives on another thread"
)]

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use futures_core::Stream;
use futures_sink::Sink;
use media_mix::{TapAbandoned, TapSink, TapStream, tap};

/// The smallest executor: it sleeps until it is woken, and counts how often.
struct Unpark(Thread, AtomicUsize);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current(), AtomicUsize::new(0))));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            // A wake that is lost is a test that fails, not one that hangs.
            Poll::Pending => thread::park_timeout(Duration::from_secs(10)),
        }
    }
}

async fn next(stream: &mut TapStream) -> Option<Vec<i16>> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

async fn send(sink: &mut TapSink, piece: &[i16]) -> Result<(), TapAbandoned> {
    let mut sink = Pin::new(sink);
    poll_fn(|context| Sink::<&[i16]>::poll_ready(sink.as_mut(), context)).await?;
    sink.as_mut().start_send(piece)
}

#[test]
fn a_stream_gives_pieces_of_one_length_then_the_rest_then_ends() {
    let (mut writer, reader) = tap(8_000);
    let mut stream = reader.into_stream(160);
    let thread = thread::spawn(move || {
        for n in 0..25_i16 {
            writer.write(&[n; 100]);
            thread::sleep(Duration::from_millis(1));
        }
        writer.write(&[99; 10]);
    });
    block_on(async {
        let mut heard = Vec::new();
        while let Some(piece) = next(&mut stream).await {
            assert!(piece.len() == 160 || heard.len() + piece.len() == 2510);
            heard.extend(piece);
        }
        assert_eq!((heard.len(), stream.reader().lost()), (2510, 0));
        assert_eq!((heard[0], heard[2400], heard[2509]), (0, 24, 99));
        assert_eq!(next(&mut stream).await, None);
    });
    thread.join().unwrap();
}

#[test]
fn a_slow_stream_loses_the_oldest_and_counts_them() {
    let (mut writer, reader) = tap(480);
    for n in 0..10 {
        writer.write(&[n; 160]);
    }
    let mut stream = reader.into_stream(10_000);
    let piece = block_on(next(&mut stream)).unwrap();
    assert_eq!((piece.len(), piece[0], piece[479]), (480, 7, 9));
    assert_eq!(stream.reader().lost(), 7 * 160);
}

#[test]
fn a_sink_is_held_back_to_the_pace_of_the_mixer() {
    let (writer, mut reader) = tap(320);
    let mut sink = writer.into_sink();
    // The mixer's side: a tick takes what is there, and never waits.
    let mixer = thread::spawn(move || {
        let mut heard = Vec::new();
        let mut frame = [0; 160];
        while !(reader.is_ended() && reader.available() == 0) {
            let n = reader.fill(&mut frame);
            heard.extend_from_slice(&frame[..n]);
            assert!(frame[n..].iter().all(|&x| x == 0));
            thread::sleep(Duration::from_micros(200));
        }
        (heard, reader.lost())
    });
    let said: Vec<i16> = (0..20_000).collect();
    block_on(async {
        for piece in said.chunks(777) {
            send(&mut sink, piece).await.unwrap();
        }
        poll_fn(|context| Sink::<&[i16]>::poll_close(Pin::new(&mut sink), context))
            .await
            .unwrap();
    });
    let (heard, lost) = mixer.join().unwrap();
    assert_eq!(lost, 0, "a sink writes over nothing");
    assert_eq!(heard, said);
}

#[test]
fn a_sink_without_a_reader_says_so() {
    let (writer, reader) = tap(100);
    let mut sink = writer.into_sink();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        drop(reader);
    });
    let sent = block_on(async {
        loop {
            if let Err(error) = send(&mut sink, &[1; 70]).await {
                return error;
            }
        }
    });
    assert_eq!(sent, TapAbandoned);
    thread.join().unwrap();
}
