//! The heartbeat: rounds of beacons, the promise to answer that each renews, and what a sleep does to both.
//!
//! A speaker that is frozen or killed must be silent before its successor speaks. So what it holds is valid until a
//! time that it renews with every round of beacons, one dead time ahead; the successor waits a little longer than that
//! after the last beacon it heard. A speaker that missed its own promise (the process was stopped, the machine slept)
//! no longer knows who answers: it lets go of everything and listens for one dead time, as after a start.
//!
//! A host that has no time for us makes rounds come late. Then the interval that the beacons state grows, so that peers
//! wait longer, and only once they can be expected to know does the promise grow with it: a starved holder neither lapses
//! nor is given up as long as it comes round within a second.

use core::time::Duration;

use crate::Time;
use crate::lateness::Lateness;

/// How much later than the announcer's own promise a peer gives it up, in fractions of the beacon interval: room for a
/// beacon that is on time but queued behind others.
const SLACK: u32 = 5;

/// How far the dead time grows with the lateness of beacons, or of their sender.
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

    /// The interval to state for a speaker whose rounds have come late by `lateness`: the dead time that follows from it
    /// is longer by twice as much. In whole steps, so that it seldom changes, and up to a dead time of a second.
    fn stretched(self, lateness: Duration) -> Duration {
        if lateness <= self.slack() {
            return self.interval;
        }
        let step = self.slack().max(Duration::from_millis(1));
        let steps = (lateness * 2 / self.misses).as_nanos().div_ceil(step.as_nanos());
        let stretched = self.interval + step * u32::try_from(steps).unwrap_or(u32::MAX);
        stretched.min(MOST_PATIENCE / self.misses).max(self.interval)
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
    /// For how long is listened.
    listening: Duration,
    last_wake: Option<Time>,
    lateness: Lateness,
    /// From when on lateness counts: not while it listens for the first time, when the program and others beside it are
    /// just starting, and nothing is held that could lapse.
    counts_from: Option<Time>,
    /// The interval that beacons state, and for how many rounds they have stated no less.
    stated: Duration,
    told: u32,
    /// The interval that the promise is made of: peers know it, as far as any of the last beacons got through.
    known: Duration,
}

impl Pulse {
    pub(crate) fn new(timing: Timing) -> Self {
        let (stated, known) = (timing.interval, timing.interval);
        let (valid_until, next_round, listening_until, last_wake) = (None, None, None, None);
        let (lateness, counts_from, told) = (Lateness::default(), None, 0);
        let listening = timing.dead_time();
        Self {
            timing,
            valid_until,
            next_round,
            listening_until,
            listening,
            last_wake,
            lateness,
            counts_from,
            stated,
            told,
            known,
        }
    }

    /// The interval to state in beacons: not less than they come at.
    pub(crate) fn stated(&self) -> Duration {
        self.stated
    }

