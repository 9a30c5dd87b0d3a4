//! The interfaces that are up, and which of them a group belongs to.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::IpAddr;

use metalev_wire::MacAddr;

use crate::Time;
use crate::event::{Cause, FactKind, Host, Interface};
use crate::table;

/// The interfaces by their index, since when each is up, and what the host has beside them.
#[derive(Debug, Default)]
pub(crate) struct Links {
    up: BTreeMap<u32, Interface>,
    since: BTreeMap<u32, Time>,
    host: Host,
}

/// How a list of interfaces differs from the one before.
#[derive(Debug)]
pub(crate) struct LinkChanges {
    pub(crate) came: Vec<Interface>,
    pub(crate) went: Vec<Interface>,
    /// Those with another MAC address: everybody must learn it.
    pub(crate) renewed: Vec<u32>,
    /// Those that stayed, with other addresses.
    pub(crate) readdressed: Vec<Interface>,
    /// The gateways of each interface that has others than before, by its name; none if it is gone.
    pub(crate) gateways: Vec<(String, Vec<IpAddr>)>,
}

/// Where a group would be announced from here.
#[derive(Debug)]
pub(crate) struct Place {
    /// The interfaces on which it would be.
    pub(crate) interfaces: Vec<u32>,
    /// Those on whose segment its addresses live: all, if none has the subnet.
    pub(crate) segment: Vec<u32>,
    /// How many of its addresses are in no subnet of those interfaces.
    pub(crate) off_link: u8,
    /// Until when peers may still be unheard on its segment.
    pub(crate) quiet_until: Option<Time>,
    /// Why it cannot be, if so.
    pub(crate) unable: Option<Cause>,
}

impl Links {
    /// Take over the whole list. Answers what is different about it.
    pub(crate) fn set(&mut self, now: Time, interfaces: Vec<Interface>) -> LinkChanges {
        let new: BTreeMap<u32, Interface> = interfaces.into_iter().map(|link| (link.index, link)).collect();
        let old = std::mem::replace(&mut self.up, new);
        let came: Vec<Interface> = self.up.values().filter(|link| !old.contains_key(&link.index)).cloned().collect();
        let stayed = || self.up.values().filter_map(|link| Some((old.get(&link.index)?, link)));
        let renewed = stayed().filter(|(old, new)| old.mac != new.mac).map(|(_, new)| new.index).collect();
        let readdressed = stayed().filter(|(old, new)| old.addresses != new.addresses).map(|(_, new)| new.clone());
        let readdressed = readdressed.collect();
        let gateways = self.rerouted(&old);
        let went = old.into_values().filter(|link| !self.up.contains_key(&link.index)).collect();
        self.since.retain(|index, _| self.up.contains_key(index));
        self.since.extend(came.iter().map(|link| (link.index, now)));
        LinkChanges { came, went, renewed, readdressed, gateways }
    }

    fn rerouted(&self, old: &BTreeMap<u32, Interface>) -> Vec<(String, Vec<IpAddr>)> {
        let before = |index| old.get(index).map_or(&[][..], |link| &link.gateways);
        let now = self.up.iter().filter(|(index, link)| before(*index) != link.gateways);
        let gone = old.values().filter(|link| !self.up.contains_key(&link.index) && !link.gateways.is_empty());
        let now = now.map(|(_, link)| (link.name.clone(), link.gateways.clone()));
        now.chain(gone.map(|link| (link.name.clone(), Vec::new()))).collect()
    }

