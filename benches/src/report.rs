use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::OURS;

struct Row {
    what: String,
    unit: String,
    ours: Option<f64>,
    peers: Vec<(String, f64)>,
}

/// The figures of one bench.
pub struct Report {
    name: String,
    rows: Vec<Row>,
}

impl Report {
    /// The figures of the bench `name`.
    pub fn new(name: &str) -> Self {
        Report {
            name: name.to_owned(),
            rows: Vec::new(),
        }
    }

    /// Notes one figure.
    pub fn add(&mut self, what: &str, unit: &str, who: &str, value: f64) {
        let at = self
            .rows
            .iter()
            .position(|r| r.what == what)
            .unwrap_or_else(|| {
                self.rows.push(Row {
                    what: what.to_owned(),
                    unit: unit.to_owned(),
                    ours: None,
                    peers: Vec::new(),
                });
                self.rows.len() - 1
            });
        if who == OURS {
            self.rows[at].ours = Some(value);
        } else {
            self.rows[at].peers.push((who.to_owned(), value));
        }
    }

    /// One figure: `who` doing `what`.
    pub fn get(&self, what: &str, who: &str) -> Option<f64> {
        let row = self.rows.iter().find(|r| r.what == what)?;
        if who == OURS {
            return row.ours;
        }
        row.peers
            .iter()
            .find(|(name, _)| name == who)
            .map(|(_, value)| *value)
    }

    /// Prints the table and writes `target/bench/NAME.json` under the project's root.
    pub fn finish(&self) -> std::io::Result<()> {
        println!("| what | unit | ours | peers |");
        println!("|---|---|---:|---|");
        for row in &self.rows {
            let mut peers: Vec<_> = row.peers.iter().collect();
            peers.sort_by(|a, b| a.1.total_cmp(&b.1));
            let peers: Vec<_> = peers
                .iter()
                .map(|(name, value)| format!("{name} {}", shown(*value)))
                .collect();
            let ours = row.ours.map_or("".to_owned(), shown);
            println!(
                "| {} | {} | {ours} | {} |",
                row.what,
                row.unit,
                peers.join(", ")
            );
        }
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let peers: Map<_, _> = row.peers.iter().map(|(n, v)| (n.clone(), json!(rounded(*v)))).collect();
                json!({ "what": row.what, "unit": row.unit, "ours": row.ours.map(rounded), "peers": peers })
            })
            .collect();
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench"));
        std::fs::create_dir_all(&folder)?;
        let text = serde_json::to_string_pretty(&json!({ "rows": rows }))?;
        std::fs::write(folder.join(format!("{}.json", self.name)), text + "\n")
    }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn shown(value: f64) -> String {
    if value >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}
