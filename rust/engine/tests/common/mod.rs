//! A simulated segment: engines joined by a wire with latency and faults, and a clock that jumps.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

pub mod fleet;
pub mod foreign;
pub mod network;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Instant;

use network::Network;

use metalev_engine::{
    Action, Candidate, Config, Datagram, Engine, Event, Fact, FactKind, Group, HOLD_DOWN, Interface, Peer, Preempt,
    Probing, REFRESH, Table, Time,
};
use metalev_wire::MacAddr;
use metalev_wire::arp::{self, Operation};
use metalev_wire::beacon::{self, Key};
use metalev_wire::ethernet::{EtherType, Frame};
use metalev_wire::ipv6::{multicast_mac, solicited_node};
use metalev_wire::ndp::{self, Message};

pub const MS: Duration = Duration::from_millis(1);
pub const ETH: u32 = 2;
const CLIENT: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 0xcc]);

pub fn vip(last: u8) -> IpAddr {
    [192, 168, 1, last].into()
}

pub fn vip6(last: u8) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()).into()
}

/// The same address in each family: what holds for one has to hold for the other.
pub const FAMILIES: [fn(u8) -> IpAddr; 2] = [vip, vip6];

/// What a node has on its interface: one address of each family, and the link-local one.
pub fn own_addresses(i: u8) -> Vec<(IpAddr, u8)> {
    let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, i.into());
    vec![(vip(9 + i), 24), (vip6(9 + i), 64), (link_local.into(), 64)]
}

pub fn key() -> Key {
    Key { id: 1, secret: b"0123456789abcdef0123456789abcdef".to_vec() }
}

/// `192.168.1.<last>` with these candidates, in order.
pub fn group(last: u8, candidates: &[&str]) -> Group {
    let candidates = candidates.iter().map(|node| Candidate { node: (*node).to_owned(), score: 0 }).collect();
    Group {
        key: vip(last),
        addresses: vec![vip(last)],
        candidates,
        interfaces: vec![],
        gives_way: false,
        keeps: false,
        preempt: Preempt::Sticky,
    }
}

/// The interface of node `i`.
pub fn link(i: u8) -> Interface {
    let mac = MacAddr::new([2, 0, 0, 0, 0, i]);
    Interface { index: ETH, name: "eth0".into(), mac, addresses: own_addresses(i), gateways: vec![] }
}

/// The interface of node `i` on the same segment, but with addresses of another subnet only.
pub fn elsewhere(i: u8) -> Interface {
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, i.into());
    Interface { addresses: vec![([10, 0, 0, i].into(), 24), (v6.into(), 64)], ..link(i) }
}

/// These addresses together, with these candidates, in order.
pub fn group_of(addresses: &[IpAddr], candidates: &[&str]) -> Group {
    Group { key: addresses[0], addresses: addresses.to_vec(), ..group(0, candidates) }
}

/// What is on its way to a node.
#[derive(Clone, Debug)]
enum Parcel {
    Frame(Rc<[u8]>),
    Datagram(SocketAddr, Rc<[u8]>),
}

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
    queue: Vec<Parcel>,
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
    /// For a fleet of hundreds: of what is sent and reported nothing is kept but who holds what, and a beacon to all
    /// reaches only whom it names, for the others would drop it.
    pub large: bool,
    /// Who has said last that it took an address, by address.
    pub holding: BTreeMap<IpAddr, BTreeSet<String>>,
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

