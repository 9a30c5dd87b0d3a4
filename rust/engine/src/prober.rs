//! Whether anybody has an address that may be given away next, found out ahead of time.
//!
//! Of the living speakers on a segment one asks, chosen by hash. It sends the three probes of RFC 5227 section 2.1.1, in
//! IPv6 the same number of solicitations of duplicate address detection, and listens for `ANNOUNCE_WAIT`. Silence makes
//! the address clean for [`FRESH`]; then it is asked for again, and sooner while somebody has it. The answers come from
//! elsewhere ([`Prober::answered`]).
//!
//! **The pace.** On one interface at least [`GAP`] lies between two probes, however many addresses there are.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use crate::Time;
use crate::lot;

/// `PROBE_NUM` of RFC 5227 section 1.1.
const PROBES: u32 = 3;
/// `PROBE_MIN`, between two probes, and by how many milliseconds `PROBE_MAX` is more.
const PROBE_MIN: Duration = Duration::from_secs(1);
const PROBE_SPREAD: u64 = 1_000;
/// `PROBE_WAIT`: before the first, in milliseconds.
const PROBE_WAIT: u64 = 1_000;
/// `ANNOUNCE_WAIT`: after the last probe.
const ANNOUNCE_WAIT: Duration = Duration::from_secs(2);

/// For how long an address that nobody has is not asked for again.
pub(crate) const FRESH: Duration = Duration::from_secs(300);
/// When to ask again for one that somebody has.
pub(crate) const AGAIN: Duration = Duration::from_secs(60);
/// When to see again whether somebody else, who is to ask, still lives.
const OTHERS: Duration = Duration::from_secs(30);
/// Addresses that are asked for besides once somebody has answered for another.
const SAMPLE: usize = 6;
/// Between two probes on one interface.
pub(crate) const GAP: Duration = Duration::from_millis(100);

/// Who is to ask for an address, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    /// This node, on this interface.
    Mine(u32),
    /// Another one, there.
    Others(u32),
    /// Another one, there; but this node wants to know, too.
    Besides(u32),
    /// Nobody can tell: no interface of this node has a subnet with it.
    Nowhere,
}

/// What is to be done for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send a probe on an interface.
    Probe(u32, IpAddr),
    /// Nobody has it.
    Clean(u32, IpAddr),
    /// The same of one that was asked for besides: whoever is to ask for it will say so.
    Silent(IpAddr),
}

/// The addresses to ask for, each with its next turn.
#[derive(Debug)]
pub(crate) struct Prober {
    seed: u64,
    /// Whether the first probe of what is new comes at a time within `PROBE_WAIT` that is drawn by lot.
    hesitates: bool,
    checks: BTreeMap<IpAddr, Check>,
    /// In the order of time, and of the list where that is the same.
    turns: BTreeSet<(Time, usize, IpAddr)>,
    /// When the next probe may leave an interface, not counting those that wait for their place already ...
    free_at: HashMap<u32, Time>,
    /// ... and when the last one did.
    sent_at: HashMap<u32, Time>,
    sent: u64,
    /// When others' addresses were asked for last.
    sampled: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct Check {
    place: usize,
    next: Time,
    /// Probes of this series that were sent, and on which interface.
    sent: u32,
    interface: u32,
    /// Whether its next probe has its place in the order of those that wait for the interface.
    booked: bool,
    /// Whether it is asked for though another one is to ask, until nobody answers.
    besides: bool,
}

impl Prober {
    pub(crate) fn new(seed: u64) -> Self {
        let (checks, turns) = (BTreeMap::new(), BTreeSet::new());
        let (free_at, sent_at) = (HashMap::new(), HashMap::new());
        Self { seed, hesitates: false, checks, turns, free_at, sent_at, sent: 0, sampled: None }
    }

    /// One that keeps to the whole schedule of RFC 5227 section 2.1.1: many hosts may start at one moment.
    pub(crate) fn hesitant(seed: u64) -> Self {
        Self { hesitates: true, ..Self::new(seed) }
    }

    /// Ask for exactly these addresses, the first first; what is known of those that stay is kept.
    pub(crate) fn set(&mut self, addresses: &[IpAddr], now: Time) {
        let before = std::mem::take(&mut self.checks);
        self.turns.clear();
        // What waits for an interface waits anew, in the order of the new list.
        self.free_at = self.sent_at.iter().map(|(interface, at)| (*interface, *at + GAP)).collect();
        for (place, address) in addresses.iter().enumerate() {
            let wait = if self.hesitates { lot::draw("first", *address, self.seed) % PROBE_WAIT } else { 0 };
            let next = now + Duration::from_millis(wait);
            let new = Check { place, next, sent: 0, interface: 0, booked: false, besides: false };
            let known = before.get(address).copied().unwrap_or(new);
            let next = if known.booked { now } else { known.next };
            self.plan(*address, Check { place, next, booked: false, ..known });
        }
    }

