//! The bodies of the fuzz targets over the checked-in seeds, and over many mutations of them.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub
)]

use std::path::PathBuf;

#[path = "fuzz/exercise.rs"]
mod exercise;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/sip_datagram.rs"]
mod sip_datagram;
#[path = "fuzz/sip_digest.rs"]
mod sip_digest;
#[path = "fuzz/sip_edit.rs"]
mod sip_edit;
#[path = "fuzz/sip_endpoint.rs"]
mod sip_endpoint;
#[path = "fuzz/sip_header.rs"]
mod sip_header;
#[path = "fuzz/sip_registrar.rs"]
mod sip_registrar;
#[path = "fuzz/sip_registration.rs"]
mod sip_registration;
#[path = "fuzz/sip_round_trip.rs"]
mod sip_round_trip;
#[path = "fuzz/sip_stream.rs"]
mod sip_stream;
#[path = "fuzz/sip_uri.rs"]
mod sip_uri;
#[path = "fuzz/sip_websocket.rs"]
mod sip_websocket;

fn files(folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none_or(|e| e != "md"))
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

/// Mutations of one seed. `PATCHCORD_MUTATIONS` multiplies them for a long run by hand.
fn mutations() -> u32 {
    std::env::var("PATCHCORD_MUTATIONS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(20)
}

fn replay(target: &str, extra: &str, prefix: &[u8], run: fn(&[u8])) {
    let mut seeds = files(&format!("fuzz/seeds/{target}"));
    assert!(!seeds.is_empty());
    if !extra.is_empty() {
        seeds.extend(
            files(extra)
                .into_iter()
                .map(|(path, bytes)| (path, [prefix, &bytes].concat())),
        );
    }
    let mut random = mutate::random(1);
    for (path, seed) in seeds {
        // A panic shows which seed it was.
        println!("{}", path.display());
        run(&seed);
        for _ in 0..mutations() {
            let mut bytes = seed.clone();
            mutate::mutate(&mut bytes, &mut random);
            run(&bytes);
        }
    }
}

#[test]
fn datagram() {
    replay("sip_datagram", "torture", b"", sip_datagram::run);
}

#[test]
fn stream() {
    replay("sip_stream", "torture", b"cuts", sip_stream::run);
}

#[test]
fn websocket() {
    replay("sip_websocket", "torture", b"", sip_websocket::run);
}

#[test]
fn uri() {
    replay("sip_uri", "", b"", sip_uri::run);
}

#[test]
fn header() {
    replay("sip_header", "", b"", sip_header::run);
}

#[test]
fn registrar() {
    replay("sip_registrar", "", b"", sip_registrar::run);
}

#[test]
fn registration() {
    replay("sip_registration", "", b"", sip_registration::run);
}

#[test]
fn round_trip() {
    replay("sip_round_trip", "torture", b"", sip_round_trip::run);
}

#[test]
fn edit() {
    replay("sip_edit", "torture", b"\x02\x05value", sip_edit::run);
}

#[test]
fn digest() {
    replay("sip_digest", "", b"", sip_digest::run);
}

/// A script is bytes of any kind, so that fresh ones are as good as mutations.
#[test]
fn endpoint() {
    for (path, script) in files("fuzz/seeds/sip_endpoint") {
        println!("{}", path.display());
        sip_endpoint::run(&script);
    }
    let mut random = mutate::random(2);
    for number in 0..mutations() as usize * 40 {
        let length = 100 + number % 900;
        let script: Vec<u8> = (0..length).map(|_| random(256) as u8).collect();
        let result = std::panic::catch_unwind(|| sip_endpoint::run(&script));
        assert!(result.is_ok(), "script {number}: {script:?}");
    }
}
