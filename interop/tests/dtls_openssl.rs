//! DTLS-SRTP handshakes with OpenSSL, in both roles: the keys that we draw are those that it exports.

use interop::{Ports, Process, Scratch, installed, wait_until};
use rtp_core::dtls::{Certificate, DtlsError, Event, Handshake, HandshakeConfig, Role};
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
    fn new(role: Role, certificate: &Certificate, peer: Option<SocketAddr>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a time limit");
        let config = HandshakeConfig::default();
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
        let (end, mut buffer) = (Instant::now() + SOON, [0; 2048]);
        while Instant::now() < end {
            while let (Some(datagram), Some(peer)) = (self.handshake.poll_transmit(), self.peer) {
                // Refused while the peer is not up yet; it is sent again.
                let _ = self.socket.send_to(&datagram, peer);
            }
            if let Some(event) = self.handshake.poll_event() {
                return event;
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
        panic!("nothing came of the handshake within {SOON:?}");
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

const PROFILES: [(&str, usize); 3] = [
    ("SRTP_AES128_CM_SHA1_80", 60),
    ("SRTP_AEAD_AES_128_GCM", 56),
    ("SRTP_AEAD_AES_256_GCM", 88),
];

#[test]
fn we_call_openssl() {
    if !installed(&["openssl"]) {
        return;
    }
    for (profile, length) in PROFILES {
        let (scratch, ports) = (Scratch::new("dtls-server"), Ports::take());
        let dir = scratch.path();
        let theirs = credentials(dir, P256);
        let peer: SocketAddr = ([127, 0, 0, 1], ports.port(0)).into();
        let accept = peer.to_string();
        // -verify: it asks for our certificate, as a SIP peer does.
        let role = ["s_server", "-verify", "1", "-accept", &accept];
        let server = openssl(dir, &dir.join("log"), &role, profile, length);
        wait_until("OpenSSL listens", SOON, || {
            server.log().contains("ACCEPT").then_some(())
        });
        let certificate = Certificate::generate().expect("a certificate");
        let mut ours = Ours::new(Role::Client, &certificate, Some(peer));
        ours.handshake.expect(&[theirs]);
        let Event::Keys(keys) = ours.run() else {
            panic!("{profile}: no keys: {}", server.log());
        };
        assert_eq!(drawn(&keys, Role::Client), exported(&server), "{profile}");
    }
}

#[test]
fn openssl_calls_us() {
    if !installed(&["openssl"]) {
        return;
    }
    for (profile, length) in PROFILES {
        let scratch = Scratch::new("dtls-client");
        let dir = scratch.path();
        let theirs = credentials(dir, P256);
        let certificate = Certificate::generate().expect("a certificate");
        let mut ours = Ours::new(Role::Server, &certificate, None);
        let connect = format!("127.0.0.1:{}", ours.port());
        let role = ["s_client", "-connect", &connect];
        let client = openssl(dir, &dir.join("log"), &role, profile, length);
        ours.handshake.expect(&[theirs]);
        let Event::Keys(keys) = ours.run() else {
            panic!("{profile}: no keys: {}", client.log());
        };
        // Our last flight is still to be sent.
        while let (Some(datagram), Some(peer)) = (ours.handshake.poll_transmit(), ours.peer) {
            ours.socket.send_to(&datagram, peer).expect("sent");
        }
        assert_eq!(drawn(&keys, Role::Server), exported(&client), "{profile}");
    }
}

#[test]
fn another_certificate_gets_no_keys() {
    if !installed(&["openssl"]) {
        return;
    }
    let scratch = Scratch::new("dtls-stranger");
    let dir = scratch.path();
    credentials(dir, P256);
    let certificate = Certificate::generate().expect("a certificate");
    let mut ours = Ours::new(Role::Server, &certificate, None);
    let connect = format!("127.0.0.1:{}", ours.port());
    let _client = openssl(
        dir,
        &dir.join("log"),
        &["s_client", "-connect", &connect],
        "SRTP_AES128_CM_SHA1_80",
        60,
    );
    // The description named somebody else.
    ours.handshake.expect(&[certificate.fingerprint()]);
    assert_eq!(ours.run(), Event::Failed(DtlsError::WrongFingerprint));
}

#[test]
fn a_certificate_on_rsa_is_a_clear_end() {
    if !installed(&["openssl"]) {
        return;
    }
    let (scratch, ports) = (Scratch::new("dtls-rsa"), Ports::take());
    let dir = scratch.path();
    let theirs = credentials(dir, RSA);
    let peer: SocketAddr = ([127, 0, 0, 1], ports.port(0)).into();
    let accept = peer.to_string();
    let server = openssl(
        dir,
        &dir.join("log"),
        &["s_server", "-verify", "1", "-accept", &accept],
        "SRTP_AES128_CM_SHA1_80",
        60,
    );
    wait_until("OpenSSL listens", SOON, || {
        server.log().contains("ACCEPT").then_some(())
    });
    let certificate = Certificate::generate().expect("a certificate");
    let mut ours = Ours::new(Role::Client, &certificate, Some(peer));
    ours.handshake.expect(&[theirs]);
    let event = ours.run();
    assert!(
        matches!(event, Event::Failed(DtlsError::Handshake(_))),
        "{event:?}"
    );
}
