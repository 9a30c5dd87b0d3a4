//! What each event means.

use core::time::Duration;
use std::net::IpAddr;

use metalev_wire::MacAddr;
use metalev_wire::ethernet::{EtherType, Frame, HEADER_LEN};

use super::Engine;
use crate::event::Action;
use crate::event::{Cause, Datagram, DropReason, Event, Fact, FactKind, Host, Interface};
use crate::herald::{Content, Herald};
use crate::links::LinkChanges;
use crate::peer::{Path, Source};
use crate::peers::Heard;
use crate::pulse::Wake;
use crate::{Table, Time, responder, words};

/// An Ethernet frame with its header, as long as it may be without jumbo frames: a beacon, the longest of what is spoken
/// here, has room in it.
const LONGEST_FRAME: usize = HEADER_LEN + 1_500;

impl Engine {
    /// Notice the time, and what was missed if it is late.
    pub(super) fn wake(&mut self, now: Time) {
        match self.pulse.wake(now, self.deadline) {
            Wake::InTime => {}
            Wake::Late(late) => self.peers.excuse(late),
            Wake::Overslept(slept) => {
                self.outbox.push_back(Action::DiscardQueued);
                let message = words::overslept(slept, self.pulse.promise());
                self.report(Fact::new(FactKind::Overslept, now, Cause::Overslept, message));
                self.foreign.restart(now);
                let outcomes = self.ownership.drop_all(Cause::Overslept);
                self.settle(now, outcomes);
                // Nobody is blamed, but what they said meanwhile is lost, their new intervals with it: each is asked, by
                // beacons that say it is not heard, and has the time of listening to answer.
                for (peer, path, arrived_on) in self.peers.forget_hearing() {
                    self.report_peer(FactKind::PeerLost, now, Cause::Overslept, &peer, path, arrived_on, None);
                }
            }
        }
    }

    /// Learn what is not heard but told, and say nothing: what was ordered to be silent hears nothing either.
    pub(super) fn in_silence(&mut self, now: Time, event: Event<'_>) {
        match event {
            Event::Frame { .. } | Event::Datagram(_) | Event::Drill(_) | Event::Woke | Event::Tick => {}
            Event::Table(table) => self.table(now, table),
            Event::Interfaces(interfaces) => self.interfaces(now, interfaces),
            Event::Host(host) => self.host(now, host),
            Event::Stop => {
                let outcomes = self.ownership.drop_all(Cause::Stopping);
                self.settle(now, outcomes);
                self.end(now);
                return;
            }
        }
        // An order that was withdrawn is over at once.
        self.deadline = Some(self.silence.until(now).unwrap_or(now));
    }

    pub(super) fn table(&mut self, now: Time, table: Table) {
        self.silence.order(now, table.silence.as_ref());
        if self.peers.set(&table.peers, table.keys) {
            self.misfits.forget();
        }
        self.foreign.begin(&table.groups);
        let removed = self.ownership.set(table.groups, &self.links, &self.peers);
        self.responder.forget(&removed);
        self.probing(now, &table.probing, &removed);
        self.listen_for_all();
        if !self.pulse.started() && self.peers.signing_key().is_some() {
            self.pulse.start(now);
        }
    }

    pub(super) fn interfaces(&mut self, now: Time, interfaces: Vec<Interface>) {
        let LinkChanges { came, went, renewed, readdressed, gateways } = self.links.set(now, interfaces);
        if !came.is_empty() {
            self.foreign.restart(now);
        }
        let up = came.into_iter().chain(readdressed).map(|link| (FactKind::InterfaceUp, link));
        for (kind, link) in up.chain(went.into_iter().map(|link| (FactKind::InterfaceDown, link))) {
            let message = words::interface(kind, &link);
            let addresses = link.addresses.into_iter().map(|(address, _)| address).collect();
            self.report(Fact { interface: link.name, addresses, ..Fact::new(kind, now, Cause::Link, message) });
        }
        for (interface, addresses) in gateways {
            let message = words::gateways(&interface, &addresses);
            self.report(Fact { addresses, interface, ..Fact::new(FactKind::Gateways, now, Cause::Link, message) });
        }
        self.listen_for_all();
        self.ownership.place(&self.links, &renewed);
        self.watch();
    }

