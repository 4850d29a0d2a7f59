//! The 2xx to an INVITE is repeated until its ACK comes, on every transport (RFC 3261 13.3.1.4):
//! proxies need not keep it, so only its two ends can make sure that it arrives.

use std::time::{Duration, Instant};

use crate::transaction::{Timers, after};

/// When to send again, and when to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    next: Instant,
    interval: Duration,
    until: Instant,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Send,
    GiveUp,
}

impl Repeat {
    /// The response was sent `now`: again after T1, doubled up to T2, for 64 × T1 in all.
    pub fn new(now: Instant, timers: &Timers) -> Self {
        Self {
            next: after(now, timers.t1),
            interval: timers.t1,
            until: after(now, timers.h),
        }
    }

    /// When the next act is due.
    pub fn deadline(&self) -> Instant {
        self.next.min(self.until)
    }

    pub(crate) fn due(&mut self, now: Instant, timers: &Timers) -> Due {
        if self.until <= now {
            return Due::GiveUp;
        }
        if self.next > now {
            return Due::Nothing;
        }
        self.interval = self.interval.saturating_mul(2).min(timers.t2);
        self.next = after(now, self.interval);
        Due::Send
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_t2_and_gives_up_after_64_t1() {
        #[allow(clippy::disallowed_methods)]
        let start = Instant::now();
        let timers = Timers::default();
        let mut repeat = Repeat::new(start, &timers);
        let mut sent = Vec::new();
        loop {
            let at = repeat.deadline();
            match repeat.due(at, &timers) {
                Due::Send => sent.push((at - start).as_millis()),
                Due::GiveUp => break assert_eq!((at - start).as_millis(), 32_000),
                Due::Nothing => panic!("nothing at the deadline"),
            }
        }
        let want = [
            500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500,
        ];
        assert_eq!(sent, want);
    }
}
