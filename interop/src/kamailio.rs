//! One Kamailio (tried: Debian's 5.6.3) as registrar and record-routing proxy.

use crate::{Ports, Process, Proto, Scratch, bound, wait_until};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A proxy on 127.0.0.1: UDP and TCP, TLS, WS and WSS, digest for REGISTER (401) and for calls (407). Its realm is
/// `proxy.test`; users alice and bob, whose passwords are `secret-` and the name.
#[derive(Debug)]
pub struct Kamailio {
    process: Process,
    scratch: Scratch,
    ports: Ports,
}

const CONFIG: &str = include_str!("../kamailio/kamailio.cfg");

impl Kamailio {
    /// The realm and domain.
    pub const REALM: &'static str = "proxy.test";

    /// Starts one with a certificate of its own for 127.0.0.1, and waits until it listens.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Self {
        let (scratch, ports) = (Scratch::new("kamailio"), Ports::take());
        let dir = scratch.path();
        for folder in ["db", "run"] {
            std::fs::create_dir(dir.join(folder)).expect("its folders");
        }
        let write = |name: &str, text: &str| {
            std::fs::write(dir.join(name), text).expect("its files");
        };
        write(
            "db/version",
            "table_name(string) table_version(int)\nsubscriber:7\n",
        );
        write(
            "db/subscriber",
            "username(string) domain(string) password(string)\n\
             alice:proxy.test:secret-alice\nbob:proxy.test:secret-bob\n",
        );
        write(
            "openssl.cnf",
            "[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\n[dn]\nCN=127.0.0.1\n\
             [ext]\nsubjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
        );
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
            .args(["ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args([
                "-config",
                "openssl.cnf",
                "-keyout",
                "key.pem",
                "-out",
                "crt.pem",
            ])
            .current_dir(dir)
            .output()
            .expect("openssl");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut config = CONFIG.replace("@DIR@", &dir.display().to_string());
        for (mark, n) in [("@SIP@", 0), ("@TLS@", 1), ("@WS@", 2), ("@WSS@", 3)] {
            config = config.replace(mark, &ports.port(n).to_string());
        }
        write("kamailio.cfg", &config);
        let run = dir.join("run");
        let mut command = Command::new("kamailio");
        command
            .arg("-f")
            .arg(dir.join("kamailio.cfg"))
            .args(["-DD", "-E", "-m", "64", "-M", "8", "-w"])
            .arg(&run)
            .arg("-Y")
            .arg(&run)
            .arg("-P")
            .arg(run.join("pid"));
        let mut process = Process::start(command, &dir.join("log"));
        wait_until("Kamailio listens", Duration::from_secs(20), || {
            assert!(process.ended().is_none(), "{}", process.log());
            let up = bound(Proto::Udp, ports.port(0))
                && (0..4).all(|n| bound(Proto::Tcp, ports.port(n)));
            up.then_some(())
        });
        Self {
            process,
            scratch,
            ports,
        }
    }

    /// The port of `udp`, `tcp`, `tls`, `ws` or `wss`.
    pub fn port(&self, transport: &str) -> u16 {
        self.ports.port(match transport {
            "tls" => 1,
            "ws" => 2,
            "wss" => 3,
            _ => 0,
        })
    }

    /// One line for each request that it saw: `INVITE sip:… from udp …`.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The certificate that it shows.
    pub fn certificate(&self) -> PathBuf {
        self.scratch.path().join("crt.pem")
    }

    /// Its folder, in which phones of ours write.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Its children end with it only when it is asked to.
        self.process.interrupt();
        self.process.wait(Duration::from_secs(10));
        if std::thread::panicking() {
            println!("-- kamailio\n{}", self.log());
        }
    }
}
