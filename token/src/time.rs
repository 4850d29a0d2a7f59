//! NumericDate (RFC 7519 section 2): seconds since 1970, whole or not.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{Deserializer, Error, Visitor};

/// Seconds since 1970; a clock before that reads 0.
pub(crate) fn unix(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The other way round; a time that the platform cannot hold is its latest that we can.
pub(crate) fn wall(seconds: u64) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .unwrap_or(UNIX_EPOCH + Duration::from_secs(u32::MAX.into()))
}

/// Reads a NumericDate. Fractions are cut off, times before 1970 read 0, and those beyond 64 bits the greatest.
pub(crate) fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Date;
    impl Visitor<'_> for Date {
        type Value = u64;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a number of seconds since 1970")
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
            Ok(value)
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<u64, E> {
            Ok(u64::try_from(value).unwrap_or(0))
        }

        // `as` cuts, saturates, and has no NaN to deal with: JSON has none.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        fn visit_f64<E: Error>(self, value: f64) -> Result<u64, E> {
            Ok(value as u64)
        }
    }
    deserializer.deserialize_any(Date)
}

/// [`date`] where the claim may be absent.
pub(crate) fn optional_date<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    date(deserializer).map(Some)
}
