//! Loss, jitter and MOS over time as a drawing: one above the other on one axis of time, a line a stream.

use std::fmt::Write as _;

use crate::stream::{Interval, Report};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const HEIGHT: f64 = 120.0;
const GAP: f64 = 44.0;
/// A row of the legend.
const ROW: f64 = 22.0;
/// Where nothing came for longer, in seconds, a line is interrupted.
const SILENCE: f64 = 1.5;
/// Keys that are written into the drawing; more would cover one another.
const MAX_KEYS: usize = 64;
const COLOURS: [&str; 6] = [
    "#1b6ca8", "#c4442a", "#2a8c4a", "#8a4fa3", "#b5811c", "#3f3f46",
];

/// One of the three: what it is, and the value of an interval.
struct Panel {
    title: &'static str,
    low: f64,
    high: f64,
    step: f64,
    value: fn(&Interval) -> Option<f64>,
}

impl Panel {
    /// From 0 to a round number that is at least `least` and no less than any value.
    fn up_to(
        title: &'static str,
        reports: &[Report],
        least: f64,
        value: fn(&Interval) -> Option<f64>,
    ) -> Panel {
        let values = reports.iter().flat_map(|r| &r.intervals).filter_map(value);
        let highest = values.fold(least, f64::max);
        let step = round_step(highest, 4.0);
        Panel {
            title,
            low: 0.0,
            high: (highest / step).ceil() * step,
            step,
            value,
        }
    }

    fn y(&self, value: f64, top: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        top + HEIGHT * (1.0 - share)
    }
}

/// The axis of time, in seconds.
struct Time {
    end: f64,
    step: f64,
}

impl Time {
    fn x(&self, at: f64) -> f64 {
        LEFT + WIDTH * (at / self.end).clamp(0.0, 1.0)
    }
}

/// 1, 2 or 5 times a power of ten, so that `high` has about `parts` of it.
fn round_step(high: f64, parts: f64) -> f64 {
    let rough = (high / parts).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|n| n * power)
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(rough)
}

/// The multiples of `step` from `low` to `high`.
fn marks(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (low / step).ceil();
    let count = ((high / step).floor() - first).max(0.0) as usize;
    (0..=count.min(50)).map(move |n| (first + n as f64) * step)
}

/// An SVG document.
pub(crate) fn draw(reports: &[Report]) -> String {
    let ends = reports.iter().map(|r| r.start + r.seconds);
    let last = reports.iter().flat_map(|r| &r.intervals).map(|i| i.at);
    let end = ends.chain(last).fold(1.0, f64::max);
    let time = Time {
        end,
        step: round_step(end, 10.0),
    };
    let panels = [
        Panel::up_to("loss, %", reports, 4.0, |i| Some(i.loss * 100.0)),
        Panel::up_to("jitter, ms", reports, 8.0, |i| Some(i.jitter_ms)),
        Panel {
            title: "MOS",
            low: 1.0,
            high: 4.5,
            step: 1.0,
            value: |i| i.mos,
        },
    ];
    let rows = ROW * reports.len().max(1) as f64;
    let height = TOP + panels.len() as f64 * (HEIGHT + GAP) + rows;
    let width = LEFT + WIDTH + RIGHT;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>loss, jitter and MOS of {} RTP stream(s)</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        reports.len()
    );
    let mut top = TOP;
    for panel in &panels {
        axes(&mut out, panel, top, &time);
        for (report, colour) in reports.iter().zip(COLOURS.iter().cycle()) {
            line(&mut out, panel, report, colour, (top, &time));
        }
        top += HEIGHT + GAP;
    }
    keys(&mut out, reports, &time);
    for (report, colour) in reports.iter().zip(COLOURS.iter().cycle()) {
        legend(&mut out, report, colour, top);
        top += ROW;
    }
    if reports.is_empty() {
        let _ = writeln!(
            out,
            "<text x=\"{LEFT}\" y=\"{top:.1}\">no RTP stream</text>"
        );
    }
    out.push_str("</svg>\n");
    out
}

