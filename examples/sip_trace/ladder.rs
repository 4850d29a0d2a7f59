//! A call, drawn.

use std::io::{self, Write};

use signaling::capture::{Captured, Carrier, Ladder};
use sip_core::Message;
use sip_core::header::CSeq;

use examples::capture;

use crate::{Outcome, complain, log};

pub(crate) fn draw(bytes: Vec<u8>, out: &mut dyn Write) -> io::Result<Outcome> {
    if !capture::is_capture(&bytes) {
        return from_log(&bytes, out);
    }
    let seen = match capture::messages(&bytes) {
        Ok(seen) => seen,
        Err(error) => {
            complain(&error.to_string());
            return Ok(Outcome::Unreadable);
        }
    };
    let Some(first) = seen.first() else {
        complain("no SIP message in the capture");
        return Ok(Outcome::Invalid);
    };
    let mut ladder = Ladder::new(first.at);
    for address in [first.source, first.destination] {
        ladder.name(address, &address.to_string());
    }
    for message in &seen {
        let captured = Captured {
            at: message.at,
            carrier: Carrier::Udp,
            source: message.source,
            destination: message.destination,
            bytes: &message.bytes,
        };
        if let Some(line) = ladder.line(&captured) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(Outcome::Valid)
}

fn from_log(text: &[u8], out: &mut dyn Write) -> io::Result<Outcome> {
    let messages = log::messages(text);
    let Some(first) = messages.first() else {
        complain("no SIP message in the file");
        return Ok(Outcome::Invalid);
    };
    let (source, destination) = log::ends(first.as_ref());
    let (caller, callee) = if first.is_request() {
        (source, destination)
    } else {
        (destination, source)
    };
    let width = |name: &str| name.chars().count();
    let (wide, long) = (width(&caller), width(&callee));
    for message in &messages {
        let (from, _) = log::ends(message.as_ref());
        let arrow = if from == callee && caller != callee {
            "◀───"
        } else {
            "───▶"
        };
        writeln!(
            out,
            "{caller:>wide$} {arrow} {callee:<long$}  {}",
            what(message)
        )?;
    }
    Ok(Outcome::Valid)
}

/// `INVITE sip:b@c`, or `200 OK (INVITE)`.
fn what(message: &Message) -> String {
    let shown = |text: &str| {
        text.chars()
            .map(|c| if c.is_control() { '·' } else { c })
            .take(120)
            .collect::<String>()
    };
    match message.status() {
        Some(status) => {
            let method = message
                .typed::<CSeq<'_>>()
                .map_or(String::new(), |c| format!(" ({})", c.method_str()));
            shown(&format!("{status} {}{method}", message.reason()))
        }
        None => shown(&format!(
            "{} {}",
            message.method().map_or(String::new(), |m| m.to_string()),
            String::from_utf8_lossy(message.uri_bytes().unwrap_or_default())
        )),
    }
}
