//! Addresses that somebody else has: found before they are given away, and defended while they are held.

mod common;

use core::time::Duration;
use std::collections::BTreeSet;
use std::net::IpAddr;

use common::{ETH, FAMILIES, MS, World, group_of, link, vip, vip6};
use metalev_engine::{Cause, Event, FactKind, Interface, Probing, Time};
use metalev_wire::MacAddr;
use metalev_wire::arp::{self, Operation};
use metalev_wire::ethernet::Frame;
use metalev_wire::ipv6::{ALL_NODES, multicast_mac, solicited_node};
use metalev_wire::ndp::{self, Flags, Message};

const STRANGER: MacAddr = MacAddr::new([2, 0, 0, 0, 9, 9]);
const ANOTHER: MacAddr = MacAddr::new([2, 0, 0, 0, 9, 8]);
const ORDER: [&str; 3] = ["node1", "node2", "node3"];
const SECOND: Duration = Duration::from_secs(1);

/// Three nodes, to find out about these addresses.
fn asking(addresses: &[IpAddr]) -> World {
    let mut world = World::new(3);
    world.probing = Probing { addresses: addresses.to_vec(), full: false };
    world.set_groups(vec![]);
    world
}

/// The same while `node1` alone holds 200 of each family.
fn holding() -> World {
    let mut world = World::new(1);
    world.set_groups(vec![]);
    world.set_groups(vec![group_of(&[vip(200), vip6(200)], &["node1"])]);
    world.run(10 * SECOND);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    world
}

/// A frame by which `mac` says that it has an address: by an answer to all, or else by the probe for one.
fn says(address: IpAddr, mac: MacAddr, probe: bool) -> Vec<u8> {
    match address {
        IpAddr::V4(ip) => {
            let operation = if probe { Operation::Request } else { Operation::Reply };
            let nobody = [0; 4].into();
            let (sender_ip, target_ip) = if probe { (nobody, ip) } else { (ip, nobody) };
            let repr = arp::Repr { operation, sender_mac: mac, sender_ip, target_mac: MacAddr::ZERO, target_ip };
            repr.frame(MacAddr::BROADCAST, mac).to_vec()
        }
        IpAddr::V6(target) if probe => {
            let dst_ip = solicited_node(target);
            let message = Message::Solicitation { source_mac: None };
            ndp::Repr { src_ip: [0_u16; 8].into(), dst_ip, target, message }.frame(multicast_mac(dst_ip), mac)
        }
        IpAddr::V6(target) => {
            let flags = Flags { overrides: true, ..Flags::default() };
            let message = Message::Advertisement { flags, target_mac: Some(mac) };
            let repr = ndp::Repr { src_ip: target, dst_ip: ALL_NODES, target, message };
            repr.frame(multicast_mac(ALL_NODES), mac)
        }
    }
}

fn hear(world: &mut World, node: &str, bytes: &[u8]) {
    world.event(node, Event::Frame { interface: ETH, bytes });
}

fn all_hear(world: &mut World, bytes: &[u8]) {
    for node in world.nodes.keys().cloned().collect::<Vec<_>>() {
        hear(world, &node, bytes);
    }
}

/// When a node probed for an address.
fn probes(world: &World, node: &str, address: IpAddr) -> Vec<Time> {
    let node = &world.nodes[node];
    let arp = node.arp_asked.iter().filter(|(_, repr)| repr.sender_ip.is_unspecified() && address == repr.target_ip);
    let ndp = node.ndp_asked.iter().filter(|(_, repr)| repr.is_probe() && address == repr.target);
    arp.map(|(at, _)| *at).chain(ndp.map(|(at, _)| *at)).collect()
}

/// Who probed for an address.
fn probing(world: &World, address: IpAddr) -> Vec<String> {
    world.nodes.keys().filter(|node| !probes(world, node, address).is_empty()).cloned().collect()
}

/// How many frames a node sent that announce an address unasked.
fn announcements(world: &World, address: IpAddr) -> usize {
    let node = &world.nodes["node1"];
    let arp = node.arp_sent.iter().filter(|(_, repr)| repr.sender_ip == repr.target_ip && address == repr.sender_ip);
    let ndp = node.ndp_sent.iter().filter(|(_, repr)| {
        address == repr.target && matches!(repr.message, Message::Advertisement { flags, .. } if !flags.solicited)
    });
    arp.filter(|(_, repr)| repr.operation == Operation::Request).count() + ndp.count()
}

