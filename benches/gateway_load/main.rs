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
//! tries the script itself. Prints a table and writes `target/bench/gateway_load.json`. On a machine with other work the
//! lateness is that work's. The codec's share is what its frames cost by themselves, a talker's tone encoded and a phone's
//! voice decoded fifty times a second, of the process's CPU.

mod codec;
mod gateway;
mod phones;

use std::process::ExitCode;

use benches::{OURS, Report};
use gateway::Run;

/// What a run of the phones' process is called with.
const PHONES: &str = "--phones";

/// The share of ticks that may begin more than 5 ms late.
const LIMIT: f64 = 0.01;

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
        let found = most("opus", seconds)?;
        report.add("Opus, most sessions", "sessions", OURS, found as f64);
        if found > 0 {
            // Once more and for the whole time: what was found must hold.
            let run = measure("opus", found, seconds)?;
            note(&mut report, &run, &format!("Opus, {found} sessions"));
            failed.extend(run.faults());
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

/// The most sessions that stay within the limit, found by doubling and then by halves, to a twentieth.
fn most(codec: &str, seconds: u64) -> Result<u64, String> {
    let (ceiling, brief) = (setting("MOST", 400), seconds.clamp(1, 15));
    let holds =
        |sessions: u64| Ok::<_, String>(measure(codec, sessions, brief)?.faults().is_empty());
    let (mut good, mut next) = (0, 10.min(ceiling));
    while holds(next)? {
        good = next;
        if next == ceiling {
            return Ok(good);
        }
        next = (next * 2).min(ceiling);
    }
    let mut bad = next;
    while bad - good > (good / 20).max(1) {
        let middle = good + (bad - good) / 2;
        if holds(middle)? {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Ok(good)
}

fn note(report: &mut Report, run: &Run, what: &str) {
    for (name, unit, value) in run.figures() {
        report.add(&format!("{what}: {name}"), unit, OURS, value);
    }
}
