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
mod tests;
