//! The jitter buffer on a simulated network and a simulated listener, on virtual time.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use proptest::prelude::*;
use rtp_core::jitter::{JitterBuffer, JitterConfig, JitterStats, Playout, Push};
use rtp_core::rtp::{Rtp, RtpHeader, Ssrc};
use std::time::{Duration, Instant};

/// One packet on its way.
#[derive(Debug, Clone)]
struct Sent {
    /// Microseconds after the start at which it arrives.
    arrives: u64,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload_type: u8,
    payload: Vec<u8>,
}

fn packet(n: u32, arrives: u64) -> Sent {
    Sent {
        arrives,
        sequence: (n as u16).wrapping_add(65_500),
        timestamp: n.wrapping_mul(160).wrapping_add(u32::MAX - 1000),
        ssrc: 1,
        payload_type: 0,
        payload: payload(n, 160),
    }
}

/// Its number, and how many samples a decoder would make of it.
fn payload(n: u32, samples: u32) -> Vec<u8> {
    [n.to_be_bytes(), samples.to_be_bytes()].concat()
}

fn number(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().unwrap())
}

fn decoded(payload: &[u8]) -> i64 {
    u32::from_be_bytes(payload[4..8].try_into().unwrap()).into()
}

/// What the listener experienced.
#[derive(Debug, Default)]
struct Heard {
    frames: Vec<u32>,
    /// For every tick: the number of the last frame played, and microseconds.
    when: Vec<(u32, u64)>,
    conceal: u64,
    comfort: u64,
    empty: u64,
    recovered: u64,
    stats: JitterStats,
    highest_delay_ms: f64,
}

/// Plays `packets` into a listener who takes 20 ms every 20 ms, `drift_ppm` faster than the sender.
fn listen(config: JitterConfig, packets: &[Sent], length_ms: u64, drift_ppm: i64) -> Heard {
    let mut queue: Vec<&Sent> = packets.iter().collect();
    queue.sort_by_key(|p| p.arrives);
    let mut queue = queue.into_iter().peekable();
    let start = Instant::now();
    let mut buffer = JitterBuffer::new(config);
    let mut out = [0; 1500];
    let mut heard = Heard::default();
    let mut ring = 0i64;
    let tick_us = (20_000_000_000i64 / (1_000_000 + drift_ppm)) as u64;
    let mut tick = 7_000;
    while tick < length_ms * 1000 {
        while let Some(p) = queue.next_if(|p| p.arrives <= tick) {
            let header = RtpHeader {
                payload_type: p.payload_type,
                sequence: p.sequence,
                timestamp: p.timestamp,
                ssrc: Ssrc(p.ssrc),
                ..RtpHeader::default()
            };
            buffer.push(
                start + Duration::from_micros(p.arrives),
                Rtp::new(&header, &p.payload),
            );
        }
        let now = start + Duration::from_micros(tick);
        while ring < 160 {
            ring += match buffer.pull(now, &mut out) {
                Playout::Frame(f) => {
                    heard.frames.push(number(&out));
                    heard.when.push((number(&out), tick));
                    assert_eq!(f.payload_type & 0x80, 0);
                    decoded(&out)
                }
                Playout::Stretch { frame, by } => {
                    heard.frames.push(number(&out));
                    decoded(&out) + i64::from(by.min(frame.samples / 4))
                }
                Playout::Shrink { frame, by } => {
                    heard.frames.push(number(&out));
                    decoded(&out) - i64::from(by.min(frame.samples / 4))
                }
                Playout::Recover(f) => {
                    heard.recovered += 1;
                    i64::from(f.samples)
                }
                Playout::Conceal { samples } => {
                    heard.conceal += 1;
                    i64::from(samples)
                }
                Playout::Comfort { samples } => {
                    heard.comfort += 1;
                    i64::from(samples)
                }
                Playout::Empty => {
                    heard.empty += 1;
                    160
                }
                other => panic!("{other:?}"),
            };
        }
        ring -= 160;
        heard.highest_delay_ms = heard.highest_delay_ms.max(buffer.stats().delay_ms);
        tick += tick_us;
    }
    heard.stats = buffer.stats();
    heard
}

/// A cheap generator: the same figures every time.
fn noise(n: u64) -> u64 {
    let mut x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 32)
}

fn in_order(frames: &[u32]) -> bool {
    frames.is_sorted_by(|a, b| a < b)
}

#[test]
fn a_perfect_line_is_played_whole_with_little_delay() {
    let packets: Vec<_> = (0..1000)
        .map(|n| packet(n, u64::from(n) * 20_000))
        .collect();
    let heard = listen(JitterConfig::new(8000), &packets, 20_000, 0);
    assert!(in_order(&heard.frames));
    assert!(heard.frames.len() >= 990, "{}", heard.frames.len());
    assert_eq!(
        (heard.conceal, heard.stats.lost, heard.stats.late),
        (0, 0, 0)
    );
    assert!(heard.stats.delay_ms <= 45.0, "{:?}", heard.stats);
}

