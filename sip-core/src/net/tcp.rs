//! TCP: a task that accepts, and two tasks a connection, one that reads and one that writes.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::{Report, flow_error, unspecified};
use crate::{ConnectionId, Flow, FlowError, Input, Transport};

/// Messages that may wait for a peer that does not read, before its connection is closed.
const UNSENT: usize = 256;
/// Bytes asked of one read.
const READ: usize = 16_384;

/// Our end of a connection. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) flow: Flow,
    out: mpsc::Sender<Out>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Out {
    bytes: Bytes,
    then_close: bool,
}

impl Connection {
    pub(crate) fn send(&mut self, bytes: Bytes, then_close: bool) -> Result<(), ()> {
        self.out.try_send(Out { bytes, then_close }).map_err(|_| ())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Opens a connection in the background; what is sent meanwhile waits in its queue.
pub(crate) fn connect(
    remote: SocketAddr,
    id: ConnectionId,
    wait: Duration,
    reporter: mpsc::Sender<Report>,
) -> Connection {
    let (out, queue) = mpsc::channel(UNSENT);
    let flow = Flow {
        transport: Transport::Tcp,
        local: unspecified(&remote),
        remote,
        connection: Some(id),
    };
    let task = tokio::spawn(async move {
        let opened = tokio::time::timeout(wait, TcpStream::connect(remote)).await;
        let cause = match opened {
            Ok(Ok(stream)) => return run(stream, flow, queue, reporter).await,
            Ok(Err(error)) => flow_error(&error),
            Err(_) => FlowError::TimedOut,
        };
        let _ = reporter
            .send(Report::Network(Input::Closed { flow, cause }))
            .await;
    });
    Connection {
        flow,
        out,
        task: task.abort_handle(),
    }
}

/// Runs a connection until either side ends it.
async fn run(
    stream: TcpStream,
    mut flow: Flow,
    queue: mpsc::Receiver<Out>,
    reporter: mpsc::Sender<Report>,
) {
    // Messages are written whole; waiting to join them would only delay them.
    let _ = stream.set_nodelay(true);
    if let Ok(local) = stream.local_addr() {
        flow.local = local;
    }
    if reporter
        .send(Report::Network(Input::Opened { flow }))
        .await
        .is_err()
    {
        return;
    }
    let (reader, writer) = stream.into_split();
    let cause = tokio::select! {
        cause = read(reader, flow, &reporter) => cause,
        cause = write(writer, queue) => cause,
    };
    let _ = reporter
        .send(Report::Network(Input::Closed { flow, cause }))
        .await;
}

async fn read(mut reader: OwnedReadHalf, flow: Flow, reporter: &mpsc::Sender<Report>) -> FlowError {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ);
        match reader.read_buf(&mut buffer).await {
            Ok(0) => return FlowError::Closed,
            Ok(_) => {
                let bytes = buffer.split().freeze();
                if reporter
                    .send(Report::Network(Input::Received { flow, bytes }))
                    .await
                    .is_err()
                {
                    return FlowError::Closed;
                }
            }
            Err(error) => return flow_error(&error),
        }
    }
}

async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Out>) -> FlowError {
    while let Some(out) = queue.recv().await {
        if let Err(error) = writer.write_all(&out.bytes).await {
            return flow_error(&error);
        }
        if out.then_close {
            let _ = writer.shutdown().await;
            return FlowError::Closed;
        }
    }
    FlowError::Closed
}

/// Binds and accepts in the background.
pub(crate) async fn listen(
    at: SocketAddr,
    reporter: mpsc::Sender<Report>,
) -> io::Result<(SocketAddr, AbortHandle)> {
    let listener = TcpListener::bind(at).await?;
    let bound = listener.local_addr()?;
    let task = tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => {
                    if reporter
                        .send(Report::Accepted(stream, remote))
                        .await
                        .is_err()
                    {
                        return;
                    }
                }
                // Out of file descriptors, most likely: trying again at once would spin.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    });
    Ok((bound, task.abort_handle()))
}

/// Takes over an accepted connection.
pub(crate) fn accepted(
    stream: TcpStream,
    remote: SocketAddr,
    id: ConnectionId,
    reporter: mpsc::Sender<Report>,
) -> Connection {
    let (out, queue) = mpsc::channel(UNSENT);
    let local = stream.local_addr().unwrap_or(unspecified(&remote));
    let flow = Flow {
        transport: Transport::Tcp,
        local,
        remote,
        connection: Some(id),
    };
    let task = tokio::spawn(run(stream, flow, queue, reporter));
    Connection {
        flow,
        out,
        task: task.abort_handle(),
    }
}
