//! The built `sip_trace` over the messages that `sip-core` tests, and over captures.
#![allow(clippy::unwrap_used)]

#[path = "support/program.rs"]
mod program;
#[allow(dead_code)]
#[path = "../../sip-core/tests/torture/table.rs"]
mod table;

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use program::program;
use serde_json::Value;
use signaling::capture::{Captured, Carrier, Pcapng};
use table::{Over, Verdict};

fn run(arguments: &[&str]) -> Output {
    Command::new(program("sip_trace"))
        .args(arguments)
        .output()
        .unwrap()
}

fn torture(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../sip-core/tests/torture");
    folder
        .join(format!("{name}.dat"))
        .to_str()
        .unwrap()
        .to_owned()
}

/// A file of this test's own, gone when it is dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let file = std::env::temp_dir().join(format!("sip_trace-{}-{name}", std::process::id()));
        std::fs::write(&file, bytes).unwrap();
        Temporary(file)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The keys of `lint --json`.
const KEYS: [&str; 9] = [
    "answer", "call_id", "file", "findings", "kind", "method", "parsed", "status", "valid",
];

/// Every row of the table that is a datagram and judged under default capabilities.
#[test]
fn lint_agrees_with_the_table() {
    let rows: Vec<_> = table::table()
        .into_iter()
        .filter(|row| row.over == Over::Datagram && (row.caps)() == table::all())
        .collect();
    assert!(rows.len() > 75, "{} rows", rows.len());
    for (i, row) in rows.iter().enumerate() {
        let name = row.name;
        let file = Temporary::new(&format!("row-{i}"), &row.bytes);
        let output = run(&["lint", "--json", file.path()]);
        let lines = String::from_utf8(output.stdout).unwrap();
        assert_eq!(lines.lines().count(), 1, "{name}: one object a file");
        let object: Value = serde_json::from_str(&lines).unwrap();
        let keys: Vec<_> = object.as_object().unwrap().keys().collect();
        assert_eq!(keys, KEYS, "{name}");
        let expected = match row.verdict {
            Verdict::Accept => Value::Null,
            Verdict::Drop => Value::from("drop"),
            Verdict::Answer(status) => Value::from(status),
            other => panic!("{name}: {other:?} is no verdict of a datagram"),
        };
        let valid = expected.is_null();
        assert_eq!(object["file"], file.path());
        assert_eq!(object["answer"], expected, "{name}: {object}");
        assert_eq!(object["valid"], Value::from(valid), "{name}");
        assert_eq!(output.status.code(), Some(i32::from(!valid)), "{name}");
        match &object["kind"] {
            Value::Null => assert_eq!(object["parsed"], false),
            kind if kind == "request" => assert!(object["method"].is_string()),
            kind => {
                assert_eq!(kind, "response");
                assert!(object["status"].is_u64());
            }
        }
        let findings = object["findings"].as_array().unwrap();
        let answers = findings.iter().any(|f| f["answer"] == expected);
        assert!(answers || valid, "{name}: {object}");
        for finding in findings {
            let keys: Vec<_> = finding.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["answer", "at", "rule", "what"], "{name}");
            let at = finding["at"].as_u64().unwrap();
            assert!(at <= row.bytes.len() as u64, "{name}: {finding}");
            assert!(
                finding["rule"].as_str().unwrap().starts_with("RFC "),
                "{name}: {finding}"
            );
        }
    }
}

#[test]
fn lint_says_what_a_file_is() {
    let output = run(&["lint", "--json", &torture("ncl")]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["kind"], "request");
    assert_eq!(object["parsed"], true);
    assert_eq!(object["method"], "INVITE");
    assert_eq!(object["status"], Value::Null);
    assert_eq!(object["call_id"], "ncl.0ha0isndaksdj2193423r542w35");
    let finding = &object["findings"][0];
    let bytes = std::fs::read(torture("ncl")).unwrap();
    let at = finding["at"].as_u64().unwrap() as usize;
    assert!(bytes[at..].starts_with(b"-999"), "{finding}");
    assert_eq!(finding["rule"], "RFC 3261 section 20.14");
    let people = run(&["lint", &torture("ncl")]);
    let text = String::from_utf8(people.stdout).unwrap();
    assert!(text.contains("INVITE: answer 400"), "{text}");
    assert!(text.contains("Content-Length is not a number"), "{text}");
}

#[test]
fn exit_codes_say_what_was_wrong() {
    assert_eq!(
        run(&["lint", &torture("wsinv"), &torture("esc01")])
            .status
            .code(),
        Some(0)
    );
    assert_eq!(
        run(&["lint", &torture("wsinv"), &torture("ncl")])
            .status
            .code(),
        Some(1)
    );
    let missing = run(&["lint", &torture("wsinv"), "no such file"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).starts_with("sip_trace: no such file: "));
}

#[test]
fn parse_shows_the_typed_form() {
    let output = run(&["parse", "--json", &torture("semiuri")]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["uri"]["user"], "user;par=u@example.net");
    assert_eq!(object["cseq"]["method"], "OPTIONS");
    assert_eq!(object["via"][0]["branch"], "z9hG4bKkdjuw");
}

