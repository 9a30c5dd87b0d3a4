//! Who gets a beacon when, and what is in it.

use core::time::Duration;
use std::collections::BTreeSet;
use std::net::IpAddr;

use metalev_wire::MacAddr;
use metalev_wire::beacon::{self, Key, Repr as Beacon};
use metalev_wire::ethernet::{self, EtherType};

use crate::budget::{self, Budget, Queue};
use crate::claims::Claims;
use crate::event::Action;
use crate::links::Links;
use crate::peer::{Path, Peer, Said, Way};
use crate::peers::Peers;
use crate::pulse::Timing;
use crate::{Time, lot};

/// How often those hear from us who would not be next to take over.
const SLOW: Duration = Duration::from_secs(1);

/// How many times as often those hear from us who fell silent lately: while two that lost each other do not meet, both
/// may announce.
const SEEKING: u32 = 4;

/// What a beacon is made from besides its recipient.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content<'a> {
    /// This node's name.
    pub(crate) me: &'a str,
    pub(crate) links: &'a Links,
    pub(crate) claims: &'a Claims,
    /// The short interval to state at least: see [`Pulse::stated`](crate::pulse::Pulse::stated).
    pub(crate) stated: Duration,
    /// Whether this node only listens as yet: then everybody is asked often, because nobody may be missed.
    pub(crate) listening: bool,
    /// Whether it is the last.
    pub(crate) goodbye: bool,
}

/// The sender of beacons.
#[derive(Debug)]
pub(crate) struct Herald {
    timing: Timing,
    sequence: u64,
    rounds: usize,
    budget: Budget,
    /// Peers that get a beacon now, and those that wait until the budget has room for them.
    at_once: BTreeSet<String>,
    waiting: Queue,
}

impl Herald {
    pub(crate) fn new(timing: Timing) -> Self {
        let (budget, at_once, waiting) = (Budget::default(), BTreeSet::new(), Queue::default());
        Self { timing, sequence: 0, rounds: 0, budget, at_once, waiting }
    }

