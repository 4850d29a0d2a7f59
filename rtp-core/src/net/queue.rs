//! Datagrams that wait to be sent together.

use super::sockets::MAX_PENDING_ERRORS;
use std::io;
use std::net::SocketAddr;

/// Datagrams of one system call.
pub(super) const BATCH: usize = 64;

/// From how many on datagrams of one length to one address are given as one: below that, a batch of whatever is in the queue
/// spares more.
const RUN: usize = 4;

/// What the system takes as one.
const MAX_JOINED: usize = 65_000;

/// Datagrams for [`BatchSocket::send`](super::BatchSocket::send), copied into one buffer that is kept.
#[derive(Debug)]
pub struct SendQueue {
    bytes: Vec<u8>,
    packets: Vec<Waiting>,
    most: usize,
    room: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    to: SocketAddr,
    begin: usize,
    end: usize,
}

impl Waiting {
    fn len(&self) -> usize {
        self.end - self.begin
    }
}

/// What became of a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Datagrams that the system took.
    pub sent: usize,
    /// Datagrams that it had no room for; they are lost.
    pub full: usize,
    /// Datagrams that it refused: the network is unreachable, the address is of the other family, or it is too long for the
    /// way. They are lost.
    pub refused: usize,
}

/// Some of the datagrams of a queue, for one system call.
pub(super) struct Packets<'q> {
    bytes: &'q [u8],
    packets: &'q [Waiting],
    /// To be given as one, and cut at this length: all go to one address, and none but the last is shorter.
    pub(super) cut: Option<u16>,
}

impl<'q> Packets<'q> {
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (SocketAddr, &'q [u8])> + '_ {
        let bytes = self.bytes;
        let each = move |it: &Waiting| (it.to, &bytes[it.begin..it.end]);
        self.packets.iter().map(each)
    }

    /// Their bytes, which follow one another.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn joined(&self) -> &'q [u8] {
        match self.packets {
            [first, .., last] => &self.bytes[first.begin..last.end],
            _ => &[],
        }
    }
}

impl SendQueue {
    /// Room for `packets` datagrams, at 1500 bytes each; for one of any length, if it is alone.
    #[must_use]
    pub fn new(packets: usize) -> SendQueue {
        let most = packets.max(1);
        let room = (most * 1500).max(65_536);
        SendQueue {
            bytes: Vec::with_capacity(room),
            packets: Vec::with_capacity(most),
            most,
            room,
        }
    }

    /// Adds a datagram. `false`: there is no room; send what is there first.
    #[must_use]
    pub fn push(&mut self, to: SocketAddr, datagram: &[u8]) -> bool {
        if self.packets.len() == self.most || self.bytes.len() + datagram.len() > self.room {
            return false;
        }
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(datagram);
        let end = self.bytes.len();
        self.packets.push(Waiting { to, begin, end });
        true
    }

