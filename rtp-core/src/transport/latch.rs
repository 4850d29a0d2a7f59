//! Whom to believe: the address that media goes to and comes from. [`Latching`] states the rules.

use super::config::Latching;
use crate::rtp::Ssrc;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long the current address must have been silent before plain RTP may move elsewhere.
const SILENCE: Duration = Duration::from_millis(400);
/// A candidate that pauses this long has to start again.
const CANDIDATE_PAUSE: Duration = Duration::from_millis(200);
/// How far ahead of the last sequence number a peer may go on after a pause: a minute at 50 packets a second.
const MAX_AHEAD: u16 = 3000;

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Admit,
    /// Admit, and send there from now on.
    Moved,
    Refuse,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    from: SocketAddr,
    ssrc: Ssrc,
    sequence: u16,
    count: u8,
    last: Instant,
}

#[derive(Debug)]
pub(crate) struct Latch {
    mode: Latching,
    signalled: SocketAddr,
    current: SocketAddr,
    /// The last packet from `current`: when, of whom, which.
    heard: Option<(Instant, Ssrc, u16)>,
    candidate: Option<Candidate>,
}

impl Latch {
    pub(crate) fn new(mode: Latching, signalled: SocketAddr) -> Latch {
        Latch {
            mode,
            signalled,
            current: signalled,
            heard: None,
            candidate: None,
        }
    }

    /// Where to send.
    pub(crate) fn current(&self) -> SocketAddr {
        self.current
    }

    /// A negotiated address: opens the latch anew when it differs from the last negotiated one.
    pub(crate) fn set_signalled(&mut self, signalled: SocketAddr) {
        if signalled != self.signalled {
            *self = Latch::new(self.mode, signalled);
        }
    }

    /// Judges a well-formed RTP packet; `verified` says that its SRTP tag was right.
    pub(crate) fn judge(
        &mut self,
        now: Instant,
        from: SocketAddr,
        ssrc: Ssrc,
        sequence: u16,
        verified: bool,
    ) -> Admission {
        if from == self.current {
            self.heard = Some((now, ssrc, sequence));
            if self.candidate.is_some_and(|c| !verified || c.from == from) {
                self.candidate = None;
            }
            return Admission::Admit;
        }
        if self.mode == Latching::Off {
            let known = verified || from.ip() == self.signalled.ip();
            return if known {
                Admission::Admit
            } else {
                Admission::Refuse
            };
        }
        let admit = if verified {
            Admission::Admit
        } else {
            Admission::Refuse
        };
        if !verified && !self.plausible(now, ssrc, sequence) {
            return admit;
        }
        let count = self.probe(now, from, ssrc, sequence);
        let need = match (self.heard.is_some(), verified) {
            (_, true) => 3,
            (true, false) => 4,
            (false, false) if self.mode == Latching::On => 2,
            (false, false) if from.ip() == self.signalled.ip() => 2,
            (false, false) => 4,
        };
        if count < need {
            return admit;
        }
        self.current = from;
        self.heard = Some((now, ssrc, sequence));
        self.candidate = None;
        Admission::Moved
    }

    /// Whether an unproven packet could come from the peer: once that has been heard, only after a silence
    /// and only where it stopped.
    fn plausible(&self, now: Instant, ssrc: Ssrc, sequence: u16) -> bool {
        match self.heard {
            None => true,
            Some((last, known, top)) => {
                now.saturating_duration_since(last) >= SILENCE
                    && ssrc == known
                    && (1..=MAX_AHEAD).contains(&sequence.wrapping_sub(top))
            }
        }
    }

    /// Counts packets in sequence from one newcomer. One newcomer at a time: a flood from many addresses can
    /// delay a move, never make one.
    fn probe(&mut self, now: Instant, from: SocketAddr, ssrc: Ssrc, sequence: u16) -> u8 {
        if let Some(c) = &mut self.candidate {
            let paused = now.saturating_duration_since(c.last) > CANDIDATE_PAUSE;
            if c.from == from && c.ssrc == ssrc && !paused {
                if (1..=3).contains(&sequence.wrapping_sub(c.sequence)) {
                    c.count = c.count.saturating_add(1);
                    c.sequence = sequence;
                    c.last = now;
                }
                return c.count;
            }
            if !paused && c.count > 1 {
                return 0;
            }
        }
        self.candidate = Some(Candidate {
            from,
            ssrc,
            sequence,
            count: 1,
            last: now,
        });
        1
    }

