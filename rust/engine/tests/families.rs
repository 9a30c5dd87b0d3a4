//! What holds for IPv4 holds for IPv6: the key scenarios of ownership over both families and a dual-stack group.

mod common;

use std::net::{IpAddr, Ipv6Addr};

use common::{FAMILIES, MS, ORDER, World, group_of, link, vip, vip6};
use metalev_engine::{Cause, Event, FactKind, Group, Interface};
use metalev_wire::MacAddr;

/// Each family alone, and both together.
fn groups() -> [Group; 3] {
    [&[vip(200)][..], &[vip6(200)], &[vip(200), vip6(200)]].map(|addresses| group_of(addresses, &ORDER))
}

/// Three nodes that have settled, with the group on the first candidate.
fn settled(group: &Group) -> World {
    let mut world = World::new(3);
    world.set_groups(vec![group.clone()]);
    world.run(500 * MS);
    assert_answered_by(&mut world, group, &["node1"]);
    world
}

fn assert_answered_by(world: &mut World, group: &Group, nodes: &[&str]) {
    for address in &group.addresses {
        assert_eq!(world.who_has(*address), nodes, "{address}");
    }
}

/// Whether a node has advertised an address unasked at this very moment.
fn announces_now(world: &World, node: &str, address: IpAddr) -> bool {
    let node = &world.nodes[node];
    match address {
        IpAddr::V4(address) => node
            .arp_sent
            .iter()
            .any(|(at, repr)| *at == world.now && repr.sender_ip == address && repr.target_ip == address),
        IpAddr::V6(address) => node
            .ndp_sent
            .iter()
            .any(|(at, repr)| *at == world.now && repr.target == address && repr.dst_ip.is_multicast()),
    }
}

#[test]
fn nothing_is_answered_before_one_dead_time_of_listening() {
    for group in groups() {
        let mut world = World::new(3);
        world.set_groups(vec![group.clone()]);
        world.run(149 * MS);
        assert_answered_by(&mut world, &group, &[]);
        world.run(2 * MS);
        assert_answered_by(&mut world, &group, &["node1"]);
    }
}

#[test]
fn every_address_of_a_group_moves_when_its_announcer_dies() {
    for group in groups() {
        let mut world = settled(&group);
        world.kill("node1");
        let gap = world.run_until("node2 took it", |world| world.holders(group.key) == ["node2"]);
        assert!(gap <= 200 * MS, "{gap:?}");
        assert_answered_by(&mut world, &group, &["node2"]);
    }
}

#[test]
fn a_takeover_is_announced_at_once_in_every_family() {
    for group in groups() {
        let mut world = World::new(1);
        world.set_groups(vec![Group { candidates: group.candidates[..1].into(), ..group.clone() }]);
        world.run_until("node1 took it", |world| world.holders(group.key) == ["node1"]);
        let took = world.facts("node1", FactKind::Took)[0].at;
        world.now = took;
        for address in &group.addresses {
            assert!(announces_now(&world, "node1", *address), "{address}");
        }
    }
}

#[test]
fn a_frozen_announcer_falls_silent_before_its_successor_speaks() {
    for group in groups() {
        let mut world = settled(&group);
        world.freeze("node1");
        world.run_until("node2 took it", |world| !world.facts("node2", FactKind::Took).is_empty());
        world.thaw("node1");
        assert_answered_by(&mut world, &group, &["node2"]);
    }
}

#[test]
fn a_healed_partition_settles_on_one_announcer() {
    for group in groups() {
        let mut world = settled(&group);
        world.partition(&["node1"], &["node2", "node3"]);
        world.run(500 * MS);
        world.heal();
        world.run_until("one holder", |world| world.holders(group.key).len() == 1);
        assert_answered_by(&mut world, &group, &["node2"]);
    }
}

#[test]
fn a_node_that_returns_does_not_push_out_the_announcer() {
    for group in groups() {
        let mut world = settled(&group);
        world.kill("node1");
        world.run(500 * MS);
        world.boot(1, 77);
        world.set_table("node1");
        world.run(3_000 * MS);
        assert_answered_by(&mut world, &group, &["node2"]);
    }
}

#[test]
fn a_service_that_goes_is_no_longer_answered() {
    for group in groups() {
        let mut world = settled(&group);
        world.set_groups(vec![]);
        assert_answered_by(&mut world, &group, &[]);
    }
}

