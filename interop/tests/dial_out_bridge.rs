//! The flagship as a person runs it, against phones that nobody here wrote: its exit code, its lines, its files.

use interop::{
    App, Baresip, BaresipOptions, Codec, Coturn, Heard, Ports, Process, Scratch, Security, Sipp,
    SippOptions, Transport, built, installed,
};
use std::net::SocketAddr;
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
    start(&[&["--sip-uri", uri], arguments].concat())
}

fn start(arguments: &[&str]) -> Run {
    let (scratch, ports) = (Scratch::new("bridge"), Ports::take());
    let range = format!("{}-{}", ports.port(0), ports.port(39));
    let mut command = Command::new(program());
    command
        .args(["--bind", "127.0.0.1", "--rtp-ports", &range, "--out"])
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

/// With `--secure=allow` each phone gets the strongest that it takes. (By DTLS baresip shows an RSA certificate, which needs the
/// backend `dtls-openssl`.)
#[test]
fn encryption_goes_down_as_far_as_the_phone_wants() {
    if !installed(&["baresip"]) {
        return;
    }
    for (security, agreed) in [
        (Security::Sdes, "SDES, "),
        (Security::Clear, "none, sound in the clear"),
    ] {
        let mut options = BaresipOptions::new(Codec::Pcmu);
        options.security = security;
        program();
        let baresip = Baresip::start(&options);
        let arguments = ["--secure=allow", "--duration", "1s"];
        let (code, said) = run(&baresip.uri(Transport::Udp), &arguments).end();
        assert_eq!(code, Some(0), "{security:?}: {said}");
        assert!(said.contains(agreed), "{security:?}: {said}");
    }
}

/// Arguments that let the sound go through this server alone.
fn relayed(server: &Coturn, scratch: &Scratch) -> Vec<String> {
    let file = scratch.path().join("password");
    std::fs::write(&file, format!("{}\n", Coturn::PASSWORD)).expect("a file");
    let (uri, at) = (
        format!("turn:{}", server.address(false)),
        server.address(false),
    );
    [
        "--stun",
        &at.to_string(),
        "--turn",
        &uri,
        "--turn-user",
        Coturn::USER,
        "--turn-password-file",
        &file.display().to_string(),
        "--relay-only",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The two ends of the way that ICE has found.
fn way(said: &str) -> [SocketAddr; 2] {
    let (_, way) = said.split_once("ICE, ").unwrap_or_else(|| panic!("{said}"));
    let mut words = way.split_whitespace().step_by(2);
    [(); 2].map(|()| {
        let word = words.next().unwrap_or_else(|| panic!("{said}"));
        word.parse()
            .unwrap_or_else(|error| panic!("{word}: {error}"))
    })
}

/// The demo by DTLS and ICE, whose sound goes through coturn and nowhere else; then a softphone whose sound does.
#[test]
fn sound_through_a_relay_alone() {
    if !installed(&["turnserver"]) {
        return;
    }
    program();
    let (server, scratch) = (Coturn::start(), Scratch::new("relayed"));
    let relayed = relayed(&server, &scratch);
    let relayed: Vec<&str> = relayed.iter().map(String::as_str).collect();
    let ice = ["--secure=dtls", "--ice"];
    let (code, said) = start(&[&ice[..], &relayed].concat()).end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("PASS") && !said.contains("FAIL"), "{said}");
    assert!(!said.contains(Coturn::PASSWORD), "{said}");
    assert!(server.relays(way(&said)[0]), "{said}");

    let at_home = ["--bind", "127.0.0.1", "--auto-answer", "--echo"];
    let arguments = [&at_home[..], &relayed].concat();
    let mut phone = App::start("softphone", "softphone", scratch.path(), &arguments);
    let ready = phone.hears("ready");
    let uri = format!(
        "sip:echo@{}",
        ready["address"].as_str().expect("an address")
    );
    let arguments = [&ice[..], &["--duration", "1s"]].concat();
    let (code, said) = run(&uri, &arguments).end();
    assert_eq!(code, Some(0), "{said}");
    let [ours, theirs] = way(&said);
    assert!(!server.relays(ours) && server.relays(theirs), "{said}");
    phone.quit();
}

/// A TURN server that is not there, or does not know us: one line before anybody's phone rings.
#[test]
fn a_relay_that_gives_nothing_is_told() {
    if !installed(&["turnserver"]) {
        return;
    }
    program();
    let (server, scratch) = (Coturn::start(), Scratch::new("unrelayed"));
    let relayed = relayed(&server, &scratch);
    let mut relayed: Vec<&str> = relayed.iter().map(String::as_str).collect();
    if let Some(user) = relayed.iter_mut().find(|word| **word == Coturn::USER) {
        *user = "mallory";
    }
    let (code, said) = start(&[&["--secure=dtls", "--ice"], &*relayed].concat()).end();
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("TURN") && !said.contains(Coturn::PASSWORD),
        "{said}"
    );
}
