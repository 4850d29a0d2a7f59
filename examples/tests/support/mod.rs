//! Runs a built example, and plays the phones that it meets.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // Programs, sockets and clocks; a test may fail.

mod program;

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use program::program;
use token::{Algorithm, Role, SessionClaims, StaticSecret, mint};

/// A folder of its own for a run, with another beside it for what is not the run's.
pub(crate) struct Scratch {
    root: PathBuf,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "dial_out_bridge-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let root = std::env::temp_dir().join(name);
        std::fs::create_dir_all(root.join("run")).unwrap();
        std::fs::create_dir_all(root.join("outside")).unwrap();
        Self { root }
    }

    /// A path that the run sees as relative.
    pub(crate) fn inside(&self, path: &str) -> PathBuf {
        self.root.join("run").join(path)
    }

    /// A file that the run did not make.
    pub(crate) fn outside(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.root.join("outside").join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Every file and every empty folder that the run left.
    pub(crate) fn left(&self) -> Vec<String> {
        fn walk(folder: &Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() && std::fs::read_dir(&path).unwrap().next().is_some() {
                    true => walk(&path, found),
                    false => found.push(path.display().to_string()),
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.inside(""), &mut found);
        found
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// The program about to run.
pub(crate) struct Program<'s> {
    command: Command,
    scratch: &'s Scratch,
}

/// What came of it.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    left: Vec<String>,
    args: String,
}

impl<'s> Program<'s> {
    pub(crate) fn new(scratch: &'s Scratch) -> Self {
        let mut command = Command::new(program("dial_out_bridge"));
        command.current_dir(scratch.inside("")).stdin(Stdio::null());
        Self { command, scratch }
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn run(mut self) -> Ran {
        let output = self.command.output().unwrap();
        self.ran(output.status.code(), &output.stdout, &output.stderr)
    }

    /// Presses Ctrl-C once a line says `seen`.
    #[cfg(unix)]
    pub(crate) fn interrupt_after(mut self, seen: &str) -> Ran {
        let mut child: Child = self
            .command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut stdout = Vec::new();
        while !String::from_utf8_lossy(&stdout).contains(seen) {
            assert!(
                lines.read_until(b'\n', &mut stdout).unwrap() > 0,
                "ended before {seen:?}"
            );
        }
        let pressed = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap();
        assert!(pressed.success());
        lines.read_to_end(&mut stdout).unwrap();
        let mut stderr = Vec::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_end(&mut stderr)
            .unwrap();
        let code = child.wait().unwrap().code();
        self.ran(code, &stdout, &stderr)
    }

    fn ran(&self, code: Option<i32>, stdout: &[u8], stderr: &[u8]) -> Ran {
        Ran {
            code,
            stdout: String::from_utf8(stdout.to_vec()).unwrap(),
            stderr: String::from_utf8(stderr.to_vec()).unwrap(),
            left: self.scratch.left(),
            args: format!("{:?}", self.command),
        }
    }
}

impl Ran {
    /// One line that says `part`, exit code 2, nothing left.
    #[track_caller]
    pub(crate) fn refused(&self, part: &str) {
        let Self { args, stderr, .. } = self;
        assert_eq!(self.code, Some(2), "{args}: {stderr}");
        assert_eq!(stderr.matches('\n').count(), 1, "{args}: {stderr}");
        assert!(
            stderr.starts_with("dial_out_bridge: ") && stderr.contains(part),
            "{args}: {stderr}"
        );
        assert!(self.left.is_empty(), "{args} left {:?}", self.left);
    }
}

/// A phone that says the same to every INVITE.
pub(crate) struct Uas {
    address: SocketAddr,
    invites: Arc<AtomicUsize>,
}

impl Uas {
    pub(crate) fn refusing(status: u16, reason: &str, header: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let address = socket.local_addr().unwrap();
        let invites = Arc::new(AtomicUsize::new(0));
        let (counted, head) = (
            invites.clone(),
            format!("SIP/2.0 {status} {reason}\r\n{header}"),
        );
        std::thread::spawn(move || {
            let mut bytes = [0; 65_536];
            while let Ok((len, from)) = socket.recv_from(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..len]).into_owned();
                if !text.starts_with("INVITE ") {
                    continue;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                let mut answer = head.clone();
                for line in text.lines().take_while(|line| !line.is_empty()) {
                    let name = line
                        .split(':')
                        .next()
                        .unwrap_or_default()
                        .to_ascii_lowercase();
                    match name.as_str() {
                        "via" | "from" | "call-id" | "cseq" => answer += &format!("{line}\r\n"),
                        "to" => answer += &format!("{line};tag=uas\r\n"),
                        _ => {}
                    }
                }
                answer += "Content-Length: 0\r\n\r\n";
                socket.send_to(answer.as_bytes(), from).unwrap();
            }
        });
        Self { address, invites }
    }

    pub(crate) fn uri(&self) -> String {
        format!("sip:bob@{}", self.address)
    }

    pub(crate) fn invites(&self) -> usize {
        self.invites.load(Ordering::Relaxed)
    }
}

/// A pair of RTP ports that somebody has.
pub(crate) struct Taken {
    pub(crate) from: u16,
    _sockets: [UdpSocket; 2],
}

pub(crate) fn taken_pair() -> Taken {
    loop {
        let first = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if port.is_multiple_of(2)
            && let Ok(second) = UdpSocket::bind(("127.0.0.1", port + 1))
        {
            return Taken {
                from: port,
                _sockets: [first, second],
            };
        }
    }
}

/// A port that nobody listens on.
pub(crate) fn closed_tcp_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A token for a session, valid until `seconds` from now.
pub(crate) fn token(secret: &str, role: &str, seconds: i64) -> String {
    let hour = Duration::from_secs(3600);
    let now = match seconds >= 0 {
        true => SystemTime::now(),
        false => SystemTime::now() - hour - Duration::from_secs(seconds.unsigned_abs()),
    };
    let life = if seconds >= 0 {
        Duration::from_secs(seconds.unsigned_abs())
    } else {
        hour
    };
    let claims = SessionClaims::new("room", now, life).with_role(role.parse::<Role>().unwrap());
    mint(
        &claims,
        &StaticSecret::new(Algorithm::Hs256, secret.as_bytes()).unwrap(),
    )
    .unwrap()
}
