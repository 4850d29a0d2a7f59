//! TLS: calls over it, and what is wrong with a certificate.

use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, SanType, date_time_ymd,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::*;
use sip_core::net::DomainVerifier;
use sip_core::{Local, Options, Target};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    roots: RootCertStore,
}

fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        Authority {
            issuer: Issuer::new(params, key),
            roots,
        }
    })
}

/// Always with its provider named: a second one in the program must not matter.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn client() -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authority().roots.clone())
        .with_no_client_auth();
    Arc::new(config)
}

/// A server that shows this certificate.
fn shows(certificate: &Certificate, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

pub(crate) fn server(
    names: &[&str],
    change: impl FnOnce(&mut CertificateParams),
) -> Arc<ServerConfig> {
    let names = names.iter().map(|name| (*name).to_owned());
    let mut params = CertificateParams::new(names.collect::<Vec<_>>()).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority().issuer).unwrap();
    shows(&certificate, &key)
}

/// What a driver of these tests has: a certificate for the loopback address, and trust in our authority.
pub(crate) fn configure(driver: &mut Driver) {
    driver.set_tls_client(client());
    driver.set_tls_server(server(&["127.0.0.1"], |_| {}));
}

/// The same, for sockets that several endpoints share.
pub(crate) fn configure_transports(transports: &mut sip_core::net::Transports) {
    transports.set_tls_client(client());
    transports.set_tls_server(server(&["127.0.0.1"], |_| {}));
}

#[tokio::test]
async fn a_call_over_tls() {
    call_over(Transport::Tls).await;
}

#[cfg(feature = "ws")]
#[tokio::test]
async fn a_call_over_websocket_in_tls() {
    call_over(Transport::Wss).await;
}

/// The same address under another name is another peer: its certificate has to be looked at again.
#[tokio::test]
async fn a_connection_is_used_again_for_its_own_name_only() {
    let mut callee = Driver::new(Config::default(), chance());
    callee.set_tls_server(server(&["127.0.0.1"], |_| {}));
    let listen = Listen::new(Transport::Tls, "127.0.0.1:0".parse().unwrap());
    let at = callee.listen(listen).await.unwrap();
    let callee = tokio::spawn(async move {
        let mut opened = std::collections::HashSet::new();
        callee.set_tap(1000);
        let wait = tokio::time::sleep(Duration::from_secs(2));
        tokio::pin!(wait);
        loop {
            tokio::select! {
                _ = callee.next_event() => {}
                () = &mut wait => break,
            }
        }
        while let Some(tap) = callee.poll_tap() {
            opened.insert(tap.flow.connection);
        }
        opened.len()
    });
    let (mut caller, _) = driver(Config::default(), Transport::Tls).await;
    let mut ask = async |name: &str| {
        let from = NameAddr::new(&"sip:alice@example.org".parse().unwrap());
        let mut options = Options::new("sip:phone".parse().unwrap(), from);
        options.target = Some(Target::Open {
            transport: Transport::Tls,
            remote: at,
            server_name: Some(name.into()),
        });
        caller.endpoint().options(Instant::now(), options).unwrap();
        until(&mut caller, |event| match event {
            Event::Replied { result, .. } => Some(result.is_ok()),
            _ => None,
        })
        .await
    };
    assert!(ask("127.0.0.1").await);
    assert!(ask("127.0.0.1").await);
    assert!(!ask("localhost").await, "the certificate has no such name");
    assert_eq!(callee.await.unwrap(), 1);
}

/// Calls a phone with this certificate, and gives why that failed.
async fn refused(certificate: Arc<ServerConfig>) -> FlowError {
    refused_as(certificate, client()).await
}

