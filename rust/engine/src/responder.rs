//! Answers for the addresses that this node holds, by hash, and counts what it does not answer.

mod arp;
mod ndp;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::event::{Action, AddressCounters, DropReason, Interface};
use crate::links::Links;
use crate::memberships::Memberships;
use crate::sighting::{Form, Sighting};

/// What a frame was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A question that is answered.
    Answer(Action),
    /// Nothing to answer.
    Drop(DropReason),
    /// Somebody else says that a held address is theirs.
    Claim(Sighting),
    /// A question that is answered, whose sender says that a held or watched address is theirs.
    Noted(Sighting, Action),
    /// Nothing to answer, but somebody says that a watched address is theirs.
    Said(Sighting),
}

/// An address that is held, or that was and still is some Service's.
#[derive(Debug)]
struct Known {
    /// The interfaces on which it is announced, if it is held. Addresses that follow one another share the list: with
    /// thousands of them it stays in the processor's cache.
    on: Option<Arc<[u32]>>,
    /// Whether no Service has it any more: then it is forgotten once it is not held.
    orphaned: bool,
    counters: AddressCounters,
}

/// The held addresses and their counters.
#[derive(Debug, Default)]
pub(crate) struct Responder {
    /// In one place what a question takes: more than one look-up is what costs when there are thousands of addresses.
    known: HashMap<IpAddr, Known>,
    /// The interfaces of the address that was held last.
    last_on: Arc<[u32]>,
    /// The addresses of which it matters who has them, though this node does not hold them: for long ...
    watched: HashSet<IpAddr>,
    /// ... and while a question is open.
    in_question: HashSet<IpAddr>,
    memberships: Memberships,
    dropped: BTreeMap<DropReason, u64>,
    /// For addresses that are not held, which of all questions for such was the last one for it.
    asked: HashMap<IpAddr, u64>,
    questions: u64,
}

/// Addresses whose last question is remembered: more than anybody has; the kernel shows but those of the table.
const ASKED: usize = 65_536;

impl Responder {
    /// Answer for these addresses on these interfaces from now on.
    pub(crate) fn hold(&mut self, addresses: &[IpAddr], interfaces: &[u32]) {
        if *self.last_on != *interfaces {
            self.last_on = interfaces.into();
        }
        for address in addresses {
            // Joined before what was joined is left, so that what stays is not told as a change.
            self.memberships.join(interfaces, *address);
            let on = Arc::clone(&self.last_on);
            let known = self.known(*address);
            known.orphaned = false;
            let before = known.on.replace(on).unwrap_or_default();
            self.memberships.leave(&before, *address);
        }
    }

    /// Answer for these addresses no more.
    pub(crate) fn release(&mut self, addresses: &[IpAddr]) {
        for address in addresses {
            let Some(known) = self.known.get_mut(address) else { continue };
            let before = known.on.take().unwrap_or_default();
            if known.orphaned {
                self.known.remove(address);
            }
            self.memberships.leave(&before, *address);
        }
    }

    /// Forget an address that no Service has any more; one that is held still when it is released.
    pub(crate) fn forget(&mut self, addresses: &[IpAddr]) {
        for address in addresses {
            if let Some(known) = self.known.get_mut(address) {
                known.orphaned = true;
                if known.on.is_none() {
                    self.known.remove(address);
                }
            }
            self.asked.remove(address);
        }
    }

    /// The groups in which questions for the held addresses arrive.
    pub(crate) fn memberships(&mut self) -> &mut Memberships {
        &mut self.memberships
    }

    /// From now on it matters who has these addresses, and no others but for open questions.
    pub(crate) fn watch(&mut self, addresses: HashSet<IpAddr>) {
        self.watched = addresses;
    }

    /// It matters who has an address while a question is open.
    pub(crate) fn ask(&mut self, address: IpAddr, open: bool) {
        if open {
            self.in_question.insert(address);
        } else {
            self.in_question.remove(&address);
        }
    }

