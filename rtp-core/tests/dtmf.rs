//! Telephone events (RFC 4733): each key once, whatever the network does to its packets.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use proptest::prelude::*;
use rtp_core::dtmf::{
    Digit, DtmfConfig, DtmfError, DtmfOut, DtmfReceiver, DtmfSender, EventFrame, EventPayload,
};
use rtp_core::rtp::{Rtp, RtpHeader, Ssrc};
use std::time::{Duration, Instant};

/// An event packet as it would be on the wire: tick of sending, sequence number, frame.
#[derive(Debug, Clone, Copy)]
struct Wire {
    tick: u32,
    sequence: u16,
    frame: EventFrame,
}

/// Everything a sender sends for `keys`, at 50 ticks a second.
fn send(config: DtmfConfig, keys: &str) -> Vec<Wire> {
    let step = config.clock_rate / 50;
    let mut sender = DtmfSender::new(config);
    sender.queue(keys).unwrap();
    let mut wire = Vec::new();
    for tick in 0..10_000u32 {
        // The clock wraps on its way.
        let timestamp = (tick * step).wrapping_add(u32::MAX - 5 * step);
        if let DtmfOut::Event(frame) = sender.poll(timestamp) {
            wire.push(Wire {
                tick,
                sequence: tick as u16,
                frame,
            });
        }
        if sender.is_idle() {
            break;
        }
    }
    assert!(sender.is_idle());
    wire
}

/// What a receiver makes of them.
fn receive(clock_rate: u32, wire: &[Wire]) -> Vec<(char, u128)> {
    let start = Instant::now();
    let mut receiver = DtmfReceiver::new();
    let mut keys = Vec::new();
    let mut clock = 0;
    for w in wire {
        while clock < w.tick {
            clock += 1;
            receiver.handle_timeout(start + Duration::from_millis(20) * clock);
        }
        let header = RtpHeader {
            marker: w.frame.marker,
            payload_type: 101,
            sequence: w.sequence,
            timestamp: w.frame.timestamp,
            ssrc: Ssrc(9),
            ..RtpHeader::default()
        };
        let now = start + Duration::from_millis(20) * clock;
        receiver.receive(now, Rtp::new(&header, &w.frame.payload), clock_rate);
        while let Some(key) = receiver.poll() {
            keys.push((key.digit.to_char(), key.duration.as_millis()));
        }
    }
    let end = start + Duration::from_millis(20) * clock + Duration::from_secs(1);
    receiver.handle_timeout(end);
    while let Some(key) = receiver.poll() {
        keys.push((key.digit.to_char(), key.duration.as_millis()));
    }
    assert_eq!(receiver.poll_timeout(), None);
    keys
}

fn digits(keys: &[(char, u128)]) -> String {
    keys.iter().map(|k| k.0).collect()
}

#[test]
fn every_key_goes_out_as_rfc_4733_has_it() {
    let wire = send(DtmfConfig::new(8000), "5");
    let events: Vec<EventPayload> = wire
        .iter()
        .map(|w| EventPayload::parse(&w.frame.payload).unwrap())
        .collect();
    let durations: Vec<u16> = events.iter().map(|e| e.duration).collect();
    assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800]);
    let ends: Vec<bool> = events.iter().map(|e| e.end).collect();
    assert_eq!(ends, [false, false, false, false, true, true, true]);
    let markers: Vec<bool> = wire.iter().map(|w| w.frame.marker).collect();
    assert_eq!(markers, [true, false, false, false, false, false, false]);
    assert!(
        wire.windows(2)
            .all(|w| w[0].frame.timestamp == w[1].frame.timestamp)
    );
    assert!(events.iter().all(|e| e.event == 5 && e.volume == 10));
}

#[test]
fn all_keys_arrive_on_both_clocks() {
    for clock in [8000, 16_000, 48_000] {
        let keys = receive(clock, &send(DtmfConfig::new(clock), "0123456789*#ABCD"));
        assert_eq!(digits(&keys), "0123456789*#ABCD");
        assert!(keys.iter().all(|k| k.1 == 100), "{keys:?}");
    }
}

#[test]
fn the_same_key_twice_is_two_keys() {
    let keys = receive(8000, &send(DtmfConfig::new(8000), "1122"));
    assert_eq!(digits(&keys), "1122");
}

#[test]
fn pauses_let_sound_through_and_gaps_do_not() {
    let mut sender = DtmfSender::new(DtmfConfig::new(8000));
    sender.queue("1p2").unwrap();
    let out: String = (0..60)
        .map(|tick| match sender.poll(tick * 160) {
            DtmfOut::Event(_) => 'e',
            DtmfOut::Silence => '-',
            DtmfOut::Sound => 's',
        })
        .collect();
    let first = "eeeeeee---";
    let pause = "s".repeat(25);
    assert!(out.starts_with(&format!("{first}{pause}{first}s")), "{out}");
}

#[test]
fn a_long_key_is_sent_in_segments_and_reported_once() {
    let mut config = DtmfConfig::new(48_000);
    config.tone = Duration::from_secs(5);
    let wire = send(config, "7");
    let starts = wire
        .windows(2)
        .filter(|w| w[0].frame.timestamp != w[1].frame.timestamp)
        .count();
    assert!(starts >= 3, "{starts}");
    assert_eq!(wire.iter().filter(|w| w.frame.marker).count(), 1);
    assert_eq!(receive(48_000, &wire), [('7', 5000)]);
}

