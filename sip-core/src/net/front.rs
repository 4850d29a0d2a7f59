//! Whoever has the sockets of several endpoints, and passes on what comes to the one that it is for.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::driver::epoch;
use super::home::{HomeDriver, Line, Wish};
use super::pipe::Pipe;
use super::time::Alarm;
use super::transports::{BATCH, Transports, Worker};
use crate::endpoint::room;
use crate::homes::{Home, Homes, Router};
use crate::registration::stun;
use crate::{
    Chance, Config, ConnectionId, Endpoint, Flow, FlowError, Frame, Framer, Input, Transmit,
};

/// How much may wait for an endpoint, or for the front: some 50 ms of a busy endpoint's work.
const WAITING: usize = 1024;

/// What an endpoint asks whether a connection lives with (RFC 5626 section 4.4.1).
const PING: &[u8] = b"\r\n\r\n";

/// The sockets of several endpoints, and who is between them; see [more cores](super#more-cores). It works while
/// [`run`](Self::run) is polled.
#[derive(Debug)]
pub struct Front {
    transports: Transports,
    board: Board,
    alarm: Alarm,
}

impl Transports {
    /// Hands these sockets to several endpoints, each with the configuration and the chance that `make` gives for it;
    /// [`Config::home`] and the sockets are filled in.
    ///
    /// As one user agent they need the same realm, key and users to authenticate callers, and the same policies.
    /// Sockets that are opened later are not theirs.
    pub fn share(
        self,
        homes: Homes,
        mut make: impl FnMut(Home) -> (Config, Chance),
    ) -> (Front, Vec<HomeDriver>) {
        let mut board = Board {
            router: Router::new(homes),
            inboxes: Vec::new(),
            wishes: Vec::new(),
            wished: VecDeque::new(),
            speaker: 0,
            outbox: VecDeque::new(),
            closing: Vec::new(),
            readings: HashMap::new(),
            due: BTreeSet::new(),
            within: Duration::MAX,
            bounds: self.bounds.clone(),
            late: Arc::new(AtomicBool::new(false)),
            lost: 0,
        };
        let drivers = homes.iter().map(|home| {
            let (mut config, chance) = make(home);
            config.home = Some(home);
            config.locals.extend(self.locals.iter().cloned());
            board.within = board.within.min(config.message_within);
            let (inbox, wishes) = (Pipe::new(WAITING), Pipe::new(WAITING));
            board.inboxes.push(Arc::clone(&inbox));
            board.wishes.push(Arc::clone(&wishes));
            let line = Line {
                wishes,
                sockets: self.sockets.iter().map(|socket| socket.sender()).collect(),
                tapped: self.is_tapped(),
            };
            let endpoint = Endpoint::new(config, epoch(), chance);
            HomeDriver::new(endpoint, home, line, inbox, Arc::clone(&board.late))
        });
        let drivers = drivers.collect();
        let front = Front {
            transports: self,
            board,
            alarm: Alarm::default(),
        };
        (front, drivers)
    }
}

impl Front {
    /// Passes on what comes and what goes, for ever.
    ///
    /// Cancel safe: what was not passed on yet is with the next call.
    pub async fn run(&mut self) -> ! {
        loop {
            poll_fn(|cx| self.poll_work(cx)).await;
            // Queues are never slow, so that busy ones would keep a thread from everybody else.
            tokio::task::coop::consume_budget().await;
        }
    }

    /// The sockets and their settings. Datagrams that are sent are recorded where the tap was on when they were shared.
    pub fn transports(&mut self) -> &mut Transports {
        &mut self.transports
    }

