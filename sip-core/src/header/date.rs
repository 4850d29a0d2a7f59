use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{HeaderError, HeaderErrorReason, TypedHeader};
use crate::message::HeaderName;
use crate::text;

/// When the message was sent, in GMT.
///
/// ```text
/// Date          =  "Date" HCOLON SIP-date
/// SIP-date      =  rfc1123-date
/// rfc1123-date  =  wkday "," SP date1 SP time SP "GMT"
/// date1         =  2DIGIT SP month SP 4DIGIT
/// time          =  2DIGIT ":" 2DIGIT ":" 2DIGIT
/// ```
///
/// RFC 3261 section 20.17; no other time zone is valid.
///
/// ```
/// use sip_core::{TypedHeader, header::Date};
/// let date = Date::decode(b"Sat, 13 Nov 2010 23:29:00 GMT")?;
/// assert_eq!(date.unix(), 1_289_690_940);
/// assert_eq!(date.to_string(), "Sat, 13 Nov 2010 23:29:00 GMT");
/// # Ok::<(), sip_core::HeaderError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(u64);

const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
/// The last second of the year 9999, which is as far as four digits go.
const LAST: u64 = 253_402_300_799;

impl TypedHeader<'_> for Date {
    const NAME: HeaderName<'static> = HeaderName::DATE;
    const LIST: bool = false;

    fn decode(value: &[u8]) -> Result<Self, HeaderError> {
        let error = |at| HeaderError::new(Self::NAME, HeaderErrorReason::Grammar, at);
        // "Sat, 13 Nov 2010 23:29:00 GMT"
        if value.len() != 29 {
            return Err(error(value.len().min(29)));
        }
        for (at, want) in [
            (3, &b", "[..]),
            (7, b" "),
            (11, b" "),
            (16, b" "),
            (19, b":"),
            (22, b":"),
            (25, b" GMT"),
        ] {
            if value[at..at + want.len()] != *want {
                return Err(error(at));
            }
        }
        if !DAYS.contains(&&value[..3]) {
            return Err(error(0));
        }
        let month = MONTHS
            .iter()
            .position(|m| **m == value[8..11])
            .ok_or(error(8))? as u64
            + 1;
        let number = |from: usize, to: usize| {
            text::decimal(&value[from..to])
                .map(u64::from)
                .ok_or(error(from))
        };
        let (day, year) = (number(5, 7)?, number(12, 16)?);
        let (hour, minute, second) = (number(17, 19)?, number(20, 22)?, number(23, 25)?);
        if year < 1970 || day == 0 || day > days_in(month, year) {
            return Err(error(5));
        }
        // A leap second is written 60.
        if hour > 23 || minute > 59 || second > 60 {
            return Err(error(17));
        }
        Ok(Date(
            days_from_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second,
        ))
    }
}

fn is_leap(year: u64) -> bool {
    (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
}

fn days_in(month: u64, year: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

fn days_from_epoch(year: u64, month: u64, day: u64) -> u64 {
    let leaps = |y: u64| y / 4 - y / 100 + y / 400;
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    years + (1..month).map(|m| days_in(m, year)).sum::<u64>() + day - 1
}

impl Date {
    /// A date from seconds since 1970-01-01; beyond the year 9999 it is that year's last second.
    pub fn from_unix(seconds: u64) -> Date {
        Date(seconds.min(LAST))
    }

    /// Seconds since 1970-01-01.
    pub fn unix(&self) -> u64 {
        self.0
    }

    /// The same as a `SystemTime`.
    pub fn to_system_time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0)
    }
}

impl From<SystemTime> for Date {
    /// Times before 1970 become 1970-01-01.
    fn from(time: SystemTime) -> Self {
        Date::from_unix(time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0 / 86_400, self.0 % 86_400);
        // A Thursday.
        let weekday = text::lossy(DAYS[((days + 3) % 7) as usize]);
        let (mut year, mut left) = (1970 + days / 366, 0);
        loop {
            let start = days_from_epoch(year, 1, 1);
            let length = if is_leap(year) { 366 } else { 365 };
            if days < start + length {
                left += days - start;
                break;
            }
            year += 1;
        }
        let mut month = 1;
        while left >= days_in(month, year) {
            left -= days_in(month, year);
            month += 1;
        }
        let name = text::lossy(MONTHS[month as usize - 1]);
        let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
        write!(
            f,
            "{weekday}, {:02} {name} {year:04} {hour:02}:{minute:02}:{second:02} GMT",
            left + 1
        )
    }
}
