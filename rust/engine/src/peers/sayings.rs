//! What the peers say of each address: one table for all of them.
//!
//! By address, because that is how it is asked: among hundreds of peers only the candidates of an address speak of it.
//! By numbers instead of names, and nothing twice: five hundred nodes with five thousand addresses say fifty thousand
//! things, and each of them knows all.

use std::collections::HashMap;
use std::net::IpAddr;

use metalev_wire::beacon::{Claim, Standing};

use super::roster::{Number, Renumbered};

/// A claim without its address, and whose it is.
#[derive(Clone, Copy, Debug)]
struct Saying {
    who: Number,
    term: u64,
    standing: Standing,
}

/// Every peer's newest claim on every address of which it speaks.
#[derive(Debug, Default)]
pub(crate) struct Sayings {
    /// Of each address, in the order of the peers' numbers.
    by_address: HashMap<IpAddr, Vec<Saying>>,
}

impl Sayings {
    /// What is said of an address, and by whom, in the order of the numbers.
    pub(crate) fn of(&self, address: IpAddr) -> impl Iterator<Item = (Number, Claim)> {
        let there = self.by_address.get(&address).into_iter().flatten();
        there.map(move |saying| (saying.who, claim(address, *saying)))
    }

    /// What one peer says of an address.
    pub(crate) fn by(&self, who: Number, address: IpAddr) -> Option<Claim> {
        let there = self.by_address.get(&address)?;
        place(there, who).ok().map(|index| claim(address, there[index]))
    }

    /// A peer says something, or that it has nothing to say any more.
    pub(crate) fn learn(&mut self, who: Number, claim: Claim) {
        let Claim { address, term, standing } = claim;
        if standing == Standing::Gone {
            self.drop(who, address);
            return;
        }
        let there = self.by_address.entry(address).or_default();
        let saying = Saying { who, term, standing };
        match place(there, who) {
            Ok(index) => there[index] = saying,
            Err(index) => {
                if there.len() == there.capacity() {
                    // There are thousands of these lists, most of them short.
                    there.reserve_exact(2 + there.len() / 4);
                }
                there.insert(index, saying);
            }
        }
    }

    fn drop(&mut self, who: Number, address: IpAddr) {
        if let Some(there) = self.by_address.get_mut(&address) {
            there.retain(|saying| saying.who != who);
            if there.is_empty() {
                self.by_address.remove(&address);
            }
        }
    }

    /// Forget all that a peer said. Answers the addresses.
    pub(crate) fn forget(&mut self, who: Number) -> Vec<IpAddr> {
        let spoken_of = self.by_address.iter().filter(|(_, there)| place(there, who).is_ok());
        let addresses: Vec<IpAddr> = spoken_of.map(|(address, _)| *address).collect();
        for address in &addresses {
            self.drop(who, *address);
        }
        addresses
    }

    /// The peers have other numbers, in the same order; what those said that have none any more is forgotten.
    pub(crate) fn renumber(&mut self, numbers: &Renumbered) {
        let renumbered = |saying: &Saying| {
            let who = numbers.get(saying.who as usize).copied().flatten()?;
            Some(Saying { who, ..*saying })
        };
        self.by_address.retain(|_, there| {
            *there = there.iter().filter_map(renumbered).collect();
            !there.is_empty()
        });
    }
}

fn place(there: &[Saying], who: Number) -> Result<usize, usize> {
    there.binary_search_by_key(&who, |saying| saying.who)
}

fn claim(address: IpAddr, saying: Saying) -> Claim {
    Claim { address, term: saying.term, standing: saying.standing }
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

    const A: Number = 0;
    const B: Number = 1;

    /// B, then A say something of one address, A of another.
    fn sayings() -> Sayings {
        let mut sayings = Sayings::default();
        sayings.learn(B, claim(1, Standing::Able(0)));
        sayings.learn(A, claim(1, Standing::Holds(0)));
        sayings.learn(A, claim(2, Standing::Able(0)));
        sayings
    }

    #[test]
    fn what_is_said_of_an_address_comes_in_the_order_of_numbers() {
        let sayings = sayings();
        assert_eq!(sayings.of(ip(1)).map(|(who, _)| who).collect::<Vec<_>>(), [A, B]);
        assert_eq!(sayings.of(ip(3)).count(), 0);
    }

    #[test]
    fn only_the_newest_that_a_peer_said_counts() {
        let mut sayings = sayings();
        sayings.learn(B, claim(1, Standing::Unable(2)));
        assert_eq!(sayings.by(B, ip(1)), Some(claim(1, Standing::Unable(2))));
        assert_eq!(sayings.of(ip(1)).count(), 2);
    }

    #[test]
    fn of_what_is_gone_nothing_is_said_any_more() {
        let mut sayings = sayings();
        sayings.learn(A, claim(2, Standing::Gone));
        assert_eq!((sayings.by(A, ip(2)), sayings.by_address.len()), (None, 1));
    }

    #[test]
    fn all_that_a_peer_said_is_forgotten_at_once() {
        let mut sayings = sayings();
        let mut forgotten = sayings.forget(A);
        forgotten.sort();
        assert_eq!(forgotten, [ip(1), ip(2)]);
        assert_eq!(sayings.of(ip(1)).map(|(who, _)| who).collect::<Vec<_>>(), [B]);
    }

    #[test]
    fn what_peers_said_goes_with_them_to_their_new_numbers() {
        let mut sayings = sayings();
        sayings.renumber(&vec![Some(1), Some(4)]);
        assert_eq!(sayings.of(ip(1)).map(|(who, _)| who).collect::<Vec<_>>(), [1, 4]);
        sayings.renumber(&vec![None, None, None, None, Some(0)]);
        assert_eq!(sayings.of(ip(1)).map(|(who, _)| who).collect::<Vec<_>>(), [0]);
        assert_eq!(sayings.of(ip(2)).count(), 0);
    }
}
