//! Peers that do not fit: another key or version, one name twice, one MAC address twice. Each is named once, and none
//! takes an address away.

mod common;

use core::time::Duration;

use common::{ETH, MS, ORDER, World, group, key, link, vip};
use metalev_engine::{Action, Cause, DropReason, Event, Fact, FactKind, Interface, Peer, Table};
use metalev_wire::beacon::Key;

fn told<'a>(world: &'a World, node: &str, cause: Cause) -> Vec<&'a Fact> {
    world.facts(node, FactKind::Unheeded).into_iter().filter(|fact| fact.cause == cause).collect()
}

/// Give a node the table of all, with other keys.
fn rekey(world: &mut World, node: &str, keys: Vec<Key>) {
    let table = Table { keys, ..world.table(node) };
    world.event(node, Event::Table(table));
}

fn other_key() -> Key {
    Key { id: 1, secret: b"another secret of the same kind.".to_vec() }
}

#[test]
fn a_peer_with_another_key_is_named_once_with_what_to_do_and_its_beacons_are_counted() {
    let mut world = World::settled();
    rekey(&mut world, "node3", vec![other_key()]);
    world.run(10_000 * MS);
    let told = told(&world, "node1", Cause::OtherKey);
    // Once for its frames and once for its datagrams.
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|fact| fact.peer == "node3"));
    assert!(told[0].message.contains("give every speaker the same keys"), "{}", told[0].message);
    assert!(world.dropped("node1", DropReason::BadSignature) > 10);
}

#[test]
fn a_peer_with_another_key_takes_no_address_from_those_who_agree() {
    let mut world = World::settled();
    rekey(&mut world, "node3", vec![other_key()]);
    world.run(10_000 * MS);
    assert!(world.facts("node1", FactKind::Yielded).is_empty());
    assert!(world.who_has(vip(200)).contains(&"node1".to_owned()));
}

#[test]
fn a_peer_that_gets_the_right_key_is_one_of_us_again() {
    let mut world = World::settled();
    rekey(&mut world, "node3", vec![other_key()]);
    world.run(5_000 * MS);
    rekey(&mut world, "node3", vec![key()]);
    world.run(2_000 * MS);
    assert_eq!(world.who_has(vip(200)).len(), 1);
}

#[test]
fn without_any_key_nobody_is_named_for_having_another() {
    let mut world = World::new(2);
    rekey(&mut world, "node1", vec![]);
    world.set_table("node2");
    world.run(1_000 * MS);
    assert!(world.facts("node1", FactKind::Unheeded).is_empty());
}

#[test]
fn a_peer_of_another_version_is_named_once_with_what_to_do_and_its_beacons_are_counted() {
    let mut world = World::settled();
    world.kill("node3");
    world.run(4_000 * MS);
    let frames = beacons_of("node3", &world);
    for frame in &frames {
        let mut bytes = frame.clone();
        bytes[14 + 4] = 2;
        world.event("node1", Event::Frame { interface: ETH, bytes: &bytes, waited: Duration::ZERO });
    }
    let told = told(&world, "node1", Cause::OtherVersion);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].peer, "node3");
    assert!(told[0].message.contains("run one version of metalev on all nodes"), "{}", told[0].message);
    assert_eq!(world.dropped("node1", DropReason::OtherVersion), u64::try_from(frames.len()).unwrap());
}

/// Frames of beacons that a speaker on the machine of `node3`, started anew, sends to node1.
fn beacons_of(node: &str, world: &World) -> Vec<Vec<u8>> {
    let mut alone = World::new(3);
    let engine = &mut alone.nodes.get_mut(node).expect("one of the nodes").engine;
    engine.handle(alone.now, Event::Table(world.table(node)));
    let mut frames = Vec::new();
    while let Some(action) = engine.poll() {
        if let Action::SendFrame { bytes, .. } = action {
            frames.push(bytes);
        }
    }
    assert!(!frames.is_empty());
    frames
}

// ===== two speakers with one name =====

/// A second speaker that calls itself node1, on a fourth machine.
fn with_a_second_node1() -> World {
    let mut world = World::settled();
    let table = world.table("node1");
    world.boot_as("twin", "node1", 4, 4711);
    world.event("twin", Event::Table(table));
    world
}

#[test]
fn a_second_speaker_of_one_name_is_not_heeded_and_named_by_everybody() {
    let mut world = with_a_second_node1();
    world.run(5_000 * MS);
    for node in ["node1", "node2", "node3", "twin"] {
        let told = told(&world, node, Cause::SameName);
        assert!((1..=2).contains(&told.len()), "{node}: {told:?}");
        assert!(told[0].message.contains("calls itself node1 as well"), "{}", told[0].message);
        assert!(told[0].message.contains("--node-name"), "{}", told[0].message);
    }
}

#[test]
fn a_second_speaker_of_one_name_takes_nothing_and_loses_nobody_an_address() {
    let mut world = with_a_second_node1();
    for _ in 0..50 {
        world.run(100 * MS);
        assert_eq!(world.who_has(vip(200)), ["node1"]);
    }
    assert!(world.facts("node2", FactKind::PeerLost).is_empty());
}

