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

use std::process::ExitCode;

use examples::interrupt::Interrupt;
use examples::program::Program;

use args::Cli;
use phone::Phone;

const PROGRAM: Program = Program::named("softphone");

fn main() -> ExitCode {
    PROGRAM.main(phone)
}

fn phone(cli: Cli) -> ExitCode {
    let ran = PROGRAM.block_on(async {
        let interrupt = Interrupt::listen();
        let phone = Phone::open(&cli).await?;
        phone.run(&interrupt).await;
        Ok::<_, String>(())
    });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => PROGRAM.refuse(&line),
    }
}
