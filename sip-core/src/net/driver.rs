//! The loop: what the sockets, the connections and time have for the endpoint, in turn.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Sleep;

use super::admission::{Admission, Gate, Verdict, source};
use super::backlog::Backlog;
use super::connection::{self, Connection, Reuse, Settings};
#[cfg(feature = "dns")]
use super::dns::Dns;
use super::limits::ConnectionLimits;
use super::tap::{Direction, Tap};
use super::udp::{self, Socket};
use super::{Listen, Report, stream};
use crate::endpoint::room;
use crate::endpoint::{Question, QuestionAnswer, QuestionId};
use crate::resolve::{DnsAnswer, DnsQuery};
use crate::{
    Chance, Config, ConnectionId, Endpoint, Epoch, Event, Flow, FlowError, Input, Local, Transport,
};

/// How many reports may wait; a full queue makes the sockets wait, and so the network.
const REPORTS: usize = 1024;

/// How much is taken from one socket, or from the connections together, before the others get their turn.
const BATCH: usize = 32;

/// How long there may be more to do than is done before new calls are refused: a tenth of T1, so that what waits is
/// answered before its sender repeats it.
const PATIENCE: Duration = Duration::from_millis(50);

/// An [`Endpoint`] with its sockets; see the [module](super).
#[derive(Debug)]
pub struct Driver {
    pub(super) endpoint: Endpoint,
    reports: mpsc::Receiver<Report>,
    /// What the connections read and is not handled.
    unheard: Backlog,
    patience: Option<Duration>,
    busy: bool,
    pub(super) reporter: mpsc::Sender<Report>,
    pub(super) sockets: Vec<Socket>,
    buffer: Vec<u8>,
    listeners: Vec<AbortHandle>,
    pub(super) connections: HashMap<ConnectionId, Connection>,
    pub(super) reusable: HashMap<Reuse, ConnectionId>,
    /// Connections that each source opened.
    pub(super) per_source: HashMap<IpAddr, usize>,
    pub(super) settings: Settings,
    pub(super) limits: ConnectionLimits,
    gate: Option<Gate>,
    pub(super) next_id: u64,
    /// When idle connections are looked for next.
    sweep: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    tap: VecDeque<Tap>,
    tap_limit: usize,
    tap_lost: u64,
    resolve: bool,
    #[cfg(feature = "dns")]
    dns: Option<Dns>,
}

impl Driver {
    /// A driver without sockets yet; `chance` is [`Endpoint::new`]'s.
    pub fn new(config: Config, chance: Chance) -> Self {
        let epoch = Epoch {
            instant: Instant::now(),
            wall: SystemTime::now(),
        };
        let (reporter, reports) = mpsc::channel(REPORTS);
        let limits = ConnectionLimits::default();
        let settings = Settings {
            patience: Duration::from_secs(10),
            write: limits.write,
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
            unheard: Backlog::default(),
            patience: Some(PATIENCE),
            busy: false,
            reporter,
            sockets: Vec::new(),
            buffer: Vec::new(),
            listeners: Vec::new(),
            connections: HashMap::new(),
            reusable: HashMap::new(),
            per_source: HashMap::new(),
            settings,
            limits,
            gate: None,
            next_id: 0,
            sweep: None,
            sleep: None,
            tap: VecDeque::new(),
            tap_limit: 0,
            tap_lost: 0,
            resolve: true,
            #[cfg(feature = "dns")]
            dns: None,
        }
    }

    /// Hands [`Question::Resolve`] to the application instead of looking names up.
    pub fn resolve_yourself(&mut self) {
        self.resolve = false;
    }

    /// Looks names up with this resolver from now on, NAPTR and SRV records included.
    #[cfg(feature = "dns")]
    pub fn set_dns(&mut self, dns: Dns) {
        self.dns = Some(dns);
    }

    /// How long opening a connection may take, by either side and with its handshakes; default 10 s.
    pub fn set_connect_timeout(&mut self, wait: Duration) {
        self.settings.patience = wait;
    }

    /// Bounds of connections. The listeners that are open keep the time that a write may take; all else counts from now
    /// on.
    pub fn set_connection_limits(&mut self, limits: ConnectionLimits) {
        self.settings.write = limits.write;
        self.limits = limits;
        self.sweep = None;
    }

    /// What a source may send; `None`, the default, is as much as it likes. What was counted so far is forgotten.
    pub fn set_admission(&mut self, policy: Option<Admission>) {
        self.gate = policy.map(Gate::new);
    }

