use super::Peer;
use crate::facts::{Facts, ip_len};
use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::message::HeadersExt;
use rsip::{Host, Method, SipMessage};

fn parse(bytes: &[u8]) -> Option<SipMessage> {
    SipMessage::try_from(bytes).ok()
}

fn access(bytes: &[u8]) -> Option<Facts> {
    read(&parse(bytes)?)
}

fn read(m: &SipMessage) -> Option<Facts> {
    let via = m.via_header().ok()?.typed().ok()?;
    let (from, to) = (
        m.from_header().ok()?.typed().ok()?,
        m.to_header().ok()?.typed().ok()?,
    );
    let cseq = m.cseq_header().ok()?.typed().ok()?;
    let contact = match m.contact_header() {
        Ok(c) => Some(c.typed().ok()?),
        Err(_) => None,
    };
    Some(Facts {
        branch: via.branch().map_or(0, |b| b.value().len()),
        from_tag: from.tag().map_or(0, |t| t.value().len()),
        to_tag: to.tag().map_or(0, |t| t.value().len()),
        call_id: m.call_id_header().ok()?.value().len(),
        cseq: cseq.seq,
        cseq_method: method_len(&cseq.method),
        contact_host: contact.map_or(0, |c| host_len(c.uri.host())),
    })
}

fn method_len(method: &Method) -> usize {
    match method {
        Method::Invite => 6,
        Method::Register => 8,
        Method::Ack | Method::Bye => 3,
        other => other.to_string().len(),
    }
}

fn host_len(host: &Host) -> usize {
    match host {
        Host::Domain(name) => name.to_string().len(),
        Host::IpAddr(ip) => ip_len(ip),
    }
}

fn digest(bytes: &[u8]) -> Option<usize> {
    let m = parse(bytes)?;
    read(&m)?;
    Some(m.authorization_header()?.typed().ok()?.response.len())
}

pub(crate) fn peer() -> Peer {
    Peer {
        name: "rsip",
        http: false,
        parse: |b| parse(b).is_some(),
        access: Some(access),
        digest: Some(digest),
        print: Some(|b| {
            let m = parse(b).expect("a sample");
            Box::new(move || m.to_string().into_bytes().len())
        }),
    }
}
