//! What holds for an engine whatever it is fed: the bodies of the fuzz targets `handle` and `foreign` in `rust/fuzz`, and
//! of tests.
//!
//! The bytes are read as a sequence of events. Beacons among them are signed with the right key and, as a rule, echo the
//! engine's own nonce, so that what they say is believed and every part behind the signature is reached.

mod foreign;
mod source;

use core::time::Duration;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

pub use foreign::foreign;
use metalev_wire::arp::{self, Operation};
use metalev_wire::beacon::{Key, Repr as Beacon};
use metalev_wire::ethernet::{EtherType, Frame, Repr as Header};
use metalev_wire::ndp::Message;
use metalev_wire::{MacAddr, ndp};
use source::Source;

use crate::{
    Action, Candidate, Config, Datagram, Engine, Event, FactKind, Group, HOLD_DOWN, Host, Interface, Peer, Preempt,
    Probing, REFRESH, Table, Time,
};

const ME: &str = "node1";
const NONCE: u64 = 1;
/// As many actions at most may follow from one event: a table of everything that is drawn here needs far fewer.
const MOST_ACTIONS: usize = 20_000;

/// Feed an engine with what the bytes spell; panics if an invariant is broken. Answers how many frames and datagrams it
/// was given.
pub fn handle(data: &[u8]) -> u64 {
    let mut run = Run::new(data);
    while !run.source.is_empty() {
        run.next();
    }
    run.fed
}

fn key() -> Key {
    Key { id: 7, secret: b"a secret of the fuzz targets".to_vec() }
}

/// An engine, and what is known of it from outside.
struct Run<'a> {
    source: Source<'a>,
    engine: Engine,
    now: Time,
    sequence: u64,
    waited: Duration,
    held: BTreeSet<IpAddr>,
    interfaces: BTreeSet<u32>,
    stopped: bool,
    fed: u64,
}

impl<'a> Run<'a> {
    fn new(data: &'a [u8]) -> Self {
        let config = Config {
            node: ME.to_owned(),
            nonce: NONCE,
            beacon_interval: Duration::from_millis(50),
            misses: 3,
            refresh: REFRESH,
            hold_down: HOLD_DOWN,
        };
        let mut run = Self {
            source: Source(data),
            engine: Engine::new(config),
            now: Time::from_nanos(1_000_000_000),
            sequence: 0,
            waited: Duration::ZERO,
            held: BTreeSet::new(),
            interfaces: BTreeSet::new(),
            stopped: false,
            fed: 0,
        };
        // Without these little would be reached; both may be replaced by what the bytes say.
        run.give(Event::Interfaces(vec![interface(2, 0)]));
        run.interfaces.insert(2);
        let groups = vec![group(&[address(0)], 0), group(&[address(1), address(8)], 1)];
        let peers = (2..=4).map(|i| Peer { node: name(i), addresses: vec![own(i)] }).collect();
        run.give(Event::Table(Table { peers, keys: vec![key()], groups, ..Table::default() }));
        run
    }

    fn next(&mut self) {
        match self.source.byte() % 16 {
            0 => {
                let ms = self.source.byte().into();
                self.pass(ms);
            }
            1 => {
                let ms = self.source.short().into();
                self.pass(ms);
            }
            2 => self.until_deadline(),
            3 => self.raw_frame(),
            4 => self.arp(),
            5 => self.neighbor(),
            6 => self.raw_datagram(),
            7 => self.table(),
            8 => self.links(),
            9 => self.host(),
            10 => self.again(),
            // The end comes seldom, or it would be all there is.
            11 if self.source.byte() == 0 => {
                self.give(Event::Stop);
                self.stopped = true;
            }
            _ => self.beacon(),
        }
    }

    /// The caller runs again, or somebody wants an address to move.
    fn again(&mut self) {
        match self.source.byte() {
            which @ 0..16 => self.give(Event::Drill(address(which))),
            _ => self.give(Event::Woke),
        }
        self.give(Event::Tick);
    }

    /// Hand in an event, carry out what follows, and look at it.
    fn give(&mut self, event: Event<'_>) {
        self.engine.handle(self.now, event);
        self.carry_out();
        if self.engine.deadline().is_some_and(|deadline| deadline <= self.now) {
            // Only a tick does what is due.
            self.engine.handle(self.now, Event::Tick);
            self.carry_out();
        }
        if let Some(deadline) = self.engine.deadline() {
            assert!(deadline > self.now || self.stopped, "a deadline that has passed: {deadline:?} at {:?}", self.now);
        }
    }

    fn carry_out(&mut self) {
        let mut actions = 0;
        while let Some(action) = self.engine.poll() {
            actions += 1;
            assert!(actions < MOST_ACTIONS, "no end of actions");
            self.look_at(&action);
        }
    }