    /// For how long a round renews the promise now.
    pub(crate) fn promise(&self) -> Duration {
        self.known * self.timing.misses
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

    /// How long the next listening lasts: one dead time, or as long as it takes to hear of very many peers.
    pub(crate) fn listen_for(&mut self, listening: Duration) {
        self.listening = listening;
    }

    /// For how long is listened.
    pub(crate) fn listening(&self) -> Duration {
        self.listening
    }

    /// Begin (or begin again): rounds start now, takeovers after the listening.
    pub(crate) fn start(&mut self, now: Time) {
        self.next_round = Some(now);
        self.listening_until = Some(now + self.listening);
        self.counts_from = self.counts_from.or(self.listening_until);
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
        let counts = self.counts_from.is_some_and(|from| now >= from);
        if counts && late < MOST_PATIENCE {
            // What is longer is a sleep and says nothing of the time that this host has for us.
            self.lateness.note(now, late);
        }
        match self.valid_until {
            Some(until) if now >= until => {
                let promised = self.promise();
                self.valid_until = None;
                self.start(now);
                Wake::Overslept(now.since(until) + promised)
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
        self.stretch(now);
        self.valid_until = Some(now + self.promise());
        true
    }

    /// Let the interval to state follow the lateness, and the promise follow what was stated often enough: were a longer
    /// promise made before its word got through, this speaker might still answer beside its successor.
    fn stretch(&mut self, now: Time) {
        let wanted = self.timing.stretched(self.lateness.expected(now));
        self.told = if wanted > self.stated { 0 } else { self.told.saturating_add(1) };
        self.stated = wanted;
        self.known = if self.told >= self.timing.misses { wanted } else { self.known.min(wanted) };
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

    /// Rounds that each come late by this much, the first at once; the promise that the last of them made.
    fn promise_after(late: &[u64]) -> Duration {
        let mut pulse = pulse();
        for (n, late) in (0..).zip(late) {
            let now = at(n * 50 + late);
            pulse.wake(now, Some(at(n * 50)));
            pulse.round(now);
        }
        pulse.promise()
    }

    #[test]
    fn a_speaker_that_is_in_time_promises_one_dead_time() {
        assert_eq!(promise_after(&[0, 9, 3, 10, 0, 0, 0]), 150 * MS);
    }

    #[test]
    fn lateness_is_stated_at_once_and_promised_only_when_peers_can_be_expected_to_know() {
        let mut pulse = pulse();
        let mut seen = Vec::new();
        for n in 3..8 {
            pulse.wake(at(n * 50 + 30), Some(at(n * 50)));
            pulse.round(at(n * 50 + 30));
            seen.push((pulse.stated(), pulse.promise()));
        }
        let told = (70 * MS, 150 * MS);
        assert_eq!(seen, [told, told, told, (70 * MS, 210 * MS), (70 * MS, 210 * MS)]);
    }

    #[test]
    fn no_lateness_makes_the_dead_time_longer_than_a_second() {
        let mut pulse = pulse();
        for n in 0..10 {
            pulse.wake(at(n * 1_000 + 900), Some(at(n * 1_000)));
            pulse.round(at(n * 1_000 + 900));
        }
        assert!(pulse.promise() <= MOST_PATIENCE, "{:?}", pulse.promise());
        assert!(pulse.promise() > 900 * MS, "{:?}", pulse.promise());
    }

    #[test]
    fn a_pause_of_seconds_is_no_lateness() {
        let mut pulse = pulse();
        for n in 0..6 {
            pulse.wake(at(n * 10_000 + 5_000), Some(at(n * 10_000)));
            pulse.round(at(n * 10_000 + 5_000));
        }
        assert_eq!((pulse.stated(), pulse.promise()), (50 * MS, 150 * MS));
    }

    #[test]
    fn lateness_of_a_program_that_is_just_starting_changes_nothing() {
        let mut pulse = pulse();
        for n in 0..3 {
            pulse.wake(at(n * 50 + 40), Some(at(n * 50)));
            pulse.round(at(n * 50 + 40));
        }
        assert_eq!((pulse.stated(), pulse.promise()), (50 * MS, 150 * MS));
    }

    #[test]
    fn lateness_is_forgotten_in_two_seconds() {
        let late: Vec<u64> = std::iter::repeat_n(60, 5).chain(std::iter::repeat_n(0, 40)).collect();
        assert_eq!(promise_after(&late), 150 * MS);
        assert!(promise_after(&late[..20]) > 200 * MS);
    }

    #[test]
    fn a_promise_never_outlasts_what_was_stated_when_it_shrinks() {
        let mut pulse = pulse();
        for n in 0..2_000 {
            let late = if n < 10 { 40 } else { 0 };
            pulse.wake(at(n * 50 + late), Some(at(n * 50)));
            pulse.round(at(n * 50 + late));
            assert!(pulse.promise() <= pulse.stated() * 3);
        }
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
