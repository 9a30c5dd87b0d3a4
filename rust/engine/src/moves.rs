//! Planned moves: make before break. An announcer that is to leave goes on and says in its beacons that it asks to be
//! relieved; its successor takes the next term, sends its gratuitous frames and then its beacon; on hearing that the old
//! one falls silent. Fail-back needs no asking: whoever is the better by the policy takes the next term when it is time.
//!
//! **The bound.** From the first word of the successor to the silence of the old one both answer: as long as one beacon
//! takes. If nobody takes it within [`crate::offer::limit`], an announcer that stops, or could not serve, falls silent all the same;
//! one that merely may not announce any more goes on for as long as nobody else can.

use core::time::Duration;

use crate::Time;
use crate::event::Cause;
use crate::group::{Group, Holder, Moment, Verdict};
use crate::offer::Offer;
use crate::peers::Peers;
use crate::table::Preempt;

/// For how long a better candidate has to be up before it takes a group back, unless the options say otherwise.
pub const HOLD_DOWN: Duration = Duration::from_secs(30);

impl Group {
    /// Why this node, which announces it, has to ask to be relieved, if it does.
    pub(crate) fn reason_to_leave(&self, moment: Moment<'_>) -> Option<Offer> {
        let asked = |cause, until: Option<Time>| {
            let since_before = self.offer.filter(|before| before.cause == cause).and_then(|before| before.until);
            Some(Offer { cause, until: until.map(|until| since_before.unwrap_or(until)) })
        };
        let until = moment.now + moment.limit;
        match self.offer {
            _ if moment.stopping => asked(Cause::Stopping, Some(until)),
            _ if !self.may(moment.me) && self.spec.drilled => asked(Cause::Drill, None),
            _ if !self.may(moment.me) => asked(Cause::NotCandidate, (!self.spec.keeps).then_some(until)),
            // One without an end was asked for by the table, which does so no more.
            Some(offer) if offer.cause == Cause::Drill && offer.until.is_some() => Some(offer),
            _ => None,
        }
    }

    /// What an announcer does that asks to be relieved and has not been.
    pub(crate) fn await_relief(&self, peers: &Peers, moment: Moment<'_>, offer: Offer) -> Verdict {
        // Whoever comes up later may take it: only a speaker that stops has no time for that.
        let nobody = self.spec.gives_way || self.successors(peers, moment.me).next().is_none();
        match offer.until {
            _ if offer.cause == Cause::Stopping && nobody => Verdict::Yield(offer.cause, String::new()),
            None => Verdict::Stay,
            Some(until) if moment.now < until => Verdict::Wait(until),
            Some(_) if offer.cause == Cause::Drill => Verdict::Keep,
            Some(_) => Verdict::Yield(offer.cause, String::new()),
        }
    }

    /// Follow `holder`, who announces it as well as this node could; or take it back from it when that is time, unless
    /// something hinders this node.
    pub(crate) fn fail_back(&mut self, peers: &Peers, moment: Moment<'_>, holder: &Holder, hindered: bool) -> Verdict {
        let better = self.entitled(peers, moment.me, &holder.name).filter(|_| !hindered && !self.spec.gives_way);
        let quiet = self.quiet(moment);
        let (Some(cause), None) = (better, quiet) else {
            self.better_since = None;
            let after = better.and(quiet);
            return after.map_or_else(|| Verdict::Follow(holder.name.clone()), Verdict::Wait);
        };
        let turn = self.turn_back(peers, moment, holder);
        match () {
            () if moment.now < turn => Verdict::Wait(turn),
            // It would not notice, or not everything is known: look again.
            () if !self.can_relieve(peers, &holder.name) => Verdict::Wait(moment.now + moment.grace),
            () => Verdict::Take(cause, holder.name.clone()),
        }
    }

