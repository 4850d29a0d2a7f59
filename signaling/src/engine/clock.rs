//! When the next tick is due: a schedule, so that a late tick does not make the following ones late.

use std::time::{Duration, Instant};

/// Ticks further behind than this are dropped at once instead of run in a burst: nobody wants sound that old.
const CATCH_UP: u32 = 10;

/// Ticks that the mean of their lengths follows.
const FOLLOWS: u32 = 16;

/// Times of ticks, one period apart for ever.
#[derive(Debug, Clone)]
pub(crate) struct TickClock {
    next: Instant,
    period: Duration,
    lateness: Lateness,
}

/// How punctual the ticks of a media thread are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lateness {
    /// Ticks run.
    pub ticks: u64,
    /// Ticks that ran more than 5 ms after they were due.
    pub late: u64,
    /// Ticks that were dropped because the thread was more than ten behind.
    pub dropped: u64,
    /// The latest that a tick ever ran.
    pub worst: Duration,
    /// How long a tick of all rooms of the thread takes, mixing, coding and sending: a mean that follows the last
    /// third of a second. At 20 ms the thread is full.
    pub busy: Duration,
    /// The longest that a tick ever took.
    pub longest: Duration,
}

impl TickClock {
    pub(crate) fn new(now: Instant, period: Duration) -> Self {
        Self {
            next: now + period,
            period,
            lateness: Lateness::default(),
        }
    }

    /// When the next tick is due.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// Whether a tick is to be run now; call it until it says no.
    pub(crate) fn due(&mut self, now: Instant) -> bool {
        let Some(behind) = now.checked_duration_since(self.next) else {
            return false;
        };
        self.lateness.ticks += 1;
        self.lateness.late += u64::from(behind > Duration::from_millis(5));
        self.lateness.worst = self.lateness.worst.max(behind);
        self.next += self.period;
        if behind > self.period * CATCH_UP {
            let dropped = behind.as_nanos() / self.period.as_nanos();
            self.lateness.dropped += dropped as u64;
            self.next += self.period * u32::try_from(dropped).unwrap_or(u32::MAX);
        }
        true
    }

    /// A tick that was due has been run, and took this long.
    pub(crate) fn ran(&mut self, took: Duration) {
        let lateness = &mut self.lateness;
        lateness.longest = lateness.longest.max(took);
        lateness.busy = match lateness.busy.is_zero() {
            true => took,
            false => (lateness.busy * (FOLLOWS - 1) + took) / FOLLOWS,
        };
    }

    pub(crate) fn lateness(&self) -> Lateness {
        self.lateness
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(20);

    #[test]
    fn a_late_tick_does_not_move_the_schedule() {
        let start = Instant::now();
        let mut clock = TickClock::new(start, TICK);
        assert!(!clock.due(start + Duration::from_millis(19)));
        assert!(clock.due(start + Duration::from_millis(27)));
        assert_eq!(clock.next(), start + 2 * TICK);
        assert!(!clock.due(start + Duration::from_millis(39)));
        assert!(clock.due(start + Duration::from_millis(41)));
        assert_eq!((clock.lateness().ticks, clock.lateness().late), (2, 1));
        assert_eq!(clock.lateness().worst, Duration::from_millis(7));
    }

    #[test]
    fn a_short_stall_is_caught_up_and_a_long_one_is_dropped() {
        let start = Instant::now();
        let mut clock = TickClock::new(start, TICK);
        let mut now = start + 5 * TICK;
        let mut run = 0;
        while clock.due(now) {
            run += 1;
        }
        assert_eq!((run, clock.lateness().dropped), (5, 0));
        now += Duration::from_secs(3600);
        assert!(clock.due(now));
        assert!(!clock.due(now), "one tick, not an hour of them");
        assert!(clock.lateness().dropped > 100_000);
        assert!(clock.next() > now && clock.next() <= now + TICK);
    }

    #[test]
    fn the_length_of_ticks_is_followed_and_the_longest_is_kept() {
        let mut clock = TickClock::new(Instant::now(), TICK);
        for _ in 0..10 {
            clock.ran(Duration::from_millis(2));
        }
        assert_eq!(clock.lateness().busy, Duration::from_millis(2));
        clock.ran(Duration::from_millis(18));
        assert_eq!(clock.lateness().busy, Duration::from_millis(3));
        for _ in 0..200 {
            clock.ran(Duration::from_millis(2));
        }
        assert!(clock.lateness().busy < Duration::from_micros(2100));
        assert_eq!(clock.lateness().longest, Duration::from_millis(18));
    }
}
