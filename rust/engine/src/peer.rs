//! One peer: the ways on which it is heard, and when it is spoken to next.

mod hearing;
mod paths;
mod presence;
mod repeats;

use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use metalev_wire::{MacAddr, beacon::Repr as Beacon};

use crate::pulse::Timing;
use crate::session::Session;
use crate::{Time, table};

pub(crate) use hearing::Hearing;
use paths::Paths;
use repeats::Repeats;
pub(crate) use repeats::{Said, Way};

/// A way that beacons take. Liveness is kept for each: a management network says nothing of the segment of a VIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Path {
    /// Ethernet frames on an interface.
    Interface(u32),
    /// UDP, routed by the kernel.
    Udp,
}

/// MAC addresses of one peer that are remembered; one that has more begins anew.
const MACS: usize = 32;

/// Lives of a peer that are remembered to be over, since this one of ours began.
const FORMER_LIVES: usize = 64;

/// For how long one that fell silent is looked for more often than the others are spoken to: it was parted from us,
/// perhaps, and both announce.
const SOUGHT: Duration = Duration::from_secs(30);

/// Where a beacon came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The source of the frame.
    Mac(MacAddr),
    /// The source of the datagram.
    Ip(IpAddr),
}

/// Another node's speaker.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Where it hears UDP.
    pub(crate) addresses: Vec<IpAddr>,
    /// Its present life; `None` until it has once answered to our nonce.
    pub(crate) session: Option<Session>,
    /// The nonce of a life that has not yet proven itself, to be echoed once.
    pub(crate) stranger: Option<u64>,
    /// How it is heard.
    pub(crate) paths: Paths,
    /// Whether the last thing it said was goodbye.
    pub(crate) gone: bool,
    /// When it got its last beacon.
    pub(crate) told: Option<Time>,
    /// When it gets its next beacon.
    pub(crate) next_send: Option<Time>,
    /// The interval that was stated in the last one.
    pub(crate) stated: Duration,
    /// How many more beacons it gets at the short interval, though it was told of a longer one.
    pub(crate) farewell: u32,
    /// What was said to it last on each way, and how often.
    pub(crate) repeats: Repeats,
    /// Its lives that are taken to be over: recordings of them may speak again.
    former: VecDeque<Former>,
    /// From where its datagrams have come in its present life; one of several addresses is the kernel's choice.
    pub(crate) sources: BTreeSet<IpAddr>,
    /// The MAC addresses of its interfaces, as it says itself; also of those by which it is not heard.
    macs: BTreeSet<MacAddr>,
    /// Whether its next beacon is to reach everybody who goes by its name, and when the last such one was due.
    pub(crate) shout: bool,
    pub(crate) shouted: Option<Time>,
    /// Whether the table names it. One that is struck off counts on for as long as it lives: it may announce something
    /// and not have the new table yet.
    pub(crate) listed: bool,
}

/// A life of a peer that another one has followed.
#[derive(Debug)]
struct Former {
    nonce: u64,
    /// The highest sequence number that was heard of it.
    highest: u64,
}

/// A peer that stopped being heard on a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Silence {
    pub(crate) path: Path,
    /// The interface on which it had come in.
    pub(crate) arrived_on: u32,
    pub(crate) silent_for: Duration,
    /// After how long it is given up: more than usual if its beacons used to be late.
    pub(crate) patience: Duration,
}

impl Peer {
    pub(crate) fn new(spec: &table::Peer) -> Self {
        Self {
            addresses: spec.addresses.clone(),
            session: None,
            stranger: None,
            paths: Paths::default(),
            gone: false,
            told: None,
            next_send: None,
            stated: Duration::ZERO,
            farewell: 0,
            repeats: Repeats::default(),
            former: VecDeque::new(),
            sources: BTreeSet::new(),
            macs: BTreeSet::new(),
            shout: false,
            shouted: None,
            listed: true,
        }
    }

    /// Take note of a proven beacon that came at `arrived`. Answers whether the peer was not alive on this path before.
    ///
    /// It may have waited to be read while a later one was read, or while time was counted in the peer's favour.
    pub(crate) fn heard(&mut self, arrived: Time, path: Path, arrived_on: u32, beacon: &Beacon) -> bool {
        let known = self.paths.get(path);
        let before = known.filter(|hearing| hearing.alive);
        let later = before.filter(|hearing| hearing.sequence > beacon.sequence);
        let now = before.map_or(arrived, |hearing| hearing.last.max(arrived));
        let was_alive = before.is_some();
        // What it said before that it heard news by another path confirms none of them.
        let outdated = self.session.as_ref().is_some_and(|session| beacon.latest < session.latest);
        let jitter = before.map_or(Duration::ZERO, |hearing| hearing.jitter_at(now));
        // A promise of nothing or of an hour is no promise.
        let stated = Duration::from_millis(beacon.interval_ms.clamp(1, 60_000).into());
        let hears_us = later.map_or(beacon.hears_you, |hearing| hearing.hears_us);
        let hearing = Hearing {
            since: before.map_or(now, |hearing| hearing.since),
            last: now,
            sequence: later.map_or(beacon.sequence, |hearing| hearing.sequence),
            jitter,
            worst: before.map_or(Duration::ZERO, |hearing| hearing.worst).max(jitter),
            stated: later.map_or(stated, |hearing| hearing.stated),
            hears_us,
            deafness_known: !hears_us && before.is_some_and(|hearing| hearing.deafness_known),
            mac: if path == Path::Udp { MacAddr::ZERO } else { beacon.mac },
            arrived_on,
            alive: true,
            behind: outdated && known.is_some_and(|hearing| hearing.behind),
            received: known.map_or(0, |hearing| hearing.received) + 1,
            missed: known.map_or(0, |hearing| hearing.missed) + before.map_or(0, |hearing| hearing.missed_at(now)),
        };
        self.paths.insert(path, hearing);
        self.learn_mac(beacon.mac);
        !was_alive
    }

