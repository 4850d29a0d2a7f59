use rvoip_sip_core::types::sip_message::Message;
use rvoip_sip_core::{Host, TypedHeader, parse_message};

use super::Peer;
use crate::facts::{Facts, ip_len};

fn access(bytes: &[u8]) -> Option<Facts> {
    let m: Message = parse_message(bytes).ok()?;
    let mut facts = Facts::default();
    let mut via = false;
    for header in m.all_headers() {
        match header {
            TypedHeader::Via(v) if !via => {
                (via, facts.branch) = (true, v.branch().map_or(0, |b| b.len()))
            }
            TypedHeader::From(v) => facts.from_tag = v.tag().map_or(0, |t| t.len()),
            TypedHeader::To(v) => facts.to_tag = v.tag().map_or(0, |t| t.len()),
            TypedHeader::CallId(v) => facts.call_id = v.as_str().len(),
            TypedHeader::CSeq(v) => {
                (facts.cseq, facts.cseq_method) = (v.sequence(), v.method().as_str().len())
            }
            TypedHeader::Contact(c) => {
                facts.contact_host = match &c.address()?.uri.host {
                    Host::Domain(name) => name.len(),
                    Host::Address(ip) => ip_len(ip),
                }
            }
            _ => {}
        }
    }
    via.then_some(facts)
}

pub(crate) fn peer() -> Peer {
    Peer {
        name: "rvoip-sip-core",
        http: false,
        parse: |b| parse_message(b).is_ok(),
        access: Some(access),
        digest: None,
        print: Some(|b| {
            let m = parse_message(b).expect("a sample");
            Box::new(move || m.to_bytes().len())
        }),
    }
}
