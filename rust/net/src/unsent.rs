//! What the kernel did not take, and what is told of it: each trouble at once, and again when it still lasts after a while.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use metalev_engine::{Cause, Fact, FactKind, Time};

/// After how long the same trouble is told again.
const AGAIN: Duration = Duration::from_secs(600);

/// After how long it is no moment's trouble any more, as when an interface goes away: it is told to last.
const LASTING: Duration = Duration::from_secs(5);

/// After how long without a refusal it is over. Somebody is told that this node lives every second, on every way.
const QUIET: Duration = Duration::from_secs(10);

/// Ways and errors remembered: there are a few interfaces and a few errors.
const REMEMBERED: usize = 256;

/// Frames or datagrams that the kernel refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// How many.
    pub count: usize,
    /// The last error's number; 0 without any.
    pub errno: i32,
}

impl Refused {
    /// These and those.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { count: self.count + other.count, errno: if other.count > 0 { other.errno } else { self.errno } }
    }

    /// One, for this reason; none if it was taken.
    pub fn by(result: io::Result<()>) -> Self {
        result.map_or_else(|e| Self { count: 1, errno: e.raw_os_error().unwrap_or(0) }, |()| Self::default())
    }
}

/// One trouble: what is refused on one way with one error.
#[derive(Debug)]
struct Trouble {
    since: Time,
    last: Time,
    told: Time,
    /// Whether it was told that it lasts.
    lasts: bool,
}

/// Counts them and remembers what was told.
#[derive(Debug, Default)]
pub(crate) struct Unsent {
    pub(crate) count: u64,
    troubles: BTreeMap<(String, i32), Trouble>,
}

impl Unsent {
    /// Take note of what was refused on `way`, an interface or a destination of datagrams. Answers what is to be told.
    pub(crate) fn note(&mut self, now: Time, way: &str, refused: Refused) -> Option<Fact> {
        if refused.count == 0 {
            return None;
        }
        self.count += refused.count as u64;
        let key = (way.to_owned(), refused.errno);
        let error = io::Error::from_raw_os_error(refused.errno);
        let message = format!("the kernel does not send what goes out by {way}: {error}; {}", cure(refused.errno));
        let Some(known) = self.troubles.get_mut(&key) else {
            if self.troubles.len() >= REMEMBERED {
                self.troubles.retain(|_, trouble| trouble.lasts);
            }
            if self.troubles.len() < REMEMBERED {
                self.troubles.insert(key, Trouble { since: now, last: now, told: now, lasts: false });
            }
            return Some(fact(FactKind::Unsent, now, way, message));
        };
        if now.since(known.last) >= QUIET && !known.lasts {
            known.since = now;
        }
        known.last = now;
        if now.since(known.since) >= LASTING && !known.lasts {
            (known.lasts, known.told) = (true, now);
            return Some(fact(FactKind::UnsentLasts, now, way, message));
        }
        let again = now.since(known.told) >= AGAIN;
        if again {
            known.told = now;
        }
        again.then(|| fact(FactKind::Unsent, now, way, message))
    }

    /// The ways on which what was told to last is over, whatever the errors were.
    pub(crate) fn over(&mut self, now: Time) -> Vec<Fact> {
        if self.troubles.is_empty() {
            return Vec::new();
        }
        let silent = |trouble: &Trouble| now.since(trouble.last) >= QUIET;
        let (mut over, mut goes_on) = (BTreeSet::new(), BTreeSet::new());
        for ((way, _), trouble) in self.troubles.iter().filter(|(_, trouble)| trouble.lasts) {
            if silent(trouble) {
                over.insert(way.clone())
            } else {
                goes_on.insert(way.clone())
            };
        }
        over.retain(|way| !goes_on.contains(way));
        let ended = self.troubles.iter_mut().filter(|((way, _), _)| over.contains(way));
        ended.for_each(|(_, trouble)| trouble.lasts = false);
        let told = over.iter().map(|way| {
            let message = format!("the kernel refuses nothing any more of what goes out by {way}");
            fact(FactKind::UnsentOver, now, way, message)
        });
        told.collect()
    }
}

fn fact(kind: FactKind, at: Time, way: &str, message: String) -> Fact {
    Fact {
        kind,
        at,
        cause: Cause::Refused,
        message,
        group: None,
        addresses: Vec::new(),
        term: 0,
        peer: String::new(),
        interface: way.to_owned(),
        mac: None,
        patience: Duration::ZERO,
    }
}

