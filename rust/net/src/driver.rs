//! The loop that owns the engine and its sockets: wait, feed, carry out.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use metalev_engine::{Action, Datagram, Engine, Event, Interface, Table, Time};

use crate::groups::Wish;
use crate::mailbox::Mailbox;
use crate::ports::{Ports, Token};
use crate::ranges::Interest;
use crate::udp::UdpSocket;
use crate::unsent::{Refused, Unsent};
use crate::waiting::{Crowd, Reading, Waiting};
use crate::{clock, sys};

/// How long after a failure to open the sockets of an interface again. The kernel's list of links decides meanwhile.
const REOPEN: Duration = Duration::from_millis(100);
/// How many batches a socket can hold at most, for a flood not to keep us from the end of the queue for ever.
const BATCHES_QUEUED: usize = 64;

/// Everything that the engine's thread has.
pub(crate) struct Driver {
    engine: Engine,
    mailbox: Arc<Mailbox>,
    groups: Arc<Wish>,
    epoll: sys::Epoll,
    alarm: sys::Alarm,
    udp: UdpSocket,
    ports: Ports,
    batch: sys::Batch,
    waiting: Waiting,
    crowd: Crowd,
    /// The interfaces that the kernel says may carry VIPs.
    wanted: Vec<Interface>,
    /// Those of them whose sockets are open: what the engine knows.
    open: Vec<Interface>,
    reopen_at: Option<Time>,
    unsent: Unsent,
    table: Table,
}

impl Driver {
    pub(crate) fn new(engine: Engine, mailbox: Arc<Mailbox>, groups: Arc<Wish>, udp: UdpSocket) -> io::Result<Self> {
        let (epoll, alarm) = (sys::Epoll::new()?, sys::Alarm::new()?);
        epoll.add(alarm.as_fd(), Token::Alarm.into())?;
        epoll.add(mailbox.as_fd(), Token::Mailbox.into())?;
        epoll.add(udp.as_fd(), Token::Udp.into())?;
        Ok(Self {
            engine,
            mailbox,
            groups,
            epoll,
            alarm,
            udp,
            ports: Ports::default(),
            batch: sys::Batch::new(),
            waiting: Waiting::new(Reading::now()),
            crowd: Crowd::new(clock::now()),
            wanted: Vec::new(),
            open: Vec::new(),
            reopen_at: None,
            unsent: Unsent::default(),
            table: Table::default(),
        })
    }

