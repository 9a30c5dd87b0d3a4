//! A simulated segment: engines joined by a wire with latency and faults, and a clock that jumps.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod boot;
mod delivery;
mod faults;
pub mod fleet;
pub mod foreign;
mod given;
pub mod network;
mod seen;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use metalev_engine::{Datagram, Engine, Event, Fact, Group, Probing, Time};
use metalev_wire::MacAddr;
use metalev_wire::ethernet::Frame;
use metalev_wire::{arp, ndp};

use delivery::Parcel;
pub use given::*;
use network::Network;

pub struct Node {
    pub engine: Engine,
    pub mac: MacAddr,
    pub address: IpAddr,
    pub facts: Vec<Fact>,
    /// Gratuitous and answering ARP frames that it has sent, with their time.
    pub arp_sent: Vec<(Time, arp::Repr)>,
    /// The same of neighbor discovery.
    pub ndp_sent: Vec<(Time, ndp::Repr)>,
    /// What it has asked: probes, and questions as a client would.
    pub arp_asked: Vec<(Time, arp::Repr)>,
    pub ndp_asked: Vec<(Time, ndp::Repr)>,
    /// The groups that it was last told to join.
    pub joined: Vec<Ipv6Addr>,
    pub sent: usize,
    /// How many of those it sent were beacons that say nothing new.
    pub sent_quiet: u64,
    /// How often it was woken.
    pub woken: usize,
    /// What waits in its sockets, and since when, by its clock.
    queue: Vec<(Time, Parcel)>,
    asleep: bool,
    dead: bool,
    /// Since when the whole machine stands still, its clock with it.
    suspended: Option<Time>,
    /// Whether its network stands still, too, so that what is sent to it is lost.
    lost: bool,
    /// How far its clock is behind because of that.
    behind: Duration,
    /// When its engine wants to be woken, as it stands in [`World::timers`].
    timer: Option<Time>,
}

pub struct World {
    pub now: Time,
    pub nodes: BTreeMap<String, Node>,
    wire: BTreeMap<(Time, u64), (String, Parcel)>,
    parcels: u64,
    timers: BTreeSet<(Time, String)>,
    by_mac: BTreeMap<MacAddr, String>,
    by_address: BTreeMap<IpAddr, String>,
    pub network: Network,
    /// What the engines have used of the processor.
    pub busy: Duration,
    /// Whether Ethernet beacons and UDP get through.
    pub ethernet: bool,
    pub udp: bool,
    /// The interface on which datagrams arrive: another than [`ETH`] is a network of its own.
    pub udp_interface: u32,
    pub groups: Vec<Group>,
    pub probing: Probing,
    /// Which frames the network loses.
    pub loses: fn(&Frame<&[u8]>) -> bool,
}

impl World {
    /// Nodes `node1` to `node<n>` with their interfaces up and no table yet.
    pub fn new(n: usize) -> Self {
        let mut world = Self {
            now: Time::from_nanos(1_000_000_000),
            nodes: BTreeMap::new(),
            wire: BTreeMap::new(),
            parcels: 0,
            timers: BTreeSet::new(),
            by_mac: BTreeMap::new(),
            by_address: BTreeMap::new(),
            network: Network::default(),
            busy: Duration::ZERO,
            ethernet: true,
            udp: true,
            udp_interface: ETH,
            groups: Vec::new(),
            probing: Probing::default(),
            loses: |_| false,
        };
        for i in 1..=n {
            world.boot(i, u64::try_from(i).unwrap());
        }
        world
    }

    /// Hand an event to a node that lives, and carry out what follows.
    pub fn event(&mut self, node: &str, event: Event<'_>) {
        let state = self.nodes.get_mut(node).unwrap();
        if state.dead {
            return;
        }
        let began = Instant::now();
        state.woken += usize::from(matches!(event, Event::Woke));
        state.engine.handle(self.now - state.behind, event);
        self.busy += began.elapsed();
        self.collect(node);
        self.wind(node);
    }

    /// What time it is by a node's clock, which may stand still.
    fn clock(&self, node: &str) -> Time {
        let state = &self.nodes[node];
        state.suspended.unwrap_or(self.now) - state.behind
    }

    /// Remember when a node wants to be woken next.
    fn wind(&mut self, node: &str) {
        let state = self.nodes.get_mut(node).unwrap();
        let wanted = state.engine.deadline().filter(|_| !state.asleep && !state.dead).map(|at| at + state.behind);
        let before = std::mem::replace(&mut state.timer, wanted);
        if before != wanted {
            before.map(|at| self.timers.remove(&(at, node.to_owned())));
            wanted.map(|at| self.timers.insert((at, node.to_owned())));
        }
    }

    fn collect(&mut self, node: &str) {
        while let Some(action) = self.nodes.get_mut(node).unwrap().engine.poll() {
            self.carry_out(node, action);
        }
    }

    /// Let time pass, event by event.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.next_event().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.step();
        }
        self.now = end;
    }

    /// Let time pass until `done`; panics if it is not within ten seconds.
    pub fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Duration {
        let start = self.now;
        while !done(self) {
            assert!(self.now.since(start) < 10_000 * MS, "not within 10 s: {what}");
            self.run(MS);
        }
        self.now.since(start)
    }

    fn next_event(&self) -> Option<Time> {
        let timer = self.timers.first().map(|timer| timer.0);
        [timer, self.wire.keys().next().map(|key| key.0)].into_iter().flatten().min()
    }

    fn step(&mut self) {
        let timers = self.timers.iter().take_while(|timer| timer.0 <= self.now);
        let mut due: BTreeSet<String> = timers.map(|timer| timer.1.clone()).collect();
        while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to, parcel) = entry.remove();
            let arrived = self.clock(&to);
            let state = self.nodes.get_mut(&to).unwrap();
            if !state.lost && !state.dead {
                let wakes = !(parcel.is_quiet() && state.engine.dozes());
                state.queue.push((arrived, parcel));
                if wakes {
                    due.insert(to);
                }
            }
        }
        for node in due {
            if self.awake(&node) {
                self.wake(&node);
            }
        }
    }

    /// As the driver does: it notices the time, then takes what is queued, then does what is due.
    fn wake(&mut self, node: &str) {
        self.event(node, Event::Woke);
        let interface = self.udp_interface;
        let mut queue = std::mem::take(&mut self.nodes.get_mut(node).unwrap().queue);
        // Those that say nothing new wait in sockets of their own, which are read first.
        queue.sort_by_key(|(_, parcel)| !parcel.is_quiet());
        for (arrived, parcel) in queue {
            let waited = if parcel.is_quiet() { self.clock(node).since(arrived) } else { Duration::ZERO };
            match &parcel {
                Parcel::Frame(bytes) => self.event(node, Event::Frame { interface: ETH, bytes, waited }),
                Parcel::Datagram(from, bytes) => {
                    self.event(node, Event::Datagram(Datagram { interface, from: *from, bytes, waited }));
                }
            }
        }
        let state = &self.nodes[node];
        if state.timer.is_some_and(|timer| timer <= self.now) {
            self.event(node, Event::Tick);
        }
    }
}