async fn refused_as(certificate: Arc<ServerConfig>, client: Arc<ClientConfig>) -> FlowError {
    let mut callee = Driver::new(Config::default(), chance());
    callee.set_tls_server(certificate);
    let listen = Listen::new(Transport::Tls, "127.0.0.1:0".parse().unwrap());
    let at = callee.listen(listen).await.unwrap();
    let callee = tokio::spawn(phone(callee));
    let (mut caller, _) = driver(Config::default(), Transport::Tls).await;
    caller.set_tls_client(client);
    let call = invite(&format!("sip:bob@{at};transport=tls"));
    caller.endpoint().invite(Instant::now(), call).unwrap();
    let cause = until(&mut caller, |event| match event {
        Event::Ended { cause, .. } => Some(cause.clone()),
        _ => None,
    })
    .await;
    callee.abort();
    match cause.kind {
        EndKind::Transport(error) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_of_another_name_is_refused() {
    let why = refused(server(&["phone.example.org"], |_| {})).await;
    assert_eq!(why, FlowError::CertificateName);
}

/// A client that knows SIP URIs in certificates.
fn knowing() -> Arc<ClientConfig> {
    let roots = Arc::new(authority().roots.clone());
    let chains = rustls::client::WebPkiServerVerifier::builder_with_provider(roots, provider());
    let verifier = DomainVerifier::new(chains.build().unwrap());
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Arc::new(config)
}

/// Asks a server with these names in its certificate, signed by our authority or by itself, as `asked`.
async fn asked_as(
    asked: &str,
    names: &[&str],
    signed: bool,
    change: impl FnOnce(&mut CertificateParams),
) -> Result<(), FlowError> {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.subject_alt_names = names
        .iter()
        .map(|name| match name.contains(':') {
            true => SanType::URI((*name).try_into().unwrap()),
            false => SanType::DnsName((*name).try_into().unwrap()),
        })
        .collect();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = match signed {
        true => params.signed_by(&key, &authority().issuer).unwrap(),
        false => params.self_signed(&key).unwrap(),
    };
    let mut callee = Driver::new(Config::default(), chance());
    callee.set_tls_server(shows(&certificate, &key));
    let listen = Listen::new(Transport::Tls, "127.0.0.1:0".parse().unwrap());
    let at = callee.listen(listen).await.unwrap();
    let callee = tokio::spawn(phone(callee));
    let (mut caller, _) = driver(Config::default(), Transport::Tls).await;
    caller.set_tls_client(knowing());
    let invite = invite("sips:bob@proxy").target(Target::Open {
        transport: Transport::Tls,
        remote: at,
        server_name: Some(asked.into()),
    });
    caller.endpoint().invite(Instant::now(), invite).unwrap();
    let result = until(&mut caller, |event| match event {
        Event::Answered { .. } => Some(Ok(())),
        Event::Ended { cause, .. } => match cause.kind {
            EndKind::Transport(error) => Some(Err(error)),
            _ => panic!("{cause}"),
        },
        _ => None,
    })
    .await;
    callee.abort();
    result
}

/// RFC 5922 sections 7.1 and 7.2.
#[tokio::test]
async fn a_sip_uri_in_a_certificate_comes_before_its_dns_names() {
    let name = Err(FlowError::CertificateName);
    let cases: [(&str, &[&str], Result<(), FlowError>); 10] = [
        ("example.com", &["sip:example.com"], Ok(())),
        ("example.com", &["sip:EXAMPLE.com"], Ok(())),
        ("example.com", &["sip:other.org", "sip:example.com"], Ok(())),
        ("example.com", &["example.com"], Ok(())),
        ("sip.example.com", &["*.example.com"], Ok(())),
        // The URI of a user, of another scheme, or of the web says nothing, and leaves it to the names.
        (
            "example.com",
            &["sip:alice@example.com", "https://x.org/", "example.com"],
            Ok(()),
        ),
        ("example.com", &["sip:alice@example.com"], name),
        ("example.com", &["sip:other.org", "example.com"], name),
        // A domain is not those below it.
        ("sip.example.com", &["sip:example.com"], name),
        (
            "sip.example.com",
            &["sip:example.com", "*.example.com"],
            name,
        ),
    ];
    for (asked, names, wanted) in cases {
        assert_eq!(
            asked_as(asked, names, true, |_| {}).await,
            wanted,
            "{asked}: {names:?}"
        );
    }
}

/// The right name does not make up for the rest.
#[tokio::test]
async fn a_sip_uri_in_a_certificate_that_is_not_trusted_says_nothing() {
    let names = &["sip:example.com"];
    let why = asked_as("example.com", names, false, |_| {}).await;
    assert_eq!(why, Err(FlowError::CertificateUntrusted));
    let why = asked_as("example.com", names, true, |params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    });
    assert_eq!(why.await, Err(FlowError::CertificateExpired));
}

#[tokio::test]
async fn a_certificate_out_of_date_is_refused() {
    let why = refused(server(&["127.0.0.1"], |params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    }));
    assert_eq!(why.await, FlowError::CertificateExpired);
}

#[tokio::test]
async fn a_self_signed_certificate_is_refused() {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    assert_eq!(
        refused(shows(&certificate, &key)).await,
        FlowError::CertificateUntrusted
    );
}

#[tokio::test]
async fn without_a_configuration_there_is_no_tls() {
    let mut driver = Driver::new(Config::default(), chance());
    let listen = Listen::new(Transport::Tls, "127.0.0.1:0".parse().unwrap());
    let error = driver.listen(listen).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    // Nor can it call out: this says where a connection would be expected, and is not what makes one possible.
    let here = "127.0.0.1:5061".parse().unwrap();
    driver
        .endpoint()
        .add_local(Local::new(Transport::Tls, here));
    let call = invite("sip:bob@127.0.0.1:5061;transport=tls");
    driver.endpoint().invite(Instant::now(), call).unwrap();
    let kind = until(&mut driver, |event| match event {
        Event::Ended { cause, .. } => Some(cause.kind.clone()),
        _ => None,
    });
    assert_eq!(kind.await, EndKind::Transport(FlowError::NoTransport));
}

