//! DTLS-SRTP handshakes with OpenSSL's own programs, in both roles, by each backend: the keys that we draw are those that
//! they export.

use interop::{Ports, Process, Scratch, installed, wait_until};
use rtp_core::dtls::{Backend, Certificate, DtlsError, Event, Handshake, HandshakeConfig, Role};
use rtp_core::sdp::Fingerprint;
use rtp_core::transport::Keys;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

/// A key and a certificate of OpenSSL's own, and the certificate's fingerprint.
fn credentials(dir: &Path, key: &[&str]) -> Fingerprint {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=peer"])
        .args(key)
        .args(["-keyout", "key.pem", "-out", "crt.pem"])
        .current_dir(dir)
        .output()
        .expect("openssl req");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let shown = Command::new("openssl")
        .args([
            "x509",
            "-in",
            "crt.pem",
            "-noout",
            "-fingerprint",
            "-sha256",
        ])
        .current_dir(dir)
        .output()
        .expect("openssl x509");
    let shown = String::from_utf8(shown.stdout).expect("text");
    let (_, digits) = shown.trim().split_once('=').expect("name=digits");
    format!("sha-256 {digits}").parse().expect("a fingerprint")
}

const P256: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
const RSA: &[&str] = &["-newkey", "rsa:2048"];

/// OpenSSL as the other end; its input stays open for as long as it runs.
fn openssl(dir: &Path, log: &Path, role: &[&str], profile: &str, length: usize) -> Process {
    let mut command = Command::new("sh");
    let line = format!(
        "sleep 30 | exec openssl {} -dtls1_2 -use_srtp {profile} -cert crt.pem -key key.pem \
         -keymatexport EXTRACTOR-dtls_srtp -keymatexportlen {length}",
        role.join(" ")
    );
    command.args(["-c", &line]).current_dir(dir);
    Process::start(command, log)
}

struct Ours {
    socket: UdpSocket,
    peer: Option<SocketAddr>,
    handshake: Handshake,
}

impl Ours {
    fn new(
        backend: Backend,
        role: Role,
        certificate: &Certificate,
        peer: Option<SocketAddr>,
    ) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a time limit");
        let mut config = HandshakeConfig::default();
        config.backend = backend;
        let handshake = Handshake::new(Instant::now(), certificate, role, config).expect("ours");
        Self {
            socket,
            peer,
            handshake,
        }
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().expect("bound").port()
    }

    /// Runs until there is something to tell.
    fn run(&mut self) -> Event {
        self.run_until(Instant::now() + SOON)
            .unwrap_or_else(|| panic!("nothing came of the handshake within {SOON:?}"))
    }

    /// The same, but for no longer than until `end`.
    fn run_until(&mut self, end: Instant) -> Option<Event> {
        let mut buffer = [0; 2048];
        while Instant::now() < end {
            while let (Some(datagram), Some(peer)) = (self.handshake.poll_transmit(), self.peer) {
                // Refused while the peer is not up yet; it is sent again.
                let _ = self.socket.send_to(&datagram, peer);
            }
            if let Some(event) = self.handshake.poll_event() {
                return Some(event);
            }
            if let Ok((len, from)) = self.socket.recv_from(&mut buffer) {
                self.peer = Some(from);
                self.handshake.receive(Instant::now(), &buffer[..len]);
            }
            let now = Instant::now();
            if self.handshake.poll_timeout().is_some_and(|at| at <= now) {
                self.handshake.handle_timeout(now);
            }
        }
        None
    }
}

/// What OpenSSL exported, as it prints it.
fn exported(peer: &Process) -> String {
    wait_until("the keying material", SOON, || {
        let log = peer.log();
        let (_, rest) = log.split_once("Keying material: ")?;
        rest.lines().next().map(|line| line.trim().to_owned())
    })
}

/// The same in our order: the client's key, the server's, the client's salt, the server's.
fn drawn(keys: &Keys, role: Role) -> String {
    let (client, server) = match role {
        Role::Client => (&keys.send, &keys.receive),
        Role::Server => (&keys.receive, &keys.send),
    };
    [client.key(), server.key(), client.salt(), server.salt()]
        .concat()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect()
}