    /// When it is time to take it back, if this node stays the better one until then.
    fn turn_back(&mut self, peers: &Peers, moment: Moment<'_>, holder: &Holder) -> Time {
        let since = *self.better_since.get_or_insert(moment.now);
        let heard = peers.heard_since(&holder.name, &self.segment).unwrap_or_default();
        let wait = if self.spec.preempt == Preempt::Immediate { Duration::ZERO } else { moment.hold_down };
        // Whoever lost it a moment ago, to somebody who knows another table, does not snatch it back and forth.
        let calm = self.lost_at.map(|lost| lost + moment.hold_down).unwrap_or_default();
        calm.max(heard.max(since) + wait)
    }

    /// Why `other` has taken back what this node announces, if that is what it did: the same cause that it gives itself.
    ///
    /// It has then been up for as long as the policy asks, and hears this node. Who comes back out of a partition, or
    /// did not hear this node, took it for another reason. What is known of the time is half of what has to pass: the two
    /// have not begun to hear each other at the same moment, and whoever has just come up listens for one grace.
    pub(crate) fn taken_back(&self, peers: &Peers, moment: Moment<'_>, other: &str) -> Option<Cause> {
        let wait = if self.spec.preempt == Preempt::Immediate { moment.grace } else { moment.hold_down };
        let up = peers.heard_since(other, &self.segment).is_some_and(|since| since + wait / 2 <= moment.now);
        let cause = self.entitled(peers, other, moment.me)?;
        (up && peers.heard_by(other, &self.segment)).then_some(cause)
    }

    /// Why `me` is the better announcer by the policy than `holder`, if it is.
    fn entitled(&self, peers: &Peers, me: &str, holder: &str) -> Option<Cause> {
        let (mine, theirs) = (self.score(me)?, self.score(holder)?);
        let by_score = mine > theirs;
        let by_order = self.spec.preempt != Preempt::Sticky && self.rank(me) < self.rank(holder);
        let first = (by_score || by_order) && self.ahead(peers, me).is_empty();
        first.then_some(if by_score { Cause::HigherScore } else { Cause::FailBack })
    }

    /// Whether `holder` would notice at once that this node takes over, and everything is known that others have said.
    pub(crate) fn can_relieve(&self, peers: &Peers, holder: &str) -> bool {
        peers.heard_by(holder, &self.segment) && peers.in_step(&self.segment)
    }

    /// The announcer, if it has been started again before it was given up and could go on.
    pub(crate) fn reborn(&self, peers: &Peers) -> Option<&str> {
        let last = self.announcer.as_deref()?;
        let lives_again = self.life.is_some() && peers.life(last) != self.life && !peers.said_goodbye(last);
        (lives_again && self.may(last) && self.promise_of(peers, last).is_some()).then_some(last)
    }

    /// When it is this node's turn to take what `reborn` announced in its former life: once that has had the time to take
    /// it itself. A move would cost the connections that still go through it; its silence costs none.
    ///
    /// It listens for one grace and then passes over those before it, for it does not know that it was the announcer.
    pub(crate) fn turn_after(
        &self,
        reborn: &str,
        ahead: &[&str],
        since: Time,
        peers: &Peers,
        moment: Moment<'_>,
    ) -> Time {
        let me_first = usize::from(self.rank(moment.me) < self.rank(reborn));
        let passed_over = self.ahead(peers, reborn).len() + me_first;
        let before_me = ahead.iter().filter(|name| **name != reborn).count();
        let graces = u32::try_from(1 + passed_over + before_me).unwrap_or(u32::MAX);
        // It may have been started again twice: what counts is when it began to listen last. That is waited for once more
        // only, or one that starts again and again would keep it for ever.
        let heard = peers.heard_since(reborn, &self.segment).unwrap_or_default();
        let since = since.max(heard.min(since + moment.grace));
        since + moment.grace * graces + moment.slack * 2
    }

    fn score(&self, node: &str) -> Option<i64> {
        self.spec.candidates.iter().find(|candidate| candidate.node == node).map(|candidate| candidate.score)
    }
}
