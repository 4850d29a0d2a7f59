//! The bodies of the fuzz targets over their seeds and the other checked-in keys and tokens, and over mutations of them.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::path::Path;

use proptest::prelude::*;

#[path = "fuzz/token_keys.rs"]
mod token_keys;
#[path = "fuzz/token_verify.rs"]
mod token_verify;

fn files(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

fn tokens() -> Vec<Vec<u8>> {
    [files("fuzz/seeds/token_verify"), files("tokens")].concat()
}

fn keys() -> Vec<Vec<u8>> {
    [files("fuzz/seeds/token_keys"), files("keys")].concat()
}

#[test]
fn the_seeds_are_there_and_hold() {
    assert!(
        files("fuzz/seeds/token_verify").len() >= 8 && files("fuzz/seeds/token_keys").len() >= 5
    );
    tokens().iter().for_each(|seed| token_verify::run(seed));
    keys().iter().for_each(|seed| token_keys::run(seed));
}

fn mutate(data: &mut Vec<u8>, changes: &[(prop::sample::Index, u8, u8)]) {
    const SPICE: [&[u8]; 10] = [
        b".", b"\"", b"{", b"}", b",", b"&", b"=", b"%2", b"null", b"1e999",
    ];
    for (place, change, byte) in changes {
        let at = place.index(data.len() + 1);
        match change {
            0 if at < data.len() => data[at] = *byte,
            1 => data.truncate(at),
            2 => data.extend_from_within(..at.min(200)),
            _ => drop(data.splice(
                at..at,
                SPICE[usize::from(*byte) % SPICE.len()].iter().copied(),
            )),
        }
    }
}

proptest! {
    #[test]
    fn so_do_mutations(
        which: prop::sample::Index,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..4u8, any::<u8>()), 1..5),
    ) {
        for (seeds, run) in [(tokens(), token_verify::run as fn(&[u8])), (keys(), token_keys::run)] {
            let mut data = seeds[which.index(seeds.len())].clone();
            mutate(&mut data, &changes);
            run(&data);
        }
    }
}
