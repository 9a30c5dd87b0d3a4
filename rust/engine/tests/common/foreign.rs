//! Others on the segment: what they send, and what the nodes asked, sent and told because of it.

use core::time::Duration;
use std::net::IpAddr;

use metalev_engine::{Event, FactKind, Probing, Time};
use metalev_wire::MacAddr;
use metalev_wire::arp::{self, Operation};
use metalev_wire::ipv6::{ALL_NODES, multicast_mac, solicited_node};
use metalev_wire::ndp::{self, Flags, Message};

use super::{ETH, World, group_of, vip, vip6};

pub const STRANGER: MacAddr = MacAddr::new([2, 0, 0, 0, 9, 9]);
pub const ANOTHER: MacAddr = MacAddr::new([2, 0, 0, 0, 9, 8]);
pub const ORDER: [&str; 3] = ["node1", "node2", "node3"];
pub const SECOND: Duration = Duration::from_secs(1);

/// Three nodes, to find out about these addresses.
pub fn asking(addresses: &[IpAddr]) -> World {
    let mut world = World::new(3);
    world.probing = Probing { addresses: addresses.to_vec(), full: false };
    world.set_groups(vec![]);
    world
}

/// The same while `node1` alone holds 200 of each family.
pub fn holding() -> World {
    let mut world = World::new(1);
    world.set_groups(vec![]);
    world.set_groups(vec![group_of(&[vip(200), vip6(200)], &["node1"])]);
    world.run(10 * SECOND);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    world
}

/// A frame by which `mac` says that it has an address: by an answer to all, or else by the probe for one.
pub fn says(address: IpAddr, mac: MacAddr, probe: bool) -> Vec<u8> {
    match address {
        IpAddr::V4(ip) => {
            let operation = if probe { Operation::Request } else { Operation::Reply };
            let nobody = [0; 4].into();
            let (sender_ip, target_ip) = if probe { (nobody, ip) } else { (ip, nobody) };
            let repr = arp::Repr { operation, sender_mac: mac, sender_ip, target_mac: MacAddr::ZERO, target_ip };
            repr.frame(MacAddr::BROADCAST, mac).to_vec()
        }
        IpAddr::V6(target) if probe => {
            let dst_ip = solicited_node(target);
            let message = Message::Solicitation { source_mac: None };
            ndp::Repr { src_ip: [0_u16; 8].into(), dst_ip, target, message }.frame(multicast_mac(dst_ip), mac)
        }
        IpAddr::V6(target) => {
            let flags = Flags { overrides: true, ..Flags::default() };
            let message = Message::Advertisement { flags, target_mac: Some(mac) };
            let repr = ndp::Repr { src_ip: target, dst_ip: ALL_NODES, target, message };
            repr.frame(multicast_mac(ALL_NODES), mac)
        }
    }
}

/// The answer of `mac` to the question of the node with the MAC address `asker`, and to it alone.
pub fn answers(address: IpAddr, mac: MacAddr, asker: MacAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(sender_ip) => {
            let (operation, target_ip) = (Operation::Reply, [192, 168, 1, 12].into());
            let repr = arp::Repr { operation, sender_mac: mac, sender_ip, target_mac: asker, target_ip };
            repr.frame(asker, mac).to_vec()
        }
        IpAddr::V6(target) => {
            let flags = Flags { solicited: true, overrides: true, router: false };
            let message = Message::Advertisement { flags, target_mac: Some(mac) };
            ndp::Repr { src_ip: target, dst_ip: "fe80::12".parse().unwrap(), target, message }.frame(asker, mac)
        }
    }
}

/// What `mac` tells everybody unasked of an address that it announces.
pub fn announces(address: IpAddr, mac: MacAddr) -> Vec<u8> {
    let IpAddr::V4(ip) = address else {
        return says(address, mac, false);
    };
    let repr =
        arp::Repr { operation: Operation::Reply, sender_mac: mac, sender_ip: ip, target_mac: mac, target_ip: ip };
    repr.frame(MacAddr::BROADCAST, mac).to_vec()
}

pub fn hear(world: &mut World, node: &str, bytes: &[u8]) {
    world.event(node, Event::Frame { interface: ETH, bytes, waited: Duration::ZERO });
}

pub fn all_hear(world: &mut World, bytes: &[u8]) {
    for node in world.nodes.keys().cloned().collect::<Vec<_>>() {
        hear(world, &node, bytes);
    }
}

/// When a node probed for an address.
pub fn probes(world: &World, node: &str, address: IpAddr) -> Vec<Time> {
    let node = &world.nodes[node];
    let arp = node.arp_asked.iter().filter(|(_, repr)| repr.sender_ip.is_unspecified() && address == repr.target_ip);
    let ndp = node.ndp_asked.iter().filter(|(_, repr)| repr.is_probe() && address == repr.target);
    arp.map(|(at, _)| *at).chain(ndp.map(|(at, _)| *at)).collect()
}

/// Who probed for an address.
pub fn probing(world: &World, address: IpAddr) -> Vec<String> {
    world.nodes.keys().filter(|node| !probes(world, node, address).is_empty()).cloned().collect()
}

/// How many frames a node sent that announce an address unasked.
pub fn announcements(world: &World, address: IpAddr) -> usize {
    let node = &world.nodes["node1"];
    let arp = node.arp_sent.iter().filter(|(_, repr)| repr.sender_ip == repr.target_ip && address == repr.sender_ip);
    let ndp = node.ndp_sent.iter().filter(|(_, repr)| {
        address == repr.target && matches!(repr.message, Message::Advertisement { flags, .. } if !flags.solicited)
    });
    arp.filter(|(_, repr)| repr.operation == Operation::Request).count() + ndp.count()
}

pub fn told(world: &World, kind: FactKind) -> Vec<(String, Vec<IpAddr>)> {
    let facts = world.nodes.iter().flat_map(|(name, node)| node.facts.iter().map(move |fact| (name, fact)));
    let facts = facts.filter(|(_, fact)| fact.kind == kind);
    facts.map(|(name, fact)| (name.clone(), fact.addresses.clone())).collect()
}

/// Three nodes, the first of which announces 200 of each family.
pub fn announcing() -> World {
    let mut world = World::new(3);
    world.set_groups(vec![group_of(&[vip(200), vip6(200)], &ORDER)]);
    world.run(SECOND);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    world
}

/// When a node asked for an address as a client would.
pub fn questions(world: &World, node: &str, address: IpAddr) -> Vec<Time> {
    let node = &world.nodes[node];
    let arp = node.arp_asked.iter().filter(|(_, repr)| !repr.sender_ip.is_unspecified() && address == repr.target_ip);
    let ndp = node.ndp_asked.iter().filter(|(_, repr)| !repr.is_probe() && address == repr.target);
    arp.map(|(at, _)| *at).chain(ndp.map(|(at, _)| *at)).collect()
}
