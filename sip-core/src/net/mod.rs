//! SIP over real sockets: UDP and TCP on tokio, TLS and WebSocket behind features, and the loop that drives an [`Endpoint`] over them.
//!
//! [`Driver`] owns one endpoint and its transports. It holds no protocol: bytes that a socket gave
//! become [`Input`]s, [`Transmit`](crate::Transmit)s go to the socket that they name, and deadlines
//! wake it. The application gives commands to [`Driver::endpoint`] and awaits
//! [`Driver::next_event`], which also carries out what earlier commands left in the outbox.
//!
//! ```no_run
//! # async fn run(chance: sip_core::Chance) -> Result<(), Box<dyn std::error::Error>> {
//! use sip_core::net::{Driver, Listen};
//! use sip_core::{Body, Config, Event, Invite, Transport, header::NameAddr};
//! use std::time::Instant;
//!
//! let mut driver = Driver::new(Config::default(), chance);
//! driver.listen(Listen::new(Transport::Udp, "127.0.0.1:0".parse()?)).await?;
//! let from = NameAddr::new(&"sip:alice@example.org".parse()?);
//! let invite = Invite::new("sip:bob@127.0.0.1:5060".parse()?, from).body(Body::sdp("v=0\r\n"));
//! let call = driver.endpoint().invite(Instant::now(), invite)?;
//! loop {
//!     match driver.next_event().await {
//!         Event::Answered { .. } => driver.endpoint().call(call)?.hang_up(Instant::now())?,
//!         Event::Ended { cause, .. } => break println!("{cause}"),
//!         _ => {}
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! Host names are looked up with the system's resolver, in the background: it knows A and AAAA
//! only. Who can ask for NAPTR and SRV records answers [`Question::Resolve`] itself
//! ([`Driver::resolve_yourself`]), and the endpoint walks RFC 3263 with them. A peer that does not read makes its
//! own connection close, never this loop wait.
//!
//! On Linux an unconnected UDP socket hears of ICMP errors only where the kernel reports them with
//! the next send; a phone that is switched off is then noticed by timer B.
#![allow(clippy::disallowed_methods)]

mod connection;
mod stream;
mod tap;
#[cfg(feature = "tls")]
mod tls;
mod udp;
#[cfg(feature = "ws")]
mod ws;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

pub use tap::{Direction, Tap};

use crate::endpoint::{Question, QuestionAnswer, QuestionId};
use crate::resolve::{DnsAnswer, DnsQuery};
use crate::{
    Chance, Config, ConnectionId, Endpoint, Epoch, Event, Flow, FlowError, Input, Local, Target,
    Transport,
};
use connection::{Connection, Reuse, Settings};
use udp::Socket;

/// A socket to open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listen {
    /// How; TLS and WebSocket need their features.
    pub transport: Transport,
    /// The address to bind; port 0 takes any free one.
    pub bind: SocketAddr,
    /// Host and port that peers are told, when they differ from the bound ones. For a wildcard
    /// address without this, the address of the interface towards the default route is told.
    pub advertise: Option<(String, u16)>,
}

impl Listen {
    /// A socket whose peers are told its bound address.
    pub fn new(transport: Transport, bind: SocketAddr) -> Self {
        Self {
            transport,
            bind,
            advertise: None,
        }
    }

    /// Tells peers another host and port.
    pub fn advertise(mut self, host: impl Into<String>, port: u16) -> Self {
        self.advertise = Some((host.into(), port));
        self
    }
}

/// What a background task found out.
#[derive(Debug)]
pub(crate) enum Report {
    Network(Input),
    Accepted(TcpStream, Flow, Settings),
    Resolved(QuestionId, DnsAnswer),
}

/// How many reports may wait; a full queue makes the sockets wait, and so the network.
const REPORTS: usize = 1024;

/// An [`Endpoint`] with its sockets; see the [module](self).
#[derive(Debug)]
pub struct Driver {
    endpoint: Endpoint,
    reports: mpsc::Receiver<Report>,
    reporter: mpsc::Sender<Report>,
    sockets: Vec<Socket>,
    listeners: Vec<AbortHandle>,
    connections: HashMap<ConnectionId, Connection>,
    reusable: HashMap<Reuse, ConnectionId>,
    settings: Settings,
    next_id: u64,
    tap: VecDeque<Tap>,
    tap_limit: usize,
    tap_lost: u64,
    resolve: bool,
}

