//! `softphone`, `mini_pbx` and `softphone` as processes: what each prints when phones register, call and are called.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // Programs and clocks; a test may fail.

#[path = "support/phones.rs"]
mod phones;
#[path = "support/program.rs"]
mod program;

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use examples::chance::chance;
use sip_core::auth::Account;
use sip_core::header::NameAddr;
use sip_core::net::{Driver, Listen};
use sip_core::{Config, Event, Registration, RegistrationState, Transport};

use phones::{Folder, Pbx, Process, wait_for_tone};
use program::program;

/// Tones are judged in real time: one call with sound after the other.
static SOUND: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    SOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 1 speaks a tone, 2 hears it; hold, resume, a key, and the end.
fn call(from: &str, to: &str) {
    call_with(&[], from, &[], to);
}

fn call_with(pbx: &[&str], from: &str, secure: &[&str], to: &str) {
    let _alone = alone();
    let folder = Folder::new();
    let pbx = Pbx::start(&folder, pbx);
    let heard = folder.path("heard.wav");
    let tone = folder.tone(1020.0);
    let play = [&["--play", tone.to_str().unwrap()], secure].concat();
    let mut alice = pbx.registered("alice", from, &play);
    let record = ["--auto-answer", "--record", heard.to_str().unwrap()];
    let mut bob = pbx.registered("bob", to, &record);
    alice.say("call bob");
    let incoming = bob.hears("incoming");
    assert!(
        incoming["from"].as_str().unwrap().starts_with("sip:alice@"),
        "{incoming}"
    );
    let answered = alice.hears("answered");
    assert_eq!(answered["codec"], "opus");
    bob.hears("answered");
    wait_for_tone(&heard, 1020);
    alice.say("hold");
    alice.until("held", |o| o["by"] == "us");
    bob.until("held", |o| o["by"] == "the other side");
    alice.say("resume");
    alice.hears("resumed");
    bob.hears("resumed");
    alice.say("dtmf 5");
    bob.until("key", |o| o["key"] == "5");
    alice.say("status");
    let status = alice.hears("status");
    assert_eq!(status["registered"], true);
    assert_eq!(status["calls"][0]["state"], "up");
    alice.say("hang up");
    let over = alice.hears("ended");
    assert!(
        over["cause"].as_str().unwrap().contains("hung up"),
        "{over}"
    );
    let over = bob.hears("ended");
    assert_eq!(over["recording"], heard.to_str().unwrap());
    alice.quit();
    bob.quit();
    pbx.process.quit();
}

#[test]
fn a_call_from_udp_to_tls() {
    call("udp", "tls");
}

#[test]
fn a_call_from_tcp_to_websocket() {
    call("tcp", "ws");
}

#[test]
fn a_call_from_tls_to_udp() {
    call("tls", "udp");
}

#[test]
fn a_call_from_websocket_in_tls_to_tcp() {
    call("wss", "tcp");
}

#[test]
fn a_relayed_call_from_dtls_and_ice_to_the_clear() {
    call_with(&["--relay"], "tcp", &["--secure=dtls", "--ice"], "udp");
}

#[test]
fn a_relayed_call_in_the_clear() {
    call_with(&["--relay"], "udp", &[], "tls");
}

#[test]
fn a_relayed_call_from_keys_in_the_sdp_to_dtls() {
    call_with(&["--relay"], "udp", &["--secure"], "tls");
}

