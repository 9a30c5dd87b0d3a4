//! The kernel's links and addresses by rtnetlink(7): asked for whole, never pieced together from changes.

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

/// Whether a dump shows one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Integrity {
    Whole,
    Torn,
}

fn list_once() -> io::Result<(Listing, Integrity)> {
    let mut listing = Listing::default();
    let links = dump(libc::RTM_GETLINK, |body| {
        listing.links.extend(parse_link(body));
    })?;
    let addresses = dump(libc::RTM_GETADDR, |body| {
        listing.addresses.extend(parse_address(body));
    })?;
    Ok((
        listing,
        if links == Integrity::Whole {
            addresses
        } else {
            links
        },
    ))
}

/// Octets of a `struct nlmsghdr`.
const HEADER: usize = 16;
/// As much as the kernel puts into one message of a dump.
const ROOM: usize = 64 * 1024;

/// Ask for everything of one kind and hand each message's body to `each`.
fn dump(kind: u16, mut each: impl FnMut(&[u8])) -> io::Result<Integrity> {
    let socket = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
    sys::send_to(
        socket.as_fd(),
        &dump_request(kind),
        &sys::Address::netlink(0),
    )?;
    let mut buffer = vec![0; ROOM];
    let mut integrity = Integrity::Whole;
    loop {
        // A dump goes on inside recv: there is always an answer, so that a socket that does not block never waits.
        let len = sys::receive(socket.as_fd(), &mut buffer)?;
        for message in messages(&buffer[..len]) {
            if message.flags & NLM_F_DUMP_INTR != 0 {
                integrity = Integrity::Torn;
            }
            match i32::from(message.kind) {
                libc::NLMSG_DONE => return Ok(integrity),
                libc::NLMSG_ERROR => return Err(error_of(message.body)),
                _ => each(message.body),
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "flags of 16 bits, declared as int"
)]
const NLM_F_DUMP_INTR: u16 = libc::NLM_F_DUMP_INTR as u16;

/// `struct nlmsghdr`, then zeroes: any family, no filter, whether read as `ifinfomsg` or `ifaddrmsg`.
fn dump_request(kind: u16) -> [u8; 32] {
    let mut request = [0; 32];
    #[expect(
        clippy::cast_possible_truncation,
        reason = "flags of 16 bits, declared as int"
    )]
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    request[0..4].copy_from_slice(&32u32.to_ne_bytes());
    request[4..6].copy_from_slice(&kind.to_ne_bytes());
    request[6..8].copy_from_slice(&flags.to_ne_bytes());
    request
}

/// `struct nlmsgerr` starts with the negative error number.
fn error_of(body: &[u8]) -> io::Error {
    let number = body
        .first_chunk()
        .map_or(-libc::EBADMSG, |bytes| i32::from_ne_bytes(*bytes));
    io::Error::from_raw_os_error(-number)
}

struct Message<'a> {
    kind: u16,
    flags: u16,
    body: &'a [u8],
}

/// The messages of a datagram, until its end or the first that is no message.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let len = u32_at(bytes, 0)? as usize;
        let body = bytes.get(HEADER..len)?;
        let message = Message {
            kind: u16_at(bytes, 4)?,
            flags: u16_at(bytes, 6)?,
            body,
        };
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes after a fixed part: kind and value each.
fn attributes(bytes: Option<&[u8]>) -> impl Iterator<Item = (u16, &[u8])> {
    let mut bytes = bytes.unwrap_or_default();
    std::iter::from_fn(move || {
        let len = usize::from(u16_at(bytes, 0)?);
        let attribute = (u16_at(bytes, 2)?, bytes.get(4..len)?);
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(attribute)
    })
}

/// `struct ifinfomsg` (family, type u16, index i32, flags u32, change u32), then attributes.
fn parse_link(body: &[u8]) -> Option<Link> {
    let mut link = Link {
        index: u32_at(body, 4)?,
        name: String::new(),
        flags: u32_at(body, 8)?,
        mac: None,
        enslaved: false,
    };
    for (kind, value) in attributes(body.get(16..)) {
        match kind {
            libc::IFLA_IFNAME => link.name = text(value),
            libc::IFLA_ADDRESS => link.mac = <[u8; 6]>::try_from(value).ok().map(MacAddr::from),
            libc::IFLA_MASTER => link.enslaved = true,
            _ => {}
        }
    }
    Some(link)
}

/// `struct ifaddrmsg` (family u8, prefix length u8, flags u8, scope u8, index u32), then attributes.
fn parse_address(body: &[u8]) -> Option<OwnAddress> {
    let (mut local, mut address) = (None, None);
    for (kind, value) in attributes(body.get(8..)) {
        match kind {
            libc::IFA_LOCAL => local = ip(value),
            libc::IFA_ADDRESS => address = ip(value),
            _ => {}
        }
    }
    // On a point-to-point link IFA_ADDRESS is the other end's.
    Some(OwnAddress {
        interface: u32_at(body, 4)?,
        address: local.or(address)?,
        prefix: *body.get(1)?,
    })
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|&b| b == 0).next().unwrap_or_default()).into_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|b| u16::from_ne_bytes(*b))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|b| u32::from_ne_bytes(*b))
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
        assert_eq!(
            (link.index, link.mac, link.enslaved),
            (lab.near, Some(NEAR), false)
        );
        let own = OwnAddress {
            interface: lab.near,
            address: [192, 0, 2, 1].into(),
            prefix: 24,
        };
        assert!(listing.addresses.contains(&own), "{:?}", listing.addresses);
    }

    #[test]
    fn of_a_point_to_point_link_the_near_address_is_listed() {
        let lab = Lab::new();
        lab::ip("addr add 192.0.2.1 peer 192.0.2.2/32 dev v0");
        let own = OwnAddress {
            interface: lab.near,
            address: [192, 0, 2, 1].into(),
            prefix: 32,
        };
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

    #[test]
    fn cut_messages_end_the_reading_without_harm() {
        let mut datagram = dump_request(libc::RTM_NEWLINK).to_vec();
        for len in 0..datagram.len() {
            assert_eq!(messages(&datagram[..len]).count(), 0);
        }
        datagram[0] = 3; // shorter than its own header
        assert_eq!(messages(&datagram).count(), 0);
    }

    #[test]
    fn cut_attributes_end_the_reading_without_harm() {
        let attribute = [8, 0, 2, 0, 192, 0, 2, 1];
        assert_eq!(attributes(Some(&attribute)).count(), 1);
        for len in 0..attribute.len() {
            assert_eq!(attributes(Some(&attribute[..len])).count(), 0);
        }
        assert_eq!(attributes(Some(&[0; 64])).count(), 0);
    }

    #[test]
    fn an_error_of_the_kernel_is_its_number() {
        assert_eq!(
            error_of(&(-libc::EPERM).to_ne_bytes()).raw_os_error(),
            Some(libc::EPERM)
        );
    }
}
