//! Many datagrams by one system call: `recvmmsg` into buffers that are allocated once, and `sendmmsg`.

use std::array;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::{check, send};
use crate::unsent::Refused;

/// How many datagrams one call takes: enough to empty a burst, few enough that timers wait microseconds.
pub(crate) const BATCH: usize = 64;
/// The same as the kernel wants it.
#[expect(clippy::cast_possible_truncation, reason = "it is 64")]
const COUNT: u32 = BATCH as u32;
/// Room for one: no beacon is longer than 1,400 octets. What is longer is cut, and then fails its own length check.
const ROOM: usize = 2048;

/// Room for the control messages: the interface and the time take 72 octets.
const CONTROL: usize = 96;

/// One received datagram.
pub(crate) struct Message<'a> {
    /// Its octets.
    pub(crate) bytes: &'a [u8],
    /// The source address; none on a packet socket.
    pub(crate) from: Option<SocketAddr>,
    /// The interface by `IP_PKTINFO`; 0 if the kernel did not say.
    pub(crate) interface: u32,
    /// When it came, in nanoseconds of `CLOCK_REALTIME`, if the kernel was asked to note that.
    pub(crate) arrived: Option<u64>,
}

/// Everything that the kernel writes for one datagram.
#[derive(Clone)]
#[repr(C, align(8))] // the kernel writes control headers, which start with a size_t
struct Slot {
    control: [u8; CONTROL],
    name: [u8; 28], // as long as a sockaddr_in6
    bytes: [u8; ROOM],
    len: usize,
    control_len: usize,
}

impl Slot {
    const EMPTY: Self = Self { control: [0; CONTROL], name: [0; 28], bytes: [0; ROOM], len: 0, control_len: 0 };

    /// Let a frame say that it came with a VLAN tag, which the kernel has taken off: by IEEE 802.1Q's type, without the
    /// rest of the tag. The kernel tells it by "for another host", as the filter lets no other such frames through.
    fn restore_tag(&mut self) {
        let family = u16::from_ne_bytes([self.name[0], self.name[1]]);
        if i32::from(family) == libc::AF_PACKET && self.name[LL_PKTTYPE] == libc::PACKET_OTHERHOST {
            self.bytes[ETHERTYPE..ETHERTYPE + 2].copy_from_slice(&TAGGED.to_be_bytes());
        }
    }
}

/// Offset of `sll_pkttype` in a `sockaddr_ll`.
const LL_PKTTYPE: usize = 10;
/// Offset of the type in an Ethernet frame.
const ETHERTYPE: usize = 12;
const TAGGED: u16 = 0x8100;

/// The buffers of the whole thread; every socket is read through the same ones in turn.
pub(crate) struct Batch {
    slots: Box<[Slot]>,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self { slots: vec![Slot::EMPTY; BATCH].into_boxed_slice() }
    }

    /// How many datagrams one call takes.
    pub(crate) fn room(&self) -> usize {
        self.slots.len()
    }

    /// Receive what is there, at most [`BATCH`] datagrams, without waiting; how many. None there is `Ok(0)`.
    pub(crate) fn receive(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        let mut vectors: [libc::iovec; BATCH] =
            array::from_fn(|i| libc::iovec { iov_base: self.slots[i].bytes.as_mut_ptr().cast(), iov_len: ROOM });
        let mut headers: [libc::mmsghdr; BATCH] = array::from_fn(|i| header(&mut self.slots[i], &mut vectors[i]));
        // SAFETY: each header points into its own slot of `self.slots` (exclusively borrowed, not moved or resized
        // here) and to its own element of `vectors` (alive until the end of this function), with their true lengths.
        // The kernel writes only within them and keeps no pointer. The count is that of `headers`. It would break if
        // a header outlived this function or if two shared a buffer.
        let count = check(unsafe {
            libc::recvmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), COUNT, libc::MSG_DONTWAIT, ptr::null_mut())
        });
        let count = match count {
            Ok(count) => usize::try_from(count).unwrap_or(0),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            Err(e) => return Err(e),
        };
        for (slot, header) in self.slots.iter_mut().zip(&headers[..count]) {
            slot.len = (header.msg_len as usize).min(ROOM);
            slot.control_len = header.msg_hdr.msg_controllen;
            if header.msg_hdr.msg_namelen == 0 {
                slot.name[..2].fill(0); // no family: no address
            }
            slot.restore_tag();
        }
        Ok(count)
    }

    /// A datagram of the last call.
    pub(crate) fn message(&self, at: usize) -> Message<'_> {
        let slot = &self.slots[at];
        let Control { interface, arrived } = parse_control(&slot.control[..slot.control_len.min(CONTROL)]);
        Message {
            bytes: &slot.bytes[..slot.len],
            from: parse_name(&slot.name),
            interface: interface.unwrap_or(0),
            arrived,
        }
    }
}

