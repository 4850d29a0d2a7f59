//! The built `conference` as a person meets it: what it prints, what it leaves, who may call in, and its exit code.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // Programs, sockets and clocks; a test may fail.

#[path = "support/program.rs"]
mod program;

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use examples::spectrum::Spectrum;
use media_mix::wav::{WavReader, WavWriter};
use media_mix::{Rate, Tone};
use program::program;
use serde_json::Value;

/// A folder of its own for a run.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("conference-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program("conference"));
        command
            .current_dir(&self.0)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Half a second, or whatever `ms` says, of a tone at -20 dBFS.
    fn tone(&self, name: &str, rate: Rate, hz: f64, ms: usize) {
        let mut pcm = vec![0; rate.samples(ms)];
        Tone::new(rate, hz, -23.01).fill(&mut pcm);
        let file = std::fs::File::create(self.0.join(name)).unwrap();
        let mut file = WavWriter::new(file, rate, 1).unwrap();
        file.write(&pcm).unwrap();
        file.finish().unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The samples of a recording, which is at 48 kHz.
fn recorded(path: &Path) -> Vec<i16> {
    let mut reader = WavReader::new(std::fs::File::open(path).unwrap()).unwrap();
    assert_eq!(reader.spec().rate, Rate::Khz48);
    let (mut pcm, mut part) = (Vec::new(), [0; 4800]);
    loop {
        match reader.read_mono(&mut part).unwrap() {
            0 => return pcm,
            n => pcm.extend_from_slice(&part[..n]),
        }
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn bad_input_is_one_line_and_leaves_nothing() {
    let scratch = Scratch::new("bad");
    for (args, part) in [
        (
            &["--listen", "127.0.0.1:0"][..],
            "--password <TEXT>|--anyone",
        ),
        (&["--listen", "here", "--anyone"], "invalid socket address"),
        (
            &["--listen", "203.0.113.1:0", "--anyone", "--record", "a.wav"],
            "203.0.113.1",
        ),
        (&["--listen", "0.0.0.0:0", "--anyone"], "--advertise"),
        (&["--anyone"], "--listen"),
        (&["--password", "x"], "--listen"),
        (
            &["--listen", "127.0.0.1:0", "--anyone", "--password", "x"],
            "cannot be used with",
        ),
        (&["--wav", "none.wav"], "cannot play none.wav"),
        (&["--wav", "."], "cannot play ."),
        (&["--self-load", "1001"], "1001 is not in 0..=1000"),
        (&["--seconds", "0"], "must be longer than 0"),
        (
            &["--max-phones", "0", "--listen", "127.0.0.1:0", "--anyone"],
            "0 is not in 1..=500",
        ),
        (&["--record", "."], "cannot write ."),
        (&["--turn", "turns:127.0.0.1"], "over UDP alone"),
        (&["--stun", "host.invalid"], "--stun host.invalid: "),
        (&["--telephone"], "unexpected argument"),
    ] {
        let output = scratch.run(args);
        let stderr = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert_eq!(stderr.matches('\n').count(), 1, "{args:?}: {stderr}");
        assert!(
            stderr.starts_with("conference: ") && stderr.contains(part),
            "{args:?}: {stderr}"
        );
        assert_eq!(
            std::fs::read_dir(&scratch.0).unwrap().count(),
            0,
            "{args:?}"
        );
    }
}

#[test]
fn the_demo_shows_its_load_and_every_check_holds() {
    let scratch = Scratch::new("demo");
    let output = scratch.run(&["--json", "--self-load", "4", "--seconds", "5"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |event: &str| -> Vec<&Value> {
        lines.iter().filter(|line| line["event"] == event).collect()
    };
    let result = of("result")[0];
    assert_eq!(
        (&result["pass"], &result["failed"]),
        (&true.into(), &0.into())
    );
    let checks: Vec<_> = of("check")
        .iter()
        .map(|check| check["what"].as_str().unwrap().to_owned())
        .collect();
    for what in [
        "a wrong password",
        "a third phone",
        "host hears",
        "tick time",
        "recording",
    ] {
        assert!(
            checks.iter().any(|check| check == what),
            "{what}: {checks:?}"
        );
    }
    let loads = of("load");
    // Two phones, two files, four simulated, and the host.
    assert!(
        loads
            .iter()
            .any(|load| load["participants"] == 9 && load["phones"] == 2)
    );
    assert!(
        loads
            .windows(2)
            .all(|pair| pair[0]["ticks"].as_u64() < pair[1]["ticks"].as_u64())
    );
    assert!(
        loads
            .iter()
            .all(|load| load["tick_ms"].as_f64().unwrap() > 0.0)
    );
    let room = recorded(&scratch.0.join("target/conference/room.wav"));
    assert!(room.len() > 4 * 48_000, "{}", room.len());
}

#[test]
fn files_meet_and_the_recording_holds_both() {
    let scratch = Scratch::new("files");
    scratch.tone("low.wav", Rate::Khz8, 300.0, 500);
    scratch.tone("high.wav", Rate::Khz16, 6000.0, 2500);
    let output = scratch.run(&[
        "--wav",
        "low.wav",
        "--wav",
        "high.wav",
        "--record",
        "out/room.wav",
    ]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("nobody may call in"), "{text}");
    assert!(text.contains("PASS  tick time"), "{text}");
    let room = recorded(&scratch.0.join("out/room.wav"));
    // As long as the longest file, and the shorter one again and again.
    assert!(
        (2 * 48_000..4 * 48_000).contains(&room.len()),
        "{}",
        room.len()
    );
    let spectrum = Spectrum::of(&room[24_000..], 48_000).unwrap();
    for hz in [300, 6000] {
        assert!(
            (spectrum.level(hz) + 20.0).abs() < 1.0,
            "{hz}: {}",
            spectrum.level(hz)
        );
    }
    assert!(spectrum.loudest_other(&[300, 6000]).db < -50.0);
}

#[test]
fn the_recording_is_ogg_opus_if_its_name_says_so() {
    let scratch = Scratch::new("opus");
    scratch.tone("tone.wav", Rate::Khz16, 700.0, 1500);
    let output = scratch.run(&["--wav", "tone.wav", "--record", "out/room.opus"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let file = std::fs::read(scratch.0.join("out/room.opus")).unwrap();
    assert_eq!(
        (&file[..4], &file[28..36]),
        (&b"OggS"[..], &b"OpusHead"[..])
    );
    // The last page says how long it plays, at 48 kHz (RFC 7845 section 4), and that it is the last.
    let last = file.windows(5).rposition(|w| w == b"OggS\0").unwrap();
    assert_eq!(file[last + 5] & 4, 4);
    let end = u64::from_le_bytes(file[last + 6..last + 14].try_into().unwrap());
    assert!((48_000..4 * 48_000).contains(&end), "{end}");
    assert!(file.len() < 40_000, "{}", file.len());
}

/// A room that phones may call, and where.
struct Open {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    address: SocketAddr,
}

impl Open {
    fn start(scratch: &Scratch, args: &[&str]) -> Self {
        let mut child = scratch
            .command(&[&["--listen", "127.0.0.1:0"], args].concat())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let address = first.split("@").nth(1).unwrap().split(' ').next().unwrap();
        let address = address.parse().unwrap();
        Self {
            child,
            lines,
            address,
        }
    }

    /// Calls a name without a password; the final status.
    fn invite(&self, name: &str) -> u16 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let (here, there) = (socket.local_addr().unwrap(), self.address);
        let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
        let branch = format!("z9hG4bK{}{name}", here.port());
        let head = |method: &str| {
            format!(
                "{method} sip:{name}@{there} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch={branch}\r\nMax-Forwards: 70\r\n\
                 From: \"\u{9b}2Jme\" <sip:me@{here}>;tag=1\r\nCall-ID: {branch}\r\nCSeq: 1 {method}\r\n"
            )
        };
        let invite = format!(
            "{}To: <sip:{name}@{there}>\r\nContact: <sip:me@{here}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            head("INVITE"),
            sdp.len()
        );
        socket.send_to(invite.as_bytes(), there).unwrap();
        let mut bytes = [0; 4096];
        loop {
            let (len, _) = socket.recv_from(&mut bytes).unwrap();
            let answer = String::from_utf8_lossy(&bytes[..len]).into_owned();
            let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
            if status >= 200 {
                let to = answer.lines().find(|line| line.starts_with("To:")).unwrap();
                let ack = format!("{}{to}\r\nContent-Length: 0\r\n\r\n", head("ACK"));
                socket.send_to(ack.as_bytes(), there).unwrap();
                return status;
            }
        }
    }

    /// Presses Ctrl-C; what was printed, and the exit code.
    fn close(mut self) -> (String, Option<i32>) {
        let pressed = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(pressed.success());
        let mut text = String::new();
        self.lines.read_to_string(&mut text).unwrap();
        (text, self.child.wait().unwrap().code())
    }
}

#[cfg(unix)]
#[test]
fn who_does_not_know_the_password_stays_outside() {
    let scratch = Scratch::new("password");
    let open = Open::start(&scratch, &["--password", "swordfish"]);
    assert_eq!(open.invite("conference"), 401);
    let (text, code) = open.close();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("0 came, 0 turned away"), "{text}");
}

#[cfg(unix)]
#[test]
fn anyone_may_come_where_that_was_said_to_the_room_that_was_named_and_no_more_than_fit() {
    let scratch = Scratch::new("anyone");
    let open = Open::start(
        &scratch,
        &["--anyone", "--room", "den", "--max-phones", "1"],
    );
    assert_eq!(open.invite("conference"), 404);
    assert_eq!(open.invite("den"), 200);
    assert_eq!(open.invite("den"), 486);
    let (text, code) = open.close();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("1 came, 2 turned away"), "{text}");
    assert!(
        !text.contains('\u{9b}'),
        "a caller moves no cursor: {text:?}"
    );
}