    /// Datagrams that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.packets.clear();
        self.bytes.clear();
    }

    /// Gives everything to `send`, which says how many of the datagrams the system has taken, at least the first. `segments`
    /// is how many may be given as one; it becomes 1 when the system refuses that.
    pub(super) fn drain(
        &mut self,
        segments: &mut usize,
        mut send: impl FnMut(&Packets<'_>) -> io::Result<usize>,
    ) -> Sent {
        let mut result = Sent::default();
        let (mut at, mut patience) = (0, MAX_PENDING_ERRORS);
        while at < self.packets.len() {
            let run = self.run(at, *segments);
            let count = match run >= RUN {
                true => run,
                false => self.mixed(at, *segments),
            };
            let packets = Packets {
                bytes: &self.bytes,
                packets: &self.packets[at..at + count],
                cut: (run >= RUN).then_some(self.packets[at].len() as u16),
            };
            match send(&packets) {
                Ok(taken) => {
                    let taken = taken.clamp(1, count);
                    result.sent += taken;
                    at += taken;
                    patience = MAX_PENDING_ERRORS;
                }
                Err(error) => match error.kind() {
                    // The rest would find no room either.
                    io::ErrorKind::WouldBlock => {
                        result.full += self.packets.len() - at;
                        break;
                    }
                    // Of an earlier packet, which says nothing of this one.
                    io::ErrorKind::Interrupted
                    | io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::ConnectionReset
                        if patience > 0 =>
                    {
                        patience -= 1;
                    }
                    _ if packets.cut.is_some() => *segments = 1,
                    _ => {
                        result.refused += 1;
                        at += 1;
                        patience = MAX_PENDING_ERRORS;
                    }
                },
            }
        }
        self.clear();
        result
    }

    /// How many datagrams from `at` on can be given as one.
    fn run(&self, at: usize, segments: usize) -> usize {
        let first = self.packets[at];
        if first.len() == 0 {
            return 1;
        }
        let most = segments.min(MAX_JOINED / first.len());
        let mut count = 1;
        for next in self.packets[at + 1..].iter().take(most.saturating_sub(1)) {
            if next.to != first.to || next.len() > first.len() || next.len() == 0 {
                break;
            }
            count += 1;
            // A shorter one ends it.
            if next.len() < first.len() {
                break;
            }
        }
        count
    }

    /// How many datagrams from `at` on go in one call without being joined.
    fn mixed(&self, at: usize, segments: usize) -> usize {
        let rest = at + 1..self.packets.len().min(at + BATCH);
        let mut rest = rest.take_while(|&next| self.run(next, segments) < RUN);
        1 + rest.by_ref().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn queue(packets: &[(u16, usize)]) -> SendQueue {
        let mut queue = SendQueue::new(1000);
        for (number, &(port, len)) in packets.iter().enumerate() {
            assert!(queue.push(at(port), &vec![number as u8; len]));
        }
        queue
    }

    /// How many datagrams each call was given, and the length to cut at.
    fn calls(packets: &[(u16, usize)], mut segments: usize) -> Vec<(usize, Option<u16>)> {
        let mut calls = Vec::new();
        let sent = queue(packets).drain(&mut segments, |packets| {
            calls.push((packets.iter().len(), packets.cut));
            Ok(packets.iter().len())
        });
        assert_eq!(sent.sent, packets.len());
        calls
    }

    #[test]
    fn equal_datagrams_to_one_address_are_joined_and_others_batched() {
        let video: Vec<_> = [(1, 1200); 10].into_iter().chain([(1, 300)]).collect();
        assert_eq!(calls(&video, 64), [(11, Some(1200))]);
        assert_eq!(calls(&video, 1), [(11, None)]);
        // A longer one begins anew; what goes elsewhere is not joined.
        let voices: Vec<_> = (0..200).map(|n| (n, 172)).collect();
        assert_eq!(
            calls(&voices, 64),
            [(64, None), (64, None), (64, None), (8, None)]
        );
        let mixed = voices[..5].iter().chain(&video).chain(&voices[..2]);
        let mixed: Vec<_> = mixed.copied().collect();
        assert_eq!(calls(&mixed, 64), [(5, None), (11, Some(1200)), (2, None)]);
        assert_eq!(
            calls(&[(1, 100), (1, 80), (1, 100), (1, 80)], 64),
            [(4, None)]
        );
        // No more than the system takes, in number and in bytes.
        assert_eq!(calls(&[(1, 10); 100], 64), [(64, Some(10)), (36, Some(10))]);
        let long = calls(&[(1, 1400); 60], 64);
        assert_eq!(long, [(46, Some(1400)), (14, Some(1400))]);
    }

    #[test]
    fn a_full_system_loses_the_rest_and_counts_it() {
        let mut calls = 0;
        let mut queue = queue(&[(1, 100), (2, 100), (3, 100)]);
        let sent = queue.drain(&mut 64, |_| {
            calls += 1;
            match calls {
                1 => Ok(1),
                _ => Err(io::ErrorKind::WouldBlock.into()),
            }
        });
        assert_eq!((sent.sent, sent.full, sent.refused, calls), (1, 2, 0, 2));
        assert!(queue.is_empty());
        assert!(queue.push(at(1), b"next"));
    }

    #[test]
    fn a_refused_datagram_takes_no_other_with_it() {
        let mut queue = queue(&[(1, 100), (2, 9000), (3, 100)]);
        let mut went = Vec::new();
        let sent = queue.drain(&mut 64, |packets| {
            let all = packets.iter();
            let taken: Vec<_> = all.take_while(|(_, bytes)| bytes.len() < 1500).collect();
            went.extend(taken.iter().map(|(to, _)| to.port()));
            match taken.len() {
                0 => Err(io::ErrorKind::InvalidInput.into()),
                taken => Ok(taken),
            }
        });
        assert_eq!((sent.sent, sent.refused, went), (2, 1, vec![1, 3]));
    }

    #[test]
    fn errors_of_earlier_packets_cost_none_and_do_not_last() {
        let mut refusals = 0;
        let mut asked = queue(&[(1, 100), (2, 100)]);
        let sent = asked.drain(&mut 1, |packets| {
            refusals += 1;
            match refusals {
                1 | 2 => Err(io::ErrorKind::ConnectionRefused.into()),
                _ => Ok(packets.iter().len()),
            }
        });
        assert_eq!(sent.sent, 2);
        let mut calls = 0;
        let sent = queue(&[(1, 100), (2, 100)]).drain(&mut 1, |_| {
            calls += 1;
            Err(io::ErrorKind::ConnectionRefused.into())
        });
        assert_eq!((sent.refused, calls), (2, 2 * (MAX_PENDING_ERRORS + 1)));
    }

    #[test]
    fn a_system_that_cuts_nothing_is_asked_once() {
        let (mut segments, mut whole) = (64, 0);
        let mut queue = queue(&[(1, 100); 20]);
        let sent = queue.drain(&mut segments, |packets| match packets.cut {
            Some(_) => {
                whole += 1;
                Err(io::Error::from_raw_os_error(5))
            }
            None => Ok(packets.iter().len()),
        });
        assert_eq!((sent.sent, segments, whole), (20, 1, 1));
    }

    #[test]
    fn a_full_queue_says_so() {
        let mut queue = SendQueue::new(2);
        assert!(queue.push(at(1), &[0; 60_000]));
        assert!(!queue.push(at(1), &[0; 6000]));
        assert!(queue.push(at(1), &[0; 100]));
        assert!(!queue.push(at(1), &[]));
        assert_eq!(queue.len(), 2);
    }
}
