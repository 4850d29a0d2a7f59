//! The built `sip_trace` over the messages of RFC 4475: what it says agrees with the table that `sip-core` tests.
#![allow(clippy::unwrap_used)]

#[path = "support/program.rs"]
mod program;

use std::path::PathBuf;
use std::process::{Command, Output};

use program::program;
use serde_json::Value;

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

/// The README of sip-core holds the table: message, rule, how it came, verdict.
fn table() -> Vec<(String, String)> {
    let readme = include_str!("../../sip-core/README.md");
    let rows = readme
        .lines()
        .filter(|l| l.contains("| RFC 4475 section 3.") && l.contains("| datagram |"));
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        // Rows with other capabilities than the default ones name them in parentheses, or are no file.
        let file = !cells[1].contains(' ');
        file.then(|| (cells[1].to_owned(), cells[4].to_owned()))
    })
    .collect()
}

#[test]
fn lint_agrees_with_the_table() {
    let table = table();
    assert_eq!(table.len(), 49);
    for (name, verdict) in table {
        let output = run(&["lint", "--json", &torture(&name)]);
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        let expected = match verdict.as_str() {
            "accepted" => Value::Null,
            "dropped" => Value::from("drop"),
            status => Value::from(status.parse::<u16>().unwrap()),
        };
        assert_eq!(object["answer"], expected, "{name}: {object}");
        assert_eq!(object["valid"], Value::from(expected.is_null()), "{name}");
        assert_eq!(
            output.status.code(),
            Some(i32::from(!expected.is_null())),
            "{name}"
        );
        let answers = object["findings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|f| f["answer"] == expected);
        assert!(answers || expected.is_null(), "{name}: {object}");
    }
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
    let file = std::env::temp_dir().join(format!("sip_trace-{}.log", std::process::id()));
    std::fs::write(&file, log).unwrap();
    let output = run(&["ladder", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    let drawn = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        drawn,
        "alice ───▶ bob  INVITE sip:bob@example.com\nalice ◀─── bob  486 Busy Here (INVITE)\n"
    );
}
