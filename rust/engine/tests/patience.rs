//! How long is waited for whom: what makes it longer, how fast that is forgotten, and how seldom it is told.

mod common;

use core::time::Duration;

use common::{MS, ORDER, World};
use metalev_engine::{Cause, Fact, FactKind};

/// For how long node2 waits for node1 on any path.
fn patience(world: &World) -> Duration {
    let counters = world.nodes["node2"].engine.counters();
    counters.paths.iter().filter(|path| path.peer == "node1").map(|path| path.patience).max().unwrap_or_default()
}

fn promise(world: &World) -> Duration {
    world.nodes["node1"].engine.counters().promise
}

fn told(world: &World, node: &str) -> Vec<(FactKind, Cause, String, u128)> {
    let facts = world.nodes[node].facts.iter();
    let facts = facts.filter(|fact| matches!(fact.kind, FactKind::Patience | FactKind::PatienceOver));
    facts.map(|Fact { kind, cause, peer, patience, .. }| (*kind, *cause, peer.clone(), patience.as_millis())).collect()
}

/// The network delivers node1's beacons late again and again; its host is well.
fn delayed(world: &mut World, times: usize) {
    for _ in 0..times {
        world.network.latency = 300 * MS;
        world.run(120 * MS);
        world.network.latency = MS;
        world.run(1_000 * MS);
    }
}

// ===== how fast it is forgotten =====

#[test]
fn the_jitter_of_a_peer_is_halved_by_six_beacons_in_time_and_gone_after_forty() {
    let mut world = World::settled();
    let usual = patience(&world);
    let longer = |world: &World| patience(world).saturating_sub(usual);
    delayed_once(&mut world);
    let late = longer(&world);
    assert!(late >= 30 * MS, "{late:?}");
    // And a round in which the last of them is read: it waits for that, but counts from when it came.
    world.run(7 * 50 * MS);
    assert!(longer(&world) <= late / 2, "after 0.35 s: {:?} of {late:?}", longer(&world));
    world.run(33 * 50 * MS);
    assert!(longer(&world) < MS, "after 2 s: {:?}", longer(&world));
}

/// One beacon comes later than it should, but not so late that its sender is given up.
fn delayed_once(world: &mut World) {
    world.network.latency = 60 * MS;
    world.run(60 * MS);
    world.network.latency = MS;
    world.run(65 * MS);
}

#[test]
fn a_host_that_stood_still_once_asks_for_more_patience_for_two_seconds() {
    let mut world = World::settled();
    let (usual, most) = (promise(&world), patience(&world));
    world.freeze_for("node1", 140 * MS);
    world.run(500 * MS);
    assert!(promise(&world) > usual && patience(&world) > most, "{:?} {:?}", promise(&world), patience(&world));
    // The second in which it was late, the one after that, and the beacons that say that it is over.
    world.run(1_750 * MS);
    assert!(promise(&world) == usual && patience(&world) < most + MS, "{:?} {:?}", promise(&world), patience(&world));
}

#[test]
fn a_host_that_stands_still_now_and_then_asks_for_it_for_sixteen_seconds() {
    let mut world = World::settled();
    let usual = promise(&world);
    for _ in 0..2 {
        world.freeze_for("node1", 140 * MS);
        world.run(4_000 * MS);
    }
    world.run(6_000 * MS);
    assert!(promise(&world) > usual, "ten seconds after the last time, but fourteen after the first");
    world.run(3_500 * MS);
    assert_eq!(promise(&world), usual);
}

// ===== what is told of it =====

#[test]
fn what_is_usual_is_told_to_nobody() {
    let mut world = World::settled();
    world.run(10_000 * MS);
    assert!(ORDER.iter().all(|node| told(&world, node).is_empty()));
}

#[test]
fn a_host_that_stands_still_again_and_again_tells_it_once_with_the_cure_and_that_it_is_over() {
    let mut world = World::settled();
    for _ in 0..20 {
        world.freeze_for("node1", 120 * MS);
        world.run(1_000 * MS);
    }
    let (starved, late) = (Cause::Starved, Cause::LateBeacons);
    assert_eq!(told(&world, "node1"), [(FactKind::Patience, starved, "node1".into(), 500)]);
    let fact = &world.facts("node1", FactKind::Patience)[0];
    assert!(fact.message.contains("instead of 160 ms, for its host has no time"), "{}", fact.message);
    assert!(fact.message.contains("CPU request"), "{}", fact.message);
    // Most of it is in the interval that it states by then, and its peers say of it only what that does not cover.
    assert!(told(&world, "node2").iter().all(|fact| fact.1 == late && fact.2 == "node1"));
    world.run(90_000 * MS);
    let last = told(&world, "node1").pop();
    assert_eq!(last, Some((FactKind::PatienceOver, Cause::InTime, "node1".into(), 0)));
}

#[test]
fn a_peer_whose_beacons_come_late_again_and_again_is_told_of_once_with_what_to_look_at() {
    let mut world = World::settled();
    delayed(&mut world, 20);
    let of_node1 = told(&world, "node2").into_iter().filter(|fact| fact.2 == "node1");
    assert_eq!(of_node1.count(), 1, "{:?}", told(&world, "node2"));
    let fact = &world.facts("node2", FactKind::Patience)[0];
    assert_eq!((fact.cause, fact.peer.as_str()), (Cause::LateBeacons, "node1"));
    assert!(fact.message.contains("node1 is given up only after up to"), "{}", fact.message);
    assert!(fact.message.contains("the network between them"), "{}", fact.message);
}
