//! What was found, for people or as JSON.

use std::io::{self, Write};

use crate::stream::{Interval, Report};

/// Rows that are printed of one stream; of a longer one several intervals share a row.
const MAX_ROWS: usize = 30;

pub(crate) fn print(reports: &[Report], json: bool, out: &mut dyn Write) -> io::Result<()> {
    for (number, report) in (1..).zip(reports) {
        if json {
            writeln!(out, "{}", serde_json::to_string(report)?)?;
        } else {
            people(number, report, out)?;
        }
    }
    if reports.is_empty() && !json {
        writeln!(out, "no RTP stream")?;
    }
    Ok(())
}

fn people(number: usize, r: &Report, out: &mut dyn Write) -> io::Result<()> {
    let codecs = match r.codecs.as_slice() {
        [] => "no sound".to_owned(),
        codecs => codecs.join(", then "),
    };
    let encryption = match r.encryption.as_str() {
        "none" => "in the clear",
        suite => suite,
    };
    writeln!(
        out,
        "stream {number}  {} → {}  SSRC {}  {codecs}  {encryption}",
        r.source, r.destination, r.ssrc
    )?;
    writeln!(
        out,
        "  {:.1} s from {:.1} s on; {} packets of {}, {:.1} % lost; {} out of order, {} twice, {} too late, {} refused",
        r.seconds,
        r.start,
        r.packets,
        r.expected,
        r.loss * 100.0,
        r.reordered,
        r.duplicates,
        r.late,
        r.refused
    )?;
    write!(
        out,
        "  jitter {:.1} ms, at most {:.1} ms",
        r.jitter_ms, r.highest_jitter_ms
    )?;
    if let (Some(mos), Some(lowest)) = (r.mos, r.lowest_mos) {
        write!(out, "; MOS {mos:.2}, at worst {lowest:.2}")?;
    }
    if r.longest_burst > 0 {
        write!(out, "; up to {} lost in a row", r.longest_burst)?;
    }
    writeln!(out)?;
    if !r.keys.is_empty() {
        let keys: String = r.keys.iter().map(|key| key.key).collect();
        writeln!(out, "  keys {keys}")?;
    }
    for file in &r.files {
        writeln!(out, "  heard in {}", file.display())?;
    }
    let step = r.intervals.len().div_ceil(MAX_ROWS).max(1);
    if !r.intervals.is_empty() {
        writeln!(out, "      time   loss   jitter    delay   MOS")?;
    }
    for row in r.intervals.chunks(step).filter_map(joined) {
        let mos = row.mos.map_or("-".to_owned(), |mos| format!("{mos:.2}"));
        writeln!(
            out,
            "  {:>6.1} s {:>4.1} % {:>5.1} ms {:>5.0} ms  {mos}",
            row.at,
            row.loss * 100.0,
            row.jitter_ms,
            row.delay_ms
        )?;
    }
    Ok(())
}

/// Several intervals as one, so that a long stream's few rows hide nothing: the loss of all, the worst of the rest.
fn joined(intervals: &[Interval]) -> Option<Interval> {
    let last = intervals.last()?;
    let received: f64 = intervals.iter().map(|i| i.packets as f64).sum();
    // Of what was expected, this share did not come.
    let sent = |i: &Interval| i.packets as f64 / (1.0 - i.loss).max(0.001);
    let expected: f64 = intervals.iter().map(sent).sum();
    let worst = |of: fn(&Interval) -> f64| intervals.iter().map(of).fold(0.0, f64::max);
    Some(Interval {
        at: last.at,
        packets: received as u64,
        loss: 1.0 - received / expected.max(1.0),
        jitter_ms: worst(|i| i.jitter_ms),
        delay_ms: worst(|i| i.delay_ms),
        mos: intervals.iter().filter_map(|i| i.mos).reduce(f64::min),
    })
}
