//! Beacons that are not heeded, and who was told of already: each sender is named once, not with every beacon, and once
//! more when nothing of the kind was heard of it for a while.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::Time;
use crate::event::{Cause, DropReason, Fact};
use crate::peer::Source;

/// Senders remembered; one who varies its address makes the list start over, no more.
const REMEMBERED: usize = 256;

/// After how long it is over: whoever does not hear us speaks once a second.
const MEMORY: Duration = Duration::from_secs(60);

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
pub(crate) struct Misfits {
    known: BTreeMap<(Cause, Source), Misfit>,
    /// What was told of those that are not remembered any more.
    forgotten: Vec<Fact>,
}

#[derive(Debug)]
struct Misfit {
    last: Time,
    told: Option<Fact>,
}

impl Misfits {
    /// Whether this is news.
    pub(crate) fn note(&mut self, now: Time, cause: Cause, from: Source) -> bool {
        if let Some(known) = self.known.get_mut(&(cause, from)) {
            known.last = now;
            return false;
        }
        if self.known.len() >= REMEMBERED {
            self.forget();
        }
        self.known.insert((cause, from), Misfit { last: now, told: None });
        true
    }

    /// This is told of it.
    pub(crate) fn tell(&mut self, cause: Cause, from: Source, fact: &Fact) {
        if let Some(known) = self.known.get_mut(&(cause, from)) {
            known.told = Some(fact.clone());
        }
    }

    /// Somebody has changed the keys: whoever still does not fit is told of again.
    pub(crate) fn forget(&mut self) {
        let told = std::mem::take(&mut self.known).into_values().filter_map(|misfit| misfit.told);
        self.forgotten.extend(told);
        self.forgotten.truncate(REMEMBERED);
    }

    /// What was told and is over: of what is so `still`, nothing need be heard.
    pub(crate) fn over(&mut self, now: Time, still: impl Fn(Cause, Source) -> bool) -> Vec<Fact> {
        let mut over = std::mem::take(&mut self.forgotten);
        self.known.retain(|(cause, from), misfit| {
            if still(*cause, *from) {
                misfit.last = now;
            }
            let stays = now.since(misfit.last) < MEMORY;
            over.extend(misfit.told.take_if(|_| !stays));
            stays
        });
        over
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::event::FactKind;

    fn from(n: u32) -> Source {
        Source::Ip(IpAddr::V4(n.into()))
    }

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    /// One that was told of.
    fn told() -> (Misfits, Fact) {
        let mut misfits = Misfits::default();
        let fact = Fact::new(FactKind::Unheeded, at(0), Cause::OtherKey, "another key".into());
        misfits.note(at(0), Cause::OtherKey, from(1));
        misfits.tell(Cause::OtherKey, from(1), &fact);
        (misfits, fact)
    }

    #[test]
    fn each_sender_and_cause_is_news_once() {
        let mut misfits = Misfits::default();
        assert!(misfits.note(at(0), Cause::OtherKey, from(1)));
        assert!(!misfits.note(at(0), Cause::OtherKey, from(1)));
        assert!(misfits.note(at(0), Cause::OtherVersion, from(1)));
        assert!(misfits.note(at(0), Cause::OtherKey, from(2)));
    }

    #[test]
    fn it_is_over_after_a_minute_without_any_and_told_of_again_after_that() {
        let (mut misfits, fact) = told();
        misfits.note(at(30), Cause::OtherKey, from(1));
        assert_eq!(misfits.over(at(89), |_, _| false), []);
        assert_eq!(misfits.over(at(90), |_, _| false), [fact]);
        assert_eq!(misfits.over(at(200), |_, _| false), []);
        assert!(misfits.note(at(200), Cause::OtherKey, from(1)));
    }

    #[test]
    fn what_is_still_so_is_not_over_though_nothing_is_heard() {
        let (mut misfits, _) = told();
        assert_eq!(misfits.over(at(1_000), |cause, _| cause == Cause::OtherKey), []);
    }

    #[test]
    fn what_was_told_under_other_keys_is_over_with_them() {
        let (mut misfits, fact) = told();
        misfits.forget();
        assert_eq!(misfits.over(at(1), |_, _| false), [fact]);
    }

    #[test]
    fn a_sender_that_varies_its_address_fills_no_memory() {
        let mut misfits = Misfits::default();
        let news = (0..100_000).filter(|n| misfits.note(at(0), Cause::OtherKey, from(*n))).count();
        assert_eq!(news, 100_000);
        assert!(misfits.known.len() <= REMEMBERED && misfits.forgotten.len() <= REMEMBERED);
    }
}
