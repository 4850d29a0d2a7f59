//! What somebody sees who tries the applications: the switchboard without an argument, and the phone on a terminal.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // Programs and clocks; a test may fail.

#[path = "support/phones.rs"]
#[allow(dead_code)] // Sound is the others' matter.
mod phones;
#[path = "support/program.rs"]
mod program;

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use phones::{Folder, Pbx, Process};
use program::program;

const SOON: Duration = Duration::from_secs(15);

fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !ready() {
        assert!(Instant::now() < end, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_free(port: u16) -> bool {
    let at = ("0.0.0.0", port);
    UdpSocket::bind(at).is_ok() && TcpListener::bind(at).is_ok()
}

/// Two users whose passwords it prints, a certificate, and where to point a phone: phones that are told just that
/// register, over UDP and over TLS, and call each other.
#[test]
fn without_an_argument_two_users_register_with_what_is_printed() {
    if ![5060, 5061, 5080, 5081].into_iter().all(is_free) {
        println!("skipped: somebody else has the usual ports");
        return;
    }
    let folder = Folder::new();
    let mut pbx = Process::start_in(folder.path("."), "mini_pbx", "mini_pbx", &[]);
    pbx.hears("ready");
    let said = |event: &str, name: &str, value: &str, wanted: &str| {
        let mut found = pbx.seen().iter();
        let found = found.find(|o| o["event"] == event && o[name] == value);
        let found = found.unwrap_or_else(|| panic!("no {event} with {name} {value}"));
        found[wanted].as_str().unwrap().to_owned()
    };
    let users = ["alice", "bob"].map(|user| (user, said("user", "user", user, "password")));
    assert_ne!(users[0].1, users[1].1);
    assert!(users.iter().all(|(_, password)| password.len() >= 16));
    let places = ["UDP", "TLS"].map(|over| said("listening", "transport", over, "address"));
    for over in ["TCP", "WS", "WSS"] {
        said("listening", "transport", over, "address");
    }
    let certificate = pbx.seen().iter().find(|o| o["event"] == "certificate");
    let certificate = folder.path(certificate.unwrap()["file"].as_str().unwrap());
    let ca = certificate.to_str().unwrap();
    let mut phones: Vec<Process> = users
        .iter()
        .zip(["udp", "tls"].iter().zip(&places))
        .map(|((user, password), (over, at))| {
            let mut arguments = vec!["--register", "--user", user, "--password", password];
            arguments.extend(["--registrar", at, "--transport", over, "--ca", ca]);
            if *user == "bob" {
                arguments.push("--auto-answer");
            }
            let mut phone = Process::start("softphone", user, &arguments);
            phone.hears("registered");
            phone
        })
        .collect();
    phones[0].say("call bob");
    pbx.until("answered", |o| o["from"] == "alice" && o["to"] == "bob");
    phones[0].say("hang up");
    pbx.hears("ended");
    for phone in phones {
        phone.quit();
    }
    pbx.quit();
}

/// A program on a terminal of its own, and what it has drawn there.
struct OnTerminal {
    child: Child,
    drawn: Arc<Mutex<Vec<u8>>>,
}

impl OnTerminal {
    /// With `script` of util-linux, which every Linux has.
    fn start(command: &str) -> Self {
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--command", command, "/dev/null"])
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let drawn = Arc::new(Mutex::new(Vec::new()));
        let (mut stdout, tape) = (child.stdout.take().unwrap(), Arc::clone(&drawn));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = stdout.read(&mut buffer) {
                tape.lock().unwrap().extend(&buffer[..len]);
            }
        });
        Self { child, drawn }
    }

    fn types(&mut self, keys: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(keys.as_bytes()).unwrap();
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.drawn.lock().unwrap()).into_owned()
    }

    /// The lines of calls that were drawn, one after the other.
    fn lines(&self) -> Vec<String> {
        let text = self.text();
        let drawn = text.split("\x1b[?7l\x1b[2K").skip(1);
        drawn
            .filter_map(|rest| Some(rest.split_once("\x1b[?7h")?.0.to_owned()))
            .collect()
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        // Ended already, when all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line a call is redrawn in place: seconds go on, levels and quality stand in it, and what is being typed below it
/// stays. It goes with the call.
#[cfg(target_os = "linux")] // Others have a `script` with other arguments.
#[test]
fn a_terminal_shows_a_line_a_call_that_goes_on_while_somebody_types() {
    let folder = Folder::new();
    let mut pbx = Pbx::start(&folder, &[]);
    let bob = pbx.registered("bob", "udp", &["--auto-answer"]);
    let mut alice = OnTerminal::start(&format!(
        "{} --register --user alice --password ecila --registrar {} --transport udp",
        program("softphone").display(),
        pbx.at("udp")
    ));
    wait_until("registered", || alice.text().contains("> "));
    alice.types("call bob\n");
    let up = |alice: &OnTerminal| -> Vec<String> {
        let lines = alice.lines().into_iter();
        lines.filter(|line| line.contains(" up ")).collect()
    };
    wait_until("a call that is up", || up(&alice).len() > 2);
    // Half a command, and the line goes on above it.
    alice.types("sta");
    let before = up(&alice).len();
    wait_until("a line that goes on", || up(&alice).len() > before + 3);
    let lines = up(&alice);
    let seconds: Vec<f64> = lines
        .iter()
        .map(|line| {
            let after = line.split(" up ").nth(1).expect("seconds");
            let number = after.split_whitespace().next().expect("seconds");
            number.parse().expect("a number")
        })
        .collect();
    assert!(
        seconds.is_sorted() && seconds.last() > seconds.first(),
        "{seconds:?}"
    );
    let last = lines.last().expect("a line");
    assert!(last.starts_with("#1 bob@127.0.0.1"), "{last:?}");
    for part in ["  opus  ", "  in ", "  out ", " dB", "  loss "] {
        assert!(last.contains(part), "{part:?} in {last:?}");
    }
    // Between saving and restoring the cursor nothing but the line is touched.
    let text = alice.text();
    let redrawn = text.rsplit("\x1b7").next().expect("a redraw");
    let (redrawn, _) = redrawn.split_once("\x1b8").expect("the cursor back");
    assert!(redrawn.starts_with("\r\x1b[1A\x1b[?7l"), "{redrawn:?}");
    // The rest of the command makes one of both halves.
    alice.types("tus\n");
    wait_until("the whole command", || {
        alice.text().contains("> status\r") || alice.text().contains("> status\n")
    });
    assert!(!alice.text().contains("is no command"), "{}", alice.text());
    alice.types("hang up\n");
    pbx.process.until("ended", |o| o["from"] == "alice");
    // For longer than from one redraw to the next.
    wait_until("no line without a call", || {
        let before = alice.lines().len();
        std::thread::sleep(Duration::from_millis(600));
        alice.lines().len() == before
    });
    alice.types("quit\n");
    wait_until("the end", || match alice.child.try_wait().unwrap() {
        Some(status) => {
            assert!(status.success(), "{status}");
            true
        }
        None => false,
    });
    bob.quit();
    pbx.process.quit();
}
