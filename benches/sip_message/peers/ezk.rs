use std::fmt::Write;

use bytes::{BufMut, Bytes, BytesMut};
use ezk_sip_types::header::typed::{CSeq, CallID, Contact, ContentLength, FromTo, Via};
use ezk_sip_types::host::Host;
use ezk_sip_types::msg::{Line, MessageLine, PullParser};
use ezk_sip_types::parse::Parse;
use ezk_sip_types::print::AppendCtx;
use ezk_sip_types::{Headers, Method, Name};

use super::Peer;
use crate::facts::{Facts, ip_len};

struct Message {
    line: MessageLine,
    headers: Headers,
    body: Bytes,
}

/// The crate gives the pieces; its own core puts them together for a datagram in this order.
fn parse(bytes: &[u8]) -> Option<Message> {
    let buffer = Bytes::copy_from_slice(bytes);
    let mut parser = PullParser::new(&buffer, 0);
    let (mut line, mut headers) = (None, Headers::new());
    for item in &mut parser {
        let text = std::str::from_utf8(item.ok()?).ok()?;
        if line.is_none() {
            line = Some(MessageLine::parse(&buffer)(text).ok()?.1);
        } else {
            let header = Line::parse(&buffer, text).ok()?.1;
            headers.insert(header.name, header.value);
        }
    }
    let at = parser.head_end();
    let body = match headers.get_named::<ContentLength>() {
        Ok(n) if buffer.len() >= at + n.0 => buffer.slice(at..at + n.0),
        Ok(_) => return None,
        Err(_) => buffer.slice(at..),
    };
    Some(Message {
        line: line?,
        headers,
        body,
    })
}

fn access(bytes: &[u8]) -> Option<Facts> {
    let m = parse(bytes)?;
    let via: Via = m.headers.get_named::<Vec<Via>>().ok()?.into_iter().next()?;
    let from: FromTo = m.headers.get(Name::FROM).ok()?;
    let to: FromTo = m.headers.get(Name::TO).ok()?;
    let call: CallID = m.headers.get_named().ok()?;
    let cseq: CSeq = m.headers.get_named().ok()?;
    let contact = m.headers.try_get_named::<Contact>().transpose().ok()?;
    Some(Facts {
        branch: via.params.get_val("branch").map_or(0, |b| b.len()),
        from_tag: from.tag.map_or(0, |t| t.len()),
        to_tag: to.tag.map_or(0, |t| t.len()),
        call_id: call.0.len(),
        cseq: cseq.cseq,
        cseq_method: match cseq.method {
            Method::ACK => 3,
            Method::INVITE => 6,
            _ => 8,
        },
        contact_host: contact.map_or(0, |c| match c.uri.uri.host_port.host {
            Host::Name(name) => name.len(),
            Host::IP4(ip) => ip_len(&ip.into()),
            Host::IP6(ip) => ip_len(&ip.into()),
        }),
    })
}

pub(crate) fn peer() -> Peer {
    Peer {
        name: "ezk-sip-types",
        http: false,
        parse: |b| parse(b).is_some(),
        access: Some(access),
        digest: None,
        print: Some(|b| {
            let m = parse(b).expect("a sample");
            Box::new(move || {
                let mut out = BytesMut::new();
                write!(out, "{}\r\n{}\r\n", m.line.default_print_ctx(), m.headers).expect("memory");
                out.put_slice(&m.body);
                out.len()
            })
        }),
    }
}
