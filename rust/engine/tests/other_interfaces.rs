//! Nodes with an interface that carries no VIPs on the segment of those that do: its kernel may answer there, and whoever
//! hears it knows whose it is.

mod common;

use core::time::Duration;
use std::net::IpAddr;

use common::foreign::{ORDER, SECOND, STRANGER, hear, probes, questions, says, told};
use common::{World, group, vip, vip6};
use metalev_engine::{Event, FactKind, Host, Probing};
use metalev_wire::MacAddr;

const ASIDE: MacAddr = MacAddr::new([2, 0, 0, 0, 7, 3]);

/// Three nodes, of which `node3` has an interface that is excluded; they look for who has `free`, and node1 announces 200.
fn world(free: &[IpAddr]) -> World {
    let mut world = World::new(3);
    world.probing = Probing { addresses: free.to_vec(), full: false };
    world.event("node3", Event::Host(Host { others: vec![("storage0".into(), ASIDE)], ..Host::default() }));
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(3 * SECOND);
    world
}

/// Have everybody hear again and again, for longer than it takes to be sure, that `mac` answers for an address.
fn answered(world: &mut World, address: IpAddr, mac: MacAddr) {
    for _ in 0..40 {
        for node in ORDER {
            hear(world, node, &says(address, mac, false));
        }
        world.run(Duration::from_secs(2));
    }
}

#[test]
fn a_node_that_answers_by_an_interface_that_is_excluded_is_named_and_no_stranger() {
    for address in [vip(100), vip6(100)] {
        let mut world = world(&[address]);
        answered(&mut world, address, ASIDE);
        assert_eq!(told(&world, FactKind::Conflict), [], "so no Service gets another address because of it");
        let fact = world.facts("node1", FactKind::OwnKernel)[0];
        assert_eq!((fact.peer.as_str(), fact.mac), ("node3", Some(ASIDE)));
        for part in ["node node3 answers for", "its speaker does not use", "02:00:00:00:07:03", "arp_ignore=1"] {
            assert!(fact.message.contains(part), "{part}: {}", fact.message);
        }
    }
}

#[test]
fn the_node_itself_names_the_interface() {
    let mut world = world(&[vip(100)]);
    answered(&mut world, vip(100), ASIDE);
    let fact = world.facts("node3", FactKind::OwnKernel)[0];
    assert_eq!(fact.peer, "node3");
    assert!(fact.message.contains("(storage0, 02:00:00:00:07:03; heard on eth0)"), "{}", fact.message);
}

#[test]
fn what_it_claims_of_an_announced_address_is_no_foreign_claim() {
    let mut world = world(&[]);
    answered(&mut world, vip(200), ASIDE);
    assert_eq!(told(&world, FactKind::ForeignClaim), []);
    assert_eq!(told(&world, FactKind::Conflict), []);
    hear(&mut world, "node1", &says(vip(200), STRANGER, false));
    assert_eq!(told(&world, FactKind::ForeignClaim).len(), 1, "that of a stranger is");
}

#[test]
fn the_witness_names_it_beside_the_announcer() {
    let mut world = world(&[]);
    world.run_until("node2 asks", |world| !questions(world, "node2", vip(200)).is_empty());
    hear(&mut world, "node2", &says(vip(200), ASIDE, false));
    world.run(3 * SECOND);
    let fact = world.facts("node2", FactKind::OwnKernel)[0];
    assert_eq!((fact.peer.as_str(), fact.mac), ("node3", Some(ASIDE)));
    assert_eq!(told(&world, FactKind::Witness).len(), 1);
}

#[test]
fn it_is_over_when_it_answers_no_longer() {
    let mut world = world(&[vip(100)]);
    answered(&mut world, vip(100), ASIDE);
    assert!(!told(&world, FactKind::OwnKernel).is_empty());
    assert!(ORDER.iter().any(|node| !probes(&world, node, vip(100)).is_empty()));
    world.run(700 * SECOND);
    for node in ORDER {
        let begun = world.facts(node, FactKind::OwnKernel).len();
        assert_eq!(world.facts(node, FactKind::OwnKernelOver).len(), begun.min(1), "{node}");
    }
}