    /// Whether an address is held.
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        self.interfaces(address).is_some()
    }

    /// Count a claim of somebody else to a held address.
    pub(crate) fn count_claim(&mut self, address: IpAddr) {
        self.known(address).counters.foreign_claims += 1;
    }

    /// Whether somebody claims what is held. A probe asks, and is answered.
    fn is_claim(&self, seen: &Sighting, link: &Interface) -> bool {
        seen.form != Form::Probe && self.holds_on(seen.address, link)
    }

    /// What a frame was, with what it says of an address if that matters.
    fn noting(&mut self, judged: Result<Outcome, DropReason>, seen: Option<Sighting>) -> Result<Outcome, DropReason> {
        let Some(seen) = seen else {
            return judged;
        };
        let watched = self.watched.contains(&seen.address) || self.in_question.contains(&seen.address);
        match judged {
            Ok(Outcome::Answer(action)) if watched || seen.form == Form::Probe => Ok(Outcome::Noted(seen, action)),
            Err(reason) if watched => {
                self.count_drop(reason);
                Ok(Outcome::Said(seen))
            }
            judged => judged,
        }
    }

    /// Whether an address is held and announced on an interface.
    fn holds_on(&self, address: IpAddr, link: &Interface) -> bool {
        self.interfaces(address).is_some_and(|on| on.contains(&link.index))
    }

    /// The interfaces on which an address is announced, if it is held.
    fn interfaces(&self, address: IpAddr) -> Option<&[u32]> {
        self.known.get(&address)?.on.as_deref()
    }

    /// Whether a question for `target` that came in on `link` is to be answered. `may_answer` is whether the promise
    /// still holds.
    fn admit(&mut self, link: &Interface, target: IpAddr, may_answer: bool) -> Result<(), DropReason> {
        let Some(Known { on: Some(interfaces), counters: counter, .. }) = self.known.get_mut(&target) else {
            self.note_question(target);
            return Err(DropReason::AnnounceIp);
        };
        if !interfaces.contains(&link.index) {
            return Err(DropReason::NotMatchInterface);
        }
        counter.requests_received += 1;
        if !may_answer {
            return Err(DropReason::Lapsed);
        }
        counter.responses_sent += 1;
        Ok(())
    }

    /// Somebody has asked for an address that another node answers for: should this one have to, it is needed first.
    fn note_question(&mut self, target: IpAddr) {
        if self.asked.len() >= ASKED {
            self.asked.clear();
        }
        self.questions += 1;
        self.asked.insert(target, self.questions);
    }

    /// How late in the order of all questions an address was asked for last; 0 for never.
    pub(crate) fn last_asked(&self, address: IpAddr) -> u64 {
        self.asked.get(&address).copied().unwrap_or(0)
    }

    /// One round of the frames that tell everybody where a held address is, on each interface that carries it.
    pub(crate) fn gratuitous(&mut self, address: IpAddr, links: &Links) -> Vec<Action> {
        let Some(Known { on: Some(interfaces), counters, .. }) = self.known.get_mut(&address) else {
            return Vec::new();
        };
        let links = interfaces.iter().filter_map(|index| links.get(*index));
        let frames: Vec<Action> = links.flat_map(|link| gratuitous(link, address)).collect();
        counters.gratuitous_sent += frames.len() as u64;
        frames
    }

    fn conclude(&mut self, judged: Result<Outcome, DropReason>) -> Outcome {
        judged.unwrap_or_else(|reason| {
            self.count_drop(reason);
            Outcome::Drop(reason)
        })
    }

    /// Count a frame or datagram that got no answer.
    pub(crate) fn count_drop(&mut self, reason: DropReason) {
        *self.dropped.entry(reason).or_default() += 1;
    }

    /// What is known of an address; from now on, if nothing was.
    fn known(&mut self, address: IpAddr) -> &mut Known {
        self.known.entry(address).or_insert(Known {
            on: None,
            orphaned: false,
            counters: AddressCounters {
                address,
                requests_received: 0,
                responses_sent: 0,
                gratuitous_sent: 0,
                foreign_claims: 0,
            },
        })
    }

    /// What was counted per address, in the order of addresses.
    pub(crate) fn address_counters(&self) -> Vec<AddressCounters> {
        let mut all: Vec<AddressCounters> =
            self.known.values().filter(|known| !known.orphaned).map(|known| known.counters).collect();
        all.sort_by_key(|counters| counters.address);
        all
    }

    /// What got no answer, by reason.
    pub(crate) fn dropped(&self) -> Vec<(DropReason, u64)> {
        self.dropped.iter().map(|(reason, count)| (*reason, *count)).collect()
    }
}

/// The frames that say, unasked, that an address is at a MAC address.
fn gratuitous(link: &Interface, address: IpAddr) -> Vec<Action> {
    let frames = match address {
        IpAddr::V4(address) => arp::gratuitous(link, address),
        IpAddr::V6(address) => ndp::unsolicited(link, address),
    };
    frames.into_iter().map(|bytes| Action::SendFrame { interface: link.index, bytes }).collect()
}

#[cfg(test)]
mod tests;
