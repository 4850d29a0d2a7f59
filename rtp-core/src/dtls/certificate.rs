//! The certificate that a handshake shows: self-signed, because its hash in the SDP is what vouches for it.

use super::dimpl_engine::Prepared;
use super::error::CertificateError;
use super::fingerprint;
use crate::sdp::Fingerprint;
use std::fmt;
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

/// A certificate and its private key, cheap to clone. One serves every call of a process; making one a call would only
/// keep the calls of one user from being linked by who sees the SDP.
#[derive(Clone)]
pub struct Certificate {
    inner: Arc<Inner>,
}

struct Inner {
    certificate: Vec<u8>,
    private_key: Zeroizing<Vec<u8>>,
    fingerprint: Fingerprint,
    /// What the pure Rust backend made of it, once: making it again costs more than a handshake.
    dimpl: OnceLock<Prepared>,
    /// What OpenSSL made of it, for the same reason.
    #[cfg(feature = "dtls-openssl")]
    openssl: OnceLock<Result<openssl::ssl::SslContext, String>>,
}

impl Certificate {
    /// Makes a self-signed certificate with a new P-256 key from the operating system's random bytes. It names nobody.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn generate() -> Result<Certificate, CertificateError> {
        let fail = |error: rcgen::Error| CertificateError::new(&error);
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(fail)?;
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters
            .distinguished_name
            .push(rcgen::DnType::CommonName, "DTLS-SRTP");
        let certificate = parameters.self_signed(&key).map_err(fail)?;
        Ok(Certificate::from_der(
            certificate.der().to_vec(),
            key.serialize_der(),
        ))
    }

    /// Takes a certificate (X.509, DER) and its private key (PKCS #8, DER). The key must be on the curve P-256 or P-384
    /// (or on RSA for OpenSSL's [`Backend`](super::Backend)); [`Handshake::new`](super::Handshake::new) says when it is
    /// not.
    pub fn from_der(certificate: Vec<u8>, private_key: Vec<u8>) -> Certificate {
        let fingerprint = fingerprint::sha256(&certificate);
        Certificate {
            inner: Arc::new(Inner {
                certificate,
                private_key: Zeroizing::new(private_key),
                fingerprint,
                dimpl: OnceLock::new(),
                #[cfg(feature = "dtls-openssl")]
                openssl: OnceLock::new(),
            }),
        }
    }

    /// What `a=fingerprint` says of it: its SHA-256 (RFC 8122 §5).
    pub fn fingerprint(&self) -> Fingerprint {
        self.inner.fingerprint.clone()
    }

    /// The certificate, X.509 in DER.
    pub fn der(&self) -> &[u8] {
        &self.inner.certificate
    }

    pub(super) fn dimpl(&self) -> &OnceLock<Prepared> {
        &self.inner.dimpl
    }

    #[cfg(feature = "dtls-openssl")]
    pub(super) fn openssl(
        &self,
        make: impl FnOnce(&Self) -> Result<openssl::ssl::SslContext, String>,
    ) -> Result<&openssl::ssl::SslContext, &str> {
        let made = self.inner.openssl.get_or_init(|| make(self));
        made.as_ref().map_err(String::as_str)
    }

    /// The private key, PKCS #8 in DER.
    pub(super) fn private_key(&self) -> &[u8] {
        &self.inner.private_key
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("fingerprint", &self.inner.fingerprint.to_string())
            .finish_non_exhaustive()
    }
}
