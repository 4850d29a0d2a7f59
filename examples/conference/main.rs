//! A room in which WAV files, phones and simulated participants hear one another, and nobody themselves.
//!
//! ```text
//! cargo run --release --example conference                              # brings its own speakers and phones
//! cargo run --release --example conference -- --self-load 500           # the same among 500 more, with the load shown live
//! cargo run --release --example conference -- --wav a.wav --wav b.wav --record room.wav
//! cargo run --release --example conference -- --listen 192.0.2.1:5060 --password swordfish
//! ```
//!
//! Whoever may call in is said on the command line: without `--listen` nobody may.
//! It exits 0 when all checks hold, 1 when one does not, 2 when the room could not be opened, 130 on Ctrl-C.
#![forbid(unsafe_code)]

mod args;
mod caller;
mod crowd;
mod demo;
mod desk;
mod door;
mod ears;
mod guests;
mod load;
mod meeting;
mod recording;
mod room;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use examples::checks::Checks;
use examples::interrupt::{self, Interrupt};
use examples::program::Program;
use examples::screen::Screen;
use serde::Serialize;

use args::Cli;

/// Why there is nothing to check.
pub(crate) enum Stop {
    /// The room could not be opened; a line that says why.
    Refused(String),
    /// Somebody pressed Ctrl-C.
    Interrupted(Vec<PathBuf>),
}

impl From<String> for Stop {
    fn from(line: String) -> Self {
        Self::Refused(line)
    }
}

/// What was checked, and what was written.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) checks: Checks,
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Serialize)]
struct End<'a> {
    event: &'static str,
    pass: bool,
    checks: usize,
    failed: usize,
    seconds: f64,
    files: &'a [PathBuf],
}

#[derive(Serialize)]
struct Interrupted<'a> {
    event: &'static str,
    files: &'a [PathBuf],
}

const PROGRAM: Program = Program::named("conference");

fn main() -> ExitCode {
    PROGRAM.main(hold)
}

fn hold(cli: Cli) -> ExitCode {
    let screen = Arc::new(Screen::stdout(cli.json));
    let start = now();
    let outcome = PROGRAM.block_on(async {
        let interrupt = Interrupt::listen();
        match cli.is_meeting() {
            true => meeting::run(&cli, &screen, &interrupt).await,
            false => demo::run(&cli, &screen, &interrupt).await,
        }
    });
    screen.end_live();
    match outcome {
        Ok(outcome) => verdict(&screen, &outcome, start.elapsed().as_secs_f64()),
        Err(Stop::Refused(line)) => PROGRAM.refuse(&line),
        Err(Stop::Interrupted(files)) => {
            screen.object(&Interrupted {
                event: "interrupted",
                files: &files,
            });
            screen.say("");
            screen.say("  interrupted: the calls are over, the files are whole");
            files
                .iter()
                .for_each(|file| screen.say(format_args!("  {}", file.display())));
            ExitCode::from(interrupt::EXIT)
        }
    }
}

/// Prints the table of checks and the last line.
fn verdict(screen: &Screen, outcome: &Outcome, seconds: f64) -> ExitCode {
    let Outcome { checks, files } = outcome;
    let (ink, all, failed) = (screen.ink(), checks.iter().len(), checks.failed());
    checks.iter().for_each(|check| screen.object(check));
    screen.object(&End {
        event: "result",
        pass: checks.pass(),
        checks: all,
        failed,
        seconds: (seconds * 1000.0).round() / 1000.0,
        files,
    });
    screen.say("");
    screen.say(checks.table(ink));
    screen.say("");
    files
        .iter()
        .for_each(|file| screen.say(format_args!("  {}", file.display())));
    if checks.pass() {
        screen.say(format_args!(
            "  {}  {all} checks in {seconds:.1} s",
            ink.good("PASS")
        ));
        ExitCode::SUCCESS
    } else {
        screen.say(format_args!(
            "  {}  {failed} of {all} checks in {seconds:.1} s",
            ink.bad("FAIL")
        ));
        ExitCode::from(1)
    }
}

#[allow(clippy::disallowed_methods)] // An application has a clock.
fn now() -> Instant {
    Instant::now()
}
