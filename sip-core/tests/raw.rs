//! One endpoint against messages written by hand: forks, hostile peers, what two endpoints of ours
//! would never do to each other.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/pen.rs"]
mod pen;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use pen::*;
use sip_core::header::NameAddr;
use sip_core::{
    Body, CallState, Config, ConnectionId, EndKind, EndedBy, Event, Flow, Invite, Message,
    ResponseBuilder, StatusCode, Transport,
};

#[test]
fn forked_early_dialogs_then_two_answers() {
    let mut pen = Pen::new(Config::default());
    let (call, invite) = pen.invite();
    for tag in ["a", "b", "c"] {
        pen.reply(&invite, StatusCode::SESSION_PROGRESS, ok(tag));
    }
    let branches: Vec<_> = pen
        .events()
        .into_iter()
        .map(|event| match event {
            Event::Progress {
                branch, preview, ..
            } => (branch, preview.unwrap().bytes),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(branches.len(), 3);
    assert_eq!(
        branches[1],
        ("b".to_owned(), Bytes::from_static(b"answer b"))
    );

    pen.reply(&invite, StatusCode::OK, ok("b"));
    assert!(matches!(&pen.events()[..], [Event::Answered { .. }]));
    let acks = pen.sent();
    assert_eq!(acks.len(), 1);
    assert_eq!(
        acks[0].uri_bytes().unwrap(),
        b"sip:b@127.0.0.1:5061",
        "to the Contact of b"
    );
    assert_eq!(pen.endpoint.call(call).unwrap().remote_tag(), Some("b"));

    // The second answer, of a branch that has been seen: ACK and BYE, and the call goes on.
    pen.reply(&invite, StatusCode::OK, ok("c"));
    let sent = pen.sent();
    assert_eq!(sent.len(), 2);
    for (message, method) in sent.iter().zip(["ACK", "BYE"]) {
        assert_eq!(message.method().unwrap().to_string(), method);
        assert_eq!(message.uri_bytes().unwrap(), b"sip:c@127.0.0.1:5061");
    }
    assert!(pen.events().is_empty());
    pen.reply(&sent[1], StatusCode::OK, |builder| builder);

    // Both answers again: each ACK again, and nothing else.
    pen.reply(&invite, StatusCode::OK, ok("b"));
    pen.reply(&invite, StatusCode::OK, ok("c"));
    assert_eq!(pen.words(), ["ACK", "ACK"]);
    assert!(pen.events().is_empty());
    assert_eq!(
        pen.endpoint.call(call).unwrap().state(),
        CallState::Established
    );

    // A call that has ended still acknowledges, as long as the INVITE's transaction lives.
    pen.endpoint.call(call).unwrap().hang_up(pen.now).unwrap();
    let bye = pen.sent().remove(0);
    pen.reply(&bye, StatusCode::OK, |builder| builder);
    assert!(matches!(&pen.events()[..], [Event::Ended { .. }]));
    pen.reply(&invite, StatusCode::OK, ok("b"));
    assert_eq!(pen.words(), ["ACK"]);
    pen.reply(&invite, StatusCode::OK, ok("d"));
    assert_eq!(pen.words(), ["ACK", "BYE"]);
    pen.pass(Duration::from_secs(100));
    assert!(pen.endpoint.is_idle());
}

#[test]
fn a_peer_that_invents_branches_is_not_followed_for_ever() {
    let mut pen = Pen::new(Config::default());
    let (_, invite) = pen.invite();
    for number in 0..1000 {
        pen.reply(&invite, StatusCode::RINGING, ok(&format!("r{number}")));
    }
    assert!(pen.events().len() <= 12);
    let mut acks = 0;
    for number in 0..1000 {
        pen.reply(&invite, StatusCode::OK, ok(&format!("t{number}")));
        acks += pen.words().len();
        pen.events();
    }
    assert!(acks < 40, "{acks} messages for a thousand answers");
    assert!(pen.endpoint.sizes()[1] < 20);
}

#[test]
fn an_early_bye_and_strange_requests_are_answered() {
    let mut pen = Pen::new(Config::default());
    let strange = |method: &str| {
        format!(
            "{method} sip:us@{us} SIP/2.0\r\nVia: SIP/2.0/UDP {them};branch=z9hG4bK{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:x@{them}>;tag=1\r\nTo: <sip:us@{us}>\r\n\
             Call-ID: {method}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n",
            us = us(),
            them = them()
        )
    };
    for (method, status) in [
        ("BYE", "481"),
        ("CANCEL", "481"),
        ("INFO", "481"),
        ("NOTIFY", "481"),
        ("OPTIONS", "200"),
        ("REGISTER", "405"),
        ("MESSAGE", "405"),
        ("SUBSCRIBE", "405"),
        ("BREW", "501"),
    ] {
        pen.write(strange(method));
        assert_eq!(pen.words(), [status], "{method}");
        let again = strange(method);
        pen.write(again);
        assert_eq!(pen.words(), [status], "{method} again");
    }
    pen.write(strange("ACK"));
    assert!(pen.words().is_empty());
    assert!(pen.events().is_empty());
    pen.write("\r\n\r\n");
    pen.write("no SIP at all");
    pen.write(vec![0xff; 2000]);
    assert!(pen.words().is_empty());
    pen.pass(Duration::from_secs(100));
    assert!(pen.endpoint.is_idle());
}

#[test]
fn what_is_required_and_unknown_is_refused_and_copies_are_told_apart() {
    let mut pen = Pen::new(Config::default());
    pen.write(hello("Require: telepathy\r\n", "z9hG4bK1"));
    let sent = pen.sent();
    assert_eq!(sent[0].status(), Some(StatusCode::BAD_EXTENSION));
    assert_eq!(sent[0].header("Unsupported").unwrap().value(), b"telepathy");
    pen.write(hello("", "z9hG4bK2"));
    assert!(matches!(&pen.events()[..], [Event::Incoming { .. }]));
    // The same request by another path (8.2.2.2).
    pen.write(hello("", "z9hG4bK3"));
    assert_eq!(pen.words(), ["482"]);
    // The same by the same path: absorbed, since nothing was answered yet.
    pen.write(hello("", "z9hG4bK2"));
    assert!(pen.words().is_empty() && pen.events().is_empty());
}

#[test]
fn an_application_that_never_answers_is_answered_for() {
    let mut pen = Pen::new(Config::default());
    pen.write(hello("", "z9hG4bK1"));
    let Some(Event::Incoming { call, .. }) = pen.events().pop() else {
        panic!("an incoming call")
    };
    pen.endpoint
        .call(call)
        .unwrap()
        .ring(pen.now, StatusCode::RINGING, None)
        .unwrap();
    assert_eq!(pen.words(), ["180"]);
    let start = pen.now;
    let mut rings = 0;
    let cause = loop {
        let at = pen.endpoint.poll_timeout().expect("something is due");
        pen.now = at;
        pen.endpoint.handle_timeout(at);
        rings += pen.words().iter().filter(|word| *word == "180").count();
        if let Some(Event::Ended { cause, .. }) = pen.events().pop() {
            break cause;
        }
    };
    assert_eq!(
        (cause.by, cause.kind),
        (EndedBy::Timer, EndKind::RingTimeout)
    );
    assert_eq!((pen.now - start).as_secs(), 180);
    assert_eq!(rings, 2, "once a minute");
}

#[test]
fn a_call_that_the_application_never_touches_is_answered_for_too() {
    let mut pen = Pen::new(Config::default());
    pen.write(hello("", "z9hG4bK1"));
    pen.events();
    let start = pen.now;
    while pen.endpoint.calls().next().is_some() {
        pen.now = pen.endpoint.poll_timeout().expect("something is due");
        pen.endpoint.handle_timeout(pen.now);
    }
    assert_eq!((pen.now - start).as_secs(), 180);
    assert!(pen.words().ends_with(&["480".to_owned()]));
}

#[test]
fn a_stream_in_pieces_with_pings_and_several_messages() {
    let mut pen = Pen::over_tcp();
    let text = hello("", "z9hG4bK1").replace("/UDP", "/TCP");
    let options = format!(
        "OPTIONS sip:us@{us} SIP/2.0\r\nVia: SIP/2.0/TCP {them};branch=z9hG4bKo\r\nMax-Forwards: 70\r\n\
         From: <sip:x@{them}>;tag=1\r\nTo: <sip:us@{us}>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n",
        us = us(),
        them = them()
    );
    let all = format!("\r\n\r\n{text}{options}");
    for byte in all.bytes() {
        pen.write(vec![byte]);
    }
    assert!(matches!(&pen.events()[..], [Event::Incoming { .. }]));
    let mut bytes = Vec::new();
    while let Some(transmit) = pen.endpoint.poll_transmit() {
        assert_eq!(transmit.to.remote(), them());
        bytes.push(transmit.bytes);
    }
    assert!(
        bytes.iter().any(|b| &b[..] == b"\r\n"),
        "the ping is answered"
    );
    assert!(
        bytes.iter().any(|b| b.starts_with(b"SIP/2.0 200")),
        "and the OPTIONS"
    );
}

#[test]
fn a_stream_that_cannot_be_framed_is_answered_and_closed() {
    let mut pen = Pen::over_tcp();
    let text = hello("Content-Length: 5\r\n", "z9hG4bK1").replace("/UDP", "/TCP");
    pen.write(text);
    let transmit = pen.endpoint.poll_transmit().expect("an answer");
    assert!(transmit.bytes.starts_with(b"SIP/2.0 400"));
    assert!(transmit.then_close);
    assert!(pen.events().is_empty());
}

#[test]
fn more_work_than_room_waits_on_a_stream_and_is_refused_on_udp() {
    let mut config = Config::default();
    config.bounds.undrained = 4;
    let mut pen = Pen::new(config);
    let options = |number: usize, transport: &str| {
        format!(
            "OPTIONS sip:us@{us} SIP/2.0\r\nVia: SIP/2.0/{transport} {them};branch=z9hG4bK{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:x@{them}>;tag=1\r\nTo: <sip:us@{us}>\r\nCall-ID: o{number}\r\n\
             CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
            us = us(),
            them = them()
        )
    };
    for number in 0..10 {
        pen.write(options(number, "UDP"));
    }
    assert_eq!(pen.words().len(), 4);
    assert_eq!(pen.endpoint.counters().refused_inputs, 6);

    pen.flow = Flow {
        transport: Transport::Tcp,
        connection: Some(ConnectionId(1)),
        ..pen.flow
    };
    let many: String = (100..150).map(|number| options(number, "TCP")).collect();
    pen.write(many);
    let mut answered = pen.words().len();
    while pen.endpoint.poll_timeout().is_some_and(|at| at <= pen.now) {
        pen.endpoint.handle_timeout(pen.now);
        answered += pen.words().len();
    }
    assert_eq!(answered, 50, "a stream loses nothing");
}

#[test]
fn responses_find_their_way_through_a_nat() {
    for (rport, port) in [(";rport", 40_000), ("", 5070)] {
        let mut pen = Pen::new(Config::default());
        let source: SocketAddr = "127.0.0.9:40000".parse().unwrap();
        pen.flow = Flow::udp(us(), source);
        pen.write(format!(
            "OPTIONS sip:us@{us} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5:5070;branch=z9hG4bKn{rport}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:us@{us}>\r\nCall-ID: n\r\n\
             CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
            us = us()
        ));
        let transmit = pen.endpoint.poll_transmit().expect("an answer");
        assert_eq!(
            transmit.to.remote(),
            SocketAddr::new(source.ip(), port),
            "RFC 3581 section 4"
        );
        let response = Message::parse(transmit.bytes).unwrap();
        let via = response.header("Via").unwrap().to_str().into_owned();
        assert!(via.contains("received=127.0.0.9"), "{via}");
        assert_eq!(via.contains("rport=40000"), !rport.is_empty(), "{via}");
    }
}

#[test]
fn requests_inside_a_call_answer_challenges_too() {
    let mut pen = Pen::new(Config::default());
    let from = NameAddr::new(&"sip:alice@example.org".parse().unwrap());
    let invite = Invite::new(format!("sip:bob@{}", them()).parse().unwrap(), from)
        .account(sip_core::auth::Account::with_password("alice", "secret"))
        .body(Body::sdp("offer"));
    let call = pen.endpoint.invite(pen.now, invite).unwrap();
    let invite = pen.sent().remove(0);
    pen.reply(&invite, StatusCode::OK, ok("b"));
    assert_eq!(pen.words(), ["ACK"]);
    pen.events();
    let challenge = |nonce: &'static str| {
        move |builder: ResponseBuilder| {
            let value = format!("Digest realm=\"r\", nonce=\"{nonce}\", qop=\"auth\"");
            builder.header("WWW-Authenticate", value)
        }
    };
    let sequence = |message: &Message| message.header("CSeq").unwrap().to_str().into_owned();

    pen.endpoint
        .call(call)
        .unwrap()
        .reinvite(pen.now, Body::sdp("hold"))
        .unwrap();
    let first = pen.sent().remove(0);
    pen.reply(&first, StatusCode::UNAUTHORIZED, challenge("n1"));
    let sent = pen.sent();
    assert_eq!(
        (sequence(&sent[0]), sequence(&sent[1])),
        ("2 ACK".into(), "3 INVITE".into())
    );
    assert!(sent[1].header("Authorization").is_some());
    assert_eq!(sent[1].body(), b"hold");
    pen.reply(&sent[1], StatusCode::OK, ok("b"));
    assert!(matches!(
        &pen.events()[..],
        [Event::ReinviteAnswered { .. }]
    ));
    let ack = pen.sent().remove(0);
    assert!(
        ack.header("Authorization").is_some(),
        "22.1: the ACK bears what the INVITE bore"
    );

    // The nonce is known now; a stale one is answered once more.
    pen.endpoint.call(call).unwrap().hang_up(pen.now).unwrap();
    let bye = pen.sent().remove(0);
    assert_eq!(sequence(&bye), "4 BYE");
    assert!(bye.header("Authorization").unwrap().to_str().contains("n1"));
    pen.reply(&bye, StatusCode::UNAUTHORIZED, challenge("n2"));
    let bye = pen.sent().remove(0);
    assert_eq!(sequence(&bye), "5 BYE");
    assert!(bye.header("Authorization").unwrap().to_str().contains("n2"));
    pen.reply(&bye, StatusCode::OK, |builder| builder);
    assert!(matches!(&pen.events()[..], [Event::Ended { .. }]));
    pen.pass(Duration::from_secs(100));
    assert!(pen.endpoint.is_idle());
}
