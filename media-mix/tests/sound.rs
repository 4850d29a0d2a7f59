//! What one hears, by spectrum: tones, conversion between all rates, codecs, and whole rooms.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Spectrum, rounded, sine};
use media_mix::codec::opus::Opus;
use media_mix::{Codec, CodecOptions, Mixer, Rate, Registry, Resampler, Tone};

#[test]
fn a_tone_is_where_and_as_loud_as_asked_and_alone() {
    for rate in Rate::ALL {
        let mut tone = Tone::new(rate, 1020.0, -10.0);
        let mut pcm = vec![0; rate.hz() as usize];
        tone.fill(&mut pcm);
        let spectrum = Spectrum::of_pcm(&pcm, rate.hz());
        assert!(
            (spectrum.tone(1020.0) + 10.0).abs() < 0.01,
            "{rate}: {}",
            spectrum.tone(1020.0)
        );
        assert!(
            spectrum.worst_but(&[1020.0]) < -98.0,
            "{rate}: {}",
            spectrum.worst_but(&[1020.0])
        );
    }
}

/// The filter itself, without the rounding to 16 bits: samples are carried eight bits up in 32-bit words.
fn convert(from: Rate, to: Rate, hz: f64) -> Spectrum {
    let second = from.hz() as usize;
    let scale = 256.0;
    let input: Vec<i32> = sine(from.hz(), hz, 30_000.0 * scale, second + second / 2)
        .iter()
        .map(|x| x.round() as i32)
        .collect();
    let mut resampler = Resampler::new(from, to);
    let mut out = vec![0; resampler.output_len(input.len())];
    let n = resampler.process_wide(&input, &mut out);
    let settled: Vec<f64> = out[n - to.hz() as usize..n]
        .iter()
        .map(|&x| f64::from(x) / scale)
        .collect();
    Spectrum::fine(&settled, to.hz())
}

#[test]
fn down_sampling_rejects_what_would_fold_by_100_db() {
    let full = 20.0 * (30_000.0_f64 / 32_768.0 / 2.0_f64.sqrt()).log10();
    for from in Rate::ALL {
        for to in Rate::ALL.into_iter().filter(|&to| to < from) {
            let (nyquist, low) = (f64::from(from.hz()) / 2.0, f64::from(to.hz()));
            let mut worst = f64::MIN;
            let start = low * 0.575;
            for step in 0..24 {
                // Steps that are no round fraction of anything, so that folded tones land between bins, too.
                let hz = start + (nyquist - 40.0 - start) * f64::from(step) / 23.0;
                worst = worst.max(convert(from, to, hz).worst_but(&[]) - full);
            }
            assert!(worst < -100.0, "{from} to {to}: {worst:.1} dB");
        }
    }
}

#[test]
fn every_conversion_is_flat_to_0_425_of_the_lower_rate_and_95_db_clean() {
    let full = 20.0 * (30_000.0_f64 / 32_768.0 / 2.0_f64.sqrt()).log10();
    for from in Rate::ALL {
        for to in Rate::ALL.into_iter().filter(|&to| to != from) {
            let low = f64::from(from.hz().min(to.hz()));
            for part in [0.013, 0.1275, 0.25, 0.375, 0.42] {
                let hz = (low * part).round();
                let spectrum = convert(from, to, hz);
                let gain = spectrum.tone(hz) - full;
                assert!(gain.abs() < 0.1, "{from} to {to}: {gain:.3} dB at {hz} Hz");
                let noise = spectrum.rest(&[hz], f64::from(to.hz()) / 2.0) - spectrum.tone(hz);
                assert!(
                    noise < -95.0,
                    "{from} to {to}: {noise:.1} dB of noise at {hz} Hz"
                );
            }
        }
    }
}

#[test]
fn sixteen_bit_up_sampling_adds_one_rounding_and_nothing_else() {
    for to in [Rate::Khz16, Rate::Khz48] {
        let input = rounded(&sine(8000, 1020.0, 32_000.0, 16_000));
        let mut out = vec![0; 2 * to.hz() as usize];
        Resampler::new(Rate::Khz8, to).process(&input, &mut out);
        let spectrum = Spectrum::of_pcm(&out[to.hz() as usize..], to.hz());
        let noise = spectrum.rest(&[1020.0], 24_000.0) - spectrum.tone(1020.0);
        // The input's rounding is at -98.1 dB of full scale, the output's as well: -95.1 dB together, at -0.2 dB of tone.
        assert!(noise < -94.5, "to {to}: {noise:.1} dB");
    }
}

