//! What holds for a node whatever others on its segment say of addresses: that are free, and that it announces.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use metalev_wire::MacAddr;
use metalev_wire::arp::{self, Operation};
use metalev_wire::ndp::{self, Message};

use super::source::Source;
use super::{address, group, interface, key};
use crate::prober::GAP;
use crate::sighting::{self, Form};
use crate::{
    Action, Config, Engine, Event, Fact, FactKind, HOLD_DOWN, Interface, Probing, REFRESH, Table, Time, questions,
};

/// Let a node hear what the bytes spell; panics if it tells of an end without a beginning, calls clean what somebody has,
/// or probes faster than it may.
pub fn foreign(data: &[u8]) {
    said_by_anybody(data);
    let mut run = Run::new(data);
    said_by_ourselves(&run.link, run.source.address());
    while !run.source.is_empty() {
        run.next();
    }
}

/// Of any bytes: whoever says something is named in them.
fn said_by_anybody(data: &[u8]) {
    if let Some(seen) = sighting::of_frame(data) {
        let mac = seen.mac.octets();
        assert!(data.windows(mac.len()).any(|window| window == mac), "{seen:?}");
    }
}

/// What we ask is read by others as what it is. No pool has an address that nobody can have.
fn said_by_ourselves(link: &Interface, address: IpAddr) {
    if address.is_multicast() || address.is_unspecified() {
        return;
    }
    let read = |action: Action| match action {
        Action::SendFrame { bytes, .. } => sighting::of_frame(&bytes).expect("a frame that says something"),
        other => panic!("no frame: {other:?}"),
    };
    let probe = read(questions::probe(link, address));
    assert_eq!((probe.address, probe.mac, probe.form), (address, link.mac, Form::Probe));
    if let Some(question) = questions::question(link, address).map(read) {
        assert_eq!((question.mac, question.form), (link.mac, Form::Use));
        assert!(link.addresses.iter().any(|(own, _)| *own == question.address));
    }
}

/// A node alone, and what it has told.
struct Run<'a> {
    source: Source<'a>,
    engine: Engine,
    link: Interface,
    now: Time,
    asked: BTreeSet<IpAddr>,
    conflicts: BTreeMap<IpAddr, MacAddr>,
    proxies: BTreeSet<MacAddr>,
    troubles: BTreeSet<IpAddr>,
    probed: Option<Time>,
}

impl<'a> Run<'a> {
    fn new(data: &'a [u8]) -> Self {
        let config = Config {
            node: "node1".to_owned(),
            nonce: 1,
            beacon_interval: Duration::from_millis(50),
            misses: 3,
            refresh: REFRESH,
            hold_down: HOLD_DOWN,
        };
        let mut run = Self {
            source: Source(data),
            engine: Engine::new(config),
            link: interface(2, 4),
            now: Time::from_nanos(1_000_000_000),
            asked: BTreeSet::new(),
            conflicts: BTreeMap::new(),
            proxies: BTreeSet::new(),
            troubles: BTreeSet::new(),
            probed: None,
        };
        run.give(Event::Interfaces(vec![run.link.clone()]));
        run.table(0b0101_0101);
        run.pass(1_000);
        run
    }

    fn next(&mut self) {
        match self.source.byte() % 16 {
            0 => {
                let ms = self.source.short().into();
                self.pass(ms);
            }
            1..=4 => {
                let ms = u64::from(self.source.byte()) * 8;
                self.pass(ms);
            }
            5 => {
                let wanted = self.source.byte();
                self.table(wanted);
            }
            6 => {
                let bytes = self.source.bytes();
                self.give(Event::Frame { interface: 2, bytes, waited: Duration::ZERO });
            }
            7..=11 => self.arp(),
            _ => self.neighbor(),
        }
    }

