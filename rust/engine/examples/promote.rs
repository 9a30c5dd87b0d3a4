//! A node's death among three: `cargo run --release --example promote -- GROUPS`; run by `bench/bench_promote.py`.
//!
//! Prints, in seconds, as JSON: `pass`, what the two survivors' engines use of a processor in the millisecond in which
//! they take all of the dead node's groups, and `frames`, what it takes to write both gratuitous frames of each alone.
//! Both are the best of five.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "an experiment with figures, not a library")]

#[path = "../tests/common/mod.rs"]
#[allow(unused_imports, reason = "each user takes a part of it")]
mod common;

use core::time::Duration;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Instant;

use common::{MS, World, group_of};
use metalev_engine::{FactKind, Group};
use metalev_wire::MacAddr;
use metalev_wire::arp::{self, Operation};

const ROUNDS: usize = 5;
const BASE: u32 = 0x0a00_0001;

fn main() {
    let groups: u32 = std::env::args().nth(1).map_or(5_000, |count| count.parse().expect("GROUPS is a number"));
    let pass = best(|| promoted(groups));
    let frames = best(|| written(groups));
    println!(r#"{{"groups": {groups}, "pass": {}, "frames": {}}}"#, pass.as_secs_f64(), frames.as_secs_f64());
}

fn best(round: impl Fn() -> Duration) -> Duration {
    (0..ROUNDS).map(|_| round()).min().unwrap()
}

/// Let node1 die, who announces all of them; half would go to each of the others.
fn promoted(groups: u32) -> Duration {
    let mut world = World::new(3);
    world.set_groups((0..groups).map(orphan).collect());
    world.run(3_000 * MS);
    world.kill("node1");
    loop {
        let before = world.busy;
        world.run(MS);
        let took: usize = ["node2", "node3"].map(|node| world.facts(node, FactKind::Took).len()).iter().sum();
        if took > 0 {
            assert_eq!(took, groups as usize, "all in one pass");
            return world.busy.saturating_sub(before);
        }
    }
}

fn orphan(n: u32) -> Group {
    let next = if n.is_multiple_of(2) { ["node1", "node2", "node3"] } else { ["node1", "node3", "node2"] };
    group_of(&[address(n).into()], &next)
}

fn written(groups: u32) -> Duration {
    let (mac, began) = (MacAddr::new([2, 0, 0, 0, 0, 2]), Instant::now());
    for n in 0..groups {
        for (operation, target_mac) in [(Operation::Request, MacAddr::ZERO), (Operation::Reply, mac)] {
            let repr =
                arp::Repr { operation, sender_mac: mac, sender_ip: address(n), target_mac, target_ip: address(n) };
            black_box(repr.frame(MacAddr::BROADCAST, mac).to_vec());
        }
    }
    began.elapsed()
}

fn address(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(BASE + n)
}
