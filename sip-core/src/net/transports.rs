//! Sockets, listeners and connections, whoever works with what they bring.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::admission::{Admission, Gate, Verdict, source};
use super::backlog::Backlog;
use super::connection::{self, Connection, Reuse, Settings};
use super::limits::ConnectionLimits;
use super::tap::{Direction, Tap};
use super::udp::{self, Socket};
use super::{Listen, Report, stream};
use crate::endpoint::room;
use crate::{ConnectionId, Flow, FlowError, Input, Local, Transmit, Transport};

/// How many reports may wait; a full queue makes the sockets wait, and so the network.
const REPORTS: usize = 1024;

/// How much is taken from one socket, or from the connections together, before the others get their turn.
pub(crate) const BATCH: usize = 32;

/// How long there may be more to do than is done before new calls are refused: a tenth of T1, so that what waits is
/// answered before its sender repeats it.
pub(crate) const PATIENCE: Duration = Duration::from_millis(50);

/// Whoever works with what the sockets bring: an endpoint, or those who pass it on to one of several.
pub(crate) trait Worker {
    /// What happened, from now to now.
    fn work(&mut self, now: Instant, input: Input);

    /// What could not be sent of what [`next`](Self::next) gave last, though a connection may stand.
    fn failed(&mut self, now: Instant, flow: Flow, cause: FlowError) {
        self.work(now, Input::Closed { flow, cause });
    }

    /// What is to be sent next.
    fn next(&mut self) -> Option<Transmit>;

    /// Whether there is room for what connections bring; the task is woken when there is.
    fn poll_room(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Says whether the sockets bring more than is worked off.
    fn set_busy(&mut self, busy: bool);
}

/// Sockets, listeners and connections; see the [module](super).
///
/// A [`Driver`](super::Driver) has its own. For [several endpoints](super#more-cores) they come first, and are
/// [shared](Self::share) once they listen.
#[derive(Debug)]
pub struct Transports {
    reports: mpsc::Receiver<Report>,
    /// What the connections read and is not handled.
    unheard: Backlog,
    patience: Option<Duration>,
    pub(super) busy: bool,
    pub(super) reporter: mpsc::Sender<Report>,
    pub(super) sockets: Vec<Socket>,
    pub(super) locals: Vec<Local>,
    buffer: Vec<u8>,
    listeners: Vec<AbortHandle>,
    pub(super) connections: HashMap<ConnectionId, Connection>,
    pub(super) reusable: HashMap<Reuse, ConnectionId>,
    /// Connections that each source opened.
    pub(super) per_source: HashMap<IpAddr, usize>,
    pub(super) settings: Settings,
    pub(super) limits: ConnectionLimits,
    pub(super) bounds: crate::Limits,
    gate: Option<Gate>,
    pub(super) next_id: u64,
    /// When idle connections are looked for next.
    sweep: Option<Instant>,
    tap: VecDeque<Tap>,
    tap_limit: usize,
    tap_lost: u64,
}

impl Transports {
    /// No socket yet; what comes over them may have these sizes.
    pub fn new(bounds: crate::Limits) -> Self {
        let (reporter, reports) = mpsc::channel(REPORTS);
        let limits = ConnectionLimits::default();
        let settings = Settings {
            patience: Duration::from_secs(10),
            write: limits.write,
            #[cfg(feature = "ws")]
            longest: bounds.head + bounds.body,
            #[cfg(feature = "tls")]
            client: None,
            #[cfg(feature = "tls")]
            server: None,
        };
        Self {
            reports,
            unheard: Backlog::default(),
            patience: Some(PATIENCE),
            busy: false,
            reporter,
            sockets: Vec::new(),
            locals: Vec::new(),
            buffer: Vec::new(),
            listeners: Vec::new(),
            connections: HashMap::new(),
            reusable: HashMap::new(),
            per_source: HashMap::new(),
            settings,
            limits,
            bounds,
            gate: None,
            next_id: 0,
            sweep: None,
            tap: VecDeque::new(),
            tap_limit: 0,
            tap_lost: 0,
        }
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
    pub fn set_patience(&mut self, patience: Option<Duration>) {
        self.patience = patience;
    }

    /// How many connections are open or being opened.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// What connections over TLS that are opened from now on ask of their peers; without it none is.
    ///
    /// The peer's certificate must bear the host of the URI that is called, as it stands there (RFC 5922), and that
    /// host is what SNI names. `rustls` by itself looks at DNS names only; with a
    /// [`DomainVerifier`](super::DomainVerifier) the configuration knows SIP URIs too. A client certificate is one of the
    /// configuration's. No ALPN is offered unless the configuration has one.
    ///
    /// Who listens nowhere and only calls out names a [`Local`] of that transport to its endpoint: what Via and Contact
    /// say.
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
    /// address. Called once for each socket: there may be many.
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
        self.locals.push(local);
        Ok(bound)
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

    pub(super) fn is_tapped(&self) -> bool {
        self.tap_limit > 0
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

    /// Handles what the sockets and connections have now; whether that was anything.
    pub(super) fn poll_work(&mut self, cx: &mut Context<'_>, worker: &mut impl Worker) -> bool {
        let mut worked = false;
        for _ in 0..BATCH {
            if worker.poll_room(cx).is_pending() {
                break;
            }
            match self.reports.poll_recv(cx) {
                Poll::Ready(Some(report)) => {
                    worked = true;
                    self.handle(report, worker);
                    self.flush(worker);
                }
                _ => break,
            }
        }
        let now = Instant::now();
        self.unheard.left(now, !self.reports.is_empty());
        for index in 0..self.sockets.len() {
            worked |= self.poll_socket(cx, index, worker);
        }
        self.judge_lateness(worker);
        worked
    }

    fn poll_socket(
        &mut self,
        cx: &mut Context<'_>,
        index: usize,
        worker: &mut impl Worker,
    ) -> bool {
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
                worker.work(now, Input::Received { flow, bytes });
                self.flush(worker);
            }
        }
        self.buffer = buffer;
        if let Some(socket) = self.sockets.get_mut(index) {
            socket.backlog.left(Instant::now(), left);
        }
        true
    }