fn name(n: usize) -> String {
    format!("node{n}")
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
            large: false,
            holding: BTreeMap::new(),
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

    /// Start (or start again) a node under a new nonce.
    pub fn boot(&mut self, i: usize, nonce: u64) {
        self.boot_with(i, nonce, vec![link(u8::try_from(i).unwrap())]);
    }

    /// The same with other interfaces.
    pub fn boot_with(&mut self, i: usize, nonce: u64, interfaces: Vec<Interface>) {
        self.start(&name(i), &name(i), i, nonce, interfaces);
    }

    /// Start a speaker on machine `i` that calls itself `node`; tests call it `key`.
    pub fn boot_as(&mut self, key: &str, node: &str, i: usize, nonce: u64) {
        self.start(key, node, i, nonce, vec![link(u8::try_from(i).unwrap())]);
    }

    fn start(&mut self, key: &str, node: &str, i: usize, nonce: u64, interfaces: Vec<Interface>) {
        let [high, low] = u16::try_from(i).unwrap().to_be_bytes();
        let mac = MacAddr::new([2, 0, 0, 0, high, low]);
        let address: IpAddr = [192, 168, 1 + high, low.wrapping_add(9)].into();
        let config = Config {
            node: node.to_owned(),
            nonce,
            beacon_interval: 50 * MS,
            misses: 3,
            refresh: REFRESH,
            hold_down: HOLD_DOWN,
        };
        let state = Node {
            engine: Engine::new(config),
            mac,
            address,
            facts: Vec::new(),
            arp_sent: Vec::new(),
            ndp_sent: Vec::new(),
            arp_asked: Vec::new(),
            ndp_asked: Vec::new(),
            joined: Vec::new(),
            sent: 0,
            queue: Vec::new(),
            asleep: false,
            dead: false,
            suspended: None,
            lost: false,
            behind: Duration::ZERO,
            timer: None,
        };
        self.by_mac.insert(mac, key.to_owned());
        self.by_address.insert(address, key.to_owned());
        if let Some(timer) = self.nodes.insert(key.to_owned(), state).and_then(|before| before.timer) {
            self.timers.remove(&(timer, key.to_owned()));
        }
        self.event(key, Event::Interfaces(interfaces));
    }

    /// Give every node the same groups.
    pub fn set_groups(&mut self, groups: Vec<Group>) {
        self.groups = groups;
        for node in self.nodes.keys().cloned().collect::<Vec<_>>() {
            self.set_table(&node);
        }
    }

    /// Give one node the table.
    pub fn set_table(&mut self, node: &str) {
        let table = self.table(node);
        self.event(node, Event::Table(table));
    }

    pub fn table(&self, node: &str) -> Table {
        let others = self.nodes.iter().filter(|(name, _)| *name != node);
        let peers = others.map(|(name, node)| Peer { node: name.clone(), addresses: vec![node.address] }).collect();
        Table {
            peers,
            keys: vec![key()],
            groups: self.groups.clone(),
            probing: self.probing.clone(),
            ..Table::default()
        }
    }

    pub fn event(&mut self, node: &str, event: Event<'_>) {
        let state = self.nodes.get_mut(node).unwrap();
        if state.dead {
            return;
        }
        let began = Instant::now();
        state.engine.handle(self.now - state.behind, event);
        self.busy += began.elapsed();
        self.collect(node);
        self.wind(node);
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

    fn carry_out(&mut self, node: &str, action: Action) {
        let now = self.now;
        let state = self.nodes.get_mut(node).unwrap();
        match action {
            Action::Report(fact) => self.note(node, fact),
            Action::SetGroups { groups, .. } => state.joined = groups,
            Action::DiscardQueued => state.queue.clear(),
            Action::SendFrame { bytes, .. } => {
                state.sent += 1;
                let frame = Frame::new_checked(&bytes[..]).unwrap();
                if self.large && frame.ethertype() != EtherType::BEACON {
                    return;
                }
                if let Ok(packet) = arp::Packet::new_checked(frame.payload())
                    && let Ok(repr) = arp::Repr::parse(&packet)
                {
                    let asks = repr.operation == Operation::Request && repr.sender_ip != repr.target_ip;
                    if asks { &mut state.arp_asked } else { &mut state.arp_sent }.push((now, repr));
                }
                if let Ok(repr) = ndp::Packet::new_checked(frame.payload()).and_then(|packet| ndp::Repr::parse(&packet))
                {
                    let asks = matches!(repr.message, Message::Solicitation { .. });
                    if asks { &mut state.ndp_asked } else { &mut state.ndp_sent }.push((now, repr));
                }
                let lost = (self.loses)(&frame);
                let to = self.receivers(node, &frame);
                if self.ethernet && !lost {
                    self.deliver(node, &Parcel::Frame(bytes.into()), to);
                }
            }
            Action::SendDatagram { to, bytes } => {
                state.sent += 1;
                let from = SocketAddr::new(state.address, 7946);
                let to = self.whose(to).filter(|to| to != node);
                if self.udp {
                    self.deliver(node, &Parcel::Datagram(from, bytes.into()), to.into_iter().collect());
                }
            }
        }
    }

    fn note(&mut self, node: &str, fact: Fact) {
        for address in &fact.addresses {
            let holders = self.holding.entry(*address).or_default();
            match fact.kind {
                FactKind::Took => holders.insert(node.to_owned()),
                FactKind::Yielded => holders.remove(node),
                _ => false,
            };
        }
        if !self.large {
            self.nodes.get_mut(node).unwrap().facts.push(fact);
        }
    }

    /// Who has an address; tests change it under way.
    fn whose(&self, address: IpAddr) -> Option<String> {
        let known = self.by_address.get(&address).filter(|name| self.nodes[*name].address == address);
        let found = || self.nodes.iter().find(|(_, node)| node.address == address).map(|(name, _)| name);
        known.or_else(found).cloned()
    }

    /// Whom a frame reaches.
    fn receivers(&self, from: &str, frame: &Frame<&[u8]>) -> Vec<String> {
        if self.large
            && let Ok(beacon) = beacon::Packet::new_checked(frame.payload())
        {
            return vec![String::from_utf8_lossy(beacon.recipient()).into_owned()];
        }
        if !frame.dst().is_multicast() {
            return self.by_mac.get(&frame.dst()).filter(|to| *to != from).cloned().into_iter().collect();
        }
        self.nodes.keys().filter(|name| *name != from).cloned().collect()
    }

    fn deliver(&mut self, from: &str, parcel: &Parcel, to: Vec<String>) {
        for to in to {
            if let Some(delay) = self.network.fate(from, &to, matches!(parcel, Parcel::Frame(_))) {
                self.parcels += 1;
                self.wire.insert((self.now + delay, self.parcels), (to, parcel.clone()));
            }
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
            let state = self.nodes.get_mut(&to).unwrap();
            if !state.lost && !state.dead {
                state.queue.push(parcel);
                due.insert(to);
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
        for parcel in std::mem::take(&mut self.nodes.get_mut(node).unwrap().queue) {
            match &parcel {
                Parcel::Frame(bytes) => self.event(node, Event::Frame { interface: ETH, bytes }),
                Parcel::Datagram(from, bytes) => {
                    self.event(node, Event::Datagram(Datagram { interface, from: *from, bytes }));
                }
            }
        }
        let state = &self.nodes[node];
        if state.timer.is_some_and(|timer| timer <= self.now) {
            self.event(node, Event::Tick);
        }
    }

    // ===== faults =====

    pub fn kill(&mut self, node: &str) {
        self.holding.values_mut().for_each(|holders| _ = holders.remove(node));
        self.nodes.get_mut(node).unwrap().dead = true;
        self.wind(node);
    }

    pub fn alive(&self, node: &str) -> bool {
        !self.nodes[node].dead
    }

    pub fn awake(&self, node: &str) -> bool {
        !self.nodes[node].asleep && !self.nodes[node].dead
    }

    /// Stop the process: what is sent to it waits in its sockets.
    pub fn freeze(&mut self, node: &str) {
        self.nodes.get_mut(node).unwrap().asleep = true;
        self.wind(node);
    }

    pub fn thaw(&mut self, node: &str) {
        let now = self.now;
        let state = self.nodes.get_mut(node).unwrap();
        (state.asleep, state.lost) = (false, false);
        state.behind += state.suspended.take().map_or(Duration::ZERO, |since| now.since(since));
        self.wake(node);
    }

    /// The whole machine stands still, its clock with it, as a virtual one does that is paused; what is sent to it waits.
    /// [`World::thaw`] is the inverse.
    pub fn pause_machine(&mut self, node: &str) {
        let now = self.now;
        self.nodes.get_mut(node).unwrap().suspended.get_or_insert(now);
        self.freeze(node);
    }

    /// Stop the whole machine with its clock; what is sent to it is lost. [`World::thaw`] is the inverse.
    pub fn suspend(&mut self, node: &str) {
        self.pause_machine(node);
        self.nodes.get_mut(node).unwrap().lost = true;
    }

    pub fn suspended(&self, node: &str) -> bool {
        self.nodes[node].suspended.is_some()
    }

    /// Nothing gets from `from` to `to` any more.
    pub fn cut(&mut self, from: &str, to: &str) {
        self.network.cut(from, to);
    }

    pub fn partition(&mut self, left: &[&str], right: &[&str]) {
        for (a, b) in left.iter().flat_map(|a| right.iter().map(move |b| (*a, *b))) {
            self.cut(a, b);
            self.cut(b, a);
        }
    }

    /// No frame gets from `from` to `to` any more on the segment; datagrams do.
    pub fn cut_segment(&mut self, from: &str, to: &str) {
        self.network.cut_segment(from, to);
    }

    /// Nothing gets through between `left` and `right` on the segment; datagrams do.
    pub fn part_segment(&mut self, left: &[&str], right: &[&str]) {
        for (a, b) in left.iter().flat_map(|a| right.iter().map(move |b| (*a, *b))) {
            self.cut_segment(a, b);
            self.cut_segment(b, a);
        }
    }

    pub fn heal(&mut self) {
        self.network.heal();
    }

    // ===== what is seen =====

    /// Who answers a client's question for an address now.
    pub fn who_has(&mut self, address: IpAddr) -> Vec<String> {
        let question = match address {
            IpAddr::V4(target) => who_has(target),
            IpAddr::V6(target) => neighbor(target),
        };
        let mut answering = Vec::new();
        for node in self.nodes.keys().cloned().collect::<Vec<_>>() {
            let state = &self.nodes[&node];
            if state.asleep || state.dead {
                continue;
            }
            let before = (state.arp_sent.len(), state.ndp_sent.len());
            self.event(&node, Event::Frame { interface: ETH, bytes: &question });
            let state = &self.nodes[&node];
            let arp = state.arp_sent[before.0..].iter().any(|(_, repr)| {
                address == IpAddr::V4(repr.sender_ip) && repr.operation == Operation::Reply && repr.target_mac == CLIENT
            });
            let ndp = state.ndp_sent[before.1..].iter().any(|(_, repr)| {
                address == IpAddr::V6(repr.target)
                    && matches!(repr.message, Message::Advertisement { flags, .. } if flags.solicited)
            });
            if arp || ndp {
                answering.push(node);
            }
        }
        answering
    }

    /// The facts of one kind that a node has reported.
    pub fn facts(&self, node: &str, kind: FactKind) -> Vec<&Fact> {
        self.nodes[node].facts.iter().filter(|fact| fact.kind == kind).collect()
    }

    /// Who says that it took (and has not yielded) an address.
    pub fn holders(&self, address: IpAddr) -> Vec<String> {
        let holds = |node: &Node| {
            let last = node.facts.iter().rev().find(|fact| {
                fact.addresses.contains(&address) && matches!(fact.kind, FactKind::Took | FactKind::Yielded)
            });
            !node.dead && last.is_some_and(|fact| fact.kind == FactKind::Took)
        };
        self.nodes.iter().filter(|(_, node)| holds(node)).map(|(name, _)| name.clone()).collect()
    }
}

/// A client's ARP request.
fn who_has(target_ip: Ipv4Addr) -> Vec<u8> {
    let repr = arp::Repr {
        operation: Operation::Request,
        sender_mac: CLIENT,
        sender_ip: [192, 168, 1, 99].into(),
        target_mac: MacAddr::ZERO,
        target_ip,
    };
    repr.frame(MacAddr::BROADCAST, CLIENT).to_vec()
}

/// A client's neighbor solicitation.
fn neighbor(target: Ipv6Addr) -> Vec<u8> {
    let group = solicited_node(target);
    let src_ip = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xcc);
    let message = Message::Solicitation { source_mac: Some(CLIENT) };
    ndp::Repr { src_ip, dst_ip: group, target, message }.frame(multicast_mac(group), CLIENT)
}
