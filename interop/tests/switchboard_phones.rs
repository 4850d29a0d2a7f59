//! baresip and Linphone registered with `mini_pbx`: they call each other through it over UDP, TCP and TLS, hold, resume,
//! press keys and are transferred.

use interop::{
    Baresip, BaresipOptions, Codec, Linphone, LinphoneAccount, LinphoneOptions, Switchboard,
    Transport, installed, wait_until,
};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(15);

/// What Linphone says, in Hz; baresip says 1020.
const LINPHONE: f64 = 440.0;
const BARESIP: f64 = 1020.0;

/// Tones are judged in real time: one call with sound after the other.
fn alone() -> MutexGuard<'static, ()> {
    static SOUND: Mutex<()> = Mutex::new(());
    SOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

fn baresip(pbx: &Switchboard, user: &str, over: &'static str) -> Baresip {
    let mut options = BaresipOptions::new(Codec::Pcmu);
    options.user = user.to_owned();
    options.credentials = Some((user.to_owned(), format!("secret-{user}")));
    options.registrar = Some((pbx.port(over), Transport::Udp));
    options.over = Some(over);
    Baresip::start(&options)
}

fn linphone(pbx: &Switchboard, user: &str, transport: &str, info: bool) -> Linphone {
    let domain = format!("127.0.0.1:{}", pbx.port(transport));
    let account = LinphoneAccount::new(user, &format!("secret-{user}"), &domain);
    let mut options = LinphoneOptions::new(Codec::Pcmu);
    options.account = Some(account.over(transport, &pbx.certificate()));
    options.hz = LINPHONE;
    options.keys_by_info = info;
    Linphone::start(&options)
}

fn uri(pbx: &Switchboard, user: &str, transport: &str) -> String {
    format!(
        "sip:{user}@127.0.0.1:{};transport={transport}",
        pbx.port(transport)
    )
}

/// baresip is alice, Linphone is bob: each calls the other.
fn both_ways(name: &'static str) {
    if !installed(&["baresip", "linphonec"]) {
        return;
    }
    let _alone = alone();
    let mut pbx = Switchboard::start();
    let mut alice = baresip(&pbx, "alice", name);
    let mut bob = linphone(&pbx, "bob", name, false);
    for user in ["alice", "bob"] {
        let bound = pbx.app.until("registered", |_| true);
        assert_eq!(bound["transport"], name.to_uppercase(), "{user}: {bound}");
    }
    // baresip calls, holds, resumes, hangs up.
    alice.control.command("dial", &uri(&pbx, "bob", name));
    alice.control.wait_for("CALL_ESTABLISHED", SOON);
    pbx.app
        .until("answered", |o| o["from"] == "alice" && o["to"] == "bob");
    wait_until("sound for a second and a half", SOON, || {
        let packets = alice.packets();
        (packets.received > 75 && packets.sent > 75).then_some(())
    });
    alice.control.command("hold", "");
    bob.shows("LinphoneCallPausedByRemote");
    alice.control.command("resume", "");
    std::thread::sleep(Duration::from_millis(300));
    let packets = alice.packets_within(Duration::from_millis(600));
    assert!(
        packets.received > 15 && packets.sent > 15,
        "after hold: {packets:?}"
    );
    alice.control.command("hangup", "");
    pbx.app.until("ended", |o| o["from"] == "alice");
    assert!(
        alice.heard().seconds_of(LINPHONE) > 1.0,
        "{name}: baresip heard nothing"
    );
    // Linphone calls, presses a key, holds, resumes, hangs up.
    bob.command(&format!("call {}", uri(&pbx, "alice", name)));
    pbx.app
        .until("answered", |o| o["from"] == "bob" && o["to"] == "alice");
    alice.control.wait_for("CALL_ESTABLISHED", SOON);
    std::thread::sleep(Duration::from_millis(400));
    bob.command("5");
    let key = alice.control.wait_for("CALL_DTMF_START", SOON);
    assert_eq!(key.param, "5");
    bob.command("pause");
    bob.shows("LinphoneCallPausing to LinphoneCallPaused");
    bob.command("resume");
    std::thread::sleep(Duration::from_millis(700));
    let packets = alice.packets_within(Duration::from_millis(600));
    assert!(
        packets.received > 15 && packets.sent > 15,
        "after pause: {packets:?}"
    );
    bob.command("terminate");
    pbx.app.until("ended", |o| o["from"] == "bob");
    bob.quit();
    let heard = bob.heard();
    assert!(
        heard.seconds_of(BARESIP) > 0.5,
        "{name}: Linphone heard nothing"
    );
    pbx.app.quit();
}

#[test]
fn over_udp() {
    both_ways("udp");
}

#[test]
fn over_tcp() {
    both_ways("tcp");
}

/// Linphone checks the certificate that the switchboard made.
#[test]
fn over_tls() {
    both_ways("tls");
}

