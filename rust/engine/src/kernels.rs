//! Nodes of ours whose kernels answer for addresses that their speakers do not hold.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::IpAddr;

use metalev_wire::MacAddr;

use crate::Time;
use crate::sighting::MEMORY;

/// Whose kernel it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// The node.
    pub(crate) peer: String,
    pub(crate) mac: MacAddr,
    /// The interface of this node on which it was noticed.
    pub(crate) interface: u32,
    /// Whether it answers by another interface than the one by which its speaker is heard there.
    pub(crate) aside: bool,
}

#[derive(Debug)]
struct Answering {
    first: Time,
    last: Time,
    /// Whose was told of, if it was.
    told: Option<Kernel>,
}

/// The addresses for which a kernel answers.
#[derive(Debug, Default)]
pub(crate) struct Kernels(BTreeMap<IpAddr, Answering>);

impl Kernels {
    /// A kernel answered. Tells for how long one has.
    pub(crate) fn answered(&mut self, address: IpAddr, now: Time) -> Duration {
        let answering = self.0.entry(address).or_insert(Answering { first: now, last: now, told: None });
        answering.last = now;
        now.since(answering.first)
    }

    /// It is told whose it is.
    pub(crate) fn tell(&mut self, address: IpAddr, now: Time, kernel: Kernel) {
        self.answered(address, now);
        if let Some(answering) = self.0.get_mut(&address) {
            answering.told = Some(kernel);
        }
    }

    /// No kernel answers for an address any more. Tells whose did, if that was told.
    pub(crate) fn over(&mut self, address: IpAddr) -> Option<Kernel> {
        self.0.remove(&address)?.told
    }

    /// End those of which nothing was heard for long and those that are of no interest, with whose it was.
    pub(crate) fn end(&mut self, now: Time, interests: impl Fn(IpAddr) -> bool) -> Vec<(IpAddr, Kernel)> {
        let over = |(address, one): &(&IpAddr, &Answering)| now.since(one.last) >= MEMORY || !interests(**address);
        let over: Vec<IpAddr> = self.0.iter().filter(over).map(|(address, _)| *address).collect();
        over.into_iter().filter_map(|address| Some((address, self.over(address)?))).collect()
    }

    /// When the next would end for silence.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.0.values().map(|one| one.last + MEMORY).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    fn ip(last: u8) -> IpAddr {
        [192, 168, 1, last].into()
    }

    fn kernel() -> Kernel {
        Kernel { peer: "node2".to_owned(), mac: MacAddr::new([2, 0, 0, 0, 0, 2]), interface: 2, aside: false }
    }

    #[test]
    fn it_is_known_for_how_long_one_has_answered() {
        let mut kernels = Kernels::default();
        assert_eq!([0, 30, 61].map(|second| kernels.answered(ip(1), at(second)).as_secs()), [0, 30, 61]);
        kernels.over(ip(1));
        assert_eq!(kernels.answered(ip(1), at(70)).as_secs(), 0, "it begins anew");
    }

    #[test]
    fn the_end_of_what_was_told_is_told_and_of_nothing_else() {
        let mut kernels = Kernels::default();
        kernels.answered(ip(1), at(0));
        kernels.tell(ip(2), at(0), kernel());
        assert_eq!((kernels.over(ip(1)), kernels.over(ip(2)), kernels.over(ip(2))), (None, Some(kernel()), None));
    }

    #[test]
    fn it_ends_with_the_interest_in_the_address_and_after_ten_minutes_of_silence() {
        let mut kernels = Kernels::default();
        for last in 1..=3 {
            kernels.tell(ip(last), at(0), kernel());
        }
        assert_eq!(kernels.end(at(1), |address| address != ip(1)), [(ip(1), kernel())]);
        kernels.answered(ip(2), at(100));
        assert_eq!(kernels.deadline(), Some(at(600)));
        assert_eq!(kernels.end(at(600), |_| true), [(ip(3), kernel())]);
        assert_eq!(kernels.deadline(), Some(at(700)));
    }
}
