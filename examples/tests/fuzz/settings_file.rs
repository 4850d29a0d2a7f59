//! Any text as a file of settings: arguments of one form, or the line that is wrong.

use crate::settings::arguments;

/// The whole input as a file.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match arguments(text) {
        Ok(arguments) => {
            for argument in arguments {
                let name = argument.strip_prefix("--").expect("an option");
                let name = name.split('=').next().unwrap_or_default();
                assert!(!name.is_empty() && !name.starts_with('-'), "{argument:?}");
                assert!(!name.contains(|c: char| c.is_whitespace()), "{argument:?}");
            }
        }
        Err(error) => assert!(error.line >= 1 && error.line <= text.lines().count().max(1)),
    }
}
