//! SIP messages: ours beside every Rust peer, in one run.
//!
//! `parse`   bytes to the parser's normal message, and drop it; ours is `MessageRef` over a reused index.
//! `access`  parse, then read what a transaction layer needs: the top Via's branch, both tags, Call-ID,
//!           CSeq, the Contact's host. Lazy parsers pay here.
//! `digest`  parse, read those, and the digest credentials of the REGISTER, typed.
//! `owned`   parse to `Message`, the form that an endpoint keeps, from a copy of the bytes.
//! `print`   a parsed message into bytes; ours into a caller's buffer.
//! `datagram`, `stream`  the same bytes through the framer.
//!
//! Every adapter is first checked to read the same facts from every message.

mod facts;
mod messages;
mod ours;
mod peers;

use std::hint::black_box;
use std::process::ExitCode;

use benches::{Bench, Counting, OURS, Report};
use bytes::Bytes;
use facts::Facts;
use messages::{Sample, samples};
use peers::Peer;
use sip_core::{Frame, Framer, StatusCode};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Peers that read something else than is there are not compared.
fn check(peers: &[Peer], samples: &[Sample]) -> bool {
    let mut right = true;
    let mut say = |who: &str, what: &str, problem: String| {
        eprintln!("{who} on {what}: {problem}");
        right = false;
    };
    for sample in samples {
        let expected = Facts::expected(&sample.bytes);
        let ours = ours::Borrowed::new().access(&sample.bytes);
        if ours != Some(expected) {
            say(OURS, sample.name, format!("{ours:?} is not {expected:?}"));
        }
        for peer in peers {
            let input = peer.input(&sample.bytes);
            if input.len() != sample.bytes.len() {
                say(peer.name, sample.name, "the twin is not as long".to_owned());
            }
            if !(peer.parse)(&input) {
                say(peer.name, sample.name, "does not parse".to_owned());
            }
            if let Some(access) = peer.access {
                let got = access(&input);
                if got != Some(expected) {
                    say(
                        peer.name,
                        sample.name,
                        format!("{got:?} is not {expected:?}"),
                    );
                }
            }
            if let Some(print) = peer.print {
                let length = print(&input)();
                if length.abs_diff(sample.bytes.len()) > 24 {
                    say(peer.name, sample.name, format!("prints {length} bytes"));
                }
            }
        }
    }
    right
}

fn messages<'a>(bench: &mut Bench<'a>, samples: &'a [Sample], peers: &'a [Peer]) {
    for sample in samples {
        let row = |what: &str| format!("{} {what}", sample.name);
        let bytes = &sample.bytes[..];
        let mut borrowed = ours::Borrowed::new();
        bench.add(&row("parse"), OURS, move |n| {
            for _ in 0..n {
                black_box(borrowed.parse(black_box(bytes)));
            }
        });
        let mut borrowed = ours::Borrowed::new();
        bench.add(&row("access"), OURS, move |n| {
            for _ in 0..n {
                black_box(borrowed.access(black_box(bytes)));
            }
        });
        bench.add(&row("owned"), OURS, move |n| {
            for _ in 0..n {
                black_box(ours::owned(black_box(bytes)));
            }
        });
        let message = ours::owned(bytes).expect("a sample");
        let mut out = vec![0; 2048];
        bench.add(&row("print"), OURS, move |n| {
            for _ in 0..n {
                black_box(message.write_to(black_box(&mut out)).is_ok());
            }
        });
        if sample.name == "register" {
            let mut borrowed = ours::Borrowed::new();
            bench.add("register digest", OURS, move |n| {
                for _ in 0..n {
                    black_box(borrowed.digest(black_box(bytes)));
                }
            });
        }
        for peer in peers {
            theirs(bench, sample, peer);
        }
    }
}

