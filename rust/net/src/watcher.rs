//! The thread that notices when the interfaces that may carry VIPs, or the host's own addresses, have changed.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use metalev_engine::Time;

use crate::links::{Found, Selection};
use crate::mailbox::Mailbox;
use crate::netlink::{self, Changes, Gateway};
use crate::{Error, clock, sys};

/// How long to wait before listing again after the kernel refused.
const RETRY: Duration = Duration::from_secs(1);
/// How often it may refuse in a row before that is an error of its own.
const REFUSALS: u32 = 10;

/// How long to wait at least between two listings of the routes, and how many times as long as one took: a large table
/// costs a twentieth of a processor at most, however often links change.
const ROUTES_PAUSE: Duration = Duration::from_secs(1);
const ROUTES_SHARE: u32 = 20;

/// Lists anew after each change, level-based: what changed does not matter, only what is.
pub(crate) struct Watcher {
    selection: Selection,
    links: Changes,
    routes: Changes,
    alarm: sys::Alarm,
    epoll: sys::Epoll,
    known: Found,
    gateways: Vec<Gateway>,
    /// When the routes may be listed again.
    routes_at: Time,
    refusals: u32,
}

const LINKS: u64 = 0;
const ROUTES: u64 = 1;
const ALARM: u64 = 2;
const STOP: u64 = 3;

impl Watcher {
    /// Subscribe, then list: what changes in between is listed again.
    pub(crate) fn start(selection: Selection) -> Result<Self, Error> {
        let subscribing = |e| Error::system("subscribe to changes of interfaces", e);
        let links = Changes::of_links().map_err(subscribing)?;
        let routes = Changes::of_default_routes().map_err(subscribing)?;
        let listing = netlink::list().map_err(|e| Error::system("list the interfaces", e))?;
        selection.check(&listing)?;
        let gateways = netlink::gateways().map_err(|e| Error::system("list the routes", e))?;
        let known = selection.find(listing, &gateways);
        let woken = |e| Error::system("wait for changes of interfaces", e);
        let (alarm, epoll) = (sys::Alarm::new().map_err(woken)?, sys::Epoll::new().map_err(woken)?);
        for (fd, token) in [(links.as_fd(), LINKS), (routes.as_fd(), ROUTES), (alarm.as_fd(), ALARM)] {
            epoll.add(fd, token).map_err(woken)?;
        }
        Ok(Self { selection, links, routes, alarm, epoll, known, gateways, routes_at: clock::now(), refusals: 0 })
    }

    /// What there was as of the last listing.
    pub(crate) fn known(&self) -> &Found {
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
            self.links.acknowledge();
            self.routes.acknowledge();
            let again = self.look(mailbox)?;
            self.alarm.set(again.map(Time::nanos))?;
        }
    }

    /// List what there is; when to look again, if need be.
    fn look(&mut self, mailbox: &Mailbox) -> io::Result<Option<Time>> {
        match self.list() {
            Ok((found, again)) => {
                self.refusals = 0;
                self.tell(mailbox, found);
                Ok(again)
            }
            Err(_) if self.refusals < REFUSALS => {
                self.refusals += 1;
                Ok(Some(clock::now() + RETRY))
            }
            Err(e) => Err(io::Error::other(format!("cannot list the interfaces: {e}"))),
        }
    }

    fn tell(&mut self, mailbox: &Mailbox, found: Found) {
        if found.host != self.known.host {
            mailbox.put_host(found.host.clone());
        }
        if found.interfaces != self.known.interfaces {
            mailbox.put_interfaces(found.interfaces.clone());
        }
        self.known = found;
    }

    /// Links and addresses at once, routes when they may be listed again: links take theirs away without a word.
    fn list(&mut self) -> io::Result<(Found, Option<Time>)> {
        let listing = netlink::list()?;
        let started = clock::now();
        let again = (started < self.routes_at).then_some(self.routes_at);
        if again.is_none() {
            self.gateways = netlink::gateways()?;
            let took = clock::now().since(started);
            self.routes_at = clock::now() + ROUTES_PAUSE.max(took * ROUTES_SHARE);
        }
        Ok((self.selection.find(listing, &self.gateways), again))
    }
}
