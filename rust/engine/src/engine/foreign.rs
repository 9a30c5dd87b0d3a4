//! What others on the wire have: addresses that are to be given away next, and addresses that this node holds.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use metalev_wire::MacAddr;
use metalev_wire::beacon::Standing;

use super::Engine;
use crate::conflicts::{Conflict, Conflicts, News};
use crate::defence::Defence;
use crate::event::{Action, Cause, Fact, FactKind};
use crate::links::{self, Links};
use crate::peer::Path;
use crate::peers::Peers;
use crate::prober::{AGAIN, Duty, Prober, Step};
use crate::sighting::{Form, Sighting};
use crate::table::{Group, Probing};
use crate::witness::Witness;
use crate::{Time, foreign_words as words, lot, questions};

/// All that is known and asked of it.
#[derive(Debug)]
pub(super) struct Foreign {
    prober: Prober,
    /// For what is about to be announced for the first time.
    first: Prober,
    conflicts: Conflicts,
    pub(super) defence: Defence,
    /// The addresses that a probe found nobody to have, and that nobody was seen to have since.
    clean: HashSet<IpAddr>,
    /// What was a VIP when this speaker started.
    before: Option<HashSet<IpAddr>>,
    /// Since when a peer's kernel answers for what its speaker does not hold.
    kernels: HashMap<IpAddr, Time>,
    pub(super) witness: Witness,
    /// Whether it is not yet known who lives: until then each would ask for everything.
    waits: bool,
}

impl Foreign {
    pub(super) fn new(nonce: u64) -> Self {
        Self {
            prober: Prober::new(nonce),
            first: Prober::hesitant(nonce),
            conflicts: Conflicts::default(),
            defence: Defence::default(),
            clean: HashSet::new(),
            before: None,
            kernels: HashMap::new(),
            witness: Witness::default(),
            waits: true,
        }
    }

    /// Remember what was a VIP at the first table.
    pub(super) fn begin(&mut self, groups: &[Group]) {
        self.before.get_or_insert_with(|| groups.iter().flat_map(|group| &group.addresses).copied().collect());
    }

    /// Answers may have been missed.
    pub(super) fn restart(&mut self, now: Time) {
        self.prober.restart(now);
        self.first.restart(now);
        self.witness.restart();
    }

    pub(super) fn witnessed(&self) -> Vec<(&'static str, u64)> {
        self.witness.found()
    }

    pub(super) fn probes_sent(&self) -> u64 {
        self.prober.sent() + self.first.sent()
    }

    fn cause_of(&self, address: IpAddr) -> Cause {
        match &self.before {
            _ if self.prober.asks_for(address) || self.first.asks_for(address) => Cause::Probe,
            Some(before) if before.contains(&address) => Cause::HeldBefore,
            _ => Cause::Frame,
        }
    }
}

impl Engine {
    /// Take over which addresses to ask for. Nobody's concern any more are those in none of both lists.
    pub(super) fn probing(&mut self, now: Time, probing: &Probing, removed: &[IpAddr]) {
        let foreign = &mut self.foreign;
        foreign.prober.set(&probing.addresses, now);
        foreign.defence.forget(removed);
        foreign.witness.set(&self.node, self.ownership.addresses(), now);
        if let Some(before) = &mut foreign.before {
            for address in removed {
                before.remove(address);
            }
        }
        foreign.clean.retain(|address| foreign.prober.asks_for(*address));
        foreign.kernels.retain(|address, _| foreign.prober.asks_for(*address));
        let known: HashSet<IpAddr> = self.ownership.addresses().collect();
        self.ownership.clearance.set(probing.full, |address| known.contains(&address));
        let (prober, ownership) = (&foreign.prober, &self.ownership);
        let over = foreign.conflicts.retain(|address| prober.asks_for(address) || ownership.knows(address));
        for conflict in over {
            self.over(now, &conflict, Cause::Unwanted);
        }
        self.watch();
    }

    /// Have it noticed who says what of the addresses that are asked for, and of the gateways.
    pub(super) fn watch(&mut self) {
        let gateways = self.links.iter().flat_map(|link| &link.gateways).copied();
        let Foreign { prober, first, .. } = &self.foreign;
        self.responder.watch(prober.addresses().chain(first.addresses()).chain(gateways).collect());
    }

