//! What the peers say of each address: one table for all of them.
//!
//! By address, because that is how it is asked: among hundreds of peers only the candidates of an address speak of it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use metalev_wire::beacon::{Claim, Standing};

/// Every peer's newest claim on every address of which it speaks.
#[derive(Debug, Default)]
pub(crate) struct Sayings {
    /// Of each address, in the order of the peers' names.
    by_address: HashMap<IpAddr, Vec<(Arc<str>, Claim)>>,
}

impl Sayings {
    /// What is said of an address, and by whom, in the order of the names.
    pub(crate) fn of(&self, address: IpAddr) -> impl Iterator<Item = (&str, &Claim)> {
        let there = self.by_address.get(&address).into_iter().flatten();
        there.map(|(who, claim)| (&**who, claim))
    }

    /// What one peer says of an address.
    pub(crate) fn by(&self, who: &str, address: IpAddr) -> Option<&Claim> {
        let there = self.by_address.get(&address)?;
        there.binary_search_by(|(other, _)| (**other).cmp(who)).ok().map(|index| &there[index].1)
    }

    /// A peer says something, or that it has nothing to say any more.
    pub(crate) fn learn(&mut self, who: &Arc<str>, claim: Claim) {
        if claim.standing == Standing::Gone {
            self.drop(who, claim.address);
            return;
        }
        let there = self.by_address.entry(claim.address).or_default();
        match there.binary_search_by(|(other, _)| other.cmp(who)) {
            Ok(index) => there[index].1 = claim,
            Err(index) => there.insert(index, (Arc::clone(who), claim)),
        }
    }

    fn drop(&mut self, who: &str, address: IpAddr) {
        if let Some(there) = self.by_address.get_mut(&address) {
            there.retain(|(other, _)| **other != *who);
            if there.is_empty() {
                self.by_address.remove(&address);
            }
        }
    }

    /// Forget all that a peer said. Answers the addresses.
    pub(crate) fn forget(&mut self, who: &str) -> Vec<IpAddr> {
        let spoken_of = self.by_address.keys().filter(|address| self.by(who, **address).is_some());
        let addresses: Vec<IpAddr> = spoken_of.copied().collect();
        for address in &addresses {
            self.drop(who, *address);
        }
        addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 168, 1, last])
    }

    fn claim(last: u8, standing: Standing) -> Claim {
        Claim { address: ip(last), term: 1, standing }
    }

    /// `b`, then `a` say something of one address, `a` of another.
    fn sayings() -> Sayings {
        let mut sayings = Sayings::default();
        sayings.learn(&"b".into(), claim(1, Standing::Able(0)));
        sayings.learn(&"a".into(), claim(1, Standing::Holds(0)));
        sayings.learn(&"a".into(), claim(2, Standing::Able(0)));
        sayings
    }

    #[test]
    fn what_is_said_of_an_address_comes_in_the_order_of_names() {
        let sayings = sayings();
        assert_eq!(sayings.of(ip(1)).map(|(who, _)| who).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(sayings.of(ip(3)).count(), 0);
    }

    #[test]
    fn only_the_newest_that_a_peer_said_counts() {
        let mut sayings = sayings();
        sayings.learn(&"b".into(), claim(1, Standing::Unable(2)));
        assert_eq!(sayings.by("b", ip(1)), Some(&claim(1, Standing::Unable(2))));
        assert_eq!(sayings.of(ip(1)).count(), 2);
    }

    #[test]
    fn of_what_is_gone_nothing_is_said_any_more() {
        let mut sayings = sayings();
        sayings.learn(&"a".into(), claim(2, Standing::Gone));
        assert_eq!((sayings.by("a", ip(2)), sayings.by_address.len()), (None, 1));
    }

    #[test]
    fn all_that_a_peer_said_is_forgotten_at_once() {
        let mut sayings = sayings();
        let mut forgotten = sayings.forget("a");
        forgotten.sort();
        assert_eq!(forgotten, [ip(1), ip(2)]);
        assert_eq!(sayings.of(ip(1)).map(|(who, _)| who).collect::<Vec<_>>(), ["b"]);
    }
}
