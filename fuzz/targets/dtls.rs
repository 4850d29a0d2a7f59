#![no_main]

#[path = "../../rtp-core/tests/fuzz/dtls.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::fuzz(data));
