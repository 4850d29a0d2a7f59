//! Addresses that failed a short while ago.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Transport;

type Place = (Transport, SocketAddr);

/// Addresses to be tried last until a while has passed. Bounded: when full, the one that expires
/// first makes room.
#[derive(Clone, Debug, Default)]
pub struct Blacklist {
    until: HashMap<Place, Instant>,
    order: BTreeSet<(Instant, Place)>,
    limit: usize,
}

impl Blacklist {
    /// An empty list of at most `limit` addresses; with 0 nothing is ever listed.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Lists an address for a span from `now`. Listed already, the later end counts.
    pub fn add(&mut self, now: Instant, transport: Transport, remote: SocketAddr, span: Duration) {
        self.expire(now);
        let place = (transport, remote);
        let Some(until) = now.checked_add(span).filter(|_| !span.is_zero()) else {
            return;
        };
        if self.limit == 0 || self.until.get(&place).is_some_and(|old| *old >= until) {
            return;
        }
        self.remove(transport, remote);
        if self.until.len() >= self.limit
            && let Some((_, first)) = self.order.pop_first()
        {
            self.until.remove(&first);
        }
        self.until.insert(place, until);
        self.order.insert((until, place));
    }

    /// Takes an address off: it answered.
    pub fn remove(&mut self, transport: Transport, remote: SocketAddr) {
        let place = (transport, remote);
        if let Some(until) = self.until.remove(&place) {
            self.order.remove(&(until, place));
        }
    }

    /// Whether an address is listed at `now`.
    pub fn contains(&self, now: Instant, transport: Transport, remote: SocketAddr) -> bool {
        self.until
            .get(&(transport, remote))
            .is_some_and(|until| now < *until)
    }

    /// How many are listed, those included whose time is over and which nobody asked for since.
    pub fn len(&self) -> usize {
        self.until.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    fn expire(&mut self, now: Instant) {
        while let Some((until, place)) = self.order.first().copied() {
            if now < until {
                break;
            }
            self.order.pop_first();
            self.until.remove(&place);
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn an_address_is_listed_until_its_time_is_over() {
        let (mut list, now) = (Blacklist::new(4), Instant::now());
        list.add(now, Transport::Udp, at(1), Duration::from_secs(30));
        list.add(now, Transport::Udp, at(1), Duration::from_secs(10));
        let later = now + Duration::from_secs(29);
        assert!(list.contains(later, Transport::Udp, at(1)));
        assert!(!list.contains(later, Transport::Tcp, at(1)));
        assert!(!list.contains(now + Duration::from_secs(30), Transport::Udp, at(1)));
        list.remove(Transport::Udp, at(1));
        assert!(list.is_empty());
        list.add(now, Transport::Udp, at(2), Duration::ZERO);
        assert!(list.is_empty(), "for no time at all");
    }

    #[test]
    fn a_full_list_lets_the_first_to_expire_go_and_what_expired_leaves_by_itself() {
        let (mut list, now) = (Blacklist::new(2), Instant::now());
        for port in 1..=3 {
            let span = Duration::from_secs(10 * u64::from(port));
            list.add(now, Transport::Udp, at(port), span);
        }
        assert_eq!(list.len(), 2);
        assert!(!list.contains(now, Transport::Udp, at(1)));
        assert!(list.contains(now, Transport::Udp, at(3)));
        let late = now + Duration::from_secs(60);
        list.add(late, Transport::Udp, at(4), Duration::from_secs(1));
        assert_eq!(list.len(), 1);
    }
}
