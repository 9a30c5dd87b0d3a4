//! Who announces which group: runs the decision for every group that may have changed and keeps the consequences.

mod asking;
mod concerned;
mod telling;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use metalev_wire::beacon::{Claim, Standing};

use crate::claims::Claims;
use crate::clearance::Clearance;
use crate::event::{Cause, FactKind};
use crate::group::{Group, Moment, Verdict};
use crate::links::Links;
use crate::offer::{self, Offer};
use crate::peers::Peers;
use crate::pulse::Timing;
use crate::{Time, table};

use concerned::Concerned;

pub(crate) use telling::Outcome;
use telling::outcome;

/// All groups of the table.
#[derive(Debug)]
pub(crate) struct Ownership {
    me: String,
    /// For how long a living candidate may hesitate.
    grace: Duration,
    /// For how long a new interface is only listened to.
    listening: Duration,
    slack: Duration,
    /// For how long a successor is waited for.
    limit: Duration,
    hold_down: Duration,
    /// Whether everything is to be handed over, for the speaker ends.
    stopping: bool,
    groups: BTreeMap<IpAddr, Group>,
    /// Of those that concern this node, which concern each peer.
    concerned: Concerned,
    /// The key of the group that has an address.
    group_of: HashMap<IpAddr, IpAddr>,
    claims: Claims,
    /// Groups to decide about again.
    dirty: BTreeSet<IpAddr>,
    /// Groups that were last decided about while a rival's word was not confirmed on their segment.
    doubtful: BTreeSet<IpAddr>,
    /// Groups to decide about again at a time, though nothing else happens.
    timers: BTreeSet<(Time, IpAddr)>,
    /// Those that wait for more than the end of listening.
    waiting: BTreeSet<IpAddr>,
    outcomes: Vec<Outcome>,
    /// See [`Ownership::successors`].
    successors: Option<BTreeSet<String>>,
    /// Which addresses are to be probed before they are announced for the first time.
    pub(crate) clearance: Clearance,
}

impl Ownership {
    pub(crate) fn new(me: String, timing: Timing, hold_down: Duration) -> Self {
        Self {
            me,
            grace: timing.dead_time(),
            listening: timing.dead_time(),
            slack: timing.slack(),
            limit: offer::limit(timing),
            hold_down,
            stopping: false,
            groups: BTreeMap::new(),
            concerned: Concerned::default(),
            group_of: HashMap::new(),
            claims: Claims::default(),
            dirty: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            timers: BTreeSet::new(),
            waiting: BTreeSet::new(),
            outcomes: Vec::new(),
            successors: None,
            clearance: Clearance::default(),
        }
    }

    /// How long a new interface is only listened to from now on.
    pub(crate) fn listen_for(&mut self, listening: Duration) {
        self.listening = listening;
    }

    /// Take over the whole list of groups. Answers the addresses that are in none of them any more.
    pub(crate) fn set(&mut self, specs: Vec<table::Group>, links: &Links, peers: &Peers) -> Vec<IpAddr> {
        let old = std::mem::take(&mut self.groups);
        let before = std::mem::take(&mut self.group_of);
        for spec in specs {
            let had: BTreeSet<IpAddr> =
                spec.addresses.iter().filter_map(|address| before.get(address)).copied().collect();
            let had: Vec<&Group> = had.iter().filter_map(|key| old.get(key)).collect();
            let mut group = Group::regrouped(spec, &had);
            group.mine = group.may(&self.me);
            self.group_of.extend(group.spec.addresses.iter().map(|address| (*address, group.spec.key)));
            self.groups.insert(group.spec.key, group);
        }
        let mine = self.groups.values().filter(|group| group.held || group.mine);
        self.concerned = Concerned::new(mine, peers);
        self.place(links, &[]);
        self.report_regrouped(&old);
        let mut gone: Vec<IpAddr> = before.into_keys().filter(|address| !self.group_of.contains_key(address)).collect();
        gone.sort_unstable();
        for address in &gone {
            self.claims.set(*address, 0, Standing::Gone);
        }
        gone
    }

