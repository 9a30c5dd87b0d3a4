//! What the peers say of a group: who announces it, who could, and under which term.

use core::cmp::Reverse;

use metalev_wire::beacon::{Claim, Standing};

use super::Group;
use crate::event::Cause;
use crate::offer;
use crate::peers::Peers;

/// Somebody else who announces a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) name: String,
    pub(crate) term: u64,
    /// How many of its addresses are off-link there.
    pub(crate) off_link: u8,
    /// Why it asks to be relieved, if it does.
    pub(crate) offers: Option<Cause>,
}

impl Group {
    /// The living peers that announce any of its addresses.
    ///
    /// Any, because their table may be another for a moment: an address that moved from one group to another, or joined
    /// this one, is announced by whoever had it.
    pub(super) fn holders<'a>(&'a self, peers: &'a Peers) -> impl Iterator<Item = Holder> + 'a {
        self.claims(peers).filter_map(|(name, claim)| {
            let (off_link, offers) = match claim.standing {
                Standing::Holds(off_link) => (off_link, None),
                Standing::Offers { off_link, reason } => (off_link, Some(offer::cause(reason))),
                _ => return None,
            };
            Some(Holder { name: name.to_owned(), term: claim.term, off_link, offers })
        })
    }

    /// Whether somebody announces it beside this node who is not, or not yet, heard to on the segment.
    pub(crate) fn is_doubtful(&self, peers: &Peers) -> bool {
        self.held && self.holders(peers).any(|other| !peers.confirmed_on(&other.name, &self.segment))
    }

    /// What the living say of its addresses.
    fn claims<'a>(&'a self, peers: &'a Peers) -> impl Iterator<Item = (&'a str, Claim)> {
        self.spec.addresses.iter().flat_map(|address| peers.claims(*address))
    }

    /// The peer that announces it, as far as it is heard on the segment; the strongest if there are two.
    pub(super) fn living_holder(&self, peers: &Peers) -> Option<Holder> {
        let counts = |name: &str| peers.alive_on(name, &self.segment) && !peers.is_ignorant(name, &self.segment);
        let holders = self.holders(peers).filter(|holder| counts(&holder.name));
        holders.min_by_key(|it| (it.offers.is_some(), it.off_link, Reverse(it.term), self.rank(&it.name)))
    }

    /// The living candidates before this node that have not said that they cannot, or only off-link.
    pub(crate) fn ahead<'a>(&'a self, peers: &Peers, me: &str) -> Vec<&'a str> {
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
    pub(crate) fn promise_of(&self, peers: &Peers, name: &str) -> Option<u8> {
        let claims = self.spec.addresses.iter().filter_map(|address| peers.claim(name, *address));
        let promise = claims.map(|claim| claim.standing).try_fold(0, |most: u8, standing| match standing {
            Standing::Unable(_) | Standing::Offers { .. } => None,
            standing => Some(most.max(off_link(standing).unwrap_or(0))),
        });
        promise.filter(|_| peers.alive_on(name, &self.segment))
    }

    /// The highest term that anybody alive has spoken of, or that this node remembers.
    pub(super) fn highest_term(&self, peers: &Peers) -> u64 {
        if self.held {
            return self.term;
        }
        self.claims(peers).map(|(_, claim)| claim.term).max().unwrap_or(0).max(self.term)
    }

    /// Whether a living candidate, heard by whatever way, has subnets for more of the addresses than this node.
    pub(super) fn is_outdone(&self, peers: &Peers) -> bool {
        let outdoes = |(name, claim): (&str, Claim)| {
            self.may(name) && off_link(claim.standing).is_some_and(|theirs| theirs < self.off_link)
        };
        self.off_link > 0 && self.claims(peers).any(outdoes)
    }
}

/// How many addresses are off-link at a peer that announces a group, and means to go on, or could.
fn off_link(standing: Standing) -> Option<u8> {
    match standing {
        Standing::Holds(off_link) | Standing::Able(off_link) => Some(off_link),
        Standing::Unable(_) | Standing::Offers { .. } | Standing::Gone => None,
    }
}
