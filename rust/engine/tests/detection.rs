//! Who is given up and who is not, fault by fault: starved hosts, machines that stood still, loss one way, segments and
//! management networks that fail apart.

mod common;

use std::collections::BTreeSet;
use std::net::IpAddr;

use common::{MS, World, group, vip};
use metalev_engine::{Event, FactKind};

const ORDER: [&str; 3] = ["node1", "node2", "node3"];
/// The index of an interface that carries no VIPs.
const MANAGEMENT: u32 = 9;

/// Three nodes, and one address that node1 announces.
fn settled() -> World {
    let mut world = World::new(3);
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(500 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    world
}

/// The same, with the nodes' addresses on a network apart from the segment.
fn with_a_management_network() -> World {
    let mut world = World::new(3);
    world.udp_interface = MANAGEMENT;
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(500 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    world
}

/// How many takeovers and losses there were on all nodes.
fn moves(world: &World) -> usize {
    let of = |node: &&str| world.facts(node, FactKind::Took).len() + world.facts(node, FactKind::Yielded).len();
    ORDER.iter().map(of).sum()
}

// ===== while nothing happens =====

#[test]
fn who_hears_all_its_peers_is_woken_by_its_own_rounds_and_not_by_the_end_of_patiences_that_were_renewed() {
    let mut world = settled();
    // Until the announcements of the takeover and the witness's first questions are over.
    world.run(20_000 * MS);
    let mut wanted = BTreeSet::new();
    for _ in 0..1_000 {
        world.run(MS);
        wanted.extend(world.nodes["node2"].engine.deadline());
    }
    assert!((20..=22).contains(&wanted.len()), "{wanted:?}");
}

// ===== a host that has no time for us =====

#[test]
fn an_announcer_that_is_late_by_less_than_its_promise_keeps_its_address() {
    let mut world = settled();
    for _ in 0..50 {
        world.freeze("node1");
        world.run(95 * MS);
        world.thaw("node1");
        world.run(3 * MS);
    }
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    assert_eq!(moves(&world), 1);
}

#[test]
fn a_detector_that_runs_late_again_and_again_blames_no_one() {
    let mut world = settled();
    for _ in 0..50 {
        world.freeze("node2");
        world.run(140 * MS);
        world.thaw("node2");
        world.run(7 * MS);
    }
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    assert!(world.facts("node2", FactKind::Took).is_empty());
}

#[test]
fn what_was_lost_while_a_detector_ran_late_is_counted_as_nobodys_silence() {
    let mut world = settled();
    // Its sockets were full, say: what is sent to it meanwhile never comes, and nothing waits to be read.
    for node in ["node1", "node3"] {
        world.cut(node, "node2");
    }
    world.run(60 * MS);
    world.freeze("node2");
    world.run(130 * MS);
    world.heal();
    world.thaw("node2");
    world.run(500 * MS);
    assert!(world.facts("node2", FactKind::Took).is_empty(), "no beacon came for longer than a dead time");
    assert!(world.facts("node2", FactKind::PeerLost).is_empty());
    assert_eq!(moves(&world), 1);
}

#[test]
fn a_starved_announcer_makes_its_peers_wait_longer_and_keeps_its_address() {
    let mut world = settled();
    // Worse and worse, from nothing to several times the dead time of a host that is well.
    for late in (0..40).map(|n| n * 10 * MS) {
        for _ in 0..4 {
            world.freeze("node1");
            world.run(late);
            world.thaw("node1");
            world.run(60 * MS);
        }
    }
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    assert_eq!(moves(&world), 1);
}

#[test]
fn a_starved_announcer_that_freezes_is_silent_before_its_successor_speaks() {
    let mut world = settled();
    for _ in 0..20 {
        world.freeze("node1");
        world.run(100 * MS);
        world.thaw("node1");
        world.run(60 * MS);
    }
    world.freeze("node1");
    world.run_until("another announcer", |world| world.holders(vip(200)).contains(&"node2".to_owned()));
    world.thaw("node1");
    assert_eq!(world.who_has(vip(200)), ["node2"]);
}

#[test]
fn a_host_that_has_recovered_is_given_up_as_fast_as_any() {
    let mut world = settled();
    for _ in 0..20 {
        world.freeze("node1");
        world.run(100 * MS);
        world.thaw("node1");
        world.run(60 * MS);
    }
    world.run(3_000 * MS);
    world.kill("node1");
    let gap = world.run_until("another announcer", |world| world.holders(vip(200)) == ["node2"]);
    assert!(gap <= 175 * MS, "{gap:?}");
}

#[test]
fn a_host_that_stands_still_for_a_moment_every_few_seconds_is_given_the_time() {
    let mut world = settled();
    for stall in [140, 140, 300] {
        world.freeze("node1");
        world.run(stall * MS);
        world.thaw("node1");
        world.run(5_000 * MS);
    }
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    assert_eq!(moves(&world), 1);
}

#[test]
fn a_beacon_that_waits_to_be_read_counts_before_its_sender_is_given_up() {
    let mut world = settled();
    // Late by less than is excused, at the very moment at which node1 would be given up.
    world.freeze("node1");
    world.run(140 * MS);
    world.freeze("node2");
    world.thaw("node1");
    world.run(29 * MS);
    world.thaw("node2");
    assert!(world.facts("node2", FactKind::PeerLost).is_empty());
}

// ===== a machine that stood still, its clock with it =====

#[test]
fn a_machine_that_was_paused_falls_silent_within_a_round_of_beacons_though_its_clock_stood_still() {
    let mut world = settled();
    world.pause_machine("node1");
    world.run(60_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    world.thaw("node1");
    world.run(51 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
}

#[test]
fn what_peers_said_during_the_pause_is_read_before_any_question_is_answered() {
    let mut world = settled();
    world.pause_machine("node1");
    world.run(1_000 * MS);
    world.thaw("node1");
    assert_eq!(world.who_has(vip(200)), ["node2"]);
}

// ===== loss one way =====

#[test]
fn an_announcer_whom_nobody_hears_is_succeeded_and_falls_silent() {
    let mut world = settled();
    world.cut("node1", "node2");
    world.cut("node1", "node3");
    world.run(500 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
}

#[test]
fn a_candidate_whom_nobody_hears_takes_nothing() {
    let mut world = settled();
    world.cut("node2", "node1");
    world.cut("node2", "node3");
    world.run(2_000 * MS);
    assert_eq!((world.who_has(vip(200)), moves(&world)), (vec!["node1".to_owned()], 1));
}

#[test]
fn a_candidate_that_hears_nobody_does_not_push_out_a_healthy_announcer() {
    let mut world = settled();
    world.cut("node1", "node2");
    world.cut("node3", "node2");
    world.run(2_000 * MS);
    assert!(world.who_has(vip(200)).contains(&"node1".to_owned()));
    assert!(world.facts("node1", FactKind::Yielded).is_empty());
}

#[test]
fn one_that_hears_again_settles_with_the_others_on_one_announcer() {
    let mut world = settled();
    world.cut("node1", "node2");
    world.cut("node3", "node2");
    world.run(2_000 * MS);
    world.heal();
    world.run(100 * MS);
    assert_eq!(world.who_has(vip(200)).len(), 1);
}

#[test]
fn an_announcer_that_hears_nobody_is_reported_by_those_who_hear_it_and_keeps_its_address() {
    let mut world = settled();
    world.cut("node2", "node1");
    world.cut("node3", "node1");
    world.run(5_000 * MS);
    assert_eq!((world.who_has(vip(200)), moves(&world)), (vec!["node1".to_owned()], 1));
    for node in ["node2", "node3"] {
        assert!(world.facts(node, FactKind::OneWay).iter().all(|fact| fact.peer == "node1"));
        assert!(!world.facts(node, FactKind::OneWay).is_empty());
    }
}

// ===== a network that fails while the other lives =====

#[test]
fn a_management_network_that_dies_moves_nothing() {
    let mut world = with_a_management_network();
    world.udp = false;
    world.run(5_000 * MS);
    assert_eq!((world.who_has(vip(200)), moves(&world)), (vec!["node1".to_owned()], 1));
}

#[test]
fn an_announcer_whose_segment_is_dead_is_succeeded_though_its_management_network_lives() {
    let mut world = with_a_management_network();
    world.part_segment(&["node1"], &["node2", "node3"]);
    world.run(500 * MS);
    assert!(world.who_has(vip(200)).contains(&"node2".to_owned()));
}

#[test]
fn a_candidate_whose_own_segment_is_dead_pushes_nobody_out_over_the_management_network() {
    let mut world = with_a_management_network();
    world.part_segment(&["node2"], &["node1", "node3"]);
    world.run(5_000 * MS);
    assert!(world.who_has(vip(200)).contains(&"node1".to_owned()));
    assert!(world.facts("node1", FactKind::Yielded).is_empty());
    // It serves its own side of the segment, and once is enough to begin with that.
    assert_eq!(world.facts("node2", FactKind::Took).len(), 1);
}

#[test]
fn a_segment_that_heals_settles_on_one_announcer() {
    let mut world = with_a_management_network();
    world.part_segment(&["node1"], &["node2", "node3"]);
    world.run(5_000 * MS);
    world.heal();
    world.run(1_200 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
}

#[test]
fn two_that_were_parted_for_seconds_meet_within_a_quarter_of_a_second_and_a_round() {
    for parted in (0..20).map(|n| 5_000 + n * 53) {
        let mut world = settled();
        world.partition(&["node1"], &["node2", "node3"]);
        world.run(parted * MS);
        world.heal();
        world.run(310 * MS);
        assert_eq!(world.who_has(vip(200)).len(), 1, "parted for {parted} ms");
    }
}

#[test]
fn two_that_were_parted_for_long_meet_within_a_second_and_a_round() {
    let mut world = settled();
    world.partition(&["node1"], &["node2", "node3"]);
    world.run(60_000 * MS);
    world.heal();
    world.run(1_060 * MS);
    assert_eq!(world.who_has(vip(200)).len(), 1);
}

#[test]
fn where_no_beacon_ever_came_by_the_segment_the_management_network_says_who_lives() {
    let mut world = World::new(3);
    (world.udp_interface, world.ethernet) = (MANAGEMENT, false);
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(1_000 * MS);
    let answers = |world: &mut World| -> Vec<String> {
        world.ethernet = true;
        let answers = world.who_has(vip(200));
        world.ethernet = false;
        answers
    };
    assert_eq!(answers(&mut world), ["node1"]);
    world.kill("node1");
    world.run(500 * MS);
    assert_eq!(answers(&mut world), ["node2"]);
}

// ===== restarts and changes under way =====

#[test]
fn a_list_of_nodes_that_changes_under_way_moves_nothing() {
    let mut world = settled();
    for leaver in ["node2", "node3"] {
        for node in ORDER {
            let mut table = world.table(node);
            table.peers.retain(|peer| peer.node != leaver);
            world.event(node, Event::Table(table));
            world.run(30 * MS);
        }
        world.run(500 * MS);
        for node in ORDER {
            world.set_table(node);
            world.run(30 * MS);
        }
        world.run(500 * MS);
    }
    assert_eq!((world.who_has(vip(200)), moves(&world)), (vec!["node1".to_owned()], 1));
}

#[test]
fn an_announcer_that_is_struck_off_the_list_and_put_back_keeps_its_address_and_is_answered_by_one() {
    let mut world = settled();
    for node in ["node2", "node3"] {
        let mut table = world.table(node);
        table.peers.retain(|peer| peer.node != "node1");
        table.groups = world.groups.clone();
        world.event(node, Event::Table(table));
    }
    world.run(500 * MS);
    for node in ["node2", "node3"] {
        world.set_table(node);
    }
    world.run(500 * MS);
    assert_eq!(world.who_has(vip(200)).len(), 1);
}

#[test]
fn a_node_whose_address_changes_is_heard_on_and_moves_nothing() {
    let mut world = settled();
    world.ethernet = false;
    world.run(1_000 * MS);
    let new: IpAddr = [192, 168, 1, 77].into();
    world.nodes.get_mut("node2").unwrap().address = new;
    for node in ["node1", "node3"] {
        world.set_table(node);
    }
    world.run(2_000 * MS);
    world.ethernet = true;
    assert_eq!((world.who_has(vip(200)), moves(&world)), (vec!["node1".to_owned()], 1));
}

#[test]
fn an_interface_that_goes_hands_over_at_once_by_the_other_network() {
    let mut world = with_a_management_network();
    world.event("node1", Event::Interfaces(vec![]));
    let gap = world.run_until("another announcer", |world| world.holders(vip(200)) == ["node2"]);
    assert!(gap <= 2 * MS, "{gap:?}");
    assert_eq!(world.facts("node2", FactKind::Took)[0].cause.to_string(), "released");
}
