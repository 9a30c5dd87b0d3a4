//! The solicited-node groups that go with the held IPv6 addresses: without them no switch that snoops MLD, and no
//! network card, lets the questions through.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use metalev_wire::ipv6::solicited_node;

use crate::event::Action;

/// The groups to be joined, per interface.
#[derive(Debug, Default)]
pub(crate) struct Memberships {
    /// How many held addresses need each group: those with the same last 24 bits share one.
    wanted: BTreeMap<u32, BTreeMap<Ipv6Addr, usize>>,
    /// The interfaces whose groups are to be told anew.
    changed: BTreeSet<u32>,
}

impl Memberships {
    /// An address is held on these interfaces.
    pub(crate) fn join(&mut self, interfaces: &[u32], address: IpAddr) {
        if let IpAddr::V6(address) = address {
            for interface in interfaces {
                self.join_one(*interface, solicited_node(address));
            }
        }
    }

    fn join_one(&mut self, interface: u32, group: Ipv6Addr) {
        let holders = self.wanted.entry(interface).or_default().entry(group).or_default();
        *holders += 1;
        if *holders == 1 {
            self.changed.insert(interface);
        }
    }

    /// An address that was joined for is held there no more.
    pub(crate) fn leave(&mut self, interfaces: &[u32], address: IpAddr) {
        if let IpAddr::V6(address) = address {
            for interface in interfaces {
                self.leave_one(*interface, solicited_node(address));
            }
        }
    }

    fn leave_one(&mut self, interface: u32, group: Ipv6Addr) {
        let Some(groups) = self.wanted.get_mut(&interface) else {
            return;
        };
        match groups.get_mut(&group) {
            Some(holders) if *holders > 1 => *holders -= 1,
            Some(_) => {
                groups.remove(&group);
                self.changed.insert(interface);
            }
            None => {}
        }
    }

    /// What is different since the last call, the whole list for each interface concerned.
    pub(crate) fn changes(&mut self) -> Vec<Action> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let told = changed.map(|interface| {
            let groups = self.wanted.get(&interface).map(|groups| groups.keys().copied().collect());
            Action::SetGroups { interface, groups: groups.unwrap_or_default() }
        });
        let told = told.collect();
        self.wanted.retain(|_, groups| !groups.is_empty());
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETH: u32 = 2;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn groups(list: &[&str]) -> Vec<Action> {
        vec![Action::SetGroups { interface: ETH, groups: list.iter().map(|group| group.parse().unwrap()).collect() }]
    }

    fn joined(addresses: &[&str]) -> Memberships {
        let mut memberships = Memberships::default();
        for address in addresses {
            memberships.join(&[ETH], ip(address));
        }
        memberships
    }

    #[test]
    fn the_groups_of_an_interface_are_told_whole_and_sorted() {
        let mut memberships = joined(&["2001:db8::2", "2001:db8::1"]);
        assert_eq!(memberships.changes(), groups(&["ff02::1:ff00:1", "ff02::1:ff00:2"]));
        assert_eq!(memberships.changes(), []);
    }

    #[test]
    fn addresses_with_the_same_last_bits_share_a_group_until_the_last_is_gone() {
        let mut memberships = joined(&["2001:db8::1", "2001:db8:1::1"]);
        assert_eq!(memberships.changes(), groups(&["ff02::1:ff00:1"]));
        memberships.leave(&[ETH], ip("2001:db8::1"));
        assert_eq!(memberships.changes(), []);
        memberships.leave(&[ETH], ip("2001:db8:1::1"));
        assert_eq!(memberships.changes(), groups(&[]));
    }

    #[test]
    fn ipv4_needs_no_group() {
        assert_eq!(joined(&["192.0.2.1"]).changes(), []);
    }

    #[test]
    fn what_was_never_joined_can_be_left() {
        let mut memberships = Memberships::default();
        memberships.leave(&[ETH], ip("2001:db8::1"));
        assert_eq!(memberships.changes(), []);
    }
}
