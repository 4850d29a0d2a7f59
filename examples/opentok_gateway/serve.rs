//! REST on a socket: hyper drives the router.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use signaling::http::{ApiError, Reply, Router};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// Connections at once; more wait.
const MOST_CONNECTIONS: usize = 512;

/// How long a client may take over the head of a request, and over a handshake.
const HEAD: Duration = Duration::from_secs(10);

/// How long a request may take, its body and the longest wait for a phone included.
const WHOLE: Duration = Duration::from_secs(90);

/// TLS, if it is wanted.
pub(crate) type Tls = Option<TlsAcceptor>;

/// TLS with a chain and a key from files.
///
/// # Errors
/// A line that names the file.
pub(crate) fn tls_from(cert: &Path, key: &Path) -> Result<TlsAcceptor, String> {
    let failed =
        |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| failed(cert, &error))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
    acceptor(chain, secret).map_err(|error| failed(cert, &error))
}

/// TLS with a certificate for `localhost` and loopback, made up for this run.
///
/// # Errors
/// A line that says what failed.
pub(crate) fn tls_made_up() -> Result<TlsAcceptor, String> {
    let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    acceptor(vec![made.cert.der().clone()], key).map_err(|error| error.to_string())
}

fn acceptor(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<TlsAcceptor, rustls::Error> {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

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
            let reply = tokio::time::timeout(WHOLE, router.answer(request)).await;
            let reply: Reply = reply.unwrap_or_else(|_| {
                let why = "the request took too long";
                ApiError::new(::http::StatusCode::REQUEST_TIMEOUT, why).into_reply()
            });
            Ok::<_, Infallible>(reply)
        }
    });
    // What a client breaks concerns the client alone.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
