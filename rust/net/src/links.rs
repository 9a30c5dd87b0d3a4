//! Which interfaces may carry VIPs, and what is the host's own on any of them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use metalev_engine::{Host, Interface};
use metalev_wire::MacAddr;
use regex::Regex;

use crate::Error;
use crate::netlink::{Gateway, Link, Listing};

/// What the engine is told of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The interfaces that may carry VIPs.
    pub(crate) interfaces: Vec<Interface>,
    /// What is on any link.
    pub(crate) host: Host,
}

/// What the options say about names.
pub(crate) struct Selection {
    /// Only these, if there are any.
    named: Vec<String>,
    /// Otherwise all but those that match one of these anywhere in their name, as `MetalLB`'s do.
    exclude: Vec<Regex>,
}

/// Refuses the first of `patterns` that cannot exclude interfaces, because it is no regular expression.
///
/// # Errors
/// [`Error::Invalid`] names it.
pub fn check_patterns(patterns: &[String]) -> Result<(), Error> {
    compile(patterns).map(drop)
}

fn compile(patterns: &[String]) -> Result<Vec<Regex>, Error> {
    patterns.iter().map(|pattern| Regex::new(pattern).map_err(|e| bad(pattern, &e))).collect()
}

impl Selection {
    pub(crate) fn new(named: Vec<String>, exclude: &[String]) -> Result<Self, Error> {
        Ok(Self { named, exclude: compile(exclude)? })
    }

    /// Every interface that the options name has to exist, if only to find the typing error at the start.
    pub(crate) fn check(&self, listing: &Listing) -> Result<(), Error> {
        let known = || listing.links.iter().map(|link| link.name.clone());
        match self.named.iter().find(|&name| known().all(|k| k != *name)) {
            Some(name) => Err(Error::UnknownInterface { name: name.clone(), known: known().collect() }),
            None => Ok(()),
        }
    }

    pub(crate) fn find(&self, listing: Listing, gateways: &[Gateway]) -> Found {
        let others = self.others(&listing);
        let host = Host { others, ..host(&listing, gateways) };
        Found { interfaces: self.eligible(listing, gateways), host }
    }

    /// The interfaces that carry no VIPs, and on which the kernel may answer all the same: those with addresses of their
    /// own. The host's ends of its containers' cables have none, and come and go with them.
    fn others(&self, listing: &Listing) -> Vec<(String, MacAddr)> {
        let chosen = |link: &Link| self.chooses(&link.name) && carries(link);
        let used: HashSet<_> = listing.links.iter().filter(|link| chosen(link)).filter_map(|link| link.mac).collect();
        let addressed = |link: &&Link| {
            let own = listing.addresses.iter().filter(|own| own.interface == link.index);
            !assignable(own.map(|own| own.address)).is_empty()
        };
        let others = listing.links.iter().filter(|link| !chosen(link) && !of_proxy(link) && carries(link));
        let others = others.filter(addressed).filter_map(|link| Some((link.name.clone(), link.mac?)));
        let mut others: Vec<_> = others.filter(|(_, mac)| !used.contains(mac)).collect();
        others.sort_unstable();
        others.truncate(OTHERS);
        others
    }

    /// The interfaces that may carry VIPs now, in the order of their indices.
    fn eligible(&self, listing: Listing, gateways: &[Gateway]) -> Vec<Interface> {
        let mut addresses: HashMap<u32, Vec<_>> = HashMap::new();
        for own in listing.addresses {
            addresses.entry(own.interface).or_default().push((own.address, own.prefix));
        }
        let mut interfaces: Vec<_> = listing
            .links
            .into_iter()
            .filter(|link| self.chooses(&link.name) && carries(link))
            .filter_map(|link| {
                let mut addresses = addresses.remove(&link.index).unwrap_or_default();
                addresses.sort_unstable();
                let through = gateways.iter().filter(|gateway| gateway.interface == link.index);
                let gateways = through.map(|gateway| gateway.address).collect();
                Some(Interface { index: link.index, name: link.name, mac: link.mac?, addresses, gateways })
            })
            .collect();
        interfaces.sort_by_key(|interface| interface.index);
        interfaces
    }

    fn chooses(&self, name: &str) -> bool {
        if self.named.is_empty() {
            !self.exclude.iter().any(|pattern| pattern.is_match(name))
        } else {
            self.named.iter().any(|named| named == name)
        }
    }
}

/// Interfaces beside those that carry VIPs of which the peers are told.
const OTHERS: usize = 8;

/// The links on which a service proxy configures every VIP of the cluster: kube-proxy's in IPVS mode, and kube-router's.
/// What is there is not the host's own.
const OF_PROXIES: [&str; 2] = ["kube-ipvs", "kube-dummy-if"];

/// The addresses and default gateways of all links, whatever the options say: the kernel answers for each of them.
///
/// What belongs to a link that is not in the listing is left to the next one: it may be a proxy's.
fn host(listing: &Listing, gateways: &[Gateway]) -> Host {
    let links: HashSet<u32> = listing.links.iter().filter(|link| !of_proxy(link)).map(|link| link.index).collect();
    let addresses = listing.addresses.iter().filter(|own| links.contains(&own.interface));
    let gateways = gateways.iter().filter(|gateway| links.contains(&gateway.interface));
    Host {
        addresses: assignable(addresses.map(|own| own.address)),
        gateways: assignable(gateways.map(|gateway| gateway.address)),
        others: Vec::new(),
    }
}

