use std::process::Command;

use crate::{Bench, Report};

/// In a process that valgrind runs: which cell it does, and how often.
const CELL: &str = "INSTRUCTIONS_CELL";
const TIMES: &str = "INSTRUCTIONS_TIMES";

/// Two lengths of a run: their difference holds neither the start nor the making of the cells.
const RUNS: [u64; 2] = [200, 1200];

impl Bench<'_> {
    /// In a process that counts for another one, does the cell in question and ends.
    pub(crate) fn serve_count(&mut self) {
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        let (Some(cell), Some(times)) = (number(CELL), number(TIMES)) else {
            return;
        };
        if let Some(cell) = self.cells.get_mut(cell as usize) {
            (cell.work)(times);
        }
        std::process::exit(0);
    }

    /// Counts the instructions of one piece of work, with valgrind, when `INSTRUCTIONS` is in the environment: unlike
    /// time, they are the same on a busy machine. Valgrind's processor has AES-NI but not the SHA instructions, so where
    /// SHA-1 is most of the work they say more than the time does.
    pub fn count_instructions(&self, report: &mut Report) {
        if std::env::var_os("INSTRUCTIONS").is_none() {
            return;
        }
        for (n, cell) in self.cells.iter().enumerate() {
            let [short, long] = RUNS.map(|times| counted(n, times));
            let (Some(short), Some(long)) = (short, long) else {
                eprintln!("valgrind did not count");
                return;
            };
            let one = (long as f64 - short as f64) / (RUNS[1] - RUNS[0]) as f64;
            let what = format!("{} instructions", self.rows[cell.row]);
            report.add(&what, "instructions", &cell.who, one);
        }
    }
}

/// Instructions of a process of this program that does one cell so often.
fn counted(cell: usize, times: u64) -> Option<u64> {
    let done = Command::new("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(std::env::current_exe().ok()?)
        .env(CELL, cell.to_string())
        .env(TIMES, times.to_string())
        .output()
        .ok()?;
    let said = String::from_utf8(done.stderr).ok()?;
    let (_, figure) = said
        .split_once("I refs:")
        .or(said.split_once("I   refs:"))?;
    let figure: String = figure
        .lines()
        .next()?
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    figure.parse().ok()
}