    pub(super) fn host(&mut self, now: Time, host: Host) {
        for (kind, addresses) in self.links.set_host(host) {
            let message = host_words(kind, &addresses);
            self.report(Fact { addresses, ..Fact::new(kind, now, Cause::Link, message) });
        }
        self.ownership.place(&self.links, &[]);
    }

    /// Answers whether anything may be due now that was not before.
    pub(super) fn frame(&mut self, now: Time, interface: u32, bytes: &[u8], waited: Duration) -> bool {
        let Ok(frame) = Frame::new_checked(bytes) else {
            self.responder.count_drop(DropReason::Malformed);
            return false;
        };
        if let Some(reason) = self.unfit(interface, &frame, bytes.len()) {
            self.responder.count_drop(reason);
            if reason == DropReason::LoopedBack && frame.ethertype() == EtherType::BEACON {
                self.own_mac(now, interface, frame.src(), frame.into_payload());
            }
            return false;
        }
        match frame.ethertype() {
            EtherType::ARP | EtherType::IPV6 => self.question(now, interface, &frame),
            EtherType::BEACON => {
                let from = Source::Mac(frame.src());
                self.beacon(now, waited, Path::Interface(interface), interface, from, frame.into_payload())
            }
            _ => {
                self.responder.count_drop(DropReason::Malformed);
                false
            }
        }
    }

    /// Why a frame is not worth a look, if it is not.
    fn unfit(&self, interface: u32, frame: &Frame<&[u8]>, len: usize) -> Option<DropReason> {
        match () {
            () if len > LONGEST_FRAME => Some(DropReason::Oversized),
            () if frame.ethertype().is_tag() => Some(DropReason::Vlan),
            () if self.links.get(interface).is_some_and(|link| link.mac == frame.src()) => Some(DropReason::LoopedBack),
            () => None,
        }
    }

    /// The same for a datagram.
    pub(super) fn datagram(&mut self, now: Time, datagram: Datagram<'_>) -> bool {
        let from = Source::Ip(datagram.from.ip().to_canonical());
        self.beacon(now, datagram.waited, Path::Udp, datagram.interface, from, datagram.bytes)
    }

    /// Answers whether anything changed by it.
    pub(super) fn question(&mut self, now: Time, interface: u32, frame: &Frame<&[u8]>) -> bool {
        // A frame may still be queued from an interface that has just gone.
        let Some(link) = self.links.get(interface) else {
            return false;
        };
        let may_answer = self.pulse.may_answer(now);
        let to_all = frame.ethertype() == EtherType::IPV6 && frame.dst().is_multicast();
        let outcome = match frame.ethertype() {
            EtherType::IPV6 => self.responder.ndp(link, frame, may_answer),
            _ => self.responder.arp(link, frame, may_answer),
        };
        match outcome {
            responder::Outcome::Answer(action) => {
                self.outbox.push_back(action);
                return self.asked_in_person(now, interface, frame);
            }
            responder::Outcome::Claim(seen) => {
                return self.give_way(now, interface, seen.address, seen.mac)
                    || self.sighted(now, interface, seen, to_all);
            }
            responder::Outcome::Noted(seen, action) => {
                self.outbox.push_back(action);
                return self.sighted(now, interface, seen, to_all);
            }
            responder::Outcome::Said(seen) => return self.sighted(now, interface, seen, to_all),
            responder::Outcome::Drop(_) => {}
        }
        false
    }

    /// Leave an address to a speaker that is no peer and that is to have it. Its first frames are unasked ones, so none
    /// of its answers comes before this node falls silent. Answers whether that happened.
    fn give_way(&mut self, now: Time, interface: u32, address: IpAddr, mac: MacAddr) -> bool {
        // Where a peer has ended, the stranger has its MAC address.
        let peer_lives = self.peers.by_mac(mac).is_some_and(|name| self.peers.alive_on(name, &[interface]));
        if peer_lives || self.links.has_mac(mac) {
            return false;
        }
        let outcomes = self.ownership.give_way(address);
        let gave = !outcomes.is_empty();
        self.settle(now, outcomes);
        gave
    }

