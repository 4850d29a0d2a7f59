//! Calls that share a port: each hears its own room, whoever comes and goes, and whatever strangers send.

#![allow(clippy::disallowed_methods)] // Strangers have sockets of their own.

use super::*;
use rtp_core::stun::{self, Builder, Class, TransactionId};
use sip_core::CallId;
use std::net::{IpAddr, SocketAddr, UdpSocket};

#[tokio::test]
async fn a_call_over_the_shared_port() {
    call_over(Some(0), "udp", Secure::Dtls, Ice::Require, "opus").await;
}

#[tokio::test]
async fn a_call_without_ice_has_ports_of_its_own_beside_the_shared_one() {
    call_over(Some(0), "udp", Secure::Require, Ice::Off, "PCMA").await;
}

#[tokio::test]
async fn a_shared_port_that_is_taken_is_said_at_once() {
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut settings = config();
    settings.shared_port = Some(other.local_addr().unwrap().port());
    let error = Gateway::bind(settings).await.unwrap_err();
    assert!(error.to_string().contains("shared media port"), "{error}");
}

/// A room with a voice and an ear.
struct Place {
    session: signaling::net::SessionId,
    hz: f64,
    ear: PcmReader,
}

fn place(gateway: &mut Gateway, name: &str, hz: f64) -> Place {
    let options = SessionOptions::default();
    let session = gateway.open_session(name, options).unwrap();
    let voice = Voice::tone(Tone::new(Rate::Khz48, hz, -12.0));
    let join = Join::new(Role::Publisher);
    let who = gateway.join(session, join, voice).unwrap();
    let ear = gateway.listen(session, who, Rate::Khz48).unwrap();
    Place { session, hz, ear }
}

/// What strangers send: sound, handshakes, checks with names that they guess, and noise.
fn disturb(socket: &UdpSocket, at: SocketAddr) {
    let mut voice = [0x80; 172];
    voice[1] = 0;
    let check = Builder::new(Class::Request, stun::BINDING, TransactionId([7; 12]))
        .attribute(stun::USERNAME, b"AAAAAAAA:BBBBBBBB")
        .attribute(stun::USE_CANDIDATE, &[])
        .finish(Some(b"a password"));
    let answer = Builder::new(Class::Success, stun::BINDING, TransactionId([7; 12]))
        .address(stun::XOR_MAPPED_ADDRESS, at)
        .finish(Some(b"a password"));
    let all: [&[u8]; 6] = [&voice, &[22; 60], &check, &answer, &[0; 1], &[0xff; 1400]];
    for packet in all {
        socket.send_to(packet, at).unwrap();
    }
}

/// The way that ICE has found for a call, once the media thread has told it.
async fn way(ours: &mut Gateway, phone: &mut Gateway, id: CallId, here: bool) -> [SocketAddr; 2] {
    for _ in 0..50 {
        let gateway = if here { &*ours } else { &*phone };
        if let Some(pair) = gateway.call(id).and_then(|info| info.pair) {
            return [pair.local, pair.remote];
        }
        wait(ours, phone, 100).await;
    }
    panic!("no way is told");
}

