//! Where DTLS and ICE join a media path: their datagrams come out as they went in, and nothing passes before keys do.
#![allow(clippy::disallowed_methods)]

use rtp_core::rtcp::Epoch;
use rtp_core::srtp::{MasterKey, Suite};
use rtp_core::transport::{
    Config, Event, Keys, Latching, MediaPath, OutFrame, PacketBuf, Path, Protocol, Reason,
    Received, SendError,
};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

const PEER: &str = "192.0.2.1:4000";
const STRANGER: &str = "198.51.100.66:9";
/// A Binding request with one attribute of four bytes (RFC 8489 §5).
const STUN: [u8; 28] = [
    0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0x24, 0, 4, 0, 0,
    0, 1,
];
/// The first 13 bytes of a ClientHello's record (RFC 6347 §4.1), and one of its body.
const DTLS: [u8; 14] = [22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
const RTP: [u8; 16] = [0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4];

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn path(now: Instant, change: impl Fn(&mut Config)) -> MediaPath {
    let mut config = Config::new(addr(PEER), Epoch::new(now, SystemTime::UNIX_EPOCH));
    change(&mut config);
    MediaPath::new(now, config, Box::new(|out| out.fill(7)))
}

fn keys(send: u8, receive: u8) -> Option<Keys> {
    let key =
        |byte| MasterKey::generate(Suite::AeadAes128Gcm, &mut |out: &mut [u8]| out.fill(byte));
    Some(Keys {
        send: key(send),
        receive: key(receive),
    })
}

fn frame() -> OutFrame<'static> {
    OutFrame {
        payload_type: 0,
        marker: false,
        timestamp: 0,
        payload: &[1; 160],
    }
}

#[test]
fn only_who_asked_gets_stun_and_dtls() {
    let now = Instant::now();
    let from = Path::rtp(addr(PEER));
    let mut deaf = path(now, |_| ());
    for (mut bytes, protocol) in [
        (STUN.to_vec(), Protocol::Stun),
        (DTLS.to_vec(), Protocol::Dtls),
    ] {
        assert_eq!(
            deaf.receive(now, from, &mut bytes),
            Received::Dropped(Reason::NotMedia(protocol))
        );
    }
    let mut path = path(now, |c| (c.stun, c.dtls) = (true, true));
    assert_eq!(
        path.receive(now, from, &mut { STUN }),
        Received::Stun(&STUN)
    );
    assert_eq!(
        path.receive(now, from, &mut { DTLS }),
        Received::Dtls(&DTLS)
    );
    // DTLS 1.3 with its short header (RFC 9147 §4).
    let mut short = [0x2f, 1, 2, 3];
    assert_eq!(
        path.receive(now, from, &mut short),
        Received::Dtls(&[0x2f, 1, 2, 3])
    );
    // ZRTP and TURN are nobody's here.
    for first in [16, 64, 100, 255] {
        let mut bytes = [first; 40];
        let got = path.receive(now, from, &mut bytes);
        assert!(matches!(got, Received::Dropped(Reason::NotMedia(_))));
    }
    assert_eq!(path.stats().handed_on, 3);
    assert_eq!(path.stats().dropped.not_media, 4);
}

#[test]
fn what_is_not_whole_is_not_handed_on() {
    let now = Instant::now();
    let mut path = path(now, |c| (c.stun, c.dtls) = (true, true));
    let mut bad: Vec<Vec<u8>> = (1..STUN.len()).map(|n| STUN[..n].to_vec()).collect();
    bad.extend((1..13).map(|n| DTLS[..n].to_vec()));
    bad.push({
        let mut cookie = STUN.to_vec();
        cookie[4] ^= 1;
        cookie
    });
    bad.push([&STUN[..], &[0]].concat());
    bad.push(vec![0x2f, 1]);
    let count = bad.len() as u64;
    for mut bytes in bad {
        let got = path.receive(now, Path::rtp(addr(PEER)), &mut bytes);
        assert_eq!(got, Received::Dropped(Reason::Malformed));
    }
    assert_eq!(path.stats().dropped.malformed, count);
    assert_eq!(path.stats().handed_on, 0);
}

