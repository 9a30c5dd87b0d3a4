//! How many beacons a node sends, however many nodes and addresses there are.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::IpAddr;

use common::{ETH, MS, key, link};
use metalev_engine::{Action, Candidate, Config, Engine, Event, Group, HOLD_DOWN, Peer, Preempt, REFRESH, Table, Time};
use metalev_wire::MacAddr;
use metalev_wire::beacon::{self, Repr as Beacon};
use metalev_wire::ethernet::{EtherType, Frame, Repr as Header};

const NONCE: u64 = 1;

fn peer(n: usize) -> String {
    format!("peer{n}")
}

/// A speaker among `peers` that all live, and that announces so many addresses of which each peer is next for some.
struct Choir {
    engine: Engine,
    now: Time,
    sequence: u64,
    /// Beacons sent in a second, and the interval that was stated to each peer last.
    sent: Vec<usize>,
    stated: BTreeMap<String, u32>,
}

impl Choir {
    fn new(peers: usize, addresses: u32) -> Self {
        let config = Config {
            node: "node1".into(),
            nonce: NONCE,
            beacon_interval: 50 * MS,
            misses: 3,
            refresh: REFRESH,
            hold_down: HOLD_DOWN,
        };
        let now = Time::from_nanos(1_000_000_000);
        let mut choir =
            Self { engine: Engine::new(config), now, sequence: 0, sent: Vec::new(), stated: BTreeMap::new() };
        choir.engine.handle(now, Event::Interfaces(vec![link(1)]));
        let address = |n: usize| IpAddr::from([10, 0, u8::try_from(n / 250).unwrap(), u8::try_from(n % 250).unwrap()]);
        let groups = (0..addresses).map(|n| {
            let vip = IpAddr::V4((0xc0a8_0000 + n).into());
            let next = (0..3).map(|k| peer((n as usize + k) % peers));
            let names = std::iter::once("node1".to_owned()).chain(next);
            let candidates = names.map(|node| Candidate { node, score: 0 }).collect();
            Group {
                key: vip,
                addresses: vec![vip],
                candidates,
                interfaces: vec![],
                gives_way: false,
                keeps: false,
                drilled: false,
                preempt: Preempt::Sticky,
            }
        });
        let table = Table {
            peers: (0..peers).map(|n| Peer { node: peer(n), addresses: vec![address(n)] }).collect(),
            keys: vec![key()],
            groups: groups.collect(),
            ..Table::default()
        };
        choir.engine.handle(now, Event::Table(table));
        choir
    }

    /// Let seconds pass in which every peer says once a second that it lives and knows all.
    fn run(&mut self, peers: usize, seconds: usize) {
        for _ in 0..seconds {
            let mut sent = 0;
            for n in 0..peers {
                self.hear(&peer(n));
            }
            sent += self.pass(1_000);
            self.sent.push(sent);
        }
    }

    /// Let milliseconds pass in which nothing is heard; how many beacons were sent.
    fn pass(&mut self, ms: u32) -> usize {
        let end = self.now + MS * ms;
        let mut sent = self.drain();
        while let Some(next) = self.engine.deadline().filter(|next| *next < end) {
            self.now = next.max(self.now);
            self.engine.handle(self.now, Event::Tick);
            sent += self.drain();
        }
        self.now = end;
        sent
    }

    fn hear(&mut self, sender: &str) {
        self.hear_of(sender, true, 1 << 40);
    }

    fn hear_of(&mut self, sender: &str, hears_you: bool, acknowledged: u64) {
        self.sequence += 1;
        let mac = MacAddr::new([2, 9, 0, 0, 0, 1]);
        let beacon = Beacon {
            sender: sender.into(),
            recipient: "node1".into(),
            nonce: 7,
            echo: NONCE,
            sequence: self.sequence,
            hears_you,
            goodbye: false,
            quiet: false,
            interval_ms: 1_000,
            mac: MacAddr::ZERO,
            since: 0,
            through: 0,
            latest: 0,
            acknowledged,
            claims: vec![],
        };
        let header = Header { dst: link(1).mac, src: mac, ethertype: EtherType::BEACON };
        let bytes = header.frame(&beacon.emit_signed(&key()).unwrap());
        self.engine.handle(self.now, Event::Frame { interface: ETH, bytes: &bytes, waited: Duration::ZERO });
    }

