//! A file of settings in place of arguments: a line `name = value` for each `--name value`.
//!
//! ```text
//! # gateway.conf
//! http = 0.0.0.0:8443
//! codec = opus,pcmu
//! talker            # a switch has no value
//! ```

use std::fmt;

/// The longest file, bytes.
pub const LONGEST: usize = 64 * 1024;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

/// The arguments that a file stands for, to be read before those of the command line.
///
/// A value may stand between double quotes, and must where it holds `#`.
///
/// # Errors
/// The first line that cannot be read.
pub fn arguments(text: &str) -> Result<Vec<String>, SettingsError> {
    let wrong = |line: usize, why| SettingsError {
        line: line + 1,
        why,
    };
    if text.len() > LONGEST {
        return Err(wrong(0, "the file has more than 64 KiB"));
    }
    let mut arguments = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = uncommented(line).map_err(|why| wrong(number, why))?.trim();
        if line.is_empty() {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (line, None),
        };
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || name.starts_with('-') || !name.bytes().all(plain) {
            return Err(wrong(number, "write: name = value"));
        }
        if name == "config" {
            return Err(wrong(number, "a file of settings names no other"));
        }
        match value {
            None => arguments.push(format!("--{name}")),
            Some("") => return Err(wrong(number, "the value is missing")),
            // One argument: a value may begin with a hyphen.
            Some(value) => arguments.push(format!("--{name}={}", unquoted(value))),
        }
    }
    Ok(arguments)
}

/// A line without its comment.
fn uncommented(line: &str) -> Result<&str, &'static str> {
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted => return Ok(&line[..at]),
            _ => {}
        }
    }
    if quoted {
        Err("a quote is not closed")
    } else {
        Ok(line)
    }
}

fn unquoted(value: &str) -> &str {
    let inner = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    inner.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_arguments() {
        let text =
            "# all\nhttp = 127.0.0.1:0\n\ntalker # on\napi-secret = \"a # b\"\r\n from=\"\"\n";
        assert_eq!(
            arguments(text).unwrap(),
            [
                "--http=127.0.0.1:0",
                "--talker",
                "--api-secret=a # b",
                "--from="
            ]
        );
        for (text, line) in [
            ("= 1", 1),
            ("a = 1\n--b = 2", 2),
            ("a b = 1", 1),
            ("a =", 1),
            ("a = \"x", 1),
            ("config = other", 1),
            ("É = 1", 1),
        ] {
            assert_eq!(arguments(text).unwrap_err().line, line, "{text}");
        }
        assert!(arguments(&"a\n".repeat(40_000)).is_err());
    }
}
