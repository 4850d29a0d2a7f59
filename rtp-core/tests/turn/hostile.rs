//! Strangers who write the server's address on their datagrams, and bytes of any kind.

use super::link::{Link, SECOND, addr};
use proptest::prelude::*;
use rtp_core::stun::{Builder, Class, TransactionId};
use rtp_core::turn::{
    ALLOCATE, CREATE_PERMISSION, DATA, DATA_INDICATION, Event, REFRESH, Received, Transport,
    TurnError, XOR_PEER_ADDRESS,
};
use std::net::SocketAddr;

#[test]
fn who_has_not_seen_a_request_refuses_none() {
    let (mut link, relayed) = Link::ready(Transport::Udp);
    let peer = addr("198.51.100.7:6000");
    assert!(link.say(peer, b"first").is_some());
    for method in [ALLOCATE, REFRESH, CREATE_PERMISSION] {
        for (class, number) in [(4, 1), (4, 37), (4, 38), (4, 41), (5, 0)] {
            let forged = Builder::new(Class::Error, method, TransactionId([5; 12]))
                .attribute(0x0009, &[0, 0, class, number])
                .attribute(0x0015, b"poison")
                .attribute(0x0014, b"elsewhere")
                .finish(None);
            assert_eq!(link.client.receive(link.now, &forged), Received::Foreign);
        }
    }
    // And what it signs with is what it was.
    link.pass(3600 * SECOND);
    assert_eq!(link.say(peer, b"still"), Some(relayed));
    assert_eq!(link.events, []);
}

#[test]
fn only_peers_that_were_permitted_are_heard() {
    let (mut link, relayed) = Link::ready(Transport::Udp);
    let peer = addr("198.51.100.7:6000");
    assert!(link.say(peer, b"first").is_some());
    let data = |peer: SocketAddr| {
        Builder::new(Class::Indication, DATA_INDICATION, TransactionId([5; 12]))
            .address(XOR_PEER_ADDRESS, peer)
            .attribute(DATA, b"sound")
            .finish(None)
    };
    assert_eq!(link.carry_down(&data(addr("198.51.100.8:6000"))), None);
    let (other_port, payload) = (addr("198.51.100.7:1"), b"sound".to_vec());
    assert_eq!(
        link.carry_down(&data(other_port)),
        Some((other_port, payload))
    );
    // A channel that nobody bound, one that is cut, and one that says more than it has.
    for bytes in [
        &b"\x40\x00\x00\x01x"[..],
        b"\x40\x00\x00",
        b"\x40\x00\xff\xffx",
    ] {
        assert_eq!(link.client.receive(link.now, bytes), Received::Foreign);
    }
    assert!(link.hear(relayed, peer, b"sound"));
}

#[test]
fn peers_and_waiting_datagrams_are_bounded() {
    let (mut link, _) = Link::ready(Transport::Udp);
    let mut out = rtp_core::transport::PacketBuf::new();
    let now = link.now;
    for n in 0..64u8 {
        let peer = SocketAddr::from(([198, 51, 100, n], 6000));
        for _ in 0..10 {
            let _ = link.client.send(now, peer, &[n; 100], &mut out).unwrap();
        }
    }
    let one_more = addr("198.51.100.64:6000");
    let refused = link.client.send(now, one_more, &[0; 100], &mut out);
    assert_eq!(refused, Err(TurnError::TooMany));
    link.pass(10 * SECOND);
    // One each; some were repeated while they waited for their turn.
    let granted = link.server.count(CREATE_PERMISSION);
    assert!((64..200).contains(&granted), "{granted}");
    // The last 32 waited; the others were lost.
    assert_eq!(link.sent_on.len(), 32);
    assert_eq!(link.events, Vec::<Event>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any bytes, and messages of the server's with bytes changed.
    #[test]
    fn survives_any_bytes(
        ready in any::<bool>(),
        messages in proptest::collection::vec(
            (0u8..4, 0u16..0x10, proptest::collection::vec(any::<u8>(), 0..80), any::<u16>()), 0..60),
    ) {
        let mut link = match ready {
            true => Link::ready(Transport::Udp).0,
            false => Link::new(super::link::config(Transport::Udp)),
        };
        for (kind, method, mut bytes, at) in messages {
            if kind > 0 {
                let classes = [Class::Indication, Class::Success, Class::Error];
                let asked = link.client.poll_transmit();
                let id = asked.and_then(|asked| asked[8..20].try_into().ok()).unwrap_or([0; 12]);
                let class = classes[usize::from(kind) - 1];
                bytes = Builder::new(class, method, TransactionId(id))
                    .attribute(at % 0x30, &bytes)
                    .attribute(0x0009, &[0, 0, 4, (at % 64) as u8])
                    .attribute(0x0014, &bytes)
                    .attribute(0x0015, &bytes)
                    .finish(None);
            }
            let _ = link.client.receive(link.now, &bytes);
            link.pass(SECOND / 10);
        }
        link.pass(100 * SECOND);
        prop_assert!(link.carried < 200);
    }
}
