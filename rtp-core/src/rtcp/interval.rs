//! When to send the next RTCP packet (RFC 3550 §6.2, §6.3, A.7).
//!
//! A call has two members, so that the five-second minimum decides nearly always; the full rule is here
//! all the same, because a conference without a mixer has more.

use std::time::Duration;

/// What the interval depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntervalParameters {
    /// Members of the session, ourselves included.
    pub members: u32,
    /// Members that send, ourselves included when we do.
    pub senders: u32,
    /// The bandwidth for RTCP in bytes a second: 5 % of the session's by default (§6.2).
    pub rtcp_bandwidth: f64,
    /// Whether we have sent RTP since the second last report.
    pub we_sent: bool,
    /// The mean size of RTCP packets in bytes, with UDP and IP headers.
    pub average_size: f64,
    /// Whether no report has been sent yet: the first comes after half the minimum.
    pub initial: bool,
    /// The minimum: 5 s (§6.2).
    pub minimum: Duration,
}

impl IntervalParameters {
    /// The deterministic interval Td of §6.3.1.
    #[must_use]
    pub fn deterministic(&self) -> Duration {
        let minimum = if self.initial {
            self.minimum / 2
        } else {
            self.minimum
        };
        let (mut bandwidth, mut count) = (self.rtcp_bandwidth, self.members);
        // A quarter of the bandwidth belongs to the senders while they are a quarter of the members or fewer.
        if f64::from(self.senders) <= f64::from(self.members) * 0.25 {
            if self.we_sent {
                bandwidth *= 0.25;
                count = self.senders;
            } else {
                bandwidth *= 0.75;
                count = self.members.saturating_sub(self.senders);
            }
        }
        if bandwidth <= 0.0 {
            return minimum;
        }
        let seconds = self.average_size * f64::from(count) / bandwidth;
        // A day is as good as never, and keeps a hostile figure from overflowing the clock.
        Duration::try_from_secs_f64(seconds.clamp(0.0, 86_400.0))
            .unwrap_or(minimum)
            .max(minimum)
    }

    /// The randomised interval: Td times 0.5 to 1.5, divided by e − 3/2 (§6.3.1). `random` is any 32 bits.
    #[must_use]
    pub fn randomised(&self, random: u32) -> Duration {
        let factor = 0.5 + f64::from(random) / f64::from(u32::MAX);
        self.deterministic()
            .mul_f64(factor / (std::f64::consts::E - 1.5))
    }
}

/// The running mean of RTCP packet sizes (§6.3.3).
#[derive(Debug, Clone, Copy)]
pub struct Interval {
    average_size: f64,
}

impl Interval {
    /// Bytes of UDP and IPv4 header around each packet.
    const OVERHEAD: f64 = 28.0;

    /// Begins with the size of the first report to be expected.
    #[must_use]
    pub fn new(first_size: usize) -> Interval {
        Interval {
            average_size: first_size as f64 + Self::OVERHEAD,
        }
    }

    /// Counts a compound packet sent or received, in bytes without UDP and IP.
    pub fn count(&mut self, size: usize) {
        self.average_size += (size as f64 + Self::OVERHEAD - self.average_size) / 16.0;
    }

    /// The mean size in bytes, with UDP and IP headers.
    #[must_use]
    pub fn average_size(&self) -> f64 {
        self.average_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> IntervalParameters {
        IntervalParameters {
            members: 2,
            senders: 2,
            rtcp_bandwidth: 400.0,
            we_sent: true,
            average_size: 120.0,
            initial: false,
            minimum: Duration::from_secs(5),
        }
    }

    #[test]
    fn a_call_reports_every_five_seconds_give_or_take() {
        let p = call();
        assert_eq!(p.deterministic(), Duration::from_secs(5));
        // 5 s × 0.5 / 1.21828 and 5 s × 1.5 / 1.21828
        assert!((p.randomised(0).as_secs_f64() - 2.052).abs() < 0.001);
        assert!((p.randomised(u32::MAX).as_secs_f64() - 6.156).abs() < 0.001);
        let first = IntervalParameters { initial: true, ..p };
        assert_eq!(first.deterministic(), Duration::from_millis(2500));
    }

    #[test]
    fn a_crowd_shares_the_bandwidth() {
        let p = IntervalParameters {
            members: 1000,
            senders: 1,
            we_sent: false,
            ..call()
        };
        // 120 B × 999 / (400 B/s × 0.75)
        assert!((p.deterministic().as_secs_f64() - 399.6).abs() < 0.001);
        let sender = IntervalParameters { we_sent: true, ..p };
        assert_eq!(sender.deterministic(), Duration::from_secs(5));
        let none = IntervalParameters {
            rtcp_bandwidth: 0.0,
            ..p
        };
        assert_eq!(none.deterministic(), Duration::from_secs(5));
    }
}
