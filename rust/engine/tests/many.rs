//! Thousands of addresses: a node's death moves them all in one pass, the ones that are in use first.

mod common;

use std::net::{IpAddr, Ipv4Addr};

use common::{MS, World, group, group_of, vip};
use metalev_engine::{FactKind, Group};

const ORDER: [&str; 2] = ["node1", "node2"];

fn address(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(0xc0a8_0000 + 0x0400 + n).into()
}

fn thousands(count: u32) -> Vec<Group> {
    (0..count).map(|n| group_of(&[address(n)], &ORDER)).collect()
}

#[test]
fn addresses_that_were_asked_for_last_are_announced_first() {
    let mut world = World::new(2);
    world.set_groups((100..=140).map(|last| group(last, &ORDER)).collect());
    world.run(1_000 * MS);
    for asked in [117, 104, 133] {
        assert_eq!(world.who_has(vip(asked)), ["node1"]);
    }
    world.kill("node1");
    world.run(500 * MS);
    let mut order: Vec<IpAddr> = world.nodes["node2"].arp_sent.iter().map(|(_, arp)| arp.sender_ip.into()).collect();
    order.dedup();
    assert_eq!(order[..4], [133, 104, 117, 100].map(vip));
}

#[test]
fn a_death_promotes_five_thousand_addresses_at_one_moment_and_announces_them_within_a_second() {
    let mut world = World::new(2);
    world.set_groups(thousands(5_000));
    world.run(3_000 * MS);
    let dead = world.now;
    world.kill("node1");
    world.run(2_000 * MS);
    let took = world.facts("node2", FactKind::Took);
    assert_eq!(took.len(), 5_000);
    assert!(took.iter().all(|fact| fact.at == took[0].at));
    assert!(took[0].at.since(dead) <= 165 * MS);
    let mut announced: Vec<_> = world.nodes["node2"].arp_sent.iter().collect();
    announced.retain(|(at, _)| at.since(took[0].at) <= 1_000 * MS);
    let addresses: std::collections::BTreeSet<_> = announced.iter().map(|(_, arp)| arp.sender_ip).collect();
    assert_eq!(addresses.len(), 5_000);
}

#[test]
fn whoever_has_five_thousand_addresses_to_tell_is_heard_out_before_another_takes_one() {
    let mut world = World::new(3);
    let next = |n: u32| if n.is_multiple_of(2) { ["node1", "node2", "node3"] } else { ["node1", "node3", "node2"] };
    world.set_groups((0..5_000).map(|n| group_of(&[address(n)], &next(n))).collect());
    world.run(600 * MS);
    let took = ["node1", "node2", "node3"].map(|node| world.facts(node, FactKind::Took).len());
    assert_eq!(took, [5_000, 0, 0]);
}
