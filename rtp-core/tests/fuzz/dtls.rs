//! DTLS: two ends with a network between them that loses, doubles, reorders, changes and invents datagrams.
//! Keys are fresh in each run, so the same input does not do the same to the last
//! byte; what is asserted holds for all of them.
#![allow(clippy::disallowed_methods)]

use rtp_core::dtls::{Backend, Certificate, Event, Handshake, HandshakeConfig, Role};
use rtp_core::transport::Keys;
use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Datagrams under way in one direction.
const MAX_UNDER_WAY: usize = 64;

/// One input: a byte of settings, then records: what, wait in 50 ms, length, bytes.
pub(crate) fn fuzz(data: &[u8]) {
    let Some((&settings, mut rest)) = data.split_first() else {
        return;
    };
    let mut world = World::new(settings);
    world.settle();
    while let [what, wait, len, after @ ..] = rest {
        let (bytes, left) = after.split_at(usize::from(*len).min(after.len()));
        rest = left;
        world.now += Duration::from_millis(50) * u32::from(*wait);
        world.step(*what, bytes);
        world.settle();
    }
    // Whoever began has keys or an end by then.
    world.now += Duration::from_secs(61);
    world.settle();
    for end in &world.ends {
        assert!(!end.spoke || end.keys.is_some() || end.over);
    }
    let [client, server] = &world.ends;
    if let (Some(client), Some(server)) = (&client.keys, &server.keys) {
        assert_eq!(
            (&client.send, &client.receive),
            (&server.receive, &server.send)
        );
    }
    assert!(
        !world.betrayed || server.keys.is_none(),
        "keys for another certificate"
    );
}

struct End {
    handshake: Handshake,
    keys: Option<Keys>,
    over: bool,
    /// It has sent something: a server does not before it has heard a client.
    spoke: bool,
    /// What goes to the other end.
    sent: VecDeque<Vec<u8>>,
}

struct World {
    now: Instant,
    /// The client, and the server.
    ends: [End; 2],
    /// The server's description named another certificate.
    betrayed: bool,
    /// The last datagrams that were delivered.
    history: VecDeque<Vec<u8>>,
}

/// Making them takes longer than a handshake.
fn certificates() -> &'static [Certificate; 2] {
    static MADE: OnceLock<[Certificate; 2]> = OnceLock::new();
    MADE.get_or_init(|| [0, 1].map(|_| Certificate::generate().expect("random bytes")))
}

impl World {
    fn new(settings: u8) -> World {
        let now = Instant::now();
        let certificates = certificates();
        let betrayed = settings & 1 == 1;
        let ends = [Role::Client, Role::Server].map(|role| {
            let (ours, theirs) = match role {
                Role::Client => (0, 1),
                Role::Server => (1, 0),
            };
            let mut config = HandshakeConfig::default();
            config.backend = Backend::Rust;
            config.mtu = if settings & 2 == 2 { 300 } else { 1200 };
            let mut handshake =
                Handshake::new(now, &certificates[ours], role, config).expect("a handshake");
            let theirs = if betrayed && role == Role::Server {
                ours
            } else {
                theirs
            };
            handshake.expect(&[certificates[theirs].fingerprint()]);
            End {
                handshake,
                keys: None,
                over: false,
                spoke: false,
                sent: VecDeque::new(),
            }
        });
        World {
            now,
            ends,
            betrayed,
            history: VecDeque::new(),
        }
    }

    fn step(&mut self, what: u8, bytes: &[u8]) {
        // From the client to the server, or back.
        let from = usize::from(what & 1);
        match what >> 4 {
            // The next datagram, as it is, with bytes changed, or cut.
            0..=4 => {
                if let Some(mut datagram) = self.ends[from].sent.pop_front() {
                    change(&mut datagram, bytes);
                    self.deliver(1 - from, &datagram);
                }
            }
            5 => drop(self.ends[from].sent.pop_front()),
            6 => self.ends[from]
                .sent
                .rotate_left(usize::from(what >> 1 & 1).min(self.ends[from].sent.len())),
            // One that was there before, to either end.
            7 | 8 => {
                let at = bytes.first().map_or(0, |&at| usize::from(at));
                let old = self.history.get(at % self.history.len().max(1)).cloned();
                if let Some(mut datagram) = old {
                    change(&mut datagram, bytes.get(1..).unwrap_or_default());
                    self.deliver(from, &datagram);
                }
            }
            9 => self.deliver(from, bytes),
            // A record in the clear, with a whole header.
            10 => {
                let kind = [20, 21, 22, 22, 22, 23, 26, 25][usize::from(what >> 1 & 7)];
                let mut record = vec![kind, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0];
                record.extend([bytes.first().copied().unwrap_or(0)]);
                record.extend((bytes.len() as u16).to_be_bytes());
                record.extend(bytes);
                self.deliver(from, &record);
            }
            // A message of the handshake in the clear, whole and of the length that it says.
            11 => {
                let Some((&[kind, number], body)) = bytes.split_first_chunk() else {
                    return;
                };
                let length = [0, 0, body.len() as u8];
                let message = [&[kind][..], &length, &[0, number, 0, 0, 0], &length, body].concat();
                let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 1, number];
                record.extend((message.len() as u16).to_be_bytes());
                record.extend(message);
                self.deliver(from, &record);
            }
            // Everything that is under way.
            12 | 13 => {
                for from in [0, 1] {
                    for datagram in std::mem::take(&mut self.ends[from].sent) {
                        self.deliver(1 - from, &datagram);
                    }
                }
            }
            14 => self.now += Duration::from_secs(1) * u32::from(what & 15),
            _ => {
                self.ends[from].handshake.close();
                self.ends[from].over = true;
            }
        }
    }

    fn deliver(&mut self, to: usize, datagram: &[u8]) {
        self.ends[to].handshake.receive(self.now, datagram);
        self.history.truncate(15);
        self.history.push_front(datagram.to_vec());
    }

    fn settle(&mut self) {
        for end in &mut self.ends {
            let handshake = &mut end.handshake;
            if handshake.poll_timeout().is_some_and(|at| at <= self.now) {
                handshake.handle_timeout(self.now);
            }
            let mut count = 0;
            while let Some(datagram) = handshake.poll_transmit() {
                count += 1;
                end.spoke = true;
                assert!(count <= 64 && datagram.len() <= 1200);
                if end.sent.len() < MAX_UNDER_WAY {
                    end.sent.push_back(datagram);
                }
            }
            while let Some(event) = handshake.poll_event() {
                match event {
                    Event::Keys(keys) => {
                        assert!(end.keys.is_none(), "keys twice");
                        end.keys = Some(keys);
                    }
                    Event::Failed(_) => {
                        assert!(end.keys.is_none() && !end.over);
                        end.over = true;
                    }
                    _ => end.over = true,
                }
            }
        }
    }
}

/// Pairs of a place and what is put over it; a last odd byte cuts.
fn change(datagram: &mut Vec<u8>, bytes: &[u8]) {
    let pairs = bytes.chunks_exact(2);
    let cut = pairs.remainder().first();
    for pair in pairs {
        let at = usize::from(pair[0]) % datagram.len().max(1);
        if let Some(byte) = datagram.get_mut(at) {
            *byte ^= pair[1];
        }
    }
    if let Some(&cut) = cut {
        datagram.truncate(usize::from(cut));
    }
}