impl Driver {
    /// A driver without sockets yet; `chance` is [`Endpoint::new`]'s.
    pub fn new(config: Config, chance: Chance) -> Self {
        let epoch = Epoch {
            instant: Instant::now(),
            wall: SystemTime::now(),
        };
        let (reporter, reports) = mpsc::channel(REPORTS);
        let settings = Settings {
            patience: Duration::from_secs(10),
            #[cfg(feature = "ws")]
            longest: config.limits.head + config.limits.body,
            #[cfg(feature = "tls")]
            client: None,
            #[cfg(feature = "tls")]
            server: None,
        };
        Self {
            endpoint: Endpoint::new(config, epoch, chance),
            reports,
            reporter,
            sockets: Vec::new(),
            listeners: Vec::new(),
            connections: HashMap::new(),
            reusable: HashMap::new(),
            settings,
            next_id: 0,
            tap: VecDeque::new(),
            tap_limit: 0,
            tap_lost: 0,
            resolve: true,
        }
    }

    /// Hands [`Question::Resolve`] to the application instead of looking names up.
    pub fn resolve_yourself(&mut self) {
        self.resolve = false;
    }

    /// How long opening a connection may take, by either side and with its handshakes; default 10 s.
    pub fn set_connect_timeout(&mut self, wait: Duration) {
        self.settings.patience = wait;
    }

    /// What connections over TLS that are opened from now on ask of their peers; without it none is.
    ///
    /// The peer's certificate must bear the host of the URI that is called, as it stands there (RFC 5922); a
    /// `subjectAltName` that is a SIP URI is not looked at.
    ///
    /// Who listens nowhere and only calls out names a [`Local`] of that transport to the
    /// [`endpoint`](Self::endpoint): what Via and Contact say.
    #[cfg(feature = "tls")]
    pub fn set_tls_client(&mut self, config: Arc<rustls::ClientConfig>) {
        self.settings.client = Some(config);
    }

    /// With what the listeners that are opened from now on speak TLS; those that are open keep theirs.
    #[cfg(feature = "tls")]
    pub fn set_tls_server(&mut self, config: Arc<rustls::ServerConfig>) {
        self.settings.server = Some(config);
    }

    /// Opens a socket and starts to receive; must run inside a tokio runtime. Returns the bound
    /// address.
    ///
    /// Cancel safe: dropped early, it leaves at most a socket that closes with it.
    ///
    /// # Errors
    /// What the operating system says; `Unsupported` for a transport whose feature is off, or over TLS without
    /// `set_tls_server`.
    pub async fn listen(&mut self, listen: Listen) -> io::Result<SocketAddr> {
        let bound = match listen.transport {
            Transport::Udp => {
                let socket = Socket::bind(listen.bind, self.reporter.clone())?;
                let bound = socket.local;
                self.sockets.push(socket);
                bound
            }
            transport if self.settings.can_accept(transport) => {
                let (settings, reporter) = (self.settings.clone(), self.reporter.clone());
                let (bound, task) =
                    stream::listen(transport, listen.bind, settings, reporter).await?;
                self.listeners.push(task);
                bound
            }
            _ => return Err(io::Error::from(io::ErrorKind::Unsupported)),
        };
        let mut local = Local::new(listen.transport, bound);
        if let Some((host, port)) = listen.advertise {
            local = local.advertise(host, port);
        } else if bound.ip().is_unspecified()
            && let Some(ip) = udp::outward_address(bound)
        {
            let host = if ip.is_ipv6() {
                format!("[{ip}]")
            } else {
                ip.to_string()
            };
            local = local.advertise(host, bound.port());
        }
        self.endpoint.add_local(local);
        Ok(bound)
    }

