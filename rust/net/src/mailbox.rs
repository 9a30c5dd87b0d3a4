//! What threads leave for each other: the newest wish for the engine, the facts from it.

use std::collections::VecDeque;
use std::mem;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metalev_engine::{Fact, Host, Interface, Table};

use crate::{Error, sys};

/// How many facts wait for a reader. Beyond that the oldest go, and are counted.
const FACTS: usize = 65_536;
/// How long to wait for the engine's counters, before the last known ones have to do.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// By the engine.
    pub engine: metalev_engine::Counters,
    /// Frames and datagrams that the kernel did not take.
    pub unsent: u64,
    /// Facts that nobody fetched in time.
    pub facts_lost: u64,
}

/// What the engine's thread is asked; a later wish replaces an earlier one.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) table: Option<Table>,
    pub(crate) interfaces: Option<Vec<Interface>>,
    pub(crate) host: Option<Host>,
    /// Addresses whose groups are to move.
    pub(crate) drills: Vec<IpAddr>,
    /// Number of the newest request for counters.
    pub(crate) counters_asked: u64,
    pub(crate) stop: bool,
}

/// What it answers.
#[derive(Default)]
struct Outbox {
    facts: VecDeque<Fact>,
    facts_lost: u64,
    counters: Counters,
    counters_answered: u64,
    ended: Option<Ending>,
}

/// How the engine's thread, or that of the links, ended.
#[derive(Clone)]
enum Ending {
    Asked,
    ByItself(String),
}

/// Shared by the speaker and its two threads. No lock is held while anything waits or computes.
pub(crate) struct Mailbox {
    inbox: Mutex<Inbox>,
    bell: sys::Bell,
    outbox: Mutex<Outbox>,
    changed: Condvar,
}

impl Mailbox {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { inbox: Mutex::default(), bell: sys::Bell::new()?, outbox: Mutex::default(), changed: Condvar::new() })
    }

    // ===== to the engine =====

    pub(crate) fn put_table(&self, table: Table) {
        lock(&self.inbox).table = Some(table);
        self.bell.ring();
    }

    pub(crate) fn put_interfaces(&self, interfaces: Vec<Interface>) {
        lock(&self.inbox).interfaces = Some(interfaces);
        self.bell.ring();
    }

    pub(crate) fn put_host(&self, host: Host) {
        lock(&self.inbox).host = Some(host);
        self.bell.ring();
    }

    pub(crate) fn put_drill(&self, address: IpAddr) {
        lock(&self.inbox).drills.push(address);
        self.bell.ring();
    }

    pub(crate) fn put_stop(&self) {
        lock(&self.inbox).stop = true;
        self.bell.ring();
    }

    /// Everything asked since the last time.
    pub(crate) fn take(&self) -> Inbox {
        self.bell.acknowledge();
        let mut inbox = lock(&self.inbox);
        let next = Inbox { counters_asked: inbox.counters_asked, ..Inbox::default() };
        mem::replace(&mut inbox, next)
    }

    // ===== from the engine =====

    pub(crate) fn report(&self, fact: Fact) {
        let mut outbox = lock(&self.outbox);
        if outbox.facts.len() == FACTS {
            outbox.facts.pop_front();
            outbox.facts_lost += 1;
        }
        outbox.facts.push_back(fact);
        self.changed.notify_all();
    }

    /// Answer the request for counters with this number, and all before it.
    pub(crate) fn answer(&self, number: u64, engine: metalev_engine::Counters, unsent: u64) {
        let mut outbox = lock(&self.outbox);
        outbox.counters = Counters { engine, unsent, facts_lost: 0 };
        outbox.counters_answered = number;
        self.changed.notify_all();
    }

    /// A thread has ended, by itself if there is a reason. The first reason stays.
    pub(crate) fn end(&self, reason: Option<String>) {
        let mut outbox = lock(&self.outbox);
        if !matches!(outbox.ended, Some(Ending::ByItself(_))) {
            outbox.ended = Some(reason.map_or(Ending::Asked, Ending::ByItself));
        }
        self.changed.notify_all();
    }

    // ===== by the reader =====

    /// Wait for facts; none after `timeout`, nor once the engine was stopped and all are fetched.
    pub(crate) fn facts(&self, timeout: Duration) -> Result<Vec<Fact>, Error> {
        let idle = |outbox: &mut Outbox| outbox.facts.is_empty() && outbox.ended.is_none();
        let (mut outbox, _) =
            self.changed.wait_timeout_while(lock(&self.outbox), timeout, idle).unwrap_or_else(PoisonError::into_inner);
        match &outbox.ended {
            Some(Ending::ByItself(reason)) if outbox.facts.is_empty() => Err(Error::Ended(reason.clone())),
            _ => Ok(mem::take(&mut outbox.facts).into()),
        }
    }

    /// The counters as they are now, or as they were at the end.
    pub(crate) fn counters(&self) -> Counters {
        let number = {
            let mut inbox = lock(&self.inbox);
            inbox.counters_asked += 1;
            inbox.counters_asked
        };
        self.bell.ring();
        let waits = |outbox: &mut Outbox| outbox.counters_answered < number && outbox.ended.is_none();
        let (outbox, _) = self
            .changed
            .wait_timeout_while(lock(&self.outbox), PATIENCE, waits)
            .unwrap_or_else(PoisonError::into_inner);
        Counters { facts_lost: outbox.facts_lost, ..outbox.counters.clone() }
    }
}

