#![no_main]

#[path = "../../token/tests/fuzz/token_keys.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
