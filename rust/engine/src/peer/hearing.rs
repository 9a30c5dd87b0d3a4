//! How a peer is heard on one path, and for how long it may be silent there.

use core::time::Duration;

use metalev_wire::MacAddr;

use crate::Time;
use crate::pulse::Timing;

/// What is known of a peer on one path.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one path")]
pub(crate) struct Hearing {
    /// Since when it is alive here.
    pub(crate) since: Time,
    /// When the last proven beacon came.
    pub(crate) last: Time,
    /// The highest sequence number that came here since it is alive here.
    pub(crate) sequence: u64,
    /// How often it said that it would send.
    pub(crate) stated: Duration,
    /// By how much its beacons have been late, lately: forgotten by an eighth with each that is in time.
    pub(crate) jitter: Duration,
    /// The most that it was since that was looked at last.
    pub(crate) worst: Duration,
    /// Whether it said that it hears us on this path.
    pub(crate) hears_us: bool,
    /// Whether it was reported that it does not.
    pub(crate) deafness_known: bool,
    /// Its MAC address there; zero over UDP, where the frame may have come through a router.
    pub(crate) mac: MacAddr,
    /// The interface on which it came in.
    pub(crate) arrived_on: u32,
    /// Whether it counts as alive on this path.
    pub(crate) alive: bool,
    /// Whether the latest of what it says came by another path, and nothing by this one since.
    pub(crate) behind: bool,
    /// Beacons heard here, and those that did not come when they were due.
    pub(crate) received: u64,
    pub(crate) missed: u64,
}

impl Hearing {
    /// For how long it may be silent.
    pub(crate) fn patience(&self, timing: Timing) -> Duration {
        timing.patience(self.stated, self.jitter)
    }

    /// For how long it may have been silent since that was looked at last, if its being late made that longer.
    pub(super) fn longest_patience(&mut self, timing: Timing) -> Option<Duration> {
        let worst = timing.patience(self.stated, self.worst);
        self.worst = self.jitter;
        (worst > timing.patience(self.stated, Duration::ZERO)).then_some(worst)
    }

    /// How many beacons were due before the one that comes at `now`, and did not come. One that is late by less than half
    /// an interval is merely late.
    pub(super) fn missed_at(&self, now: Time) -> u64 {
        let halves = now.since(self.last).as_nanos() * 2 / self.stated.as_nanos().max(1);
        u64::try_from(halves.saturating_add(1) / 2).unwrap_or(u64::MAX).saturating_sub(1)
    }

    /// Its jitter when the next beacon comes at `now`.
    pub(super) fn jitter_at(&self, now: Time) -> Duration {
        let late = now.since(self.last).saturating_sub(self.stated);
        late.max(self.jitter * 7 / 8)
    }
}
