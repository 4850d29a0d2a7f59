#![no_main]

#[path = "../../token/tests/fuzz/token_verify.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
