//! With the whole schedule of RFC 5227, nothing is announced for the first time that somebody else has.

mod common;

use common::foreign::{ORDER, SECOND, STRANGER, hear, probes, says, told};
use common::{MS, World, group_of, vip, vip6};
use metalev_engine::{FactKind, Probing};

/// Three nodes that probe before they announce for the first time; an address of each family for the first two.
fn careful() -> World {
    let mut world = World::new(3);
    world.probing = Probing { addresses: vec![], full: true };
    world.set_groups(vec![group_of(&[vip(200)], &ORDER), group_of(&[vip6(201)], &ORDER)]);
    world
}

#[test]
fn with_the_whole_schedule_an_address_is_probed_before_it_is_announced_for_the_first_time() {
    let mut world = careful();
    world.run(10 * SECOND);
    for address in [vip(200), vip6(201)] {
        assert_eq!(world.who_has(address), ["node1"]);
        let sent = probes(&world, "node1", address);
        let took =
            world.facts("node1", FactKind::Took).into_iter().find(|fact| fact.addresses == [address]).unwrap().at;
        assert_eq!(sent.len(), 3);
        assert!(took.since(sent[2]) >= 2 * SECOND && took.since(sent[0]) >= 4 * SECOND);
        assert!(world.facts("node2", FactKind::Took).is_empty(), "nobody passes the first candidate over");
    }
}

#[test]
fn what_somebody_has_is_not_announced_then_and_is_once_they_leave() {
    let mut world = careful();
    world.run_until("node1 probes", |world| !probes(world, "node1", vip(200)).is_empty());
    hear(&mut world, "node1", &says(vip(200), STRANGER, false));
    world.run(8 * SECOND);
    assert_eq!(world.who_has(vip(200)), Vec::<String>::new());
    assert_eq!(told(&world, FactKind::Conflict), [("node1".to_owned(), vec![vip(200)])]);
    world.run(120 * SECOND);
    assert_eq!(world.who_has(vip(200)).len(), 1);
}

#[test]
fn a_takeover_of_what_was_announced_before_waits_for_no_probe() {
    let mut world = careful();
    world.run(10 * SECOND);
    world.kill("node1");
    world.run(250 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
}

#[test]
fn while_the_first_candidate_finds_out_and_dies_the_next_one_finds_out_and_takes_it() {
    let mut world = careful();
    world.run(2 * SECOND);
    world.kill("node1");
    world.run(20 * SECOND);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    assert_eq!(probes(&world, "node2", vip(200)).len(), 3);
}