    fn learn_mac(&mut self, mac: MacAddr) {
        if mac == MacAddr::ZERO || self.macs.contains(&mac) {
            return;
        }
        if self.macs.len() >= MACS {
            self.macs.clear();
        }
        self.macs.insert(mac);
    }

    /// Whether it is now to be reported that the peer, alive here for longer than an answer takes, does not hear us.
    pub(crate) fn newly_deaf(&mut self, now: Time, path: Path, timing: Timing) -> bool {
        let Some(hearing) = self.paths.get_mut(path) else {
            return false;
        };
        let settled = now.since(hearing.since) >= timing.dead_time();
        let news = settled && !hearing.hears_us && !hearing.deafness_known;
        hearing.deafness_known |= news;
        news
    }

    /// Give up the paths that have been silent for too long.
    pub(crate) fn expire(&mut self, now: Time, timing: Timing) -> Vec<Silence> {
        let mut silences = Vec::new();
        for (path, hearing) in self.paths.iter_mut().filter(|(_, hearing)| hearing.alive) {
            let silent_for = now.since(hearing.last);
            let patience = hearing.patience(timing);
            if silent_for >= patience {
                hearing.alive = false;
                silences.push(Silence { path, arrived_on: hearing.arrived_on, silent_for, patience });
            }
        }
        silences
    }

    /// The longest that it might have been silent on a path since this was asked last, if its being late made it longer.
    pub(crate) fn longest_patience(&mut self, timing: Timing) -> Option<Duration> {
        let alive = self.paths.values_mut().filter(|hearing| hearing.alive);
        alive.filter_map(|hearing| hearing.longest_patience(timing)).max()
    }

    /// When the next path would be given up.
    pub(crate) fn expiry(&self, timing: Timing) -> Option<Time> {
        let alive = self.paths.values().filter(|hearing| hearing.alive);
        alive.map(|hearing| hearing.last + hearing.patience(timing)).min()
    }

    /// Count the time that this node slept through in the peer's favour.
    pub(crate) fn excuse(&mut self, late: Duration) {
        self.paths.values_mut().for_each(|hearing| hearing.last += late);
    }

    /// The interface on which it came in by a path.
    pub(crate) fn arrived_on(&self, path: Path) -> u32 {
        self.paths.get(path).map_or(0, |hearing| hearing.arrived_on)
    }

    /// It said goodbye. Answers the paths on which it was alive.
    pub(crate) fn leave(&mut self) -> Vec<Path> {
        self.gone = true;
        self.give_up()
    }

    /// Give up every path at once. Answers those on which it was alive.
    pub(crate) fn give_up(&mut self) -> Vec<Path> {
        let alive = self.paths.iter_mut().filter(|(_, hearing)| hearing.alive);
        alive
            .map(|(path, hearing)| {
                hearing.alive = false;
                path
            })
            .collect()
    }

    /// Whether one of its interfaces has this MAC address.
    pub(crate) fn has_mac(&self, mac: MacAddr) -> bool {
        self.macs.contains(&mac) || self.paths.values().any(|hearing| hearing.mac == mac)
    }

    /// Whether a beacon of another life under its name comes from somewhere else than it does, while it lives: no restart,
    /// but a second speaker.
    pub(crate) fn is_twin(&self, path: Path, from: Source, beacon: &Beacon) -> bool {
        let other_life = self.session.as_ref().is_some_and(|session| session.nonce != beacon.nonce);
        let elsewhere = match from {
            Source::Mac(_) => self.paths.get(path).is_some_and(|hearing| hearing.alive && hearing.mac != beacon.mac),
            Source::Ip(ip) => !self.addresses.contains(&ip) && !self.sources.contains(&ip),
        };
        self.alive() && other_life && elsewhere
    }

    /// Have its next beacon reach whoever goes by its name; whether that is to be soon. Not more often than in every
    /// interval, or two speakers would answer each other without end.
    pub(crate) fn shout(&mut self, now: Time, timing: Timing) -> bool {
        let due = self.shouted.is_none_or(|last| now.since(last) >= timing.interval);
        if due {
            (self.shout, self.shouted) = (true, Some(now));
        }
        due
    }

    /// It has begun another life, or goes on with one that was wrongly taken to be over.
    pub(crate) fn be_reborn(&mut self, nonce: u64) {
        self.give_up();
        let known = self.former.iter().position(|life| life.nonce == nonce).and_then(|at| self.former.remove(at));
        let session = known.map_or_else(|| Session::new(nonce), |life| Session::after(nonce, life.highest));
        if let Some(over) = self.session.replace(session) {
            if self.former.len() >= FORMER_LIVES {
                self.former.pop_front();
            }
            self.former.push_back(Former { nonce: over.nonce, highest: over.highest() });
        }
        (self.gone, self.stranger) = (false, None);
        self.sources.clear();
        self.macs.clear();
    }

    /// Whether a beacon is of a life that is over.
    ///
    /// Of two lives in quick succession the first beacon of the later one may overtake the last of the earlier one, which
    /// then seems to be the newer. It falls silent, and the other goes on counting: that one is alive.
    pub(crate) fn is_over(&self, nonce: u64, sequence: u64) -> bool {
        let former = self.former.iter().find(|life| life.nonce == nonce);
        former.is_some_and(|life| self.alive() || sequence <= life.highest)
    }
}

#[cfg(test)]
mod tests;
