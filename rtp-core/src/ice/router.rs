//! Whose datagrams are these? One port for many agents.

use crate::stun::{self, Class, Message, TransactionId};
use crate::transport::Protocol;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::net::SocketAddr;

/// Names of a leg at a time: the one before a restart, and the one after.
const MAX_NAMES: usize = 2;

/// Addresses of a leg at a time: more than the ways that a peer has to us.
const MAX_ADDRESSES: usize = 16;

/// Checks of a leg whose answers are awaited: three seconds of them at the pace of a search.
const MAX_CHECKS: usize = 64;

/// The longest name fragment (RFC 8445 §5.3).
const MAX_NAME: usize = 256;

/// How it is known that a leg's peer is at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// A check came from there whose MESSAGE-INTEGRITY the leg's agent has verified: its peer made it, though somebody on
    /// the way may have sent it again from elsewhere.
    Heard,
    /// An answer to a check of the leg's came from there, where the check went: its peer is there.
    Answered,
}

/// Why a leg cannot have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouterError {
    /// It is none: empty, longer than 256 bytes, or with a colon in it.
    #[error("no ICE user name fragment")]
    Name,
    /// Another leg has it. Names that are drawn are not: 48 random bits.
    #[error("another leg has this user name fragment")]
    Taken,
}

/// Says whose a datagram is that came to a port which many agents share, each for a *leg* of the caller's (a call, a peer),
/// called `K`.
///
/// * A check is the leg's whose user name fragment stands first in its USERNAME (RFC 8445 §7.2.2).
/// * An answer is the leg's that asked ([`Router::sent`]).
/// * Everything else (DTLS, RTP and RTCP, RFC 7983) is the leg's whose peer is known to be at the address that it came
///   from ([`Router::claim`]).
///
/// The router verifies nothing; the legs' agents do. What a stranger sends may reach an agent, if it knows a name, and is
/// refused there; it makes nothing in here. An address goes from one leg to another by an answer alone, which nobody gives
/// for somebody else: not by a check, which may be sent with a forged source. Two legs whose peers are at the same address and
/// port at the same time cannot be told apart: the last that proved it has it.
///
/// RTCP must be multiplexed with RTP (RFC 5761), and a leg has one component: the port is all that there is.
///
/// ```
/// use rtp_core::ice::{Proof, Router};
/// use rtp_core::stun::{self, Builder, Class, TransactionId};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut router = Router::new();
/// router.add("alice's call", "Xk3q")?;
/// let from = "192.0.2.1:4000".parse()?;
///
/// let check = Builder::new(Class::Request, stun::BINDING, TransactionId([7; 12]));
/// let check = check.attribute(stun::USERNAME, b"Xk3q:peer").finish(Some(b"its password"));
/// assert_eq!(router.route(from, &check), Some("alice's call"));
/// let voice = [0x80, 0, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4];
/// assert_eq!(router.route(from, &voice), None, "nobody has proved to be there");
///
/// // The leg's agent takes the check and finds it good (`Agent::receive`).
/// router.claim("alice's call", from, Proof::Heard);
/// assert_eq!(router.route(from, &voice), Some("alice's call"));
///
/// router.remove("alice's call");
/// assert_eq!(router.route(from, &voice), None);
/// # Ok(()) }
/// ```
pub struct Router<K> {
    legs: HashMap<K, Leg>,
    names: HashMap<Box<[u8]>, K>,
    addresses: HashMap<SocketAddr, (K, Proof)>,
    checks: HashMap<TransactionId, K>,
}

/// What a leg has in the tables, oldest first.
#[derive(Default)]
struct Leg {
    names: VecDeque<Box<[u8]>>,
    addresses: VecDeque<SocketAddr>,
    checks: VecDeque<TransactionId>,
}

impl<K> fmt::Debug for Router<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("legs", &self.legs.len())
            .field("addresses", &self.addresses.len())
            .finish_non_exhaustive()
    }
}

impl<K> Default for Router<K> {
    fn default() -> Router<K> {
        Router {
            legs: HashMap::new(),
            names: HashMap::new(),
            addresses: HashMap::new(),
            checks: HashMap::new(),
        }
    }
}

impl<K: Copy + Eq + Hash> Router<K> {
    /// One without legs.
    #[must_use]
    pub fn new() -> Router<K> {
        Router::default()
    }

    /// Gives a leg its user name fragment, ours, as its description says it. After a restart of ICE it gets another one: both
    /// count, until the next one takes the place of the first.
    ///
    /// # Errors
    /// When the name is none, or another leg's.
    pub fn add(&mut self, leg: K, ufrag: &str) -> Result<(), RouterError> {
        if ufrag.is_empty() || ufrag.len() > MAX_NAME || ufrag.contains(':') {
            return Err(RouterError::Name);
        }
        match self.names.entry(ufrag.as_bytes().into()) {
            Entry::Occupied(known) if *known.get() == leg => return Ok(()),
            Entry::Occupied(_) => return Err(RouterError::Taken),
            Entry::Vacant(free) => free.insert(leg),
        };
        let names = &mut self.legs.entry(leg).or_default().names;
        if names.len() == MAX_NAMES
            && let Some(oldest) = names.pop_front()
        {
            self.names.remove(&oldest);
        }
        names.push_back(ufrag.as_bytes().into());
        Ok(())
    }

