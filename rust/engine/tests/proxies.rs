//! Who answers for addresses without having them: routers that do so for everybody, and our own nodes' kernels.

mod common;

use std::net::{IpAddr, Ipv4Addr};

use common::foreign::{ORDER, SECOND, STRANGER, announcing, asking, hear, probes, probing, questions, says, told};
use common::{MS, World, group_of, link, vip, vip6};
use metalev_engine::{Cause, Event, FactKind, Interface, Probing};
use metalev_wire::MacAddr;
use metalev_wire::arp::{self, Operation};

#[test]
fn who_answers_for_three_addresses_is_a_proxy_and_keeps_none_of_them_from_being_given() {
    let addresses: Vec<IpAddr> = (100..103).map(vip).collect();
    let mut world = World::new(1);
    world.probing = Probing { addresses: addresses.clone(), full: false };
    world.set_groups(vec![]);
    world.run(1_500 * MS);
    for address in &addresses {
        hear(&mut world, "node1", &says(*address, STRANGER, false));
    }
    assert_eq!(told(&world, FactKind::ProxyArp), [("node1".to_owned(), addresses)]);
    assert_eq!(told(&world, FactKind::Conflict).len(), 2);
    assert_eq!(told(&world, FactKind::ConflictOver).len(), 2);
    world.run(400 * SECOND);
    assert_eq!(told(&world, FactKind::ProxyArp).len(), 1, "it is told once");
}

#[test]
fn who_claims_many_held_addresses_unasked_is_no_proxy() {
    let mut world = World::new(1);
    world.set_groups(vec![]);
    let vips: Vec<IpAddr> = (200..205).flat_map(|last| [vip(last), vip6(last)]).collect();
    world.set_groups(vips.iter().map(|vip| group_of(&[*vip], &["node1"])).collect());
    world.run(SECOND);
    for vip in vips {
        hear(&mut world, "node1", &says(vip, STRANGER, false));
    }
    assert_eq!((told(&world, FactKind::Conflict).len(), told(&world, FactKind::ProxyArp).len()), (10, 0));
}

#[test]
fn a_gateway_that_answers_for_one_address_is_a_proxy() {
    for (gateway, address) in [(vip(254), vip(100)), (vip6(254), vip6(100))] {
        let mut world = World::new(1);
        let routed = Interface { gateways: vec![gateway], ..link(1) };
        world.event("node1", Event::Interfaces(vec![routed]));
        world.probing = Probing { addresses: vec![address], full: false };
        world.set_groups(vec![]);
        world.run(1_500 * MS);
        hear(&mut world, "node1", &says(address, STRANGER, false));
        hear(&mut world, "node1", &says(gateway, STRANGER, false));
        assert_eq!(told(&world, FactKind::ProxyArp), [("node1".to_owned(), vec![address])]);
        assert_eq!(told(&world, FactKind::ConflictOver).len(), 1);
    }
}

/// The answer of a router to an announcement of `node1`, which asks for the address that it announces.
fn answers_announcement(address: Ipv4Addr, router: MacAddr, to: MacAddr) -> Vec<u8> {
    let (sender_ip, target_ip) = (address, address);
    let repr = arp::Repr { operation: Operation::Reply, sender_mac: router, sender_ip, target_mac: to, target_ip };
    repr.frame(to, router).to_vec()
}

#[test]
fn a_gateway_that_answers_an_announcement_is_a_proxy_and_claims_nothing() {
    let mut world = World::new(1);
    world.event("node1", Event::Interfaces(vec![Interface { gateways: vec![vip(254)], ..link(1) }]));
    world.set_groups(vec![group_of(&[vip(200)], &["node1"])]);
    world.run(SECOND);
    hear(&mut world, "node1", &says(vip(254), STRANGER, false));
    let mac = world.nodes["node1"].mac;
    hear(&mut world, "node1", &answers_announcement([192, 168, 1, 200].into(), STRANGER, mac));
    assert_eq!(told(&world, FactKind::ProxyArp).len(), 1);
    assert_eq!((told(&world, FactKind::Conflict).len(), told(&world, FactKind::ForeignClaim).len()), (0, 0));
}

#[test]
fn a_stranger_that_answers_an_announcement_has_the_address() {
    let mut world = World::new(1);
    world.set_groups(vec![group_of(&[vip(200)], &["node1"])]);
    world.run(SECOND);
    let mac = world.nodes["node1"].mac;
    hear(&mut world, "node1", &answers_announcement([192, 168, 1, 200].into(), STRANGER, mac));
    assert_eq!((told(&world, FactKind::Conflict).len(), told(&world, FactKind::ForeignClaim).len()), (1, 1));
}

