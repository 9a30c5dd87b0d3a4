//! Addresses that somebody else has: found before they are given away, and while they are announced.

mod common;

use std::collections::BTreeSet;
use std::net::IpAddr;

use common::foreign::{ORDER, SECOND, STRANGER, all_hear, asking, hear, holding, probes, probing, says, told};
use common::{FAMILIES, MS, World, group_of, link, vip};
use metalev_engine::{Cause, Event, FactKind, Interface};
use metalev_wire::MacAddr;

#[test]
fn one_of_the_living_probes_an_address_three_times_and_finds_that_nobody_has_it() {
    for ip in FAMILIES {
        let mut world = asking(&[ip(100)]);
        world.run(10 * SECOND);
        let asked = probing(&world, ip(100));
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(probes(&world, &asked[0], ip(100)).len(), 3);
        assert_eq!(told(&world, FactKind::Clean), [(asked[0].clone(), vec![ip(100)])]);
        assert_eq!(world.nodes[&asked[0]].engine.counters().probes_sent, 3);
    }
}

#[test]
fn the_addresses_are_spread_over_the_nodes_and_each_is_asked_for_by_one() {
    let addresses: Vec<IpAddr> = (100..130).map(vip).collect();
    let mut world = asking(&addresses);
    world.run(20 * SECOND);
    let by: Vec<Vec<String>> = addresses.iter().map(|address| probing(&world, *address)).collect();
    assert!(by.iter().all(|nodes| nodes.len() == 1), "{by:?}");
    assert_eq!(by.iter().flatten().collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(told(&world, FactKind::Clean).len(), 30);
}

#[test]
fn when_the_one_that_asks_dies_another_does() {
    let mut world = asking(&[vip(100)]);
    world.run(2 * SECOND);
    let asked = probing(&world, vip(100))[0].clone();
    world.kill(&asked);
    world.run(60 * SECOND);
    assert_eq!(told(&world, FactKind::Clean).len(), 1);
    assert_ne!(told(&world, FactKind::Clean)[0].0, asked);
}

#[test]
fn a_series_begins_anew_when_an_interface_comes_up_for_an_answer_may_have_been_missed() {
    let mut world = asking(&[vip(100)]);
    world.run_until("the first probe", |world| !probing(world, vip(100)).is_empty());
    let asked = probing(&world, vip(100))[0].clone();
    let first = link(asked.trim_start_matches("node").parse().unwrap());
    let mac = MacAddr::new([2, 0, 0, 0, 1, 1]);
    let second = Interface { index: 3, name: "eth1".into(), mac, ..first.clone() };
    world.event(&asked, Event::Interfaces(vec![first, second]));
    world.run(20 * SECOND);
    assert_eq!(probes(&world, &asked, vip(100)).len(), 1 + 3);
}

#[test]
fn whoever_answers_a_probe_has_the_address() {
    for ip in FAMILIES {
        let mut world = asking(&[ip(100)]);
        world.run(1_500 * MS);
        let asked = probing(&world, ip(100))[0].clone();
        hear(&mut world, &asked, &says(ip(100), STRANGER, false));
        world.run(20 * SECOND);
        assert_eq!(told(&world, FactKind::Conflict), [(asked.clone(), vec![ip(100)])]);
        assert_eq!(told(&world, FactKind::Clean), []);
        let fact = world.facts(&asked, FactKind::Conflict)[0];
        assert_eq!((fact.mac, fact.interface.as_str(), fact.cause), (Some(STRANGER), "eth0", Cause::Probe));
        assert!(fact.message.contains("02:00:00:00:09:09 on eth0"), "{}", fact.message);
    }
}

#[test]
fn whoever_asks_whether_anybody_has_a_free_address_is_about_to_take_it() {
    for ip in FAMILIES {
        let mut world = asking(&[ip(100)]);
        world.run(10 * SECOND);
        all_hear(&mut world, &says(ip(100), STRANGER, true));
        assert_eq!(told(&world, FactKind::Conflict).len(), 3, "all have heard it");
    }
}

#[test]
fn an_address_that_its_user_has_left_is_found_clean_within_a_minute_or_so() {
    let mut world = asking(&[vip(100)]);
    world.run(1_500 * MS);
    let asked = probing(&world, vip(100))[0].clone();
    hear(&mut world, &asked, &says(vip(100), STRANGER, false));
    world.run(70 * SECOND);
    assert_eq!(told(&world, FactKind::ConflictOver), [(asked.clone(), vec![vip(100)])]);
    assert_eq!(told(&world, FactKind::Clean), [(asked, vec![vip(100)])]);
}

#[test]
fn a_clean_address_that_somebody_takes_is_told_to_be_in_conflict_and_clean_again_after() {
    let mut world = asking(&[vip(100)]);
    world.run(10 * SECOND);
    let (asked, _) = told(&world, FactKind::Clean).remove(0);
    hear(&mut world, &asked, &says(vip(100), STRANGER, false));
    world.run(70 * SECOND);
    assert_eq!(told(&world, FactKind::Clean).len(), 2);
}

#[test]
fn a_peer_that_announces_is_no_stranger() {
    let mut world = asking(&[vip(100)]);
    world.run(10 * SECOND);
    for node in ORDER {
        hear(&mut world, node, &says(vip(100), MacAddr::new([2, 0, 0, 0, 0, 2]), false));
    }
    assert_eq!(told(&world, FactKind::Conflict), []);
}

#[test]
fn nothing_is_asked_while_it_is_not_known_who_lives() {
    let mut world = asking(&[vip(100)]);
    world.run(140 * MS);
    assert_eq!(probing(&world, vip(100)), Vec::<String>::new());
}

#[test]
fn an_address_in_no_subnet_of_ours_is_asked_for_by_nobody() {
    let mut world = asking(&[[172, 16, 0, 1].into()]);
    world.run(10 * SECOND);
    assert_eq!(probing(&world, [172, 16, 0, 1].into()), Vec::<String>::new());
}

#[test]
fn what_was_a_vip_when_the_speaker_started_is_told_apart_from_what_became_one_since() {
    let mut world = World::new(1);
    world.set_groups(vec![group_of(&[vip(200)], &["node1"])]);
    world.run(SECOND);
    world.set_groups(vec![group_of(&[vip(200)], &["node1"]), group_of(&[vip(201)], &["node1"])]);
    world.run(SECOND);
    for last in [200, 201] {
        hear(&mut world, "node1", &says(vip(last), STRANGER, false));
    }
    let causes: Vec<Cause> = world.facts("node1", FactKind::Conflict).iter().map(|fact| fact.cause).collect();
    assert_eq!(causes, [Cause::HeldBefore, Cause::Frame]);
}

#[test]
fn a_conflict_is_over_when_the_address_is_of_no_interest_any_more() {
    let mut world = holding();
    hear(&mut world, "node1", &says(vip(200), STRANGER, false));
    world.set_groups(vec![]);
    world.run(100 * MS);
    assert_eq!(told(&world, FactKind::ConflictOver).len(), 1);
}
