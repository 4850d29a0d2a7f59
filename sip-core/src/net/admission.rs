//! How much one source may send: a token bucket an address, in bounded memory.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// What one source address may send; see [`Driver::set_admission`](super::Driver::set_admission).
///
/// A source that sends more is *banned*: for a while its datagrams are not looked at, its connections are closed, and new
/// ones are not taken. That costs a look-up for each, and tells a flooder nothing. With the feature `tracing` there is one
/// line for each ban, at level WARN and with target `sip_core::admission`:
///
/// ```text
/// refused 203.0.113.7 over UDP: flood
/// ```
///
/// Refused credentials (the feature `tracing`, the same target) give the same line with `authentication`, once for each
/// refusal, so that `failregex = refused <HOST> over \w+: (flood|authentication)` is all that fail2ban needs.
///
/// On UDP the source address is whatever the sender writes there. A ban keeps a flood away from the endpoint's work, and
/// a forger can get somebody else banned for its length: list those who must never be in [`exempt`](Self::exempt).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Admission {
    /// Messages a second that a source may send in the long run. A piece of a stream counts one, and one more for each
    /// 1024 bytes.
    pub rate: u32,
    /// Messages that it may send at once; default four seconds of `rate`.
    pub burst: u32,
    /// For how long a source is banned that sent more; default 10 s. Anything that it sends meanwhile begins that time
    /// anew.
    pub ban: Duration,
    /// How many sources are remembered; default 16,384, about 1.5 MiB. When full, a source that could send its whole
    /// burst again is forgotten, or else the one that is remembered longest.
    pub sources: usize,
    /// Addresses that are never banned: our proxies, trunks, monitors.
    pub exempt: Vec<IpAddr>,
}

impl Admission {
    /// At most this many messages a second from a source.
    pub fn new(rate: u32) -> Self {
        Self {
            rate,
            burst: rate.saturating_mul(4),
            ban: Duration::from_secs(10),
            sources: 16_384,
            exempt: Vec::new(),
        }
    }

    /// Never bans this address.
    pub fn exempt(mut self, address: IpAddr) -> Self {
        self.exempt.push(address);
        self
    }
}

/// What is counted as one source: an IPv4 address, or the /64 that an IPv6 customer gets.
pub(crate) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
        v4 => v4,
    }
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
    banned_until: Option<Instant>,
}

/// What to do with what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Take,
    /// The first that is refused: say so.
    Ban,
    /// One more of a banned source.
    Refuse,
}

/// The buckets of the sources heard of lately.
#[derive(Debug)]
pub(crate) struct Gate {
    policy: Admission,
    buckets: HashMap<IpAddr, Bucket>,
    /// In the order in which they came to be known.
    order: VecDeque<IpAddr>,
    pub(crate) refused: u64,
}

/// How many sources are looked at for one that may be forgotten, so that a full table costs no more than this.
const TRIES: usize = 8;

impl Gate {
    pub(crate) fn new(mut policy: Admission) -> Self {
        policy.sources = policy.sources.max(1);
        for address in &mut policy.exempt {
            *address = source(*address);
        }
        Self {
            policy,
            buckets: HashMap::new(),
            order: VecDeque::new(),
            refused: 0,
        }
    }

