//! Which addresses are to be probed before they are announced for the first time, if that is wanted.

use core::time::Duration;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// For how long each of those ahead is left to find out and act: the whole schedule of RFC 5227 takes seven seconds.
const SCHEDULE: Duration = Duration::from_secs(10);

/// The addresses that wait for it, and those of which it is known that nobody has them.
#[derive(Debug, Default)]
pub(crate) struct Clearance {
    wanted: bool,
    awaited: BTreeSet<IpAddr>,
    cleared: BTreeSet<IpAddr>,
}

impl Clearance {
    /// Whether it is wanted at all from now on, for these addresses.
    pub(crate) fn set(&mut self, wanted: bool, knows: impl Fn(IpAddr) -> bool) {
        self.wanted = wanted;
        self.awaited.retain(|address| wanted && knows(*address));
        self.cleared.retain(|address| wanted && knows(*address));
    }

    /// Whether all of these may be announced; those that may not wait for it from now on.
    pub(crate) fn of(&mut self, addresses: &[IpAddr]) -> bool {
        let missing = addresses.iter().filter(|address| self.wanted && !self.cleared.contains(*address)).copied();
        let missing: Vec<IpAddr> = missing.collect();
        self.awaited.extend(&missing);
        missing.is_empty()
    }

    /// How much longer whoever comes so many places behind waits.
    pub(crate) fn patience(&self, rank: usize) -> Duration {
        if self.wanted { SCHEDULE * u32::try_from(rank).unwrap_or(u32::MAX) } else { Duration::ZERO }
    }

    /// Nobody else has an address.
    pub(crate) fn clear(&mut self, address: IpAddr) {
        if self.awaited.remove(&address) {
            self.cleared.insert(address);
        }
    }

    /// Those that wait for it.
    pub(crate) fn awaited(&self) -> &BTreeSet<IpAddr> {
        &self.awaited
    }
}
