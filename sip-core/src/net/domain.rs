//! Whose certificate it is (RFC 5922 section 7): a domain's SIP URI in it comes before its DNS names.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use crate::{Scheme, Uri};

/// Checks servers' certificates as RFC 5922 has it, once `rustls` trusts their chain.
///
/// Every `subjectAltName` that is a `sip` URI without a user is a domain that the certificate is for. Where there is
/// one, the DNS names beside it say nothing (section 7.1); where there is none, they count as they do for `rustls`,
/// wildcards included. A certificate for `sip:example.com` alone, as carriers' private authorities make them, is refused
/// without this. Addresses are compared with addresses only.
///
/// ```
/// # #[cfg(feature = "tls")]
/// # fn config(roots: rustls::RootCertStore) -> Result<rustls::ClientConfig, Box<dyn std::error::Error>> {
/// use rustls::client::WebPkiServerVerifier;
/// use sip_core::net::DomainVerifier;
/// use std::sync::Arc;
///
/// let provider = Arc::new(rustls::crypto::ring::default_provider());
/// let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
/// let config = rustls::ClientConfig::builder_with_provider(provider)
///     .with_safe_default_protocol_versions()?
///     .dangerous()
///     .with_custom_certificate_verifier(Arc::new(DomainVerifier::new(chains)))
///     .with_no_client_auth();
/// # Ok(config) }
/// ```
#[derive(Debug)]
pub struct DomainVerifier {
    /// Of this very type, as it looks at the name last: what it refuses for its name has a chain that is trusted.
    chains: Arc<WebPkiServerVerifier>,
}

impl DomainVerifier {
    /// One that trusts the chains that this one trusts, at the times and with the revocations that it knows.
    pub fn new(chains: Arc<WebPkiServerVerifier>) -> Self {
        Self { chains }
    }
}

impl ServerCertVerifier for DomainVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        let chains = &self.chains;
        let verified = chains.verify_server_cert(certificate, intermediates, name, ocsp, now);
        let by_name = match verified {
            Ok(_) => true,
            Err(Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                false
            }
            Err(_) => return verified,
        };
        let ServerName::DnsName(asked) = name else {
            return verified;
        };
        let domains = domains(certificate)?;
        let right = match domains.is_empty() {
            true => by_name,
            // Names of domains have no case, and no wildcard stands for any (section 7.2).
            false => domains
                .iter()
                .any(|domain| domain.eq_ignore_ascii_case(asked.as_ref())),
        };
        match (right, verified) {
            (true, _) => Ok(ServerCertVerified::assertion()),
            (false, Err(error)) => Err(error),
            (false, Ok(_)) => Err(Error::InvalidCertificate(NotValidForNameContext {
                expected: name.to_owned(),
                presented: domains,
            })),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// The hosts of the SIP URIs in a certificate.
fn domains(certificate: &CertificateDer<'_>) -> Result<Vec<String>, Error> {
    let certificate = webpki::EndEntityCert::try_from(certificate)
        .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    Ok(certificate.valid_uri_names().filter_map(domain).collect())
}

/// The domain that a URI names, if it is `sip` and no user's.
fn domain(uri: &str) -> Option<String> {
    let uri: Uri = uri.parse().ok()?;
    if uri.scheme() != Scheme::Sip || uri.user().is_some() {
        return None;
    }
    uri.host().map(|host| host.to_string())
}

#[cfg(test)]
mod tests {
    use super::domain;

    #[test]
    fn a_domain_is_a_sip_uri_without_a_user() {
        let cases = [
            ("sip:example.com", Some("example.com")),
            ("SIP:Example.COM", Some("Example.COM")),
            ("sip:example.com:5061", Some("example.com")),
            ("sip:alice@example.com", None),
            ("sips:example.com", None),
            ("https://example.com/", None),
            ("tel:+15550100", None),
            ("example.com", None),
            ("", None),
        ];
        for (uri, wanted) in cases {
            assert_eq!(domain(uri).as_deref(), wanted, "{uri}");
        }
    }
}
