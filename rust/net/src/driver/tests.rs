//! A driver whose clock the test turns, on a real wire.

use metalev_engine::{Config, Fact, FactKind, HOLD_DOWN, REFRESH};
use metalev_wire::MacAddr;
use metalev_wire::beacon::{Claim, Repr as Beacon, Standing};

use super::*;
use crate::lab::{self, ARP, FAR, Lab, NEAR};

const STEP: Duration = Duration::from_millis(10);

fn driver_interfaces(lab: &Lab) -> Vec<Interface> {
    vec![Interface { index: lab.near, name: "v0".to_owned(), mac: NEAR, addresses: Vec::new(), gateways: Vec::new() }]
}

/// A driver that holds the VIP, by a clock that the test turns; and the time that it is.
fn holder(lab: &Lab) -> (Driver, Time) {
    let engine = Engine::new(Config {
        node: "a".to_owned(),
        nonce: 1,
        beacon_interval: Duration::from_millis(50),
        misses: 3,
        refresh: REFRESH,
        hold_down: HOLD_DOWN,
    });
    let (udp, mailbox) = (UdpSocket::bind(7946).unwrap(), Arc::new(Mailbox::new().unwrap()));
    let mut driver = Driver::new(engine, mailbox, Arc::new(Wish::new().unwrap()), udp).unwrap();
    let mut now = clock::now();
    driver.adopt(now, driver_interfaces(lab));
    driver.set_table(now, lab::table(&[], &["a"]));
    lab::eventually("the address", || {
        now += STEP;
        driver.turn(now, &mut []);
        let facts = driver.mailbox.facts(Duration::ZERO).unwrap();
        facts.iter().any(|fact| fact.kind == FactKind::Took).then_some(())
    });
    (driver, now)
}

/// Have a request waiting in the driver's socket.
fn ask(lab: &Lab, driver: &Driver) -> Vec<u64> {
    lab.far(ARP).send(&lab::request(MacAddr::BROADCAST, FAR)).unwrap();
    let mut ready = Vec::new();
    lab::eventually("the request", || {
        driver.epoll.wait(&mut ready).unwrap();
        ready.contains(&Token::Arp(lab.near).into()).then_some(())
    });
    ready
}

#[test]
fn a_waiting_request_is_answered_on_waking() {
    let lab = Lab::new();
    let (mut driver, now) = holder(&lab);
    let mut ready = ask(&lab, &driver);
    driver.turn(now + STEP, &mut ready);
    assert_eq!(driver.engine.counters().addresses[0].responses_sent, 1);
}

#[test]
fn a_request_from_before_a_sleep_is_thrown_away_unseen() {
    let lab = Lab::new();
    let (mut driver, now) = holder(&lab);
    let mut ready = ask(&lab, &driver);
    driver.turn(now + Duration::from_secs(10), &mut ready);
    let counters = driver.engine.counters();
    assert_eq!((counters.addresses[0].requests_received, counters.dropped), (0, Vec::new()));
}

/// As of a thread that is stopped between its waking and its reading. The address is given up before the frame is looked
/// at, so it is not the promise that the frame is counted for.
#[test]
fn a_request_that_is_read_after_the_promise_is_over_gets_no_answer() {
    let lab = Lab::new();
    let (mut driver, now) = holder(&lab);
    let mut ready = ask(&lab, &driver);
    lab::eventually("the end of the promise", || (clock::now() > now + Duration::from_secs(1)).then_some(()));
    driver.turn(now, &mut ready);
    let counters = driver.engine.counters();
    assert_eq!(counters.dropped, [(metalev_engine::DropReason::AnnounceIp, 1)]);
    assert_eq!((counters.addresses[0].requests_received, counters.addresses[0].responses_sent), (0, 0));
}

#[test]
fn what_the_kernel_does_not_take_is_counted() {
    let lab = Lab::new();
    let (mut driver, now) = holder(&lab);
    assert_eq!(driver.unsent.count, 0);
    lab::ip("link set v0 down");
    driver.turn(now + Duration::from_secs(2), &mut []);
    let (before, mut later) = (driver.unsent.count, now + Duration::from_secs(2));
    lab::eventually("a failure to send", || {
        later += STEP;
        driver.turn(later, &mut []);
        (driver.unsent.count > before).then_some(())
    });
}

/// The facts of a kind that came up meanwhile.
fn told(driver: &Driver, kind: FactKind) -> Vec<Fact> {
    driver.mailbox.facts(Duration::ZERO).unwrap().into_iter().filter(|fact| fact.kind == kind).collect()
}

