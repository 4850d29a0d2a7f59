//! What a handshake needs of a DTLS implementation, and which of them stands behind it.

use super::certificate::Certificate;
use super::dimpl_engine::Dimpl;
use super::error::DtlsError;
use super::handshake::{HandshakeConfig, Role};
#[cfg(feature = "dtls-openssl")]
use super::openssl_engine::OpenSsl;
use std::time::Instant;
use zeroize::Zeroizing;

/// Whose DTLS a handshake speaks. Keys, fingerprints and time limits are the same with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// Pure Rust: DTLS 1.2 and 1.3, certificates on P-256 and P-384 at both ends. Its timers are the machine's, so a
    /// simulation may run it.
    Rust,
    /// The system's OpenSSL: DTLS 1.2, and peers whose certificate is on RSA. Its timers for what is sent again (1 s,
    /// then twice as long each time) read the system's clock, whatever `now` says; [`HandshakeConfig::timeout`] does not.
    #[cfg(feature = "dtls-openssl")]
    OpenSsl,
}

impl Default for Backend {
    /// [`Rust`](Self::Rust), and with the feature `dtls-openssl` OpenSSL: who builds it in has peers that need it.
    fn default() -> Self {
        #[cfg(feature = "dtls-openssl")]
        return Backend::OpenSsl;
        #[cfg(not(feature = "dtls-openssl"))]
        Backend::Rust
    }
}

impl Backend {
    pub(super) fn start(
        now: Instant,
        certificate: &Certificate,
        role: Role,
        config: &HandshakeConfig,
    ) -> Result<Box<dyn Engine>, DtlsError> {
        Ok(match config.backend {
            Backend::Rust => Box::new(Dimpl::new(now, certificate, role, config)?),
            #[cfg(feature = "dtls-openssl")]
            Backend::OpenSsl => Box::new(OpenSsl::new(now, certificate, role, config)?),
        })
    }
}

/// What an implementation has to say; [`Said::Wait`] is always the last until something goes in.
pub(super) enum Said<'b> {
    /// A datagram for the peer.
    Datagram(&'b [u8]),
    /// The peer's certificate, DER. Its key has signed the handshake.
    Certificate(&'b [u8]),
    /// The keying material of RFC 5764 §4.2 and the profile that it is for.
    Keys(Zeroizing<Vec<u8>>, u16),
    /// The peer closed the association.
    Closed,
    /// Something that a call has no use for.
    Nothing,
    /// Nothing more until a datagram comes or this moment has passed.
    Wait(Option<Instant>),
}

/// A DTLS association of either role. Every error is final.
pub(super) trait Engine: Send {
    fn receive(&mut self, now: Instant, datagram: &[u8]) -> Result<(), DtlsError>;
    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError>;
    /// `buffer` is as large as a datagram may be.
    fn poll<'b>(&mut self, buffer: &'b mut [u8]) -> Said<'b>;
    /// Says goodbye, as the last datagram.
    fn close(&mut self);
}
