//! A packet to a peer and from it through a TURN server, on a channel.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use benches::{Bench, OURS};
use rtp_core::transport::PacketBuf;
use rtp_core::turn::{Client, Config, Received, Sent, Transport};
use turn_client_proto::api::{Transmit, TurnClientApi, TurnConfig, TurnRecvRet};
use turn_client_proto::prelude::DelayedTransmitBuild;
use turn_client_proto::stun::Instant as Time;
use turn_client_proto::types::{TransportType, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

use crate::server::{PASSWORD, Server, USER};

const OUT: &str = "a packet wrapped for the relay";
const IN: &str = "a packet from the relay unwrapped";

/// 20 ms of G.711 with SRTP.
const LEN: usize = 182;

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn us() -> SocketAddr {
    addr("192.0.2.1:4000")
}

fn peer() -> SocketAddr {
    addr("198.51.100.1:5000")
}

fn server() -> Server {
    Server::new(addr("203.0.113.1:3478"))
}

fn ours(now: Instant) -> (Client, Vec<u8>) {
    let mut server = server();
    let config = Config::new(Transport::Udp, USER, PASSWORD);
    let mut client = Client::new(now, config).expect("a name");
    for step in 0..20 {
        let now = now + Duration::from_millis(10) * step;
        client.handle_timeout(now);
        while let Some(asked) = client.poll_transmit() {
            if let Some((_, _, answer)) = server.by_client(now, us(), &asked) {
                client.receive(now, &answer);
            }
        }
        if client.relayed().is_some() {
            client.bind(now, peer()).expect("a channel");
        }
    }
    let relayed = client.relayed().expect("an address");
    let (_, arrived) = server
        .by_peer(now, relayed, peer(), &[0x80; LEN])
        .expect("a permission");
    assert_eq!(arrived.len(), LEN + 4);
    (client, arrived)
}

/// The library that ours stands on, with nothing around it.
fn bare() -> (TurnClientUdp, Time, Vec<u8>) {
    let (mut server, start) = (server(), Instant::now());
    let config = TurnConfig::new(TurnCredentials::new(USER, PASSWORD));
    let mut client = TurnClientUdp::allocate(us(), server.at, config);
    let (mut permitted, mut bound) = (false, false);
    let mut now = Time::from_nanos(0);
    for step in 0..20 {
        now = Time::from_nanos(10_000_000 * step);
        let _ = client.poll(now);
        while let Some(asked) = client.poll_transmit(now) {
            let answer = server.by_client(start, us(), &asked.data);
            if let Some((from, _, answer)) = answer {
                let answer = Transmit::new(answer, TransportType::Udp, from, us());
                client.recv(answer, now);
            }
        }
        while client.poll_event().is_some() {}
        let relayed = client.relayed_addresses().next().is_some();
        if relayed && !permitted {
            permitted = client
                .create_permission(TransportType::Udp, peer().ip(), now)
                .is_ok();
        } else if client.have_permission(TransportType::Udp, peer().ip()) && !bound {
            bound = client.bind_channel(TransportType::Udp, peer(), now).is_ok();
        }
    }
    let (_, relayed) = client.relayed_addresses().next().expect("an address");
    let (_, arrived) = server
        .by_peer(start, relayed, peer(), &[0x80; LEN])
        .expect("a permission");
    assert_eq!(arrived.len(), LEN + 4);
    (client, now, arrived)
}

pub(crate) fn add(bench: &mut Bench<'_>) {
    let now = Instant::now();
    let soon = now + Duration::from_secs(1);
    let (mut client, _) = ours(now);
    let mut out = PacketBuf::new();
    bench.add(OUT, OURS, move |n| {
        for _ in 0..n {
            let sent = client.send(soon, peer(), black_box(&[0x80; LEN]), &mut out);
            assert!(sent == Ok(Sent::Now) && out.len() == LEN + 4);
        }
    });
    let (mut client, arrived) = ours(now);
    bench.add(IN, OURS, move |n| {
        for _ in 0..n {
            let received = client.receive(soon, black_box(&arrived));
            assert!(matches!(received, Received::Data { payload, .. } if payload.len() == LEN));
        }
    });

    let (mut client, now, _) = bare();
    let mut out = [0; 1500];
    bench.add(OUT, "turn-client-proto", move |n| {
        for _ in 0..n {
            let payload = black_box(&[0x80; LEN]);
            let built = client.send_to(TransportType::Udp, peer(), payload, now);
            let built = built.ok().flatten().expect("a channel");
            let len = built.data.len();
            built.write_into(&mut out[..len]);
            assert!(len == LEN + 4);
            black_box(&out);
        }
    });
    let (mut client, now, arrived) = bare();
    bench.add(IN, "turn-client-proto", move |n| {
        for _ in 0..n {
            let from = addr_of_server();
            let arrived = Transmit::new(black_box(&arrived), TransportType::Udp, from, us());
            let received = client.recv(arrived, now);
            assert!(matches!(&received, TurnRecvRet::PeerData(data) if data.data().len() == LEN));
        }
    });

    // The channel's four bytes alone: who has which channel is not looked up.
    use rtc_turn::proto::{chandata::ChannelData, channum::ChannelNumber};
    bench.add(OUT, "rtc-turn (the bytes alone)", move |n| {
        for _ in 0..n {
            let mut channel = ChannelData {
                data: black_box(&[0x80; LEN]).to_vec(),
                number: ChannelNumber(0x4000),
                raw: Vec::new(),
            };
            channel.encode();
            black_box(channel.raw);
        }
    });
    let (_, arrived) = ours(Instant::now());
    bench.add(IN, "rtc-turn (the bytes alone)", move |n| {
        for _ in 0..n {
            let mut channel = ChannelData {
                raw: black_box(&arrived).clone(),
                ..Default::default()
            };
            assert!(channel.decode().is_ok() && channel.data.len() == LEN);
        }
    });
}

fn addr_of_server() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 1], 3478))
}
