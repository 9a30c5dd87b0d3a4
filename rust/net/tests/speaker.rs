//! Speakers at work on a real kernel.

mod lab;

use std::net::UdpSocket;
use std::time::Duration;

use lab::{ARP, FAR, Lab, NEAR, VIP, await_fact, eventually, ip, next_arp, options, request, table, tagged_request};
use metalev_engine::{FactKind, Table};
use metalev_net::{Options, Speaker};
use metalev_wire::MacAddr;
use metalev_wire::arp::Operation;

// ===== answering =====

#[test]
fn a_request_reaches_the_engine_and_its_answer_leaves() {
    let lab = Lab::new();
    let far = lab.far(ARP);
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    speaker.set(table(&[], &["a"]));
    await_fact(&speaker, FactKind::Took);

    far.send(&request(MacAddr::BROADCAST, FAR)).unwrap();

    let answer = next_arp(&far, |arp| arp.operation == Operation::Reply && arp.target_mac == FAR);
    assert_eq!((answer.sender_ip.to_string().as_str(), answer.sender_mac), (VIP, NEAR));
}

#[test]
fn a_taken_address_is_announced_unasked() {
    let lab = Lab::new();
    let far = lab.far(ARP);
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    speaker.set(table(&[], &["a"]));
    let announced = next_arp(&far, |arp| arp.sender_ip == arp.target_ip);
    assert_eq!((announced.sender_ip.to_string().as_str(), announced.sender_mac), (VIP, NEAR));
}

#[test]
fn answers_are_counted() {
    let lab = Lab::new();
    let far = lab.far(ARP);
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    speaker.set(table(&[], &["a"]));
    await_fact(&speaker, FactKind::Took);
    far.send(&request(MacAddr::BROADCAST, FAR)).unwrap();
    next_arp(&far, |arp| arp.operation == Operation::Reply && arp.target_mac == FAR);

    let counters = speaker.counters().engine.addresses[0];
    assert_eq!((counters.requests_received, counters.responses_sent), (1, 1));
}

#[test]
fn a_new_mac_address_of_the_interface_is_the_one_that_answers() {
    let lab = Lab::new();
    let far = lab.far(ARP);
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    speaker.set(table(&[], &["a"]));
    await_fact(&speaker, FactKind::Took);

    let renamed: MacAddr = "02:00:00:00:00:1a".parse().unwrap();
    ip(&format!("link set v0 address {renamed}"));

    eventually("an answer from the new address", || {
        far.send(&request(MacAddr::BROADCAST, FAR)).unwrap();
        let answer = next_arp(&far, |arp| arp.operation == Operation::Reply && arp.target_mac == FAR);
        (answer.sender_mac == renamed).then_some(())
    });
}

// ===== what gets no answer =====

/// Send a frame to a speaker that holds the VIP, and say by which names it was counted.
fn counted(frame: impl FnOnce(&Lab) -> Vec<u8>) -> Vec<String> {
    let lab = Lab::new();
    ip("link set v0 mtu 9000");
    ip("link set v1 mtu 9000");
    let far = lab.far(ARP);
    let speaker = Speaker::start(options("a", 7946, "v0")).expect("it starts");
    speaker.set(table(&[], &["a"]));
    await_fact(&speaker, FactKind::Took);
    far.send(&frame(&lab)).expect("it is sent");
    eventually("the count", || {
        let dropped = speaker.counters().engine.dropped;
        (!dropped.is_empty()).then(|| dropped.iter().map(|(reason, count)| format!("{reason} {count}")).collect())
    })
}

#[test]
fn a_truncated_frame_is_counted_as_malformed() {
    assert_eq!(counted(|_| request(MacAddr::BROADCAST, FAR)[..30].to_vec()), ["malformed 1"]);
}

#[test]
fn a_frame_with_other_lengths_of_addresses_is_counted_as_malformed() {
    let wrong = |_: &Lab| {
        let mut frame = request(MacAddr::BROADCAST, FAR);
        frame[18] = 8;
        frame
    };
    assert_eq!(counted(wrong), ["malformed 1"]);
}

#[test]
fn an_oversized_frame_is_counted() {
    let long = |_: &Lab| [request(MacAddr::BROADCAST, FAR), vec![0; 4000]].concat();
    assert_eq!(counted(long), ["oversized 1"]);
}

