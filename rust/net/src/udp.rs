//! The UDP port of the beacons, for IPv4 and IPv6 at once.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::{Error, filter, sys};

/// The highest that needs no `CAP_NET_ADMIN`: see `packet`.
const PRIORITY: libc::c_int = 6;

/// Sockets on all addresses of the host. They tell of each datagram on which interface it arrived.
pub(crate) struct UdpSocket {
    fd: OwnedFd,
    /// Shows the beacons that say nothing new; none where the kernel cannot tell them apart, and `fd` shows all.
    quiet: Option<OwnedFd>,
    port: u16,
    /// Whether IPv4 addresses have to be written as v4-mapped ones.
    dual: bool,
}

impl UdpSocket {
    /// Bind to the port, on `[::]` for both families, on `0.0.0.0` where the kernel has no IPv6.
    ///
    /// The port is not shared: two speakers on one host would each hear half of the beacons.
    pub(crate) fn bind(port: u16) -> Result<Self, Error> {
        let bound = match Self::bind_as(port, true) {
            Err(e) if matches!(e.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)) => {
                Self::bind_as(port, false)
            }
            other => other,
        };
        let mut bound = bound.map_err(|e| match e.raw_os_error() {
            Some(libc::EADDRINUSE) => Error::PortInUse { port },
            _ => Error::privileged("CAP_NET_BIND_SERVICE", format!("bind UDP port {port}"), e),
        })?;
        bound.quiet = bound.split().ok();
        Ok(bound)
    }

    /// Share the port with a second socket of this process, and have the kernel choose between the two.
    ///
    /// Only once the first is bound: it found the port free of any other, and whoever binds to it without wanting to share,
    /// as another speaker does, is still refused.
    fn split(&self) -> io::Result<OwnedFd> {
        sys::set_option(self.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        let open = || {
            let fd = Self::unbound(self.dual)?;
            sys::set_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
            sys::let_wait(fd.as_fd())?;
            sys::bind(fd.as_fd(), &Self::everywhere(self.dual, self.port).into())?;
            sys::attach_choice(self.as_fd(), &filter::second_if_quiet())?;
            Ok(fd)
        };
        open().inspect_err(|_| drop(sys::set_option(self.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT, 0)))
    }

    fn bind_as(port: u16, dual: bool) -> io::Result<Self> {
        let fd = Self::unbound(dual)?;
        sys::set_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_PRIORITY, PRIORITY)?;
        sys::bind(fd.as_fd(), &Self::everywhere(dual, port).into())?;
        Ok(Self { fd, quiet: None, port, dual })
    }

    fn unbound(dual: bool) -> io::Result<OwnedFd> {
        let fd = sys::socket(if dual { libc::AF_INET6 } else { libc::AF_INET }, libc::SOCK_DGRAM, 0)?;
        if dual {
            sys::set_option(fd.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0)?;
            // Also tells the interface of IPv4 datagrams (ip6_datagram_recv_common_ctl).
            sys::set_option(fd.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        } else {
            sys::set_option(fd.as_fd(), libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        }
        Ok(fd)
    }

    fn everywhere(dual: bool, port: u16) -> SocketAddr {
        if dual { (Ipv6Addr::UNSPECIFIED, port).into() } else { (Ipv4Addr::UNSPECIFIED, port).into() }
    }

    /// The socket of the beacons that say nothing new, if there is one.
    pub(crate) fn quiet(&self) -> Option<BorrowedFd<'_>> {
        self.quiet.as_ref().map(AsFd::as_fd)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{self, Lab, next_octets};

    #[test]
    fn a_beacon_that_says_nothing_new_is_shown_to_a_socket_of_its_own() {
        let _lab = Lab::new();
        let udp = UdpSocket::bind(7946).unwrap();
        let quiet = udp.quiet().expect("a second socket");
        for from in ["0.0.0.0:0", "[::]:0"] {
            let other = std::net::UdpSocket::bind(from).unwrap();
            let to = if from.starts_with('[') { "[::1]:7946" } else { "127.0.0.1:7946" };
            lab::eventually("the way there", || other.send_to(b"MLEV\x01\x01", to).ok());
            for payload in [&b"MLEV\x01\x04"[..], b"MLEV\x01", b"MLEV\x01\x05", b"MLEV\x01\x00"] {
                other.send_to(payload, to).unwrap();
            }
            assert_eq!([next_octets(&quiet), next_octets(&quiet)], [b"MLEV\x01\x04", b"MLEV\x01\x05"]);
            let aloud = [&b"MLEV\x01\x01"[..], b"MLEV\x01", b"MLEV\x01\x00"];
            assert_eq!([(); 3].map(|()| next_octets(&udp)), aloud);
        }
    }

    #[test]
    fn nobody_else_binds_to_the_port_unless_it_wants_to_share_it() {
        let _lab = Lab::new();
        let _udp = UdpSocket::bind(7946).unwrap();
        for address in ["[::]:7946", "0.0.0.0:7946", "127.0.0.1:7946"] {
            let error = std::net::UdpSocket::bind(address).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{address}");
        }
    }
}