fn header(slot: &mut Slot, vector: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: mmsghdr is integers and pointers, for which all zeroes is a value; some libcs have private padding.
    let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
    header.msg_hdr.msg_name = slot.name.as_mut_ptr().cast();
    header.msg_hdr.msg_namelen = 28;
    header.msg_hdr.msg_iov = vector;
    header.msg_hdr.msg_iovlen = 1;
    header.msg_hdr.msg_control = slot.control.as_mut_ptr().cast();
    header.msg_hdr.msg_controllen = slot.control.len();
    header
}

/// Send datagrams on a bound socket, [`BATCH`] by one call; what the kernel did not take. A batch of 64 costs a fifth
/// less than 64 calls, one of one a third more.
pub(crate) fn send_all(fd: BorrowedFd<'_>, datagrams: &[Vec<u8>]) -> Refused {
    match datagrams {
        [one] => Refused::by(send(fd, one)),
        many => many.chunks(BATCH).map(|chunk| send_batch(fd, chunk)).fold(Refused::default(), Refused::and),
    }
}

/// The same for at most [`BATCH`] of them. The call stops at the first that fails and tells so only if it is the very
/// first: go on behind it.
fn send_batch(fd: BorrowedFd<'_>, datagrams: &[Vec<u8>]) -> Refused {
    let mut vectors: [libc::iovec; BATCH] = array::from_fn(|i| {
        let bytes = datagrams.get(i).map_or(&[][..], Vec::as_slice);
        libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
    });
    let mut headers: [libc::mmsghdr; BATCH] = array::from_fn(|i| outgoing(&mut vectors[i]));
    let (mut next, mut refused) = (0, Refused::default());
    while next < datagrams.len() {
        let rest = &mut headers[next..datagrams.len()];
        #[expect(clippy::cast_possible_truncation, reason = "there are at most 64")]
        let count = rest.len() as u32;
        // SAFETY: each header points to its own element of `vectors`, which describes one of `datagrams`; all outlive
        // the call, and the count is that of `rest`. The buffers are mutable for historical reasons: the kernel only
        // reads them, and writes nothing but the lengths into the headers.
        let sent = check(unsafe { libc::sendmmsg(fd.as_raw_fd(), rest.as_mut_ptr(), count, libc::MSG_NOSIGNAL) });
        match sent {
            Ok(sent) => next += usize::try_from(sent).unwrap_or(0).max(1),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => (next, refused) = (next + 1, refused.and(Refused::by(Err(e)))),
        }
    }
    refused
}

fn outgoing(vector: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: as in `header`.
    let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
    header.msg_hdr.msg_iov = vector;
    header.msg_hdr.msg_iovlen = 1;
    header
}

