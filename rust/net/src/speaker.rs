//! A speaker as its owner sees it: start, set, facts, stop.

use std::any::Any;
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use metalev_engine::{Config, Engine, Event, Fact, Table};

use crate::driver::Driver;
use crate::groups::Wish;
use crate::links::{Found, Selection};
use crate::mailbox::{Counters, Mailbox};
use crate::packet::PacketSocket;
use crate::udp::UdpSocket;
use crate::watcher::Watcher;
use crate::{Error, clock, sys};

/// How to start a speaker.
#[derive(Clone, Debug)]
pub struct Options {
    /// The node's name, as peers and candidates name it.
    pub node: String,
    /// Between two beacons to a peer that watches us closely.
    pub beacon_interval: Duration,
    /// After how many missed beacons a peer is dead.
    pub beacon_misses: u32,
    /// Between two gratuitous announcements of what is held, after the burst at a takeover; zero means none.
    pub refresh: Duration,
    /// For how long a better candidate has to be up before it takes a group back.
    pub hold_down: Duration,
    /// The UDP port of the beacons, the same on every node.
    pub port: u16,
    /// The names of the interfaces to use; empty means all but the excluded.
    pub interfaces: Vec<String>,
    /// Regular expressions; an interface whose name matches one, anywhere, is not used.
    pub exclude: Vec<String>,
}

impl Options {
    fn check(&self) -> Result<(), Error> {
        let wrong = if !(1..=253).contains(&self.node.len()) {
            "the node's name must have 1 to 253 octets"
        } else if self.beacon_interval.is_zero() {
            "the beacon interval must be longer than zero"
        } else if self.beacon_misses == 0 {
            "a peer must be allowed to miss at least one beacon"
        } else if self.port == 0 {
            "the beacon port must be one that the other nodes can know: not 0"
        } else {
            return Ok(());
        };
        Err(Error::Invalid(wrong.to_owned()))
    }
}

