//! What is told of the groups: to whoever watches, and to the peers.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::IpAddr;

use metalev_wire::beacon::Standing;

use super::Ownership;
use crate::event::{Cause, FactKind};
use crate::group::Group;
use crate::offer::{self, Offer};
use crate::peers::Peers;

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

impl Ownership {
    /// Tell what became of the groups that this node announces and that are others now. All that is given up is told
    /// before all that is taken up, so that an address which only changes its group is never without an answer.
    pub(super) fn report_regrouped(&mut self, old: &BTreeMap<IpAddr, Group>) {
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

    /// Tell why this node does not announce a group that it may announce, or that this is over.
    pub(super) fn report_ability(&mut self, group: &mut Group, peers: &Peers) {
        let now = group.hindrance(peers).filter(|_| group.mine);
        let before = std::mem::replace(&mut group.told, now);
        match (before, now) {
            (_, Some(cause)) if before != now => self.report(FactKind::Unable, cause, group, String::new(), None),
            (Some(cause), None) if group.mine => {
                let cause = if cause == Cause::OffLink { cause } else { Cause::Link };
                self.report(FactKind::Able, cause, group, String::new(), None);
            }
            _ => {}
        }
    }

    /// Tell that this node has begun to ask to be relieved, unless it has been already.
    pub(super) fn report_offer(&mut self, group: &Group, before: Option<Offer>) {
        if let Some(Offer { cause, .. }) = group.offer
            && before.is_none_or(|before| before.cause != cause)
        {
            self.report(FactKind::Offered, cause, group, String::new(), None);
        }
    }

    /// Say in the beacons how this node stands to a group.
    pub(super) fn declare(&mut self, group: &Group) {
        let off_link = group.off_link;
        let standing = match (group.offer, group.unable) {
            (Some(offer), _) if group.held => Standing::Offers { off_link, reason: offer::code(offer.cause) },
            _ if group.held => Standing::Holds(off_link),
            _ if !group.mine => Standing::Gone,
            (_, Some(cause)) => Standing::Unable(code(cause)),
            _ => Standing::Able(off_link),
        };
        // Only an announcer's term is news; the others would repeat every takeover to everybody.
        let term = if group.held { group.term } else { 0 };
        for address in &group.spec.addresses {
            self.claims.set(*address, term, standing);
        }
    }

    pub(super) fn report(
        &mut self,
        kind: FactKind,
        cause: Cause,
        group: &Group,
        peer: String,
        silent_for: Option<Duration>,
    ) {
        self.outcomes.push(Outcome { peer, silent_for, ..outcome(kind, cause, group) });
    }
}

pub(super) fn outcome(kind: FactKind, cause: Cause, group: &Group) -> Outcome {
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
