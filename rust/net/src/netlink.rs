//! The kernel's links, addresses and default routes by rtnetlink(7): asked for whole, never pieced together from changes.

mod message;

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use metalev_wire::MacAddr;

use crate::{filter, sys};

/// A link as the kernel tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// `IFF_*`.
    pub(crate) flags: u32,
    /// Its hardware address, if that is one of Ethernet.
    pub(crate) mac: Option<MacAddr>,
    /// Whether it belongs to a bridge, bond or the like.
    pub(crate) enslaved: bool,
}

/// An address of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnAddress {
    pub(crate) interface: u32,
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
}

/// Where a default route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Gateway {
    pub(crate) interface: u32,
    pub(crate) address: IpAddr,
}

/// All links and addresses, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) links: Vec<Link>,
    pub(crate) addresses: Vec<OwnAddress>,
}

/// A socket that becomes readable when something has changed.
pub(crate) struct Changes {
    fd: OwnedFd,
}

impl Changes {
    /// Of a link or an address.
    pub(crate) fn of_links() -> io::Result<Self> {
        Self::subscribe(libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR, &[])
    }

    /// Of a default route. The kernel drops the news of all others: on a router there are thousands a second.
    pub(crate) fn of_default_routes() -> io::Result<Self> {
        Self::subscribe(libc::RTMGRP_IPV4_ROUTE | libc::RTMGRP_IPV6_ROUTE, &filter::default_routes())
    }

    fn subscribe(groups: i32, filter: &[libc::sock_filter]) -> io::Result<Self> {
        let fd = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
        if !filter.is_empty() {
            sys::attach_filter(fd.as_fd(), filter)?;
        }
        sys::bind(fd.as_fd(), &sys::Address::netlink(groups.cast_unsigned()))?;
        Ok(Self { fd })
    }

    /// Forget what was told so far. That the kernel ran out of room (`ENOBUFS`) tells the same: look again.
    pub(crate) fn acknowledge(&self) {
        let mut unread = [0; 1];
        loop {
            match sys::receive(self.as_fd(), &mut unread) {
                Ok(_) => {}
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(_) => return,
            }
        }
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// How often a listing is begun anew because something changed meanwhile, before it is taken as it is. A change is also
/// told to the subscriber, so that a torn listing is soon followed by another.
const ATTEMPTS: usize = 4;

/// List everything. Waits for the kernel's RTNL lock.
pub(crate) fn list() -> io::Result<Listing> {
    for _ in 1..ATTEMPTS {
        if let (listing, Integrity::Whole) = list_once()? {
            return Ok(listing);
        }
    }
    list_once().map(|(listing, _)| listing)
}

/// Whether a dump shows one moment; the worse is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Integrity {
    Whole,
    Torn,
}

fn list_once() -> io::Result<(Listing, Integrity)> {
    let mut listing = Listing::default();
    let links = dump(libc::RTM_GETLINK, libc::AF_UNSPEC, |body| {
        listing.links.extend(message::link(body));
    })?;
    let addresses = dump(libc::RTM_GETADDR, libc::AF_UNSPEC, |body| {
        listing.addresses.extend(message::address(body));
    })?;
    Ok((listing, links.max(addresses)))
}

/// The gateways of every default route of every table, sorted, each once. A kernel without IPv6 has none of it.
///
/// The kernel cannot be asked for default routes alone: this takes as long as there are routes.
pub(crate) fn gateways() -> io::Result<Vec<Gateway>> {
    let mut gateways = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        match dump(libc::RTM_GETROUTE, family, |body| gateways.extend(message::gateways(body))) {
            Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
            other => drop(other?),
        }
    }
    gateways.sort_unstable();
    gateways.dedup();
    Ok(gateways)
}

/// As much as the kernel puts into one message of a dump.
const ROOM: usize = 64 * 1024;

