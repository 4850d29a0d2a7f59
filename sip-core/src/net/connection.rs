//! Connections: a task each, which shakes hands, says that it is open, and carries bytes until either side ends it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

#[cfg(feature = "tls")]
use super::tls;
#[cfg(feature = "ws")]
use super::ws;
use super::{Report, flow_error, stream, unspecified};
use crate::{ConnectionId, Flow, FlowError, Input, Transport};

/// Messages that may wait for a peer that does not read, before its connection is closed.
const UNSENT: usize = 256;

/// By what an open connection is found for the next message: a certificate that was checked for one name says nothing
/// of another.
pub(crate) type Reuse = (Transport, SocketAddr, Option<Arc<str>>);

/// Our end of a connection. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) flow: Flow,
    /// `None` for one that the peer opened.
    pub(crate) reuse: Option<Reuse>,
    /// Whose connection it counts as; `None` for one that we opened.
    pub(crate) source: Option<IpAddr>,
    /// When something last passed, either way.
    pub(crate) last: Instant,
    out: mpsc::Sender<Out>,
    task: AbortHandle,
}

/// What a connection is to send.
#[derive(Debug)]
pub(crate) struct Out {
    pub(crate) bytes: Bytes,
    pub(crate) then_close: bool,
}

impl Connection {
    pub(crate) fn send(&mut self, now: Instant, bytes: Bytes, then_close: bool) -> Result<(), ()> {
        self.last = now;
        self.out.try_send(Out { bytes, then_close }).map_err(|_| ())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What all connections of a driver have in common.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How long opening may take, handshakes included.
    pub(crate) patience: Duration,
    /// How long one write may take.
    pub(crate) write: Duration,
    /// Longest message in a WebSocket frame, in bytes.
    #[cfg(feature = "ws")]
    pub(crate) longest: usize,
    #[cfg(feature = "tls")]
    pub(crate) client: Option<Arc<rustls::ClientConfig>>,
    #[cfg(feature = "tls")]
    pub(crate) server: Option<Arc<rustls::ServerConfig>>,
}

impl Settings {
    /// Whether connections of this transport can be opened.
    pub(crate) fn can_open(&self, transport: Transport) -> bool {
        self.can(transport, Self::has_client)
    }

    /// Whether connections of this transport can be accepted.
    pub(crate) fn can_accept(&self, transport: Transport) -> bool {
        self.can(transport, Self::has_server)
    }

    fn can(&self, transport: Transport, tls: impl Fn(&Self) -> bool) -> bool {
        match transport {
            Transport::Udp => false,
            Transport::Tcp => true,
            Transport::Tls => tls(self),
            Transport::Ws => cfg!(feature = "ws"),
            Transport::Wss => cfg!(feature = "ws") && tls(self),
        }
    }

    #[cfg(feature = "tls")]
    fn has_client(&self) -> bool {
        self.client.is_some()
    }

    #[cfg(feature = "tls")]
    fn has_server(&self) -> bool {
        self.server.is_some()
    }

    #[cfg(not(feature = "tls"))]
    fn has_client(&self) -> bool {
        false
    }

