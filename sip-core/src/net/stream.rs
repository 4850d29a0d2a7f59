//! Byte streams, TCP and TLS: accepting them, and carrying messages over them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::connection::{Out, Settings};
use super::{Report, flow_error};
use crate::{Flow, FlowError, Input, Transport};

/// Bytes asked of one read.
const READ: usize = 16_384;

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
    reporter: &mpsc::Sender<Report>,
) -> FlowError {
    tokio::select! {
        cause = read(reader, flow, reporter) => cause,
        cause = write(writer, queue) => cause,
    }
}

async fn read(
    mut reader: impl AsyncRead + Unpin,
    flow: Flow,
    reporter: &mpsc::Sender<Report>,
) -> FlowError {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ);
        match reader.read_buf(&mut buffer).await {
            Ok(0) => return FlowError::Closed,
            Ok(_) => {
                let bytes = buffer.split().freeze();
                let received = Report::Network(Input::Received { flow, bytes });
                if reporter.send(received).await.is_err() {
                    return FlowError::Closed;
                }
            }
            Err(error) => return flow_error(&error),
        }
    }
}

async fn write(mut writer: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<Out>) -> FlowError {
    while let Some(out) = queue.recv().await {
        let written = async {
            writer.write_all(&out.bytes).await?;
            // TLS keeps what the socket did not take at once.
            writer.flush().await
        };
        if let Err(error) = written.await {
            return flow_error(&error);
        }
        if out.then_close {
            let _ = writer.shutdown().await;
            return FlowError::Closed;
        }
    }
    FlowError::Closed
}
