//! Media paths against each other, against strangers, and against time.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use proptest::prelude::*;
use rtp_core::Random;
use rtp_core::jitter::JitterBuffer;
use rtp_core::rtcp::{Compound, Epoch, Packet, Writer};
use rtp_core::rtp::{Rtp, RtpHeader, Ssrc};
use rtp_core::srtp::{Inbound, MasterKey, Outbound, SrtpError, Suite};
use rtp_core::transport::{
    Component, Config, Event, Keys, Latching, MediaPath, OutFrame, PacketBuf, Path, Protocol,
    Reason, Received, RtcpMode, SendError,
};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

const MS: Duration = Duration::from_millis(1);

fn random(seed: u64) -> Random {
    let mut state = seed;
    Box::new(move |out| {
        for byte in out {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
    })
}

fn key(seed: u64) -> MasterKey {
    MasterKey::generate(Suite::AesCm128HmacSha1_80, &mut *random(seed + 1000))
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

const A: &str = "192.0.2.1:4000";
const B: &str = "192.0.2.2:5000";

/// Alice and Bob with a network between them that takes `latency` each way.
struct Pair {
    now: Instant,
    a: MediaPath,
    b: MediaPath,
    latency: Duration,
    ticks: u32,
    /// RTCP on its way: when, to Bob or not, component, bytes.
    reports: Vec<(Instant, bool, Component, Vec<u8>)>,
}

impl Pair {
    fn new(secure: bool, change: impl Fn(&mut Config)) -> Pair {
        let now = Instant::now();
        let epoch = Epoch::new(
            now,
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        );
        let make = |remote: &str, send: u64, receive: u64| {
            let mut config = Config::new(addr(remote), epoch);
            config.keys = secure.then(|| Keys {
                send: key(send),
                receive: key(receive),
            });
            change(&mut config);
            MediaPath::new(now, config, random(send))
        };
        Pair {
            now,
            a: make(B, 1, 2),
            b: make(A, 2, 1),
            latency: 30 * MS,
            ticks: 0,
            reports: Vec::new(),
        }
    }

    fn frame(&mut self, payload: &[u8]) -> Result<Vec<u8>, SendError> {
        let mut out = PacketBuf::new();
        let frame = OutFrame {
            payload_type: 0,
            marker: false,
            timestamp: self.ticks * 160,
            payload,
        };
        let _to = self.a.send(self.now, frame, &mut out)?;
        Ok(out.to_vec())
    }

    /// One tick of 20 ms in which Alice sends a frame, and maybe loses it; RTCP flows.
    fn tick(&mut self, lose: bool) {
        let mut packet = self.frame(&[self.ticks as u8; 160]).unwrap();
        if !lose {
            let got = self
                .b
                .receive(self.now + self.latency, Path::rtp(addr(A)), &mut packet);
            assert!(matches!(got, Received::Rtp(_)), "{got:?}");
        }
        self.rest();
    }

    /// One tick in which nobody sends sound.
    fn rest(&mut self) {
        self.ticks += 1;
        self.now += 20 * MS;
        let mut out = PacketBuf::new();
        for (to_b, path) in [(true, &mut self.a), (false, &mut self.b)] {
            path.handle_timeout(self.now);
            while let Some(t) = path.poll_transmit(&mut out) {
                self.reports
                    .push((self.now + self.latency, to_b, t.component, out.to_vec()));
            }
        }
        let now = self.now;
        for (at, to_b, component, mut bytes) in std::mem::take(&mut self.reports) {
            if at > now {
                self.reports.push((at, to_b, component, bytes));
                continue;
            }
            let (path, from) = if to_b {
                (&mut self.b, A)
            } else {
                (&mut self.a, B)
            };
            let mut from = addr(from);
            if component == Component::Rtcp {
                from.set_port(from.port() + 1);
            }
            let got = path.receive(at, Path { component, from }, &mut bytes);
            assert!(matches!(got, Received::Rtcp(_)), "{got:?}");
        }
    }
}

fn events(path: &mut MediaPath) -> Vec<Event> {
    std::iter::from_fn(|| path.poll_event()).collect()
}

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any bytes from anywhere, with and without keys: no panic, no event flood, no state.
    #[test]
    fn survives_any_bytes(
        secure in any::<bool>(),
        mux in any::<bool>(),
        packets in proptest::collection::vec(
            (any::<bool>(), 0u8..3, proptest::collection::vec(any::<u8>(), 0..80)), 0..100),
    ) {
        let mut pair = Pair::new(secure, |c| if mux { c.rtcp = RtcpMode::Mux });
        for (n, (rtcp, from, mut bytes)) in packets.into_iter().enumerate() {
            if let Some(first) = bytes.first_mut().filter(|_| n % 3 > 0) {
                *first = 0x80 | (*first & 0x3f);
            }
            let from = SocketAddr::from(([192, 0, 2, from], 4000));
            let path = if rtcp { Path::rtcp(from) } else { Path::rtp(from) };
            let now = pair.now + MS * n as u32;
            pair.b.receive(now, path, &mut bytes);
            pair.b.handle_timeout(now);
            if secure {
                prop_assert_eq!(pair.b.inbound().unwrap().streams(), 0);
            }
        }
        prop_assert!(events(&mut pair.b).len() <= 32);
        prop_assert!(pair.b.stats().loss() <= 1.0);
    }

    /// Protect, reorder, double, lose: what is in the window arrives once, as it was sent.
    #[test]
    fn srtp_survives_reorder_and_replay(
        start in any::<u16>(),
        moves in proptest::collection::vec((0usize..100, any::<bool>(), any::<bool>()), 1..400),
        suite in 0usize..Suite::ALL.len(),
    ) {
        let suite = Suite::ALL[suite];
        let master = MasterKey::generate(suite, &mut *random(5));
        let mut tx = Outbound::new(&master);
        let mut rx = Inbound::new(&master);
        let mut packets: Vec<(usize, Vec<u8>)> = Vec::new();
        for n in 0..moves.len() {
            let header = RtpHeader {
                // Below half of the space, as we always begin: before that a receiver may guess wrong.
                sequence: (start & 0x7fff).wrapping_add((n as u16).wrapping_mul(200)),
                timestamp: n as u32,
                ssrc: Ssrc(77),
                ..RtpHeader::default()
            };
            let mut packet = vec![0; 100];
            let len = header.write_packet(&(n as u32).to_be_bytes(), &mut packet).unwrap();
            let len = tx.protect_rtp(&mut packet, len).unwrap();
            packet.truncate(len);
            packets.push((n, packet));
        }
        // Each may be late by up to a hundred places; at 200 numbers a step that stays well below half the space.
        let mut order: Vec<(usize, usize)> = moves.iter().enumerate().map(|(n, m)| (n + m.0, n)).collect();
        order.sort_unstable();
        let mut seen = std::collections::HashSet::new();
        let mut top = None;
        for (_, n) in order {
            if moves[n].1 {
                continue;
            }
            for _ in 0..1 + usize::from(moves[n].2) {
                let mut copy = packets[n].1.clone();
                match rx.unprotect_rtp(&mut copy) {
                    Ok(plain) => {
                        let rtp = Rtp::parse(plain).unwrap();
                        prop_assert_eq!(rtp.payload, (n as u32).to_be_bytes());
                        prop_assert!(seen.insert(n), "played twice");
                    }
                    Err(SrtpError::Replayed) => prop_assert!(seen.contains(&n)),
                    Err(SrtpError::TooOld) => prop_assert!(top.is_some_and(|t: usize| t > n)),
                    Err(other) => prop_assert!(false, "{:?}", other),
                }
            }
            top = top.max(Some(n));
            // The newest is always taken, however late the others were.
            prop_assert!(seen.contains(&top.unwrap()));
        }
    }
}
