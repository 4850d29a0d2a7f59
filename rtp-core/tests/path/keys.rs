//! Keys: changed in mid-call, told to nobody, on one side only.

use super::pair::*;
use rtp_core::rtcp::Epoch;
use rtp_core::rtp::RtpHeader;
use rtp_core::srtp::{Inbound, Outbound, SrtpError};
use rtp_core::transport::{Config, Event, Keys, Path, Reason, Received, RtcpMode};
use std::time::SystemTime;

#[test]
fn keys_change_in_mid_call_and_across_a_rollover() {
    let mut pair = Pair::new(true, |c| c.rtcp = RtcpMode::Off);
    let change = |pair: &mut Pair, number: u64| {
        let keys = |send, receive| {
            let (send, receive) = (key(send), key(receive));
            Some(Keys { send, receive })
        };
        pair.a.set_keys(pair.now, keys(number, 2));
        pair.b.set_keys(pair.now, keys(2, number));
    };
    // Who has never seen a packet of the stream, and knows the new key, reads it.
    let newcomer_reads = |pair: &mut Pair, number: u64| {
        let mut packet = pair.frame(&[0; 160]).unwrap();
        Inbound::new(&key(number))
            .unprotect_rtp(&mut packet)
            .is_ok()
    };
    let ssrc = pair.a.ssrc();
    pair.tick(false);
    change(&mut pair, 10);
    assert!(newcomer_reads(&mut pair, 10));
    assert_eq!(pair.a.ssrc(), ssrc, "before the first rollover all agree");
    for _ in 0..70_000 {
        pair.tick(false);
    }
    let rollover = pair.a.rollover().unwrap();
    assert!(rollover >= 1);
    assert!(!newcomer_reads(&mut pair, 10), "it cannot know the counter");
    events(&mut pair.a);
    change(&mut pair, 11);
    let new = pair.a.ssrc();
    assert_ne!(new, ssrc);
    let renewed = Event::SourceRenewed { old: ssrc, new };
    assert_eq!(events(&mut pair.a), [renewed]);
    assert!(newcomer_reads(&mut pair, 11));
    for _ in 0..100 {
        pair.tick(false);
    }
    assert_eq!(pair.a.rollover(), Some(0));
    // What only newcomers have read: one in the midst of a source, the others at an end and at a beginning.
    assert_eq!(pair.b.stats().packets_lost, 1);

    // A peer that begins at 0 with its new key (a new context, as several stacks make it) is understood too.
    let mut fresh = Outbound::new(&key(12));
    pair.b.set_keys(
        pair.now,
        Some(Keys {
            send: key(2),
            receive: key(12),
        }),
    );
    for n in 0..10 {
        let header = RtpHeader {
            sequence: pair.a.next_sequence().wrapping_add(n),
            ssrc: pair.a.ssrc(),
            ..RtpHeader::default()
        };
        let mut packet = [0; 200];
        let len = header.write_packet(&[1; 160], &mut packet).unwrap();
        let len = fresh.protect_rtp(&mut packet, len).unwrap();
        let got = pair
            .b
            .receive(pair.now, Path::rtp(addr(A)), &mut packet[..len]);
        assert!(matches!(got, Received::Rtp(_)), "{n}: {got:?}");
    }
}

#[test]
fn keys_appear_in_no_debug_output() {
    let pair = Pair::new(true, |_| ());
    let config = {
        let mut config = Config::new(addr(A), Epoch::new(pair.now, SystemTime::UNIX_EPOCH));
        config.keys = Some(Keys {
            send: key(1),
            receive: key(2),
        });
        config
    };
    let all = format!("{:?} {:?} {:?}", pair.a, config, Outbound::new(&key(1)));
    assert!(all.contains("AesCm128HmacSha1_80"));
    for secret in [key(1), key(2)] {
        let bytes = secret.key_salt();
        let list = format!("{}, {}, {}", bytes[0], bytes[1], bytes[2]);
        let hex = format!("{:02x}{:02x}{:02x}", bytes[0], bytes[1], bytes[2]);
        assert!(!all.contains(&list) && !all.contains(&hex));
    }
}

#[test]
fn srtp_on_one_side_only_is_refused_and_counted() {
    let mut plain = Pair::new(false, |_| ());
    let mut secure = Pair::new(true, |_| ());
    let mut packet = plain.frame(&[0; 160]).unwrap();
    let got = secure
        .b
        .receive(secure.now, Path::rtp(addr(A)), &mut packet);
    assert_eq!(
        got,
        Received::Dropped(Reason::Srtp(SrtpError::Authentication))
    );
    assert_eq!(secure.b.stats().dropped.unauthenticated, 1);
}
