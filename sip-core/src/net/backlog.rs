//! Whether the loop keeps up with what comes.

use std::time::{Duration, Instant};

/// One queue of work (a socket, what the connections read), and since when it was never seen to its end.
///
/// A server that keeps up finds its queues empty many times a second, however short its bursts are late. One that never
/// does for a while works at its limit, and what waits grows until the kernel throws it away: how long is all that can
/// be known of a socket's queue without asking the kernel for each datagram.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    since: Option<Instant>,
}

impl Backlog {
    /// Notes whether something was left when its turn ended.
    pub(crate) fn left(&mut self, now: Instant, something: bool) {
        match something {
            true => {
                self.since.get_or_insert(now);
            }
            false => self.since = None,
        }
    }

    /// For how long something has been left.
    pub(crate) fn lasts(&self, now: Instant) -> Duration {
        self.since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_from_the_first_turn_that_left_something_until_one_that_did_not() {
        let (mut backlog, start) = (Backlog::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(backlog.lasts(at(5)), Duration::ZERO);
        backlog.left(at(10), true);
        backlog.left(at(30), true);
        assert_eq!(backlog.lasts(at(60)), Duration::from_millis(50));
        backlog.left(at(70), false);
        assert_eq!(backlog.lasts(at(80)), Duration::ZERO);
        backlog.left(at(90), true);
        assert_eq!(backlog.lasts(at(80)), Duration::ZERO, "time that goes back");
    }
}
