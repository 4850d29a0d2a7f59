//! Who is believed: strangers, NATs, other protocols, our own packets.

use super::pair::*;
use rtp_core::rtcp::{Compound, Packet, Writer};
use rtp_core::rtp::{Rtp, RtpHeader, Ssrc};
use rtp_core::transport::{
    Component, Event, Latching, PacketBuf, Path, Protocol, Reason, Received, SendError,
};

#[test]
fn a_stranger_can_neither_speak_nor_listen() {
    for secure in [false, true] {
        let mut pair = Pair::new(secure, |_| ());
        for _ in 0..50 {
            pair.tick(false);
        }
        let stranger = addr("198.51.100.66:6666");
        for n in 0..500u16 {
            pair.tick(false);
            let header = RtpHeader {
                sequence: pair.a.next_sequence().wrapping_add(n),
                timestamp: 1,
                // Sometimes with the right SSRC, which anyone on the way of an RTCP packet may have seen.
                ssrc: if n % 2 == 0 {
                    pair.a.ssrc()
                } else {
                    Ssrc(n.into())
                },
                ..RtpHeader::default()
            };
            let mut packet = vec![0; 182];
            header.write_packet(&[0xee; 160], &mut packet).unwrap();
            let len = if secure { 182 } else { 172 };
            let got = pair
                .b
                .receive(pair.now, Path::rtp(stranger), &mut packet[..len]);
            assert!(matches!(got, Received::Dropped(_)), "{got:?}");
            let mut report = [0; 64];
            let mut writer = Writer::new(&mut report);
            writer.goodbye(pair.a.ssrc(), "").unwrap();
            let report = writer.finish();
            let got = pair.b.receive(pair.now, Path::rtcp(stranger), report);
            assert!(matches!(got, Received::Dropped(_)), "{got:?}");
        }
        assert_eq!(pair.b.remote(), addr(A));
        let stats = pair.b.stats();
        assert_eq!(stats.dropped.total(), 1000);
        assert_eq!(stats.packets_lost, 0);
        if secure {
            assert_eq!(
                stats.dropped.unauthenticated + stats.dropped.malformed,
                1000,
                "a bare report is too short for a tag"
            );
            assert_eq!(pair.b.inbound().unwrap().streams(), 1);
        }
        let heard = events(&mut pair.b);
        assert_eq!(
            heard,
            [Event::SourceChanged {
                from: None,
                to: pair.a.ssrc()
            }]
        );
    }
}

#[test]
fn a_peer_behind_a_nat_is_found_and_rtcp_with_it() {
    let mut pair = Pair::new(false, |c| c.latching = Latching::Auto);
    let nat = addr("203.0.113.7:40000");
    let mut got_through = 0;
    for _ in 0..50 {
        let mut packet = pair.frame(&[0; 160]).unwrap();
        let got = pair.b.receive(pair.now, Path::rtp(nat), &mut packet);
        got_through += u32::from(matches!(got, Received::Rtp(_)));
        pair.ticks += 1;
        pair.now += 20 * MS;
    }
    assert_eq!(got_through, 47);
    assert_eq!(pair.b.remote(), nat);
    assert_eq!(
        events(&mut pair.b)[0],
        Event::Latched {
            component: Component::Rtp,
            to: nat
        }
    );
    let mut out = PacketBuf::new();
    let mut rtcp = None;
    for _ in 0..500 {
        pair.now += 20 * MS;
        pair.b.handle_timeout(pair.now);
        rtcp = rtcp.or(pair.b.poll_transmit(&mut out));
    }
    assert_eq!(rtcp.unwrap().to, addr("203.0.113.7:40001"));
    // RTCP comes through another mapping: from the same host, and naming the source that is heard.
    let mut report = [0; 64];
    let mut writer = Writer::new(&mut report);
    writer.receiver_report(pair.a.ssrc(), &[]).unwrap();
    let mapped = addr("203.0.113.7:51234");
    let got = pair
        .b
        .receive(pair.now, Path::rtcp(mapped), writer.finish());
    assert!(matches!(got, Received::Rtcp(_)));
    assert!(events(&mut pair.b).contains(&Event::Latched {
        component: Component::Rtcp,
        to: mapped
    }));
}

