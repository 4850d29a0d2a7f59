//! Media threads: sockets, ticks, and the queues to the control side. No lock, and no allocation a packet.
//!
//! A room and all of its calls live on one thread. Commands and events cross in bounded wait-free queues: a command
//! that finds its queue full is refused to the caller, an event that finds its queue full is dropped and counted
//! (figures come again a moment later; key presses wait in the room).
#![allow(clippy::disallowed_methods)] // This is the driver: it owns the clock and the thread.

mod control;
mod shared;

use super::clock::{Lateness, TickClock};
use super::leg::{LegConfig, LegReport};
use super::relays::Relays;
use super::room::{Room, RoomError, RoomEvent, Who};
use super::shaking::{Flight, Shaking};
use super::tap::TapSink;
use super::voice::Voice;
use crate::session::ParticipantId;
pub(crate) use control::Engine;
pub use control::EngineBusy;
use media_mix::Level;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use rtp_core::negotiate::AudioStream;
use rtp_core::net::{ReceiveBuffer, RtpSockets};
use rtp_core::transport::{Component, PacketBuf, Path};
use shared::Shared;
use sip_core::CallId;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Commands and events that may wait, each way, for each thread.
const QUEUE: usize = 1024;
/// Captured packets that may wait: at 100 packets a second and call, five seconds of one.
const CAPTURE_QUEUE: usize = 512;
/// Datagrams read from one socket before the others have their turn.
const BATCH: usize = 64;
/// The largest datagram that is read; RTP and RTCP stay below an Ethernet frame.
const DATAGRAM: usize = 2048;
/// Ticks between two reports of figures: 200 ms.
const REPORT_EVERY: u64 = 10;

const WAKE: Token = Token(usize::MAX);
const SHARED: Token = Token(usize::MAX - 1);

/// Names a room for as long as its engine lives.
pub(crate) type RoomKey = u64;

/// Where a call's packets come and go.
pub(crate) enum Port {
    /// Sockets of its own.
    Own(RtpSockets),
    /// The port that its thread's calls with ICE share.
    Shared,
}

pub(crate) enum Command {
    OpenRoom(Box<Room>),
    CloseRoom,
    AddParticipant {
        id: ParticipantId,
        voice: Voice,
        hears: bool,
    },
    RemoveParticipant(ParticipantId),
    AddCall {
        id: CallId,
        config: Box<LegConfig>,
        hears: bool,
        port: Port,
        relays: Relays,
    },
    UpdateCall {
        id: CallId,
        stream: Option<Box<AudioStream>>,
    },
    RemoveCall(CallId),
    Press {
        id: CallId,
        digits: String,
    },
    Music {
        id: CallId,
        voice: Voice,
    },
    Mute {
        who: Who,
        muted: bool,
    },
    TapHeard {
        who: Who,
        sink: TapSink,
    },
    TapSaid {
        who: Who,
        sink: TapSink,
    },
}

// Moved once into a ring; a box would be an allocation more.
#[allow(clippy::large_enum_variant)]
enum Order {
    Room(RoomKey, Command),
    Capture(rtrb::Producer<MediaPacket>),
    Stop,
}

// Boxing the reports would allocate on the media thread.
#[allow(clippy::large_enum_variant)]
pub(crate) enum EngineEvent {
    Room(RoomEvent),
    Report {
        call: CallId,
        report: LegReport,
    },
    Level {
        room: RoomKey,
        participant: ParticipantId,
        level: Level,
    },
    /// A command that a room refused, of the call or participant named in it.
    Refused {
        call: Option<CallId>,
        error: RoomError,
    },
    /// The sockets of a call that is gone, for the port allocator.
    Released(RtpSockets),
    Punctuality {
        thread: usize,
        lateness: Lateness,
    },
}

/// A packet as it crossed the wire.
#[derive(Clone)]
pub(crate) struct MediaPacket {
    pub(crate) at: Instant,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    len: usize,
    bytes: [u8; PacketBuf::CAPACITY],
}

