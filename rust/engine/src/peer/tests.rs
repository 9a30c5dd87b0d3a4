use super::*;

const MS: Duration = Duration::from_millis(1);
const TIMING: Timing = Timing { interval: Duration::from_millis(50), misses: 3 };

fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

/// A peer whose beacons, one every 50 ms as it says, came in at these times.
fn heard_at(times: &[u64]) -> Peer {
    let mut peer = Peer::new(&table::Peer { node: "node1".into(), addresses: vec![] });
    for time in times {
        peer.heard(at(*time), Path::Interface(2), 2, &beacon(*time));
    }
    peer
}

fn beacon(sequence: u64) -> Beacon {
    Beacon {
        sender: "node1".into(),
        recipient: "node2".into(),
        nonce: 1,
        echo: 2,
        sequence,
        hears_you: true,
        goodbye: false,
        quiet: false,
        interval_ms: 50,
        mac: MacAddr::ZERO,
        since: 0,
        through: 0,
        latest: 0,
        acknowledged: 0,
        claims: vec![],
    }
}

#[test]
fn a_punctual_peer_is_given_up_after_its_promise_and_a_little() {
    assert_eq!(heard_at(&[0, 50, 100]).expiry(TIMING), Some(at(100) + 160 * MS));
}

#[test]
fn a_peer_whose_beacons_come_late_is_given_more_time() {
    assert_eq!(heard_at(&[0, 50, 170]).expiry(TIMING), Some(at(170) + 230 * MS));
}

#[test]
fn lateness_is_forgotten_while_beacons_are_in_time() {
    let mut times = vec![0, 120];
    times.extend((1..=40).map(|n| 120 + 50 * n));
    let expiry = heard_at(&times).expiry(TIMING).unwrap();
    assert!(expiry.since(at(120 + 50 * 40)) < 161 * MS);
}

#[test]
fn beacons_that_did_not_come_are_counted_and_late_ones_are_not() {
    let peer = heard_at(&[0, 50, 120, 170, 320, 370]);
    let hearing = peer.paths.get(Path::Interface(2)).unwrap();
    assert_eq!((hearing.received, hearing.missed), (6, 2));
}

#[test]
fn a_silence_says_how_much_patience_it_has_exhausted() {
    let silences = heard_at(&[0, 120]).expire(at(400), TIMING);
    assert_eq!((silences[0].silent_for, silences[0].patience), (280 * MS, 230 * MS));
}

#[test]
fn what_was_said_before_the_news_and_is_read_after_them_confirms_them_on_no_path() {
    let mut peer = heard_at(&[0]);
    let mut session = Session::new(1);
    session.latest = 5;
    peer.session = Some(session);
    peer.leave_behind(Path::Udp);
    let say = |peer: &mut Peer, sequence, latest| {
        peer.heard(at(50), Path::Interface(2), 2, &Beacon { latest, ..beacon(sequence) });
        peer.is_behind(Path::Interface(2))
    };
    assert!(say(&mut peer, 40, 4));
    assert!(!say(&mut peer, 50, 5));
}

#[test]
fn what_was_said_before_and_is_read_after_does_not_say_again_who_hears_whom() {
    let mut peer = heard_at(&[0]);
    peer.heard(at(50), Path::Interface(2), 2, &Beacon { hears_you: false, ..beacon(50) });
    peer.heard(at(50), Path::Interface(2), 2, &beacon(40));
    assert!(!peer.hears_us_on(&[2]));
    peer.heard(at(60), Path::Interface(2), 2, &beacon(60));
    assert!(peer.hears_us_on(&[2]));
}