/// Ask for everything of one kind and hand each message's body to `each`.
fn dump(kind: u16, family: i32, mut each: impl FnMut(&[u8])) -> io::Result<Integrity> {
    let socket = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
    sys::send_to(socket.as_fd(), &message::dump_request(kind, family), &sys::Address::netlink(0))?;
    let mut buffer = vec![0; ROOM];
    let mut integrity = Integrity::Whole;
    loop {
        // A dump goes on inside recv: there is always an answer, so that a socket that does not block never waits.
        let len = sys::receive(socket.as_fd(), &mut buffer)?;
        for message in message::all(&buffer[..len]) {
            if message.interrupted() {
                integrity = Integrity::Torn;
            }
            match i32::from(message.kind) {
                libc::NLMSG_DONE => return Ok(integrity),
                libc::NLMSG_ERROR => return Err(message::error(message.body)),
                _ => each(message.body),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{self, Lab, NEAR};

    #[test]
    fn the_kernels_listing_has_links_and_addresses() {
        let lab = Lab::new();
        lab::ip("addr add 192.0.2.1/24 dev v0");
        let listing = list().unwrap();
        let link = listing.links.iter().find(|link| link.name == "v0").unwrap();
        assert_eq!((link.index, link.mac, link.enslaved), (lab.near, Some(NEAR), false));
        let own = OwnAddress { interface: lab.near, address: [192, 0, 2, 1].into(), prefix: 24 };
        assert!(listing.addresses.contains(&own), "{:?}", listing.addresses);
    }

    #[test]
    fn of_a_point_to_point_link_the_near_address_is_listed() {
        let lab = Lab::new();
        lab::ip("addr add 192.0.2.1 peer 192.0.2.2/32 dev v0");
        let own = OwnAddress { interface: lab.near, address: [192, 0, 2, 1].into(), prefix: 32 };
        assert!(list().unwrap().addresses.contains(&own));
    }

    #[test]
    fn a_hundred_links_need_more_than_one_datagram_and_are_all_listed() {
        let _lab = Lab::new();
        for number in 0..50 {
            lab::ip(&format!("link add p{number} type veth peer name q{number}"));
        }
        assert_eq!(list().unwrap().links.len(), 103); // with lo, v0, v1
    }

    fn gateway(interface: u32, address: &str) -> Gateway {
        Gateway { interface, address: address.parse().unwrap() }
    }

    /// Both ends with addresses, so that routes through either can be made.
    fn addressed() -> Lab {
        let lab = Lab::new();
        for (address, end) in [("192.0.2.1/24", "v0"), ("2001:db8::1/64", "v0"), ("198.51.100.1/24", "v1")] {
            lab::ip(&format!("addr add {address} dev {end} {}", if address.contains("::") { "nodad" } else { "" }));
        }
        lab
    }

    #[test]
    fn the_gateways_of_default_routes_are_listed_and_no_others() {
        let lab = addressed();
        lab::ip("route add default via 192.0.2.254");
        lab::ip("route add 203.0.113.0/24 via 192.0.2.253");
        lab::ip("-6 route add default via 2001:db8::fe dev v0");
        lab::ip("route add blackhole default metric 4000");
        assert_eq!(gateways().unwrap(), [gateway(lab.near, "192.0.2.254"), gateway(lab.near, "2001:db8::fe")]);
    }

    #[test]
    fn every_gateway_of_several_paths_is_listed() {
        let lab = addressed();
        lab::ip("route add default nexthop via 192.0.2.254 nexthop via 198.51.100.254");
        lab::ip("-6 route add default nexthop via 2001:db8::fe dev v0 nexthop via fe80::1 dev v0");
        let mut expected = vec![
            gateway(lab.near, "192.0.2.254"),
            gateway(lab.far, "198.51.100.254"),
            gateway(lab.near, "2001:db8::fe"),
            gateway(lab.near, "fe80::1"),
        ];
        expected.sort_unstable();
        assert_eq!(gateways().unwrap(), expected);
    }

    #[test]
    fn an_ipv4_route_by_an_ipv6_gateway_lists_that() {
        let lab = addressed();
        lab::ip("route add default via inet6 fe80::1 dev v0");
        assert_eq!(gateways().unwrap(), [gateway(lab.near, "fe80::1")]);
    }

    #[test]
    fn only_default_routes_wake_their_subscriber() {
        let _lab = addressed();
        let changes = Changes::of_default_routes().unwrap();
        lab::ip("route add 203.0.113.0/24 via 192.0.2.253");
        let told = sys::receive(changes.as_fd(), &mut [0; 1]);
        assert_eq!(told.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        lab::ip("route add default via 192.0.2.254");
        assert!(sys::receive(changes.as_fd(), &mut [0; 1]).is_ok());
    }

    #[test]
    fn a_subscriber_is_told_of_a_change_once() {
        let _lab = Lab::new();
        let changes = Changes::of_links().unwrap();
        lab::ip("link set v1 down");
        assert!(sys::receive(changes.as_fd(), &mut [0; 1]).is_ok());
        changes.acknowledge();
        let told = sys::receive(changes.as_fd(), &mut [0; 1]);
        assert_eq!(told.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
