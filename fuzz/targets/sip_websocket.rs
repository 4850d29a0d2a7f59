#![no_main]

#[path = "../../sip-core/tests/fuzz/sip_websocket.rs"]
mod body;
#[allow(dead_code)]
#[path = "../../sip-core/tests/fuzz/exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