#[test]
fn ladder_draws_a_log() {
    let log = "2026-11-21 12:00:00 UDP message sent\n\nINVITE sip:bob@example.com SIP/2.0\nVia: SIP/2.0/UDP a\nFrom: <sip:alice@a>;tag=1\nTo: <sip:bob@b>\nCall-ID: c\nCSeq: 1 INVITE\n\nv=0\n----\nSIP/2.0 486 Busy Here\nVia: SIP/2.0/UDP a\nFrom: <sip:alice@a>;tag=1\nTo: <sip:bob@b>;tag=2\nCall-ID: c\nCSeq: 1 INVITE\n\n";
    let file = Temporary::new("log", log.as_bytes());
    let output = run(&["ladder", file.path()]);
    assert_eq!(output.status.code(), Some(0));
    let drawn = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        drawn,
        "alice ───▶ bob  INVITE sip:bob@example.com\nalice ◀─── bob  486 Busy Here (INVITE)\n"
    );
}

const INVITE: &str = "INVITE sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n\
    From: <sip:alice@a>;tag=1\r\nTo: <sip:bob@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 4\r\n\r\nbody";
const RINGING: &str = "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n\
    From: <sip:alice@a>;tag=1\r\nTo: <sip:bob@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
const DRAWN: [&str; 2] = [
    "   0.000 s  192.0.2.1:5060 ───▶ 192.0.2.2:5070  INVITE sip:bob@192.0.2.2",
    "   0.250 s  192.0.2.1:5060 ◀─── 192.0.2.2:5070  180 Ringing (INVITE)",
];

/// An Ethernet frame with a VLAN tag around IPv4, from .1 to .2 or back.
fn ethernet(protocol: u8, back: bool, segment: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([0x81, 0x00, 0, 5, 0x08, 0x00]);
    let mut ip = vec![0x45, 0];
    ip.extend((20 + segment.len() as u16).to_be_bytes());
    ip.extend([0, 1, 0x40, 0, 64, protocol, 0, 0]);
    let (from, to) = if back { (2, 1) } else { (1, 2) };
    ip.extend([192, 0, 2, from, 192, 0, 2, to]);
    frame.extend(ip);
    frame.extend(segment);
    // Ethernet pads short frames.
    frame.extend([0; 3]);
    frame
}

fn ports(back: bool) -> Vec<u8> {
    let ports: [u16; 2] = if back { [5070, 5060] } else { [5060, 5070] };
    ports.iter().flat_map(|p| p.to_be_bytes()).collect()
}

fn udp(back: bool, payload: &[u8]) -> Vec<u8> {
    let mut segment = ports(back);
    segment.extend((8 + payload.len() as u16).to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(payload);
    ethernet(17, back, &segment)
}

fn tcp(back: bool, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut segment = ports(back);
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    ethernet(6, back, &segment)
}

/// A classic pcap file, microseconds, Ethernet.
fn pcap(packets: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4u32.to_le_bytes());
    file.extend([
        2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0,
    ]);
    for (micros, packet) in packets {
        for field in [
            1_700_000_000,
            *micros,
            packet.len() as u32,
            packet.len() as u32,
        ] {
            file.extend(field.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

fn drawn(name: &str, capture: &[u8]) -> Vec<String> {
    let file = Temporary::new(name, capture);
    let output = run(&["ladder", file.path()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[test]
fn ladder_draws_datagrams_of_a_pcap() {
    let capture = pcap(&[
        (0, udp(false, INVITE.as_bytes())),
        (250_000, udp(true, RINGING.as_bytes())),
    ]);
    assert_eq!(drawn("udp.pcap", &capture), DRAWN);
}

/// A message in two segments, one of which came twice.
#[test]
fn ladder_puts_the_streams_of_a_pcap_together() {
    let (head, tail) = INVITE.as_bytes().split_at(100);
    let capture = pcap(&[
        (0, tcp(false, 1, head)),
        (0, tcp(false, 1, head)),
        (0, tcp(false, 101, tail)),
        (250_000, tcp(true, 77, RINGING.as_bytes())),
    ]);
    assert_eq!(drawn("tcp.pcap", &capture), DRAWN);
}

/// What our own gateway captures.
#[test]
fn ladder_draws_a_pcapng() {
    let mut file = Pcapng::new(Vec::new()).unwrap();
    let (alice, bob) = (
        "192.0.2.1:5060".parse().unwrap(),
        "192.0.2.2:5070".parse().unwrap(),
    );
    for (millis, source, destination, text) in [(0, alice, bob, INVITE), (250, bob, alice, RINGING)]
    {
        for carrier in [Carrier::Udp, Carrier::Tcp] {
            file.write(&Captured {
                at: Duration::from_millis(1_700_000_000_000 + millis),
                carrier,
                source,
                destination,
                bytes: text.as_bytes(),
            })
            .unwrap();
        }
    }
    let [invite, ringing] = DRAWN;
    assert_eq!(
        drawn("both.pcapng", &file.into_inner().unwrap()),
        [invite, invite, ringing, ringing]
    );
}

#[test]
fn a_capture_that_is_none_is_unreadable() {
    let cut = &pcap(&[(0, udp(false, INVITE.as_bytes()))])[..60];
    for (name, bytes, code) in [("cut.pcap", cut, 2), ("empty.log", b"nothing here", 1)] {
        let file = Temporary::new(name, bytes);
        let output = run(&["ladder", file.path()]);
        assert_eq!(output.status.code(), Some(code), "{name}: {output:?}");
        assert!(!output.stderr.is_empty(), "{name}");
    }
}
