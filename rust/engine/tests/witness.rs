//! What is announced is asked for as a client would, and what comes of it is told.

mod common;

use common::foreign::{
    ORDER, SECOND, STRANGER, announcements, announces, announcing, answers, hear, questions, says, told,
};
use common::{FAMILIES, World, vip};
use metalev_engine::{Cause, FactKind};
use metalev_wire::arp::{self, Operation};
use metalev_wire::ethernet::{EtherType, Frame};
use metalev_wire::ndp;

fn witnessed(world: &World, node: &str, result: &str) -> u64 {
    let found = world.nodes[node].engine.counters().witnessed;
    found.iter().filter(|(name, _)| *name == result).map(|(_, count)| count).sum()
}

/// Whether a frame asks everybody for `192.168.1.200` under an address.
fn asks_all(frame: &Frame<&[u8]>) -> bool {
    let repr = arp::Packet::new_checked(frame.payload()).and_then(|packet| arp::Repr::parse(&packet));
    frame.dst().is_broadcast()
        && repr.is_ok_and(|repr| repr.operation == Operation::Request && repr.sender_ip != repr.target_ip)
}

#[test]
fn what_is_announced_is_asked_for_by_all_and_answered_by_its_announcer_alone() {
    let mut world = announcing();
    world.run(10 * SECOND);
    for node in ORDER {
        assert_eq!(witnessed(&world, node, "answered"), 2, "{node}");
        assert_eq!(questions(&world, node, vip(200)).len(), 1, "{node}");
    }
    assert_eq!(told(&world, FactKind::Witness), []);
}

#[test]
fn an_address_is_asked_for_about_once_a_minute_by_all_together() {
    let mut world = announcing();
    world.run(70 * SECOND);
    let before: usize = ORDER.iter().map(|node| questions(&world, node, vip(200)).len()).sum();
    world.run(600 * SECOND);
    let after: usize = ORDER.iter().map(|node| questions(&world, node, vip(200)).len()).sum();
    assert!((8..=12).contains(&(after - before)), "{}", after - before);
}

#[test]
fn an_address_that_nobody_answers_for_is_told_once_and_its_announcer_announces_it_again() {
    let mut world = announcing();
    world.loses = asks_all;
    let before = announcements(&world, vip(200));
    world.run(60 * SECOND);
    let silent = told(&world, FactKind::Witness);
    assert_eq!(silent, [("node2".to_owned(), vec![vip(200)]), ("node3".to_owned(), vec![vip(200)])]);
    let fact = world.facts("node2", FactKind::Witness)[0];
    assert_eq!((fact.cause, fact.peer.as_str()), (Cause::NoAnswer, "node1"));
    assert!(witnessed(&world, "node2", "no-answer") >= 2);
    // The burst has three more, and a refresh does not come before a minute is over.
    assert_eq!(announcements(&world, vip(200)), before + 3 + 2);
    world.loses = |_| false;
    world.run(60 * SECOND);
    assert_eq!(told(&world, FactKind::WitnessOver).len(), 2);
}

#[test]
fn who_answers_beside_the_announcer_is_told_with_its_mac_and_is_in_conflict() {
    for ip in FAMILIES {
        let mut world = announcing();
        world.run_until("node2 asks", |world| !questions(world, "node2", ip(200)).is_empty());
        let asker = world.nodes["node2"].mac;
        hear(&mut world, "node2", &answers(ip(200), STRANGER, asker));
        world.run(3 * SECOND);
        let fact = world.facts("node2", FactKind::Witness)[0];
        assert_eq!((fact.cause, fact.mac, &fact.addresses), (Cause::TwoAnswers, Some(STRANGER), &vec![ip(200)]));
        assert_eq!(told(&world, FactKind::Conflict), [("node2".to_owned(), vec![ip(200)])]);
    }
}

/// Whether a frame asks everybody for any address under one of its sender's, by ARP or Neighbor Discovery.
fn asks_all_for_any(frame: &Frame<&[u8]>) -> bool {
    let neighbor = || ndp::Packet::new_checked(frame.payload()).and_then(|packet| ndp::Repr::parse(&packet));
    let solicits = |it: ndp::Repr| matches!(it.message, ndp::Message::Solicitation { .. }) && !it.is_probe();
    let asks = || frame.ethertype() == EtherType::IPV6 && neighbor().is_ok_and(solicits);
    asks_all(frame) || (frame.dst().is_multicast() && asks())
}

#[test]
fn what_its_announcer_tells_everybody_is_no_answer_to_the_witness() {
    for ip in FAMILIES {
        let mut world = announcing();
        world.loses = asks_all_for_any;
        world.run_until("node2 asks", |world| !questions(world, "node2", ip(200)).is_empty());
        let (asker, announcer) = (world.nodes["node2"].mac, world.nodes["node1"].mac);
        hear(&mut world, "node2", &answers(ip(200), STRANGER, asker));
        hear(&mut world, "node2", &announces(ip(200), announcer));
        world.run(3 * SECOND);
        let facts = world.facts("node2", FactKind::Witness).into_iter();
        let of_it: Vec<_> = facts.filter(|fact| fact.addresses == [ip(200)]).collect();
        assert_eq!((of_it[0].cause, of_it[0].mac), (Cause::WrongAnswer, Some(STRANGER)), "{}", ip(200));
    }
}

#[test]
fn the_kernel_of_a_node_of_ours_that_answers_for_an_announced_address_is_named_with_the_cure() {
    let mut world = announcing();
    let mac = world.nodes["node3"].mac;
    for node in ["node1", "node2"] {
        world.run_until("it asks", |world| !questions(world, node, vip(200)).is_empty());
        hear(&mut world, node, &says(vip(200), mac, false));
    }
    world.run(3 * SECOND);
    for node in ["node1", "node2"] {
        let fact = world.facts(node, FactKind::OwnKernel)[0];
        assert!(fact.message.contains("kernel of node node3"), "{}", fact.message);
        assert_eq!(world.facts(node, FactKind::Witness)[0].cause, Cause::TwoAnswers);
    }
    assert_eq!(told(&world, FactKind::Conflict), []);
    assert!(world.nodes["node1"].engine.counters().addresses.iter().all(|row| row.foreign_claims == 0));
}

#[test]
fn a_move_while_a_question_is_open_is_no_trouble() {
    let mut world = announcing();
    world.run_until("node2 asks", |world| !questions(world, "node2", vip(200)).is_empty());
    world.kill("node1");
    world.run(30 * SECOND);
    assert_eq!(told(&world, FactKind::Witness), []);
}
