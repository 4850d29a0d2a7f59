//! Every checked-in seed, and the inputs that once went wrong, through the body of its fuzz target.
//!
//! A folder `fuzz/seeds/NAME` belongs to the body `fuzz/NAME.rs`; the same bodies run under cargo-fuzz.

use std::fs;
use std::path::Path;

#[cfg(feature = "dtls")]
#[path = "fuzz/dtls.rs"]
mod dtls;
#[path = "fuzz/dtmf.rs"]
mod dtmf;
#[cfg(feature = "ice")]
#[path = "fuzz/ice.rs"]
mod ice;
#[path = "fuzz/jitter.rs"]
mod jitter;
#[path = "fuzz/negotiate.rs"]
mod negotiate;
#[path = "fuzz/path.rs"]
mod path;
#[path = "fuzz/rtcp.rs"]
mod rtcp;
#[path = "fuzz/rtp.rs"]
mod rtp;
#[path = "fuzz/sdp.rs"]
mod sdp;
#[path = "fuzz/srtp.rs"]
mod srtp;
#[cfg(feature = "turn")]
#[path = "fuzz/turn.rs"]
mod turn;

/// A seed folder and its body.
type Target = (&'static str, fn(&[u8]));

const TARGETS: &[Target] = &[
    #[cfg(feature = "dtls")]
    ("dtls", dtls::fuzz),
    ("dtmf", dtmf::fuzz),
    #[cfg(feature = "ice")]
    ("ice", ice::fuzz),
    ("jitter", jitter::fuzz),
    ("negotiate", negotiate::fuzz),
    ("path", path::fuzz),
    ("rtcp", rtcp::fuzz),
    ("rtp", rtp::fuzz),
    ("sdp", sdp::fuzz),
    ("srtp", srtp::fuzz),
    #[cfg(feature = "turn")]
    ("turn", turn::fuzz),
];

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds")
}

#[test]
fn every_seed_passes() {
    for (name, fuzz) in TARGETS {
        let mut count = 0;
        for entry in fs::read_dir(folder().join(name)).unwrap() {
            let seed = fs::read(entry.unwrap().path()).unwrap();
            fuzz(&seed);
            // Cut and changed all over: the cheapest mutations find the cheapest mistakes. Every byte of a
            // short seed, some 300 places of a long one; the fuzzer does the rest.
            for at in (0..seed.len()).step_by(1 + seed.len() / 300) {
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
fn every_folder_of_seeds_has_a_target() {
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let without = match name.as_str() {
            "dtls" => !cfg!(feature = "dtls"),
            "ice" => !cfg!(feature = "ice"),
            "turn" => !cfg!(feature = "turn"),
            _ => false,
        };
        assert!(
            without || TARGETS.iter().any(|target| target.0 == name),
            "seeds/{name} are not replayed"
        );
    }
}