#[test]
fn jitter_of_60_ms_is_absorbed_and_the_delay_stays_bounded() {
    let packets: Vec<_> = (0..3000)
        .map(|n| packet(n, u64::from(n) * 20_000 + noise(n.into()) % 60_000))
        .collect();
    let heard = listen(JitterConfig::new(8000), &packets, 60_000, 0);
    assert!(in_order(&heard.frames));
    assert!(heard.frames.len() > 2950, "{}", heard.frames.len());
    assert!(heard.conceal < 30, "{heard:?}");
    assert!(heard.highest_delay_ms < 140.0, "{}", heard.highest_delay_ms);
    assert!(heard.stats.reordered > 100);
}

#[test]
fn loss_is_concealed_once_a_packet_and_recovered_where_the_codec_can() {
    let packets: Vec<_> = (0..2000)
        .filter(|n| n % 20 != 7)
        .map(|n| packet(n, u64::from(n) * 20_000))
        .collect();
    let heard = listen(JitterConfig::new(8000), &packets, 40_000, 0);
    assert!(in_order(&heard.frames));
    let lost = 100;
    assert_eq!(heard.stats.lost, lost);
    assert!(
        (lost..=lost + 5).contains(&heard.conceal),
        "{}",
        heard.conceal
    );

    let mut config = JitterConfig::new(8000);
    config.recover = true;
    let heard = listen(config, &packets, 40_000, 0);
    assert!(heard.recovered > 90, "{}", heard.recovered);
}

#[test]
fn a_gap_of_200_ms_costs_its_packets_only() {
    // Nothing arrives between 5.0 and 5.2 s; then everything at once.
    let packets: Vec<_> = (0..1000)
        .map(|n| {
            let at = u64::from(n) * 20_000;
            let held = (5_000_000..5_200_000).contains(&at);
            packet(n, if held { 5_200_000 } else { at })
        })
        .collect();
    let heard = listen(JitterConfig::new(8000), &packets, 20_000, 0);
    assert!(in_order(&heard.frames));
    assert!(
        heard.frames.len() >= 975,
        "{} {:?}",
        heard.frames.len(),
        heard.stats
    );
    // The delay that the gap caused is worked off again.
    assert!(heard.stats.delay_ms < 100.0, "{:?}", heard.stats);
}

#[test]
fn clocks_that_drift_either_way_neither_drain_nor_fill_it() {
    for ppm in [-200, 200] {
        let packets: Vec<_> = (0..30_000)
            .map(|n| packet(n, u64::from(n) * 20_000))
            .collect();
        let heard = listen(JitterConfig::new(8000), &packets, 600_000, ppm);
        assert!(in_order(&heard.frames), "{ppm}");
        assert!(heard.frames.len() > 29_980, "{ppm}: {}", heard.frames.len());
        assert!(
            heard.highest_delay_ms < 90.0,
            "{ppm}: {}",
            heard.highest_delay_ms
        );
        assert!(heard.conceal < 5, "{ppm}: {}", heard.conceal);
    }
}

#[test]
fn frames_of_10_to_60_ms_need_no_setting() {
    for ms in [10u32, 20, 30, 40, 60] {
        let packets: Vec<_> = (0..10_000 / ms)
            .map(|n| Sent {
                timestamp: n * ms * 8,
                payload: payload(n, ms * 8),
                ..packet(n, u64::from(n) * u64::from(ms) * 1000)
            })
            .collect();
        let heard = listen(JitterConfig::new(8000), &packets, 10_000, 0);
        assert!(in_order(&heard.frames), "{ms}");
        let missing = packets.len() - heard.frames.len();
        assert!(missing as u32 * ms <= 140, "{ms}: {missing}");
        assert!(heard.conceal <= 1, "{ms}: {}", heard.conceal);
    }
}

#[test]
fn silence_of_the_sender_is_comfort_not_concealment() {
    // A second of speech, comfort noise (payload type 13), two seconds of nothing, speech again.
    let mut packets: Vec<_> = (0..50).map(|n| packet(n, u64::from(n) * 20_000)).collect();
    packets.push(Sent {
        payload_type: 13,
        payload: payload(50, 160),
        ..packet(50, 1_000_000)
    });
    packets.extend((0..50).map(|n| {
        let mut p = packet(151 + n, u64::from(151 + n) * 20_000);
        p.sequence = packet(51 + n, 0).sequence;
        p
    }));
    let heard = listen(JitterConfig::new(8000), &packets, 4_200, 0);
    assert_eq!(heard.conceal, heard.stats.concealed);
    assert!((90..=110).contains(&heard.comfort), "{heard:?}");
    assert_eq!(heard.stats.lost, 0);
    let speech: Vec<u32> = heard.frames.iter().copied().filter(|&n| n != 50).collect();
    assert_eq!(speech.len(), 100);
    assert_eq!(heard.conceal, 6, "after the last packet only");
}

