#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| metalev_wire::fuzzing::ndp(data));