    fn drain(&mut self) -> usize {
        let mut sent = 0;
        while let Some(action) = self.engine.poll() {
            match action {
                Action::SendFrame { bytes, .. } => {
                    let frame = Frame::new_checked(&bytes[..]).unwrap();
                    if frame.ethertype() == EtherType::BEACON {
                        sent += 1;
                        let verified = beacon::verify(frame.into_payload(), &[key()]).unwrap();
                        let beacon = Beacon::parse(&verified).unwrap();
                        self.stated.insert(beacon.recipient, beacon.interval_ms);
                    }
                }
                Action::SendDatagram { .. } => sent += 1,
                _ => {}
            }
        }
        sent
    }
}

#[test]
fn a_node_sends_two_thousand_beacons_a_second_at_most_however_many_it_has_to_tell() {
    // Every one of 120 peers is next in line for some address: 4,800 a second if nothing were stretched.
    let mut choir = Choir::new(120, 120);
    choir.run(120, 5);
    assert!(choir.sent[2..].iter().all(|sent| *sent <= 2_000), "{:?}", choir.sent);
    assert_eq!(choir.stated.values().min(), Some(&150));
}

#[test]
fn those_who_are_not_next_are_told_less_often_when_they_are_very_many() {
    let mut choir = Choir::new(1_100, 1);
    choir.run(1_100, 9);
    // Whole seconds apart, so it is the mean that counts: 2,200 a second if nothing were stretched.
    let mean = choir.sent[3..].iter().sum::<usize>() / 6;
    assert!(mean <= 2_000, "{:?}", choir.sent);
    assert_eq!(choir.stated.values().max(), Some(&3_000));
    assert_eq!(choir.stated["peer0"], 50);
}

#[test]
fn in_a_small_cluster_nothing_is_stretched() {
    let mut choir = Choir::new(20, 1_000);
    choir.run(20, 5);
    assert_eq!(choir.stated.values().max(), Some(&50));
}

#[test]
fn those_who_fell_silent_are_sought_four_times_a_second_for_half_a_minute() {
    let mut choir = Choir::new(60, 0);
    choir.run(60, 3);
    choir.run(0, 40);
    // Two paths to each of 60.
    assert!(choir.sent[10..28].iter().all(|sent| (440..=520).contains(sent)), "{:?}", choir.sent);
    assert!(choir.sent[36..].iter().all(|sent| *sent <= 130), "{:?}", choir.sent);
}

#[test]
fn too_many_to_be_sought_are_told_as_seldom_as_the_living() {
    let mut choir = Choir::new(150, 0);
    choir.run(150, 3);
    choir.run(0, 12);
    assert!(choir.sent[7..].iter().all(|sent| *sent <= 320), "{:?}", choir.sent);
}

#[test]
fn a_speaker_that_starts_among_three_hundred_stays_within_the_budget_from_its_first_second() {
    let mut choir = Choir::new(300, 60);
    choir.run(300, 4);
    assert!(choir.sent.iter().all(|sent| *sent <= 2_000), "{:?}", choir.sent);
    assert_eq!(choir.stated.len(), 300, "everybody is told");
}

#[test]
fn answers_that_are_asked_for_again_and_again_stay_within_the_budget() {
    let mut choir = Choir::new(120, 120);
    choir.run(120, 3);
    choir.sent.clear();
    for _ in 0..2 {
        // As when halves meet: each says fifty times a second that it does not hear this node, and has yet to hear of all.
        let mut sent = 0;
        for _ in 0..50 {
            (0..120).for_each(|n| choir.hear_of(&peer(n), false, 0));
            sent += choir.pass(20);
        }
        choir.sent.push(sent);
    }
    assert!(choir.sent.iter().all(|sent| *sent <= 2_100), "{:?}", choir.sent);
    assert_eq!(choir.stated.values().max(), Some(&150), "life signs keep their pace");
}