    /// Somebody says that an address is theirs. Answers whether anything is due because of it.
    pub(super) fn sighted(&mut self, now: Time, interface: u32, seen: Sighting) -> bool {
        // This node itself, heard by another interface on the same segment.
        if self.links.has_mac(seen.mac) {
            return false;
        }
        if self.links.get(interface).is_some_and(|link| link.gateways.contains(&seen.address)) {
            let news = self.foreign.conflicts.see_gateway(interface, seen.address, seen.mac);
            return self.tell(now, news);
        }
        let asked = seen.form == Form::Answer && self.foreign.witness.hear(seen.address, seen.mac);
        // No stranger is a peer that takes over, whose frames may be faster than its beacon.
        if let Some(peer) = self.peers.by_mac(seen.mac).map(ToOwned::to_owned) {
            return self.sighted_peer(now, interface, seen, &peer);
        }
        let holds = self.responder.holds(seen.address);
        // Nobody was asked: this is no proxy's answer.
        let seen =
            if holds && !asked && seen.form == Form::Answer { Sighting { form: Form::Use, ..seen } } else { seen };
        let mut due = false;
        // Who probes for what is held was answered, and leaves it alone.
        if !(holds && seen.form == Form::Probe) {
            let news = self.foreign.conflicts.see(now, interface, seen);
            due |= self.tell(now, news);
            let has = self.foreign.conflicts.has(seen.address);
            if has {
                self.foreign.prober.answered(seen.address, now);
                self.foreign.first.answered(seen.address, now);
            } else {
                self.foreign.prober.left_open(seen.address, now);
            }
            if self.foreign.clean.remove(&seen.address) || has {
                due = true;
            }
            if !has {
                return due;
            }
        }
        if holds {
            due |= self.claimed(now, interface, seen);
        }
        due
    }

    /// Count, tell and answer a claim to a held address.
    fn claimed(&mut self, now: Time, interface: u32, seen: Sighting) -> bool {
        let Sighting { address, mac, form } = seen;
        self.responder.count_claim(address);
        let defends = form != Form::Probe && self.pulse.may_answer(now) && self.foreign.defence.defends(address, now);
        if defends {
            self.announcer.repeat(address, now);
        }
        if self.foreign.defence.tells(address, mac, now) {
            let name = self.links.name(interface).to_owned();
            let fact = Fact::new(FactKind::ForeignClaim, now, Cause::Frame, words::claim(seen, &name));
            let group = self.ownership.holder_of(address).map(|group| group.spec.key);
            self.report(Fact { group, addresses: vec![address], interface: name, mac: Some(mac), ..fact });
        }
        defends
    }

    /// A peer's frame says that it has an address that may be given away. If it holds it, this node's table is late; if
    /// it goes on without, its kernel answers.
    fn sighted_peer(&mut self, now: Time, interface: u32, seen: Sighting, peer: &str) -> bool {
        let Sighting { address, mac, form } = seen;
        if form != Form::Answer || !self.foreign.prober.asks_for(address) {
            return false;
        }
        self.foreign.prober.answered(address, now);
        if self.says_it_holds(peer, address) {
            return true;
        }
        let since = *self.foreign.kernels.entry(address).or_insert(now);
        if now.since(since) >= AGAIN / 2 && self.foreign.defence.tells(address, mac, now) {
            self.own_kernel(now, interface, address, mac, peer);
        }
        true
    }

    pub(super) fn says_it_holds(&self, peer: &str, address: IpAddr) -> bool {
        let mut claims = self.peers.claims(address);
        claims.any(|(name, claim)| name == peer && matches!(claim.standing, Standing::Holds(_)))
    }

    pub(super) fn own_kernel(&mut self, now: Time, interface: u32, address: IpAddr, mac: MacAddr, peer: &str) {
        let name = self.links.name(interface).to_owned();
        let fact = Fact::new(FactKind::OwnKernel, now, Cause::Frame, words::own_kernel(address, mac, peer, &name));
        let peer = peer.to_owned();
        self.report(Fact { addresses: vec![address], interface: name, peer, mac: Some(mac), ..fact });
    }

    /// Ask what is to be asked, and end what is over.
    pub(super) fn look_out(&mut self, now: Time) {
        for conflict in self.foreign.conflicts.expire(now) {
            self.over(now, &conflict, Cause::Silence);
        }
        self.foreign.waits = !self.pulse.started() || self.pulse.listening_until(now).is_some();
        if self.foreign.waits {
            return;
        }
        let (me, links, peers) = (&self.node, &self.links, &self.peers);
        let steps = self.foreign.prober.due(now, |address| duty(me, links, peers, address));
        for step in steps {
            match step {
                Step::Probe(interface, address) => self.probe(interface, address),
                Step::Clean(interface, address) => self.clean(now, interface, address),
            }
        }
        self.look_before(now);
        self.witness(now);
    }