/// Three calls over one port of one gateway, answered by another on three media threads with a port each.
async fn calls_over_one_port(home: IpAddr) {
    let settings = || {
        let mut settings = GatewayConfig::new((home, 0).into(), random());
        settings.shared_port = Some(0);
        settings
    };
    let mut ours = Gateway::bind(settings()).await.unwrap();
    let mut other = settings();
    other.uninvited = Uninvited::Accept;
    // Two calls between the same two ports could not be told apart.
    other.media_threads = 3;
    let mut phone = Gateway::bind(other).await.unwrap();

    let tones = [440.0, 660.0, 880.0];
    let mut rooms = tones.map(|hz| place(&mut ours, &format!("room {hz}"), hz));
    let mut homes = tones.map(|hz| place(&mut phone, &format!("home {hz}"), hz + 1000.0));
    let from = NameAddr::new(&"sip:desk@example.org".parse().unwrap());
    let calls: Vec<_> = rooms
        .iter()
        .enumerate()
        .map(|(n, room)| {
            let uri = format!("sip:{n}@{}", phone.sip_addr()).parse().unwrap();
            let request = DialRequest::new(uri, from.clone());
            let request = request.secure(Secure::Dtls).ice(Ice::Require);
            ours.dial(room.session, &request).unwrap()
        })
        .collect();
    let (mut theirs, mut answered) = ([None; 3], 0);
    drive(&mut ours, &mut phone, |_, gateway, event| {
        match event {
            Event::Incoming { call, request, .. } => {
                let line = request.to_string();
                let n = (0..3).find(|n| line.starts_with(&format!("INVITE sip:{n}@")));
                let n = n.unwrap();
                let join = Join::new(Role::Publisher);
                gateway.answer(call, homes[n].session, join).unwrap();
                theirs[n] = Some(call);
            }
            Event::Answered { .. } => answered += 1,
            Event::Ended { end, .. } => panic!("{end}"),
            _ => {}
        }
        answered == 6
    })
    .await;

    // One port here; there one for each thread, and no session's call at another's.
    let mut seen = Vec::new();
    for (call, theirs) in calls.iter().zip(theirs) {
        let [local, remote] = way(&mut ours, &mut phone, *call, true).await;
        let there = way(&mut ours, &mut phone, theirs.unwrap(), false).await;
        assert_eq!([remote, local], there);
        seen.push((local, remote));
    }
    let shared = seen[0].0;
    assert!(seen.iter().all(|(local, _)| *local == shared));
    let mut far: Vec<_> = seen.iter().map(|(_, remote)| *remote).collect();
    far.sort();
    far.dedup();
    assert_eq!(far.len(), 3, "{far:?}");
    assert_eq!((ours.figures().ports, phone.figures().ports), (0, 0));

    let stranger = UdpSocket::bind((home, 0)).unwrap();
    for (n, (room, home)) in rooms.iter_mut().zip(&mut homes).enumerate() {
        for at in [shared, far[0], far[1], far[2]] {
            (0..50).for_each(|_| disturb(&stranger, at));
        }
        let what = format!("call {n}");
        until_heard(&mut ours, &mut phone, &mut room.ear, home.hz, &what).await;
        until_heard(&mut ours, &mut phone, &mut home.ear, room.hz, &what).await;
    }
    stranger.set_nonblocking(true).unwrap();
    assert!(
        stranger.recv_from(&mut [0; 100]).is_err(),
        "nobody answers strangers"
    );

    // One leaves, another comes; the others go on.
    ours.hang_up(calls[1]).unwrap();
    let mut ends = 0;
    drive(&mut ours, &mut phone, |_, _, event| {
        if let Event::Ended { end, .. } = event {
            assert!(end.is_clean(), "{end}");
            ends += 1;
        }
        ends == 2
    })
    .await;
    let uri = format!("sip:1@{}", phone.sip_addr()).parse().unwrap();
    let again = DialRequest::new(uri, from).secure(Secure::Dtls);
    let again = ours.dial(rooms[1].session, &again.ice(Ice::Require));
    let mut answered = 0;
    drive(&mut ours, &mut phone, |_, gateway, event| {
        match event {
            Event::Incoming { call, .. } => {
                let join = Join::new(Role::Publisher);
                gateway.answer(call, homes[1].session, join).unwrap();
            }
            Event::Answered { .. } => answered += 1,
            _ => {}
        }
        answered == 2
    })
    .await;
    for (n, (room, home)) in rooms.iter_mut().zip(&mut homes).enumerate() {
        let what = format!("call {n}, later");
        until_heard(&mut ours, &mut phone, &mut room.ear, home.hz, &what).await;
        until_heard(&mut ours, &mut phone, &mut home.ear, room.hz, &what).await;
    }
    assert_eq!(
        way(&mut ours, &mut phone, again.unwrap(), true).await[0],
        shared
    );
    for call in [calls[0], calls[2]] {
        let report = ours.call(call).unwrap();
        assert_eq!(report.media.unwrap().path.unwrap().packets_lost, 0);
    }
}

#[tokio::test]
async fn calls_over_one_port_hear_their_own_rooms() {
    calls_over_one_port("127.0.0.1".parse().unwrap()).await;
}

#[tokio::test]
async fn calls_over_one_port_of_ipv6_hear_their_own_rooms() {
    let home = "::1".parse().unwrap();
    // Not every container has it.
    if UdpSocket::bind((home, 0)).is_ok() {
        calls_over_one_port(home).await;
    }
}