/// A profile as OpenSSL names it, and the length of its keying material, bytes.
type Profile = (&'static str, usize);

const CM: Profile = ("SRTP_AES128_CM_SHA1_80", 60);
const GCM_128: Profile = ("SRTP_AEAD_AES_128_GCM", 56);
const GCM_256: Profile = ("SRTP_AEAD_AES_256_GCM", 88);

/// What is tried in each role: pure Rust knows no RSA.
const CASES: [(Backend, &[&str], Profile); 6] = [
    (Backend::Rust, P256, CM),
    (Backend::Rust, P256, GCM_128),
    (Backend::Rust, P256, GCM_256),
    (Backend::OpenSsl, P256, GCM_128),
    (Backend::OpenSsl, RSA, CM),
    (Backend::OpenSsl, RSA, GCM_256),
];

/// OpenSSL's server; it asks for our certificate, as a SIP peer does.
fn server(dir: &Path, ports: &Ports, (profile, length): Profile) -> (Process, SocketAddr) {
    let peer: SocketAddr = ([127, 0, 0, 1], ports.port(0)).into();
    let accept = peer.to_string();
    let role = ["s_server", "-verify", "1", "-accept", &accept];
    let server = openssl(dir, &dir.join("log"), &role, profile, length);
    wait_until("OpenSSL listens", SOON, || {
        server.log().contains("ACCEPT").then_some(())
    });
    (server, peer)
}

/// OpenSSL's client, which calls `ours`.
fn client(dir: &Path, ours: &Ours, (profile, length): Profile) -> Process {
    let connect = format!("127.0.0.1:{}", ours.port());
    let role = ["s_client", "-connect", &connect];
    openssl(dir, &dir.join("log"), &role, profile, length)
}

#[test]
fn we_call_openssl() {
    if !installed(&["openssl"]) {
        return;
    }
    for (backend, key, profile) in CASES {
        let (scratch, ports) = (Scratch::new("dtls-server"), Ports::take());
        let theirs = credentials(scratch.path(), key);
        let (server, peer) = server(scratch.path(), &ports, profile);
        let certificate = Certificate::generate().expect("a certificate");
        let mut ours = Ours::new(backend, Role::Client, &certificate, Some(peer));
        ours.handshake.expect(&[theirs]);
        let event = ours.run();
        let Event::Keys(keys) = event else {
            panic!("{backend:?}, {profile:?}: {event:?}: {}", server.log());
        };
        assert_eq!(
            drawn(&keys, Role::Client),
            exported(&server),
            "{backend:?}, {profile:?}"
        );
    }
}

#[test]
fn openssl_calls_us() {
    if !installed(&["openssl"]) {
        return;
    }
    for (backend, key, profile) in CASES {
        let scratch = Scratch::new("dtls-client");
        let theirs = credentials(scratch.path(), key);
        let certificate = Certificate::generate().expect("a certificate");
        let mut ours = Ours::new(backend, Role::Server, &certificate, None);
        let client = client(scratch.path(), &ours, profile);
        ours.handshake.expect(&[theirs]);
        let event = ours.run();
        let Event::Keys(keys) = event else {
            panic!("{backend:?}, {profile:?}: {event:?}: {}", client.log());
        };
        // Our last flight is still to be sent.
        while let (Some(datagram), Some(peer)) = (ours.handshake.poll_transmit(), ours.peer) {
            ours.socket.send_to(&datagram, peer).expect("sent");
        }
        assert_eq!(
            drawn(&keys, Role::Server),
            exported(&client),
            "{backend:?}, {profile:?}"
        );
    }
}

#[test]
fn another_certificate_gets_no_keys() {
    if !installed(&["openssl"]) {
        return;
    }
    for (backend, key) in [(Backend::Rust, P256), (Backend::OpenSsl, RSA)] {
        let scratch = Scratch::new("dtls-stranger");
        credentials(scratch.path(), key);
        let certificate = Certificate::generate().expect("a certificate");
        let mut ours = Ours::new(backend, Role::Server, &certificate, None);
        let _client = client(scratch.path(), &ours, CM);
        // The description named somebody else.
        ours.handshake.expect(&[certificate.fingerprint()]);
        assert_eq!(
            ours.run(),
            Event::Failed(DtlsError::WrongFingerprint),
            "{backend:?}"
        );
    }
}

#[test]
fn a_certificate_on_rsa_is_a_clear_end_in_pure_rust() {
    if !installed(&["openssl"]) {
        return;
    }
    let (scratch, ports) = (Scratch::new("dtls-rsa"), Ports::take());
    let theirs = credentials(scratch.path(), RSA);
    let (_server, peer) = server(scratch.path(), &ports, CM);
    let certificate = Certificate::generate().expect("a certificate");
    let mut ours = Ours::new(Backend::Rust, Role::Client, &certificate, Some(peer));
    ours.handshake.expect(&[theirs]);
    let event = ours.run();
    assert!(
        matches!(event, Event::Failed(DtlsError::Handshake(_))),
        "{event:?}"
    );
}

/// OpenSSL asks for a second handshake in the first: refused, and the keys stay.
#[test]
fn who_renegotiates_is_refused() {
    if !installed(&["openssl"]) {
        return;
    }
    for backend in [Backend::Rust, Backend::OpenSsl] {
        let scratch = Scratch::new("dtls-again");
        let dir = scratch.path();
        let theirs = credentials(dir, P256);
        let certificate = Certificate::generate().expect("a certificate");
        let mut ours = Ours::new(backend, Role::Server, &certificate, None);
        let line = format!(
            "(sleep 1; echo R; sleep 30) | exec openssl s_client -connect 127.0.0.1:{} -dtls1_2 -use_srtp {} \
             -cert crt.pem -key key.pem",
            ours.port(),
            CM.0,
        );
        let mut command = Command::new("sh");
        command.args(["-c", &line]).current_dir(dir);
        let client = Process::start(command, &dir.join("log"));
        ours.handshake.expect(&[theirs]);
        let event = ours.run();
        assert!(matches!(event, Event::Keys(_)), "{event:?}");
        let until = Instant::now() + Duration::from_millis(2500);
        let more = ours.run_until(until);
        assert!(client.log().contains("RENEGOTIATING"), "{}", client.log());
        // It may give up over that, which is its end of the association and nothing else.
        assert!(
            matches!(more, None | Some(Event::Closed)),
            "{backend:?}: {more:?}"
        );
    }
}
