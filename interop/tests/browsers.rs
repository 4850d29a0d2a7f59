//! JsSIP and SIP.js in headless Chromium at `mini_pbx`, over WS and WSS, with passwords and with HA1s: they register,
//! refresh, call and are called, hear each other, hold and resume, unregister, and are told of a wrong password. And calls
//! between them and baresip, and what the README says of browsers.

use interop::{
    App, Baresip, BaresipOptions, Browser, Codec, Heard, LossyWay, Pages, Ports, Process, Proto,
    Scratch, Security, Switchboard, Transport, bound, installed, network, wait_until,
};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(15);

/// MD5 of `alice:mini_pbx:secret-alice`, and of the same for bob.
const HA1: [&str; 2] = [
    "4e7a06ad690d8c63a37f2708369457c6",
    "8e4f0d2b36b34b1aee7a67bc8e1a6efd",
];

/// Tones are judged in real time: one browser after the other.
fn alone() -> MutexGuard<'static, ()> {
    static SOUND: Mutex<()> = Mutex::new(());
    SOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn register_refresh_call_are_called_unregister() {
    let Some(browser) = Browser::find(Path::new(env!("CARGO_TARGET_TMPDIR"))) else {
        return;
    };
    let _alone = alone();
    let mut pbx = Switchboard::start();
    let job = json!({
        "ws": format!("ws://127.0.0.1:{}", pbx.port("ws")),
        "wss": format!("wss://127.0.0.1:{}", pbx.port("wss")),
        "host": format!("127.0.0.1:{}", pbx.port("udp")),
        "realm": "mini_pbx",
        "ha1": {"alice": HA1[0], "bob": HA1[1]},
    });
    let ran = browser
        .command("run.mjs", &[&job.to_string()], 120)
        .output()
        .expect("node");
    let said = String::from_utf8_lossy(&ran.stdout);
    println!("{said}");
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}\n{errors}");
    assert_eq!(said.matches("holds: ").count(), 12, "{said}");
    // And what the switchboard saw of it.
    for transport in ["WS", "WSS"] {
        pbx.app.until("refreshed", |o| o["transport"] == transport);
    }
    for (from, to) in [("alice", "bob"), ("bob", "alice")] {
        pbx.app
            .until("answered", |o| o["from"] == from && o["to"] == to);
    }
    pbx.app
        .until("unregistered", |o| o["registered"] == json!([]));
    pbx.app.quit();
}

/// What a page's user says, in Hz; baresip says 1020.
const PAGE: f64 = 440.0;
const BARESIP: f64 = 1020.0;

#[test]
fn a_page_and_baresip_call_each_other() {
    if !installed(&["baresip"]) {
        return;
    }
    if network().is_none() {
        return;
    }
    let Some(browser) = Browser::find(Path::new(env!("CARGO_TARGET_TMPDIR"))) else {
        return;
    };
    let _alone = alone();
    let mut pbx = Switchboard::start();
    let host = format!("127.0.0.1:{}", pbx.port("udp"));
    let mut carol = carol(&mut pbx, Codec::Opus, Security::Dtls, true);

    // Names of mDNS in place of addresses are beyond baresip. (A page that may use the microphone shows addresses anyway.)
    let mut pages = Pages::open(&browser, &["--disable-features=WebRtcHideLocalIpsWithMdns"]);
    for (lib, user) in [("jssip", "alice"), ("sipjs", "bob")] {
        registered(&mut pages, &pbx, lib, user, json!({}));

        // The page calls, presses keys in RTP and by INFO, is heard, hangs up.
        pages.act(user, "call", &[&format!("sip:carol@{host}")]);
        pages.hears(user, &[BARESIP], &[]);
        // Of an event at 8000 Hz beside Opus, Chromium sends the end alone, which baresip takes once a call.
        let key = if lib == "jssip" { "1" } else { "2" };
        pages.act(user, "press", &[key, "RTP"]);
        wait_until("the key in RTP", SOON, || {
            let event = format!("received event: '{key}'");
            carol.log().contains(&event).then_some(())
        });
        pages.act(user, "press", &["3", "INFO"]);
        let event = carol.control.wait_for("CALL_DTMF_START", SOON);
        assert_eq!(event.param, "3");
        unharmed(&pages.act(user, "stats", &["50"]), "audio/opus");
        pages.act(user, "hangUp", &[]);
        carol.control.wait_for("CALL_CLOSED", SOON);
        heard(&carol);

        // baresip calls and hangs up.
        let answered = pages.begin(user, "answered", &[]);
        carol.control.command("dial", &format!("sip:{user}@{host}"));
        pages.done(answered);
        pages.hears(user, &[BARESIP], &[]);
        wait_until("sound for a second", SOON, || {
            (carol.packets().received >= 50).then_some(())
        });
        unharmed(&pages.act(user, "stats", &["50"]), "audio/opus");
        let over = pages.begin(user, "over", &[]);
        carol.control.command("hangup", "");
        pages.done(over);
        carol.control.wait_for("CALL_CLOSED", SOON);
        heard(&carol);
    }
    drop((pages, carol));
    pbx.app.quit();
}

