//! The timers of RFC 3261 table 4 and RFC 6026, as values that an application may change.

use std::fmt;
use std::time::{Duration, Instant};

/// Durations of all transaction timers.
///
/// Timers A, E and G have no field: they start at `t1` and double (A without limit, E and G up to
/// `t2`). On reliable transports D, I, J and K are zero and A, E and G never run, as RFC 3261
/// table 4 says; L and M run on every transport (RFC 6026 section 7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timers {
    /// Estimated round trip; default 500 ms (17.1.1.1).
    pub t1: Duration,
    /// Longest interval between retransmissions of non-INVITE requests and INVITE responses;
    /// default 4 s (17.1.2.2).
    pub t2: Duration,
    /// Longest time that a message stays in the network; default 5 s (17.1.2.2).
    pub t4: Duration,
    /// An INVITE without any response ends; 64 × T1 (17.1.1.2).
    pub b: Duration,
    /// A failed INVITE keeps answering retransmitted responses with ACK; at least 32 s (17.1.1.2).
    pub d: Duration,
    /// A non-INVITE request without a final response ends; 64 × T1 (17.1.2.2).
    pub f: Duration,
    /// A final response to INVITE without ACK ends; 64 × T1 (17.2.1). The 2xx that the dialog
    /// repeats by itself (13.3.1.4) gives up after the same time.
    pub h: Duration,
    /// ACK retransmissions are absorbed; T4 (17.2.1).
    pub i: Duration,
    /// Retransmitted non-INVITE requests are answered again; 64 × T1 (17.2.2).
    pub j: Duration,
    /// Retransmitted responses to non-INVITE requests are absorbed; T4 (17.1.2.2).
    pub k: Duration,
    /// An INVITE answered with 2xx absorbs its retransmissions; 64 × T1 (RFC 6026 section 8.7).
    pub l: Duration,
    /// Further 2xx of an answered INVITE reach the user; 64 × T1 (RFC 6026 section 8.4).
    pub m: Duration,
    /// A server answers an INVITE with 100 by itself when its user has not answered;
    /// 200 ms (17.2.1).
    pub trying: Duration,
}

impl Timers {
    /// All timers, derived from the three base values as RFC 3261 table 4 does.
    pub fn new(t1: Duration, t2: Duration, t4: Duration) -> Self {
        let give_up = t1.saturating_mul(64);
        Self {
            t1,
            t2,
            t4,
            b: give_up,
            d: give_up.max(Duration::from_secs(32)),
            f: give_up,
            h: give_up,
            i: t4,
            j: give_up,
            k: t4,
            l: give_up,
            m: give_up,
            trying: Duration::from_millis(200),
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self::new(
            Duration::from_millis(500),
            Duration::from_secs(4),
            Duration::from_secs(5),
        )
    }
}

/// A timer by its letter in RFC 3261 table 4 or RFC 6026.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// INVITE request retransmission.
    A,
    /// INVITE transaction time-out: no response at all.
    B,
    /// Wait for retransmitted failure responses to INVITE.
    D,
    /// Non-INVITE request retransmission.
    E,
    /// Non-INVITE transaction time-out: no final response.
    F,
    /// INVITE response retransmission.
    G,
    /// Wait for ACK.
    H,
    /// Wait for retransmitted ACKs.
    I,
    /// Wait for retransmitted non-INVITE requests.
    J,
    /// Wait for retransmitted non-INVITE responses.
    K,
    /// Wait for a retransmitted INVITE after 2xx.
    L,
    /// Wait for further 2xx.
    M,
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timer {self:?}")
    }
}

/// `now + wait`, and a year from now where an application wrote "never" as a huge duration.
pub(crate) fn after(now: Instant, wait: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);
    now.checked_add(wait.min(YEAR)).unwrap_or(now)
}
