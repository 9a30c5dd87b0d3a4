//! Whether what is announced is answered as a client would see it, asked on the wire by all speakers in turn.
//!
//! Every address is asked for about once in [`PERIOD`], by all speakers together: each goes through all of them in an
//! order of its own, as many times more slowly as there are speakers, and never faster than one in [`LEAST_GAP`]. What
//! is new is asked for soon, and so is what was not as it should be. The announcer takes its turn, too: it expects that
//! nobody else answers.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use metalev_wire::MacAddr;

use crate::event::Cause;
use crate::{Time, lot};

/// How often every address is asked for, by all speakers together.
pub(crate) const PERIOD: Duration = Duration::from_secs(60);
/// Between two questions of this speaker.
pub(crate) const LEAST_GAP: Duration = Duration::from_millis(20);
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
    /// What was last told to be wrong.
    troubles: BTreeMap<IpAddr, Cause>,
    found: BTreeMap<&'static str, u64>,
}

impl Witness {
    /// Ask for exactly these addresses, in the order of the lots that `me` draws for them.
    pub(crate) fn set(&mut self, me: &str, addresses: impl Iterator<Item = IpAddr>, now: Time) {
        let mut order: Vec<IpAddr> = addresses.collect();
        order.sort_by_cached_key(|address| (lot::draw(me, *address, 1), *address));
        if order == self.order {
            return;
        }
        let before: BTreeSet<IpAddr> = std::mem::replace(&mut self.order, order).into_iter().collect();
        let after: BTreeSet<IpAddr> = self.order.iter().copied().collect();
        self.soon.retain(|(_, address)| after.contains(address));
        self.soon.extend(after.difference(&before).map(|address| (now + NEW, *address)));
        self.open.retain(|address, _| after.contains(address));
        self.troubles.retain(|address, _| after.contains(address));
        self.next.get_or_insert(now + PERIOD);
    }

    /// Whether it may be time to ask for an address.
    pub(crate) fn is_due(&self, now: Time) -> bool {
        let soon = self.soon.first().map(|first| first.0);
        now >= self.free_at && [soon, self.next].into_iter().flatten().any(|next| next <= now)
    }

    /// The address to ask for now, if it is time; one of `speakers` asks.
    pub(crate) fn due(&mut self, now: Time, speakers: usize) -> Option<IpAddr> {
        if now < self.free_at {
            return None;
        }
        if let Some(first) = self.soon.first().copied().filter(|first| first.0 <= now) {
            self.soon.remove(&first);
            self.free_at = now + LEAST_GAP;
            return Some(first.1);
        }
        let count = u32::try_from(self.order.len()).ok().filter(|count| *count > 0)?;
        if self.next.is_none_or(|next| now < next) {
            return None;
        }
        let round = PERIOD * u32::try_from(speakers).unwrap_or(u32::MAX);
        self.next = Some(now + (round / count).max(LEAST_GAP));
        self.free_at = now + LEAST_GAP;
        self.at = (self.at + 1) % self.order.len();
        self.order.get(self.at).copied()
    }

    /// A question was sent.
    pub(crate) fn asked(&mut self, address: IpAddr, expected: Expected, now: Time) {
        self.open.insert(address, Inquiry { expected, asked: 1, until: now + WAIT, heard: BTreeSet::new() });
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
    }

    /// What is to be done about the questions whose time is over.
    pub(crate) fn over(&mut self, now: Time) -> Vec<Step> {
        let over: Vec<IpAddr> =
            self.open.iter().filter(|(_, inquiry)| inquiry.until <= now).map(|(address, _)| *address).collect();
        over.into_iter().filter_map(|address| self.conclude(address, now)).collect()
    }

