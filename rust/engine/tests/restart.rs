//! A speaker that is killed and starts again: within the dead time nothing moves, and after it both sides say why.

mod common;

use core::time::Duration;

use common::{MS, ORDER, World, group, vip};
use metalev_engine::{Cause, Fact, FactKind, Group, HOLD_DOWN, Preempt};

/// Until a peer gives an announcer up.
const DEAD_TIME: u32 = 160;

/// Who takes and gives up 200, and why.
type Moves = Vec<(String, FactKind, Cause)>;

/// Kill `node1` and start it anew after `pause`. Answers the moves since then, and who answers at the end.
fn restarted(world: &mut World, pause: Duration) -> (Moves, Vec<String>) {
    let told = |world: &World| -> Vec<usize> { ORDER.iter().map(|node| world.nodes[*node].facts.len()).collect() };
    let mut before = told(world);
    world.kill("node1");
    world.run(pause);
    world.boot(1, 77);
    before[0] = 0;
    world.set_table("node1");
    world.run(5_000 * MS);
    let mut moves = Moves::new();
    for (node, seen) in ORDER.iter().zip(before) {
        let facts = world.nodes[*node].facts[seen..].iter();
        let facts = facts.filter(|fact| matches!(fact.kind, FactKind::Took | FactKind::Yielded));
        moves.extend(facts.map(|Fact { kind, cause, .. }| ((*node).to_owned(), *kind, *cause)));
    }
    (moves, world.who_has(vip(200)))
}

/// It announces, and others come before it in the order, or after it.
fn announcing(order: [&str; 3]) -> World {
    let mut world = World::new(3);
    // Who announces first is who is first; the order of afterwards is another one.
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(1_000 * MS);
    world.set_groups(vec![group(200, &order)]);
    world.run(1_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    world
}

fn took(node: &str, cause: Cause) -> (String, FactKind, Cause) {
    (node.to_owned(), FactKind::Took, cause)
}

#[test]
fn a_restart_within_the_dead_time_moves_nothing_whoever_comes_first() {
    for (order, cause) in [
        (ORDER, Cause::FirstCandidate),
        (["node2", "node1", "node3"], Cause::Resumed),
        (["node3", "node2", "node1"], Cause::Resumed),
    ] {
        for pause in [0, 50, 100, 150, DEAD_TIME - 5] {
            let (moves, answers) = restarted(&mut announcing(order), MS * pause);
            assert_eq!(moves, [took("node1", cause)], "{order:?} after {pause} ms");
            assert_eq!(answers, ["node1"]);
        }
    }
}

#[test]
fn a_restart_that_comes_later_finds_the_next_one_in_place_which_says_why_and_takes_nothing_back() {
    for (order, next) in
        [(ORDER, "node2"), (["node2", "node1", "node3"], "node2"), (["node3", "node2", "node1"], "node3")]
    {
        for pause in [DEAD_TIME, DEAD_TIME + 10, 200, 300] {
            let (moves, answers) = restarted(&mut announcing(order), MS * pause);
            assert_eq!(moves, [took(next, Cause::MissedBeacons)], "{order:?} after {pause} ms");
            assert_eq!(answers, [next]);
        }
    }
}

#[test]
fn the_first_candidate_takes_back_what_it_lost_by_a_late_restart_if_that_is_the_policy_and_both_say_so() {
    let mut world = World::settled_with(Group { preempt: Preempt::Balanced, ..group(200, &ORDER) });
    let (moves, _) = restarted(&mut world, 300 * MS);
    assert_eq!(moves, [took("node2", Cause::MissedBeacons)]);
    world.run(HOLD_DOWN);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    let last = |node: &str, kind| world.facts(node, kind).pop().map(|fact| (fact.cause, fact.peer.clone()));
    assert_eq!(last("node1", FactKind::Took), Some((Cause::FailBack, "node2".to_owned())));
    assert_eq!(last("node2", FactKind::Yielded), Some((Cause::FailBack, "node1".to_owned())));
}

#[test]
fn who_takes_up_again_what_it_announced_says_so_and_blames_nobody() {
    let mut world = announcing(["node2", "node1", "node3"]);
    restarted(&mut world, 50 * MS);
    let fact = world.facts("node1", FactKind::Took).pop().cloned();
    let fact = fact.expect("node1 announces it");
    assert_eq!((fact.cause, fact.peer.as_str()), (Cause::Resumed, ""));
    assert!(fact.message.ends_with("nobody has taken it since this speaker started anew"), "{}", fact.message);
}

#[test]
fn one_that_is_started_again_twice_is_waited_for_from_the_second_time_on() {
    for pause in (5..=90).step_by(5) {
        let mut world = World::settled();
        for nonce in [77, 78] {
            world.run(MS * pause);
            world.boot(1, nonce);
            world.set_table("node1");
        }
        world.run(1_000 * MS);
        assert_eq!(world.who_has(vip(200)), ["node1"], "{pause} ms apart");
        assert!(world.facts("node2", FactKind::Took).is_empty(), "{pause} ms apart");
    }
}

// ===== a speaker that is started again before it is given up =====

/// `announcer` is killed and back after `pause` ms, under another nonce.
fn after_a_restart_of(announcer: usize, pause: u32) -> World {
    let order = [ORDER, ["node2", "node1", "node3"], ["node3", "node1", "node2"]][announcer - 1];
    let mut world = World::new(3);
    world.set_groups(vec![group(200, &order)]);
    world.run(500 * MS);
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(500 * MS);
    let node = ORDER[announcer - 1];
    assert_eq!(world.who_has(vip(200)), [node]);
    world.kill(node);
    world.run(MS * pause);
    world.boot(announcer, 77);
    world.set_table(node);
    world
}

#[test]
fn a_restart_within_the_dead_time_moves_nothing() {
    for announcer in 1..=3 {
        let mut world = after_a_restart_of(announcer, 100);
        for _ in 0..500 {
            let answering = world.who_has(vip(200));
            assert!(answering.is_empty() || answering == [ORDER[announcer - 1]], "{announcer}: {answering:?}");
            world.run(2 * MS);
        }
        assert_eq!(world.who_has(vip(200)), [ORDER[announcer - 1]], "{announcer}");
    }
}

#[test]
fn a_restart_that_takes_longer_than_the_dead_time_moves_it() {
    let mut world = after_a_restart_of(1, 200);
    world.run(1_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    assert_eq!(world.facts("node2", FactKind::Took)[0].cause, Cause::MissedBeacons);
}

#[test]
fn one_that_comes_back_and_dies_again_is_not_waited_for() {
    let mut world = after_a_restart_of(2, 100);
    world.run(20 * MS);
    world.kill("node2");
    let moved = world.run_until("node1 took it", |world| world.holders(vip(200)) == ["node1"]);
    assert!(moved <= 200 * MS, "{moved:?}");
}

#[test]
fn one_that_is_started_again_and_again_does_not_keep_it_for_ever() {
    let mut world = after_a_restart_of(2, 100);
    for nonce in 100..110 {
        world.run(100 * MS);
        world.kill("node2");
        world.boot(2, nonce);
        world.set_table("node2");
    }
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}
