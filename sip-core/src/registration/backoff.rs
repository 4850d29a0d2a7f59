//! How long to wait before a flow is tried again: RFC 5626 section 4.5.

use std::time::Duration;

/// The waits between attempts: `min(max, base × 2^failures)`, of which a random part of the upper half is taken, so
/// that phones do not come back all at once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The base when all flows of the registration have failed. Default 30 s.
    pub all_failed: Duration,
    /// The base when another flow still stands. Default 90 s.
    pub some_stand: Duration,
    /// The longest wait. Default 1800 s.
    pub max: Duration,
    /// A flow that stood this long counts as stable: its next failure is the first. Default 120 s.
    pub stable: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            all_failed: Duration::from_secs(30),
            some_stand: Duration::from_secs(90),
            max: Duration::from_secs(1800),
            stable: Duration::from_secs(120),
        }
    }
}

impl Backoff {
    /// The wait after so many failures in a row: none before the first, then between half of the bound and the bound,
    /// by `random`, which is 0 to 65,535.
    pub fn wait(&self, failures: u32, another_stands: bool, random: u16) -> Duration {
        if failures == 0 {
            return Duration::ZERO;
        }
        let base = match another_stands {
            true => self.some_stand,
            false => self.all_failed,
        };
        let factor = 1u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX);
        let bound = base.saturating_mul(factor).min(self.max);
        let half = bound / 2;
        half + half * u32::from(random) / u32::from(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_those_of_the_rfcs_table() {
        let backoff = Backoff::default();
        // Failures; seconds from and to when all failed; when one stands.
        for (failures, all, some) in [
            (0, (0, 0), (0, 0)),
            (1, (30, 60), (90, 180)),
            (2, (60, 120), (180, 360)),
            (3, (120, 240), (360, 720)),
            (4, (240, 480), (720, 1440)),
            (5, (480, 960), (900, 1800)),
            (6, (900, 1800), (900, 1800)),
            (u32::MAX, (900, 1800), (900, 1800)),
        ] {
            for (stands, (from, to)) in [(false, all), (true, some)] {
                let wait = |random| backoff.wait(failures, stands, random).as_secs();
                assert_eq!((wait(0), wait(u16::MAX)), (from, to), "{failures} {stands}");
                assert!((from..=to).contains(&wait(12_345)));
            }
        }
    }
}
