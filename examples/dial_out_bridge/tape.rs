//! What one listener hears, taken out of the session as it comes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use media_mix::Rate;
use signaling::engine::PcmReader;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::files::Sound;

/// How often what came is taken; the session keeps two seconds for whoever is late.
const PERIOD: Duration = Duration::from_millis(20);

/// How long a state is given to settle before anyone listens closely.
pub(crate) const SETTLE: Duration = Duration::from_millis(200);

/// How much of a tape can be looked at again; what is older is only in the file.
const KEPT_SECONDS: usize = 4;

/// A tape that runs until it is dropped.
#[derive(Clone)]
pub(crate) struct Tape(Arc<Mutex<Inner>>);

struct Inner {
    reader: PcmReader,
    /// The last seconds.
    kept: Vec<i16>,
    /// Samples that came before those kept.
    before: usize,
    file: Option<Sound>,
}

/// A place on a tape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark(usize);

impl Tape {
    /// Records what `reader` gives, into a file as well if there is one.
    pub(crate) fn new(reader: PcmReader, file: Option<Sound>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            reader,
            kept: Vec::new(),
            before: 0,
            file,
        })))
    }

    /// The rate of its samples.
    pub(crate) fn rate(&self) -> Rate {
        self.lock().reader.rate()
    }

    /// Samples that were lost since nobody took them in time.
    pub(crate) fn lost(&self) -> u64 {
        self.lock().reader.lost()
    }

    /// Takes what came.
    pub(crate) fn turn(&self) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let from = inner.kept.len();
        inner.reader.drain_into(&mut inner.kept);
        if let Some(file) = &mut inner.file {
            file.write(&inner.kept[from..]);
        }
        let keep = inner.reader.rate().samples(1000 * KEPT_SECONDS);
        // Twice as much is held, so that samples are moved once in a while and not at every turn.
        if inner.kept.len() > 2 * keep {
            let old = inner.kept.len() - keep;
            inner.kept.drain(..old);
            inner.before += old;
        }
    }

    /// Where the tape is now.
    pub(crate) fn mark(&self) -> Mark {
        self.turn();
        let inner = self.lock();
        Mark(inner.before + inner.kept.len())
    }

    /// `samples` from `mark` on, or `None` while they have not come.
    pub(crate) fn since(&self, mark: Mark, samples: usize) -> Option<Vec<i16>> {
        let inner = self.lock();
        let from = mark.0.checked_sub(inner.before)?;
        inner.kept.get(from..from + samples).map(<[i16]>::to_vec)
    }

    /// Takes what is left and closes the file.
    pub(crate) fn stop(&self) -> Option<Sound> {
        self.turn();
        self.lock().file.take()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns a tape until the future is dropped.
pub(crate) async fn roll(tape: Tape) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        tape.turn();
    }
}

/// Lets the state settle, and then listens for `length` to every tape at once.
///
/// A tape that gives less than that within two seconds more gives what it has.
pub(crate) async fn listen(tapes: &[&Tape], length: Duration) -> Vec<Vec<i16>> {
    sleep(SETTLE).await;
    let marks: Vec<_> = tapes.iter().map(|tape| tape.mark()).collect();
    let samples: Vec<_> = tapes
        .iter()
        .map(|tape| tape.rate().samples(length.as_millis() as usize))
        .collect();
    let all_there = async {
        sleep(length).await;
        while tapes
            .iter()
            .zip(&marks)
            .zip(&samples)
            .any(|((tape, mark), n)| tape.since(*mark, *n).is_none())
        {
            sleep(PERIOD).await;
        }
    };
    let _ = timeout(length + Duration::from_secs(2), all_there).await;
    let heard = |((tape, mark), wanted): ((&&Tape, &Mark), &usize)| {
        (0..=*wanted)
            .rev()
            .step_by(tape.rate().samples(1))
            .find_map(|n| tape.since(*mark, n))
            .unwrap_or_default()
    };
    tapes.iter().zip(&marks).zip(&samples).map(heard).collect()
}
