//! TURN: any stream, and a client with a server whose answers are late, lost, doubled, changed, or signed and wrong.
#![allow(clippy::disallowed_methods)]

#[path = "../turn/server.rs"]
#[allow(dead_code, clippy::unwrap_used)]
mod server;

use md5::{Digest, Md5};
use rtp_core::stun::{Builder, Class, Message};
use rtp_core::transport::PacketBuf;
use rtp_core::turn::{ALLOCATE, Client, Config, Framer, FramingError, Received, Sent, Transport};
use server::{PASSWORD, Server, USER};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Answers that wait to be carried.
const MAX_ANSWERS: usize = 64;

/// One input: a byte of settings, then records: what, wait in 50 ms, length, bytes.
pub(crate) fn fuzz(data: &[u8]) {
    let Some((&settings, mut rest)) = data.split_first() else {
        return;
    };
    frame(rest, usize::from(settings) + 1);
    let mut world = World::new(settings);
    while let [what, wait, len, after @ ..] = rest {
        let (bytes, left) = after.split_at(usize::from(*len).min(after.len()));
        rest = left;
        world.now += Duration::from_millis(50) * u32::from(*wait);
        world.step(*what, bytes);
        world.settle();
    }
    // Whoever has no address by then has none to come.
    world.now += Duration::from_secs(8);
    world.settle();
    assert!(world.client.is_over() || world.client.relayed().is_some() || world.closed);
}

/// However a stream is cut, the same messages come out of it, and the same end.
fn frame(stream: &[u8], piece: usize) {
    let cut = |piece: usize| {
        let (mut framer, mut out) = (Framer::new(), Vec::new());
        for piece in stream.chunks(piece) {
            if let Err(error) = framer.push(piece) {
                return (out, Some(error));
            }
            loop {
                match framer.next_message() {
                    Ok(Some(message)) => out.push(message.to_vec()),
                    Ok(None) => break,
                    Err(error) => return (out, Some(error)),
                }
            }
        }
        (out, None)
    };
    let (whole, end) = cut(4096);
    assert_eq!(cut(piece), (whole, end));
    assert_ne!(end, Some(FramingError::Full), "messages were taken at once");
}

struct World {
    now: Instant,
    stream: bool,
    client: Client,
    closed: bool,
    server: Server,
    us: SocketAddr,
    /// What the client sends, in a stream.
    up: Framer,
    answers: VecDeque<Vec<u8>>,
    /// Requests of the client's.
    asked: Vec<Vec<u8>>,
    last: Vec<u8>,
}

impl World {
    fn new(settings: u8) -> World {
        let now = Instant::now();
        let transport = match settings & 3 {
            0 => Transport::Tcp,
            1 => Transport::Tls,
            _ => Transport::Udp,
        };
        let mut config = Config::new(transport, USER, PASSWORD);
        config.ipv6 = settings & 4 == 4;
        config.max_peers = 3;
        World {
            now,
            stream: transport.is_stream(),
            client: Client::new(now, config).expect("a name"),
            closed: false,
            server: Server::new(SocketAddr::from(([203, 0, 113, 2], 3478))),
            us: SocketAddr::from(([192, 0, 2, 1], 4000)),
            up: Framer::new(),
            answers: VecDeque::new(),
            asked: Vec::new(),
            last: Vec::new(),
        }
    }

    fn step(&mut self, what: u8, bytes: &[u8]) {
        let peer = SocketAddr::from(([198, 51, 100, what & 3], 6000 + u16::from(what >> 2 & 3)));
        match what >> 4 {
            // The answer that is due, as it is, or with bytes changed.
            0..=3 => {
                let Some(mut answer) = self.answers.pop_front() else {
                    return;
                };
                for change in bytes.chunks_exact(2) {
                    let at = usize::from(change[0]) % answer.len();
                    answer[at] ^= change[1];
                }
                self.hear(&answer);
            }
            // With attributes changed by who knows the password.
            4 => {
                if let Some(answer) = self.answers.pop_front().and_then(|it| resigned(&it, bytes)) {
                    self.hear(&answer);
                }
            }
            // Anything to what was asked, signed or not.
            5 => {
                let of = usize::from(what & 15) % self.asked.len().max(1);
                if let Some(answer) = self.asked.get(of).and_then(|asked| forged(asked, bytes)) {
                    self.hear(&answer);
                }
            }
            6 => self.hear(bytes),
            7 => {
                let last = self.last.clone();
                self.hear(&last);
            }
            8 => drop(self.answers.pop_front()),
            9 => self.say(peer, bytes),
            10 => {
                let _ = self.client.bind(self.now, peer);
            }
            11 => {
                let _ = self.client.permit(self.now, peer);
            }
            12 => self.turn(what & 15),
            // A peer speaks.
            13 => {
                let relayed = self.client.relayed().unwrap_or(self.us);
                if let Some((_, message)) = self.server.by_peer(self.now, relayed, peer, bytes) {
                    self.hear(&message);
                }
            }
            14 => self.now += Duration::from_secs(30) * u32::from(what & 15),
            _ => {
                self.client.close(self.now);
                self.closed = true;
            }
        }
    }

