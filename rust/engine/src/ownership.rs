//! Who announces which group: runs the decision for every group that may have changed and keeps the consequences.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use metalev_wire::beacon::{Claim, Standing};

use crate::claims::Claims;
use crate::clearance::Clearance;
use crate::event::{Cause, FactKind};
use crate::group::{Group, Moment, Verdict};
use crate::links::Links;
use crate::moves::{self, Offer};
use crate::peers::Peers;
use crate::pulse::Timing;
use crate::{Time, table};

/// What became of a group.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) kind: FactKind,
    pub(crate) cause: Cause,
    pub(crate) group: IpAddr,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) interfaces: Vec<u32>,
    pub(crate) term: u64,
    /// Who announced it before, or does now.
    pub(crate) peer: String,
    /// For how long that peer had been silent on the group's segment.
    pub(crate) silent_for: Option<Duration>,
}

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
    /// The keys of those that concern this node: it may announce them, or did when the table came.
    mine: Vec<IpAddr>,
    /// The key of the group that has an address.
    group_of: BTreeMap<IpAddr, IpAddr>,
    claims: Claims,
    /// Groups to decide about again.
    dirty: BTreeSet<IpAddr>,
    /// Groups to decide about again at a time, though nothing else happens.
    timers: BTreeSet<(Time, IpAddr)>,
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
            limit: moves::limit(timing),
            hold_down,
            stopping: false,
            groups: BTreeMap::new(),
            mine: Vec::new(),
            group_of: BTreeMap::new(),
            claims: Claims::default(),
            dirty: BTreeSet::new(),
            timers: BTreeSet::new(),
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
    pub(crate) fn set(&mut self, specs: Vec<table::Group>, links: &Links) -> Vec<IpAddr> {
        let old = std::mem::take(&mut self.groups);
        let before = std::mem::take(&mut self.group_of);
        for spec in specs {
            let had: BTreeSet<IpAddr> =
                spec.addresses.iter().filter_map(|address| before.get(address)).copied().collect();
            let had: Vec<&Group> = had.iter().filter_map(|key| old.get(key)).collect();
            let group = Group::regrouped(spec, &had);
            self.group_of.extend(group.spec.addresses.iter().map(|address| (*address, group.spec.key)));
            self.groups.insert(group.spec.key, group);
        }
        let mine = self.groups.values().filter(|group| group.held || group.may(&self.me));
        self.mine = mine.map(|group| group.spec.key).collect();
        self.place(links, &[]);
        self.report_regrouped(&old);
        let gone: Vec<IpAddr> = before.into_keys().filter(|address| !self.group_of.contains_key(address)).collect();
        for address in &gone {
            self.claims.set(*address, 0, Standing::Gone);
        }
        gone
    }

    /// Tell what became of the groups that this node announces and that are others now. All that is given up is told
    /// before all that is taken up, so that an address which only changes its group is never without an answer.
    fn report_regrouped(&mut self, old: &BTreeMap<IpAddr, Group>) {
        let same = |one: &Group, other: Option<&Group>| {
            other.is_some_and(|other| other.held && other.spec.addresses == one.spec.addresses)
        };
        let left = old.values().filter(|group| group.held && !same(group, self.groups.get(&group.spec.key)));
        let yielded: Vec<Outcome> = left.map(|group| self.outcome_of_leaving(group)).collect();
        let joined = self.groups.values().filter(|group| group.held && !same(group, old.get(&group.spec.key)));
        let took: Vec<Outcome> = joined.map(|group| outcome(FactKind::Took, Cause::Regrouped, group)).collect();
        self.outcomes.extend(yielded.into_iter().chain(took));
    }

    fn outcome_of_leaving(&self, group: &Group) -> Outcome {
        let goes_on = group.spec.addresses.iter().any(|address| self.holder_of(*address).is_some());
        outcome(FactKind::Yielded, if goes_on { Cause::Regrouped } else { Cause::Removed }, group)
    }

    /// The interfaces have changed, those `renewed` got another MAC address: see again which groups can be announced
    /// from here, and announce anew what is held where something is different.
    pub(crate) fn place(&mut self, links: &Links, renewed: &[u32]) {
        let mut groups = std::mem::take(&mut self.groups);
        for group in groups.values_mut() {
            let before = std::mem::take(&mut group.interfaces);
            links.place(group, self.listening);
            let different = before != group.interfaces || group.interfaces.iter().any(|index| renewed.contains(index));
            if group.held && different && !group.interfaces.is_empty() {
                // Told again, so that it is answered and announced as things are now.
                self.report(FactKind::Took, Cause::Link, group, String::new(), None);
            }
        }
        self.groups = groups;
        self.touch_all();
    }

    /// Tell why this node does not announce a group that it may announce, or that this is over.
    fn report_ability(&mut self, group: &mut Group, peers: &Peers) {
        let now = group.hindrance(peers).filter(|_| group.may(&self.me));
        let before = std::mem::replace(&mut group.told, now);
        match (before, now) {
            (_, Some(cause)) if before != now => self.report(FactKind::Unable, cause, group, String::new(), None),
            (Some(cause), None) if group.may(&self.me) => {
                let cause = if cause == Cause::OffLink { cause } else { Cause::Link };
                self.report(FactKind::Able, cause, group, String::new(), None);
            }
            _ => {}
        }
    }

    /// Every group is to be decided about again.
    pub(crate) fn touch_all(&mut self) {
        self.dirty.extend(self.groups.keys());
    }

    /// Somebody said something of an address. If its group does not concern this node, the term is all that there is to
    /// remember.
    pub(crate) fn hear(&mut self, claim: &Claim) {
        let Some(group) = self.group_of.get(&claim.address).and_then(|key| self.groups.get_mut(key)) else {
            return;
        };
        if group.held || group.may(&self.me) {
            self.dirty.insert(group.spec.key);
        } else {
            group.term = group.term.max(claim.term);
        }
    }

    /// What is known of a peer has changed: whether it lives, where, and whether it hears this node. The groups that it
    /// may announce, or speaks of, are to be decided about again, and all that wait.
    pub(crate) fn touch_peer(&mut self, name: &str, peers: &Peers) {
        let all = peers.any_ignorant();
        let groups = self.mine.iter().filter_map(|key| self.groups.get(key));
        let concerned = groups.filter(|group| all || group.concerns(name, peers));
        self.dirty.extend(concerned.map(|group| group.spec.key));
        self.touch_waiting();
    }

    /// The group of an address is to be decided about again.
    pub(crate) fn touch(&mut self, address: IpAddr) {
        self.dirty.extend(self.group_of.get(&address));
    }

    /// Whatever waits is to be decided about again: it may have been for the rest of what a peer had to say. Not what
    /// waits for the end of listening, for nothing that is said changes that.
    pub(crate) fn touch_waiting(&mut self) {
        let waits = |key: &IpAddr| self.groups.get(key).is_some_and(|group| !group.is_only_listening());
        self.dirty.extend(self.timers.iter().map(|timer| timer.1).filter(waits));
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
        for key in std::mem::take(&mut self.dirty) {
            let Some(mut group) = self.groups.remove(&key) else {
                continue;
            };
            let before = group.offer;
            let verdict = group.decide(peers, moment);
            self.report_ability(&mut group, peers);
            self.carry_out(&mut group, verdict, peers, now);
            self.report_offer(&group, before);
            self.declare(&group);
            self.groups.insert(key, group);
        }
        std::mem::take(&mut self.outcomes)
    }

    fn carry_out(&mut self, group: &mut Group, verdict: Verdict, peers: &Peers, now: Time) {
        match verdict {
            Verdict::Stay | Verdict::Follow(_) => {}
            Verdict::Keep => {
                group.offer = None;
                self.report(FactKind::Kept, Cause::Drill, group, String::new(), None);
            }
            Verdict::Wait(until) => {
                self.timers.insert((until, group.spec.key));
            }
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
                if matches!(cause, Cause::HigherTerm | Cause::Drill) {
                    group.lost_at = Some(now);
                }
                self.let_go(group, cause, peer);
            }
        }
    }

    /// Tell that this node has begun to ask to be relieved, unless it has been already.
    fn report_offer(&mut self, group: &Group, before: Option<Offer>) {
        if let Some(Offer { cause, .. }) = group.offer
            && before.is_none_or(|before| before.cause != cause)
        {
            self.report(FactKind::Offered, cause, group, String::new(), None);
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

    /// Whether this node announces anything.
    pub(crate) fn holds_any(&self) -> bool {
        self.groups.values().any(|group| group.held)
    }

    /// Whether a group may be announced, as far as others may have its addresses. If not, it is decided about again when
    /// that is known.
    fn is_cleared(&mut self, group: &Group, cause: Cause, now: Time) -> bool {
        if group.announcer.is_some() || !matches!(cause, Cause::FirstCandidate | Cause::PassedOver) {
            return true;
        }
        // Those ahead are about to find out, too: each has its time for that.
        let before = group.spec.candidates.iter().take_while(|candidate| candidate.node != self.me).count();
        let rank = if cause == Cause::PassedOver { before } else { 0 };
        let turn = group.vacant_since.unwrap_or(now) + self.clearance.patience(rank);
        if now < turn {
            self.timers.insert((turn, group.spec.key));
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

    /// Say in the beacons how this node stands to a group.
    fn declare(&mut self, group: &Group) {
        let off_link = group.off_link;
        let standing = match (group.offer, group.unable) {
            (Some(offer), _) if group.held => Standing::Offers { off_link, reason: moves::code(offer.cause) },
            _ if group.held => Standing::Holds(off_link),
            _ if !group.may(&self.me) => Standing::Gone,
            (_, Some(cause)) => Standing::Unable(code(cause)),
            _ => Standing::Able(off_link),
        };
        // Only an announcer's term is news; the others would repeat every takeover to everybody.
        let term = if group.held { group.term } else { 0 };
        for address in &group.spec.addresses {
            self.claims.set(*address, term, standing);
        }
    }

    fn report(&mut self, kind: FactKind, cause: Cause, group: &Group, peer: String, silent_for: Option<Duration>) {
        self.outcomes.push(Outcome { peer, silent_for, ..outcome(kind, cause, group) });
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

    /// What this node says of its groups.
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Forget what everybody knows to be gone.
    pub(crate) fn forget_gone(&mut self, acknowledged_by_all: u64) {
        self.claims.forget_gone(acknowledged_by_all);
    }

    /// Whether an address is in any group.
    pub(crate) fn knows(&self, address: IpAddr) -> bool {
        self.group_of.contains_key(&address)
    }

    /// The group that has this address.
    pub(crate) fn group(&self, address: IpAddr) -> Option<&Group> {
        self.group_of.get(&address).and_then(|key| self.groups.get(key))
    }

    /// The addresses of all groups.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.group_of.keys().copied()
    }

    /// A group that is held and that has this address.
    pub(crate) fn holder_of(&self, address: IpAddr) -> Option<&Group> {
        self.group_of.get(&address).and_then(|key| self.groups.get(key)).filter(|group| group.held)
    }

    /// The peers that would take over what this node holds: the next two living candidates of each group.
    ///
    /// Worked out again only after something was decided anew, for it is asked for in every round of beacons.
    pub(crate) fn successors(&mut self, peers: &Peers) -> &BTreeSet<String> {
        let (groups, me) = (&self.groups, self.me.as_str());
        self.successors.get_or_insert_with(|| {
            let held = groups.values().filter(|group| group.held);
            held.flat_map(|group| group.successors(peers, me).take(2)).map(ToOwned::to_owned).collect()
        })
    }
}

fn outcome(kind: FactKind, cause: Cause, group: &Group) -> Outcome {
    Outcome {
        kind,
        cause,
        group: group.spec.key,
        addresses: group.spec.addresses.clone(),
        interfaces: group.interfaces.clone(),
        term: group.term,
        peer: String::new(),
        silent_for: None,
    }
}

/// How a reason for which a group cannot be announced is written in a beacon.
fn code(cause: Cause) -> u8 {
    match cause {
        Cause::NoInterface => 1,
        Cause::OwnAddress => 2,
        Cause::Gateway => 3,
        _ => 0,
    }
}
