//! How an application begins and ends: its arguments, one thread for its tasks, one line when it cannot go on.

use crate::args::one_line;
use clap::Parser;
use std::future::Future;
use std::io::Write;
use std::process::ExitCode;

/// An application, by the name that its one line begins with.
#[derive(Debug, Clone, Copy)]
pub struct Program(&'static str);

impl Program {
    /// The application of this name.
    pub const fn named(name: &'static str) -> Self {
        Self(name)
    }

    /// Reads the arguments and runs. Exit codes besides those of `run`: 0 after `--help`, 2 when the arguments are wrong.
    pub fn main<A: Parser>(self, run: impl FnOnce(A) -> ExitCode) -> ExitCode {
        match A::try_parse() {
            Ok(arguments) => run(arguments),
            Err(error) if error.use_stderr() => self.refuse(&one_line(&error)),
            Err(help) => {
                let _ = help.print();
                ExitCode::SUCCESS
            }
        }
    }

    /// Runs tasks on this thread until `work` is done. Nobody waits for what another thread may still be doing: an input
    /// that is read, a spectrum that is computed.
    ///
    /// # Errors
    /// Those of `work`, and a line when the system gives no way to wait for sockets.
    pub fn block_on<T, E: From<String>>(
        self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start: {error}"))?;
        let done = runtime.block_on(work);
        runtime.shutdown_background();
        done
    }

    /// Says in one line why it cannot go on, and gives the code for it: 2.
    pub fn refuse(self, line: &str) -> ExitCode {
        let _ = writeln!(std::io::stderr(), "{}: {line}", self.0);
        ExitCode::from(2)
    }
}