impl MediaPacket {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A call's sockets on the media thread.
struct Sockets {
    room: RoomKey,
    call: CallId,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// The same sockets as the port allocator gave them; they go back to it.
    lease: RtpSockets,
}

impl Sockets {
    fn of(&self, component: Component) -> (&UdpSocket, SocketAddr) {
        match component {
            Component::Rtp => (&self.rtp, self.lease.rtp_addr()),
            Component::Rtcp => (&self.rtcp, self.lease.rtcp_addr()),
        }
    }
}

struct Thread {
    index: usize,
    poll: Poll,
    orders: rtrb::Consumer<Order>,
    events: rtrb::Producer<EngineEvent>,
    notify: Arc<Notify>,
    capture: Option<rtrb::Producer<MediaPacket>>,
    rooms: HashMap<RoomKey, Room>,
    sockets: Vec<Option<Sockets>>,
    /// Where those of a call are.
    places: HashMap<CallId, usize>,
    /// Sockets that may have more to read.
    ready: Vec<(usize, Component)>,
    shared: Option<Shared>,
    /// The rooms that have their turn.
    turns: Vec<RoomKey>,
    shaking: Shaking,
    /// Sockets on their way back to the allocator.
    released: Vec<RtpSockets>,
    clock: TickClock,
    ticks: u64,
    out: PacketBuf,
    said: bool,
}

impl Thread {
    fn run(mut self) {
        let mut events = Events::with_capacity(256);
        let mut buffer = vec![0; DATAGRAM];
        let mut batch = self.shared.as_ref().map(|_| ReceiveBuffer::new());
        loop {
            let waits = self.shared.as_ref().is_some_and(Shared::is_ready);
            let wait = match !waits && self.ready.is_empty() && self.shaking.is_empty() {
                true => self.clock.next().saturating_duration_since(Instant::now()),
                false => Duration::ZERO,
            };
            if let Err(error) = self.poll.poll(&mut events, Some(wait))
                && error.kind() != io::ErrorKind::Interrupted
            {
                return;
            }
            for event in &events {
                if event.token() == SHARED {
                    self.shared.iter_mut().for_each(Shared::wake);
                } else if event.token() != WAKE {
                    let Token(number) = event.token();
                    let component = if number % 2 == 0 {
                        Component::Rtp
                    } else {
                        Component::Rtcp
                    };
                    if !self.ready.contains(&(number / 2, component)) {
                        self.ready.push((number / 2, component));
                    }
                }
            }
            self.read(&mut buffer);
            if let Some(batch) = &mut batch {
                self.read_shared(batch);
            }
            while let Ok(order) = self.orders.pop() {
                match order {
                    Order::Room(room, command) => self.obey(room, command),
                    Order::Capture(producer) => self.capture = Some(producer),
                    Order::Stop => {
                        self.shared.iter_mut().for_each(Shared::flush);
                        return;
                    }
                }
            }
            loop {
                let begun = Instant::now();
                if !self.clock.due(begun) {
                    break;
                }
                self.tick();
                self.clock.ran(begun.elapsed());
            }
            self.shake();
            self.shared.iter_mut().for_each(Shared::flush);
            if std::mem::take(&mut self.said) {
                self.notify.notify_one();
            }
        }
    }

    fn obey(&mut self, key: RoomKey, command: Command) {
        let now = Instant::now();
        if let Command::OpenRoom(room) = command {
            self.rooms.insert(key, *room);
            return;
        }
        let Some(room) = self.rooms.get_mut(&key) else {
            return;
        };
        let mut of = None;
        let result = match command {
            Command::OpenRoom(_) => Ok(()),
            Command::CloseRoom => {
                self.rooms.remove(&key);
                self.detach(|room, _| room == key);
                Ok(())
            }
            Command::AddParticipant { id, voice, hears } => room.add_participant(id, voice, hears),
            Command::RemoveParticipant(id) => room.remove_participant(id),
            Command::AddCall {
                id,
                config,
                hears,
                port,
                relays,
            } => {
                of = Some(id);
                let added = room.add_call(id, *config, hears);
                room.give_relays(id, relays);
                added.and_then(|()| match port {
                    Port::Own(sockets) => self.attach(key, id, sockets),
                    Port::Shared => {
                        self.shared.iter_mut().for_each(|it| it.add(id, key));
                        Ok(())
                    }
                })
            }
            Command::UpdateCall { id, stream } => {
                of = Some(id);
                let updated = room.update_call(now, id, stream.as_deref());
                if let (Some(shared), Some(stream)) = (&mut self.shared, &stream) {
                    shared.agree(id, stream);
                }
                self.transmit(key, now);
                updated
            }
            Command::RemoveCall(id) => {
                room.close_call(now, id);
                self.transmit(key, now);
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.take_leave(now, id);
                }
                self.transmit(key, now);
                self.detach(|_, call| call == id);
                self.rooms
                    .get_mut(&key)
                    .map_or(Ok(()), |room| room.remove_call(id))
            }
            Command::Press { id, digits } => {
                of = Some(id);
                room.press(id, &digits)
            }
            Command::Music { id, voice } => {
                of = Some(id);
                room.play_on_hold(id, voice)
            }
            Command::Mute { who, muted } => room.mute(who, muted),
            Command::TapHeard { who, sink } => room.tap_heard(who, sink),
            Command::TapSaid { who, sink } => room.tap_said(who, sink),
        };
        if let Err(error) = result {
            self.say(EngineEvent::Refused { call: of, error });
        }
    }