    /// Ask for some addresses, and announce some of the others.
    fn table(&mut self, wanted: u8) {
        let (asked, rest): (Vec<u8>, Vec<u8>) = (0..16).partition(|number| wanted >> (number % 8) & 1 == 1);
        let addresses: Vec<IpAddr> = asked.into_iter().map(address).collect();
        self.asked = addresses.iter().copied().collect();
        let groups = rest.into_iter().step_by(2).map(|number| group(&[address(number)], 0)).collect();
        let probing = Probing { addresses, full: false };
        self.give(Event::Table(Table { peers: vec![], keys: vec![key()], groups, probing, ..Table::default() }));
    }

    fn arp(&mut self) {
        let repr = arp::Repr {
            operation: if self.source.flag() { Operation::Request } else { Operation::Reply },
            sender_mac: self.source.mac(),
            sender_ip: self.source.v4(),
            target_mac: self.source.mac(),
            target_ip: self.source.v4(),
        };
        let frame = repr.frame(self.link.mac, repr.sender_mac);
        self.give(Event::Frame { interface: 2, bytes: &frame, waited: Duration::ZERO });
    }

    fn neighbor(&mut self) {
        let (mac, advertises) = (self.source.flag().then_some(self.source.mac()), self.source.flag());
        let message = if advertises {
            Message::Advertisement { flags: ndp::Flags::default(), target_mac: mac }
        } else {
            Message::Solicitation { source_mac: mac }
        };
        let (src_ip, dst_ip, target) = (self.source.v6(), self.source.v6(), self.source.v6());
        let bytes = ndp::Repr { src_ip, dst_ip, target, message }.frame(self.link.mac, self.source.mac());
        self.give(Event::Frame { interface: 2, bytes: &bytes, waited: Duration::ZERO });
    }

    /// Let so many milliseconds pass, for a caller who is never late.
    fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(deadline) = self.engine.deadline().filter(|deadline| *deadline < end) {
            self.now = self.now.max(deadline);
            self.give(Event::Tick);
        }
        self.now = end;
        self.give(Event::Tick);
    }

    fn give(&mut self, event: Event<'_>) {
        self.engine.handle(self.now, event);
        while let Some(action) = self.engine.poll() {
            match action {
                Action::Report(fact) => self.look_at(&fact),
                Action::SendFrame { bytes, .. } => self.look_at_frame(&bytes),
                _ => {}
            }
        }
    }

    fn look_at_frame(&mut self, bytes: &[u8]) {
        if sighting::of_frame(bytes).is_some_and(|seen| seen.form == Form::Probe) {
            let soon = self.probed.replace(self.now).filter(|last| self.now.since(*last) < GAP);
            assert_eq!(soon, None, "a probe at {:?}", self.now);
        }
    }

    fn look_at(&mut self, fact: &Fact) {
        let of = fact.addresses.first().copied();
        match (fact.kind, of, fact.mac) {
            (FactKind::Conflict, Some(address), Some(mac)) => {
                assert_ne!(self.conflicts.insert(address, mac), Some(mac), "told twice: {}", fact.message);
            }
            (FactKind::ConflictOver, Some(address), mac) => assert_eq!(self.conflicts.remove(&address), mac),
            (FactKind::Clean, Some(address), _) => {
                assert!(self.asked.contains(&address) && !self.conflicts.contains_key(&address), "{}", fact.message);
            }
            (FactKind::ProxyArp, _, Some(mac)) => assert!(self.proxies.insert(mac), "told twice: {}", fact.message),
            (FactKind::ProxyArpOver, _, Some(mac)) => assert!(self.proxies.remove(&mac), "{}", fact.message),
            (FactKind::Witness, Some(address), _) => {
                self.troubles.insert(address);
            }
            (FactKind::WitnessOver, Some(address), _) => assert!(self.troubles.remove(&address), "{}", fact.message),
            (FactKind::OwnKernel | FactKind::OwnKernelOver, ..) => panic!("there is no other node: {}", fact.message),
            _ => {}
        }
    }
}
