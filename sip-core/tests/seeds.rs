//! The bodies of the fuzz targets over the checked-in seeds, and over many mutations of them.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub
)]

use std::path::PathBuf;

#[path = "fuzz/exercise.rs"]
mod exercise;
#[path = "fuzz/sip_datagram.rs"]
mod sip_datagram;
#[path = "fuzz/sip_edit.rs"]
mod sip_edit;
#[path = "fuzz/sip_header.rs"]
mod sip_header;
#[path = "fuzz/sip_registrar.rs"]
mod sip_registrar;
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

/// Changes that text protocols fear: bytes flipped, cut, doubled, moved, and separators put in.
fn mutate(bytes: &mut Vec<u8>, random: &mut impl FnMut(usize) -> usize) {
    const SPICE: &[&[u8]] = &[
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"\t",
        b":",
        b";",
        b",",
        b"<",
        b">",
        b"\"",
        b"\\",
        b"@",
        b"%",
        b"%00",
        b"=",
        b"?",
        b"[",
        b"]",
        b"/",
        b"\0",
        b"\xff",
        b"4294967296",
        b"-1",
        b"Content-Length: 5\r\n",
        b"\r\n\r\n",
        b"SIP/2.0",
        b"::",
        b"*",
        b"(",
        b")",
    ];
    for _ in 0..1 + random(4) {
        let at = random(bytes.len() + 1);
        match random(5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random(8),
            1 if at < bytes.len() => {
                let end = (at + 1 + random(12)).min(bytes.len());
                bytes.drain(at..end);
            }
            2 => {
                let end = (at + random(60)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = random(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            3 => bytes.truncate(at),
            _ => {
                let spice = SPICE[random(SPICE.len())];
                bytes.splice(at..at, spice.iter().copied());
            }
        }
    }
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
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for (path, seed) in seeds {
        // A panic shows which seed it was.
        println!("{}", path.display());
        run(&seed);
        for _ in 0..mutations() {
            let mut bytes = seed.clone();
            mutate(&mut bytes, &mut |n: usize| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as usize % n.max(1)
            });
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
fn round_trip() {
    replay("sip_round_trip", "torture", b"", sip_round_trip::run);
}

#[test]
fn edit() {
    replay("sip_edit", "torture", b"\x02\x05value", sip_edit::run);
}
