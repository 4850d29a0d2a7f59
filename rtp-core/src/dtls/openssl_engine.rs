//! DTLS 1.2 by the system's OpenSSL, for peers whose certificate is on RSA.
//!
//! Its safe interface has no `DTLSv1_get_timeout` and no `DTLSv1_handle_timeout`. Neither is needed: whenever OpenSSL looks for
//! a datagram and finds none, it sends its last flight again if that is due by the system's clock. So it is asked to look
//! from time to time.

use super::certificate::Certificate;
use super::engine::{Engine, Said};
use super::error::DtlsError;
use super::handshake::{HandshakeConfig, Role};
use crate::srtp::Suite;
use openssl::pkey::PKey;
use openssl::ssl::{
    self, ErrorCode, Ssl, SslContext, SslMethod, SslOptions, SslRef, SslSessionCacheMode,
    SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::X509;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long OpenSSL waits before it sends a flight again the first time, and a little more.
const FIRST: Duration = Duration::from_millis(1010);

/// How often it is asked to look from then on.
const AGAIN: Duration = Duration::from_millis(100);

/// OpenSSL gathers a datagram in a buffer of this size; one that does not fit would be torn.
const MAX_MTU: usize = 4096;

/// Datagrams that wait to be taken: more than two flights.
const MAX_LEAVING: usize = 32;

/// Ephemeral keys (RFC 7525 §6.3), signed on a curve or on RSA.
const CIPHERS: &str = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES";

/// RFC 5764 §4.2.
const LABEL: &str = "EXTRACTOR-dtls_srtp";

pub(super) struct OpenSsl {
    stream: SslStream<Datagrams>,
    up: bool,
    closed: bool,
    /// The peer's certificate and our keys, until they are said.
    certificate: Option<Vec<u8>>,
    keys: Option<(Zeroizing<Vec<u8>>, u16)>,
    wake: Option<Instant>,
}

/// Where OpenSSL reads and writes: a datagram a call.
#[derive(Default)]
struct Datagrams {
    arrived: Option<Vec<u8>>,
    leaving: VecDeque<Vec<u8>>,
}

impl Read for Datagrams {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let datagram = self.arrived.take().ok_or(io::ErrorKind::WouldBlock)?;
        let len = datagram.len().min(buffer.len());
        buffer[..len].copy_from_slice(&datagram[..len]);
        Ok(len)
    }
}

