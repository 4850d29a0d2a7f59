//! REST on a socket: hyper drives the router.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use signaling::http::{ApiError, Reply, Router};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::download::outgoing;

/// Connections at once; more wait.
const MOST_CONNECTIONS: usize = 512;

/// How long a client may take over the head of a request, and over a handshake.
const HEAD: Duration = Duration::from_secs(10);

/// How long a request may take, its body and the longest wait for a phone included.
const WHOLE: Duration = Duration::from_secs(90);

/// TLS, if it is wanted.
pub(crate) type Tls = Option<TlsAcceptor>;

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener, tls: Tls, router: Router) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // Never closed.
        let Ok(place) = room.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: others close before the next try.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (router, tls) = (router.clone(), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => connection(stream, router).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = tokio::time::timeout(HEAD, tls.accept(stream)).await {
                        connection(stream, router).await;
                    }
                }
            }
            drop(place);
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router) {
    let service = service_fn(|request: ::http::Request<Incoming>| {
        let router = router.clone();
        async move {
            let method = request.method().clone();
            let reply = tokio::time::timeout(WHOLE, router.answer(request)).await;
            let reply: Reply = reply.unwrap_or_else(|_| {
                let why = "the request took too long";
                ApiError::new(::http::StatusCode::REQUEST_TIMEOUT, why).into_reply()
            });
            Ok::<_, Infallible>(outgoing(&method, reply).await)
        }
    });
    // What a client breaks concerns the client alone.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
