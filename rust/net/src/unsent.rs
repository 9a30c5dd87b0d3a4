//! What the kernel did not take, and what is told of it: each trouble at once, and again when it still lasts after a while.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use metalev_engine::{Cause, Fact, FactKind, Time};

/// After how long the same trouble is told again.
const AGAIN: Duration = Duration::from_secs(600);

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

/// Counts them and remembers what was told.
#[derive(Debug, Default)]
pub(crate) struct Unsent {
    pub(crate) count: u64,
    told: BTreeMap<(String, i32), Time>,
}

impl Unsent {
    /// Take note of what was refused on `way`, an interface or a destination of datagrams. Answers what is to be told.
    pub(crate) fn note(&mut self, now: Time, way: &str, refused: Refused) -> Option<Fact> {
        if refused.count == 0 {
            return None;
        }
        self.count += refused.count as u64;
        let key = (way.to_owned(), refused.errno);
        if self.told.get(&key).is_some_and(|last| now.since(*last) < AGAIN) {
            return None;
        }
        if self.told.len() >= REMEMBERED {
            self.told.clear();
        }
        self.told.insert(key, now);
        let error = io::Error::from_raw_os_error(refused.errno);
        Some(Fact {
            kind: FactKind::Unsent,
            at: now,
            cause: Cause::Refused,
            message: format!("the kernel does not send what goes out by {way}: {error}; {}", cure(refused.errno)),
            group: None,
            addresses: Vec::new(),
            term: 0,
            peer: String::new(),
            interface: way.to_owned(),
            mac: None,
            patience: Duration::ZERO,
        })
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
        assert!(unsent.told.len() <= REMEMBERED);
    }
}