fn axes(out: &mut String, panel: &Panel, top: f64, time: &Time) {
    let (bottom, right) = (top + HEIGHT, LEFT + WIDTH);
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{:.1}\" font-weight=\"bold\">{}</text>",
        top - 8.0,
        panel.title
    );
    for mark in marks(panel.low, panel.high, panel.step) {
        let y = panel.y(mark, top);
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {y:.1} H{right}\" stroke=\"#e4e4e7\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#52525b\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            (mark * 1000.0).round() / 1000.0
        );
    }
    for mark in marks(0.0, time.end, time.step) {
        let x = time.x(mark);
        let _ = writeln!(
            out,
            "<path d=\"M{x:.1} {bottom:.1} v4\" stroke=\"#71717a\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#52525b\">{} s</text>",
            bottom + 16.0,
            (mark * 1000.0).round() / 1000.0
        );
    }
    let _ = writeln!(
        out,
        "<path d=\"M{LEFT} {top:.1} V{bottom:.1} H{right}\" fill=\"none\" stroke=\"#71717a\"/>"
    );
}

fn line(out: &mut String, panel: &Panel, report: &Report, colour: &str, at: (f64, &Time)) {
    let (top, time) = at;
    let mut path = String::new();
    let mut dots = String::new();
    let mut before: Option<f64> = None;
    for interval in &report.intervals {
        let Some(value) = (panel.value)(interval) else {
            before = None;
            continue;
        };
        let (x, y) = (time.x(interval.at), panel.y(value, top));
        let goes_on = before.is_some_and(|before| interval.at - before <= SILENCE);
        let _ = write!(path, "{}{x:.1} {y:.1} ", if goes_on { 'L' } else { 'M' });
        // A value without neighbours would leave no line.
        let _ = write!(dots, "M{x:.1} {y:.1}h0 ");
        before = Some(interval.at);
    }
    if !path.is_empty() {
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" \
             stroke-linejoin=\"round\"/>\
             <path d=\"{dots}\" stroke=\"{colour}\" stroke-width=\"4\" stroke-linecap=\"round\"/>"
        );
    }
}

/// The keys that were pressed, above everything, where they were; those of every other stream a line higher.
fn keys(out: &mut String, reports: &[Report], time: &Time) {
    let rows = [TOP - 10.0, TOP - 23.0];
    let streams = reports.iter().zip(COLOURS.iter().cycle());
    let pressed = streams
        .zip(rows.iter().cycle())
        .flat_map(|((report, colour), row)| report.keys.iter().map(move |key| (key, colour, row)));
    for (key, colour, row) in pressed.take(MAX_KEYS) {
        let x = time.x(key.at);
        let _ = writeln!(
            out,
            "<path d=\"M{x:.1} {:.1} V{:.1}\" stroke=\"{colour}\" stroke-dasharray=\"2 3\" opacity=\"0.6\"/>\
             <text x=\"{x:.1}\" y=\"{row:.1}\" text-anchor=\"middle\" fill=\"{colour}\">{}</text>",
            TOP - 6.0,
            TOP + HEIGHT,
            escaped(&key.key.to_string())
        );
    }
}

fn legend(out: &mut String, report: &Report, colour: &str, y: f64) {
    let mut text = format!(
        "{} → {}   {}   {}   {:.1} % lost, jitter {:.1} ms",
        report.source,
        report.destination,
        report.ssrc,
        report.codecs.join(", "),
        report.loss * 100.0,
        report.jitter_ms
    );
    if let Some(mos) = report.mos {
        let _ = write!(text, ", MOS {mos:.2}");
    }
    let _ = writeln!(
        out,
        "<rect x=\"{LEFT}\" y=\"{:.1}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
         <text x=\"{:.1}\" y=\"{y:.1}\" xml:space=\"preserve\">{}</text>",
        y - 10.0,
        LEFT + 18.0,
        escaped(&text)
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
