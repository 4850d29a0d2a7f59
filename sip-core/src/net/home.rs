//! One of several endpoints behind the same sockets, and its loop.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::backlog::Backlog;
#[cfg(feature = "dns")]
use super::dns::Dns;
use super::names::Names;
use super::pipe::Pipe;
use super::send::flow_of;
use super::time::Alarm;
use super::transports::{BATCH, PATIENCE};
use super::udp;
use crate::endpoint::Question;
use crate::homes::Home;
use crate::{Endpoint, Event, Flow, FlowError, Input, Transmit, Transport};

/// What a home wants of whoever has the sockets.
#[derive(Debug)]
pub(crate) enum Wish {
    Send(Transmit),
    Close(Flow),
}

/// Drives one of several [`Endpoint`]s whose sockets are a [`Front`](super::Front)'s; made by
/// [`Transports::share`](super::Transports::share). Each belongs on a task or a thread of its own.
///
/// A drain is one of each endpoint; those that are done first go on to be driven until all are, as they refuse new calls.
///
/// Datagrams leave from here; what goes over connections passes through the front. Once that is dropped nothing comes
/// any more, and what is sent fails.
#[derive(Debug)]
pub struct HomeDriver {
    endpoint: Endpoint,
    home: Home,
    line: Line,
    inbox: Arc<Pipe<Input>>,
    /// What was taken from there.
    taken: VecDeque<Input>,
    /// What waits there.
    backlog: Backlog,
    /// Whether the sockets have more than is passed on.
    late: Arc<AtomicBool>,
    patience: Option<Duration>,
    busy: bool,
    names: Names,
    alarm: Alarm,
}

/// The way out.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) wishes: Arc<Pipe<Wish>>,
    pub(crate) sockets: Vec<udp::Sender>,
    /// Whether datagrams pass through the front too, which records them.
    pub(crate) tapped: bool,
}

impl Line {
    fn send(&self, transmit: Transmit) -> Result<(), (Flow, FlowError)> {
        let to = &transmit.to;
        if to.transport() == Transport::Udp && !self.tapped {
            let socket = udp::from(&self.sockets, to, |socket| socket.local);
            let socket = socket.ok_or_else(|| (flow_of(to), FlowError::NoTransport))?;
            let flow = Flow::udp(socket.local, to.remote());
            let sent = socket.send(to.remote(), &transmit.bytes);
            return sent.map_err(|cause| (flow, cause));
        }
        if self.wishes.is_closed() {
            return Err((flow_of(to), FlowError::NoTransport));
        }
        self.wishes.push(Wish::Send(transmit));
        Ok(())
    }
}

impl HomeDriver {
    pub(crate) fn new(
        endpoint: Endpoint,
        home: Home,
        line: Line,
        inbox: Arc<Pipe<Input>>,
        late: Arc<AtomicBool>,
    ) -> Self {
        Self {
            endpoint,
            home,
            line,
            inbox,
            taken: VecDeque::new(),
            backlog: Backlog::default(),
            late,
            patience: Some(PATIENCE),
            busy: false,
            names: Names::new(),
            alarm: Alarm::default(),
        }
    }

    /// Which of the endpoints this is.
    pub fn home(&self) -> Home {
        self.home
    }

    /// Hands [`Question::Resolve`] to the application instead of looking names up.
    pub fn resolve_yourself(&mut self) {
        self.names.leave();
    }

    /// Looks names up with this resolver from now on, NAPTR and SRV records included.
    #[cfg(feature = "dns")]
    pub fn set_dns(&mut self, dns: Dns) {
        self.names.ask(dns);
    }

    /// How long something may wait for this endpoint, without a moment of rest, before it refuses new calls with 503 and
    /// Retry-After; default 50 ms. `None` refuses none. What waits in the sockets counts by
    /// [`Transports::set_patience`](super::Transports::set_patience).
    pub fn set_patience(&mut self, patience: Option<Duration>) {
        self.patience = patience;
    }

    /// Whether new calls are refused for want of time.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// The endpoint, for commands. What they put into its outbox goes out with the next
    /// [`next_event`](Self::next_event) or [`flush`](Self::flush).
    pub fn endpoint(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    /// Sends what the endpoint has to send, without waiting; what the front has no room for stays until it has.
    pub fn flush(&mut self) {
        while self.line.wishes.has_room() {
            let Some(transmit) = self.endpoint.poll_transmit() else {
                return;
            };
            if let Err((flow, cause)) = self.line.send(transmit) {
                let input = Input::Closed { flow, cause };
                self.endpoint.handle_input(Instant::now(), input);
            }
        }
    }

    /// Waits for the next event, as [`Driver::next_event`](super::Driver::next_event) does.
    ///
    /// Cancel safe.
    pub async fn next_event(&mut self) -> Event {
        loop {
            self.flush();
            if let Some(event) = self.take_event() {
                return event;
            }
            poll_fn(|cx| self.poll_work(cx)).await;
            // A queue is never slow, so that a busy one would keep a thread from everybody else.
            tokio::task::coop::consume_budget().await;
        }
    }

    /// The next event that is not the driver's own.
    fn take_event(&mut self) -> Option<Event> {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Close { flow } => {
                    self.line.wishes.push(Wish::Close(flow));
                    let cause = FlowError::Closed;
                    let input = Input::Closed { flow, cause };
                    self.endpoint.handle_input(Instant::now(), input);
                    self.flush();
                }
                Event::Ask {
                    id,
                    question: Question::Resolve { query, .. },
                    ..
                } if self.names.are_ours() => {
                    self.names.look_up(&mut self.endpoint, id, query);
                    self.flush();
                }
                event => return Some(event),
            }
        }
        None
    }

    /// Does what can be done now; pending when that was nothing.
    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut worked = self.names.poll(cx, &mut self.endpoint);
        let left = self.inbox.read(cx, BATCH, &mut self.taken);
        worked |= !self.taken.is_empty();
        while let Some(input) = self.taken.pop_front() {
            self.endpoint.handle_input(Instant::now(), input);
            self.flush();
        }
        let now = Instant::now();
        self.backlog.left(now, left);
        self.judge_lateness(now);
        worked |= self.alarm.poll(cx, now, None, &mut self.endpoint);
        self.flush();
        // What did not fit wakes us when it does.
        if !self.line.wishes.has_room() {
            worked |= self.line.wishes.poll_room(cx).is_ready();
        }
        if worked {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn judge_lateness(&mut self, now: Instant) {
        let late = self.backlog.lasts(now);
        let ours = |patience| late > Duration::ZERO && late >= patience;
        let busy = self.patience.is_some_and(ours) || self.late.load(Ordering::Relaxed);
        if busy != self.busy {
            self.busy = busy;
            self.endpoint.set_busy(busy);
        }
    }
}

impl Drop for HomeDriver {
    fn drop(&mut self) {
        self.inbox.close();
    }
}
