//! Whether what is announced is answered as a client would see it, asked on the wire by all speakers in turn.
//!
//! Every address is asked for about once in [`PERIOD`], by all speakers together: each goes through all of them in an
//! order of its own, as many times more slowly as there are speakers, and never faster than one in [`LEAST_GAP`] in the
//! mean: what is due within a [`BEAT`] is asked for at once, for every question wakes up whoever hears it. What is new is
//! asked for soon, and so is what was not as it should be. The announcer takes its turn, too: it expects that
//! nobody else answers.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use metalev_wire::MacAddr;

use crate::event::Cause;
use crate::{Time, lot};

/// How often every address is asked for, by all speakers together.
pub(crate) const PERIOD: Duration = Duration::from_secs(60);
/// Between two questions of this speaker, in the mean.
pub(crate) const LEAST_GAP: Duration = Duration::from_millis(20);
/// Between two times at which it asks at all.
pub(crate) const BEAT: Duration = Duration::from_secs(1);
/// How many questions are asked at once.
const AT_ONCE: u32 = 50;
/// After how long what is new is asked for: it has been announced by then.
pub(crate) const NEW: Duration = Duration::from_secs(5);
/// After how long what was not as it should be is asked for again.
pub(crate) const AGAIN: Duration = Duration::from_secs(30);
/// For how long answers are awaited, and how often a question without one is asked.
const WAIT: Duration = Duration::from_secs(1);
const TRIES: u32 = 3;

/// Who is expected to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// The interface on which is asked.
    pub(crate) interface: u32,
    /// The peer that announces the address; `None` if this node does.
    pub(crate) peer: Option<(String, MacAddr)>,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) address: IpAddr,
    pub(crate) expected: Expected,
    /// Those who answered though they should not.
    pub(crate) others: Vec<MacAddr>,
    /// What is wrong, if anything is.
    pub(crate) trouble: Option<Cause>,
}

/// What is to be done about an open question whose time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask again on an interface.
    Ask(u32, IpAddr),
    /// It is answered, or was asked often enough.
    Found(Finding),
}

#[derive(Debug)]
struct Inquiry {
    expected: Expected,
    asked: u32,
    until: Time,
    heard: BTreeSet<MacAddr>,
}

/// The addresses to ask for, and the open questions.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    order: Vec<IpAddr>,
    at: usize,
    next: Option<Time>,
    /// When the next question may be sent.
    free_at: Time,
    soon: BTreeSet<(Time, IpAddr)>,
    open: BTreeMap<IpAddr, Inquiry>,
    /// When the time of each open question is over: with many addresses up to fifty are open, and every event asks.
    ends: BTreeSet<(Time, IpAddr)>,
    /// What was last told to be wrong.
    troubles: BTreeMap<IpAddr, Cause>,
    found: BTreeMap<&'static str, u64>,
}

impl Witness {
    /// Ask for exactly these addresses, in the order of the lots that `me` draws for them. Tells for which of those that
    /// are asked for no longer something was wrong.
    pub(crate) fn set(&mut self, me: &str, addresses: impl Iterator<Item = IpAddr>, now: Time) -> Vec<IpAddr> {
        let mut order: Vec<IpAddr> = addresses.collect();
        order.sort_by_cached_key(|address| (lot::draw(me, *address, 1), *address));
        if order == self.order {
            return Vec::new();
        }
        let before: BTreeSet<IpAddr> = std::mem::replace(&mut self.order, order).into_iter().collect();
        let after: BTreeSet<IpAddr> = self.order.iter().copied().collect();
        self.soon.retain(|(_, address)| after.contains(address));
        self.soon.extend(after.difference(&before).map(|address| (now + NEW, *address)));
        self.open.retain(|address, _| after.contains(address));
        self.ends.retain(|(_, address)| after.contains(address));
        self.next.get_or_insert(now + PERIOD);
        let over: Vec<IpAddr> = self.troubles.keys().filter(|address| !after.contains(*address)).copied().collect();
        self.troubles.retain(|address, _| after.contains(address));
        over
    }

    /// Whether it may be time to ask for an address.
    pub(crate) fn is_due(&self, now: Time) -> bool {
        let soon = self.soon.first().map(|first| first.0);
        now >= self.free_at && [soon, self.next].into_iter().flatten().any(|next| next <= now)
    }

    /// The addresses to ask for now, if it is time; one of `speakers` asks.
    pub(crate) fn due(&mut self, now: Time, speakers: usize) -> Vec<IpAddr> {
        if !self.is_due(now) {
            return Vec::new();
        }
        self.free_at = now + BEAT;
        let mut due = Vec::new();
        while due.len() < AT_ONCE as usize
            && let Some(first) = self.soon.first().copied().filter(|first| first.0 <= now)
        {
            self.soon.remove(&first);
            due.push(first.1);
        }
        let room = AT_ONCE.saturating_sub(u32::try_from(due.len()).unwrap_or(AT_ONCE));
        due.extend(self.in_turn(now, speakers, room));
        due
    }