    /// The interfaces have changed, those `renewed` got another MAC address: see again which groups can be announced
    /// from here, and announce anew what is held where something is different.
    pub(crate) fn place(&mut self, links: &Links, renewed: &[u32]) {
        let mut groups = std::mem::take(&mut self.groups);
        for group in groups.values_mut() {
            let before = std::mem::take(&mut group.interfaces);
            group.settle(links.place(&group.spec, self.listening));
            let different = before != group.interfaces || group.interfaces.iter().any(|index| renewed.contains(index));
            if group.held && different && !group.interfaces.is_empty() {
                // Told again, so that it is answered and announced as things are now.
                self.report(FactKind::Took, Cause::Link, group, String::new(), None);
            }
        }
        self.groups = groups;
        self.touch_all();
    }

    /// Every group is to be decided about again.
    pub(crate) fn touch_all(&mut self) {
        self.dirty.extend(self.groups.keys());
    }

    /// A peer said something of an address. If its group does not concern this node, the term is all that there is to
    /// remember.
    pub(crate) fn hear(&mut self, peer: &str, claim: &Claim) {
        let Some(group) = self.group_of.get(&claim.address).and_then(|key| self.groups.get_mut(key)) else {
            return;
        };
        if group.held || group.mine {
            self.dirty.insert(group.spec.key);
            self.concerned.note(peer, group);
        } else {
            group.term = group.term.max(claim.term);
        }
    }

    /// What is known of a peer has changed: whether it lives, where, and whether it hears this node. The groups that it
    /// may announce, or speaks of, are to be decided about again, and all that wait.
    pub(crate) fn touch_peer(&mut self, name: &str, peers: &Peers) {
        if peers.any_ignorant() {
            self.dirty.extend(self.concerned.all());
        } else {
            self.dirty.extend(self.concerned.candidacies(name));
            let strays = self.concerned.strays().filter_map(|key| self.groups.get(&key));
            let spoken_of = strays.filter(|group| group.is_spoken_of(name, peers));
            self.dirty.extend(spoken_of.map(|group| group.spec.key));
        }
        self.touch_waiting();
    }

    /// What a peer said is confirmed by another path: that decides about what it announces and this node does, too.
    pub(crate) fn touch_doubtful(&mut self) {
        self.dirty.append(&mut self.doubtful);
    }

    /// The group of an address is to be decided about again.
    pub(crate) fn touch(&mut self, address: IpAddr) {
        self.dirty.extend(self.group_of.get(&address));
    }

    /// Whatever waits is to be decided about again: it may have been for the rest of what a peer had to say. Not what
    /// waits for the end of listening, for nothing that is said changes that.
    pub(crate) fn touch_waiting(&mut self) {
        self.dirty.append(&mut self.waiting);
    }

