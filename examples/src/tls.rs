//! TLS as an application configures it: a certificate from a file or a fresh one, and whom to trust.
//!
//! Always with `ring` named as the provider: a second one in the program must not matter.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, SanType};
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sip_core::net::DomainVerifier;

/// Where Linux systems keep the certificates of the authorities that they trust.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What a server shows of itself.
pub struct Identity {
    /// The certificate, as a client has to trust it.
    pub pem: String,
    /// The server's side of TLS with it.
    pub server: Arc<ServerConfig>,
}

/// A fresh certificate that vouches for these names and addresses for a year.
///
/// # Errors
/// A line that says which name cannot stand in a certificate.
#[allow(clippy::disallowed_methods)] // An application has a clock.
pub fn generate(names: Vec<String>) -> Result<Identity, String> {
    let made = || -> Result<_, rcgen::Error> {
        // An address once more as a name: Linphone's TLS looks for it there alone.
        let addresses = names.iter().filter(|name| name.parse::<IpAddr>().is_ok());
        let addresses: Vec<SanType> = addresses
            .map(|address| Ok(SanType::DnsName(address.as_str().try_into()?)))
            .collect::<Result<_, rcgen::Error>>()?;
        let mut params = CertificateParams::new(names)?;
        params.subject_alt_names.extend(addresses);
        // Most of those who are asked to trust a certificate want one that ends.
        let now = std::time::SystemTime::now();
        params.not_before = now.into();
        params.not_after = (now + std::time::Duration::from_secs(365 * 24 * 3600)).into();
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok((certificate, key))
    };
    let (certificate, key) =
        made().map_err(|error| format!("cannot make a certificate: {error}"))?;
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok(Identity {
        pem: certificate.pem(),
        server: server(vec![certificate.der().clone()], private)?,
    })
}

/// The certificate and key of PEM files, with the chain after the certificate.
///
/// # Errors
/// A line that names the file and says what is wrong with it.
pub fn read(certificate: &Path, key: &Path) -> Result<Identity, String> {
    let wrong = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let pem = fs::read_to_string(certificate).map_err(|error| wrong(certificate, &error))?;
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(certificate, &error))?;
    if chain.is_empty() {
        return Err(wrong(certificate, &"holds no certificate"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
    Ok(Identity {
        pem,
        server: server(chain, private)?,
    })
}

fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, String> {
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| format!("the certificate cannot be used: {error}"))?;
    Ok(Arc::new(config))
}

/// The client's side of TLS, which trusts the certificates of a PEM file, or those that the system trusts.
///
/// # Errors
/// A line that names the file and says what is wrong with it, or that there is none.
pub fn client(trust: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let path = match trust {
        Some(path) => path.to_owned(),
        None => system().ok_or("the system's certificates are not found; name a file with --ca")?,
    };
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(&path).map_err(|error| wrong(&error))?;
    // One certificate of a system's hundred that cannot be read is no reason to trust none.
    let (read, _) = roots.add_parsable_certificates(certificates.filter_map(Result::ok));
    if read == 0 {
        return Err(wrong(&"holds no certificate"));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| wrong(&error))?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(DomainVerifier::new(verifier)))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn system() -> Option<PathBuf> {
    SYSTEM.iter().map(PathBuf::from).find(|path| path.exists())
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_generated_is_trusted_from_its_file() {
        let identity = generate(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
        let path = std::env::temp_dir().join(format!("tls-{}.pem", std::process::id()));
        fs::write(&path, &identity.pem).unwrap();
        assert!(client(Some(&path)).is_ok());
        fs::write(&path, "no certificate").unwrap();
        let error = client(Some(&path)).unwrap_err();
        assert!(error.contains("holds no certificate"), "{error}");
        let _ = fs::remove_file(&path);
        assert!(client(Some(&path)).is_err());
        assert!(read(&path, &path).is_err());
    }
}
