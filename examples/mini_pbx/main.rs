//! A small switchboard: a registrar and a back-to-back user agent, over UDP, TCP, TLS, WS and WSS.
//!
//! ```text
//! cargo run --release --example mini_pbx                                            # prints users, and where to point a phone
//! cargo run --release --example mini_pbx -- --user alice:secret --user bob:secret --group sales=alice,bob
//! ```
//!
//! Phones register with a password, of which only the HA1 is kept, and call each other by name; what they say of sound
//! crosses byte for byte, and sound goes from phone to phone. Hold, transfers (blind and attended), DTMF by INFO and MESSAGE
//! cross too; a phone that sends its calls elsewhere (3xx) rings the users that it names. On standard input `who`, `calls`
//! and `quit` are understood.
//!
//! With `--relay` sound and video go through here, to each phone by its own means, so that a browser and a plain phone
//! understand each other: DTLS-SRTP with ICE, SRTP with keys in the SDP, or RTP in the clear, whichever a phone takes first.
//!
//! After Ctrl-C, SIGTERM or `quit` it takes no more calls, lets those that stand go on for `--drain`, and exits 0; 2 when
//! it cannot start.
#![forbid(unsafe_code)]

mod args;
mod bindings;
mod commands;
mod divert;
mod messages;
mod pbx;
mod places;
mod relay;
mod setup;
mod story;
mod switch;
mod transfer;

use std::process::ExitCode;

use examples::interrupt::Interrupt;
use examples::program::Program;
use examples::screen::Screen;

use args::Cli;

const PROGRAM: Program = Program::named("mini_pbx");

fn main() -> ExitCode {
    PROGRAM.main(switch_calls)
}

fn switch_calls(cli: Cli) -> ExitCode {
    let screen = Screen::stdout(cli.json);
    let ran = PROGRAM.block_on(async {
        let interrupt = Interrupt::listen();
        let pbx = setup::open(&cli, screen).await?;
        pbx.run(&interrupt, cli.drain).await;
        Ok::<_, String>(())
    });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => PROGRAM.refuse(&line),
    }
}
