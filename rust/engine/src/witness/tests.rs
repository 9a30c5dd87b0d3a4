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
        all.extend(witness.due(now, speakers).into_iter().map(|address| (now, address)));
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
fn what_is_due_within_a_second_is_asked_for_at_once() {
    let asked = questions(&mut asking(1_000), 3, at(240_000));
    let later: Vec<Time> = asked.iter().map(|(now, _)| *now).filter(|now| *now >= at(120_000)).collect();
    let moments: BTreeSet<Time> = later.iter().copied().collect();
    // 1,000 in 180 s.
    assert!((600..=700).contains(&later.len()), "{}", later.len());
    assert!(moments.len() <= 135, "{}", moments.len());
}

#[test]
fn however_many_addresses_there_are_the_pace_is_bounded() {
    let asked = questions(&mut asking(50_000), 1, at(120_000));
    for fifty in asked.windows(AT_ONCE as usize + 1) {
        assert!(fifty[AT_ONCE as usize].0.since(fifty[0].0) >= BEAT, "{fifty:?}");
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

#[test]
fn a_question_that_is_put_once_more_while_it_is_open_is_over_once() {
    let mut witness = asking(2);
    for asked in [0, 0, 400] {
        witness.asked(ip(1), Expected { interface: 2, peer: None }, at(asked));
    }
    assert_eq!(witness.deadline(), Some(at(1_400)));
    assert_eq!(witness.over(at(1_000)), []);
    assert_eq!(witness.over(at(1_400)).len(), 1);
    assert_eq!(witness.over(at(9_000)), []);
}

#[test]
fn what_is_asked_for_no_longer_is_never_over() {
    let mut witness = asking(2);
    witness.asked(ip(1), by_peer(), at(0));
    witness.set("node1", [ip(0)].into_iter(), at(10));
    assert_eq!(witness.over(at(9_000)), []);
    assert_eq!(witness.deadline(), Some(at(0) + NEW));
}
