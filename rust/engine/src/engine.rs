//! The parts put together: every event goes in here, every action comes out.

use core::time::Duration;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use metalev_wire::MacAddr;
use metalev_wire::ethernet::{EtherType, Frame};

use crate::announcer::Announcer;
use crate::event::{
    Action, Cause, Counters, Datagram, DropReason, Event, Fact, FactKind, Interface,
};
use crate::herald::{Content, Herald};
use crate::links::{LinkChanges, Links};
use crate::ownership::{Outcome, Ownership};
use crate::peer::Path;
use crate::peers::{Heard, Peers};
use crate::pulse::{Pulse, Timing, Wake};
use crate::responder::{self, Responder};
use crate::{Table, Time, words};

/// How often the same foreign claim is reported at most.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Foreign claims remembered to keep to that; an attacker who varies its MAC makes the list start over, no more.
const CLAIMS_REMEMBERED: usize = 1024;

/// What is fixed for the life of an engine.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node's name.
    pub node: String,
    /// 64 random bits, not 0, drawn at start: they name this life of the speaker in its beacons.
    pub nonce: u64,
    /// Between two beacons to the next in line.
    pub beacon_interval: Duration,
    /// After how many missed beacons a peer is given up; at least 1.
    pub misses: u32,
}

/// Answers, announces, and agrees with its peers on who does.
#[derive(Debug)]
pub struct Engine {
    node: String,
    timing: Timing,
    pulse: Pulse,
    links: Links,
    peers: Peers,
    ownership: Ownership,
    herald: Herald,
    responder: Responder,
    announcer: Announcer,
    outbox: VecDeque<Action>,
    deadline: Option<Time>,
    beacons_received: u64,
    reported: HashMap<(IpAddr, MacAddr), Time>,
    stopped: bool,
}

// ===== input and output =====

impl Engine {
    /// An engine that knows nothing yet: no table, no interface.
    pub fn new(config: Config) -> Self {
        let timing = Timing {
            interval: config.beacon_interval,
            misses: config.misses.max(1),
        };
        Self {
            timing,
            pulse: Pulse::new(timing),
            links: Links::default(),
            peers: Peers::new(config.node.clone(), config.nonce, timing),
            ownership: Ownership::new(config.node.clone(), timing.dead_time()),
            herald: Herald::new(timing),
            responder: Responder::default(),
            announcer: Announcer::default(),
            outbox: VecDeque::new(),
            deadline: None,
            beacons_received: 0,
            reported: HashMap::new(),
            stopped: false,
            node: config.node,
        }
    }

    /// Take in an event that happened at `now`. Actions that come of it wait to be polled.
    pub fn handle(&mut self, now: Time, event: Event<'_>) {
        if self.stopped {
            return;
        }
        self.wake(now);
        match event {
            Event::Frame { interface, bytes } => self.frame(now, interface, bytes),
            Event::Datagram(datagram) => self.datagram(now, datagram),
            Event::Table(table) => self.table(now, table),
            Event::Interfaces(interfaces) => self.interfaces(now, interfaces),
            Event::Stop => {
                self.stop(now);
                return;
            }
            Event::Tick => {}
        }
        self.run(now);
    }

    /// The next action to carry out.
    pub fn poll(&mut self) -> Option<Action> {
        self.outbox.pop_front()
    }

    /// When to come back with a [`Event::Tick`] at the latest.
    pub fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// What was counted since the start.
    pub fn counters(&self) -> Counters {
        Counters {
            addresses: self.responder.address_counters(),
            dropped: self.responder.dropped(),
            beacons_sent: self.herald.sent(),
            beacons_received: self.beacons_received,
        }
    }
}

// ===== events =====

impl Engine {
    /// Notice the time, and what was missed if it is late.
    fn wake(&mut self, now: Time) {
        match self.pulse.wake(now, self.deadline) {
            Wake::InTime => {}
            Wake::Late(late) => self.peers.excuse(late),
            Wake::Overslept(slept) => {
                self.peers.excuse(slept);
                self.outbox.push_back(Action::DiscardQueued);
                let message = words::overslept(slept, self.timing.dead_time());
                self.report(Fact::new(
                    FactKind::Overslept,
                    now,
                    Cause::Overslept,
                    message,
                ));
                let outcomes = self.ownership.drop_all(Cause::Overslept);
                self.settle(now, outcomes);
            }
        }
    }

    fn table(&mut self, now: Time, table: Table) {
        self.peers.set(&table.peers, table.keys);
        let removed = self.ownership.set(table.groups, &self.links);
        self.responder.forget(&removed);
        if !self.pulse.started() && self.peers.signing_key().is_some() {
            self.pulse.start(now);
        }
    }