    /// The server changes.
    fn turn(&mut self, how: u8) {
        match how {
            0..=3 => self.server.nonce += 1,
            4..=6 => self.server.forget(),
            7..=9 => self.server.is_silent = !self.server.is_silent,
            10..=12 => self.server.quota = 0,
            _ => self.server.denied.push([198, 51, 100, how & 3].into()),
        }
    }

    fn hear(&mut self, message: &[u8]) {
        let ready = self.client.relayed().is_some();
        if let Received::Data { peer, payload } = self.client.receive(self.now, message) {
            assert!(ready, "data without an address");
            assert!(peer.port() != 0 || message[0] >> 6 == 0);
            assert!(payload.len() <= message.len());
        }
        message.clone_into(&mut self.last);
    }

    fn say(&mut self, peer: SocketAddr, payload: &[u8]) {
        let mut out = PacketBuf::new();
        if let Ok(Sent::Now) = self.client.send(self.now, peer, payload, &mut out) {
            self.carry(&out);
        }
    }

    /// What the client sends is whole and padded, and a server can read it.
    fn carry(&mut self, bytes: &[u8]) {
        let mut messages = vec![bytes.to_vec()];
        if self.stream {
            assert_eq!(bytes.len() % 4, 0);
            self.up.push(bytes).expect("a stream of TURN");
            messages.clear();
            while let Some(message) = self.up.next_message().expect("a stream of TURN") {
                messages.push(message.to_vec());
            }
            assert_eq!(messages.len(), 1);
        }
        for message in messages {
            let request = message[0] >> 6 == 0 && message[1] & 0x10 == 0;
            let answer = self.server.by_client(self.now, self.us, &message);
            if let Some((from, _, answer)) = answer
                && from == self.server.at
                && self.answers.len() < MAX_ANSWERS
            {
                self.answers.push_back(answer);
            }
            if request {
                self.asked.truncate(15);
                self.asked.insert(0, message);
            }
        }
    }

    fn settle(&mut self) {
        self.client.handle_timeout(self.now);
        let mut count = 0;
        while let Some(bytes) = self.client.poll_transmit() {
            count += 1;
            assert!(count <= 256, "no end of messages");
            self.carry(&bytes);
        }
        while self.client.poll_event().is_some() {}
        if self.client.is_over() {
            assert_eq!(
                (self.client.relayed(), self.client.poll_timeout()),
                (None, None)
            );
        }
        let next = self.client.poll_timeout();
        assert!(next.is_none_or(|at| at > self.now));
    }
}

fn key() -> [u8; 16] {
    Md5::digest(format!("{USER}:example.test:{PASSWORD}")).into()
}

/// An answer with some attributes in others' places, or others beside them, and a valid signature.
fn resigned(answer: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let message = Message::parse(answer).ok()?;
    let mut changed = Builder::new(message.class(), message.method(), message.transaction());
    let mut changes = bytes.chunks(6);
    for (kind, value) in message.attributes() {
        changed = match changes.next() {
            Some([0..=63, ..]) => changed,
            Some([64..=127, kind, value @ ..]) => changed.attribute(u16::from(*kind & 63), value),
            Some([128..=191, value @ ..]) => changed.attribute(kind, value),
            _ => changed.attribute(kind, value),
        };
    }
    for change in changes {
        changed = changed.attribute(u16::from(change[0] & 63), &change[1..]);
    }
    Some(changed.finish(Some(&key())))
}

/// An answer to a request that a server never gave.
fn forged(asked: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let asked = Message::parse(asked).ok()?;
    let (&[how, code], rest) = bytes.split_first_chunk()?;
    let class = [
        Class::Success,
        Class::Error,
        Class::Indication,
        Class::Request,
    ][usize::from(how & 3)];
    let method = if how & 4 == 4 {
        ALLOCATE
    } else {
        asked.method()
    };
    let codes = [300, 400, 401, 403, 420, 437, 438, 441, 442, 486, 500, 508];
    let code: u16 = codes[usize::from(code) % codes.len()];
    let mut answer = Builder::new(class, method, asked.transaction());
    if class == Class::Error {
        answer = answer.attribute(0x0009, &[0, 0, (code / 100) as u8, (code % 100) as u8]);
    }
    if how & 8 == 8 {
        // Name and nonce of any length, from nobody or from somebody.
        answer = answer.attribute(0x0014, rest).attribute(0x0015, rest);
    }
    for change in rest.chunks(9) {
        answer = answer.attribute(u16::from(change[0] & 63), &change[1..]);
    }
    Some(answer.finish((how & 16 == 16).then_some(&key()[..])))
}
