//! When our Contact is a SIPS URI: RFC 3261 sections 8.1.1.8 and 12.1.1. Phones that speak TLS but not that scheme
//! (baresip) hang up at a SIPS Contact that they did not ask for.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/pen.rs"]
mod pen;

use pen::*;
use sip_core::header::NameAddr;
use sip_core::{
    Body, Config, ConnectionId, Event, Flow, HeaderName, Input, Invite, Local, Message, Method,
    Outside, Registration, Target, Transport,
};

/// A pen with a socket of every transport, writing over `transport`.
fn over(transport: Transport) -> Pen {
    let mut pen = Pen::new(Config::default());
    for secure in [Transport::Tls, Transport::Ws, Transport::Wss] {
        pen.endpoint.add_local(Local::new(secure, us()));
    }
    if transport != Transport::Udp {
        pen.flow = Flow {
            transport,
            local: us(),
            remote: them(),
            connection: Some(ConnectionId(7)),
        };
        let opened = Input::Opened { flow: pen.flow };
        pen.endpoint.handle_input(pen.now, opened);
    }
    pen
}

fn contact(message: &Message) -> String {
    let field = message.header(HeaderName::CONTACT).expect("a Contact");
    let text = field.to_str().into_owned();
    text.split(';')
        .filter(|part| !part.contains("expires"))
        .collect::<Vec<_>>()
        .join(";")
}

const PLAIN: [(Transport, &str); 5] = [
    (Transport::Udp, "<sip:us@127.0.0.1:5060>"),
    (Transport::Tcp, "<sip:us@127.0.0.1:5060;transport=tcp>"),
    (Transport::Tls, "<sip:us@127.0.0.1:5060;transport=tls>"),
    (Transport::Ws, "<sip:us@127.0.0.1:5060;transport=ws>"),
    (Transport::Wss, "<sip:us@127.0.0.1:5060;transport=ws>"),
];

const SECURE: [(Transport, &str); 2] = [
    (Transport::Tls, "<sips:us@127.0.0.1:5060>"),
    (Transport::Wss, "<sips:us@127.0.0.1:5060;transport=ws>"),
];

/// Who asks for sips, and how: the Request-URI, and what else the request has.
const ASKING: [(&str, &str); 3] = [
    ("sips:us@example.org", ""),
    (
        "sip:us@example.org",
        "Record-Route: <sips:192.0.2.1;lr>, <sip:192.0.2.2;lr>\r\n",
    ),
    ("sip:us@example.org", "Contact: <sips:x@example.net>\r\n"),
];

const NOT_ASKING: [(&str, &str); 3] = [
    ("sip:us@example.org", ""),
    (
        "sip:us@example.org",
        "Record-Route: <sip:192.0.2.1;lr>\r\nContact: <sips:x@example.net>\r\n",
    ),
    (
        "sip:us@example.org",
        "Record-Route: <sip:192.0.2.1;lr>, <sips:192.0.2.2;lr>\r\n",
    ),
];

#[test]
fn a_called_phone_answers_with_the_scheme_that_the_request_asks_for() {
    let called = |transport, uri: &str, extra: &str, want: &str| {
        let mut pen = over(transport);
        let invite = hello(extra, "z9hG4bKa")
            .replace("INVITE sip:us@127.0.0.1:5060", &format!("INVITE {uri}"))
            .replace("SIP/2.0/UDP", &format!("SIP/2.0/{}", transport.via()));
        let invite = match extra.contains("Contact") {
            true => invite.replace("Contact: <sip:x@127.0.0.1:5061>\r\n", ""),
            false => invite,
        };
        pen.write(invite);
        let call = pen
            .events()
            .into_iter()
            .find_map(|event| match event {
                Event::Incoming { call, .. } => Some(call),
                _ => None,
            })
            .expect("a call");
        let handle = pen.endpoint.call(call).unwrap();
        handle.answer(pen.now, Some(Body::sdp("answer"))).unwrap();
        let ok = pen.sent().pop().expect("200");
        assert_eq!(contact(&ok), want, "{transport}: {uri} {extra}");
    };
    for (transport, want) in PLAIN {
        for (uri, extra) in NOT_ASKING {
            called(transport, uri, extra, want);
        }
    }
    for (transport, want) in SECURE {
        for (uri, extra) in ASKING {
            called(transport, uri, extra, want);
        }
    }
    // What is no secure path is not called one.
    called(Transport::Tcp, "sips:us@example.org", "", PLAIN[1].1);
}

#[test]
fn requests_of_ours_name_us_with_the_scheme_that_they_ask_for() {
    let us = NameAddr::new(&"sip:us@example.org".parse().unwrap());
    for (transport, plain) in PLAIN {
        let secure = SECURE.iter().find(|(known, _)| *known == transport);
        let secure = secure.map_or(plain, |(_, text)| *text);
        let cases = [
            ("sip:bob@example.org", None, plain),
            ("sips:bob@example.org", None, secure),
            ("sip:bob@example.org", Some("<sip:192.0.2.1;lr>"), plain),
            ("sip:bob@example.org", Some("<sips:192.0.2.1;lr>"), secure),
        ];
        for (uri, route, want) in cases {
            let mut pen = over(transport);
            let uri = || uri.parse().unwrap();
            let route: Vec<_> = route
                .iter()
                .map(|text| NameAddr::parse(*text).unwrap())
                .collect();
            let target = Target::Flow(pen.flow);

            let mut invite = Invite::new(uri(), us.clone()).body(Body::sdp("offer"));
            invite.route.clone_from(&route);
            invite.target = Some(target.clone());
            pen.endpoint.invite(pen.now, invite).unwrap();
            assert_eq!(contact(&pen.sent()[0]), want, "{transport}");

            let mut outside = Outside::new(Method::Options, uri(), us.clone());
            outside.route = route;
            outside.target = Some(target);
            pen.endpoint.send_outside(pen.now, outside).unwrap();
            assert_eq!(contact(&pen.sent()[0]), want, "{transport}");
        }
    }
}

#[test]
fn a_registration_binds_sips_for_a_sips_address_of_record_only() {
    for (aor, want) in [
        ("sip:us@example.org", PLAIN[2].1),
        ("sips:us@example.org", SECURE[0].1),
    ] {
        let mut pen = over(Transport::Tls);
        let aor = NameAddr::new(&aor.parse().unwrap());
        let registrar = format!("sip:{};transport=tls", them()).parse().unwrap();
        let plan = Registration::new(registrar, aor);
        pen.endpoint.register(pen.now, plan).unwrap();
        let sent = pen.sent();
        assert_eq!(contact(&sent[0]), want);
    }
}
