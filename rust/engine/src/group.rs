//! One group of addresses, and the decision who announces it: a pure function of what is known.
//!
//! The higher term wins; equal terms go by the order of the candidates. Whoever takes a group over uses the highest term
//! it has heard of plus one, so a node that was away never pushes out a healthy announcer, and when a partition heals
//! the side that took over last keeps the group. What is taken back, and why an announcer asks to be relieved: `moves`.
//!
//! Before all that comes the subnet. A node none of whose interfaces has a subnet with the address counts as unable
//! while another candidate lives whose has; what it announces meanwhile it goes on announcing until that one has taken
//! it. If nobody has the subnet (the address is routed to the segment), nobody is the worse for it. In a group of several
//! addresses, whoever has subnets for more of them is the better.

mod heard;

use core::cmp::Reverse;
use core::time::Duration;

use metalev_wire::beacon::Standing;

use crate::event::Cause;
use crate::links::Place;
use crate::offer::Offer;
use crate::peers::Peers;
use crate::{Time, table};

pub(crate) use heard::Holder;

/// For how long a vacant address is left, at most, while one who lives is telling what it announces: five thousand
/// addresses are told in a fifth of a second, within the budget of beacons.
const LONG_LIST: Duration = Duration::from_secs(2);

/// A group as this node sees it.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// What the table says.
    pub(crate) spec: table::Group,
    /// Whether this node may announce it.
    pub(crate) mine: bool,
    /// The highest term heard of, or while this node announces it the one under which it does.
    pub(crate) term: u64,
    /// Whether this node announces it.
    pub(crate) held: bool,
    /// Why this node cannot announce it, if it cannot.
    pub(crate) unable: Option<Cause>,
    /// How many of its addresses are in no subnet of those interfaces.
    pub(crate) off_link: u8,
    /// The hindrance that was last reported.
    pub(crate) told: Option<Cause>,
    /// The interfaces on which this node would announce it.
    pub(crate) interfaces: Vec<u32>,
    /// Those on whose segment the addresses live: there a peer must be heard to count.
    pub(crate) segment: Vec<u32>,
    /// Until when peers may still be unheard on its segment, because an interface has just come up.
    pub(crate) quiet_until: Option<Time>,
    /// Who was last seen to announce it.
    pub(crate) announcer: Option<String>,
    /// In which life of it that was.
    pub(crate) life: Option<u64>,
    /// Since when nobody has, or whoever does asks to be relieved.
    pub(crate) vacant_since: Option<Time>,
    /// That this node, which announces it, asks to be relieved.
    pub(crate) offer: Option<Offer>,
    /// Since when this node is without a break the better announcer by the policy.
    pub(crate) better_since: Option<Time>,
    /// When it was last taken from this node.
    pub(crate) lost_at: Option<Time>,
}

/// What to do about a group now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All is as it should be.
    Stay,
    /// Somebody else announces it.
    Follow(String),
    /// This node takes it over.
    Take(Cause, String),
    /// This node falls silent.
    Yield(Cause, String),
    /// This node goes on announcing it, for nobody relieved it.
    Keep,
    /// Nobody announces it; look again then.
    Wait(Time),
}

/// What the decision needs to know besides the group and the peers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'a> {
    /// This node's name.
    pub(crate) me: &'a str,
    /// The time.
    pub(crate) now: Time,
    /// For how long a living candidate may hesitate before it is passed over ...
    pub(crate) grace: Duration,
    /// ... and for how long the news that it does not are on their way.
    pub(crate) slack: Duration,
    /// Until when this node only listens.
    pub(crate) listening_until: Option<Time>,
    /// Whether this speaker ends.
    pub(crate) stopping: bool,
    /// For how long a successor is waited for.
    pub(crate) limit: Duration,
    /// For how long a better candidate has to be up before it takes a group back.
    pub(crate) hold_down: Duration,
}

impl Group {
    pub(crate) fn new(spec: table::Group) -> Self {
        Self {
            spec,
            mine: false,
            term: 0,
            held: false,
            unable: None,
            off_link: 0,
            told: None,
            interfaces: Vec::new(),
            segment: Vec::new(),
            quiet_until: None,
            announcer: None,
            life: None,
            vacant_since: None,
            offer: None,
            better_since: None,
            lost_at: None,
        }
    }