#[test]
fn negotiation_moves_the_peer_and_opens_the_latch() {
    let mut pair = Pair::new(false, |_| ());
    for _ in 0..10 {
        pair.tick(false);
    }
    let other = addr("192.0.2.77:9000");
    pair.b.set_remote(pair.now, other, None);
    assert_eq!(pair.b.remote(), other);
    let mut packet = pair.frame(&[0; 160]).unwrap();
    let got = pair.b.receive(pair.now, Path::rtp(other), &mut packet);
    assert!(matches!(got, Received::Rtp(_)));
    // The address of before is a stranger now.
    pair.ticks += 1;
    let mut packet = pair.frame(&[0; 160]).unwrap();
    let got = pair.b.receive(pair.now, Path::rtp(addr(A)), &mut packet);
    assert_eq!(got, Received::Dropped(Reason::Stranger));
    // Port 0 and 0.0.0.0 get nothing.
    for nowhere in ["192.0.2.77:0", "0.0.0.0:9000"] {
        pair.a.set_remote(pair.now, addr(nowhere), None);
        assert_eq!(pair.frame(&[0; 160]), Err(SendError::NoRemote));
    }
}

#[test]
fn the_first_byte_tells_protocols_apart() {
    let mut pair = Pair::new(false, |_| ());
    for first in 0..=255u8 {
        let mut packet = vec![first; 40];
        let got = pair.b.receive(pair.now, Path::rtp(addr(A)), &mut packet);
        match Protocol::of(first) {
            Protocol::Media => assert!(
                !matches!(got, Received::Dropped(Reason::NotMedia(_))),
                "{first}"
            ),
            other => assert_eq!(got, Received::Dropped(Reason::NotMedia(other))),
        }
    }
    assert_eq!(
        pair.b.receive(pair.now, Path::rtp(addr(A)), &mut []),
        Received::Handled
    );
    assert_eq!(Protocol::of(0), Protocol::Stun);
    assert_eq!(Protocol::of(22), Protocol::Dtls);
    assert_eq!(Protocol::of(64), Protocol::TurnChannel);
}

#[test]
fn our_own_packets_are_a_collision_once_and_a_loop_afterwards() {
    let mut pair = Pair::new(false, |_| ());
    let old = pair.a.ssrc();
    let mut mirrored = pair.frame(&[0; 160]).unwrap();
    let got = pair.a.receive(pair.now, Path::rtp(addr(B)), &mut mirrored);
    assert_eq!(got, Received::Dropped(Reason::Looped));
    let new = pair.a.ssrc();
    assert_ne!(old, new);
    assert_eq!(events(&mut pair.a), [Event::Collision { old, new }]);
    // The old source says goodbye, and the new one counts from zero.
    let mut out = PacketBuf::new();
    let _to = pair.a.poll_transmit(&mut out).unwrap();
    let compound = Compound::parse(&out).unwrap();
    let left = compound.packets().find_map(|packet| match packet {
        Packet::Goodbye(bye) => bye.sources().next(),
        _ => None,
    });
    assert_eq!(left, Some(old));
    assert!(matches!(
        compound.packets().next(),
        Some(Packet::ReceiverReport(report)) if report.ssrc == old
    ));
    let mut packet = pair.frame(&[0; 160]).unwrap();
    assert_eq!(Rtp::parse(&packet).unwrap().ssrc, new);
    pair.b.receive(pair.now, Path::rtp(addr(A)), &mut packet);
    let next = pair.a.poll_timeout().unwrap();
    pair.a.handle_timeout(next);
    let _to = pair.a.poll_transmit(&mut out).unwrap();
    let compound = Compound::parse(&out).unwrap();
    assert!(matches!(
        compound.packets().next(),
        Some(Packet::SenderReport(report)) if report.ssrc == new && report.info.packets == 1
    ));
    for _ in 0..100 {
        pair.ticks += 1;
        let mut mirrored = pair.frame(&[0; 160]).unwrap();
        let got = pair.a.receive(pair.now, Path::rtp(addr(B)), &mut mirrored);
        assert_eq!(got, Received::Dropped(Reason::Looped));
    }
    assert_eq!(pair.a.ssrc(), new);
    // A stranger who knows our SSRC cannot make us change it.
    let mut pair = Pair::new(false, |_| ());
    let mut mirrored = pair.frame(&[0; 160]).unwrap();
    let elsewhere = Path::rtp(addr("198.51.100.1:1"));
    pair.a.receive(pair.now, elsewhere, &mut mirrored);
    assert_eq!(events(&mut pair.a), []);
}
