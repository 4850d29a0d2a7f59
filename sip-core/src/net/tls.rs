//! TLS on both sides, as the application's `rustls` configurations have it.

use std::io;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, Error};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::connection::Settings;
use super::flow_error;
use crate::FlowError;

pub(crate) type Stream = TlsStream<TcpStream>;

/// Shakes hands with a server, whose certificate must bear `name`, or its address where it has none: the name is the
/// one of the URI, from before any look-up (RFC 5922 section 7.3).
pub(crate) async fn open(
    stream: TcpStream,
    name: Option<&str>,
    settings: &Settings,
) -> Result<Stream, FlowError> {
    let config = settings.client.clone().ok_or(FlowError::NoTransport)?;
    let name = match name {
        Some(name) => {
            // An IPv6 address stands in brackets in a URI.
            let name = name.trim_start_matches('[').trim_end_matches(']');
            ServerName::try_from(name.to_owned()).map_err(|_| FlowError::CertificateName)?
        }
        None => {
            let remote = stream.peer_addr().map_err(|error| flow_error(&error))?;
            ServerName::from(remote.ip())
        }
    };
    let shaken = TlsConnector::from(config).connect(name, stream).await;
    Ok(TlsStream::Client(shaken.map_err(|error| why(&error))?))
}

/// Shakes hands with a client.
pub(crate) async fn accept(stream: TcpStream, settings: &Settings) -> Result<Stream, FlowError> {
    let config = settings.server.clone().ok_or(FlowError::NoTransport)?;
    let shaken = TlsAcceptor::from(config).accept(stream).await;
    Ok(TlsStream::Server(shaken.map_err(|error| why(&error))?))
}

fn why(error: &io::Error) -> FlowError {
    match error.kind() {
        // Hung up in the middle: what the peer disliked, it told only by that.
        io::ErrorKind::UnexpectedEof => FlowError::Handshake,
        _ => flow_error(error),
    }
}

/// What TLS itself said, if it was TLS. A server of TLS 1.3 refuses a client's certificate only after the client's own
/// handshake is done, so that this can come with any read.
pub(crate) fn error(error: &io::Error) -> Option<FlowError> {
    use CertificateError as Bad;
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match error {
        Error::InvalidCertificate(bad) => match bad {
            Bad::Expired
            | Bad::ExpiredContext { .. }
            | Bad::NotValidYet
            | Bad::NotValidYetContext { .. } => FlowError::CertificateExpired,
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => FlowError::CertificateName,
            _ => FlowError::CertificateUntrusted,
        },
        _ => FlowError::Handshake,
    })
}
