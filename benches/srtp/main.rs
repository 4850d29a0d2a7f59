//! SRTP and SRTCP: ours beside every Rust peer, libsrtp with `--features libsrtp`, and the floor, in one run.
//!
//! A row is a suite, a direction and a payload of 160 or 1200 bytes: one packet with a 12-byte header (RTP) or
//! a report with its first 8 bytes in the clear (RTCP) becomes protected, or plain again. Replay windows are
//! on everywhere. A context serves 1024 packets and is then made anew, because windows forbid going through
//! them twice; that is in everybody's figure, and in the floor's.
//!
//! Before anything is timed, all must agree byte for byte, in every suite and over a rollover.

mod floor;
mod peers;

use std::process::ExitCode;

use benches::{Bench, Counting, OURS, Report};
use floor::Floor;
use peers::{Kind, Make, PEERS, Peer, used};
use rtp_core::srtp::{MasterKey, Suite};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Packets a context.
const PACKETS: usize = 1024;

fn packets(kind: Kind, payload: usize) -> Vec<Vec<u8>> {
    (0..PACKETS)
        .map(|n| {
            let mut bytes = match kind {
                Kind::Rtp => {
                    let mut head = vec![0x80, 0];
                    // The rollover is in the middle.
                    head.extend((n as u16).wrapping_sub(PACKETS as u16 / 2).to_be_bytes());
                    head.extend((n as u32 * 160).to_be_bytes());
                    head
                }
                // A report whose length says what it is.
                Kind::Rtcp => {
                    let mut head = vec![0x80, 201];
                    head.extend((1 + payload as u16 / 4).to_be_bytes());
                    head
                }
            };
            bytes.extend(0xdead_beefu32.to_be_bytes());
            bytes.extend((0..payload).map(|b| (b * 7 + n) as u8));
            bytes
        })
        .collect()
}

/// Whether everybody makes the same of the same, and reads it.
fn check(key: &MasterKey, kind: Kind, plain: &[Vec<u8>], wire: &[Vec<u8>]) -> bool {
    let mut right = true;
    for (name, make) in PEERS {
        let Some(mut peer) = make(key, kind) else {
            continue;
        };
        for (plain, wire) in plain.iter().zip(wire) {
            if peer.protect(plain) != wire || peer.unprotect(wire) != plain {
                eprintln!("{name}: {:?} differs", key.suite());
                right = false;
                break;
            }
        }
    }
    right
}

/// Goes round and round over the packets, with a fresh context each time.
fn rounds<'a>(
    make: impl Fn() -> Box<dyn Peer> + 'a,
    input: &'a [Vec<u8>],
    step: fn(&mut dyn Peer, &[u8]),
) -> impl FnMut(u64) + 'a {
    let mut peer = make();
    let mut at = 0;
    move |n| {
        for _ in 0..n {
            if at == input.len() {
                peer = make();
                at = 0;
            }
            step(&mut *peer, &input[at]);
            at += 1;
        }
    }
}

fn protect(peer: &mut dyn Peer, packet: &[u8]) {
    used(peer.protect(packet));
}

fn unprotect(peer: &mut dyn Peer, packet: &[u8]) {
    used(peer.unprotect(packet));
}

fn main() -> ExitCode {
    let key = |suite| MasterKey::generate(suite, &mut |out: &mut [u8]| out.fill(0x5c));
    let mut cells = Vec::new();
    for kind in [Kind::Rtp, Kind::Rtcp] {
        for suite in Suite::ALL {
            let (key, plain) = (key(*suite), packets(kind, 160));
            let Some(mut ours) = PEERS[0].1(&key, kind) else {
                continue;
            };
            let wire: Vec<Vec<u8>> = plain.iter().map(|p| ours.protect(p).to_vec()).collect();
            if !check(&key, kind, &plain, &wire) {
                return ExitCode::FAILURE;
            }
        }
        for (short, suite) in [
            ("cm", Suite::AesCm128HmacSha1_80),
            ("gcm", Suite::AeadAes128Gcm),
        ] {
            for payload in [160, 1200] {
                let plain = packets(kind, payload);
                let key = key(suite);
                let Some(mut ours) = PEERS[0].1(&key, kind) else {
                    continue;
                };
                let wire: Vec<Vec<u8>> = plain.iter().map(|p| ours.protect(p).to_vec()).collect();
                if !check(&key, kind, &plain, &wire) {
                    return ExitCode::FAILURE;
                }
                let stem = match kind {
                    Kind::Rtp => short.to_owned(),
                    Kind::Rtcp => format!("rtcp {short}"),
                };
                cells.push((stem, payload, kind, key, plain, wire));
            }
        }
    }
    let mut bench = Bench::new();
    for (stem, payload, kind, key, plain, wire) in &cells {
        let rows = [
            (
                format!("{stem} protect {payload}"),
                plain,
                protect as fn(&mut dyn Peer, &[u8]),
            ),
            (format!("{stem} unprotect {payload}"), wire, unprotect),
        ];
        for (row, input, step) in rows {
            for (name, make) in PEERS {
                if make(key, *kind).is_some() {
                    let make: Make = *make;
                    let fresh = move || make(key, *kind).expect("it was there before");
                    bench.add(&row, name, rounds(fresh, input, step));
                }
            }
            let fresh = move || Box::new(Floor::new(key, *kind)) as Box<dyn Peer>;
            bench.add(&row, "floor", rounds(fresh, input, step));
        }
    }
    let mut report = Report::new("srtp");
    bench.time(&mut report);
    bench.count_allocations(&mut report);
    if let Err(error) = report.finish() {
        eprintln!("the figures could not be written: {error}");
        return ExitCode::FAILURE;
    }
    for (stem, payload, ..) in &cells {
        for way in ["protect", "unprotect"] {
            let row = format!("{stem} {way} {payload}");
            if let (Some(ours), Some(floor)) = (report.get(&row, OURS), report.get(&row, "floor")) {
                println!("{row}: {:.2} of the floor", ours / floor);
            }
        }
    }
    ExitCode::SUCCESS
}
