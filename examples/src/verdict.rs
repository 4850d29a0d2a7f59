//! How an application that checks itself ends: a table, the files, PASS or FAIL.

use crate::checks::{Checks, Table};
use crate::interrupt;
use crate::program::Program;
use crate::screen::Screen;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Why there is nothing to check.
#[derive(Debug)]
pub enum Stop {
    /// What was asked for could not be begun; a line that says why.
    Refused(String),
    /// Somebody pressed Ctrl-C; the files of what was.
    Interrupted(Vec<PathBuf>),
}

impl From<String> for Stop {
    fn from(line: String) -> Self {
        Self::Refused(line)
    }
}

/// What was checked, and what was written.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The checks.
    pub checks: Checks,
    /// The files, which the last lines name.
    pub files: Vec<PathBuf>,
    /// A table in place of those of the checks and the files: of the checks, what failed is said below it.
    pub table: Option<Table>,
}

/// The end, for programs.
#[derive(Serialize)]
struct End<'a> {
    event: &'static str,
    pass: bool,
    checks: usize,
    failed: usize,
    seconds: f64,
    files: &'a [PathBuf],
}

/// The end by Ctrl-C, for programs.
#[derive(Serialize)]
struct Interrupted<'a> {
    event: &'static str,
    files: &'a [PathBuf],
}

/// Says what came of it after `seconds`, and gives the exit code: 0 when all checks hold, 1 when one does not, 2 when there
/// was nothing to check, 130 after Ctrl-C.
pub fn end(
    program: Program,
    screen: &Screen,
    outcome: Result<Outcome, Stop>,
    seconds: f64,
) -> ExitCode {
    screen.end_live();
    match outcome {
        Ok(outcome) => {
            verdict(screen, &outcome, seconds);
            ExitCode::from(u8::from(!outcome.checks.pass()))
        }
        Err(Stop::Refused(line)) => program.refuse(&line),
        Err(Stop::Interrupted(files)) => {
            screen.object(&Interrupted {
                event: "interrupted",
                files: &files,
            });
            screen.say("");
            screen.say("  interrupted: all calls are over, the files are whole");
            list(screen, &files);
            ExitCode::from(interrupt::EXIT)
        }
    }
}

fn list(screen: &Screen, files: &[PathBuf]) {
    files
        .iter()
        .for_each(|file| screen.say(format_args!("  {}", file.display())));
}

/// Prints the table and the last line.
fn verdict(screen: &Screen, outcome: &Outcome, seconds: f64) {
    let Outcome {
        checks,
        files,
        table,
    } = outcome;
    let ink = screen.ink();
    checks.iter().for_each(|check| screen.object(check));
    let (all, failed) = (checks.iter().len(), checks.failed());
    screen.object(&End {
        event: "result",
        pass: checks.pass(),
        checks: all,
        failed,
        seconds: (seconds * 1000.0).round() / 1000.0,
        files,
    });
    screen.say("");
    match table {
        Some(table) => {
            screen.say(table.print(ink));
            for check in checks.iter().filter(|check| !check.pass) {
                screen.say(format_args!(
                    "  {}  {}: {}",
                    ink.bad("FAIL"),
                    check.what,
                    check.figure
                ));
            }
        }
        None => screen.say(checks.table(ink)),
    }
    screen.say("");
    if table.is_none() {
        list(screen, files);
    }
    screen.say(match checks.pass() {
        true => format!("  {}  {all} checks in {seconds:.1} s", ink.good("PASS")),
        false => format!(
            "  {}  {failed} of {all} checks in {seconds:.1} s",
            ink.bad("FAIL")
        ),
    });
}
