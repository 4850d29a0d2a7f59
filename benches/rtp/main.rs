//! What a packet costs besides its cipher: RTP and RTCP, the jitter buffer, events, and one call's whole way in
//! and out (sockets excluded) with the share of each step.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use benches::{Bench, Counting, OURS, Report};
use bytes::Bytes;
use rtc_shared::marshal::{Marshal, Unmarshal};
use rtp_core::dtmf::{DtmfReceiver, EventPayload};
use rtp_core::jitter::{JitterBuffer, JitterConfig};
use rtp_core::rtcp::{Compound, Epoch, Packet, ReportBlock, SenderInfo, Writer};
use rtp_core::rtp::{Rtp, RtpHeader, Ssrc};
use rtp_core::srtp::{Inbound, MasterKey, Outbound, Suite};
use rtp_core::transport::{Config, Keys, MediaPath, OutFrame, PacketBuf, Path, Received};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TICK: Duration = Duration::from_millis(20);
/// Packets that are made before they are timed, and a context lasts.
const PACKETS: u32 = 1024;

fn header(n: u32) -> RtpHeader<'static> {
    RtpHeader {
        payload_type: 0,
        sequence: n as u16,
        timestamp: n.wrapping_mul(160),
        ssrc: Ssrc(0xdead_beef),
        ..RtpHeader::default()
    }
}

fn key(byte: u8) -> MasterKey {
    MasterKey::generate(Suite::AesCm128HmacSha1_80, &mut |out: &mut [u8]| {
        out.fill(byte);
    })
}

fn packets<'a>(bench: &mut Bench<'a>, sample: &'a [u8]) {
    bench.add("rtp parse", OURS, move |n| {
        for _ in 0..n {
            black_box(Rtp::parse(black_box(sample)).is_ok_and(|p| p.payload.len() == 160));
        }
    });
    bench.add("rtp parse", "rtp-types", move |n| {
        for _ in 0..n {
            let packet = rtp_types::RtpPacket::parse(black_box(sample));
            black_box(packet.is_ok_and(|p| p.payload().len() == 160));
        }
    });
    bench.add("rtp parse", "rtp-rs", move |n| {
        for _ in 0..n {
            let packet = rtp_rs::RtpReader::new(black_box(sample));
            black_box(packet.is_ok_and(|p| p.payload().len() == 160));
        }
    });
    // It copies the payload unless the packet comes as shared bytes.
    let shared = Bytes::copy_from_slice(sample);
    bench.add("rtp parse", "rtc-rtp", move |n| {
        for _ in 0..n {
            let packet = rtc_rtp::Packet::unmarshal(&mut black_box(&shared).clone());
            black_box(packet.is_ok_and(|p| p.payload.len() == 160));
        }
    });
    let payload = [0x55; 160];
    let mut out = [0; 256];
    bench.add("rtp build", OURS, move |n| {
        for _ in 0..n {
            black_box(
                header(7)
                    .write_packet(black_box(&payload), &mut out)
                    .is_ok(),
            );
            black_box(&out);
        }
    });
    let mut out = [0; 256];
    bench.add("rtp build", "rtp-types", move |n| {
        for _ in 0..n {
            let packet = rtp_types::RtpPacketBuilder::new()
                .payload_type(0)
                .sequence_number(7)
                .timestamp(7 * 160)
                .ssrc(0xdead_beef)
                .payload(black_box(&payload[..]));
            black_box(packet.write_into(&mut out).is_ok());
            black_box(&out);
        }
    });
    let mut out = [0; 256];
    bench.add("rtp build", "rtp-rs", move |n| {
        for _ in 0..n {
            let packet = rtp_rs::RtpPacketBuilder::new()
                .payload_type(0)
                .sequence(7.into())
                .timestamp(7 * 160)
                .ssrc(0xdead_beef)
                .payload(black_box(&payload));
            black_box(packet.build_into(&mut out).is_ok());
            black_box(&out);
        }
    });
    let shared = Bytes::copy_from_slice(&payload);
    let mut out = [0; 256];
    bench.add("rtp build", "rtc-rtp", move |n| {
        for _ in 0..n {
            let packet = rtc_rtp::Packet {
                header: rtc_rtp::Header {
                    version: 2,
                    sequence_number: 7,
                    timestamp: 7 * 160,
                    ssrc: 0xdead_beef,
                    ..Default::default()
                },
                payload: black_box(&shared).clone(),
            };
            black_box(packet.marshal_to(&mut out).is_ok());
            black_box(&out);
        }
    });
}