/// Who only calls out listens nowhere.
#[tokio::test]
async fn a_client_needs_no_certificate_and_no_listener() {
    let (callee, at) = driver(Config::default(), Transport::Tls).await;
    let callee = tokio::spawn(phone(callee));
    let mut caller = Driver::new(Config::default(), chance());
    caller.set_tls_client(client());
    let here = "127.0.0.1:5061".parse().unwrap();
    caller
        .endpoint()
        .add_local(Local::new(Transport::Tls, here));
    let call = invite(&format!("sip:bob@{at};transport=tls"));
    caller.endpoint().invite(Instant::now(), call).unwrap();
    until(&mut caller, |event| {
        matches!(event, Event::Answered { .. }).then_some(())
    })
    .await;
    callee.abort();
}

/// A peer that is silent where a handshake should be is let go.
#[tokio::test]
async fn a_silent_peer_does_not_hold_a_handshake_open() {
    use tokio::io::AsyncReadExt;
    let mut callee = Driver::new(Config::default(), chance());
    configure(&mut callee);
    callee.set_connect_timeout(Duration::from_millis(200));
    let listen = Listen::new(Transport::Tls, "127.0.0.1:0".parse().unwrap());
    let at = callee.listen(listen).await.unwrap();
    let callee = tokio::spawn(phone(callee));
    let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    let read = tokio::time::timeout(Duration::from_secs(5), read).await;
    read.expect("closed").ok();
    assert!(rest.is_empty());
    callee.abort();
}

/// A server that asks for a certificate of our authority's.
fn asking() -> Arc<ServerConfig> {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::NoCa;
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority().issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let roots = Arc::new(authority().roots.clone());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(roots, provider());
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

fn client_with_certificate() -> Arc<ClientConfig> {
    let params = CertificateParams::new(vec!["trunk.example.org".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority().issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authority().roots.clone())
        .with_client_auth_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_asked_for() {
    let mut callee = Driver::new(Config::default(), chance());
    callee.set_tls_server(asking());
    let listen = Listen::new(Transport::Tls, "127.0.0.1:0".parse().unwrap());
    let at = callee.listen(listen).await.unwrap();
    let callee = tokio::spawn(phone(callee));
    let (mut caller, _) = driver(Config::default(), Transport::Tls).await;
    caller.set_tls_client(client_with_certificate());
    let call = invite(&format!("sip:bob@{at};transport=tls"));
    caller.endpoint().invite(Instant::now(), call).unwrap();
    until(&mut caller, |event| {
        matches!(event, Event::Answered { .. }).then_some(())
    })
    .await;
    callee.abort();
    assert_eq!(refused_as(asking(), client()).await, FlowError::Handshake);
}

/// Notes what the client asks for in its first message.
#[derive(Debug)]
struct Noting(
    Arc<rustls::sign::CertifiedKey>,
    std::sync::Mutex<Vec<(Option<String>, bool)>>,
);

impl rustls::server::ResolvesServerCert for Noting {
    fn resolve(
        &self,
        hello: rustls::server::ClientHello<'_>,
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        let name = hello.server_name().map(str::to_owned);
        self.1.lock().unwrap().push((name, hello.alpn().is_some()));
        Some(self.0.clone())
    }
}

#[tokio::test]
async fn the_name_that_is_called_is_the_one_that_is_asked_for_and_no_protocol_is() {
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority().issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let certified = rustls::sign::CertifiedKey::new(vec![certificate.der().clone()], key);
    let noting = Arc::new(Noting(Arc::new(certified), Default::default()));
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(noting.clone());
    let mut callee = Driver::new(Config::default(), chance());
    callee.set_tls_server(Arc::new(config));
    let listen = Listen::new(Transport::Tls, "127.0.0.1:0".parse().unwrap());
    let port = callee.listen(listen).await.unwrap().port();
    let callee = tokio::spawn(phone(callee));
    let (mut caller, _) = driver(Config::default(), Transport::Tls).await;
    let call = invite(&format!("sips:bob@localhost:{port}"));
    caller.endpoint().invite(Instant::now(), call).unwrap();
    until(&mut caller, |event| {
        matches!(event, Event::Answered { .. }).then_some(())
    })
    .await;
    // An address has no name to ask for; and its certificate is not the right one then.
    let call = invite(&format!("sips:bob@127.0.0.1:{port}"));
    caller.endpoint().invite(Instant::now(), call).unwrap();
    let kind = until(&mut caller, |event| match event {
        Event::Ended { cause, .. } => Some(cause.kind.clone()),
        _ => None,
    });
    assert_eq!(kind.await, EndKind::Transport(FlowError::CertificateName));
    let seen = noting.1.lock().unwrap();
    assert_eq!(
        *seen,
        [(Some("localhost".to_owned()), false), (None, false)]
    );
    callee.abort();
}
