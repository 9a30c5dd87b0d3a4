//! A silence that an operator orders, on a simulated segment in virtual time.

mod common;

use core::time::Duration;

use common::{MS, World, group, vip};
use metalev_engine::{Cause, Event, FactKind, Silence, Table};

const ORDER: [&str; 3] = ["node1", "node2", "node3"];
const SECOND: Duration = Duration::from_secs(1);

/// Three nodes that have settled, with `192.168.1.200` on the first candidate.
fn settled() -> World {
    let mut world = World::new(3);
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(500 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    world
}

/// Order node1 to be silent, or withdraw the order.
fn order(world: &mut World, silence: Option<(&str, Duration)>) {
    let silence = silence.map(|(id, length)| Silence { id: id.to_owned(), length });
    let table = Table { silence, ..world.table("node1") };
    world.event("node1", Event::Table(table));
}

#[test]
fn a_node_that_is_ordered_to_be_silent_says_nothing_at_all_for_that_long() {
    let mut world = settled();
    order(&mut world, Some(("drill", 3 * SECOND)));
    let before = world.nodes["node1"].sent;
    world.run(2_999 * MS);
    assert_eq!(world.nodes["node1"].sent, before);
    assert!(!world.who_has(vip(200)).contains(&"node1".to_owned()));
}

#[test]
fn the_others_take_its_addresses_as_if_it_had_died() {
    let mut world = settled();
    order(&mut world, Some(("drill", 3 * SECOND)));
    let gap = world.run_until("node2 took it", |world| !world.facts("node2", FactKind::Took).is_empty());
    assert!(gap <= 200 * MS, "{gap:?}");
    assert_eq!(world.facts("node2", FactKind::Took)[0].cause, Cause::MissedBeacons);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
}

#[test]
fn after_it_the_node_holds_nothing_and_hears_before_it_takes() {
    let mut world = settled();
    order(&mut world, Some(("drill", 3 * SECOND)));
    world.run(4 * SECOND);
    assert_eq!(world.holders(vip(200)), ["node2"]);
    assert_eq!(world.facts("node1", FactKind::Overslept).len(), 1);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
}

#[test]
fn after_it_the_node_is_the_next_in_line_again() {
    let mut world = settled();
    order(&mut world, Some(("drill", SECOND)));
    world.run(2 * SECOND);
    world.kill("node2");
    world.run_until("node1 has it again", |world| world.holders(vip(200)) == ["node1"]);
}

#[test]
fn no_two_nodes_answer_when_it_ends() {
    let mut world = settled();
    order(&mut world, Some(("drill", SECOND)));
    for _ in 0..2_000 {
        world.run(MS);
        assert!(world.who_has(vip(200)).len() <= 1, "at {:?}", world.now);
    }
}

#[test]
fn an_order_that_is_repeated_does_not_begin_anew() {
    let mut world = settled();
    for _ in 0..8 {
        order(&mut world, Some(("drill", SECOND)));
        world.run(250 * MS);
    }
    assert_eq!(world.facts("node1", FactKind::Overslept).len(), 1);
}

#[test]
fn an_order_that_is_withdrawn_is_over_at_once() {
    let mut world = settled();
    order(&mut world, Some(("drill", 20 * SECOND)));
    world.run(SECOND);
    order(&mut world, None);
    world.run(MS);
    assert_eq!(world.facts("node1", FactKind::Overslept).len(), 1);
}

#[test]
fn another_order_is_another_silence() {
    let mut world = settled();
    order(&mut world, Some(("one", SECOND)));
    world.run(2 * SECOND);
    order(&mut world, Some(("two", SECOND)));
    world.run(2 * SECOND);
    assert_eq!(world.facts("node1", FactKind::Overslept).len(), 2);
}

#[test]
fn no_silence_is_longer_than_half_a_minute() {
    let mut world = settled();
    order(&mut world, Some(("drill", 600 * SECOND)));
    world.run(29_900 * MS);
    assert!(world.facts("node1", FactKind::Overslept).is_empty());
    world.run(200 * MS);
    assert_eq!(world.facts("node1", FactKind::Overslept).len(), 1);
}

#[test]
fn what_the_table_says_meanwhile_counts_when_it_is_over() {
    let mut world = settled();
    order(&mut world, Some(("drill", SECOND)));
    world.groups.push(group(201, &["node1"]));
    order(&mut world, Some(("drill", SECOND)));
    world.run(500 * MS);
    assert_eq!(world.who_has(vip(201)), Vec::<String>::new());
    world.run(SECOND);
    assert_eq!(world.who_has(vip(201)), ["node1"]);
}

#[test]
fn a_speaker_that_ends_in_a_silence_says_goodbye_and_nothing_more() {
    let mut world = settled();
    order(&mut world, Some(("drill", 20 * SECOND)));
    world.event("node1", Event::Stop);
    let sent = world.nodes["node1"].sent;
    world.run(SECOND);
    assert_eq!(world.nodes["node1"].sent, sent);
    assert_eq!(world.holders(vip(200)), ["node2"]);
}
