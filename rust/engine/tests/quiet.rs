//! Beacons that say nothing new: which they are, that nobody wakes up for them, and that nothing is noticed later for it.

mod common;

use core::time::Duration;

use common::{ETH, MS, ORDER, World, group, key};
use metalev_engine::{Event, FactKind, Time};
use metalev_wire::MacAddr;
use metalev_wire::beacon::Repr as Beacon;
use metalev_wire::ethernet::{EtherType, Repr as Header};

/// How many beacons a node sent meanwhile, and how many of them were quiet; and how often it was woken.
fn meanwhile(world: &mut World, node: &str, duration: Duration) -> (u64, u64, usize) {
    let state = |world: &World| {
        let state = &world.nodes[node];
        (state.engine.counters().beacons_sent, state.sent_quiet, state.woken)
    };
    let before = state(world);
    world.run(duration);
    let after = state(world);
    (after.0 - before.0, after.1 - before.1, after.2 - before.2)
}

/// Three that have nothing left to tell each other.
fn at_rest() -> World {
    let mut world = World::settled();
    world.run(2_000 * MS);
    world
}

// ===== which are quiet =====

#[test]
fn at_rest_every_beacon_is_quiet_and_nobody_wakes_but_for_its_own_rounds() {
    let mut world = at_rest();
    for node in ORDER {
        let (sent, quiet, woken) = meanwhile(&mut world, node, 950 * MS);
        assert!(sent > 0 && sent == quiet, "{node}: {quiet} of {sent}");
        assert!(woken <= 24, "{node}: woken {woken} times");
    }
}

#[test]
fn news_are_not_quiet_and_are_heard_at_once() {
    let mut world = at_rest();
    world.set_groups(vec![group(200, &ORDER), group(201, &ORDER)]);
    let (sent, quiet, _) = meanwhile(&mut world, "node1", 120 * MS);
    assert!(quiet < sent, "{quiet} of {sent}");
    world.run_until("the address", |world| !world.facts("node1", FactKind::Took).is_empty());
    world.run(2_000 * MS);
    let (sent, quiet, _) = meanwhile(&mut world, "node1", 950 * MS);
    assert_eq!(sent, quiet);
}

#[test]
fn what_is_said_to_who_does_not_hear_it_is_not_quiet() {
    let mut world = at_rest();
    world.cut("node1", "node2");
    world.run(1_000 * MS);
    // That node2 is not heard by is told it aloud, and node1 speaks up.
    let (sent, quiet, _) = meanwhile(&mut world, "node1", 950 * MS);
    assert!(quiet < sent, "{quiet} of {sent}");
    let (sent, quiet, _) = meanwhile(&mut world, "node2", 950 * MS);
    assert!(quiet < sent, "{quiet} of {sent}");
}

#[test]
fn another_interval_wakes_nobody_and_a_longer_one_is_known_before_the_end_of_the_shorter() {
    let mut world = at_rest();
    let promise = |world: &World| world.nodes["node1"].engine.counters().promise;
    let usual = promise(&world);
    // Its host is starved: it asks for a longer patience, and answers for longer by it.
    world.freeze_for("node1", 100 * MS);
    let (sent, quiet, _) = meanwhile(&mut world, "node1", 250 * MS);
    assert_eq!(sent, quiet);
    assert!(promise(&world) > usual + 100 * MS, "{:?}", promise(&world));
    world.freeze_for("node1", 250 * MS);
    world.run(1_000 * MS);
    let lost = ORDER.iter().flat_map(|node| world.facts(node, FactKind::PeerLost)).count();
    let overslept = world.facts("node1", FactKind::Overslept).len();
    assert_eq!((lost, overslept), (0, 0));
}

// ===== who waits =====

#[test]
fn whoever_misses_a_peer_is_woken_by_everything() {
    let mut world = at_rest();
    assert!(world.nodes["node2"].engine.dozes());
    world.freeze("node1");
    world.run(500 * MS);
    assert!(!world.nodes["node2"].engine.dozes());
    world.thaw("node1");
    world.run(1_000 * MS);
    assert!(world.nodes["node2"].engine.dozes());
}

#[test]
fn whoever_listens_is_woken_by_everything() {
    let mut world = at_rest();
    world.boot(2, 77);
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(60 * MS);
    assert!(!world.nodes["node2"].engine.dozes());
}

// ===== what counts when =====

/// A quiet beacon of node1 for node2, which is told that it has waited.
fn hand_over(world: &mut World, sequence: u64, waited: Duration, change: impl FnOnce(&mut Beacon)) {
    let mac = MacAddr::new([2, 0, 0, 0, 0, 1]);
    let mut beacon = Beacon {
        sender: "node1".into(),
        recipient: "node2".into(),
        nonce: 1,
        echo: 2,
        sequence,
        hears_you: true,
        goodbye: false,
        quiet: true,
        interval_ms: 50,
        mac,
        since: 1,
        through: 1,
        latest: 1,
        acknowledged: 0,
        claims: vec![],
    };
    change(&mut beacon);
    let header = Header { dst: MacAddr::BROADCAST, src: mac, ethertype: EtherType::BEACON };
    let bytes = header.frame(&beacon.emit_signed(&key()).expect("a beacon of this size"));
    world.event("node2", Event::Frame { interface: ETH, bytes: &bytes, waited });
}

/// When node2 gives node1 up, of which it hears nothing any more.
fn given_up(world: &mut World) -> Time {
    world.run_until("the loss", |world| lost(world).is_some());
    lost(world).expect("it is there")
}

fn lost(world: &World) -> Option<Time> {
    world.facts("node2", FactKind::PeerLost).iter().find(|fact| fact.peer == "node1").map(|fact| fact.at)
}

/// Two, of which the second hears nothing of the first any more; UDP has never worked.
fn deafened() -> World {
    let mut world = World::new(3);
    world.udp = false;
    world.set_groups(vec![group(200, &ORDER)]);
    world.run(3_000 * MS);
    world.cut("node1", "node2");
    world
}

#[test]
fn a_beacon_that_waited_counts_from_when_it_came() {
    let mut world = deafened();
    let came = world.now;
    world.run(30 * MS);
    hand_over(&mut world, 1_000_000, 30 * MS, |_| {});
    let silent = given_up(&mut world).since(came);
    assert!((160 * MS..165 * MS).contains(&silent), "{silent:?}");
}

#[test]
fn a_beacon_that_waited_longer_than_a_later_one_takes_nothing_back() {
    let mut world = deafened();
    let came = world.now;
    hand_over(&mut world, 1_000_001, Duration::ZERO, |beacon| beacon.interval_ms = 100);
    hand_over(&mut world, 1_000_000, 30 * MS, |_| {});
    let silent = given_up(&mut world).since(came);
    assert!((310 * MS..315 * MS).contains(&silent), "{silent:?}");
}

/// As many milliseconds apart as there are in a round, in every phase of the others' rounds.
#[test]
fn a_death_is_noticed_as_soon_as_if_every_beacon_were_read_at_once() {
    for phase in 0..50 {
        let mut world = at_rest();
        world.run(MS * phase);
        world.kill("node1");
        let took = world.run_until("the next in line", |world| !world.facts("node2", FactKind::Took).is_empty());
        assert!(took <= 162 * MS, "phase {phase}: {took:?}");
        assert!(took >= 108 * MS, "phase {phase}: {took:?}");
    }
}
