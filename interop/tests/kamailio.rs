//! `softphone` behind Kamailio, a registrar and record-routing proxy: both ends of every call are ours, what is between
//! them is not.

use interop::{App, Heard, Kamailio, installed, tone};
use std::path::Path;
use std::time::Duration;

/// What a phone says, in Hz.
const SAYS: f64 = 660.0;

fn phone(proxy: &Kamailio, user: &str, password: &str, transport: &str, more: &[&str]) -> App {
    let server = format!("127.0.0.1:{}", proxy.port(transport));
    let ca = proxy.certificate();
    let mut arguments = vec!["--register", "--user", user, "--password", password];
    arguments.extend(["--registrar", Kamailio::REALM, "--outbound-proxy", &server]);
    arguments.extend(["--transport", transport, "--bind", "127.0.0.1"]);
    arguments.extend(["--ca", ca.to_str().expect("a path of letters")]);
    arguments.extend(more);
    App::start("softphone", user, proxy.folder(), &arguments)
}

/// Registers on two transports, calls through the proxy, holds, resumes, presses a key, is hung up.
fn call(proxy: &Kamailio, from: &str, to: &str) {
    let name = format!("{from}-{to}.wav");
    let mut alice = phone(
        proxy,
        "alice",
        "secret-alice",
        from,
        &["--play", "says.wav"],
    );
    let record = ["--auto-answer", "--record", &name];
    let mut bob = phone(proxy, "bob", "secret-bob", to, &record);
    alice.hears("registered");
    bob.hears("registered");
    alice.say("call bob");
    let incoming = bob.hears("incoming");
    assert_eq!(incoming["from"], "sip:alice@proxy.test", "{from} to {to}");
    alice.hears("answered");
    bob.hears("answered");
    std::thread::sleep(Duration::from_millis(1300));
    alice.say("hold");
    bob.until("held", |o| o["by"] == "the other side");
    alice.until("held", |o| o["by"] == "us");
    alice.say("resume");
    bob.hears("resumed");
    alice.hears("resumed");
    alice.say("dtmf 7");
    bob.until("key", |o| o["key"] == "7");
    // The callee ends it: its BYE follows the route too.
    bob.say("hang up");
    alice.hears("ended");
    bob.hears("ended");
    let heard = Heard::wav(&proxy.folder().join(&name));
    assert!(
        heard.seconds_of(SAYS) > 0.8,
        "{from} to {to}: {:.1} s",
        heard.seconds_of(SAYS)
    );
    alice.quit();
    bob.quit();
}

#[test]
fn registers_and_calls_through_it_over_every_transport() {
    if !installed(&["kamailio", "openssl"]) {
        return;
    }
    let proxy = Kamailio::start();
    let says: &Path = &proxy.folder().join("says.wav");
    tone(SAYS, 16_000, 1, 2).write(says).expect("a tone");
    for (from, to) in [
        ("udp", "tcp"),
        ("tls", "ws"),
        ("wss", "udp"),
        ("tcp", "tls"),
        ("ws", "wss"),
    ] {
        call(&proxy, from, to);
        let log = proxy.log();
        // The dialog's own requests came through it, with the route that it recorded.
        for method in ["INVITE", "ACK", "BYE"] {
            let routed = log
                .lines()
                .any(|line| line.contains(&format!("request {method} ")) && line.contains("ftag="));
            assert!(
                routed,
                "{from} to {to}: no {method} along the route in\n{log}"
            );
        }
    }
}

#[test]
fn a_wrong_password_is_told_over_every_transport() {
    if !installed(&["kamailio", "openssl"]) {
        return;
    }
    let proxy = Kamailio::start();
    for transport in ["udp", "tcp", "tls", "ws", "wss"] {
        let mut alice = phone(&proxy, "alice", "wrong", transport, &[]);
        let failed = alice.hears("registration_failed");
        let cause = failed["cause"].as_str().expect("a line");
        assert!(
            cause.contains("alice") && cause.contains(Kamailio::REALM),
            "{transport}: {failed}"
        );
        assert!(failed["retry"].is_null(), "{transport}: {failed}");
        alice.quit();
    }
}
