//! What the rest of the engine asks about the groups.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Ownership;
use crate::claims::Claims;
use crate::group::Group;
use crate::peers::Peers;

impl Ownership {
    /// Whether this node announces anything.
    pub(crate) fn holds_any(&self) -> bool {
        self.groups.values().any(|group| group.held)
    }

    /// What this node says of its groups.
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Forget what everybody knows to be gone.
    pub(crate) fn forget_gone(&mut self, acknowledged_by_all: u64) {
        self.claims.forget_gone(acknowledged_by_all);
    }

    /// Whether an address is in any group.
    pub(crate) fn knows(&self, address: IpAddr) -> bool {
        self.group_of.contains_key(&address)
    }

    /// The group that has this address.
    pub(crate) fn group(&self, address: IpAddr) -> Option<&Group> {
        self.group_of.get(&address).and_then(|key| self.groups.get(key))
    }

    /// The addresses of all groups.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.group_of.keys().copied()
    }

    /// A group that is held and that has this address.
    pub(crate) fn holder_of(&self, address: IpAddr) -> Option<&Group> {
        self.group_of.get(&address).and_then(|key| self.groups.get(key)).filter(|group| group.held)
    }

    /// The peers that would take over what this node holds: the next two living candidates of each group.
    ///
    /// Worked out again only after something was decided anew, for it is asked for in every round of beacons.
    pub(crate) fn successors(&mut self, peers: &Peers) -> &BTreeSet<String> {
        let (groups, me) = (&self.groups, self.me.as_str());
        self.successors.get_or_insert_with(|| {
            let held = groups.values().filter(|group| group.held);
            held.flat_map(|group| group.successors(peers, me).take(2)).map(ToOwned::to_owned).collect()
        })
    }
}