/// A page with a user that has registered over WSS, with further options.
fn registered(pages: &mut Pages, pbx: &Switchboard, lib: &str, user: &str, mut options: Value) {
    options["ws"] = json!(format!("wss://127.0.0.1:{}", pbx.port("wss")));
    options["uri"] = json!(format!("sip:{user}@127.0.0.1:{}", pbx.port("udp")));
    options["user"] = json!(user);
    options["password"] = json!(format!("secret-{user}"));
    options["hz"] = json!(PAGE);
    pages.user(user, lib, &options);
    pages.act(user, "register", &[]);
}

/// baresip as carol, registered over UDP.
fn carol(pbx: &mut Switchboard, codec: Codec, security: Security, ice: bool) -> Baresip {
    let mut options = BaresipOptions::new(codec);
    options.user = "carol".to_owned();
    options.credentials = Some(("carol".to_owned(), "secret-carol".to_owned()));
    options.registrar = Some((pbx.port("udp"), Transport::Udp));
    (options.security, options.ice) = (security, ice);
    let carol = Baresip::start(&options);
    pbx.app.until("registered", |o| o["user"] == "carol");
    carol
}

#[test]
fn with_the_relay_a_page_and_a_plain_phone_talk_and_pages_see_each_other() {
    if !installed(&["baresip"]) {
        return;
    }
    let Some(browser) = Browser::find(Path::new(env!("CARGO_TARGET_TMPDIR"))) else {
        return;
    };
    let _alone = alone();
    let mut pbx = Switchboard::with(&["--relay"]);
    let host = format!("127.0.0.1:{}", pbx.port("udp"));
    let flags = [
        "--allow-loopback-in-peer-connection",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
    ];
    let mut pages = Pages::open(&browser, &flags);
    let way = LossyWay::open();
    let camera = json!({"video": true});
    registered(
        &mut pages,
        &pbx,
        "jssip",
        "alice",
        json!({"video": true, "via": way.port()}),
    );
    registered(&mut pages, &pbx, "sipjs", "bob", camera);

    for security in [Security::Clear, Security::Sdes] {
        let mut carol = carol(&mut pbx, Codec::Pcmu, security, false);
        a_page_and_a_phone(&mut pages, &mut carol, &host);
    }

    // A page calls a page: sound, and pictures in each codec, of which the far side's reports come back.
    for codec in ["VP8", "VP9", "H264"] {
        let answered = pages.begin("bob", "answered", &[]);
        pages.act("alice", "call", &[&format!("sip:bob@{host}"), codec]);
        pages.done(answered);
        let far = pages.act("alice", "farSide", &[]).as_u64();
        way.leads_to(far.and_then(|port| port.try_into().ok()).expect("a port"));
        for page in ["alice", "bob"] {
            pages.hears(page, &[PAGE], &[]);
            let stats = pages.act(page, "stats", &["50", "30"]);
            unharmed(&stats, "audio/opus");
            assert!(stats["frames"].as_u64() >= Some(30), "{stats}");
            assert_eq!(stats["videoCodec"], format!("video/{codec}"), "{stats}");
            if codec == "VP8" {
                let lost = [&stats["videoLost"], &stats["reported"]];
                assert_eq!(lost, [&json!(0), &json!(0)], "{page}: {stats}");
            }
        }
        if codec == "VP8" {
            lost_pictures_are_asked_for(&mut pages, &way);
        }
        let over = pages.begin("alice", "over", &[]);
        pages.act("bob", "hangUp", &[]);
        pages.done(over);
    }
    drop(pages);
    pbx.app.quit();
}

