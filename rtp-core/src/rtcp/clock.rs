//! Wall-clock time for sender reports, derived from the machine's own clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds from 1900 (NTP) to 1970 (Unix).
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// One moment on both clocks, taken by the application; everything else is computed from it.
///
/// Replace it after a step of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// The moment on the monotonic clock that machines are driven with.
    pub instant: Instant,
    /// The same moment on the wall clock.
    pub wall: SystemTime,
}

impl Epoch {
    /// The pair of clock readings, taken right after one another.
    #[must_use]
    pub fn new(instant: Instant, wall: SystemTime) -> Epoch {
        Epoch { instant, wall }
    }

    /// `now` as NTP time. A moment before 1970 counts as 1970.
    #[must_use]
    pub fn ntp(&self, now: Instant) -> NtpTime {
        let wall = self
            .wall
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        let since = match now.checked_duration_since(self.instant) {
            Some(later) => wall.saturating_add(later),
            None => wall.saturating_sub(self.instant.saturating_duration_since(now)),
        };
        NtpTime::from_unix(since)
    }
}

/// A 64-bit NTP timestamp: seconds since 1900 and their fraction (RFC 3550 §4). Wraps in 2036, by design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// From the time since 1970.
    #[must_use]
    pub fn from_unix(since: Duration) -> NtpTime {
        let seconds = since.as_secs().wrapping_add(NTP_TO_UNIX) & 0xffff_ffff;
        let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
        NtpTime((seconds << 32) | fraction)
    }

    /// The middle 32 bits, in 1/65536 s: what LSR and DLSR are in.
    #[must_use]
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// Turns a length in 1/65536 s into a duration.
pub(crate) fn from_short(units: u32) -> Duration {
    Duration::from_nanos((u64::from(units) * 1_000_000_000) >> 16)
}

/// Turns a duration into 1/65536 s, at most `u32::MAX` of them (18 hours).
pub(crate) fn to_short(length: Duration) -> u32 {
    let units = (length.as_nanos() << 16) / 1_000_000_000;
    u32::try_from(units).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_counts_from_1900() {
        // 1096255086.5 s after 1970 is 3305243886.5 s after 1900, 0xc50204ee.80000000.
        let t = NtpTime::from_unix(Duration::new(1_096_255_086, 500_000_000));
        assert_eq!(t.0, 0xc502_04ee_8000_0000);
        assert_eq!(t.middle(), 0x04ee_8000);
    }

    #[test]
    fn short_lengths_round_trip() {
        for ms in [0u64, 1, 20, 5_000, 60_000] {
            let length = Duration::from_millis(ms);
            let back = from_short(to_short(length));
            assert!(length.abs_diff(back) < Duration::from_micros(20));
        }
        assert_eq!(to_short(Duration::from_secs(1 << 20)), u32::MAX);
    }
}
