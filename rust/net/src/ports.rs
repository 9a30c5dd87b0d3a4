//! The packet sockets of each interface that carries VIPs: for ARP, for neighbor discovery, for beacons.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

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
    /// Beacons that say nothing new. What came before the others is read before them.
    QuietUdp,
    Quiet(u32),
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
            Token::QuietUdp => (2, 0),
            Token::Quiet(index) => (3, index),
            Token::Udp => (4, 0),
            Token::Beacon(index) => (5, index),
            Token::Arp(index) => (6, index),
            Token::Ndp(index) => (7, index),
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
            2 => Self::QuietUdp,
            3 => Self::Quiet(number as u32),
            4 => Self::Udp,
            5 => Self::Beacon(number as u32),
            6 => Self::Arp(number as u32),
            _ => Self::Ndp(number as u32),
        }
    }
}

struct Port {
    arp: PacketSocket,
    ndp: PacketSocket,
    beacon: PacketSocket,
    quiet: PacketSocket,
}

impl Port {
    fn open(index: u32, interest: &Interest, watched: bool, epoll: &sys::Epoll) -> io::Result<Self> {
        let arp = PacketSocket::open(index, ETHERTYPE_ARP, &interest.arp)?;
        let ndp = PacketSocket::open(index, ETHERTYPE_IPV6, &interest.ndp)?;
        let beacon = PacketSocket::open(index, ETHERTYPE_BEACON, &Ranges::default())?;
        let quiet = PacketSocket::open_quiet(index)?;
        epoll.add(arp.as_fd(), Token::Arp(index).into())?;
        epoll.add(ndp.as_fd(), Token::Ndp(index).into())?;
        epoll.add(beacon.as_fd(), Token::Beacon(index).into())?;
        if watched {
            epoll.add(quiet.as_fd(), Token::Quiet(index).into())?;
        }
        Ok(Self { arp, ndp, beacon, quiet })
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
    by_index: BTreeMap<u32, Port>,
    interest: Interest,
    /// Whether a quiet beacon wakes as well.
    watched: bool,
}

impl Ports {
    /// Close the sockets of every interface that is not among these.
    pub(crate) fn retain(&mut self, interfaces: &[Interface]) {
        self.by_index.retain(|&index, _| interfaces.iter().any(|interface| interface.index == index));
    }

    /// Have the sockets of this interface open.
    pub(crate) fn open(&mut self, interface: &Interface, epoll: &sys::Epoll) -> io::Result<()> {
        let index = interface.index;
        if let Entry::Vacant(vacant) = self.by_index.entry(index) {
            vacant.insert(Port::open(index, &self.interest, self.watched, epoll)?);
        }
        Ok(())
    }

    /// Show questions about these addresses from now on; the interfaces where that failed.
    pub(crate) fn set_interest(&mut self, interest: Interest) -> Vec<u32> {
        if self.interest == interest {
            return Vec::new();
        }
        self.interest = interest;
        let blind = self.by_index.iter().filter(|(_, port)| port.show(&self.interest).is_err());
        blind.map(|(&index, _)| index).collect()
    }

    pub(crate) fn close(&mut self, index: u32) {
        self.by_index.remove(&index);
    }

    /// The socket of a token; none if it is no packet socket, or closed by now.
    pub(crate) fn get(&self, token: Token) -> Option<&PacketSocket> {
        match token {
            Token::Arp(index) => self.by_index.get(&index).map(|port| &port.arp),
            Token::Ndp(index) => self.by_index.get(&index).map(|port| &port.ndp),
            Token::Beacon(index) => self.by_index.get(&index).map(|port| &port.beacon),
            Token::Quiet(index) => self.by_index.get(&index).map(|port| &port.quiet),
            Token::Alarm | Token::Mailbox | Token::QuietUdp | Token::Udp => None,
        }
    }

