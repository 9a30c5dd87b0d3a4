//! Random faults in virtual time: whatever happens, an address is never stuck and, while beacons get through, never
//! answered twice.

mod common;

use std::net::IpAddr;

use common::{MS, World, elsewhere, group_of, link, vip, vip6};
use metalev_engine::{Event, Interface};
use proptest::prelude::*;

const NODES: [&str; 3] = ["node1", "node2", "node3"];

#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill(usize),
    Restart(usize),
    Freeze(usize),
    Thaw(usize),
    /// The node loses its addresses in the subnet ...
    MoveOut(usize),
    /// ... and gets them back.
    MoveIn(usize),
    Partition(usize),
    Heal,
}

/// Faults that leave every living node in reach of the others.
fn crash() -> impl Strategy<Value = Fault> {
    let node = 1..=3_usize;
    prop_oneof![
        node.clone().prop_map(Fault::Kill),
        node.clone().prop_map(Fault::Restart),
        node.clone().prop_map(Fault::Freeze),
        node.prop_map(Fault::Thaw),
    ]
}

/// Those, and nodes that lose and gain the subnet.
fn crash_or_move() -> impl Strategy<Value = Fault> {
    let node = 1..=3_usize;
    prop_oneof![4 => crash(), 1 => node.clone().prop_map(Fault::MoveOut), 1 => node.prop_map(Fault::MoveIn)]
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![6 => crash_or_move(), 2 => (1..=3_usize).prop_map(Fault::Partition), 2 => Just(Fault::Heal)]
}

fn addresses() -> [IpAddr; 3] {
    [vip6(200), vip(201), vip6(201)]
}

struct Chaos {
    world: World,
    nonce: u64,
}

impl Chaos {
    fn new() -> Self {
        let mut world = World::new(3);
        let dual_stack = group_of(&[vip(201), vip6(201)], &["node3", "node1", "node2"]);
        world.set_groups(vec![group_of(&[vip6(200)], &NODES), dual_stack]);
        world.run(500 * MS);
        Self { world, nonce: 1_000 }
    }

    fn apply(&mut self, fault: Fault) {
        let name = |i: usize| NODES[i - 1];
        match fault {
            Fault::Kill(i) => self.world.kill(name(i)),
            Fault::Freeze(i) => self.world.freeze(name(i)),
            Fault::Thaw(i) => self.world.thaw(name(i)),
            Fault::Restart(i) => self.restart(i),
            Fault::MoveOut(i) => self.readdress(i, elsewhere),
            Fault::MoveIn(i) => self.readdress(i, link),
            Fault::Partition(i) => {
                let others: Vec<&str> = NODES.into_iter().filter(|node| *node != name(i)).collect();
                self.world.partition(&[name(i)], &others);
            }
            Fault::Heal => self.world.heal(),
        }
    }

    fn restart(&mut self, i: usize) {
        self.nonce += 1;
        self.world.boot(i, self.nonce);
        self.world.set_table(NODES[i - 1]);
    }

    fn readdress(&mut self, i: usize, link: fn(u8) -> Interface) {
        let link = link(u8::try_from(i).unwrap_or(u8::MAX));
        // Of a node that sleeps, the event waits as its frames do; here it is lost, which makes it one more fault.
        if self.world.awake(NODES[i - 1]) {
            self.world.event(NODES[i - 1], Event::Interfaces(vec![link]));
        }
    }

    /// Everything works again, for long enough to settle.
    fn recover(&mut self) {
        self.world.heal();
        for i in 1..=3 {
            self.world.thaw(NODES[i - 1]);
            if !self.world.alive(NODES[i - 1]) {
                self.restart(i);
            }
        }
        self.world.run(4_000 * MS);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_address_is_ever_stuck(script in prop::collection::vec((any_fault(), 1..600_u32), 1..30)) {
        let mut chaos = Chaos::new();
        for (fault, pause) in script {
            chaos.apply(fault);
            chaos.world.run(MS * pause);
        }
        chaos.recover();
        for address in addresses() {
            prop_assert_eq!(chaos.world.who_has(address).len(), 1);
        }
    }

    #[test]
    fn no_address_is_answered_twice_while_beacons_get_through(
        script in prop::collection::vec((crash(), 1..60_u32), 1..30),
    ) {
        let mut chaos = Chaos::new();
        for (fault, steps) in script {
            chaos.apply(fault);
            for _ in 0..steps {
                chaos.world.run(5 * MS);
                for address in addresses() {
                    let answering = chaos.world.who_has(address);
                    prop_assert!(answering.len() <= 1, "{:?} answer for {}", answering, address);
                }
            }
        }
    }

    #[test]
    fn who_has_the_subnet_takes_over_with_an_overlap_of_a_beacons_flight_at_most(
        script in prop::collection::vec((crash_or_move(), 1..60_u32), 1..30),
    ) {
        let mut chaos = Chaos::new();
        for (fault, steps) in script {
            chaos.apply(fault);
            for _ in 0..steps {
                chaos.world.run(5 * MS);
                let doubly = addresses().into_iter().filter(|address| chaos.world.who_has(*address).len() > 1);
                for address in doubly.collect::<Vec<_>>() {
                    chaos.world.run(MS);
                    let answering = chaos.world.who_has(address);
                    prop_assert!(answering.len() <= 1, "{:?} answer for {}", answering, address);
                }
            }
        }
    }
}
