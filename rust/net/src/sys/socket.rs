//! Sockets of every family that the engine uses, always non-blocking and close-on-exec.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use libc::{c_int, sock_filter, sockaddr_in, sockaddr_in6, sockaddr_ll, sockaddr_nl};

use super::{check, check_len, owned, size_of_argument};

/// An address in the kernel's own form.
pub(crate) enum Address {
    Inet(sockaddr_in),
    Inet6(sockaddr_in6),
    Packet(sockaddr_ll),
    Netlink(sockaddr_nl),
}

impl Address {
    /// All frames of one protocol on one interface. The kernel takes the index as a signed number.
    pub(crate) fn packet(interface: u32, ethertype: u16) -> io::Result<Self> {
        let index = c_int::try_from(interface).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
        Ok(Self::Packet(sockaddr_ll {
            sll_family: family(libc::AF_PACKET),
            sll_protocol: ethertype.to_be(),
            sll_ifindex: index,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        }))
    }

    /// A netlink socket of this process that hears the groups of a bit mask (`RTMGRP_*`).
    pub(crate) fn netlink(groups: u32) -> Self {
        // SAFETY: sockaddr_nl is plain integers, for which all zeroes is a value. Its padding is private: no literal.
        let mut address: sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = family(libc::AF_NETLINK);
        address.nl_groups = groups;
        Self::Netlink(address)
    }

    /// Pointer and length, valid for as long as `self` is borrowed.
    fn raw(&self) -> (*const libc::sockaddr, libc::socklen_t) {
        match self {
            Self::Inet(a) => (ptr::from_ref(a).cast(), size_of_argument::<sockaddr_in>()),
            Self::Inet6(a) => (ptr::from_ref(a).cast(), size_of_argument::<sockaddr_in6>()),
            Self::Packet(a) => (ptr::from_ref(a).cast(), size_of_argument::<sockaddr_ll>()),
            Self::Netlink(a) => (ptr::from_ref(a).cast(), size_of_argument::<sockaddr_nl>()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => Self::Inet(sockaddr_in {
                sin_family: family(libc::AF_INET),
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            }),
            SocketAddr::V6(v6) => Self::Inet6(sockaddr_in6 {
                sin6_family: family(libc::AF_INET6),
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            }),
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "address families are small numbers")]
const fn family(number: c_int) -> libc::sa_family_t {
    number as libc::sa_family_t
}

pub(crate) fn socket(domain: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer. The new descriptor is owned at once.
    owned(unsafe { libc::socket(domain, kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, protocol) })
}

pub(crate) fn set_option(fd: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the pointer and length describe `value`, which outlives the call; the kernel only reads it.
    check(unsafe {
        libc::setsockopt(fd.as_raw_fd(), level, name, ptr::from_ref(&value).cast(), size_of_argument::<c_int>())
    })
    .map(drop)
}

/// Have the kernel note when each datagram came, and keep as many as it grants without a privilege.
pub(crate) fn let_wait(fd: BorrowedFd<'_>) -> io::Result<()> {
    const MOST: c_int = 1 << 24;
    set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, MOST)?;
    set_option(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

/// Become a member of a multicast group; `ENOMEM` or `ENOBUFS` if the socket has no room for another.
pub(crate) fn join_group(fd: BorrowedFd<'_>, interface: u32, group: Ipv6Addr) -> io::Result<()> {
    set_membership(fd, libc::IPV6_ADD_MEMBERSHIP, interface, group)
}

/// Be one no longer; `EADDRNOTAVAIL` if it was none.
pub(crate) fn leave_group(fd: BorrowedFd<'_>, interface: u32, group: Ipv6Addr) -> io::Result<()> {
    set_membership(fd, libc::IPV6_DROP_MEMBERSHIP, interface, group)
}

fn set_membership(fd: BorrowedFd<'_>, name: c_int, interface: u32, group: Ipv6Addr) -> io::Result<()> {
    let request =
        libc::ipv6_mreq { ipv6mr_multiaddr: libc::in6_addr { s6_addr: group.octets() }, ipv6mr_interface: interface };
    // SAFETY: the pointer and length describe `request`, which outlives the call; the kernel only reads it.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_IPV6,
            name,
            ptr::from_ref(&request).cast(),
            size_of_argument::<libc::ipv6_mreq>(),
        )
    })
    .map(drop)
}

/// Attach a classic BPF program, replacing the one before; the kernel verifies and copies it.
pub(crate) fn attach_filter(fd: BorrowedFd<'_>, program: &[sock_filter]) -> io::Result<()> {
    attach(fd, libc::SO_ATTACH_FILTER, program)
}

/// The same for a program that says which of the sockets on a port, counted from 0, is to have a datagram.
pub(crate) fn attach_choice(fd: BorrowedFd<'_>, program: &[sock_filter]) -> io::Result<()> {
    attach(fd, libc::SO_ATTACH_REUSEPORT_CBPF, program)
}

fn attach(fd: BorrowedFd<'_>, option: c_int, program: &[sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let argument = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // SAFETY: `argument` describes `program`, both outlive the call. The field is a mutable pointer for historical
    // reasons: the kernel only reads through it (copy_from_user in bpf_prog_create_from_user).
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            ptr::from_ref(&argument).cast(),
            size_of_argument::<libc::sock_fprog>(),
        )
    })
    .map(drop)
}

pub(crate) fn bind(fd: BorrowedFd<'_>, address: &Address) -> io::Result<()> {
    let (pointer, len) = address.raw();
    // SAFETY: pointer and length describe the variant inside `address`, borrowed for the call.
    check(unsafe { libc::bind(fd.as_raw_fd(), pointer, len) }).map(drop)
}

/// Send on a bound packet socket. A frame goes out whole or not at all.
pub(crate) fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: pointer and length describe `bytes`; the kernel only reads it.
    check_len(unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) }).map(drop)
}

pub(crate) fn send_to(fd: BorrowedFd<'_>, bytes: &[u8], to: &Address) -> io::Result<()> {
    let (pointer, len) = to.raw();
    // SAFETY: the first pair describes `bytes`, the second the variant inside `to`; the kernel only reads both.
    check_len(unsafe {
        libc::sendto(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL, pointer, len)
    })
    .map(drop)
}

/// Receive one datagram; how much of `buffer` it fills.
pub(crate) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: pointer and length describe `buffer`, exclusively borrowed; the kernel writes no further than the length.
    check_len(unsafe { libc::recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) })
}
