//! `opentok_gateway` driven by the server SDKs of the vendor whose API it speaks, from npm and PyPI, which are told
//! nothing but its address; the phone is baresip, in the clear, with SDES and with DTLS (its certificate is on RSA, so the
//! gateway is built with OpenSSL). And its page in Chromium.

use interop::{
    Baresip, BaresipOptions, Codec, Heard, Ports, Process, Scratch, Security, Transport, absent,
    built, installed, wait_until,
};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};
use token::{Algorithm, OpenTokConnect, OpenTokProject, StaticSecret, mint};

const KEY: &str = "4567";
const SECRET: &str = "0123456789abcdef0123456789abcdef01234567";
const LIMIT: Duration = Duration::from_secs(60);

const NODE: &str = "opentok@2.23.2";
const PYTHON: &str = "opentok==3.15.0";

/// Builds the example once, as the README says, and gives its place.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        built(
            &[
                "--release",
                "--features",
                "http,dtls-openssl",
                "--example",
                "opentok_gateway",
            ],
            "opentok_gateway",
        )
    })
}

struct Gate {
    process: Process,
    scratch: Scratch,
    url: String,
    /// The address of the page, with its key.
    operator: String,
    _ports: Ports,
}

fn gate(secure: &str) -> Gate {
    let (scratch, ports) = (Scratch::new("gateway"), Ports::take());
    let mut command = Command::new(program());
    command
        .args(["--http", "127.0.0.1:0", "--talker", "--codec", "pcmu"])
        .args(["--secure", secure])
        .args(["--api-key", KEY, "--api-secret", SECRET, "--rtp-ports"])
        .arg(format!("{}-{}", ports.port(0), ports.port(39)))
        .arg("--record")
        .arg(scratch.path().join("archives"));
    let process = Process::start(command, &scratch.path().join("log"));
    let word = |start: &str| {
        let log = process.log();
        let line = log.lines().find(|line| line.starts_with(start))?;
        line.split_whitespace().nth(1).map(str::to_owned)
    };
    let (url, operator) = wait_until("the gateway is up", Duration::from_secs(10), || {
        Some((word("REST")?, word("operator")?))
    });
    Gate {
        process,
        scratch,
        url,
        operator,
        _ports: ports,
    }
}

/// The SDK's whole list, and what the phone saw and heard of it.
fn drive(sdk: impl Fn() -> Command) {
    // A phone ends by itself after two minutes, which a build may take.
    program();
    for (security, mode) in [
        (Security::Clear, "plain"),
        (Security::Sdes, "sdes"),
        (Security::Dtls, "dtls"),
    ] {
        let mut options = BaresipOptions::new(Codec::Pcmu);
        options.security = security;
        let mut phone = Baresip::start(&options);
        let gate = gate(if mode == "dtls" { "dtls" } else { "sdes" });
        let log = gate.scratch.path().join("sdk");
        let mut command = sdk();
        command.args([KEY, SECRET, &gate.url, &phone.uri(Transport::Udp), mode]);
        let mut ran = Process::start(command, &log);
        let status = ran.wait(LIMIT);
        let said = format!("{mode}: {}\n{}", ran.log(), gate.process.log());
        assert!(status.success() && ran.log().contains("passed"), "{said}");

        let seen = phone.log();
        for part in ["X-Room: 42", "15550100@example.com"] {
            assert!(seen.contains(part), "{part}: {seen}");
        }
        assert_eq!(seen.contains("RTP/SAVP"), mode != "plain");
        assert_eq!(seen.contains("UDP/TLS/RTP/SAVPF"), mode == "dtls");
        wait_until("the phone is hung up", LIMIT, || {
            (!phone.control.params_of("CALL_CLOSED").is_empty()).then_some(())
        });
        let pressed = phone.control.params_of("CALL_DTMF_START").concat();
        assert_eq!(pressed, "12#9");

        // The talker, but for the keys, the time that all were muted, and what a busy phone did not write.
        let heard = phone.heard();
        let talker = heard.seconds_of(440.0);
        assert!(talker > 2.0, "{talker} s of {} s", heard.seconds());
        let archives = gate.scratch.path().join("archives");
        let archive = std::fs::read_dir(archives)
            .expect("archives")
            .flatten()
            .next();
        let archive = Heard::wav(&archive.expect("one archive").path());
        let both = archive.seconds_of_all(&[440.0, options.hz]);
        assert!(both > 0.8, "{both} s of both in {} s", archive.seconds());
    }
}

