//! The few functions that the standard library takes from the platform, made from arithmetic alone, so that filters
//! and tones are the same bits on every machine.

use std::f64::consts::PI;

/// sin(2π·turns), within 1e-15.
pub(crate) fn sin_turns(turns: f64) -> f64 {
    let turns = turns - turns.floor();
    // Into the first eighth of a turn, where the series are short.
    let quadrant = (turns * 4.0) as u32;
    let within = turns * 4.0 - f64::from(quadrant);
    let x = within * (PI / 2.0);
    let y = (1.0 - within) * (PI / 2.0);
    let quarter = if within <= 0.5 {
        sin_series(x)
    } else {
        cos_series(y)
    };
    let co_quarter = if within <= 0.5 {
        cos_series(x)
    } else {
        sin_series(y)
    };
    match quadrant & 3 {
        0 => quarter,
        1 => co_quarter,
        2 => -quarter,
        _ => -co_quarter,
    }
}

fn sin_series(x: f64) -> f64 {
    let (mut sum, mut term) = (x, x);
    for n in 1..10 {
        let k = f64::from(2 * n);
        term *= -x * x / (k * (k + 1.0));
        sum += term;
    }
    sum
}

fn cos_series(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for n in 1..10 {
        let k = f64::from(2 * n);
        term *= -x * x / (k * (k - 1.0));
        sum += term;
    }
    sum
}

/// The modified Bessel function of the first kind and order zero, for Kaiser windows.
pub(crate) fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, mut n) = (1.0, 1.0, 1.0);
    while term > sum * 1e-18 {
        let half = x / (2.0 * n);
        term *= half * half;
        sum += term;
        n += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_agrees_with_the_platform() {
        for n in -2000..2000 {
            let turns = f64::from(n) / 731.0;
            assert!((sin_turns(turns) - (turns * 2.0 * PI).sin()).abs() < 2e-14);
        }
    }
}
