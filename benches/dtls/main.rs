//! DTLS-SRTP handshakes: what one costs both ends together, how long until sound is heard, what a burst of legs that are
//! answered at once does to the thread that carries their media, and what each leg keeps. Times are CPU time, and where a
//! network is part of them, its delay on virtual time.

mod burst;
mod ends;
mod legs;
mod memory;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::{Bench, OURS, Report, cpu_ns};
use ends::{Ends, carry, keys};
use legs::Ice;
use rtp_core::dtls::{Backend, Role};

/// Legs of the burst.
const LEGS: u16 = 1000;

/// Runs whose median is shown, where one is short.
const RUNS: usize = 9;

fn backends() -> Vec<(&'static str, Backend)> {
    let ours = (OURS, Backend::Rust);
    #[cfg(feature = "openssl")]
    return vec![ours, ("OpenSSL", Backend::OpenSsl)];
    #[cfg(not(feature = "openssl"))]
    vec![ours]
}

fn whole(ends: &Ends, backend: Backend) {
    let now = Instant::now();
    let mut client = ends.start(now, Role::Client, backend);
    let mut server = ends.start(now, Role::Server, backend);
    while carry(now, &mut client, &mut server) | carry(now, &mut server, &mut client) {}
    assert!(keys(&mut client).is_some() && keys(&mut server).is_some());
}

/// A thousand legs are answered at once, and every phone begins its handshake: our side's time until all have keys, and
/// the longest that one start or one datagram keeps the thread, in milliseconds.
fn at_once(ends: &Ends, backend: Backend) -> (f64, f64) {
    let now = Instant::now();
    let mut phones: Vec<_> = (0..LEGS)
        .map(|_| ends.start(now, Role::Client, backend))
        .collect();
    let (mut all, mut longest) = (0, 0);
    let mut spent = |since: u64| {
        let took = cpu_ns() - since;
        all += took;
        longest = longest.max(took);
    };
    let mut legs: Vec<_> = (0..LEGS)
        .map(|_| {
            let since = cpu_ns();
            let leg = ends.start(now, Role::Server, backend);
            spent(since);
            leg
        })
        .collect();
    loop {
        let mut any = false;
        for (phone, leg) in phones.iter_mut().zip(&mut legs) {
            while let Some(datagram) = phone.poll_transmit() {
                let since = cpu_ns();
                leg.receive(now, &datagram);
                spent(since);
                any = true;
            }
            any |= carry(now, leg, phone);
        }
        if !any {
            break;
        }
    }
    let mut all_ends = legs.iter_mut().chain(&mut phones);
    assert!(all_ends.all(|end| keys(end).is_some()));
    (all as f64 / 1e6, longest as f64 / 1e6)
}

/// How long until both ends hear each other, alone and in a burst.
fn sound(report: &mut Report, who: &str, ends: &Ends, backend: Backend) {
    let names = [
        (Ice::Without, "no ICE"),
        (Ice::Lite, "lite ICE"),
        (Ice::Full, "full ICE"),
    ];
    for (ice, name) in names {
        for delay in [0, 25] {
            let one_way = Duration::from_millis(delay);
            let mut runs: Vec<f64> = (0..RUNS)
                .map(|_| burst::run(ends, backend, ice, 1, one_way).last)
                .collect();
            runs.sort_by(f64::total_cmp);
            let what = format!("first sound both ways, {name}, {delay} ms one way");
            report.add(&what, "ms", who, runs[RUNS / 2]);
        }
        let all = burst::run(ends, backend, ice, LEGS, Duration::from_millis(25));
        let mut row = |what: &str, unit: &str, value: f64| {
            let what = format!("1,000 legs at once, {name}, 25 ms one way: {what}");
            report.add(&what, unit, who, value);
        };
        row("our CPU a leg", "ms", all.cpu / f64::from(LEGS));
        row("keys for all", "ms", all.keys);
        row("sound both ways, median", "ms", all.median);
        row("sound both ways, all", "ms", all.last);
    }
}

fn main() -> ExitCode {
    let ends = Ends::new();
    let mut report = Report::new("dtls");
    let mut bench = Bench::new();
    for (who, backend) in backends() {
        let ends = &ends;
        bench.add("handshake, both ends", who, move |n| {
            for _ in 0..n {
                whole(ends, backend);
            }
        });
    }
    bench.time(&mut report);
    for (who, backend) in backends() {
        let (all, longest) = at_once(&ends, backend);
        report.add("1,000 legs, our side", "ms", who, all);
        report.add("1,000 legs, longest step", "ms", who, longest);
    }
    for (who, backend) in backends() {
        sound(&mut report, who, &ends, backend);
        if let Some([amid, over, leg]) = memory::measure(&ends, backend) {
            let mut kib = |what: &str, bytes: f64| report.add(what, "KiB", who, bytes / 1024.0);
            kib("kept a handshake, our first flight sent", amid);
            kib("kept a handshake, over", over);
            kib("kept a leg with lite ICE, in its call", leg);
        }
    }
    if let Err(error) = report.finish() {
        eprintln!("the figures could not be written: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
