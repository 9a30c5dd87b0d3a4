//! Hundreds of engines on one segment in virtual time, with what they have in common kept once.
//!
//! Leaner than the segment of the tests: nodes are numbers, a beacon to all reaches only whom it names (the others would
//! drop it), frames that are no beacons go nowhere, and of the facts nothing is kept but who announces what.

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::BinaryHeap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use metalev_engine::{Action, Config, Datagram, Engine, Event, Fact, FactKind, HOLD_DOWN, Interface, REFRESH, Time};
use metalev_wire::MacAddr;
use metalev_wire::beacon;
use metalev_wire::ethernet::{EtherType, Frame};

use crate::holders::Holders;
use crate::network::Random;

pub const ETH: u32 = 2;
pub const MS: Duration = Duration::from_millis(1);
const PORT: u16 = 7946;

/// What is on its way: the earliest first, and what was sent first of those.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Parcel {
    at: Time,
    number: u64,
    to: usize,
    from: usize,
    frame: bool,
    bytes: Box<[u8]>,
}

pub struct Node {
    engine: Engine,
    /// When the engine wants to be woken.
    timer: Option<Time>,
    /// Beacons sent in this second.
    sent: u64,
    /// Who is on another side is not heard.
    pub side: u8,
}

/// What the network does to what is sent.
pub struct Weather {
    pub latency: Duration,
    pub jitter: Duration,
    /// Of a hundred, so many are lost.
    pub loss: u64,
}

pub struct World {
    pub now: Time,
    pub nodes: Vec<Option<Node>>,
    wire: BinaryHeap<Reverse<Parcel>>,
    /// With entries that are over, too: a node's own timer says which counts.
    timers: BinaryHeap<Reverse<(Time, usize)>>,
    parcels: u64,
    pub weather: Weather,
    random: Random,
    pub holders: Holders,
    /// What the engines have used of the processor.
    pub busy: Duration,
    /// The end of this second, and the most that any node sent in one.
    second: Time,
    pub peak: u64,
    pub beacons: u64,
}

pub fn name(node: usize) -> String {
    format!("node{node}")
}

pub fn number(name: &[u8]) -> usize {
    name.iter().filter(|byte| byte.is_ascii_digit()).fold(0, |number, byte| number * 10 + usize::from(byte - b'0'))
}

pub fn address(node: usize) -> IpAddr {
    let [high, low] = u16::try_from(node).unwrap().to_be_bytes();
    [10, 255, high, low].into()
}

/// Its interface, with a subnet that has all addresses.
fn link(node: usize) -> Interface {
    let [high, low] = u16::try_from(node).unwrap().to_be_bytes();
    let mac = MacAddr::new([2, 0, 0, 0, high, low]);
    Interface { index: ETH, name: "eth0".into(), mac, addresses: vec![(address(node), 8)], gateways: vec![] }
}

impl World {
    pub fn new(nodes: usize, groups: usize) -> Self {
        let now = Time::from_nanos(1_000_000_000);
        Self {
            now,
            nodes: (0..nodes).map(|_| None).collect(),
            wire: BinaryHeap::new(),
            timers: BinaryHeap::new(),
            parcels: 0,
            weather: Weather { latency: Duration::from_micros(200), jitter: Duration::ZERO, loss: 0 },
            random: Random(3),
            holders: Holders::new(groups),
            busy: Duration::ZERO,
            second: now,
            peak: 0,
            beacons: 0,
        }
    }

    /// Start (or start again) a speaker under a new nonce.
    pub fn boot(&mut self, node: usize, nonce: u64) {
        let engine = Engine::new(Config {
            node: name(node),
            nonce,
            beacon_interval: 50 * MS,
            misses: 3,
            refresh: REFRESH,
            hold_down: HOLD_DOWN,
        });
        self.nodes[node] = Some(Node { engine, timer: None, sent: 0, side: 0 });
        self.event(node, Event::Interfaces(vec![link(node)]));
    }

    pub fn kill(&mut self, node: usize) {
        self.nodes[node] = None;
        self.holders.bury(node, self.now);
    }

    pub fn alive(&self, node: usize) -> bool {
        self.nodes[node].is_some()
    }

    pub fn living(&self) -> usize {
        self.nodes.iter().flatten().count()
    }

