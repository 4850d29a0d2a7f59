//! What the parser sees: judges messages, shows their typed form, draws a call.
//!
//! ```text
//! cargo run --release --example sip_trace -- lint [--json] FILE…      one datagram a file
//! cargo run --release --example sip_trace -- parse [--json] FILE…
//! cargo run --release --example sip_trace -- ladder FILE              pcap, pcapng, or a log of messages
//! ```
//!
//! Exit code 0: all valid; 1: some not; 2: a file cannot be read.
#![forbid(unsafe_code)]

mod ladder;
mod lint;
mod log;
mod parse;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// SIP messages as the parser sees them.
#[derive(Parser)]
#[command(name = "sip_trace")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Judge each file, one datagram each: what it is, each finding with its place, rule and answer
    Lint {
        /// One JSON object a file
        #[arg(long)]
        json: bool,
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Show the typed form of each file, one datagram each
    Parse {
        /// One JSON object a file
        #[arg(long)]
        json: bool,
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Draw a call from a pcap or pcapng capture, or from a log of messages
    Ladder {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// The worst thing that happened, which is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Valid = 0,
    Invalid = 1,
    Unreadable = 2,
}

impl From<bool> for Outcome {
    fn from(valid: bool) -> Self {
        if valid {
            Outcome::Valid
        } else {
            Outcome::Invalid
        }
    }
}

fn main() -> ExitCode {
    let out = &mut io::stdout().lock();
    let outcome = match Arguments::parse().command {
        Command::Lint { json, files } => each(&files, out, |file, bytes, out| {
            lint::file(file, bytes, json, out)
        }),
        Command::Parse { json, files } => each(&files, out, |file, bytes, out| {
            parse::file(file, bytes, json, out)
        }),
        Command::Ladder { file } => each(&[file], out, |_, bytes, out| ladder::draw(bytes, out)),
    };
    match outcome {
        Ok(outcome) => ExitCode::from(outcome as u8),
        // Whoever read the output has gone.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(2)
        }
    }
}

fn each(
    files: &[PathBuf],
    out: &mut dyn Write,
    mut work: impl FnMut(&Path, Vec<u8>, &mut dyn Write) -> io::Result<Outcome>,
) -> io::Result<Outcome> {
    let mut worst = Outcome::Valid;
    for file in files {
        let outcome = match std::fs::read(file) {
            Ok(bytes) => work(file, bytes, out)?,
            Err(error) => {
                complain(&format!("{}: {error}", file.display()));
                Outcome::Unreadable
            }
        };
        worst = worst.max(outcome);
    }
    Ok(worst)
}

fn complain(what: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "sip_trace: {what}");
}
