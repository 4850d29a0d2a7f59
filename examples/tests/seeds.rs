//! The bodies of the fuzz targets over their seeds, and over mutations of them.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::path::Path;

// The bodies find them at the root of whatever they are built into.
use examples::{opentok, settings};

#[path = "fuzz/rest_bodies.rs"]
mod rest_bodies;
#[path = "fuzz/settings_file.rs"]
mod settings_file;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/seeds")
        .join(target);
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect()
}

/// Every prefix of each seed, and each with one byte changed to each of some that grammars look at.
fn each_change(seed: &[u8], run: fn(&[u8])) {
    run(seed);
    for at in 0..seed.len() {
        run(&seed[..at]);
        for byte in *b"\"\\{}[]:,=&%#\r\n\0;@<> \xff" {
            let mut changed = seed.to_vec();
            changed[at] = byte;
            run(&changed);
        }
    }
}

#[test]
fn rest_bodies_hold() {
    let seeds = seeds("rest_bodies");
    assert!(seeds.len() >= 8);
    seeds
        .iter()
        .for_each(|seed| each_change(seed, rest_bodies::run));
}

#[test]
fn settings_hold() {
    let seeds = seeds("settings_file");
    assert!(seeds.len() >= 2);
    seeds
        .iter()
        .for_each(|seed| each_change(seed, settings_file::run));
}
