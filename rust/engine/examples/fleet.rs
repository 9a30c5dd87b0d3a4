//! A large fleet in virtual time: `cargo run --release --example fleet -- NODES GROUPS` (100 and 1,000), `make sim`.
//!
//! Says for each chapter how long it took until every group had exactly one announcer, how many beacons the busiest node
//! sent in a second, and what a node's engine used of a processor. Ends with status 1 if a group is stuck or, where
//! beacons get through, held twice.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "an experiment with figures, not a library")]

#[path = "../tests/common/mod.rs"]
mod common;

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Instant;

use common::network::Random;
use common::{MS, World, key};
use metalev_engine::{Candidate, Event, Group, Interface, Peer, Table};
use metalev_wire::MacAddr;

/// So many nodes may announce each group, as those that run its pods.
const CANDIDATES: usize = 10;
const SECOND: Duration = Duration::from_secs(1);
/// After which a group without an announcer is stuck.
const STUCK: Duration = Duration::from_secs(120);

struct Fleet {
    world: World,
    nodes: usize,
    groups: Vec<Group>,
    peak: u64,
    sent: BTreeMap<String, u64>,
    stuck: bool,
}

fn name(i: usize) -> String {
    format!("node{i}")
}

fn vip(i: usize) -> IpAddr {
    let [.., b, c, d] = u32::try_from(i + 1).unwrap().to_be_bytes();
    [10, b, c, d].into()
}

/// Its interface, with a subnet that has all addresses.
fn link(i: usize) -> Interface {
    let [high, low] = u16::try_from(i).unwrap().to_be_bytes();
    let mac = MacAddr::new([2, 0, 0, 0, high, low]);
    Interface {
        index: common::ETH,
        name: "eth0".into(),
        mac,
        addresses: vec![([10, 255, high, low].into(), 8)],
        gateways: vec![],
    }
}

fn groups(nodes: usize, groups: usize) -> Vec<Group> {
    let mut random = Random(7);
    let mut one = |i| {
        let mut candidates: Vec<Candidate> = Vec::new();
        while candidates.len() < CANDIDATES.min(nodes) {
            let node = name(1 + usize::try_from(random.below(nodes as u64)).unwrap());
            if candidates.iter().all(|candidate| candidate.node != node) {
                candidates.push(Candidate { node, score: 0 });
            }
        }
        Group { addresses: vec![vip(i)], candidates, ..common::group_of(&[vip(i)], &[]) }
    };
    (0..groups).map(&mut one).collect()
}

impl Fleet {
    fn new(nodes: usize, count: usize) -> Self {
        let mut world = World::new(0);
        world.large = true;
        world.network.random = Random(3);
        let groups = groups(nodes, count);
        Self { world, nodes, groups, peak: 0, sent: BTreeMap::new(), stuck: false }
    }

    fn start(&mut self, i: usize, nonce: u64) {
        self.world.boot_with(i, nonce, vec![link(i)]);
    }

    fn set_table(&mut self, i: usize) {
        let others = (1..=self.nodes).filter(|other| *other != i);
        let peer = |other: usize| Peer { node: name(other), addresses: vec![self.world.nodes[&name(other)].address] };
        let table = Table {
            peers: others.map(peer).collect(),
            keys: vec![key()],
            groups: self.groups.clone(),
            ..Table::default()
        };
        self.world.event(&name(i), Event::Table(table));
    }

    /// Run on until every group has one announcer; at least `least`.
    fn chapter(&mut self, what: &str, least: Duration) {
        let (began, real, busy) = (self.world.now, Instant::now(), self.world.busy);
        let mut settled = Duration::ZERO;
        self.peak = 0;
        self.sample();
        loop {
            for _ in 0..20 {
                self.world.run(50 * MS);
                if self.wrong() > 0 {
                    settled = self.world.now.since(began);
                }
            }
            self.sample();
            let past = self.world.now.since(began);
            if past > STUCK {
                self.stuck = true;
                break;
            }
            if past >= least && past.saturating_sub(settled) >= SECOND {
                break;
            }
        }
        let past = self.world.now.since(began).as_secs_f64();
        let share = self.world.busy.saturating_sub(busy).as_secs_f64() / past / self.living() * 100.0;
        println!(
            "{what:<44}{:>8.2} s {:>8} beacons/s {:>8.2} % of a core {:>7.0} s real",
            settled.as_secs_f64(),
            self.peak,
            share,
            real.elapsed().as_secs_f64()
        );
    }

    fn living(&self) -> f64 {
        let living = (1..=self.nodes).filter(|i| self.world.alive(&name(*i))).count();
        f64::from(u32::try_from(living).unwrap())
    }

    /// How many groups have no announcer, or two.
    fn wrong(&self) -> usize {
        let living = |group: &&Group| group.candidates.iter().any(|candidate| self.world.alive(&candidate.node));
        let holders = |group: &Group| self.world.holding.get(&group.key).map_or(0, std::collections::BTreeSet::len);
        self.groups.iter().filter(living).filter(|group| holders(group) != 1).count()
    }

    /// The beacons that each node sent since the last time.
    fn sample(&mut self) {
        for (node, state) in &self.world.nodes {
            let sent = state.engine.counters().beacons_sent;
            let before = self.sent.insert(node.clone(), sent);
            self.peak = self.peak.max(sent - before.unwrap_or(sent).min(sent));
        }
    }
}

fn main() -> ExitCode {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|text| text.parse().unwrap()).collect();
    let nodes = numbers.first().copied().unwrap_or(100);
    let count = numbers.get(1).copied().unwrap_or(1_000);
    println!(
        "{nodes} nodes, {count} groups with {CANDIDATES} candidates each; virtual time until all have one announcer"
    );
    let mut fleet = Fleet::new(nodes, count);
    (1..=nodes).for_each(|i| fleet.start(i, i as u64));
    (1..=nodes).for_each(|i| fleet.set_table(i));
    fleet.chapter("all start at once", 5 * SECOND);
    fleet.chapter("at rest", 5 * SECOND);
    fleet.world.kill(&name(1));
    fleet.chapter("a node dies", 5 * SECOND);
    let dead = nodes / 20;
    (2..2 + dead).for_each(|i| fleet.world.kill(&name(i)));
    fleet.chapter("one in twenty dies at once", 5 * SECOND);
    (1..2 + dead).for_each(|i| fleet.start(i, 10_000 + i as u64));
    (1..2 + dead).for_each(|i| fleet.set_table(i));
    fleet.chapter("they come back", 5 * SECOND);
    fleet.world.network.loss = 1;
    fleet.world.network.jitter = 3 * MS;
    fleet.chapter("1 % of all is lost, 3 ms of jitter", 5 * SECOND);
    let half: Vec<String> = (1..=nodes / 2).map(name).collect();
    let rest: Vec<String> = (nodes / 2 + 1..=nodes).map(name).collect();
    let names = |names: &'_ [String]| names.iter().map(|name| name.clone().leak() as &str).collect::<Vec<_>>();
    fleet.world.partition(&names(&half), &names(&rest));
    fleet.world.run(5 * SECOND);
    println!("{:<44}{:>8} groups have two announcers", "halves that do not hear each other, for 5 s", fleet.wrong());
    fleet.world.heal();
    fleet.chapter("the halves meet again", 5 * SECOND);
    if fleet.stuck {
        println!("stuck: {} groups", fleet.wrong());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
