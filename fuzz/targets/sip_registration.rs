#![no_main]

#[path = "../../sip-core/tests/fuzz/sip_registration.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
