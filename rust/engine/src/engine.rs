//! The parts put together: every event goes in here, every action comes out.

mod consequences;
mod foreign;
mod input;
mod sighted;
mod witnessing;

use core::time::Duration;
use std::collections::VecDeque;

use crate::Time;
use crate::announcer::Announcer;
use crate::event::{Action, Counters, Event};
use crate::failover::Stopwatch;
use crate::herald::Herald;
use crate::links::Links;
use crate::misfits::Misfits;
use crate::ownership::Ownership;
use crate::patience::Patience;
use crate::peers::Peers;
use crate::pulse::{Pulse, Timing};
use crate::responder::Responder;
use crate::silence::Ordered;

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
    /// Between two gratuitous announcements of what is held, after the burst at a takeover; zero means none.
    /// [`REFRESH`](crate::REFRESH) is the usual choice.
    pub refresh: Duration,
    /// For how long a better candidate has to be up before it takes a group back; [`HOLD_DOWN`](crate::HOLD_DOWN) is the
    /// usual choice.
    pub hold_down: Duration,
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
    stopwatch: Stopwatch,
    outbox: VecDeque<Action>,
    deadline: Option<Time>,
    dozes: bool,
    beacons_received: u64,
    stopping: bool,
    misfits: Misfits,
    patience: Patience,
    silence: Ordered,
    foreign: foreign::Foreign,
    stopped: bool,
}

impl Engine {
    /// An engine that knows nothing yet: no table, no interface.
    pub fn new(config: Config) -> Self {
        let timing = Timing { interval: config.beacon_interval, misses: config.misses.max(1) };
        Self {
            timing,
            pulse: Pulse::new(timing),
            links: Links::default(),
            peers: Peers::new(config.node.clone(), config.nonce, timing),
            ownership: Ownership::new(config.node.clone(), timing, config.hold_down),
            herald: Herald::new(timing),
            responder: Responder::default(),
            announcer: Announcer::new(config.refresh),
            stopwatch: Stopwatch::default(),
            outbox: VecDeque::new(),
            deadline: None,
            dozes: false,
            beacons_received: 0,
            stopping: false,
            misfits: Misfits::default(),
            patience: Patience::default(),
            silence: Ordered::default(),
            foreign: foreign::Foreign::new(config.nonce),
            stopped: false,
            node: config.node,
        }
    }

    /// Take in an event that happened at `now`. Actions that come of it wait to be polled.
    pub fn handle(&mut self, now: Time, event: Event<'_>) {
        if self.stopped {
            return;
        }
        if self.silence.until(now).is_some() {
            self.in_silence(now, event);
            return;
        }
        self.wake(now);
        match event {
            Event::Frame { interface, bytes, waited } => {
                let changes = self.frame(now, interface, bytes, waited);
                // A question changes nothing that is due: a flood of them costs the answers and no more.
                if !changes && !self.is_due(now) {
                    return;
                }
            }
            Event::Datagram(datagram) => {
                if !self.datagram(now, datagram) && !self.is_due(now) {
                    return;
                }
            }
            Event::Table(table) => self.table(now, table),
            Event::Interfaces(interfaces) => self.interfaces(now, interfaces),
            Event::Host(host) => self.host(now, host),
            Event::Drill(address) => self.ownership.drill(address, now),
            Event::Stop => self.stop(),
            Event::Woke => return,
            Event::Tick if !self.is_due(now) => return,
            Event::Tick => self.expire(now),
        }
        match self.silence.until(now) {
            Some(until) => self.deadline = Some(until),
            None => self.run(now),
        }
    }

    /// Whether something may be to be done now, though nothing happens: what was due, or the end of a peer's patience that
    /// has come to be the next.
    fn is_due(&self, now: Time) -> bool {
        let planned = |deadline| now < deadline && self.peers.expiry().is_none_or(|expiry| deadline <= expiry);
        !self.deadline.is_some_and(planned)
    }

    /// The next action to carry out.
    pub fn poll(&mut self) -> Option<Action> {
        self.outbox.pop_front()
    }

    /// Whether it has come to its end after [`Event::Stop`]: what is left to poll are its last words.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// When to come back with a [`Event::Tick`] at the latest.
    pub fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// Whether beacons that say nothing new ([`beacon::QUIET`](metalev_wire::beacon::QUIET)) may wait to be read until
    /// something else, or the deadline, wakes the caller. Not while a peer is missed: it may have stood still with its
    /// clock, know nothing of it, and has to hear at once what has become of its addresses.
    pub fn dozes(&self) -> bool {
        self.dozes
    }

    /// What was counted since the start.
    pub fn counters(&self) -> Counters {
        Counters {
            addresses: self.responder.address_counters(),
            dropped: self.responder.dropped(),
            beacons_sent: self.herald.sent(),
            beacons_received: self.beacons_received,
            failovers: self.stopwatch.failovers(),
            promise: self.pulse.promise(),
            paths: self.peers.counters(&self.links),
            probes_sent: self.foreign.probes_sent(),
            witnessed: self.foreign.witnessed(),
        }
    }
}