    /// Whether it asks for an address, or would if another did not.
    pub(crate) fn asks_for(&self, address: IpAddr) -> bool {
        self.checks.contains_key(&address)
    }

    /// The addresses that it asks for.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.checks.keys().copied()
    }

    /// Somebody has an address: the series is over, and another comes later.
    pub(crate) fn answered(&mut self, address: IpAddr, now: Time) {
        self.again(address, now + AGAIN);
    }

    /// Somebody answered who leaves open whether anybody has the address.
    pub(crate) fn left_open(&mut self, address: IpAddr, now: Time) {
        self.again(address, now + FRESH);
        if let Some(check) = self.checks.get_mut(&address) {
            check.besides = false;
        }
    }

    /// Ask for the first few addresses once more, even where another one is to ask: somebody who answered for one address
    /// may do so for all, which one who asks for a part of them alone would not see.
    pub(crate) fn sample(&mut self, now: Time) {
        if self.sampled.is_some_and(|last| now.since(last) < AGAIN) {
            return;
        }
        self.sampled = Some(now);
        let mut idle: Vec<(usize, IpAddr)> =
            self.checks.iter().filter(|(_, check)| check.sent == 0).map(|(one, check)| (check.place, *one)).collect();
        idle.sort_unstable();
        for (_, address) in idle.into_iter().take(SAMPLE) {
            self.again(address, now);
            if let Some(check) = self.checks.get_mut(&address) {
                check.besides = true;
            }
        }
    }

    /// Begin anew with what was under way: answers may have been missed.
    pub(crate) fn restart(&mut self, now: Time) {
        let under_way: Vec<IpAddr> =
            self.checks.iter().filter(|(_, check)| check.sent > 0).map(|(address, _)| *address).collect();
        for address in under_way {
            self.again(address, now);
        }
    }

    fn again(&mut self, address: IpAddr, next: Time) {
        if let Some(check) = self.checks.get(&address).copied() {
            self.turns.remove(&(check.next, check.place, address));
            self.plan(address, Check { sent: 0, next, booked: false, ..check });
        }
    }

    /// What is due; `duty` says who is to ask.
    pub(crate) fn due(&mut self, now: Time, duty: impl Fn(IpAddr) -> Duty) -> Vec<Step> {
        let mut steps = Vec::new();
        while let Some(turn) = self.turns.first().copied().filter(|turn| turn.0 <= now) {
            self.turns.remove(&turn);
            let address = turn.2;
            let Some(check) = self.checks.get(&address).copied() else {
                continue;
            };
            steps.extend(self.turn(address, check, duty(address), now));
        }
        steps
    }

    fn turn(&mut self, address: IpAddr, check: Check, duty: Duty, now: Time) -> Option<Step> {
        let (interface, mine) = match duty {
            Duty::Mine(interface) => (interface, true),
            Duty::Besides(interface) => (interface, false),
            Duty::Others(interface) if check.besides => (interface, false),
            _ => {
                self.plan(address, Check { sent: 0, next: now + OTHERS, booked: false, besides: false, ..check });
                return None;
            }
        };
        let same = check.interface == interface;
        let check = if same { check } else { Check { sent: 0, interface, booked: false, ..check } };
        let sent = check.sent;
        if sent == PROBES {
            self.plan(address, Check { sent: 0, next: now + FRESH, besides: false, ..check });
            return Some(if mine { Step::Clean(interface, address) } else { Step::Silent(address) });
        }
        if !check.booked && !self.book(address, check, now) {
            return None;
        }
        self.sent_at.insert(interface, now);
        self.sent += 1;
        let wait = if sent + 1 == PROBES { ANNOUNCE_WAIT } else { self.between(address, sent) };
        self.plan(address, Check { sent: sent + 1, next: now + wait, booked: false, ..check });
        Some(Step::Probe(interface, address))
    }

    /// Give the next probe of an address its place in the order; tells whether that is now.
    fn book(&mut self, address: IpAddr, check: Check, now: Time) -> bool {
        let free_at = self.free_at.entry(check.interface).or_default();
        let next = now.max(*free_at);
        *free_at = next + GAP;
        if next > now {
            self.plan(address, Check { next, booked: true, ..check });
        }
        next == now
    }

    /// Between `PROBE_MIN` and `PROBE_MAX`, drawn by lot.
    fn between(&self, address: IpAddr, sent: u32) -> Duration {
        PROBE_MIN + Duration::from_millis(lot::draw(&sent.to_string(), address, self.seed) % (PROBE_SPREAD + 1))
    }

    fn plan(&mut self, address: IpAddr, check: Check) {
        self.turns.insert((check.next, check.place, address));
        self.checks.insert(address, check);
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.turns.first().map(|turn| turn.0)
    }

    /// Probes sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }
}

#[cfg(test)]
mod tests;