/// Read a `sockaddr_in` or `sockaddr_in6`; a v4-mapped address comes out as the IPv4 address that it is.
fn parse_name(name: &[u8; 28]) -> Option<SocketAddr> {
    let family = i32::from(u16::from_ne_bytes([name[0], name[1]]));
    let port = u16::from_be_bytes([name[2], name[3]]);
    let address = match family {
        libc::AF_INET => Ipv4Addr::from(take::<4>(name, 4)?).into(),
        libc::AF_INET6 => Ipv6Addr::from(take::<16>(name, 8)?).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

/// What the control messages tell.
#[derive(Debug, Default, PartialEq, Eq)]
struct Control {
    interface: Option<u32>,
    arrived: Option<u64>,
}

/// Read the control messages (`cmsghdr`, then data, both aligned to `size_t`).
fn parse_control(mut control: &[u8]) -> Control {
    const WORD: usize = size_of::<usize>();
    const HEADER: usize = size_of::<libc::cmsghdr>().next_multiple_of(WORD);
    let mut told = Control::default();
    while let (Some(len), Some(level), Some(kind)) = (
        take(control, 0).map(usize::from_ne_bytes),
        take(control, WORD).map(i32::from_ne_bytes),
        take(control, WORD + 4).map(i32::from_ne_bytes),
    ) {
        match (level, kind) {
            // struct in_pktinfo starts with the index, struct in6_pktinfo has it after the address.
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => told.interface = take(control, HEADER).map(u32::from_ne_bytes),
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                told.interface = take(control, HEADER + 16).map(u32::from_ne_bytes);
            }
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                told.arrived = timestamp(&control[HEADER.min(control.len())..]);
            }
            _ => {}
        }
        let Some(rest) = control.get(len.max(HEADER).next_multiple_of(WORD)..) else { break };
        control = rest;
    }
    told
}

/// Nanoseconds of a `struct timespec` of two words.
fn timestamp(data: &[u8]) -> Option<u64> {
    let [seconds, nanos] = [0, size_of::<usize>()].map(|at| take(data, at).map(usize::from_ne_bytes));
    u64::try_from(seconds?).ok()?.checked_mul(1_000_000_000)?.checked_add(u64::try_from(nanos?).ok()?)
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A control message with native numbers, padded to whole words.
    fn control(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let len = 16 + data.len();
        let mut message = [&len.to_ne_bytes()[..], &level.to_ne_bytes(), &kind.to_ne_bytes(), data].concat();
        message.resize(len.next_multiple_of(8), 0);
        message
    }

    #[test]
    fn the_interface_is_found_behind_other_control_messages() {
        let index = 5u32.to_ne_bytes();
        let v6 = [&[0; 16][..], &index].concat();
        let other = control(libc::SOL_SOCKET, libc::SCM_TIMESTAMP, &[1; 3]);
        let behind = [other, control(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &v6)].concat();
        assert_eq!(parse_control(&behind).interface, Some(5));
        let v4 = [&index[..], &[0; 8]].concat();
        assert_eq!(parse_control(&control(libc::IPPROTO_IP, libc::IP_PKTINFO, &v4)).interface, Some(5));
    }

    #[test]
    fn the_time_of_arrival_is_found_beside_the_interface() {
        let time = [12_usize, 345].map(usize::to_ne_bytes).concat();
        let v6 = [&[0; 16][..], &5u32.to_ne_bytes()].concat();
        let time = control(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, &time);
        let interface = control(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &v6);
        let both = [time.clone(), interface.clone()].concat();
        assert!(both.len() <= CONTROL);
        let told = Control { interface: Some(5), arrived: Some(12_000_000_345) };
        assert_eq!(parse_control(&both), told);
        assert_eq!(parse_control(&[interface, time].concat()), told);
    }

    #[test]
    fn control_messages_that_are_cut_tell_nothing() {
        let whole = control(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &[7; 20]);
        for len in 0..36 {
            assert_eq!(parse_control(&whole[..len]), Control::default());
        }
        assert_eq!(parse_control(&[0; 64]), Control::default());
    }

    #[test]
    fn a_mapped_source_is_the_ipv4_address_that_it_is() {
        let mut name = [0; 28];
        name[..2].copy_from_slice(&10u16.to_ne_bytes());
        name[2..4].copy_from_slice(&7946u16.to_be_bytes());
        name[18..24].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 1]);
        assert_eq!(parse_name(&name), Some("192.0.2.1:7946".parse().unwrap()));
    }

    #[test]
    fn a_datagram_without_a_source_has_none() {
        assert_eq!(parse_name(&[0; 28]), None);
    }
}
