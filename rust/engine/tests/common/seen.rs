//! What can be seen of the simulated nodes: from outside, as a client sees it, and by what they report.

use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use metalev_engine::{DropReason, Event, Fact, FactKind};
use metalev_wire::MacAddr;
use metalev_wire::arp::{self, Operation};
use metalev_wire::ipv6::{multicast_mac, solicited_node};
use metalev_wire::ndp::{self, Message};

use super::{ETH, Node, World};

const CLIENT: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 0xcc]);

impl World {
    /// Who answers a client's question for an address now.
    pub fn who_has(&mut self, address: IpAddr) -> Vec<String> {
        let question = match address {
            IpAddr::V4(target) => who_has(target),
            IpAddr::V6(target) => neighbor(target),
        };
        let mut answering = Vec::new();
        for node in self.nodes.keys().cloned().collect::<Vec<_>>() {
            let state = &self.nodes[&node];
            if state.asleep || state.dead {
                continue;
            }
            let before = (state.arp_sent.len(), state.ndp_sent.len());
            self.event(&node, Event::Frame { interface: ETH, bytes: &question, waited: Duration::ZERO });
            let state = &self.nodes[&node];
            let arp = state.arp_sent[before.0..].iter().any(|(_, repr)| {
                address == IpAddr::V4(repr.sender_ip) && repr.operation == Operation::Reply && repr.target_mac == CLIENT
            });
            let ndp = state.ndp_sent[before.1..].iter().any(|(_, repr)| {
                address == IpAddr::V6(repr.target)
                    && matches!(repr.message, Message::Advertisement { flags, .. } if flags.solicited)
            });
            if arp || ndp {
                answering.push(node);
            }
        }
        answering
    }

    /// The facts of one kind that a node has reported.
    pub fn facts(&self, node: &str, kind: FactKind) -> Vec<&Fact> {
        self.nodes[node].facts.iter().filter(|fact| fact.kind == kind).collect()
    }

    /// How many frames and datagrams a node has dropped for a reason.
    pub fn dropped(&self, node: &str, reason: DropReason) -> u64 {
        let counters = self.nodes[node].engine.counters();
        counters.dropped.iter().find(|(name, _)| *name == reason).map_or(0, |(_, count)| *count)
    }

    /// Who says that it took (and has not yielded) an address.
    pub fn holders(&self, address: IpAddr) -> Vec<String> {
        let holds = |node: &Node| {
            let last = node.facts.iter().rev().find(|fact| {
                fact.addresses.contains(&address) && matches!(fact.kind, FactKind::Took | FactKind::Yielded)
            });
            !node.dead && last.is_some_and(|fact| fact.kind == FactKind::Took)
        };
        self.nodes.iter().filter(|(_, node)| holds(node)).map(|(name, _)| name.clone()).collect()
    }
}

/// A client's ARP request.
fn who_has(target_ip: Ipv4Addr) -> Vec<u8> {
    let repr = arp::Repr {
        operation: Operation::Request,
        sender_mac: CLIENT,
        sender_ip: [192, 168, 1, 99].into(),
        target_mac: MacAddr::ZERO,
        target_ip,
    };
    repr.frame(MacAddr::BROADCAST, CLIENT).to_vec()
}

/// A client's neighbor solicitation.
fn neighbor(target: Ipv6Addr) -> Vec<u8> {
    let group = solicited_node(target);
    let src_ip = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xcc);
    let message = Message::Solicitation { source_mac: Some(CLIENT) };
    ndp::Repr { src_ip, dst_ip: group, target, message }.frame(multicast_mac(group), CLIENT)
}