#[test]
fn an_interface_that_vanishes_while_it_is_sent_on_is_told_and_the_rest_goes_on() {
    let lab = Lab::new();
    let (mut driver, now) = holder(&lab);
    lab::ip("link del v0");
    // Nobody has told the driver yet, nor has it read a socket that would: beacons and announcements go on.
    let mut later = now;
    let fact = lab::eventually("word of it", || {
        later += STEP;
        driver.feed(later, Event::Tick);
        told(&driver, FactKind::Unsent).pop()
    });
    assert!(fact.message.contains("by v0") && fact.message.contains("down or gone"), "{}", fact.message);
    driver.adopt(later, Vec::new());
    assert_eq!(told(&driver, FactKind::InterfaceDown).len(), 1);
}

#[test]
fn a_firewall_that_forbids_datagrams_is_told_and_frames_go_on() {
    let lab = Lab::new();
    let (mut driver, now) = holder(&lab);
    lab::nft("add table inet t");
    lab::nft("add chain inet t out { type filter hook output priority 0; }");
    lab::nft("add rule inet t out udp dport 7946 drop");
    let mut table = lab::table(&["b"], &["a", "b"]);
    table.peers[0].addresses = vec!["127.0.0.1".parse().unwrap()];
    driver.set_table(now, table);
    let fact = told(&driver, FactKind::Unsent).pop();
    let mut later = now;
    let fact = fact.unwrap_or_else(|| {
        lab::eventually("word of it", || {
            later += STEP;
            driver.turn(later, &mut []);
            told(&driver, FactKind::Unsent).pop()
        })
    });
    assert!(fact.message.contains("UDP to 127.0.0.1: Operation not permitted"), "{}", fact.message);
    assert!(fact.message.contains("let out UDP 7946"), "{}", fact.message);
    let mut ready = ask(&lab, &driver);
    driver.turn(later, &mut ready);
    assert_eq!(driver.engine.counters().addresses[0].responses_sent, 1);
}

#[test]
fn a_queue_that_is_full_is_told_and_what_was_held_is_answered_when_it_drains() {
    let lab = Lab::new();
    let (mut driver, now) = holder(&lab);
    lab::tc("qdisc add dev v0 root tbf rate 8kbit burst 100 limit 100");
    let mut later = now;
    let fact = lab::eventually("word of it", || {
        later += STEP;
        driver.turn(later, &mut []);
        told(&driver, FactKind::Unsent).pop()
    });
    assert!(fact.message.contains("by v0: No buffer space available"), "{}", fact.message);
    assert!(fact.message.contains("its queue is full"), "{}", fact.message);
    lab::tc("qdisc del dev v0 root");
    let mut ready = ask(&lab, &driver);
    let before = driver.unsent.count;
    driver.turn(later, &mut ready);
    assert_eq!((driver.engine.counters().addresses[0].responses_sent, driver.unsent.count), (1, before));
}

#[test]
fn an_interface_whose_socket_fails_is_opened_again() {
    let lab = Lab::new();
    let (mut driver, now) = holder(&lab);
    driver.lose(now, lab.near);
    assert_eq!(driver.open, []);
    driver.turn(now + REOPEN, &mut []);
    assert_eq!(driver.open, driver.wanted);
    assert!(driver.ports.get(Token::Arp(lab.near)).is_some());
}

#[test]
fn an_interface_that_cannot_be_opened_is_not_shown_to_the_engine_and_tried_again() {
    let lab = Lab::new();
    let (mut driver, now) = holder(&lab);
    let gone = Interface { index: 4711, ..driver.open[0].clone() };
    driver.adopt(now, vec![gone]);
    assert_eq!((driver.open.as_slice(), driver.reopen_at), ([].as_slice(), Some(now + REOPEN)));
}

/// A beacon in which node "b" says to "a" what it holds and hears.
fn beacon_of_b(echo: u64, sequence: u64) -> Beacon {
    Beacon {
        sender: "b".to_owned(),
        recipient: "a".to_owned(),
        nonce: 7,
        echo,
        sequence,
        hears_you: true,
        goodbye: false,
        quiet: false,
        interval_ms: 50,
        mac: FAR,
        since: 0,
        through: 1,
        latest: 1,
        acknowledged: 0,
        claims: vec![Claim { address: lab::VIP.parse().unwrap(), term: 99, standing: Standing::Holds(0) }],
    }
}

/// Send it, signed with the table's key.
fn send(lab: &Lab, beacon: &Beacon) {
    let bytes = beacon.emit_signed(&lab::table(&[], &[]).keys[0]).unwrap();
    lab.far(lab::BEACON).send(&lab::beacon(MacAddr::BROADCAST, FAR, &bytes)).unwrap();
}

#[test]
fn what_peers_have_said_is_read_before_what_clients_ask() {
    let lab = Lab::new();
    let (mut driver, now) = holder(&lab);
    driver.set_table(now, lab::table(&["b"], &["a", "b"]));
    // As after a pause in which the clock stood still: the question came first, then the peer's word that it has taken
    // the address.
    ask(&lab, &driver);
    let mut ready = say(&lab, &driver, 1);
    assert!(ready.contains(&Token::Arp(lab.near).into()));
    driver.turn(now, &mut ready);
    let counters = driver.engine.counters();
    assert_eq!((counters.addresses[0].requests_received, counters.addresses[0].responses_sent), (0, 0));
}