    fn conclude(&mut self, address: IpAddr, now: Time) -> Option<Step> {
        let mut inquiry = self.open.remove(&address)?;
        let silent = inquiry.heard.is_empty() && inquiry.expected.peer.is_some();
        if silent && inquiry.asked < TRIES {
            inquiry.asked += 1;
            inquiry.until = now + WAIT;
            let interface = inquiry.expected.interface;
            self.open.insert(address, inquiry);
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
        let over = self.open.values().map(|inquiry| inquiry.until).min();
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
mod tests {
    use super::*;

    const HOLDER: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 2]);
    const OTHER: MacAddr = MacAddr::new([2, 0, 0, 0, 9, 9]);

    fn ip(n: u16) -> IpAddr {
        let [high, low] = n.to_be_bytes();
        [10, 0, high, low].into()
    }

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    fn by_peer() -> Expected {
        Expected { interface: 2, peer: Some(("node2".to_owned(), HOLDER)) }
    }

    fn asking(count: u16) -> Witness {
        let mut witness = Witness::default();
        witness.set("node1", (0..count).map(ip), at(0));
        witness
    }

    /// When which address is asked for until `end`, by one of `speakers`.
    fn questions(witness: &mut Witness, speakers: usize, end: Time) -> Vec<(Time, IpAddr)> {
        let mut all = Vec::new();
        while let Some(now) = witness.deadline().filter(|now| *now <= end) {
            while let Some(address) = witness.due(now, speakers) {
                all.push((now, address));
            }
        }
        all
    }

    /// What comes of a question for address 1 that these answer.
    fn found(expected: Expected, answers: &[MacAddr]) -> Option<Cause> {
        let mut witness = asking(2);
        witness.asked(ip(1), expected, at(0));
        for mac in answers {
            assert!(witness.hear(ip(1), *mac));
        }
        for now in [1_000, 2_000, 3_000] {
            if let [Step::Found(finding)] = &witness.over(at(now))[..] {
                return finding.trouble;
            }
        }
        panic!("asked for ever");
    }

    #[test]
    fn what_is_new_is_asked_for_soon_and_then_everything_once_in_the_period() {
        let asked = questions(&mut asking(60), 1, at(125_000));
        assert!(asked[..60].iter().all(|(now, _)| (at(0) + NEW..at(0) + NEW + LEAST_GAP * 60).contains(now)));
        let each: Vec<usize> =
            (0..60).map(|n| asked[60..].iter().filter(|(_, address)| *address == ip(n)).count()).collect();
        assert!(each.iter().all(|count| (1..=2).contains(count)), "{each:?}");
    }

    #[test]
    fn of_three_speakers_each_takes_three_times_as_long() {
        let asked = questions(&mut asking(60), 3, at(240_000));
        let later = asked.iter().filter(|(now, _)| *now >= at(60_000)).count();
        assert!((59..=62).contains(&later), "{later}");
    }

    #[test]
    fn however_many_addresses_there_are_the_pace_is_bounded() {
        let asked = questions(&mut asking(50_000), 1, at(120_000));
        for pair in asked.windows(2) {
            assert!(pair[1].0.since(pair[0].0) >= LEAST_GAP, "{pair:?}");
        }
    }

    #[test]
    fn who_should_answer_and_does_alone_is_as_it_should_be() {
        assert_eq!(found(by_peer(), &[HOLDER]), None);
        assert_eq!(found(Expected { interface: 2, peer: None }, &[]), None);
    }

    #[test]
    fn silence_a_wrong_answer_and_two_answers_are_told_apart() {
        assert_eq!(found(by_peer(), &[]), Some(Cause::NoAnswer));
        assert_eq!(found(by_peer(), &[OTHER]), Some(Cause::WrongAnswer));
        assert_eq!(found(by_peer(), &[HOLDER, OTHER]), Some(Cause::TwoAnswers));
        assert_eq!(found(Expected { interface: 2, peer: None }, &[OTHER]), Some(Cause::TwoAnswers));
    }

    #[test]
    fn a_question_without_an_answer_is_asked_three_times() {
        let mut witness = asking(2);
        witness.asked(ip(1), by_peer(), at(0));
        assert_eq!(witness.over(at(999)), []);
        assert_eq!(witness.over(at(1_000)), [Step::Ask(2, ip(1))]);
        assert_eq!(witness.over(at(2_000)), [Step::Ask(2, ip(1))]);
        assert!(matches!(&witness.over(at(3_000))[..], [Step::Found(_)]));
    }

    #[test]
    fn trouble_is_news_once_and_so_is_its_end_and_it_is_asked_for_again_soon() {
        let mut witness = asking(0);
        let silent = Some(Cause::NoAnswer);
        assert!(witness.enter(ip(1), silent, at(0)));
        assert!(!witness.enter(ip(1), silent, at(1)));
        assert_eq!(witness.deadline(), Some(at(0) + AGAIN));
        assert!(witness.enter(ip(1), None, at(2)));
        assert!(!witness.enter(ip(1), None, at(3)));
        assert_eq!(witness.found(), [("answered", 2), ("no-answer", 2)]);
    }

    #[test]
    fn an_answer_that_nobody_asked_for_is_none() {
        assert!(!asking(2).hear(ip(1), OTHER));
    }
}
