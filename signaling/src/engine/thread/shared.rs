//! The port that the calls with ICE of a media thread share, where the gateway was told to have one.

use super::{RoomKey, SHARED, Shaking, Thread, capture};
use crate::engine::shaking::Flight;
use mio::net::UdpSocket;
use mio::{Interest, Registry};
use rtp_core::ice::Router;
use rtp_core::negotiate::AudioStream;
use rtp_core::net::{BatchSocket, ReceiveBuffer, SendQueue};
use rtp_core::transport::{Path, Protocol};
use sip_core::CallId;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

/// Packets that go out together: more than a system call takes.
const QUEUE: usize = 256;
/// Batches that are read before others have their turn.
const BATCHES: usize = 4;

pub(super) struct Shared {
    socket: BatchSocket,
    /// The same socket, which the poller watches for as long as this lives.
    _watched: UdpSocket,
    router: Router<CallId>,
    rooms: HashMap<CallId, RoomKey>,
    queue: SendQueue,
    /// There may be more to read.
    is_ready: bool,
}

impl Shared {
    pub(super) fn new(socket: BatchSocket, registry: &Registry) -> io::Result<Self> {
        let mut watched = UdpSocket::from_std(socket.socket().try_clone()?);
        registry.register(&mut watched, SHARED, Interest::READABLE)?;
        Ok(Self {
            socket,
            _watched: watched,
            router: Router::new(),
            rooms: HashMap::new(),
            queue: SendQueue::new(QUEUE),
            is_ready: false,
        })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// The poller says that something came.
    pub(super) fn wake(&mut self) {
        self.is_ready = true;
    }

    pub(super) fn add(&mut self, call: CallId, room: RoomKey) {
        self.rooms.insert(call, room);
    }

    pub(super) fn has(&self, call: CallId) -> bool {
        self.rooms.contains_key(&call)
    }

    /// A description went out: checks will carry the name in it.
    pub(super) fn agree(&mut self, call: CallId, stream: &AudioStream) {
        if let Some(ice) = stream.ice.as_ref().filter(|_| self.has(call)) {
            // Drawn from 48 random bits, it is nobody else's; if it were, ICE would find no way, and the call end over that.
            let _ = self.router.add(call, &ice.local.ufrag);
        }
    }

    pub(super) fn remove(&mut self, which: impl Fn(RoomKey, CallId) -> bool) {
        self.rooms.retain(|&call, room| {
            let goes = which(*room, call);
            if goes {
                self.router.remove(call);
            }
            !goes
        });
    }

    /// Sends a packet with the next batch.
    pub(super) fn send(&mut self, call: CallId, to: SocketAddr, packet: &[u8]) {
        self.router.sent(call, packet);
        if !self.queue.push(to, packet) {
            self.flush();
            // One that finds no room in an empty queue is longer than datagrams are.
            let _ = self.queue.push(to, packet);
        }
    }

    pub(super) fn flush(&mut self) {
        if !self.queue.is_empty() {
            // What the system had no room for is lost, as any full queue on the way would lose it.
            let _ = self.socket.send(&mut self.queue);
        }
    }
}

impl Thread {
    /// Reads what came to the shared port, some batches at most.
    pub(super) fn read_shared(&mut self, buffer: &mut ReceiveBuffer) {
        for _ in 0..BATCHES {
            if !self.read_batch(buffer) {
                break;
            }
        }
    }

    /// Says whether there may be more.
    fn read_batch(&mut self, buffer: &mut ReceiveBuffer) -> bool {
        let Some(shared) = self.shared.as_mut().filter(|shared| shared.is_ready) else {
            return false;
        };
        let Ok(Some(datagrams)) = shared.socket.receive(buffer) else {
            shared.is_ready = false;
            return false;
        };
        let (now, local) = (Instant::now(), shared.local());
        self.turns.clear();
        for datagram in datagrams {
            let (from, packet) = (datagram.from, datagram.bytes);
            let Some(call) = shared.router.route(from, packet) else {
                continue;
            };
            let key = shared.rooms.get(&call);
            let Some((&key, room)) = key.and_then(|key| Some((key, self.rooms.get_mut(key)?)))
            else {
                continue;
            };
            capture(&mut self.capture, now, from, local, packet);
            let path = Path::rtp(from);
            if Shaking::takes(packet) {
                self.shaking.push(Flight {
                    room: key,
                    call,
                    path,
                    datagram: packet.to_vec(),
                });
                continue;
            }
            let is_stun = packet.first().map(|&first| Protocol::of(first)) == Some(Protocol::Stun);
            if room.receive(now, call, path, packet) {
                self.turns.push(key);
            }
            if is_stun && let Some(proof) = room.proof(call, from) {
                shared.router.claim(call, from, proof);
            }
        }
        // What came of it first: a peer may hang up over the answer.
        self.turns.sort_unstable();
        self.turns.dedup();
        for at in 0..self.turns.len() {
            let key = self.turns[at];
            self.tell(key);
        }
        self.take_turns(now);
        true
    }
}
