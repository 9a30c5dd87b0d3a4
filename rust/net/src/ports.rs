//! The packet sockets of each interface that carries VIPs: one for ARP, one for beacons.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;

use metalev_engine::Interface;
use metalev_wire::MacAddr;

use crate::packet::{ETHERTYPE_ARP, ETHERTYPE_BEACON, PacketSocket};
use crate::sys;

/// What epoll reports, in the order in which it is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Token {
    Alarm,
    Mailbox,
    Udp,
    Arp(u32),
    Beacon(u32),
}

impl From<Token> for u64 {
    fn from(token: Token) -> Self {
        let (kind, index) = match token {
            Token::Alarm => (0, 0),
            Token::Mailbox => (1, 0),
            Token::Udp => (2, 0),
            Token::Arp(index) => (3, index),
            Token::Beacon(index) => (4, index),
        };
        kind << 32 | Self::from(index)
    }
}

impl From<u64> for Token {
    #[expect(clippy::cast_possible_truncation, reason = "the low half is the index")]
    fn from(number: u64) -> Self {
        match number >> 32 {
            0 => Self::Alarm,
            1 => Self::Mailbox,
            2 => Self::Udp,
            3 => Self::Arp(number as u32),
            _ => Self::Beacon(number as u32),
        }
    }
}

struct Port {
    mac: MacAddr,
    arp: PacketSocket,
    beacon: PacketSocket,
}

/// All of them, by the interface's index.
#[derive(Default)]
pub(crate) struct Ports(BTreeMap<u32, Port>);

impl Ports {
    /// Close the sockets of every interface that is not among these.
    pub(crate) fn retain(&mut self, interfaces: &[Interface]) {
        self.0.retain(|&index, _| interfaces.iter().any(|interface| interface.index == index));
    }

    /// Have the sockets of this interface open, with filters for its current address.
    pub(crate) fn open(&mut self, interface: &Interface, epoll: &sys::Epoll) -> io::Result<()> {
        let Interface { index, mac, .. } = *interface;
        match self.0.get_mut(&index) {
            Some(port) if port.mac == mac => {}
            Some(port) => {
                port.arp.set_own_address(mac)?;
                port.beacon.set_own_address(mac)?;
                port.mac = mac;
            }
            None => {
                let arp = PacketSocket::open(index, ETHERTYPE_ARP, mac)?;
                let beacon = PacketSocket::open(index, ETHERTYPE_BEACON, mac)?;
                epoll.add(arp.as_fd(), Token::Arp(index).into())?;
                epoll.add(beacon.as_fd(), Token::Beacon(index).into())?;
                self.0.insert(index, Port { mac, arp, beacon });
            }
        }
        Ok(())
    }

    pub(crate) fn close(&mut self, index: u32) {
        self.0.remove(&index);
    }

    /// The socket of a token; none if it is no packet socket, or closed by now.
    pub(crate) fn get(&self, token: Token) -> Option<&PacketSocket> {
        match token {
            Token::Arp(index) => self.0.get(&index).map(|port| &port.arp),
            Token::Beacon(index) => self.0.get(&index).map(|port| &port.beacon),
            Token::Alarm | Token::Mailbox | Token::Udp => None,
        }
    }

    /// Send a frame by the socket of its Ethernet type, so that the kernel takes it for what it is.
    pub(crate) fn send(&self, index: u32, frame: &[u8]) -> io::Result<()> {
        let port = self.0.get(&index).ok_or_else(|| io::Error::from_raw_os_error(libc::ENETDOWN))?;
        let is_beacon = frame.get(12..14) == Some(&ETHERTYPE_BEACON.to_be_bytes());
        if is_beacon { port.beacon.send(frame) } else { port.arp.send(frame) }
    }

    pub(crate) fn sockets(&self) -> impl Iterator<Item = &PacketSocket> {
        self.0.values().flat_map(|port| [&port.arp, &port.beacon])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_kernel() {
        let tokens = [Token::Alarm, Token::Mailbox, Token::Udp, Token::Arp(1), Token::Beacon(u32::MAX)];
        for token in tokens {
            assert_eq!(Token::from(u64::from(token)), token);
        }
    }

    #[test]
    fn what_is_asked_comes_before_what_is_received() {
        let mut numbers = [Token::Beacon(1), Token::Arp(9), Token::Udp, Token::Mailbox].map(u64::from);
        numbers.sort_unstable();
        assert_eq!(Token::from(numbers[0]), Token::Mailbox);
    }
}