#[test]
fn a_frame_of_a_vlan_that_is_not_here_is_counted_and_not_answered() {
    assert_eq!(counted(|_| tagged_request()), ["vlan 1"]);
}

#[test]
fn our_own_frame_that_comes_back_is_counted() {
    assert_eq!(counted(|_| request(MacAddr::BROADCAST, NEAR)), ["loopedBack 1"]);
}

#[test]
fn a_reply_to_us_is_counted() {
    let reply = |_: &Lab| {
        let mut frame = request(NEAR, FAR);
        frame[21] = 2;
        frame
    };
    assert_eq!(counted(reply), ["ARPReply 1"]);
}

#[test]
fn a_priority_tag_alone_is_no_vlan() {
    let lab = Lab::new();
    let far = lab.far(ARP);
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    speaker.set(table(&[], &["a"]));
    await_fact(&speaker, FactKind::Took);
    let mut prioritised = tagged_request();
    prioritised[14..16].copy_from_slice(&[0xe0, 0]); // priority 7, VLAN 0 (IEEE 802.1Q)
    far.send(&prioritised).unwrap();
    next_arp(&far, |arp| arp.operation == Operation::Reply && arp.target_mac == FAR);
}

// ===== peers =====

#[test]
fn speakers_hear_each_other_by_ethernet() {
    let _lab = Lab::new();
    let (a, b) = pair();
    assert_eq!(await_fact(&a, FactKind::PeerHeard).peer, "b");
    assert_eq!(await_fact(&b, FactKind::PeerHeard).peer, "a");
}

#[test]
fn an_address_moves_to_the_peer_when_its_announcer_stops() {
    let _lab = Lab::new();
    let (a, b) = pair();
    await_fact(&a, FactKind::Took);
    await_fact(&b, FactKind::PeerHeard);
    a.stop();
    assert_eq!(await_fact(&b, FactKind::Took).addresses, [VIP.parse::<std::net::IpAddr>().unwrap()]);
}

/// Two nodes at the two ends of the cable, with ports of their own because they share the namespace.
fn pair() -> (Speaker, Speaker) {
    let a = Speaker::start(options("a", 7946, "v0")).expect("both start");
    let b = Speaker::start(options("b", 7947, "v1")).expect("both start");
    a.set(table(&["b"], &["a", "b"]));
    b.set(table(&["a"], &["a", "b"]));
    (a, b)
}

#[test]
fn datagrams_arrive_where_ipv6_is_switched_off() {
    let _lab = Lab::new();
    std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").unwrap();
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"no beacon", "127.0.0.1:7946").unwrap();
    eventually("a datagram that is no beacon", || {
        let dropped: u64 = speaker.counters().engine.dropped.iter().map(|(_, count)| count).sum();
        (dropped == 1).then_some(())
    });
}

#[test]
fn datagrams_of_both_families_arrive_at_the_port() {
    let _lab = Lab::new();
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"no beacon", "127.0.0.1:7946").unwrap();
    UdpSocket::bind("[::1]:0").unwrap().send_to(b"no beacon", "[::1]:7946").unwrap();
    eventually("two datagrams that are no beacons", || {
        let dropped: u64 = speaker.counters().engine.dropped.iter().map(|(_, count)| count).sum();
        (dropped == 2).then_some(())
    });
}

// ===== interfaces =====

#[test]
fn a_link_that_loses_its_carrier_leaves_the_list_and_comes_back_with_it() {
    let _lab = Lab::new();
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    assert_eq!(await_fact(&speaker, FactKind::InterfaceUp).interface, "v0");
    ip("link set v1 down");
    assert_eq!(await_fact(&speaker, FactKind::InterfaceDown).interface, "v0");
    ip("link set v1 up");
    assert_eq!(await_fact(&speaker, FactKind::InterfaceUp).interface, "v0");
}

#[test]
fn a_deleted_interface_leaves_the_list() {
    let _lab = Lab::new();
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    await_fact(&speaker, FactKind::InterfaceUp);
    ip("link del v0");
    assert_eq!(await_fact(&speaker, FactKind::InterfaceDown).interface, "v0");
}