    /// Those whose turn it is, `room` at most.
    fn in_turn(&mut self, now: Time, speakers: usize, room: u32) -> Vec<IpAddr> {
        let count = u32::try_from(self.order.len()).unwrap_or(u32::MAX);
        if count == 0 || room == 0 || self.next.is_none_or(|next| now < next) {
            return Vec::new();
        }
        let round = PERIOD * u32::try_from(speakers).unwrap_or(u32::MAX);
        let gap = (round / count).max(LEAST_GAP);
        let together = u32::try_from(BEAT.as_nanos() / gap.as_nanos()).unwrap_or(room).clamp(1, room);
        self.next = Some(now + gap * together);
        let from = self.at + 1;
        self.at = (self.at + together as usize) % self.order.len();
        self.order.iter().cycle().skip(from).take(together as usize).copied().collect()
    }

    /// A question was sent.
    pub(crate) fn asked(&mut self, address: IpAddr, expected: Expected, now: Time) {
        self.open_up(address, Inquiry { expected, asked: 1, until: now + WAIT, heard: BTreeSet::new() });
    }

    fn open_up(&mut self, address: IpAddr, inquiry: Inquiry) {
        let until = inquiry.until;
        if let Some(before) = self.open.insert(address, inquiry) {
            self.ends.remove(&(before.until, address));
        }
        self.ends.insert((until, address));
    }

    /// Take in an answer; tells whether it was asked for.
    pub(crate) fn hear(&mut self, address: IpAddr, mac: MacAddr) -> bool {
        let inquiry = self.open.get_mut(&address);
        inquiry.is_some_and(|inquiry| {
            inquiry.heard.insert(mac);
            true
        })
    }

    /// Forget the open questions: answers may have been missed.
    pub(crate) fn restart(&mut self) {
        self.open.clear();
        self.ends.clear();
    }

    /// What is to be done about the questions whose time is over.
    pub(crate) fn over(&mut self, now: Time) -> Vec<Step> {
        let mut over: Vec<IpAddr> =
            self.ends.iter().take_while(|(until, _)| *until <= now).map(|(_, address)| *address).collect();
        over.sort_unstable();
        over.into_iter().filter_map(|address| self.conclude(address, now)).collect()
    }

    fn conclude(&mut self, address: IpAddr, now: Time) -> Option<Step> {
        let mut inquiry = self.open.remove(&address)?;
        self.ends.remove(&(inquiry.until, address));
        let silent = inquiry.heard.is_empty() && inquiry.expected.peer.is_some();
        if silent && inquiry.asked < TRIES {
            inquiry.asked += 1;
            inquiry.until = now + WAIT;
            let interface = inquiry.expected.interface;
            self.open_up(address, inquiry);
            return Some(Step::Ask(interface, address));
        }
        let wanted = inquiry.expected.peer.as_ref().map(|peer| peer.1);
        let answered = wanted.is_none_or(|mac| inquiry.heard.contains(&mac));
        let others: Vec<MacAddr> = inquiry.heard.into_iter().filter(|mac| Some(*mac) != wanted).collect();
        let trouble = match (answered, others.is_empty()) {
            (true, true) => None,
            (true, false) => Some(Cause::TwoAnswers),
            (false, false) => Some(Cause::WrongAnswer),
            (false, true) => Some(Cause::NoAnswer),
        };
        Some(Step::Found(Finding { address, expected: inquiry.expected, others, trouble }))
    }

    /// Enter what came of a question. Answers whether that is news.
    pub(crate) fn enter(&mut self, address: IpAddr, trouble: Option<Cause>, now: Time) -> bool {
        let result = match trouble {
            Some(Cause::NoAnswer) => "no-answer",
            Some(Cause::WrongAnswer) => "wrong-answer",
            Some(_) => "two-answers",
            None => "answered",
        };
        *self.found.entry(result).or_default() += 1;
        let before = match trouble {
            Some(cause) => {
                self.soon.insert((now + AGAIN, address));
                self.troubles.insert(address, cause)
            }
            None => self.troubles.remove(&address),
        };
        before != trouble
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let soon = self.soon.first().map(|first| first.0);
        let over = self.ends.first().map(|first| first.0);
        let next = self.next.filter(|_| !self.order.is_empty());
        let question = [soon, next].into_iter().flatten().min().map(|due| due.max(self.free_at));
        [question, over].into_iter().flatten().min()
    }

    /// How often what came of a question.
    pub(crate) fn found(&self) -> Vec<(&'static str, u64)> {
        self.found.iter().map(|(result, count)| (*result, *count)).collect()
    }
}

#[cfg(test)]
mod tests;
