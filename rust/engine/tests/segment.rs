//! What goes wrong on the segment: partitions, loss, interfaces that change, words that get lost.

mod common;

use core::time::Duration;

use common::{ETH, MS, ORDER, World, group, vip};
use metalev_engine::{Cause, Event, FactKind, Interface};
use metalev_wire::MacAddr;

#[test]
fn a_healed_partition_settles_on_the_later_takeover_at_once() {
    let mut world = World::settled();
    world.partition(&["node1"], &["node2", "node3"]);
    world.run(500 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1", "node2"]);
    world.heal();
    let settled = world.run_until("one holder", |world| world.holders(vip(200)).len() == 1);
    assert!(settled <= 1_100 * MS, "{settled:?}");
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    assert_eq!(world.facts("node1", FactKind::Yielded)[0].cause, Cause::HigherTerm);
}

#[test]
fn equal_terms_go_by_the_order_of_the_candidates() {
    let mut world = World::new(2);
    world.partition(&["node1"], &["node2"]);
    world.set_groups(vec![group(200, &["node2", "node1"])]);
    world.run(500 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1", "node2"]);
    world.heal();
    world.run_until("one holder", |world| world.holders(vip(200)) == ["node2"]);
    assert_eq!(world.facts("node1", FactKind::Yielded)[0].cause, Cause::EarlierCandidate);
}

#[test]
fn udp_carries_on_where_a_switch_drops_the_ethernet_beacons() {
    let mut world = World::new(3);
    world.ethernet = false;
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(1_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

#[test]
fn ethernet_beacons_carry_on_where_a_firewall_drops_udp() {
    let mut world = World::new(3);
    world.udp = false;
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(1_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

#[test]
fn one_way_loss_is_reported_by_the_side_that_still_hears() {
    let mut world = World::settled();
    world.cut("node2", "node1");
    world.run(5_000 * MS);
    let facts = world.facts("node2", FactKind::OneWay);
    assert!(facts.iter().all(|fact| fact.peer == "node1" && fact.cause == Cause::NotHeard));
    assert!(!facts.is_empty());
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

#[test]
fn a_node_whose_interface_goes_says_that_it_cannot_and_the_next_takes_over() {
    let mut world = World::settled();
    world.event("node1", Event::Interfaces(vec![]));
    // Nothing of it gets out by Ethernet, so the beacon over UDP tells; here both share the wire.
    world.run_until("node2 took it", |world| world.holders(vip(200)) == ["node2"]);
    assert_eq!(world.facts("node1", FactKind::Yielded)[0].cause, Cause::NoInterface);
}

#[test]
fn a_node_whose_cable_is_put_in_again_hears_the_announcer_before_it_takes_anything() {
    let mut world = World::settled();
    world.network.unplug("node2");
    world.event("node2", Event::Interfaces(vec![]));
    world.run(600 * MS);
    world.network.replug("node2");
    world.event("node2", Event::Interfaces(vec![common::link(2)]));
    for _ in 0..200 {
        world.run(5 * MS);
        assert_eq!(world.who_has(vip(200)), ["node1"]);
    }
}

#[test]
fn a_new_mac_address_of_the_announcer_is_announced_at_once() {
    let mut world = World::settled();
    let mac = MacAddr::new([2, 0, 0, 0, 0, 0x77]);
    let link = Interface { index: ETH, name: "eth0".into(), mac, addresses: vec![(vip(10), 24)], gateways: vec![] };
    world.event("node1", Event::Interfaces(vec![link]));
    let now = world.now;
    let announced: Vec<_> = world.nodes["node1"]
        .arp_sent
        .iter()
        .filter(|(at, repr)| *at == now && repr.sender_ip == repr.target_ip)
        .collect();
    assert_eq!(announced.len(), 2);
    assert!(announced.iter().all(|(_, repr)| repr.sender_mac == mac));
    assert_eq!(world.facts("node1", FactKind::Took).last().unwrap().cause, Cause::Link);
}

#[test]
fn a_node_that_hears_itself_by_another_interface_takes_itself_for_no_stranger() {
    let mut world = World::settled();
    let near = world.nodes["node1"].mac;
    let far = Interface {
        index: 3,
        name: "eth1".into(),
        mac: MacAddr::new([2, 0, 0, 0, 1, 1]),
        addresses: vec![],
        gateways: vec![],
    };
    let eth0 =
        Interface { index: ETH, name: "eth0".into(), mac: near, addresses: vec![(vip(10), 24)], gateways: vec![] };
    world.event("node1", Event::Interfaces(vec![eth0, far]));
    let own = announcement(near);
    world.event("node1", Event::Frame { interface: 3, bytes: &own, waited: Duration::ZERO });
    assert!(world.facts("node1", FactKind::ForeignClaim).is_empty());
    let foreign = announcement(MacAddr::new([2, 0, 0, 0, 9, 9]));
    world.event("node1", Event::Frame { interface: 3, bytes: &foreign, waited: Duration::ZERO });
    assert_eq!(world.facts("node1", FactKind::ForeignClaim).len(), 1);
}

/// A gratuitous ARP request for `192.168.1.200`.
fn announcement(mac: MacAddr) -> [u8; 42] {
    let std::net::IpAddr::V4(ip) = vip(200) else { panic!("ARP is IPv4") };
    let operation = metalev_wire::arp::Operation::Request;
    let repr = metalev_wire::arp::Repr { operation, sender_mac: mac, sender_ip: ip, target_mac: mac, target_ip: ip };
    repr.frame(MacAddr::BROADCAST, mac)
}

#[test]
fn a_candidate_that_restarts_twice_and_one_that_waits_for_it_never_act_at_the_same_moment() {
    let mut world = World::settled();
    world.freeze_for("node2", 150 * MS);
    world.run(15 * MS);
    for (nonce, pause) in [(77, 135), (78, 150)] {
        world.boot(1, nonce);
        world.set_table("node1");
        world.run(MS * pause);
    }
    for _ in 0..100 {
        assert!(world.who_has(vip(200)).len() <= 1);
        world.run(5 * MS);
    }
}

#[test]
fn a_word_of_a_longer_interval_that_gets_lost_kills_nobody() {
    let mut world = World::settled();
    // node2 was told often. Now node3 is next in line, and node2 misses the very beacons that say so.
    world.cut("node1", "node2");
    world.set_groups(vec![group(200, &["node1", "node3"])]);
    world.run(80 * MS);
    world.heal();
    world.run(5_000 * MS);
    assert!(world.facts("node2", FactKind::PeerLost).is_empty());
}

#[test]
fn a_goodbye_is_told_once_per_path_and_nothing_sent_before_it_undoes_it() {
    let mut world = World::settled();
    world.event("node1", Event::Stop);
    world.run(1_000 * MS);
    assert_eq!(world.facts("node2", FactKind::PeerLost).len(), 2);
    assert_eq!(world.facts("node2", FactKind::PeerHeard).iter().filter(|fact| fact.peer == "node1").count(), 2);
}
