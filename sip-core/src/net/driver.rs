//! The loop: what the sockets, the connections and time have for the endpoint, in turn.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use super::Listen;
use super::admission::Admission;
#[cfg(feature = "dns")]
use super::dns::Dns;
use super::limits::ConnectionLimits;
use super::names::Names;
use super::tap::Tap;
use super::time::Alarm;
use super::transports::{Transports, Worker};
use crate::endpoint::Question;
use crate::{Chance, Config, Endpoint, Epoch, Event, FlowError, Input, Transmit};

/// An [`Endpoint`] with its sockets; see the [module](super).
#[derive(Debug)]
pub struct Driver {
    endpoint: Endpoint,
    transports: Transports,
    names: Names,
    alarm: Alarm,
}

impl Worker for Endpoint {
    fn work(&mut self, now: Instant, input: Input) {
        self.handle_input(now, input);
    }

    fn next(&mut self) -> Option<Transmit> {
        self.poll_transmit()
    }

    fn set_busy(&mut self, busy: bool) {
        Endpoint::set_busy(self, busy);
    }
}

impl Driver {
    /// A driver without sockets yet; `chance` is [`Endpoint::new`]'s.
    pub fn new(config: Config, chance: Chance) -> Self {
        Self {
            transports: Transports::new(config.limits.clone()),
            endpoint: Endpoint::new(config, epoch(), chance),
            names: Names::new(),
            alarm: Alarm::default(),
        }
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

    /// [`Transports::set_connect_timeout`].
    pub fn set_connect_timeout(&mut self, wait: Duration) {
        self.transports.set_connect_timeout(wait);
    }

    /// [`Transports::set_connection_limits`].
    pub fn set_connection_limits(&mut self, limits: ConnectionLimits) {
        self.transports.set_connection_limits(limits);
    }

    /// [`Transports::set_admission`].
    pub fn set_admission(&mut self, policy: Option<Admission>) {
        self.transports.set_admission(policy);
    }

    /// [`Transports::refused`].
    pub fn refused(&self) -> u64 {
        self.transports.refused()
    }

    /// [`Transports::set_patience`]. An application that takes its time between two
    /// [`next_event`](Self::next_event)s counts as work too.
    pub fn set_patience(&mut self, patience: Option<Duration>) {
        self.transports.set_patience(patience);
    }

    /// Whether new calls are refused for want of time.
    pub fn is_busy(&self) -> bool {
        self.transports.busy
    }

    /// [`Transports::connections`].
    pub fn connections(&self) -> usize {
        self.transports.connections()
    }

    /// [`Transports::set_tls_client`].
    #[cfg(feature = "tls")]
    pub fn set_tls_client(&mut self, config: Arc<rustls::ClientConfig>) {
        self.transports.set_tls_client(config);
    }

    /// [`Transports::set_tls_server`].
    #[cfg(feature = "tls")]
    pub fn set_tls_server(&mut self, config: Arc<rustls::ServerConfig>) {
        self.transports.set_tls_server(config);
    }

    /// [`Transports::listen`], with the same errors.
    pub async fn listen(&mut self, listen: Listen) -> io::Result<SocketAddr> {
        let bound = self.transports.listen(listen).await?;
        for local in self.transports.locals.drain(..) {
            self.endpoint.add_local(local);
        }
        Ok(bound)
    }

    /// [`Transports::set_tap`].
    pub fn set_tap(&mut self, limit: usize) {
        self.transports.set_tap(limit);
    }

    /// [`Transports::poll_tap`].
    pub fn poll_tap(&mut self) -> Option<Tap> {
        self.transports.poll_tap()
    }

    /// [`Transports::tap_lost`].
    pub fn tap_lost(&self) -> u64 {
        self.transports.tap_lost()
    }

    /// The endpoint, for commands. What they put into its outbox goes out with the next
    /// [`next_event`](Self::next_event) or [`flush`](Self::flush).
    pub fn endpoint(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    /// Sends what the endpoint has to send, without waiting; what a socket cannot take is lost
    /// (UDP) or closes its connection (all others).
    pub fn flush(&mut self) {
        self.transports.flush(&mut self.endpoint);
    }

    /// Waits for the next event, doing all that the network and time ask for meanwhile.
    ///
    /// Cancel safe: an event is either returned or still there for the next call, so this belongs
    /// into a `select!` loop.
    pub async fn next_event(&mut self) -> Event {
        loop {
            self.flush();
            if let Some(event) = self.take_event() {
                return event;
            }
            // What is woken for is handled inside of the poll, so that nothing is lost with the future.
            poll_fn(|cx| self.poll_work(cx)).await;
        }
    }

    /// The next event that is not the driver's own.
    fn take_event(&mut self) -> Option<Event> {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Close { flow } => {
                    if let Some(id) = flow.connection {
                        self.transports.disconnect(id);
                    }
                    let input = Input::Closed {
                        flow,
                        cause: FlowError::Closed,
                    };
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
        worked |= self.transports.poll_work(cx, &mut self.endpoint);
        let now = Instant::now();
        let sweep = self.transports.sweep(now, &mut self.endpoint);
        worked |= self.alarm.poll(cx, now, Some(sweep), &mut self.endpoint);
        self.flush();
        if worked {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// The clocks as they stand.
pub(super) fn epoch() -> Epoch {
    Epoch {
        instant: Instant::now(),
        wall: SystemTime::now(),
    }
}
