//! How late this speaker has been: what just happened counts, and what happens again and again.
//!
//! One bad moment (other programs start, a backup begins) says nothing of the next minute: it is forgotten within two
//! seconds. A host that stands still for a moment every few seconds will do so again, though all was well in between.

use core::time::Duration;

use crate::Time;

/// Seconds that are looked back on.
const SECONDS: usize = 16;

/// Of these, the ones that count by themselves: the one that is under way and the one before.
const RECENT: usize = 2;

/// The worst of each of the last seconds, the one under way first.
#[derive(Debug, Default)]
pub(crate) struct Lateness {
    worst: [Duration; SECONDS],
    /// Whole seconds of the engine's clock at the last look.
    at: u64,
}

impl Lateness {
    /// It has been late by this much.
    pub(crate) fn note(&mut self, now: Time, late: Duration) {
        self.turn(now);
        self.worst[0] = self.worst[0].max(late);
    }

    /// By how much it is to be expected to be late.
    pub(crate) fn expected(&mut self, now: Time) -> Duration {
        self.turn(now);
        let recent = self.worst[..RECENT].iter().max().copied().unwrap_or_default();
        recent.max(self.habit())
    }

    /// The most by which it was late at two times with a better one, of half that at most, between them.
    fn habit(&self) -> Duration {
        let mut habit = Duration::ZERO;
        for (first, one) in self.worst.iter().enumerate() {
            let mut best_since = *one;
            for other in &self.worst[first + 1..] {
                let both = (*one).min(*other);
                if best_since <= both / 2 {
                    habit = habit.max(both);
                }
                best_since = best_since.min(*other);
            }
        }
        habit
    }

    fn turn(&mut self, now: Time) {
        let second = now.since(Time::from_nanos(0)).as_secs();
        let gone = usize::try_from(second.saturating_sub(self.at)).unwrap_or(SECONDS).min(SECONDS);
        self.worst.rotate_right(gone % SECONDS);
        self.worst[..gone].fill(Duration::ZERO);
        self.at = self.at.max(second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    /// What is expected at the end of seconds whose worst lateness was this, in milliseconds.
    fn after(seconds: &[u64]) -> Duration {
        let mut lateness = Lateness::default();
        let mut now = at(0);
        for (second, late) in (1..).zip(seconds) {
            now = at(second * 1_000 + 500);
            lateness.note(now, u32::try_from(*late).unwrap() * MS);
        }
        lateness.expected(now)
    }

    #[test]
    fn what_just_happened_is_expected() {
        assert_eq!(after(&[300]), 300 * MS);
        assert_eq!(after(&[300, 20]), 300 * MS);
    }

    #[test]
    fn a_bad_moment_is_forgotten_in_two_seconds() {
        assert_eq!(after(&[300, 20, 0]), 20 * MS);
        assert_eq!(after(&[300, 20, 0, 0]), Duration::ZERO);
    }

    #[test]
    fn a_long_bad_moment_is_forgotten_as_soon() {
        assert_eq!(after(&[300, 200, 310, 160, 300, 0, 0]), Duration::ZERO);
    }

    #[test]
    fn what_happens_again_is_expected_for_as_long_as_it_is_looked_back_on() {
        assert_eq!(after(&[200, 0, 0, 0, 180, 0, 0, 0]), 180 * MS);
        assert_eq!(after(&[200, 15, 15, 15, 200, 15, 15, 15]), 200 * MS);
        assert_eq!(after(&[&[200, 0, 0, 0, 180], [0; 11].as_slice()].concat()), 180 * MS);
        assert_eq!(after(&[&[200, 0, 0, 0, 180], [0; 12].as_slice()].concat()), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_jumps_ahead_leaves_nothing() {
        let mut lateness = Lateness::default();
        lateness.note(at(1_000), 300 * MS);
        assert_eq!(lateness.expected(at(3_600_000)), Duration::ZERO);
    }
}
