use proptest::prelude::*;

use super::*;

const ETH: u32 = 2;

fn ip(n: u16) -> IpAddr {
    let [high, low] = n.to_be_bytes();
    [10, 0, high, low].into()
}

fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

fn asking(count: u16) -> Prober {
    let mut prober = Prober::new(1);
    prober.set(&(0..count).map(ip).collect::<Vec<_>>(), at(0));
    prober
}

/// What is done until `end`, and when, by one who is to ask for everything.
fn steps(prober: &mut Prober, end: Time) -> Vec<(Time, Step)> {
    let mut all = Vec::new();
    while let Some(now) = prober.deadline().filter(|now| *now <= end) {
        all.extend(prober.due(now, |_| Duty::Mine(ETH)).into_iter().map(|step| (now, step)));
    }
    all
}

fn probes(steps: &[(Time, Step)]) -> Vec<Time> {
    steps.iter().filter(|(_, step)| matches!(step, Step::Probe(..))).map(|(at, _)| *at).collect()
}

#[test]
fn an_address_is_clean_after_three_probes_a_second_or_two_apart_and_two_seconds_of_silence() {
    let mut prober = asking(1);
    let steps = steps(&mut prober, at(10_000));
    let sent = probes(&steps);
    assert_eq!((sent.len(), steps.len()), (3, 4));
    for pair in sent.windows(2) {
        assert!((PROBE_MIN..=PROBE_MIN * 2).contains(&pair[1].since(pair[0])), "{pair:?}");
    }
    assert_eq!(steps[3], (sent[2] + ANNOUNCE_WAIT, Step::Clean(ETH, ip(0))));
    assert_eq!(prober.sent(), 3);
}

#[test]
fn a_clean_address_is_asked_for_again_when_that_is_no_longer_fresh() {
    let mut prober = asking(1);
    let first = steps(&mut prober, at(10_000));
    let clean = first[3].0;
    assert_eq!(prober.deadline(), Some(clean + FRESH));
}

#[test]
fn one_that_somebody_has_is_not_clean_and_is_asked_for_again_later() {
    let mut prober = asking(1);
    prober.due(at(0), |_| Duty::Mine(ETH));
    prober.answered(ip(0), at(5));
    assert_eq!(prober.deadline(), Some(at(5) + AGAIN));
    let steps = steps(&mut prober, at(5) + AGAIN + Duration::from_secs(10));
    assert_eq!(probes(&steps).len(), 3, "a whole series");
}

#[test]
fn who_is_not_to_ask_sees_again_later_whether_that_is_still_so() {
    let mut prober = asking(1);
    assert_eq!(prober.due(at(0), |_| Duty::Others(ETH)), []);
    assert_eq!(prober.deadline(), Some(at(0) + OTHERS));
    assert_eq!(prober.due(at(0) + OTHERS, |_| Duty::Mine(ETH)), [Step::Probe(ETH, ip(0))]);
}

#[test]
fn a_sample_of_what_others_are_to_ask_for_is_asked_for_once_and_left_to_them_to_call_clean() {
    let mut prober = asking(20);
    let theirs = |_| Duty::Others(ETH);
    assert_eq!(prober.due(at(0), theirs), []);
    prober.sample(at(5));
    let mut steps = Vec::new();
    while let Some(now) = prober.deadline().filter(|now| *now <= at(29_000)) {
        steps.extend(prober.due(now, theirs));
    }
    for n in 0..20 {
        let sent = steps.iter().filter(|step| **step == Step::Probe(ETH, ip(n))).count();
        assert_eq!(sent, if n < 6 { 3 } else { 0 }, "{n}");
    }
    assert_eq!(steps.iter().filter(|step| matches!(step, Step::Silent(_))).count(), 6);
    assert!(!steps.iter().any(|step| matches!(step, Step::Clean(..))), "{steps:?}");
}