    /// How many datagrams were thrown away because as many waited for their endpoint as may.
    pub fn lost(&self) -> u64 {
        self.board.lost
    }

    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (transports, board) = (&mut self.transports, &mut self.board);
        let mut worked = board.hear(cx);
        transports.flush(board);
        worked |= transports.poll_work(cx, board);
        let now = Instant::now();
        for id in std::mem::take(&mut board.closing) {
            transports.close(now, id, FlowError::Closed, board);
        }
        while let Some(&(at, id)) = board.due.first()
            && at <= now
        {
            board.forget(id);
            transports.close(now, id, FlowError::TimedOut, board);
        }
        let sweep = transports.sweep(now, board);
        let due = board.due.first().map_or(sweep, |(at, _)| sweep.min(*at));
        worked |= self.alarm.wait(cx, due);
        if worked {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// A connection as far as it was read.
#[derive(Debug)]
struct Reading {
    framer: Framer,
    /// When the message must be whole that has begun.
    due: Option<Instant>,
    /// Who asked whether it lives.
    asked: Vec<u16>,
}

/// Who is to hear what.
#[derive(Debug)]
struct Board {
    router: Router,
    inboxes: Vec<Arc<Pipe<Input>>>,
    wishes: Vec<Arc<Pipe<Wish>>>,
    /// What was taken from there.
    wished: VecDeque<Wish>,
    /// Whose transmit was the last.
    speaker: u16,
    outbox: VecDeque<(u16, Transmit)>,
    closing: Vec<ConnectionId>,
    readings: HashMap<ConnectionId, Reading>,
    due: BTreeSet<(Instant, ConnectionId)>,
    /// How long the rest of a message may take.
    within: Duration,
    bounds: crate::Limits,
    /// Whether the sockets have more than is passed on.
    late: Arc<AtomicBool>,
    lost: u64,
}

impl Worker for Board {
    fn work(&mut self, now: Instant, input: Input) {
        match input {
            Input::Received { flow, bytes } => match flow.connection {
                Some(id) => self.piece(now, flow, id, bytes),
                None => self.datagram(flow, bytes),
            },
            Input::Opened { flow } => {
                if let Some(id) = flow.connection {
                    let reading = Reading {
                        framer: Framer::connection(flow.transport).with_limits(self.bounds.clone()),
                        due: None,
                        asked: Vec::new(),
                    };
                    self.readings.insert(id, reading);
                }
                self.tell_all(&Input::Opened { flow });
            }
            Input::Closed { flow, cause } => {
                if let Some(id) = flow.connection {
                    self.forget(id);
                }
                self.tell_all(&Input::Closed { flow, cause });
            }
            // Framing is done here.
            Input::Framed { .. } => {}
        }
    }

    fn failed(&mut self, now: Instant, flow: Flow, cause: FlowError) {
        let input = Input::Closed { flow, cause };
        match flow.connection {
            Some(_) => self.work(now, input),
            // Nothing that anybody else has to do with.
            None => self.tell(self.speaker, input),
        }
    }

    fn next(&mut self) -> Option<Transmit> {
        let (home, transmit) = self.outbox.pop_front()?;
        self.speaker = home;
        if let crate::Target::Flow(flow) = &transmit.to
            && transmit.bytes == PING
            && let Some(id) = flow.connection
            && let Some(reading) = self.readings.get_mut(&id)
            && !reading.asked.contains(&home)
        {
            reading.asked.push(home);
        }
        Some(transmit)
    }

    /// Connections wait while any endpoint has no room: which of them the next message is for, nobody knows.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self
            .inboxes
            .iter()
            .any(|inbox| inbox.poll_room(cx).is_pending())
        {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    fn set_busy(&mut self, busy: bool) {
        self.late.store(busy, Ordering::Relaxed);
    }
}

impl Board {
    /// Takes what the endpoints have for us; whether that was anything.
    fn hear(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        for (home, wishes) in (0..).zip(&self.wishes) {
            wishes.read(cx, BATCH, &mut self.wished);
            any |= !self.wished.is_empty();
            for wish in self.wished.drain(..) {
                match wish {
                    Wish::Send(transmit) => self.outbox.push_back((home, transmit)),
                    Wish::Close(flow) => self.closing.extend(flow.connection),
                }
            }
        }
        any
    }

    fn tell(&self, home: u16, input: Input) {
        if let Some(inbox) = self.inboxes.get(usize::from(home)) {
            inbox.push(input);
        }
    }

    fn tell_all(&self, input: &Input) {
        for inbox in &self.inboxes {
            inbox.push(input.clone());
        }
    }

    /// What may be lost.
    fn offer(&mut self, home: u16, input: Input) {
        let inbox = self.inboxes.get(usize::from(home));
        if !inbox.is_some_and(|inbox| inbox.offer(input)) {
            self.lost += 1;
        }
    }

    fn datagram(&mut self, flow: Flow, bytes: Bytes) {
        if stun::is_stun(&bytes) {
            let home = self.router.route_datagram(&bytes);
            return self.offer(home, Input::Received { flow, bytes });
        }
        let mut framer = Framer::datagram().with_limits(self.bounds.clone());
        framer.push(bytes);
        while let Some(frame) = framer.next_frame() {
            let home = match &frame {
                Frame::Message(message) => self.router.route(message),
                Frame::Refused(_) => any(flow, self.inboxes.len()),
                // Nothing is kept alive with these over UDP, and they are not answered.
                _ => continue,
            };
            self.offer(home, Input::Framed { flow, frame });
        }
    }

    /// A piece of a stream, or a frame of a WebSocket.
    fn piece(&mut self, now: Instant, flow: Flow, id: ConnectionId, bytes: Bytes) {
        let Some(reading) = self.readings.get_mut(&id) else {
            return;
        };
        reading.framer.push(bytes);
        let mut whole = false;
        while let Some(frame) = reading.framer.next_frame() {
            whole = true;
            let input = |frame| Input::Framed { flow, frame };
            let home = match &frame {
                Frame::Message(message) => self.router.route(message),
                // The answer to whoever asked.
                Frame::Ping | Frame::Pong if !reading.asked.is_empty() => {
                    for home in reading.asked.drain(..) {
                        if let Some(inbox) = self.inboxes.get(usize::from(home)) {
                            inbox.push(input(Frame::Pong));
                        }
                    }
                    continue;
                }
                Frame::Pong => continue,
                _ => any(flow, self.inboxes.len()),
            };
            if let Some(inbox) = self.inboxes.get(usize::from(home)) {
                inbox.push(input(frame));
            }
        }
        // From the first byte of a message to its last: what came whole before says nothing of it.
        let due = match reading.due {
            _ if !reading.framer.is_partial() => None,
            Some(due) if !whole => Some(due),
            _ => now.checked_add(self.within),
        };
        if due != reading.due {
            self.due.extend(due.map(|due| (due, id)));
            if let Some(old) = std::mem::replace(&mut reading.due, due) {
                self.due.remove(&(old, id));
            }
        }
    }

    fn forget(&mut self, id: ConnectionId) {
        if let Some(due) = self.readings.remove(&id).and_then(|reading| reading.due) {
            self.due.remove(&(due, id));
        }
        room::map(&mut self.readings);
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        for wishes in &self.wishes {
            wishes.close();
        }
    }
}

/// Who answers what belongs to nobody; the same for each peer.
fn any(flow: Flow, homes: usize) -> u16 {
    let number = flow
        .connection
        .map_or(u64::from(flow.remote.port()), |id| id.0);
    (number % homes.max(1) as u64) as u16
}