    /// Find out whether anybody has what is about to be announced for the first time.
    fn look_before(&mut self, now: Time) {
        let awaited = self.ownership.clearance.awaited();
        if !awaited.iter().copied().eq(self.foreign.first.addresses()) {
            let awaited: Vec<IpAddr> = awaited.iter().copied().collect();
            self.foreign.first.set(&awaited, now);
            self.watch();
        }
        let links = &self.links;
        let here = |address| links.iter().find(|link| links::covers(link, address)).or_else(|| links.iter().next());
        let steps =
            self.foreign.first.due(now, |address| here(address).map_or(Duty::Nowhere, |link| Duty::Mine(link.index)));
        for step in steps {
            match step {
                Step::Probe(interface, address) => self.probe(interface, address),
                Step::Clean(_, address) => {
                    if let Some(conflict) = self.foreign.conflicts.clear(address) {
                        self.over(now, &conflict, Cause::Probe);
                    }
                    self.ownership.clear(address);
                }
            }
        }
    }

    fn probe(&mut self, interface: u32, address: IpAddr) {
        let Some(link) = self.links.get(interface) else {
            return;
        };
        // Who the gateway is has to be known before it is believed to have what it answers for.
        let unknown = |gateway: &&IpAddr| !self.foreign.conflicts.knows_gateway(interface, **gateway);
        let gateways = link.gateways.iter().filter(unknown).filter_map(|gateway| questions::question(link, *gateway));
        let frames: Vec<Action> = gateways.chain([questions::probe(link, address)]).collect();
        self.outbox.extend(frames);
    }

    fn clean(&mut self, now: Time, interface: u32, address: IpAddr) {
        self.foreign.kernels.remove(&address);
        if let Some(conflict) = self.foreign.conflicts.clear(address) {
            self.over(now, &conflict, Cause::Probe);
        }
        if self.foreign.clean.insert(address) {
            let name = self.links.name(interface).to_owned();
            let fact = Fact::new(FactKind::Clean, now, Cause::Probe, words::clean(address, &name));
            self.report(Fact { addresses: vec![address], interface: name, ..fact });
        }
    }

    fn tell(&mut self, now: Time, news: Vec<News>) -> bool {
        let any = !news.is_empty();
        for one in news {
            match one {
                News::Found(conflict) => self.found(now, &conflict),
                News::Over(conflict) => self.over(now, &conflict, Cause::Probe),
                News::Proxy { mac, interface, addresses } => {
                    let interface = self.links.name(interface).to_owned();
                    let message = words::proxy(mac, &interface, &addresses);
                    let fact = Fact::new(FactKind::ProxyArp, now, Cause::Frame, message);
                    self.report(Fact { addresses, interface, mac: Some(mac), ..fact });
                }
            }
        }
        any
    }

    fn found(&mut self, now: Time, conflict: &Conflict) {
        let cause = self.foreign.cause_of(conflict.address);
        let name = self.links.name(conflict.interface);
        let message = words::conflict(conflict.address, conflict.mac, name, cause);
        self.report_conflict(FactKind::Conflict, now, cause, conflict, message);
    }

    fn over(&mut self, now: Time, conflict: &Conflict, cause: Cause) {
        let message = words::over(conflict.address, conflict.mac, cause);
        self.report_conflict(FactKind::ConflictOver, now, cause, conflict, message);
    }

    fn report_conflict(&mut self, kind: FactKind, now: Time, cause: Cause, conflict: &Conflict, message: String) {
        let interface = self.links.name(conflict.interface).to_owned();
        let fact = Fact::new(kind, now, cause, message);
        self.report(Fact { addresses: vec![conflict.address], interface, mac: Some(conflict.mac), ..fact });
    }

    pub(super) fn foreign_deadline(&self) -> Option<Time> {
        // While it waits, the rounds of beacons bring it back.
        let Foreign { prober, first, conflicts, witness, waits, .. } = &self.foreign;
        let asking = [prober.deadline(), first.deadline(), witness.deadline()].into_iter().flatten().filter(|_| !waits);
        asking.chain(conflicts.deadline()).min()
    }
}

/// Who is to ask for an address: on the first interface with its subnet, one of those that are heard there.
fn duty(me: &str, links: &Links, peers: &Peers, address: IpAddr) -> Duty {
    let Some(link) = links.iter().find(|link| links::covers(link, address)) else {
        return Duty::Nowhere;
    };
    let path = Path::Interface(link.index);
    let there = peers.iter().filter(|(_, peer)| peer.paths.get(&path).is_some_and(|hearing| hearing.alive));
    if lot::is_mine(me, there.map(|(name, _)| name), address) { Duty::Mine(link.index) } else { Duty::Others }
}
