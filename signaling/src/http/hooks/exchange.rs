//! One try: connect, post, read the answer.

use super::client::{Hook, HookError};
use super::url::HookUrl;
use ::http::header::{CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER};
use ::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What a try needs beside the hook.
pub(super) struct Head<'a> {
    pub(super) delivery: &'a str,
    pub(super) signature: Option<&'a str>,
    pub(super) max_answer: usize,
    pub(super) tls: Option<&'a Arc<rustls::ClientConfig>>,
}

/// What came back, whatever its status.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    pub(super) retry_after: Option<Duration>,
}

pub(super) async fn post(hook: &Hook, head: &Head<'_>) -> Result<Answer, HookError> {
    let request = request(hook, head).map_err(|error| HookError::Protocol(error.to_string()))?;
    // Before the connection: an address that cannot be told need not be reached.
    let tls = match (hook.url.is_https(), head.tls) {
        (false, _) => None,
        (true, Some(config)) => Some((TlsConnector::from(config.clone()), name(&hook.url)?)),
        (true, None) => return Err(HookError::NoTls),
    };
    let address = (hook.url.host(), hook.url.port());
    let stream = TcpStream::connect(address)
        .await
        .map_err(HookError::Unreachable)?;
    match tls {
        None => exchange(stream, request, head.max_answer).await,
        Some((connector, name)) => {
            let stream = connector.connect(name, stream).await;
            let stream = stream.map_err(HookError::Unreachable)?;
            exchange(stream, request, head.max_answer).await
        }
    }
}

fn name(url: &HookUrl) -> Result<ServerName<'static>, HookError> {
    ServerName::try_from(url.host().to_owned())
        .map_err(|error| HookError::Unreachable(io::Error::other(error)))
}

fn request(hook: &Hook, head: &Head<'_>) -> ::http::Result<Request<Full<Bytes>>> {
    let mut request = Request::post(hook.url.path_and_query())
        .header(HOST, hook.url.authority())
        .header(CONTENT_TYPE, hook.content_type.clone())
        .header(CONNECTION, "close")
        .header("patchcord-delivery", head.delivery);
    if let Some(signature) = head.signature {
        request = request.header("patchcord-signature", signature);
    }
    request.body(Full::new(hook.body.clone()))
}

async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<Answer, HookError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let broken = |error: hyper::Error| HookError::Protocol(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let mut connection = pin!(connection);
    let mut answer = pin!(async move {
        let response = sender.send_request(request).await.map_err(broken)?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, most)
            .collect()
            .await
            .map_err(|error| match error.is::<LengthLimitError>() {
                true => HookError::TooLong(most),
                false => HookError::Protocol(error.to_string()),
            })?;
        Ok(Answer {
            status: parts.status,
            body: body.to_bytes(),
            retry_after: retry_after(&parts.headers),
        })
    });
    // The connection does the work of the exchange; it may be over before the answer is taken.
    let mut over = false;
    loop {
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            _ = &mut connection, if !over => over = true,
        }
    }
}

/// Retry-After in seconds; a date is not heeded.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}
