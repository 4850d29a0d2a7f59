//! A whole media leg over a bad network on virtual time: two paths, SRTP or not, a jitter buffer, a listener,
//! and somebody who does not belong there. What is played is counted and scored.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use rtp_core::Random;
use rtp_core::jitter::{JitterBuffer, JitterConfig, JitterStats, Playout};
use rtp_core::quality::{CodecImpairment, Conditions, LossCounter, estimate};
use rtp_core::rtcp::Epoch;
use rtp_core::rtp::{RtpHeader, Ssrc};
use rtp_core::srtp::{MasterKey, Suite};
use rtp_core::transport::{
    Component, Config, Keys, MediaPath, OutFrame, PacketBuf, Path, PathStats, Received,
};
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

/// What the network does; times in milliseconds, shares in a thousand.
#[derive(Debug, Clone, Copy, Default)]
struct Weather {
    loss: u64,
    /// Chance that a burst of loss begins with a packet, and how many packets it takes.
    burst: u64,
    burst_len: u64,
    jitter: u64,
    double: u64,
    /// Every five seconds nothing arrives for so long, then everything at once.
    gap: u64,
    /// The sender's clock is faster by so many millionths.
    drift_ppm: i64,
    /// The sender's address changes after so many seconds.
    rebind: Option<u64>,
    /// A stranger sends a packet for each of the peer's.
    attack: bool,
}

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mut x = self.0;
        x ^= x >> 33;
        x.wrapping_mul(0xff51_afd7_ed55_8ccd) >> 16
    }

    fn chance(&mut self, permille: u64) -> bool {
        self.next() % 1000 < permille
    }
}

/// What came of it.
struct Outcome {
    path: PathStats,
    jitter: JitterStats,
    /// Frames played and not played, in order.
    frames: LossCounter,
    /// Frames that were not the sender's.
    foreign: u64,
    highest_delay_ms: f64,
    mos: f64,
    remote: SocketAddr,
}

const SENDER: &str = "192.0.2.1:4000";
const REBOUND: &str = "192.0.2.1:4444";
const STRANGER: &str = "198.51.100.66:4000";

fn random(seed: u8) -> Random {
    Box::new(move |out| out.fill(seed))
}

