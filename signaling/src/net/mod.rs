//! Sessions and calls on real sockets: the [`Gateway`].
//!
//! One gateway is one SIP endpoint (UDP and TCP at one address), media threads, sessions, and the calls that join
//! them. It holds no protocol: SIP is [`sip_core::net::Driver`]'s, calls are [`Call`](crate::call::Call)s, sound is the
//! [engine](crate::engine)'s. Commands return at once; what comes of them is told by [`Gateway::next_event`], which
//! also drives everything: await it in a loop.
#![allow(clippy::disallowed_methods)] // This is the driver: it owns the clock.

mod calls;
mod command;
mod config;
mod error;
mod event;
mod figures;
mod happen;
mod listen;
#[cfg(feature = "turn")]
mod reserve;
mod sessions;
mod shared;
mod trace;
mod ways;

pub use crate::engine::thread::EngineBusy;
pub use config::GatewayConfig;
#[cfg(feature = "turn")]
pub use config::{IceServers, TurnServer};
pub use error::{BindError, GatewayError};
pub use event::{CallInfo, CapturedPacket, Event};
pub use figures::Figures;
pub use sessions::SessionId;

use crate::dial::{Ice, Secure};
use crate::engine::Lateness;
use crate::engine::thread::{Engine, RoomKey};
use crate::random::Random;
use calls::Entry;
use listen::listen;
use media_mix::codec::Registry;
use rtp_core::dtls::Certificate;
use rtp_core::net::PortAllocator;
use rtp_core::srtp::Suite;
use sessions::OpenSession;
use sip_core::net::Driver;
use sip_core::{CallId, SubscriptionId};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Notify;

/// SIP messages that wait to be captured.
const SIP_TAP: usize = 1024;

/// SIP, sound, sessions and calls at one address. See the [module](self).
pub struct Gateway {
    driver: Driver,
    engine: Engine,
    notify: Arc<Notify>,
    ports: PortAllocator,
    #[cfg(feature = "turn")]
    reserve: reserve::Reserve,
    registry: Registry,
    secure: Secure,
    ice: Ice,
    suites: Vec<Suite>,
    certificate: Certificate,
    random: Random,
    advertise: Option<IpAddr>,
    max_talkers: Option<usize>,
    sip: SocketAddr,
    sessions: HashMap<SessionId, OpenSession>,
    rooms: HashMap<RoomKey, SessionId>,
    calls: HashMap<CallId, Entry>,
    /// The subscriptions of transfers, ours and the phones'; they may outlive their calls.
    transfers: HashSet<SubscriptionId>,
    /// When each call wants to be woken.
    wakes: BTreeSet<(Instant, CallId)>,
    next_session: u64,
    events: VecDeque<Event>,
    lateness: HashMap<usize, Lateness>,
    started: (Instant, SystemTime),
    counts: figures::Counts,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("sip", &self.sip)
            .field("sessions", &self.sessions.len())
            .field("calls", &self.calls.len())
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// Opens the sockets and starts the media threads; must run inside a tokio runtime.
    ///
    /// Cancel safe: dropped early, it closes what it opened.
    ///
    /// # Errors
    /// When SIP cannot listen at the address, the port range is of no use, the shared port is taken, or a thread cannot
    /// start.
    pub async fn bind(config: GatewayConfig) -> Result<Self, BindError> {
        let ports = PortAllocator::new(config.bind.ip(), config.rtp_ports.clone())?;
        let shared = shared::open(&config)?;
        let certificate = match config.certificate {
            Some(certificate) => certificate,
            None => Certificate::generate()?,
        };
        let mut endpoint = config.endpoint;
        endpoint.uninvited = config.uninvited;
        endpoint.digest = config.digest;
        endpoint.user_agent.clone_from(&config.user_agent);
        let mut driver = Driver::new(endpoint, config.random.boxed());
        let sip = listen(&mut driver, config.bind, config.advertise)
            .await
            .map_err(|source| BindError::Sip {
                addr: config.bind,
                source,
            })?;
        let notify = Arc::new(Notify::new());
        let mut engine = Engine::start(config.media_threads, shared, notify.clone())?;
        if config.capture {
            driver.set_tap(SIP_TAP);
            // Cannot fail: the queue is new and empty.
            let _ = engine.capture();
        }
        #[cfg(feature = "turn")]
        let reserve = reserve::Reserve::new(&config.servers, config.advertise)?;
        let gateway = Self {
            driver,
            engine,
            notify,
            ports,
            #[cfg(feature = "turn")]
            reserve,
            registry: config.registry,
            secure: config.secure,
            ice: config.ice,
            suites: config.suites,
            certificate,
            random: config.random,
            advertise: config.advertise,
            max_talkers: config.max_talkers,
            sip,
            sessions: HashMap::new(),
            rooms: HashMap::new(),
            calls: HashMap::new(),
            transfers: HashSet::new(),
            wakes: BTreeSet::new(),
            next_session: 1,
            events: VecDeque::new(),
            lateness: HashMap::new(),
            started: (Instant::now(), SystemTime::now()),
            counts: figures::Counts::default(),
        };
        #[cfg(feature = "turn")]
        let gateway = gateway.prepared().await;
        Ok(gateway)
    }

    /// Where SIP listens, on UDP and TCP.
    pub fn sip_addr(&self) -> SocketAddr {
        self.sip
    }

    /// The sockets and endpoint underneath, for what a gateway has no command for: TLS and WebSocket, registrations,
    /// messages. What comes of it is [`Event::Sip`]; what a command puts into the outbox goes out with the
    /// next [`Gateway::next_event`].
    ///
    /// Calls are the gateway's: to answer, hold or end one by hand confuses it.
    pub fn driver(&mut self) -> &mut Driver {
        &mut self.driver
    }

    /// How punctual the ticks of the media threads are, the worst of all threads.
    pub fn lateness(&self) -> Lateness {
        self.lateness
            .values()
            .copied()
            .max_by_key(|lateness| lateness.worst)
            .unwrap_or_default()
    }

    /// The same for each media thread that has told it, in no order.
    pub fn lateness_of_threads(&self) -> impl ExactSizeIterator<Item = Lateness> + '_ {
        self.lateness.values().copied()
    }

    /// Waits for what happens next, and does everything that the network and time ask for meanwhile.
    ///
    /// Cancel safe: an event is either returned or still there for the next call.
    pub async fn next_event(&mut self) -> Event {
        loop {
            self.pump();
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            self.prepare(Instant::now());
            let wake = self.wakes.first().map(|(at, _)| *at);
            let deadline = wake.into_iter().chain(self.prepares_at()).min();
            let sleep = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            // Every branch is cancel safe, and what it gives is handled before the next await.
            tokio::select! {
                event = self.driver.next_event() => {
                    // What the media threads said before it comes first.
                    self.pump();
                    self.handle_sip(event);
                }
                () = self.notify.notified() => {}
                () = sleep => self.handle_timeouts(),
            }
        }
    }

    /// Hangs up every call and waits for their ends, at most `patience`; events of that time are dropped.
    ///
    /// Cancel safe: called again, it goes on.
    pub async fn shut_down(&mut self, patience: Duration) {
        for call in self.calls().collect::<Vec<_>>() {
            let _ = self.hang_up(call);
        }
        let end = tokio::time::Instant::now() + patience;
        while !self.calls.is_empty() {
            if tokio::time::timeout_at(end, self.next_event())
                .await
                .is_err()
            {
                break;
            }
        }
        #[cfg(feature = "turn")]
        self.reserve.close(Instant::now());
        self.driver.flush();
    }
}
