#![no_main]

#[path = "../../media-mix/tests/fuzz/dtmf_detector.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::fuzz(data));
