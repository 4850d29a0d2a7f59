//! How many connections there may be, and how long one may do nothing.

use std::time::Duration;

/// Bounds of connections; see [`Driver::set_connection_limits`](super::Driver::set_connection_limits).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionLimits {
    /// Connections, of both directions together, those included that still shake hands; default 10,000. When full, one
    /// that a peer opens is closed at once, and one that we would open fails with
    /// [`FlowError::Exhausted`](crate::FlowError::Exhausted).
    ///
    /// Each takes a file descriptor: the process's own limit must be above this.
    pub count: usize,
    /// Connections that one address may have opened to us; default 1,000. Behind a web proxy or a large NAT many users
    /// share one address. An IPv6 source is its /64, which is what one customer gets.
    pub per_source: usize,
    /// How long nothing may pass on a connection before we close it; default 65 minutes, a little more than the usual
    /// expiry of a registration. Keep-alives count as something.
    pub idle: Duration,
    /// How long the peer's window may stay closed while we have something to send; default 32 s (64 × T1): by then
    /// whatever waits is too late for its transaction. The connection then ends with
    /// [`FlowError::Congested`](crate::FlowError::Congested).
    pub write: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            count: 10_000,
            per_source: 1_000,
            idle: Duration::from_secs(65 * 60),
            write: Duration::from_secs(32),
        }
    }
}

impl ConnectionLimits {
    /// How often idle connections are looked for: an eighth of what they may be, so that none stays much longer.
    pub(crate) fn sweep(&self) -> Duration {
        (self.idle / 8).clamp(Duration::from_millis(20), Duration::from_secs(60))
    }
}
