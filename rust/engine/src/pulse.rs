//! The heartbeat: rounds of beacons, the promise to answer that each renews, and what a sleep does to both.
//!
//! A speaker that is frozen or killed must be silent before its successor speaks. So what it holds is valid until a
//! time that it renews with every round of beacons, one dead time ahead; the successor waits a little longer than that
//! after the last beacon it heard. A speaker that missed its own promise (the process was stopped, the machine slept)
//! no longer knows who answers: it lets go of everything and listens for one dead time, as after a start.

use core::time::Duration;

use crate::Time;

/// How much later than the announcer's own promise a peer gives it up, in fractions of the beacon interval: room for a
/// beacon that is on time but queued behind others.
const SLACK: u32 = 5;

/// How far the dead time grows with the lateness of beacons.
const MOST_PATIENCE: Duration = Duration::from_secs(1);

/// The intervals that everything else follows from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// Between two rounds of beacons.
    pub(crate) interval: Duration,
    /// After how many missed beacons a peer is given up.
    pub(crate) misses: u32,
}

impl Timing {
    /// For how long a promise lasts.
    pub(crate) fn dead_time(self) -> Duration {
        self.interval * self.misses
    }

    /// The room that is left for a beacon which is on time but queued behind others.
    pub(crate) fn slack(self) -> Duration {
        self.interval / SLACK
    }

    /// After how long a silent peer that promised a beacon every `stated` is given up, if its beacons have been late by
    /// `jitter`. For that the dead time grows, up to a second.
    pub(crate) fn patience(self, stated: Duration, jitter: Duration) -> Duration {
        let least = stated * self.misses + stated.min(self.interval) / SLACK;
        least.max((least + jitter).min(MOST_PATIENCE))
    }
}

/// What a wake-up found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// In time, or late by less than matters.
    InTime,
    /// Late by this much: nobody may be blamed for beacons that this node had no chance to read.
    Late(Duration),
    /// So late, in all, that the promise had run out.
    Overslept(Duration),
}

/// The promise, the rounds and the listening that comes before the first takeover.
#[derive(Debug)]
pub(crate) struct Pulse {
    timing: Timing,
    /// Answers are given before this time; `None` until the first round after a start or a sleep.
    valid_until: Option<Time>,
    next_round: Option<Time>,
    listening_until: Option<Time>,
    last_wake: Option<Time>,
}

impl Pulse {
    pub(crate) fn new(timing: Timing) -> Self {
        Self { timing, valid_until: None, next_round: None, listening_until: None, last_wake: None }
    }

    /// Whether an answer may be given now.
    pub(crate) fn may_answer(&self, now: Time) -> bool {
        self.valid_until.is_some_and(|until| now < until)
    }

    /// Until when nothing may be taken over, if that is still ahead.
    pub(crate) fn listening_until(&self, now: Time) -> Option<Time> {
        self.listening_until.filter(|until| now < *until)
    }