    #[cfg(not(feature = "tls"))]
    fn has_server(&self) -> bool {
        false
    }
}

/// Opens a connection in the background; what is sent meanwhile waits in its queue.
pub(crate) fn open(
    now: Instant,
    reuse: Reuse,
    id: ConnectionId,
    settings: Settings,
    reporter: mpsc::Sender<Report>,
) -> Connection {
    let (transport, remote, name) = reuse.clone();
    let flow = Flow {
        transport,
        local: unspecified(&remote),
        remote,
        connection: Some(id),
    };
    let (patience, write) = (settings.patience, settings.write);
    let opening = async move {
        let stream = TcpStream::connect(remote)
            .await
            .map_err(|error| flow_error(&error))?;
        Wire::open(stream, transport, name.as_deref(), &settings).await
    };
    start(now, flow, Some(reuse), [patience, write], opening, reporter)
}

/// Takes over a connection that the peer opened.
pub(crate) fn accept(
    now: Instant,
    stream: TcpStream,
    flow: Flow,
    settings: Settings,
    reporter: mpsc::Sender<Report>,
) -> Connection {
    let (patience, write) = (settings.patience, settings.write);
    let opening = async move { Wire::accept(stream, flow.transport, &settings).await };
    start(now, flow, None, [patience, write], opening, reporter)
}

fn start(
    now: Instant,
    mut flow: Flow,
    reuse: Option<Reuse>,
    [patience, write]: [Duration; 2],
    opening: impl Future<Output = Result<Wire, FlowError>> + Send + 'static,
    reporter: mpsc::Sender<Report>,
) -> Connection {
    let (out, queue) = mpsc::channel(UNSENT);
    let task = tokio::spawn(async move {
        let opened = tokio::time::timeout(patience, opening).await;
        let cause = match opened.unwrap_or(Err(FlowError::TimedOut)) {
            Ok(wire) => {
                flow.local = wire.local().unwrap_or(flow.local);
                let opened = Report::Network(Input::Opened { flow });
                if reporter.send(opened).await.is_err() {
                    return;
                }
                wire.carry(flow, queue, write, &reporter).await
            }
            Err(cause) => cause,
        };
        // The driver may be gone by now.
        let _ = reporter
            .send(Report::Network(Input::Closed { flow, cause }))
            .await;
    });
    Connection {
        flow,
        reuse,
        source: None,
        last: now,
        out,
        task: task.abort_handle(),
    }
}

/// What carries the bytes, once the hands are shaken.
enum Wire {
    Tcp(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<tls::Stream>),
    #[cfg(feature = "ws")]
    Ws(Box<ws::Socket<TcpStream>>),
    #[cfg(all(feature = "tls", feature = "ws"))]
    Wss(Box<ws::Socket<tls::Stream>>),
}

impl Wire {
    async fn open(
        stream: TcpStream,
        transport: Transport,
        name: Option<&str>,
        settings: &Settings,
    ) -> Result<Self, FlowError> {
        unhurried(&stream);
        match transport {
            Transport::Tcp => Ok(Self::Tcp(stream)),
            #[cfg(feature = "tls")]
            Transport::Tls => Ok(Self::Tls(Box::new(
                tls::open(stream, name, settings).await?,
            ))),
            #[cfg(feature = "ws")]
            Transport::Ws => {
                let host = ws::host(name, &stream);
                let socket = ws::open(stream, &format!("ws://{host}/"), settings).await?;
                Ok(Self::Ws(Box::new(socket)))
            }
            #[cfg(all(feature = "tls", feature = "ws"))]
            Transport::Wss => {
                let host = ws::host(name, &stream);
                let stream = tls::open(stream, name, settings).await?;
                let socket = ws::open(stream, &format!("wss://{host}/"), settings).await?;
                Ok(Self::Wss(Box::new(socket)))
            }
            // Its feature is off.
            _ => {
                let _ = (name, settings);
                Err(FlowError::NoTransport)
            }
        }
    }

    async fn accept(
        stream: TcpStream,
        transport: Transport,
        settings: &Settings,
    ) -> Result<Self, FlowError> {
        unhurried(&stream);
        match transport {
            Transport::Tcp => Ok(Self::Tcp(stream)),
            #[cfg(feature = "tls")]
            Transport::Tls => Ok(Self::Tls(Box::new(tls::accept(stream, settings).await?))),
            #[cfg(feature = "ws")]
            Transport::Ws => Ok(Self::Ws(Box::new(ws::accept(stream, settings).await?))),
            #[cfg(all(feature = "tls", feature = "ws"))]
            Transport::Wss => {
                let stream = tls::accept(stream, settings).await?;
                Ok(Self::Wss(Box::new(ws::accept(stream, settings).await?)))
            }
            // Its feature is off.
            _ => {
                let _ = settings;
                Err(FlowError::NoTransport)
            }
        }
    }

    fn local(&self) -> Option<SocketAddr> {
        let stream = match self {
            Self::Tcp(stream) => stream,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.get_ref().0,
            #[cfg(feature = "ws")]
            Self::Ws(socket) => socket.get_ref(),
            #[cfg(all(feature = "tls", feature = "ws"))]
            Self::Wss(socket) => socket.get_ref().get_ref().0,
        };
        stream.local_addr().ok()
    }

    /// Carries bytes both ways until either side ends it; says why it ended.
    async fn carry(
        self,
        flow: Flow,
        queue: mpsc::Receiver<Out>,
        write: Duration,
        reporter: &mpsc::Sender<Report>,
    ) -> FlowError {
        match self {
            Self::Tcp(stream) => {
                let (reader, writer) = stream.into_split();
                stream::carry(reader, writer, flow, queue, write, reporter).await
            }
            #[cfg(feature = "tls")]
            Self::Tls(stream) => {
                let (reader, writer) = tokio::io::split(*stream);
                stream::carry(reader, writer, flow, queue, write, reporter).await
            }
            #[cfg(feature = "ws")]
            Self::Ws(socket) => ws::carry(*socket, flow, queue, write, reporter).await,
            #[cfg(all(feature = "tls", feature = "ws"))]
            Self::Wss(socket) => ws::carry(*socket, flow, queue, write, reporter).await,
        }
    }
}

/// Messages are written whole; waiting to join them would only delay them.
fn unhurried(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
}