    /// Says when the sockets bring more than is worked off, and when that has been caught up with.
    fn judge_lateness(&mut self, worker: &mut impl Worker) {
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
            worker.set_busy(busy);
        }
    }

    /// When idle connections are looked for next; does it when it is time.
    pub(super) fn sweep(&mut self, now: Instant, worker: &mut impl Worker) -> Instant {
        let every = self.limits.sweep();
        let due = *self.sweep.get_or_insert(now + every);
        if now < due {
            return due;
        }
        self.close_idle(now, worker);
        *self.sweep.insert(now + every)
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
    fn close_idle(&mut self, now: Instant, worker: &mut impl Worker) {
        let idle = self.limits.idle;
        let late: Vec<ConnectionId> = self
            .connections
            .iter()
            .filter(|(_, connection)| now.saturating_duration_since(connection.last) >= idle)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.close(now, id, FlowError::TimedOut, worker);
        }
        room::map(&mut self.connections);
        room::map(&mut self.reusable);
        room::map(&mut self.per_source);
    }

    /// Ends a connection from our side.
    pub(super) fn close(
        &mut self,
        now: Instant,
        id: ConnectionId,
        cause: FlowError,
        worker: &mut impl Worker,
    ) {
        if let Some(connection) = self.disconnect(id) {
            let flow = connection.flow;
            drop(connection);
            worker.work(now, Input::Closed { flow, cause });
            self.flush(worker);
        }
    }

    fn handle(&mut self, report: Report, worker: &mut impl Worker) {
        let now = Instant::now();
        let input = match report {
            Report::Accepted(stream, flow, settings) => {
                return self.accepted(now, stream, flow, settings);
            }
            Report::Network(input) => input,
        };
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
                        self.close(now, id, FlowError::Refused, worker);
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
            // Nobody else frames.
            Input::Framed { .. } => {}
        }
        worker.work(now, input);
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
}

impl Drop for Transports {
    fn drop(&mut self) {
        for listener in &self.listeners {
            listener.abort();
        }
    }
}
