//! What others on the wire have: addresses that are to be given away next, and addresses that this node holds.

use std::collections::HashSet;
use std::net::IpAddr;

use super::Engine;
use crate::conflicts::Conflicts;
use crate::defence::Defence;
use crate::event::{Cause, Fact, FactKind};
use crate::kernels::Kernels;
use crate::links::{self, Links};
use crate::peer::Path;
use crate::peers::Peers;
use crate::prober::{Duty, Prober, Step};
use crate::table::{Group, Probing};
use crate::witness::Witness;
use crate::{Time, foreign_words as words, lot, questions};

/// All that is known and asked of it.
#[derive(Debug)]
pub(super) struct Foreign {
    pub(super) prober: Prober,
    /// For what is about to be announced for the first time.
    pub(super) first: Prober,
    pub(super) conflicts: Conflicts,
    pub(super) defence: Defence,
    /// The addresses that a probe found nobody to have, and that nobody was seen to have since.
    pub(super) clean: HashSet<IpAddr>,
    /// What was a VIP when this speaker started.
    before: Option<HashSet<IpAddr>>,
    pub(super) kernels: Kernels,
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
            kernels: Kernels::default(),
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

    pub(super) fn cause_of(&self, address: IpAddr) -> Cause {
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
        let unwitnessed = foreign.witness.set(&self.node, self.ownership.addresses(), now);
        if let Some(before) = &mut foreign.before {
            for address in removed {
                before.remove(address);
            }
        }
        foreign.clean.retain(|address| foreign.prober.asks_for(*address));
        let known: HashSet<IpAddr> = self.ownership.addresses().collect();
        self.ownership.clearance.set(probing.full, |address| known.contains(&address));
        let (prober, ownership) = (&foreign.prober, &self.ownership);
        let interests = |address| prober.asks_for(address) || ownership.knows(address);
        let over = foreign.conflicts.retain(interests);
        let kernels = foreign.kernels.end(now, interests);
        self.tell(now, over);
        for (address, kernel) in kernels {
            self.kernel_over(now, Cause::Unwanted, address, &kernel);
        }
        for address in unwitnessed {
            self.unwitnessed(now, address);
        }
        self.watch();
    }

    /// Have it noticed who says what of the addresses that are asked for, and of the gateways.
    pub(super) fn watch(&mut self) {
        let gateways = self.links.iter().flat_map(|link| &link.gateways).copied();
        let Foreign { prober, first, .. } = &self.foreign;
        self.responder.watch(prober.addresses().chain(first.addresses()).chain(gateways).collect());
    }

    /// Ask what is to be asked, and end what is over.
    pub(super) fn look_out(&mut self, now: Time) {
        let over = self.foreign.conflicts.expire(now);
        self.tell(now, over);
        for (address, kernel) in self.foreign.kernels.end(now, |_| true) {
            self.kernel_over(now, Cause::Silence, address, &kernel);
        }
        self.foreign.waits = !self.pulse.started() || self.pulse.listening_until(now).is_some();
        if self.foreign.waits {
            return;
        }
        let (me, links, peers, foreign) = (&self.node, &self.links, &self.peers, &mut self.foreign);
        let concerns = |address| foreign.conflicts.any_hangs_on(address);
        let steps = foreign.prober.due(now, |address| duty(me, links, peers, address, concerns(address)));
        for step in steps {
            match step {
                Step::Probe(interface, address) => self.probe(interface, address),
                Step::Clean(interface, address) => self.clean(now, interface, address),
                Step::Silent(address) => self.silent(now, address),
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
                Step::Clean(_, address) | Step::Silent(address) => {
                    self.silent(now, address);
                    self.ownership.clear(address);
                }
            }
        }
    }

    fn probe(&mut self, interface: u32, address: IpAddr) {
        self.ask_gateways(interface);
        self.outbox.extend(self.links.get(interface).map(|link| questions::probe(link, address)));
    }

    /// Who the gateway is has to be known before it is believed to have what it answers for.
    pub(super) fn ask_gateways(&mut self, interface: u32) {
        let Some(link) = self.links.get(interface) else {
            return;
        };
        let unknown = |gateway: &&IpAddr| !self.foreign.conflicts.knows_gateway(interface, **gateway);
        let gateways = link.gateways.iter().filter(unknown).filter_map(|gateway| questions::question(link, *gateway));
        self.outbox.extend(gateways);
    }

    /// Nobody answered for an address.
    fn silent(&mut self, now: Time, address: IpAddr) {
        if let Some(kernel) = self.foreign.kernels.over(address) {
            self.kernel_over(now, Cause::Probe, address, &kernel);
        }
        let over = self.foreign.conflicts.clear(address);
        self.tell(now, over);
    }

    fn clean(&mut self, now: Time, interface: u32, address: IpAddr) {
        self.silent(now, address);
        if self.foreign.clean.insert(address) {
            let name = self.links.name(interface).to_owned();
            let fact = Fact::new(FactKind::Clean, now, Cause::Probe, words::clean(address, &name));
            self.report(Fact { addresses: vec![address], interface: name, ..fact });
        }
    }

    pub(super) fn foreign_deadline(&self) -> Option<Time> {
        // While it waits, the rounds of beacons bring it back.
        let Foreign { prober, first, conflicts, kernels, witness, waits, .. } = &self.foreign;
        let asking = [prober.deadline(), first.deadline(), witness.deadline()].into_iter().flatten().filter(|_| !waits);
        asking.chain(conflicts.deadline()).chain(kernels.deadline()).min()
    }
}

/// Who is to ask for an address: on the first interface with its subnet, one of those that are heard there, and whom it
/// `concerns`.
fn duty(me: &str, links: &Links, peers: &Peers, address: IpAddr, concerns: bool) -> Duty {
    let Some(link) = links.iter().find(|link| links::covers(link, address)) else {
        return Duty::Nowhere;
    };
    let path = Path::Interface(link.index);
    let there = peers.iter().filter(|(_, peer)| peer.paths.get(path).is_some_and(|hearing| hearing.alive));
    if lot::is_mine(me, there.map(|(name, _)| name), address) {
        Duty::Mine(link.index)
    } else if concerns {
        Duty::Besides(link.index)
    } else {
        Duty::Others(link.index)
    }
}
