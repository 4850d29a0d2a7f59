//! SIP messages as the ladder that people draw of a call: time, who, arrow, who, what.

use super::Captured;
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// The names a ladder remembers; an address past that shows as itself.
const NAMES: usize = 256;

/// Turns captured SIP messages into [`LadderLine`]s with the names that the reader knows.
///
/// ```
/// use signaling::capture::{Captured, Carrier, Ladder};
/// use std::time::Duration;
///
/// let (gateway, phone) = ("127.0.0.1:5060".parse()?, "127.0.0.1:5070".parse()?);
/// let mut ladder = Ladder::new(Duration::from_secs(100));
/// ladder.name(gateway, "gateway");
/// ladder.name(phone, "phone");
/// let line = ladder.line(&Captured {
///     at: Duration::from_millis(100_042),
///     carrier: Carrier::Udp,
///     source: gateway,
///     destination: phone,
///     bytes: b"INVITE sip:phone@127.0.0.1 SIP/2.0\r\nCSeq: 7 INVITE\r\n\r\n",
/// }).unwrap();
/// assert_eq!(line.to_string(), "   0.042 s  gateway ───▶ phone    INVITE sip:phone@127.0.0.1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Ladder {
    start: Duration,
    names: HashMap<SocketAddr, String>,
    /// The name whose messages point right: the first that was given.
    left: Option<SocketAddr>,
    width: usize,
}

/// One arrow of a ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderLine {
    /// Time since the ladder's start.
    pub after: Duration,
    /// The name of the side that is drawn on the left.
    pub left: String,
    /// The name of the side that is drawn on the right.
    pub right: String,
    /// Whether the message goes from left to right.
    pub rightwards: bool,
    /// The request line without its version, or the status with its CSeq method.
    pub what: String,
    width: usize,
}

impl Ladder {
    /// A ladder whose times count from `start`, a time since the Unix epoch.
    pub fn new(start: Duration) -> Self {
        Self {
            start,
            names: HashMap::new(),
            left: None,
            width: 7,
        }
    }

    /// Calls `address` by `name`; the first address named is drawn on the left.
    pub fn name(&mut self, address: SocketAddr, name: &str) {
        if self.names.len() < NAMES {
            self.left.get_or_insert(address);
            self.width = self.width.max(name.chars().count());
            self.names.insert(address, name.to_owned());
        }
    }

    /// The line of a captured SIP message, or `None` for keep-alives and what is not SIP.
    pub fn line(&self, captured: &Captured<'_>) -> Option<LadderLine> {
        let what = summary(captured.bytes)?;
        let rightwards = match self.left {
            Some(left) if left == captured.destination => false,
            Some(left) if left == captured.source => true,
            // Ports may be ephemeral (TCP): fall back to which of the two has a name.
            _ => {
                self.names.contains_key(&captured.destination)
                    || !self.names.contains_key(&captured.source)
            }
        };
        let (left, right) = match rightwards {
            true => (captured.source, captured.destination),
            false => (captured.destination, captured.source),
        };
        Some(LadderLine {
            after: captured.at.saturating_sub(self.start),
            left: self.called(left),
            right: self.called(right),
            rightwards,
            what,
            width: self.width,
        })
    }

    fn called(&self, address: SocketAddr) -> String {
        self.names
            .get(&address)
            .cloned()
            .unwrap_or_else(|| address.to_string())
    }
}

impl fmt::Display for LadderLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = if self.rightwards {
            "───▶"
        } else {
            "◀───"
        };
        write!(
            f,
            "{:8.3} s  {:>w$} {arrow} {:<w$}  {}",
            self.after.as_secs_f64(),
            self.left,
            self.right,
            self.what,
            w = self.width
        )
    }
}

/// What a message is, in a few words: `INVITE sip:a@b`, `401 Unauthorized (INVITE)`.
///
/// It reads text that a stranger wrote, so control characters are shown as `·` and the length is bounded.
fn summary(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
    let mut lines = text.split("\r\n");
    let first = lines.next()?;
    let mut what = match first.strip_prefix("SIP/2.0 ") {
        Some(status) => {
            let method = lines
                .take_while(|line| !line.is_empty())
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.trim().eq_ignore_ascii_case("cseq"))
                .and_then(|(_, value)| value.split_whitespace().nth(1))
                .unwrap_or("?");
            format!("{status} ({method})")
        }
        None => first.strip_suffix(" SIP/2.0")?.to_owned(),
    };
    what = what
        .chars()
        .take(120)
        .map(|c| if c.is_control() { '·' } else { c })
        .collect();
    Some(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Carrier;

    fn captured<'a>(source: &str, destination: &str, bytes: &'a [u8]) -> Captured<'a> {
        Captured {
            at: Duration::from_secs(1),
            carrier: Carrier::Udp,
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            bytes,
        }
    }

    #[test]
    fn answers_point_back_and_name_their_method() {
        let mut ladder = Ladder::new(Duration::ZERO);
        ladder.name("127.0.0.1:1".parse().unwrap(), "us");
        let line = ladder
            .line(&captured(
                "127.0.0.1:2",
                "127.0.0.1:1",
                b"SIP/2.0 180 Ringing\r\nCSeq: 1 INVITE\r\n\r\n",
            ))
            .unwrap();
        assert!(!line.rightwards);
        assert_eq!(
            (line.left.as_str(), line.what.as_str()),
            ("us", "180 Ringing (INVITE)")
        );
    }

    #[test]
    fn what_is_not_sip_is_no_line_and_control_characters_do_not_reach_the_terminal() {
        let ladder = Ladder::new(Duration::ZERO);
        for bytes in [
            &b""[..],
            b"\r\n\r\n",
            b"\x80\x00\x01",
            b"GET / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(
                ladder.line(&captured("127.0.0.1:2", "127.0.0.1:1", bytes)),
                None
            );
        }
        let line = ladder
            .line(&captured(
                "127.0.0.1:2",
                "127.0.0.1:1",
                b"OPTIONS sip:\x1b[2J SIP/2.0\r\n\r\n",
            ))
            .unwrap();
        assert_eq!(line.what, "OPTIONS sip:·[2J");
    }
}
