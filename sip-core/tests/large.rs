//! Requests too large for UDP go over TCP (RFC 3261 section 18.1.1), and over UDP after all where nobody takes TCP.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::time::{Instant, SystemTime};

use sip_core::header::NameAddr;
use sip_core::{
    Body, Config, ConnectionId, EndKind, Endpoint, Epoch, Event, Flow, FlowError, Input, Invite,
    Local, Message, StatusCode, Target, Transmit, Transport,
};

fn endpoint(transports: &[Transport], now: Instant) -> Endpoint {
    let mut config = Config::default();
    for transport in transports {
        let at = "192.0.2.1:5060".parse().unwrap();
        config.locals.push(Local::new(*transport, at));
    }
    let mut last = 0_u8;
    let chance = move |bytes: &mut [u8]| {
        for byte in bytes {
            last = last.wrapping_mul(5).wrapping_add(7);
            *byte = last;
        }
    };
    let epoch = Epoch {
        instant: now,
        wall: SystemTime::UNIX_EPOCH,
    };
    Endpoint::new(config, epoch, Box::new(chance))
}

fn call(endpoint: &mut Endpoint, now: Instant, size: usize) -> Transmit {
    let from = NameAddr::new(&"sip:alice@example.org".parse().unwrap());
    let invite = Invite::new("sip:bob@192.0.2.9".parse().unwrap(), from);
    let body = format!("v=0\r\ns={}\r\n", "x".repeat(size));
    endpoint.invite(now, invite.body(Body::sdp(body))).unwrap();
    endpoint.poll_transmit().unwrap()
}

fn via(transmit: &Transmit) -> String {
    let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
    let line = text.lines().find(|line| line.starts_with("Via: "));
    line.unwrap().to_owned()
}

const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];

#[test]
fn only_what_is_too_large_moves_and_only_if_there_is_tcp() {
    for (transports, size, wanted) in [
        (&BOTH[..], 100, Transport::Udp),
        (&BOTH[..], 1300, Transport::Tcp),
        (&BOTH[..1], 1300, Transport::Udp),
    ] {
        let now = Instant::now();
        let sent = call(&mut endpoint(transports, now), now, size);
        assert_eq!(sent.to.transport(), wanted, "{size}");
        assert_eq!(sent.to.remote().to_string(), "192.0.2.9:5060");
        assert!(via(&sent).contains(&format!("SIP/2.0/{wanted} 192.0.2.1:5060;")));
        assert_eq!(via(&sent).matches("Via").count(), 1);
        assert!(Message::parse(sent.bytes).is_ok());
    }
}

#[test]
fn a_peer_without_tcp_gets_it_over_udp() {
    let now = Instant::now();
    let mut endpoint = endpoint(&BOTH, now);
    let sent = call(&mut endpoint, now, 2000);
    let flow = Flow {
        transport: Transport::Tcp,
        local: "0.0.0.0:0".parse().unwrap(),
        remote: sent.to.remote(),
        connection: None,
    };
    let refused = Input::Closed {
        flow,
        cause: FlowError::Refused,
    };
    endpoint.handle_input(now, refused.clone());
    assert!(endpoint.poll_event().is_none(), "nothing to tell");
    let again = endpoint.poll_transmit().unwrap();
    assert_eq!(again.to.transport(), Transport::Udp);
    assert!(via(&again).contains("SIP/2.0/UDP 192.0.2.1:5060;"));
    // It is repeated as on UDP, and a second failure is one.
    let at = endpoint.poll_timeout().unwrap();
    endpoint.handle_timeout(at);
    assert_eq!(endpoint.poll_transmit().unwrap(), again);
    let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), again.to.remote());
    endpoint.handle_input(
        at,
        Input::Closed {
            flow,
            cause: FlowError::Refused,
        },
    );
    let Some(Event::Ended { cause, .. }) = endpoint.poll_event() else {
        panic!("no end")
    };
    assert_eq!(cause.kind, EndKind::Transport(FlowError::Refused));
}

#[test]
fn what_comes_back_over_the_connection_is_answered_there() {
    let now = Instant::now();
    let mut endpoint = endpoint(&BOTH, now);
    let sent = call(&mut endpoint, now, 2000);
    let flow = Flow {
        transport: Transport::Tcp,
        local: "192.0.2.1:40000".parse().unwrap(),
        remote: sent.to.remote(),
        connection: Some(ConnectionId(1)),
    };
    endpoint.handle_input(now, Input::Opened { flow });
    let invite = Message::parse(sent.bytes).unwrap();
    let busy = invite.reply(StatusCode::BUSY_HERE).to_tag("b").build();
    let bytes = busy.unwrap().to_bytes();
    endpoint.handle_input(now, Input::Received { flow, bytes });
    let ack = endpoint.poll_transmit().unwrap();
    assert!(ack.bytes.starts_with(b"ACK "));
    assert_eq!(ack.to, Target::new(Transport::Tcp, flow.remote));
    assert!(via(&ack).contains("SIP/2.0/TCP "));
}
