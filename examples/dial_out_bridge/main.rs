//! Dials a SIP phone out of a session: everyone hears each other, and everyone can see and hear that it worked.
//!
//! ```text
//! cargo run --release --example dial_out_bridge                                 # brings a phone of its own
//! cargo run --release --example dial_out_bridge -- --all                        # every codec, key exchange, transport
//! cargo run --release --example dial_out_bridge -- --sip-uri sip:bob@192.0.2.7  # dials a real one
//! ```
//!
//! It exits 0 when all checks hold, 1 when one does not, 2 when the call could not be made, 130 on Ctrl-C.
#![forbid(unsafe_code)]

mod args;
mod bridge;
mod claims;
mod demo;
mod dial;
mod figures;
mod files;
mod hearing;
mod line;
mod matrix;
mod phone;
mod setup;
mod story;
mod tape;
mod ticket;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use examples::interrupt::Interrupt;
use examples::program::Program;
use examples::screen::Screen;
use examples::verdict::{self, Outcome, Stop};

use args::Cli;
use setup::Setup;

const PROGRAM: Program = Program::named("dial_out_bridge");

fn main() -> ExitCode {
    PROGRAM.main(bridge_calls)
}

fn bridge_calls(cli: Cli) -> ExitCode {
    let screen = Arc::new(Screen::stdout(cli.call.json));
    let start = now();
    let outcome = PROGRAM.block_on(run(&cli, &screen));
    verdict::end(PROGRAM, &screen, outcome, start.elapsed().as_secs_f64())
}

async fn run(cli: &Cli, screen: &Arc<Screen>) -> Result<Outcome, Stop> {
    let interrupt = Interrupt::listen();
    let setup = Setup::new(cli)?;
    match &cli.call.sip_uri {
        Some(uri) => dial::run(cli, &setup, uri, screen, &interrupt).await,
        None if cli.all => matrix::run(cli, &setup.for_demo(), screen, &interrupt).await,
        None => {
            let report = demo::run(&setup.for_demo(), screen, true, &interrupt).await?;
            Ok(Outcome {
                checks: report.checks,
                files: report.files,
                table: None,
            })
        }
    }
}

#[allow(clippy::disallowed_methods)] // An application has a clock.
fn now() -> Instant {
    Instant::now()
}