    fn look_at(&mut self, action: &Action) {
        match action {
            Action::SendFrame { interface, bytes } => self.look_at_frame(*interface, bytes),
            Action::SendDatagram { bytes, .. } => assert!(bytes.len() <= 1_472, "{} bytes", bytes.len()),
            Action::Report(fact) => match fact.kind {
                FactKind::Took => self.held.extend(&fact.addresses),
                FactKind::Yielded => self.held.retain(|address| !fact.addresses.contains(address)),
                _ => {}
            },
            Action::SetGroups { .. } | Action::DiscardQueued => {}
        }
    }

    /// Nothing leaves by an interface that is not there, none is too long, and no address is claimed that is not held.
    fn look_at_frame(&self, interface: u32, bytes: &[u8]) {
        assert!(self.interfaces.contains(&interface), "by interface {interface}");
        assert!(bytes.len() <= 1_514, "{} bytes", bytes.len());
        let frame = Frame::new_checked(bytes).expect("a whole frame");
        let claimed: Option<IpAddr> = match frame.ethertype() {
            EtherType::ARP => {
                let packet = arp::Packet::new_checked(frame.payload()).and_then(|packet| arp::Repr::parse(&packet));
                let packet = packet.expect("a whole packet");
                asserts(&packet).then(|| packet.sender_ip.into())
            }
            EtherType::IPV6 => {
                let packet = ndp::Packet::new_checked(frame.payload()).and_then(|packet| ndp::Repr::parse(&packet));
                let packet = packet.expect("a whole packet");
                matches!(packet.message, Message::Advertisement { .. }).then(|| packet.target.into())
            }
            _ => None,
        };
        assert!(claimed.is_none_or(|address| self.held.contains(&address)), "{claimed:?} is not held");
    }

    // ===== time =====

    fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.give(Event::Tick);
    }

    /// As a caller does who is never late.
    fn until_deadline(&mut self) {
        for _ in 0..=self.source.byte() % 8 {
            let Some(deadline) = self.engine.deadline() else { return };
            self.now = deadline;
            self.give(Event::Tick);
        }
    }

    // ===== frames and datagrams =====

    fn frame(&mut self, bytes: &[u8]) {
        self.fed += 1;
        let interface = 2 + u32::from(self.source.byte().is_multiple_of(8));
        let waited = std::mem::take(&mut self.waited);
        self.give(Event::Frame { interface, bytes, waited });
    }

    fn datagram(&mut self, bytes: &[u8]) {
        self.fed += 1;
        let waited = std::mem::take(&mut self.waited);
        self.give(Event::Datagram(Datagram { interface: 2, from: SocketAddr::new(own(2), 7946), bytes, waited }));
    }

    fn raw_frame(&mut self) {
        let bytes = self.source.bytes();
        self.frame(bytes);
    }

    fn raw_datagram(&mut self) {
        let bytes = self.source.bytes();
        self.datagram(bytes);
    }

    fn arp(&mut self) {
        let repr = arp::Repr {
            operation: if self.source.flag() { Operation::Request } else { Operation::Reply },
            sender_mac: self.source.mac(),
            sender_ip: self.source.v4(),
            target_mac: self.source.mac(),
            target_ip: self.source.v4(),
        };
        let dst = if self.source.flag() { MacAddr::BROADCAST } else { self.source.mac() };
        self.frame(&repr.frame(dst, repr.sender_mac));
    }

    fn neighbor(&mut self) {
        let (source_mac, flags) = (self.source.flag().then_some(self.source.mac()), self.source.byte());
        let message = if flags & 1 == 0 {
            ndp::Message::Solicitation { source_mac }
        } else {
            let flags = ndp::Flags { router: flags & 2 != 0, solicited: flags & 4 != 0, overrides: flags & 8 != 0 };
            ndp::Message::Advertisement { flags, target_mac: source_mac }
        };
        let (src_ip, dst_ip, target) = (self.source.v6(), self.source.v6(), self.source.v6());
        let (dst, src) = (self.source.mac(), self.source.mac());
        self.frame(&ndp::Repr { src_ip, dst_ip, target, message }.frame(dst, src));
    }

    /// A beacon that is signed as it should be, whatever it says.
    fn beacon(&mut self) {
        self.sequence += 1;
        let flags = self.source.byte();
        // One that says nothing new may have waited, whatever it says.
        self.waited = Duration::from_millis(if flags & 0x80 == 0 { 0 } else { u64::from(flags) });
        let beacon = Beacon {
            sender: name(2 + usize::from(self.source.byte() % 4)),
            recipient: if flags & 0xe0 == 0xe0 { name(2) } else { ME.to_owned() },
            nonce: 1 + u64::from(self.source.byte() % 3),
            echo: if flags & 0x1c == 0x1c { self.source.long() } else { NONCE },
            sequence: if flags & 0x18 == 0x08 { self.source.long() } else { self.sequence },
            hears_you: flags & 1 != 0,
            goodbye: flags & 0x62 == 0x62,
            quiet: flags & 0x80 != 0,
            interval_ms: if flags & 4 == 0 { 50 } else { u32::from(self.source.short()) << (flags >> 4) },
            mac: self.source.mac(),
            since: self.source.small(),
            through: self.source.small(),
            latest: self.source.small(),
            acknowledged: self.source.small(),
            claims: (0..self.source.byte() % 8).map(|_| self.source.claim()).collect(),
        };
        let Ok(bytes) = beacon.emit_signed(&key()) else { return };
        if self.source.flag() {
            self.datagram(&bytes);
        } else {
            let header = Header { dst: MacAddr::BROADCAST, src: beacon.mac, ethertype: EtherType::BEACON };
            self.frame(&header.frame(&bytes));
        }
    }

    // ===== what the node is told =====

    fn table(&mut self) {
        let peers = 2 + usize::from(self.source.byte() % 4);
        let peers = (2..=peers).map(|i| Peer { node: name(i), addresses: vec![own(i)] }).collect();
        let keys = if self.source.byte() == 0 { vec![] } else { vec![key()] };
        // As the adapter promises: no address is in two groups, none is empty.
        let mut free: BTreeSet<u8> = (0..16).collect();
        let mut groups = Vec::new();
        for _ in 0..self.source.byte() % 8 {
            let wanted: BTreeSet<u8> = (0..=self.source.byte() % 3).map(|_| self.source.byte() % 16).collect();
            let had: Vec<u8> = wanted.into_iter().filter(|number| free.remove(number)).collect();
            let addresses: Vec<IpAddr> = had.into_iter().map(address).collect();
            if !addresses.is_empty() {
                let turn = usize::from(self.source.byte());
                let (gives_way, keeps, drilled) = (turn % 16 == 15, turn % 16 == 14, turn % 16 == 13);
                let preempt = [Preempt::Sticky, Preempt::Balanced, Preempt::Immediate][turn % 3];
                groups.push(Group { gives_way, keeps, drilled, preempt, ..group(&addresses, turn) });
            }
        }
        let wanted = self.source.byte();
        let addresses = (0..16).filter(|number| wanted >> (number % 8) & 1 == 1).map(address).collect();
        let probing = Probing { addresses, full: wanted.is_multiple_of(3) };
        self.give(Event::Table(Table { peers, keys, groups, probing, ..Table::default() }));
    }

    fn links(&mut self) {
        let flags = self.source.byte();
        let links =
            (2..4).filter(|index| flags & (1 << index) != 0).map(|index| interface(index, flags >> 4)).collect();
        self.interfaces = (2..4).filter(|index| flags & (1 << index) != 0).collect();
        self.give(Event::Interfaces(links));
    }

    fn host(&mut self) {
        let (addresses, gateways) = (self.source.byte(), self.source.byte());
        let list = |bits: u8| (0..8).filter(|bit| bits & (1 << bit) != 0).map(address).collect();
        self.give(Event::Host(Host {
            addresses: list(addresses & 0x0c),
            gateways: list(gateways & 0x30),
            ..Host::default()
        }));
    }
}

