//! Planned moves: the successor answers and announces before the old announcer falls silent.

mod common;

use common::{MS, ORDER, World, group, link, vip};
use metalev_engine::{Cause, Event, FactKind, Group, Interface, Time};

/// The same group for which `node1` is no candidate any more; it keeps what it has if it `keeps`.
fn without_node1(keeps: bool) -> Group {
    Group { keeps, ..group(200, &ORDER[1..]) }
}

/// Run for as long as `steps` fifths of a millisecond, asking at each who answers.
fn watch(world: &mut World, steps: usize) -> Vec<Vec<String>> {
    (0..steps)
        .map(|_| {
            let answering = world.who_has(vip(200));
            world.run(MS / 5);
            answering
        })
        .collect()
}

/// When a node sent its first frame for the address that nobody had asked for.
fn first_announced(world: &World, node: &str) -> Time {
    let mut sent = world.nodes[node].arp_sent.iter();
    sent.find(|(_, repr)| repr.sender_ip == repr.target_ip).expect("it announces").0
}

// ===== a speaker that stops =====

#[test]
fn a_speaker_that_stops_is_relieved_before_it_falls_silent() {
    let mut world = World::settled();
    world.event("node1", Event::Stop);
    assert_eq!(world.who_has(vip(200)), ["node1"], "it goes on");
    world.run(5 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    let yielded = world.facts("node1", FactKind::Yielded)[0];
    assert_eq!((yielded.cause, yielded.peer.as_str()), (Cause::Stopping, "node2"));
    assert!(first_announced(&world, "node2") < yielded.at);
}

#[test]
fn at_no_moment_of_a_planned_move_does_nobody_answer() {
    let mut world = World::settled();
    world.event("node1", Event::Stop);
    let answering = watch(&mut world, 50);
    assert!(answering.iter().all(|nodes| !nodes.is_empty()), "{answering:?}");
    assert_eq!(answering.last().unwrap()[..], ["node2"]);
}

#[test]
fn two_answer_for_no_longer_than_a_beacon_takes() {
    let mut world = World::settled();
    world.event("node1", Event::Stop);
    let both = watch(&mut world, 50).iter().filter(|nodes| nodes.len() > 1).count();
    assert!(both <= 2, "{both} times 0.2 ms");
}

#[test]
fn the_successor_takes_the_next_term_and_says_why() {
    let mut world = World::settled();
    world.event("node1", Event::Stop);
    world.run(5 * MS);
    let took = world.facts("node2", FactKind::Took)[0];
    assert_eq!((took.cause, took.peer.as_str(), took.term), (Cause::Stopping, "node1", 2));
    assert!(took.message.ends_with("node1 stops and asked to be relieved"), "{}", took.message);
}

#[test]
fn a_speaker_says_goodbye_only_when_everything_is_handed_over() {
    let mut world = World::settled();
    world.event("node1", Event::Stop);
    assert!(!world.nodes["node1"].engine.stopped());
    world.run_until("node1 has stopped", |world| world.nodes["node1"].engine.stopped());
    world.run(MS);
    assert_eq!(world.facts("node2", FactKind::PeerLost)[0].cause, Cause::Goodbye);
}

#[test]
fn a_speaker_that_stops_takes_nothing_more() {
    let mut world = World::settled();
    world.partition(&["node1"], &["node2", "node3"]);
    world.event("node1", Event::Stop);
    world.set_groups(vec![group(200, &ORDER), group(201, &ORDER)]);
    assert!(world.facts("node1", FactKind::Took).iter().all(|fact| fact.addresses != [vip(201)]));
}

#[test]
fn a_successor_that_does_not_answer_is_passed_over() {
    let mut world = World::settled();
    world.run(20 * MS);
    world.freeze("node2");
    world.event("node1", Event::Stop);
    let moved = world.run_until("node3 took it", |world| world.holders(vip(200)) == ["node3"]);
    assert!(moved <= 170 * MS, "{moved:?}");
    assert_eq!(world.facts("node1", FactKind::Yielded)[0].peer, "node3");
}

#[test]
fn a_speaker_that_nobody_relieves_falls_silent_within_a_second() {
    let mut world = World::settled();
    world.freeze("node2");
    world.freeze("node3");
    world.event("node1", Event::Stop);
    let stopped = world.run_until("node1 has stopped", |world| world.nodes["node1"].engine.stopped());
    assert!(stopped <= 1_000 * MS, "{stopped:?}");
    let yielded = world.facts("node1", FactKind::Yielded)[0];
    assert!(yielded.message.ends_with("no other candidate took it over"), "{}", yielded.message);
}

#[test]
fn a_speaker_that_nobody_could_relieve_ends_at_once() {
    let mut world = World::new(1);
    world.set_groups(vec![group(200, &["node1"])]);
    world.run(500 * MS);
    world.event("node1", Event::Stop);
    assert!(world.nodes["node1"].engine.stopped());
}

#[test]
fn a_speaker_that_holds_nothing_ends_at_once() {
    let mut world = World::settled();
    world.event("node3", Event::Stop);
    assert!(world.nodes["node3"].engine.stopped());
    world.run(1_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

#[test]
fn a_speaker_that_has_no_table_as_yet_ends_at_once() {
    let mut world = World::new(1);
    world.event("node1", Event::Stop);
    assert!(world.nodes["node1"].engine.stopped());
}

#[test]
fn many_groups_are_handed_over_in_one_go() {
    let mut world = World::new(3);
    world.set_groups((100..=250).map(|last| group(last, &ORDER)).collect());
    world.run(3_000 * MS);
    let held = world.facts("node1", FactKind::Took).len();
    world.event("node1", Event::Stop);
    let stopped = world.run_until("node1 has stopped", |world| world.nodes["node1"].engine.stopped());
    assert!(stopped <= 100 * MS, "{stopped:?}");
    assert!(world.facts("node1", FactKind::Yielded).iter().all(|fact| fact.peer == "node2"));
    assert_eq!(world.facts("node2", FactKind::Took).len(), held);
}

#[test]
fn a_lost_word_of_the_successor_comes_again_with_the_next_beacon() {
    let mut world = World::settled();
    world.event("node1", Event::Stop);
    world.cut("node2", "node1");
    world.run(20 * MS);
    assert_eq!(world.holders(vip(200)), ["node1", "node2"]);
    world.heal();
    world.run(50 * MS);
    assert_eq!(world.holders(vip(200)), ["node2"]);
}

#[test]
fn two_speakers_that_stop_at_once_leave_everything_to_the_third() {
    let mut world = World::settled();
    world.event("node1", Event::Stop);
    world.event("node2", Event::Stop);
    world.run(1_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node3"]);
}

#[test]
fn the_one_that_stops_hands_over_to_a_node_without_the_subnet_if_no_other_is_left() {
    let mut world = World::settled();
    for last in [2, 3] {
        world.event(ORDER[usize::from(last) - 1], Event::Interfaces(vec![common::elsewhere(last)]));
    }
    world.run(500 * MS);
    world.event("node1", Event::Stop);
    let answering = watch(&mut world, 50);
    assert!(answering.iter().all(|nodes| !nodes.is_empty()), "{answering:?}");
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    assert_eq!(world.facts("node2", FactKind::Yielded).len(), 0);
}

#[test]
fn an_interface_that_goes_while_the_speaker_stops_ends_the_wait() {
    let mut world = World::settled();
    world.cut("node1", "node2");
    world.cut("node1", "node3");
    world.event("node1", Event::Stop);
    world.event("node1", Event::Interfaces(vec![]));
    assert!(world.nodes["node1"].engine.stopped());
}

// ===== a node that may not announce any more =====

#[test]
fn a_node_that_is_excluded_is_relieved_before_it_falls_silent() {
    let mut world = World::settled();
    world.set_groups(vec![without_node1(true)]);
    let answering = watch(&mut world, 50);
    assert!(answering.iter().all(|nodes| !nodes.is_empty()), "{answering:?}");
    assert_eq!(answering.last().unwrap()[..], ["node2"]);
    let (yielded, took) = (world.facts("node1", FactKind::Yielded)[0], world.facts("node2", FactKind::Took)[0]);
    assert_eq!((yielded.cause, took.cause), (Cause::NotCandidate, Cause::NotCandidate));
}

#[test]
fn the_last_announcer_goes_on_though_it_is_excluded() {
    let mut world = World::settled();
    world.kill("node2");
    world.kill("node3");
    world.set_groups(vec![without_node1(true)]);
    world.run(60_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

#[test]
fn the_last_announcer_goes_on_though_every_node_is_excluded() {
    let mut world = World::settled();
    world.set_groups(vec![Group { keeps: true, ..group(200, &[]) }]);
    world.run(60_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

#[test]
fn an_excluded_announcer_is_relieved_by_the_first_candidate_that_comes_up() {
    let mut world = World::settled();
    world.kill("node2");
    world.kill("node3");
    world.set_groups(vec![without_node1(true)]);
    world.run(5_000 * MS);
    world.boot(3, 77);
    world.set_table("node3");
    let moved = world.run_until("node3 took it", |world| world.holders(vip(200)) == ["node3"]);
    assert!(moved <= 160 * MS, "{moved:?}");
}

#[test]
fn a_label_that_is_removed_in_time_moves_nothing() {
    let mut world = World::settled();
    world.kill("node2");
    world.kill("node3");
    world.run(1_000 * MS);
    world.set_groups(vec![without_node1(true)]);
    world.run(1_000 * MS);
    world.set_groups(vec![group(200, &ORDER)]);
    world.boot(2, 77);
    world.set_table("node2");
    world.run(1_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

#[test]
fn a_node_that_could_not_serve_falls_silent_within_a_second_though_nobody_relieves_it() {
    let mut world = World::settled();
    world.kill("node2");
    world.kill("node3");
    world.set_groups(vec![without_node1(false)]);
    let silent = world.run_until("node1 is silent", |world| world.holders(vip(200)).is_empty());
    assert!(silent <= 1_000 * MS, "{silent:?}");
    assert_eq!(world.facts("node1", FactKind::Yielded)[0].cause, Cause::NotCandidate);
}

#[test]
fn asking_to_be_relieved_is_told_once() {
    let mut world = World::settled();
    world.kill("node2");
    world.kill("node3");
    world.set_groups(vec![without_node1(true)]);
    world.run(5_000 * MS);
    let offered = world.facts("node1", FactKind::Offered);
    assert_eq!(offered.len(), 1);
    assert_eq!(offered[0].message, "asks to be relieved of 192.168.1.200: this node is no candidate any more");
}

#[test]
fn an_interface_that_goes_moves_the_address_at_once() {
    let mut world = World::settled();
    world.event("node1", Event::Interfaces(vec![]));
    assert_eq!(world.facts("node1", FactKind::Yielded)[0].cause, Cause::NoInterface);
}

// ===== a drill =====

#[test]
fn a_drill_moves_an_address_away_and_a_second_one_moves_it_back() {
    let mut world = World::settled();
    world.event("node1", Event::Drill(vip(200)));
    world.run(5 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    world.event("node2", Event::Drill(vip(200)));
    world.run(5 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    assert_eq!(world.facts("node1", FactKind::Took).last().unwrap().cause, Cause::Drill);
}

#[test]
fn a_table_by_which_a_node_is_drilled_moves_the_address_for_that_reason_on_both_sides() {
    let mut world = World::settled();
    world.set_groups(vec![Group { drilled: true, ..without_node1(true) }]);
    assert_eq!(world.who_has(vip(200)), ["node1"], "it goes on");
    world.run(5 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    let yielded = world.facts("node1", FactKind::Yielded)[0];
    assert_eq!(yielded.cause, Cause::Drill);
    assert_eq!(yielded.message, "handed 192.168.1.200 over to node2: somebody wants to see it move");
    assert_eq!(world.facts("node2", FactKind::Took)[0].cause, Cause::Drill);
}

#[test]
fn a_drill_that_is_withdrawn_before_anybody_has_relieved_the_node_is_over() {
    let mut world = World::settled();
    for node in ["node2", "node3"] {
        world.kill(node);
    }
    world.set_groups(vec![Group { drilled: true, ..without_node1(true) }]);
    world.run(3_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"], "nobody else can");
    world.set_groups(vec![group(200, &ORDER)]);
    world.boot(2, 77);
    world.set_table("node2");
    world.run(2_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

#[test]
fn a_drill_for_which_nobody_else_is_there_leaves_the_address_where_it_is() {
    let mut world = World::settled();
    world.kill("node2");
    world.kill("node3");
    world.event("node1", Event::Drill(vip(200)));
    world.run(2_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    assert_eq!(world.facts("node1", FactKind::Kept).len(), 1);
    world.boot(2, 77);
    world.set_table("node2");
    world.run(2_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"], "it does not ask any more");
}

#[test]
fn a_drill_of_what_somebody_else_announces_does_nothing() {
    let mut world = World::settled();
    world.event("node2", Event::Drill(vip(200)));
    world.run(2_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    assert!(world.facts("node2", FactKind::Offered).is_empty());
}

#[test]
fn an_unable_node_relieves_nobody() {
    let mut world = World::settled();
    let own = Interface { addresses: vec![(vip(11), 24), (vip(200), 32)], ..link(2) };
    world.event("node2", Event::Interfaces(vec![own]));
    world.run(500 * MS);
    world.event("node1", Event::Drill(vip(200)));
    world.run(5 * MS);
    assert_eq!(world.who_has(vip(200)), ["node3"]);
}

// ===== how long it took =====

#[test]
fn a_failover_is_measured_from_the_last_beacon_to_the_first_frame() {
    let mut world = World::settled();
    world.kill("node1");
    world.run(300 * MS);
    let failovers = world.nodes["node2"].engine.counters().failovers;
    let (took, announced) = (world.facts("node2", FactKind::Took)[0].at, first_announced(&world, "node2"));
    assert_eq!((failovers.count, announced), (1, took));
    assert_eq!(failovers.sum.as_millis(), 160);
}

#[test]
fn a_planned_move_is_no_failover() {
    let mut world = World::settled();
    world.event("node1", Event::Stop);
    world.run(300 * MS);
    assert_eq!(world.nodes["node2"].engine.counters().failovers.count, 0);
}
