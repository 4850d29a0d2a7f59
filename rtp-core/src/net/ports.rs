//! Which ports are free.

use super::sockets::{RtpSockets, SocketOptions};
use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// Why no ports were given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortError {
    /// The range holds no even port with its successor.
    #[error("the port range {first}-{last} holds no even port with a free one after it")]
    EmptyRange {
        /// The first port of the range.
        first: u16,
        /// The last.
        last: u16,
    },
    /// Every pair is in use, closed only lately, or taken by another program: widen the range, or wait.
    #[error(
        "no RTP port is free in {first}-{last}: {in_use} pairs in use, {quarantined} closed lately, {refused} taken by others"
    )]
    Exhausted {
        /// The first port of the range.
        first: u16,
        /// The last.
        last: u16,
        /// Pairs that calls of ours have.
        in_use: usize,
        /// Pairs in quarantine.
        quarantined: usize,
        /// Pairs that the operating system refused.
        refused: usize,
    },
    /// The operating system refused for another reason than the port: the address is not ours, or there are
    /// too many open files.
    #[error("cannot open a media socket on {ip}: {source}")]
    Socket {
        /// The address to bind.
        ip: IpAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Gives out pairs of ports from a range, round robin.
///
/// A closed pair rests for a while before it is given out again: packets of the old call, still on their way
/// or still being sent by a peer that does not know yet, would otherwise be heard in the next.
#[derive(Debug)]
pub struct PortAllocator {
    ip: IpAddr,
    first: u16,
    last: u16,
    /// The even port to try first.
    next: u16,
    quarantine: Duration,
    options: SocketOptions,
    in_use: HashSet<u16>,
    resting: VecDeque<(u16, Instant)>,
}

impl PortAllocator {
    /// An allocator on `ip` for `range`, with a quarantine of 30 s.
    ///
    /// # Errors
    /// [`PortError::EmptyRange`].
    pub fn new(ip: IpAddr, range: RangeInclusive<u16>) -> Result<PortAllocator, PortError> {
        let (first, last) = (*range.start(), *range.end());
        let even = u32::from(first).next_multiple_of(2).max(2);
        if even + 1 > u32::from(last) {
            return Err(PortError::EmptyRange { first, last });
        }
        Ok(PortAllocator {
            ip,
            first,
            last,
            next: even as u16,
            quarantine: Duration::from_secs(30),
            options: SocketOptions::default(),
            in_use: HashSet::new(),
            resting: VecDeque::new(),
        })
    }

    /// With another quarantine.
    #[must_use]
    pub fn with_quarantine(mut self, quarantine: Duration) -> PortAllocator {
        self.quarantine = quarantine;
        self
    }

    /// With other socket options.
    #[must_use]
    pub fn with_options(mut self, options: SocketOptions) -> PortAllocator {
        self.options = options;
        self
    }

    /// The address that sockets are bound to.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Opens a pair.
    ///
    /// # Errors
    /// [`PortError::Exhausted`] when none is free, [`PortError::Socket`] when the system refuses for another
    /// reason.
    pub fn allocate(&mut self, now: Instant) -> Result<RtpSockets, PortError> {
        self.rested(now);
        let mut refused = 0;
        for _ in 0..self.pairs() {
            let port = self.next;
            self.next = self.after(port);
            if self.in_use.contains(&port) || self.resting.iter().any(|&(p, _)| p == port) {
                continue;
            }
            match RtpSockets::bind(self.ip, port, self.options) {
                Ok(sockets) => {
                    self.in_use.insert(port);
                    return Ok(sockets);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => refused += 1,
                    _ => {
                        return Err(PortError::Socket {
                            ip: self.ip,
                            source: error,
                        });
                    }
                },
            }
        }
        Err(PortError::Exhausted {
            first: self.first,
            last: self.last,
            in_use: self.in_use.len(),
            quarantined: self.resting.len(),
            refused,
        })
    }

    /// Closes a pair and puts its ports to rest.
    pub fn release(&mut self, now: Instant, sockets: RtpSockets) {
        let port = sockets.rtp_addr().port();
        drop(sockets);
        if self.in_use.remove(&port) {
            self.resting.push_back((port, now));
        }
        self.rested(now);
    }

    /// Pairs in use.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.in_use.len()
    }

    /// Pairs in the range.
    #[must_use]
    pub fn pairs(&self) -> usize {
        let even = self.first_even();
        (usize::from(self.last) - usize::from(even)).div_ceil(2)
    }

    fn first_even(&self) -> u16 {
        // `new` has made sure that there is one.
        (self.first.max(2)).saturating_add(self.first & 1)
    }

    fn after(&self, port: u16) -> u16 {
        match port.checked_add(2) {
            Some(next) if next < self.last => next,
            _ => self.first_even(),
        }
    }

    /// They come to rest in order, so that the first is the one that has rested longest.
    fn rested(&mut self, now: Instant) {
        while let Some(&(_, since)) = self.resting.front() {
            if now.saturating_duration_since(since) < self.quarantine {
                break;
            }
            self.resting.pop_front();
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, UdpSocket};
    use std::sync::atomic::{AtomicU16, Ordering};

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Four ports in a row that are free right now, the first even. No two calls give the same, and the system gives
    /// these to nobody who does not ask for them by number.
    fn quiet_range() -> u16 {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let mine = (std::process::id() % 500) as u16 * 16;
        for _ in 0..2000 {
            let port = 20_000 + (mine + NEXT.fetch_add(4, Ordering::Relaxed)) % 8000;
            let probes: Vec<_> = (port..port + 4)
                .filter_map(|p| UdpSocket::bind((HOME, p)).ok())
                .collect();
            if probes.len() == 4 {
                return port;
            }
        }
        panic!("no four free ports");
    }

    #[test]
    fn a_range_counts_its_pairs() {
        for (range, pairs) in [
            (10_000..=10_001, 1),
            (10_000..=10_003, 2),
            (10_001..=10_004, 1),
            (65_532..=65_535, 2),
            (10_000..=10_002, 1),
        ] {
            assert_eq!(PortAllocator::new(HOME, range).unwrap().pairs(), pairs);
        }
        for empty in [10_000..=10_000, 10_001..=10_002, 65_535..=65_535, 0..=1] {
            assert!(matches!(
                PortAllocator::new(HOME, empty),
                Err(PortError::EmptyRange { .. })
            ));
        }
    }

    #[test]
    fn a_closed_pair_rests_and_a_full_range_says_so() {
        let base = quiet_range();
        let mut ports = PortAllocator::new(HOME, base..=base + 3).unwrap();
        let start = Instant::now();
        let a = ports.allocate(start).unwrap();
        let b = ports.allocate(start).unwrap();
        assert_eq!(a.rtp_addr().port() % 2, 0);
        assert_eq!(a.rtcp_addr().port(), a.rtp_addr().port() + 1);
        assert_ne!(a.rtp_addr(), b.rtp_addr());
        let full = ports.allocate(start).unwrap_err();
        assert!(matches!(full, PortError::Exhausted { in_use: 2, .. }));
        assert!(full.to_string().contains("no RTP port is free"));

        let port = a.rtp_addr().port();
        ports.release(start, a);
        let resting = ports.allocate(start + Duration::from_secs(29)).unwrap_err();
        assert!(matches!(
            resting,
            PortError::Exhausted { quarantined: 1, .. }
        ));
        let again = ports.allocate(start + Duration::from_secs(30)).unwrap();
        assert_eq!(again.rtp_addr().port(), port);
    }

    #[test]
    fn a_port_that_another_program_has_is_passed_over() {
        let base = quiet_range();
        let other = UdpSocket::bind((HOME, base + 1)).unwrap();
        let mut ports = PortAllocator::new(HOME, base..=base + 3).unwrap();
        let got = ports.allocate(Instant::now()).unwrap();
        assert_eq!(got.rtp_addr().port(), base + 2);
        assert!(matches!(
            ports.allocate(Instant::now()),
            Err(PortError::Exhausted {
                in_use: 1,
                refused: 1,
                ..
            })
        ));
        drop(other);
    }

    #[test]
    fn an_address_that_is_not_ours_is_told_apart() {
        let elsewhere = "192.0.2.1".parse().unwrap();
        let mut ports = PortAllocator::new(elsewhere, 40_000..=40_100).unwrap();
        assert!(matches!(
            ports.allocate(Instant::now()),
            Err(PortError::Socket { .. })
        ));
    }

    #[test]
    fn a_pair_carries_datagrams_without_blocking() {
        let base = quiet_range();
        let mut ports = PortAllocator::new(HOME, base..=base + 3).unwrap();
        let a = ports.allocate(Instant::now()).unwrap();
        let b = ports.allocate(Instant::now()).unwrap();
        let mut buffer = [0; 64];
        assert!(b.receive(Component::Rtp, &mut buffer).unwrap().is_none());
        let to_b = Transmit {
            to: b.rtp_addr(),
            component: Component::Rtp,
        };
        assert!(a.send(to_b, b"hello").unwrap());
        let got = (0..1000).find_map(|_| {
            std::thread::sleep(Duration::from_millis(1));
            b.receive(Component::Rtp, &mut buffer).unwrap()
        });
        assert_eq!(got, Some((5, a.rtp_addr())));
    }

    use crate::transport::{Component, Transmit};
}
