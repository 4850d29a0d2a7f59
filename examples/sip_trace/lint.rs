//! Each finding with its place, its rule and the answer it deserves.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};
use sip_core::header::CallId;
use sip_core::{Answer, Capabilities, Message, ParseError, ParseErrorReason, validate};

use crate::Outcome;

pub(crate) fn file(
    file: &Path,
    bytes: Vec<u8>,
    as_json: bool,
    out: &mut dyn Write,
) -> io::Result<Outcome> {
    let verdict = judge(bytes);
    if as_json {
        let mut object = json!({ "file": file.display().to_string() });
        if let (Some(object), Some(more)) = (object.as_object_mut(), verdict.as_object()) {
            object.extend(more.clone());
        }
        writeln!(out, "{object}")?;
    } else {
        people(file, &verdict, out)?;
    }
    Ok(Outcome::from(verdict["valid"] == true))
}

/// Strict grammar, and an element that supports everything.
fn judge(bytes: Vec<u8>) -> Value {
    let message = match Message::parse(bytes) {
        Ok(message) => message,
        Err(error) => return unparsed(&error),
    };
    let findings = validate(&message, &Capabilities::default());
    let list: Vec<Value> = findings
        .iter()
        .map(|f| json!({ "at": f.at, "what": f.what.to_string(), "rule": f.rule, "answer": answer(Some(f.answer)) }))
        .collect();
    json!({
        "parsed": true,
        "kind": if message.is_request() { "request" } else { "response" },
        "valid": findings.is_valid(),
        "answer": answer(findings.answer()),
        "method": message.method().map(|m| m.to_string()),
        "status": message.status().map(|s| s.code()),
        "call_id": message.typed::<CallId<'_>>().ok().map(|c| c.as_str()),
        "findings": list,
    })
}

/// A status, `"drop"`, or null where nothing is deserved.
fn answer(answer: Option<Answer>) -> Value {
    match answer {
        Some(Answer::Status(status)) => json!(status.code()),
        Some(Answer::Drop) => json!("drop"),
        _ => Value::Null,
    }
}

/// What cannot be told apart from noise is dropped.
fn unparsed(error: &ParseError) -> Value {
    let rule = match error.reason {
        ParseErrorReason::Empty => "RFC 3261 section 7.5",
        ParseErrorReason::StatusCode => "RFC 3261 section 7.2",
        ParseErrorReason::StartLine => "RFC 3261 section 7.1",
        // A line, a header section or a number of headers beyond the limits.
        _ => "RFC 3261 section 21.5.7",
    };
    let finding =
        json!({ "at": error.at, "what": error.reason.to_string(), "rule": rule, "answer": "drop" });
    json!({
        "parsed": false,
        "kind": null,
        "valid": false,
        "answer": "drop",
        "method": null,
        "status": null,
        "call_id": null,
        "findings": [finding],
    })
}

fn people(file: &Path, verdict: &Value, out: &mut dyn Write) -> io::Result<()> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let what = match (&verdict["method"], &verdict["status"]) {
        (Value::String(method), _) => method.clone(),
        (_, Value::Number(status)) => format!("response {status}"),
        _ => "not a SIP message".to_owned(),
    };
    let deserves = match &verdict["answer"] {
        Value::Null => "valid".to_owned(),
        Value::String(_) => "drop".to_owned(),
        status => format!("answer {status}"),
    };
    writeln!(out, "{}: {what}: {deserves}", file.display())?;
    for finding in verdict["findings"].as_array().into_iter().flatten() {
        let answer = match &finding["answer"] {
            Value::Null => "tolerated".to_owned(),
            answer => text(answer),
        };
        writeln!(
            out,
            "  {:>5}  {}  [{}]  {answer}",
            finding["at"],
            text(&finding["what"]),
            text(&finding["rule"])
        )?;
    }
    Ok(())
}
