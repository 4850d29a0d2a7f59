//! The terminal of a phone: a line a call that is redrawn in place, a prompt below, and what happened above.
//!
//! Without a terminal, lines; with `--json`, objects.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::Value;

const PROMPT: &str = "> ";

/// Standard output of a phone.
pub(crate) struct Panel {
    json: bool,
    terminal: bool,
    /// Lines drawn above the prompt.
    drawn: usize,
    live: Vec<String>,
}

impl Panel {
    pub(crate) fn new(json: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            json,
            terminal: !json && !dumb && io::stdout().is_terminal() && io::stdin().is_terminal(),
            drawn: 0,
            live: Vec::new(),
        }
    }

    /// Whether live lines would be seen.
    pub(crate) fn is_live(&self) -> bool {
        self.terminal
    }

    /// A line for people and an object for programs.
    pub(crate) fn tell(&mut self, line: &str, object: &Value) {
        if self.json {
            put(&format!("{object}\n"));
        } else {
            self.say(line);
        }
    }

    /// A line for people.
    pub(crate) fn say(&mut self, line: &str) {
        match (self.json, self.terminal) {
            (true, _) => {}
            (false, false) => put(&format!("{line}\n")),
            (false, true) => {
                let above = format!("{}\x1b[J{line}\n", self.top());
                put(&above);
                self.draw();
            }
        }
    }

    /// What is drawn above the prompt from now on.
    pub(crate) fn show(&mut self, lines: Vec<String>) {
        if !self.terminal {
            return;
        }
        if lines.len() != self.drawn {
            let top = self.top();
            self.live = lines;
            put(&format!("{top}\x1b[J"));
            self.draw();
        } else if lines != self.live {
            // Saves and restores the cursor, so that what somebody is typing stays where it is.
            let mut text = String::from("\x1b7");
            text.push_str(&self.top());
            for line in &lines {
                text.push_str(&format!("\x1b[?7l\x1b[2K{line}\x1b[?7h\n"));
            }
            text.push_str("\x1b8");
            self.live = lines;
            put(&text);
        }
    }

    /// Somebody pressed Enter: the line stays, the block moves below it.
    pub(crate) fn typed(&mut self, line: &str) {
        if self.terminal {
            let up = self.drawn + 1;
            put(&format!("\x1b[{up}A\r\x1b[J{PROMPT}{line}\n"));
            self.draw();
        }
    }

    /// Takes the block away.
    pub(crate) fn close(&mut self) {
        if self.terminal {
            let top = self.top();
            put(&format!("{top}\x1b[J"));
            self.terminal = false;
        }
    }

    /// To the first line of the block, from the prompt.
    fn top(&self) -> String {
        match self.drawn {
            0 => "\r".to_owned(),
            lines => format!("\r\x1b[{lines}A"),
        }
    }

    fn draw(&mut self) {
        let mut text = String::new();
        for line in &self.live {
            text.push_str(&format!("\x1b[?7l\x1b[2K{line}\x1b[?7h\n"));
        }
        text.push_str("\x1b[2K");
        text.push_str(PROMPT);
        self.drawn = self.live.len();
        put(&text);
    }
}

/// What cannot be written (a closed pipe) is dropped: the phone's work goes on.
fn put(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
