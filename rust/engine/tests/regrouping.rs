//! Groups that change while they are announced, and tables that differ between nodes for a while.

mod common;

use std::net::IpAddr;

use common::{MS, World, group_of, vip, vip6};
use metalev_engine::{Cause, FactKind, Group};

const ORDER: [&str; 3] = ["node1", "node2", "node3"];

fn of(addresses: &[IpAddr]) -> Group {
    group_of(addresses, &ORDER)
}

/// `192.168.1.200` is with the second candidate: the first has died and come back.
fn moved() -> World {
    let mut world = World::new(3);
    world.set_groups(vec![of(&[vip(200)])]);
    world.run(500 * MS);
    world.kill("node1");
    world.run(500 * MS);
    world.boot(1, 77);
    world.set_table("node1");
    world.run(2_000 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    world
}

/// Give the nodes a new table one after the other, and see at every moment who answers.
fn roll_out(world: &mut World, groups: Vec<Group>, order: [&str; 3], pause: u32) {
    world.groups = groups;
    for node in order {
        world.set_table(node);
        for _ in 0..pause {
            world.run(MS);
            assert_eq!(world.who_has(vip(200)), ["node2"], "while {node} has the new table");
        }
    }
    world.run(1_000 * MS);
}

#[test]
fn an_address_that_joins_goes_to_who_announces_the_other() {
    for order in [["node1", "node2", "node3"], ["node3", "node2", "node1"], ["node2", "node1", "node3"]] {
        let mut world = moved();
        roll_out(&mut world, vec![of(&[vip(200), vip6(200)])], order, 300);
        assert_eq!(world.who_has(vip6(200)), ["node2"]);
        assert_eq!(world.facts("node2", FactKind::Took).last().unwrap().cause, Cause::Regrouped);
    }
}

#[test]
fn a_group_that_gets_another_key_stays_where_it_is() {
    for order in [["node1", "node2", "node3"], ["node3", "node1", "node2"]] {
        let mut world = moved();
        roll_out(&mut world, vec![of(&[vip(100), vip(200)])], order, 300);
        assert_eq!(world.who_has(vip(100)), ["node2"]);
    }
}

#[test]
fn a_group_that_is_split_stays_where_it_is() {
    let mut world = moved();
    roll_out(&mut world, vec![of(&[vip(200), vip(201)])], ORDER, 300);
    roll_out(&mut world, vec![of(&[vip(200)]), of(&[vip(201)])], ORDER, 300);
    assert_eq!(world.who_has(vip(201)), ["node2"]);
}

#[test]
fn two_groups_that_become_one_settle_on_one_node_and_are_never_answered_twice() {
    let mut world = moved();
    world.set_groups(vec![of(&[vip(200)]), group_of(&[vip(201)], &["node3", "node1", "node2"])]);
    world.run(1_000 * MS);
    assert_eq!(world.who_has(vip(201)), ["node3"]);
    world.groups = vec![of(&[vip(200), vip(201)])];
    for node in ORDER {
        world.set_table(node);
        for _ in 0..300 {
            world.run(MS);
            assert!(world.who_has(vip(200)).len() <= 1);
            assert!(world.who_has(vip(201)).len() <= 1);
        }
    }
    world.run(1_000 * MS);
    let together = world.who_has(vip(200));
    assert_eq!((together.len(), world.who_has(vip(201))), (1, together));
}

#[test]
fn an_address_that_leaves_its_group_and_all_others_falls_silent() {
    let mut world = moved();
    roll_out(&mut world, vec![of(&[vip(200), vip6(200)])], ORDER, 10);
    roll_out(&mut world, vec![of(&[vip(200)])], ORDER, 10);
    assert!(world.who_has(vip6(200)).is_empty());
}

#[test]
fn a_node_that_never_gets_the_new_table_is_heeded_all_the_same() {
    let mut world = moved();
    world.groups = vec![of(&[vip(100), vip(200)])];
    world.set_table("node1");
    world.set_table("node3");
    for _ in 0..3_000 {
        world.run(MS);
        assert_eq!(world.who_has(vip(200)), ["node2"]);
    }
}