/// The engine at work on its own thread. Dropping it stops it.
pub struct Speaker {
    mailbox: Arc<Mailbox>,
    groups: Arc<Wish>,
    stop_links: Arc<sys::Bell>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Speaker {
    /// Open every socket, in this thread and so in its network namespace, and start.
    ///
    /// # Errors
    /// [`Error::Permission`] without `CAP_NET_RAW`, [`Error::PortInUse`], [`Error::UnknownInterface`],
    /// [`Error::Invalid`] for options that make no sense, [`Error::System`] for anything else that the kernel refuses.
    pub fn start(options: Options) -> Result<Self, Error> {
        options.check()?;
        let selection = Selection::new(options.interfaces, &options.exclude)?;
        PacketSocket::unbound().map_err(|e| Error::privileged("CAP_NET_RAW", "open a raw socket", e))?;
        let udp = UdpSocket::bind(options.port)?;
        let watcher = Watcher::start(selection)?;
        let engine = Engine::new(Config {
            node: options.node,
            nonce: nonce().map_err(|e| Error::system("draw random bits", e))?,
            beacon_interval: options.beacon_interval,
            misses: options.beacon_misses,
            refresh: options.refresh,
            hold_down: options.hold_down,
        });
        Self::spawn(engine, udp, watcher).map_err(|e| Error::system("start the engine's threads", e))
    }

    fn spawn(engine: Engine, udp: UdpSocket, watcher: Watcher) -> io::Result<Self> {
        let mailbox = Arc::new(Mailbox::new()?);
        let stop_links = Arc::new(sys::Bell::new()?);
        let groups = Arc::new(Wish::new()?);
        let mut driver = Driver::new(engine, Arc::clone(&mailbox), Arc::clone(&groups), udp)?;
        let Found { interfaces, host } = watcher.known().clone();
        driver.feed(clock::now(), Event::Host(host));
        driver.adopt(clock::now(), interfaces);
        // From here on a failure drops `speaker`, which ends the thread that did start.
        let speaker = Self { mailbox, groups, stop_links, threads: Mutex::default() };
        speaker.thread("metalev-engine", move |_| driver.run())?;
        let stop = Arc::clone(&speaker.stop_links);
        speaker.thread("metalev-links", move |mailbox| watcher.run(mailbox, &stop))?;
        let groups = Arc::clone(&speaker.groups);
        speaker.thread("metalev-groups", move |_| groups.run())?;
        Ok(speaker)
    }

    /// Run `body` on a thread whose end, however it comes, is never silent.
    fn thread(&self, name: &str, body: impl FnOnce(&Mailbox) -> io::Result<()> + Send + 'static) -> io::Result<()> {
        let mailbox = Arc::clone(&self.mailbox);
        let label = name.to_owned();
        let handle = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let ended = match catch_unwind(AssertUnwindSafe(|| body(&mailbox))) {
                Ok(Ok(())) => None,
                Ok(Err(e)) => Some(format!("thread {label}: {e}")),
                Err(panic) => Some(format!("thread {label} panicked: {}", panic_message(panic.as_ref()))),
            };
            mailbox.end(ended);
        })?;
        self.threads().push(handle);
        Ok(())
    }

    /// Hand over the whole table. Returns at once.
    pub fn set(&self, table: Table) {
        self.mailbox.put_table(table);
    }

    /// Wait for facts, oldest first; none after `timeout`, or once the speaker was stopped and all are fetched.
    ///
    /// # Errors
    /// [`Error::Ended`] once the engine ended by itself: nothing is announced any more, and the process should end too.
    pub fn facts(&self, timeout: Duration) -> Result<Vec<Fact>, Error> {
        self.mailbox.facts(timeout)
    }

    /// The counters as they are now, or as they were at the end.
    pub fn counters(&self) -> Counters {
        self.mailbox.counters()
    }

    /// Have the group of this address move, if somebody else can have it. Returns at once.
    pub fn drill(&self, address: IpAddr) {
        self.mailbox.put_drill(address);
    }

    /// Hand over what is held, for a second at most; say goodbye, close the sockets, join the threads. May be called
    /// twice.
    pub fn stop(&self) {
        self.mailbox.put_stop();
        let mut threads: Vec<_> = self.threads().drain(..).collect();
        // The engine's is the first. The others serve it to its end: it answers until somebody else does.
        threads.drain(..1.min(threads.len())).for_each(join);
        self.stop_links.ring();
        self.groups.stop();
        threads.into_iter().for_each(join);
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A panic was caught and is told by `facts`.
fn join(thread: JoinHandle<()>) {
    let _ = thread.join();
}

/// This life of the speaker, told apart from every other: zero means none on the wire.
fn nonce() -> io::Result<u64> {
    loop {
        match sys::random()? {
            0 => {}
            nonce => return Ok(nonce),
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle() -> Speaker {
        Speaker {
            mailbox: Arc::new(Mailbox::new().unwrap()),
            groups: Arc::new(Wish::new().unwrap()),
            stop_links: Arc::new(sys::Bell::new().unwrap()),
            threads: Mutex::default(),
        }
    }

    #[test]
    fn a_panic_of_a_thread_is_told_to_the_reader() {
        let speaker = idle();
        speaker.thread("metalev-engine", |_| panic!("slot {}", 7)).unwrap();
        assert_eq!(
            speaker.facts(Duration::MAX).unwrap_err().to_string(),
            "the announcing engine ended: thread metalev-engine panicked: slot 7"
        );
    }

    #[test]
    fn an_error_of_a_thread_is_told_to_the_reader() {
        let speaker = idle();
        speaker.thread("metalev-links", |_| Err(io::Error::other("no more links"))).unwrap();
        assert_eq!(
            speaker.facts(Duration::MAX).unwrap_err().to_string(),
            "the announcing engine ended: thread metalev-links: no more links"
        );
    }
}
