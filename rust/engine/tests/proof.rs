//! What a beacon proves: its sender's key, its freshness, and nothing for an attacker who plays it again.

mod common;

use core::time::Duration;

use common::{ETH, MS, World, group, key, vip};
use metalev_engine::{DropReason, Event, FactKind};
use metalev_wire::MacAddr;
use metalev_wire::beacon::{Claim, Key, Repr as Beacon, Standing};
use metalev_wire::ethernet::{EtherType, Repr as Header};

const ORDER: [&str; 2] = ["node1", "node2"];

fn settled() -> World {
    let mut world = World::new(2);
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(500 * MS);
    world
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    let src = MacAddr::new([2, 0, 0, 0, 0, 1]);
    Header { dst: MacAddr::BROADCAST, src, ethertype: EtherType::BEACON }.frame(bytes)
}

/// A beacon in which node1 says to node2 that it holds the address under a high term.
fn claim_of_node1(nonce: u64, echo: u64, sequence: u64) -> Beacon {
    Beacon {
        sender: "node1".into(),
        recipient: "node2".into(),
        nonce,
        echo,
        sequence,
        hears_you: true,
        goodbye: false,
        quiet: false,
        interval_ms: 1000,
        mac: MacAddr::new([2, 0, 0, 0, 0, 1]),
        since: 0,
        through: 1_000,
        latest: 1_000,
        acknowledged: 0,
        claims: vec![Claim { address: vip(200), term: 99, standing: Standing::Holds(0) }],
    }
}

fn hand_to_node2(world: &mut World, bytes: &[u8]) {
    let bytes = frame(bytes);
    world.event("node2", Event::Frame { interface: ETH, bytes: &bytes, waited: Duration::ZERO });
}

#[test]
fn a_beacon_signed_with_another_key_is_counted_and_ignored() {
    let mut world = settled();
    let forged = Key { id: 1, secret: b"another secret of the same kind.".to_vec() };
    hand_to_node2(&mut world, &claim_of_node1(1, 2, 1_000_000).emit_signed(&forged).unwrap());
    assert_eq!(world.dropped("node2", DropReason::BadSignature), 1);
}

#[test]
fn a_beacon_under_an_unknown_key_id_is_counted_and_ignored() {
    let mut world = settled();
    let unknown = Key { id: 9, ..key() };
    hand_to_node2(&mut world, &claim_of_node1(1, 2, 1_000_000).emit_signed(&unknown).unwrap());
    assert_eq!(world.dropped("node2", DropReason::BadSignature), 1);
}

#[test]
fn a_beacon_that_is_played_again_is_a_replay() {
    let mut world = settled();
    let again = claim_of_node1(1, 2, 1_000_000).emit_signed(&key()).unwrap();
    hand_to_node2(&mut world, &again);
    hand_to_node2(&mut world, &again);
    assert_eq!(world.dropped("node2", DropReason::Replayed), 1);
}

#[test]
fn recordings_of_an_earlier_life_do_not_keep_a_dead_announcer_alive() {
    let mut world = settled();
    world.kill("node1");
    // node2's nonce was another when these were recorded, so they echo one that means nothing now.
    for sequence in 1..200 {
        hand_to_node2(&mut world, &claim_of_node1(1, 4711, sequence).emit_signed(&key()).unwrap());
        world.run(10 * MS);
    }
    assert_eq!(world.who_has(vip(200)), ["node2"]);
}

#[test]
fn recordings_of_an_earlier_life_do_not_part_two_that_hear_each_other() {
    let mut world = settled();
    for sequence in 1..200 {
        hand_to_node2(&mut world, &claim_of_node1(815, 4711, sequence).emit_signed(&key()).unwrap());
        world.run(10 * MS);
    }
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    assert!(world.facts("node2", FactKind::PeerLost).is_empty());
    assert!(world.facts("node1", FactKind::PeerLost).is_empty());
}

