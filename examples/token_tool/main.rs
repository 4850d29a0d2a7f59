//! Mints, verifies and looks into session tokens, and makes and delegates the keys for them.
//!
//! ```text
//! alias token_tool='cargo run -q --release --example token_tool --'
//! token_tool keys generate --alg EdDSA --out signer.pem
//! token_tool keys public signer.pem > gateway.pem
//! token_tool mint --key signer.pem --session standup --data sip=true > token.txt
//! token_tool verify --key gateway.pem --session standup - < token.txt
//! ```
//!
//! It exits 0 when all went well, and 2 with one line that says why it did not: a token that is refused too.
#![forbid(unsafe_code)]

mod cli;
mod delegate;
mod key;
mod keys;
mod mint;
mod verify;

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;
use std::time::SystemTime;

use examples::program::Program;

use cli::{Cli, Command};

/// What a command prints, or the line that says why it does not.
type Answer = Result<String, String>;

/// More than any token is.
const MAX_STDIN: u64 = 64 * 1024;

const PROGRAM: Program = Program::named("token_tool");

fn main() -> ExitCode {
    PROGRAM.main(answer)
}

fn answer(cli: Cli) -> ExitCode {
    let answer = match &cli.command {
        Command::Mint(args) => mint::run(args, now()),
        Command::Verify(args) => verify::run(args, now()),
        Command::Inspect { token } => verify::inspect(token),
        Command::Keys(command) => keys::run(command),
        Command::Delegate(args) => delegate::run(args, now()),
    };
    match answer {
        Ok(text) => match io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                PROGRAM.refuse(&error.to_string())
            }
            _ => ExitCode::SUCCESS,
        },
        Err(line) => PROGRAM.refuse(&line),
    }
}

/// A token from the command line, or from standard input where it says `-`.
fn token_text(argument: &str) -> Answer {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut text = String::new();
    io::stdin()
        .take(MAX_STDIN)
        .read_to_string(&mut text)
        .map_err(|error| format!("standard input: {error}"))?;
    Ok(text.trim_end().to_owned())
}

#[allow(clippy::disallowed_methods)] // An application has a clock.
fn now() -> SystemTime {
    SystemTime::now()
}
