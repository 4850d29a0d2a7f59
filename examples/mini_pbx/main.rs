//! A small switchboard: a registrar and a back-to-back user agent, over UDP, TCP, TLS, WS and WSS.
//!
//! ```text
//! cargo run --release --example mini_pbx                                            # prints users, and where to point a phone
//! cargo run --release --example mini_pbx -- --user alice:secret --user bob:secret --group sales=alice,bob
//! ```
//!
//! Phones register with a password, of which only the HA1 is kept, and call each other by name; what they say of sound
//! crosses byte for byte. Hold, transfers (blind and attended), DTMF by INFO and MESSAGE cross too. On standard input
//! `who`, `calls` and `quit` are understood.
//!
//! It exits 0 after Ctrl-C or `quit`, and 2 when it cannot start.
#![forbid(unsafe_code)]

mod args;
mod bindings;
mod commands;
mod messages;
mod pbx;
mod places;
mod setup;
mod story;
mod switch;
mod transfer;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use examples::args::one_line;
use examples::interrupt::Interrupt;
use examples::screen::Screen;

use args::Cli;

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
    let screen = Screen::stdout(cli.json);
    let ran = runtime.block_on(async {
        let interrupt = Interrupt::listen();
        let pbx = setup::open(&cli, screen).await?;
        pbx.run(&interrupt, cli.drain).await;
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
    let _ = writeln!(std::io::stderr(), "mini_pbx: {line}");
    ExitCode::from(2)
}
