//! The kernel's links and addresses by rtnetlink(7): asked for whole, never pieced together from changes.

mod message;

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use metalev_wire::MacAddr;

use crate::sys;

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

/// All of them, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) links: Vec<Link>,
    pub(crate) addresses: Vec<OwnAddress>,
}

/// A socket that becomes readable when a link or address has changed.
pub(crate) struct Changes {
    fd: OwnedFd,
}

impl Changes {
    pub(crate) fn subscribe() -> io::Result<Self> {
        let fd = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
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
    let links = dump(libc::RTM_GETLINK, |body| {
        listing.links.extend(message::link(body));
    })?;
    let addresses = dump(libc::RTM_GETADDR, |body| {
        listing.addresses.extend(message::address(body));
    })?;
    Ok((listing, links.max(addresses)))
}

/// As much as the kernel puts into one message of a dump.
const ROOM: usize = 64 * 1024;

/// Ask for everything of one kind and hand each message's body to `each`.
fn dump(kind: u16, mut each: impl FnMut(&[u8])) -> io::Result<Integrity> {
    let socket = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
    sys::send_to(socket.as_fd(), &message::dump_request(kind), &sys::Address::netlink(0))?;
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

    #[test]
    fn a_subscriber_is_told_of_a_change_once() {
        let _lab = Lab::new();
        let changes = Changes::subscribe().unwrap();
        lab::ip("link set v1 down");
        assert!(sys::receive(changes.as_fd(), &mut [0; 1]).is_ok());
        changes.acknowledge();
        let told = sys::receive(changes.as_fd(), &mut [0; 1]);
        assert_eq!(told.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
