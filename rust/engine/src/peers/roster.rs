//! The peers, by name and by number.
//!
//! A peer's number is its place in the order of the names. What is kept for each of thousands of addresses goes by
//! numbers, for they are small and found at once; they are others once the list is another ([`Renumbered`]).

use std::collections::HashMap;
use std::sync::Arc;

use crate::peer::Peer;
use crate::table;

/// A peer's place in the list.
pub(crate) type Number = u32;

/// For each of the numbers that there were, the one that the same peer has now, if it is still there.
pub(crate) type Renumbered = Vec<Option<Number>>;

/// All peers in the order of their names.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    list: Vec<(Arc<str>, Peer)>,
    numbers: HashMap<Arc<str>, Number>,
}

impl Roster {
    /// Its number, if there is one of this name.
    pub(crate) fn number(&self, name: &str) -> Option<Number> {
        self.numbers.get(name).copied()
    }

    /// Who has this number.
    pub(crate) fn at(&self, number: Number) -> Option<(&str, &Peer)> {
        self.list.get(number as usize).map(|(name, peer)| (&**name, peer))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Peer> {
        self.at(self.number(name)?).map(|(_, peer)| peer)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Peer> {
        let number = self.number(name)?;
        self.list.get_mut(number as usize).map(|(_, peer)| peer)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Peer)> {
        self.list.iter().map(|(name, peer)| (&**name, peer))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Peer)> {
        self.list.iter_mut().map(|(name, peer)| (&**name, peer))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Peer> {
        self.list.iter().map(|(_, peer)| peer)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.list.iter_mut().map(|(_, peer)| peer)
    }

    /// Have exactly these listed; what is known of those that are there is kept, and who is no longer listed stays.
    pub(crate) fn list<'a>(&mut self, specs: impl Iterator<Item = &'a table::Peer>) -> Option<Renumbered> {
        let before = self.names();
        self.values_mut().for_each(|peer| peer.listed = false);
        for spec in specs {
            if let Some(peer) = self.get_mut(&spec.node) {
                peer.addresses.clone_from(&spec.addresses);
                peer.listed = true;
            } else {
                self.list.push((spec.node.as_str().into(), Peer::new(spec)));
            }
        }
        self.list.sort_by(|(one, _), (other, _)| one.cmp(other));
        // Of two under one name, which no adapter hands over, the first counts.
        self.list.dedup_by(|(later, _), (first, _)| later == first);
        self.renumber(&before)
    }

    /// Drop those that are neither listed nor alive.
    pub(crate) fn strike_off(&mut self) -> Option<Renumbered> {
        let stays = |peer: &Peer| peer.listed || peer.alive();
        if self.values().all(stays) {
            return None;
        }
        let before = self.names();
        self.list.retain(|(_, peer)| stays(peer));
        self.renumber(&before)
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.list.iter().map(|(name, _)| Arc::clone(name)).collect()
    }

    fn renumber(&mut self, before: &[Arc<str>]) -> Option<Renumbered> {
        if before.iter().eq(self.list.iter().map(|(name, _)| name)) {
            return None;
        }
        self.numbers = self.list.iter().map(|(name, _)| Arc::clone(name)).zip(0..).collect();
        Some(before.iter().map(|name| self.number(name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(names: &[&str]) -> Roster {
        let mut roster = Roster::default();
        set(&mut roster, names);
        roster
    }

    fn set(roster: &mut Roster, names: &[&str]) -> Option<Renumbered> {
        let specs: Vec<table::Peer> =
            names.iter().map(|name| table::Peer { node: (*name).to_owned(), addresses: vec![] }).collect();
        roster.list(specs.iter())
    }

    #[test]
    fn numbers_follow_the_order_of_the_names() {
        let roster = roster(&["b", "c", "a"]);
        assert_eq!(["a", "b", "c", "d"].map(|name| roster.number(name)), [Some(0), Some(1), Some(2), None]);
        assert_eq!(roster.at(1).map(|(name, _)| name), Some("b"));
    }

    #[test]
    fn a_newcomer_shifts_the_numbers_of_those_behind_it() {
        let mut roster = roster(&["a", "c"]);
        assert_eq!(set(&mut roster, &["a", "b", "c"]), Some(vec![Some(0), Some(2)]));
        assert_eq!(set(&mut roster, &["c", "b", "a"]), None);
    }

    #[test]
    fn who_is_struck_off_has_no_number_any_more() {
        let mut roster = roster(&["a", "b", "c"]);
        assert_eq!(set(&mut roster, &["a", "c"]), None);
        assert_eq!(roster.strike_off(), Some(vec![Some(0), None, Some(1)]));
        assert_eq!(roster.strike_off(), None);
    }

    #[test]
    fn what_is_known_of_a_peer_stays_with_its_name() {
        let mut roster = roster(&["b"]);
        roster.get_mut("b").unwrap().gone = true;
        set(&mut roster, &["a", "b"]);
        assert!(roster.get("b").unwrap().gone);
        assert!(!roster.get("a").unwrap().gone);
    }
}