#[test]
fn nonsense_is_refused_whole() {
    let mut sender = DtmfSender::new(DtmfConfig::new(8000));
    assert_eq!(sender.queue("12x4"), Err(DtmfError::Unknown('x')));
    assert!(sender.is_idle());
    assert_eq!(sender.queue(&"1".repeat(257)), Err(DtmfError::Full));
    assert_eq!(sender.poll(0), DtmfOut::Sound);
    assert_eq!(Digit::from_event(16), None);
}

#[test]
fn lost_starts_missing_markers_and_repeated_ends_change_nothing() {
    let wire = send(DtmfConfig::new(8000), "42");
    let key = |w: &Wire| EventPayload::parse(&w.frame.payload).unwrap();
    let no_start: Vec<_> = wire
        .iter()
        .filter(|w| key(w).duration > 320)
        .copied()
        .collect();
    assert_eq!(receive(8000, &no_start), [('4', 100), ('2', 100)]);
    let no_marker: Vec<_> = wire
        .iter()
        .map(|w| {
            let mut w = *w;
            w.frame.marker = false;
            w
        })
        .collect();
    assert_eq!(receive(8000, &no_marker), [('4', 100), ('2', 100)]);
    let no_end: Vec<_> = wire.iter().filter(|w| !key(w).end).copied().collect();
    assert_eq!(receive(8000, &no_end), [('4', 80), ('2', 80)]);
    let only_end: Vec<_> = wire.iter().filter(|w| key(w).end).copied().collect();
    assert_eq!(receive(8000, &only_end), [('4', 100), ('2', 100)]);
    let doubled: Vec<_> = wire.iter().flat_map(|w| [*w, *w, *w]).collect();
    assert_eq!(receive(8000, &doubled), [('4', 100), ('2', 100)]);
}

#[test]
fn a_held_key_ends_by_timeout() {
    let start = Instant::now();
    let mut receiver = DtmfReceiver::new();
    let payload = EventPayload {
        event: 11,
        end: false,
        volume: 7,
        duration: 1600,
    }
    .to_bytes();
    let header = RtpHeader::default();
    receiver.receive(start, Rtp::new(&header, &payload), 8000);
    assert_eq!(receiver.poll(), None);
    let at = receiver.poll_timeout().unwrap();
    receiver.handle_timeout(at - Duration::from_millis(1));
    assert_eq!(receiver.poll(), None);
    receiver.handle_timeout(at);
    let key = receiver.poll().unwrap();
    assert_eq!((key.digit.to_char(), key.ended), ('#', false));
    assert_eq!(key.duration, Duration::from_millis(200));
}

#[test]
fn what_is_no_key_is_passed_over() {
    let start = Instant::now();
    let mut receiver = DtmfReceiver::new();
    let header = RtpHeader::default();
    for payload in [
        &[][..],
        &[1, 2, 3],
        &[16, 0x80, 0, 160],
        &[255, 0x80, 0, 160],
    ] {
        receiver.receive(start, Rtp::new(&header, payload), 8000);
    }
    assert_eq!(receiver.poll(), None);
    assert_eq!(receiver.poll_timeout(), None);
}

#[test]
fn keys_that_nobody_polls_are_bounded() {
    let start = Instant::now();
    let mut receiver = DtmfReceiver::new();
    for n in 0..1000u32 {
        let header = RtpHeader {
            timestamp: n * 1600,
            ..RtpHeader::default()
        };
        receiver.receive(start, Rtp::new(&header, &[1, 0x80, 3, 32]), 8000);
    }
    assert_eq!(receiver.overflowed(), 1000 - 64);
    assert_eq!(std::iter::from_fn(|| receiver.poll()).count(), 64);
}

proptest! {
    /// As long as one packet of each key gets through, each key is reported once and in order; packets may be
    /// doubled and swapped with their neighbours.
    #[test]
    fn each_key_once(
        keys in "[0-9*#A-D]{1,12}",
        keep in proptest::collection::vec(any::<bool>(), 7 * 12),
        double in proptest::collection::vec(any::<bool>(), 7 * 12),
        swap in proptest::collection::vec(any::<bool>(), 7 * 12),
    ) {
        let wire = send(DtmfConfig::new(8000), &keys);
        prop_assert_eq!(wire.len(), 7 * keys.len());
        let mut arrived = Vec::new();
        for (n, w) in wire.iter().enumerate() {
            // The third packet of each key always arrives.
            if keep[n] || n % 7 == 2 {
                arrived.push(*w);
                if double[n] {
                    arrived.push(*w);
                }
            }
        }
        for n in (1..arrived.len()).step_by(2) {
            if swap[n % swap.len()] {
                let (a, b) = (arrived[n - 1].tick, arrived[n].tick);
                arrived.swap(n - 1, n);
                (arrived[n - 1].tick, arrived[n].tick) = (a, b);
            }
        }
        prop_assert_eq!(digits(&receive(8000, &arrived)), keys);
    }

    #[test]
    fn survives_any_payload(packets in proptest::collection::vec(
        (any::<u32>(), proptest::collection::vec(any::<u8>(), 0..8), any::<u32>()), 0..200))
    {
        let start = Instant::now();
        let mut receiver = DtmfReceiver::new();
        for (n, (timestamp, payload, clock)) in packets.iter().enumerate() {
            let header = RtpHeader { timestamp: *timestamp, ..RtpHeader::default() };
            let now = start + Duration::from_millis(n as u64);
            receiver.receive(now, Rtp::new(&header, payload), *clock);
            receiver.handle_timeout(now);
            while receiver.poll().is_some() {}
        }
    }
}