#[test]
fn a_wrong_password_is_told_and_an_ha1_is_as_good_as_a_password() {
    let folder = Folder::new();
    let pbx = Pbx::start(&folder, &[]);
    let mut wrong = pbx.phone("alice", "udp", &["--password", "wrong"]);
    let failed = wrong.hears("registration_failed");
    let cause = failed["cause"].as_str().unwrap();
    assert!(
        cause.contains("alice") && cause.contains("mini_pbx"),
        "{failed}"
    );
    assert_eq!(
        failed["retry"],
        serde_json::Value::Null,
        "it helps nobody to try again"
    );
    wrong.quit();
    // MD5 of alice:mini_pbx:ecila
    let ha1 = "a6cdc3ccb5b7cb81d77d1657c6be2e35";
    pbx.registered("alice", "ws", &["--ha1", ha1, "--realm", "mini_pbx"])
        .quit();
    let mut elsewhere = pbx.phone("alice", "ws", &["--ha1", ha1, "--realm", "elsewhere"]);
    elsewhere.hears("registration_failed");
    elsewhere.quit();
    pbx.process.quit();
}

#[test]
fn busy_absent_unknown_and_unanswered() {
    let folder = Folder::new();
    let pbx = Pbx::start(&folder, &["--ring", "1s"]);
    let mut alice = pbx.registered("alice", "udp", &[]);
    let mut bob = pbx.registered("bob", "tcp", &[]);
    let ended = |alice: &mut Process, line: &str| {
        alice.say(line);
        alice.hears("ended")["status"].clone()
    };
    assert_eq!(ended(&mut alice, "call nobody"), 404);
    assert_eq!(ended(&mut alice, "call carol"), 480);
    assert_eq!(ended(&mut alice, "call bob"), 480, "nobody answers");
    bob.hears("incoming");
    bob.hears("ended");
    alice.say("call bob");
    bob.hears("incoming");
    alice.until("progress", |o| o["status"] == 180);
    bob.say("reject");
    assert_eq!(alice.hears("ended")["status"], 486);
    // Given up before the answer.
    bob.hears("ended");
    alice.say("call bob");
    bob.hears("incoming");
    alice.until("progress", |o| o["status"] == 180);
    alice.say("hang up");
    bob.hears("ended");
    alice.hears("ended");
    alice.quit();
    bob.quit();
    pbx.process.quit();
}

#[test]
fn a_group_rings_all_and_one_answers() {
    group(&[]);
}

/// A phone on WebSocket is offered what a browser is.
#[test]
fn a_relayed_group_rings_phones_of_all_kinds() {
    group(&["--relay"]);
}

fn group(more: &[&str]) {
    let folder = Folder::new();
    let group = ["--group", "team=alice,bob,carol"];
    let mut pbx = Pbx::start(&folder, &[&group, more].concat());
    let mut alice = pbx.registered("alice", "udp", &[]);
    let mut bob = pbx.registered("bob", "tls", &[]);
    let mut carol = pbx.registered("carol", "ws", &[]);
    alice.say("call team");
    assert_eq!(
        pbx.process.hears("calling")["phones"],
        2,
        "not whoever calls"
    );
    bob.hears("incoming");
    carol.hears("incoming");
    carol.say("answer");
    alice.hears("answered");
    bob.hears("ended");
    pbx.process.until("answered", |o| o["to"] == "carol");
    pbx.process.say("calls");
    let calls = pbx.process.hears("calls");
    assert_eq!(calls["calls"][0]["state"], "up");
    pbx.process.say("who");
    let who = pbx.process.hears("who");
    assert_eq!(who["phones"].as_array().unwrap().len(), 3, "{who}");
    carol.say("hang up");
    alice.hears("ended");
    for phone in [alice, bob, carol] {
        phone.quit();
    }
    pbx.process
        .until("unregistered", |o| o["registered"] == serde_json::json!([]));
    pbx.process.quit();
}

