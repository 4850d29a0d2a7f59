#![no_main]

#[path = "../../examples/tests/fuzz/settings_file.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
