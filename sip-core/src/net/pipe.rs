//! A queue between two tasks that has a limit, tells when there is room again, and takes what must not be lost beyond it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// One end writes, the other reads; neither waits for the other but by its waker.
#[derive(Debug)]
pub(crate) struct Pipe<T> {
    state: Mutex<State<T>>,
    limit: usize,
}

#[derive(Debug)]
struct State<T> {
    queue: VecDeque<T>,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl<T> Pipe<T> {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                closed: false,
                reader: None,
                writer: None,
            }),
            limit,
        })
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes if there is room; whether there was, or nobody reads any more.
    pub(crate) fn offer(&self, item: T) -> bool {
        let state = self.state();
        let fits = state.closed || state.queue.len() < self.limit;
        if fits {
            Self::write(state, item);
        }
        fits
    }

    /// Writes even where there is no room: for writers that first [wait for it](Self::poll_room), and then may write a
    /// little more than one.
    pub(crate) fn push(&self, item: T) {
        Self::write(self.state(), item);
    }

    fn write(mut state: MutexGuard<'_, State<T>>, item: T) {
        if state.closed {
            return;
        }
        state.queue.push_back(item);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Whether there is room, as there always is where nobody reads any more; the task is woken when there is.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.closed || state.queue.len() < self.limit {
            return Poll::Ready(());
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(crate) fn has_room(&self) -> bool {
        let state = self.state();
        state.closed || state.queue.len() < self.limit
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Reads up to so many; whether there are more. With nothing there, the task is woken when there is.
    pub(crate) fn read(&self, cx: &mut Context<'_>, most: usize, into: &mut VecDeque<T>) -> bool {
        let mut state = self.state();
        if state.queue.is_empty() {
            state.reader = Some(cx.waker().clone());
            return false;
        }
        let count = most.min(state.queue.len());
        into.extend(state.queue.drain(..count));
        let left = !state.queue.is_empty();
        let writer = match state.queue.len() < self.limit {
            true => state.writer.take(),
            false => None,
        };
        // What a burst needed is given back.
        if !left && state.queue.capacity() > self.limit {
            state.queue = VecDeque::new();
        }
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
        left
    }

    /// Nobody reads any more, or nobody writes.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.queue = VecDeque::new();
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn both_ends_are_woken_and_the_limit_holds_for_what_may_be_lost() {
        let (reader, writer) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
        let (at_reader, at_writer) = (Waker::from(reader.clone()), Waker::from(writer.clone()));
        let (mut reads, mut writes) = (
            Context::from_waker(&at_reader),
            Context::from_waker(&at_writer),
        );
        let woken = |who: &Arc<Woken>| who.0.swap(0, Ordering::Relaxed);
        let pipe = Pipe::new(2);
        let mut got = VecDeque::new();
        assert!(!pipe.read(&mut reads, 9, &mut got));
        assert!(pipe.offer(1) && pipe.offer(2) && !pipe.offer(3));
        assert_eq!(woken(&reader), 1, "once, as it has not looked since");
        pipe.push(4);
        assert!(pipe.poll_room(&mut writes).is_pending() && !pipe.has_room());
        assert!(pipe.read(&mut reads, 1, &mut got));
        assert_eq!(woken(&writer), 0, "full still");
        assert!(!pipe.read(&mut reads, 9, &mut got));
        assert_eq!(woken(&writer), 1);
        assert_eq!(got, [1, 2, 4]);
        assert!(pipe.poll_room(&mut writes).is_ready());
    }

    #[test]
    fn what_nobody_reads_is_not_kept() {
        let pipe = Pipe::new(1);
        pipe.push(1);
        pipe.close();
        pipe.push(2);
        assert!(pipe.is_closed() && pipe.has_room() && pipe.offer(3));
        let mut got = VecDeque::new();
        assert!(!pipe.read(&mut Context::from_waker(Waker::noop()), 9, &mut got));
        assert!(got.is_empty());
    }
}