    /// Whether RTCP from there is the peer's: same address as its media.
    pub(crate) fn knows_ip(&self, from: SocketAddr) -> bool {
        from.ip() == self.current.ip() || from.ip() == self.signalled.ip()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;

    const PEER: Ssrc = Ssrc(7);
    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn feed(
        latch: &mut Latch,
        at: &mut Instant,
        from: SocketAddr,
        ssrc: Ssrc,
        sequences: std::ops::Range<u16>,
        verified: bool,
    ) -> Vec<Admission> {
        sequences
            .map(|n| {
                *at += Duration::from_millis(20);
                latch.judge(*at, from, ssrc, n, verified)
            })
            .collect()
    }

    #[test]
    fn auto_follows_a_peer_behind_a_nat_after_four_packets() {
        let (signalled, nat) = (addr("10.0.0.5:4000"), addr("203.0.113.9:61000"));
        let mut at = Instant::now();
        let mut latch = Latch::new(Latching::Auto, signalled);
        let got = feed(&mut latch, &mut at, nat, PEER, 0..5, false);
        use Admission::{Admit, Moved, Refuse};
        assert_eq!(got, [Refuse, Refuse, Refuse, Moved, Admit]);
        assert_eq!(latch.current(), nat);
    }

    #[test]
    fn a_stranger_gets_nothing_while_the_peer_speaks_or_is_on_hold() {
        let (peer, stranger) = (addr("192.0.2.1:4000"), addr("198.51.100.66:4000"));
        for mode in [Latching::Auto, Latching::On, Latching::Off] {
            let mut at = Instant::now();
            let mut latch = Latch::new(mode, peer);
            feed(&mut latch, &mut at, peer, PEER, 0..50, false);
            for n in 50..200 {
                at += Duration::from_millis(20);
                assert_eq!(latch.judge(at, peer, PEER, n, false), Admission::Admit);
                assert_eq!(
                    latch.judge(at, stranger, PEER, n + 1, false),
                    Admission::Refuse
                );
            }
            // Eleven minutes of hold: right SSRC with a wrong sequence number, and the other way round.
            at += Duration::from_secs(660);
            let wrong = feed(&mut latch, &mut at, stranger, PEER, 30_000..30_100, false);
            assert!(wrong.iter().all(|a| *a == Admission::Refuse));
            let wrong = feed(&mut latch, &mut at, stranger, Ssrc(8), 200..300, false);
            assert!(wrong.iter().all(|a| *a == Admission::Refuse));
            assert_eq!(latch.current(), peer);
        }
    }

    #[test]
    fn a_nat_may_rebind_and_srtp_moves_on_proof_alone() {
        let (peer, rebound) = (addr("192.0.2.1:4000"), addr("192.0.2.1:5000"));
        let mut at = Instant::now();
        let mut latch = Latch::new(Latching::Auto, peer);
        feed(&mut latch, &mut at, peer, PEER, 0..50, false);
        let got = feed(&mut latch, &mut at, rebound, PEER, 50..100, false);
        let moved = got.iter().position(|a| *a == Admission::Moved).unwrap();
        assert!((20..=24).contains(&moved), "{moved}");

        let mut latch = Latch::new(Latching::Auto, peer);
        feed(&mut latch, &mut at, peer, PEER, 0..50, true);
        let got = feed(&mut latch, &mut at, rebound, PEER, 50..54, true);
        assert_eq!(got[2], Admission::Moved);
        assert!(!got.contains(&Admission::Refuse));
    }

    #[test]
    fn off_admits_the_negotiated_host_only_and_never_moves() {
        let (peer, port, stranger) = (
            addr("192.0.2.1:4000"),
            addr("192.0.2.1:5000"),
            addr("198.51.100.66:4000"),
        );
        let mut at = Instant::now();
        let mut latch = Latch::new(Latching::Off, peer);
        assert_eq!(
            feed(&mut latch, &mut at, port, PEER, 0..5, false),
            [Admission::Admit; 5]
        );
        assert_eq!(
            feed(&mut latch, &mut at, stranger, PEER, 0..5, false),
            [Admission::Refuse; 5]
        );
        assert_eq!(latch.current(), peer);
    }
}
