//! When gratuitous frames are sent: at a takeover at once, a burst, then a slow refresh for ever, paced.
//!
//! The refresh is what keeps switches whose tables age faster than the neighbours' caches from losing the way.
//!
//! After the death of a node with thousands of addresses, the last first frame leaves most of a second after the first:
//! so those come first that clients have asked for most recently.
//!
//! **The bound.** Frames of first rounds leave at 16,000 a second at most, those of repetitions at 4,000, together
//! never more than the former, on all interfaces; at no moment more than 32 at once, of repetitions 16. 5,000 dual-stack Services on one
//! interface (two frames for IPv4, one for IPv6) are all announced within a second of a takeover, by 10 Mbit/s, and
//! refreshed by 250 frames a second in the mean.

use core::cmp::Reverse;
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

/// The share of time that a frame of a first round takes: until then somebody may send to the wrong node.
const FIRST: Duration = Duration::from_nanos(62_500);

/// The share of time that any later frame takes.
const REPEATED: Duration = Duration::from_micros(250);

/// So much time may be used up at once, for the engine not to be woken for every frame.
const SLICE: Duration = Duration::from_millis(2);

/// The same for repetitions, which are no hurry.
const LONG_SLICE: Duration = Duration::from_millis(4);

/// Refreshes that are due within so long leave together: one by one each would wake up this host, and every speaker that
/// hears it.
const BEAT: Duration = Duration::from_secs(1);

/// How many beats lie between two refreshes at least, for them to keep to the beat.
const LEAST_BEATS: u32 = 10;

/// The addresses that are announced, and when each is next.
#[derive(Debug)]
pub(crate) struct Announcer {
    /// Between two announcements after the burst; zero for none.
    refresh: Duration,
    /// In the order of their turns; takeovers come before repetitions whatever their time, and of one time those first
    /// that were asked for last.
    turns: BTreeSet<(bool, Time, Reverse<u64>, IpAddr)>,
    addresses: HashMap<IpAddr, Turn>,
    /// Up to when the time is used up: nothing is sent while that is ahead.
    used_up_to: Time,
}

/// The next round of an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) address: IpAddr,
    since: Time,
    /// When somebody asked for it last, as a number that grows with each question; 0 for never.
    asked: u64,
    /// Which round, counting from 0.
    round: usize,
    at: Time,
}

impl Turn {
    fn place(&self) -> (bool, Time, Reverse<u64>, IpAddr) {
        (self.round > 0, self.at, Reverse(self.asked), self.address)
    }
}

impl Announcer {
    pub(crate) fn new(refresh: Duration) -> Self {
        Self { refresh, turns: BTreeSet::new(), addresses: HashMap::new(), used_up_to: Time::default() }
    }

    /// Announce an address from now on, beginning with a burst. `asked` is the greater the later it was asked for.
    pub(crate) fn start(&mut self, address: IpAddr, asked: u64, now: Time) {
        self.stop(address);
        self.plan(Turn { address, since: now, asked, round: 0, at: now });
    }

    /// Announce an address that is held once more, as soon as the pace allows.
    pub(crate) fn repeat(&mut self, address: IpAddr, now: Time) {
        // Without a refresh nothing more is planned once the burst is over.
        let turn = self.addresses.get(&address).copied();
        let turn = turn.unwrap_or(Turn { address, since: now, asked: 0, round: BURST.len(), at: now });
        // In its first round it is about to be announced.
        if turn.round > 0 {
            self.stop(address);
            self.plan(Turn { at: turn.at.min(now), ..turn });
        }
    }

    /// Announce an address no more.
    pub(crate) fn stop(&mut self, address: IpAddr) {
        if let Some(turn) = self.addresses.remove(&address) {
            self.turns.remove(&turn.place());
        }
    }

    /// When the next address is due.
    pub(crate) fn deadline(&self) -> Option<Time> {
        // Once the time is used up, a whole slice is waited for.
        let at = |repetition| {
            let (due, _) = self.first(repetition)?;
            Some(if self.used_up_to >= due { self.used_up_to + slice(repetition) } else { due })
        };
        [at(false), at(true)].into_iter().flatten().min()
    }

    /// The address whose turn it is, if there is time for it; its next turn is planned. What is sent for it is to be
    /// accounted for by [`Announcer::spend`].
    pub(crate) fn next(&mut self, now: Time) -> Option<Turn> {
        if self.used_up_to >= now {
            return None;
        }
        let mut firsts = [self.first(false), self.first(true)].into_iter().flatten();
        let (_, address) = firsts.find(|turn| turn.0 <= now)?;
        let turn = self.addresses.get(&address).copied()?;
        self.stop(address);
        self.plan_after(turn, now);
        Some(turn)
    }

    /// Use up the time of this many frames. Time that was not used is lost but for one slice.
    pub(crate) fn spend(&mut self, turn: Turn, frames: usize, now: Time) {
        let repetition = turn.round > 0;
        let each = if repetition { REPEATED } else { FIRST };
        let from = self.used_up_to.max(now - slice(repetition));
        self.used_up_to = from + each * u32::try_from(frames).unwrap_or(u32::MAX);
    }

    /// The first turn among the takeovers (`false`) or the repetitions (`true`).
    fn first(&self, repetition: bool) -> Option<(Time, IpAddr)> {
        let from = (repetition, Time::default(), Reverse(u64::MAX), IpAddr::from([0, 0, 0, 0]));
        self.turns.range(from..).next().filter(|turn| turn.0 == repetition).map(|turn| (turn.1, turn.3))
    }

    fn plan_after(&mut self, turn: Turn, now: Time) {
        let round = turn.round + 1;
        let at = match BURST.get(round) {
            Some(after) => (turn.since + *after).max(now + SLICE),
            None if self.refresh.is_zero() => return,
            None => self.on_the_beat(now + self.refresh),
        };
        self.plan(Turn { round, at, ..turn });
    }

    /// The last beat before a refresh is due.
    fn on_the_beat(&self, due: Time) -> Time {
        if self.refresh < BEAT * LEAST_BEATS {
            return due;
        }
        Time::from_nanos(due.nanos() - due.nanos() % 1_000_000_000)
    }

    fn plan(&mut self, turn: Turn) {
        self.turns.insert(turn.place());
        self.addresses.insert(turn.address, turn);
    }
}

/// How much time may be used up at once.
fn slice(repetition: bool) -> Duration {
    if repetition { LONG_SLICE } else { SLICE }
}

#[cfg(test)]
mod tests;