    fn interfaces(&mut self, now: Time, interfaces: Vec<Interface>) {
        let LinkChanges {
            came,
            went,
            renewed,
        } = self.links.set(now, interfaces);
        let came = came.into_iter().map(|link| (FactKind::InterfaceUp, link));
        for (kind, link) in came.chain(went.into_iter().map(|link| (FactKind::InterfaceDown, link)))
        {
            let message = words::interface(kind, &link);
            self.report(Fact {
                interface: link.name,
                ..Fact::new(kind, now, Cause::Link, message)
            });
        }
        self.ownership.place(&self.links, &renewed);
    }

    fn frame(&mut self, now: Time, interface: u32, bytes: &[u8]) {
        let Ok(frame) = Frame::new_checked(bytes) else {
            self.responder.count_drop(DropReason::Malformed);
            return;
        };
        match frame.ethertype() {
            EtherType::ARP => self.arp(now, interface, &frame),
            EtherType::BEACON => self.beacon(
                now,
                Path::Interface(interface),
                interface,
                frame.into_payload(),
            ),
            _ => self.responder.count_drop(DropReason::Malformed),
        }
    }

    fn datagram(&mut self, now: Time, datagram: Datagram<'_>) {
        self.beacon(now, Path::Udp, datagram.interface, datagram.bytes);
    }

    fn arp(&mut self, now: Time, interface: u32, frame: &Frame<&[u8]>) {
        // A frame may still be queued from an interface that has just gone.
        let Some(link) = self.links.get(interface) else {
            return;
        };
        match self.responder.arp(link, frame, self.pulse.may_answer(now)) {
            responder::Outcome::Answer(action) => self.outbox.push_back(action),
            responder::Outcome::ForeignClaim { address, mac } => {
                self.foreign_claim(now, interface, address, mac);
            }
            responder::Outcome::Drop(_) => {}
        }
    }

    fn foreign_claim(&mut self, now: Time, interface: u32, address: IpAddr, mac: MacAddr) {
        let recently = self
            .reported
            .get(&(address, mac))
            .is_some_and(|last| now.since(*last) < REPORT_EVERY);
        // A peer that takes over says so on the wire before its beacon gets here: that is no stranger.
        if recently || self.peers.by_mac(mac).is_some() {
            return;
        }
        if self.reported.len() >= CLAIMS_REMEMBERED {
            self.reported.clear();
        }
        self.reported.insert((address, mac), now);
        let name = self.links.name(interface).to_owned();
        let message = words::foreign_claim(address, mac, &name);
        let fact = Fact::new(FactKind::ForeignClaim, now, Cause::Frame, message);
        let group = self
            .ownership
            .holder_of(address)
            .map(|group| group.spec.key);
        self.report(Fact {
            group,
            addresses: vec![address],
            interface: name,
            ..fact
        });
    }

    fn beacon(&mut self, now: Time, path: Path, arrived_on: u32, bytes: &[u8]) {
        match self.peers.receive(now, path, arrived_on, bytes) {
            Ok(heard) => self.heard(now, path, arrived_on, &heard),
            Err(reason) => self.responder.count_drop(reason),
        }
    }

    fn heard(&mut self, now: Time, path: Path, arrived_on: u32, heard: &Heard) {
        self.beacons_received += 1;
        let lags = self
            .peers
            .get(&heard.peer)
            .is_some_and(|peer| peer.lags(self.ownership.claims().latest()));
        if heard.wants_answer || (heard.progressed && lags) {
            self.herald.hurry(&heard.peer);
        }
        if heard.awoke {
            self.report_peer(
                FactKind::PeerHeard,
                now,
                Cause::BeaconHeard,
                &heard.peer,
                path,
                arrived_on,
                None,
            );
        }
        for left in &heard.left {
            self.report_peer(
                FactKind::PeerLost,
                now,
                Cause::Goodbye,
                &heard.peer,
                *left,
                arrived_on,
                None,
            );
        }
        if heard.deaf {
            self.report_peer(
                FactKind::OneWay,
                now,
                Cause::NotHeard,
                &heard.peer,
                path,
                arrived_on,
                None,
            );
        }
        heard
            .news
            .iter()
            .for_each(|claim| self.ownership.touch(claim.group));
        if heard.awoke || !heard.left.is_empty() {
            self.ownership.touch_all();
        }
        if heard.progressed {
            self.ownership.forget_gone(self.peers.acknowledged_by_all());
        }
    }

