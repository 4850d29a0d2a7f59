//! `sip-core`'s `Driver` on UDP, TCP and TLS at once, and a bridge by which a peer that knows no TLS meets it over TLS.

use std::collections::VecDeque;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sip_core::net::{Driver, Listen};
use sip_core::{Body, CallHandle, CallId, Config, Endpoint, Event, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// A phone on real wires that runs while its methods are called.
pub struct Phone {
    runtime: Runtime,
    driver: Driver,
    events: VecDeque<Event>,
    port: u16,
    tls_port: u16,
}

impl Phone {
    /// Starts one; `set_up` may change the configuration.
    ///
    /// # Panics
    /// When no port can be bound.
    pub fn start(set_up: impl FnOnce(&mut Config)) -> Self {
        let runtime = runtime();
        let mut config = Config::default();
        set_up(&mut config);
        let mut random = std::fs::File::open("/dev/urandom").expect("randomness");
        let chance = Box::new(move |out: &mut [u8]| random.read_exact(out).expect("randomness"));
        let mut driver = Driver::new(config, chance);
        driver.set_tls_client(certificates().0);
        driver.set_tls_server(certificates().1);
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (port, tls_port) = runtime.block_on(async {
            let tcp = driver.listen(Listen::new(Transport::Tcp, any)).await;
            let tcp = tcp.expect("a TCP port");
            let udp = driver.listen(Listen::new(Transport::Udp, tcp)).await;
            udp.expect("the same UDP port");
            let tls = driver.listen(Listen::new(Transport::Tls, any)).await;
            (tcp.port(), tls.expect("a TLS port").port())
        });
        Self {
            runtime,
            driver,
            events: VecDeque::new(),
            port,
            tls_port,
        }
    }

    /// Its port for a transport.
    pub fn port(&self, transport: crate::Transport) -> u16 {
        match transport {
            crate::Transport::Tls => self.tls_port,
            _ => self.port,
        }
    }

    /// The endpoint, for commands; run on afterwards.
    pub fn endpoint(&mut self) -> &mut Endpoint {
        self.driver.endpoint()
    }

    /// One of its calls, for commands.
    ///
    /// # Panics
    /// When the call is over.
    pub fn call(&mut self, id: CallId) -> CallHandle<'_> {
        let found = self.driver.endpoint().call(id);
        found.expect("a call that is not over")
    }

    /// Runs until `wanted` takes an event; events that it does not take are dropped.
    ///
    /// # Panics
    /// With the events dropped, when `limit` has passed.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(&Event) -> Option<T>,
    ) -> T {
        let end = Instant::now() + limit;
        let mut dropped = Vec::new();
        loop {
            while let Some(event) = self.events.pop_front() {
                if let Some(value) = wanted(&event) {
                    return value;
                }
                dropped.push(event);
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "not within {limit:?}: {what}; events: {dropped:#?}"
            );
            let driver = &mut self.driver;
            let next = self.runtime.block_on(async {
                // An event is in the driver or here, wherever this ends.
                tokio::time::timeout(left, driver.next_event()).await
            });
            self.events.extend(next.ok());
        }
    }

    /// Runs for `time` and gives the events.
    pub fn run_for(&mut self, time: Duration) -> Vec<Event> {
        let end = Instant::now() + time;
        let driver = &mut self.driver;
        let mut events: Vec<Event> = self.events.drain(..).collect();
        self.runtime.block_on(async {
            let end = tokio::time::Instant::from_std(end);
            while let Ok(event) = tokio::time::timeout_at(end, driver.next_event()).await {
                events.push(event);
            }
        });
        events
    }

    /// A description of one PCMU stream that nobody will send to, in this direction (`sendrecv`, …).
    pub fn sdp(&self, version: u32, direction: &str) -> Body {
        Body::sdp(format!(
            "v=0\r\no=- 7 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
             a=fmtp:101 0-15\r\na={direction}\r\n",
            // The SIP port's neighbour: nothing here listens for media.
            self.port ^ 1
        ))
    }
}

/// Carries bytes between a port in the clear and one in TLS, in a thread that ends with it.
#[derive(Debug)]
pub struct Bridge {
    runtime: Option<Runtime>,
    port: u16,
}

impl Bridge {
    /// Takes TLS connections on `port` and goes on to `to` in the clear.
    ///
    /// # Panics
    /// When the port cannot be bound.
    pub fn into_clear(port: u16, to: u16) -> Self {
        let acceptor = tokio_rustls::TlsAcceptor::from(certificates().1);
        Self::start(port, move |near| {
            let acceptor = acceptor.clone();
            async move {
                let mut near = acceptor.accept(near).await?;
                let mut far = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            }
        })
    }

    /// Takes connections in the clear on `port` and goes on to `to` in TLS.
    ///
    /// # Panics
    /// When the port cannot be bound.
    pub fn into_tls(port: u16, to: u16) -> Self {
        let connector = tokio_rustls::TlsConnector::from(certificates().0);
        Self::start(port, move |mut near| {
            let connector = connector.clone();
            async move {
                let far = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await?;
                let name = ServerName::from(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST));
                let mut far = connector.connect(name, far).await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            }
        })
    }

    fn start<F>(port: u16, carry: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = std::io::Result<(u64, u64)>> + Send + 'static,
    {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
        let listener = listener.expect("the bridge's port");
        let port = listener.local_addr().expect("its address").port();
        runtime.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near));
            }
        });
        Self {
            runtime: Some(runtime),
            port,
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Both ends' configurations: a certificate for 127.0.0.1, and trust in who issued it.
fn certificates() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    static CONFIGS: OnceLock<(Arc<ClientConfig>, Arc<ServerConfig>)> = OnceLock::new();
    let configs = CONFIGS.get_or_init(|| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("a root");
        let issuer = Issuer::new(params, key);
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).expect("a root");
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate");
        (Arc::new(client), Arc::new(server))
    });
    configs.clone()
}
