//! What follows when somebody is seen to say that an address is theirs.

use std::net::IpAddr;

use metalev_wire::MacAddr;
use metalev_wire::beacon::Standing;

use super::Engine;
use crate::conflicts::{Conflict, News};
use crate::event::{Cause, Fact, FactKind};
use crate::kernels::Kernel;
use crate::prober::AGAIN;
use crate::sighting::{Form, Sighting};
use crate::{Time, foreign_words as words};

impl Engine {
    /// Somebody says that an address is theirs. Answers whether anything is due because of it.
    ///
    /// An advertisement `to_all` is no answer to the witness, who asks under an address of its own (RFC 4861 section
    /// 7.2.4), but an announcement: the same in ARP is no reply to anybody, either.
    pub(super) fn sighted(&mut self, now: Time, interface: u32, seen: Sighting, to_all: bool) -> bool {
        // This node itself, heard by another interface on the same segment.
        if self.links.has_mac(seen.mac) {
            return false;
        }
        if self.links.get(interface).is_some_and(|link| link.gateways.contains(&seen.address)) {
            let news = self.foreign.conflicts.see_gateway(now, interface, seen.address, seen.mac);
            return self.tell(now, news);
        }
        let asked = seen.form == Form::Answer && !to_all && self.foreign.witness.hear(seen.address, seen.mac);
        // No stranger is a peer that takes over, whose frames may be faster than its beacon.
        if let Some(peer) = self.node_with(seen.mac) {
            let news = self.foreign.conflicts.acquit(seen.address, seen.mac);
            return self.tell(now, news) | self.sighted_peer(now, interface, seen, &peer);
        }
        self.sighted_stranger(now, interface, seen, asked)
    }

    fn sighted_stranger(&mut self, now: Time, interface: u32, seen: Sighting, asked: bool) -> bool {
        let holds = self.responder.holds(seen.address);
        let form = match seen.form {
            // Nobody was asked: this is no proxy's answer.
            Form::Answer if holds && !asked => Form::Use,
            Form::Objection => Form::Answer,
            form => form,
        };
        let seen = Sighting { form, ..seen };
        let mut due = false;
        // Who probes for what is held was answered, and leaves it alone.
        if !(holds && seen.form == Form::Probe) {
            let news = self.foreign.conflicts.see(now, interface, seen);
            if seen.form == Form::Answer && news.iter().any(|one| matches!(one, News::Found(_))) {
                self.foreign.prober.sample(now);
            }
            due |= self.tell(now, news);
            let has = self.foreign.conflicts.has(seen.address);
            if has || self.foreign.conflicts.hangs_on(seen.mac, seen.address) {
                self.foreign.prober.answered(seen.address, now);
            } else {
                self.foreign.prober.left_open(seen.address, now);
            }
            if has {
                self.foreign.first.answered(seen.address, now);
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
        let aside = self.is_aside(peer, mac, interface);
        if !aside && self.says_it_holds(peer, address) {
            return true;
        }
        if self.foreign.kernels.answered(address, now) >= AGAIN / 2 && self.foreign.defence.tells(address, mac, now) {
            self.own_kernel(now, address, Kernel { peer: peer.to_owned(), mac, interface, aside });
        }
        true
    }

    /// The node of ours, this one included, of which an interface has this MAC address, though it may carry no VIPs.
    fn node_with(&self, mac: MacAddr) -> Option<String> {
        let own = self.links.other(mac).map(|_| self.node.clone());
        own.or_else(|| self.peers.by_mac(mac).map(ToOwned::to_owned))
    }

    /// Whether a MAC address of a node is another one than that by which its speaker is heard on an interface: it has two
    /// on one segment, and no speaker answers by that one.
    fn is_aside(&self, node: &str, mac: MacAddr, interface: u32) -> bool {
        let known = self.peers.get(node).and_then(|peer| peer.mac_on(interface));
        self.links.other(mac).is_some() || known.is_some_and(|known| known != mac)
    }

    pub(super) fn says_it_holds(&self, peer: &str, address: IpAddr) -> bool {
        let mut claims = self.peers.claims(address);
        claims.any(|(name, claim)| name == peer && matches!(claim.standing, Standing::Holds(_)))
    }

    /// Whoever answers and is one of ours that does not hold the address does so by its kernel.
    pub(super) fn name_kernel(&mut self, now: Time, interface: u32, address: IpAddr, mac: MacAddr) {
        let Some(peer) = self.node_with(mac) else {
            return;
        };
        let aside = self.is_aside(&peer, mac, interface);
        if (aside || !self.says_it_holds(&peer, address)) && self.foreign.defence.tells(address, mac, now) {
            self.own_kernel(now, address, Kernel { peer, mac, interface, aside });
        }
    }

    fn own_kernel(&mut self, now: Time, address: IpAddr, kernel: Kernel) {
        let by = self.links.other(kernel.mac);
        let message = words::own_kernel(address, &kernel, by, self.links.name(kernel.interface));
        self.report_kernel(FactKind::OwnKernel, now, Cause::Frame, address, &kernel, message);
        self.foreign.kernels.tell(address, now, kernel);
    }

    /// No kernel of ours answers for an address any more.
    pub(super) fn kernel_over(&mut self, now: Time, cause: Cause, address: IpAddr, kernel: &Kernel) {
        let message = words::own_kernel_over(address, kernel, cause);
        self.report_kernel(FactKind::OwnKernelOver, now, cause, address, kernel, message);
    }

    fn report_kernel(
        &mut self,
        kind: FactKind,
        now: Time,
        cause: Cause,
        address: IpAddr,
        kernel: &Kernel,
        message: String,
    ) {
        let interface = self.links.name(kernel.interface).to_owned();
        let (peer, mac) = (kernel.peer.clone(), Some(kernel.mac));
        self.report(Fact { addresses: vec![address], interface, peer, mac, ..Fact::new(kind, now, cause, message) });
    }

    /// Tell what is new of conflicts. Answers whether anything is.
    pub(super) fn tell(&mut self, now: Time, news: Vec<News>) -> bool {
        let any = !news.is_empty();
        for one in news {
            match one {
                News::Found(conflict) => self.found(now, &conflict),
                News::Over(conflict, cause) => {
                    let message = words::over(conflict.address, conflict.mac, cause);
                    self.report_conflict(FactKind::ConflictOver, now, cause, &conflict, message);
                }
                News::Proxy { mac, interface, addresses } => {
                    let interface = self.links.name(interface).to_owned();
                    let message = words::proxy(mac, &interface, &addresses);
                    let fact = Fact::new(FactKind::ProxyArp, now, Cause::Frame, message);
                    self.report(Fact { addresses, interface, mac: Some(mac), ..fact });
                }
                News::ProxyOver(proxy, cause) => {
                    let interface = self.links.name(proxy.interface).to_owned();
                    let message = words::proxy_over(proxy.mac, cause);
                    let fact = Fact::new(FactKind::ProxyArpOver, now, cause, message);
                    self.report(Fact { interface, mac: Some(proxy.mac), ..fact });
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

    fn report_conflict(&mut self, kind: FactKind, now: Time, cause: Cause, conflict: &Conflict, message: String) {
        let interface = self.links.name(conflict.interface).to_owned();
        let fact = Fact::new(kind, now, cause, message);
        self.report(Fact { addresses: vec![conflict.address], interface, mac: Some(conflict.mac), ..fact });
    }
}