fn theirs<'a>(bench: &mut Bench<'a>, sample: &'a Sample, peer: &'a Peer) {
    let row = |what: &str| format!("{} {what}", sample.name);
    let input = peer.input(&sample.bytes);
    let (parse, bytes) = (peer.parse, input.clone());
    bench.add(&row("parse"), peer.name, move |n| {
        for _ in 0..n {
            black_box(parse(black_box(&bytes)));
        }
    });
    if peer.http {
        // The yardstick of the aim "parse and read those fields".
        let bytes = input.clone();
        bench.add(&row("access"), peer.name, move |n| {
            for _ in 0..n {
                black_box(parse(black_box(&bytes)));
            }
        });
    }
    if let Some(access) = peer.access {
        let bytes = input.clone();
        bench.add(&row("access"), peer.name, move |n| {
            for _ in 0..n {
                black_box(access(black_box(&bytes)));
            }
        });
    }
    if let (Some(digest), "register") = (peer.digest, sample.name) {
        let bytes = input.clone();
        bench.add("register digest", peer.name, move |n| {
            for _ in 0..n {
                black_box(digest(black_box(&bytes)));
            }
        });
    }
    if let Some(print) = peer.print {
        let mut once = print(&input);
        bench.add(&row("print"), peer.name, move |n| {
            for _ in 0..n {
                black_box(once());
            }
        });
    }
}

/// The same shared bytes as datagrams and as a stream, and the cost of an answer built from nothing.
fn framing<'a>(bench: &mut Bench<'a>, sample: &'a Sample) {
    for (what, mut framer) in [
        ("invite datagram", Framer::datagram()),
        ("invite stream", Framer::stream()),
    ] {
        let bytes = Bytes::copy_from_slice(&sample.bytes);
        bench.add(what, OURS, move |n| {
            for _ in 0..n {
                framer.push(black_box(bytes.clone()));
                let Some(Frame::Message(message)) = framer.next_frame() else {
                    panic!("no message")
                };
                black_box(message);
                black_box(framer.next_frame());
            }
        });
    }
    let message = ours::owned(&sample.bytes).expect("a sample");
    bench.add("invite reply 200", OURS, move |n| {
        for _ in 0..n {
            black_box(
                message
                    .reply(StatusCode::OK)
                    .to_tag("a6c85cf")
                    .build()
                    .is_ok(),
            );
        }
    });
}

/// The aims that the project has set itself, as ratios of this run.
fn aims(report: &Report) {
    let ours = |what: &str| report.get(what, OURS);
    let fastest = |what: &str| {
        let typed = [
            "rsip",
            "rsipstack",
            "ezk-sip-types",
            "sipx-sip",
            "rvoip-sip-core",
        ];
        typed
            .iter()
            .filter_map(|p| report.get(what, p))
            .min_by(f64::total_cmp)
    };
    let say = |what: &str, ratio: Option<f64>, aim: &str| {
        if let Some(ratio) = ratio {
            println!("{what}: {ratio:.2} (aim: {aim})");
        }
    };
    let ratio = |a: Option<f64>, b: Option<f64>| Some(a? / b?);
    println!();
    for (sample, aim) in [
        ("invite", "at least 5.5"),
        ("ok", "at least 2.3"),
        ("register", "at least 2.3"),
        ("ack", "at least 2.3"),
    ] {
        let row = format!("{sample} access");
        say(
            &format!("{row}, fastest typed peer / ours"),
            ratio(fastest(&row), ours(&row)),
            aim,
        );
    }
    let http = |row: &str| report.get(row, "httparse");
    say(
        "invite access, ours / httparse",
        ratio(ours("invite access"), http("invite access")),
        "at most 3",
    );
    say(
        "invite parse, ours / httparse",
        ratio(ours("invite parse"), http("invite parse")),
        "at most 2.5",
    );
    let digest = ratio(
        ours("register digest"),
        report.get("invite access", "rsipstack"),
    );
    say(
        "register digest, ours / rsipstack's invite access",
        digest,
        "at most 0.29",
    );
    say(
        "invite print, best peer / ours",
        ratio(fastest("invite print"), ours("invite print")),
        "at least 4",
    );
    say(
        "invite stream / datagram",
        ratio(ours("invite stream"), ours("invite datagram")),
        "at most 1.15",
    );
}

fn main() -> ExitCode {
    let (samples, peers) = (samples(), peers::all());
    if !check(&peers, &samples) {
        return ExitCode::FAILURE;
    }
    let mut report = Report::new("sip_message");
    let mut bench = Bench::new();
    messages(&mut bench, &samples, &peers);
    framing(&mut bench, &samples[0]);
    bench.time(&mut report);
    bench.count_allocations(&mut report);
    if let Err(error) = report.finish() {
        eprintln!("target/bench/sip_message.json: {error}");
        return ExitCode::FAILURE;
    }
    aims(&report);
    ExitCode::SUCCESS
}
