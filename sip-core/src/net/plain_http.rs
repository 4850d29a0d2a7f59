//! What comes to a WebSocket door and asks for no WebSocket, or not for one of ours: a browser that was pointed at it by
//! hand, a health check, a scanner. It is told so in HTTP, once, and the connection ends.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::ErrorResponse;
use tokio_tungstenite::tungstenite::http::header::CONNECTION;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};

/// What every answer says of this door.
const DOOR: &str = "This is a door for SIP over WebSocket (RFC 7118).\n";

/// How long, and for how many bytes, a peer may go on with what nobody will read. A connection that is closed before all
/// that came was read is reset, which takes the answer away from a peer that has not read it.
const LINGER: Duration = Duration::from_secs(1);
const LEFT_OVER: usize = 16 * 1024;

/// What is still to be said to a handshake that failed so; `None` where nobody would hear it.
fn answer(error: &Error) -> Option<String> {
    const REQUIRED: &str =
        "426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade, close";
    let head = match error {
        // RFC 9110 section 15.5.22.
        Error::Protocol(
            ProtocolError::MissingConnectionUpgradeHeader
            | ProtocolError::MissingUpgradeWebSocketHeader
            | ProtocolError::WrongHttpVersion,
        ) => REQUIRED.to_owned(),
        // RFC 6455 section 4.2.2: whoever speaks another version is told ours.
        Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader) => {
            format!("{REQUIRED}\r\nSec-WebSocket-Version: 13")
        }
        // That was said while hands were shaken.
        Error::Http(_) => return Some(String::new()),
        // Nobody is there to read it.
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Protocol(ProtocolError::HandshakeIncomplete) => return None,
        _ => "400 Bad Request\r\nConnection: close".to_owned(),
    };
    let length = DOOR.len();
    Some(format!(
        "HTTP/1.1 {head}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{DOOR}"
    ))
}

/// The answer to a client that does not offer the subprotocol.
pub(crate) fn without_subprotocol() -> ErrorResponse {
    let mut refusal = ErrorResponse::new(Some("the subprotocol \"sip\" is needed\n".to_owned()));
    *refusal.status_mut() = StatusCode::BAD_REQUEST;
    refusal
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    refusal
}

/// Answers a handshake that failed so, and ends the connection.
pub(crate) async fn refuse<S>(mut stream: S, error: &Error)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(answer) = answer(error) else { return };
    // A peer that is gone needs no answer, and one that does not read gets none; opening as a whole has its limit.
    let _ = tokio::time::timeout(LINGER, async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        let mut left = (&mut stream).take(LEFT_OVER as u64);
        tokio::io::copy(&mut left, &mut tokio::io::sink()).await
    })
    .await;
}