#[test]
fn an_address_of_the_node_or_of_a_gateway_is_left_to_the_next_candidate() {
    for ip in FAMILIES {
        let own = Interface { addresses: vec![(ip(10), 24), (ip(200), 24)], ..link(1) };
        let routed = Interface { gateways: vec![ip(200)], ..link(1) };
        for (interface, cause) in [(own, Cause::OwnAddress), (routed, Cause::Gateway)] {
            let mut world = World::new(3);
            world.event("node1", Event::Interfaces(vec![interface]));
            world.set_groups(vec![group_of(&[ip(200)], &ORDER)]);
            world.run(170 * MS);
            assert_eq!(world.who_has(ip(200)), ["node2"]);
            assert_eq!(world.facts("node1", FactKind::Unable)[0].cause, cause);
        }
    }
}

#[test]
fn an_address_that_becomes_a_gateway_is_given_up_at_once() {
    for ip in FAMILIES {
        let mut world = settled(&group_of(&[ip(200)], &ORDER));
        world.event("node1", Event::Interfaces(vec![Interface { gateways: vec![ip(200)], ..link(1) }]));
        assert_eq!(world.who_has(ip(200)), Vec::<String>::new());
        assert_eq!(world.facts("node1", FactKind::Yielded)[0].cause, Cause::Gateway);
        world.run(5 * MS);
        assert_eq!(world.who_has(ip(200)), ["node2"]);
    }
}

#[test]
fn gateways_and_addresses_are_told_when_they_change_and_only_then() {
    let mut world = World::new(1);
    let both = vec![vip(1), vip6(1)];
    let routed = || vec![Interface { gateways: both.clone(), ..link(1) }];
    for list in [routed(), routed(), vec![link(1)]] {
        world.event("node1", Event::Interfaces(list));
    }
    let facts = world.facts("node1", FactKind::Gateways);
    let told: Vec<_> = facts.iter().map(|fact| (fact.interface.as_str(), fact.addresses.clone())).collect();
    assert_eq!(told, [("eth0", both.clone()), ("eth0", vec![])]);

    let moved = Interface { addresses: vec![(vip(77), 24)], ..link(1) };
    world.event("node1", Event::Interfaces(vec![moved]));
    let up = world.facts("node1", FactKind::InterfaceUp);
    assert_eq!(up.len(), 2);
    assert_eq!((up[0].addresses.len(), &up[1].addresses), (3, &vec![vip(77)]));
}

#[test]
fn the_announcer_alone_is_in_the_groups_of_its_addresses() {
    let mut world = settled(&group_of(&[vip6(200)], &ORDER));
    let joined = [Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0xc8)];
    assert_eq!(vip6(200).to_string(), "2001:db8::c8");
    assert_eq!(world.nodes["node1"].joined, joined);
    assert!(world.nodes["node2"].joined.is_empty());
    world.event("node1", Event::Stop);
    world.run(10 * MS);
    assert!(world.nodes["node1"].joined.is_empty());
    assert_eq!(world.nodes["node2"].joined, joined);
}

#[test]
fn an_interface_that_returns_is_told_its_groups_again() {
    let mut world = World::new(1);
    world.set_groups(vec![group_of(&[vip6(200)], &["node1"])]);
    world.run(500 * MS);
    world.event("node1", Event::Interfaces(vec![]));
    assert!(world.nodes["node1"].joined.is_empty());
    world.event("node1", Event::Interfaces(vec![link(1)]));
    world.run(500 * MS);
    assert_eq!(world.nodes["node1"].joined.len(), 1);
    assert_eq!(world.who_has(vip6(200)), ["node1"]);
}

#[test]
fn one_that_returns_beside_another_on_which_the_address_stayed_is_told_its_groups_again() {
    let mut world = World::new(1);
    let second = Interface { index: 3, name: "eth1".into(), mac: MacAddr::new([2, 0, 0, 0, 1, 1]), ..link(1) };
    let both = || Event::Interfaces(vec![link(1), second.clone()]);
    world.event("node1", both());
    world.set_groups(vec![group_of(&[vip6(200)], &["node1"])]);
    world.run(500 * MS);
    world.event("node1", Event::Interfaces(vec![link(1)]));
    assert!(world.nodes["node1"].joined.is_empty(), "what is told last is of the one that went");
    assert_eq!(world.who_has(vip6(200)), ["node1"]);
    world.event("node1", both());
    assert_eq!(world.nodes["node1"].joined.len(), 1);
}