    /// Take over what is the host's own. Answers the lists that are others than before.
    pub(crate) fn set_host(&mut self, host: Host) -> Vec<(FactKind, Vec<IpAddr>)> {
        let old = std::mem::replace(&mut self.host, host);
        let addresses = (FactKind::HostAddresses, old.addresses, &self.host.addresses);
        let gateways = (FactKind::HostGateways, old.gateways, &self.host.gateways);
        let changed = [addresses, gateways].into_iter().filter(|(_, old, new)| old != *new);
        changed.map(|(kind, _, new)| (kind, new.clone())).collect()
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Interface> {
        self.up.get(&index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Interface> {
        self.up.values()
    }

    /// Whether an interface has come up after `time`.
    pub(crate) fn any_since(&self, time: Time) -> bool {
        self.since.values().any(|since| *since > time)
    }

    /// Whether one of this node's own interfaces has this MAC address.
    pub(crate) fn has_mac(&self, mac: MacAddr) -> bool {
        self.up.values().any(|link| link.mac == mac)
    }

    /// The interface of this node with this MAC address that carries no VIPs.
    pub(crate) fn other(&self, mac: MacAddr) -> Option<&str> {
        self.host.others.iter().find(|(_, other)| *other == mac).map(|(name, _)| name.as_str())
    }

    /// The MAC addresses of all of them, those that carry VIPs first.
    pub(crate) fn macs(&self) -> impl Iterator<Item = MacAddr> {
        self.up.values().map(|link| link.mac).chain(self.host.others.iter().map(|(_, mac)| *mac))
    }

    pub(crate) fn name(&self, index: u32) -> &str {
        self.up.get(&index).map_or("", |link| &link.name)
    }

    /// Work out where a group would be announced, and whether it can be announced from here at all.
    ///
    /// On an interface that has just come up, peers need `listening` to be heard.
    pub(crate) fn place(&self, group: &table::Group, listening: Duration) -> Place {
        let wanted = &group.interfaces;
        let usable: Vec<&Interface> =
            self.up.values().filter(|link| wanted.is_empty() || wanted.contains(&link.name)).collect();
        let off_link = group.addresses.iter().filter(|address| !usable.iter().any(|link| covers(link, **address)));
        let off_link = u8::try_from(off_link.count()).unwrap_or(u8::MAX);
        let interfaces: Vec<u32> = usable.iter().map(|link| link.index).collect();
        let on_link: Vec<u32> = usable.iter().filter(|link| covers(link, group.key)).map(|link| link.index).collect();
        let segment = if on_link.is_empty() { interfaces.clone() } else { on_link };
        let since = segment.iter().filter_map(|index| self.since.get(index)).max();
        let quiet_until = since.map(|since| *since + listening);
        let hindrance = self.hindrance(&group.addresses, &interfaces);
        Place { interfaces, segment, off_link, quiet_until, unable: hindrance }
    }

    /// Why these addresses cannot be announced from here, if so.
    fn hindrance(&self, addresses: &[IpAddr], interfaces: &[u32]) -> Option<Cause> {
        match () {
            () if addresses.iter().any(|address| self.owns(*address)) => Some(Cause::OwnAddress),
            () if addresses.iter().any(|address| self.routes_by(*address)) => Some(Cause::Gateway),
            () if interfaces.is_empty() => Some(Cause::NoInterface),
            () => None,
        }
    }

    /// Whether an address is configured on this host, on whichever interface.
    fn owns(&self, address: IpAddr) -> bool {
        self.host.addresses.contains(&address)
            || self.up.values().any(|link| link.addresses.iter().any(|(own, _)| *own == address))
    }

    /// Whether an address is that of a default gateway, by whichever interface.
    fn routes_by(&self, address: IpAddr) -> bool {
        self.host.gateways.contains(&address) || self.up.values().any(|link| link.gateways.contains(&address))
    }
}

/// This node's own address in the subnet that an address is in.
pub(crate) fn own_beside(link: &Interface, address: IpAddr) -> Option<IpAddr> {
    link.addresses.iter().find(|(own, prefix)| same_prefix(*own, address, *prefix)).map(|(own, _)| *own)
}

/// Whether an address is on-link at an interface.
pub(crate) fn covers(link: &Interface, address: IpAddr) -> bool {
    link.addresses.iter().any(|(own, prefix)| same_prefix(*own, address, *prefix))
}

fn same_prefix(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    let differing = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            u128::from((a.to_bits() ^ b.to_bits()).checked_shr(32 - u32::from(prefix)).unwrap_or(0))
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).checked_shr(128 - u32::from(prefix)).unwrap_or(0),
        _ => return false,
    };
    differing == 0
}

#[cfg(test)]
mod tests;
