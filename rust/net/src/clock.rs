//! The clock of the engine.

use metalev_engine::Time;

use crate::sys;

/// Now, by `CLOCK_BOOTTIME`: it runs on while the machine sleeps, so that an engine that slept knows it, and no
/// administrator sets it back.
pub fn now() -> Time {
    Time::from_nanos(sys::boottime())
}