#[test]
fn the_gateway_is_asked_where_it_is_as_a_client_would_ask() {
    let mut world = World::new(1);
    world.event("node1", Event::Interfaces(vec![Interface { gateways: vec![vip(254)], ..link(1) }]));
    world.probing = Probing { addresses: vec![vip(100)], full: false };
    world.set_groups(vec![]);
    world.run(1_500 * MS);
    let asked = world.nodes["node1"].arp_asked.iter().map(|(_, repr)| repr);
    assert!(asked.clone().any(|repr| vip(254) == repr.target_ip && vip(10) == repr.sender_ip));
}

#[test]
fn the_kernel_of_a_node_of_ours_that_answers_for_a_free_address_is_named_with_the_cure_and_not_fought() {
    let mut world = asking(&[vip(100)]);
    world.run(1_500 * MS);
    let asked = probing(&world, vip(100))[0].clone();
    let other = ORDER.into_iter().find(|node| **node != asked).unwrap_or_default();
    let mac = world.nodes[other].mac;
    for _ in 0..3 {
        hear(&mut world, &asked, &says(vip(100), mac, false));
        world.run(61 * SECOND);
    }
    let facts = world.facts(&asked, FactKind::OwnKernel);
    assert!(
        facts[0].message.contains(&format!("kernel of node {other}")) && facts[0].message.contains("strictARP: true")
    );
    assert_eq!((facts[0].peer.as_str(), told(&world, FactKind::Conflict)), (other, vec![]));
}

/// One node to which a stranger answers for three addresses that it asks for.
fn proxied() -> World {
    let mut world = World::new(1);
    world.probing = Probing { addresses: (100..103).map(vip).collect(), full: false };
    world.set_groups(vec![]);
    world.run(1_500 * MS);
    for last in 100..103 {
        hear(&mut world, "node1", &says(vip(last), STRANGER, false));
    }
    assert_eq!(told(&world, FactKind::ProxyArp).len(), 1);
    world
}

#[test]
fn who_answers_one_of_many_nodes_that_share_the_asking_is_asked_for_more_and_found_to_be_a_proxy() {
    let addresses: Vec<IpAddr> = (100..132).map(vip).collect();
    let mut world = World::new(20);
    world.probing = Probing { addresses: addresses.clone(), full: false };
    world.set_groups(vec![]);
    let nodes: Vec<String> = world.nodes.keys().cloned().collect();
    for _ in 0..200 {
        let before: Vec<usize> =
            nodes.iter().flat_map(|node| addresses.iter().map(|one| probes(&world, node, *one).len())).collect();
        world.run(50 * MS);
        let pairs = nodes.iter().flat_map(|node| addresses.iter().map(move |one| (node, one)));
        for ((node, address), before) in pairs.zip(before) {
            if probes(&world, node, *address).len() > before {
                hear(&mut world, node, &says(*address, STRANGER, false));
            }
        }
    }
    let open = told(&world, FactKind::Conflict).len() - told(&world, FactKind::ConflictOver).len();
    assert_eq!(open, 0, "no node keeps an address from being given");
    assert!(told(&world, FactKind::ProxyArp).len() > 1);
}

#[test]
fn a_proxy_that_answers_no_longer_is_none_within_two_minutes_and_its_addresses_are_clean() {
    let mut world = proxied();
    world.run(120 * SECOND);
    let fact = world.facts("node1", FactKind::ProxyArpOver)[0];
    assert_eq!((fact.cause, fact.mac), (Cause::Probe, Some(STRANGER)));
    assert!(fact.message.contains("no longer taken for a router that answers for everybody"), "{}", fact.message);
    assert_eq!(told(&world, FactKind::Clean).len(), 3);
}

#[test]
fn every_node_sees_by_itself_that_a_proxy_is_gone_though_another_is_to_ask_and_the_list_changes() {
    let addresses: Vec<IpAddr> = (100..108).map(vip).collect();
    let mut world = asking(&addresses);
    world.run(1_500 * MS);
    for node in ORDER {
        for address in &addresses {
            hear(&mut world, node, &says(*address, STRANGER, false));
        }
    }
    assert_eq!(told(&world, FactKind::ProxyArp).len(), 3);
    world.run(2 * SECOND);
    for part in [&addresses[1..], &addresses[..]] {
        world.probing = Probing { addresses: part.to_vec(), full: false };
        world.set_groups(vec![]);
    }
    world.run(120 * SECOND);
    assert_eq!(told(&world, FactKind::ProxyArpOver).len(), 3);
}

