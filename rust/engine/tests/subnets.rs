//! Candidates in other subnets: who has one for the address is preferred, and the others say that they cannot.

mod common;

use std::net::IpAddr;

use common::{FAMILIES, MS, World, elsewhere, group_of, link, vip, vip6};
use metalev_engine::{Cause, Event, FactKind, Interface};

const ORDER: [&str; 3] = ["node1", "node2", "node3"];

fn move_out(world: &mut World, i: u8) {
    world.event(&format!("node{i}"), Event::Interfaces(vec![elsewhere(i)]));
}

fn move_in(world: &mut World, i: u8) {
    world.event(&format!("node{i}"), Event::Interfaces(vec![link(i)]));
}

/// Three nodes, some of them elsewhere from the start, that have settled.
fn settled(address: IpAddr, outside: &[u8]) -> World {
    let mut world = World::new(3);
    for i in outside {
        move_out(&mut world, *i);
    }
    world.set_groups(vec![group_of(&[address], &ORDER)]);
    world.run(500 * MS);
    world
}

#[test]
fn the_first_candidate_that_has_the_subnet_takes_the_address() {
    for ip in FAMILIES {
        let mut world = settled(ip(200), &[1]);
        assert_eq!(world.who_has(ip(200)), ["node2"]);
        let unable = world.facts("node1", FactKind::Unable);
        assert_eq!((unable.len(), unable[0].cause), (1, Cause::OffLink));
        assert!(world.facts("node2", FactKind::Unable).is_empty());
    }
}

#[test]
fn an_address_that_is_off_link_everywhere_is_announced_all_the_same() {
    for ip in FAMILIES {
        let mut world = settled(ip(200), &[1, 2, 3]);
        assert_eq!(world.who_has(ip(200)), ["node1"]);
        assert!(ORDER.iter().all(|node| world.facts(node, FactKind::Unable).is_empty()));
    }
}

#[test]
fn whoever_has_no_subnet_serves_when_the_last_one_that_has_it_dies() {
    for ip in FAMILIES {
        let mut world = settled(ip(200), &[1, 2]);
        assert_eq!(world.who_has(ip(200)), ["node3"]);
        world.kill("node3");
        let gap = world.run_until("node1 took it", |world| world.holders(ip(200)) == ["node1"]);
        // Not next in line as long as the others lived, so it is told slowly and knows of the death late.
        assert!(gap <= 3_500 * MS, "{gap:?}");
        assert_eq!(world.who_has(ip(200)), ["node1"]);
        assert_eq!(world.facts("node1", FactKind::Able).last().unwrap().cause, Cause::OffLink);
    }
}

#[test]
fn one_that_gets_the_subnet_takes_the_address_without_a_gap() {
    for ip in FAMILIES {
        let mut world = settled(ip(200), &[1, 2, 3]);
        move_in(&mut world, 3);
        for _ in 0..500 {
            assert!(!world.who_has(ip(200)).is_empty());
            world.run(MS);
        }
        assert_eq!(world.who_has(ip(200)), ["node3"]);
        let took = world.facts("node3", FactKind::Took)[0];
        assert_eq!((took.cause, took.peer.as_str(), took.term), (Cause::OffLink, "node1", 2));
        assert_eq!(world.facts("node1", FactKind::Yielded)[0].cause, Cause::OffLink);
    }
}

#[test]
fn an_announcer_that_loses_the_subnet_hands_over_without_a_gap() {
    for ip in FAMILIES {
        let mut world = settled(ip(200), &[]);
        move_out(&mut world, 1);
        for _ in 0..500 {
            assert!(!world.who_has(ip(200)).is_empty());
            world.run(MS);
        }
        assert_eq!(world.who_has(ip(200)), ["node2"]);
    }
}

#[test]
fn after_a_partition_the_one_with_the_subnet_stays_whatever_the_terms() {
    for ip in FAMILIES {
        let mut world = settled(ip(200), &[2, 3]);
        world.partition(&["node1"], &["node2", "node3"]);
        world.run(4_000 * MS);
        assert_eq!(world.who_has(ip(200)), ["node1", "node2"]);
        world.heal();
        world.run_until("one holder", |world| world.holders(ip(200)) == ["node1"]);
        world.run(2_000 * MS);
        assert_eq!(world.who_has(ip(200)), ["node1"]);
        assert!(world.facts("node1", FactKind::Yielded).is_empty());
    }
}

#[test]
fn whoever_has_subnets_for_more_of_the_addresses_is_the_better() {
    let mut world = World::new(3);
    // node1 has a subnet for IPv4 alone, node2 and node3 have both.
    let half = Interface { addresses: vec![(vip(10), 24)], ..link(1) };
    world.event("node1", Event::Interfaces(vec![half]));
    world.set_groups(vec![group_of(&[vip(200), vip6(200)], &ORDER)]);
    world.run(500 * MS);
    assert_eq!([world.who_has(vip(200)), world.who_has(vip6(200))], [["node2"], ["node2"]]);
}

#[test]
fn the_message_says_what_is_missing() {
    let world = settled(vip(200), &[1]);
    let message = &world.facts("node1", FactKind::Unable)[0].message;
    assert!(message.contains("192.168.1.200") && message.contains("subnet"), "{message}");
}
