//! Ogg Opus files as `opus-tools` reads them.

use interop::{Scratch, installed};
use media_mix::ogg::OggOpusRecorder;
use media_mix::{CodecOptions, Level, Rate, Tone};
use std::path::Path;
use std::process::Command;

/// Three and a bit seconds of a tone, of which `keep` of the bytes stay.
fn record(path: &Path, rate: Rate, channels: u8, keep: f64) -> u64 {
    let mut recorder = OggOpusRecorder::new(
        Vec::new(),
        0x5EED_0001,
        rate,
        channels,
        &CodecOptions::new(),
        60,
    )
    .expect("a rate of Opus");
    let mut voice = Tone::new(rate, 440.0, -20.0);
    let mut frame = vec![0; rate.samples(20) + 1];
    for _ in 0..155 {
        voice.fill(&mut frame);
        let _ = match channels {
            2 => recorder.record_tracks(&frame, &frame),
            _ => recorder.record(&frame),
        }
        .expect("memory");
    }
    let frames = recorder.frames();
    let bytes = recorder.finish().expect("memory");
    let keep = (bytes.len() as f64 * keep) as usize;
    std::fs::write(path, &bytes[..keep]).expect("a file");
    frames * 48_000 / u64::from(rate.hz())
}

#[test]
fn opusinfo_has_nothing_to_say_against_a_file_and_opusdec_plays_it_to_the_sample() {
    if !installed(&["opusinfo", "opusdec"]) {
        return;
    }
    let scratch = Scratch::new("ogg_opus");
    for (rate, channels) in [
        (Rate::Khz8, 1),
        (Rate::Khz16, 2),
        (Rate::Khz48, 1),
        (Rate::Khz48, 2),
    ] {
        let (file, wav) = (scratch.path().join("a.opus"), scratch.path().join("a.wav"));
        let samples = record(&file, rate, channels, 1.0);
        let output = Command::new("opusinfo")
            .arg(&file)
            .output()
            .expect("opusinfo");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(
            output.status.success() && !said.to_lowercase().contains("warning"),
            "{said}"
        );
        let original = format!("Original sample rate: {} Hz", rate.hz());
        for part in ["patchcord-media-mix", "Pre-skip: 312", &original] {
            assert!(said.contains(part), "{part}: {said}");
        }
        played(&file, &wav, samples, samples, channels);
    }
}

#[test]
fn opusdec_plays_what_is_there_of_a_file_that_was_cut_off() {
    if !installed(&["opusdec"]) {
        return;
    }
    let scratch = Scratch::new("ogg_opus_cut");
    let (file, wav) = (scratch.path().join("a.opus"), scratch.path().join("a.wav"));
    let samples = record(&file, Rate::Khz48, 1, 0.8);
    // The last whole page ends at two seconds and a bit.
    played(&file, &wav, 48_000, samples * 8 / 10, 1);
}

/// Decoded, it is the tone, of a length between these.
fn played(file: &Path, wav: &Path, least: u64, most: u64, channels: u8) {
    let output = Command::new("opusdec")
        .args(["--quiet", "--rate", "48000"])
        .args([file, wav])
        .output()
        .expect("opusdec");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let sound = media_mix::Clip::from_wav(
        std::fs::File::open(wav).expect("what opusdec wrote"),
        48_000 * 60,
    )
    .expect("a WAV file");
    let heard = sound.samples();
    assert!(
        (least..=most).contains(&(heard.len() as u64)),
        "{} of {least} to {most}, {channels} channels",
        heard.len()
    );
    for part in heard[12_000..].chunks_exact(24_000) {
        assert!((Level::of(part).dbov() + 20.0).abs() < 1.5);
    }
}
