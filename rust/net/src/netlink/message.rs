//! Messages of netlink(7) and rtnetlink(7): numbers in the machine's own order, lengths that need not be right.

use std::io;
use std::net::IpAddr;

use metalev_wire::MacAddr;

use super::{Gateway, Link, OwnAddress};

/// Octets of a `struct nlmsghdr`.
const HEADER: usize = 16;
#[expect(clippy::cast_possible_truncation, reason = "flags of 16 bits, declared as int")]
const NLM_F_DUMP_INTR: u16 = libc::NLM_F_DUMP_INTR as u16;

/// `struct nlmsghdr`, then the family (0: any) and zeroes: no filter, whether read as `ifinfomsg`, `ifaddrmsg` or `rtmsg`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "address families are small numbers")]
pub(super) fn dump_request(kind: u16, family: i32) -> [u8; 32] {
    let mut request = [0; 32];
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    request[0..4].copy_from_slice(&32u32.to_ne_bytes());
    request[4..6].copy_from_slice(&kind.to_ne_bytes());
    request[6..8].copy_from_slice(&flags.to_ne_bytes());
    request[HEADER] = family as u8;
    request
}

/// `struct nlmsgerr` starts with the negative error number.
pub(super) fn error(body: &[u8]) -> io::Error {
    let number = body.first_chunk().map_or(-libc::EBADMSG, |bytes| i32::from_ne_bytes(*bytes));
    io::Error::from_raw_os_error(-number)
}

/// One message, its header read.
pub(super) struct Message<'a> {
    /// `RTM_*` or `NLMSG_*`.
    pub(super) kind: u16,
    flags: u16,
    /// What follows the header.
    pub(super) body: &'a [u8],
}

impl Message<'_> {
    /// Whether the kernel says that the dump does not show one moment.
    pub(super) fn interrupted(&self) -> bool {
        self.flags & NLM_F_DUMP_INTR != 0
    }
}

/// The messages of a datagram, until its end or the first that is no message.
pub(super) fn all(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let len = u32_at(bytes, 0)? as usize;
        let body = bytes.get(HEADER..len)?;
        let message = Message { kind: u16_at(bytes, 4)?, flags: u16_at(bytes, 6)?, body };
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
pub(super) fn link(body: &[u8]) -> Option<Link> {
    let mut link =
        Link { index: u32_at(body, 4)?, name: String::new(), flags: u32_at(body, 8)?, mac: None, enslaved: false };
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
pub(super) fn address(body: &[u8]) -> Option<OwnAddress> {
    let (mut local, mut address) = (None, None);
    for (kind, value) in attributes(body.get(8..)) {
        match kind {
            libc::IFA_LOCAL => local = ip(value),
            libc::IFA_ADDRESS => address = ip(value),
            _ => {}
        }
    }
    // On a point-to-point link IFA_ADDRESS is the other end's.
    Some(OwnAddress { interface: u32_at(body, 4)?, address: local.or(address)?, prefix: *body.get(1)? })
}

/// Octets of a `struct rtmsg`: family, lengths of destination and source, tos, table, protocol, scope, type (u8 each),
/// flags u32.
const ROUTE: usize = 12;
/// Octets of a `struct rtnexthop`: length u16, flags u8, hops u8, interface i32.
const NEXT_HOP: usize = 8;

/// The gateways of a route, if it is a default route that leads anywhere.
pub(super) fn gateways(body: &[u8]) -> Vec<Gateway> {
    let is_default = body.get(1) == Some(&0);
    let leads_on = body.get(7) == Some(&libc::RTN_UNICAST);
    if !is_default || !leads_on {
        return Vec::new();
    }
    let interface = |(kind, value)| (kind == libc::RTA_OIF).then(|| u32_at(value, 0)).flatten();
    let out = attributes(body.get(ROUTE..)).find_map(interface);
    let mut gateways: Vec<_> = out.and_then(|out| gateway(out, body.get(ROUTE..))).into_iter().collect();
    for (kind, value) in attributes(body.get(ROUTE..)) {
        if kind == libc::RTA_MULTIPATH {
            gateways.extend(next_hops(value));
        }
    }
    gateways
}

fn next_hops(mut bytes: &[u8]) -> impl Iterator<Item = Gateway> {
    std::iter::from_fn(move || {
        let len = usize::from(u16_at(bytes, 0)?);
        let hop = (u32_at(bytes, 4)?, bytes.get(NEXT_HOP..len)?);
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(hop)
    })
    .filter_map(|(interface, attributes)| gateway(interface, Some(attributes)))
}

/// The one among these attributes; a gateway of the other family is written as a family u16 and an address (`RTA_VIA`).
fn gateway(interface: u32, bytes: Option<&[u8]>) -> Option<Gateway> {
    let address = |(kind, value): (u16, &[u8])| match kind {
        libc::RTA_GATEWAY => ip(value),
        libc::RTA_VIA => ip(value.get(2..)?),
        _ => None,
    };
    attributes(bytes).find_map(address).map(|address| Gateway { interface, address })
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|&b| b == 0).next().unwrap_or_default()).into_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_ne_bytes(*b))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_ne_bytes(*b))
}

#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_messages_end_the_reading_without_harm() {
        let mut datagram = dump_request(libc::RTM_NEWLINK, libc::AF_UNSPEC).to_vec();
        for len in 0..datagram.len() {
            assert_eq!(all(&datagram[..len]).count(), 0);
        }
        datagram[0] = 3; // shorter than its own header
        assert_eq!(all(&datagram).count(), 0);
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
    fn cut_next_hops_end_the_reading_without_harm() {
        let hop = [16, 0, 0, 0, 7, 0, 0, 0, 8, 0, 5, 0, 192, 0, 2, 1];
        assert_eq!(next_hops(&hop).count(), 1);
        for len in 0..hop.len() {
            assert_eq!(next_hops(&hop[..len]).count(), 0);
        }
        assert_eq!(next_hops(&[0; 64]).count(), 0);
    }

    #[test]
    fn an_error_of_the_kernel_is_its_number() {
        assert_eq!(error(&(-libc::EPERM).to_ne_bytes()).raw_os_error(), Some(libc::EPERM));
    }
}
