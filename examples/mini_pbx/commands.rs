//! What somebody types.

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};

/// A line of standard input.
pub(crate) enum Command {
    /// Who is registered?
    Who,
    /// Who talks to whom?
    Calls,
    /// Enough.
    Quit,
    /// What is this?
    Unknown(String),
}

/// Standard input, for as long as there is one.
pub(crate) struct Commands(Option<Lines<BufReader<Stdin>>>);

impl Commands {
    pub(crate) fn listen() -> Self {
        Self(Some(BufReader::new(tokio::io::stdin()).lines()))
    }

    /// The next command; none ever after the end of input. Cancel safe.
    pub(crate) async fn next(&mut self) -> Command {
        loop {
            let Some(lines) = &mut self.0 else {
                return std::future::pending().await;
            };
            match lines.next_line().await {
                Ok(Some(line)) => match line.trim() {
                    "" => {}
                    "who" => return Command::Who,
                    "calls" => return Command::Calls,
                    "quit" | "exit" => return Command::Quit,
                    other => return Command::Unknown(other.to_owned()),
                },
                Ok(None) | Err(_) => self.0 = None,
            }
        }
    }
}