/// A phone of bob's that sends each call elsewhere, until it has sent all of them.
fn diverting(pbx: &Pbx, calls: &'static [&'static [&'static str]]) -> JoinHandle<()> {
    let registrar = format!("sip:{}", pbx.at("udp"));
    let (registered, ready) = std::sync::mpsc::channel();
    let phone = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(async {
            let mut driver = Driver::new(Config::default(), chance().boxed());
            let listen = Listen::new(Transport::Udp, "127.0.0.1:0".parse().unwrap());
            driver.listen(listen).await.unwrap();
            let aor = format!("<{}>", registrar.replace("sip:", "sip:bob@"));
            let account = Account::with_password("bob", "bob");
            let uri = registrar.parse().unwrap();
            let registration = Registration::new(uri, NameAddr::parse(aor).unwrap());
            let endpoint = driver.endpoint();
            endpoint
                .register(Instant::now(), registration.account(account))
                .unwrap();
            let mut sent = 0;
            while sent < calls.len() {
                match driver.next_event().await {
                    Event::Registration {
                        state: RegistrationState::Registered { .. },
                        ..
                    } => registered.send(()).unwrap(),
                    Event::Incoming { call, .. } => {
                        let to = calls[sent]
                            .iter()
                            .map(|to| NameAddr::new(&to.parse().unwrap()));
                        let to: Vec<NameAddr> = to.collect();
                        let handle = driver.endpoint().call(call).unwrap();
                        handle.redirect(Instant::now(), &to).unwrap();
                    }
                    Event::Ended { .. } => sent += 1,
                    _ => {}
                }
            }
            driver.flush();
        });
    });
    ready.recv().unwrap();
    phone
}

/// To a user of ours, whatever host stands there; not to anybody else, and not round and round.
#[test]
fn a_phone_that_sends_its_calls_elsewhere_is_followed_to_users_of_ours() {
    let folder = Folder::new();
    let mut pbx = Pbx::start(&folder, &[]);
    let mut alice = pbx.registered("alice", "udp", &[]);
    let mut carol = pbx.registered("carol", "tls", &[]);
    const OUTSIDE: &str = "sip:+15550100@carrier.example.org";
    const CALLS: &[&[&str]] = &[
        &[OUTSIDE, "sip:bob@home", "sip:carol@away.example.org"],
        &[OUTSIDE],
    ];
    let bob = diverting(&pbx, CALLS);
    alice.say("call bob");
    let diverted = pbx.process.hears("diverted");
    assert_eq!(
        (&diverted["by"], &diverted["to"], &diverted["phones"]),
        (&"bob".into(), &"carol".into(), &1.into())
    );
    let incoming = carol.hears("incoming");
    assert!(incoming["from"].as_str().unwrap().starts_with("sip:alice@"));
    carol.say("answer");
    alice.hears("answered");
    let answered = pbx.process.hears("answered");
    assert_eq!(answered["to"], "carol");
    alice.say("hang up");
    carol.hears("ended");
    alice.hears("ended");
    // To nobody of ours: a call that nobody answers.
    alice.say("call bob");
    let ended = alice.hears("ended");
    assert_eq!(ended["status"], 480, "{ended}");
    bob.join().unwrap();
    alice.quit();
    carol.quit();
    pbx.process.quit();
}

#[test]
fn a_blind_transfer_joins_the_other_two() {
    let _alone = alone();
    let folder = Folder::new();
    let mut pbx = Pbx::start(&folder, &[]);
    let (heard, tone) = (folder.path("heard.wav"), folder.tone(660.0));
    let mut alice = pbx.registered("alice", "udp", &[]);
    let mut bob = pbx.registered(
        "bob",
        "tls",
        &["--auto-answer", "--play", tone.to_str().unwrap()],
    );
    let record = ["--auto-answer", "--record", heard.to_str().unwrap()];
    let mut carol = pbx.registered("carol", "ws", &record);
    alice.say("call bob");
    alice.hears("answered");
    // To somebody who does not exist: told, and the call goes on.
    alice.say("transfer nobody");
    assert_eq!(alice.hears("transfer")["status"], 404);
    alice.say("transfer carol");
    bob.hears("referred");
    alice.until("transfer", |o| o["status"] == 200);
    alice.hears("ended");
    let by = carol.hears("incoming");
    assert!(by["from"].as_str().unwrap().starts_with("sip:bob@"), "{by}");
    bob.until("ended", |o| o["call"] == 1);
    pbx.process.until("transferred", |o| o["status"] == 200);
    wait_for_tone(&heard, 660);
    bob.say("hang up #2");
    carol.hears("ended");
    for phone in [alice, bob, carol] {
        phone.quit();
    }
    pbx.process.quit();
}