#[test]
fn when_the_first_speaker_of_a_name_ends_the_second_is_believed() {
    let mut world = with_a_second_node1();
    world.run(1_000 * MS);
    world.kill("node1");
    world.run(5_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    world.kill("node2");
    world.run(1_000 * MS);
    assert_eq!(world.who_has(vip(200)).len(), 1);
}

#[test]
fn a_restart_on_the_same_machine_is_no_second_speaker() {
    let mut world = World::settled();
    for nonce in 100..110 {
        world.kill("node3");
        world.run(20 * MS);
        world.boot(3, nonce);
        world.set_table("node3");
        world.run(300 * MS);
    }
    assert!(ORDER.iter().all(|node| world.facts(node, FactKind::Unheeded).is_empty()));
}

// ===== two nodes with one MAC address =====

/// node2 is a clone of node1's machine: it has the same MAC address.
fn with_a_cloned_machine() -> World {
    let mut world = World::new(3);
    let clone = Interface { mac: link(1).mac, ..link(2) };
    world.nodes.get_mut("node2").expect("one of the nodes").mac = clone.mac;
    world.event("node2", Event::Interfaces(vec![clone]));
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(3_000 * MS);
    world
}

#[test]
fn two_nodes_with_one_mac_address_are_named_by_both_and_by_others() {
    let world = with_a_cloned_machine();
    for node in ORDER {
        let told = told(&world, node, Cause::SameMac);
        assert_eq!(told.len(), 1, "{node}");
        assert!(told[0].message.contains("02:00:00:00:00:01"), "{}", told[0].message);
        assert!(told[0].message.contains("node1") && told[0].message.contains("node2"), "{}", told[0].message);
    }
}

#[test]
fn two_nodes_that_come_to_have_one_mac_address_while_both_are_heard_are_named() {
    let mut world = World::settled();
    let clone = Interface { mac: link(1).mac, ..link(2) };
    world.nodes.get_mut("node2").expect("one of the nodes").mac = clone.mac;
    world.event("node2", Event::Interfaces(vec![clone]));
    world.run(3_000 * MS);
    assert_eq!(told(&world, "node3", Cause::SameMac).len(), 1);
}

#[test]
fn two_nodes_with_one_mac_address_agree_by_udp_on_one_announcer() {
    let mut world = with_a_cloned_machine();
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

// ===== its end =====

fn over(world: &World, node: &str) -> Vec<(Cause, String)> {
    let facts = world.facts(node, FactKind::UnheededOver).into_iter();
    facts.map(|fact| (fact.cause, fact.peer.clone())).collect()
}

#[test]
fn a_peer_that_has_the_right_key_again_is_told_to_be_heeded_within_a_minute() {
    let mut world = World::settled();
    rekey(&mut world, "node3", vec![other_key()]);
    world.run(120_000 * MS);
    assert_eq!(over(&world, "node1"), [], "not while it lasts");
    rekey(&mut world, "node3", vec![key()]);
    world.run(65_000 * MS);
    let other_key = (Cause::OtherKey, "node3".to_owned());
    assert_eq!(over(&world, "node1"), [other_key.clone(), other_key], "once for its frames and once for its datagrams");
    let fact = &world.facts("node1", FactKind::UnheededOver)[0];
    assert!(fact.message.starts_with("no beacons with another key come from node3 at"), "{}", fact.message);
}

#[test]
fn the_end_of_what_is_told_names_what_was_told() {
    let mut world = with_a_second_node1();
    world.run(5_000 * MS);
    world.kill("twin");
    world.run(70_000 * MS);
    for node in ["node1", "node2", "node3"] {
        let senders =
            |kind| world.facts(node, kind).into_iter().map(|fact| (fact.cause, fact.mac, fact.addresses.clone()));
        let (mut begun, mut ended) =
            (senders(FactKind::Unheeded).collect::<Vec<_>>(), senders(FactKind::UnheededOver).collect::<Vec<_>>());
        begun.sort();
        ended.sort();
        assert!(!begun.is_empty());
        assert_eq!(begun, ended, "{node}");
    }
}

#[test]
fn two_nodes_with_one_mac_address_are_told_of_until_one_of_them_is_gone() {
    let mut world = with_a_cloned_machine();
    world.run(200_000 * MS);
    assert!(ORDER.iter().all(|node| over(&world, node).is_empty()));
    world.kill("node2");
    world.run(70_000 * MS);
    for node in ["node1", "node3"] {
        assert_eq!(over(&world, node).len(), 1, "{node}");
    }
}

// ===== lists that change =====

#[test]
fn a_peer_that_is_struck_off_is_forgotten_once_it_is_silent() {
    let mut world = World::settled();
    for node in ["node1", "node2"] {
        let table = world.table(node);
        let peers: Vec<Peer> = table.peers.into_iter().filter(|peer| peer.node != "node3").collect();
        world.event(node, Event::Table(Table { peers, ..world.table(node) }));
    }
    world.kill("node3");
    world.run(5_000 * MS);
    assert!(world.nodes["node1"].engine.counters().paths.iter().all(|path| path.peer != "node3"));
}

#[test]
fn loss_and_jitter_are_counted_per_peer_and_path() {
    let mut world = World::settled();
    world.freeze_for("node1", 120 * MS);
    world.run(1_000 * MS);
    let counters = world.nodes["node2"].engine.counters();
    let path = counters.paths.iter().find(|row| row.peer == "node1" && row.path == "eth0").unwrap();
    assert!(path.alive && path.received > 10);
    assert_eq!(path.missed, 1);
    assert!(!path.jitter.is_zero() && path.patience > 160 * MS, "{path:?}");
    assert!(counters.paths.iter().any(|row| row.peer == "node1" && row.path == "udp"));
}
