//! One group of addresses, and the decision who announces it: a pure function of what is known.
//!
//! The higher term wins; equal terms go by the order of the candidates. Whoever takes a group over uses the highest term
//! it has heard of plus one, so a node that was away never pushes out a healthy announcer, and when a partition heals
//! the side that took over last keeps the group. Nothing is ever taken back on the ground of the order alone.
//!
//! Before all that comes the subnet. A node none of whose interfaces has a subnet with the address counts as unable
//! while another candidate lives whose has; what it announces meanwhile it goes on announcing until that one has taken
//! it. If nobody has the subnet (the address is routed to the segment), nobody is the worse for it. In a group of several
//! addresses, whoever has subnets for more of them is the better.

use core::cmp::Reverse;
use core::time::Duration;

use metalev_wire::beacon::{Claim, Standing};

use crate::event::Cause;
use crate::peers::Peers;
use crate::{Time, table};

/// A group as this node sees it.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// What the table says.
    pub(crate) spec: table::Group,
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
    /// Since when nobody has.
    pub(crate) vacant_since: Option<Time>,
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
}

impl Group {
    pub(crate) fn new(spec: table::Group) -> Self {
        Self {
            spec,
            term: 0,
            held: false,
            unable: None,
            off_link: 0,
            told: None,
            interfaces: Vec::new(),
            segment: Vec::new(),
            quiet_until: None,
            announcer: None,
            vacant_since: None,
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

    /// The place of a node in the order; last of all if it is no candidate.
    pub(crate) fn rank(&self, node: &str) -> usize {
        self.spec.candidates.iter().position(|candidate| candidate.node == node).unwrap_or(usize::MAX)
    }

    /// Whether a node may announce it.
    pub(crate) fn may(&self, node: &str) -> bool {
        self.rank(node) != usize::MAX
    }

    /// What to do now. Changes nothing but the memory of who announced it and since when nobody does.
    pub(crate) fn decide(&mut self, peers: &Peers, moment: Moment<'_>) -> Verdict {
        self.term = self.highest_term(peers);
        if self.held { self.defend(peers, moment) } else { self.claim(peers, moment) }
    }

    /// Why this node does not announce it though it may, if so.
    pub(crate) fn hindrance(&self, peers: &Peers) -> Option<Cause> {
        self.unable.or_else(|| self.is_outdone(peers).then_some(Cause::OffLink))
    }

    /// Whether a living candidate, heard by whatever way, has subnets for more of the addresses than this node.
    fn is_outdone(&self, peers: &Peers) -> bool {
        let outdoes = |(name, claim): (&str, &Claim)| {
            self.may(name) && off_link(claim.standing).is_some_and(|theirs| theirs < self.off_link)
        };
        self.off_link > 0 && self.claims(peers).any(outdoes)
    }

    /// The announcer's side: fall silent if it may or can no longer, or if somebody outranks it.
    fn defend(&self, peers: &Peers, moment: Moment<'_>) -> Verdict {
        if !self.may(moment.me) {
            return Verdict::Yield(Cause::NotCandidate, String::new());
        }
        if let Some(cause) = self.unable {
            return Verdict::Yield(cause, String::new());
        }
        let mine = (self.off_link, Reverse(self.term), self.rank(moment.me), moment.me);
        for (name, term, off_link) in self.holders(peers) {
            // What is not heard on the segment serves another side of it, if any.
            let elsewhere = off_link >= self.off_link && !peers.confirmed_on(name, &self.segment);
            if elsewhere || peers.is_ignorant(name, &self.segment) {
                continue;
            }
            if (off_link, Reverse(term), self.rank(name), name) < mine {
                let cause = match () {
                    () if off_link < self.off_link => Cause::OffLink,
                    () if term > self.term => Cause::HigherTerm,
                    () => Cause::EarlierCandidate,
                };
                return Verdict::Yield(cause, name.to_owned());
            }
        }
        Verdict::Stay
    }

    /// Everybody else's side: follow who announces it, and take it over when nobody does and it is this node's turn.
    fn claim(&mut self, peers: &Peers, moment: Moment<'_>) -> Verdict {
        let hindered = self.hindrance(peers).is_some() || !self.may(moment.me);
        let holder = self.living_holder(peers);
        let outdone = match holder {
            Some((holder, theirs)) if hindered || theirs <= self.off_link => {
                self.vacant_since = None;
                self.announcer = Some(holder.clone());
                return Verdict::Follow(holder);
            }
            // Announced from where its subnet is not: as good as vacant, until somebody who has it takes it.
            other => other.map(|(holder, _)| holder),
        };
        if hindered || self.spec.gives_way {
            return Verdict::Stay;
        }
        let quiet = self.quiet_until.filter(|until| moment.now < *until);
        if let Some(until) = moment.listening_until.max(quiet) {
            return Verdict::Wait(until);
        }
        // The others have been listening too: their time to act begins when ours does.
        let since = *self.vacant_since.get_or_insert(moment.now);
        let ahead = self.ahead(peers, moment.me);
        let hesitating = u32::try_from(ahead.len()).unwrap_or(u32::MAX);
        let patience = if peers.in_step(&self.segment) { hesitating } else { hesitating.max(1) };
        let turn = if patience == 0 {
            since
        } else {
            // One ahead that has only just come up listens for as long as the grace lasts: its time begins when it is
            // first heard, or both would act at the same moment.
            let heard = ahead.iter().filter_map(|name| peers.heard_since(name, &self.segment)).max();
            heard.map_or(since, |heard| heard.max(since)) + moment.grace * patience + moment.slack
        };
        if moment.now < turn {
            return Verdict::Wait(turn);
        }
        let (cause, peer) = match outdone {
            Some(holder) => (Cause::OffLink, holder),
            None => self.cause(peers, ahead.first().copied()),
        };
        Verdict::Take(cause, peer)
    }

    /// Why nobody announces it, and who last did.
    fn cause(&self, peers: &Peers, ahead: Option<&str>) -> (Cause, String) {
        match (&self.announcer, ahead) {
            (Some(last), _) if peers.said_goodbye(last) => (Cause::Released, last.clone()),
            (Some(last), _) if !peers.alive_on(last, &self.segment) => (Cause::MissedBeacons, last.clone()),
            (_, Some(first)) => (Cause::PassedOver, first.to_owned()),
            (Some(last), None) => (Cause::Released, last.clone()),
            (None, None) => (Cause::FirstCandidate, String::new()),
        }
    }

    /// The living peers that announce any of its addresses, with their terms and how many addresses are off-link there.
    ///
    /// Any, because their table may be another for a moment: an address that moved from one group to another, or joined
    /// this one, is announced by whoever had it.
    fn holders<'a>(&'a self, peers: &'a Peers) -> impl Iterator<Item = (&'a str, u64, u8)> {
        self.claims(peers).filter_map(|(name, claim)| match claim.standing {
            Standing::Holds(off_link) => Some((name, claim.term, off_link)),
            _ => None,
        })
    }

    /// What the living say of its addresses.
    fn claims<'a>(&'a self, peers: &'a Peers) -> impl Iterator<Item = (&'a str, &'a Claim)> {
        self.spec.addresses.iter().flat_map(|address| peers.claims(*address))
    }

