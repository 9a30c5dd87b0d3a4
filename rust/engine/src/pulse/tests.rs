use super::*;

const MS: Duration = Duration::from_millis(1);

fn at(ms: u64) -> Time {
    Time::from_nanos(1_000_000_000 + ms * 1_000_000)
}

fn pulse() -> Pulse {
    let mut pulse = Pulse::new(Timing { interval: 50 * MS, misses: 3 });
    pulse.start(at(0));
    pulse
}

#[test]
fn nothing_is_answered_before_the_first_round() {
    assert!(!pulse().may_answer(at(0)));
}

#[test]
fn a_round_renews_the_promise_for_one_dead_time() {
    let mut pulse = pulse();
    assert!(pulse.round(at(0)));
    assert!(pulse.may_answer(at(149)));
    assert!(!pulse.may_answer(at(150)));
}

#[test]
fn a_round_comes_every_interval_and_does_not_drift() {
    let mut pulse = pulse();
    assert!(pulse.round(at(2)));
    assert!(!pulse.round(at(49)));
    assert!(pulse.round(at(50)));
}

#[test]
fn rounds_that_were_missed_are_not_made_up_for() {
    let mut pulse = pulse();
    assert!(pulse.round(at(120)));
    assert!(!pulse.round(at(169)));
    assert!(pulse.round(at(170)));
}

#[test]
fn takeovers_wait_one_dead_time_after_a_start() {
    assert_eq!(pulse().listening_until(at(149)), Some(at(150)));
    assert_eq!(pulse().listening_until(at(150)), None);
}

#[test]
fn a_wake_past_the_promise_is_a_sleep_and_listening_begins_again() {
    let mut pulse = pulse();
    pulse.wake(at(0), None);
    pulse.round(at(0));
    assert_eq!(pulse.wake(at(400), Some(at(50))), Wake::Overslept(400 * MS));
    assert!(!pulse.may_answer(at(400)));
    assert_eq!(pulse.listening_until(at(400)), Some(at(550)));
}

#[test]
fn a_wake_that_is_late_but_within_the_promise_says_by_how_much() {
    let mut pulse = pulse();
    pulse.wake(at(0), None);
    pulse.round(at(0));
    assert_eq!(pulse.wake(at(120), Some(at(50))), Wake::Late(70 * MS));
    assert_eq!(pulse.wake(at(121), Some(at(170))), Wake::InTime);
}

/// Rounds that each come late by this much, the first at once; the promise that the last of them made.
fn promise_after(late: &[u64]) -> Duration {
    let mut pulse = pulse();
    for (n, late) in (0..).zip(late) {
        let now = at(n * 50 + late);
        pulse.wake(now, Some(at(n * 50)));
        pulse.round(now);
    }
    pulse.promise()
}

#[test]
fn a_speaker_that_is_in_time_promises_one_dead_time() {
    assert_eq!(promise_after(&[0, 9, 3, 10, 0, 0, 0]), 150 * MS);
}

#[test]
fn lateness_is_stated_at_once_and_promised_only_when_peers_can_be_expected_to_know() {
    let mut pulse = pulse();
    let mut seen = Vec::new();
    for n in 3..8 {
        pulse.wake(at(n * 50 + 30), Some(at(n * 50)));
        pulse.round(at(n * 50 + 30));
        seen.push((pulse.stated(), pulse.promise()));
    }
    let told = (70 * MS, 150 * MS);
    assert_eq!(seen, [told, told, told, (70 * MS, 210 * MS), (70 * MS, 210 * MS)]);
}

#[test]
fn no_lateness_makes_the_dead_time_longer_than_a_second() {
    let mut pulse = pulse();
    for n in 0..10 {
        pulse.wake(at(n * 1_000 + 900), Some(at(n * 1_000)));
        pulse.round(at(n * 1_000 + 900));
    }
    assert!(pulse.promise() <= MOST_PATIENCE, "{:?}", pulse.promise());
    assert!(pulse.promise() > 900 * MS, "{:?}", pulse.promise());
}

#[test]
fn a_pause_of_seconds_is_no_lateness() {
    let mut pulse = pulse();
    for n in 0..6 {
        pulse.wake(at(n * 10_000 + 5_000), Some(at(n * 10_000)));
        pulse.round(at(n * 10_000 + 5_000));
    }
    assert_eq!((pulse.stated(), pulse.promise()), (50 * MS, 150 * MS));
}

#[test]
fn lateness_of_a_program_that_is_just_starting_changes_nothing() {
    let mut pulse = pulse();
    for n in 0..3 {
        pulse.wake(at(n * 50 + 40), Some(at(n * 50)));
        pulse.round(at(n * 50 + 40));
    }
    assert_eq!((pulse.stated(), pulse.promise()), (50 * MS, 150 * MS));
}

#[test]
fn lateness_is_forgotten_in_two_seconds() {
    let late: Vec<u64> = std::iter::repeat_n(60, 5).chain(std::iter::repeat_n(0, 40)).collect();
    assert_eq!(promise_after(&late), 150 * MS);
    assert!(promise_after(&late[..20]) > 200 * MS);
}

#[test]
fn a_promise_never_outlasts_what_was_stated_when_it_shrinks() {
    let mut pulse = pulse();
    for n in 0..2_000 {
        let late = if n < 10 { 40 } else { 0 };
        pulse.wake(at(n * 50 + late), Some(at(n * 50)));
        pulse.round(at(n * 50 + late));
        assert!(pulse.promise() <= pulse.stated() * 3);
    }
}

#[test]
fn a_peer_is_given_up_only_after_its_own_promise_has_ended() {
    let timing = Timing { interval: 50 * MS, misses: 3 };
    assert!(timing.patience(50 * MS, Duration::ZERO) > timing.dead_time());
    assert_eq!(timing.patience(1000 * MS, Duration::ZERO), 3010 * MS);
}

#[test]
fn patience_grows_with_jitter_up_to_a_second_and_never_shrinks() {
    let timing = Timing { interval: 50 * MS, misses: 3 };
    assert_eq!(timing.patience(50 * MS, 70 * MS), 230 * MS);
    assert_eq!(timing.patience(50 * MS, 5_000 * MS), 1_000 * MS);
    assert_eq!(timing.patience(1000 * MS, 5_000 * MS), 3010 * MS);
}
