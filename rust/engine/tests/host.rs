//! What the host has on interfaces that carry no VIPs is nobody's to announce.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{FAMILIES, MS, ORDER, World, group_of, vip, vip6};
use metalev_engine::{Cause, Event, FactKind, Host};

fn owning(address: std::net::IpAddr) -> Host {
    Host { addresses: vec![address], ..Host::default() }
}

fn routed_by(address: std::net::IpAddr) -> Host {
    Host { gateways: vec![address], ..Host::default() }
}

#[test]
fn what_the_host_has_anywhere_is_left_to_the_next_candidate() {
    for ip in FAMILIES {
        for (host, cause) in [(owning(ip(200)), Cause::OwnAddress), (routed_by(ip(200)), Cause::Gateway)] {
            let mut world = World::new(3);
            world.event("node1", Event::Host(host));
            world.set_groups(vec![group_of(&[ip(200)], &ORDER)]);
            world.run(170 * MS);
            assert_eq!(world.who_has(ip(200)), ["node2"]);
            assert_eq!(world.facts("node1", FactKind::Unable)[0].cause, cause);
        }
    }
}

#[test]
fn an_address_that_is_configured_anywhere_is_given_up_at_once_and_may_be_taken_again_after() {
    for ip in FAMILIES {
        let mut world = World::new(1);
        world.set_groups(vec![group_of(&[ip(200)], &["node1"])]);
        world.run(500 * MS);
        assert_eq!(world.who_has(ip(200)), ["node1"]);
        world.event("node1", Event::Host(owning(ip(200))));
        assert_eq!(world.who_has(ip(200)), Vec::<String>::new());
        assert_eq!(world.facts("node1", FactKind::Yielded)[0].cause, Cause::OwnAddress);
        world.event("node1", Event::Host(Host::default()));
        world.run(500 * MS);
        assert_eq!(world.who_has(ip(200)), ["node1"]);
    }
}

#[test]
fn a_change_elsewhere_moves_nothing() {
    let mut world = World::new(1);
    world.set_groups(vec![group_of(&[vip(200)], &["node1"])]);
    world.run(500 * MS);
    world.event("node1", Event::Host(owning(vip(201))));
    assert_eq!(world.facts("node1", FactKind::Took).len(), 1);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

#[test]
fn the_host_s_addresses_and_gateways_are_told_whole_when_they_change_and_only_then() {
    let mut world = World::new(1);
    let both = Host { addresses: vec![vip(1), vip6(1)], gateways: vec![vip(254)], ..Host::default() };
    for host in [both.clone(), both, routed_by(vip(254))] {
        world.event("node1", Event::Host(host));
    }
    let told = |kind| -> Vec<_> { world.facts("node1", kind).iter().map(|fact| fact.addresses.clone()).collect() };
    assert_eq!(told(FactKind::HostAddresses), [vec![vip(1), vip6(1)], vec![]]);
    assert_eq!(told(FactKind::HostGateways), [vec![vip(254)]]);
    let words: Vec<_> = world.facts("node1", FactKind::HostAddresses).iter().map(|fact| fact.message.clone()).collect();
    let own = "this host's own addresses, on all interfaces:";
    assert_eq!(words, [format!("{own} 192.168.1.1, 2001:db8::1"), format!("{own} none")]);
}
