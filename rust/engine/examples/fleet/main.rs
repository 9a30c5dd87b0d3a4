//! A large fleet in virtual time: `cargo run --release --example fleet -- NODES GROUPS` (100 and 1,000), `make sim`.
//!
//! Says for each chapter how long it took until every group had exactly one announcer, how many groups two announced and
//! for how long at most, how many beacons the busiest node sent in a second, and what a node's engine used of a
//! processor. Ends with status 1 if a group is stuck, or held twice where beacons get through.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "an experiment with figures, not a library"
)]

mod holders;
#[path = "../../tests/common/network.rs"]
#[allow(dead_code, unreachable_pub, reason = "only its random numbers are used here")]
mod network;
mod world;

use core::time::Duration;
use std::process::ExitCode;
use std::time::Instant;

use holders::vip;
use metalev_engine::{Candidate, Event, Group, Peer, Preempt, Table};
use metalev_wire::beacon::Key;
use network::Random;
use world::{MS, World, address, name};

/// So many nodes may announce each group, as those that run its pods.
const CANDIDATES: usize = 10;
const SECOND: Duration = Duration::from_secs(1);
/// How long a chapter of up to two hundred nodes lasts at least, and one of more: every peer speaks up each second.
const LEAST: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(2)];
/// After which a group without an announcer is stuck.
const STUCK: Duration = Duration::from_secs(120);

struct Fleet {
    world: World,
    groups: Vec<Group>,
    candidates: Vec<Vec<usize>>,
    failed: bool,
}

/// What a chapter allows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubles {
    Never,
    UntilTheyMeet,
}

/// The candidates of every group.
fn lots(nodes: usize, groups: usize) -> Vec<Vec<usize>> {
    let mut random = Random(7);
    let mut one = |_| {
        let mut lot = Vec::new();
        while lot.len() < CANDIDATES.min(nodes) {
            let node = usize::try_from(random.below(nodes as u64)).unwrap();
            if !lot.contains(&node) {
                lot.push(node);
            }
        }
        lot
    };
    (0..groups).map(&mut one).collect()
}

fn group((number, lot): (usize, &Vec<usize>)) -> Group {
    Group {
        key: vip(number),
        addresses: vec![vip(number)],
        candidates: lot.iter().map(|node| Candidate { node: name(*node), score: 0 }).collect(),
        interfaces: vec![],
        gives_way: false,
        keeps: false,
        drilled: false,
        preempt: Preempt::Sticky,
    }
}

/// What this thread has used of a processor so far.
fn processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel tells how long a thread ran");
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

impl Fleet {
    fn new(nodes: usize, count: usize) -> Self {
        let candidates = lots(nodes, count);
        let groups = candidates.iter().enumerate().map(group).collect();
        Self { world: World::new(nodes, count), groups, candidates, failed: false }
    }

    fn start(&mut self, nodes: core::ops::Range<usize>, life: u64) {
        for node in nodes.clone() {
            self.world.boot(node, life * 10_000 + node as u64 + 1);
        }
        for node in nodes {
            let others = (0..self.world.nodes.len()).filter(|other| *other != node);
            let peers = others.map(|other| Peer { node: name(other), addresses: vec![address(other)] }).collect();
            let keys = vec![Key { id: 1, secret: b"0123456789abcdef0123456789abcdef".to_vec() }];
            let table = Table { peers, keys, groups: self.groups.clone(), ..Table::default() };
            self.world.event(node, Event::Table(table));
        }
    }

    /// Run on until every group has had one announcer for a second; as long as a chapter lasts at least.
    fn chapter(&mut self, what: &str, doubles: Doubles) {
        let least = LEAST[usize::from(self.world.nodes.len() > 200)];
        let (began, real, busy, used) = (self.world.now, Instant::now(), self.world.busy, processor());
        let mut settled = Duration::ZERO;
        self.world.begin();
        self.world.holders.begin(began);
        loop {
            self.world.run(50 * MS);
            let past = self.world.now.since(began);
            if self.wrong() > 0 {
                settled = past;
            }
            if past > STUCK {
                println!("stuck: {} groups", self.wrong());
                self.failed = true;
                break;
            }
            if past >= least && past.saturating_sub(settled) >= SECOND {
                break;
            }
        }
        let past = self.world.now.since(began).as_secs_f64();
        let living = f64::from(u32::try_from(self.world.living()).unwrap());
        // Others may have had the processor in the middle of an event: what was used is told by the kernel.
        let used = processor().saturating_sub(used).as_secs_f64();
        let share = self.world.busy.saturating_sub(busy).as_secs_f64() / real.elapsed().as_secs_f64();
        println!(
            "{what:<36}{:>6.2} s {:>6} double, {:>4} ms {:>8} beacons/s {:>6.2} % of a core {:>5.0} s used",
            settled.as_secs_f64(),
            self.world.holders.doubles,
            self.world.holders.longest.as_millis(),
            self.world.peak,
            share * used / past / living * 100.0,
            used
        );
        self.failed |= doubles == Doubles::Never && self.world.holders.doubles > 0;
    }

    /// How many groups that somebody living may announce have no announcer, or two.
    fn wrong(&self) -> usize {
        let living = |group: &usize| self.candidates[*group].iter().any(|node| self.world.alive(*node));
        (0..self.groups.len()).filter(living).filter(|group| self.world.holders.count(*group) != 1).count()
    }

    fn part(&mut self, nodes: usize) {
        self.world.nodes.iter_mut().take(nodes).flatten().for_each(|node| node.side = 1);
        self.world.run(5 * SECOND);
        println!("{:<36}{:>8} groups have two announcers", "halves hear nothing of each other", self.wrong());
        self.world.nodes.iter_mut().flatten().for_each(|node| node.side = 0);
    }
}

fn main() -> ExitCode {
    let numbers: Vec<usize> =
        std::env::args().skip(1).map(|text| text.parse().expect("NODES GROUPS are numbers")).collect();
    let nodes = numbers.first().copied().unwrap_or(100);
    let count = numbers.get(1).copied().unwrap_or(1_000);
    println!(
        "{nodes} nodes, {count} groups with {CANDIDATES} candidates each; virtual time until each has one announcer"
    );
    let mut fleet = Fleet::new(nodes, count);
    fleet.start(0..nodes, 1);
    fleet.chapter("all start at once", Doubles::UntilTheyMeet);
    fleet.chapter("at rest", Doubles::Never);
    fleet.world.kill(0);
    fleet.chapter("a node dies", Doubles::Never);
    let dead = 1 + nodes / 20;
    (1..dead).for_each(|node| fleet.world.kill(node));
    fleet.chapter("one in twenty dies at once", Doubles::Never);
    fleet.start(0..dead, 2);
    fleet.chapter("they come back", Doubles::Never);
    (fleet.world.weather.loss, fleet.world.weather.jitter) = (1, 3 * MS);
    fleet.chapter("1 % of all is lost, 3 ms of jitter", Doubles::Never);
    fleet.part(nodes / 2);
    fleet.chapter("the halves meet again", Doubles::UntilTheyMeet);
    println!("{} beacons in all", fleet.world.beacons);
    if fleet.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