    /// Until asked to stop. An error is one of the descriptors to wait on, after which nothing works.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut ready = Vec::new();
        loop {
            self.attend()?;
            let deadline = self.engine.deadline().into_iter().chain(self.reopen_at).min();
            self.alarm.set(deadline.map(Time::nanos))?;
            self.epoll.wait(&mut ready)?;
            if self.turn(clock::now(), &mut ready) == Flow::Stop {
                // So that the last figures stay known.
                self.mailbox.answer(self.mailbox.take().counters_asked, self.engine.counters(), self.unsent.count);
                return Ok(());
            }
        }
    }

    /// Have quiet beacons wake us if the engine wants to hear them at once, or if so many come that they cannot wait.
    fn attend(&mut self) -> io::Result<()> {
        self.ports.watch(!self.engine.dozes() || self.crowd.is_there(), self.udp.quiet(), &self.epoll)
    }

    /// One wake-up. First the engine learns that it runs again: if it overslept, before it believes what queued meanwhile.
    /// Last comes the tick: nobody is given up whose beacon waits to be read.
    fn turn(&mut self, now: Time, ready: &mut [u64]) -> Flow {
        self.feed(now, Event::Woke);
        if self.reopen_at.is_some_and(|at| at <= now) {
            self.adopt(now, self.wanted.clone());
        }
        ready.sort_unstable();
        let ready: Vec<_> = ready.iter().map(|&number| Token::from(number)).collect();
        let reading = self.ports.reading(&ready, self.is_early(now));
        let emptied = Reading::now();
        for &token in &reading {
            match token {
                Token::Alarm => self.alarm.acknowledge(),
                Token::Mailbox => self.read_mail(now),
                Token::QuietUdp | Token::Udp => while_full(|| self.receive_datagrams(now, token)),
                Token::Quiet(interface) | Token::Beacon(interface) => {
                    while_full(|| self.receive_frames(now, token, interface));
                }
                Token::Arp(interface) | Token::Ndp(interface) => {
                    self.receive_frames(now, token, interface);
                }
            }
        }
        // What was read took its time; the thread may even have been stopped meanwhile.
        let later = now.max(clock::now());
        if reading.contains(&Token::QuietUdp) {
            self.waiting.emptied(emptied);
        } else if !self.is_early(later) {
            // Nobody is given up unheard: the next turn comes at once.
            return Flow::Continue;
        }
        self.feed(later, Event::Tick);
        self.unsent.over(now).into_iter().for_each(|fact| self.mailbox.report(fact));
        if self.engine.stopped() { Flow::Stop } else { Flow::Continue }
    }

    /// Whether nothing is due yet.
    fn is_early(&self, now: Time) -> bool {
        self.engine.deadline().is_none_or(|due| now < due)
    }

    fn read_mail(&mut self, now: Time) {
        let mail = self.mailbox.take();
        // First: what is the host's own must not be announced on an interface that has just come.
        if let Some(host) = mail.host {
            self.feed(now, Event::Host(host));
        }
        if let Some(interfaces) = mail.interfaces {
            self.adopt(now, interfaces);
        }
        if let Some(table) = mail.table {
            self.set_table(now, table);
        }
        for address in mail.drills {
            self.feed(now, Event::Drill(address));
        }
        if mail.stop {
            self.feed(now, Event::Stop);
        }
        // After a stop too, so that the last figures stay known.
        self.mailbox.answer(mail.counters_asked, self.engine.counters(), self.unsent.count);
    }

    /// The sockets show questions about an address before the engine may hold it.
    fn set_table(&mut self, now: Time, table: Table) {
        self.table.clone_from(&table);
        self.look_for(now);
        self.feed(now, Event::Table(table));
    }

    fn look_for(&mut self, now: Time) {
        for index in self.ports.set_interest(Interest::of(&self.table, &self.open)) {
            self.lose(now, index);
        }
    }

    /// Have sockets on exactly these interfaces and tell the engine of those where that worked.
    pub(crate) fn adopt(&mut self, now: Time, wanted: Vec<Interface>) {
        self.ports.retain(&wanted);
        let open: Vec<_> =
            wanted.iter().filter(|interface| self.ports.open(interface, &self.epoll).is_ok()).cloned().collect();
        self.reopen_at = (open.len() < wanted.len()).then(|| now + REOPEN);
        self.wanted = wanted;
        self.tell(now, open);
    }

    /// An interface whose socket fails carries nothing until that is mended.
    fn lose(&mut self, now: Time, index: u32) {
        self.ports.close(index);
        self.reopen_at = Some(now + REOPEN);
        let open = self.open.iter().filter(|interface| interface.index != index).cloned().collect();
        self.tell(now, open);
    }

    fn tell(&mut self, now: Time, open: Vec<Interface>) {
        if open != self.open {
            self.groups.retain(&open);
            let gateways =
                |links: &[Interface]| links.iter().flat_map(|link| link.gateways.clone()).collect::<Vec<_>>();
            let rerouted = gateways(&open) != gateways(&self.open);
            self.open.clone_from(&open);
            self.feed(now, Event::Interfaces(open));
            if rerouted {
                self.look_for(now);
            }
        }
    }

    /// One batch, and whether it was a full one: what is left is reported again by the next wait, after the timers.
    ///
    /// It is judged by the time at which it is in our hands: a thread that was stopped within a turn must not answer by
    /// the promise of before.
    fn receive_frames(&mut self, turn: Time, token: Token, interface: u32) -> bool {
        let Some(socket) = self.ports.get(token) else {
            return false;
        };
        let received = self.batch.receive(socket.as_fd());
        let at_hand = Reading::now();
        let now = turn.max(at_hand.now);
        let Ok(count) = received else {
            self.lose(now, interface);
            return false;
        };
        if matches!(token, Token::Quiet(_)) {
            self.crowd.count(now, count);
        }
        for at in 0..count {
            let sys::Message { bytes, arrived, .. } = self.batch.message(at);
            let waited = self.waiting.of(arrived, at_hand);
            self.engine.handle(now, Event::Frame { interface, bytes, waited });
        }
        self.carry_out();
        count == self.batch.room()
    }

    fn receive_datagrams(&mut self, turn: Time, token: Token) -> bool {
        let quiet = token == Token::QuietUdp;
        let Some(socket) = (if quiet { self.udp.quiet() } else { Some(self.udp.as_fd()) }) else {
            return false;
        };
        let Ok(count) = self.batch.receive(socket) else {
            // That of a datagram sent earlier, told late (an ICMP unreachable); reading has cleared it.
            return true;
        };
        let at_hand = Reading::now();
        let now = turn.max(at_hand.now);
        if quiet {
            self.crowd.count(now, count);
        }
        for at in 0..count {
            let sys::Message { bytes, from, interface, arrived } = self.batch.message(at);
            if let Some(from) = from {
                let waited = self.waiting.of(arrived, at_hand);
                self.engine.handle(now, Event::Datagram(Datagram { interface, from, bytes, waited }));
            }
        }
        self.carry_out();
        count == self.batch.room()
    }

    pub(crate) fn feed(&mut self, now: Time, event: Event<'_>) {
        self.engine.handle(now, event);
        self.carry_out();
    }

    /// Frames that follow one another on one interface leave together: the answers to a batch of questions do.
    fn carry_out(&mut self) {
        let (mut interface, mut frames) = (0, Vec::new());
        while let Some(action) = self.engine.poll() {
            if let Action::SendFrame { interface: index, bytes } = action {
                if index != interface {
                    self.send(interface, &mut frames);
                    interface = index;
                }
                frames.push(bytes);
            } else {
                self.send(interface, &mut frames);
                self.carry_out_one(action);
            }
        }
        self.send(interface, &mut frames);
    }

    // Link down, queue full, no route, a firewall: whatever it is, the next beacon or refresh tries again.
    fn send(&mut self, interface: u32, frames: &mut Vec<Vec<u8>>) {
        let refused = self.ports.send(interface, frames);
        frames.clear();
        if refused.count > 0 {
            let known = self.open.iter().find(|link| link.index == interface);
            let name = known.map_or_else(|| format!("interface {interface}"), |link| link.name.clone());
            self.tell_refused(&name, refused);
        }
    }

    fn tell_refused(&mut self, way: &str, refused: Refused) {
        if let Some(fact) = self.unsent.note(clock::now(), way, refused) {
            self.mailbox.report(fact);
        }
    }

    fn carry_out_one(&mut self, action: Action) {
        match action {
            Action::SendFrame { interface, bytes } => self.send(interface, &mut vec![bytes]),
            Action::SendDatagram { to, bytes } => {
                let refused = Refused::by(self.udp.send(to, &bytes));
                if refused.count > 0 {
                    self.tell_refused(&format!("UDP to {to}"), refused);
                }
            }
            Action::SetGroups { interface, groups } => self.groups.put(interface, groups),
            Action::DiscardQueued => self.discard_queued(),
            Action::Report(fact) => self.mailbox.report(fact),
        }
    }

    fn discard_queued(&mut self) {
        let Self { ports, udp, batch, .. } = self;
        let sockets = ports.sockets().map(AsFd::as_fd).chain([udp.as_fd()]).chain(udp.quiet());
        sockets.for_each(|socket| drain(batch, socket));
    }
}

/// Read beacons for as long as batches come full, but not for ever.
fn while_full(mut receive: impl FnMut() -> bool) {
    for _ in 0..BATCHES_QUEUED {
        if !receive() {
            return;
        }
    }
}

/// Whether the loop goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continue,
    Stop,
}

/// Empty a socket without a look at what it held. An error stays for the next reader.
fn drain(batch: &mut sys::Batch, socket: BorrowedFd<'_>) {
    for _ in 0..BATCHES_QUEUED {
        if !batch.receive(socket).is_ok_and(|count| count > 0) {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