/// What to do about it.
fn cure(errno: i32) -> &'static str {
    match errno {
        libc::EPERM | libc::EACCES => {
            "a firewall or a security module of this host forbids it: let out UDP 7946 (nft list ruleset, chain output); \
             beacons go on by the other ways"
        }
        libc::ENOBUFS | libc::EAGAIN | libc::ENOMEM => {
            "its queue is full: look at what floods it (tc -s qdisc); beacons and announcements come again"
        }
        libc::ENETDOWN | libc::ENXIO | libc::ENODEV => "it is down or gone: what can goes by the other ways",
        libc::ENETUNREACH | libc::EHOSTUNREACH => {
            "there is no route: look at ip route get, and at the InternalIP of the Node"
        }
        libc::EMSGSIZE => "its MTU is too small for a beacon: it takes 1,500",
        _ => "beacons and announcements come again, and go by the other ways meanwhile",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    fn refused(errno: i32) -> Refused {
        Refused { count: 3, errno }
    }

    #[test]
    fn every_refusal_is_counted_and_the_same_trouble_told_once_in_a_while() {
        let mut unsent = Unsent::default();
        assert!(unsent.note(at(0), "eth0", refused(libc::ENOBUFS)).is_some());
        assert!(unsent.note(at(1), "eth0", refused(libc::ENOBUFS)).is_none());
        assert!(unsent.note(at(601), "eth0", refused(libc::ENOBUFS)).is_some());
        assert_eq!(unsent.count, 9);
    }

    /// What is told when the kernel refuses one frame in every second of these.
    fn told(unsent: &mut Unsent, seconds: core::ops::Range<u64>, errno: i32) -> Vec<FactKind> {
        let told = seconds.filter_map(|second| unsent.note(at(second), "eth0", refused(errno)));
        told.map(|fact| fact.kind).collect()
    }

    #[test]
    fn what_lasts_is_told_to_last_and_to_be_over() {
        let mut unsent = Unsent::default();
        assert_eq!(told(&mut unsent, 0..20, libc::ENOBUFS), [FactKind::Unsent, FactKind::UnsentLasts]);
        assert_eq!(unsent.over(at(28)), []);
        let over = unsent.over(at(29));
        assert_eq!((over.len(), over[0].kind, over[0].interface.as_str()), (1, FactKind::UnsentOver, "eth0"));
        assert_eq!(unsent.over(at(29)), []);
        assert_eq!(told(&mut unsent, 100..120, libc::ENOBUFS), [FactKind::UnsentLasts], "it has come back");
    }

    #[test]
    fn a_moment_s_trouble_is_told_once_and_has_no_end() {
        let mut unsent = Unsent::default();
        assert_eq!(told(&mut unsent, 0..4, libc::ENETDOWN), [FactKind::Unsent]);
        assert_eq!(told(&mut unsent, 60..64, libc::ENETDOWN), []);
        assert_eq!(unsent.over(at(100)), []);
    }

    #[test]
    fn a_way_is_free_again_when_none_of_its_errors_goes_on() {
        let mut unsent = Unsent::default();
        told(&mut unsent, 0..10, libc::ENOBUFS);
        told(&mut unsent, 0..20, libc::EPERM);
        assert_eq!(unsent.over(at(22)), []);
        assert_eq!(unsent.over(at(30)).len(), 1);
    }

    #[test]
    fn each_way_and_each_error_is_a_trouble_of_its_own() {
        let mut unsent = Unsent::default();
        assert!(unsent.note(at(0), "eth0", refused(libc::ENOBUFS)).is_some());
        assert!(unsent.note(at(0), "eth0", refused(libc::EPERM)).is_some());
        assert!(unsent.note(at(0), "udp", refused(libc::EPERM)).is_some());
    }

    #[test]
    fn a_refusal_says_where_why_and_what_to_do() {
        let fact = Unsent::default().note(at(0), "udp", refused(libc::EPERM)).unwrap();
        assert_eq!(
            fact.message,
            "the kernel does not send what goes out by udp: Operation not permitted (os error 1); a firewall or a \
             security module of this host forbids it: let out UDP 7946 (nft list ruleset, chain output); beacons go on \
             by the other ways"
        );
    }

    #[test]
    fn nothing_refused_is_nothing_told() {
        assert!(Unsent::default().note(at(0), "eth0", Refused::default()).is_none());
    }

    #[test]
    fn destinations_without_end_fill_no_memory() {
        let mut unsent = Unsent::default();
        (0..10_000).for_each(|n| assert!(unsent.note(at(0), &n.to_string(), refused(1)).is_some()));
        assert!(unsent.troubles.len() <= REMEMBERED);
    }
}