    /// Takes a leg out, with all that it has.
    pub fn remove(&mut self, leg: K) {
        let Some(gone) = self.legs.remove(&leg) else {
            return;
        };
        for name in &gone.names {
            self.names.remove(name);
        }
        for address in &gone.addresses {
            self.addresses.remove(address);
        }
        for check in &gone.checks {
            self.checks.remove(check);
        }
    }

    /// Whose a datagram is; `None`: nobody's, so that it is to be dropped. It costs no allocation.
    #[must_use]
    pub fn route(&self, from: SocketAddr, datagram: &[u8]) -> Option<K> {
        if Protocol::of(*datagram.first()?) != Protocol::Stun {
            return self.at(from);
        }
        let message = Message::parse(datagram).ok()?;
        match message.class() {
            Class::Request => {
                let username = message.attribute(stun::USERNAME)?;
                let colon = username.iter().position(|&byte| byte == b':')?;
                self.names.get(&username[..colon]).copied()
            }
            Class::Success | Class::Error => self.checks.get(&message.transaction()).copied(),
            Class::Indication => self.at(from),
        }
    }

    /// The leg whose peer is at an address.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Option<K> {
        self.addresses.get(&address).map(|(leg, _)| *leg)
    }

    /// Notes a datagram that a leg sends, so that the answer finds it if it is a check (or a question to a STUN server).
    pub fn sent(&mut self, leg: K, datagram: &[u8]) {
        if datagram.first().map(|&first| Protocol::of(first)) != Some(Protocol::Stun) {
            return;
        }
        let Ok(message) = Message::parse(datagram) else {
            return;
        };
        let (id, Some(of)) = (message.transaction(), self.legs.get_mut(&leg)) else {
            return;
        };
        // One that is sent again is known; and what another leg drew, nobody draws.
        if message.class() != Class::Request || self.checks.contains_key(&id) {
            return;
        }
        if of.checks.len() == MAX_CHECKS
            && let Some(oldest) = of.checks.pop_front()
        {
            self.checks.remove(&oldest);
        }
        of.checks.push_back(id);
        self.checks.insert(id, leg);
    }

    /// A leg's agent has found that its peer is at an address. `false`: another leg's peer is there as far as is known, or the
    /// leg is unknown. Of more addresses than are kept the one that was first claimed is forgotten.
    pub fn claim(&mut self, leg: K, address: SocketAddr, proof: Proof) -> bool {
        if !self.legs.contains_key(&leg) {
            return false;
        }
        match self.addresses.entry(address) {
            Entry::Occupied(mut known) => {
                let (of, before) = *known.get();
                if of == leg {
                    known.insert((leg, before.max(proof)));
                    return true;
                }
                if proof < Proof::Answered {
                    return false;
                }
                known.insert((leg, proof));
                if let Some(other) = self.legs.get_mut(&of) {
                    other.addresses.retain(|theirs| *theirs != address);
                }
            }
            Entry::Vacant(free) => drop(free.insert((leg, proof))),
        }
        if let Some(leg) = self.legs.get_mut(&leg) {
            if leg.addresses.len() == MAX_ADDRESSES {
                // What an answer proved is not lost to checks that somebody repeats from everywhere.
                let weak = |at: &SocketAddr| {
                    let known = self.addresses.get(at);
                    known.is_some_and(|(_, proof)| *proof == Proof::Heard)
                };
                let at = leg.addresses.iter().position(weak).unwrap_or(0);
                if let Some(oldest) = leg.addresses.remove(at) {
                    self.addresses.remove(&oldest);
                }
            }
            leg.addresses.push_back(address);
        }
        true
    }

    /// Legs that have a name.
    #[must_use]
    pub fn len(&self) -> usize {
        self.legs.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::Builder;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn check(username: &str, id: u8) -> Vec<u8> {
        Builder::new(Class::Request, stun::BINDING, TransactionId([id; 12]))
            .attribute(stun::USERNAME, username.as_bytes())
            .finish(Some(b"a password that nobody asks for"))
    }

    fn answer(class: Class, id: u8) -> Vec<u8> {
        Builder::new(class, stun::BINDING, TransactionId([id; 12])).finish(None)
    }

    const VOICE: [u8; 12] = [0x80; 12];
    const DTLS: [u8; 13] = [22; 13];

    fn two() -> Router<u8> {
        let mut router = Router::new();
        router.add(1, "one").unwrap();
        router.add(2, "two").unwrap();
        router
    }

    #[test]
    fn checks_go_by_name_and_answers_by_who_asked() {
        let mut router = two();
        for (username, leg) in [
            ("one:x", Some(1)),
            ("two:one", Some(2)),
            ("two:", Some(2)),
            ("one", None),
            (":one", None),
            ("on:e", None),
            ("", None),
        ] {
            assert_eq!(router.route(at(1), &check(username, 9)), leg, "{username}");
        }
        router.sent(1, &check("x:one", 3));
        router.sent(2, &check("x:two", 4));
        // Nobody else's answer by the same number, and what is no question makes nothing.
        router.sent(2, &check("x:two", 3));
        router.sent(2, &answer(Class::Success, 5));
        router.sent(2, &VOICE);
        for (id, leg) in [(3, Some(1)), (4, Some(2)), (5, None)] {
            for class in [Class::Success, Class::Error] {
                assert_eq!(router.route(at(7), &answer(class, id)), leg);
            }
        }
        // A check that is unreadable, or cut off, is nobody's.
        let mut broken = check("one:x", 9);
        *broken.last_mut().unwrap() ^= 1;
        assert_eq!(router.route(at(1), &broken), None);
        assert_eq!(router.route(at(1), &check("one:x", 9)[..30]), None);
        assert_eq!(router.route(at(1), &[]), None);
    }

    #[test]
    fn everything_else_goes_by_the_address_that_was_proved() {
        let mut router = two();
        assert!(router.claim(1, at(1), Proof::Heard));
        assert!(router.claim(2, at(2), Proof::Answered));
        for packet in [&VOICE[..], &DTLS, &answer(Class::Indication, 9)] {
            assert_eq!(router.route(at(1), packet), Some(1));
            assert_eq!(router.route(at(2), packet), Some(2));
            assert_eq!(router.route(at(3), packet), None);
        }
        assert!(!router.claim(3, at(3), Proof::Answered), "no such leg");
        assert_eq!(router.at(at(3)), None);
    }

    #[test]
    fn an_address_changes_hands_by_an_answer_alone() {
        let mut router = two();
        for first in [Proof::Heard, Proof::Answered] {
            assert!(router.claim(1, at(1), first));
            assert!(!router.claim(2, at(1), Proof::Heard));
            assert_eq!(router.at(at(1)), Some(1));
            assert!(router.claim(2, at(1), Proof::Answered));
            assert_eq!(router.at(at(1)), Some(2));
            // What is known is not forgotten over less.
            assert!(router.claim(2, at(1), Proof::Heard));
            assert!(!router.claim(1, at(1), Proof::Heard));
            assert!(router.claim(1, at(1), Proof::Answered));
        }
        // Who lost it takes it from nobody by leaving.
        assert!(router.claim(2, at(1), Proof::Answered));
        router.remove(1);
        assert_eq!(router.at(at(1)), Some(2));
    }

    #[test]
    fn what_a_leg_has_is_bounded_and_goes_with_it() {
        let mut router = two();
        assert!(router.claim(1, at(9999), Proof::Answered));
        for port in 1..=1000 {
            assert!(router.claim(1, at(port), Proof::Heard));
            router.sent(1, &check("x:one", port as u8));
        }
        assert_eq!(router.addresses.len(), MAX_ADDRESSES);
        assert_eq!(
            router.at(at(9999)),
            Some(1),
            "repeated checks do not push it out"
        );
        assert_eq!(router.at(at(1000)), Some(1));
        assert_eq!(router.checks.len(), MAX_CHECKS);
        for port in 1..=1000 {
            router.claim(1, at(port), Proof::Answered);
        }
        assert_eq!(router.addresses.len(), MAX_ADDRESSES);
        router.remove(1);
        router.remove(1);
        assert!(router.addresses.is_empty() && router.checks.is_empty());
        assert_eq!((router.names.len(), router.len()), (1, 1));
        router.remove(2);
        assert!(router.is_empty() && router.names.is_empty());
    }

    #[test]
    fn after_a_restart_both_names_count_for_a_while() {
        let mut router = two();
        router.add(1, "again").unwrap();
        router.add(1, "again").unwrap();
        for name in ["one:x", "again:x"] {
            assert_eq!(router.route(at(1), &check(name, 1)), Some(1));
        }
        router.add(1, "third").unwrap();
        assert_eq!(router.route(at(1), &check("one:x", 1)), None);
        assert_eq!(router.route(at(1), &check("again:x", 1)), Some(1));
        assert_eq!(router.add(2, "third"), Err(RouterError::Taken));
        // Free again, once it is nobody's.
        router.add(2, "one").unwrap();
        assert_eq!(router.route(at(1), &check("one:x", 1)), Some(2));
        for name in ["", "a:b", &"x".repeat(257)] {
            assert_eq!(router.add(2, name), Err(RouterError::Name));
        }
    }
}
