//! How many beacons may be sent, and who waits for one.
//!
//! 2,000 beacons a second are a node's share of the wire and of its peers' time, however many nodes and addresses there
//! are. Life signs to those who live come first: their intervals are stretched so that they fit (`herald`). News to those
//! who may announce what has moved come as well at once, for on them rests that nobody else takes it; they are few.
//! Everything else (the first word to a stranger, answers, long lists of claims) waits its turn here.

use core::time::Duration;
use std::collections::{BTreeMap, HashMap};

use crate::Time;

/// About as many beacons a second are sent at most, on all paths together.
pub(crate) const PER_SECOND: u32 = 2_000;

/// As many of them may be life signs, so that what waits gets on.
pub(crate) const LIFE_SIGNS: u32 = PER_SECOND / 10 * 9;

/// What is paid for a beacon: a little more than its share, so that with the reserve a second has no more than it should.
const COST: Duration = Duration::from_nanos(1_000_000_000 / (PER_SECOND / 20 * 19) as u64);

/// How much of the time that was not used may be made up for: a twentieth of a second, or about a hundred beacons.
const RESERVE: Duration = Duration::from_millis(50);

/// Those who wait are spoken to several at a time.
const GULP: Duration = Duration::from_millis(5);

/// A bucket of tokens, kept as the time until which everything that was sent is paid for.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    paid_until: Time,
}

impl Budget {
    /// Beacons are sent, whether they were paid for or not: who waits pays for it.
    pub(crate) fn spend(&mut self, now: Time, beacons: usize) {
        let beacons = u32::try_from(beacons).unwrap_or(u32::MAX);
        self.paid_until = self.paid_until.max(now - RESERVE) + COST.saturating_mul(beacons);
    }

    /// Whether one who waits may be spoken to.
    pub(crate) fn is_open(&self, now: Time) -> bool {
        self.paid_until <= now
    }

    /// When it is worth while to look again.
    pub(crate) fn opens(&self) -> Time {
        self.paid_until + GULP
    }
}

/// Peers that wait for a beacon, each once, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    by_turn: BTreeMap<u64, String>,
    turn_of: HashMap<String, u64>,
    next: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, peer: &str) {
        if !self.turn_of.contains_key(peer) {
            self.next += 1;
            self.by_turn.insert(self.next, peer.to_owned());
            self.turn_of.insert(peer.to_owned(), self.next);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<String> {
        let (_, peer) = self.by_turn.pop_first()?;
        self.turn_of.remove(&peer);
        Some(peer)
    }

    /// It has been spoken to on another occasion.
    pub(crate) fn remove(&mut self, peer: &str) {
        self.turn_of.remove(peer).map(|turn| self.by_turn.remove(&turn));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_turn.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.by_turn.clear();
        self.turn_of.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_nanos(1_000_000_000 + ms * 1_000_000)
    }

    /// How many beacons go out in so many milliseconds, if as many are wanted as may be.
    fn sent(budget: &mut Budget, ms: core::ops::Range<u64>) -> usize {
        let mut sent = 0;
        for now in ms.map(at) {
            while budget.is_open(now) {
                budget.spend(now, 1);
                sent += 1;
            }
        }
        sent
    }

    #[test]
    fn no_second_has_more_than_its_beacons() {
        let mut budget = Budget::default();
        let first = sent(&mut budget, 0..1_000);
        let second = sent(&mut budget, 1_000..2_000);
        assert!((1_950..=2_000).contains(&first), "{first}");
        assert!((1_850..=1_950).contains(&second), "{second}");
    }

    #[test]
    fn what_had_to_be_sent_is_paid_for_by_those_who_wait() {
        let mut budget = Budget::default();
        budget.spend(at(0), 1_000);
        assert!(!budget.is_open(at(400)));
        assert!(budget.is_open(budget.opens()));
        assert!(budget.opens() < at(500));
    }

    #[test]
    fn who_waits_is_spoken_to_once_in_the_order_of_coming() {
        let mut queue = Queue::default();
        for peer in ["b", "a", "b", "c"] {
            queue.push(peer);
        }
        queue.remove("a");
        assert_eq!((queue.pop().as_deref(), queue.pop().as_deref(), queue.pop()), (Some("b"), Some("c"), None));
        assert!(queue.is_empty());
    }
}
