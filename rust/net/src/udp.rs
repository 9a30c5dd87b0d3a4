//! The UDP port of the beacons, for IPv4 and IPv6 at once.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::{Error, sys};

/// The highest that needs no `CAP_NET_ADMIN`: see `packet`.
const PRIORITY: libc::c_int = 6;

/// A socket on all addresses of the host. It tells of each datagram on which interface it arrived.
pub(crate) struct UdpSocket {
    fd: OwnedFd,
    port: u16,
    /// Whether IPv4 addresses have to be written as v4-mapped ones.
    dual: bool,
}

impl UdpSocket {
    /// Bind to the port, on `[::]` for both families, on `0.0.0.0` where the kernel has no IPv6.
    ///
    /// The port is not shared: two speakers on one host would each hear half of the beacons.
    pub(crate) fn bind(port: u16) -> Result<Self, Error> {
        let bound = match Self::bind_dual(port) {
            Err(e) if matches!(e.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)) => Self::bind_v4(port),
            other => other,
        };
        bound.map_err(|e| match e.raw_os_error() {
            Some(libc::EADDRINUSE) => Error::PortInUse { port },
            _ => Error::privileged("CAP_NET_BIND_SERVICE", format!("bind UDP port {port}"), e),
        })
    }

    fn bind_dual(port: u16) -> io::Result<Self> {
        let fd = sys::socket(libc::AF_INET6, libc::SOCK_DGRAM, 0)?;
        sys::set_option(fd.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0)?;
        // Also tells the interface of IPv4 datagrams (ip6_datagram_recv_common_ctl).
        sys::set_option(fd.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        Self::finish(fd, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), true)
    }

    fn bind_v4(port: u16) -> io::Result<Self> {
        let fd = sys::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
        sys::set_option(fd.as_fd(), libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        Self::finish(fd, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), false)
    }

    fn finish(fd: OwnedFd, at: SocketAddr, dual: bool) -> io::Result<Self> {
        sys::set_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_PRIORITY, PRIORITY)?;
        sys::bind(fd.as_fd(), &at.into())?;
        Ok(Self { fd, port: at.port(), dual })
    }

    /// Send to the same port of another host.
    pub(crate) fn send(&self, to: IpAddr, payload: &[u8]) -> io::Result<()> {
        let to = match to {
            IpAddr::V4(v4) if self.dual => SocketAddrV6::new(v4.to_ipv6_mapped(), self.port, 0, 0).into(),
            _ => SocketAddr::new(to, self.port),
        };
        sys::send_to(self.as_fd(), payload, &to.into())
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
