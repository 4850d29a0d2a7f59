//! The endpoint's fuzz body over scripts made by a generator, and over the checked-in ones.
//!
//! `PATCHCORD_MUTATIONS` multiplies them for a long run by hand.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub
)]

#[path = "fuzz/sip_endpoint.rs"]
mod sip_endpoint;

#[test]
fn an_endpoint_survives_any_script_and_forgets_it() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds/sip_endpoint");
    for entry in std::fs::read_dir(folder).unwrap() {
        sip_endpoint::run(&std::fs::read(entry.unwrap().path()).unwrap());
    }
    let factor = std::env::var("PATCHCORD_MUTATIONS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(20u64);
    let mut state = 0x0123_4567_89ab_cdef_u64;
    for number in 0..factor * 40 {
        let mut script = Vec::new();
        for _ in 0..100 + number % 900 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            script.push((state >> 32) as u8);
        }
        let result = std::panic::catch_unwind(|| sip_endpoint::run(&script));
        assert!(result.is_ok(), "script {number}: {script:?}");
    }
}
