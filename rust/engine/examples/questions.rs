//! What a question costs an engine that holds many addresses: `cargo run --release --example questions -- COUNT...`; run
//! by `bench/bench_questions.py`.
//!
//! Prints a line of JSON for each count: `arp` and `ndp`, the seconds from a question to its answer, polled, when every
//! address is asked for in an order without order; `few`, the same by ARP when it is always the same 64 of them; `other`,
//! the seconds for a question about an address that is not held. Each is the best of nine rounds, the counts taking turns.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "an experiment with figures, not a library")]

#[path = "../tests/common/mod.rs"]
#[allow(unused_imports, reason = "each user takes a part of it")]
mod common;

use core::time::Duration;
use std::hint::black_box;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use common::{ETH, MS, World, group_of};
use metalev_engine::{Action, Engine, Event, Time};
use metalev_wire::ndp::{self, Message};
use metalev_wire::{MacAddr, arp, ipv6};

const ROUNDS: usize = 9;
const QUESTIONS: usize = 50_000;
const FEW: usize = 64;
const PIECE: usize = 1_000;
const ASKER: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 0xcc]);

fn main() {
    let counts: Vec<u32> = std::env::args().skip(1).map(|count| count.parse().expect("COUNT is a number")).collect();
    let mut holders: Vec<Holder> = counts.iter().map(|&count| Holder::new(count)).collect();
    for _ in 0..ROUNDS {
        holders.iter_mut().for_each(Holder::round);
    }
    for Holder { count, best: [arp, ndp, few, other], .. } in holders {
        println!(r#"{{"count": {count}, "arp": {arp}, "ndp": {ndp}, "few": {few}, "other": {other}}}"#);
    }
}

/// An engine that holds so many addresses of each family, and the questions for them.
struct Holder {
    world: World,
    count: u32,
    frames: [Vec<Vec<u8>>; 4],
    best: [f64; 4],
}

impl Holder {
    fn new(count: u32) -> Self {
        let mut world = World::new(1);
        world.set_groups((0..count).map(|n| group_of(&[v4(n).into(), v6(n).into()], &["node1"])).collect());
        world.run(3_000 * MS);
        // A step that has no divisor in common with the count visits each, far from the one before.
        let order = |n: usize| u32::try_from(n * 7_919 % count as usize).unwrap();
        let frames = [
            (0..QUESTIONS).map(|n| by_arp(v4(order(n)))).collect(),
            (0..QUESTIONS).map(|n| by_ndp(v6(order(n)))).collect(),
            (0..QUESTIONS).map(|n| by_arp(v4(order(n % FEW)))).collect(),
            (0..QUESTIONS).map(|n| by_arp(v4(count + order(n)))).collect(),
        ];
        Self { world, count, frames, best: [f64::INFINITY; 4] }
    }

    fn round(&mut self) {
        let now = self.world.now;
        let engine = &mut self.world.nodes.get_mut("node1").unwrap().engine;
        for (at, (frames, best)) in self.frames.iter().zip(&mut self.best).enumerate() {
            // The few in short pieces, so that some are free of what else the machine does; others must visit them all.
            for piece in frames.chunks(if at == 2 { PIECE } else { QUESTIONS }) {
                let (took, answers) = ask(engine, now, piece);
                assert_eq!(answers, if at == 3 { 0 } else { piece.len() });
                *best = best.min(took);
            }
        }
    }
}

/// The seconds for each question, and how many were answered.
fn ask(engine: &mut Engine, now: Time, frames: &[Vec<u8>]) -> (f64, usize) {
    let (began, mut answers) = (Instant::now(), 0);
    for bytes in frames {
        engine.handle(now, Event::Frame { interface: ETH, bytes, waited: Duration::ZERO });
        while let Some(action) = engine.poll() {
            answers += usize::from(matches!(black_box(action), Action::SendFrame { .. }));
        }
    }
    (began.elapsed().as_secs_f64() / f64::from(u32::try_from(frames.len()).unwrap()), answers)
}

fn by_arp(target_ip: Ipv4Addr) -> Vec<u8> {
    let repr = arp::Repr {
        operation: arp::Operation::Request,
        sender_mac: ASKER,
        sender_ip: Ipv4Addr::new(10, 255, 0, 1),
        target_mac: MacAddr::ZERO,
        target_ip,
    };
    repr.frame(MacAddr::BROADCAST, ASKER).to_vec()
}

fn by_ndp(target: Ipv6Addr) -> Vec<u8> {
    let dst_ip = ipv6::solicited_node(target);
    let message = Message::Solicitation { source_mac: Some(ASKER) };
    ndp::Repr { src_ip: "fe80::1".parse().unwrap(), dst_ip, target, message }.frame(ipv6::multicast_mac(dst_ip), ASKER)
}

fn v4(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0001 + n)
}

fn v6(n: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(0x2001_0db8_0000_0000_0000_0000_0100_0000 + u128::from(n))
}
