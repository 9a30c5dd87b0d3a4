//! How long addresses were without an announcer: from the last beacon of the one that was lost to the first gratuitous
//! frame of its successor.

use core::time::Duration;
use std::collections::HashMap;
use std::net::IpAddr;

use crate::Time;

/// Upper bounds of what is counted together, in milliseconds.
const BOUNDS: [u64; 12] = [50, 100, 150, 175, 200, 250, 350, 500, 750, 1_000, 2_000, 5_000];

/// A histogram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failovers {
    /// How many took as long as each bound at most, in ascending order.
    pub within: Vec<(Duration, u64)>,
    /// How many there were.
    pub count: u64,
    /// How long they took together.
    pub sum: Duration,
}

/// Measures them.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch {
    /// When the lost announcer of a group was last heard, until its first frame has left.
    running: HashMap<IpAddr, Time>,
    counts: [u64; BOUNDS.len()],
    count: u64,
    sum: Duration,
}

impl Stopwatch {
    /// This node has taken the group with this key, whose announcer was last heard at `last`.
    pub(crate) fn start(&mut self, group: IpAddr, last: Time) {
        self.running.insert(group, last);
    }

    /// This node has given it up again.
    pub(crate) fn forget(&mut self, group: IpAddr) {
        self.running.remove(&group);
    }

    /// The first frame for an address has left.
    pub(crate) fn stop(&mut self, address: IpAddr, now: Time) {
        let Some(last) = self.running.remove(&address) else {
            return;
        };
        let took = now.since(last);
        self.count += 1;
        self.sum += took;
        for (count, bound) in self.counts.iter_mut().zip(BOUNDS) {
            *count += u64::from(took <= Duration::from_millis(bound));
        }
    }

    pub(crate) fn failovers(&self) -> Failovers {
        let within = BOUNDS.map(Duration::from_millis).into_iter().zip(self.counts).collect();
        Failovers { within, count: self.count, sum: self.sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    fn group(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn each_is_counted_in_every_bound_that_it_is_within() {
        let mut watch = Stopwatch::default();
        watch.start(group(1), at(1_000));
        watch.stop(group(1), at(1_175));
        let Failovers { within, count, sum } = watch.failovers();
        let counted: Vec<u128> = within.iter().filter(|(_, n)| *n == 1).map(|(bound, _)| bound.as_millis()).collect();
        assert_eq!(counted, [175, 200, 250, 350, 500, 750, 1_000, 2_000, 5_000]);
        assert_eq!((count, sum), (1, Duration::from_millis(175)));
    }

    #[test]
    fn the_first_frame_alone_counts() {
        let mut watch = Stopwatch::default();
        watch.start(group(1), at(0));
        watch.stop(group(1), at(160));
        watch.stop(group(1), at(60_000));
        watch.stop(group(2), at(60_000));
        assert_eq!(watch.failovers().count, 1);
    }

    #[test]
    fn what_was_given_up_before_its_first_frame_is_no_failover() {
        let mut watch = Stopwatch::default();
        watch.start(group(1), at(0));
        watch.forget(group(1));
        watch.stop(group(1), at(160));
        assert_eq!(watch.failovers().count, 0);
    }
}