fn reports<'a>(bench: &mut Bench<'a>, compound: &'a [u8]) {
    bench.add("rtcp parse", OURS, move |n| {
        for _ in 0..n {
            let Ok(compound) = Compound::parse(black_box(compound)) else {
                panic!("a report")
            };
            for packet in compound.packets() {
                if let Packet::SenderReport(report) = packet {
                    black_box((report.info, report.blocks().next()));
                }
            }
        }
    });
    let shared = Bytes::copy_from_slice(compound);
    bench.add("rtcp parse", "rtc-rtcp", move |n| {
        for _ in 0..n {
            let packets = rtc_rtcp::packet::unmarshal(&mut black_box(&shared).clone());
            black_box(packets.is_ok_and(|packets| packets.len() == 2));
        }
    });
}

fn steps<'a>(bench: &mut Bench<'a>) {
    let start = Instant::now();
    let payload = [0x55; 160];
    let mut jitter = JitterBuffer::new(JitterConfig::new(8000));
    let (mut at, mut out) = (0u32, [0; 1500]);
    bench.add("jitter push and pull", OURS, move |n| {
        for _ in 0..n {
            let now = start + TICK * at;
            black_box(jitter.push(now, Rtp::new(&header(at), black_box(&payload))));
            black_box(jitter.pull(now, &mut out));
            at = at.wrapping_add(1);
        }
    });
    let mut receiver = DtmfReceiver::new();
    let mut at = 0u32;
    bench.add("dtmf receive", OURS, move |n| {
        for _ in 0..n {
            // A key every eight packets.
            let event = EventPayload {
                event: (at / 8 % 16) as u8,
                end: at % 8 > 4,
                volume: 10,
                duration: (at % 8 * 160) as u16,
            };
            let header = RtpHeader {
                timestamp: at / 8 * 1600,
                ..header(at)
            };
            let now = start + TICK * at;
            receiver.receive(now, Rtp::new(&header, &event.to_bytes()), 8000);
            black_box(receiver.poll());
            at = at.wrapping_add(1);
        }
    });
}

fn path(send: u8, receive: u8, secure: bool, now: Instant) -> MediaPath {
    let remote = ([192, 0, 2, send], 4000).into();
    let mut config = Config::new(remote, Epoch::new(now, SystemTime::UNIX_EPOCH));
    config.keys = secure.then(|| Keys {
        send: key(send),
        receive: key(receive),
    });
    MediaPath::new(now, config, Box::new(move |out| out.fill(send)))
}

