//! `conference --media-port`: callers with ICE share a port, and others have ports of their own.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // Programs, sockets and clocks; a test may fail.

#[path = "support/phones.rs"]
#[allow(dead_code)] // There is no switchboard here.
mod phones;
#[path = "support/program.rs"]
mod program;

use phones::{Folder, Process, holds_tone, wait_for_tone};
use std::net::UdpSocket;

/// A port below those that the system gives away, free for now with those that follow it.
fn free(many: u16) -> u16 {
    let first = 12_000 + (std::process::id() % 1000) as u16 * 8;
    let mut tries = (first..30_000).step_by(8);
    let is_free = |port: u16| {
        let each = (port..port + many).map(|port| UdpSocket::bind(("127.0.0.1", port)));
        each.collect::<Result<Vec<_>, _>>().is_ok()
    };
    tries.find(|&port| is_free(port)).unwrap()
}

#[test]
fn callers_with_ice_share_a_port_and_others_have_their_own() {
    let folder = Folder::new();
    // Two ports for sound beside the shared one: a pair, and so one caller.
    let first = free(3);
    let (own, shared) = (format!("{first}-{}", first + 1), (first + 2).to_string());
    let args = ["--listen", "127.0.0.1:0", "--anyone", "--rtp-ports", &own];
    let args = [&args[..], &["--media-port", &shared]].concat();
    let mut room = Process::start("conference", "room", &args);
    let open = room.until("note", |o| o["text"].as_str().unwrap().contains("sip:"));
    let text = open["text"].as_str().unwrap();
    let words = text.split(' ').find(|word| word.starts_with("sip:"));
    let uri = words.unwrap().to_owned();
    let taken = UdpSocket::bind(("127.0.0.1", first + 2));
    assert!(taken.is_err(), "the port is open from the beginning");

    let tone = folder.tone(440.0);
    let ice = ["--secure=dtls", "--ice"];
    let mut phones = Vec::new();
    for (name, more) in [("carol", &[][..]), ("bob", &ice), ("alice", &ice)] {
        let record = folder.path(&format!("{name}.wav"));
        let mut args = vec!["--bind", "127.0.0.1", "--user", name];
        args.extend(["--record", record.to_str().unwrap()]);
        args.extend(more);
        if name == "alice" {
            args.extend(["--play", tone.to_str().unwrap()]);
        }
        let mut phone = Process::start("softphone", name, &args);
        phone.hears("ready");
        phone.say(&format!("call {uri}"));
        phone.hears("answered");
        phones.push((record, phone));
    }
    for (record, _) in &phones[..2] {
        wait_for_tone(record, 440);
    }
    for (record, mut phone) in phones {
        phone.say("hang up");
        phone.hears("ended");
        phone.quit();
        let is_alice = record.ends_with("alice.wav");
        assert_eq!(holds_tone(&record, 440), !is_alice, "{}", record.display());
    }
    room.signal("-INT");
    assert_eq!(room.code(), Some(0));
}
