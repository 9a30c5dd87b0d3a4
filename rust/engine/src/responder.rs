//! Answers ARP for the addresses that this node holds (RFC 826), by hash, and counts what it does not answer.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use metalev_wire::ethernet::Frame;
use metalev_wire::{MacAddr, arp};

use crate::event::{Action, AddressCounters, DropReason, Interface};

/// What a frame was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A question that is answered.
    Answer(Action),
    /// Nothing to answer.
    Drop(DropReason),
    /// Somebody else says that a held address is theirs.
    ForeignClaim {
        /// The address.
        address: IpAddr,
        /// Who says so.
        mac: MacAddr,
    },
}

/// The held addresses and their counters.
#[derive(Debug, Default)]
pub(crate) struct Responder {
    /// For each held address the interfaces on which it is announced.
    held: HashMap<IpAddr, Vec<u32>>,
    counters: HashMap<IpAddr, AddressCounters>,
    dropped: BTreeMap<DropReason, u64>,
}

impl Responder {
    /// Answer for these addresses on these interfaces from now on.
    pub(crate) fn hold(&mut self, addresses: &[IpAddr], interfaces: &[u32]) {
        for address in addresses {
            self.held.insert(*address, interfaces.to_vec());
            self.counter(*address);
        }
    }

    /// Answer for these addresses no more.
    pub(crate) fn release(&mut self, addresses: &[IpAddr]) {
        for address in addresses {
            self.held.remove(address);
        }
    }

    /// Forget the counters of an address that no Service has any more.
    pub(crate) fn forget(&mut self, addresses: &[IpAddr]) {
        for address in addresses {
            self.counters.remove(address);
        }
    }

    /// Look at an ARP frame that came in on `link`. `may_answer` is whether the promise still holds.
    pub(crate) fn arp(&mut self, link: &Interface, frame: &Frame<&[u8]>, may_answer: bool) -> Outcome {
        match self.judge(link, frame, may_answer) {
            Ok(outcome) => outcome,
            Err(reason) => {
                self.count_drop(reason);
                Outcome::Drop(reason)
            }
        }
    }

    fn judge(&mut self, link: &Interface, frame: &Frame<&[u8]>, may_answer: bool) -> Result<Outcome, DropReason> {
        let dst = frame.dst();
        if !dst.is_broadcast() && dst != link.mac {
            return Err(DropReason::EthernetDestination);
        }
        let packet = arp::Packet::new_checked(frame.payload()).map_err(|_| DropReason::Malformed)?;
        let request = arp::Repr::parse(&packet).map_err(|_| DropReason::Malformed)?;
        let sender = IpAddr::V4(request.sender_ip);
        if request.sender_mac != link.mac && self.held.get(&sender).is_some_and(|on| on.contains(&link.index)) {
            return Ok(Outcome::ForeignClaim { address: sender, mac: request.sender_mac });
        }
        self.answer(link, &request, may_answer)
    }

    fn answer(&mut self, link: &Interface, request: &arp::Repr, may_answer: bool) -> Result<Outcome, DropReason> {
        match request.operation {
            arp::Operation::Request => {}
            arp::Operation::Reply => return Err(DropReason::ArpReply),
            arp::Operation::Unknown(_) => return Err(DropReason::MessageType),
        }
        let target = IpAddr::V4(request.target_ip);
        let interfaces = self.held.get(&target).ok_or(DropReason::AnnounceIp)?;
        if !interfaces.contains(&link.index) {
            return Err(DropReason::NotMatchInterface);
        }
        self.counter(target).requests_received += 1;
        if !may_answer {
            return Err(DropReason::Lapsed);
        }
        self.counter(target).responses_sent += 1;
        let reply = arp::Repr {
            operation: arp::Operation::Reply,
            sender_mac: link.mac,
            sender_ip: request.target_ip,
            target_mac: request.sender_mac,
            target_ip: request.sender_ip,
        };
        let bytes = reply.frame(request.sender_mac, link.mac).to_vec();
        Ok(Outcome::Answer(Action::SendFrame { interface: link.index, bytes }))
    }

    /// Count a frame or datagram that got no answer.
    pub(crate) fn count_drop(&mut self, reason: DropReason) {
        *self.dropped.entry(reason).or_default() += 1;
    }

    /// Count gratuitous frames.
    pub(crate) fn count_gratuitous(&mut self, address: IpAddr, frames: u64) {
        self.counter(address).gratuitous_sent += frames;
    }

    fn counter(&mut self, address: IpAddr) -> &mut AddressCounters {
        self.counters.entry(address).or_insert(AddressCounters {
            address,
            requests_received: 0,
            responses_sent: 0,
            gratuitous_sent: 0,
        })
    }

    /// What was counted per address, in the order of addresses.
    pub(crate) fn address_counters(&self) -> Vec<AddressCounters> {
        let mut all: Vec<AddressCounters> = self.counters.values().copied().collect();
        all.sort_by_key(|counters| counters.address);
        all
    }

    /// What got no answer, by reason.
    pub(crate) fn dropped(&self) -> Vec<(DropReason, u64)> {
        self.dropped.iter().map(|(reason, count)| (*reason, *count)).collect()
    }
}

/// The two gratuitous forms of ARP for an address: some neighbours heed only one of them.
///
/// The reply carries the sender's own MAC as target: with the broadcast address there, Linux ignores it within the
/// neighbour entry's `locktime`. The request form is RFC 5227 1.1's announcement.
pub(crate) fn gratuitous(link: &Interface, address: IpAddr) -> Vec<Action> {
    let IpAddr::V4(ip) = address else {
        return Vec::new();
    };
    let form = |operation, target_mac| {
        let repr = arp::Repr { operation, sender_mac: link.mac, sender_ip: ip, target_mac, target_ip: ip };
        let bytes = repr.frame(MacAddr::BROADCAST, link.mac).to_vec();
        Action::SendFrame { interface: link.index, bytes }
    };
    vec![form(arp::Operation::Request, MacAddr::ZERO), form(arp::Operation::Reply, link.mac)]
}

#[cfg(test)]
mod tests;
