//! The peers: who is alive, and what they say.

mod known;
mod roster;
mod sayings;

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::IpAddr;

use metalev_wire::beacon::{self, Claim, Key, Repr as Beacon};
use metalev_wire::{Error, MacAddr};

use crate::event::{Cause, DropReason, PathCounters};
use crate::links::Links;
use crate::misfits::Refusal;
use crate::peer::{Path, Peer, Silence, Source};
use crate::pulse::Timing;
use crate::session::Session;
use crate::{Time, table};

use roster::Roster;
use sayings::Sayings;

/// What a beacon brought.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one beacon")]
pub(crate) struct Heard {
    /// Who sent it.
    pub(crate) peer: String,
    /// Claims that were not known before.
    pub(crate) news: Vec<Claim>,
    /// The addresses of which it spoke in a former life, and that it has forgotten.
    pub(crate) forgotten: Vec<IpAddr>,
    /// It was not alive on this path before.
    pub(crate) awoke: bool,
    /// The paths that it leaves with a goodbye.
    pub(crate) left: Vec<Path>,
    /// It waits for an answer: to know that it is heard, or that its news have arrived.
    pub(crate) wants_answer: bool,
    /// It has been alive here for a while and says, for the first time, that it does not hear us: the loss is one-way.
    pub(crate) deaf: bool,
    /// It has got further with our own list.
    pub(crate) progressed: bool,
    /// This path confirms what it said by another.
    pub(crate) confirmed: bool,
    /// It has begun or ceased to hear us by this path, or is no longer, or again, one that took what it announces without.
    pub(crate) turned: bool,
    /// It speaks with this very life of ours, after it was thought that others speak with another of our name.
    pub(crate) undisputed: bool,
}

impl Heard {
    /// Whether it brought nothing but that its sender lives, as before.
    pub(crate) fn is_plain(&self) -> bool {
        let Self {
            peer: _,
            news,
            forgotten,
            awoke,
            left,
            wants_answer,
            deaf,
            progressed,
            confirmed,
            turned,
            undisputed,
        } = self;
        let changed = *awoke || *wants_answer || *deaf || *progressed || *confirmed || *turned || *undisputed;
        !changed && news.is_empty() && forgotten.is_empty() && left.is_empty()
    }
}

/// All other nodes' speakers.
#[derive(Debug)]
pub(crate) struct Peers {
    me: String,
    /// The random number that names this life of ours.
    pub(crate) nonce: u64,
    timing: Timing,
    keys: Vec<Key>,
    by_name: Roster,
    sayings: Sayings,
    /// No path is to be given up before; worked out again when it has come.
    expiry: Option<Time>,
    /// From when to when peers were heard to speak with another life of ours; see [`Peers::displaced_until`].
    displaced: Option<(Time, Time)>,
}

/// For how long a speaker whose name is taken stands back after it was last told so: the peers speak up every second.
const STANDING_BACK: Duration = Duration::from_secs(3);

/// Sources of a peer's datagrams that are remembered.
const SOURCES: usize = 8;

impl Peers {
    pub(crate) fn new(me: String, nonce: u64, timing: Timing) -> Self {
        Self {
            me,
            nonce,
            timing,
            keys: Vec::new(),
            by_name: Roster::default(),
            sayings: Sayings::default(),
            expiry: None,
            displaced: None,
        }
    }

    /// Take over the whole list; what is known of those that stay is kept. Answers whether the keys are others.
    pub(crate) fn set(&mut self, peers: &[table::Peer], keys: Vec<Key>) -> bool {
        let rekeyed = self.keys != keys;
        self.keys = keys;
        let others = peers.iter().filter(|spec| spec.node != self.me);
        if let Some(numbers) = self.by_name.list(others) {
            self.sayings.renumber(&numbers);
        }
        self.forget_struck_off();
        rekeyed
    }

    /// Drop those that the table does not name any more, once they are silent.
    fn forget_struck_off(&mut self) {
        if let Some(numbers) = self.by_name.strike_off() {
            self.sayings.renumber(&numbers);
        }
    }

    /// The key that signs.
    pub(crate) fn signing_key(&self) -> Option<&Key> {
        self.keys.first()
    }

