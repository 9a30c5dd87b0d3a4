//! An address that is to be left to a speaker that is no peer: announced until that one is heard, and not taken.

mod common;

use core::time::Duration;
use std::net::IpAddr;

use common::{ETH, MS, ORDER, World, group, vip};
use metalev_engine::{Cause, Event, FactKind, Group};
use metalev_wire::{MacAddr, arp};

const STRANGER: MacAddr = MacAddr::new([2, 0, 0, 0, 9, 9]);

fn gives_way() -> Group {
    Group { gives_way: true, ..group(200, &ORDER[..2]) }
}

/// `192.168.1.200` is with the first candidate, and a speaker that is no peer comes up on the third.
fn awaiting() -> World {
    let mut world = World::new(3);
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(500 * MS);
    world.set_groups(vec![gives_way()]);
    world.run(500 * MS);
    world
}

/// A gratuitous ARP request for `192.168.1.200`, as every node hears it.
fn announce(world: &mut World, mac: MacAddr) {
    let IpAddr::V4(ip) = vip(200) else { panic!("ARP is IPv4") };
    let operation = arp::Operation::Request;
    let repr = arp::Repr { operation, sender_mac: mac, sender_ip: ip, target_mac: MacAddr::ZERO, target_ip: ip };
    let bytes = repr.frame(MacAddr::BROADCAST, mac);
    for node in ORDER.into_iter().filter(|node| world.alive(node)).collect::<Vec<_>>() {
        world.event(node, Event::Frame { interface: ETH, bytes: &bytes, waited: Duration::ZERO });
    }
}

#[test]
fn it_is_announced_until_the_stranger_is_heard() {
    let mut world = awaiting();
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    assert!(world.facts("node1", FactKind::Yielded).is_empty());
}

#[test]
fn whoever_announces_it_falls_silent_at_the_strangers_first_frame_and_nobody_takes_it() {
    let mut world = awaiting();
    announce(&mut world, STRANGER);
    assert_eq!(world.who_has(vip(200)), Vec::<String>::new());
    assert_eq!(world.facts("node1", FactKind::Yielded)[0].cause, Cause::GaveWay);
    world.run(5_000 * MS);
    assert_eq!(world.who_has(vip(200)), Vec::<String>::new());
    assert!(world.facts("node2", FactKind::Took).is_empty());
    assert!(world.facts("node1", FactKind::ForeignClaim).is_empty());
}

#[test]
fn a_stranger_on_the_host_of_a_peer_that_has_ended_is_heard_as_one() {
    let mut world = awaiting();
    let mac = world.nodes["node3"].mac;
    announce(&mut world, mac);
    assert_eq!(world.who_has(vip(200)), ["node1"], "node3's speaker lives");
    world.event("node3", Event::Stop);
    world.kill("node3");
    world.run(10 * MS);
    announce(&mut world, mac);
    assert_eq!(world.who_has(vip(200)), Vec::<String>::new());
}

#[test]
fn it_is_not_taken_when_its_announcer_dies() {
    let mut world = awaiting();
    world.kill("node1");
    world.run(2_000 * MS);
    assert_eq!(world.who_has(vip(200)), Vec::<String>::new());
}

#[test]
fn it_is_taken_again_when_the_stranger_comes_to_nothing() {
    let mut world = awaiting();
    announce(&mut world, STRANGER);
    world.run(2_000 * MS);
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(500 * MS);
    assert_eq!(world.who_has(vip(200)).len(), 1);
}

#[test]
fn a_claim_to_what_is_not_to_be_left_moves_nothing() {
    let mut world = awaiting();
    world.set_groups(vec![group(200, &ORDER)]);
    announce(&mut world, STRANGER);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    assert_eq!(world.facts("node1", FactKind::ForeignClaim).len(), 1);
}
