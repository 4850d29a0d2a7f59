//! What ICE, demultiplexing and TURN add to a packet beyond its cipher: telling protocols apart, knowing the sender and the
//! way, the checks of consent, and a relay's channel. `INSTRUCTIONS=1` counts instructions as well, with valgrind.

mod agents;
mod messages;
mod relay;
#[path = "../../rtp-core/tests/turn/server.rs"]
#[allow(dead_code)]
mod server;

use std::hint::black_box;
use std::process::ExitCode;

use benches::{Bench, Counting, OURS, Report};
use rtc_shared::util::{is_rtcp, match_dtls, match_srtp_or_srtcp};
use rtp_core::transport::Protocol;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a packet is, whoever says so.
#[derive(Clone, Copy)]
enum Kind {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
    Other,
}

/// Mostly sound, as on a socket; the beginnings of packets are enough.
fn packets() -> Vec<[u8; 32]> {
    let beginnings: [&[u8]; 8] = [
        &[0x80, 0],
        &[0x80, 0x80],
        &[0x80, 0],
        &[0x90, 96],
        &[0x81, 200],
        &[0x80, 0],
        &[0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42],
        &[22, 0xfe, 0xfd],
    ];
    let whole = |beginning: &&[u8]| {
        let mut packet = [0; 32];
        packet[..beginning.len()].copy_from_slice(beginning);
        packet
    };
    beginnings.iter().map(whole).collect()
}

fn demultiplex<'a>(bench: &mut Bench<'a>) {
    let what = "which protocol";
    let all = packets();
    let mut at = 0;
    bench.add(what, OURS, move |n| {
        for _ in 0..n {
            let packet = black_box(&all[at % 8]);
            at += 1;
            black_box(match Protocol::of(packet[0]) {
                Protocol::Media if (192..=223).contains(&packet[1]) => Kind::Rtcp,
                Protocol::Media => Kind::Rtp,
                Protocol::Stun => Kind::Stun,
                Protocol::Dtls => Kind::Dtls,
                _ => Kind::Other,
            });
        }
    });
    let all = packets();
    let mut at = 0;
    bench.add(what, "rtc", move |n| {
        for _ in 0..n {
            let packet = black_box(&all[at % 8][..]);
            at += 1;
            black_box(if match_srtp_or_srtcp(packet) {
                if is_rtcp(packet) {
                    Kind::Rtcp
                } else {
                    Kind::Rtp
                }
            } else if match_dtls(packet) {
                Kind::Dtls
            } else if rtc_stun::message::is_stun_message(packet) {
                Kind::Stun
            } else {
                Kind::Other
            });
        }
    });
}

fn main() -> ExitCode {
    let mut bench = Bench::new();
    demultiplex(&mut bench);
    agents::add(&mut bench);
    messages::add(&mut bench);
    relay::add(&mut bench);
    let mut report = Report::new("ice");
    bench.time(&mut report);
    bench.count_allocations(&mut report);
    bench.count_instructions(&mut report);
    if let Err(error) = report.finish() {
        eprintln!("the figures could not be written: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
