//! What becomes of an action in the simulated network: noted, and on its way to whom it reaches.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use metalev_engine::{Action, Fact, Time};
use metalev_wire::arp::{self, Operation};
use metalev_wire::beacon::{FLAGS_AT, QUIET};
use metalev_wire::ethernet::{Frame, HEADER_LEN};
use metalev_wire::ndp::{self, Message};

use super::{Node, World};

/// What is on its way to a node.
#[derive(Clone, Debug)]
pub(super) enum Parcel {
    Frame(Rc<[u8]>),
    Datagram(SocketAddr, Rc<[u8]>),
}

impl Parcel {
    /// Whether it is a beacon that says nothing new, as the kernel's filter finds out.
    pub(super) fn is_quiet(&self) -> bool {
        let (offset, bytes) = match self {
            Self::Frame(bytes) if bytes.get(12..14) != Some(&[0x88, 0xb5]) => return false,
            Self::Frame(bytes) => (HEADER_LEN, bytes),
            Self::Datagram(_, bytes) => (0, bytes),
        };
        bytes.get(offset + FLAGS_AT).is_some_and(|flags| flags & QUIET != 0)
    }
}

impl World {
    pub(super) fn carry_out(&mut self, node: &str, action: Action) {
        let state = self.nodes.get_mut(node).unwrap();
        match action {
            Action::Report(fact) => self.note(node, fact),
            Action::SetGroups { groups, .. } => state.joined = groups,
            Action::DiscardQueued => state.queue.clear(),
            Action::SendFrame { bytes, .. } => self.send_frame(node, &bytes),
            Action::SendDatagram { to, bytes } => self.send_datagram(node, to, bytes),
        }
    }

    fn send_frame(&mut self, node: &str, bytes: &[u8]) {
        let now = self.now;
        let parcel = Parcel::Frame(bytes.into());
        let state = self.nodes.get_mut(node).unwrap();
        state.sent += 1;
        state.sent_quiet += u64::from(parcel.is_quiet());
        let frame = Frame::new_checked(bytes).unwrap();
        state.note_sent(now, &frame);
        let lost = (self.loses)(&frame);
        let to = self.receivers(node, &frame);
        if self.ethernet && !lost {
            self.deliver(node, &parcel, to);
        }
    }

    fn send_datagram(&mut self, node: &str, to: IpAddr, bytes: Vec<u8>) {
        let state = self.nodes.get_mut(node).unwrap();
        let from = SocketAddr::new(state.address, 7946);
        let parcel = Parcel::Datagram(from, bytes.into());
        state.sent += 1;
        state.sent_quiet += u64::from(parcel.is_quiet());
        let to = self.whose(to).filter(|to| to != node);
        if self.udp {
            self.deliver(node, &parcel, to.into_iter().collect());
        }
    }

    fn note(&mut self, node: &str, fact: Fact) {
        self.nodes.get_mut(node).unwrap().facts.push(fact);
    }

    /// Who has an address; tests change it under way.
    fn whose(&self, address: IpAddr) -> Option<String> {
        let known = self.by_address.get(&address).filter(|name| self.nodes[*name].address == address);
        let found = || self.nodes.iter().find(|(_, node)| node.address == address).map(|(name, _)| name);
        known.or_else(found).cloned()
    }

    /// Whom a frame reaches.
    fn receivers(&self, from: &str, frame: &Frame<&[u8]>) -> Vec<String> {
        if !frame.dst().is_multicast() {
            return self.by_mac.get(&frame.dst()).filter(|to| *to != from).cloned().into_iter().collect();
        }
        self.nodes.keys().filter(|name| *name != from).cloned().collect()
    }

    fn deliver(&mut self, from: &str, parcel: &Parcel, to: Vec<String>) {
        for to in to {
            if let Some(delay) = self.network.fate(from, &to, matches!(parcel, Parcel::Frame(_))) {
                self.parcels += 1;
                self.wire.insert((self.now + delay, self.parcels), (to, parcel.clone()));
            }
        }
    }
}

impl Node {
    /// Keep what it said and asked about addresses.
    fn note_sent(&mut self, now: Time, frame: &Frame<&[u8]>) {
        if let Ok(repr) = arp::Packet::new_checked(frame.payload()).and_then(|packet| arp::Repr::parse(&packet)) {
            let asks = repr.operation == Operation::Request && repr.sender_ip != repr.target_ip;
            if asks { &mut self.arp_asked } else { &mut self.arp_sent }.push((now, repr));
        }
        if let Ok(repr) = ndp::Packet::new_checked(frame.payload()).and_then(|packet| ndp::Repr::parse(&packet)) {
            let asks = matches!(repr.message, Message::Solicitation { .. });
            if asks { &mut self.ndp_asked } else { &mut self.ndp_sent }.push((now, repr));
        }
    }
}
