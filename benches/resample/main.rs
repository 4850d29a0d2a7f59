//! Sample rate conversion, 20 ms at a time, with delay and cleanness in the same table: a converter that is fast because
//! it aliases has not won. Draws our own curves, every ratio of the house's rates, to `target/bench/resample.svg`.
//!
//! - *folded*: the loudest that a sine from 0.575 of the lower rate on leaves in the output, dB below it.
//! - *clean*: a sine of a third of the pass band over everything else in the output, dB.
//! - *delay*: how much later a click is in the output, ms.

mod curve;
mod peers;

use std::f64::consts::TAU;
use std::hint::black_box;
use std::process::ExitCode;

use benches::{Bench, Counting, Report};
use peers::{Convert, PEERS};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PAIRS: [(u32, u32); 7] = [
    (48_000, 8_000),
    (8_000, 48_000),
    (48_000, 16_000),
    (16_000, 48_000),
    (16_000, 8_000),
    (8_000, 16_000),
    (44_100, 48_000),
];

fn sine(hz: f64, rate: u32, len: usize) -> Vec<i16> {
    (0..len)
        .map(|n| ((n as f64 * TAU * hz / f64::from(rate)).sin() * 30_000.0).round() as i16)
        .collect()
}

/// Everything that a converter makes of `pcm`, given in its own pieces.
fn all(converter: &mut dyn Convert, pcm: &[i16]) -> Vec<i16> {
    let piece = converter.piece();
    pcm.chunks_exact(piece)
        .flat_map(|pcm| converter.run(pcm).to_vec())
        .collect()
}

fn decibels(ratio: f64) -> f64 {
    10.0 * ratio.max(1e-14).log10()
}

fn power(pcm: &[f64]) -> f64 {
    pcm.iter().map(|x| x * x).sum::<f64>() / pcm.len().max(1) as f64
}

/// The settled second half, as floats.
fn settled(pcm: &[i16]) -> Vec<f64> {
    pcm[pcm.len() / 2..].iter().map(|&x| f64::from(x)).collect()
}

/// The best sine of `hz` taken out of `pcm` by least squares; what is left, and what was taken.
fn without(pcm: &[f64], hz: f64, rate: u32) -> (f64, f64) {
    let (mut ss, mut cc, mut sc, mut ys, mut yc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let basis = |n: usize| (n as f64 * TAU * hz / f64::from(rate)).sin_cos();
    for (n, &y) in pcm.iter().enumerate() {
        let (s, c) = basis(n);
        ss += s * s;
        cc += c * c;
        sc += s * c;
        ys += y * s;
        yc += y * c;
    }
    let det = ss * cc - sc * sc;
    let (a, b) = ((ys * cc - yc * sc) / det, (yc * ss - ys * sc) / det);
    let rest: Vec<f64> = pcm
        .iter()
        .enumerate()
        .map(|(n, &y)| {
            let (s, c) = basis(n);
            y - a * s - b * c
        })
        .collect();
    (power(&rest), (a * a + b * b) / 2.0)
}

fn judge(report: &mut Report, what: &str, who: &str, from: u32, to: u32, make: peers::Make) {
    let Some(mut converter) = make(from, to) else {
        return;
    };
    let low = f64::from(from.min(to));
    // A click: the output's centre of gravity, less the input's.
    let mut click = vec![0; from as usize / 2 / converter.piece() * converter.piece()];
    let at = click.len() / 2;
    click[at] = 30_000;
    let heard = all(&mut *converter, &click);
    let weight: f64 = heard.iter().map(|&x| f64::from(x).powi(2)).sum();
    let centre: f64 = heard
        .iter()
        .enumerate()
        .map(|(n, &x)| n as f64 * f64::from(x).powi(2))
        .sum();
    let delay = centre / weight / f64::from(to) - at as f64 / f64::from(from);
    // A converter without a filter may drop the click altogether.
    if delay.is_finite() {
        report.add(&format!("{what} delay"), "ms", who, delay * 1000.0);
    }

    if let Some(mut converter) = make(from, to) {
        let hz = low * 0.15;
        let heard = settled(&all(&mut *converter, &sine(hz, from, from as usize)));
        let (rest, tone) = without(&heard, hz, to);
        report.add(&format!("{what} clean"), "dB", who, decibels(tone / rest));
    }
    if to < from {
        let mut worst = 0.0_f64;
        let mut hz = low * 0.58;
        while hz < f64::from(from) * 0.49 {
            if let Some(mut converter) = make(from, to) {
                let heard = settled(&all(&mut *converter, &sine(hz, from, from as usize / 4)));
                worst = worst.max(power(&heard));
            }
            hz += low * 0.11;
        }
        let full = 30_000.0_f64.powi(2) / 2.0;
        report.add(&format!("{what} folded"), "dB", who, decibels(worst / full));
    }
}

fn main() -> ExitCode {
    let mut bench = Bench::new();
    for (from, to) in PAIRS {
        for (who, make) in PEERS {
            let Some(mut converter) = make(from, to) else {
                continue;
            };
            let piece = sine(1_000.0, from, converter.piece());
            // Some take pieces of other lengths: count 20 ms.
            let share = piece.len() as u64 * 50;
            let mut owed = 0;
            bench.add(&format!("{from} to {to}"), who, move |n| {
                owed += n * u64::from(from);
                while owed >= share {
                    owed -= share;
                    black_box(converter.run(black_box(&piece)));
                }
            });
        }
    }
    let mut report = Report::new("resample");
    bench.time(&mut report);
    bench.count_allocations(&mut report);
    for (from, to) in PAIRS {
        for (who, make) in PEERS {
            judge(
                &mut report,
                &format!("{from} to {to}"),
                who,
                from,
                to,
                *make,
            );
        }
    }
    if let Err(error) = report.finish().and_then(|()| curve::draw()) {
        eprintln!("the figures could not be written: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
