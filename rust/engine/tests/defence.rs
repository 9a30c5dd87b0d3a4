//! An announced address that somebody else claims is counted, told and defended, all of it not too often.

mod common;

use common::foreign::{ANOTHER, ORDER, SECOND, STRANGER, announcements, hear, holding, says, told};
use common::{FAMILIES, MS, World, group_of, vip};
use metalev_engine::FactKind;

#[test]
fn a_claim_to_a_held_address_is_counted_told_and_answered_by_an_announcement() {
    for ip in FAMILIES {
        let mut world = holding();
        let before = announcements(&world, ip(200));
        hear(&mut world, "node1", &says(ip(200), STRANGER, false));
        world.run(100 * MS);
        assert_eq!(announcements(&world, ip(200)), before + 1);
        let counters = world.nodes["node1"].engine.counters();
        let row = counters.addresses.iter().find(|row| row.address == ip(200));
        assert_eq!(row.map(|row| row.foreign_claims), Some(1));
        let facts = world.facts("node1", FactKind::ForeignClaim);
        assert_eq!((facts.len(), facts[0].mac), (1, Some(STRANGER)));
        assert_eq!(told(&world, FactKind::Conflict), [("node1".to_owned(), vec![ip(200)])]);
    }
}

#[test]
fn two_who_defend_the_same_address_do_not_shout_at_each_other() {
    for ip in FAMILIES {
        let mut world = holding();
        let before = announcements(&world, ip(200));
        for _ in 0..300 {
            hear(&mut world, "node1", &says(ip(200), STRANGER, false));
            world.run(100 * MS);
        }
        // One in ten seconds, over thirty seconds.
        assert_eq!(announcements(&world, ip(200)), before + 3);
        let counters = world.nodes["node1"].engine.counters();
        assert!(counters.addresses.iter().any(|row| row.address == ip(200) && row.foreign_claims == 300));
        assert_eq!(world.facts("node1", FactKind::ForeignClaim).len(), 3);
    }
}

#[test]
fn a_probe_for_a_held_address_is_answered_counted_and_told_and_no_conflict() {
    for ip in FAMILIES {
        let mut world = holding();
        let sent = world.nodes["node1"].sent;
        hear(&mut world, "node1", &says(ip(200), STRANGER, true));
        assert_eq!(world.nodes["node1"].sent, sent + 1, "the answer");
        let counters = world.nodes["node1"].engine.counters();
        assert!(counters.addresses.iter().any(|row| row.address == ip(200) && row.foreign_claims == 1));
        assert_eq!(told(&world, FactKind::ForeignClaim).len(), 1);
        assert_eq!(told(&world, FactKind::Conflict), []);
    }
}

#[test]
fn an_address_is_defended_without_a_refresh_too_and_still_answered() {
    let mut world = holding();
    for mac in [STRANGER, ANOTHER] {
        hear(&mut world, "node1", &says(vip(200), mac, false));
        world.run(11 * SECOND);
    }
    assert_eq!(world.facts("node1", FactKind::ForeignClaim).len(), 2, "each is told");
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

#[test]
fn a_takeover_by_a_peer_is_neither_counted_nor_fought() {
    let mut world = World::new(2);
    world.set_groups(vec![group_of(&[vip(200)], &ORDER[..2])]);
    world.run(10 * SECOND);
    let mac = world.nodes["node2"].mac;
    let before = announcements(&world, vip(200));
    hear(&mut world, "node1", &says(vip(200), mac, false));
    world.run(100 * MS);
    assert_eq!(announcements(&world, vip(200)), before);
    assert!(world.nodes["node1"].engine.counters().addresses.iter().all(|row| row.foreign_claims == 0));
}