    pub fn event(&mut self, node: usize, event: Event<'_>) {
        let Some(state) = &mut self.nodes[node] else {
            return;
        };
        let began = Instant::now();
        state.engine.handle(self.now, event);
        self.busy += began.elapsed();
        while let Some(action) = self.nodes[node].as_mut().and_then(|state| state.engine.poll()) {
            self.carry_out(node, action);
        }
        let Some(state) = &mut self.nodes[node] else {
            return;
        };
        let wanted = state.engine.deadline();
        if wanted != state.timer {
            state.timer = wanted;
            self.timers.extend(wanted.map(|at| Reverse((at, node))));
        }
    }

    fn carry_out(&mut self, node: usize, action: Action) {
        match action {
            Action::Report(fact) => self.note(node, &fact),
            Action::SendFrame { bytes, .. } => {
                let frame = Frame::new_checked(&bytes[..]).unwrap();
                if frame.ethertype() == EtherType::BEACON {
                    let to = number(beacon::Packet::new_checked(frame.payload()).unwrap().recipient());
                    self.send(node, to, true, bytes);
                }
            }
            Action::SendDatagram { to: IpAddr::V4(to), bytes } => {
                let [_, _, high, low] = to.octets();
                self.send(node, u16::from_be_bytes([high, low]).into(), false, bytes);
            }
            _ => {}
        }
    }

    fn note(&mut self, node: usize, fact: &Fact) {
        for address in &fact.addresses {
            match fact.kind {
                FactKind::Took => self.holders.take(*address, node, self.now),
                FactKind::Yielded => self.holders.leave(*address, node, self.now),
                _ => {}
            }
        }
    }

    fn send(&mut self, from: usize, to: usize, frame: bool, bytes: Vec<u8>) {
        self.beacons += 1;
        let side = self.nodes[from].as_mut().map(|state| {
            state.sent += 1;
            state.side
        });
        let cut = side != self.nodes[to].as_ref().map(|state| state.side);
        if cut || (self.weather.loss > 0 && self.random.below(100) < self.weather.loss) {
            return;
        }
        let jitter = self.random.below(u64::try_from(self.weather.jitter.as_nanos()).unwrap());
        let at = self.now + self.weather.latency + Duration::from_nanos(jitter);
        self.parcels += 1;
        self.wire.push(Reverse(Parcel { at, number: self.parcels, to, from, frame, bytes: bytes.into() }));
    }

    /// Let time pass, event by event.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.next_event().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.count();
            self.step();
        }
        self.now = end;
        self.count();
    }

    fn next_event(&self) -> Option<Time> {
        let timer = self.timers.peek().map(|timer| timer.0.0);
        [timer, self.wire.peek().map(|parcel| parcel.0.at)].into_iter().flatten().min()
    }

    fn step(&mut self) {
        while self.wire.peek().is_some_and(|parcel| parcel.0.at <= self.now) {
            let Some(Reverse(parcel)) = self.wire.pop() else { break };
            self.event(parcel.to, Event::Woke);
            let (from, bytes) = (SocketAddr::new(address(parcel.from), PORT), &*parcel.bytes);
            let event = if parcel.frame {
                Event::Frame { interface: ETH, bytes, waited: Duration::ZERO }
            } else {
                Event::Datagram(Datagram { interface: ETH, from, bytes, waited: Duration::ZERO })
            };
            self.event(parcel.to, event);
        }
        while let Some(Reverse((at, node))) = self.timers.peek().copied().filter(|timer| timer.0.0 <= self.now) {
            self.timers.pop();
            if let Some(state) = self.nodes[node].as_mut().filter(|state| state.timer == Some(at)) {
                // Whatever it wants next, this has been rung.
                state.timer = None;
                self.event(node, Event::Woke);
                self.event(node, Event::Tick);
            }
        }
    }

    /// Note the busiest sender of every second that is over.
    fn count(&mut self) {
        while self.second + 1_000 * MS <= self.now {
            self.second += 1_000 * MS;
            let sent = self.nodes.iter_mut().flatten().map(|state| core::mem::take(&mut state.sent));
            self.peak = self.peak.max(sent.max().unwrap_or(0));
        }
    }

    /// Count seconds from now.
    pub fn begin(&mut self) {
        (self.second, self.peak) = (self.now, 0);
        self.nodes.iter_mut().flatten().for_each(|state| state.sent = 0);
    }
}
