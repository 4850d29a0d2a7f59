//! How long packets take to us, as far as one end can tell.
//!
//! Two clocks that were never compared cannot measure one way. What is known: the round trip (RFC 3550 §6.4.1), whose
//! shortest has the least queueing in it, and how much longer each packet took than the quickest of late, by arrival
//! against timestamp. Half of the one plus the other is the estimate. It is off by half of the difference between the
//! ways when a route is lopsided.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The quickest packet counts for one to two of these: clocks of 200 ppm drift 2 ms in ten seconds.
const WINDOW: Duration = Duration::from_secs(10);
/// Round trips of which the shortest counts; five minutes at the usual interval.
const ROUND_TRIPS: usize = 64;
/// A step of the peer's timestamps, in seconds: the comparison starts anew.
const STEP_S: u32 = 2;

/// An estimate of the way from the peer to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneWay {
    /// With nothing in the queues: half of the shortest round trip.
    pub shortest: Duration,
    /// What packets take of late: the same, and how much longer they took than the quickest, as a running mean.
    pub mean: Duration,
}

#[derive(Debug, Default)]
pub(super) struct OneWayDelay {
    /// The clock rate and the transit and timestamp of the last packet, in ticks; `None` before the first.
    last: Option<(u32, u32, u32)>,
    /// Transit against the first packet's, in ticks.
    transit: i64,
    window_end: Option<Instant>,
    quickest: i64,
    quickest_before: i64,
    /// Ticks above the quickest, times 16.
    above16: i64,
    round_trips: VecDeque<Duration>,
}

impl OneWayDelay {
    pub(super) fn new() -> OneWayDelay {
        OneWayDelay {
            round_trips: VecDeque::with_capacity(ROUND_TRIPS),
            ..OneWayDelay::default()
        }
    }

    /// Another source: its timestamps begin elsewhere.
    pub(super) fn restart(&mut self) {
        self.last = None;
    }

    /// A packet; `arrival` is in ticks of its clock, from any origin.
    pub(super) fn packet(&mut self, now: Instant, arrival: u32, timestamp: u32, clock_rate: u32) {
        let transit = arrival.wrapping_sub(timestamp);
        let step = match self.last {
            Some((rate, before, _)) if rate == clock_rate => {
                i64::from(transit.wrapping_sub(before) as i32)
            }
            _ => i64::MAX,
        };
        // The packets of an event all carry its first timestamp: only that one says when it was sent.
        if self
            .last
            .is_some_and(|(rate, _, same)| rate == clock_rate && same == timestamp)
        {
            return;
        }
        self.last = Some((clock_rate, transit, timestamp));
        if step.unsigned_abs() > u64::from(clock_rate.max(1)) * u64::from(STEP_S) {
            self.transit = 0;
            (self.quickest, self.quickest_before, self.above16) = (0, 0, 0);
            self.window_end = Some(now + WINDOW);
            return;
        }
        self.transit += step;
        if self.window_end.is_none_or(|end| end <= now) {
            self.quickest_before = self.quickest;
            self.quickest = self.transit;
            self.window_end = Some(now + WINDOW);
        }
        self.quickest = self.quickest.min(self.transit);
        let above = self.transit - self.quickest.min(self.quickest_before);
        self.above16 += above - self.above16 / 16;
    }

    /// A round trip.
    pub(super) fn round_trip(&mut self, length: Duration) {
        if self.round_trips.len() == ROUND_TRIPS {
            self.round_trips.pop_front();
        }
        self.round_trips.push_back(length);
    }

    /// `None` before the first round trip.
    pub(super) fn estimate(&self) -> Option<OneWay> {
        let shortest = *self.round_trips.iter().min()? / 2;
        let above = match self.last {
            Some((rate, ..)) => self.above16.max(0) as f64 / 16.0 / f64::from(rate.max(1)),
            None => 0.0,
        };
        let mean = shortest + Duration::from_secs_f64(above);
        Some(OneWay { shortest, mean })
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A stream of `count` packets, 20 ms apart, whose `n`th is under way for `travel(n)` ms; the sender's clock
    /// goes wrong by `ppm`.
    fn stream(delay: &mut OneWayDelay, count: u32, ppm: i64, travel: impl Fn(u32) -> u32) {
        let start = Instant::now();
        for n in 0..count {
            let at = 20 * n + travel(n);
            let timestamp = (i64::from(n) * 160 * (1_000_000 + ppm) / 1_000_000) as u32;
            delay.packet(
                start + MS * at,
                (at * 8).wrapping_add(77),
                timestamp.wrapping_sub(1000),
                8000,
            );
        }
    }

    fn close(got: Duration, ms: f64) {
        let got = got.as_secs_f64() * 1000.0;
        assert!((got - ms).abs() < 1.5, "{got} is not {ms}");
    }

    #[test]
    fn nothing_is_known_before_a_round_trip() {
        let mut delay = OneWayDelay::new();
        stream(&mut delay, 100, 0, |_| 40);
        assert_eq!(delay.estimate(), None);
        delay.round_trip(80 * MS);
        let estimate = delay.estimate().expect("a round trip");
        close(estimate.shortest, 40.0);
        close(estimate.mean, 40.0);
    }

    #[test]
    fn queues_show_in_the_mean_and_the_shortest_round_trip_counts() {
        let mut delay = OneWayDelay::new();
        for length in [190, 80, 230] {
            delay.round_trip(length * MS);
        }
        // Every second packet waits 30 ms.
        stream(&mut delay, 500, 0, |n| 40 + n % 2 * 30);
        let estimate = delay.estimate().expect("round trips");
        close(estimate.shortest, 40.0);
        close(estimate.mean, 55.0);
    }

    #[test]
    fn clocks_that_drift_are_no_delay() {
        for ppm in [-200, 200] {
            let mut delay = OneWayDelay::new();
            delay.round_trip(20 * MS);
            stream(&mut delay, 50 * 600, ppm, |_| 10);
            let mean = delay.estimate().expect("a round trip").mean;
            assert!(mean < 15 * MS, "{ppm} ppm: {mean:?}");
        }
    }

    #[test]
    fn another_source_a_jump_and_an_event_start_nothing_wrong() {
        let mut delay = OneWayDelay::new();
        delay.round_trip(20 * MS);
        let now = Instant::now();
        delay.packet(now, 0, 5, 8000);
        delay.packet(now + 20 * MS, 160, 4_000_000, 8000);
        // Three packets of one event.
        for n in 2..5 {
            delay.packet(now + 20 * MS * n, 160 * n, 4_000_160, 8000);
        }
        delay.restart();
        delay.packet(now, u32::MAX, 0, 48_000);
        close(delay.estimate().expect("a round trip").mean, 10.0);
    }
}
