#![no_main]

#[path = "../../media-mix/tests/fuzz/wav.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::fuzz(data));