/// Linphone calls our phone and is called.
#[test]
fn over_tls_with_our_phone() {
    if !installed(&["linphonec"]) {
        return;
    }
    let _alone = alone();
    let mut pbx = Switchboard::start();
    let mut carol = pbx.phone("carol", "tls", &["--auto-answer", "--codec", "pcmu"]);
    let mut bob = linphone(&pbx, "bob", "tls", false);
    let bound = pbx.app.until("registered", |o| o["user"] == "bob");
    assert_eq!(bound["transport"], "TLS");
    carol.say("call bob");
    carol.hears("answered");
    carol.say("hold");
    carol.hears("held");
    bob.shows("LinphoneCallPausedByRemote");
    carol.say("resume");
    carol.hears("resumed");
    carol.say("hang up");
    carol.hears("ended");
    bob.shows("LinphoneCallReleased");
    bob.command("call carol");
    carol.hears("answered");
    std::thread::sleep(Duration::from_millis(400));
    bob.command("5");
    carol.until("key", |o| o["key"] == "5");
    bob.command("terminate");
    carol.hears("ended");
    bob.quit();
    carol.quit();
    pbx.app.quit();
}

/// A blind transfer from each, and an attended one that sends Linphone to baresip, over these transports: baresip's,
/// Linphone's, carol's.
fn transfers([alice_over, bob_over, carol_over]: [&'static str; 3]) {
    if !installed(&["baresip", "linphonec"]) {
        return;
    }
    let _alone = alone();
    let mut pbx = Switchboard::start();
    let mut alice = baresip(&pbx, "alice", alice_over);
    let mut bob = linphone(&pbx, "bob", bob_over, false);
    let mut carol = pbx.phone("carol", carol_over, &["--auto-answer"]);
    for _ in 0..3 {
        pbx.app.hears("registered");
    }
    // baresip sends Linphone to carol.
    let to_bob = uri(&pbx, "bob", alice_over);
    alice.control.command("dial", &to_bob);
    alice.control.wait_for("CALL_ESTABLISHED", SOON);
    let to_carol = uri(&pbx, "carol", alice_over);
    alice.control.command("transfer", &to_carol);
    pbx.app
        .until("answered", |o| o["from"] == "bob" && o["to"] == "carol");
    carol.hears("answered");
    alice.control.command("hangup", "");
    carol.say("hang up");
    pbx.app.until("ended", |o| o["to"] == "carol");
    // Linphone sends baresip to carol, once it has seen both calls end.
    std::thread::sleep(Duration::from_secs(1));
    bob.command(&format!("call {}", uri(&pbx, "alice", bob_over)));
    pbx.app.until("answered", |o| o["from"] == "bob");
    std::thread::sleep(Duration::from_millis(500));
    bob.command(&format!("transfer {}", uri(&pbx, "carol", bob_over)));
    pbx.app
        .until("answered", |o| o["from"] == "alice" && o["to"] == "carol");
    carol.hears("answered");
    carol.say("hang up");
    pbx.app.until("ended", |o| o["to"] == "carol");
    std::thread::sleep(Duration::from_millis(500));
    // carol calls both, and joins them: Linphone takes her place at baresip.
    carol.say("call alice");
    carol.hears("answered");
    carol.say("hold");
    carol.hears("held");
    carol.say("call bob");
    let consulted = carol.hears("answered")["call"].clone();
    carol.say(&format!(
        "transfer #{consulted} to #{}",
        consulted.as_u64().unwrap_or_default() - 1
    ));
    pbx.app.until("replacing", |o| {
        o["user"] == "bob" && o["replaced"] == "carol"
    });
    let packets = alice.packets_within(Duration::from_millis(800));
    assert!(packets.received > 20 && packets.sent > 20, "{packets:?}");
    bob.command("terminate");
    pbx.app.until("ended", |o| o["from"] == "carol");
    bob.quit();
    carol.quit();
    pbx.app.quit();
}

#[test]
fn transfers_over_udp() {
    transfers(["udp"; 3]);
}

#[test]
fn transfers_over_tcp() {
    transfers(["tcp"; 3]);
}

#[test]
fn transfers_over_tls() {
    transfers(["tls"; 3]);
}

/// Each over another, so that every address in a transfer has to be put into the next phone's words.
#[test]
fn transfers_across_transports() {
    transfers(["udp", "tcp", "tls"]);
}

/// Keys as RTP events and as INFO, each as its sender makes it.
#[test]
fn keys_cross_in_rtp_and_by_info() {
    if !installed(&["baresip", "linphonec"]) {
        return;
    }
    let mut pbx = Switchboard::start();
    let mut carol = pbx.phone("carol", "ws", &["--auto-answer", "--codec", "pcmu"]);
    let mut alice = baresip(&pbx, "alice", "udp");
    pbx.app.until("registered", |o| o["user"] == "alice");
    for info in [false, true] {
        let mut bob = linphone(&pbx, "bob", "tcp", info);
        pbx.app.until("registered", |o| o["user"] == "bob");
        bob.command("call carol");
        carol.hears("answered");
        std::thread::sleep(Duration::from_millis(400));
        for key in ["4", "2"] {
            bob.command(key);
            carol.until("key", |o| o["key"] == key);
        }
        assert_eq!(bob.logged("\nINFO sip:"), info);
        bob.command("terminate");
        carol.hears("ended");
        // baresip, which takes both too.
        bob.command("call alice");
        alice.control.wait_for("CALL_ESTABLISHED", SOON);
        std::thread::sleep(Duration::from_millis(400));
        let key = if info { "7" } else { "9" };
        bob.command(key);
        let pressed = alice.control.wait_for("CALL_DTMF_START", SOON);
        assert_eq!(pressed.param, key);
        bob.command("terminate");
        alice.control.wait_for("CALL_CLOSED", SOON);
        bob.quit();
    }
    carol.quit();
    pbx.app.quit();
}