#[test]
fn a_stream_that_stops_is_concealed_briefly_then_empty_then_resumes_within_200_ms() {
    let mut packets: Vec<_> = (0..50).map(|n| packet(n, u64::from(n) * 20_000)).collect();
    // Eleven minutes of hold: the sender's timestamps went on, its sequence numbers did not.
    let pause = 11 * 60 * 50;
    packets.extend((50..100).map(|n| {
        let mut p = packet(n + pause, u64::from(n + pause) * 20_000);
        p.sequence = packet(n, 0).sequence;
        p
    }));
    let heard = listen(JitterConfig::new(8000), &packets, 662_000, 0);
    assert!(in_order(&heard.frames));
    let resumed = heard.when.iter().find(|(n, _)| *n >= pause).unwrap();
    let sent = u64::from(50 + pause) * 20_000;
    assert!(resumed.1 - sent <= 200_000, "{} µs", resumed.1 - sent);
    assert!(heard.conceal <= 12, "{}", heard.conceal);
}

#[test]
fn timestamps_that_stand_still_during_hold_resume_within_200_ms() {
    let mut packets: Vec<_> = (0..50).map(|n| packet(n, u64::from(n) * 20_000)).collect();
    packets.extend((50..100).map(|n| packet(n, u64::from(n) * 20_000 + 660_000_000)));
    let heard = listen(JitterConfig::new(8000), &packets, 662_000, 0);
    let resumed = heard.when.iter().find(|(n, _)| *n >= 50).unwrap();
    assert!(resumed.1 - 661_000_000 <= 200_000, "{}", resumed.1);
    assert!(heard.frames.len() >= 90, "{}", heard.frames.len());
}

#[test]
fn a_new_source_or_new_timestamps_start_anew() {
    for (ssrc, offset) in [(2, 0), (1, 1 << 30), (2, 1 << 31)] {
        let mut packets: Vec<_> = (0..100).map(|n| packet(n, u64::from(n) * 20_000)).collect();
        for p in &mut packets[50..] {
            p.ssrc = ssrc;
            p.timestamp = p.timestamp.wrapping_add(offset);
            p.sequence = p.sequence.wrapping_add(if ssrc == 2 { 30_000 } else { 0 });
        }
        let heard = listen(JitterConfig::new(8000), &packets, 2_000, 0);
        assert_eq!(heard.stats.restarts, 1, "{ssrc} {offset}");
        assert!(
            heard.frames.len() > 90,
            "{ssrc} {offset}: {}",
            heard.frames.len()
        );
    }
}

#[test]
fn doubles_late_ones_and_strangers_are_told_apart() {
    let start = Instant::now();
    let mut buffer = JitterBuffer::new(JitterConfig::new(8000));
    let at = |ms: u64| start + Duration::from_millis(ms);
    let push = |buffer: &mut JitterBuffer, ms: u64, n: u32| {
        let p = packet(n, 0);
        let header = RtpHeader {
            sequence: p.sequence,
            timestamp: p.timestamp,
            ssrc: Ssrc(1),
            ..RtpHeader::default()
        };
        buffer.push(at(ms), Rtp::new(&header, &p.payload))
    };
    let mut out = [0; 1500];
    for n in 0..4u32 {
        assert_eq!(push(&mut buffer, u64::from(n) * 20, n), Push::Stored);
    }
    assert_eq!(push(&mut buffer, 61, 3), Push::Duplicate);
    assert!(matches!(buffer.pull(at(62), &mut out), Playout::Frame(_)));
    assert_eq!(push(&mut buffer, 63, 0), Push::Late);
    assert_eq!(push(&mut buffer, 64, 20_000), Push::Jump);
    let large = vec![0; 1501];
    let header = RtpHeader::default();
    assert_eq!(
        buffer.push(at(65), Rtp::new(&header, &large)),
        Push::TooLarge
    );
    let stats = buffer.stats();
    assert_eq!((stats.duplicates, stats.late, stats.restarts), (1, 1, 0));
}

