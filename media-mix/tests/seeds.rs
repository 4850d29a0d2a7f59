//! Every checked-in seed through the body of its fuzz target, cut and changed.
//!
//! A folder `fuzz/seeds/NAME` belongs to the body `fuzz/NAME.rs`; the same bodies run under cargo-fuzz.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

#[path = "fuzz/codecs.rs"]
mod codecs;
#[path = "fuzz/comfort.rs"]
mod comfort;
#[path = "fuzz/dtmf_detector.rs"]
mod dtmf_detector;
#[path = "fuzz/mixer.rs"]
mod mixer;
#[path = "fuzz/wav.rs"]
mod wav;

/// A seed folder and its body.
type Target = (&'static str, fn(&[u8]));

const TARGETS: &[Target] = &[
    ("codecs", codecs::fuzz),
    ("comfort", comfort::fuzz),
    ("dtmf_detector", dtmf_detector::fuzz),
    ("mixer", mixer::fuzz),
    ("wav", wav::fuzz),
];

#[test]
fn every_seed_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds");
    for (name, fuzz) in TARGETS {
        let mut count = 0;
        for entry in fs::read_dir(folder.join(name)).unwrap() {
            let seed = fs::read(entry.unwrap().path()).unwrap();
            fuzz(&seed);
            // Some hundred places a seed, spread over it: the sound is long, and alike throughout.
            for at in (0..seed.len()).step_by(seed.len().div_ceil(150)) {
                fuzz(&seed[..at]);
                let mut changed = seed.clone();
                changed[at] ^= 1 << (at % 8);
                fuzz(&changed);
            }
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
    }
}

#[test]
fn random_commands_pass() {
    let mut state = 10_u64;
    for _ in 0..150 {
        let input: Vec<u8> = (0..600)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        mixer::fuzz(&input);
    }
}
