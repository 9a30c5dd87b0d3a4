//! Messages of netlink(7) and rtnetlink(7): numbers in the machine's own order, lengths that need not be right.

use std::io;
use std::net::IpAddr;

use metalev_wire::MacAddr;

use super::{Link, OwnAddress};

/// Octets of a `struct nlmsghdr`.
const HEADER: usize = 16;
#[expect(clippy::cast_possible_truncation, reason = "flags of 16 bits, declared as int")]
const NLM_F_DUMP_INTR: u16 = libc::NLM_F_DUMP_INTR as u16;

/// `struct nlmsghdr`, then zeroes: any family, no filter, whether read as `ifinfomsg` or `ifaddrmsg`.
pub(super) fn dump_request(kind: u16) -> [u8; 32] {
    let mut request = [0; 32];
    #[expect(clippy::cast_possible_truncation, reason = "flags of 16 bits, declared as int")]
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    request[0..4].copy_from_slice(&32u32.to_ne_bytes());
    request[4..6].copy_from_slice(&kind.to_ne_bytes());
    request[6..8].copy_from_slice(&flags.to_ne_bytes());
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
mod tests {
    use super::*;

    #[test]
    fn cut_messages_end_the_reading_without_harm() {
        let mut datagram = dump_request(libc::RTM_NEWLINK).to_vec();
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
    fn an_error_of_the_kernel_is_its_number() {
        assert_eq!(error(&(-libc::EPERM).to_ne_bytes()).raw_os_error(), Some(libc::EPERM));
    }
}
