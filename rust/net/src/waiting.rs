//! Quiet beacons wait in their sockets until something else wakes the engine's thread: for how long they did, and when so
//! many come that they must not wait.

use std::time::Duration;

use metalev_engine::Time;

use crate::{clock, sys};

/// Within a second the clocks drift apart by much less, unless one of them was set.
const STEP: u64 = 1_000_000;

/// The time by both clocks: the engine's, and the one by which the kernel notes when something came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) now: Time,
    real: u64,
}

impl Reading {
    pub(crate) fn now() -> Self {
        Self { now: clock::now(), real: sys::realtime() }
    }

    fn offset(self) -> u64 {
        self.real.wrapping_sub(self.now.nanos())
    }
}

/// For how long what is read has waited.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// When the sockets were last read to their end.
    emptied: Reading,
}

impl Waiting {
    pub(crate) fn new(at: Reading) -> Self {
        Self { emptied: at }
    }

    /// For how long something has waited that came at `arrived` by the kernel's clock; zero if that is not known.
    ///
    /// A clock that was set meanwhile says nothing of it. What is read now came after the sockets were last read to their
    /// end, whatever any clock says.
    pub(crate) fn of(&self, arrived: Option<u64>, at: Reading) -> Duration {
        let drift = at.offset().wrapping_sub(self.emptied.offset()).cast_signed();
        match arrived {
            Some(arrived) if drift.unsigned_abs() <= STEP => {
                Duration::from_nanos(at.real.saturating_sub(arrived)).min(at.now.since(self.emptied.now))
            }
            _ => Duration::ZERO,
        }
    }

    /// The sockets are read to their end, which began at that time.
    pub(crate) fn emptied(&mut self, at: Reading) {
        self.emptied = at;
    }
}

/// A socket keeps about a hundred of the largest buffers that a driver uses.
const AT_ONCE: usize = 32;
/// What comes in a second when it is no crowd any more: no more than 32 in a round of the usual interval.
const FEW: usize = 600;
const SECOND: Duration = Duration::from_secs(1);

/// Whether quiet beacons come in such numbers that a socket could overflow before they are read.
#[derive(Debug)]
pub(crate) struct Crowd {
    since: Time,
    counted: usize,
    there: bool,
}

impl Crowd {
    pub(crate) fn new(now: Time) -> Self {
        Self { since: now, counted: 0, there: false }
    }

    /// So many waited in one socket. It is a crowd from then on until, in a whole second, few have come.
    pub(crate) fn count(&mut self, now: Time, waited: usize) {
        self.counted += waited;
        self.there |= waited > AT_ONCE;
        if now.since(self.since) >= SECOND {
            self.there &= self.counted > FEW;
            (self.since, self.counted) = (now, 0);
        }
    }

    pub(crate) fn is_there(&self) -> bool {
        self.there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const EPOCH: u64 = 1_700_000_000_000 * MS;

    fn at(ms: u64) -> Reading {
        Reading { now: Time::from_nanos(ms * MS), real: EPOCH + ms * MS }
    }

    /// In milliseconds, for what came at `arrived` by the kernel's clock, is read at 1050 and was last looked for at 1000.
    fn waited(arrived: u64, set_by: i64) -> u128 {
        let reading = Reading { real: at(1050).real.wrapping_add_signed(set_by * MS.cast_signed()), ..at(1050) };
        Waiting::new(at(1000)).of(Some(EPOCH + arrived * MS), reading).as_millis()
    }

    #[test]
    fn it_has_waited_since_it_came() {
        assert_eq!(waited(1020, 0), 30);
    }

    #[test]
    fn it_came_after_the_socket_was_last_empty_whatever_its_time_says() {
        assert_eq!(waited(900, 0), 50);
        assert_eq!(waited(0, 0), 50);
    }

    #[test]
    fn it_does_not_come_from_the_future() {
        assert_eq!(waited(1060, 0), 0);
    }

    #[test]
    fn a_clock_that_was_set_meanwhile_is_not_believed() {
        for step in [-3_600_000, -2, 2, 3_600_000] {
            assert_eq!(waited(1020, step), 0, "{step} ms");
        }
    }

    #[test]
    fn a_clock_that_was_set_before_is_believed() {
        let behind = |ms| Reading { real: EPOCH + ms * MS - 500 * MS, ..at(ms) };
        let mut waiting = Waiting::new(at(1000));
        waiting.emptied(behind(1050));
        assert_eq!(waiting.of(Some(EPOCH + 580 * MS), behind(1100)), Duration::from_millis(20));
    }

    #[test]
    fn what_has_no_time_has_not_waited() {
        assert_eq!(Waiting::new(at(1000)).of(None, at(1050)), Duration::ZERO);
    }

    /// Whether it is a crowd after rounds of 50 ms with so many each.
    fn crowd(rounds: impl IntoIterator<Item = usize>) -> bool {
        let mut crowd = Crowd::new(at(0).now);
        for (round, waited) in (1..).zip(rounds) {
            crowd.count(at(round * 50).now, waited);
        }
        crowd.is_there()
    }

    #[test]
    fn a_few_are_no_crowd_however_long() {
        assert!(!crowd([AT_ONCE; 100]));
    }

    #[test]
    fn more_than_a_socket_may_keep_are_a_crowd_at_once_and_for_as_long_as_they_come() {
        assert!(crowd([33]));
        assert!(crowd([33; 100]));
    }

    #[test]
    fn a_crowd_is_over_after_a_second_with_few() {
        assert!(crowd([100].into_iter().chain([5; 18])));
        assert!(!crowd([100].into_iter().chain([5; 60])));
    }
}