    /// Answers whether anything may be due now that was not before: most beacons only say that their sender lives.
    pub(super) fn beacon(
        &mut self,
        now: Time,
        waited: Duration,
        path: Path,
        arrived_on: u32,
        from: Source,
        bytes: &[u8],
    ) -> bool {
        let displaced = self.peers.displaced_until(now);
        let received = self.peers.receive(now, now - waited, path, arrived_on, from, bytes);
        let plain = received.as_ref().is_ok_and(Heard::is_plain) && displaced.is_none();
        match received {
            Ok(heard) => self.heard(now, path, arrived_on, &heard),
            Err(refusal) => {
                self.responder.count_drop(refusal.reason);
                if let Some((cause, name)) = refusal.misfit {
                    if refusal.answer {
                        self.herald.hurry(&name);
                    }
                    self.misfit(now, cause, arrived_on, from, &name);
                }
            }
        }
        let myself = Source::Mac(MacAddr::ZERO);
        if self.peers.displaced_until(now).is_some() && self.misfits.note(now, Cause::SameName, myself) {
            let message = words::displaced(&self.node);
            let peer = self.node.clone();
            self.report_misfit(myself, Fact { peer, ..Fact::new(FactKind::Unheeded, now, Cause::SameName, message) });
        }
        !plain
    }

    /// Tell of a beacon that is not heeded, once for each sender.
    fn misfit(&mut self, now: Time, cause: Cause, interface: u32, from: Source, name: &str) {
        if !self.misfits.note(now, cause, from) {
            return;
        }
        let who = self.peers.by_source(from).unwrap_or_default().to_owned();
        let interface = self.links.name(interface).to_owned();
        let message = words::misfit(cause, &words::sender(from, &who, &interface), name);
        let peer = if name.is_empty() { who } else { name.to_owned() };
        let fact = Fact { peer, interface, ..Fact::new(FactKind::Unheeded, now, cause, message) };
        self.report_misfit(from, fact);
    }

    fn report_misfit(&mut self, from: Source, fact: Fact) {
        let (mac, addresses) = match from {
            Source::Mac(mac) => (Some(mac), Vec::new()),
            Source::Ip(ip) => (None, vec![ip]),
        };
        let fact = Fact { addresses, mac, ..fact };
        self.misfits.tell(fact.cause, from, &fact);
        self.report(fact);
    }

    /// Tell of those who are heeded again, or gone; and of those who have one MAC address only since they are heard.
    pub(super) fn look_at_misfits(&mut self, now: Time) {
        for (interface, mac, other, peer) in self.peers.namesakes() {
            self.same_mac(now, interface, mac, &peer, &other);
        }
        let (links, peers) = (&self.links, &self.peers);
        let still = |cause, from| match from {
            Source::Mac(mac) if cause == Cause::SameMac => peers.living_with(mac) + usize::from(links.has_mac(mac)) > 1,
            _ => false,
        };
        for told in self.misfits.over(now, still) {
            let message = words::misfit_over(&told);
            self.report(Fact { kind: FactKind::UnheededOver, at: now, message, ..told });
        }
    }

    /// Two peers that are heard under one MAC address: the switch sends what is for the one to the other.
    fn same_mac(&mut self, now: Time, interface: u32, mac: MacAddr, peer: &str, other: &str) {
        let from = Source::Mac(mac);
        if self.misfits.note(now, Cause::SameMac, from) {
            let interface = self.links.name(interface).to_owned();
            let message =
                words::misfit(Cause::SameMac, &format!("{mac} on {interface}"), &format!("{peer} and {other}"));
            let peer = peer.to_owned();
            let fact = Fact { peer, interface, ..Fact::new(FactKind::Unheeded, now, Cause::SameMac, message) };
            self.report_misfit(from, fact);
        }
    }