    /// When the engine wants to be woken for the next round or the end of listening.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let listening = self.listening_until.filter(|until| self.last_wake.is_none_or(|last| last < *until));
        [self.next_round, listening].into_iter().flatten().min()
    }

    /// Begin (or begin again): rounds start now, takeovers after one dead time.
    pub(crate) fn start(&mut self, now: Time) {
        self.next_round = Some(now);
        self.listening_until = Some(now + self.timing.dead_time());
    }

    /// Whether rounds have begun.
    pub(crate) fn started(&self) -> bool {
        self.next_round.is_some()
    }

    /// Notice the time; `expected` is when the engine had asked to be woken.
    pub(crate) fn wake(&mut self, now: Time, expected: Option<Time>) -> Wake {
        let due = expected.max(self.last_wake);
        self.last_wake = Some(now);
        let late = due.map_or(Duration::ZERO, |due| now.since(due));
        match self.valid_until {
            Some(until) if now >= until => {
                self.valid_until = None;
                self.start(now);
                Wake::Overslept(now.since(until) + self.timing.dead_time())
            }
            _ if late > self.timing.interval / SLACK => Wake::Late(late),
            _ => Wake::InTime,
        }
    }

    /// Whether a round of beacons is due; if so the promise is renewed and the next round planned.
    ///
    /// Call only when the beacons of the round are sent in the same breath: the promise rests on them.
    pub(crate) fn round(&mut self, now: Time) -> bool {
        let Some(due) = self.next_round.filter(|due| now >= *due) else {
            return false;
        };
        let behind = now.since(due) >= self.timing.interval;
        self.next_round = Some(if behind { now } else { due } + self.timing.interval);
        self.valid_until = Some(now + self.timing.dead_time());
        true
    }

    /// End for good: no answers, no rounds.
    pub(crate) fn stop(&mut self) {
        self.valid_until = None;
        self.next_round = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> Time {
        Time::from_nanos(1_000_000_000 + ms * 1_000_000)
    }

    fn pulse() -> Pulse {
        let mut pulse = Pulse::new(Timing { interval: 50 * MS, misses: 3 });
        pulse.start(at(0));
        pulse
    }

    #[test]
    fn nothing_is_answered_before_the_first_round() {
        assert!(!pulse().may_answer(at(0)));
    }

    #[test]
    fn a_round_renews_the_promise_for_one_dead_time() {
        let mut pulse = pulse();
        assert!(pulse.round(at(0)));
        assert!(pulse.may_answer(at(149)));
        assert!(!pulse.may_answer(at(150)));
    }

    #[test]
    fn a_round_comes_every_interval_and_does_not_drift() {
        let mut pulse = pulse();
        assert!(pulse.round(at(2)));
        assert!(!pulse.round(at(49)));
        assert!(pulse.round(at(50)));
    }

    #[test]
    fn rounds_that_were_missed_are_not_made_up_for() {
        let mut pulse = pulse();
        assert!(pulse.round(at(120)));
        assert!(!pulse.round(at(169)));
        assert!(pulse.round(at(170)));
    }

    #[test]
    fn takeovers_wait_one_dead_time_after_a_start() {
        assert_eq!(pulse().listening_until(at(149)), Some(at(150)));
        assert_eq!(pulse().listening_until(at(150)), None);
    }

    #[test]
    fn a_wake_past_the_promise_is_a_sleep_and_listening_begins_again() {
        let mut pulse = pulse();
        pulse.wake(at(0), None);
        pulse.round(at(0));
        assert_eq!(pulse.wake(at(400), Some(at(50))), Wake::Overslept(400 * MS));
        assert!(!pulse.may_answer(at(400)));
        assert_eq!(pulse.listening_until(at(400)), Some(at(550)));
    }

    #[test]
    fn a_wake_that_is_late_but_within_the_promise_says_by_how_much() {
        let mut pulse = pulse();
        pulse.wake(at(0), None);
        pulse.round(at(0));
        assert_eq!(pulse.wake(at(120), Some(at(50))), Wake::Late(70 * MS));
        assert_eq!(pulse.wake(at(121), Some(at(170))), Wake::InTime);
    }

    #[test]
    fn a_peer_is_given_up_only_after_its_own_promise_has_ended() {
        let timing = Timing { interval: 50 * MS, misses: 3 };
        assert!(timing.patience(50 * MS, Duration::ZERO) > timing.dead_time());
        assert_eq!(timing.patience(1000 * MS, Duration::ZERO), 3010 * MS);
    }

    #[test]
    fn patience_grows_with_jitter_up_to_a_second_and_never_shrinks() {
        let timing = Timing { interval: 50 * MS, misses: 3 };
        assert_eq!(timing.patience(50 * MS, 70 * MS), 230 * MS);
        assert_eq!(timing.patience(50 * MS, 5_000 * MS), 1_000 * MS);
        assert_eq!(timing.patience(1000 * MS, 5_000 * MS), 3010 * MS);
    }
}