    /// The peer that announces it, as far as it is heard on the segment, and how many of its addresses are off-link
    /// there; the strongest if there are two.
    fn living_holder(&self, peers: &Peers) -> Option<(String, u8)> {
        let counts = |name: &str| peers.alive_on(name, &self.segment) && !peers.is_ignorant(name, &self.segment);
        let holders = self.holders(peers).filter(|(name, ..)| counts(name));
        let strongest = holders.min_by_key(|(name, term, off_link)| (*off_link, Reverse(*term), self.rank(name)));
        strongest.map(|(name, _, off_link)| (name.to_owned(), off_link))
    }

    /// The living candidates before this node that have not said that they cannot, or only off-link.
    fn ahead<'a>(&'a self, peers: &Peers, me: &str) -> Vec<&'a str> {
        let before =
            self.spec.candidates.iter().map(|candidate| candidate.node.as_str()).take_while(|name| *name != me);
        let able = |name: &&str| self.promise_of(peers, name).is_some_and(|theirs| theirs <= self.off_link);
        before.filter(able).collect()
    }

    /// The next living candidates after the announcer, which it tells most often that it lives.
    pub(crate) fn successors<'a>(&'a self, peers: &'a Peers, me: &'a str) -> impl Iterator<Item = &'a str> {
        let others = || {
            let names = self.spec.candidates.iter().map(|candidate| candidate.node.as_str());
            names.filter(move |name| *name != me).filter_map(|name| Some((name, self.promise_of(peers, name)?)))
        };
        let best = others().map(|(_, off_link)| off_link).min();
        others().filter(move |(_, off_link)| Some(*off_link) == best).map(|(name, _)| name)
    }

    /// How many of the addresses are off-link at a candidate that lives on the segment and has not said that it cannot
    /// announce them. One that has said nothing as yet is given credit.
    fn promise_of(&self, peers: &Peers, name: &str) -> Option<u8> {
        let session = peers.get(name).and_then(|peer| peer.session.as_ref());
        let claims = self.spec.addresses.iter().filter_map(|address| session?.claim(*address));
        let promise = claims.map(|claim| claim.standing).try_fold(0, |most: u8, standing| match standing {
            Standing::Unable(_) => None,
            standing => Some(most.max(off_link(standing).unwrap_or(0))),
        });
        promise.filter(|_| peers.alive_on(name, &self.segment))
    }

    /// The highest term that anybody alive has spoken of, or that this node remembers.
    fn highest_term(&self, peers: &Peers) -> u64 {
        if self.held {
            return self.term;
        }
        self.claims(peers).map(|(_, claim)| claim.term).max().unwrap_or(0).max(self.term)
    }
}

/// How many addresses are off-link at a peer that announces a group or could.
fn off_link(standing: Standing) -> Option<u8> {
    match standing {
        Standing::Holds(off_link) | Standing::Able(off_link) => Some(off_link),
        Standing::Unable(_) | Standing::Gone => None,
    }
}
