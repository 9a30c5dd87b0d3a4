//! The thread that notices when the interfaces that may carry VIPs have changed.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use metalev_engine::Interface;

use crate::links::Selection;
use crate::mailbox::Mailbox;
use crate::netlink::{self, Changes};
use crate::{Error, clock, sys};

/// How long to wait before listing again after the kernel refused.
const RETRY: Duration = Duration::from_secs(1);
/// How often it may refuse in a row before that is an error of its own.
const REFUSALS: u32 = 10;

/// Lists anew after each change, level-based: what changed does not matter, only what is.
pub(crate) struct Watcher {
    selection: Selection,
    changes: Changes,
    alarm: sys::Alarm,
    epoll: sys::Epoll,
    known: Vec<Interface>,
    refusals: u32,
}

const CHANGES: u64 = 0;
const ALARM: u64 = 1;
const STOP: u64 = 2;

impl Watcher {
    /// Subscribe, then list: what changes in between is listed again.
    pub(crate) fn start(selection: Selection) -> Result<Self, Error> {
        let changes = Changes::subscribe().map_err(|e| Error::system("subscribe to changes of interfaces", e))?;
        let listing = netlink::list().map_err(|e| Error::system("list the interfaces", e))?;
        selection.check(&listing)?;
        let known = selection.eligible(listing);
        let woken = |e| Error::system("wait for changes of interfaces", e);
        let (alarm, epoll) = (sys::Alarm::new().map_err(woken)?, sys::Epoll::new().map_err(woken)?);
        epoll.add(changes.as_fd(), CHANGES).map_err(woken)?;
        epoll.add(alarm.as_fd(), ALARM).map_err(woken)?;
        Ok(Self { selection, changes, alarm, epoll, known, refusals: 0 })
    }

    /// The interfaces as of the last listing.
    pub(crate) fn known(&self) -> &[Interface] {
        &self.known
    }

    /// Post every new list to the engine, until `stop` rings.
    pub(crate) fn run(mut self, mailbox: &Mailbox, stop: &sys::Bell) -> io::Result<()> {
        self.epoll.add(stop.as_fd(), STOP)?;
        let mut ready = Vec::new();
        loop {
            self.epoll.wait(&mut ready)?;
            if ready.contains(&STOP) {
                return Ok(());
            }
            if ready.is_empty() {
                continue;
            }
            self.alarm.acknowledge();
            self.changes.acknowledge();
            self.look(mailbox)?;
        }
    }

    fn look(&mut self, mailbox: &Mailbox) -> io::Result<()> {
        match netlink::list() {
            Ok(listing) => {
                self.refusals = 0;
                let found = self.selection.eligible(listing);
                if found != self.known {
                    self.known.clone_from(&found);
                    mailbox.put_interfaces(found);
                }
                Ok(())
            }
            Err(_) if self.refusals < REFUSALS => {
                self.refusals += 1;
                self.alarm.set(Some((clock::now() + RETRY).nanos()))
            }
            Err(e) => Err(io::Error::other(format!("cannot list the interfaces: {e}"))),
        }
    }
}
