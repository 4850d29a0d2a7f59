//! Calls: reports, hold, keys and codecs that change, an end.

use super::pair::*;
use rtp_core::jitter::JitterBuffer;
use rtp_core::rtcp::{Compound, Packet};
use rtp_core::srtp::{Inbound, Outbound};
use rtp_core::transport::{
    Event, Keys, MediaPath, OutFrame, PacketBuf, Path, Received, RtcpMode, SendError,
};

#[test]
fn machines_may_move_between_threads() {
    fn send<T: Send>() {}
    send::<MediaPath>();
    send::<JitterBuffer>();
    send::<Outbound>();
    send::<Inbound>();
    send::<rtp_core::dtmf::DtmfReceiver>();
    send::<rtp_core::dtmf::DtmfSender>();
    send::<PacketBuf>();
}

#[test]
fn reports_carry_loss_jitter_and_the_round_trip() {
    for (secure, mode) in [
        (false, RtcpMode::Separate),
        (true, RtcpMode::Separate),
        (true, RtcpMode::Mux),
    ] {
        let mut pair = Pair::new(secure, |c| c.rtcp = mode);
        for n in 0..3000 {
            pair.tick(n % 10 == 5);
        }
        let (a, b) = (pair.a.stats(), pair.b.stats());
        // A minute at one report in five seconds, give or take.
        assert!((8..=30).contains(&a.reports_sent), "{}", a.reports_sent);
        assert!(a.reports_received > 0 && b.reports_received > 0);
        assert_eq!(b.packets_lost, 300);
        assert!((b.loss() - 0.1).abs() < 0.001);
        assert_eq!(b.packets_received, 2700);
        let remote = a.remote_report.unwrap();
        assert!((remote.loss - 0.1).abs() < 0.02, "{remote:?}");
        assert!((250..=300).contains(&remote.lost), "{remote:?}");
        assert!(b.jitter_ms < 0.2 && remote.jitter_ms < 0.2);
        // Reports leave on ticks, and each tick delivers what is due: 30 ms become 40.
        let round_trip = a.round_trip.unwrap();
        assert!(round_trip.abs_diff(60 * MS) <= 25 * MS, "{round_trip:?}");
        assert_eq!(b.round_trip, None, "bob sends no sound, hence no SR");
        assert_eq!(
            (a.one_way.map(|way| way.shortest <= 45 * MS), b.one_way),
            (Some(true), None)
        );
        assert_eq!(a.dropped.total() + b.dropped.total(), 0);
    }
}

#[test]
fn a_sender_report_tells_both_clocks_and_all_counters() {
    let mut pair = Pair::new(false, |_| ());
    let offset = pair.a.timestamp_offset();
    let mut out = PacketBuf::new();
    let report = loop {
        let mut packet = pair.frame(&[0; 160]).unwrap();
        pair.b.receive(pair.now, Path::rtp(addr(A)), &mut packet);
        pair.a.handle_timeout(pair.now + 10 * MS);
        if pair.a.poll_transmit(&mut out).is_some() {
            break out.to_vec();
        }
        pair.ticks += 1;
        pair.now += 20 * MS;
    };
    let compound = Compound::parse(&report).unwrap();
    let mut packets = compound.packets();
    let Some(Packet::SenderReport(sr)) = packets.next() else {
        panic!()
    };
    // 10 ms after the last frame's first sample: 80 ticks more.
    assert_eq!(
        sr.info.rtp_timestamp,
        offset.wrapping_add(pair.ticks * 160 + 80)
    );
    assert_eq!(sr.info.packets, pair.ticks + 1);
    assert_eq!(sr.info.octets, (pair.ticks + 1) * 160);
    assert_eq!(
        sr.info.ntp.0 >> 32,
        1_700_000_000 + 2_208_988_800 + u64::from(pair.ticks) / 50
    );
    let Some(Packet::SourceDescription(sdes)) = packets.next() else {
        panic!("every compound carries the CNAME")
    };
    let item = sdes.chunks().next().unwrap().items().next().unwrap();
    assert_eq!((item.kind, item.text.len()), (1, 16));
}

#[test]
fn eleven_minutes_of_hold_then_the_same_stream_goes_on() {
    for secure in [false, true] {
        let mut pair = Pair::new(secure, |_| ());
        for _ in 0..100 {
            pair.tick(false);
        }
        let (sequence, ssrc) = (pair.a.next_sequence(), pair.a.ssrc());
        events(&mut pair.b);
        pair.a.set_direction(pair.now, false, true);
        pair.b.set_direction(pair.now, true, false);
        assert_eq!(pair.frame(&[0; 160]), Err(SendError::Held));
        let before = pair.a.stats().reports_sent;
        for _ in 0..33_000 {
            pair.rest();
        }
        assert!(pair.a.stats().reports_sent > before + 50, "RTCP goes on");
        assert_eq!(events(&mut pair.b), []);
        pair.a.set_direction(pair.now, true, true);
        pair.b.set_direction(pair.now, true, true);
        // The same keys come again with the re-INVITE: nothing may begin anew.
        if secure {
            let keys = Keys {
                send: key(1),
                receive: key(2),
            };
            pair.a.set_keys(pair.now, Some(keys));
            let keys = Keys {
                send: key(2),
                receive: key(1),
            };
            pair.b.set_keys(pair.now, Some(keys));
        }
        assert_eq!((pair.a.next_sequence(), pair.a.ssrc()), (sequence, ssrc));
        for _ in 0..100 {
            pair.tick(false);
        }
        let stats = pair.b.stats();
        assert_eq!((stats.packets_lost, stats.packets_received), (0, 200));
        assert_eq!(events(&mut pair.b), []);
    }
}

