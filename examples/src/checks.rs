//! What was checked, with its figure and its verdict; and tables of aligned columns.

use std::fmt::Display;

use serde::Serialize;

use crate::screen::Ink;

/// One claim and what was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Always `check`.
    pub event: &'static str,
    /// What was checked.
    pub what: String,
    /// What was found.
    pub figure: String,
    /// Whether that is as it should be.
    pub pass: bool,
}

/// Checks in the order in which they were made.
#[derive(Debug, Clone, Default)]
pub struct Checks(Vec<Check>);

impl Checks {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check.
    pub fn add(&mut self, what: impl Into<String>, figure: impl Display, pass: bool) {
        self.0.push(Check {
            event: "check",
            what: what.into(),
            figure: figure.to_string(),
            pass,
        });
    }

    /// Every check.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Check> {
        self.0.iter()
    }

    /// How many did not hold.
    pub fn failed(&self) -> usize {
        self.0.iter().filter(|check| !check.pass).count()
    }

    /// Whether there was something to check and all of it holds.
    pub fn pass(&self) -> bool {
        !self.0.is_empty() && self.failed() == 0
    }

    /// One line a check, aligned.
    pub fn table(&self, ink: Ink) -> String {
        let mut table = Table::new(&["", "check", "figure"]);
        for check in &self.0 {
            table.row(vec![
                verdict(check.pass).into(),
                check.what.clone(),
                check.figure.clone(),
            ]);
        }
        table.print(ink)
    }
}

/// The word for a verdict.
pub fn verdict(pass: bool) -> &'static str {
    if pass { "PASS" } else { "FAIL" }
}

/// Rows of text under a heading, each column as wide as its widest cell.
#[derive(Debug, Clone)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(head: &[&str]) -> Self {
        Self {
            head: head.iter().map(|&cell| cell.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The table as lines, the last one without a line end. Cells that say PASS or FAIL are painted.
    pub fn print(&self, ink: Ink) -> String {
        let widths: Vec<usize> = (0..self.head.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells
                    .chain([&self.head[column]])
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let line = |cells: &[String], paint: &dyn Fn(&str) -> String| {
            let mut line = String::new();
            let mut owed = 2;
            for (cell, width) in cells.iter().zip(&widths) {
                if !cell.is_empty() {
                    line.extend(std::iter::repeat_n(' ', owed));
                    line.push_str(&paint(cell));
                    owed = 0;
                }
                owed += width - cell.chars().count() + 2;
            }
            line
        };
        let mut lines = vec![line(&self.head, &|cell| ink.quiet(cell))];
        lines.extend(self.rows.iter().map(|row| {
            line(row, &|cell| match cell {
                "PASS" => ink.good(cell),
                "FAIL" => ink.bad(cell),
                _ => cell.to_owned(),
            })
        }));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::Screen;

    fn ink(colours: bool) -> Ink {
        Screen::new(Box::new(std::io::sink()), false, colours, colours).ink()
    }

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let mut checks = Checks::new();
        checks.add("setup", "0.4 s", true);
        checks.add("µ-law tone", format_args!("{:.1} dB", -12.04), false);
        assert_eq!(
            checks.table(ink(false)),
            "        check       figure\n  PASS  setup       0.4 s\n  FAIL  µ-law tone  -12.0 dB"
        );
        assert!(
            checks
                .table(ink(true))
                .contains("\x1b[32mPASS\x1b[0m  setup")
        );
        assert_eq!((checks.failed(), checks.pass()), (1, false));
    }

    #[test]
    fn no_checks_are_no_success() {
        assert!(!Checks::new().pass());
    }

    #[test]
    fn a_check_is_an_object() {
        let mut checks = Checks::new();
        checks.add("loss", "0.0 %", true);
        let line = serde_json::to_string(checks.iter().next().unwrap()).unwrap();
        assert_eq!(
            line,
            r#"{"event":"check","what":"loss","figure":"0.0 %","pass":true}"#
        );
    }
}
