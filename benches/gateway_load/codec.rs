//! What coding costs by itself, to know its share of a gateway's time.

use std::sync::Arc;

use media_mix::codec::opus::{Library, Opus};
use media_mix::{CodecOptions, Registry};

/// CPU seconds to encode 20 ms of a talker's tone and to decode 20 ms of a phone's voice, and that voice in frames.
pub(crate) struct Cost {
    pub(crate) encode: f64,
    pub(crate) decode: f64,
    pub(crate) frames: Vec<Vec<u8>>,
}

/// CPU seconds of this thread: other work on the machine does not count as coding.
fn cpu() -> f64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the clock exists, and the call fills the structure.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// A second of what a talker of the gateway says.
fn tone(samples: usize, hz: f64) -> Vec<i16> {
    let turn = std::f64::consts::TAU * 440.0 / hz;
    (0..samples)
        .map(|n| ((n as f64 * turn).sin() * 8_000.0) as i16)
        .collect()
}

/// A second of speech's rough shape: a buzz whose pitch moves.
fn sound(samples: usize, hz: f64) -> Vec<i16> {
    let mut phase = 0.0_f64;
    let voice = (0..samples).map(|n| {
        let t = n as f64 / hz;
        phase += (140.0 + 40.0 * (t * 5.0).sin()) / hz;
        let harmonics: f64 = (1..8)
            .map(|k| (phase * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k))
            .sum();
        (harmonics * 6_000.0) as i16
    });
    voice.collect()
}

/// The codec alone; Opus as an application has it that names no feature, in pure Rust, though other benches build libopus.
pub(crate) fn registry(name: &str) -> Result<Registry, String> {
    let mut registry = Registry::default();
    registry.register(Arc::new(Opus::new().with_library(Library::Pure)));
    match registry.prefer(&[name]).is_empty() {
        true => Ok(registry),
        false => Err(format!("there is no codec {name}")),
    }
}

/// Measures a codec of the default registry, over a second of sound, several times; the median of each.
pub(crate) fn cost(name: &str) -> Result<Cost, String> {
    let registry = registry(name)?;
    let codec = registry.iter().next().ok_or("no codec")?;
    let description = codec.description();
    let hz = description.rate.hz();
    let (options, samples) = (CodecOptions::default(), hz as usize / 50);
    let spoken = sound(hz as usize, f64::from(hz));
    let tone = tone(hz as usize, f64::from(hz));
    let failed = |error: &dyn std::fmt::Display| format!("{name}: {error}");
    let mut encoder = codec.encoder(&options).map_err(|error| failed(&error))?;
    let mut decoder = codec.decoder(&options).map_err(|error| failed(&error))?;
    let mut frames = Vec::new();
    for frame in spoken.chunks_exact(samples) {
        let mut out = vec![0; encoder.max_payload(samples)];
        let bytes = encoder
            .encode(frame, &mut out)
            .map_err(|error| failed(&error))?;
        out.truncate(bytes);
        frames.push(out);
    }
    let (mut encode, mut decode) = (Vec::new(), Vec::new());
    let mut encoder = codec.encoder(&options).map_err(|error| failed(&error))?;
    let (mut out, mut heard) = (vec![0; encoder.max_payload(samples)], vec![0; samples * 6]);
    for _ in 0..5 {
        let start = cpu();
        for frame in tone.chunks_exact(samples) {
            encoder
                .encode(frame, &mut out)
                .map_err(|error| failed(&error))?;
        }
        encode.push((cpu() - start) / 50.0);
        let start = cpu();
        for frame in &frames {
            decoder
                .decode(frame, &mut heard)
                .map_err(|error| failed(&error))?;
        }
        decode.push((cpu() - start) / 50.0);
    }
    encode.sort_by(f64::total_cmp);
    decode.sort_by(f64::total_cmp);
    Ok(Cost {
        encode: encode[2],
        decode: decode[2],
        frames,
    })
}
