//! An input is a sequence of events; how many frames and datagrams were in them is told every million.
#![no_main]

use std::sync::atomic::{AtomicU64, Ordering};

static FED: AtomicU64 = AtomicU64::new(0);
const EVERY: u64 = 1 << 20;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let fed = metalev_engine::fuzzing::handle(data);
    let before = FED.fetch_add(fed, Ordering::Relaxed);
    if before / EVERY != (before + fed) / EVERY {
        eprintln!("{} frames and datagrams", before + fed);
    }
});