#[test]
fn an_attended_transfer_joins_the_other_two() {
    attended_transfer(&[]);
}

#[test]
fn an_attended_transfer_of_relayed_calls_joins_the_other_two() {
    attended_transfer(&["--relay"]);
}

fn attended_transfer(more: &[&str]) {
    let _alone = alone();
    let folder = Folder::new();
    let mut pbx = Pbx::start(&folder, more);
    let (heard, tone) = (folder.path("heard.wav"), folder.tone(660.0));
    let mut alice = pbx.registered("alice", "wss", &[]);
    let mut bob = pbx.registered(
        "bob",
        "udp",
        &["--auto-answer", "--play", tone.to_str().unwrap()],
    );
    let record = ["--auto-answer", "--record", heard.to_str().unwrap()];
    let mut carol = pbx.registered("carol", "tcp", &record);
    alice.say("call bob");
    alice.until("answered", |o| o["call"] == 1);
    alice.say("hold");
    alice.hears("held");
    alice.say("call carol");
    alice.until("answered", |o| o["call"] == 2);
    carol.hears("answered");
    alice.say("transfer #1 to #2");
    pbx.process.until("transfer", |o| o["kind"] == "attended");
    pbx.process.until("replacing", |o| {
        o["user"] == "bob" && o["replaced"] == "alice"
    });
    bob.until("answered", |o| o["call"] == 2);
    // The consultation ends because bob took alice's place in it, the first call because alice is told so.
    alice.until("ended", |o| o["call"] == 2);
    alice.until("ended", |o| o["call"] == 1);
    wait_for_tone(&heard, 660);
    bob.say("hang up #2");
    carol.hears("ended");
    for phone in [alice, bob, carol] {
        phone.quit();
    }
    pbx.process.quit();
}

/// Every transport under all three; who hears whom is the matter of the two above.
#[test]
fn transfers_over_every_transport() {
    let folder = Folder::new();
    let mut pbx = Pbx::start(&folder, &[]);
    for over in ["udp", "tcp", "tls", "ws", "wss"] {
        let mut alice = pbx.registered("alice", over, &[]);
        let mut bob = pbx.registered("bob", over, &["--auto-answer"]);
        let mut carol = pbx.registered("carol", over, &["--auto-answer"]);
        alice.say("call bob");
        alice.hears("answered");
        alice.say("transfer carol");
        alice.until("transfer", |o| o["status"] == 200);
        alice.hears("ended");
        pbx.process.until("transferred", |o| o["status"] == 200);
        bob.say("hang up #2");
        bob.until("ended", |o| o["call"] == 2);
        carol.hears("ended");
        alice.say("call bob");
        alice.until("answered", |o| o["call"] == 2);
        alice.say("hold");
        alice.hears("held");
        alice.say("call carol");
        alice.until("answered", |o| o["call"] == 3);
        carol.hears("answered");
        alice.say("transfer #2 to #3");
        pbx.process.until("replacing", |o| {
            o["user"] == "bob" && o["replaced"] == "alice"
        });
        bob.until("answered", |o| o["call"] == 4);
        alice.until("ended", |o| o["call"] == 3);
        alice.until("ended", |o| o["call"] == 2);
        bob.say("hang up #4");
        carol.hears("ended");
        for phone in [alice, bob, carol] {
            phone.quit();
        }
    }
    pbx.process.quit();
}