    /// Judges something of `len` bytes that came from `address`.
    pub(crate) fn judge(&mut self, now: Instant, address: IpAddr, len: usize) -> Verdict {
        let source = source(address);
        if self.policy.exempt.contains(&source) {
            return Verdict::Take;
        }
        let (rate, burst) = (f64::from(self.policy.rate), f64::from(self.policy.burst));
        if !self.buckets.contains_key(&source) {
            self.make_room(now);
            self.order.push_back(source);
        }
        let bucket = self.buckets.entry(source).or_insert(Bucket {
            tokens: burst,
            at: now,
            banned_until: None,
        });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * rate).min(burst);
        bucket.at = now;
        let end = now.checked_add(self.policy.ban).unwrap_or(now);
        let verdict = match bucket.banned_until {
            Some(until) if now < until => {
                bucket.banned_until = Some(end);
                Verdict::Refuse
            }
            _ => {
                let cost = 1.0 + (len / 1024) as f64;
                if bucket.tokens >= cost {
                    bucket.tokens -= cost;
                    bucket.banned_until = None;
                    Verdict::Take
                } else {
                    bucket.banned_until = Some(end);
                    Verdict::Ban
                }
            }
        };
        if verdict != Verdict::Take {
            self.refused += 1;
        }
        verdict
    }

    /// Whether a source is banned, without counting anything.
    pub(crate) fn is_banned(&self, now: Instant, address: IpAddr) -> bool {
        self.buckets
            .get(&source(address))
            .and_then(|bucket| bucket.banned_until)
            .is_some_and(|until| now < until)
    }

    fn make_room(&mut self, now: Instant) {
        if self.buckets.len() < self.policy.sources {
            return;
        }
        let (rate, burst) = (f64::from(self.policy.rate), f64::from(self.policy.burst));
        for _ in 0..TRIES {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            let full = self.buckets.get(&oldest).is_none_or(|bucket| {
                let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
                let banned = bucket.banned_until.is_some_and(|until| now < until);
                !banned && bucket.tokens + passed * rate >= burst
            });
            if full {
                self.buckets.remove(&oldest);
                return;
            }
            self.order.push_back(oldest);
        }
        if let Some(oldest) = self.order.pop_front() {
            self.buckets.remove(&oldest);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        assert_eq!(self.buckets.len(), self.order.len());
        self.buckets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, host])
    }

    #[test]
    fn a_source_has_its_burst_then_its_rate_then_a_ban() {
        let mut policy = Admission::new(10);
        policy.ban = Duration::from_secs(5);
        let (mut gate, mut now) = (Gate::new(policy), Instant::now());
        for _ in 0..40 {
            assert_eq!(gate.judge(now, at(1), 300), Verdict::Take);
        }
        assert_eq!(gate.judge(now, at(1), 300), Verdict::Ban);
        assert_eq!(gate.judge(now, at(1), 300), Verdict::Refuse);
        assert_eq!(gate.judge(now, at(2), 300), Verdict::Take, "another");
        assert!(gate.is_banned(now, at(1)) && !gate.is_banned(now, at(2)));
        // Who goes on stays banned; who is silent for the time of the ban is not.
        now += Duration::from_secs(4);
        assert_eq!(gate.judge(now, at(1), 300), Verdict::Refuse);
        now += Duration::from_secs(4);
        assert_eq!(gate.judge(now, at(1), 300), Verdict::Refuse);
        now += Duration::from_secs(5);
        assert_eq!(gate.judge(now, at(1), 300), Verdict::Take);
        assert_eq!(gate.refused, 4);
        // Ten a second for as long as it likes.
        for _ in 0..200 {
            now += Duration::from_millis(100);
            assert_eq!(gate.judge(now, at(3), 300), Verdict::Take);
        }
    }

    #[test]
    fn bytes_count_too() {
        let (mut gate, now) = (Gate::new(Admission::new(1)), Instant::now());
        assert_eq!(gate.judge(now, at(1), 3 * 1024), Verdict::Take);
        assert_eq!(gate.judge(now, at(1), 1), Verdict::Ban);
    }

    #[test]
    fn memory_is_bounded_and_who_floods_is_not_forgotten_first() {
        let mut policy = Admission::new(1);
        policy.sources = 4;
        let (mut gate, now) = (Gate::new(policy), Instant::now());
        for _ in 0..6 {
            gate.judge(now, at(1), 1);
        }
        assert!(gate.is_banned(now, at(1)));
        let later = now + Duration::from_secs(2);
        for host in 2..=200 {
            // Each of them could send its whole burst again by the time the next comes.
            let now = later + Duration::from_secs(u64::from(host));
            gate.judge(now, at(1), 1);
            gate.judge(now, at(host), 1);
            assert!(gate.len() <= 4);
            assert!(gate.is_banned(now, at(1)));
        }
    }

    #[test]
    fn a_source_is_an_ipv4_address_or_an_ipv6_network() {
        let one: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let other: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        assert_eq!(source(one), source(other));
        assert_ne!(source(one), source("2001:db8:1:3::1".parse().unwrap()));
        assert_eq!(source("::ffff:192.0.2.1".parse().unwrap()), at(1));
        let gate = Admission::new(0).exempt(one);
        assert_eq!(
            Gate::new(gate).judge(Instant::now(), other, 1),
            Verdict::Take
        );
    }
}
