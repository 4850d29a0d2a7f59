//! SIP messages in a text file, whatever stands between them: the logs of SIPp, of phones, of proxies.

use sip_core::header::{From, To};
use sip_core::{Message, MessageRef};

/// Every message in the text, in order.
pub(crate) fn messages(text: &[u8]) -> Vec<Message> {
    let lines: Vec<&[u8]> = text
        .split(|b| *b == b'\n')
        .map(|l| l.strip_suffix(b"\r").unwrap_or(l))
        .collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if !is_start_line(lines[at]) {
            at += 1;
            continue;
        }
        // The header section goes to the empty line; the body as far as it is as long as it says.
        let end = (at..lines.len())
            .find(|i| lines[*i].is_empty())
            .unwrap_or(lines.len());
        let mut bytes = Vec::new();
        for line in &lines[at..end] {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        if let Ok(message) = Message::parse(bytes) {
            found.push(message);
        }
        at = end.max(at + 1);
    }
    found
}

fn is_start_line(line: &[u8]) -> bool {
    if let Some(status) = line.strip_prefix(b"SIP/2.0 ") {
        return status.len() >= 3 && status[..3].iter().all(u8::is_ascii_digit);
    }
    line.strip_suffix(b" SIP/2.0").is_some_and(|rest| {
        let method = rest.split(|b| *b == b' ').next().unwrap_or_default();
        !method.is_empty() && method.len() < rest.len() && method.iter().all(u8::is_ascii_uppercase)
    })
}

/// Who sent the message and who it is for, as far as a log without addresses can say: From is who
/// sent the request, whose response comes back.
pub(crate) fn ends(message: MessageRef<'_>) -> (String, String) {
    let short = |uri: Result<sip_core::UriRef<'_>, _>| {
        uri.map_or("?".to_owned(), |u| {
            u.user().or(u.host_str()).unwrap_or(u.as_str()).to_owned()
        })
    };
    let from = message
        .typed::<From<'_>>()
        .map_or("?".to_owned(), |f| short(f.uri()));
    let to = message
        .typed::<To<'_>>()
        .map_or("?".to_owned(), |t| short(t.uri()));
    if message.is_request() {
        (from, to)
    } else {
        (to, from)
    }
}
