//! Loss, jitter and MOS over time as a drawing: one above the other, a line a stream.

use std::fmt::Write as _;

use crate::stream::{Interval, Report};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 60.0;
const HEIGHT: f64 = 120.0;
const GAP: f64 = 40.0;
const COLOURS: [&str; 6] = [
    "#1b6ca8", "#c4442a", "#2a8c4a", "#8a4fa3", "#b5811c", "#3f3f46",
];

/// One of the three: what it is, and the value of an interval.
struct Panel {
    title: &'static str,
    low: f64,
    high: f64,
    value: fn(&Interval) -> Option<f64>,
}

/// An SVG document.
pub(crate) fn draw(reports: &[Report]) -> String {
    let intervals = || reports.iter().flat_map(|r| &r.intervals);
    let end = intervals().map(|i| i.at).fold(1.0, f64::max);
    let highest =
        |value: fn(&Interval) -> f64, least: f64| intervals().map(value).fold(least, f64::max);
    let panels = [
        Panel {
            title: "loss, %",
            low: 0.0,
            high: highest(|i| i.loss * 100.0, 5.0),
            value: |i| Some(i.loss * 100.0),
        },
        Panel {
            title: "jitter, ms",
            low: 0.0,
            high: highest(|i| i.jitter_ms, 10.0),
            value: |i| Some(i.jitter_ms),
        },
        Panel {
            title: "MOS",
            low: 1.0,
            high: 4.5,
            value: |i| i.mos,
        },
    ];
    let legend = 20.0 * reports.len() as f64 + 20.0;
    let height = panels.len() as f64 * (HEIGHT + GAP) + legend + 20.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {height:.0}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        WIDTH + LEFT + 20.0
    );
    let mut top = 30.0;
    for panel in &panels {
        axes(&mut out, panel, top, end);
        for (report, colour) in reports.iter().zip(COLOURS.iter().cycle()) {
            line(&mut out, panel, report, colour, (top, end));
        }
        top += HEIGHT + GAP;
    }
    for (report, colour) in reports.iter().zip(COLOURS.iter().cycle()) {
        let text = format!(
            "{} → {}  {}  {}",
            report.source,
            report.destination,
            report.ssrc,
            report.codecs.join(", ")
        );
        let _ = writeln!(
            out,
            "<rect x=\"{LEFT}\" y=\"{:.1}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            top - 10.0,
            LEFT + 18.0,
            top,
            escaped(&text)
        );
        top += 20.0;
    }
    out.push_str("</svg>\n");
    out
}

fn axes(out: &mut String, panel: &Panel, top: f64, end: f64) {
    let bottom = top + HEIGHT;
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{:.1}\">{}</text>\
         <path d=\"M{LEFT} {top:.1} V{bottom:.1} H{:.1}\" fill=\"none\" stroke=\"#888\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.1}</text>\
         <text x=\"{:.1}\" y=\"{bottom:.1}\" text-anchor=\"end\">{:.1}</text>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{end:.0} s</text>",
        top - 8.0,
        panel.title,
        LEFT + WIDTH,
        LEFT - 6.0,
        top + 10.0,
        panel.high,
        LEFT - 6.0,
        panel.low,
        LEFT + WIDTH,
        bottom + 16.0,
    );
}

fn line(out: &mut String, panel: &Panel, report: &Report, colour: &str, (top, end): (f64, f64)) {
    let mut path = String::new();
    let mut pen = 'M';
    for interval in &report.intervals {
        let Some(value) = (panel.value)(interval) else {
            pen = 'M';
            continue;
        };
        let share = ((value - panel.low) / (panel.high - panel.low)).clamp(0.0, 1.0);
        let x = LEFT + WIDTH * interval.at / end;
        let y = top + HEIGHT * (1.0 - share);
        let _ = write!(path, "{pen}{x:.1} {y:.1} ");
        pen = 'L';
    }
    let _ = writeln!(
        out,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
    );
}

/// Codec names come from the network.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}