#[test]
fn node() {
    if !installed(&["baresip", "node", "npm"]) {
        return;
    }
    let place = place("the Node SDK", NODE, |place| {
        std::fs::write(place.join("package.json"), "{}").expect("package.json");
        let mut npm = Command::new("npm");
        let quiet = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund"];
        npm.current_dir(place).arg("install").args(quiet).arg(NODE);
        npm
    });
    if let Some(place) = place {
        let script = place.join("sdk.js");
        std::fs::write(&script, include_str!("opentok_sdks/sdk.js")).expect("the script");
        drive(|| {
            let mut node = Command::new("node");
            node.arg(&script);
            node
        });
    }
}

#[test]
fn python() {
    if !installed(&["baresip", "python3"]) {
        return;
    }
    let place = place("the Python SDK", PYTHON, |place| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--target"]);
        pip.arg(place).arg(PYTHON);
        pip
    });
    if let Some(place) = place {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/opentok_sdks/sdk.py");
        drive(|| {
            let mut python = Command::new("python3");
            python
                .arg(&script)
                .env("PYTHONPATH", &place)
                .env("PYTHONDONTWRITEBYTECODE", "1");
            python
        });
    }
}

/// Asks as the project does, and gives the body of the answer.
fn ask(gate: &Gate, path: &str, content_type: &str, body: &str) -> serde_json::Value {
    let secret = StaticSecret::new(Algorithm::Hs256, SECRET.as_bytes()).expect("a secret");
    let claims = OpenTokProject::new(KEY, SystemTime::now(), Duration::from_secs(180));
    let token = mint(&claims, &secret).expect("a token");
    let host = gate.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).expect("the gateway");
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nX-OPENTOK-AUTH: {token}\r\n\
         Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("JSON")
}

#[test]
fn the_page_in_a_browser() {
    if !installed(&["baresip", "chromium"]) {
        return;
    }
    let gate = gate("sdes");
    let phone = Baresip::start(&BaresipOptions::new(Codec::Pcmu));
    let form = "application/x-www-form-urlencoded";
    let made = ask(&gate, "/session/create", form, "p2p.preference=disabled");
    let session = made[0]["session_id"].as_str().expect("a session");
    let secret = StaticSecret::new(Algorithm::Hs256, SECRET.as_bytes()).expect("a secret");
    let hour = Duration::from_secs(3600);
    let claims = OpenTokConnect::new(KEY, session, SystemTime::now(), hour);
    let uri = phone.uri(Transport::Udp);
    let body = serde_json::json!({
        "sessionId": session, "token": mint(&claims, &secret).expect("a token"), "sip": {"uri": uri},
    });
    let path = format!("/v2/project/{KEY}/dial?wait=answered");
    ask(&gate, &path, "application/json", &body.to_string());

    let mut chromium = Command::new("chromium");
    chromium
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .args(["--virtual-time-budget=3000"])
        .arg(format!(
            "--user-data-dir={}",
            gate.scratch.path().join("browser").display()
        ))
        .arg(&gate.operator);
    let output = chromium.output().expect("chromium");
    let page = String::from_utf8_lossy(&output.stdout);
    for part in [
        "Running, SIP at",
        &uri,
        "answered",
        "PCMU",
        session,
        "built-in talker",
    ] {
        assert!(page.contains(part), "the page does not show {part}: {page}");
    }
}

/// A directory below the build's own that holds `what`, installed there once.
fn place(name: &str, what: &str, install: impl FnOnce(&Path) -> Command) -> Option<PathBuf> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sdk-{what}"));
    let done = place.join("installed");
    if !done.exists() {
        std::fs::create_dir_all(&place).expect("a directory below target");
        let run = install(&place).output().expect("the installer");
        if !run.status.success() {
            println!("{}", String::from_utf8_lossy(&run.stderr));
            absent(name);
            return None;
        }
        std::fs::write(done, "").expect("a mark");
    }
    Some(place)
}
