//! How many phones a gateway carries: sessions of one talker and one phone each, the phones in a second process, all on
//! this machine.
//!
//! ```sh
//! cargo bench --manifest-path benches/Cargo.toml --bench gateway_load
//! ```
//!
//! It runs 200 sessions with PCMU for 60 s, then looks for the most sessions with Opus under the same limit: of a hundred
//! ticks, at most one begins more than 5 ms late. `SESSIONS`, `SECONDS`, `THREADS` (media threads, 2), `CODECS`
//! (`pcmu,opus`) and `MOST` (the most Opus sessions tried, 400; 0 does not look) change that: `SESSIONS=10 SECONDS=5 MOST=20`
//! tries the script itself. Prints a table and writes `target/bench/gateway_load.json`, within five minutes; the exit says
//! whether something was not as it must be, and the last line what. On a machine with other work the
//! lateness is that work's. The codec's share is what its frames cost by themselves, a talker's tone encoded and a phone's
//! voice decoded fifty times a second, of the process's CPU.

mod codec;
mod gateway;
mod phones;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::{OURS, Report};
use gateway::Run;

/// What a run of the phones' process is called with.
const PHONES: &str = "--phones";

/// The share of ticks that may begin more than 5 ms late.
const LIMIT: f64 = 0.01;

/// When the bench has failed, whatever it is at.
const MOST_TIME: Duration = Duration::from_secs(295);

/// Seconds that a run needs beside those that it measures: calls set up and torn down, buffers settled.
const AROUND: u64 = 12;

/// Seconds that a number of sessions is tried for.
const TRIED: u64 = 8;

fn setting(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == PHONES) {
        let codec = args.get(at + 1).map_or("PCMU", String::as_str);
        return finish(phones::answer(codec));
    }
    finish(all())
}

fn finish(done: Result<(), String>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("gateway_load: {why}");
            ExitCode::FAILURE
        }
    }
}

fn all() -> Result<(), String> {
    let start = Instant::now();
    std::thread::spawn(|| {
        std::thread::sleep(MOST_TIME);
        // The phones' process ends with its input.
        eprintln!("gateway_load: not done within {} s", MOST_TIME.as_secs());
        std::process::exit(1);
    });
    let (sessions, seconds) = (setting("SESSIONS", 200), setting("SECONDS", 60));
    let codecs = std::env::var("CODECS").unwrap_or_else(|_| "pcmu,opus".to_owned());
    let wants = |codec: &str| codecs.split(',').any(|one| one.eq_ignore_ascii_case(codec));
    let mut report = Report::new("gateway_load");
    let mut failed = Vec::new();
    if wants("pcmu") {
        let run = measure("PCMU", sessions, seconds)?;
        note(&mut report, &run, &format!("PCMU, {sessions} sessions"));
        failed.extend(run.faults());
    }
    if wants("opus") && setting("MOST", 400) > 0 {
        let left = || MOST_TIME.saturating_sub(start.elapsed()).as_secs();
        let found = most("opus", seconds, &|| left() > seconds + TRIED + 3 * AROUND)?;
        // Once more and for the whole time: a minute holds a quarter less than a trial does, or else a little less still.
        let mut found = (found * 3).div_ceil(4);
        loop {
            if found == 0 {
                failed.push(
                    "of the numbers of Opus sessions tried none is within the limit".to_owned(),
                );
                break;
            }
            let run = measure("opus", found, seconds.min(left().saturating_sub(AROUND)))?;
            let faults = run.faults();
            let is_last = left() < 20 + 2 * AROUND;
            if faults.is_empty() || is_last {
                report.add("Opus, most sessions", "sessions", OURS, found as f64);
                note(&mut report, &run, &format!("Opus, {found} sessions"));
                failed.extend(faults);
                break;
            }
            found = found * 9 / 10;
        }
    }
    report.finish().map_err(|error| error.to_string())?;
    match failed.is_empty() {
        true => Ok(()),
        false => Err(failed.join("; ")),
    }
}

fn measure(codec: &str, sessions: u64, seconds: u64) -> Result<Run, String> {
    let threads = setting("THREADS", 2) as usize;
    let run = gateway::run(codec, sessions as usize, seconds, threads)?;
    println!("{run}");
    Ok(run)
}

/// The most sessions that stay within the limit, to a twentieth: from two thirds of what the codec alone would allow by
/// doubling or halving, then by halves, while there is time.
fn most(codec: &str, seconds: u64, is_time: &dyn Fn() -> bool) -> Result<u64, String> {
    let (ceiling, brief) = (setting("MOST", 400), seconds.clamp(1, TRIED));
    let holds = |sessions: u64| match measure(codec, sessions, brief) {
        Ok(run) => run.faults().is_empty(),
        Err(why) => {
            println!("{sessions} sessions with {codec}: {why}");
            false
        }
    };
    let cost = codec::cost(codec)?;
    let cores = setting("THREADS", 2) as f64;
    let alone = cores / (50.0 * (cost.encode + cost.decode));
    let (mut good, mut bad) = (0, ceiling + 1);
    let mut next = ((alone * 2.0 / 3.0) as u64).clamp(1, ceiling);
    while bad - good > (good / 20).max(1) && is_time() {
        if holds(next) {
            good = next;
        } else {
            bad = next;
        }
        next = match good {
            0 => bad / 2,
            good if bad > ceiling => (good * 2).min(ceiling),
            good => good + (bad - good) / 2,
        };
    }
    Ok(good)
}

fn note(report: &mut Report, run: &Run, what: &str) {
    for (name, unit, value) in run.figures() {
        report.add(&format!("{what}: {name}"), unit, OURS, value);
    }
}
