//! What every bench of the project shares: cells that are timed in turn, medians, a count of
//! allocations, one table and one JSON file.
//!
//! A cell is one program's way to do one thing. All cells run in interleaved rounds, so that a
//! machine that grows warm or busy slows all of them alike; each shows the median of its rounds.
//!
//! `INSTRUCTIONS=1` asks for a count of instructions where a bench has one.
//!
//! `ROUNDS` (25, at least 15) and `MS` (milliseconds a sample, 2) come from the environment; `ONLY`
//! keeps the rows whose name contains it.

mod allocations;
mod clock;
mod instructions;
mod memory;
mod report;

pub use allocations::Counting;
pub use clock::now as cpu_ns;
pub use memory::heap_in_use;
pub use report::Report;

/// One thing to time, done `n` times in a row.
pub type Work<'a> = Box<dyn FnMut(u64) + 'a>;

struct Cell<'a> {
    row: usize,
    who: String,
    work: Work<'a>,
    batch: u64,
    samples: Vec<f64>,
}

/// The cells of one bench.
#[derive(Default)]
pub struct Bench<'a> {
    rows: Vec<String>,
    cells: Vec<Cell<'a>>,
}

/// The name of our own column.
pub const OURS: &str = "ours";

impl<'a> Bench<'a> {
    /// A bench without cells.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `who` doing `what`. `work(n)` does it `n` times.
    pub fn add(&mut self, what: &str, who: &str, work: impl FnMut(u64) + 'a) {
        if std::env::var("ONLY").is_ok_and(|only| !what.contains(&only)) {
            return;
        }
        let row = self.rows.iter().position(|r| r == what).unwrap_or_else(|| {
            self.rows.push(what.to_owned());
            self.rows.len() - 1
        });
        self.cells.push(Cell {
            row,
            who: who.to_owned(),
            work: Box::new(work),
            batch: 1,
            samples: Vec::new(),
        });
    }

    /// Times every cell: nanoseconds for one piece of work.
    pub fn time(&mut self, report: &mut Report) {
        self.serve_count();
        let rounds = setting("ROUNDS", 25).max(15);
        let sample = setting("MS", 2) as f64 * 1e6;
        for cell in &mut self.cells {
            // Warm up, then choose a batch that lasts about a sample.
            (cell.work)(20);
            let start = clock::now();
            (cell.work)(50);
            let one = ((clock::now() - start) as f64 / 50.0).max(0.5);
            cell.batch = (sample / one).max(5.0) as u64;
        }
        for _ in 0..rounds {
            for cell in &mut self.cells {
                let start = clock::now();
                (cell.work)(cell.batch);
                cell.samples
                    .push((clock::now() - start) as f64 / cell.batch as f64);
            }
        }
        for cell in &mut self.cells {
            let median = median(&mut cell.samples);
            report.add(&self.rows[cell.row], "ns", &cell.who, median);
        }
    }

    /// Counts the heap allocations of one piece of work; needs [`Counting`] as the global allocator.
    pub fn count_allocations(&mut self, report: &mut Report) {
        for cell in &mut self.cells {
            (cell.work)(10);
            let count = allocations::count(|| (cell.work)(100));
            let what = format!("{} allocations", self.rows[cell.row]);
            report.add(&what, "allocations", &cell.who, count as f64 / 100.0);
        }
    }
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}
