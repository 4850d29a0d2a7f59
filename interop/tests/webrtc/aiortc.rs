//! aiortc, which offers and which answers.

use crate::house::{House, PHONE, TALKERS};
use interop::{Heard, Scratch, absent, installed};
use serde_json::Value;
use signaling::net::Event;
use signaling::{CallId, Ice, Secure};
use sip_core::Uninvited;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

const AIORTC: &str = "aiortc==1.16.0";

/// Where it is, installed below target the first time.
fn place() -> Option<&'static PathBuf> {
    static PLACE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = PLACE.get_or_init(|| {
        if !installed(&["python3"]) {
            return None;
        }
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("aiortc-1.16.0");
        let works = || {
            let mut python = Command::new("python3");
            python
                .args(["-c", "import aiortc"])
                .env("PYTHONPATH", &place);
            python.output().is_ok_and(|output| output.status.success())
        };
        if !works() {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "install", "-q", "--no-input", "--target"]);
            let _ = pip.arg(&place).arg(AIORTC).output();
        }
        if works() {
            return Some(place);
        }
        absent("Python's aiortc");
        None
    });
    made.as_ref()
}

struct Phone {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    wav: PathBuf,
}

impl Phone {
    fn start(scratch: &Scratch, args: &[&str], codec: &str) -> Option<Phone> {
        let wav = scratch.path().join("heard.wav");
        let mut child = Command::new("python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/webrtc/phone.py"))
            .args(args)
            .arg(codec)
            .arg(&wav)
            .env("PYTHONPATH", place()?)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Some(Phone { child, lines, wav })
    }

    fn line(&mut self) -> String {
        let line = self.lines.next().expect("aiortc says something");
        line.expect("text")
    }

    /// What it says at its end, and what it heard.
    fn end(&mut self) -> (Value, Heard) {
        let said = serde_json::from_str(&self.line()).expect("a line of JSON");
        (said, Heard::wav(&self.wav))
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The call is up: sound both ways, over the way that ICE has found, with keys of the handshake; we hang up.
fn talk(house: &mut House, call: CallId, phone: &mut Phone, codec: &str, pairs: usize) {
    house.run_for(Duration::from_millis(1500));
    let heard = house.hear(Duration::from_millis(1500));
    for (i, heard) in heard.iter().enumerate() {
        let both = heard.seconds_of_all(&[TALKERS[1 - i], PHONE]);
        assert!(
            both >= 1.2,
            "talker {i} heard the other and aiortc for {both} s"
        );
    }
    let info = house.gateway.call(call).expect("the call's figures");
    assert!(info.codec.eq_ignore_ascii_case(codec), "{}", info.codec);
    let pair = info.pair.expect("a way");
    assert_eq!(house.gateway.figures().ports, pairs);
    assert!(pair.local.ip().is_loopback() && pair.remote.ip().is_loopback());
    assert!(info.dtls && info.suite.is_some(), "{info:?}");
    assert_eq!(info.loss(), 0.0);
    house.gateway.hang_up(call).expect("a call to hang up");
    house.wait_for("the end", |e| {
        matches!(e, Event::Ended { .. }).then_some(())
    });
    let (said, recorded) = phone.end();
    assert!(said["received"].as_u64() > Some(100), "{said}");
    assert_eq!(said["lost"], 0, "{said}");
    let both = recorded.seconds_of_all(&TALKERS);
    assert!(
        both >= 2.0,
        "aiortc heard the talkers for {both} of {} s",
        recorded.seconds()
    );
}

fn it_answers(codec: &str, shared_port: Option<u16>) {
    let scratch = Scratch::new("aiortc-answers");
    let Some(mut phone) = Phone::start(&scratch, &["answer"], codec) else {
        return;
    };
    let port = phone.line().replace("ready ", "");
    let mut house = House::with(|config| config.shared_port = shared_port);
    let call = house.dial(&format!("sip:aiortc@127.0.0.1:{port}"), |request| {
        request.secure = Secure::Dtls;
        request.ice = Ice::Require;
    });
    house.wait_for("the answer", |e| {
        matches!(e, Event::Answered { .. }).then_some(())
    });
    let pairs = usize::from(shared_port.is_none());
    talk(&mut house, call, &mut phone, codec, pairs);
}

fn it_offers(codec: &str, shared_port: Option<u16>) {
    let scratch = Scratch::new("aiortc-offers");
    let mut house = House::with(|config| {
        config.uninvited = Uninvited::Accept;
        config.shared_port = shared_port;
    });
    let at = house.gateway.sip_addr().to_string();
    let Some(mut phone) = Phone::start(&scratch, &["call", &at], codec) else {
        return;
    };
    let call = house.answer();
    let pairs = usize::from(shared_port.is_none());
    talk(&mut house, call, &mut phone, codec, pairs);
}

#[test]
fn opus() {
    it_answers("opus", None);
    it_offers("opus", None);
}

/// Over the port that the gateway's calls with ICE share.
#[test]
fn g722() {
    it_answers("G722", Some(0));
    it_offers("G722", Some(0));
}

#[test]
fn pcmu() {
    it_answers("PCMU", None);
    it_offers("PCMU", None);
}
