//! Who announces an address, on a simulated segment in virtual time.

mod common;

use common::{ETH, MS, ORDER, World, group, group_of, key, vip, vip6};
use metalev_engine::{Cause, Event, FactKind, Interface};
use metalev_wire::MacAddr;

#[test]
fn nothing_is_answered_before_one_dead_time_of_listening() {
    let mut world = World::new(3);
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(149 * MS);
    assert_eq!(world.who_has(vip(200)), Vec::<String>::new());
    world.run(2 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

#[test]
fn the_first_candidate_takes_an_address_that_nobody_announces() {
    let world = World::settled();
    let took = world.facts("node1", FactKind::Took);
    assert_eq!((took.len(), took[0].cause, took[0].term), (1, Cause::FirstCandidate, 1));
    assert!(world.facts("node2", FactKind::Took).is_empty());
    assert!(world.facts("node3", FactKind::Took).is_empty());
}

#[test]
fn a_takeover_is_announced_in_request_and_reply_form_at_once() {
    let world = World::settled();
    let took = world.facts("node1", FactKind::Took)[0].at;
    let at_once: Vec<_> = world.nodes["node1"].arp_sent.iter().filter(|(at, _)| *at == took).collect();
    assert_eq!(at_once.len(), 2);
}

#[test]
fn a_new_address_is_answered_at_once_by_a_running_cluster() {
    let mut world = World::settled();
    world.set_groups(vec![group(200, &ORDER), group(201, &["node3", "node1", "node2"])]);
    assert_eq!(world.who_has(vip(201)), ["node3"]);
}

#[test]
fn vip_moves_to_the_next_candidate_when_its_announcer_dies() {
    let mut world = World::settled();
    world.kill("node1");
    let gap = world.run_until("node2 took it", |world| world.holders(vip(200)) == ["node2"]);
    assert!(gap <= 200 * MS, "{gap:?}");
    let took = world.facts("node2", FactKind::Took)[0];
    assert_eq!((took.cause, took.peer.as_str(), took.term), (Cause::MissedBeacons, "node1", 2));
}

#[test]
fn the_message_of_a_promotion_names_the_announcer_and_its_silence() {
    let mut world = World::settled();
    world.kill("node1");
    world.run(300 * MS);
    let message = &world.facts("node2", FactKind::Took)[0].message;
    assert!(message.contains("node1 missed 3 beacons (silent for 16"), "{message}");
}

#[test]
fn a_frozen_announcer_falls_silent_before_its_successor_speaks() {
    let mut world = World::settled();
    world.run(25 * MS);
    world.freeze("node1");
    world.run_until("node2 took it", |world| !world.facts("node2", FactKind::Took).is_empty());
    // Thawed in the very moment: it must not answer a single question before it knows better.
    world.thaw("node1");
    assert_eq!(world.who_has(vip(200)), ["node2"]);
}

#[test]
fn whoever_slept_throws_away_what_was_queued_and_follows_the_new_announcer() {
    let mut world = World::settled();
    let received = |world: &World| world.nodes["node1"].engine.counters().beacons_received;
    world.freeze("node1");
    let before = received(&world);
    world.run(1_000 * MS);
    world.thaw("node1");
    assert_eq!(received(&world), before, "what its peers said meanwhile is thrown away");
    world.run(500 * MS);
    assert!(received(&world) > before);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    let slept = world.facts("node1", FactKind::Overslept);
    assert_eq!(slept.len(), 1);
    assert_eq!(world.facts("node1", FactKind::Yielded)[0].cause, Cause::Overslept);
}

#[test]
fn a_sleep_shorter_than_the_dead_time_moves_nothing() {
    let mut world = World::settled();
    world.freeze_for("node1", 90 * MS);
    world.run(1_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    assert!(world.facts("node2", FactKind::Took).is_empty());
}

#[test]
fn a_detector_that_overslept_blames_no_one() {
    let mut world = World::settled();
    world.freeze_for("node2", 1_000 * MS);
    world.run(1_000 * MS);
    assert!(world.facts("node2", FactKind::Took).is_empty());
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

#[test]
fn a_node_that_returns_does_not_push_out_the_announcer() {
    let mut world = World::settled();
    world.kill("node1");
    world.run(500 * MS);
    world.boot(1, 77);
    world.set_table("node1");
    world.run(3_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    assert!(world.facts("node1", FactKind::Took).is_empty());
}

#[test]
fn the_third_candidate_takes_over_when_two_die_at_once() {
    let mut world = World::settled();
    world.kill("node1");
    world.kill("node2");
    let gap = world.run_until("node3 took it", |world| world.holders(vip(200)) == ["node3"]);
    // node2 is told slowly, so its death is known late; it is passed over after the grace instead.
    assert!(gap <= 400 * MS, "{gap:?}");
}

#[test]
fn a_candidate_that_cannot_is_passed_over_without_delay() {
    let mut world = World::new(3);
    let own = Interface {
        index: ETH,
        name: "eth0".into(),
        mac: MacAddr::new([2, 0, 0, 0, 0, 1]),
        addresses: vec![(vip(10), 24), (vip(200), 32)],
        gateways: vec![],
    };
    world.event("node1", Event::Interfaces(vec![own]));
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(170 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    assert_eq!(world.facts("node1", FactKind::Unable)[0].cause, Cause::OwnAddress);
}

#[test]
fn a_living_candidate_that_does_not_take_what_it_should_is_passed_over_after_a_grace() {
    let mut world = World::new(3);
    world.set_groups(vec![]);
    world.run(500 * MS);
    world.groups = vec![group(200, &ORDER)];
    world.set_table("node2");
    world.set_table("node3");
    assert_eq!(world.who_has(vip(200)), Vec::<String>::new());
    world.run_until("node2 took it", |world| world.holders(vip(200)) == ["node2"]);
    assert_eq!(world.facts("node2", FactKind::Took)[0].cause, Cause::PassedOver);
    world.run(5 * MS);
    world.set_table("node1");
    world.run(1_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
}

#[test]
fn a_service_that_goes_is_no_longer_answered() {
    let mut world = World::settled();
    world.set_groups(vec![]);
    assert_eq!(world.who_has(vip(200)), Vec::<String>::new());
    assert_eq!(world.facts("node1", FactKind::Yielded)[0].cause, Cause::Removed);
}

#[test]
fn a_node_that_is_no_candidate_any_more_hands_over() {
    let mut world = World::settled();
    world.set_groups(vec![group(200, &["node2", "node3"])]);
    world.run(5 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    assert_eq!(world.facts("node1", FactKind::Yielded)[0].cause, Cause::NotCandidate);
}

#[test]
fn the_same_table_again_changes_nothing() {
    let mut world = World::settled();
    let before: Vec<usize> = world.nodes.values().map(|node| node.facts.len()).collect();
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(1_000 * MS);
    let after: Vec<usize> = world.nodes.values().map(|node| node.facts.len()).collect();
    assert_eq!(before, after);
}

#[test]
fn the_same_table_again_begins_no_burst() {
    let addresses = [vip(200), vip6(200)];
    let mut world = World::new(3);
    world.set_groups(vec![group_of(&addresses, &ORDER)]);
    world.run(5_000 * MS);
    let sent = |world: &World| {
        let counters = world.nodes["node1"].engine.counters().addresses;
        (counters[0].gratuitous_sent, counters[1].gratuitous_sent)
    };
    let before = sent(&world);
    assert_eq!(before, (12, 6), "six rounds, in both forms of ARP and one of NDP");
    world.set_groups(vec![group_of(&addresses, &ORDER)]);
    world.run(5_000 * MS);
    assert_eq!(sent(&world), before);
}

#[test]
fn without_a_key_nothing_is_announced() {
    let mut world = World::new(1);
    world.groups = vec![group(200, &["node1"])];
    let mut table = world.table("node1");
    table.keys.clear();
    world.event("node1", Event::Table(table));
    world.run(1_000 * MS);
    assert_eq!(world.who_has(vip(200)), Vec::<String>::new());
    world.set_table("node1");
    world.run(1_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    assert_eq!(key().id, 1);
}

#[test]
fn a_single_node_announces_everything() {
    let mut world = World::new(1);
    world.set_groups(vec![group(200, &["node1"]), group(201, &["node1"])]);
    world.run(200 * MS);
    assert_eq!(world.who_has(vip(201)), ["node1"]);
    world.run(5_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

#[test]
fn a_node_death_promotes_all_of_its_groups_in_one_pass() {
    let mut world = World::new(3);
    world.set_groups((100..=250).map(|last| group(last, &ORDER)).collect());
    world.run(2_000 * MS);
    world.kill("node1");
    world.run(200 * MS);
    let took = world.facts("node2", FactKind::Took);
    assert_eq!(took.len(), 151);
    assert!(took.iter().all(|fact| fact.at == took[0].at));
}

#[test]
fn a_newcomer_learns_a_long_list_before_it_takes_anything() {
    let mut world = World::new(3);
    world.kill("node1");
    world.set_groups((100..=250).map(|last| group(last, &ORDER)).collect());
    world.run(5_000 * MS);
    world.boot(1, 77);
    world.set_table("node1");
    world.run(3_000 * MS);
    assert!(world.facts("node1", FactKind::Took).is_empty());
}