fn run(weather: Weather, secure: bool, seconds: u64, seed: u64) -> Outcome {
    let start = Instant::now();
    let epoch = Epoch::new(start, SystemTime::UNIX_EPOCH);
    let key = |seed: u8| {
        MasterKey::generate(Suite::AesCm128HmacSha1_80, &mut |out: &mut [u8]| {
            out.fill(seed);
        })
    };
    let make = |remote: &str, send, receive| {
        let mut config = Config::new(remote.parse().unwrap(), epoch);
        config.keys = secure.then(|| Keys {
            send: key(send),
            receive: key(receive),
        });
        MediaPath::new(start, config, random(send))
    };
    let mut a = make("192.0.2.2:5000", 1, 2);
    let mut b = make(SENDER, 2, 1);
    let mut buffer = JitterBuffer::new(JitterConfig::new(8000));
    let mut dice = Dice(seed);

    // When it arrives (µs, negative for the heap), in which order, where from, what.
    let mut network: BinaryHeap<(i64, i64, bool, Vec<u8>)> = BinaryHeap::new();
    let frame_us = 20_000_000_000 / (1_000_000 + weather.drift_ppm);
    let total_us = seconds as i64 * 1_000_000;
    let (mut sent_us, mut burst_left, mut count) = (0i64, 0, 0i64);
    let mut out = PacketBuf::new();
    let (mut frames, mut foreign, mut highest) = (LossCounter::new(), 0, 0f64);
    let (mut ring, mut payload) = (0i64, [0; 1500]);
    let mut tick_us = 11_000i64;
    while tick_us < total_us {
        // The sender.
        while sent_us <= tick_us {
            let sound = [(count % 251) as u8; 160];
            let frame = OutFrame {
                payload_type: 0,
                marker: count == 0,
                timestamp: count as u32 * 160,
                payload: &sound,
            };
            let now = start + Duration::from_micros(sent_us as u64);
            let _to = a.send(now, frame, &mut out).unwrap();
            if burst_left == 0 && dice.chance(weather.burst) {
                burst_left = weather.burst_len;
            }
            let lost = burst_left > 0 || dice.chance(weather.loss);
            burst_left = burst_left.saturating_sub(1);
            let delay = 20_000 + (dice.next() % (weather.jitter * 1000 + 1)) as i64;
            let mut arrives = sent_us + delay;
            let into_gap = arrives % 5_000_000;
            if into_gap < weather.gap as i64 * 1000 {
                arrives += weather.gap as i64 * 1000 - into_gap;
            }
            let copies = if lost {
                0
            } else {
                1 + usize::from(dice.chance(weather.double))
            };
            for _ in 0..copies {
                network.push((-arrives, -count, false, out.to_vec()));
            }
            if weather.attack {
                // With the right SSRC, and numbers around the right ones.
                let header = RtpHeader {
                    sequence: a.next_sequence().wrapping_add((dice.next() % 50) as u16),
                    timestamp: dice.next() as u32,
                    ssrc: if dice.chance(500) {
                        a.ssrc()
                    } else {
                        Ssrc(666)
                    },
                    ..RtpHeader::default()
                };
                let mut forged = vec![0xee; 182];
                header.write_packet(&[0xff; 160], &mut forged).unwrap();
                forged.truncate(if secure { 182 } else { 172 });
                network.push((-arrives, -count, true, forged));
            }
            count += 1;
            sent_us += frame_us;
        }
        // What arrives.
        while network.peek().is_some_and(|p| -p.0 <= tick_us) {
            let (arrives, _, attack, mut bytes) = network.pop().unwrap();
            let moved = weather
                .rebind
                .is_some_and(|after| -arrives >= after as i64 * 1_000_000);
            let from = match (attack, moved) {
                (true, _) => STRANGER,
                (false, true) => REBOUND,
                (false, false) => SENDER,
            };
            let now = start + Duration::from_micros(-arrives as u64);
            let path = Path::rtp(from.parse().unwrap());
            if let Received::Rtp(rtp) = b.receive(now, path, &mut bytes) {
                buffer.push(now, rtp);
            }
        }
        // The listener.
        let now = start + Duration::from_micros(tick_us as u64);
        b.handle_timeout(now);
        while let Some(sent) = b.poll_transmit(&mut out) {
            assert_eq!(sent.component, Component::Rtcp);
            assert_ne!(sent.to.ip().to_string(), "198.51.100.66");
        }
        while ring < 160 {
            ring += match buffer.pull(now, &mut payload) {
                Playout::Frame(_) => {
                    frames.count(true);
                    foreign += u64::from(payload[0] == 0xff);
                    160
                }
                Playout::Stretch { by, .. } => {
                    frames.count(true);
                    160 + i64::from(by.min(80))
                }
                Playout::Shrink { by, .. } => {
                    frames.count(true);
                    160 - i64::from(by.min(80))
                }
                Playout::Conceal { samples } | Playout::Comfort { samples } => {
                    frames.count(false);
                    i64::from(samples)
                }
                Playout::Empty => 160,
                other => panic!("{other:?}"),
            };
        }
        ring -= 160;
        highest = highest.max(buffer.stats().delay_ms);
        tick_us += 20_000;
    }
    let conditions = Conditions {
        loss: frames.loss(),
        burst_ratio: frames.burst_ratio(),
        delay: Duration::from_secs_f64((buffer.stats().delay_ms + 40.0) / 1000.0),
    };
    Outcome {
        path: b.stats(),
        jitter: buffer.stats(),
        frames,
        foreign,
        highest_delay_ms: highest,
        mos: estimate(CodecImpairment { ie: 0.0, bpl: 25.1 }, conditions),
        remote: b.remote(),
    }
}

fn both(weather: Weather, check: impl Fn(&Outcome, &str)) {
    for secure in [false, true] {
        for seed in 1..=2 {
            let outcome = run(weather, secure, 60, seed);
            check(
                &outcome,
                &format!("{weather:?} secure {secure} seed {seed}"),
            );
        }
    }
}

#[test]
fn fine_weather_is_heard_whole() {
    both(Weather::default(), |o, case| {
        assert_eq!(o.frames.lost(), 0, "{case}");
        assert!(o.mos > 4.3, "{case}: {}", o.mos);
        assert_eq!(o.path.packets_lost, 0, "{case}");
    });
}

#[test]
fn random_loss_of_5_percent_costs_5_percent() {
    let weather = Weather {
        loss: 50,
        ..Weather::default()
    };
    both(weather, |o, case| {
        assert!(
            (0.03..0.07).contains(&o.frames.loss()),
            "{case}: {:?}",
            o.frames
        );
        assert!((o.path.loss() - o.frames.loss()).abs() < 0.01, "{case}");
        assert!((0.8..1.4).contains(&o.frames.burst_ratio()), "{case}");
        assert!((3.2..4.1).contains(&o.mos), "{case}: {}", o.mos);
    });
}

