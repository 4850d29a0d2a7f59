//! WebSocket on both sides (RFC 7118): one SIP message a frame, subprotocol `sip`.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config, client_async_with_config};

use super::connection::{Out, Settings};
use super::{Report, flow_error, plain_http};
use crate::{Flow, FlowError, Input};

pub(crate) type Socket<S> = WebSocketStream<S>;

/// The subprotocol that both sides must name (RFC 7118 section 4.1).
const SUBPROTOCOL: HeaderValue = HeaderValue::from_static("sip");

/// Bytes that a connection holds for reading, and may hold before it writes.
const BUFFER: usize = 4_096;

fn config(settings: &Settings) -> WebSocketConfig {
    WebSocketConfig::default()
        // Idle connections are many: the library's own 128 KiB for each would be most of what they cost.
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(Some(settings.longest))
        .max_frame_size(Some(settings.longest))
}

/// The Host of the handshake: the name that was dialled, or the address.
pub(crate) fn host(name: Option<&str>, stream: &TcpStream) -> String {
    let remote = stream.peer_addr().ok();
    match (name, remote) {
        (Some(name), Some(remote)) => format!("{name}:{}", remote.port()),
        (Some(name), None) => name.to_owned(),
        (None, Some(remote)) => remote.to_string(),
        (None, None) => String::new(),
    }
}

/// Shakes hands with a server at `uri`.
pub(crate) async fn open<S>(
    stream: S,
    uri: &str,
    settings: &Settings,
) -> Result<Socket<S>, FlowError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = uri
        .into_client_request()
        .map_err(|_| FlowError::Handshake)?;
    request
        .headers_mut()
        .insert(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
    let (socket, _) = client_async_with_config(request, stream, Some(config(settings)))
        .await
        .map_err(|error| why(&error))?;
    Ok(socket)
}

/// Shakes hands with a client, which must offer the subprotocol. Extensions that it offers, compression among them, are
/// not taken up. A request for anything else is answered in HTTP.
pub(crate) async fn accept<S>(mut stream: S, settings: &Settings) -> Result<Socket<S>, FlowError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // The error's size is that of the library's trait.
    #[allow(clippy::result_large_err)]
    let check = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        if offers_sip(request.headers()) {
            response
                .headers_mut()
                .insert(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
            return Ok(response);
        }
        Err(plain_http::without_subprotocol())
    };
    // Hands are shaken on a loan, so that a failure leaves a stream to answer on. What a client sends before it has the
    // answer is refused as junk, so nothing that was read is lost with the first socket.
    let shaken = accept_hdr_async_with_config(&mut stream, check, Some(config(settings))).await;
    match shaken.map(drop) {
        Ok(()) => {
            let config = Some(config(settings));
            Ok(WebSocketStream::from_raw_socket(stream, Role::Server, config).await)
        }
        Err(error) => {
            plain_http::refuse(stream, &error).await;
            Err(why(&error))
        }
    }
}

fn offers_sip(headers: &HeaderMap) -> bool {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("sip"))
}

/// Carries messages both ways until either side ends it; says why it ended.
pub(crate) async fn carry<S>(
    socket: Socket<S>,
    flow: Flow,
    mut queue: mpsc::Receiver<Out>,
    patience: Duration,
    reporter: &mpsc::Sender<Report>,
) -> FlowError
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sink, mut source) = socket.split();
    let write = async {
        while let Some(out) = queue.recv().await {
            match tokio::time::timeout(patience, sink.send(message(out.bytes))).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return why(&error),
                Err(_) => return FlowError::Congested,
            }
            if out.then_close {
                let _ = tokio::time::timeout(patience, sink.send(Message::Close(None))).await;
                break;
            }
        }
        FlowError::Closed
    };
    let read = async {
        loop {
            let bytes = match source.next().await {
                None => return FlowError::Closed,
                Some(Ok(Message::Text(text))) => Bytes::from(text),
                Some(Ok(Message::Binary(bytes))) => bytes,
                // Pings are answered with what is written next, or with the next read.
                Some(Ok(_)) => continue,
                Some(Err(error)) => return why(&error),
            };
            let received = Report::Network(Input::Received { flow, bytes });
            if reporter.send(received).await.is_err() {
                return FlowError::Closed;
            }
        }
    };
    let cause = tokio::select! {
        cause = read => cause,
        cause = write => cause,
    };
    if cause == FlowError::TooLong {
        let frame = CloseFrame {
            code: CloseCode::Size,
            reason: Utf8Bytes::from_static("message too long"),
        };
        let _ = tokio::time::timeout(patience, sink.send(Message::Close(Some(frame)))).await;
    }
    cause
}

/// Text where it is (RFC 7118 section 5 has peers take both), since that is what browsers show in their tools.
fn message(bytes: Bytes) -> Message {
    match Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(bytes),
    }
}

fn why(error: &Error) -> FlowError {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => FlowError::Closed,
        Error::Io(error) => flow_error(error),
        Error::Capacity(_) => FlowError::TooLong,
        Error::Protocol(
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => FlowError::Closed,
        _ => FlowError::Handshake,
    }
}
