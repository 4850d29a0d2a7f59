//! A child process that ends with its owner, and whether a program is there at all.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Whether every one of `programs` is on the path. Says `skipped: … is not installed` for the first that is not.
///
/// # Panics
/// When one is absent and `INTEROP_REQUIRED=1` is set.
pub fn installed(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    for program in programs {
        if !std::env::split_paths(&path).any(|dir| dir.join(program).is_file()) {
            absent(program);
            return false;
        }
    }
    true
}

/// Says `skipped: … is not installed` of a peer that is no program, such as a library of another language.
///
/// # Panics
/// When `INTEROP_REQUIRED=1` is set.
pub fn absent(what: &str) {
    assert!(
        std::env::var_os("INTEROP_REQUIRED").is_none_or(|v| v != "1"),
        "{what} is not installed, and INTEROP_REQUIRED=1"
    );
    println!("skipped: {what} is not installed");
}

/// Asks `ready` every 20 ms until it gives something.
///
/// # Panics
/// With `what` when `limit` has passed.
pub fn wait_until<T>(what: &str, limit: Duration, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running program whose output goes to a file. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with no input and its output in `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: Command, log: &Path) -> Self {
        Self::spawn(command, log, Stdio::null())
    }

    /// Starts `command` with its output in `log`; what [`Process::type_line`] says is its input.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_typing(command: Command, log: &Path) -> Self {
        Self::spawn(command, log, Stdio::piped())
    }

    fn spawn(mut command: Command, log: &Path, input: Stdio) -> Self {
        let out = File::create(log).expect("the log file");
        let err = out.try_clone().expect("the log file twice");
        let child = command
            .stdin(input)
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Self {
            child,
            log: log.to_path_buf(),
        }
    }

    /// Types a line.
    ///
    /// # Panics
    /// When it was started without input, or has ended.
    pub fn type_line(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("its input");
        writeln!(input, "{line}").expect("a program that reads");
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Its exit status, when it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends it SIGINT, as Ctrl-C does.
    ///
    /// # Panics
    /// When `kill` cannot be run.
    pub fn interrupt(&self) {
        let sent = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status()
            .expect("kill");
        assert!(sent.success(), "the program has ended");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// With its log when `limit` has passed.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(
                Instant::now() < end,
                "still running after {limit:?}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