/// One call's way in and out, in the clear and with SRTP, and the steps of it that can be taken alone.
fn call<'a>(bench: &mut Bench<'a>) {
    let start = Instant::now();
    let payload = [0x55; 160];
    for (secure, name) in [(false, "plain"), (true, "srtp")] {
        let mut a = path(1, 2, secure, start);
        let (mut at, mut out) = (0u32, PacketBuf::new());
        bench.add(&format!("call out {name}"), OURS, move |n| {
            for _ in 0..n {
                let frame = OutFrame {
                    payload_type: 0,
                    marker: false,
                    timestamp: at.wrapping_mul(160),
                    payload: black_box(&payload),
                };
                black_box(a.send(start + TICK * at, frame, &mut out).is_ok());
                at = at.wrapping_add(1);
            }
        });
        let mut a = path(1, 2, secure, start);
        let wire: Vec<Vec<u8>> = (0..PACKETS)
            .map(|n| {
                let mut out = PacketBuf::new();
                let frame = OutFrame {
                    payload_type: 0,
                    marker: false,
                    timestamp: n * 160,
                    payload: &payload,
                };
                let _to = a.send(start + TICK * n, frame, &mut out);
                out.to_vec()
            })
            .collect();
        for with_jitter in [false, true] {
            let what = if with_jitter { "call in" } else { "path in" };
            let from = Path::rtp(([192, 0, 2, 2], 4000).into());
            let wire = wire.clone();
            let mut b = path(2, 1, secure, start);
            let mut jitter = JitterBuffer::new(JitterConfig::new(8000));
            let (mut at, mut buffer, mut out) = (0u32, [0; 1500], [0; 1500]);
            bench.add(&format!("{what} {name}"), OURS, move |n| {
                for _ in 0..n {
                    if at == PACKETS {
                        b = path(2, 1, secure, start);
                        jitter = JitterBuffer::new(JitterConfig::new(8000));
                        at = 0;
                    }
                    let now = start + TICK * at;
                    let packet = &wire[at as usize];
                    let buffer = &mut buffer[..packet.len()];
                    buffer.copy_from_slice(packet);
                    match b.receive(now, from, buffer) {
                        Received::Rtp(rtp) if with_jitter => {
                            black_box(jitter.push(now, rtp));
                            black_box(jitter.pull(now, &mut out));
                        }
                        Received::Rtp(rtp) => {
                            black_box(rtp.payload);
                        }
                        other => panic!("{other:?}"),
                    }
                    at += 1;
                }
            });
        }
    }
    let (mut tx, mut at, mut buffer) = (Outbound::new(&key(1)), 0u32, [0; 200]);
    bench.add("protect alone", OURS, move |n| {
        for _ in 0..n {
            let Ok(len) = header(at).write_packet(&payload, &mut buffer) else {
                panic!("room")
            };
            black_box(tx.protect_rtp(&mut buffer, len).is_ok());
            at = at.wrapping_add(1);
        }
    });
    let mut tx = Outbound::new(&key(1));
    let wire: Vec<[u8; 182]> = (0..PACKETS)
        .map(|n| {
            let mut buffer = [0; 182];
            let len = header(n).write_packet(&payload, &mut buffer).unwrap_or(0);
            let _len = tx.protect_rtp(&mut buffer, len);
            buffer
        })
        .collect();
    let (mut rx, mut at) = (Inbound::new(&key(1)), 0u32);
    bench.add("unprotect alone", OURS, move |n| {
        for _ in 0..n {
            if at == PACKETS {
                rx = Inbound::new(&key(1));
                at = 0;
            }
            let mut buffer = wire[at as usize];
            black_box(rx.unprotect_rtp(&mut buffer).is_ok());
            at += 1;
        }
    });
}

fn main() -> ExitCode {
    let mut sample = [0; 172];
    let mut compound = [0; 200];
    let mut writer = Writer::new(&mut compound);
    let written = header(7).write_packet(&[0x55; 160], &mut sample).is_ok()
        && writer
            .sender_report(Ssrc(7), &SenderInfo::default(), &[ReportBlock::default()])
            .is_ok()
        && writer.cname(Ssrc(7), "0123456789abcdef").is_ok();
    if !written {
        return ExitCode::FAILURE;
    }
    let compound = &*writer.finish();
    let mut bench = Bench::new();
    packets(&mut bench, &sample);
    reports(&mut bench, compound);
    steps(&mut bench);
    call(&mut bench);
    let mut report = Report::new("rtp");
    bench.time(&mut report);
    bench.count_allocations(&mut report);
    if let Err(error) = report.finish() {
        eprintln!("the figures could not be written: {error}");
        return ExitCode::FAILURE;
    }
    let get = |row: &str| report.get(row, OURS).unwrap_or(f64::NAN);
    for (way, whole, parts) in [
        (
            "in",
            "call in srtp",
            [
                ("unprotect", get("unprotect alone")),
                ("demultiplex, latch, account", get("path in plain")),
                ("jitter buffer", get("call in srtp") - get("path in srtp")),
            ],
        ),
        (
            "out",
            "call out srtp",
            [
                ("header, copy, account", get("call out plain")),
                ("protect", get("call out srtp") - get("call out plain")),
                ("", 0.0),
            ],
        ),
    ] {
        let whole = get(whole);
        let shares: Vec<String> = parts
            .iter()
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, ns)| format!("{name} {:.0} %", ns * 100.0 / whole))
            .collect();
        println!(
            "one packet {way}, SRTP: {whole:.0} ns ({})",
            shares.join(", ")
        );
    }
    ExitCode::SUCCESS
}
