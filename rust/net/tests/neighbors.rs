//! IPv6 at work on a real kernel: questions, answers, and the groups that bring the questions here.

mod lab;

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use lab::{FAR, IPV6, Lab, NEAR, Tape, await_fact, eventually, ip, next_frame, options, table};
use metalev_engine::{Candidate, FactKind, Group, Preempt, Table};
use metalev_net::{Options, PacketSocket, Speaker};
use metalev_wire::ipv6::{multicast_mac, solicited_node};
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
    let speaker = holder_of_thousands();
    eventually("the memberships", || (memberships(lab.near) == THOUSANDS).then_some(()));
    speaker.stop();
    assert_eq!(memberships(lab.near), 0);
}

#[test]
fn the_groups_of_thousands_are_left_when_the_addresses_go_and_joined_again_with_them() {
    let lab = Lab::new();
    let speaker = holder_of_thousands();
    eventually("the memberships", || (memberships(lab.near) == THOUSANDS).then_some(()));
    speaker.set(owned(&thousands()[..3]));
    eventually("the end of all but three", || (memberships(lab.near) == 3).then_some(()));
    speaker.set(owned(&[]));
    eventually("the end of the last", || (memberships(lab.near) == 0).then_some(()));
    speaker.set(owned(&thousands()));
    eventually("the memberships again", || (memberships(lab.near) == THOUSANDS).then_some(()));
}

/// Each question goes to the group of its address, a hundred at a time, for which any socket has room.
#[test]
fn a_question_for_any_of_five_thousand_addresses_is_answered_for_that_one() {
    let lab = Lab::new();
    let (far, tape) = (lab.far(IPV6), Tape::of_answers(&lab));
    let speaker = holder_of_thousands();
    eventually("the memberships", || (memberships(lab.near) == THOUSANDS).then_some(()));
    for batch in thousands().chunks(100) {
        let mut asked: std::collections::BTreeSet<Ipv6Addr> = batch.iter().copied().collect();
        let frames: Vec<Vec<u8>> = batch.iter().map(|vip| solicitation_for(*vip, ASKER)).collect();
        assert_eq!(far.send_all(&frames).count, 0);
        eventually("an answer for each", || {
            let answer = advertised(&tape.next().1)?;
            let Message::Advertisement { flags, target_mac } = answer.message else { unreachable!() };
            if flags.solicited {
                assert_eq!((answer.dst_ip, target_mac, flags.overrides), (ASKER, Some(NEAR), true));
                asked.remove(&answer.target);
            }
            asked.is_empty().then_some(())
        });
    }
    let answered: u64 = speaker.counters().engine.addresses.iter().map(|address| address.responses_sent).sum();
    assert_eq!(answered, u64::try_from(THOUSANDS).expect("a few"));
}

/// The bound of `announcer`: 16,000 frames of first rounds a second, and 32 at once. By what the kernel says of when each
/// was sent. A frame that the reader misses makes that no stricter and no wrong; its address is announced again.
#[test]
fn the_announcements_of_five_thousand_addresses_are_paced() {
    let lab = Lab::new();
    let tape = Tape::new(&lab);
    let _speaker = holder_of_thousands();
    let mut unheard: std::collections::BTreeSet<Ipv6Addr> = thousands().into_iter().collect();
    let mut times: Vec<Duration> = Vec::new();
    eventually("an announcement of each", || {
        let (at, bytes) = tape.next();
        if let Some(told) = advertised(&bytes) {
            assert_eq!(told.dst_ip, ALL_NODES);
            unheard.remove(&told.target);
            times.push(at);
        }
        unheard.is_empty().then_some(())
    });
    // In 100 ms no more than its share, one slice of 2 ms that was saved up, and one that was under way.
    let most = 1_600 + 2 * 32 + 32;
    let mut first = 0;
    for (last, at) in times.iter().enumerate() {
        while at.saturating_sub(times[first]) > Duration::from_millis(100) {
            first += 1;
        }
        assert!(last - first < most, "{} frames in 100 ms", last - first + 1);
    }
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

const THOUSANDS: usize = 5_000;

/// Addresses with a group each.
fn thousands() -> Vec<Ipv6Addr> {
    (0..5_000).map(|n| Ipv6Addr::from_bits(VIP6.to_bits() + (1 << 16) + n)).collect()
}

/// A speaker that holds them by now, with promises that a build without optimisation keeps as well.
fn holder_of_thousands() -> Speaker {
    let beacon_interval = Duration::from_millis(500);
    holder_with(Options { beacon_interval, ..options("a", 7946, "v0") }, &thousands())
}

fn holder_with(options: Options, vips: &[Ipv6Addr]) -> Speaker {
    let speaker = Speaker::start(options).expect("it starts");
    speaker.set(owned(vips));
    await_fact(&speaker, FactKind::Took);
    speaker
}

/// A table of these addresses, each a group of its own.
fn owned(vips: &[Ipv6Addr]) -> Table {
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
            drilled: false,
            preempt: Preempt::Sticky,
        }
    };
    Table { groups: vips.iter().map(group).collect(), ..table(&[], &[]) }
}

fn solicitation(src_ip: Ipv6Addr) -> Vec<u8> {
    solicitation_for(VIP6, src_ip)
}

fn solicitation_for(target: Ipv6Addr, src_ip: Ipv6Addr) -> Vec<u8> {
    let dst_ip = solicited_node(target);
    let source_mac = (!src_ip.is_unspecified()).then_some(FAR);
    Repr { src_ip, dst_ip, target, message: Message::Solicitation { source_mac } }.frame(multicast_mac(dst_ip), FAR)
}

fn next_advertisement(socket: &PacketSocket, wanted: impl Fn(&Repr) -> bool) -> Repr {
    eventually("such an advertisement", || {
        any_advertisement(socket).filter(|found| found.target == VIP6 && wanted(found))
    })
}

/// The next frame, if it is an advertisement.
fn any_advertisement(socket: &PacketSocket) -> Option<Repr> {
    advertised(&next_frame(socket))
}

fn advertised(frame: &[u8]) -> Option<Repr> {
    let packet = Packet::new_checked(frame.get(14..)?).ok()?;
    Repr::parse(&packet).ok().filter(|repr| matches!(repr.message, Message::Advertisement { .. }))
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