/// Whether a frame says of an address that it is here: all but a question in the name of nobody or of this host itself.
fn asserts(packet: &arp::Repr) -> bool {
    let own = |variant| interface(2, variant).addresses.iter().any(|(address, _)| *address == packet.sender_ip);
    let asks = packet.operation == Operation::Request && packet.sender_ip != packet.target_ip;
    !(asks && (packet.sender_ip.is_unspecified() || own(0) || own(2)))
}

fn name(i: usize) -> String {
    format!("node{i}")
}

/// Sixteen addresses, of both families, on and off the link.
fn address(number: u8) -> IpAddr {
    if number < 8 {
        [192, 168, 1 + number / 6, 200 + number].into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, u16::from(number / 14), 0, 0, 0, 0, number.into()).into()
    }
}

fn own(i: usize) -> IpAddr {
    [192, 168, 1, u8::try_from(i).unwrap_or(u8::MAX)].into()
}

fn interface(index: u32, variant: u8) -> Interface {
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, u16::from(variant & 1), 0, 0, 0, 1, 1);
    Interface {
        index,
        name: format!("eth{index}"),
        mac: MacAddr::new([2, 0, 0, 0, variant, 1]),
        addresses: vec![([192, 168, 1 + (variant & 2), 1].into(), 24), (v6.into(), 64)],
        gateways: if variant & 4 == 0 { vec![] } else { vec![address(3)] },
    }
}

fn group(addresses: &[IpAddr], turn: usize) -> Group {
    let mut names: Vec<String> = (1..=4).map(name).collect();
    names.rotate_left(turn % 4);
    names.truncate(4 - turn / 4 % 4);
    let candidates = names.into_iter().map(|node| Candidate { node, score: 0 }).collect();
    let interfaces = if turn & 0x40 == 0 { vec![] } else { vec!["eth3".to_owned()] };
    Group {
        key: addresses[0],
        addresses: addresses.to_vec(),
        candidates,
        interfaces,
        gives_way: false,
        keeps: false,
        drilled: false,
        preempt: Preempt::Sticky,
    }
}
