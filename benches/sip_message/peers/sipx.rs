use bytes::Bytes;
use sipx_sip::headers::{CSeq, CallId, Contact, From, To, Via};
use sipx_sip::message::Message;
use sipx_sip::parser::{Limits, parse_datagram};
use sipx_sip::uri::Host;

use super::Peer;
use crate::facts::{Facts, ip_len};

fn parse(bytes: &[u8]) -> Option<Message> {
    parse_datagram(Bytes::copy_from_slice(bytes), &Limits::datagram()).ok()
}

fn access(bytes: &[u8]) -> Option<Facts> {
    let m = parse(bytes)?;
    let headers = m.headers();
    let via = headers.typed::<Via>()?.ok()?;
    let from = headers.typed::<From>()?.ok()?;
    let to = headers.typed::<To>()?.ok()?;
    let cseq = headers.typed::<CSeq>()?.ok()?;
    let contact = headers.typed::<Contact>().transpose().ok()?;
    Some(Facts {
        branch: via.branch().map_or(0, <[u8]>::len),
        from_tag: from.0.tag().map_or(0, <[u8]>::len),
        to_tag: to.0.tag().map_or(0, <[u8]>::len),
        call_id: headers.typed::<CallId>()?.ok()?.0.len(),
        cseq: cseq.sequence,
        cseq_method: cseq.method.as_bytes().len(),
        contact_host: contact
            .and_then(|c| match c.0.uri.host()? {
                Host::Name(name) => Some(name.as_bytes().len()),
                Host::Ip(ip) => Some(ip_len(ip)),
            })
            .unwrap_or(0),
    })
}

pub(crate) fn peer() -> Peer {
    Peer {
        name: "sipx-sip",
        http: false,
        parse: |b| parse(b).is_some(),
        access: Some(access),
        digest: None,
        print: Some(|b| {
            let m = parse(b).expect("a sample");
            let mut out = Vec::with_capacity(b.len() + 64);
            Box::new(move || {
                out.clear();
                m.write_to(&mut out);
                out.len()
            })
        }),
    }
}
