//! Random planned moves in virtual time: somebody answers at every moment, and two only while a beacon is on its way.

mod common;

use common::{MS, World, group_of, vip, vip6};
use metalev_engine::{Event, Group, Preempt};
use proptest::prelude::*;

const NODES: [&str; 3] = ["node1", "node2", "node3"];

#[derive(Clone, Copy, Debug)]
enum Wish {
    /// The speaker ends, and starts again when the next wish but one is carried out.
    Stop(usize),
    Drill(usize),
    /// The node may not announce any more ...
    Exclude(usize),
    /// ... and may again.
    Include(usize),
    Policy(Preempt),
}

fn any_wish() -> impl Strategy<Value = Wish> {
    let node = 0..3_usize;
    prop_oneof![
        3 => node.clone().prop_map(Wish::Stop),
        2 => node.clone().prop_map(Wish::Drill),
        2 => node.clone().prop_map(Wish::Exclude),
        2 => node.prop_map(Wish::Include),
        1 => prop_oneof![Just(Preempt::Sticky), Just(Preempt::Balanced), Just(Preempt::Immediate)].prop_map(Wish::Policy),
    ]
}

/// Three nodes and what is wanted of them.
struct Plan {
    world: World,
    excluded: [bool; 3],
    preempt: Preempt,
    stopped: Option<usize>,
    nonce: u64,
}

impl Plan {
    fn new() -> Self {
        let world = World::new(3);
        let mut plan = Self { world, excluded: [false; 3], preempt: Preempt::Sticky, stopped: None, nonce: 1_000 };
        plan.set_groups(0);
        plan.world.run(1_000 * MS);
        plan
    }

    /// Hand everybody the table, one node after the other.
    fn set_groups(&mut self, lag: u32) {
        let candidates: Vec<&str> = (0..3).filter(|i| !self.excluded[*i]).map(|i| NODES[i]).collect();
        let wanted = |first| Group { keeps: true, preempt: self.preempt, ..group_of(&[first], &candidates) };
        self.world.groups = vec![wanted(vip(200)), wanted(vip6(200))];
        for node in NODES {
            self.world.set_table(node);
            self.world.run(MS * lag);
        }
    }

    fn carry_out(&mut self, wish: Wish, lag: u32) {
        match wish {
            Wish::Stop(i) if self.stopped.is_none() => {
                self.stopped = Some(i);
                self.world.event(NODES[i], Event::Stop);
            }
            Wish::Stop(_) => self.start_again(),
            Wish::Drill(i) => {
                for address in [vip(200), vip6(200)] {
                    self.world.event(NODES[i], Event::Drill(address));
                }
            }
            Wish::Exclude(i) => {
                // One stays: an announcer that stops cannot be relieved by a node that may not announce.
                self.excluded[i] = (0..3).any(|other| other != i && !self.excluded[other]);
                self.set_groups(lag);
            }
            Wish::Include(i) => {
                self.excluded[i] = false;
                self.set_groups(lag);
            }
            Wish::Policy(preempt) => {
                self.preempt = preempt;
                self.set_groups(lag);
            }
        }
    }

    /// The one that has stopped starts again: a second later, as any process does.
    fn start_again(&mut self) {
        if let Some(i) = self.stopped.take() {
            self.world.run(1_000 * MS);
            assert!(self.world.nodes[NODES[i]].engine.stopped());
            self.nonce += 1;
            self.world.boot(i + 1, self.nonce);
            self.world.set_table(NODES[i]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn somebody_answers_at_every_moment_of_planned_moves(
        script in prop::collection::vec((any_wish(), 0..3_u32, 1..150_u32), 1..30),
    ) {
        let mut plan = Plan::new();
        for (wish, lag, steps) in script {
            plan.carry_out(wish, lag);
            for _ in 0..steps * 3 {
                for address in [vip(200), vip6(200)] {
                    let answering = plan.world.who_has(address);
                    // If the one that stops was the last that may, nobody is left to relieve it.
                    let last = plan.stopped.is_some_and(|i| (0..3).all(|other| other == i || plan.excluded[other]));
                    prop_assert!(last || !answering.is_empty(), "nobody answers for {} after {:?}", address, wish);
                }
                plan.world.run(3 * MS);
            }
            if plan.stopped.is_some_and(|i| (0..3).all(|other| other == i || plan.excluded[other])) {
                plan.start_again();
                plan.world.run(1_000 * MS);
            }
        }
    }

    #[test]
    fn two_answer_only_while_a_beacon_is_on_its_way(
        script in prop::collection::vec((any_wish(), 0..3_u32, 1..150_u32), 1..30),
    ) {
        let mut plan = Plan::new();
        for (wish, lag, steps) in script {
            plan.carry_out(wish, lag);
            for _ in 0..steps {
                let doubly = [vip(200), vip6(200)].into_iter().filter(|address| plan.world.who_has(*address).len() > 1);
                for address in doubly.collect::<Vec<_>>() {
                    plan.world.run(MS);
                    let answering = plan.world.who_has(address);
                    prop_assert!(answering.len() <= 1, "{:?} answer for {} after {:?}", answering, address, wish);
                }
                plan.world.run(MS);
            }
        }
    }
}