    /// Read a beacon that came at `arrived`, believing nothing of it before its signature fits.
    pub(crate) fn receive(
        &mut self,
        now: Time,
        arrived: Time,
        path: Path,
        arrived_on: u32,
        from: Source,
        bytes: &[u8],
    ) -> Result<Heard, Refusal> {
        let beacon = self.read(bytes)?;
        if beacon.sender == self.me && beacon.nonce != self.nonce {
            return Err(Refusal::of(DropReason::SameName, Cause::SameName, &self.me));
        }
        if beacon.recipient != self.me {
            return Err(DropReason::NotForUs.into());
        }
        let timing = self.timing;
        let peer = self.by_name.get_mut(&beacon.sender).ok_or(DropReason::NotForUs)?;
        if peer.is_twin(path, from, &beacon) {
            let answer = peer.shout(now, timing);
            return Err(Refusal { answer, ..Refusal::of(DropReason::SameName, Cause::SameName, &beacon.sender) });
        }
        if beacon.echo == self.nonce {
            let reborn = peer.session.as_ref().is_some_and(|session| session.nonce != beacon.nonce);
            let mut heard = proven(peer, (now, arrived), (path, arrived_on), timing, beacon)?;
            heard.undisputed = self.displaced.take().is_some();
            if let Source::Ip(ip) = from
                && peer.sources.len() < SOURCES
            {
                peer.sources.insert(ip);
            }
            let expiry = peer.expiry(timing);
            self.expiry = expiry.min(self.expiry).or(expiry).or(self.expiry);
            if let Some(number) = self.by_name.number(&heard.peer).filter(|_| reborn || !heard.news.is_empty()) {
                if reborn {
                    heard.forgotten = self.sayings.forget(number);
                }
                heard.news.iter().for_each(|claim| self.sayings.learn(number, *claim));
            }
            return Ok(heard);
        }
        if beacon.echo != 0 && !peer.alive() {
            self.displaced = Some((self.displaced.map_or(now, |(first, _)| first), now));
        }
        Ok(unproven(peer, &beacon)?)
    }

    /// The beacon, if we speak its version and have its key.
    pub(crate) fn read(&self, bytes: &[u8]) -> Result<Beacon, Refusal> {
        // Without a key of our own nobody's is another.
        let other = |cause| (!self.keys.is_empty()).then(|| (cause, String::new()));
        let refuse = |error| match error {
            Error::BadSignature | Error::UnknownKey => {
                Refusal { misfit: other(Cause::OtherKey), ..DropReason::BadSignature.into() }
            }
            Error::Unsupported => Refusal::of(DropReason::OtherVersion, Cause::OtherVersion, ""),
            _ => DropReason::Malformed.into(),
        };
        let verified = beacon::verify(bytes, &self.keys).map_err(refuse)?;
        Beacon::parse(&verified).map_err(refuse)
    }

    /// Until when this node takes nothing, because the peers speak with another speaker of its name: it was there before,
    /// and whatever this one took would be answered twice. A peer that has yet to learn of a restart speaks with the
    /// former life as well, but stops at the first beacon that it hears.
    pub(crate) fn displaced_until(&self, now: Time) -> Option<Time> {
        let (first, last) = self.displaced?;
        let confirmed = last.since(first) >= self.timing.interval * 2;
        Some(last + STANDING_BACK).filter(|until| confirmed && now < *until)
    }

    /// The node whose speaker sends from there, as far as that is known.
    pub(crate) fn by_source(&self, from: Source) -> Option<&str> {
        match from {
            Source::Mac(mac) => self.by_mac(mac),
            Source::Ip(ip) => {
                let has = |peer: &Peer| peer.addresses.contains(&ip) || peer.sources.contains(&ip);
                self.by_name.iter().find(|(_, peer)| has(peer)).map(|(name, _)| name)
            }
        }
    }

    /// Another living peer that has the MAC address of `name` on an interface.
    pub(crate) fn namesake_of_mac(&self, name: &str, interface: u32) -> Option<(&str, MacAddr)> {
        let mac = self.by_name.get(name)?.mac_on(interface)?;
        let mut others = self.by_name.iter().filter(|(other, _)| *other != name);
        others.find(|(_, peer)| peer.mac_on(interface) == Some(mac)).map(|(other, _)| (other, mac))
    }

    /// How each peer is heard on each path.
    pub(crate) fn counters(&self, links: &Links) -> Vec<PathCounters> {
        let paths = self.by_name.iter().flat_map(|(name, peer)| peer.paths.iter().map(move |path| (name, path)));
        let rows = paths.filter_map(|(name, (path, hearing))| {
            let path = match path {
                Path::Interface(index) => links.get(index)?.name.clone(),
                Path::Udp => "udp".to_owned(),
            };
            Some(PathCounters {
                peer: name.to_string(),
                path,
                alive: hearing.alive,
                received: hearing.received,
                missed: hearing.missed,
                jitter: hearing.jitter,
                patience: hearing.patience(self.timing),
            })
        });
        rows.collect()
    }

    /// For how long each peer is waited for whose being late makes that longer, at the most since this was asked last.
    pub(crate) fn longer_waits(&mut self) -> BTreeMap<String, Duration> {
        let timing = self.timing;
        let waits = self.by_name.iter_mut();
        waits.filter_map(|(name, peer)| Some((name.to_string(), peer.longest_patience(timing)?))).collect()
    }

