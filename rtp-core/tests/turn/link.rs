//! A client and its server, on virtual time, with nothing between them, or a stream that is cut anywhere.

use super::server::{PASSWORD, Server, USER};
use rtp_core::transport::PacketBuf;
use rtp_core::turn::{Client, Config, Event, Framer, Received, Sent, Transport};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn config(transport: Transport) -> Config {
    Config::new(transport, USER, PASSWORD)
}

pub(crate) struct Link {
    pub(crate) now: Instant,
    pub(crate) client: Client,
    pub(crate) server: Server,
    pub(crate) us: SocketAddr,
    pub(crate) events: Vec<Event>,
    /// What the server sent on to peers: from, to, what.
    pub(crate) sent_on: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// Messages of the client's.
    pub(crate) carried: usize,
    transport: Transport,
    up: Framer,
    down: Framer,
}

impl Link {
    pub(crate) fn new(config: Config) -> Link {
        let now = Instant::now();
        Link {
            now,
            transport: config.transport,
            client: Client::new(now, config).unwrap(),
            server: Server::new(addr("203.0.113.2:3478")),
            us: addr("192.0.2.1:4000"),
            events: Vec::new(),
            sent_on: Vec::new(),
            carried: 0,
            up: Framer::new(),
            down: Framer::new(),
        }
    }

    /// One that has its address.
    pub(crate) fn ready(transport: Transport) -> (Link, SocketAddr) {
        let mut link = Link::new(config(transport));
        link.pass(SECOND);
        let relayed = link.client.relayed().unwrap();
        let mapped = Some(link.us);
        assert_eq!(link.events, [Event::Allocated { relayed, mapped }]);
        link.events.clear();
        (link, relayed)
    }

    /// Carries what the client has to say, and the answers.
    pub(crate) fn pump(&mut self) {
        while let Some(bytes) = self.client.poll_transmit() {
            self.carry_up(&bytes);
        }
        while let Some(event) = self.client.poll_event() {
            self.events.push(event);
        }
    }

    pub(crate) fn carry_up(&mut self, bytes: &[u8]) {
        self.carried += 1;
        if !self.transport.is_stream() {
            return self.message_up(bytes);
        }
        let mut messages = Vec::new();
        for piece in bytes.chunks(7) {
            self.up.push(piece).unwrap();
            while let Some(message) = self.up.next_message().unwrap() {
                messages.push(message.to_vec());
            }
        }
        messages.iter().for_each(|m| self.message_up(m));
    }

    fn message_up(&mut self, bytes: &[u8]) {
        match self.server.by_client(self.now, self.us, bytes) {
            Some((from, _, answer)) if from == self.server.at => {
                assert_eq!(self.carry_down(&answer), None);
            }
            Some(on) => self.sent_on.push(on),
            None => {}
        }
    }

    /// A message of the server's; what a peer said in it.
    pub(crate) fn carry_down(&mut self, message: &[u8]) -> Option<(SocketAddr, Vec<u8>)> {
        let mut messages = vec![message.to_vec()];
        if self.transport.is_stream() {
            let mut bytes = messages.remove(0);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            for piece in bytes.chunks(5) {
                self.down.push(piece).unwrap();
                while let Some(message) = self.down.next_message().unwrap() {
                    messages.push(message.to_vec());
                }
            }
        }
        assert_eq!(messages.len(), 1);
        match self.client.receive(self.now, &messages[0]) {
            Received::Data { peer, payload } => Some((peer, payload.to_vec())),
            _ => None,
        }
    }

    /// Lets time pass, with its timers.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.pump();
            let next = self.client.poll_timeout();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            assert!(next > self.now, "a timer that never ends");
            self.now = next;
            self.client.handle_timeout(next);
        }
        self.now = end;
    }

    /// We send to a peer; what reaches it, from where.
    pub(crate) fn say(&mut self, peer: SocketAddr, payload: &[u8]) -> Option<SocketAddr> {
        let mut out = PacketBuf::new();
        match self.client.send(self.now, peer, payload, &mut out) {
            Ok(Sent::Now) => self.carry_up(&out),
            Ok(Sent::Later) => self.pass(SECOND),
            Err(_) => return None,
        }
        let (from, to, got) = self.sent_on.pop()?;
        assert_eq!((to, got.as_slice()), (peer, payload));
        Some(from)
    }

    /// A peer sends to our relayed address; what reaches us.
    pub(crate) fn hear(&mut self, relayed: SocketAddr, peer: SocketAddr, payload: &[u8]) -> bool {
        let Some((to, bytes)) = self.server.by_peer(self.now, relayed, peer, payload) else {
            return false;
        };
        assert_eq!(to, self.us);
        let got = self.carry_down(&bytes);
        assert!(got.is_none() || got == Some((peer, payload.to_vec())));
        got.is_some()
    }
}