fn told(world: &World, kind: FactKind) -> Vec<(String, Vec<IpAddr>)> {
    let facts = world.nodes.iter().flat_map(|(name, node)| node.facts.iter().map(move |fact| (name, fact)));
    let facts = facts.filter(|(_, fact)| fact.kind == kind);
    facts.map(|(name, fact)| (name.clone(), fact.addresses.clone())).collect()
}

#[test]
fn one_of_the_living_probes_an_address_three_times_and_finds_that_nobody_has_it() {
    for ip in FAMILIES {
        let mut world = asking(&[ip(100)]);
        world.run(10 * SECOND);
        let asked = probing(&world, ip(100));
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(probes(&world, &asked[0], ip(100)).len(), 3);
        assert_eq!(told(&world, FactKind::Clean), [(asked[0].clone(), vec![ip(100)])]);
        assert_eq!(world.nodes[&asked[0]].engine.counters().probes_sent, 3);
    }
}

#[test]
fn the_addresses_are_spread_over_the_nodes_and_each_is_asked_for_by_one() {
    let addresses: Vec<IpAddr> = (100..130).map(vip).collect();
    let mut world = asking(&addresses);
    world.run(20 * SECOND);
    let by: Vec<Vec<String>> = addresses.iter().map(|address| probing(&world, *address)).collect();
    assert!(by.iter().all(|nodes| nodes.len() == 1), "{by:?}");
    assert_eq!(by.iter().flatten().collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(told(&world, FactKind::Clean).len(), 30);
}

#[test]
fn when_the_one_that_asks_dies_another_does() {
    let mut world = asking(&[vip(100)]);
    world.run(2 * SECOND);
    let asked = probing(&world, vip(100))[0].clone();
    world.kill(&asked);
    world.run(60 * SECOND);
    assert_eq!(told(&world, FactKind::Clean).len(), 1);
    assert_ne!(told(&world, FactKind::Clean)[0].0, asked);
}

#[test]
fn whoever_answers_a_probe_has_the_address() {
    for ip in FAMILIES {
        let mut world = asking(&[ip(100)]);
        world.run(1_500 * MS);
        let asked = probing(&world, ip(100))[0].clone();
        hear(&mut world, &asked, &says(ip(100), STRANGER, false));
        world.run(20 * SECOND);
        assert_eq!(told(&world, FactKind::Conflict), [(asked.clone(), vec![ip(100)])]);
        assert_eq!(told(&world, FactKind::Clean), []);
        let fact = world.facts(&asked, FactKind::Conflict)[0];
        assert_eq!((fact.mac, fact.interface.as_str(), fact.cause), (Some(STRANGER), "eth0", Cause::Probe));
        assert!(fact.message.contains("02:00:00:00:09:09 on eth0"), "{}", fact.message);
    }
}

#[test]
fn whoever_asks_whether_anybody_has_a_free_address_is_about_to_take_it() {
    for ip in FAMILIES {
        let mut world = asking(&[ip(100)]);
        world.run(10 * SECOND);
        all_hear(&mut world, &says(ip(100), STRANGER, true));
        assert_eq!(told(&world, FactKind::Conflict).len(), 3, "all have heard it");
    }
}

#[test]
fn an_address_that_its_user_has_left_is_found_clean_within_a_minute_or_so() {
    let mut world = asking(&[vip(100)]);
    world.run(1_500 * MS);
    let asked = probing(&world, vip(100))[0].clone();
    hear(&mut world, &asked, &says(vip(100), STRANGER, false));
    world.run(70 * SECOND);
    assert_eq!(told(&world, FactKind::ConflictOver), [(asked.clone(), vec![vip(100)])]);
    assert_eq!(told(&world, FactKind::Clean), [(asked, vec![vip(100)])]);
}

#[test]
fn a_clean_address_that_somebody_takes_is_told_to_be_in_conflict_and_clean_again_after() {
    let mut world = asking(&[vip(100)]);
    world.run(10 * SECOND);
    let (asked, _) = told(&world, FactKind::Clean).remove(0);
    hear(&mut world, &asked, &says(vip(100), STRANGER, false));
    world.run(70 * SECOND);
    assert_eq!(told(&world, FactKind::Clean).len(), 2);
}

#[test]
fn who_answers_for_three_addresses_is_a_proxy_and_keeps_none_of_them_from_being_given() {
    let addresses: Vec<IpAddr> = (100..103).map(vip).collect();
    let mut world = World::new(1);
    world.probing = Probing { addresses: addresses.clone(), full: false };
    world.set_groups(vec![]);
    world.run(1_500 * MS);
    for address in &addresses {
        hear(&mut world, "node1", &says(*address, STRANGER, false));
    }
    assert_eq!(told(&world, FactKind::ProxyArp), [("node1".to_owned(), addresses)]);
    assert_eq!(told(&world, FactKind::Conflict).len(), 2);
    assert_eq!(told(&world, FactKind::ConflictOver).len(), 2);
    world.run(400 * SECOND);
    assert_eq!(told(&world, FactKind::ProxyArp).len(), 1, "it is told once");
}

#[test]
fn who_claims_many_held_addresses_unasked_is_no_proxy() {
    let mut world = World::new(1);
    world.set_groups(vec![]);
    let vips: Vec<IpAddr> = (200..205).flat_map(|last| [vip(last), vip6(last)]).collect();
    world.set_groups(vips.iter().map(|vip| group_of(&[*vip], &["node1"])).collect());
    world.run(SECOND);
    for vip in vips {
        hear(&mut world, "node1", &says(vip, STRANGER, false));
    }
    assert_eq!((told(&world, FactKind::Conflict).len(), told(&world, FactKind::ProxyArp).len()), (10, 0));
}

#[test]
fn a_gateway_that_answers_for_one_address_is_a_proxy() {
    for (gateway, address) in [(vip(254), vip(100)), (vip6(254), vip6(100))] {
        let mut world = World::new(1);
        let routed = Interface { gateways: vec![gateway], ..link(1) };
        world.event("node1", Event::Interfaces(vec![routed]));
        world.probing = Probing { addresses: vec![address], full: false };
        world.set_groups(vec![]);
        world.run(1_500 * MS);
        hear(&mut world, "node1", &says(address, STRANGER, false));
        hear(&mut world, "node1", &says(gateway, STRANGER, false));
        assert_eq!(told(&world, FactKind::ProxyArp), [("node1".to_owned(), vec![address])]);
        assert_eq!(told(&world, FactKind::ConflictOver).len(), 1);
    }
}

#[test]
fn the_gateway_is_asked_where_it_is_as_a_client_would_ask() {
    let mut world = World::new(1);
    world.event("node1", Event::Interfaces(vec![Interface { gateways: vec![vip(254)], ..link(1) }]));
    world.probing = Probing { addresses: vec![vip(100)], full: false };
    world.set_groups(vec![]);
    world.run(1_500 * MS);
    let asked = world.nodes["node1"].arp_asked.iter().map(|(_, repr)| repr);
    assert!(asked.clone().any(|repr| vip(254) == repr.target_ip && vip(10) == repr.sender_ip));
}

#[test]
fn a_peer_that_announces_is_no_stranger() {
    let mut world = asking(&[vip(100)]);
    world.run(10 * SECOND);
    for node in ORDER {
        hear(&mut world, node, &says(vip(100), MacAddr::new([2, 0, 0, 0, 0, 2]), false));
    }
    assert_eq!(told(&world, FactKind::Conflict), []);
}

#[test]
fn the_kernel_of_a_node_of_ours_that_answers_for_a_free_address_is_named_with_the_cure_and_not_fought() {
    let mut world = asking(&[vip(100)]);
    world.run(1_500 * MS);
    let asked = probing(&world, vip(100))[0].clone();
    let other = ORDER.into_iter().find(|node| **node != asked).unwrap_or_default();
    let mac = world.nodes[other].mac;
    for _ in 0..3 {
        hear(&mut world, &asked, &says(vip(100), mac, false));
        world.run(61 * SECOND);
    }
    let facts = world.facts(&asked, FactKind::OwnKernel);
    assert!(
        facts[0].message.contains(&format!("kernel of node {other}")) && facts[0].message.contains("strictARP: true")
    );
    assert_eq!((facts[0].peer.as_str(), told(&world, FactKind::Conflict)), (other, vec![]));
}

#[test]
fn nothing_is_asked_while_it_is_not_known_who_lives() {
    let mut world = asking(&[vip(100)]);
    world.run(140 * MS);
    assert_eq!(probing(&world, vip(100)), Vec::<String>::new());
}

#[test]
fn an_address_in_no_subnet_of_ours_is_asked_for_by_nobody() {
    let mut world = asking(&[[172, 16, 0, 1].into()]);
    world.run(10 * SECOND);
    assert_eq!(probing(&world, [172, 16, 0, 1].into()), Vec::<String>::new());
}

#[test]
fn a_claim_to_a_held_address_is_counted_told_and_answered_by_an_announcement() {
    for ip in FAMILIES {
        let mut world = holding();
        let before = announcements(&world, ip(200));
        hear(&mut world, "node1", &says(ip(200), STRANGER, false));
        world.run(100 * MS);
        assert_eq!(announcements(&world, ip(200)), before + 1);
        let counters = world.nodes["node1"].engine.counters();
        let row = counters.addresses.iter().find(|row| row.address == ip(200));
        assert_eq!(row.map(|row| row.foreign_claims), Some(1));
        let facts = world.facts("node1", FactKind::ForeignClaim);
        assert_eq!((facts.len(), facts[0].mac), (1, Some(STRANGER)));
        assert_eq!(told(&world, FactKind::Conflict), [("node1".to_owned(), vec![ip(200)])]);
    }
}

#[test]
fn two_who_defend_the_same_address_do_not_shout_at_each_other() {
    for ip in FAMILIES {
        let mut world = holding();
        let before = announcements(&world, ip(200));
        for _ in 0..300 {
            hear(&mut world, "node1", &says(ip(200), STRANGER, false));
            world.run(100 * MS);
        }
        // One in ten seconds, over thirty seconds.
        assert_eq!(announcements(&world, ip(200)), before + 3);
        let counters = world.nodes["node1"].engine.counters();
        assert!(counters.addresses.iter().any(|row| row.address == ip(200) && row.foreign_claims == 300));
        assert_eq!(world.facts("node1", FactKind::ForeignClaim).len(), 3);
    }
}

#[test]
fn a_probe_for_a_held_address_is_answered_counted_and_told_and_no_conflict() {
    for ip in FAMILIES {
        let mut world = holding();
        let sent = world.nodes["node1"].sent;
        hear(&mut world, "node1", &says(ip(200), STRANGER, true));
        assert_eq!(world.nodes["node1"].sent, sent + 1, "the answer");
        let counters = world.nodes["node1"].engine.counters();
        assert!(counters.addresses.iter().any(|row| row.address == ip(200) && row.foreign_claims == 1));
        assert_eq!(told(&world, FactKind::ForeignClaim).len(), 1);
        assert_eq!(told(&world, FactKind::Conflict), []);
    }
}

#[test]
fn an_address_is_defended_without_a_refresh_too_and_still_answered() {
    let mut world = holding();
    for mac in [STRANGER, ANOTHER] {
        hear(&mut world, "node1", &says(vip(200), mac, false));
        world.run(11 * SECOND);
    }
    assert_eq!(world.facts("node1", FactKind::ForeignClaim).len(), 2, "each is told");
    assert_eq!(world.who_has(vip(200)), ["node1"]);
}

#[test]
fn a_takeover_by_a_peer_is_neither_counted_nor_fought() {
    let mut world = World::new(2);
    world.set_groups(vec![group_of(&[vip(200)], &ORDER[..2])]);
    world.run(10 * SECOND);
    let mac = world.nodes["node2"].mac;
    let before = announcements(&world, vip(200));
    hear(&mut world, "node1", &says(vip(200), mac, false));
    world.run(100 * MS);
    assert_eq!(announcements(&world, vip(200)), before);
    assert!(world.nodes["node1"].engine.counters().addresses.iter().all(|row| row.foreign_claims == 0));
}

#[test]
fn what_was_a_vip_when_the_speaker_started_is_told_apart_from_what_became_one_since() {
    let mut world = World::new(1);
    world.set_groups(vec![group_of(&[vip(200)], &["node1"])]);
    world.run(SECOND);
    world.set_groups(vec![group_of(&[vip(200)], &["node1"]), group_of(&[vip(201)], &["node1"])]);
    world.run(SECOND);
    for last in [200, 201] {
        hear(&mut world, "node1", &says(vip(last), STRANGER, false));
    }
    let causes: Vec<Cause> = world.facts("node1", FactKind::Conflict).iter().map(|fact| fact.cause).collect();
    assert_eq!(causes, [Cause::HeldBefore, Cause::Frame]);
}

#[test]
fn a_conflict_is_over_when_the_address_is_of_no_interest_any_more() {
    let mut world = holding();
    hear(&mut world, "node1", &says(vip(200), STRANGER, false));
    world.set_groups(vec![]);
    world.run(100 * MS);
    assert_eq!(told(&world, FactKind::ConflictOver).len(), 1);
}

/// Three nodes, the first of which announces 200 of each family.
fn announcing() -> World {
    let mut world = World::new(3);
    world.set_groups(vec![group_of(&[vip(200), vip6(200)], &ORDER)]);
    world.run(SECOND);
    assert_eq!(world.who_has(vip(200)), ["node1"]);
    world
}

fn witnessed(world: &World, node: &str, result: &str) -> u64 {
    let found = world.nodes[node].engine.counters().witnessed;
    found.iter().filter(|(name, _)| *name == result).map(|(_, count)| count).sum()
}

/// When a node asked for an address as a client would.
fn questions(world: &World, node: &str, address: IpAddr) -> Vec<Time> {
    let node = &world.nodes[node];
    let arp = node.arp_asked.iter().filter(|(_, repr)| !repr.sender_ip.is_unspecified() && address == repr.target_ip);
    let ndp = node.ndp_asked.iter().filter(|(_, repr)| !repr.is_probe() && address == repr.target);
    arp.map(|(at, _)| *at).chain(ndp.map(|(at, _)| *at)).collect()
}

/// Whether a frame asks everybody for `192.168.1.200` under an address.
fn asks_all(frame: &Frame<&[u8]>) -> bool {
    let repr = arp::Packet::new_checked(frame.payload()).and_then(|packet| arp::Repr::parse(&packet));
    frame.dst().is_broadcast()
        && repr.is_ok_and(|repr| repr.operation == Operation::Request && repr.sender_ip != repr.target_ip)
}

#[test]
fn what_is_announced_is_asked_for_by_all_and_answered_by_its_announcer_alone() {
    let mut world = announcing();
    world.run(10 * SECOND);
    for node in ORDER {
        assert_eq!(witnessed(&world, node, "answered"), 2, "{node}");
        assert_eq!(questions(&world, node, vip(200)).len(), 1, "{node}");
    }
    assert_eq!(told(&world, FactKind::Witness), []);
}

#[test]
fn an_address_is_asked_for_about_once_a_minute_by_all_together() {
    let mut world = announcing();
    world.run(70 * SECOND);
    let before: usize = ORDER.iter().map(|node| questions(&world, node, vip(200)).len()).sum();
    world.run(600 * SECOND);
    let after: usize = ORDER.iter().map(|node| questions(&world, node, vip(200)).len()).sum();
    assert!((8..=12).contains(&(after - before)), "{}", after - before);
}

#[test]
fn an_address_that_nobody_answers_for_is_told_once_and_its_announcer_announces_it_again() {
    let mut world = announcing();
    world.loses = asks_all;
    let before = announcements(&world, vip(200));
    world.run(60 * SECOND);
    let silent = told(&world, FactKind::Witness);
    assert_eq!(silent, [("node2".to_owned(), vec![vip(200)]), ("node3".to_owned(), vec![vip(200)])]);
    let fact = world.facts("node2", FactKind::Witness)[0];
    assert_eq!((fact.cause, fact.peer.as_str()), (Cause::NoAnswer, "node1"));
    assert!(witnessed(&world, "node2", "no-answer") >= 2);
    // The burst has three more, and a refresh does not come before a minute is over.
    assert_eq!(announcements(&world, vip(200)), before + 3 + 2);
    world.loses = |_| false;
    world.run(60 * SECOND);
    assert_eq!(told(&world, FactKind::WitnessOver).len(), 2);
}

#[test]
fn who_answers_beside_the_announcer_is_told_with_its_mac_and_is_in_conflict() {
    for ip in FAMILIES {
        let mut world = announcing();
        world.run_until("node2 asks", |world| !questions(world, "node2", ip(200)).is_empty());
        hear(&mut world, "node2", &says(ip(200), STRANGER, false));
        world.run(3 * SECOND);
        let fact = world.facts("node2", FactKind::Witness)[0];
        assert_eq!((fact.cause, fact.mac, &fact.addresses), (Cause::TwoAnswers, Some(STRANGER), &vec![ip(200)]));
        assert_eq!(told(&world, FactKind::Conflict), [("node2".to_owned(), vec![ip(200)])]);
    }
}

#[test]
fn the_kernel_of_a_node_of_ours_that_answers_for_an_announced_address_is_named_with_the_cure() {
    let mut world = announcing();
    let mac = world.nodes["node3"].mac;
    for node in ["node1", "node2"] {
        world.run_until("it asks", |world| !questions(world, node, vip(200)).is_empty());
        hear(&mut world, node, &says(vip(200), mac, false));
    }
    world.run(3 * SECOND);
    for node in ["node1", "node2"] {
        let fact = world.facts(node, FactKind::OwnKernel)[0];
        assert!(fact.message.contains("kernel of node node3"), "{}", fact.message);
        assert_eq!(world.facts(node, FactKind::Witness)[0].cause, Cause::TwoAnswers);
    }
    assert_eq!(told(&world, FactKind::Conflict), []);
    assert!(world.nodes["node1"].engine.counters().addresses.iter().all(|row| row.foreign_claims == 0));
}

#[test]
fn a_move_while_a_question_is_open_is_no_trouble() {
    let mut world = announcing();
    world.run_until("node2 asks", |world| !questions(world, "node2", vip(200)).is_empty());
    world.kill("node1");
    world.run(30 * SECOND);
    assert_eq!(told(&world, FactKind::Witness), []);
}

/// Three nodes that probe before they announce for the first time; an address of each family for the first two.
fn careful() -> World {
    let mut world = World::new(3);
    world.probing = Probing { addresses: vec![], full: true };
    world.set_groups(vec![group_of(&[vip(200)], &ORDER), group_of(&[vip6(201)], &ORDER)]);
    world
}

#[test]
fn with_the_whole_schedule_an_address_is_probed_before_it_is_announced_for_the_first_time() {
    let mut world = careful();
    world.run(10 * SECOND);
    for address in [vip(200), vip6(201)] {
        assert_eq!(world.who_has(address), ["node1"]);
        let sent = probes(&world, "node1", address);
        let took =
            world.facts("node1", FactKind::Took).into_iter().find(|fact| fact.addresses == [address]).unwrap().at;
        assert_eq!(sent.len(), 3);
        assert!(took.since(sent[2]) >= 2 * SECOND && took.since(sent[0]) >= 4 * SECOND);
        assert!(world.facts("node2", FactKind::Took).is_empty(), "nobody passes the first candidate over");
    }
}

#[test]
fn what_somebody_has_is_not_announced_then_and_is_once_they_leave() {
    let mut world = careful();
    world.run_until("node1 probes", |world| !probes(world, "node1", vip(200)).is_empty());
    hear(&mut world, "node1", &says(vip(200), STRANGER, false));
    world.run(8 * SECOND);
    assert_eq!(world.who_has(vip(200)), Vec::<String>::new());
    assert_eq!(told(&world, FactKind::Conflict), [("node1".to_owned(), vec![vip(200)])]);
    world.run(120 * SECOND);
    assert_eq!(world.who_has(vip(200)).len(), 1);
}

#[test]
fn a_takeover_of_what_was_announced_before_waits_for_no_probe() {
    let mut world = careful();
    world.run(10 * SECOND);
    world.kill("node1");
    world.run(250 * MS);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
}

#[test]
fn while_the_first_candidate_finds_out_and_dies_the_next_one_finds_out_and_takes_it() {
    let mut world = careful();
    world.run(2 * SECOND);
    world.kill("node1");
    world.run(20 * SECOND);
    assert_eq!(world.who_has(vip(200)), ["node2"]);
    assert_eq!(probes(&world, "node2", vip(200)).len(), 3);
}