fn of_proxy(link: &Link) -> bool {
    OF_PROXIES.iter().any(|prefix| link.name.starts_with(prefix))
}

/// Those that a pool could have, sorted, each once.
fn assignable(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let everywhere = |address: &IpAddr| match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local(),
    };
    addresses.filter(|address| !everywhere(address)).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The last line of the error says what is wrong, those above draw an arrow to it.
fn bad(pattern: &str, error: &regex::Error) -> Error {
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
    Error::Invalid(format!("\"{pattern}\" is no regular expression for interfaces to exclude: {reason}"))
}

/// Whether ARP can be spoken there now. The port of a bridge or bond cannot: its master does.
fn carries(link: &Link) -> bool {
    const NEEDED: i32 = libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_LOWER_UP | libc::IFF_BROADCAST;
    let flags = link.flags.cast_signed();
    flags & NEEDED == NEEDED && flags & libc::IFF_NOARP == 0 && !link.enslaved
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::OwnAddress;

    const GOOD: i32 = libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_LOWER_UP | libc::IFF_BROADCAST;

    fn link(name: &str) -> Link {
        Link {
            index: 7,
            name: name.to_owned(),
            flags: GOOD.cast_unsigned(),
            mac: Some(MacAddr::new([2, 0, 0, 0, 0, 1])),
            enslaved: false,
        }
    }

    fn chosen(named: &[&str], exclude: &[&str], links: Vec<Link>) -> Vec<String> {
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let selection = Selection::new(own(named), &own(exclude)).unwrap();
        let listing = Listing { links, addresses: Vec::new() };
        selection.eligible(listing, &[]).into_iter().map(|interface| interface.name).collect()
    }

    fn carries_with(change: impl FnOnce(&mut Link)) -> bool {
        let mut link = link("eth0");
        change(&mut link);
        !chosen(&[], &[], vec![link]).is_empty()
    }

    #[test]
    fn an_interface_that_is_up_carries() {
        assert!(carries_with(|_| {}));
    }

    #[test]
    fn every_flag_is_needed() {
        for flag in [libc::IFF_UP, libc::IFF_RUNNING, libc::IFF_LOWER_UP, libc::IFF_BROADCAST] {
            assert!(!carries_with(|link| link.flags &= !flag.cast_unsigned()), "{flag:#x}");
        }
    }

    #[test]
    fn one_without_arp_does_not_carry() {
        assert!(!carries_with(|link| link.flags |= libc::IFF_NOARP.cast_unsigned()));
    }

    #[test]
    fn one_that_belongs_to_a_bond_or_bridge_does_not_carry() {
        assert!(!carries_with(|link| link.enslaved = true));
    }

    /// By values: not every kernel that runs the tests has bonds and VLANs. Their flags are as drivers/net/bonding and
    /// net/8021q set them.
    #[test]
    fn a_bond_and_a_vlan_above_it_carry_and_the_ports_below_do_not() {
        let bond = Link { flags: (GOOD | libc::IFF_MASTER | libc::IFF_MULTICAST).cast_unsigned(), ..link("bond0") };
        let vlan = Link { flags: (GOOD | libc::IFF_MULTICAST).cast_unsigned(), ..link("bond0.5") };
        let port = |name| Link { flags: (GOOD | libc::IFF_SLAVE).cast_unsigned(), enslaved: true, ..link(name) };
        assert_eq!(chosen(&[], &[], vec![port("eth0"), port("eth1"), bond, vlan]), ["bond0", "bond0.5"]);
    }

    #[test]
    fn a_vlan_whose_lower_link_has_no_carrier_does_not_carry() {
        // The kernel hands the state of the lower link on (vlan_transfer_operstate): up, but not running.
        let down = libc::IFF_RUNNING | libc::IFF_LOWER_UP;
        assert!(!carries_with(|link| link.flags &= !down.cast_unsigned()));
    }

    #[test]
    fn one_without_an_ethernet_address_does_not_carry() {
        assert!(!carries_with(|link| link.mac = None));
    }

    #[test]
    fn a_pattern_excludes_wherever_it_matches() {
        let links = || vec![link("veth1"), link("myveth"), link("eth0")];
        assert_eq!(chosen(&[], &["veth"], links()), ["myveth", "eth0"][1..]);
        assert_eq!(chosen(&[], &["^veth.*", "^lo$"], links()), ["myveth", "eth0"]);
    }

    #[test]
    fn names_that_are_given_win_over_patterns() {
        assert_eq!(chosen(&["veth1"], &["veth"], vec![link("veth1"), link("eth0")]), ["veth1"]);
    }

    #[test]
    fn gateways_find_their_interface() {
        let through = |interface, address: &str| Gateway { interface, address: address.parse().unwrap() };
        let gateways = [through(7, "192.0.2.254"), through(8, "198.51.100.254"), through(7, "fe80::1")];
        let listing = Listing { links: vec![link("eth0")], addresses: Vec::new() };
        let interfaces = Selection::new(Vec::new(), &[]).unwrap().eligible(listing, &gateways);
        assert_eq!(interfaces[0].gateways, [gateways[0].address, gateways[2].address]);
    }

    #[test]
    fn addresses_find_their_interface_in_an_order_of_their_own() {
        let own = |interface, address: &str| OwnAddress { interface, address: address.parse().unwrap(), prefix: 24 };
        let addresses = vec![own(7, "192.0.2.9"), own(8, "192.0.2.1"), own(7, "192.0.2.3")];
        let listing = Listing { links: vec![link("eth0")], addresses };
        let interfaces = Selection::new(Vec::new(), &[]).unwrap().eligible(listing, &[]);
        let expected = ["192.0.2.3", "192.0.2.9"].map(|address| (address.parse().unwrap(), 24));
        assert_eq!(interfaces[0].addresses, expected);
    }

    /// The interfaces beside eth0 of which the peers are told.
    fn others_of(links: Vec<Link>, addressed: &[u32]) -> Vec<String> {
        let own = |index: &u32| OwnAddress { interface: *index, address: "192.0.2.1".parse().unwrap(), prefix: 24 };
        let listing = Listing { links, addresses: addressed.iter().map(own).collect() };
        let selection = Selection::new(vec!["eth0".to_owned()], &[]).unwrap();
        selection.others(&listing).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn the_peers_are_told_of_interfaces_with_addresses_that_carry_no_vips() {
        let mac = |last| Some(MacAddr::new([2, 0, 0, 0, 0, last]));
        let eth1 = Link { index: 8, mac: mac(8), ..link("eth1") };
        let veth = Link { index: 9, mac: mac(9), ..link("veth9") };
        let proxy = Link { index: 10, mac: mac(10), ..link("kube-ipvs0") };
        let down = Link { index: 11, mac: mac(11), flags: 0, ..link("eth2") };
        let same = Link { index: 12, ..link("eth0.5") };
        let all = vec![link("eth0"), eth1, veth, proxy, down, same];
        assert_eq!(others_of(all, &[7, 8, 10, 11, 12]), ["eth1"]);
    }

    #[test]
    fn of_very_many_interfaces_the_peers_are_told_of_a_few() {
        let many = (20..60).map(|index| Link {
            index,
            mac: Some(MacAddr::new([2, 0, 0, 0, 1, u8::try_from(index).unwrap()])),
            ..link(&format!("vlan{index}"))
        });
        assert_eq!(others_of(many.collect(), &(20..60).collect::<Vec<_>>()).len(), OTHERS);
    }

    /// The host's own addresses when these are on a link of this name.
    fn own_on(name: &str, addresses: &[&str]) -> Vec<String> {
        let own = |address: &&str| OwnAddress { interface: 7, address: address.parse().unwrap(), prefix: 24 };
        let listing = Listing { links: vec![link(name)], addresses: addresses.iter().map(own).collect() };
        host(&listing, &[]).addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_hosts_addresses_are_those_of_links_that_are_not_chosen_too() {
        let selection = Selection::new(vec!["eth0".to_owned()], &[]).unwrap();
        let other = OwnAddress { interface: 7, address: "172.17.0.1".parse().unwrap(), prefix: 16 };
        let listing = Listing { links: vec![link("docker0")], addresses: vec![other.clone(), other] };
        let gateways = [Gateway { interface: 7, address: "172.17.0.254".parse().unwrap() }];
        let host = Host {
            addresses: vec!["172.17.0.1".parse().unwrap()],
            gateways: vec!["172.17.0.254".parse().unwrap()],
            others: vec![("docker0".to_owned(), MacAddr::new([2, 0, 0, 0, 0, 1]))],
        };
        assert_eq!(selection.find(listing, &gateways), Found { interfaces: Vec::new(), host });
    }

    #[test]
    fn what_every_host_has_is_not_told_as_its_own() {
        let all = ["127.0.0.1", "::1", "169.254.1.1", "fe80::1", "2001:db8::1", "192.0.2.1"];
        assert_eq!(own_on("lo", &all), ["192.0.2.1", "2001:db8::1"]);
    }

    #[test]
    fn the_vips_of_a_service_proxy_are_not_the_hosts_own() {
        for name in ["kube-ipvs0", "kube-dummy-if"] {
            assert!(own_on(name, &["192.0.2.1"]).is_empty(), "{name}");
        }
    }

    #[test]
    fn what_is_on_a_link_that_is_not_listed_yet_is_left_to_the_next_listing() {
        let early = OwnAddress { interface: 8, address: "192.0.2.1".parse().unwrap(), prefix: 32 };
        let gateways = [Gateway { interface: 8, address: "192.0.2.254".parse().unwrap() }];
        let listing = Listing { links: vec![link("eth0")], addresses: vec![early] };
        assert_eq!(host(&listing, &gateways), Host::default());
    }
}
