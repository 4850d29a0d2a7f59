//! Calls with the help of servers: what descriptions say then, and what is refused without.
#![cfg(feature = "turn")]
#![allow(missing_docs, clippy::disallowed_methods, clippy::unwrap_used)]

use rtp_core::stun::{self, Builder, Class, Message};
use signaling::net::{BindError, Event, Gateway, GatewayConfig, GatewayError, TurnServer};
use signaling::session::SessionOptions;
use signaling::{DialRequest, Ice, Random, Secure};
use sip_core::header::NameAddr;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

fn config() -> GatewayConfig {
    let random = Random::new(|bytes| getrandom::fill(bytes).expect("the system has random bytes"));
    GatewayConfig::new("127.0.0.1:0".parse().unwrap(), random)
}

fn request() -> DialRequest {
    let from = NameAddr::new(&"sip:desk@example.org".parse().unwrap());
    // Nobody listens there; what is said is what counts.
    DialRequest::new("sip:phone@127.0.0.1:9".parse().unwrap(), from)
        .secure(Secure::Dtls)
        .ice(Ice::Require)
}

/// A server that sees everybody at one address.
fn stun_server(seen: SocketAddr) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut bytes = [0; 1500];
        while let Ok((len, from)) = socket.recv_from(&mut bytes) {
            let asked = Message::parse(&bytes[..len]).unwrap();
            let answer = Builder::new(Class::Success, stun::BINDING, asked.transaction())
                .address(stun::XOR_MAPPED_ADDRESS, seen)
                .finish(None);
            socket.send_to(&answer, from).unwrap();
        }
    });
    at
}

#[tokio::test]
async fn the_address_behind_a_nat_is_in_the_first_offer_and_in_every_one_after_it() {
    let mut settings = config();
    settings.servers.stun = vec![stun_server("198.51.100.9:4000".parse().unwrap())];
    settings.servers.reserve = 2;
    settings.capture = true;
    let mut gateway = Gateway::bind(settings).await.unwrap();
    let session = gateway
        .open_session("room", SessionOptions::default())
        .unwrap();
    for call in 0..4 {
        gateway.dial(session, &request()).unwrap();
        let told = async {
            loop {
                if let Event::Captured(packet) = gateway.next_event().await
                    && packet.is_sip
                    && packet.bytes.starts_with(b"INVITE")
                {
                    break String::from_utf8(packet.bytes.to_vec()).unwrap();
                }
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(5), told);
        let told = told.await.unwrap();
        assert!(told.contains(" typ host"), "call {call}: {told}");
        assert!(
            told.contains(" 198.51.100.9 4000 typ srflx"),
            "call {call}: {told}"
        );
        // The reserve fills again meanwhile.
        let a_moment = Duration::from_millis(100);
        let _ = tokio::time::timeout(a_moment, async {
            loop {
                gateway.next_event().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn who_may_use_relays_alone_calls_nobody_without_one() {
    let mut settings = config();
    settings.servers.relay_only = true;
    let mut gateway = Gateway::bind(settings).await.unwrap();
    let session = gateway
        .open_session("room", SessionOptions::default())
        .unwrap();
    let refused = gateway.dial(session, &request());
    assert!(matches!(refused, Err(GatewayError::NoRelay)), "{refused:?}");
    assert_eq!(gateway.calls().count(), 0);
    // Without ICE there is nothing to be hidden by it.
    gateway.dial(session, &request().ice(Ice::Off)).unwrap();
}

#[tokio::test]
async fn an_account_of_no_use_is_told_at_once_and_no_password_is_shown() {
    let server = TurnServer::new("127.0.0.1:3478".parse().unwrap(), "", "secret");
    let mut settings = config();
    settings.servers.turn = vec![server];
    let shown = format!("{:?}", settings.servers);
    assert!(
        shown.contains("3478") && !shown.contains("secret"),
        "{shown}"
    );
    let refused = Gateway::bind(settings).await;
    assert!(matches!(refused, Err(BindError::Turn(_))), "{refused:?}");
}
