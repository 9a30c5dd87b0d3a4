#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| metalev_engine::fuzzing::foreign(data));