    /// The group that `spec` makes of those that had its addresses: what was announced goes on being announced, under the
    /// highest of their terms. A group that merely changes moves nothing.
    pub(crate) fn regrouped(spec: table::Group, before: &[&Self]) -> Self {
        let held = before.iter().any(|group| group.held);
        let heir = before.iter().filter(|group| group.held == held).max_by_key(|group| group.term);
        let term = before.iter().map(|group| group.term).max().unwrap_or(0);
        match heir {
            Some(heir) => Self { spec, term, ..(*heir).clone() },
            None => Self::new(spec),
        }
    }

    /// Where it would be announced from here, and whether it can be.
    pub(crate) fn settle(&mut self, place: Place) {
        let Place { interfaces, segment, off_link, quiet_until, unable } = place;
        (self.interfaces, self.segment, self.off_link) = (interfaces, segment, off_link);
        (self.quiet_until, self.unable) = (quiet_until, unable);
    }

    /// The place of a node in the order; last of all if it is no candidate.
    pub(crate) fn rank(&self, node: &str) -> usize {
        self.spec.candidates.iter().position(|candidate| candidate.node == node).unwrap_or(usize::MAX)
    }

    /// Whether a node may announce it.
    pub(crate) fn may(&self, node: &str) -> bool {
        self.rank(node) != usize::MAX
    }

    /// Whether it is not yet asked whose turn it is: too little has been heard.
    pub(crate) fn is_only_listening(&self) -> bool {
        !self.held && self.vacant_since.is_none() && self.better_since.is_none()
    }

    /// Whether a peer says anything of its addresses.
    pub(crate) fn is_spoken_of(&self, peer: &str, peers: &Peers) -> bool {
        self.spec.addresses.iter().any(|address| peers.claim(peer, *address).is_some())
    }

    /// What to do now. Changes nothing but the memory of who announced it, since when nobody does or this node would do
    /// better, and whether it asks to be relieved.
    pub(crate) fn decide(&mut self, peers: &Peers, moment: Moment<'_>) -> Verdict {
        self.term = self.highest_term(peers);
        if self.held { self.defend(peers, moment) } else { self.claim(peers, moment) }
    }

    /// Why this node does not announce it though it may, if so.
    pub(crate) fn hindrance(&self, peers: &Peers) -> Option<Cause> {
        self.unable.or_else(|| self.is_outdone(peers).then_some(Cause::OffLink))
    }

    /// The announcer's side: fall silent if it can no longer, if somebody outranks it, or if it was relieved.
    fn defend(&mut self, peers: &Peers, moment: Moment<'_>) -> Verdict {
        if let Some(cause) = self.unable {
            return Verdict::Yield(cause, String::new());
        }
        self.offer = self.reason_to_leave(moment);
        let mine = (self.offer.is_some(), self.off_link, Reverse(self.term), self.rank(moment.me), moment.me);
        for other in self.holders(peers) {
            let (term, name) = (other.term, other.name.as_str());
            // What is not heard on the segment serves another side of it, if any.
            let elsewhere = other.off_link >= self.off_link && !peers.confirmed_on(name, &self.segment);
            if elsewhere || peers.is_ignorant(name, &self.segment) {
                continue;
            }
            if (other.offers.is_some(), other.off_link, Reverse(term), self.rank(name), name) < mine {
                let cause = match self.offer {
                    Some(offer) if other.offers.is_none() => offer.cause,
                    _ if other.off_link < self.off_link => Cause::OffLink,
                    _ if term > self.term => self.taken_back(peers, moment, name).unwrap_or(Cause::HigherTerm),
                    _ => Cause::EarlierCandidate,
                };
                return Verdict::Yield(cause, other.name);
            }
        }
        self.offer.map_or(Verdict::Stay, |offer| self.await_relief(peers, moment, offer))
    }