    /// How many datagrams, pieces of streams and connections [`Admission`] refused.
    pub fn refused(&self) -> u64 {
        self.gate.as_ref().map_or(0, |gate| gate.refused)
    }

    /// How long the sockets may have more for us than is handled, without a moment of rest, before new calls are refused
    /// with 503 and Retry-After; default 50 ms. It ends when everything that waits has been handled. To refuse a call
    /// costs a fraction of serving it, so that those that are served are served in time. `None` refuses none.
    ///
    /// An application that takes its time between two [`next_event`](Self::next_event)s counts as work too.
    pub fn set_patience(&mut self, patience: Option<Duration>) {
        self.patience = patience;
    }

    /// Whether new calls are refused for want of time.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// How many connections are open or being opened.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// What connections over TLS that are opened from now on ask of their peers; without it none is.
    ///
    /// The peer's certificate must bear the host of the URI that is called, as it stands there (RFC 5922), and that
    /// host is what SNI names; a `subjectAltName` that is a SIP URI is not looked at. A client certificate is one of
    /// `rustls`' configuration. No ALPN is offered unless the configuration has one.
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
    /// address. Called once for each socket: a driver listens on many.
    ///
    /// Cancel safe: dropped early, it leaves at most a socket that closes with it.
    ///
    /// # Errors
    /// What the operating system says; `Unsupported` for a transport whose feature is off, or over TLS without
    /// `set_tls_server`.
    pub async fn listen(&mut self, listen: Listen) -> io::Result<SocketAddr> {
        let bound = match listen.transport {
            Transport::Udp => {
                let socket = Socket::bind(listen.bind)?;
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
                        self.disconnect(id);
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
                } if self.resolve => {
                    self.look_up(id, query);
                    self.flush();
                }
                event => return Some(event),
            }
        }
        None
    }

    /// Does what can be done now; pending when that was nothing.
    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut worked = false;
        for _ in 0..BATCH {
            match self.reports.poll_recv(cx) {
                Poll::Ready(Some(report)) => {
                    worked = true;
                    self.handle(report);
                    self.flush();
                }
                _ => break,
            }
        }
        let now = Instant::now();
        self.unheard.left(now, !self.reports.is_empty());
        for index in 0..self.sockets.len() {
            worked |= self.poll_socket(cx, index);
        }
        self.judge_lateness();
        worked |= self.poll_time(cx);
        if worked {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn poll_socket(&mut self, cx: &mut Context<'_>, index: usize) -> bool {
        let Some(socket) = self.sockets.get(index) else {
            return false;
        };
        if socket.poll_ready(cx).is_pending() {
            return false;
        }
        let local = socket.local;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(udp::DATAGRAM, 0);
        let mut left = true;
        for _ in 0..BATCH {
            // Found empty, the next poll makes the next datagram wake us; found not, we come back at once.
            let Some(received) = self
                .sockets
                .get(index)
                .and_then(|socket| socket.receive(&mut buffer))
            else {
                left = false;
                break;
            };
            let Some((remote, bytes)) = received else {
                continue;
            };
            let now = Instant::now();
            let flow = Flow::udp(local, remote);
            if self.admits(now, flow, bytes.len()) {
                self.record(now, Direction::Received, flow, &bytes);
                self.endpoint
                    .handle_input(now, Input::Received { flow, bytes });
                self.flush();
            }
        }
        self.buffer = buffer;
        if let Some(socket) = self.sockets.get_mut(index) {
            socket.backlog.left(Instant::now(), left);
        }
        true
    }

    /// Tells the endpoint when it falls behind, and when it has caught up.
    fn judge_lateness(&mut self) {
        let now = Instant::now();
        let sockets = self.sockets.iter().map(|socket| &socket.backlog);
        let late = sockets
            .chain([&self.unheard])
            .map(|queue| queue.lasts(now))
            .max();
        let busy = match (late, self.patience) {
            (Some(late), Some(patience)) => late > Duration::ZERO && late >= patience,
            _ => false,
        };
        if busy != self.busy {
            self.busy = busy;
            self.endpoint.set_busy(busy);
        }
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> bool {
        let now = Instant::now();
        let sweep = *self.sweep.get_or_insert(now + self.limits.sweep());
        if sweep <= now {
            self.sweep = None;
            self.close_idle(now);
            return true;
        }
        let due = self.endpoint.poll_timeout();
        if due.is_some_and(|at| at <= now) {
            self.endpoint.handle_timeout(now);
            self.flush();
            return true;
        }
        let wanted = due.map_or(sweep, |at| at.min(sweep)).into();
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(wanted)));
        if sleep.deadline() != wanted {
            sleep.as_mut().reset(wanted);
        }
        sleep.as_mut().poll(cx).is_ready()
    }

    /// Whether something of this length from there is looked at.
    fn admits(&mut self, now: Instant, flow: Flow, len: usize) -> bool {
        let Some(gate) = &mut self.gate else {
            return true;
        };
        let verdict = gate.judge(now, flow.remote.ip(), len);
        if verdict == Verdict::Ban {
            crate::endpoint::refused(flow, "flood");
        }
        verdict == Verdict::Take
    }

    /// Closes connections on which nothing passed for too long.
    fn close_idle(&mut self, now: Instant) {
        let idle = self.limits.idle;
        let late: Vec<ConnectionId> = self
            .connections
            .iter()
            .filter(|(_, connection)| now.saturating_duration_since(connection.last) >= idle)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.close(now, id, FlowError::TimedOut);
        }
        room::map(&mut self.connections);
        room::map(&mut self.reusable);
        room::map(&mut self.per_source);
    }

    /// Ends a connection from our side.
    fn close(&mut self, now: Instant, id: ConnectionId, cause: FlowError) {
        if let Some(connection) = self.disconnect(id) {
            let flow = connection.flow;
            drop(connection);
            self.endpoint
                .handle_input(now, Input::Closed { flow, cause });
            self.flush();
        }
    }

    fn handle(&mut self, report: Report) {
        let now = Instant::now();
        match report {
            Report::Network(input) => {
                match &input {
                    Input::Received { flow, bytes } => {
                        let (flow, len) = (*flow, bytes.len());
                        let id = flow.connection;
                        match id.and_then(|id| self.connections.get_mut(&id)) {
                            Some(connection) => connection.last = now,
                            // Closed while this was on its way.
                            None => return,
                        }
                        if !self.admits(now, flow, len) {
                            if let Some(id) = id {
                                self.close(now, id, FlowError::Refused);
                            }
                            return;
                        }
                        self.record(now, Direction::Received, flow, bytes);
                    }
                    Input::Opened { flow } => {
                        if let Some(id) = flow.connection {
                            self.opened(id, *flow);
                        }
                    }
                    Input::Closed { flow, .. } => {
                        if let Some(id) = flow.connection {
                            self.disconnect(id);
                        }
                    }
                }
                self.endpoint.handle_input(now, input);
            }
            Report::Accepted(stream, flow, settings) => self.accepted(now, stream, flow, settings),
            Report::Resolved(id, answer) => {
                // Gone when its deadline passed first.
                let _ = self
                    .endpoint
                    .answer_question(now, id, QuestionAnswer::Dns(answer));
            }
        }
    }

    fn accepted(&mut self, now: Instant, stream: TcpStream, mut flow: Flow, settings: Settings) {
        let from = source(flow.remote.ip());
        let opened = self.per_source.get(&from).copied().unwrap_or(0);
        if self.connections.len() >= self.limits.count || opened >= self.limits.per_source {
            crate::endpoint::refused(flow, "connections");
            return;
        }
        if let Some(gate) = &mut self.gate
            && gate.is_banned(now, flow.remote.ip())
        {
            gate.refused += 1;
            return;
        }
        self.per_source.insert(from, opened + 1);
        let id = self.next_id();
        flow.connection = Some(id);
        let reporter = self.reporter.clone();
        let mut connection = connection::accept(now, stream, flow, settings, reporter);
        connection.source = Some(from);
        self.connections.insert(id, connection);
    }

    /// The system's resolver knows addresses only.
    fn look_up(&mut self, id: QuestionId, query: DnsQuery) {
        let reporter = self.reporter.clone();
        #[cfg(feature = "dns")]
        if let Some(dns) = self.dns.clone() {
            tokio::spawn(async move {
                let answer = dns.look_up(query).await;
                // The driver may be gone by now.
                let _ = reporter.send(Report::Resolved(id, answer)).await;
            });
            return;
        }
        let DnsQuery::Address(host) = query else {
            let nothing = QuestionAnswer::Dns(DnsAnswer::Nothing);
            // Gone when what asked is over.
            let _ = self.endpoint.answer_question(Instant::now(), id, nothing);
            return;
        };
        tokio::spawn(async move {
            let answer = match tokio::net::lookup_host((host.as_str(), 0)).await {
                Ok(addresses) => DnsAnswer::Addresses(addresses.map(|at| at.ip()).collect()),
                Err(_) => DnsAnswer::Nothing,
            };
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

    pub(super) fn record(
        &mut self,
        at: Instant,
        direction: Direction,
        flow: Flow,
        bytes: &bytes::Bytes,
    ) {
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