#[test]
fn a_message_reaches_the_other_phone() {
    let folder = Folder::new();
    let pbx = Pbx::start(&folder, &[]);
    let mut alice = pbx.registered("alice", "tcp", &[]);
    let mut bob = pbx.registered("bob", "ws", &[]);
    alice.say("message bob on my way, ünïcode too");
    let read = bob.hears("message");
    assert_eq!(read["text"], "on my way, ünïcode too");
    assert!(read["from"].as_str().unwrap().starts_with("sip:alice@"));
    assert_eq!(alice.hears("message_sent")["status"], 200);
    alice.say("message carol hello");
    assert_eq!(alice.hears("message_sent")["status"], 480);
    alice.quit();
    bob.quit();
    pbx.process.quit();
}

#[cfg(unix)]
#[test]
fn ctrl_c_and_sigterm_drain_and_end_calls() {
    for signal in ["-INT", "-TERM"] {
        let folder = Folder::new();
        let mut pbx = Pbx::start(&folder, &[]);
        let mut alice = pbx.registered("alice", "udp", &[]);
        let mut bob = pbx.registered("bob", "tcp", &["--auto-answer"]);
        alice.say("call bob");
        alice.hears("answered");
        pbx.process.signal(signal);
        assert_eq!(pbx.process.hears("draining")["calls"], 1);
        alice.say("call bob");
        assert_eq!(alice.until("ended", |o| o["call"] == 2)["status"], 503);
        alice.until("ended", |o| o["call"] == 1);
        bob.hears("ended");
        pbx.process.hears("closed");
        assert_eq!(pbx.process.code(), Some(0));
        // A phone whose registrar is gone leaves all the same.
        alice.signal(signal);
        alice.hears("closed");
        assert_eq!(alice.code(), Some(0));
    }
}

#[test]
fn two_phones_need_no_switchboard() {
    let _alone = alone();
    let folder = Folder::new();
    let heard = folder.path("heard.wav");
    let tone = folder.tone(440.0);
    let local = ["--bind", "127.0.0.1"];
    let answers = [
        "--bind",
        "127.0.0.1",
        "--auto-answer",
        "--echo",
        "--codec",
        "pcmu",
        "--secure",
    ];
    let mut echo = Process::start("softphone", "echo", &answers);
    let at = echo.hears("ready")["address"].as_str().unwrap().to_owned();
    let mut args = local.to_vec();
    let (tone, file) = (tone.to_str().unwrap(), heard.to_str().unwrap());
    args.extend([
        "--play",
        tone,
        "--record",
        file,
        "--secure",
        "--transport",
        "tcp",
    ]);
    let mut alice = Process::start("softphone", "alice", &args);
    alice.say(&format!("call sip:echo@{at}"));
    assert_eq!(alice.hears("answered")["codec"], "PCMU");
    wait_for_tone(&heard, 440);
    alice.say("status");
    let status = alice.hears("status");
    assert_eq!(status["calls"][0]["encrypted"], "AES_CM_128_HMAC_SHA1_80");
    alice.quit();
    echo.hears("ended");
    echo.quit();
}

/// Where the other side takes it, `allow` is the strongest.
#[test]
fn encryption_that_is_allowed_is_used() {
    let at_home = ["--bind", "127.0.0.1"];
    let mut bob = Process::start(
        "softphone",
        "bob",
        &[&at_home[..], &["--auto-answer"]].concat(),
    );
    let at = bob.hears("ready")["address"].as_str().unwrap().to_owned();
    let mut alice = Process::start(
        "softphone",
        "alice",
        &[&at_home[..], &["--secure=allow"]].concat(),
    );
    alice.say(&format!("call sip:bob@{at}"));
    alice.hears("answered");
    bob.hears("answered");
    // Keys come by a handshake, which begins with the answer.
    let status = (0..50).find_map(|_| {
        std::thread::sleep(Duration::from_millis(100));
        alice.say("status");
        let status = alice.hears("status");
        status["calls"][0]["encrypted"]
            .is_string()
            .then_some(status)
    });
    assert!(status.is_some(), "never encrypted");
    alice.quit();
    bob.quit();
}

