//! Which addresses the kernel need show questions about: few ranges that cover all that this node may come to hold.

use std::net::IpAddr;

use metalev_engine::{Interface, Table};

/// How many ranges there are at most: a program that looks an address up among them makes seven comparisons.
const MOST: usize = 64;

/// Ranges of the last four octets of addresses: sorted, disjoint, each with both its ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    /// Every address there is.
    pub fn all() -> Self {
        Self(vec![(0, u32::MAX)])
    }

    /// At most 64 ranges that have all of these words, and as few others as possible: the narrowest gaps are bridged.
    pub fn covering(mut words: Vec<u32>) -> Self {
        words.sort_unstable();
        words.dedup();
        let Some(last) = words.len().checked_sub(1) else {
            return Self::default();
        };
        let gaps = words.windows(2).map(|pair| pair[1] - pair[0]).zip(0..).filter(|&(gap, _)| gap > 1);
        let mut gaps: Vec<(u32, usize)> = gaps.collect();
        gaps.sort_unstable_by(|a, b| b.cmp(a));
        gaps.truncate(MOST - 1);
        let mut ends: Vec<usize> = gaps.into_iter().map(|(_, at)| at).chain([last]).collect();
        ends.sort_unstable();
        let starts = std::iter::once(0).chain(ends.iter().map(|at| at + 1));
        Self(starts.zip(&ends).map(|(start, &end)| (words[start], words[end])).collect())
    }

    /// Where membership changes: below the first number is outside, from it on inside, from the second on outside ...
    pub(crate) fn bounds(&self) -> Vec<u32> {
        self.0.iter().flat_map(|&(first, last)| [Some(first), last.checked_add(1)]).flatten().collect()
    }
}

/// What a table makes worth seeing, by protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interest {
    /// IPv4 addresses.
    pub(crate) arp: Ranges,
    /// The last four octets of IPv6 addresses, as solicited-node groups go by the last three.
    pub(crate) ndp: Ranges,
}

impl Interest {
    /// The addresses that a table speaks of, and those of the gateways.
    pub(crate) fn of(table: &Table, interfaces: &[Interface]) -> Self {
        let (mut arp, mut ndp) = (Vec::new(), Vec::new());
        let gateways = interfaces.iter().flat_map(|interface| &interface.gateways);
        let vips = table.groups.iter().flat_map(|group| &group.addresses);
        for address in vips.chain(&table.probing.addresses).chain(gateways) {
            match address {
                IpAddr::V4(v4) => arp.push(v4.to_bits()),
                #[expect(clippy::cast_possible_truncation, reason = "the last four octets are what is wanted")]
                IpAddr::V6(v6) => ndp.push(v6.to_bits() as u32),
            }
        }
        Self { arp: Ranges::covering(arp), ndp: Ranges::covering(ndp) }
    }
}

#[cfg(test)]
mod tests {
    use metalev_engine::{Group, Preempt, Probing};

    use super::*;

    fn covering(words: &[u32]) -> Vec<(u32, u32)> {
        Ranges::covering(words.to_vec()).0
    }

    #[test]
    fn neighbours_share_a_range_and_others_have_their_own() {
        assert_eq!(covering(&[7, 3, 1, 2, 3, 9]), [(1, 3), (7, 7), (9, 9)]);
        assert_eq!(covering(&[]), []);
        assert_eq!(covering(&[0, u32::MAX]), [(0, 0), (u32::MAX, u32::MAX)]);
    }

    #[test]
    fn of_too_many_gaps_the_narrowest_are_bridged() {
        // 1, 2, 4, 8, ... would be one range each; more of them with a narrow gap come before.
        let mut words: Vec<u32> = (0..100).map(|number| number * 2).collect();
        words.extend((9..32).map(|bit| 1 << bit));
        let ranges = covering(&words);
        assert_eq!(ranges.len(), MOST);
        assert!(words.iter().all(|&word| ranges.iter().any(|&(first, last)| (first..=last).contains(&word))));
        assert!(ranges.contains(&(1 << 31, 1 << 31)), "{ranges:?}");
    }

    #[test]
    fn bounds_tell_inside_from_outside() {
        assert_eq!(Ranges(vec![(1, 3), (7, 7)]).bounds(), [1, 4, 7, 8]);
        assert_eq!(Ranges::all().bounds(), [0]);
        assert_eq!(Ranges::default().bounds(), []);
    }

    #[test]
    fn a_table_is_of_interest_by_both_families() {
        let addresses: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap(), "2001:db8::a:b".parse().unwrap()];
        let group = Group {
            key: addresses[0],
            addresses,
            candidates: [].into(),
            interfaces: Vec::new(),
            gives_way: false,
            keeps: false,
            drilled: false,
            preempt: Preempt::Sticky,
        };
        let interest = Interest::of(&Table { groups: vec![group], ..Table::default() }, &[]);
        assert_eq!(interest.arp.0, [(0xc000_0201, 0xc000_0201)]);
        assert_eq!(interest.ndp.0, [(0x000a_000b, 0x000a_000b)]);
    }

    #[test]
    fn what_is_probed_and_the_gateways_are_of_interest_too() {
        let [probed, gateway]: [IpAddr; 2] = [[192, 0, 2, 7].into(), [192, 0, 2, 254].into()];
        let probing = Probing { addresses: vec![probed], full: false };
        let (name, mac) = ("eth0".to_owned(), metalev_wire::MacAddr::ZERO);
        let link = Interface { index: 2, name, mac, addresses: Vec::new(), gateways: vec![gateway] };
        let interest = Interest::of(&Table { probing, ..Table::default() }, &[link]);
        assert_eq!(interest.arp.0, [(0xc000_0207, 0xc000_0207), (0xc000_02fe, 0xc000_02fe)]);
    }
}