/// alice calls the phone, and the phone calls bob.
fn a_page_and_a_phone(pages: &mut Pages, carol: &mut Baresip, host: &str) {
    // A page calls the phone with sound and pictures; the phone takes the sound.
    pages.act("alice", "call", &[&format!("sip:carol@{host}")]);
    pages.hears("alice", &[BARESIP], &[]);
    unharmed(&pages.act("alice", "stats", &["50"]), "audio/PCMU");
    pages.act("alice", "press", &["12", "RTP"]);
    for key in ["1", "2"] {
        let event = carol.control.wait_for("CALL_DTMF_START", SOON);
        assert_eq!(event.param, key);
    }
    wait_until("sound for a second", SOON, || {
        (carol.packets().received >= 50).then_some(())
    });
    pages.act("alice", "hold", &[]);
    pages.hears("alice", &[], &[BARESIP]);
    pages.act("alice", "unhold", &[]);
    pages.hears("alice", &[BARESIP], &[]);
    let packets = carol.packets_within(Duration::from_secs(1));
    assert!(packets.received > 30 && packets.sent > 30, "{packets:?}");
    pages.act("alice", "hangUp", &[]);
    carol.control.wait_for("CALL_CLOSED", SOON);
    heard(carol);

    // The phone calls a page.
    let answered = pages.begin("bob", "answered", &[]);
    carol.control.command("dial", &format!("sip:bob@{host}"));
    pages.done(answered);
    pages.hears("bob", &[BARESIP], &[]);
    unharmed(&pages.act("bob", "stats", &["50"]), "audio/PCMU");
    let over = pages.begin("bob", "over", &[]);
    carol.control.command("hangup", "");
    pages.done(over);
    carol.control.wait_for("CALL_CLOSED", SOON);
    heard(carol);
}

/// alice's pictures get lost on their way to bob, who asks her for packets again (NACK), and for a whole picture (PLI)
/// when he is left with nothing to decode; then he sees her again.
fn lost_pictures_are_asked_for(pages: &mut Pages, way: &LossyWay) {
    let mut count = |page: &str, what: &str| pages.act(page, "stats", &[])[what].as_u64();
    let seen = |count: &mut dyn FnMut(&str, &str) -> Option<u64>| {
        let before = count("bob", "frames").expect("frames");
        wait_until("further pictures", SOON, || {
            (count("bob", "frames") > Some(before + 20)).then_some(())
        });
    };
    way.lose_every(7);
    wait_until("a NACK", SOON, || {
        (count("alice", "nacks") > Some(0)).then_some(())
    });
    seen(&mut count);
    let before = count("alice", "plis");
    way.lose_every(1);
    wait_until("a PLI", SOON, || {
        (count("alice", "plis") > before).then_some(())
    });
    let lost = way.lose_every(0);
    seen(&mut count);
    println!(
        "{lost} packets lost: {:?} packets asked for again, {:?} whole pictures",
        count("alice", "nacks"),
        count("alice", "plis")
    );
}

