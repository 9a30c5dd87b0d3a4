//! For how much longer than usual this node waits for its peers, and its peers for it: what is told of that.
//!
//! Jitter changes with every beacon, and whoever reads of it wants to know in which order of size it is, and that it is
//! there. So it is told in whole [`STEP`]s (a dead time grows to a second: four words at most), a longer one at once, and
//! a shorter one only when it was enough for [`MEMORY`]: of a peer that is late now and then, one thing is told, once.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::Time;

/// What is told is rounded up to a multiple of this.
const STEP: Duration = Duration::from_millis(250);

/// For how long a shorter patience must have been enough.
const MEMORY: Duration = Duration::from_secs(60);

/// How often is looked.
const PACE: Duration = Duration::from_secs(1);

/// What was told of each node, and what has been enough since it was told.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    told: BTreeMap<String, Told>,
    looked: Option<Time>,
}

#[derive(Debug)]
struct Told {
    patience: Duration,
    /// Since when less is enough, and the most that was needed meanwhile.
    less: Option<(Time, Duration)>,
}

/// What is to be told of a node: how long is waited; `None` if it is no longer than usual any more.
pub(crate) type News = (String, Option<Duration>);

impl Patience {
    /// Whether it is time to look again.
    pub(crate) fn due(&mut self, now: Time) -> bool {
        let due = self.looked.is_none_or(|last| now.since(last) >= PACE);
        if due {
            self.looked = Some(now);
        }
        due
    }

    /// Take in how long each node is waited for: those for which it is longer than `usual`.
    pub(crate) fn look(&mut self, now: Time, usual: Duration, waits: &BTreeMap<String, Duration>) -> Vec<News> {
        let usual = in_steps(usual);
        let longer: BTreeMap<&str, Duration> = waits
            .iter()
            .map(|(node, wait)| (node.as_str(), in_steps(*wait)))
            .filter(|(_, wait)| *wait > usual)
            .collect();
        let mut news = Vec::new();
        self.told.retain(|node, told| {
            let after = told.follow(now, longer.get(node.as_str()).copied().unwrap_or_default());
            news.extend(after.map(|patience| (node.clone(), (!patience.is_zero()).then_some(patience))));
            !told.patience.is_zero()
        });
        for (node, patience) in longer {
            if !self.told.contains_key(node) {
                self.told.insert(node.to_owned(), Told { patience, less: None });
                news.push((node.to_owned(), Some(patience)));
            }
        }
        news
    }
}

impl Told {
    /// It is `wait` now. Answers what is to be told instead of what was.
    fn follow(&mut self, now: Time, wait: Duration) -> Option<Duration> {
        if wait == self.patience {
            self.less = None;
            return None;
        }
        let (since, most) = self.less.map_or((now, wait), |(since, most)| (since, most.max(wait)));
        if wait < self.patience && now.since(since) < MEMORY {
            self.less = Some((since, most));
            return None;
        }
        *self = Self { patience: most, less: None };
        Some(most)
    }
}

fn in_steps(duration: Duration) -> Duration {
    let steps = duration.as_nanos().div_ceil(STEP.as_nanos());
    STEP * u32::try_from(steps).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const USUAL: Duration = Duration::from_millis(160);

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    /// What is told, in milliseconds, of a node that is waited for so long in one second after the other; 0 at its end.
    fn told(waits: impl IntoIterator<Item = u32>) -> Vec<(u64, u128)> {
        let mut patience = Patience::default();
        let mut told = Vec::new();
        for (second, wait) in (0..).zip(waits) {
            let waits = BTreeMap::from([("node2".to_owned(), MS * wait)]);
            let news = patience.look(at(second), USUAL, &waits);
            told.extend(news.into_iter().map(|(_, wait)| (second, wait.unwrap_or_default().as_millis())));
        }
        told
    }

    #[test]
    fn what_is_hardly_longer_than_usual_is_not_told() {
        assert_eq!(told([160, 190, 250, 160]), []);
    }

    #[test]
    fn a_longer_one_is_told_at_once_in_quarters_of_a_second() {
        assert_eq!(told([160, 251, 300, 500, 501, 1000]), [(1, 500), (4, 750), (5, 1000)]);
    }

    #[test]
    fn one_that_goes_up_and_down_is_told_once() {
        assert_eq!(told((0..300).map(|second| if second % 50 == 0 { 450 } else { 160 })), [(0, 500)]);
    }

    #[test]
    fn a_shorter_one_is_told_after_a_minute_as_the_most_of_it() {
        let waits = [1000].into_iter().chain([160; 30]).chain([300]).chain([160; 200]);
        assert_eq!(told(waits), [(0, 1000), (61, 500), (122, 0)]);
    }

    #[test]
    fn a_node_of_which_nothing_is_known_any_more_is_as_usual_after_a_minute() {
        let mut patience = Patience::default();
        patience.look(at(0), USUAL, &BTreeMap::from([("node2".to_owned(), 400 * MS)]));
        assert_eq!(patience.look(at(1), USUAL, &BTreeMap::new()), []);
        assert_eq!(patience.look(at(61), USUAL, &BTreeMap::new()), [("node2".to_owned(), None)]);
        assert_eq!(patience.look(at(99), USUAL, &BTreeMap::new()), []);
    }

    #[test]
    fn it_is_looked_at_once_a_second() {
        let mut patience = Patience::default();
        let looks = [0, 500, 999, 1_000, 1_500].map(|ms| patience.due(Time::from_nanos(ms * 1_000_000)));
        assert_eq!(looks, [true, false, false, true, false]);
    }
}