#[test]
fn what_is_not_understood_is_told() {
    let mut phone = Process::start("softphone", "phone", &["--bind", "127.0.0.1"]);
    for (line, part) in [
        ("dance", "\"dance\" is no command"),
        ("call", "call whom?"),
        ("call bob", "without --registrar"),
        ("call bob now", "is too much"),
        ("hang up", "there is no call"),
        ("hold #7", "no call #7"),
        ("hold #x", "#x is no call"),
        ("answer", "nobody calls"),
        ("message bob", "write what?"),
        ("call sip:nobody@127.0.0.1:1;transport=sctp", "sctp"),
    ] {
        phone.say(line);
        let told = phone.hears("error");
        assert!(
            told["text"].as_str().unwrap().contains(part),
            "{line}: {told}"
        );
    }
    phone.quit();
}

#[test]
fn bad_arguments_are_one_line_and_code_2() {
    let cases: &[(&str, &[&str], &str)] = &[
        ("mini_pbx", &["--user", "bob"], "write name:password"),
        ("mini_pbx", &["--user", "b b:x"], "is no name"),
        (
            "mini_pbx",
            &["--user", "a:b", "--user", "a:c"],
            "given twice",
        ),
        ("mini_pbx", &["--user-ha1", "a:12"], "32 hexadecimal digits"),
        (
            "mini_pbx",
            &["--user", "a:b", "--group", "g=a,c"],
            "no user c",
        ),
        ("mini_pbx", &["--user", "a:b", "--group", "a=a"], "taken"),
        (
            "mini_pbx",
            &["--udp", "203.0.113.1:5060"],
            "203.0.113.1:5060",
        ),
        ("mini_pbx", &["--certificate", "none.pem"], "--key"),
        (
            "mini_pbx",
            &[
                "--tls",
                "127.0.0.1:0",
                "--certificate",
                "none.pem",
                "--key",
                "none.pem",
            ],
            "none.pem",
        ),
        ("mini_pbx", &["--ring", "0"], "must be longer than 0"),
        ("softphone", &["--register", "--user", "bob"], "--registrar"),
        ("softphone", &["--user", "bob", "--ha1", "00"], "--realm"),
        (
            "softphone",
            &["--user", "bob", "--ha1", "00", "--realm", "r"],
            "--ha1",
        ),
        (
            "softphone",
            &["--registrar", "sip:bob@127.0.0.1"],
            "the host alone",
        ),
        ("softphone", &["--registrar", "http://x"], "--registrar"),
        ("softphone", &["--play", "none.wav"], "none.wav"),
        (
            "softphone",
            &["--record", "no/such/folder.wav"],
            "no/such/folder.wav",
        ),
        (
            "softphone",
            &["--transport", "tls", "--ca", "none.pem"],
            "none.pem",
        ),
        (
            "softphone",
            &["--transport", "pigeon"],
            "[possible values: udp, tcp, tls, ws, wss]",
        ),
        ("softphone", &["--secure=allow", "--ice"], "--ice goes with"),
        ("softphone", &["--stun", "host.invalid"], "host.invalid"),
        ("softphone", &["--turn", "127.0.0.1"], "write turn:HOST"),
        ("softphone", &["--bind", "here"], "an IP address"),
        ("softphone", &["--bind", "203.0.113.1"], "203.0.113.1"),
    ];
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("run")).unwrap();
    for (example, args, part) in cases {
        let ran = Command::new(program(example))
            .args(*args)
            .current_dir(folder.path("run"))
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{example} {args:?}: {said}");
        assert_eq!(said.matches('\n').count(), 1, "{example} {args:?}: {said}");
        assert!(
            said.starts_with(example) && said.contains(part),
            "{example} {args:?}: {said}"
        );
    }
    let left = std::fs::read_dir(folder.path("run")).unwrap().count();
    assert_eq!(left, 0, "nothing is left behind");
}