#[test]
fn recordings_of_a_life_that_ended_while_we_lived_on_bring_nobody_back() {
    let mut world = settled();
    world.kill("node1");
    world.run(500 * MS);
    world.boot(1, 815);
    world.set_table("node1");
    world.run(500 * MS);
    let before = world.facts("node2", FactKind::PeerHeard).len();
    // node2's nonce is the same as then, and these sequence numbers were never heard.
    for sequence in 1_000_000..1_000_100 {
        hand_to_node2(&mut world, &claim_of_node1(1, 2, sequence).emit_signed(&key()).unwrap());
        world.run(10 * MS);
    }
    assert_eq!(world.dropped("node2", DropReason::Replayed), 100);
    assert_eq!(world.facts("node2", FactKind::PeerHeard).len(), before);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
}

#[test]
fn a_life_whose_first_beacon_overtook_the_last_of_the_one_before_is_known_again() {
    let mut world = settled();
    // Of a life of node1 so short that node2 had heard nothing of it yet.
    let late = Beacon { interval_ms: 50, through: 0, latest: 0, claims: vec![], ..claim_of_node1(815, 2, 1) };
    hand_to_node2(&mut world, &late.emit_signed(&key()).unwrap());
    world.run(2_000 * MS);
    assert_eq!(world.who_has(vip(200)).len(), 1);
    let known_again = world.facts("node2", FactKind::PeerHeard).len();
    world.run(2_000 * MS);
    assert_eq!(world.facts("node2", FactKind::PeerHeard).len(), known_again);
}

#[test]
fn a_beacon_for_somebody_else_is_not_for_us() {
    let mut world = settled();
    let other = Beacon { recipient: "node9".into(), ..claim_of_node1(1, 2, 1_000_000) };
    hand_to_node2(&mut world, &other.emit_signed(&key()).unwrap());
    assert_eq!(world.dropped("node2", DropReason::NotForUs), 1);
}

#[test]
fn a_sender_that_is_no_node_is_not_believed() {
    let mut world = settled();
    let stranger = Beacon { sender: "node9".into(), ..claim_of_node1(1, 2, 1_000_000) };
    hand_to_node2(&mut world, &stranger.emit_signed(&key()).unwrap());
    assert_eq!(world.dropped("node2", DropReason::NotForUs), 1);
}

#[test]
fn garbage_is_counted_and_dropped() {
    let mut world = settled();
    hand_to_node2(&mut world, b"MLEV and then nothing of sense");
    world.event("node2", Event::Frame { interface: ETH, bytes: &[1, 2, 3], waited: Duration::ZERO });
    assert_eq!(world.dropped("node2", DropReason::Malformed), 2);
}

#[test]
fn a_key_rotation_moves_nothing() {
    let mut world = settled();
    let new = Key { id: 2, secret: b"fedcba9876543210fedcba9876543210".to_vec() };
    // First everybody accepts the new key, then everybody signs with it, then the old one goes.
    for keys in [vec![key(), new.clone()], vec![new.clone(), key()], vec![new]] {
        for node in ORDER {
            let mut table = world.table(node);
            table.keys.clone_from(&keys);
            world.event(node, Event::Table(table));
            world.run(700 * MS);
        }
    }
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    assert!(world.facts("node2", FactKind::Took).is_empty());
    for node in ORDER {
        assert_eq!(world.dropped(node, DropReason::BadSignature), 0);
        assert!(world.facts(node, FactKind::PeerLost).is_empty());
        assert!(world.facts(node, FactKind::Unheeded).is_empty());
    }
}

#[test]
fn a_speaker_that_restarts_within_the_dead_time_is_known_again_at_once() {
    let mut world = settled();
    world.kill("node2");
    world.run(20 * MS);
    world.boot(2, 4242);
    world.set_table("node2");
    world.run(10 * MS);
    assert_eq!(world.facts("node2", FactKind::PeerHeard).len(), 2);
}

#[test]
fn beacons_to_peers_that_are_not_next_in_line_are_rare() {
    let mut world = World::new(3);
    world.set_groups(vec![]);
    world.run(1_000 * MS);
    let before: usize = world.nodes.values().map(|node| node.sent).sum();
    world.run(10_000 * MS);
    let sent = world.nodes.values().map(|node| node.sent).sum::<usize>() - before;
    // 3 nodes x 2 peers x 2 paths x 10 s.
    assert!(sent <= 130, "{sent}");
}
