//! Random faults in virtual time: whatever happens, an address is never stuck and, while beacons get through, never
//! answered twice.

mod common;

use common::{MS, World, group, vip};
use proptest::prelude::*;

const NODES: [&str; 3] = ["node1", "node2", "node3"];

#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill(usize),
    Restart(usize),
    Freeze(usize),
    Thaw(usize),
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

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![4 => crash(), 2 => (1..=3_usize).prop_map(Fault::Partition), 2 => Just(Fault::Heal)]
}

struct Chaos {
    world: World,
    nonce: u64,
}

impl Chaos {
    fn new() -> Self {
        let mut world = World::new(3);
        world.set_groups(vec![group(200, &NODES), group(201, &["node3", "node1", "node2"])]);
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
        for last in [200, 201] {
            prop_assert_eq!(chaos.world.who_has(vip(last)).len(), 1);
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
                for last in [200, 201] {
                    let answering = chaos.world.who_has(vip(last));
                    prop_assert!(answering.len() <= 1, "{:?} answer for {}", answering, vip(last));
                }
            }
        }
    }
}
