//! Asking for what is announced as a client would, and what follows from the answers.

use std::net::IpAddr;

use metalev_wire::beacon::Standing;
use metalev_wire::ethernet::{EtherType, Frame};
use metalev_wire::{arp, ndp};

use super::Engine;
use crate::event::{Cause, Fact, FactKind};
use crate::peer::Path;
use crate::witness::{Expected, Finding, Step};
use crate::{Time, foreign_words as words, questions};

impl Engine {
    /// Ask what is to be asked, and judge what was answered.
    pub(super) fn witness(&mut self, now: Time) {
        for step in self.foreign.witness.over(now) {
            match step {
                Step::Ask(interface, address) => self.put_question(interface, address),
                Step::Found(finding) => self.judge(now, &finding),
            }
        }
        if !self.foreign.witness.is_due(now) {
            return;
        }
        let speakers = self.peers.iter().filter(|(_, peer)| peer.alive()).count() + 1;
        for address in self.foreign.witness.due(now, speakers) {
            if let Some(expected) = self.expected(address) {
                self.put_question(expected.interface, address);
                self.responder.ask(address, true);
                self.foreign.witness.asked(address, expected, now);
            }
        }
    }

    fn put_question(&mut self, interface: u32, address: IpAddr) {
        self.ask_gateways(interface);
        let question = self.links.get(interface).and_then(|link| questions::question(link, address));
        self.outbox.extend(question);
    }

    /// Who should answer for an address now, on an interface where this node is a client; `None` if nobody can tell.
    fn expected(&self, address: IpAddr) -> Option<Expected> {
        let group = self.ownership.group(address)?;
        let mut segment = group.segment.iter().filter_map(|index| self.links.get(*index));
        let interface = segment.find(|link| questions::question(link, address).is_some())?.index;
        if group.held {
            return Some(Expected { interface, peer: None });
        }
        let mut holders = self.peers.claims(address).filter(|(_, claim)| matches!(claim.standing, Standing::Holds(_)));
        let (name, _) = holders.next()?;
        // While two hold it, they settle it among themselves.
        if holders.next().is_some() {
            return None;
        }
        let hearing = self.peers.get(name)?.paths.get(Path::Interface(interface)).filter(|hearing| hearing.alive)?;
        Some(Expected { interface, peer: Some((name.to_owned(), hearing.mac)) })
    }

    fn judge(&mut self, now: Time, finding: &Finding) {
        let Finding { address, expected, others, trouble } = finding;
        self.responder.ask(*address, false);
        // What has moved meanwhile says nothing.
        if trouble.is_some() && self.expected(*address).as_ref() != Some(expected) {
            return;
        }
        let news = self.foreign.witness.enter(*address, *trouble, now);
        if let (Some(_), Some((_, mac))) = (trouble, &expected.peer) {
            let link = self.links.get(expected.interface);
            self.outbox.extend(link.and_then(|link| questions::in_person(link, *address, *mac)));
        }
        if news {
            self.report_witness(now, finding);
        }
        if trouble.is_none() {
            self.answered_alone(now, *address);
        }
        for mac in others {
            self.name_kernel(now, expected.interface, *address, *mac);
        }
    }

    /// No kernel of ours answers for an address that is announced, nor does a proxy.
    fn answered_alone(&mut self, now: Time, address: IpAddr) {
        if let Some(kernel) = self.foreign.kernels.over(address) {
            self.kernel_over(now, Cause::Answered, address, &kernel);
        }
        let over = self.foreign.conflicts.clear_proxies(address, Cause::Answered);
        self.tell(now, over);
    }

    fn report_witness(&mut self, now: Time, finding: &Finding) {
        let interface = self.links.name(finding.expected.interface).to_owned();
        let peer = finding.expected.peer.as_ref().map_or_else(String::new, |peer| peer.0.clone());
        let message = words::witness(finding, &interface);
        let (kind, cause) = match finding.trouble {
            Some(cause) => (FactKind::Witness, cause),
            None => (FactKind::WitnessOver, Cause::Answered),
        };
        let fact = Fact::new(kind, now, cause, message);
        let mac = finding.others.first().copied();
        self.report(Fact { addresses: vec![finding.address], interface, peer, mac, ..fact });
    }

    /// What was wrong with an address is nobody's concern any more.
    pub(super) fn unwitnessed(&mut self, now: Time, address: IpAddr) {
        let fact = Fact::new(FactKind::WitnessOver, now, Cause::Unwanted, words::unwitnessed(address));
        self.report(Fact { addresses: vec![address], ..fact });
    }

    /// A peer that asks this node alone for what it holds was not answered as it should be when it asked everybody: say
    /// to all again where the address is, not too often. Answers whether that is due.
    pub(super) fn asked_in_person(&mut self, now: Time, interface: u32, frame: &Frame<&[u8]>) -> bool {
        let us = self.links.get(interface).is_some_and(|link| link.mac == frame.dst());
        if !us || self.peers.by_mac(frame.src()).is_none() {
            return false;
        }
        let Some(address) = target_of(frame) else {
            return false;
        };
        let defends = self.responder.holds(address) && self.foreign.defence.defends(address, now);
        if defends {
            self.announcer.repeat(address, now);
        }
        defends
    }
}

/// The address that a question is about.
fn target_of(frame: &Frame<&[u8]>) -> Option<IpAddr> {
    if frame.ethertype() == EtherType::IPV6 {
        let repr = ndp::Packet::new_checked(frame.payload()).and_then(|packet| ndp::Repr::parse(&packet));
        return repr.ok().map(|repr| repr.target.into());
    }
    let repr = arp::Packet::new_checked(frame.payload()).and_then(|packet| arp::Repr::parse(&packet));
    repr.ok().map(|repr| repr.target_ip.into())
}