    fn attach(&mut self, room: RoomKey, call: CallId, lease: RtpSockets) -> Result<(), RoomError> {
        let socket = |component| {
            let copy = lease.socket(component).try_clone();
            copy.map(UdpSocket::from_std)
                .map_err(|error| RoomError::Socket(error.to_string()))
        };
        let (rtp, rtcp) = (socket(Component::Rtp)?, socket(Component::Rtcp)?);
        let mut sockets = Sockets {
            room,
            call,
            rtp,
            rtcp,
            lease,
        };
        let at = match self.sockets.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                self.sockets.push(None);
                self.sockets.len() - 1
            }
        };
        let registry = self.poll.registry();
        let registered = registry
            .register(&mut sockets.rtp, Token(2 * at), Interest::READABLE)
            .and_then(|()| {
                registry.register(&mut sockets.rtcp, Token(2 * at + 1), Interest::READABLE)
            });
        // What came before the call was joined is old by now.
        let mut scrap = [0; 1];
        for socket in [&sockets.rtp, &sockets.rtcp] {
            while !matches!(socket.recv_from(&mut scrap), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            {
            }
        }
        self.sockets[at] = Some(sockets);
        self.places.insert(call, at);
        registered.map_err(|error| RoomError::Socket(error.to_string()))
    }

    fn detach(&mut self, which: impl Fn(RoomKey, CallId) -> bool) {
        if let Some(shared) = &mut self.shared {
            shared.remove(&which);
        }
        for place in &mut self.sockets {
            if let Some(sockets) = place.take_if(|sockets| which(sockets.room, sockets.call)) {
                self.places.remove(&sockets.call);
                self.released.push(sockets.lease);
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) {
        let mut at = 0;
        while let Some(&(index, component)) = self.ready.get(at) {
            match self.read_socket(index, component, buffer) {
                true => at += 1,
                false => {
                    self.ready.swap_remove(at);
                }
            }
        }
    }

    /// Reads one batch; says whether there may be more.
    fn read_socket(&mut self, index: usize, component: Component, buffer: &mut [u8]) -> bool {
        let Some(Some(sockets)) = self.sockets.get(index) else {
            return false;
        };
        let Some(room) = self.rooms.get_mut(&sockets.room) else {
            return false;
        };
        let (socket, local) = sockets.of(component);
        let now = Instant::now();
        let key = sockets.room;
        let (mut more, mut answers) = (true, false);
        for _ in 0..BATCH {
            match socket.recv_from(buffer) {
                Ok((len, from)) => {
                    let packet = &mut buffer[..len];
                    capture(&mut self.capture, now, from, local, packet);
                    let path = Path { component, from };
                    if Shaking::takes(packet) {
                        self.shaking.push(Flight {
                            room: key,
                            call: sockets.call,
                            path,
                            datagram: packet.to_vec(),
                        });
                        continue;
                    }
                    answers |= room.receive(now, sockets.call, path, packet);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    more = false;
                    break;
                }
                // An ICMP answer to something that we sent: the peer's port is closed; its silence will tell.
                Err(_) => {}
            }
        }
        if answers {
            // What came of it first: the peer may hang up over the answer.
            self.tell(key);
            self.transmit(key, now);
        }
        more
    }

    /// Handshakes go on between ticks, one datagram at least, so that a thread without time for them is no dead end.
    fn shake(&mut self) {
        let until = Shaking::until(Instant::now(), self.clock.next());
        while let Some(mut flight) = self.shaking.pop() {
            let now = Instant::now();
            let Some(room) = self.rooms.get_mut(&flight.room) else {
                continue;
            };
            if room.receive(now, flight.call, flight.path, &mut flight.datagram) {
                self.tell(flight.room);
                self.transmit(flight.room, now);
            }
            if Instant::now() >= until {
                break;
            }
        }
    }

    /// Tells what a room noticed outside of its ticks.
    fn tell(&mut self, key: RoomKey) {
        let Some(room) = self.rooms.get_mut(&key) else {
            return;
        };
        let mut told = false;
        while !self.events.is_full()
            && let Some(event) = room.poll_event()
        {
            told |= self.events.push(EngineEvent::Room(event)).is_ok();
        }
        if told {
            self.notify.notify_one();
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.ticks += 1;
        self.said |= self.capture.is_some();
        let report = self.ticks.is_multiple_of(REPORT_EVERY);
        for room in self.rooms.values_mut() {
            room.tick(now);
        }
        self.turns.clear();
        self.turns.extend(self.rooms.keys());
        self.take_turns(now);
        for (&key, room) in &mut self.rooms {
            while !self.events.is_full()
                && let Some(event) = room.poll_event()
            {
                self.said |= self.events.push(EngineEvent::Room(event)).is_ok();
            }
            if report {
                for call in room.calls() {
                    if let Ok(report) = room.call_report(call) {
                        self.said |= self
                            .events
                            .push(EngineEvent::Report { call, report })
                            .is_ok();
                    }
                }
                for participant in room.participants() {
                    if let Ok(level) = room.participant_level(participant) {
                        let event = EngineEvent::Level {
                            room: key,
                            participant,
                            level,
                        };
                        self.said |= self.events.push(event).is_ok();
                    }
                }
            }
        }
        while !self.events.is_full()
            && let Some(sockets) = self.released.pop()
        {
            self.say(EngineEvent::Released(sockets));
        }
        if report {
            let lateness = self.clock.lateness();
            self.say(EngineEvent::Punctuality {
                thread: self.index,
                lateness,
            });
        }
    }

    /// Sends what a room has to send. A room without packets costs one look.
    fn transmit(&mut self, key: RoomKey, now: Instant) {
        let Some(room) = self.rooms.get_mut(&key) else {
            return;
        };
        while let Some((call, transmit)) = room.poll_transmit(now, &mut self.out) {
            let place = self.places.get(&call);
            let Some(Some(sockets)) = place.and_then(|at| self.sockets.get(*at)) else {
                if let Some(shared) = self.shared.as_mut().filter(|shared| shared.has(call)) {
                    let local = shared.local();
                    capture(&mut self.capture, now, local, transmit.to, &self.out);
                    shared.send(call, transmit.to, &self.out);
                }
                continue;
            };
            let (socket, local) = sockets.of(transmit.component);
            capture(&mut self.capture, now, local, transmit.to, &self.out);
            // A full socket buffer loses the packet, as any full queue on the way would.
            let _ = socket.send_to(&self.out, transmit.to);
        }
    }

    /// Sends what the rooms have to send whose turn it is.
    fn take_turns(&mut self, now: Instant) {
        while let Some(room) = self.turns.pop() {
            self.transmit(room, now);
        }
    }

    fn say(&mut self, event: EngineEvent) {
        self.said |= self.events.push(event).is_ok();
    }
}

fn capture(
    capture: &mut Option<rtrb::Producer<MediaPacket>>,
    at: Instant,
    source: SocketAddr,
    destination: SocketAddr,
    packet: &[u8],
) {
    let Some(producer) = capture else { return };
    let len = packet.len().min(PacketBuf::CAPACITY);
    let mut bytes = [0; PacketBuf::CAPACITY];
    bytes[..len].copy_from_slice(&packet[..len]);
    // When nobody takes them, the capture has a gap; the call does not.
    let _ = producer.push(MediaPacket {
        at,
        source,
        destination,
        len,
        bytes,
    });
}
