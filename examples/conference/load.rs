//! How long ticks take and how late they are, as a line and as an object.

use std::fmt;
use std::time::Duration;

use examples::checks::Checks;
use serde::Serialize;
use signaling::engine::Lateness;

/// A tick, ms: as long as mixing may take.
const TICK_MS: f64 = 20.0;

/// The room at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Load {
    /// Always `load`.
    event: &'static str,
    /// Since the room was opened.
    seconds: f64,
    /// Everyone in the room, and of these the phones and the simulated.
    participants: usize,
    phones: usize,
    simulated: usize,
    /// How long a tick takes: the mean of late, and the longest, ms.
    tick_ms: f64,
    longest_ms: f64,
    /// Ticks run, those more than 5 ms late, those left out, and the latest, ms.
    ticks: u64,
    late: u64,
    dropped: u64,
    latest_ms: f64,
}

/// Who is in the room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    pub(crate) all: usize,
    pub(crate) phones: usize,
    pub(crate) simulated: usize,
}

impl Load {
    pub(crate) fn new(seconds: f64, heads: Heads, ticks: Lateness) -> Self {
        Self {
            event: "load",
            seconds,
            participants: heads.all,
            phones: heads.phones,
            simulated: heads.simulated,
            tick_ms: ms(ticks.busy),
            longest_ms: ms(ticks.longest),
            ticks: ticks.ticks,
            late: ticks.late,
            dropped: ticks.dropped,
            latest_ms: ms(ticks.worst),
        }
    }

    /// Whether the machine kept up: ticks take less than half of their time, and hardly any were left out.
    pub(crate) fn check(&self, checks: &mut Checks) {
        let figure = format!(
            "{:.2} ms of 20, longest {:.1} ms, with {} in the room",
            self.tick_ms, self.longest_ms, self.participants
        );
        checks.add("tick time", figure, self.tick_ms < TICK_MS / 2.0);
        let figure = format!(
            "{} of {} ticks over 5 ms late, latest {:.1} ms, {} left out",
            self.late, self.ticks, self.latest_ms, self.dropped
        );
        // A machine that was stopped for a moment drops a dozen at once.
        checks.add("lateness", figure, self.dropped * 10 <= self.ticks);
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "  {:5.1} s  {} in the room ({} by phone)  tick {:.2} ms, longest {:.1}  late {} of {}, latest {:.1} ms",
            self.seconds,
            self.participants,
            self.phones,
            self.tick_ms,
            self.longest_ms,
            self.late,
            self.ticks,
            self.latest_ms
        )
    }
}

/// To the microsecond.
fn ms(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}
