//! Why there are no keys.

use std::time::Duration;

/// A certificate could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot make a certificate: {reason}")]
pub struct CertificateError {
    reason: String,
}

impl CertificateError {
    pub(super) fn new(reason: &dyn std::fmt::Display) -> CertificateError {
        CertificateError {
            reason: reason.to_string(),
        }
    }
}

/// Why a handshake ended without keys, or what it agreed on ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DtlsError {
    /// Our certificate or its key cannot be used: of a kind that the backend does not know, or no certificate at all.
    #[error("this certificate cannot be used for DTLS: {0}")]
    Certificate(String),
    /// The peer's certificate is not the one that its SDP names: somebody else answers on the path.
    #[error("the DTLS peer shows another certificate than its session description names")]
    WrongFingerprint,
    /// The peer shows no certificate, or none that the backend can read.
    #[error("the DTLS peer shows no certificate that can be read: {0}")]
    PeerCertificate(String),
    /// The handshake took too long.
    #[error("no DTLS handshake within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// Both sides speak DTLS, but no SRTP profile in common (RFC 5764 §4.1).
    #[error("the DTLS peer agrees to no SRTP profile that may be used here")]
    NoProfile,
    /// The handshake broke: an alert, a message out of place, no common cipher.
    #[error("the DTLS handshake failed: {0}")]
    Handshake(String),
}