/// Encode and decode two seconds; the second one.
fn through(name: &str, pcm: &[i16], options: &CodecOptions) -> (Vec<i16>, Rate) {
    let registry = Registry::default();
    let codec = registry
        .iter()
        .find(|codec| codec.description().name == name)
        .unwrap();
    let description = codec.description();
    let (mut encoder, mut decoder) = (
        codec.encoder(options).unwrap(),
        codec.decoder(options).unwrap(),
    );
    let mut payload = vec![0; 1500];
    let (mut out, mut frame) = (Vec::new(), vec![0; 5760]);
    for chunk in pcm.chunks_exact(description.frame_samples(20)) {
        let bytes = encoder.encode(chunk, &mut payload).unwrap();
        assert_eq!(decoder.samples(&payload[..bytes]).unwrap(), chunk.len());
        let n = decoder.decode(&payload[..bytes], &mut frame).unwrap();
        out.extend_from_slice(&frame[..n]);
    }
    (
        out.split_off(description.rate.hz() as usize),
        description.rate,
    )
}

#[test]
fn a_tone_survives_every_codec() {
    // The loudest other component, and how far the level may be off.
    for (name, floor, tolerance) in [
        ("PCMU", -48.0, 0.05),
        ("PCMA", -46.0, 0.05),
        ("G722", -65.0, 0.05),
        ("opus", -38.0, 0.5),
    ] {
        let rate = Registry::default()
            .descriptions()
            .find(|d| d.name == name)
            .unwrap()
            .rate;
        let mut pcm = vec![0; 2 * rate.hz() as usize];
        Tone::new(rate, 1020.0, -20.0).fill(&mut pcm);
        let (heard, rate) = through(name, &pcm, &CodecOptions::new());
        let spectrum = Spectrum::of_pcm(&heard, rate.hz());
        let level = spectrum.tone(1020.0) + 20.0;
        let worst = spectrum.worst_but(&[1020.0]) - spectrum.tone(1020.0);
        assert!(level.abs() < tolerance, "{name}: {level:.2} dB");
        assert!(worst < floor, "{name}: {worst:.1} dB");
    }
}

#[test]
fn opus_runs_at_every_rate_it_has_and_the_far_end_may_run_at_another() {
    assert!(Opus::at(Rate::Khz32).is_err());
    for (here, there) in [
        (Rate::Khz8, Rate::Khz48),
        (Rate::Khz16, Rate::Khz16),
        (Rate::Khz48, Rate::Khz12),
        (Rate::Khz24, Rate::Khz8),
    ] {
        let (near, far) = (Opus::at(here).unwrap(), Opus::at(there).unwrap());
        let mut encoder = near.encoder(&CodecOptions::new()).unwrap();
        let mut decoder = far.decoder(&CodecOptions::new()).unwrap();
        let mut tone = Tone::new(here, 1020.0, -20.0);
        let (mut pcm, mut payload, mut out) = (
            vec![0; here.samples(20)],
            vec![0; 1275],
            vec![0; there.samples(20)],
        );
        let mut heard = Vec::new();
        for n in 0..100 {
            tone.fill(&mut pcm);
            let bytes = encoder.encode(&pcm, &mut payload).unwrap();
            if n % 20 == 15 {
                decoder.conceal(&mut out);
            } else {
                assert_eq!(decoder.decode(&payload[..bytes], &mut out), Ok(out.len()));
            }
            heard.extend_from_slice(&out);
        }
        let spectrum = Spectrum::of_pcm(&heard[there.samples(1000)..], there.hz());
        assert!(
            (spectrum.tone(1020.0) + 20.0).abs() < 1.0,
            "{here} to {there}: {}",
            spectrum.tone(1020.0)
        );
    }
}

#[test]
fn in_a_room_of_four_rates_everyone_hears_all_tones_but_their_own() {
    let rates = [Rate::Khz8, Rate::Khz16, Rate::Khz24, Rate::Khz48];
    let tones = [440.0, 660.0, 1020.0, 1500.0];
    let mut mixer = Mixer::default();
    let mut people: Vec<_> = rates
        .into_iter()
        .zip(tones)
        .map(|(rate, hz)| {
            (
                mixer.add_participant(rate).unwrap(),
                Tone::new(rate, hz, -15.0),
                Vec::new(),
            )
        })
        .collect();
    for _ in 0..60 {
        for (rate, ((source, _), tone, _)) in rates.into_iter().zip(&mut people) {
            let mut frame = vec![0; rate.samples(20)];
            tone.fill(&mut frame);
            let _ = mixer.push(*source, &frame);
        }
        mixer.tick();
        for (rate, ((_, listener), _, heard)) in rates.into_iter().zip(&mut people) {
            heard.extend_from_slice(mixer.heard_by(*listener, rate));
        }
    }
    for (me, (rate, (_, _, heard))) in rates.into_iter().zip(&people).enumerate() {
        let spectrum = Spectrum::of_pcm(&heard[rate.samples(200)..], rate.hz());
        for (other, &hz) in tones.iter().enumerate() {
            let level = spectrum.tone(hz);
            if other == me {
                assert!(level < -85.0, "{rate}: one's own voice at {level:.1} dBov");
            } else {
                assert!(
                    (level + 15.0).abs() < 0.05,
                    "{rate}: {hz} Hz at {level:.2} dBov"
                );
            }
        }
        assert!(
            spectrum.worst_but(&tones) < -90.0,
            "{rate}: {:.1}",
            spectrum.worst_but(&tones)
        );
    }
}
