//! What follows from whatever happened: lost peers, decisions, frames and beacons that are due.

use core::time::Duration;

use super::Engine;
use crate::event::{Action, Cause, Fact, FactKind};
use crate::herald::Content;
use crate::ownership::Outcome;
use crate::peer::Path;
use crate::{Time, words};

impl Engine {
    /// Everything that is due now, whatever happened.
    pub(super) fn run(&mut self, now: Time) {
        if self.pulse.started() {
            let listening = self.pulse.listening_until(now).max(self.peers.displaced_until(now));
            let outcomes = self.ownership.decide(now, &self.peers, listening);
            self.settle(now, outcomes);
        }
        if self.stopping && !self.ownership.holds_any() {
            self.end(now);
            return;
        }
        self.outbox.extend(self.responder.memberships().changes());
        self.look_out(now);
        self.announce(now);
        self.speak(now);
        self.deadline = self.next_deadline();
        let listening = self.pulse.listening_until(now).or(self.peers.displaced_until(now));
        self.dozes = self.pulse.started() && listening.is_none() && !self.peers.any_missed();
    }

    /// Give up who has been silent for too long.
    pub(super) fn expire(&mut self, now: Time) {
        if self.peers.expiry().is_none_or(|expiry| now < expiry) {
            return;
        }
        for (peer, silence) in self.peers.expire(now) {
            // It may hear us still, and is to know at once that it is not heard.
            self.herald.hurry(&peer);
            let silent = Some((silence.silent_for, silence.patience));
            self.report_peer(
                FactKind::PeerLost,
                now,
                Cause::MissedBeacons,
                &peer,
                silence.path,
                silence.arrived_on,
                silent,
            );
            self.stirred(&peer, false);
        }
    }

    /// Let the responder and the announcer follow what was decided, and tell everybody.
    pub(super) fn settle(&mut self, now: Time, outcomes: Vec<Outcome>) {
        if !outcomes.is_empty() {
            self.herald.hurry_all(&self.peers);
        }
        for outcome in &outcomes {
            // Who may announce it is to know before it thinks of that itself.
            let concerned = self.ownership.group(outcome.group).into_iter().flat_map(|group| &*group.spec.candidates);
            concerned.for_each(|candidate| self.herald.hurry_at_once(&candidate.node));
        }
        for outcome in outcomes {
            match outcome.kind {
                FactKind::Took => {
                    self.responder.hold(&outcome.addresses, &outcome.interfaces);
                    for address in &outcome.addresses {
                        self.announcer.start(*address, self.responder.last_asked(*address), now);
                    }
                    if let (Cause::MissedBeacons, Some(silent)) = (outcome.cause, outcome.silent_for) {
                        self.stopwatch.start(outcome.group, now - silent);
                    }
                }
                FactKind::Yielded => {
                    self.responder.release(&outcome.addresses);
                    outcome.addresses.iter().for_each(|address| self.announcer.stop(*address));
                    self.stopwatch.forget(outcome.group);
                }
                _ => {}
            }
            let message = words::outcome(&outcome, self.timing.misses);
            self.report(Fact {
                group: Some(outcome.group),
                addresses: outcome.addresses,
                term: outcome.term,
                peer: outcome.peer,
                ..Fact::new(outcome.kind, now, outcome.cause, message)
            });
        }
    }

    /// Send the gratuitous frames that are due.
    pub(super) fn announce(&mut self, now: Time) {
        while let Some(turn) = self.announcer.next(now) {
            let frames = self.responder.gratuitous(turn.address, &self.links);
            self.announcer.spend(turn, frames.len(), now);
            if !frames.is_empty() {
                self.stopwatch.stop(turn.address, now);
            }
            self.outbox.extend(frames);
        }
    }

    /// Send the beacons that are due.
    pub(super) fn speak(&mut self, now: Time) {
        let successors = self.pulse.round(now).then(|| self.ownership.successors(&self.peers).clone());
        // On an interface that has just come up nobody knows of this node, nor it of anybody: all are asked often.
        let listening = self.pulse.listening_until(now).is_some() || self.links.any_since(now - self.pulse.listening());
        let content = Content {
            me: &self.node,
            links: &self.links,
            claims: self.ownership.claims(),
            stated: self.pulse.stated(),
            listening,
            goodbye: false,
        };
        let in_round = successors.is_some();
        if in_round {
            // Awake as we are: else the end of a patience that is over by now would wake us between two rounds.
            self.peers.look_ahead(now + self.timing.interval);
        }
        let beacons = if let Some(successors) = successors {
            self.herald.round(now, &mut self.peers, &successors, content)
        } else {
            self.herald.urgent(now, &mut self.peers, content)
        };
        self.outbox.extend(beacons);
        if in_round && self.patience.due(now) {
            self.tell_patience(now);
            self.look_at_misfits(now);
        }
    }

    /// Tell for whom is waited longer than usual, and whether this node asks for that itself.
    fn tell_patience(&mut self, now: Time) {
        let (usual, mut waits) =
            (self.timing.patience(self.timing.interval, Duration::ZERO), self.peers.longer_waits());
        if self.pulse.promise() > self.timing.dead_time() {
            waits.insert(self.node.clone(), self.pulse.promise());
        }
        for (peer, patience) in self.patience.look(now, usual, &waits) {
            let starved = peer == self.node;
            let (kind, cause) = match patience {
                None => (FactKind::PatienceOver, Cause::InTime),
                Some(_) if starved => (FactKind::Patience, Cause::Starved),
                Some(_) => (FactKind::Patience, Cause::LateBeacons),
            };
            let patience = patience.unwrap_or_default();
            let message = words::patience(&peer, starved, patience, usual);
            self.report(Fact { peer, patience, ..Fact::new(kind, now, cause, message) });
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        let all = [self.pulse.deadline(), self.peers.expiry(), self.ownership.deadline(), self.announcer.deadline()];
        let all = all.into_iter().chain([self.herald.deadline()]);
        all.chain([self.foreign_deadline()]).flatten().min()
    }

    #[expect(clippy::too_many_arguments, reason = "each is one field of the fact")]
    pub(super) fn report_peer(
        &mut self,
        kind: FactKind,
        now: Time,
        cause: Cause,
        peer: &str,
        path: Path,
        arrived_on: u32,
        silent_for: Option<(Duration, Duration)>,
    ) {
        let interface = match path {
            Path::Interface(index) => self.links.name(index).to_owned(),
            Path::Udp => format!("udp ({})", self.links.name(arrived_on)),
        };
        let message = words::peer(kind, cause, peer, &interface, silent_for);
        self.report(Fact { peer: peer.to_owned(), interface, ..Fact::new(kind, now, cause, message) });
    }

    pub(super) fn report(&mut self, fact: Fact) {
        self.outbox.push_back(Action::Report(fact));
    }
}