    /// The endpoint, for commands. What they put into its outbox goes out with the next
    /// [`next_event`](Self::next_event) or [`flush`](Self::flush).
    pub fn endpoint(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    /// Waits for the next event, doing all that the network and time ask for meanwhile.
    ///
    /// Cancel safe: an event is either returned or still there for the next call, so this belongs
    /// into a `select!` loop.
    pub async fn next_event(&mut self) -> Event {
        loop {
            self.flush();
            match self.endpoint.poll_event() {
                Some(Event::Close { flow }) => {
                    self.disconnect(flow.connection);
                    let input = Input::Closed {
                        flow,
                        cause: FlowError::Closed,
                    };
                    self.endpoint.handle_input(Instant::now(), input);
                    continue;
                }
                Some(Event::Ask {
                    id,
                    question: Question::Resolve { query, .. },
                    ..
                }) if self.resolve => {
                    self.look_up(id, query);
                    continue;
                }
                Some(event) => return event,
                None => {}
            }
            let deadline = self.endpoint.poll_timeout();
            let sleep = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            // Both branches are cancel safe, and what they give is handled before the next await.
            tokio::select! {
                report = self.reports.recv() => {
                    if let Some(report) = report {
                        self.handle(report);
                    }
                }
                () = sleep => self.endpoint.handle_timeout(Instant::now()),
            }
        }
    }

    /// Sends what the endpoint has to send, without waiting; what a socket cannot take is lost
    /// (UDP) or closes its connection (all others).
    pub fn flush(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            let now = Instant::now();
            let failed = match transmit.to.transport() {
                Transport::Udp => self.send_datagram(now, &transmit.to, &transmit.bytes),
                _ => self.send_stream(now, &transmit.to, transmit.bytes, transmit.then_close),
            };
            if let Err((flow, cause)) = failed {
                self.endpoint
                    .handle_input(now, Input::Closed { flow, cause });
            }
        }
    }

    fn send_datagram(
        &mut self,
        now: Instant,
        to: &Target,
        bytes: &bytes::Bytes,
    ) -> Result<(), (Flow, FlowError)> {
        let from = match to {
            Target::Flow(flow) => self
                .sockets
                .iter()
                .find(|socket| socket.local == flow.local),
            Target::Open { remote, .. } => self
                .sockets
                .iter()
                .find(|socket| socket.local.is_ipv4() == remote.is_ipv4()),
        };
        let Some(socket) = from else {
            return Err((flow_of(to, None), FlowError::NoTransport));
        };
        let flow = Flow::udp(socket.local, to.remote());
        let sent = socket.send(to.remote(), bytes);
        self.record(now, Direction::Sent, flow, bytes);
        sent.map_err(|cause| (flow, cause))
    }

    fn send_stream(
        &mut self,
        now: Instant,
        to: &Target,
        bytes: bytes::Bytes,
        then_close: bool,
    ) -> Result<(), (Flow, FlowError)> {
        let name = match to {
            Target::Open { server_name, .. } => server_name.clone(),
            Target::Flow(_) => None,
        };
        let reuse = (to.transport(), to.remote(), name);
        let id = match to {
            Target::Flow(Flow {
                connection: Some(id),
                ..
            }) => Some(*id),
            _ => self.reusable.get(&reuse).copied(),
        };
        let id = match (id.filter(|id| self.connections.contains_key(id)), to) {
            (Some(id), _) => id,
            (None, Target::Flow(flow)) => return Err((*flow, FlowError::Closed)),
            (None, Target::Open { transport, .. }) => {
                if !self.settings.can_open(*transport) {
                    return Err((flow_of(to, None), FlowError::NoTransport));
                }
                let id = self.next_id();
                let (settings, reporter) = (self.settings.clone(), self.reporter.clone());
                let connection = connection::open(reuse.clone(), id, settings, reporter);
                self.connections.insert(id, connection);
                self.reusable.insert(reuse, id);
                id
            }
        };
        let Some(connection) = self.connections.get_mut(&id) else {
            return Ok(());
        };
        let flow = connection.flow;
        let sent = connection.send(bytes.clone(), then_close);
        self.record(now, Direction::Sent, flow, &bytes);
        if sent.is_err() {
            self.disconnect(Some(id));
            return Err((flow, FlowError::Congested));
        }
        Ok(())
    }

    fn next_id(&mut self) -> ConnectionId {
        self.next_id += 1;
        ConnectionId(self.next_id)
    }

    fn disconnect(&mut self, id: Option<ConnectionId>) {
        let Some(connection) = id.and_then(|id| self.connections.remove(&id)) else {
            return;
        };
        if let Some(reuse) = &connection.reuse
            && self.reusable.get(reuse).copied() == id
        {
            self.reusable.remove(reuse);
        }
    }