    /// Send frames of an interface in their order, those of one type together; what was not taken.
    pub(crate) fn send(&self, index: u32, frames: &[Vec<u8>]) -> Refused {
        let Some(port) = self.by_index.get(&index) else {
            return Refused { count: frames.len(), errno: libc::ENODEV };
        };
        let runs = frames.chunk_by(|a, b| a.get(12..14) == b.get(12..14));
        runs.map(|run| port.socket_for(&run[0]).send_all(run)).fold(Refused::default(), Refused::and)
    }

    /// Have quiet beacons, of `udp` and of every interface, wake the thread or not.
    pub(crate) fn watch(&mut self, watched: bool, udp: Option<BorrowedFd<'_>>, epoll: &sys::Epoll) -> io::Result<()> {
        if watched == self.watched {
            return Ok(());
        }
        self.watched = watched;
        let frames = self.by_index.iter().map(|(&index, port)| (port.quiet.as_fd(), Token::Quiet(index)));
        let mut all = frames.chain(udp.map(|fd| (fd, Token::QuietUdp)));
        all.try_for_each(|(fd, token)| if watched { epoll.add(fd, token.into()) } else { epoll.remove(fd) })
    }

    /// What to read, in order, if these are ready. With one beacon the sockets of all the others: a peer speaks on all its
    /// paths in one breath, and what is read now wakes nobody up a moment later. The quiet ones whenever something may
    /// follow from time alone, as it always may unless clients' questions come `early`, before anything is due.
    pub(crate) fn reading(&self, ready: &[Token], early: bool) -> Vec<Token> {
        let beacons = ready.iter().any(|token| (Token::QuietUdp..=Token::Beacon(u32::MAX)).contains(token));
        let questions = ready.iter().all(|token| *token > Token::Beacon(u32::MAX));
        let mut all = ready.to_vec();
        if !(questions && early) {
            all.push(Token::QuietUdp);
            all.extend(self.by_index.keys().map(|&index| Token::Quiet(index)));
        }
        if beacons {
            all.push(Token::Udp);
            all.extend(self.by_index.keys().map(|&index| Token::Beacon(index)));
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    pub(crate) fn sockets(&self) -> impl Iterator<Item = &PacketSocket> {
        self.by_index.values().flat_map(|port| [&port.arp, &port.ndp, &port.beacon, &port.quiet])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_kernel() {
        let (quiet, rest) =
            ([Token::QuietUdp, Token::Quiet(3)], [Token::Arp(1), Token::Ndp(2), Token::Beacon(u32::MAX)]);
        let tokens = [Token::Alarm, Token::Mailbox, Token::Udp].into_iter().chain(quiet).chain(rest);
        for token in tokens {
            assert_eq!(Token::from(u64::from(token)), token);
        }
    }

    #[test]
    fn who_reads_a_beacon_looks_for_others_before_any_question() {
        let ports = Ports::default();
        let ready = [Token::Mailbox, Token::Beacon(9), Token::Arp(1)];
        let all = [Token::Mailbox, Token::QuietUdp, Token::Udp, Token::Beacon(9), Token::Arp(1)];
        assert_eq!(ports.reading(&ready, true), all);
    }

    #[test]
    fn quiet_beacons_are_read_whatever_woke_us_but_questions_before_anything_is_due() {
        let ports = Ports::default();
        assert_eq!(ports.reading(&[Token::Alarm], true), [Token::Alarm, Token::QuietUdp]);
        assert_eq!(ports.reading(&[Token::Arp(1)], false), [Token::QuietUdp, Token::Arp(1)]);
        assert_eq!(ports.reading(&[], false), [Token::QuietUdp]);
        assert_eq!(ports.reading(&[Token::Arp(1), Token::Ndp(1)], true), [Token::Arp(1), Token::Ndp(1)]);
    }

    #[test]
    fn orders_come_before_what_is_received_and_beacons_before_questions() {
        let mut numbers = [Token::Ndp(1), Token::Arp(1), Token::Beacon(9), Token::Udp, Token::Mailbox].map(u64::from);
        numbers.sort_unstable();
        let order = numbers.map(Token::from);
        assert_eq!(order, [Token::Mailbox, Token::Udp, Token::Beacon(9), Token::Arp(1), Token::Ndp(1)]);
    }
}
