//! One coturn (tried: Debian's 4.6.1): STUN and TURN over UDP, TCP and TLS.

use crate::{Ports, Process, Proto, Scratch, bound, wait_until};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

/// A TURN server on 127.0.0.1, with the user alice, whose password is `secret-alice`. Its realm is `turn.test`.
#[derive(Debug)]
pub struct Coturn {
    process: Process,
    certificate: CertificateDer<'static>,
    ports: Ports,
    _scratch: Scratch,
}

impl Coturn {
    /// The account.
    pub const USER: &'static str = "alice";
    /// Its password.
    pub const PASSWORD: &'static str = "secret-alice";

    /// Starts one with a certificate of its own for `localhost`, and waits until it listens.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Self {
        let (scratch, ports) = (Scratch::new("coturn"), Ports::take());
        let dir = scratch.path();
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        for (name, text) in [
            ("crt.pem", cert.pem()),
            ("key.pem", signing_key.serialize_pem()),
        ] {
            std::fs::write(dir.join(name), text).expect("its files");
        }
        let user = format!("--user={}:{}", Self::USER, Self::PASSWORD);
        let mut command = Command::new("turnserver");
        command
            // No file of settings but these, and nothing but this address.
            .args([
                "-n",
                "--listening-ip=127.0.0.1",
                "--relay-ip=127.0.0.1",
                "--allow-loopback-peers",
            ])
            .args([
                "--lt-cred-mech",
                "--realm=turn.test",
                "--fingerprint",
                "--no-cli",
                &user,
            ])
            .arg(format!("--listening-port={}", ports.port(0)))
            .arg(format!("--tls-listening-port={}", ports.port(1)))
            .arg(format!("--min-port={}", ports.port(10)))
            .arg(format!("--max-port={}", ports.port(50)))
            .args([
                "--cert=crt.pem",
                "--pkey=key.pem",
                "--userdb=turndb",
                "--pidfile=pid",
            ])
            .args(["--log-file=stdout", "--simple-log", "--verbose"])
            .current_dir(dir);
        let mut process = Process::start(command, &dir.join("log"));
        wait_until("coturn listens", Duration::from_secs(20), || {
            assert!(process.ended().is_none(), "{}", process.log());
            let up = bound(Proto::Udp, ports.port(0))
                && (0..2).all(|n| bound(Proto::Tcp, ports.port(n)));
            up.then_some(())
        });
        Self {
            process,
            certificate: cert.der().clone(),
            ports,
            _scratch: scratch,
        }
    }

    /// Where it listens: for UDP and TCP, or for TLS.
    pub fn address(&self, tls: bool) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.port(u16::from(tls))))
    }

    /// Whether it relays for this address.
    pub fn relays(&self, address: SocketAddr) -> bool {
        let ports = self.ports.port(10)..=self.ports.port(50);
        address.ip() == Ipv4Addr::LOCALHOST && ports.contains(&address.port())
    }

    /// The certificate that it shows, which is its own authority.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// What it says of its sessions.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("-- coturn\n{}", self.log());
        }
    }
}
