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

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use examples::interrupt::Interrupt;
use examples::program::Program;
use examples::screen::Screen;
use examples::verdict;

use args::Cli;

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
    verdict::end(PROGRAM, &screen, outcome, start.elapsed().as_secs_f64())
}

#[allow(clippy::disallowed_methods)] // An application has a clock.
fn now() -> Instant {
    Instant::now()
}
