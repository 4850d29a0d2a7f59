//! Our own curves, measured sine by sine: what comes out, dB over what went in, at each frequency over the lower rate.

use std::fmt::Write as _;
use std::path::PathBuf;

use media_mix::{Rate, Resampler};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 420.0;
/// The scale: up to this fraction of the lower rate, and down to this level.
const MOST: f64 = 1.0;
const FLOOR: f64 = -130.0;

fn level(from: Rate, to: Rate, hz: f64) -> f64 {
    let mut resampler = Resampler::new(from, to);
    let input = super::sine(hz, from.hz(), from.samples(200));
    let mut out = vec![0; to.samples(200)];
    let n = resampler.process(&input, &mut out);
    let full = 30_000.0_f64.powi(2) / 2.0;
    super::decibels(super::power(&super::settled(&out[..n])) / full)
}

/// Writes `target/bench/resample.svg`.
pub(super) fn draw() -> std::io::Result<()> {
    let x = |f: f64| 60.0 + f / MOST * (WIDTH - 80.0);
    let y = |db: f64| 20.0 + db.max(FLOOR) / FLOOR * (HEIGHT - 60.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for db in (0..=120).step_by(20) {
        let (db, at) = (-f64::from(db), y(-f64::from(db)));
        let _ = writeln!(
            svg,
            "<path d=\"M60 {at:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"8\" y=\"{:.1}\">{db} dB</text>",
            WIDTH - 20.0,
            at + 4.0
        );
    }
    for tenth in 0..=10 {
        let f = f64::from(tenth) / 10.0;
        let _ = writeln!(
            svg,
            "<path d=\"M{0:.1} 20V{1:.1}\" stroke=\"#ddd\"/><text x=\"{0:.1}\" y=\"{2:.1}\">{f}</text>",
            x(f),
            HEIGHT - 40.0,
            HEIGHT - 24.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">frequency over the lower of the two rates</text>",
        WIDTH / 2.0,
        HEIGHT - 6.0
    );
    let mut curve = 0;
    for from in Rate::ALL {
        for to in Rate::ALL.into_iter().filter(|&to| to != from) {
            let low = f64::from(from.hz().min(to.hz()));
            let mut path = String::new();
            let mut f = 0.01;
            while f <= MOST && f * low < f64::from(from.hz()) * 0.495 {
                let db = level(from, to, f * low);
                let _ = write!(
                    path,
                    "{}{:.1} {:.1}",
                    if path.is_empty() { 'M' } else { 'L' },
                    x(f),
                    y(db)
                );
                f += 0.01;
            }
            let hue = curve * 360 / 30;
            curve += 1;
            let _ = writeln!(
                svg,
                "<path d=\"{path}\" fill=\"none\" stroke=\"hsl({hue},70%,45%)\"><title>{from} to {to}</title></path>"
            );
        }
    }
    svg.push_str("</svg>\n");
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench"));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("resample.svg"), svg)
}
