use super::*;

const MS: Duration = Duration::from_millis(1);
const DUAL_STACK: u32 = 5_000;

fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

fn ip(n: u32) -> IpAddr {
    IpAddr::V4((0x0a00_0000 + n).into())
}

fn ip6(n: u32) -> IpAddr {
    IpAddr::V6((0x2001_0db8 << 96 | u128::from(n)).into())
}

/// What is announced until `end`, and when, with as many frames as on one interface.
fn announced(announcer: &mut Announcer, end: Time) -> Vec<(Time, IpAddr, usize)> {
    let mut all = Vec::new();
    while let Some(now) = announcer.deadline().filter(|now| *now <= end) {
        while let Some(turn) = announcer.next(now) {
            let frames = if turn.address.is_ipv4() { 2 } else { 1 };
            announcer.spend(turn, frames, now);
            all.push((now, turn.address, frames));
        }
    }
    all
}

/// The milliseconds at which anything is announced until `end`.
fn times(announcer: &mut Announcer, end: Time) -> Vec<u64> {
    announced(announcer, end).into_iter().map(|(at, ..)| at.nanos() / 1_000_000).collect()
}

fn thousands() -> Announcer {
    let mut announcer = Announcer::new(REFRESH);
    (0..DUAL_STACK).flat_map(|n| [ip(n), ip6(n)]).for_each(|address| announcer.start(address, 0, at(1_000)));
    announcer
}

/// The most frames that leave within any `window`.
fn peak(announced: &[(Time, IpAddr, usize)], window: Duration) -> usize {
    let (mut first, mut sum, mut peak) = (0, 0, 0);
    for (now, _, frames) in announced {
        sum += frames;
        while announced[first].0 + window <= *now {
            sum -= announced[first].2;
            first += 1;
        }
        peak = peak.max(sum);
    }
    peak
}

#[test]
fn a_takeover_is_announced_at_once_then_in_a_burst_then_slowly_for_ever() {
    let mut announcer = Announcer::new(REFRESH);
    announcer.start(ip(1), 0, at(1));
    assert_eq!(times(&mut announcer, at(124_000)), [1, 101, 401, 1_101, 2_201, 3_301, 63_000, 123_000]);
}

#[test]
fn refreshes_of_one_second_leave_together() {
    let mut announcer = Announcer::new(REFRESH);
    (0..40).for_each(|n| announcer.start(ip(n), 0, at(1_000 + 10 * u64::from(n))));
    announced(&mut announcer, at(60_000));
    let moments: BTreeSet<u64> = times(&mut announcer, at(120_000)).into_iter().collect();
    // 80 frames, 16 at once.
    assert_eq!(moments.len(), 5, "{moments:?}");
}

#[test]
fn a_refresh_every_few_seconds_keeps_its_own_time() {
    let mut announcer = Announcer::new(Duration::from_millis(1_500));
    announcer.start(ip(1), 0, at(1));
    assert_eq!(times(&mut announcer, at(7_000))[5..], [3_301, 4_801, 6_301]);
}

#[test]
fn without_a_refresh_the_burst_is_all() {
    let mut announcer = Announcer::new(Duration::ZERO);
    announcer.start(ip(1), 0, at(0));
    assert_eq!(times(&mut announcer, at(300_000)).len(), BURST.len());
    assert_eq!(announcer.deadline(), None);
}

#[test]
fn what_is_given_up_is_announced_no_more() {
    let mut announcer = Announcer::new(REFRESH);
    announcer.start(ip(1), 0, at(0));
    announcer.next(at(0));
    announcer.stop(ip(1));
    assert_eq!(announcer.deadline(), None);
}

#[test]
fn thousands_of_takeovers_are_announced_within_a_second() {
    let first = announced(&mut thousands(), at(2_000));
    let addresses: BTreeSet<IpAddr> = first.iter().map(|(_, address, _)| *address).collect();
    assert_eq!(addresses.len(), 2 * DUAL_STACK as usize);
}

#[test]
fn every_takeover_is_announced_once_before_any_is_repeated() {
    let first = announced(&mut thousands(), at(2_000));
    let addresses: BTreeSet<IpAddr> = first[..2 * DUAL_STACK as usize].iter().map(|(_, ip, _)| *ip).collect();
    assert_eq!(addresses.len(), 2 * DUAL_STACK as usize);
}

#[test]
fn a_burst_of_thousands_keeps_to_the_bound() {
    let all = announced(&mut thousands(), at(120_000));
    let frames: usize = all.iter().map(|(.., frames)| frames).sum();
    // 6 rounds of the burst and at least one refresh, of 3 frames for each.
    assert!(frames >= 7 * 3 * DUAL_STACK as usize, "{frames}");
    assert!(peak(&all, Duration::from_secs(1)) <= 16_000 + 33);
    assert!(peak(&all, MS) <= 33);
}

#[test]
fn repetitions_take_turns_more_slowly() {
    let all = announced(&mut thousands(), at(120_000));
    let repeated = &all[2 * DUAL_STACK as usize..];
    assert!(peak(repeated, Duration::from_secs(1)) <= 4_000 + 17);
}

#[test]
fn of_takeovers_at_one_time_those_come_first_that_were_asked_for_last() {
    let mut announcer = Announcer::new(REFRESH);
    for (n, asked) in [(1, 0), (2, 7), (3, 0), (4, 9), (5, 0)] {
        announcer.start(ip(n), asked, at(0));
    }
    let order: Vec<IpAddr> = announced(&mut announcer, at(50)).into_iter().map(|(_, address, _)| address).collect();
    assert_eq!(order, [4, 2, 1, 3, 5].map(ip));
}

#[test]
fn takeovers_come_before_repetitions() {
    let mut announcer = Announcer::new(REFRESH);
    (0..100).for_each(|n| announcer.start(ip(n), 0, at(0)));
    times(&mut announcer, at(50));
    announcer.start(ip(777), 0, at(100));
    assert_eq!(announcer.next(at(100)).map(|turn| turn.address), Some(ip(777)));
}