impl AsFd for Mailbox {
    /// Readable when something was put in for the engine.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

/// A thread that panicked while it held the lock has left plain values behind, each whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use metalev_engine::{Cause, FactKind, Time};

    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn fact(number: u64) -> Fact {
        Fact {
            kind: FactKind::Took,
            at: Time::from_nanos(number),
            cause: Cause::FirstCandidate,
            message: String::new(),
            group: None,
            addresses: Vec::new(),
            term: number,
            peer: String::new(),
            interface: String::new(),
            mac: None,
            patience: Duration::ZERO,
        }
    }

    #[test]
    fn facts_come_in_their_order_and_once() {
        let mailbox = Mailbox::new().unwrap();
        mailbox.report(fact(1));
        mailbox.report(fact(2));
        assert_eq!(mailbox.facts(NOW).unwrap(), [fact(1), fact(2)]);
        assert_eq!(mailbox.facts(NOW).unwrap(), []);
    }

    #[test]
    fn facts_that_nobody_fetches_push_out_the_oldest_and_are_counted() {
        let mailbox = Mailbox::new().unwrap();
        (0..FACTS as u64 + 2).for_each(|number| mailbox.report(fact(number)));
        mailbox.end(None);
        assert_eq!(mailbox.counters().facts_lost, 2);
        let facts = mailbox.facts(NOW).unwrap();
        assert_eq!((facts.len(), facts[0].term), (FACTS, 2));
    }

    #[test]
    fn the_last_facts_come_before_the_news_of_the_end() {
        let mailbox = Mailbox::new().unwrap();
        mailbox.report(fact(1));
        mailbox.end(Some("thread x panicked: y".to_owned()));
        assert_eq!(mailbox.facts(NOW).unwrap(), [fact(1)]);
        assert_eq!(mailbox.facts(NOW).unwrap_err().to_string(), "the announcing engine ended: thread x panicked: y");
    }

    #[test]
    fn an_end_that_was_asked_for_does_not_hide_one_that_was_not() {
        let mailbox = Mailbox::new().unwrap();
        mailbox.end(Some("first".to_owned()));
        mailbox.end(None);
        assert!(mailbox.facts(NOW).is_err());
    }

    #[test]
    fn of_two_tables_the_newer_counts() {
        let mailbox = Mailbox::new().unwrap();
        let table = |node: &str| Table {
            peers: vec![metalev_engine::Peer { node: node.to_owned(), addresses: Vec::new() }],
            ..Table::default()
        };
        mailbox.put_table(table("old"));
        mailbox.put_table(table("new"));
        assert_eq!(mailbox.take().table, Some(table("new")));
        assert_eq!(mailbox.take().table, None);
    }

    #[test]
    fn of_two_lists_of_the_hosts_addresses_the_newer_counts() {
        let mailbox = Mailbox::new().unwrap();
        let host = |last| Host { addresses: vec![[192, 0, 2, last].into()], ..Host::default() };
        mailbox.put_host(host(1));
        mailbox.put_host(host(2));
        assert_eq!(mailbox.take().host, Some(host(2)));
        assert_eq!(mailbox.take().host, None);
    }
}
