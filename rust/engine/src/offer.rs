//! That an announcer asks to be relieved: why, for how long it waits, and how a beacon says so.

use core::time::Duration;

use crate::Time;
use crate::event::Cause;
use crate::pulse::Timing;

/// The longest that a successor is waited for.
const LONGEST: Duration = Duration::from_secs(1);

/// How many candidates in a row may live and not answer before nobody is waited for any more.
const HESITATING: u32 = 4;

/// For how long an announcer that asks to be relieved waits for somebody who does.
pub(crate) fn limit(timing: Timing) -> Duration {
    ((timing.dead_time() + timing.slack()) * HESITATING).min(LONGEST)
}

/// That an announcer asks to be relieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) cause: Cause,
    /// Until when somebody is waited for; `None` as long as it takes.
    pub(crate) until: Option<Time>,
}

/// How a reason to ask for relief is written in a beacon.
pub(crate) fn code(cause: Cause) -> u8 {
    match cause {
        Cause::Stopping => 1,
        Cause::NotCandidate => 2,
        Cause::Drill => 3,
        _ => 0,
    }
}

/// What a peer's code means; one that nobody knows yet says no more than that it asks.
pub(crate) fn cause(code: u8) -> Cause {
    match code {
        1 => Cause::Stopping,
        2 => Cause::NotCandidate,
        3 => Cause::Drill,
        _ => Cause::Released,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_is_waited_for_as_long_as_four_candidates_may_hesitate_and_a_second_at_most() {
        for (interval, misses, milliseconds) in [(50, 3, 640), (20, 3, 256), (100, 5, 1_000), (1_000, 3, 1_000)] {
            let timing = Timing { interval: Duration::from_millis(interval), misses };
            assert_eq!(limit(timing), Duration::from_millis(milliseconds), "{interval} x {misses}");
        }
    }
}
