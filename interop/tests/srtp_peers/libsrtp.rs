//! libsrtp, which most phones have: the system's, behind a script that speaks its interface in C.

use crate::Peer;
use interop::{absent, installed};
use rtp_core::srtp::MasterKey;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct LibSrtp {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl LibSrtp {
    /// `None` when it is not there and need not be. A key identifier goes into every packet.
    pub(crate) fn new(key: &MasterKey) -> Option<LibSrtp> {
        if !installed(&["python3"]) {
            return None;
        }
        let mut child = Command::new("python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/srtp_peers/libsrtp.py"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let mut peer = LibSrtp {
            to: child.stdin.take().expect("its input"),
            from: BufReader::new(child.stdout.take().expect("its output")),
            child,
        };
        if peer.line() != "ready" {
            absent("libsrtp");
            return None;
        }
        let mki = match key.mki() {
            [] => "-".to_owned(),
            mki => hex(mki),
        };
        let suite = key.suite().name();
        writeln!(peer.to, "{suite} {} {mki}", hex(key.key_salt())).expect("it listens");
        Some(peer)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("text");
        line.trim().to_owned()
    }

    fn ask(&mut self, task: char, packet: &[u8]) -> Option<Vec<u8>> {
        writeln!(self.to, "{task} {}", hex(packet)).expect("it listens");
        let line = self.line();
        assert!(!line.is_empty(), "libsrtp's script has died");
        (line != "-").then(|| {
            let pairs = line.as_bytes().chunks(2);
            let byte = |pair: &[u8]| {
                let text = std::str::from_utf8(pair).expect("hex");
                u8::from_str_radix(text, 16).expect("hex")
            };
            pairs.map(byte).collect()
        })
    }
}

impl Peer for LibSrtp {
    fn name(&self) -> &'static str {
        "libsrtp"
    }
    fn protect_rtp(&mut self, plain: &[u8]) -> Vec<u8> {
        self.ask('p', plain).expect("protects")
    }
    fn unprotect_rtp(&mut self, wire: &[u8]) -> Option<Vec<u8>> {
        self.ask('u', wire)
    }
    fn protect_rtcp(&mut self, plain: &[u8]) -> Vec<u8> {
        self.ask('P', plain).expect("protects")
    }
    fn unprotect_rtcp(&mut self, wire: &[u8]) -> Option<Vec<u8>> {
        self.ask('U', wire)
    }
}

impl Drop for LibSrtp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
