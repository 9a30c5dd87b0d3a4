//! Frames that nobody can have meant for us, each dropped by its name; and thousands of addresses at once.

mod common;

use core::time::Duration;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use common::{ETH, MS, World, group_of, key, link, vip, vip6};
use metalev_engine::{Action, Config, DropReason, Engine, Event, HOLD_DOWN, REFRESH, Table, Time};
use metalev_wire::ethernet::{EtherType, Frame, Repr as Header};
use metalev_wire::{MacAddr, arp, ndp};

/// A node that holds an address of each family.
fn holder() -> World {
    let mut world = World::new(1);
    world.set_groups(vec![group_of(&[vip(200), vip6(200)], &["node1"])]);
    world.run(500 * MS);
    world
}

/// What a frame is dropped for, if it is.
fn dropped_for(bytes: &[u8]) -> Option<DropReason> {
    let mut world = holder();
    let sent = world.nodes["node1"].sent;
    world.event("node1", Event::Frame { interface: ETH, bytes, waited: Duration::ZERO });
    assert_eq!(world.nodes["node1"].sent, sent, "nothing is answered");
    world.nodes["node1"].engine.counters().dropped.first().map(|(reason, _)| *reason)
}

fn frame(src: MacAddr, ethertype: EtherType, payload: &[u8]) -> Vec<u8> {
    Header { dst: MacAddr::BROADCAST, src, ethertype }.frame(payload)
}

const CLIENT: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 0xcc]);

#[test]
fn what_is_not_for_this_node_is_dropped_by_name() {
    let us = link(1).mac;
    for (name, bytes, reason) in [
        ("a stub", vec![0; 13], DropReason::Malformed),
        ("an unknown type", frame(CLIENT, EtherType(0x0800), &[0; 46]), DropReason::Malformed),
        ("a VLAN's", frame(CLIENT, EtherType::VLAN, &[0; 46]), DropReason::Vlan),
        ("a provider's VLAN's", frame(CLIENT, EtherType::SERVICE_VLAN, &[0; 46]), DropReason::Vlan),
        ("a jumbo frame", frame(CLIENT, EtherType::ARP, &[0; 1_501]), DropReason::Oversized),
        ("our own ARP", frame(us, EtherType::ARP, &[0; 46]), DropReason::LoopedBack),
        ("our own NDP", frame(us, EtherType::IPV6, &[0; 72]), DropReason::LoopedBack),
        ("our own beacon", frame(us, EtherType::BEACON, &[0; 72]), DropReason::LoopedBack),
        ("an ARP stub", frame(CLIENT, EtherType::ARP, &[0; 27]), DropReason::Malformed),
        ("an IPv6 stub", frame(CLIENT, EtherType::IPV6, &[0; 63]), DropReason::Malformed),
        ("another protocol than IPv6", frame(CLIENT, EtherType::IPV6, &[0; 72]), DropReason::MessageType),
    ] {
        assert_eq!(dropped_for(&bytes), Some(reason), "{name}");
    }
}

const SERVICES: u16 = 5_000;

fn thousands() -> Table {
    let both = |n: u16| {
        let [high, low] = n.to_be_bytes();
        [IpAddr::from([10, 0, high, low]), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 1, n).into()]
    };
    let groups = (0..SERVICES).map(|n| group_of(&both(n), &["node1"])).collect();
    Table { keys: vec![key()], groups, ..Table::default() }
}

/// Everything that an engine with thousands of dual-stack Services does in its first `seconds`.
fn life(seconds: u64) -> Vec<(Time, Action)> {
    let (mut now, node) = (Time::from_nanos(1_000_000_000), "node1".to_owned());
    let end = Time::from_nanos((1 + seconds) * 1_000_000_000);
    let mut engine = Engine::new(Config {
        node,
        nonce: 1,
        beacon_interval: 50 * MS,
        misses: 3,
        refresh: REFRESH,
        hold_down: HOLD_DOWN,
    });
    engine.handle(now, Event::Interfaces(vec![link(1)]));
    engine.handle(now, Event::Table(thousands()));
    let mut actions = Vec::new();
    while now <= end {
        actions.extend(std::iter::from_fn(|| engine.poll()).map(|action| (now, action)));
        now = engine.deadline().unwrap_or(end);
        engine.handle(now, Event::Tick);
    }
    actions
}

fn is_gratuitous(action: &Action) -> bool {
    let Action::SendFrame { bytes, .. } = action else { return false };
    let Ok(frame) = Frame::new_checked(&bytes[..]) else { return false };
    match frame.ethertype() {
        EtherType::ARP => arp::Packet::new_checked(frame.payload())
            .and_then(|packet| arp::Repr::parse(&packet))
            .is_ok_and(|repr| repr.sender_ip == repr.target_ip),
        EtherType::IPV6 => ndp::Packet::new_checked(frame.payload())
            .and_then(|packet| ndp::Repr::parse(&packet))
            .is_ok_and(|repr| matches!(repr.message, ndp::Message::Advertisement { .. })),
        _ => false,
    }
}

#[test]
fn ten_thousand_addresses_do_not_flood_the_segment() {
    let times: Vec<u64> =
        life(30).into_iter().filter(|(_, action)| is_gratuitous(action)).map(|(at, _)| at.nanos()).collect();
    // Two frames for IPv4, one for IPv6; the six rounds of the burst.
    assert_eq!(times.len(), 6 * 3 * usize::from(SERVICES));
    // Of any 16,033 in a row and the next, the first and the last are more than a second apart.
    let apart = times.windows(16_034).map(|window| window[16_033] - window[0]).min();
    assert!(apart.is_some_and(|apart| apart > 1_000_000_000), "{apart:?} ns");
}

#[test]
fn the_groups_of_thousands_of_addresses_are_told_in_one_go() {
    let told: Vec<Vec<Ipv6Addr>> = life(1)
        .into_iter()
        .filter_map(|(_, action)| match action {
            Action::SetGroups { interface: ETH, groups } => Some(groups),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 1);
    let distinct: BTreeSet<_> = told[0].iter().collect();
    assert_eq!(distinct.len(), usize::from(SERVICES));
    assert!(told[0].is_sorted());
}