#[test]
fn a_change_of_codec_keeps_source_and_sequence_and_is_no_jitter() {
    for secure in [false, true] {
        let mut pair = Pair::new(secure, |config| config.clock_rates.push((111, 48_000)));
        let (ssrc, first) = (pair.a.ssrc(), pair.a.next_sequence());
        let mut out = PacketBuf::new();
        // G.711, Opus, G.711 again; each counts the time on its own clock, and none begins anew.
        for n in 0..300u32 {
            let (payload_type, ticks) = if (100..200).contains(&n) {
                (111, 960)
            } else {
                (0, 160)
            };
            let frame = OutFrame {
                payload_type,
                marker: false,
                timestamp: n * ticks,
                payload: &[n as u8; 80],
            };
            let _to = pair.a.send(pair.now, frame, &mut out).unwrap();
            let got = pair
                .b
                .receive(pair.now, Path::rtp(addr(A)), out.as_mut_slice());
            let Received::Rtp(rtp) = got else {
                panic!("{got:?}")
            };
            assert_eq!((rtp.ssrc, rtp.payload_type), (ssrc, payload_type));
            assert_eq!(rtp.sequence, first.wrapping_add(n as u16));
            pair.rest();
        }
        let stats = pair.b.stats();
        assert_eq!((stats.packets_received, stats.packets_lost), (300, 0));
        assert!(stats.highest_jitter_ms < 1.0, "{}", stats.highest_jitter_ms);
        assert!(events(&mut pair.b).len() <= 1, "the first packet, at most");
    }
}

#[test]
fn silence_is_told_once_and_hold_stops_its_clock() {
    let mut pair = Pair::new(false, |c| {
        c.rtcp = RtcpMode::Off;
    });
    let start = pair.now;
    assert_eq!(pair.b.poll_timeout(), Some(start + 30_000 * MS));
    pair.b.handle_timeout(start + 29_999 * MS);
    assert_eq!(events(&mut pair.b), []);
    pair.b.handle_timeout(start + 30_000 * MS);
    assert_eq!(events(&mut pair.b), [Event::Inactive { ever: false }]);
    assert_eq!(pair.b.poll_timeout(), None);
    pair.now = start + 31_000 * MS;
    pair.tick(false);
    let heard = events(&mut pair.b);
    assert!(heard.contains(&Event::Active), "{heard:?}");
    let last = pair.now - 20 * MS + pair.latency;
    assert_eq!(pair.b.poll_timeout(), Some(last + 15_000 * MS));
    pair.b.set_direction(pair.now, true, false);
    assert_eq!(pair.b.poll_timeout(), None);
    pair.b.handle_timeout(start + 600_000 * MS);
    assert_eq!(events(&mut pair.b), []);
    pair.b.set_direction(start + 700_000 * MS, true, true);
    assert_eq!(pair.b.poll_timeout(), Some(start + 715_000 * MS));
    pair.b.handle_timeout(start + 715_000 * MS);
    assert_eq!(events(&mut pair.b), [Event::Inactive { ever: true }]);
}

#[test]
fn closing_says_goodbye_and_nothing_afterwards() {
    let mut pair = Pair::new(true, |_| ());
    pair.tick(false);
    events(&mut pair.b);
    pair.a.close(pair.now, "bye");
    let mut out = PacketBuf::new();
    let sent = pair.a.poll_transmit(&mut out).unwrap();
    assert_eq!(sent.to, addr("192.0.2.2:5001"));
    let mut bytes = out.to_vec();
    let got = pair
        .b
        .receive(pair.now, Path::rtcp(addr("192.0.2.1:4001")), &mut bytes);
    let Received::Rtcp(compound) = got else {
        panic!("{got:?}")
    };
    assert!(compound.packets().any(|p| matches!(p, Packet::Goodbye(_))));
    let ssrc = pair.a.ssrc();
    assert_eq!(events(&mut pair.b), [Event::Goodbye { ssrc }]);
    assert_eq!(pair.frame(&[0; 160]), Err(SendError::Closed));
    assert_eq!(pair.a.poll_timeout(), None);
    assert_eq!(pair.a.poll_transmit(&mut out), None);
}

#[test]
fn what_is_too_large_disturbs_nothing() {
    for secure in [false, true] {
        let mut pair = Pair::new(secure, |_| ());
        let sequence = pair.a.next_sequence();
        let fits = 1500 - 12 - if secure { 10 } else { 0 };
        assert_eq!(
            pair.frame(&vec![0; fits + 1]),
            Err(SendError::TooLarge { len: 1501 })
        );
        assert_eq!(pair.a.next_sequence(), sequence);
        assert!(pair.frame(&vec![0; fits]).is_ok());
        assert_eq!(pair.a.next_sequence(), sequence.wrapping_add(1));
    }
}
