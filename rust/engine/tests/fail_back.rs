//! When a better candidate takes a group back: by policy, after the hold-down, make before break.

mod common;

use core::time::Duration;

use common::{MS, ORDER, World, group, vip};
use metalev_engine::{Candidate, Cause, Event, FactKind, Group, Preempt};

const S: Duration = Duration::from_secs(1);
/// An interface that carries no address of a Service.
const MANAGEMENT: u32 = 7;
/// What the engines of the simulation are told.
const HOLD_DOWN: Duration = Duration::from_secs(30);

fn with(preempt: Preempt) -> Group {
    Group { preempt, ..group(200, &ORDER) }
}

/// Candidates with these scores, in the order in which they are given.
fn scored(preempt: Preempt, candidates: &[(&str, i64)]) -> Group {
    let candidate = |(node, score): &(&str, i64)| Candidate { node: (*node).to_owned(), score: *score };
    Group { candidates: candidates.iter().map(candidate).collect(), ..with(preempt) }
}

/// `node1`, the first candidate, has died, and `node2` has taken over.
fn without_node1(group: Group) -> World {
    let mut world = World::new(3);
    world.set_groups(vec![group]);
    world.run(500 * MS);
    world.kill("node1");
    world.run(S);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    world
}

/// The same, and `node1` is back.
fn back_again(group: Group) -> World {
    let mut world = without_node1(group);
    start(&mut world, 77);
    world
}

fn start(world: &mut World, nonce: u64) {
    world.boot(1, nonce);
    world.set_table("node1");
}

/// After how long `node1` has taken it back.
fn taken_back(world: &mut World) -> Duration {
    let start = world.now;
    while world.holders(vip(200)) != ["node1"] {
        assert!(world.now.since(start) < 120 * S, "node1 does not take it back");
        assert!(!world.who_has(vip(200)).is_empty(), "it is announced");
        world.run(10 * MS);
    }
    world.now.since(start)
}

/// Within a round of beacons after `expected`.
#[track_caller]
fn assert_about(found: Duration, expected: Duration) {
    assert!(found >= expected && found < expected + 500 * MS, "{found:?} instead of {expected:?}");
}

// ===== sticky =====

#[test]
fn nothing_goes_back_on_the_ground_of_the_order_alone() {
    let mut world = back_again(with(Preempt::Sticky));
    world.run(120 * S);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
}

#[test]
fn a_higher_score_is_taken_back_after_the_hold_down() {
    let mut world = back_again(scored(Preempt::Sticky, &[("node1", 10), ("node2", 0), ("node3", 0)]));
    let took = taken_back(&mut world);
    assert_about(took, HOLD_DOWN);
    let took = world.facts("node1", FactKind::Took)[0];
    assert_eq!((took.cause, took.peer.as_str()), (Cause::HigherScore, "node2"));
    assert!(took.message.ends_with("this node is preferred to node2, which announced it"), "{}", took.message);
    let yielded = world.facts("node2", FactKind::Yielded)[0];
    assert_eq!((yielded.cause, yielded.peer.as_str()), (took.cause, "node1"), "both give the same reason");
    assert!(yielded.message.ends_with("node1 is preferred to this node and took it back"), "{}", yielded.message);
}

#[test]
fn an_equal_score_is_not_taken_back() {
    let mut world = back_again(scored(Preempt::Sticky, &[("node1", 10), ("node2", 10), ("node3", 0)]));
    world.run(120 * S);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
}

#[test]
fn a_preference_that_is_given_later_moves_it_after_the_hold_down() {
    let mut world = back_again(with(Preempt::Sticky));
    world.run(60 * S);
    world.set_groups(vec![scored(Preempt::Sticky, &[("node1", 10), ("node2", 0), ("node3", 0)])]);
    let took = taken_back(&mut world);
    assert_about(took, HOLD_DOWN);
}

#[test]
fn of_two_that_are_better_the_first_takes_it() {
    let mut world = World::new(3);
    world.set_groups(vec![group(200, &["node3"])]);
    world.run(S);
    world.set_groups(vec![scored(Preempt::Sticky, &[("node1", 20), ("node2", 10), ("node3", 0)])]);
    let took = taken_back(&mut world);
    assert_about(took, HOLD_DOWN);
    assert!(world.facts("node2", FactKind::Took).is_empty());
}

// ===== balanced =====

#[test]
fn the_first_candidate_takes_it_back_after_the_hold_down() {
    let mut world = back_again(with(Preempt::Balanced));
    let took = taken_back(&mut world);
    assert_about(took, HOLD_DOWN);
    assert_eq!(world.facts("node1", FactKind::Took)[0].cause, Cause::FailBack);
    assert_eq!(world.facts("node2", FactKind::Yielded)[0].cause, Cause::FailBack, "both give the same reason");
}