#[test]
fn an_interface_that_went_down_and_up_answers_again() {
    let lab = Lab::new();
    let far = lab.far(ARP);
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    speaker.set(table(&[], &["a"]));
    await_fact(&speaker, FactKind::Took);

    ip("link set v0 down");
    ip("link set v0 up");

    eventually("an answer", || {
        // The far end was without carrier too; its socket tells that once.
        let _ = far.send(&request(MacAddr::BROADCAST, FAR));
        let mut buffer = [0; 2048];
        let len = far.receive(&mut buffer).unwrap_or(0);
        (len > 21 && buffer[21] == 2 && buffer[..6] == FAR.octets()).then_some(())
    });
}

#[test]
fn the_port_of_a_bridge_carries_nothing_but_the_bridge_does() {
    let _lab = Lab::new();
    let speaker = Speaker::start(all_but("^(lo|v1)$")).unwrap();
    await_fact(&speaker, FactKind::InterfaceUp);
    ip("link add br0 type bridge");
    ip("link set v0 master br0");
    assert_eq!(await_fact(&speaker, FactKind::InterfaceDown).interface, "v0");
    ip("link set br0 up");
    assert_eq!(await_fact(&speaker, FactKind::InterfaceUp).interface, "br0");
}

#[test]
fn a_macvlan_device_answers_with_its_own_address() {
    let lab = Lab::new();
    let far = lab.far(ARP);
    let above: MacAddr = "02:00:00:00:00:0d".parse().unwrap();
    ip(&format!("link add link v0 name above address {above} type macvlan mode bridge"));
    ip("link set above up");
    let speaker = Speaker::start(all_but("^(lo|v.*)$")).unwrap();
    assert_eq!(await_fact(&speaker, FactKind::InterfaceUp).interface, "above");
    speaker.set(table(&[], &["a"]));
    await_fact(&speaker, FactKind::Took);
    far.send(&request(MacAddr::BROADCAST, FAR)).unwrap();
    let answer = next_arp(&far, |arp| arp.operation == Operation::Reply && arp.target_mac == FAR);
    assert_eq!(answer.sender_mac, above);
}

#[test]
fn the_default_gateways_are_told_and_their_end() {
    let _lab = Lab::new();
    ip("addr add 192.0.2.1/24 dev v0");
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    ip("route add default via 192.0.2.254");
    let fact = await_fact(&speaker, FactKind::Gateways);
    assert_eq!((fact.interface.as_str(), fact.addresses), ("v0", vec!["192.0.2.254".parse().unwrap()]));
    ip("route del default");
    assert!(await_fact(&speaker, FactKind::Gateways).addresses.is_empty());
}

#[test]
fn an_address_that_comes_later_is_told() {
    let _lab = Lab::new();
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    await_fact(&speaker, FactKind::InterfaceUp);
    ip("addr add 192.0.2.1/24 dev v0");
    let own = "192.0.2.1".parse::<std::net::IpAddr>().unwrap();
    eventually("the address", || await_fact(&speaker, FactKind::InterfaceUp).addresses.contains(&own).then_some(()));
}

#[test]
fn an_interface_that_appears_later_is_used_unless_it_is_excluded() {
    let _lab = Lab::new();
    let speaker = Speaker::start(all_but("v")).unwrap();
    ip("link add vain type veth peer name e1");
    ip("link set vain up");
    ip("link set e1 up");
    assert_eq!(await_fact(&speaker, FactKind::InterfaceUp).interface, "e1");
}

fn all_but(pattern: &str) -> Options {
    Options { interfaces: Vec::new(), exclude: vec![pattern.to_owned()], ..options("a", 7946, "") }
}

// ===== the end =====

#[test]
fn a_stop_yields_what_was_held_and_then_there_are_no_facts() {
    let _lab = Lab::new();
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    speaker.set(table(&[], &["a"]));
    await_fact(&speaker, FactKind::Took);
    speaker.stop();
    await_fact(&speaker, FactKind::Yielded);
    assert_eq!(speaker.facts(Duration::MAX).unwrap(), []);
}

#[test]
fn a_second_stop_and_a_late_table_do_no_harm() {
    let _lab = Lab::new();
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    speaker.stop();
    speaker.set(Table::default());
    speaker.stop();
    assert_eq!(speaker.counters().unsent, 0);
}

#[test]
fn a_reader_that_waits_is_woken_by_the_stop() {
    let _lab = Lab::new();
    let speaker = Speaker::start(options("a", 7946, "v0")).unwrap();
    await_fact(&speaker, FactKind::InterfaceUp);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| speaker.facts(Duration::MAX).unwrap());
        speaker.stop();
        assert_eq!(reader.join().unwrap(), []);
    });
}
