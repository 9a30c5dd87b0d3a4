//! When gratuitous frames are sent: at a takeover at once, a burst, then a slow refresh for ever, paced.
//!
//! The refresh is what keeps switches whose tables age faster than the neighbours' caches from losing the way.

use core::time::Duration;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use crate::Time;

/// When the rounds of the burst come after a takeover. One lies past a second, because older Linux ignores a change
/// within a second of the last (`locktime`).
const BURST: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_millis(1_100),
    Duration::from_millis(2_200),
    Duration::from_millis(3_300),
];

/// Between two refreshes, unless the options say otherwise.
pub const REFRESH: Duration = Duration::from_secs(60);

/// At most this many groups are announced at a time ...
const SLICE: usize = 16;

/// ... and then the others wait this long, so that thousands of addresses do not flood the segment.
const PAUSE: Duration = Duration::from_millis(2);

/// The groups that are announced, and when each is next.
#[derive(Debug)]
pub(crate) struct Announcer {
    /// Between two announcements after the burst; zero for none.
    refresh: Duration,
    /// In the order of their turns; takeovers come before repetitions whatever their time.
    turns: BTreeSet<(bool, Time, IpAddr)>,
    groups: HashMap<IpAddr, Turn>,
    paused_until: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    since: Time,
    /// Which round comes next, counting from 0.
    round: usize,
    at: Time,
}

impl Announcer {
    pub(crate) fn new(refresh: Duration) -> Self {
        Self { refresh, turns: BTreeSet::new(), groups: HashMap::new(), paused_until: None }
    }

    /// Announce a group from now on, beginning with a burst.
    pub(crate) fn start(&mut self, group: IpAddr, now: Time) {
        self.stop(group);
        self.plan(group, Turn { since: now, round: 0, at: now });
    }

    /// Announce a group no more.
    pub(crate) fn stop(&mut self, group: IpAddr) {
        if let Some(turn) = self.groups.remove(&group) {
            self.turns.remove(&(turn.round > 0, turn.at, group));
        }
    }

    /// When the next group is due.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let due = [self.first(false), self.first(true)].into_iter().flatten().map(|turn| turn.0).min()?;
        Some(self.paused_until.map_or(due, |pause| pause.max(due)))
    }

    /// The groups whose turn it is, at most a slice of them; their next turns are planned.
    pub(crate) fn due(&mut self, now: Time) -> Vec<IpAddr> {
        if self.paused_until.is_some_and(|pause| now < pause) {
            return Vec::new();
        }
        let mut due = Vec::new();
        while due.len() < SLICE
            && let Some((_, group)) =
                [self.first(false), self.first(true)].into_iter().flatten().find(|turn| turn.0 <= now)
        {
            self.next_turn(group, now);
            due.push(group);
        }
        self.paused_until = (due.len() == SLICE).then(|| now + PAUSE);
        due
    }

    /// The first turn among the takeovers (`false`) or the repetitions (`true`).
    fn first(&self, repetition: bool) -> Option<(Time, IpAddr)> {
        let from = (repetition, Time::default(), IpAddr::from([0, 0, 0, 0]));
        self.turns.range(from..).next().filter(|turn| turn.0 == repetition).map(|turn| (turn.1, turn.2))
    }

    fn next_turn(&mut self, group: IpAddr, now: Time) {
        let Some(turn) = self.groups.get(&group).copied() else {
            return;
        };
        self.stop(group);
        let round = turn.round + 1;
        let at = match BURST.get(round) {
            Some(after) => (turn.since + *after).max(now + PAUSE),
            None if self.refresh.is_zero() => return,
            None => now + self.refresh,
        };
        self.plan(group, Turn { round, at, ..turn });
    }

    fn plan(&mut self, group: IpAddr, turn: Turn) {
        self.turns.insert((turn.round > 0, turn.at, group));
        self.groups.insert(group, turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    fn ip(n: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + n).into())
    }

    /// The milliseconds at which anything is announced until `end`.
    fn times(announcer: &mut Announcer, end: Time) -> Vec<u64> {
        let mut times = Vec::new();
        while let Some(now) = announcer.deadline().filter(|now| *now <= end) {
            let count = announcer.due(now).len();
            times.extend(std::iter::repeat_n(now.nanos() / 1_000_000, count));
        }
        times
    }

    #[test]
    fn a_takeover_is_announced_at_once_then_in_a_burst_then_slowly_for_ever() {
        let mut announcer = Announcer::new(REFRESH);
        announcer.start(ip(1), at(0));
        assert_eq!(times(&mut announcer, at(124_000)), [0, 100, 400, 1_100, 2_200, 3_300, 63_300, 123_300]);
    }

    #[test]
    fn without_a_refresh_the_burst_is_all() {
        let mut announcer = Announcer::new(Duration::ZERO);
        announcer.start(ip(1), at(0));
        assert_eq!(times(&mut announcer, at(300_000)).len(), BURST.len());
        assert_eq!(announcer.deadline(), None);
    }

    #[test]
    fn what_is_given_up_is_announced_no_more() {
        let mut announcer = Announcer::new(REFRESH);
        announcer.start(ip(1), at(0));
        announcer.due(at(0));
        announcer.stop(ip(1));
        assert_eq!(announcer.deadline(), None);
    }

    #[test]
    fn thousands_of_takeovers_are_paced() {
        let mut announcer = Announcer::new(REFRESH);
        (0..5_000).for_each(|n| announcer.start(ip(n), at(0)));
        assert_eq!(announcer.due(at(0)).len(), SLICE);
        assert!(announcer.due(at(0) + MS).is_empty());
        assert_eq!(announcer.deadline(), Some(at(0) + PAUSE));
    }

    #[test]
    fn takeovers_come_before_repetitions() {
        let mut announcer = Announcer::new(REFRESH);
        (0..100).for_each(|n| announcer.start(ip(n), at(0)));
        times(&mut announcer, at(50));
        announcer.start(ip(777), at(100));
        assert_eq!(announcer.due(at(100))[0], ip(777));
    }

    #[test]
    fn every_takeover_is_announced_once_before_any_is_repeated() {
        let mut announcer = Announcer::new(REFRESH);
        (0..1_000).for_each(|n| announcer.start(ip(n), at(0)));
        let mut first = Vec::new();
        while first.len() < 1_000 {
            let now = announcer.deadline().unwrap();
            first.extend(announcer.due(now));
        }
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 1_000);
    }
}