    /// Say goodbye and hold nothing: whoever is next takes over at once.
    fn stop(&mut self, now: Time) {
        let outcomes = self.ownership.drop_all(Cause::Stopping);
        self.settle(now, outcomes);
        self.herald.hurry_all(&self.peers);
        let listening = self.pulse.listening_until(now).is_some();
        let content = Content {
            me: &self.node,
            links: &self.links,
            claims: self.ownership.claims(),
            listening,
            goodbye: true,
        };
        self.outbox
            .extend(self.herald.urgent(&mut self.peers, content));
        self.pulse.stop();
        self.deadline = None;
        self.stopped = true;
    }
}

// ===== what follows =====

impl Engine {
    /// Everything that is due now, whatever happened.
    fn run(&mut self, now: Time) {
        self.expire(now);
        if self.pulse.started() {
            let listening = self.pulse.listening_until(now);
            let outcomes = self.ownership.decide(now, &self.peers, listening);
            self.settle(now, outcomes);
        }
        self.announce(now);
        self.speak(now);
        self.deadline = self.next_deadline();
    }

    fn expire(&mut self, now: Time) {
        if self.peers.expiry().is_none_or(|expiry| now < expiry) {
            return;
        }
        for (peer, silence) in self.peers.expire(now) {
            let silent = Some(silence.silent_for);
            self.report_peer(
                FactKind::PeerLost,
                now,
                Cause::MissedBeacons,
                &peer,
                silence.path,
                silence.arrived_on,
                silent,
            );
        }
        self.ownership.touch_all();
    }

    /// Let the responder and the announcer follow what was decided, and tell everybody.
    fn settle(&mut self, now: Time, outcomes: Vec<Outcome>) {
        if !outcomes.is_empty() {
            self.herald.hurry_all(&self.peers);
        }
        for outcome in outcomes {
            match outcome.kind {
                FactKind::Took => {
                    self.responder.hold(&outcome.addresses, &outcome.interfaces);
                    self.announcer.start(outcome.group, now);
                }
                FactKind::Yielded => {
                    self.responder.release(&outcome.addresses);
                    self.announcer.stop(outcome.group);
                }
                _ => {}
            }
            let message = words::outcome(&outcome, self.timing.misses);
            self.report(Fact {
                group: Some(outcome.group),
                addresses: outcome.addresses,
                term: outcome.term,
                peer: outcome.peer,
                ..Fact::new(outcome.kind, now, outcome.cause, message)
            });
        }
    }

    /// Send the gratuitous frames that are due.
    fn announce(&mut self, now: Time) {
        for key in self.announcer.due(now) {
            let Some(group) = self.ownership.get(key) else {
                continue;
            };
            for address in &group.spec.addresses {
                let links = group
                    .interfaces
                    .iter()
                    .filter_map(|index| self.links.get(*index));
                let frames: Vec<Action> = links
                    .flat_map(|link| responder::gratuitous(link, *address))
                    .collect();
                self.responder
                    .count_gratuitous(*address, frames.len() as u64);
                self.outbox.extend(frames);
            }
        }
    }

    /// Send the beacons that are due.
    fn speak(&mut self, now: Time) {
        let listening = self.pulse.listening_until(now).is_some();
        let content = Content {
            me: &self.node,
            links: &self.links,
            claims: self.ownership.claims(),
            listening,
            goodbye: false,
        };
        let beacons = if self.pulse.round(now) {
            let successors = self.ownership.successors(&self.peers);
            self.herald
                .round(now, &mut self.peers, &successors, content)
        } else {
            self.herald.urgent(&mut self.peers, content)
        };
        self.outbox.extend(beacons);
    }

    fn next_deadline(&self) -> Option<Time> {
        let all = [
            self.pulse.deadline(),
            self.peers.expiry(),
            self.ownership.deadline(),
            self.announcer.deadline(),
        ];
        all.into_iter().flatten().min()
    }

    #[expect(clippy::too_many_arguments, reason = "each is one field of the fact")]
    fn report_peer(
        &mut self,
        kind: FactKind,
        now: Time,
        cause: Cause,
        peer: &str,
        path: Path,
        arrived_on: u32,
        silent_for: Option<Duration>,
    ) {
        let interface = match path {
            Path::Interface(index) => self.links.name(index).to_owned(),
            Path::Udp => format!("udp ({})", self.links.name(arrived_on)),
        };
        let message = words::peer(kind, cause, peer, &interface, silent_for);
        self.report(Fact {
            peer: peer.to_owned(),
            interface,
            ..Fact::new(kind, now, cause, message)
        });
    }

    fn report(&mut self, fact: Fact) {
        self.outbox.push_back(Action::Report(fact));
    }
}
