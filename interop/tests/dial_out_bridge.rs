//! The flagship as a person runs it, against phones that nobody here wrote: its exit code, its lines, its files.

use interop::{
    Baresip, BaresipOptions, Codec, Heard, Ports, Process, Scratch, Security, Sipp, SippOptions,
    Transport, built, installed,
};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// Builds the example once, as the README says, and gives its place.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        built(
            &["--release", "--example", "dial_out_bridge"],
            "dial_out_bridge",
        )
    })
}

struct Run {
    process: Process,
    scratch: Scratch,
    _ports: Ports,
}

fn run(uri: &str, arguments: &[&str]) -> Run {
    let (scratch, ports) = (Scratch::new("bridge"), Ports::take());
    let range = format!("{}-{}", ports.port(0), ports.port(39));
    let mut command = Command::new(program());
    command
        .args([
            "--sip-uri",
            uri,
            "--bind",
            "127.0.0.1",
            "--rtp-ports",
            &range,
            "--out",
        ])
        .arg(scratch.path());
    command.args(arguments);
    let log = scratch.path().join("log");
    Run {
        process: Process::start(command, &log),
        scratch,
        _ports: ports,
    }
}

impl Run {
    /// Its exit code and what it said.
    fn end(&mut self) -> (Option<i32>, String) {
        (self.process.wait(LIMIT).code(), self.process.log())
    }
}

fn dials_baresip(codec: Codec, security: Security, transport: Transport, arguments: &[&str]) {
    if !installed(&["baresip"]) {
        return;
    }
    let mut options = BaresipOptions::new(codec);
    options.security = security;
    program();
    let baresip = Baresip::start(&options);
    let mut run = run(&baresip.uri(transport), arguments);
    let (code, said) = run.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("PASS") && !said.contains("FAIL"), "{said}");
    let heard = baresip.heard().seconds_of_all(&[440.0, 660.0]);
    assert!(heard >= 2.0, "baresip heard the session for {heard} s");
    let heard = Heard::wav(&run.scratch.path().join("session-heard.wav"));
    assert!(
        heard.seconds() > 2.0,
        "{} s in session-heard.wav",
        heard.seconds()
    );
    assert!(
        run.scratch
            .path()
            .join("call.pcapng")
            .metadata()
            .is_ok_and(|m| m.len() > 10_000)
    );
}

#[test]
fn dials_opus_in_the_clear() {
    dials_baresip(
        Codec::Opus,
        Security::Clear,
        Transport::Udp,
        &["--duration", "4s"],
    );
}

#[test]
fn dials_pcma_with_sdes_over_tcp() {
    let arguments = [
        "--duration",
        "4s",
        "--secure",
        "--transport",
        "tcp",
        "--codec",
        "pcma",
    ];
    dials_baresip(Codec::Pcma, Security::Sdes, Transport::Tcp, &arguments);
}

#[test]
fn a_busy_phone_gives_one_line_and_exit_code_2() {
    if !installed(&["sipp"]) {
        return;
    }
    program();
    let sipp = Sipp::uas("uas_reject486", &SippOptions::default());
    let (code, said) = run(&sipp.uri(), &[]).end();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("486") && said.contains("Busy Here"), "{said}");
    sipp.wait().expect_passed();
}

#[test]
fn a_wrong_password_names_realm_and_user() {
    if !installed(&["sipp"]) {
        return;
    }
    program();
    let mut options = SippOptions::default();
    options.more = ["-set", "wrong", "1"].map(String::from).to_vec();
    let sipp = Sipp::uas("uas_401_invite", &options);
    let (code, said) = run(&sipp.uri(), &["--username", "alice", "--password", "guess"]).end();
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("alice") && said.contains("test") && !said.contains("guess"),
        "{said}"
    );
    sipp.wait().expect_passed();
}

/// Ctrl-C in a call: a BYE, whole files, exit code 130.
#[test]
fn an_interrupt_hangs_up() {
    if !installed(&["baresip"]) {
        return;
    }
    program();
    let mut baresip = Baresip::start(&BaresipOptions::new(Codec::Pcmu));
    let mut run = run(&baresip.uri(Transport::Udp), &["--duration", "30s"]);
    baresip.control.wait_for("CALL_ESTABLISHED", LIMIT);
    std::thread::sleep(Duration::from_millis(1500));
    run.process.interrupt();
    baresip.control.wait_for("CALL_CLOSED", LIMIT);
    let (code, said) = run.end();
    assert_eq!(code, Some(130), "{said}");
    let heard = Heard::wav(&run.scratch.path().join("session-heard.wav"));
    assert!(
        heard.seconds() > 1.0,
        "{} s in session-heard.wav",
        heard.seconds()
    );
}
