//! The messages of RFC 4475 and RFC 5118 and the framing attacks: bytes, verdict and answer in one
//! table, which the crate's README shows.

#![allow(clippy::unwrap_used)]

#[path = "torture/table.rs"]
mod table;

use sip_core::{Answer, Capabilities, Frame, Framer, Message, Role, StatusCode, validate};
use table::{Over, Row, Verdict, rfc4475, table};

fn judge(message: &Message, caps: &Capabilities) -> Verdict {
    match validate(message, caps).answer() {
        None => Verdict::Accept,
        Some(Answer::Status(status)) => Verdict::Answer(status.code()),
        Some(_) => Verdict::Drop,
    }
}

fn run(row: &Row) -> Verdict {
    let caps = (row.caps)();
    let mut framer = match row.over {
        Over::Datagram => Framer::datagram(),
        Over::Stream => Framer::stream(),
        Over::WebSocket => Framer::websocket(),
    };
    framer.push(row.bytes.clone());
    loop {
        match framer.next_frame() {
            None => return Verdict::Wait,
            Some(Frame::Ping | Frame::Pong) => {}
            Some(Frame::Message(message)) => return judge(&message, &caps),
            Some(Frame::Refused(refused)) => {
                let Some(message) = &refused.message else {
                    return Verdict::Drop;
                };
                let verdict = judge(message, &caps);
                assert!(
                    refused.answer == StatusCode::REQUEST_ENTITY_TOO_LARGE
                        || verdict == Verdict::Answer(refused.answer.code())
                        || verdict == Verdict::Drop,
                    "{}: framer says {:?}, validate {verdict:?}",
                    row.name,
                    refused.answer
                );
                return match (verdict, refused.close) {
                    (Verdict::Drop, _) => Verdict::Drop,
                    (_, true) => Verdict::AnswerAndClose(refused.answer.code()),
                    (_, false) => Verdict::Answer(refused.answer.code()),
                };
            }
            Some(other) => panic!("{}: {other:?}", row.name),
        }
    }
}

#[test]
fn every_message_gets_its_verdict() {
    let wrong: Vec<String> = table()
        .iter()
        .filter(|row| run(row) != row.verdict)
        .map(|row| {
            let found = Message::parse(row.bytes.clone()).map(|m| validate(&m, &(row.caps)()));
            format!(
                "{} ({}, {:?}): {:?}, not {:?}: {found:?}",
                row.name,
                row.rule,
                row.over,
                run(row),
                row.verdict
            )
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_table_is_complete() {
    let files: std::collections::BTreeSet<_> = rfc4475().iter().map(|r| r.name).collect();
    assert_eq!(files.len(), 49);
}

#[test]
fn what_parses_prints_back_byte_for_byte() {
    for row in table() {
        let Ok(message) = Message::parse(row.bytes.clone()) else {
            continue;
        };
        let start = row
            .bytes
            .iter()
            .take_while(|b| matches!(b, b'\r' | b'\n'))
            .count();
        let printed = message.as_bytes();
        assert_eq!(
            printed,
            &row.bytes[start..start + printed.len()],
            "{}",
            row.name
        );
        let edited = message.edit().build().unwrap();
        if message.headers().count() > 0 && row.bytes.windows(4).any(|w| w == b"\r\n\r\n") {
            assert_eq!(
                edited.as_bytes(),
                printed,
                "{}: an edit without changes",
                row.name
            );
        }
    }
}

/// A request that deserves an answer gets one that can be built.
#[test]
fn every_answer_can_be_built() {
    for row in table() {
        let Ok(message) = Message::parse(row.bytes.clone()) else {
            continue;
        };
        if let Some(Answer::Status(status)) = validate(&message, &(row.caps)()).answer() {
            let answer = message.reply(status).to_tag("t").build();
            match (message.header("To"), answer) {
                (Some(_), answer) => {
                    assert_eq!(answer.unwrap().status(), Some(status), "{}", row.name)
                }
                (None, answer) => assert!(answer.is_ok() || message.header("To").is_none()),
            }
        }
    }
}

/// The README's rows of the table.
fn readme() -> String {
    let mut out = String::from("| message | rule | came as | verdict |\n|---|---|---|---|\n");
    for row in table() {
        let caps = (row.caps)();
        let mut limits = Vec::new();
        if caps.methods.is_some() {
            limits.push("no such method");
        }
        if caps.schemes.is_some() {
            limits.push("sip, sips and tel only");
        }
        if caps.option_tags.is_some() {
            limits.push("no such option tag");
        }
        if caps.content_types.is_some() || caps.produces.is_some() {
            limits.push("application/sdp only");
        }
        match caps.role {
            Role::Proxy => limits.push("as a proxy"),
            Role::Registrar => limits.push("as a registrar"),
            _ => {}
        }
        let over = match row.over {
            Over::Datagram => "datagram",
            Over::Stream => "stream",
            Over::WebSocket => "WebSocket frame",
        };
        let verdict = match row.verdict {
            Verdict::Accept => "accepted".to_owned(),
            Verdict::Answer(status) => status.to_string(),
            Verdict::Drop => "dropped".to_owned(),
            Verdict::AnswerAndClose(status) => format!("{status}, closed"),
            Verdict::Wait => "waits for the rest".to_owned(),
        };
        let limits = if limits.is_empty() {
            String::new()
        } else {
            format!(" ({})", limits.join(", "))
        };
        out.push_str(&format!(
            "| {}{limits} | {} | {over} | {verdict} |\n",
            row.name, row.rule
        ));
    }
    out
}

#[test]
fn the_readme_shows_the_table() {
    let shown = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let table = readme();
    assert!(shown.contains(&table), "README.md should hold\n{table}");
}
