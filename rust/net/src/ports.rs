//! The packet sockets of each interface that carries VIPs: for ARP, for neighbor discovery, for beacons.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::os::fd::AsFd;

use metalev_engine::Interface;

use crate::packet::{ETHERTYPE_ARP, ETHERTYPE_BEACON, ETHERTYPE_IPV6, PacketSocket};
use crate::ranges::{Interest, Ranges};
use crate::sys;
use crate::unsent::Refused;

/// What epoll reports, in the order in which it is dealt with: what the peers say before what clients ask, for a machine
/// that stood still, its clock with it, learns from them alone that somebody else has taken its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Token {
    Alarm,
    Mailbox,
    Udp,
    Beacon(u32),
    Arp(u32),
    Ndp(u32),
}

impl From<Token> for u64 {
    fn from(token: Token) -> Self {
        let (kind, index) = match token {
            Token::Alarm => (0, 0),
            Token::Mailbox => (1, 0),
            Token::Udp => (2, 0),
            Token::Beacon(index) => (3, index),
            Token::Arp(index) => (4, index),
            Token::Ndp(index) => (5, index),
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
            3 => Self::Beacon(number as u32),
            4 => Self::Arp(number as u32),
            _ => Self::Ndp(number as u32),
        }
    }
}

struct Port {
    arp: PacketSocket,
    ndp: PacketSocket,
    beacon: PacketSocket,
}

impl Port {
    fn open(index: u32, interest: &Interest, epoll: &sys::Epoll) -> io::Result<Self> {
        let arp = PacketSocket::open(index, ETHERTYPE_ARP, &interest.arp)?;
        let ndp = PacketSocket::open(index, ETHERTYPE_IPV6, &interest.ndp)?;
        let beacon = PacketSocket::open(index, ETHERTYPE_BEACON, &Ranges::default())?;
        epoll.add(arp.as_fd(), Token::Arp(index).into())?;
        epoll.add(ndp.as_fd(), Token::Ndp(index).into())?;
        epoll.add(beacon.as_fd(), Token::Beacon(index).into())?;
        Ok(Self { arp, ndp, beacon })
    }

    fn show(&self, interest: &Interest) -> io::Result<()> {
        self.arp.set_filter(&interest.arp)?;
        self.ndp.set_filter(&interest.ndp)
    }

    /// The socket of a frame's own Ethernet type, so that the kernel takes it for what it is.
    fn socket_for(&self, frame: &[u8]) -> &PacketSocket {
        match frame.get(12..14).and_then(<[u8]>::first_chunk).map(|&octets| u16::from_be_bytes(octets)) {
            Some(ETHERTYPE_BEACON) => &self.beacon,
            Some(ETHERTYPE_IPV6) => &self.ndp,
            _ => &self.arp,
        }
    }
}

/// All of them, by the interface's index.
#[derive(Default)]
pub(crate) struct Ports {
    ports: BTreeMap<u32, Port>,
    interest: Interest,
}

impl Ports {
    /// Close the sockets of every interface that is not among these.
    pub(crate) fn retain(&mut self, interfaces: &[Interface]) {
        self.ports.retain(|&index, _| interfaces.iter().any(|interface| interface.index == index));
    }

    /// Have the sockets of this interface open.
    pub(crate) fn open(&mut self, interface: &Interface, epoll: &sys::Epoll) -> io::Result<()> {
        let index = interface.index;
        if let Entry::Vacant(vacant) = self.ports.entry(index) {
            vacant.insert(Port::open(index, &self.interest, epoll)?);
        }
        Ok(())
    }

    /// Show questions about these addresses from now on; the interfaces where that failed.
    pub(crate) fn set_interest(&mut self, interest: Interest) -> Vec<u32> {
        if self.interest == interest {
            return Vec::new();
        }
        self.interest = interest;
        let blind = self.ports.iter().filter(|(_, port)| port.show(&self.interest).is_err());
        blind.map(|(&index, _)| index).collect()
    }

    pub(crate) fn close(&mut self, index: u32) {
        self.ports.remove(&index);
    }

    /// The socket of a token; none if it is no packet socket, or closed by now.
    pub(crate) fn get(&self, token: Token) -> Option<&PacketSocket> {
        match token {
            Token::Arp(index) => self.ports.get(&index).map(|port| &port.arp),
            Token::Ndp(index) => self.ports.get(&index).map(|port| &port.ndp),
            Token::Beacon(index) => self.ports.get(&index).map(|port| &port.beacon),
            Token::Alarm | Token::Mailbox | Token::Udp => None,
        }
    }

    /// Send frames of an interface in their order, those of one type together; what was not taken.
    pub(crate) fn send(&self, index: u32, frames: &[Vec<u8>]) -> Refused {
        let Some(port) = self.ports.get(&index) else {
            return Refused { count: frames.len(), errno: libc::ENODEV };
        };
        let runs = frames.chunk_by(|a, b| a.get(12..14) == b.get(12..14));
        runs.map(|run| port.socket_for(&run[0]).send_all(run)).fold(Refused::default(), Refused::and)
    }

    /// These tokens in their order, and after the first beacons the sockets of all the others: a peer speaks on all its
    /// paths in one breath, and what is read now wakes nobody up a moment later.
    pub(crate) fn with_all_beacons(&self, ready: &[Token]) -> Vec<Token> {
        let is_beacon = |token: &Token| matches!(token, Token::Udp | Token::Beacon(_));
        let questions = ready.iter().position(|token| *token > Token::Beacon(u32::MAX)).unwrap_or(ready.len());
        let (first, questions) = ready.split_at(questions);
        let mut all = first.to_vec();
        if first.iter().any(is_beacon) {
            let beacons = self.ports.keys().map(|&index| Token::Beacon(index)).chain([Token::Udp]);
            all.extend(beacons.filter(|token| !first.contains(token)));
        }
        all.extend(questions);
        all
    }

    pub(crate) fn sockets(&self) -> impl Iterator<Item = &PacketSocket> {
        self.ports.values().flat_map(|port| [&port.arp, &port.ndp, &port.beacon])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_kernel() {
        let tokens = [Token::Alarm, Token::Mailbox, Token::Udp, Token::Arp(1), Token::Ndp(2), Token::Beacon(u32::MAX)];
        for token in tokens {
            assert_eq!(Token::from(u64::from(token)), token);
        }
    }

    #[test]
    fn who_reads_a_beacon_looks_for_others_before_any_question() {
        let ports = Ports::default();
        let ready = [Token::Mailbox, Token::Beacon(9), Token::Arp(1)];
        assert_eq!(ports.with_all_beacons(&ready), [Token::Mailbox, Token::Beacon(9), Token::Udp, Token::Arp(1)]);
        let ready = [Token::Alarm, Token::Arp(1)];
        assert_eq!(ports.with_all_beacons(&ready), ready);
    }

    #[test]
    fn orders_come_before_what_is_received_and_beacons_before_questions() {
        let mut numbers = [Token::Ndp(1), Token::Arp(1), Token::Beacon(9), Token::Udp, Token::Mailbox].map(u64::from);
        numbers.sort_unstable();
        let order = numbers.map(Token::from);
        assert_eq!(order, [Token::Mailbox, Token::Udp, Token::Beacon(9), Token::Arp(1), Token::Ndp(1)]);
    }
}
