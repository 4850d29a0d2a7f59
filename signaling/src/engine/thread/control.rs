//! The control side's end of the media threads.

use super::shared::Shared;
use super::{
    CAPTURE_QUEUE, Command, EngineEvent, MediaPacket, Order, QUEUE, RoomKey, Thread, WAKE,
};
use crate::engine::clock::TickClock;
use crate::engine::room::Room;
use crate::engine::shaking::Shaking;
use mio::{Poll, Waker};
use rtp_core::net::BatchSocket;
use rtp_core::transport::PacketBuf;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The queue to a media thread is full, or the thread is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the media engine takes no command now")]
pub struct EngineBusy;

/// The control side's end of the media threads.
pub(crate) struct Engine {
    threads: Vec<Handle>,
    rooms: HashMap<RoomKey, usize>,
    next_room: RoomKey,
}

struct Handle {
    orders: rtrb::Producer<Order>,
    events: rtrb::Consumer<EngineEvent>,
    captured: Option<rtrb::Consumer<MediaPacket>>,
    waker: Arc<Waker>,
    join: Option<JoinHandle<()>>,
    rooms: usize,
    shared: Option<SocketAddr>,
}

impl Engine {
    /// Starts `threads` media threads, with what each of their calls with ICE share, if there is anything; `notify` is told
    /// when one has something to say.
    pub(crate) fn start(
        threads: usize,
        shared: Vec<BatchSocket>,
        notify: Arc<Notify>,
    ) -> io::Result<Self> {
        let mut shared = shared.into_iter();
        let threads = (0..threads.max(1))
            .map(|index| Handle::start(index, shared.next(), notify.clone()))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            threads,
            rooms: HashMap::new(),
            next_room: 0,
        })
    }

    /// Opens a room on the thread that has the fewest.
    pub(crate) fn open_room(&mut self, room: Room) -> Result<RoomKey, EngineBusy> {
        let key = self.next_room;
        let (at, handle) = self
            .threads
            .iter_mut()
            .enumerate()
            .min_by_key(|(_, handle)| handle.rooms)
            .ok_or(EngineBusy)?;
        handle.send(Order::Room(key, Command::OpenRoom(Box::new(room))))?;
        handle.rooms += 1;
        self.next_room += 1;
        self.rooms.insert(key, at);
        Ok(key)
    }

    /// The port that the calls with ICE of a room share.
    pub(crate) fn shared(&self, room: RoomKey) -> Option<SocketAddr> {
        let at = *self.rooms.get(&room)?;
        self.threads.get(at)?.shared
    }

    /// One of those ports, if there are any.
    pub(crate) fn any_shared(&self) -> Option<SocketAddr> {
        self.threads.first()?.shared
    }

    pub(crate) fn close_room(&mut self, room: RoomKey) -> Result<(), EngineBusy> {
        self.send(room, Command::CloseRoom)?;
        if let Some(handle) = self
            .rooms
            .remove(&room)
            .and_then(|at| self.threads.get_mut(at))
        {
            handle.rooms -= 1;
        }
        Ok(())
    }

    pub(crate) fn send(&mut self, room: RoomKey, command: Command) -> Result<(), EngineBusy> {
        let at = *self.rooms.get(&room).ok_or(EngineBusy)?;
        self.threads
            .get_mut(at)
            .ok_or(EngineBusy)?
            .send(Order::Room(room, command))
    }

    /// Copies every packet from now on.
    pub(crate) fn capture(&mut self) -> Result<(), EngineBusy> {
        for handle in &mut self.threads {
            let (producer, consumer) = rtrb::RingBuffer::new(CAPTURE_QUEUE);
            handle.send(Order::Capture(producer))?;
            handle.captured = Some(consumer);
        }
        Ok(())
    }

    pub(crate) fn poll_event(&mut self) -> Option<EngineEvent> {
        self.threads
            .iter_mut()
            .find_map(|handle| handle.events.pop().ok())
    }

    pub(crate) fn poll_captured(&mut self) -> Option<MediaPacket> {
        self.threads
            .iter_mut()
            .find_map(|handle| handle.captured.as_mut()?.pop().ok())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for handle in &mut self.threads {
            // A full queue empties within a tick.
            while !handle.orders.is_abandoned() && handle.send(Order::Stop).is_err() {
                std::thread::sleep(Duration::from_millis(1));
            }
            if let Some(join) = handle.join.take() {
                let _ = join.join();
            }
        }
    }
}

impl Handle {
    fn start(index: usize, shared: Option<BatchSocket>, notify: Arc<Notify>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let shared = shared
            .map(|socket| Shared::new(socket, poll.registry()))
            .transpose()?;
        let shared_at = shared.as_ref().map(Shared::local);
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (orders, orders_in) = rtrb::RingBuffer::new(QUEUE);
        let (events_out, events) = rtrb::RingBuffer::new(QUEUE);
        let thread = Thread {
            index,
            poll,
            orders: orders_in,
            events: events_out,
            notify,
            capture: None,
            rooms: HashMap::new(),
            sockets: Vec::new(),
            places: HashMap::new(),
            ready: Vec::new(),
            shared,
            turns: Vec::new(),
            shaking: Shaking::default(),
            released: Vec::new(),
            clock: TickClock::new(Instant::now(), Duration::from_millis(20)),
            ticks: 0,
            out: PacketBuf::new(),
            said: false,
        };
        let join = std::thread::Builder::new()
            .name(format!("patchcord-media-{index}"))
            .spawn(move || thread.run())?;
        Ok(Self {
            orders,
            events,
            captured: None,
            waker,
            join: Some(join),
            rooms: 0,
            shared: shared_at,
        })
    }

    fn send(&mut self, order: Order) -> Result<(), EngineBusy> {
        self.orders.push(order).map_err(|_| EngineBusy)?;
        self.waker.wake().map_err(|_| EngineBusy)
    }
}