    fn opened(&mut self, id: ConnectionId, flow: Flow) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.flow = flow;
        // One that the peer opened serves our requests to the same address too, unless it is the certificate that
        // makes it the right one (RFC 5923).
        if connection.reuse.is_none() && !flow.transport.is_secure() {
            let reuse = (flow.transport, flow.remote, None);
            if !self.reusable.contains_key(&reuse) {
                self.reusable.insert(reuse.clone(), id);
                connection.reuse = Some(reuse);
            }
        }
    }

    fn handle(&mut self, report: Report) {
        let now = Instant::now();
        match report {
            Report::Network(mut input) => {
                match &mut input {
                    Input::Received { flow, bytes } => {
                        let (flow, bytes) = (*flow, bytes.clone());
                        self.record(now, Direction::Received, flow, &bytes);
                    }
                    Input::Opened { flow } => {
                        if let Some(id) = flow.connection {
                            self.opened(id, *flow);
                        }
                    }
                    Input::Closed { flow, .. } => self.disconnect(flow.connection),
                }
                self.endpoint.handle_input(now, input);
            }
            Report::Accepted(stream, mut flow, settings) => {
                let id = self.next_id();
                flow.connection = Some(id);
                let connection = connection::accept(stream, flow, settings, self.reporter.clone());
                self.connections.insert(id, connection);
            }
            Report::Resolved(id, answer) => {
                // Gone when its deadline passed first.
                let _ = self
                    .endpoint
                    .answer_question(now, id, QuestionAnswer::Dns(answer));
            }
        }
    }

    /// The system's resolver knows addresses only.
    fn look_up(&mut self, id: QuestionId, query: DnsQuery) {
        let DnsQuery::Address(host) = query else {
            let nothing = QuestionAnswer::Dns(DnsAnswer::Nothing);
            // Gone when what asked is over.
            let _ = self.endpoint.answer_question(Instant::now(), id, nothing);
            return;
        };
        let reporter = self.reporter.clone();
        tokio::spawn(async move {
            let answer = match tokio::net::lookup_host((host.as_str(), 0)).await {
                Ok(addresses) => DnsAnswer::Addresses(addresses.map(|at| at.ip()).collect()),
                Err(_) => DnsAnswer::Nothing,
            };
            // The driver may be gone by now.
            let _ = reporter.send(Report::Resolved(id, answer)).await;
        });
    }

    /// Keeps up to `limit` records of what was sent and received, for a ladder or a capture;
    /// 0, the default, keeps none. When full, the oldest makes room.
    pub fn set_tap(&mut self, limit: usize) {
        self.tap_limit = limit;
        self.tap.truncate(limit);
    }

    /// The oldest record not taken yet.
    pub fn poll_tap(&mut self) -> Option<Tap> {
        self.tap.pop_front()
    }

    /// How many records made room for newer ones before they were taken.
    pub fn tap_lost(&self) -> u64 {
        self.tap_lost
    }

    fn record(&mut self, at: Instant, direction: Direction, flow: Flow, bytes: &bytes::Bytes) {
        if self.tap_limit == 0 {
            return;
        }
        if self.tap.len() >= self.tap_limit {
            self.tap.pop_front();
            self.tap_lost += 1;
        }
        self.tap.push_back(Tap {
            at,
            direction,
            flow,
            bytes: bytes.clone(),
        });
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        for listener in &self.listeners {
            listener.abort();
        }
    }
}

fn flow_of(to: &Target, connection: Option<ConnectionId>) -> Flow {
    match to {
        Target::Flow(flow) => *flow,
        Target::Open {
            transport, remote, ..
        } => Flow {
            transport: *transport,
            local: unspecified(remote),
            remote: *remote,
            connection,
        },
    }
}

fn unspecified(like: &SocketAddr) -> SocketAddr {
    match like {
        SocketAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0; 8], 0)),
    }
}

fn flow_error(error: &io::Error) -> FlowError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => FlowError::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            FlowError::Unreachable
        }
        io::ErrorKind::TimedOut => FlowError::TimedOut,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => FlowError::Reset,
        _ => FlowError::Other,
    }
}