#[test]
fn a_proxy_that_goes_on_answering_stays_one_and_is_told_of_once() {
    let mut world = proxied();
    let mut answered = [0; 3];
    for _ in 0..400 {
        world.run(SECOND);
        for (last, answered) in (100..103).zip(&mut answered) {
            let asked = probes(&world, "node1", vip(last)).len();
            if std::mem::replace(answered, asked) != asked {
                hear(&mut world, "node1", &says(vip(last), STRANGER, false));
            }
        }
    }
    assert!(answered.iter().all(|asked| *asked >= 6), "each is asked for again: {answered:?}");
    assert_eq!((told(&world, FactKind::ProxyArp).len(), told(&world, FactKind::ProxyArpOver).len()), (1, 0));
}

#[test]
fn a_proxy_for_what_is_not_asked_for_any_more_is_forgotten_after_ten_minutes() {
    let mut world = proxied();
    world.probing = Probing::default();
    world.set_groups(vec![]);
    world.run(590 * SECOND);
    assert_eq!(told(&world, FactKind::ProxyArpOver), []);
    world.run(20 * SECOND);
    assert_eq!(world.facts("node1", FactKind::ProxyArpOver)[0].cause, Cause::Silence);
}

#[test]
fn what_a_proxy_answered_before_it_was_known_is_over_because_it_answers_for_everybody() {
    let world = proxied();
    let over = world.facts("node1", FactKind::ConflictOver);
    assert_eq!((over.len(), over[0].cause), (2, Cause::Proxy));
    assert!(over[0].message.ends_with("that one answers for everybody (proxy ARP)"), "{}", over[0].message);
}

#[test]
fn a_kernel_that_answers_no_longer_is_told_to_be_quiet() {
    let mut world = announcing();
    let mac = world.nodes["node3"].mac;
    world.run_until("node2 asks", |world| !questions(world, "node2", vip(200)).is_empty());
    hear(&mut world, "node2", &says(vip(200), mac, false));
    world.run(3 * SECOND);
    assert_eq!(told(&world, FactKind::OwnKernel), [("node2".to_owned(), vec![vip(200)])]);
    world.run(60 * SECOND);
    let fact = world.facts("node2", FactKind::OwnKernelOver)[0];
    assert_eq!((fact.cause, fact.peer.as_str(), fact.mac), (Cause::Answered, "node3", Some(mac)));
}

#[test]
fn a_kernel_that_answered_for_what_no_service_has_any_more_is_nobody_s_concern() {
    let mut world = announcing();
    let mac = world.nodes["node3"].mac;
    world.run_until("node2 asks", |world| !questions(world, "node2", vip(200)).is_empty());
    hear(&mut world, "node2", &says(vip(200), mac, false));
    world.run(3 * SECOND);
    world.set_groups(vec![]);
    assert_eq!(world.facts("node2", FactKind::OwnKernelOver)[0].cause, Cause::Unwanted);
    assert_eq!(world.facts("node2", FactKind::WitnessOver)[0].cause, Cause::Unwanted);
}

#[test]
fn a_peer_whose_ethernet_beacons_are_lost_is_no_stranger_either() {
    for address in [vip(100), vip6(100)] {
        let mut world = World::new(3);
        world.ethernet = false;
        world.probing = Probing { addresses: vec![address], full: false };
        world.set_groups(vec![]);
        world.run(10 * SECOND);
        let mac = world.nodes["node2"].mac;
        for node in ["node1", "node3"] {
            hear(&mut world, node, &says(address, mac, false));
        }
        assert_eq!(told(&world, FactKind::Conflict), []);
    }
}

#[test]
fn every_interface_of_a_peer_is_known_by_its_datagrams() {
    let mut world = World::new(1);
    let second = MacAddr::new([2, 0, 0, 0, 7, 2]);
    let other = Interface { index: 3, name: "eth1".into(), mac: second, addresses: vec![], gateways: vec![] };
    world.boot_with(2, 77, vec![link(2), other]);
    world.ethernet = false;
    world.probing = Probing { addresses: vec![vip(100)], full: false };
    world.set_groups(vec![]);
    world.run(5 * SECOND);
    for mac in [world.nodes["node2"].mac, second] {
        hear(&mut world, "node1", &says(vip(100), mac, false));
    }
    assert_eq!(told(&world, FactKind::Conflict), []);
    hear(&mut world, "node1", &says(vip(100), STRANGER, false));
    assert_eq!(told(&world, FactKind::Conflict).len(), 1);
}
