//! libsrtp, which most phones have: behind a script, as pylibsrtp brings it.

use crate::Peer;
use interop::{absent, installed};
use rtp_core::srtp::{MasterKey, Suite};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

const PACKAGE: &str = "pylibsrtp==1.0.0";

pub(crate) struct LibSrtp {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl LibSrtp {
    /// `None` for a suite that it does not name, or when it is not there and need not be.
    pub(crate) fn new(key: &MasterKey) -> Option<LibSrtp> {
        if !matches!(
            key.suite(),
            Suite::AesCm128HmacSha1_80
                | Suite::AesCm128HmacSha1_32
                | Suite::AeadAes128Gcm
                | Suite::AeadAes256Gcm
        ) {
            return None;
        }
        let mut child = Command::new("python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/srtp_peers/libsrtp.py"))
            .env("PYTHONPATH", place()?)
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
        let suite = key.suite().name();
        writeln!(peer.to, "{suite} {}", hex(key.key_salt())).expect("it listens");
        Some(peer)
    }

    fn ask(&mut self, task: char, packet: &[u8]) -> Option<Vec<u8>> {
        writeln!(self.to, "{task} {}", hex(packet)).expect("it listens");
        let mut line = String::new();
        self.from.read_line(&mut line).expect("an answer");
        let line = line.trim();
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

/// A directory below the build's own that holds the package, installed there once.
fn place() -> Option<&'static PathBuf> {
    static PLACE: OnceLock<Option<PathBuf>> = OnceLock::new();
    PLACE
        .get_or_init(|| {
            if !installed(&["python3"]) {
                return None;
            }
            let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PACKAGE);
            let done = place.join("installed");
            if !done.exists() {
                let run = Command::new("python3")
                    .args(["-m", "pip", "install", "--quiet", "--no-input", "--target"])
                    .arg(&place)
                    .arg(PACKAGE)
                    .output()
                    .expect("python3 starts");
                if !run.status.success() {
                    println!("{}", String::from_utf8_lossy(&run.stderr));
                    absent("pylibsrtp");
                    return None;
                }
                std::fs::write(done, "").expect("a mark");
            }
            Some(place)
        })
        .as_ref()
}
