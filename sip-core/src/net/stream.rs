//! Byte streams, TCP and TLS: accepting them, and carrying messages over them.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::connection::{Out, Settings};
use super::{Report, flow_error};
use crate::{Flow, FlowError, Input, Transport};

/// Bytes asked of one read: more than a message usually has.
const READ: usize = 4_096;

/// Binds and accepts in the background; the settings are those of now.
pub(crate) async fn listen(
    transport: Transport,
    at: SocketAddr,
    settings: Settings,
    reporter: mpsc::Sender<Report>,
) -> io::Result<(SocketAddr, AbortHandle)> {
    let listener = TcpListener::bind(at).await?;
    let bound = listener.local_addr()?;
    let task = tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => {
                    let flow = Flow {
                        transport,
                        local: stream.local_addr().unwrap_or(bound),
                        remote,
                        connection: None,
                    };
                    let report = Report::Accepted(stream, flow, settings.clone());
                    if reporter.send(report).await.is_err() {
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

/// Carries bytes both ways until either side ends it; says why it ended.
pub(crate) async fn carry(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    flow: Flow,
    queue: mpsc::Receiver<Out>,
    patience: Duration,
    reporter: &mpsc::Sender<Report>,
) -> FlowError {
    tokio::select! {
        cause = read(reader, flow, reporter) => cause,
        cause = write(writer, queue, patience) => cause,
    }
}

async fn read(
    mut reader: impl AsyncRead + Unpin,
    flow: Flow,
    reporter: &mpsc::Sender<Report>,
) -> FlowError {
    loop {
        match poll_fn(|cx| poll_read(&mut reader, cx)).await {
            Ok(bytes) if bytes.is_empty() => return FlowError::Closed,
            Ok(bytes) => {
                let received = Report::Network(Input::Received { flow, bytes });
                if reporter.send(received).await.is_err() {
                    return FlowError::Closed;
                }
            }
            Err(error) => return flow_error(&error),
        }
    }
}

/// What is there to be read; nothing at the stream's end. The buffer is the stack's, so that a connection on which
/// nothing happens holds none.
fn poll_read(
    reader: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
) -> Poll<io::Result<Bytes>> {
    let mut room = [MaybeUninit::uninit(); READ];
    let mut buffer = ReadBuf::uninit(&mut room);
    match Pin::new(reader).poll_read(cx, &mut buffer) {
        Poll::Ready(Ok(())) => Poll::Ready(Ok(Bytes::copy_from_slice(buffer.filled()))),
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Pending => Poll::Pending,
    }
}

async fn write(
    mut writer: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Out>,
    patience: Duration,
) -> FlowError {
    while let Some(out) = queue.recv().await {
        let written = async {
            writer.write_all(&out.bytes).await?;
            // TLS keeps what the socket did not take at once.
            writer.flush().await
        };
        match tokio::time::timeout(patience, written).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return flow_error(&error),
            Err(_) => return FlowError::Congested,
        }
        if out.then_close {
            // A peer that does not read does not keep us from closing.
            let _ = tokio::time::timeout(patience, writer.shutdown()).await;
            return FlowError::Closed;
        }
    }
    FlowError::Closed
}
