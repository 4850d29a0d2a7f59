//! One writer for standard output: whole lines, objects, and one line that is redrawn in place.
//!
//! Everything that a program prints goes through here, so that a line never lands in the middle of the live one. Escape
//! codes reach a terminal only; colours only where `NO_COLOR` is not set.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// Clears the line, and turns line wrap off: a terminal that is too narrow shows the front of the live line.
const REDRAW: &str = "\r\x1b[2K\x1b[?7l";
const WRAP: &str = "\x1b[?7h";
const CLEAR: &str = "\r\x1b[2K";

/// Standard output, shared by every task of a program.
///
/// What cannot be written (a closed pipe) is dropped: the program's work goes on.
pub struct Screen {
    /// For people, or one JSON object a line.
    json: bool,
    terminal: bool,
    ink: Ink,
    inner: Mutex<Inner>,
}

struct Inner {
    out: Box<dyn Write + Send>,
    /// What is on the last line and will be drawn over.
    live: Option<String>,
}

/// Paints words, where there are colours.
#[derive(Debug, Clone, Copy)]
pub struct Ink {
    colours: bool,
}

impl Screen {
    /// Standard output, as JSON lines or for people.
    pub fn stdout(json: bool) -> Self {
        let terminal = io::stdout().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self::new(Box::new(io::stdout()), json, terminal, colours)
    }

    /// Any writer; `terminal` says whether it understands escape codes.
    pub fn new(out: Box<dyn Write + Send>, json: bool, terminal: bool, colours: bool) -> Self {
        let terminal = terminal && !json;
        let ink = Ink {
            colours: colours && terminal,
        };
        Self {
            json,
            terminal,
            ink,
            inner: Mutex::new(Inner { out, live: None }),
        }
    }

    /// Whether objects are printed in place of lines.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a live line would be seen.
    pub fn has_live_line(&self) -> bool {
        self.terminal
    }

    /// Colours, or none.
    pub fn ink(&self) -> Ink {
        self.ink
    }

    /// A line for people, above the live one.
    pub fn say(&self, line: impl Display) {
        if !self.json {
            self.line(&line.to_string());
        }
    }

    /// A line for programs.
    pub fn object(&self, object: &impl Serialize) {
        if self.json
            && let Ok(line) = serde_json::to_string(object)
        {
            self.line(&line);
        }
    }

    /// Redraws the live line.
    pub fn live(&self, line: impl Display) {
        if self.terminal {
            let mut inner = self.lock();
            let line = line.to_string();
            let _ = write!(inner.out, "{REDRAW}{line}{WRAP}").and_then(|()| inner.out.flush());
            inner.live = Some(line);
        }
    }

    /// Takes the live line away.
    pub fn end_live(&self) {
        let mut inner = self.lock();
        if inner.live.take().is_some() {
            let _ = write!(inner.out, "{CLEAR}").and_then(|()| inner.out.flush());
        }
    }

    fn line(&self, line: &str) {
        let mut inner = self.lock();
        // One write a line, so that lines of several processes on one terminal stay whole as well.
        let text = match &inner.live {
            Some(live) => format!("{CLEAR}{line}\n{REDRAW}{live}{WRAP}"),
            None => format!("{line}\n"),
        };
        let _ = inner
            .out
            .write_all(text.as_bytes())
            .and_then(|()| inner.out.flush());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.end_live();
    }
}

impl Ink {
    /// What is as it should be.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What is not.
    pub fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// What may be read over.
    pub fn quiet(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// A heading.
    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self.colours {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed(json: bool, terminal: bool) -> String {
        let paper = Paper::default();
        let screen = Screen::new(Box::new(paper.clone()), json, terminal, terminal);
        screen.say("one");
        screen.live("up 1 s");
        screen.say(screen.ink().good("two"));
        screen.object(&["three"]);
        drop(screen);
        let bytes = paper.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_file_gets_lines_and_no_escape_code() {
        assert_eq!(printed(false, false), "one\ntwo\n");
    }

    #[test]
    fn json_is_objects_and_nothing_else_even_on_a_terminal() {
        assert_eq!(printed(true, false), "[\"three\"]\n");
        assert_eq!(printed(true, true), "[\"three\"]\n");
    }

    #[test]
    fn a_line_goes_above_the_live_one_and_nothing_of_it_stays() {
        assert_eq!(
            printed(false, true),
            format!(
                "one\n{REDRAW}up 1 s{WRAP}{CLEAR}\x1b[32mtwo\x1b[0m\n{REDRAW}up 1 s{WRAP}{CLEAR}"
            )
        );
    }
}
