//! Beacons that are not heeded, and who was told of already: each sender is named once, not with every beacon.

use std::collections::BTreeSet;

use crate::event::{Cause, DropReason};
use crate::peer::Source;

/// Senders remembered; one who varies its address makes the list start over, no more.
const REMEMBERED: usize = 256;

/// Why a beacon was dropped, and what is to be told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: DropReason,
    /// The cause to tell, if it is not an everyday one, and the node by whose name its sender goes, if that is proven.
    pub(crate) misfit: Option<(Cause, String)>,
    /// Whether the node of that name is to get a beacon at once: the other speaker hears by it that the name is taken.
    pub(crate) answer: bool,
}

impl Refusal {
    pub(crate) fn of(reason: DropReason, cause: Cause, name: &str) -> Self {
        Self { misfit: Some((cause, name.to_owned())), ..reason.into() }
    }
}

impl From<DropReason> for Refusal {
    fn from(reason: DropReason) -> Self {
        Self { reason, misfit: None, answer: false }
    }
}

/// Of whom was told, and why.
#[derive(Debug, Default)]
pub(crate) struct Misfits(BTreeSet<(Cause, Source)>);

impl Misfits {
    /// Whether this is news.
    pub(crate) fn note(&mut self, cause: Cause, from: Source) -> bool {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert((cause, from))
    }

    /// Somebody has changed the keys: whoever still does not fit is told of again.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn from(n: u32) -> Source {
        Source::Ip(IpAddr::V4(n.into()))
    }

    #[test]
    fn each_sender_and_cause_is_news_once() {
        let mut misfits = Misfits::default();
        assert!(misfits.note(Cause::OtherKey, from(1)));
        assert!(!misfits.note(Cause::OtherKey, from(1)));
        assert!(misfits.note(Cause::OtherVersion, from(1)));
        assert!(misfits.note(Cause::OtherKey, from(2)));
    }

    #[test]
    fn a_sender_that_varies_its_address_fills_no_memory() {
        let mut misfits = Misfits::default();
        let news = (0..100_000).filter(|n| misfits.note(Cause::OtherKey, from(*n))).count();
        assert_eq!(news, 100_000);
        assert!(misfits.0.len() <= REMEMBERED);
    }
}