impl Write for Datagrams {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        if self.leaving.len() < MAX_LEAVING {
            self.leaving.push_back(datagram.to_vec());
        }
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl OpenSsl {
    pub(super) fn new(
        now: Instant,
        certificate: &Certificate,
        role: Role,
        config: &HandshakeConfig,
    ) -> Result<OpenSsl, DtlsError> {
        if config.timeout.is_zero() {
            return Err(DtlsError::Handshake("there is no time for it".to_owned()));
        }
        let context = certificate
            .openssl(|certificate| context(certificate).map_err(|error| error.to_string()))
            .map_err(|error| DtlsError::Certificate(error.to_owned()))?;
        let stream = stream(context, role, config)
            .map_err(|error| DtlsError::Handshake(error.to_string()))?;
        let mut made = OpenSsl {
            stream,
            up: false,
            closed: false,
            certificate: None,
            keys: None,
            wake: None,
        };
        if role == Role::Client {
            made.look(now)?;
        }
        Ok(made)
    }

    /// Lets OpenSSL read what has arrived, and send what is due.
    fn look(&mut self, now: Instant) -> Result<(), DtlsError> {
        if !self.up {
            match self.stream.do_handshake() {
                Ok(()) => self.finish()?,
                Err(error) if error.code() == ErrorCode::WANT_READ => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
        if self.up && !self.closed {
            self.listen()?;
        }
        self.wake = if self.up {
            // From now on it only answers: our last flight when the peer's comes again, and a goodbye.
            None
        } else if !self.stream.get_ref().leaving.is_empty() {
            Some(now + FIRST)
        } else {
            Some(self.wake.filter(|wake| now < *wake).unwrap_or(now + AGAIN))
        };
        Ok(())
    }

    /// The handshake is over: whoever it is holds the key of this certificate.
    fn finish(&mut self) -> Result<(), DtlsError> {
        self.up = true;
        let ssl = self.stream.ssl();
        let shown = ssl
            .peer_certificate()
            .and_then(|certificate| certificate.to_der().ok());
        self.certificate =
            Some(shown.ok_or_else(|| DtlsError::PeerCertificate("none was shown".to_owned()))?);
        self.keys = Some(exported(ssl)?);
        Ok(())
    }

    fn listen(&mut self) -> Result<(), DtlsError> {
        let mut unwanted = [0; 2048];
        loop {
            match self.stream.ssl_read(&mut unwanted) {
                // Data has no meaning here (RFC 5764 §4.1).
                Ok(_) => {}
                Err(error) => match error.code() {
                    ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => return Ok(()),
                    ErrorCode::ZERO_RETURN => {
                        self.closed = true;
                        return Ok(());
                    }
                    _ => return Err(self.failed(&error)),
                },
            }
        }
    }

    fn failed(&self, error: &ssl::Error) -> DtlsError {
        let said = error.ssl_error().and_then(|stack| stack.errors().last());
        let reason = said.and_then(|error| error.reason());
        let reason = reason.map_or_else(|| error.to_string(), str::to_owned);
        match reason.as_str() {
            "peer did not return a certificate" => DtlsError::PeerCertificate(reason),
            _ => DtlsError::Handshake(reason),
        }
    }
}

impl Engine for OpenSsl {
    fn receive(&mut self, now: Instant, datagram: &[u8]) -> Result<(), DtlsError> {
        self.stream.get_mut().arrived = Some(datagram.to_vec());
        self.look(now)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        match self.wake {
            Some(wake) if now >= wake => self.look(now),
            _ => Ok(()),
        }
    }

    fn poll<'b>(&mut self, buffer: &'b mut [u8]) -> Said<'b> {
        if let Some(datagram) = self.stream.get_mut().leaving.pop_front() {
            return match buffer.get_mut(..datagram.len()) {
                Some(place) => {
                    place.copy_from_slice(&datagram);
                    Said::Datagram(place)
                }
                None => Said::Nothing,
            };
        }
        if let Some(certificate) = self.certificate.take() {
            return match buffer.get_mut(..certificate.len()) {
                Some(place) => {
                    place.copy_from_slice(&certificate);
                    Said::Certificate(place)
                }
                // Larger than all that came.
                None => Said::Nothing,
            };
        }
        if let Some((material, profile)) = self.keys.take() {
            return Said::Keys(material, profile);
        }
        match std::mem::take(&mut self.closed) {
            true => Said::Closed,
            false => Said::Wait(self.wake),
        }
    }

    fn close(&mut self) {
        // Refused in the middle of a handshake, where nobody would believe it.
        let _ = self.stream.shutdown();
    }
}

/// What every handshake with this certificate shares.
fn context(certificate: &Certificate) -> Result<SslContext, openssl::error::ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::dtls())?;
    builder.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_cipher_list(CIPHERS)?;
    let shown = X509::from_der(certificate.der())?;
    builder.set_certificate(&shown)?;
    let key = PKey::private_key_from_pkcs8(certificate.private_key())?;
    builder.set_private_key(&key)?;
    builder.check_private_key()?;
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_options(
        SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION | SslOptions::NO_QUERY_MTU,
    );
    // No authority vouches for it: its hash in the SDP does, which is compared when the handshake is over.
    let verify = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    builder.set_verify_callback(verify, |_, _| true);
    Ok(builder.build())
}

fn stream(
    context: &SslContext,
    role: Role,
    config: &HandshakeConfig,
) -> Result<SslStream<Datagrams>, openssl::error::ErrorStack> {
    let mut ssl = Ssl::new(context)?;
    match role {
        Role::Client => ssl.set_connect_state(),
        Role::Server => ssl.set_accept_state(),
    }
    ssl.set_mtu(config.mtu.min(MAX_MTU) as u32)?;
    let profiles: Vec<_> = PROFILES
        .iter()
        .filter(|(suite, _)| config.suites.contains(suite))
        .map(|(_, name)| *name)
        .collect();
    ssl.set_tlsext_use_srtp(&profiles.join(":"))?;
    SslStream::new(ssl, Datagrams::default())
}

/// Strongest first, as OpenSSL names them.
const PROFILES: [(Suite, &str); 4] = [
    (Suite::AeadAes256Gcm, "SRTP_AEAD_AES_256_GCM"),
    (Suite::AeadAes128Gcm, "SRTP_AEAD_AES_128_GCM"),
    (Suite::AesCm128HmacSha1_80, "SRTP_AES128_CM_SHA1_80"),
    (Suite::AesCm128HmacSha1_32, "SRTP_AES128_CM_SHA1_32"),
];

/// The keying material of RFC 5764 §4.2 and the profile that it is for.
fn exported(ssl: &SslRef) -> Result<(Zeroizing<Vec<u8>>, u16), DtlsError> {
    let profile = ssl
        .selected_srtp_profile()
        .and_then(|profile| u16::try_from(profile.id().as_raw()).ok())
        .ok_or(DtlsError::NoProfile)?;
    let suite = Suite::from_profile(profile).ok_or(DtlsError::NoProfile)?;
    let mut material = Zeroizing::new(vec![0; 2 * (suite.key_len() + suite.salt_len())]);
    ssl.export_keying_material(&mut material, LABEL, None)
        .map_err(|error| DtlsError::Handshake(error.to_string()))?;
    Ok((material, profile))
}
