//! Ethernet frames of one type on one interface (packet(7)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::filter::{self, Payload};
use crate::ranges::Ranges;
use crate::sys;
use crate::unsent::Refused;

/// The Ethernet type of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// The Ethernet type of beacons: IEEE 802 Local Experimental 1.
pub const ETHERTYPE_BEACON: u16 = 0x88B5;
/// The Ethernet type of IPv6, of which neighbor discovery alone is shown.
pub const ETHERTYPE_IPV6: u16 = 0x86DD;
/// How every beacon starts.
const BEACON_MAGIC: [u8; 4] = *b"MLEV";
/// The highest that needs no `CAP_NET_ADMIN`: beacons and answers leave before bulk traffic, or a busy uplink looks dead.
const PRIORITY: libc::c_int = 6;

/// A raw socket bound to one interface and Ethernet type. It never makes the interface promiscuous.
///
/// It shows frames from the Ethernet header on, as the wire has them but for VLAN tag and checksum; frames for other hosts
/// it does not show.
pub struct PacketSocket {
    fd: OwnedFd,
    interface: u32,
    ethertype: u16,
    /// Of the beacons, whether it shows those that say nothing new or the others.
    quiet: bool,
}

impl PacketSocket {
    /// Open a socket on the interface with this index for frames about addresses in `about`. Beacons are about none and
    /// are shown in any case, but for the quiet ones.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`; `ENODEV` if there is no such interface.
    pub fn open(interface: u32, ethertype: u16, about: &Ranges) -> io::Result<Self> {
        Self { fd: Self::unbound()?, interface, ethertype, quiet: false }.bound(about)
    }

    /// The same for beacons that say nothing new. They may wait here, so the kernel notes when each has come.
    ///
    /// # Errors
    /// As [`PacketSocket::open`].
    pub fn open_quiet(interface: u32) -> io::Result<Self> {
        let socket = Self { fd: Self::unbound()?, interface, ethertype: ETHERTYPE_BEACON, quiet: true };
        sys::let_wait(socket.as_fd())?;
        socket.bound(&Ranges::default())
    }

    fn bound(self, about: &Ranges) -> io::Result<Self> {
        let address = sys::Address::packet(self.interface, self.ethertype)?;
        let socket = self;
        // A socket of protocol 0 receives nothing: no frame passes before the filter is there.
        socket.set_filter(about)?;
        sys::set_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_PRIORITY, PRIORITY)?;
        sys::bind(socket.as_fd(), &address)?;
        Ok(socket)
    }

    /// A socket that receives nothing yet: shows whether the process may have one at all.
    pub(crate) fn unbound() -> io::Result<OwnedFd> {
        sys::socket(libc::AF_PACKET, libc::SOCK_RAW, 0)
    }

    /// Replace the filter after something else is of interest.
    ///
    /// # Errors
    /// `ENOMEM`, or `EPERM` if the filter was locked.
    pub fn set_filter(&self, about: &Ranges) -> io::Result<()> {
        let payload = match self.ethertype {
            ETHERTYPE_ARP => Payload::Arp(about),
            ETHERTYPE_IPV6 => Payload::Ndp(about),
            _ => Payload::Beacon { magic: BEACON_MAGIC, quiet: self.quiet },
        };
        sys::attach_filter(self.as_fd(), &filter::program(self.interface, payload))
    }

    /// Send a frame, from the Ethernet header on.
    ///
    /// # Errors
    /// `ENETDOWN` or `ENXIO` if the interface is down or gone, `EMSGSIZE` if the frame is too long for it, `ENOBUFS` or
    /// `EAGAIN` if it is congested.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        sys::send(self.as_fd(), frame)
    }

    /// Send many frames by few system calls; what the kernel did not take.
    pub fn send_all(&self, frames: &[Vec<u8>]) -> Refused {
        sys::send_all(self.as_fd(), frames)
    }

    /// Receive one frame without waiting; how much of `buffer` it fills.
    ///
    /// # Errors
    /// `WouldBlock` if there is none, `ENETDOWN` once after the interface went down.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        sys::receive(self.as_fd(), buffer)
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
