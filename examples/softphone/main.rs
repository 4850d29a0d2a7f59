//! A phone on the command line: it registers, calls, is called, holds, transfers, presses keys and writes messages.
//!
//! ```text
//! cargo run --release --example softphone -- --register --user alice --password secret --registrar 127.0.0.1:5060
//! cargo run --release --example softphone -- --auto-answer --echo --bind 127.0.0.1:5070
//! ```
//!
//! Type `help` for its commands; without a terminal they are read line by line from standard input. It exits 0 after
//! `quit`, Ctrl-C or the end of its input, and 2 when it cannot start.
#![forbid(unsafe_code)]

mod account;
mod args;
mod command;
mod happen;
mod line;
mod panel;
mod phone;
mod sound;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use examples::args::one_line;
use examples::interrupt::Interrupt;

use args::Cli;
use phone::Phone;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return refuse(&one_line(&error)),
        Err(help) => {
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("cannot start: {error}")),
    };
    let ran = runtime.block_on(async {
        let interrupt = Interrupt::listen();
        let phone = Phone::open(&cli).await?;
        phone.run(&interrupt).await;
        Ok::<_, String>(())
    });
    // A thread may still wait for standard input.
    runtime.shutdown_background();
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => refuse(&line),
    }
}

/// One line that says why, and the code for it.
fn refuse(line: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "softphone: {line}");
    ExitCode::from(2)
}
