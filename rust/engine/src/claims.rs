//! What this node says of its addresses, as a numbered list of changes.
//!
//! Every change gets the next revision. A beacon to a peer carries the changes since the revision that the peer has
//! acknowledged, as many as fit; the peer applies them in order and acknowledges. So a change reaches everybody in one
//! frame when it is small, a newcomer is brought up to date in as many as it takes, and nothing is repeated once heard.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use metalev_wire::beacon::{Claim, Standing};

/// This node's own claims.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    by_revision: BTreeMap<u64, Claim>,
    revision_of: HashMap<IpAddr, u64>,
    /// The revisions that say of an address that it is gone: few among thousands.
    gone: BTreeSet<u64>,
    latest: u64,
}

/// A part of the list of changes: those of revisions `since + 1 ..= through`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) since: u64,
    pub(crate) through: u64,
    pub(crate) latest: u64,
    pub(crate) claims: Vec<Claim>,
}

impl Claims {
    /// The newest revision; 0 before the first claim.
    pub(crate) fn latest(&self) -> u64 {
        self.latest
    }

    /// Whether anything is said to be gone that not everybody may know yet.
    pub(crate) fn any_gone(&self) -> bool {
        !self.gone.is_empty()
    }

    /// Say `standing` about `address` from now on. Answers whether that is news.
    pub(crate) fn set(&mut self, address: IpAddr, term: u64, standing: Standing) -> bool {
        let claim = Claim { address, term, standing };
        let old = self.revision_of.get(&address).copied();
        if old.is_none() && standing == Standing::Gone {
            // Of what was never said nothing has to be taken back: most nodes are candidates of few groups among many.
            return false;
        }
        if old.is_some_and(|revision| self.by_revision.get(&revision) == Some(&claim)) {
            return false;
        }
        if let Some(revision) = old {
            self.by_revision.remove(&revision);
            self.gone.remove(&revision);
        }
        self.latest += 1;
        if standing == Standing::Gone {
            self.gone.insert(self.latest);
        }
        self.by_revision.insert(self.latest, claim);
        self.revision_of.insert(address, self.latest);
        true
    }

    /// The changes since `acknowledged`, cut where their size on the wire exceeds `room` bytes.
    pub(crate) fn since(&self, acknowledged: u64, mut room: usize) -> Changes {
        let since = acknowledged.min(self.latest);
        let mut claims = Vec::new();
        let mut through = self.latest;
        for (revision, claim) in self.by_revision.range(since + 1..) {
            let Some(left) = room.checked_sub(claim.wire_len()) else {
                through = revision - 1;
                break;
            };
            room = left;
            claims.push(*claim);
        }
        Changes { since, through, latest: self.latest, claims }
    }

    /// Forget the addresses that are gone and that every peer who might still believe in them knows to be gone.
    pub(crate) fn forget_gone(&mut self, acknowledged_by_all: u64) {
        while let Some(revision) = self.gone.first().copied().filter(|revision| *revision <= acknowledged_by_all) {
            self.gone.remove(&revision);
            if let Some(claim) = self.by_revision.remove(&revision) {
                self.revision_of.remove(&claim.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: usize = 10_000;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 168, 1, last])
    }

    fn groups(changes: &Changes) -> Vec<IpAddr> {
        changes.claims.iter().map(|claim| claim.address).collect()
    }

    #[test]
    fn a_newcomer_gets_everything_in_the_order_in_which_it_came() {
        let mut claims = Claims::default();
        claims.set(ip(2), 1, Standing::Able(0));
        claims.set(ip(1), 1, Standing::Able(0));
        let changes = claims.since(0, PLENTY);
        assert_eq!(groups(&changes), [ip(2), ip(1)]);
        assert_eq!((changes.since, changes.through, changes.latest), (0, 2, 2));
    }

    #[test]
    fn only_the_newest_standing_of_a_group_is_told() {
        let mut claims = Claims::default();
        claims.set(ip(1), 1, Standing::Able(0));
        claims.set(ip(1), 2, Standing::Holds(0));
        let changes = claims.since(0, PLENTY);
        assert_eq!(changes.claims, [Claim { address: ip(1), term: 2, standing: Standing::Holds(0) }]);
        assert_eq!(changes.through, 2);
    }

    #[test]
    fn saying_the_same_again_is_no_news() {
        let mut claims = Claims::default();
        assert!(claims.set(ip(1), 1, Standing::Able(0)));
        assert!(!claims.set(ip(1), 1, Standing::Able(0)));
        assert_eq!(claims.latest(), 1);
    }

    #[test]
    fn an_address_of_which_nothing_was_said_is_not_said_to_be_gone() {
        let mut claims = Claims::default();
        assert!(!claims.set(ip(1), 0, Standing::Gone));
        assert_eq!(claims.latest(), 0);
    }

    #[test]
    fn what_is_acknowledged_is_not_repeated() {
        let mut claims = Claims::default();
        claims.set(ip(1), 1, Standing::Able(0));
        claims.set(ip(2), 1, Standing::Able(0));
        assert_eq!(groups(&claims.since(1, PLENTY)), [ip(2)]);
        assert_eq!(groups(&claims.since(2, PLENTY)), Vec::<IpAddr>::new());
    }

    #[test]
    fn a_list_too_long_for_one_beacon_is_cut_and_goes_on_from_there() {
        let mut claims = Claims::default();
        for last in 1..=5 {
            claims.set(ip(last), 1, Standing::Able(0));
        }
        let size = claims.since(0, PLENTY).claims[0].wire_len();
        let first = claims.since(0, 2 * size + 1);
        assert_eq!((groups(&first), first.through), (vec![ip(1), ip(2)], 2));
        let second = claims.since(first.through, PLENTY);
        assert_eq!((groups(&second), second.through), (vec![ip(3), ip(4), ip(5)], 5));
    }

    #[test]
    fn an_acknowledgement_from_the_future_is_taken_for_the_present() {
        let claims = Claims::default();
        assert_eq!(claims.since(7, PLENTY).since, 0);
    }

    #[test]
    fn a_group_that_is_gone_is_forgotten_once_everybody_knows() {
        let mut claims = Claims::default();
        claims.set(ip(1), 1, Standing::Holds(0));
        claims.set(ip(1), 1, Standing::Gone);
        claims.forget_gone(1);
        assert_eq!(claims.since(0, PLENTY).claims.len(), 1);
        claims.forget_gone(2);
        assert_eq!(claims.since(0, PLENTY).claims.len(), 0);
    }

    #[test]
    fn what_was_gone_and_is_back_is_not_forgotten() {
        let mut claims = Claims::default();
        claims.set(ip(1), 1, Standing::Holds(0));
        claims.set(ip(1), 1, Standing::Gone);
        claims.set(ip(1), 2, Standing::Holds(0));
        claims.forget_gone(3);
        assert_eq!(groups(&claims.since(0, PLENTY)), [ip(1)]);
    }
}