#[test]
fn what_was_asked_for_besides_and_is_somebody_s_is_asked_for_until_it_is_not() {
    let mut prober = asking(1);
    prober.due(at(0), |_| Duty::Others(ETH));
    prober.sample(at(5));
    assert_eq!(prober.due(at(5), |_| Duty::Others(ETH)), [Step::Probe(ETH, ip(0))]);
    prober.answered(ip(0), at(6));
    assert_eq!(prober.due(at(6) + AGAIN, |_| Duty::Others(ETH)), [Step::Probe(ETH, ip(0))]);
    prober.left_open(ip(0), at(6) + AGAIN);
    assert_eq!(prober.due(at(6) + AGAIN + FRESH, |_| Duty::Others(ETH)), []);
}

#[test]
fn a_sample_is_taken_once_in_a_minute() {
    let mut prober = asking(20);
    prober.due(at(0), |_| Duty::Others(ETH));
    prober.sample(at(5));
    assert_eq!(prober.deadline(), Some(at(5)));
    while prober.deadline().is_some_and(|now| now < at(20_000)) {
        prober.due(prober.deadline().unwrap_or_default(), |_| Duty::Others(ETH));
    }
    prober.sample(at(20_000));
    assert!(prober.deadline() > Some(at(20_000)));
}

#[test]
fn what_is_next_to_be_given_away_is_asked_for_first() {
    let mut prober = asking(50);
    let steps = steps(&mut prober, at(900));
    let asked: Vec<_> = steps.iter().map(|(_, step)| *step).collect();
    assert_eq!(asked, (0..10).map(|n| Step::Probe(ETH, ip(n))).collect::<Vec<_>>());
}

#[test]
fn the_whole_schedule_begins_within_a_second_by_lot_and_ends_within_seven() {
    for seed in 0..50 {
        let mut prober = Prober::hesitant(seed);
        prober.set(&[ip(1)], at(0));
        let steps = steps(&mut prober, at(10_000));
        assert!(steps[0].0 < at(1_000) && steps[3].0 <= at(7_000), "{steps:?}");
        assert_eq!(steps[3].1, Step::Clean(ETH, ip(1)));
    }
}

#[test]
fn a_series_that_may_have_missed_an_answer_begins_anew() {
    let mut prober = asking(1);
    steps(&mut prober, at(3_000));
    prober.restart(at(3_000));
    let steps = steps(&mut prober, at(13_000));
    assert_eq!(probes(&steps).len(), 3);
}

#[test]
fn what_is_not_wanted_any_more_is_not_asked_for() {
    let mut prober = asking(2);
    prober.set(&[ip(1)], at(0));
    assert!(steps(&mut prober, at(10_000)).iter().all(|(_, step)| matches!(*step,
        Step::Probe(_, address) | Step::Clean(_, address) if address == ip(1))));
}

proptest! {
    #[test]
    fn probes_of_any_number_of_addresses_keep_their_distance_and_each_gets_its_verdict(
        count in 1_u16..200,
        changes in proptest::collection::vec((0_u64..40_000, 0_u16..200, any::<bool>()), 0..20),
    ) {
        let mut prober = asking(count);
        let mut changes = changes;
        changes.sort_unstable();
        let mut sent = Vec::new();
        for (ms, n, other_list) in changes {
            sent.extend(probes(&steps(&mut prober, at(ms))));
            if other_list {
                prober.set(&(0..n).map(ip).collect::<Vec<_>>(), at(ms));
            } else {
                prober.answered(ip(n), at(ms));
            }
        }
        let rest = steps(&mut prober, at(400_000));
        sent.extend(probes(&rest));
        for pair in sent.windows(2) {
            prop_assert!(pair[1].since(pair[0]) >= GAP, "{:?}", pair);
        }
        for address in prober.addresses() {
            prop_assert!(rest.iter().any(|(_, step)| *step == Step::Clean(ETH, address)), "{}", address);
        }
    }
}
