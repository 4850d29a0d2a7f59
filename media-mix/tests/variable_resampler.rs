//! 44.1 kHz and drifting clocks: clean, of the right length, and of the right pitch.
#![cfg(feature = "rubato")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Spectrum, rounded, sine};
use media_mix::{UnsupportedRate, VariableResampler};

fn convert(resampler: &mut VariableResampler, pcm: &[i16]) -> Vec<i16> {
    let mut out = Vec::new();
    // Uneven pieces, as a file or a device gives them.
    let mut rest = pcm;
    for size in [441, 7, 1000, 128].into_iter().cycle() {
        let (now, later) = rest.split_at(size.min(rest.len()));
        let mut part = vec![0; resampler.output_len(now.len())];
        let n = resampler.process(now, &mut part);
        out.extend_from_slice(&part[..n]);
        rest = later;
        if rest.is_empty() {
            return out;
        }
    }
    out
}

#[test]
fn forty_four_one_to_and_fro_is_clean() {
    for (from, to, hz) in [
        (44_100, 48_000, 1_000.0),
        (44_100, 48_000, 15_000.0),
        (48_000, 44_100, 15_000.0),
        (44_100, 8_000, 1_000.0),
        (22_050, 16_000, 5_000.0),
        (11_025, 8_000, 2_500.0),
    ] {
        let mut resampler = VariableResampler::new(from, to).unwrap();
        assert!(resampler.delay_ms() < 5.0, "{}", resampler.delay_ms());
        let pcm = rounded(&sine(from, hz, 20_000.0, from as usize * 2));
        let heard = convert(&mut resampler, &pcm);
        let expected = f64::from(to) * 2.0;
        assert!((heard.len() as f64 - expected).abs() < f64::from(to) * 0.006);
        let end = heard.len() - heard.len() % 2;
        let spectrum = Spectrum::of_pcm(&heard[end - to as usize..end], to);
        let tone = spectrum.tone(hz);
        let noise = spectrum.rest(&[hz], f64::from(to) / 2.0);
        assert!(tone - noise > 85.0, "{from} to {to}: {}", tone - noise);
        assert!((tone - 20.0 * (20_000.0_f64 / 32_768.0 / 2.0_f64.sqrt()).log10()).abs() < 0.1);
    }
}

#[test]
fn what_would_fold_back_is_gone() {
    for (from, to, hz) in [
        (44_100, 8_000, 6_000.0),
        (48_000, 16_000, 10_000.0),
        (44_100, 32_000, 19_500.0),
    ] {
        let mut resampler = VariableResampler::new(from, to).unwrap();
        let pcm = rounded(&sine(from, hz, 30_000.0, from as usize));
        let heard = convert(&mut resampler, &pcm);
        let spectrum = Spectrum::of_pcm(&heard[heard.len() / 2..], to);
        let worst = spectrum.worst_but(&[]);
        assert!(worst < -100.0, "{from} to {to}: {worst}");
    }
}

#[test]
fn a_drift_changes_length_and_pitch_by_as_much_and_no_click_is_heard() {
    let mut resampler = VariableResampler::new(48_000, 48_000).unwrap();
    let pcm = rounded(&sine(48_000, 1_000.0, 20_000.0, 48_000));
    let steady = convert(&mut resampler, &pcm).len();
    assert!(steady.abs_diff(48_000) <= 240);
    resampler.set_drift(1_000.0);
    let faster = convert(&mut resampler, &pcm);
    assert!(
        (faster.len() as i32 - 47_952).abs() <= 2,
        "{}",
        faster.len()
    );
    // Through the change the steps stay those of the sine.
    let most = faster.windows(2).map(|w| w[0].abs_diff(w[1])).max();
    assert!(most < Some(2_640), "{most:?}");
    resampler.set_drift(f64::NAN);
    resampler.set_drift(-1e9);
    assert!(convert(&mut resampler, &pcm).len() <= 48_490);
}

#[test]
fn rates_out_of_range_are_named() {
    assert_eq!(
        VariableResampler::new(44_100, 1).err(),
        Some(UnsupportedRate { hz: 1 })
    );
    assert_eq!(
        VariableResampler::new(500_000, 8_000).err(),
        Some(UnsupportedRate { hz: 500_000 })
    );
}
