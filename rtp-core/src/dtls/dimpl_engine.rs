//! DTLS by the crate `dimpl`.

use super::certificate::Certificate;
use super::engine::{Engine, Said};
use super::error::DtlsError;
use super::handshake::{HandshakeConfig, MAX_KEPT, Role};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// What handshakes with one certificate share: building it tries every cipher, hash and curve against known answers, and
/// the key is read; together that takes several times as long as the handshake.
#[derive(Clone)]
pub(super) struct Prepared {
    mtu: usize,
    timeout: Duration,
    config: Arc<dimpl::Config>,
}

impl Prepared {
    fn of(certificate: &Certificate, wanted: &HandshakeConfig) -> Result<Prepared, DtlsError> {
        let (mtu, timeout) = (wanted.mtu, wanted.timeout);
        let known = certificate.dimpl().get();
        if let Some(known) = known.filter(|it| (it.mtu, it.timeout) == (mtu, timeout)) {
            return Ok(known.clone());
        }
        let config = dimpl::Config::builder()
            .mtu(mtu)
            .handshake_timeout(timeout)
            .max_queue_rx(MAX_KEPT)
            .build()
            .map_err(failed)?;
        // The association would panic over a key that it cannot read.
        config
            .crypto_provider()
            .key_provider
            .load_private_key(certificate.private_key())
            .map_err(|error| DtlsError::Certificate(error.to_string()))?;
        let made = Prepared {
            mtu,
            timeout,
            config: Arc::new(config),
        };
        // The first stays: nearly all want the same.
        let _ = certificate.dimpl().set(made.clone());
        Ok(made)
    }
}

pub(super) struct Dimpl(dimpl::Dtls);

impl Dimpl {
    pub(super) fn new(
        now: Instant,
        certificate: &Certificate,
        role: Role,
        config: &HandshakeConfig,
    ) -> Result<Dimpl, DtlsError> {
        let prepared = Prepared::of(certificate, config)?;
        let pair = dimpl::DtlsCertificate {
            certificate: certificate.der().to_vec(),
            private_key: certificate.private_key().to_vec(),
        };
        let mut dtls = dimpl::Dtls::new_auto(prepared.config, pair, now);
        if role == Role::Client {
            dtls.set_active(true);
            // The first flight is made by the passing of time.
            dtls.handle_timeout(now).map_err(failed)?;
        }
        Ok(Dimpl(dtls))
    }
}

impl Engine for Dimpl {
    fn receive(&mut self, now: Instant, datagram: &[u8]) -> Result<(), DtlsError> {
        // It has no clock of its own.
        self.0.handle_timeout(now).map_err(failed)?;
        self.0.handle_packet(datagram).map_err(failed)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        self.0.handle_timeout(now).map_err(failed)
    }

    fn poll<'b>(&mut self, buffer: &'b mut [u8]) -> Said<'b> {
        use dimpl::Output;
        match self.0.poll_output(buffer) {
            Output::Packet(datagram) => Said::Datagram(datagram),
            Output::PeerCert(der) => Said::Certificate(der),
            Output::KeyingMaterial(material, profile) => {
                // Registered by RFC 5764 §4.1.2 and RFC 7714 §14.2.
                let profile = match profile {
                    dimpl::SrtpProfile::AES128_CM_SHA1_80 => 0x0001,
                    dimpl::SrtpProfile::AEAD_AES_128_GCM => 0x0007,
                    dimpl::SrtpProfile::AEAD_AES_256_GCM => 0x0008,
                    _ => 0,
                };
                Said::Keys(Zeroizing::new(material.to_vec()), profile)
            }
            Output::CloseNotify => Said::Closed,
            Output::Timeout(at) => Said::Wait(Some(at)),
            // It would say so for ever. Nothing of ours is as large: the MTU is not.
            Output::BufferTooSmall { .. } => Said::Wait(None),
            _ => Said::Nothing,
        }
    }

    fn close(&mut self) {
        // Refused only when it is closed already.
        let _ = self.0.close();
    }
}

fn failed(error: dimpl::Error) -> DtlsError {
    match error {
        dimpl::Error::CertificateError(error) => DtlsError::PeerCertificate(error.to_string()),
        other => DtlsError::Handshake(other.to_string()),
    }
}