#[test]
fn the_announcer_is_silent_only_when_the_better_one_answers() {
    let mut world = back_again(with(Preempt::Balanced));
    world.run(HOLD_DOWN + 140 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    for _ in 0..1_000 {
        assert!(!world.who_has(vip(200)).is_empty());
        world.run(MS / 5);
    }
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

#[test]
fn a_restart_within_the_hold_down_makes_it_start_again() {
    let mut world = back_again(with(Preempt::Balanced));
    world.run(20 * S);
    world.kill("node1");
    world.run(S);
    start(&mut world, 78);
    let took = taken_back(&mut world);
    assert_about(took, HOLD_DOWN);
}

#[test]
fn a_link_that_flaps_within_the_hold_down_makes_it_start_again() {
    let mut world = back_again(with(Preempt::Balanced));
    world.run(20 * S);
    world.event("node1", Event::Interfaces(vec![]));
    world.run(S);
    world.event("node1", Event::Interfaces(vec![common::link(1)]));
    let took = taken_back(&mut world);
    assert_about(took, HOLD_DOWN);
}

#[test]
fn a_node_that_the_announcer_does_not_hear_takes_nothing_back() {
    let mut world = back_again(with(Preempt::Balanced));
    world.run(20 * S);
    world.cut("node1", "node2");
    world.run(60 * S);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    world.heal();
    world.run(S);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

#[test]
fn no_policy_is_no_reason_for_a_second_move() {
    for preempt in [Preempt::Sticky, Preempt::Balanced, Preempt::Immediate] {
        let mut world = World::new(3);
        world.set_groups(vec![with(preempt)]);
        world.run(120 * S);
        assert_eq!(world.facts("node1", FactKind::Took).len(), 1, "{preempt:?}");
        assert!(world.facts("node2", FactKind::Took).is_empty());
    }
}

#[test]
fn who_took_it_in_a_partition_has_not_taken_it_back() {
    let mut world = back_again(with(Preempt::Balanced));
    world.run(S);
    world.partition(&["node2"], &["node1", "node3"]);
    world.run(S);
    assert_eq!(world.who_has(vip(200)), ["node1", "node2"]);
    world.heal();
    world.run(2 * S);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    let yielded = world.facts("node2", FactKind::Yielded)[0];
    assert_eq!((yielded.cause, yielded.peer.as_str()), (Cause::HigherTerm, "node1"));
}

// ===== immediate =====

#[test]
fn the_first_candidate_takes_it_back_as_soon_as_it_has_listened() {
    let mut world = back_again(with(Preempt::Immediate));
    let took = taken_back(&mut world);
    assert!(took >= 150 * MS && took <= 320 * MS, "{took:?}");
    assert_eq!(world.facts("node2", FactKind::Yielded)[0].cause, Cause::FailBack, "both give the same reason");
}

#[test]
fn two_that_know_different_preferences_do_not_snatch_it_back_and_forth() {
    let mut world = World::new(2);
    world.set_groups(vec![scored(Preempt::Immediate, &[("node1", 10), ("node2", 0)])]);
    world.run(S);
    world.groups = vec![scored(Preempt::Immediate, &[("node2", 10), ("node1", 0)])];
    world.set_table("node2");
    world.run(60 * S);
    let moves = world.facts("node1", FactKind::Took).len() + world.facts("node2", FactKind::Took).len();
    assert!(moves <= 4, "{moves} in a minute");
}

#[test]
fn a_drill_that_moved_it_away_is_undone_after_the_hold_down_only() {
    let mut world = World::new(3);
    world.set_groups(vec![with(Preempt::Immediate)]);
    world.run(S);
    world.event("node1", Event::Drill(vip(200)));
    world.run(5 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    let took = taken_back(&mut world);
    assert_about(took + 10 * MS, HOLD_DOWN);
}

#[test]
fn the_end_of_a_drill_by_the_table_gives_it_back_after_the_hold_down_only() {
    let mut world = World::new(3);
    let drilled = |world: &mut World, by_node1: bool| {
        let rest = Group { drilled: by_node1, keeps: true, preempt: Preempt::Immediate, ..group(200, &ORDER[1..]) };
        world.set_groups(vec![if by_node1 { rest } else { with(Preempt::Immediate) }]);
    };
    drilled(&mut world, false);
    world.run(S);
    drilled(&mut world, true);
    world.run(5 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    drilled(&mut world, false);
    let took = taken_back(&mut world);
    assert_about(took + 10 * MS, HOLD_DOWN);
}

#[test]
fn what_came_by_another_network_counts_as_soon_as_a_beacon_on_the_segment_confirms_it() {
    let apart = || {
        let mut world = back_again(scored(Preempt::Sticky, &[("node1", 5), ("node2", 0), ("node3", 0)]));
        world.udp_interface = MANAGEMENT;
        world
    };
    let after = taken_back(&mut apart());
    let mut world = apart();
    world.run(after.saturating_sub(30 * MS));
    world.cut_segment("node1", "node2");
    world.run(40 * MS);
    assert_eq!(
        world.holders(vip(200)),
        ["node1", "node2"],
        "the takeover was heard of by the management network alone"
    );
    world.heal();
    world.run(60 * MS);
    assert_eq!(world.holders(vip(200)), ["node1"]);
}