/// Have a beacon of "b" waiting in the driver's socket.
fn say(lab: &Lab, driver: &Driver, sequence: u64) -> Vec<u64> {
    send(lab, &beacon_of_b(1, sequence));
    let mut ready = Vec::new();
    lab::eventually("the beacon", || {
        driver.epoll.wait(&mut ready).unwrap();
        ready.contains(&Token::Beacon(lab.near).into()).then_some(())
    });
    ready
}

/// A holder that has heard "b" once, and when.
fn acquainted(lab: &Lab) -> (Driver, Time) {
    let (mut driver, now) = holder(lab);
    driver.set_table(now, lab::table(&["b"], &["a", "b"]));
    let mut ready = say(lab, &driver, 1);
    driver.turn(now, &mut ready);
    (driver, now)
}

/// In steps that are each late by less than is excused, up to when "b" is given up.
fn pass_almost_all_patience(driver: &mut Driver, since: Time) {
    for step in 1..=15 {
        driver.turn(since + STEP * step, &mut []);
    }
}

#[test]
fn whoever_has_a_beacon_waiting_is_not_given_up() {
    let lab = Lab::new();
    let (mut driver, now) = acquainted(&lab);
    pass_almost_all_patience(&mut driver, now);
    let mut ready = say(&lab, &driver, 2);
    driver.turn(now + STEP * 16 + STEP / 2, &mut ready);
    let facts = driver.mailbox.facts(Duration::ZERO).unwrap();
    assert!(facts.iter().any(|fact| fact.kind == FactKind::PeerHeard));
    assert!(!facts.iter().any(|fact| fact.kind == FactKind::PeerLost));
}

/// Have a beacon of "b" that says nothing new waiting in the driver's socket, with a question behind it to know that it is
/// there. Answers what wakes the driver.
fn repeat(lab: &Lab, driver: &Driver, sequence: u64) -> Vec<u64> {
    send(lab, &Beacon { quiet: true, claims: vec![], since: 1, ..beacon_of_b(1, sequence) });
    ask(lab, driver)
}

#[test]
fn a_beacon_that_says_nothing_new_wakes_nobody_and_is_read_at_the_next_turn() {
    let lab = Lab::new();
    let (mut driver, now) = acquainted(&lab);
    driver.attend().unwrap();
    let mut ready = repeat(&lab, &driver, 2);
    assert_eq!(ready, [Token::Arp(lab.near).into()]);
    let heard = |driver: &Driver| driver.engine.counters().beacons_received;
    driver.turn(now, &mut ready);
    assert_eq!(heard(&driver), 1, "before anything is due");
    driver.turn(now, &mut [Token::Alarm.into()]);
    assert_eq!(heard(&driver), 2);
}

#[test]
fn whoever_misses_a_peer_is_woken_by_what_says_nothing_new_too() {
    let lab = Lab::new();
    let (mut driver, now) = acquainted(&lab);
    let mut later = now;
    lab::eventually("the loss", || {
        later += STEP;
        driver.turn(later, &mut []);
        told(&driver, FactKind::PeerLost).pop()
    });
    driver.attend().unwrap();
    let ready = repeat(&lab, &driver, 2);
    assert!(ready.contains(&Token::Quiet(lab.near).into()));
    // Interfaces that come now are watched as well.
    driver.adopt(later, Vec::new());
    driver.adopt(later, driver_interfaces(&lab));
    assert!(repeat(&lab, &driver, 3).contains(&Token::Quiet(lab.near).into()));
}

#[test]
fn whoever_has_a_beacon_waiting_that_says_nothing_new_is_not_given_up() {
    let lab = Lab::new();
    let (mut driver, now) = acquainted(&lab);
    pass_almost_all_patience(&mut driver, now);
    repeat(&lab, &driver, 2);
    driver.turn(now + STEP * 16 + STEP / 2, &mut [Token::Alarm.into()]);
    assert_eq!((told(&driver, FactKind::PeerLost), driver.engine.counters().beacons_received), (vec![], 2));
}

#[test]
fn the_kernel_tells_for_how_long_a_beacon_has_waited() {
    let lab = Lab::new();
    let (mut driver, _) = holder(&lab);
    driver.attend().unwrap();
    let before = Reading::now();
    repeat(&lab, &driver, 1);
    let there = Reading::now();
    let passed = |since: Reading| Reading::now().now.since(since.now);
    lab::eventually("some time", || (passed(there) > Duration::from_millis(40)).then_some(()));
    let quiet = driver.ports.get(Token::Quiet(lab.near)).unwrap();
    assert_eq!(driver.batch.receive(quiet.as_fd()).unwrap(), 1);
    let waited = Waiting::new(before).of(driver.batch.message(0).arrived, Reading::now());
    assert!(waited >= Duration::from_millis(40) && waited <= passed(before), "{waited:?}");
}
