#![no_main]

// The application's own modules, without what else its package needs: half of all that would be built here.
#[allow(dead_code, unused_imports)]
#[path = "../../examples/src/settings.rs"]
mod settings;

#[path = "../../examples/tests/fuzz/settings_file.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
