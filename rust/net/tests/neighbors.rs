//! IPv6 at work on a real kernel: questions, answers, and the groups that bring the questions here.

mod lab;

use std::net::{IpAddr, Ipv6Addr};

use lab::{FAR, IPV6, Lab, NEAR, await_fact, eventually, ip, next_frame, options, table};
use metalev_engine::{Candidate, FactKind, Group, Preempt, Table};
use metalev_net::{Options, PacketSocket, Speaker};
use metalev_wire::MacAddr;
use metalev_wire::ndp::{Message, Packet, Repr};

const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);
const ASKER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0xb);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

#[test]
fn a_solicitation_reaches_the_engine_and_its_answer_leaves() {
    let lab = Lab::new();
    let far = lab.far(IPV6);
    let _speaker = holder(&[VIP6]);
    far.send(&solicitation(ASKER)).unwrap();
    let answer = next_advertisement(&far, |repr| repr.dst_ip == ASKER);
    let Message::Advertisement { flags, target_mac } = answer.message else { unreachable!() };
    assert!(flags.solicited);
    assert_eq!(target_mac, Some(NEAR));
}

#[test]
fn who_probes_for_a_held_address_hears_that_it_is_taken() {
    let lab = Lab::new();
    let far = lab.far(IPV6);
    let speaker = holder(&[VIP6]);
    // What the takeover itself announces comes to all nodes as well: the answer is counted.
    far.send(&solicitation(Ipv6Addr::UNSPECIFIED)).unwrap();
    eventually("the answer", || (speaker.counters().engine.addresses[0].responses_sent == 1).then_some(()));
    let answer = next_advertisement(&far, |repr| repr.dst_ip == ALL_NODES);
    assert!(matches!(answer.message, Message::Advertisement { flags, .. } if flags.overrides && !flags.solicited));
}

#[test]
fn the_kernel_of_a_neighbour_learns_the_address() {
    let _lab = Lab::new();
    let _speaker = holder(&[VIP6]);
    ip("addr add 2001:db8::b/64 dev v1 nodad");
    // Anything sent makes the kernel ask; the cache then has the answer.
    let socket = std::net::UdpSocket::bind("[::]:0").unwrap();
    eventually("an entry of the neighbour cache", || {
        let _ = socket.send_to(b"x", (VIP6, 9));
        let neighbours = lab::output("-6 neigh show dev v1");
        neighbours.contains(&format!("{VIP6} lladdr {NEAR}")).then_some(())
    });
}

#[test]
fn five_thousand_addresses_are_members_of_five_thousand_groups() {
    let lab = Lab::new();
    let vips: Vec<Ipv6Addr> = (0..5_000).map(|n| Ipv6Addr::from_bits(VIP6.to_bits() + (1 << 16) + n)).collect();
    // Promises that a build without optimisation keeps as well.
    let beacon_interval = std::time::Duration::from_millis(500);
    let speaker = holder_with(Options { beacon_interval, ..options("a", 7946, "v0") }, &vips);
    eventually("the memberships", || (memberships(lab.near) == 5_000).then_some(()));
    speaker.stop();
    assert_eq!(memberships(lab.near), 0);
}

#[test]
fn an_interface_that_comes_back_is_a_member_again() {
    let lab = Lab::new();
    let _speaker = holder(&[VIP6]);
    eventually("the membership", || (memberships(lab.near) == 1).then_some(()));
    ip("link del v0");
    ip(&format!("link add v0 address {NEAR} type veth peer name v1 address {FAR}"));
    ip("link set v0 up");
    ip("link set v1 up");
    let near = lab::index("v0");
    assert_ne!(near, lab.near);
    eventually("the membership", || (memberships(near) == 1).then_some(()));
}

/// A speaker that holds these addresses by now.
fn holder(vips: &[Ipv6Addr]) -> Speaker {
    holder_with(options("a", 7946, "v0"), vips)
}

fn holder_with(options: Options, vips: &[Ipv6Addr]) -> Speaker {
    let speaker = Speaker::start(options).expect("it starts");
    let group = |vip: &Ipv6Addr| {
        let key = IpAddr::V6(*vip);
        let candidates = [Candidate { node: "a".to_owned(), score: 0 }].into();
        Group {
            key,
            addresses: vec![key],
            candidates,
            interfaces: Vec::new(),
            gives_way: false,
            keeps: false,
            preempt: Preempt::Sticky,
        }
    };
    speaker.set(Table { groups: vips.iter().map(group).collect(), ..table(&[], &[]) });
    await_fact(&speaker, FactKind::Took);
    speaker
}

fn solicitation(src_ip: Ipv6Addr) -> Vec<u8> {
    let dst_ip = "ff02::1:ff00:10".parse().expect("the solicited-node group");
    let source_mac = (!src_ip.is_unspecified()).then_some(FAR);
    let repr = Repr { src_ip, dst_ip, target: VIP6, message: Message::Solicitation { source_mac } };
    repr.frame(MacAddr::new([0x33, 0x33, 0xff, 0, 0, 0x10]), FAR)
}

fn next_advertisement(socket: &PacketSocket, wanted: impl Fn(&Repr) -> bool) -> Repr {
    eventually("such an advertisement", || {
        let frame = next_frame(socket);
        let packet = Packet::new_checked(&frame[14..]).ok()?;
        let found = Repr::parse(&packet).ok()?;
        let advertises = matches!(found.message, Message::Advertisement { .. });
        (advertises && found.target == VIP6 && wanted(&found)).then_some(found)
    })
}

/// How many solicited-node groups of the VIPs' own the kernel is a member of: theirs end in 00:10 or 01 and more.
fn memberships(interface: u32) -> usize {
    let table = std::fs::read_to_string("/proc/thread-self/net/igmp6").expect("the kernel has IPv6");
    let own = |line: &&str| {
        let mut columns = line.split_whitespace();
        let here = columns.next() == Some(&interface.to_string());
        let group = columns.nth(1).unwrap_or_default();
        here && ["ff00", "ff01"].iter().any(|part| group.starts_with(&format!("ff0200000000000000000001{part}")))
            && group != "ff0200000000000000000001ff00000a"
    };
    table.lines().filter(own).count()
}