#[test]
fn bursts_of_20_percent_are_told_from_random_loss() {
    let weather = Weather {
        burst: 25,
        burst_len: 10,
        ..Weather::default()
    };
    both(weather, |o, case| {
        assert!(
            (0.1..0.3).contains(&o.frames.loss()),
            "{case}: {:?}",
            o.frames
        );
        assert!(o.frames.burst_ratio() > 3.0, "{case}: {:?}", o.frames);
        assert!(o.highest_delay_ms < 300.0, "{case}: {}", o.highest_delay_ms);
        assert!(o.mos < 3.0, "{case}: {}", o.mos);
    });
}

#[test]
fn jitter_reorder_and_doubles_cost_next_to_nothing() {
    let weather = Weather {
        jitter: 60,
        double: 100,
        ..Weather::default()
    };
    both(weather, |o, case| {
        assert!(o.frames.loss() < 0.02, "{case}: {:?}", o.frames);
        assert!(o.highest_delay_ms < 150.0, "{case}: {}", o.highest_delay_ms);
        assert!(o.jitter.reordered > 300, "{case}: {:?}", o.jitter);
        let doubles = o.path.dropped.replayed + o.jitter.duplicates + o.jitter.late;
        assert!(doubles > 200, "{case}: {doubles}");
        assert!(
            (10.0..40.0).contains(&o.path.jitter_ms),
            "{case}: {}",
            o.path.jitter_ms
        );
    });
}

#[test]
fn gaps_of_200_ms_are_survived_and_the_delay_comes_back() {
    let weather = Weather {
        gap: 200,
        ..Weather::default()
    };
    both(weather, |o, case| {
        assert!(o.frames.loss() < 0.06, "{case}: {:?}", o.frames);
        assert!(o.highest_delay_ms < 300.0, "{case}: {}", o.highest_delay_ms);
    });
}

#[test]
fn drift_either_way_is_not_heard() {
    for drift_ppm in [-200, 200] {
        let weather = Weather {
            drift_ppm,
            ..Weather::default()
        };
        both(weather, |o, case| {
            assert!(o.frames.lost() <= 3, "{case}: {:?}", o.frames);
            assert!(o.highest_delay_ms < 90.0, "{case}: {}", o.highest_delay_ms);
        });
    }
}

#[test]
fn a_nat_that_rebinds_is_followed() {
    let weather = Weather {
        rebind: Some(30),
        ..Weather::default()
    };
    both(weather, |o, case| {
        assert_eq!(o.remote.to_string(), REBOUND, "{case}");
        // In the clear the old address must have been silent for 400 ms first.
        assert!(o.frames.lost() < 30, "{case}: {:?}", o.frames);
    });
}

#[test]
fn an_attacker_is_neither_heard_nor_answered() {
    let weather = Weather {
        attack: true,
        loss: 50,
        jitter: 40,
        ..Weather::default()
    };
    both(weather, |o, case| {
        assert_eq!(o.foreign, 0, "{case}");
        assert_eq!(o.remote.to_string(), SENDER, "{case}");
        let dropped = o.path.dropped.stranger + o.path.dropped.unauthenticated;
        assert!(
            dropped + o.path.dropped.replayed >= 2980,
            "{case}: {dropped}"
        );
        assert!(o.frames.loss() < 0.08, "{case}: {:?}", o.frames);
    });
}

#[test]
fn everything_at_once_stays_bounded() {
    let weather = Weather {
        loss: 50,
        burst: 5,
        burst_len: 6,
        jitter: 60,
        double: 50,
        gap: 200,
        drift_ppm: 200,
        rebind: Some(20),
        attack: true,
    };
    both(weather, |o, case| {
        assert_eq!(o.foreign, 0, "{case}");
        assert_eq!(o.remote.to_string(), REBOUND, "{case}");
        assert!(o.highest_delay_ms < 400.0, "{case}: {}", o.highest_delay_ms);
        assert!(
            (0.04..0.3).contains(&o.frames.loss()),
            "{case}: {:?}",
            o.frames
        );
        assert!(o.mos > 1.0 && o.mos < 4.0, "{case}: {}", o.mos);
    });
}