/// What a page counted: packets came, none was lost, and nobody could listen.
fn unharmed(stats: &Value, codec: &str) {
    assert_eq!(
        [&stats["lost"], &stats["dtls"], &stats["codec"]],
        [&json!(0), &json!("connected"), &json!(codec)],
        "{stats}"
    );
    assert!(stats["received"].as_u64() > Some(50), "{stats}");
}

/// The last call's recording holds the page's tone.
fn heard(phone: &Baresip) {
    let recordings = phone.recordings();
    let last = Heard::wav(recordings.last().expect("a recording"));
    let seconds = last.seconds_of(PAGE);
    assert!(seconds > 0.5, "{seconds} s of {PAGE} Hz in {recordings:?}");
}

/// The page's server; npm ends its child only when it is asked to end.
struct Served(Process);

impl Drop for Served {
    fn drop(&mut self) {
        if self.0.ended().is_none() {
            self.0.interrupt();
            self.0.wait(SOON);
        }
    }
}

#[test]
fn a_browser_is_pointed_at_the_switchboard_as_the_readme_says() {
    let Some(browser) = Browser::find(Path::new(env!("CARGO_TARGET_TMPDIR"))) else {
        return;
    };
    let _alone = alone();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("the README");
    let (_, section) = readme
        .split_once("### A browser as a phone\n")
        .expect("the section");
    // Its five lines, each as what stands in it between backquotes. Where somebody else has a port, another takes its place.
    let ports = Ports::take();
    let free = |stated: u16, other: u16| match bound(Proto::Tcp, stated) {
        true => ports.port(other),
        false => stated,
    };
    let door = free(5081, 0);
    let section = section.replace("127.0.0.1:5081", &format!("127.0.0.1:{door}"));
    let lines: Vec<Vec<&str>> = (1..=5)
        .map(|number| {
            let start = format!("{number}. ");
            let line = section.lines().find(|line| line.starts_with(&start));
            let line = line.unwrap_or_else(|| panic!("line {number}"));
            line.split('`').skip(1).step_by(2).collect()
        })
        .collect();

    // 1. The command.
    let arguments = lines[0][0].strip_prefix("cargo run --release --example mini_pbx -- ");
    let mut arguments: Vec<&str> = arguments.expect("the command").split(' ').collect();
    let at = format!("127.0.0.1:{}", ports.port(2));
    if bound(Proto::Udp, 5060) || bound(Proto::Tcp, 5060) {
        arguments.extend(["--udp", &at, "--tcp", &at]);
    }
    let scratch = Scratch::new("readme");
    let mut pbx = App::start("mini_pbx", "mini_pbx", scratch.path(), &arguments);
    pbx.hears("ready");
    // 3. The page. What npm installs is there already.
    let commands = "npm --prefix interop/browser install && npm --prefix interop/browser start";
    assert_eq!(lines[2], [commands]);
    let mut npm = Command::new("timeout");
    npm.args(["90", "npm", "--prefix"])
        .arg(browser.place())
        .arg("start");
    if bound(Proto::Tcp, 8080) {
        npm.args(["--", &ports.port(4).to_string()]);
    }
    let served = Served(Process::start(npm, &scratch.path().join("npm.log")));
    let phone = wait_until("the page's address", SOON, || {
        let log = served.0.log();
        let (_, address) = log.split_once("a phone: ")?;
        Some(address.split_once('\n')?.0.to_owned())
    });
    // 2, 4 and 5. The certificate, the accounts, the call.
    let [server, alice, password, bob] = lines[3][..] else {
        panic!("{:?}", lines[3]);
    };
    assert_eq!(lines[4], [bob]);
    let job = json!({
        "accept": lines[1][0], "phone": phone, "server": server, "users": [alice, bob], "password": password,
    });
    let ran = browser
        .command("readme.mjs", &[&job.to_string()], 90)
        .output();
    let ran = ran.expect("node");
    let said = String::from_utf8_lossy(&ran.stdout);
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}\n{errors}");
    pbx.until("answered", |o| o["from"] == alice && o["to"] == bob);
    pbx.quit();
}