    /// Give up the paths that have been silent for too long.
    pub(crate) fn expire(&mut self, now: Time) -> Vec<(String, Silence)> {
        let timing = self.timing;
        let silences = self
            .by_name
            .iter_mut()
            .flat_map(|(name, peer)| peer.expire(now, timing).into_iter().map(|silence| (name.to_string(), silence)));
        let silences = silences.collect();
        self.forget_struck_off();
        self.expiry = self.by_name.values().filter_map(|peer| peer.expiry(timing)).min();
        silences
    }

    /// Work out anew when a path is to be given up first, if that seems to be before `until`: most have been heard since.
    pub(crate) fn look_ahead(&mut self, until: Time) {
        if self.expiry.is_some_and(|expiry| expiry < until) {
            self.expiry = self.by_name.values().filter_map(|peer| peer.expiry(self.timing)).min();
        }
    }

    /// No path is to be given up before. When it has come, [`Peers::expire`] finds out whether one is.
    pub(crate) fn expiry(&self) -> Option<Time> {
        self.expiry
    }

    /// Blame nobody for the time that this node slept through.
    pub(crate) fn excuse(&mut self, late: Duration) {
        self.by_name.values_mut().for_each(|peer| peer.excuse(late));
    }

    /// Hear everybody anew. Answers who was alive where.
    pub(crate) fn forget_hearing(&mut self) -> Vec<(String, Path, u32)> {
        let mut forgotten = Vec::new();
        for (name, peer) in self.by_name.iter_mut() {
            for path in peer.give_up() {
                forgotten.push((name.to_string(), path, peer.arrived_on(path)));
            }
        }
        forgotten
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Peer> {
        self.by_name.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Peer> {
        self.by_name.get_mut(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Peer)> {
        self.by_name.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Peer)> {
        self.by_name.iter_mut()
    }
}

/// A beacon that echoes our nonce: its sender has heard this very life of ours, so it is no replay from before.
fn proven(
    peer: &mut Peer,
    (now, arrived): (Time, Time),
    way: (Path, u32),
    timing: Timing,
    beacon: Beacon,
) -> Result<Heard, DropReason> {
    let reborn = peer.session.as_ref().is_none_or(|session| session.nonce != beacon.nonce);
    if peer.is_over(beacon.nonce, beacon.sequence) {
        return Err(DropReason::Replayed);
    }
    if reborn {
        peer.be_reborn(beacon.nonce);
    }
    let session = peer.session.get_or_insert_with(|| Session::new(beacon.nonce));
    if !session.fresh(beacon.sequence) {
        return Err(DropReason::Replayed);
    }
    if peer.gone {
        // Sent before the goodbye, and overtaken by it on another path: it does not bring its sender back.
        return Err(DropReason::Replayed);
    }
    let acknowledged_before = session.acknowledged;
    let (knew_us, behind) = (peer.knows_us(way.0), peer.is_behind(way.0));
    let sender = beacon.sender.clone();
    let (goodbye, hears_us) = (beacon.goodbye, beacon.hears_you);
    let left = if goodbye { peer.leave() } else { Vec::new() };
    let awoke = !goodbye && peer.heard(arrived, way.0, way.1, &beacon);
    let deaf = peer.newly_deaf(now, way.0, timing);
    let news = session_of(peer).map_or_else(Vec::new, |session| session.learn(beacon));
    let turned = peer.knows_us(way.0) != knew_us;
    if !news.is_empty() {
        peer.leave_behind(way.0);
    }
    let confirmed = behind && !peer.is_behind(way.0);
    let progressed = session_of(peer).is_some_and(|session| session.acknowledged > acknowledged_before);
    let wants_answer = !goodbye && (awoke || !hears_us || !news.is_empty());
    Ok(Heard {
        peer: sender,
        news,
        forgotten: Vec::new(),
        awoke,
        deaf,
        left,
        wants_answer,
        progressed,
        confirmed,
        turned,
        undisputed: false,
    })
}

/// A beacon that does not echo our nonce: from somebody who has not heard us yet, or recorded and played again. It
/// proves nothing, but an answer that echoes its nonce lets a real sender prove itself.
fn unproven(peer: &mut Peer, beacon: &Beacon) -> Result<Heard, DropReason> {
    let known = peer.session.as_ref().is_some_and(|session| session.nonce == beacon.nonce);
    if known && beacon.echo != 0 && peer.alive() {
        return Err(DropReason::Replayed);
    }
    peer.stranger = Some(beacon.nonce);
    let sender = beacon.sender.clone();
    Ok(Heard {
        peer: sender,
        news: Vec::new(),
        forgotten: Vec::new(),
        awoke: false,
        deaf: false,
        left: Vec::new(),
        wants_answer: true,
        progressed: false,
        confirmed: false,
        turned: false,
        undisputed: false,
    })
}

fn session_of(peer: &mut Peer) -> Option<&mut Session> {
    peer.session.as_mut()
}