/// The whole leg over eleven minutes of hold: from the first frame sent afterwards to the first one played.
fn heard_after_hold(secure: bool, clock_stops: bool, jitter_ms: u64) -> Duration {
    let start = Instant::now();
    let epoch = Epoch::new(start, SystemTime::UNIX_EPOCH);
    let key = |seed: u8| {
        MasterKey::generate(Suite::AesCm256HmacSha1_80, &mut |out: &mut [u8]| {
            out.fill(seed);
        })
    };
    let keys = |send, receive| {
        secure.then(|| Keys {
            send: key(send),
            receive: key(receive),
        })
    };
    let make = |remote: &str, send, receive| {
        let mut config = Config::new(remote.parse().unwrap(), epoch);
        config.keys = keys(send, receive);
        MediaPath::new(start, config, random(send))
    };
    let (mut a, mut b) = (make("192.0.2.2:5000", 1, 2), make(SENDER, 2, 1));
    let (from_a, from_b) = (SENDER.parse().unwrap(), "192.0.2.2:5000".parse().unwrap());
    let mut buffer = JitterBuffer::new(JitterConfig::new(8000));
    let (mut dice, mut out, mut payload) = (Dice(jitter_ms), PacketBuf::new(), [0; 1500]);
    let mut flying: Vec<(Duration, Vec<u8>)> = Vec::new();
    let tick = Duration::from_millis(20);
    const HOLD: std::ops::Range<u32> = 200..200 + 33_000;
    let (mut timestamp, mut ring) = (0u32, 0i64);
    for n in 0..HOLD.end + 100 {
        let (at, now) = (tick * n, start + tick * n);
        if n == HOLD.start || n == HOLD.end {
            let on = n == HOLD.end;
            a.set_direction(now, on, on);
            b.set_direction(now, on, on);
            // The re-INVITE brings the same keys again.
            a.set_keys(now, keys(1, 2));
            b.set_keys(now, keys(2, 1));
        }
        let held = HOLD.contains(&n);
        if !held {
            let sound = [if n < HOLD.start { 1 } else { 2 }; 160];
            let frame = OutFrame {
                payload_type: 0,
                marker: n == HOLD.end,
                timestamp,
                payload: &sound,
            };
            let _to = a.send(now, frame, &mut out).unwrap();
            let late = Duration::from_millis(20 + dice.next() % (jitter_ms + 1));
            flying.push((at + late, out.to_vec()));
        }
        if !held || !clock_stops {
            timestamp = timestamp.wrapping_add(160);
        }
        flying.sort();
        while flying.first().is_some_and(|(arrives, _)| *arrives <= at) {
            let (arrives, mut bytes) = flying.remove(0);
            if let Received::Rtp(rtp) = b.receive(start + arrives, Path::rtp(from_a), &mut bytes) {
                buffer.push(start + arrives, rtp);
            }
        }
        // Reports go on.
        a.handle_timeout(now);
        b.handle_timeout(now);
        while a.poll_transmit(&mut out).is_some() {
            b.receive(now, Path::rtcp(from_a), out.as_mut_slice());
        }
        while b.poll_transmit(&mut out).is_some() {
            a.receive(now, Path::rtcp(from_b), out.as_mut_slice());
        }
        while a.poll_event().is_some() {}
        while b.poll_event().is_some() {}
        while ring < 160 {
            ring += match buffer.pull(now, &mut payload) {
                Playout::Frame(frame)
                | Playout::Stretch { frame, .. }
                | Playout::Shrink { frame, .. } => {
                    if payload[0] == 2 {
                        return at - tick * HOLD.end;
                    }
                    i64::from(frame.samples)
                }
                Playout::Conceal { samples } | Playout::Comfort { samples } => i64::from(samples),
                _ => 160,
            };
        }
        ring -= 160;
    }
    panic!("nothing was heard after the hold");
}

#[test]
fn eleven_minutes_of_hold_then_sound_within_200_ms() {
    for secure in [false, true] {
        for clock_stops in [false, true] {
            for jitter_ms in [0, 60] {
                let waited = heard_after_hold(secure, clock_stops, jitter_ms);
                assert!(
                    waited <= Duration::from_millis(200),
                    "{waited:?}: secure {secure}, clock stops {clock_stops}, jitter {jitter_ms} ms"
                );
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_call() {
    let weather = Weather {
        loss: 80,
        jitter: 80,
        double: 50,
        ..Weather::default()
    };
    let (a, b) = (run(weather, true, 20, 9), run(weather, true, 20, 9));
    assert_eq!(a.frames, b.frames);
    assert_eq!(a.jitter, b.jitter);
    assert_eq!(a.path.packets_lost, b.path.packets_lost);
}
