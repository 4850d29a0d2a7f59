//! What was found, for people or as JSON.

use std::io::{self, Write};

use crate::stream::Report;

/// Rows that are printed of one stream; a longer one is thinned out.
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
    for interval in r.intervals.iter().step_by(step) {
        let mos = interval
            .mos
            .map_or("-".to_owned(), |mos| format!("{mos:.2}"));
        writeln!(
            out,
            "  {:>6.1} s {:>4.1} % {:>5.1} ms {:>5.0} ms  {mos}",
            interval.at,
            interval.loss * 100.0,
            interval.jitter_ms,
            interval.delay_ms
        )?;
    }
    Ok(())
}