#[test]
fn events_between_sound_are_silence_not_loss() {
    let start = Instant::now();
    let mut buffer = JitterBuffer::new(JitterConfig::new(8000));
    let mut out = [0; 1500];
    let (mut frames, mut comfort, mut conceal) = (0, 0, 0);
    for n in 0..100u32 {
        let now = start + Duration::from_millis(20) * n;
        let event = (40..50).contains(&n);
        let header = RtpHeader {
            payload_type: if event { 101 } else { 0 },
            sequence: n as u16,
            timestamp: if event { 40 * 160 } else { n * 160 },
            ssrc: Ssrc(1),
            ..RtpHeader::default()
        };
        if event {
            buffer.skip(now, Rtp::new(&header, &[5, 10, 0, 160]));
        } else {
            buffer.push(now, Rtp::new(&header, &[0; 160]));
        }
        match buffer.pull(now, &mut out) {
            Playout::Frame(_) | Playout::Stretch { .. } | Playout::Shrink { .. } => frames += 1,
            Playout::Comfort { .. } => comfort += 1,
            Playout::Conceal { .. } => conceal += 1,
            _ => {}
        }
    }
    assert!(frames >= 87, "{frames}");
    assert!((8..=11).contains(&comfort), "{comfort}");
    assert_eq!(conceal, 0);
    assert_eq!(buffer.stats().lost, 0);
}

#[test]
fn what_would_wait_too_long_is_thrown_away() {
    let mut config = JitterConfig::new(8000);
    config.max_delay = Duration::from_millis(100);
    // Nothing for a second, then all of it at once.
    let packets: Vec<_> = (0..500)
        .map(|n| {
            let at = u64::from(n) * 20_000;
            let held = (5_000_000..6_000_000).contains(&at);
            packet(n, if held { 6_000_000 } else { at })
        })
        .collect();
    let heard = listen(config.clone(), &packets, 10_000, 0);
    assert!(in_order(&heard.frames));
    assert!(
        heard.highest_delay_ms <= 125.0,
        "{}",
        heard.highest_delay_ms
    );
    assert!(
        (40..=50).contains(&heard.stats.discarded),
        "{:?}",
        heard.stats
    );

    // The way becomes 300 ms longer for good: that is not waiting, and nothing is thrown away for it.
    let packets: Vec<_> = (0..500)
        .map(|n| packet(n, u64::from(n) * 20_000 + if n < 250 { 0 } else { 300_000 }))
        .collect();
    let heard = listen(config, &packets, 10_000, 0);
    assert_eq!(heard.stats.discarded, 0);
    assert!(heard.frames.len() >= 475, "{:?}", heard.stats);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever arrives whenever: no panic, nothing played twice or backwards within one stream, bounded.
    #[test]
    fn survives_anything(
        steps in proptest::collection::vec(
            (any::<u16>(), any::<u32>(), 0u32..3, 0u64..200, 0usize..64, 0u8..4), 1..300)
    ) {
        let start = Instant::now();
        let mut buffer = JitterBuffer::new(JitterConfig::new(8000));
        let mut ms = 0;
        let mut out = [0; 1500];
        for (sequence, timestamp, ssrc, wait, len, kind) in steps {
            ms += wait;
            let now = start + Duration::from_millis(ms);
            let header = RtpHeader {
                sequence: if kind == 0 { sequence } else { sequence % 64 },
                timestamp: if kind < 2 { timestamp } else { timestamp % 64 * 160 },
                ssrc: Ssrc(ssrc),
                ..RtpHeader::default()
            };
            let payload = vec![1; len];
            if kind == 3 {
                buffer.skip(now, Rtp::new(&header, &payload));
            } else {
                buffer.push(now, Rtp::new(&header, &payload));
            }
            for _ in 0..3 {
                buffer.pull(now, &mut out);
            }
            prop_assert!(buffer.stats().target_ms <= 500.0);
        }
    }

    /// The same packets at the same times give the same sound.
    #[test]
    fn is_deterministic_and_never_plays_backwards(seed in any::<u64>(), loss in 0u64..40, jitter in 1u64..200) {
        let packets: Vec<_> = (0..300u32)
            .filter(|&n| noise(seed ^ u64::from(n) << 1) % 100 >= loss)
            .map(|n| packet(n, u64::from(n) * 20_000 + noise(seed ^ u64::from(n)) % (jitter * 1000)))
            .collect();
        let a = listen(JitterConfig::new(8000), &packets, 7_000, 0);
        let b = listen(JitterConfig::new(8000), &packets, 7_000, 0);
        prop_assert_eq!(&a.frames, &b.frames);
        prop_assert_eq!(a.stats, b.stats);
        prop_assert!(in_order(&a.frames));
        let s = a.stats;
        prop_assert_eq!(
            packets.len() as u64,
            s.played + s.late + s.discarded,
            "{:?}", s
        );
    }
}
