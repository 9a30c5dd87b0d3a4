//! One group of addresses, and the decision who announces it: a pure function of what is known.
//!
//! The higher term wins; equal terms go by the order of the candidates. Whoever takes a group over uses the highest term
//! it has heard of plus one, so a node that was away never pushes out a healthy announcer, and when a partition heals
//! the side that took over last keeps the group. Nothing is ever taken back on the ground of the order alone.

use core::time::Duration;
use std::net::IpAddr;

use metalev_wire::beacon::Standing;

use crate::event::Cause;
use crate::peers::Peers;
use crate::{Time, table};

/// A group as this node sees it.
#[derive(Debug)]
pub(crate) struct Group {
    /// What the table says.
    pub(crate) spec: table::Group,
    /// The highest term heard of, or while this node announces it the one under which it does.
    pub(crate) term: u64,
    /// Whether this node announces it.
    pub(crate) held: bool,
    /// Why this node cannot announce it, if it cannot.
    pub(crate) unable: Option<Cause>,
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
    /// For how long a living candidate may hesitate before it is passed over.
    pub(crate) grace: Duration,
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
            interfaces: Vec::new(),
            segment: Vec::new(),
            quiet_until: None,
            announcer: None,
            vacant_since: None,
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

    /// The announcer's side: fall silent if it may or can no longer, or if somebody outranks it.
    fn defend(&self, peers: &Peers, moment: Moment<'_>) -> Verdict {
        if !self.may(moment.me) {
            return Verdict::Yield(Cause::NotCandidate, String::new());
        }
        if let Some(cause) = self.unable {
            return Verdict::Yield(cause, String::new());
        }
        let mine = self.rank(moment.me);
        let holders = peers.claims(self.spec.key).filter(|(_, claim)| matches!(claim.standing, Standing::Holds(_)));
        for (name, claim) in holders {
            if claim.term > self.term {
                return Verdict::Yield(Cause::HigherTerm, name.to_owned());
            }
            if claim.term == self.term && (self.rank(name), name) < (mine, moment.me) {
                return Verdict::Yield(Cause::EarlierCandidate, name.to_owned());
            }
        }
        Verdict::Stay
    }

    /// Everybody else's side: follow who announces it, and take it over when nobody does and it is this node's turn.
    fn claim(&mut self, peers: &Peers, moment: Moment<'_>) -> Verdict {
        if let Some(holder) = self.living_holder(peers) {
            self.vacant_since = None;
            self.announcer = Some(holder.clone());
            return Verdict::Follow(holder);
        }
        if self.unable.is_some() || !self.may(moment.me) {
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
        let turn = since + moment.grace * patience;
        if moment.now < turn {
            return Verdict::Wait(turn);
        }
        let (cause, peer) = self.cause(peers, ahead.first().copied());
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

    /// The peer that announces it, as far as it is heard on the segment; the strongest if there are two.
    fn living_holder(&self, peers: &Peers) -> Option<String> {
        let holders = peers.claims(self.spec.key).filter(|(name, claim)| {
            matches!(claim.standing, Standing::Holds(_)) && peers.alive_on(name, &self.segment)
        });
        let strongest = holders.max_by_key(|(name, claim)| (claim.term, core::cmp::Reverse(self.rank(name))));
        strongest.map(|(name, _)| name.to_owned())
    }

    /// The living candidates before this node that have not said that they cannot.
    fn ahead(&self, peers: &Peers, me: &str) -> Vec<&str> {
        let before =
            self.spec.candidates.iter().map(|candidate| candidate.node.as_str()).take_while(|name| *name != me);
        before.filter(|name| peers.alive_on(name, &self.segment) && !unable(peers, name, self.spec.key)).collect()
    }

    /// The next living candidates after the announcer, which it tells most often that it lives.
    pub(crate) fn successors<'a>(&'a self, peers: &'a Peers, me: &'a str) -> impl Iterator<Item = &'a str> {
        let others =
            self.spec.candidates.iter().map(|candidate| candidate.node.as_str()).filter(move |name| *name != me);
        others.filter(move |name| peers.alive_on(name, &self.segment) && !unable(peers, name, self.spec.key))
    }

    /// The highest term that anybody alive has spoken of, or that this node remembers.
    fn highest_term(&self, peers: &Peers) -> u64 {
        if self.held {
            return self.term;
        }
        peers.claims(self.spec.key).map(|(_, claim)| claim.term).max().unwrap_or(0).max(self.term)
    }
}

/// Whether a peer has said that it cannot announce a group.
fn unable(peers: &Peers, name: &str, group: IpAddr) -> bool {
    let claim = peers.get(name).and_then(|peer| peer.session.as_ref()?.claim(group));
    claim.is_some_and(|claim| matches!(claim.standing, Standing::Unable(_)))
}
