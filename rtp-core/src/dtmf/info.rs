//! Keys in the bodies of SIP INFO: `application/dtmf-relay` and `application/dtmf`. Nobody ever standardised
//! them; this is what phones and gateways send.

use super::Digit;
use std::time::Duration;

/// The longest duration that is believed: a minute.
const MAX_DURATION: Duration = Duration::from_secs(60);

/// A key from an INFO body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InfoKey {
    /// Which.
    pub digit: Digit,
    /// How long it was held, when that was said.
    pub duration: Option<Duration>,
}

/// Reads an INFO body. `content_type` may carry parameters.
///
/// `None` for other types, for a hook flash (`!`, `R`, 16), and for what is not understood: answer 415 or 400.
#[must_use]
pub fn parse_info(content_type: &str, body: &[u8]) -> Option<InfoKey> {
    let media = content_type.split(';').next()?.trim();
    let text = std::str::from_utf8(body).ok()?;
    if media.eq_ignore_ascii_case("application/dtmf-relay") {
        let mut digit = None;
        let mut duration = None;
        for line in text.lines() {
            let Some((name, value)) = line.split_once(['=', ':']) else {
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            if name.eq_ignore_ascii_case("signal") && digit.is_none() {
                digit = Some(key(value)?);
            } else if name.eq_ignore_ascii_case("duration") && duration.is_none() {
                let ms = value.parse::<u64>().ok().map(Duration::from_millis);
                duration = ms.map(|ms| ms.min(MAX_DURATION));
            }
        }
        digit.map(|digit| InfoKey { digit, duration })
    } else if media.eq_ignore_ascii_case("application/dtmf") {
        key(text.trim()).map(|digit| InfoKey {
            digit,
            duration: None,
        })
    } else {
        None
    }
}

/// A key by its character, or by its event code in two digits: `10` is `*`, `11` is `#`.
fn key(text: &str) -> Option<Digit> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Digit::from_char(c),
        (Some(_), Some(_)) if text.len() == 2 => Digit::from_event(text.parse().ok()?),
        _ => None,
    }
}

/// The body of an INFO with `Content-Type: application/dtmf-relay`.
#[must_use]
pub fn dtmf_relay_body(digit: Digit, duration: Duration) -> String {
    format!(
        "Signal={digit}\r\nDuration={}\r\n",
        duration.min(MAX_DURATION).as_millis()
    )
}

/// The body of an INFO with `Content-Type: application/dtmf`.
#[must_use]
pub fn dtmf_body(digit: Digit) -> String {
    digit.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(body: &str) -> Option<(char, Option<u64>)> {
        parse_info("application/dtmf-relay", body.as_bytes())
            .map(|k| (k.digit.to_char(), k.duration.map(|d| d.as_millis() as u64)))
    }

    #[test]
    fn reads_what_phones_send() {
        assert_eq!(
            relay("Signal=5\r\nDuration=160\r\n"),
            Some(('5', Some(160)))
        );
        assert_eq!(relay("Signal= *\nDuration= 250"), Some(('*', Some(250))));
        assert_eq!(relay("signal=11\r\n"), Some(('#', None)));
        assert_eq!(relay("Signal=d\r\nDuration=x"), Some(('D', None)));
        assert_eq!(
            relay("Signal=1\r\nDuration=99999999999"),
            Some(('1', Some(60_000)))
        );
        assert_eq!(relay("Signal=!\r\n"), None);
        assert_eq!(relay("Signal=\r\n"), None);
        assert_eq!(relay("Duration=100"), None);
        assert_eq!(
            parse_info("application/dtmf", b"7\r\n").unwrap().digit,
            Digit(7)
        );
        assert_eq!(
            parse_info("Application/DTMF; charset=utf-8", b"#")
                .unwrap()
                .digit,
            Digit(11)
        );
        assert_eq!(parse_info("text/plain", b"7"), None);
        assert_eq!(parse_info("application/dtmf", &[0xff]), None);
    }

    #[test]
    fn reads_what_it_writes() {
        for code in 0..16 {
            let digit = Digit(code);
            let body = dtmf_relay_body(digit, Duration::from_millis(100));
            assert_eq!(relay(&body), Some((digit.to_char(), Some(100))));
            let body = dtmf_body(digit);
            assert_eq!(
                parse_info("application/dtmf", body.as_bytes())
                    .unwrap()
                    .digit,
                digit
            );
        }
    }
}
