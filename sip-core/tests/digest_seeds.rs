//! The body of the fuzz target `sip_digest` over its seeds, and over mutations of them.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::path::Path;

use proptest::prelude::*;

#[path = "fuzz/sip_digest.rs"]
mod sip_digest;

fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds/sip_digest");
    let mut seeds: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    seeds.sort();
    seeds
        .iter()
        .map(|seed| std::fs::read(seed).unwrap())
        .collect()
}

#[test]
fn the_seeds_are_there_and_hold() {
    let seeds = seeds();
    assert!(seeds.len() >= 4);
    seeds.iter().for_each(|seed| sip_digest::run(seed));
}

proptest! {
    #[test]
    fn so_do_mutations(
        which: prop::sample::Index, changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..4u8, any::<u8>()), 1..6),
    ) {
        let seeds = seeds();
        let mut data = seeds[which.index(seeds.len())].clone();
        const SPICE: [&[u8]; 8] = [b"\"", b"\\", b",", b"=", b"\r\n ", b"Digest ", b"realm=x", b"\xff"];
        for (place, change, byte) in changes {
            let at = place.index(data.len() + 1);
            match change {
                0 if at < data.len() => data[at] = byte,
                1 => data.truncate(at),
                2 => data.extend_from_within(..at),
                _ => drop(data.splice(at..at, SPICE[usize::from(byte) % SPICE.len()].iter().copied())),
            }
        }
        sip_digest::run(&data);
    }
}