    /// When a group is to be decided about though nothing else happens.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.timers.first().map(|timer| timer.0)
    }

    /// Decide about everything that may have changed. Answers what became of it.
    pub(crate) fn decide(&mut self, now: Time, peers: &Peers, listening_until: Option<Time>) -> Vec<Outcome> {
        while let Some(timer) = self.timers.first().filter(|timer| timer.0 <= now).copied() {
            self.timers.remove(&timer);
            self.dirty.insert(timer.1);
        }
        if self.dirty.is_empty() {
            return std::mem::take(&mut self.outcomes);
        }
        self.successors = None;
        let me = self.me.clone();
        let Self { grace, slack, limit, hold_down, stopping, .. } = *self;
        let moment = Moment { me: &me, now, grace, slack, listening_until, stopping, limit, hold_down };
        // Out of the way while they are decided about: what follows of one touches no other.
        let mut groups = std::mem::take(&mut self.groups);
        for key in std::mem::take(&mut self.dirty) {
            self.waiting.remove(&key);
            let Some(group) = groups.get_mut(&key) else {
                continue;
            };
            let before = group.offer;
            if group.is_doubtful(peers) {
                self.doubtful.insert(key);
            }
            let verdict = group.decide(peers, moment);
            self.report_ability(group, peers);
            self.carry_out(group, verdict, peers, now);
            self.report_offer(group, before);
            self.declare(group);
        }
        self.groups = groups;
        std::mem::take(&mut self.outcomes)
    }

    fn carry_out(&mut self, group: &mut Group, verdict: Verdict, peers: &Peers, now: Time) {
        match verdict {
            Verdict::Stay | Verdict::Follow(_) => {}
            Verdict::Keep => {
                group.offer = None;
                self.report(FactKind::Kept, Cause::Drill, group, String::new(), None);
            }
            Verdict::Wait(until) => self.wait(group, until),
            Verdict::Take(cause, _) if !self.is_cleared(group, cause, now) => {}
            Verdict::Take(cause, peer) => {
                group.term = group.term.saturating_add(1);
                group.held = true;
                group.vacant_since = None;
                group.better_since = None;
                group.announcer = None;
                let last = peers.get(&peer).and_then(|peer| peer.last_heard_on(&group.segment));
                self.report(FactKind::Took, cause, group, peer, last.map(|last| now.since(last)));
            }
            Verdict::Yield(cause, peer) => {
                if matches!(cause, Cause::HigherTerm | Cause::HigherScore | Cause::FailBack | Cause::Drill) {
                    group.lost_at = Some(now);
                }
                self.let_go(group, cause, peer);
            }
        }
    }

    /// Decide about a group again at a time, if nothing else happens.
    fn wait(&mut self, group: &Group, until: Time) {
        self.timers.insert((until, group.spec.key));
        if !group.is_only_listening() {
            self.waiting.insert(group.spec.key);
        }
    }

    /// Ask to be relieved of everything from now on, and take nothing more.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
        self.touch_all();
    }

    /// Ask to be relieved of the group of an address, for a drill.
    pub(crate) fn drill(&mut self, address: IpAddr, now: Time) {
        let key = self.holder_of(address).map(|group| group.spec.key);
        let Some(group) = key.and_then(|key| self.groups.get_mut(&key)).filter(|group| group.offer.is_none()) else {
            return;
        };
        group.offer = Some(Offer { cause: Cause::Drill, until: Some(now + self.limit) });
        self.outcomes.push(outcome(FactKind::Offered, Cause::Drill, group));
        self.dirty.insert(group.spec.key);
    }

    /// Whether a group may be announced, as far as others may have its addresses. If not, it is decided about again when
    /// that is known.
    fn is_cleared(&mut self, group: &Group, cause: Cause, now: Time) -> bool {
        if group.announcer.is_some() || !matches!(cause, Cause::FirstCandidate | Cause::PassedOver | Cause::Resumed) {
            return true;
        }
        // Those ahead are about to find out, too: each has its time for that.
        let before = group.spec.candidates.iter().take_while(|candidate| candidate.node != self.me).count();
        let rank = if cause == Cause::FirstCandidate { 0 } else { before };
        let turn = group.vacant_since.unwrap_or(now) + self.clearance.patience(rank);
        if now < turn {
            self.wait(group, turn);
        }
        now >= turn && self.clearance.of(&group.spec.addresses)
    }

    /// Nobody else has an address.
    pub(crate) fn clear(&mut self, address: IpAddr) {
        self.clearance.clear(address);
        self.touch(address);
    }

    /// Fall silent for the group of an address that somebody else has begun to announce, if it is to be let.
    pub(crate) fn give_way(&mut self, address: IpAddr) -> Vec<Outcome> {
        let key = self.holder_of(address).filter(|group| group.spec.gives_way).map(|group| group.spec.key);
        if let Some(mut group) = key.and_then(|key| self.groups.remove(&key)) {
            self.let_go(&mut group, Cause::GaveWay, String::new());
            self.declare(&group);
            self.dirty.insert(group.spec.key);
            self.groups.insert(group.spec.key, group);
        }
        std::mem::take(&mut self.outcomes)
    }

    fn let_go(&mut self, group: &mut Group, cause: Cause, peer: String) {
        group.held = false;
        group.vacant_since = None;
        group.better_since = None;
        group.offer = None;
        self.report(FactKind::Yielded, cause, group, peer, None);
    }

    /// Fall silent about everything, for a reason that is the same for all.
    pub(crate) fn drop_all(&mut self, cause: Cause) -> Vec<Outcome> {
        let mut groups = std::mem::take(&mut self.groups);
        for group in groups.values_mut().filter(|group| group.held) {
            self.let_go(group, cause, String::new());
            self.declare(group);
        }
        self.groups = groups;
        self.touch_all();
        std::mem::take(&mut self.outcomes)
    }
}