    /// A beacon with our own MAC address: come back by a loop, or from a node that has the same.
    fn own_mac(&mut self, now: Time, interface: u32, mac: MacAddr, bytes: &[u8]) {
        if let Ok(beacon) = self.peers.read(bytes)
            && beacon.sender != self.node
        {
            let me = self.node.clone();
            self.same_mac(now, interface, mac, &beacon.sender, &me);
        }
    }

    pub(super) fn heard(&mut self, now: Time, path: Path, arrived_on: u32, heard: &Heard) {
        self.beacons_received += 1;
        let lags = self.peers.get(&heard.peer).is_some_and(|peer| peer.lags(self.ownership.claims().latest()));
        if heard.wants_answer || (heard.progressed && lags) {
            self.herald.hurry(&heard.peer);
        }
        if heard.awoke {
            if let Path::Interface(index) = path
                && let Some((other, mac)) = self.peers.namesake_of_mac(&heard.peer, index)
            {
                let other = other.to_owned();
                self.same_mac(now, index, mac, &heard.peer, &other);
            }
            self.report_peer(FactKind::PeerHeard, now, Cause::BeaconHeard, &heard.peer, path, arrived_on, None);
        }
        for left in &heard.left {
            self.report_peer(FactKind::PeerLost, now, Cause::Goodbye, &heard.peer, *left, arrived_on, None);
        }
        if heard.deaf {
            self.report_peer(FactKind::OneWay, now, Cause::NotHeard, &heard.peer, path, arrived_on, None);
        }
        heard.news.iter().for_each(|claim| self.ownership.hear(&heard.peer, claim));
        heard.forgotten.iter().for_each(|address| self.ownership.touch(*address));
        // Of hundreds that begin at once each has much to tell: what waits for all of them is looked at after the last.
        let told = !heard.news.is_empty() && self.peers.is_in_step(&heard.peer);
        if told && !self.peers.others_tell_beside(&heard.peer) {
            self.ownership.touch_waiting();
        }
        if heard.awoke || heard.turned || heard.undisputed || !heard.left.is_empty() {
            // Where nobody was ever heard, being heard anywhere has to do: that is over for all groups now.
            let first = heard.awoke && self.peers.count_on(arrived_on) == 1;
            self.stirred(&heard.peer, first || heard.undisputed);
        } else if heard.confirmed {
            self.ownership.touch_doubtful();
        }
        // Who knows what is asked of all peers only if it matters: with hundreds of them each acknowledges often.
        if heard.progressed && self.ownership.claims().any_gone() {
            self.ownership.forget_gone(self.peers.acknowledged_by_all());
        }
    }

    /// Have whoever listens do so for as long as it takes to get to know everybody.
    fn listen_for_all(&mut self) {
        let listening = self.timing.dead_time().max(Herald::acquaintance(&self.peers, &self.links));
        self.pulse.listen_for(listening);
        self.ownership.listen_for(listening);
    }

    /// See again who announces what a peer has to do with.
    pub(super) fn stirred(&mut self, peer: &str, everything: bool) {
        if everything {
            self.ownership.touch_all();
        } else {
            self.ownership.touch_peer(peer, &self.peers);
        }
    }

    /// Ask to be relieved of everything; what follows comes with the time.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        self.ownership.stop();
    }

    /// Say goodbye, now that nothing is held any more: should anybody still think otherwise, the next takes over at once.
    pub(super) fn end(&mut self, now: Time) {
        self.herald.hurry_all(&self.peers);
        let listening = self.pulse.listening_until(now).is_some();
        let content = Content {
            me: &self.node,
            links: &self.links,
            claims: self.ownership.claims(),
            stated: self.pulse.stated(),
            listening,
            goodbye: true,
        };
        self.outbox.extend(self.herald.urgent(now, &mut self.peers, content));
        self.outbox.extend(self.responder.memberships().changes());
        self.pulse.stop();
        self.deadline = None;
        self.stopped = true;
    }
}

fn host_words(kind: FactKind, addresses: &[IpAddr]) -> String {
    let what = if kind == FactKind::HostGateways { "default gateways" } else { "own addresses" };
    let list = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let list = if list.is_empty() { "none" } else { &list };
    format!("this host's {what}, on all interfaces: {list}")
}