#[test]
fn nothing_passes_before_the_handshake_is_over() {
    let now = Instant::now();
    let mut a = path(now, |c| c.dtls = true);
    let mut b = path(now, |c| c.dtls = true);
    let mut out = PacketBuf::new();
    assert!(a.awaits_keys());
    assert_eq!(a.send(now, frame(), &mut out), Err(SendError::NoKeys));
    let feedback = a.send_feedback(now, |w, own, peer| w.picture_loss(own, peer), &mut out);
    assert_eq!(feedback, Err(SendError::NoKeys));
    // Reports wait too, however late it is.
    let later = now + Duration::from_secs(20);
    a.handle_timeout(later);
    assert_eq!(a.poll_transmit(&mut out), None);
    // Clear packets are no way around it: none is heard, none opens the latch, none stops the clock.
    for _ in 0..10 {
        let mut rtp = RTP;
        let got = a.receive(later, Path::rtp(addr(STRANGER)), &mut rtp);
        assert_eq!(got, Received::Dropped(Reason::NoKeys));
        let mut report = [0x80, 201, 0, 1, 0, 0, 0, 9];
        let got = a.receive(later, Path::rtcp(addr(PEER)), &mut report);
        assert_eq!(got, Received::Dropped(Reason::NoKeys));
    }
    assert_eq!(a.remote(), addr(PEER));
    assert_eq!(a.poll_event(), None);
    assert_eq!((a.stats().dropped.no_keys, a.next_sequence()), (20, 0x0707));

    a.set_keys(later, keys(1, 2));
    b.set_keys(later, keys(2, 1));
    assert!(!a.awaits_keys());
    let _to = a.send(later, frame(), &mut out).unwrap();
    // Handshakes go on beside media: retransmissions, heartbeats, a new association.
    let from = Path::rtp(addr(PEER));
    assert_eq!(b.receive(later, from, &mut { DTLS }), Received::Dtls(&DTLS));
    // Both draw the same SSRC from the same generator: only that is wrong with it.
    let got = b.receive(later, from, out.as_mut_slice());
    assert_eq!(got, Received::Dropped(Reason::Looped));
    assert!(matches!(b.poll_event(), Some(Event::Collision { .. })));
    // Without keys again, the next handshake is waited for; nothing goes in the clear.
    a.set_keys(later, None);
    assert_eq!(a.send(later, frame(), &mut out), Err(SendError::NoKeys));
}

#[test]
fn handshakes_of_strangers_are_refused_where_addresses_count() {
    let now = Instant::now();
    let from = Path::rtp(addr(STRANGER));
    for (latching, stun, heard) in [
        (Latching::Off, false, false),
        // A peer behind a NAT, and one that ICE finds.
        (Latching::Auto, false, true),
        (Latching::Off, true, true),
    ] {
        let mut path = path(now, |c| {
            (c.latching, c.stun, c.dtls) = (latching, stun, true)
        });
        let mut bytes = DTLS;
        let got = path.receive(now, from, &mut bytes);
        assert_eq!(got == Received::Dtls(&DTLS), heard, "{latching:?}");
        assert_eq!(path.remote(), addr(PEER), "nobody is believed for it");
    }
}

/// RTCP on a port of its own has a handshake of its own (RFC 5764 §3).
#[test]
fn reports_wait_for_the_keys_of_their_own_port() {
    let start = Instant::now();
    let pair = |ours, theirs| {
        let mut path = path(start, |config| config.keys = keys(ours, theirs));
        path.set_rtcp_keys(start, None);
        path
    };
    let (mut alice, mut bob) = (pair(1, 2), pair(2, 1));
    let from = Path::rtcp("192.0.2.1:4001".parse().expect("an address"));
    let mut out = PacketBuf::new();
    let later = start + Duration::from_secs(60);
    alice.handle_timeout(later);
    assert!(alice.poll_transmit(&mut out).is_none(), "not without keys");
    // RTP does not wait.
    let sound = alice.send(later, frame(), &mut out);
    assert!(sound.is_ok(), "{sound:?}");

    alice.set_rtcp_keys(later, keys(3, 4));
    let latest = later + Duration::from_secs(60);
    alice.handle_timeout(latest);
    let transmit = alice.poll_transmit(&mut out).expect("a report");
    assert_eq!(transmit.to, from.from);
    let report = out.to_vec();
    let hears = |path: &mut MediaPath| {
        let mut report = report.clone();
        let received = path.receive(latest, from, &mut report);
        match received {
            Received::Rtcp(_) => None,
            Received::Dropped(reason) => Some(reason),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(hears(&mut bob), Some(Reason::NoKeys));
    // RTP's keys are not RTCP's.
    bob.set_rtcp_keys(latest, keys(2, 1));
    assert!(matches!(hears(&mut bob), Some(Reason::Srtp(_))));
    bob.set_rtcp_keys(latest, keys(4, 3));
    assert_eq!(hears(&mut bob), None);
    assert_eq!(bob.stats().reports_received, 1);
}
