//! What one beacon changes, it changes at once: nothing waits for the next occasion to be looked at.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use core::time::Duration;
use std::net::SocketAddr;

use common::{ETH, MS, World, group, key, link, vip};
use metalev_engine::{Cause, Datagram, Event, FactKind};
use metalev_wire::MacAddr;
use metalev_wire::beacon::{Claim, Repr as Beacon, Standing};
use metalev_wire::ethernet::{EtherType, Repr as Header};

/// Newer than whatever the nodes of a world have said.
const LATER: u64 = 1 << 20;

/// A beacon to node1 from another node, whose nonce is its number; `echo` is the life of node1 to which it speaks.
fn word(from: u8, echo: u64, sequence: u64, hears_you: bool, claims: Vec<Claim>) -> Vec<u8> {
    let through = if claims.is_empty() { 0 } else { LATER };
    let beacon = Beacon {
        sender: format!("node{from}"),
        recipient: "node1".into(),
        nonce: from.into(),
        echo,
        sequence: LATER + sequence,
        hears_you,
        goodbye: false,
        quiet: false,
        interval_ms: 1_000,
        mac: MacAddr::ZERO,
        since: 0,
        through,
        latest: through,
        acknowledged: 0,
        claims,
    };
    beacon.emit_signed(&key()).unwrap()
}

fn by_ethernet(world: &mut World, from: u8, bytes: &[u8]) {
    let header = Header { dst: link(1).mac, src: link(from).mac, ethertype: EtherType::BEACON };
    world.event("node1", Event::Frame { interface: ETH, bytes: &header.frame(bytes), waited: Duration::ZERO });
}

fn by_udp(world: &mut World, from: u8, bytes: &[u8]) {
    let from = SocketAddr::new(vip(9 + from), 7946);
    world.event("node1", Event::Datagram(Datagram { interface: ETH, from, bytes, waited: Duration::ZERO }));
}

#[test]
fn what_one_took_without_hearing_us_counts_once_it_hears_us_by_whatever_path() {
    let holds = || vec![Claim { address: vip(200), term: 9, standing: Standing::Holds(0) }];
    let paths: [fn(&mut World, u8, &[u8]); 2] = [by_ethernet, by_udp];
    for (first, then) in [(paths[0], paths[1]), (paths[1], paths[0])] {
        let mut world = World::settled();
        first(&mut world, 2, &word(2, 1, 1, false, holds()));
        assert_eq!(world.who_has(vip(200)), ["node1"]);
        // By the other path it has been heard to hear us all the time.
        then(&mut world, 2, &word(2, 1, 2, true, holds()));
        let yielded = world.facts("node1", FactKind::Yielded);
        assert_eq!(yielded.iter().map(|fact| fact.cause).collect::<Vec<_>>(), [Cause::HigherTerm]);
    }
}

#[test]
fn one_that_stood_back_for_another_of_its_name_takes_its_turn_once_a_peer_speaks_with_it() {
    let mut world = World::settled_with(group(200, &["node1"]));
    world.kill("node2");
    world.kill("node3");
    world.boot(1, 77);
    world.set_table("node1");
    by_ethernet(&mut world, 3, &word(3, 77, 1, true, vec![]));
    // node2 does not hear the new life and goes on speaking to the former one, as if that were there.
    for sequence in 1..=7 {
        world.run(20 * MS);
        by_ethernet(&mut world, 2, &word(2, 1, sequence, true, vec![]));
    }
    world.run(400 * MS);
    assert_eq!(world.who_has(vip(200)), [] as [&str; 0]);
    by_ethernet(&mut world, 3, &word(3, 77, 2, true, vec![]));
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}