    /// Everybody else's side: follow who announces it, and take it over when nobody does, or whoever does asks to be
    /// relieved, and it is this node's turn.
    fn claim(&mut self, peers: &Peers, moment: Moment<'_>) -> Verdict {
        let hindered = self.hindrance(peers).is_some() || !self.may(moment.me) || moment.stopping;
        let holder = self.living_holder(peers);
        if let Some(holder) = &holder {
            self.announcer = Some(holder.name.clone());
            self.life = peers.life(&holder.name);
            // Announced from where its subnet is not: as good as vacant, until somebody who has it takes it.
            if hindered || (holder.offers.is_none() && holder.off_link <= self.off_link) {
                self.vacant_since = None;
                return self.fail_back(peers, moment, holder, hindered);
            }
        }
        if hindered || self.spec.gives_way {
            self.better_since = None;
            return Verdict::Stay;
        }
        if let Some(until) = self.quiet(moment) {
            // Whoever has to listen anew knows nothing of how long nobody has announced it.
            self.vacant_since = None;
            return Verdict::Wait(until);
        }
        let turn = self.turn(peers, moment);
        if moment.now < turn {
            return Verdict::Wait(turn);
        }
        if let Some(until) = self.told_more_until(peers, moment).filter(|_| holder.is_none()) {
            return Verdict::Wait(until);
        }
        match holder {
            Some(holder) if holder.offers.is_some() && !peers.heard_by(&holder.name, &self.segment) => {
                Verdict::Wait(moment.now + moment.grace)
            }
            Some(holder) => Verdict::Take(holder.offers.unwrap_or(Cause::OffLink), holder.name),
            None => {
                let (cause, peer) = self.cause(peers, self.ahead(peers, moment.me).first().copied());
                Verdict::Take(cause, peer)
            }
        }
    }

    /// Until when nothing may be taken, because too little has been heard as yet.
    pub(crate) fn quiet(&self, moment: Moment<'_>) -> Option<Time> {
        moment.listening_until.max(self.quiet_until.filter(|until| moment.now < *until))
    }

    /// Until when to wait for one who lives and is telling a long list of what it announces: this may be in it.
    fn told_more_until(&self, peers: &Peers, moment: Moment<'_>) -> Option<Time> {
        let end = self.vacant_since? + LONG_LIST;
        let waits = moment.now < end && peers.any_tells_on(&self.segment);
        waits.then(|| end.min(moment.now + moment.grace))
    }

    /// When it is this node's turn to take what is vacant.
    fn turn(&mut self, peers: &Peers, moment: Moment<'_>) -> Time {
        // The others have been listening too: their time to act begins when ours does.
        let since = *self.vacant_since.get_or_insert(moment.now);
        let ahead = self.ahead(peers, moment.me);
        if let Some(reborn) = self.reborn(peers) {
            return self.turn_after(reborn, &ahead, since, peers, moment);
        }
        let hesitating = u32::try_from(ahead.len()).unwrap_or(u32::MAX);
        let patience = if peers.in_step(&self.segment) { hesitating } else { hesitating.max(1) };
        if patience == 0 {
            return since;
        }
        // One ahead that has only just come up listens for as long as the grace lasts: its time begins when it is first
        // heard, or both would act at the same moment.
        let heard = ahead.iter().filter_map(|name| peers.heard_since(name, &self.segment)).max();
        heard.map_or(since, |heard| heard.max(since)) + moment.grace * patience + moment.slack
    }

    /// Why nobody announces it, and who last did.
    fn cause(&self, peers: &Peers, ahead: Option<&str>) -> (Cause, String) {
        match (&self.announcer, ahead) {
            (Some(last), _) if peers.said_goodbye(last) => (Cause::Released, last.clone()),
            (Some(last), _) if !peers.alive_on(last, &self.segment) => (Cause::MissedBeacons, last.clone()),
            // It waits for whoever announced it and starts again: see `reborn`.
            (None, Some(first)) if self.could_take(first, peers) => (Cause::Resumed, String::new()),
            (_, Some(first)) => (Cause::PassedOver, first.to_owned()),
            (Some(last), None) => (Cause::Released, last.clone()),
            (None, None) => (Cause::FirstCandidate, String::new()),
        }
    }

    /// Whether a peer says that it could announce it, and so has it in its table.
    fn could_take(&self, peer: &str, peers: &Peers) -> bool {
        let mut claims = self.spec.addresses.iter().filter_map(|address| peers.claim(peer, *address));
        claims.any(|claim| matches!(claim.standing, Standing::Able(_)))
    }
}