    /// Beacons sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sequence
    }

    /// When the budget has room for those who wait.
    pub(crate) fn deadline(&self) -> Option<Time> {
        (!self.waiting.is_empty()).then(|| self.budget.opens())
    }

    /// How long it takes to say a word to everybody, and to be answered by those who have as many to tell.
    pub(crate) fn acquaintance(peers: &Peers, links: &Links) -> Duration {
        let beacons: usize = peers.iter().map(|(_, peer)| ways(peer, links).max(1)).sum();
        Duration::from_secs(2).saturating_mul(u32::try_from(beacons).unwrap_or(u32::MAX)) / budget::PER_SECOND
    }

    /// Tell a peer without delay.
    pub(crate) fn hurry_at_once(&mut self, peer: &str) {
        if !self.at_once.contains(peer) {
            self.at_once.insert(peer.to_owned());
        }
    }

    /// Answer a peer before the next round, if the budget has room.
    pub(crate) fn hurry(&mut self, peer: &str) {
        self.waiting.push(peer);
    }

    /// Tell everybody who was ever heard before the next round: an announcer that nobody hears any more may still hear.
    pub(crate) fn hurry_all(&mut self, peers: &Peers) {
        let heard = peers.iter().filter(|(_, peer)| peer.session.is_some());
        heard.for_each(|(name, _)| self.waiting.push(name));
    }

    /// The beacons of a round: to everybody whose turn it is, `successors` at the short interval and the others slowly.
    /// Who has not yet heard the latest waits for another beacon.
    pub(crate) fn round(
        &mut self,
        now: Time,
        peers: &mut Peers,
        successors: &BTreeSet<String>,
        content: Content<'_>,
    ) -> Vec<Action> {
        self.rounds = self.rounds.wrapping_add(1);
        let latest = content.claims.latest();
        let often: Vec<bool> = peers.iter().map(|(name, _)| content.listening || successors.contains(name)).collect();
        let (mut often_told, mut seldom_told, mut more) = (0, 0, 0);
        for ((_, peer), often) in peers.iter().zip(&often) {
            let beacons = ways(peer, content.links);
            if *often || peer.farewell > 0 {
                often_told += beacons;
            } else {
                seldom_told += beacons;
                more += if peer.lost_lately(now) { beacons * (SEEKING as usize - 1) } else { 0 };
            }
        }
        // Only as far as nobody else hears less for it.
        let seeking = seldom_told + more <= budget::PER_SECOND as usize / 2;
        let (fast, slow) = self.paces(often_told, seldom_told + if seeking { more } else { 0 });
        let half = self.timing.interval / 2;
        for (lot, ((name, peer), often)) in peers.iter_mut().zip(often).enumerate() {
            let interval = if often { fast.max(content.stated) } else { slow };
            let sought = seeking && !often && peer.lost_lately(now);
            let slow = if sought { (slow / SEEKING).max(fast) } else { slow };
            // One who fell silent just now does not wait for what was planned while it was heard.
            peer.next_send = peer.next_send.map(|due| if sought { due.min(now + slow) } else { due });
            // Who has just come to be next, or may wait for longer by a promise that is longer, learns it at once; all else
            // when it is told next.
            let news = often && (peer.farewell < self.timing.misses || interval > peer.stated);
            if news || peer.next_send.is_none_or(|due| due <= now + half) {
                let pace = self.pace(peer, often, fast, slow);
                peer.stated = interval;
                peer.next_send = Some(now + self.spread(pace, lot));
                // To who is not heard no promise was made that it would know of.
                if peer.alive() { self.hurry_at_once(name) } else { self.hurry(name) }
            } else if peer.lags(latest) && peer.told.is_none_or(|told| told + half <= now) {
                self.hurry(name);
            }
        }
        self.urgent(now, peers, content)
    }

    /// When a peer's next beacon follows this one.
    ///
    /// A peer that is to hear less often is told so at once and as often as it may miss beacons: were the only word of it
    /// lost, it would miss what it had been promised and take us for dead.
    fn pace(&self, peer: &mut Peer, often: bool, fast: Duration, slow: Duration) -> Duration {
        peer.farewell = if often { self.timing.misses } else { peer.farewell.saturating_sub(1) };
        if peer.farewell > 0 { fast } else { slow }
    }

    /// The time to the next beacon at a pace of several rounds: less at first, so that each of these rounds has as many
    /// beacons as the others, and from then on all of it.
    fn spread(&self, pace: Duration, lot: usize) -> Duration {
        let rounds = (pace.as_nanos() / self.timing.interval.as_nanos().max(1)).max(1);
        let rounds = usize::try_from(rounds).unwrap_or(usize::MAX);
        let ahead = rounds - self.rounds.wrapping_add(lot) % rounds;
        self.timing.interval * u32::try_from(ahead).unwrap_or(u32::MAX)
    }

    /// The beacons to those who wait for one, as far as they may be sent now.
    pub(crate) fn urgent(&mut self, now: Time, peers: &mut Peers, content: Content<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.at_once.is_empty() && self.waiting.is_empty() {
            return actions;
        }
        let at_once = std::mem::take(&mut self.at_once);
        let Some(key) = peers.signing_key().cloned() else {
            self.waiting.clear();
            return actions;
        };
        for name in &at_once {
            self.waiting.remove(name);
            self.tell(now, name, peers, &key, content, &mut actions);
        }
        while (content.goodbye || self.budget.is_open(now))
            && let Some(name) = self.waiting.pop()
        {
            self.tell(now, &name, peers, &key, content, &mut actions);
        }
        actions
    }

    fn tell(
        &mut self,
        now: Time,
        name: &str,
        peers: &mut Peers,
        key: &Key,
        content: Content<'_>,
        actions: &mut Vec<Action>,
    ) {
        let nonce = peers.nonce;
        let Some(peer) = peers.get_mut(name) else {
            return;
        };
        self.budget.spend(now, ways(peer, content.links));
        self.beacons(nonce, name, peer, key, content, actions);
        (peer.stranger, peer.shout, peer.told) = (None, false, Some(now));
    }

    /// The short interval and the long one, if so many beacons are to be sent at each: stretched, to whole rounds and to
    /// whole seconds, so that the budget holds. At most half of it goes to those who hear seldom.
    fn paces(&self, fast: usize, slow: usize) -> (Duration, Duration) {
        let [fast, slow] = [fast, slow].map(|beacons| u32::try_from(beacons).unwrap_or(u32::MAX));
        let seconds = slow.div_ceil(budget::PER_SECOND / 2).max(1);
        let rest = budget::LIFE_SIGNS - slow.div_ceil(seconds);
        let needed = Duration::from_secs(1).saturating_mul(fast) / rest;
        let rounds = needed.as_nanos().div_ceil(self.timing.interval.as_nanos().max(1));
        let short = self.timing.interval * u32::try_from(rounds).unwrap_or(u32::MAX).max(1);
        (short, (SLOW * seconds).max(short))
    }

    /// One beacon on every path to a peer.
    fn beacons(
        &mut self,
        nonce: u64,
        name: &str,
        peer: &mut Peer,
        key: &Key,
        content: Content<'_>,
        out: &mut Vec<Action>,
    ) {
        for link in content.links.iter() {
            let dst = peer.mac_on(link.index).filter(|_| !peer.shout).unwrap_or(MacAddr::BROADCAST);
            let header = ethernet::Repr { dst, src: link.mac, ethertype: EtherType::BEACON };
            if let Some(bytes) =
                self.beacon(nonce, name, peer, (Path::Interface(link.index), None), link.mac, key, content)
            {
                out.push(Action::SendFrame { interface: link.index, bytes: header.frame(&bytes) });
            }
        }
        for at in 0..peer.addresses.len() {
            let to = peer.addresses[at];
            let mac = self.some_mac(to, content.links);
            if let Some(bytes) = self.beacon(nonce, name, peer, (Path::Udp, Some(to)), mac, key, content) {
                out.push(Action::SendDatagram { to, bytes });
            }
        }
    }

    /// That of an interface drawn by lot, which the peer need not hear this node by: all are named in a few beacons, and
    /// what leaves there is then taken for a stranger's by nobody. Those that carry no VIPs are among them: the kernel may
    /// answer there.
    fn some_mac(&self, to: IpAddr, links: &Links) -> MacAddr {
        let count = links.macs().count().max(1);
        let turn = usize::try_from(lot::draw("mac", to, self.sequence) % count as u64).unwrap_or(0);
        links.macs().nth(turn).unwrap_or(MacAddr::ZERO)
    }

    #[expect(clippy::too_many_arguments, reason = "each is one field of the beacon or chooses one")]
    fn beacon(
        &mut self,
        nonce: u64,
        name: &str,
        peer: &mut Peer,
        way: Way,
        mac: MacAddr,
        key: &Key,
        content: Content<'_>,
    ) -> Option<Vec<u8>> {
        self.sequence += 1;
        let session = peer.session.as_ref().filter(|_| peer.stranger.is_none());
        let room = beacon::room(content.me.len(), name.len());
        let changes = content.claims.since(session.map_or(0, |session| session.acknowledged), room);
        let stated = if peer.stated.is_zero() { SLOW } else { peer.stated };
        let echo = peer.stranger.or(session.map(|session| session.nonce)).unwrap_or(0);
        let acknowledged = session.map_or(0, |session| session.applied);
        let hearing = peer.paths.get(way.0).filter(|hearing| session.is_some() && hearing.alive);
        let (hears_you, heard) = (hearing.is_some(), hearing.is_some_and(|hearing| hearing.hears_us));
        let mac_said = (way.0 != Path::Udp).then_some(mac);
        let revisions = [changes.through, changes.latest, acknowledged];
        let said = peer.repeats.say(way, Said { echo, hears_you, mac: mac_said, revisions });
        // Who does not hear us, or was not heard, is to be woken; and news may be lost as often as a beacon may be.
        let aloud = content.goodbye || peer.shout || !heard || !changes.claims.is_empty();
        let beacon = Beacon {
            sender: content.me.to_owned(),
            recipient: name.to_owned(),
            nonce,
            echo,
            sequence: self.sequence,
            hears_you,
            goodbye: content.goodbye,
            quiet: !aloud && said >= self.timing.misses,
            interval_ms: u32::try_from(stated.as_millis()).unwrap_or(u32::MAX),
            mac,
            since: changes.since,
            through: changes.through,
            latest: changes.latest,
            acknowledged,
            claims: changes.claims,
        };
        // Only names of impossible length or an empty key make it fail; the adapter refuses those before they get here.
        beacon.emit_signed(key).ok()
    }
}

/// On how many paths a peer is spoken to.
fn ways(peer: &Peer, links: &Links) -> usize {
    links.iter().count() + peer.addresses.len()
}
