//! Which frames the kernel lets through to a packet socket: a classic BPF program per socket.
//!
//! ```text
//!   came in on this very interface?      a frame for a VLAN or macvlan above it is also shown to sockets here, its
//!                                        tag already taken off: answering it here would answer on the wrong segment
//!   for us: not for another host         the kernel's own verdict by destination address, so that a promiscuous
//!                                        interface (a bridge port, a capture) changes nothing. To all and yet for
//!                                        another is what came with the tag of a VLAN that this host does not have:
//!                                        it passes, to be counted by its name
//!   beacons: starts with the magic       0x88B5 is for local experiments (IEEE 802), ours may not be the only one
//!   beacons: says something new?         what does not is shown to another socket, which wakes nobody
//!   IPv6: neighbor discovery alone       bulk traffic never wakes us, and is never copied
//!   about an address of interest?        a flood of questions for others costs a dozen instructions each, in the
//!                                        kernel; what is too short or too odd to say passes, to be counted by its name
//! ```
//!
//! Our own frames that a loop in the network sends back pass, too: somebody should hear of the loop.

use libc::sock_filter;
use metalev_wire::beacon::{FLAGS_AT, QUIET};

use crate::ranges::Ranges;

/// Loads of the packet's metadata: offsets above this are not offsets.
const METADATA: u32 = libc::SKF_AD_OFF.cast_unsigned();
const IFINDEX: u32 = METADATA.wrapping_add(libc::SKF_AD_IFINDEX.cast_unsigned());
const PKTTYPE: u32 = METADATA.wrapping_add(libc::SKF_AD_PKTTYPE.cast_unsigned());
/// Offset of the destination address, whose first octet has the bit of all that is not for one host alone.
const DESTINATION: u32 = 0;
const GROUP_BIT: u32 = 1;
/// Offset of the payload.
const PAYLOAD: u32 = 14;
/// Offset of a beacon's flags in a datagram, of which the kernel shows the payload alone; and in a frame.
#[expect(clippy::cast_possible_truncation, reason = "it is 5")]
const FLAGS_AT_IN_UDP: u32 = FLAGS_AT as u32;
const FLAGS: u32 = PAYLOAD + FLAGS_AT_IN_UDP;

/// What a frame's payload has to be.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// ARP whose sender or target is an IPv4 address in these ranges.
    Arp(&'a Ranges),
    /// A neighbor solicitation or advertisement whose target ends in these ranges.
    Ndp(&'a Ranges),
    /// What starts with these octets, and says that it is quiet or does not.
    Beacon { magic: [u8; 4], quiet: bool },
}

/// The program for frames that came in on interface `index`.
pub(crate) fn program(index: u32, payload: Payload<'_>) -> Vec<sock_filter> {
    let mut program = checks(&for_us(index), Miss::Drop);
    match payload {
        Payload::Beacon { magic, quiet } => {
            let magic = u32::from_be_bytes(magic);
            program.extend(checks(&[Check::LoadWord(PAYLOAD), Check::Unless(magic)], Miss::Drop));
            if !quiet {
                program.extend(checks(&[Check::LoadLength, Check::Below(FLAGS + 1)], Miss::Accept));
            }
            let flag = if quiet { Check::WithoutBit(QUIET.into()) } else { Check::WithBit(QUIET.into()) };
            program.extend(checks(&[Check::LoadByte(FLAGS), flag], Miss::Drop));
            program.push(ACCEPT);
        }
        Payload::Arp(ranges) => {
            program.extend(checks(&IPV4_OVER_ETHERNET, Miss::Accept));
            program.extend(search(ARP_SENDER, ranges, Miss::GoOn));
            program.extend(search(ARP_TARGET, ranges, Miss::Drop));
        }
        Payload::Ndp(ranges) => {
            program.extend(checks(&NEIGHBOR_DISCOVERY, Miss::Drop));
            program.extend(checks(&[Check::LoadLength, Check::Below(NDP_LEN)], Miss::Accept));
            program.extend(search(NDP_TARGET_END, ranges, Miss::Drop));
        }
    }
    program
}

/// The program that chooses one of two sockets on a UDP port for a datagram: the second one for a quiet beacon.
pub(crate) fn second_if_quiet() -> Vec<sock_filter> {
    let mut program = checks(&[Check::LoadByte(FLAGS_AT_IN_UDP), Check::WithoutBit(QUIET.into())], Miss::Drop);
    program.push(sock_filter { k: 1, ..ACCEPT });
    program
}

/// The program of a netlink socket for news of routes: the octet behind `nlmsghdr` and family is the length of the
/// destination's prefix.
pub(crate) fn default_routes() -> Vec<sock_filter> {
    let mut program = checks(&[Check::LoadByte(17), Check::Unless(0)], Miss::Drop);
    program.push(ACCEPT);
    program
}

fn for_us(index: u32) -> [Check; 7] {
    [
        Check::LoadWord(IFINDEX),
        Check::Unless(index),
        Check::LoadWord(PKTTYPE),
        Check::If(libc::PACKET_OUTGOING.into()),
        Check::SkipUnless(libc::PACKET_OTHERHOST.into(), 2),
        Check::LoadByte(DESTINATION),
        Check::WithoutBit(GROUP_BIT),
    ]
}

/// Length of a frame with ARP for IPv4 (RFC 826).
const ARP_LEN: u32 = PAYLOAD + 28;
const ARP_SENDER: u32 = PAYLOAD + 14;
const ARP_TARGET: u32 = PAYLOAD + 24;
/// Hardware Ethernet, protocol IPv4, lengths 6 and 4.
const IPV4_OVER_ETHERNET: [Check; 6] = [
    Check::LoadLength,
    Check::Below(ARP_LEN),
    Check::LoadWord(PAYLOAD),
    Check::Unless(0x0001_0800),
    Check::LoadHalf(PAYLOAD + 4),
    Check::Unless(0x0604),
];

/// Length of a frame with a solicitation or advertisement, without options (RFC 4861 sections 4.3 and 4.4).
const NDP_LEN: u32 = PAYLOAD + 40 + 24;
/// The last four octets of the target.
const NDP_TARGET_END: u32 = NDP_LEN - 4;
/// `ICMPv6` right after the header, with the hop limit that no router forwards (RFC 4861 section 7.1); types 135 and 136.
const NEIGHBOR_DISCOVERY: [Check; 5] = [
    Check::LoadHalf(PAYLOAD + 6),
    Check::Unless(0x3aff),
    Check::LoadByte(PAYLOAD + 40),
    Check::Below(135),
    Check::Above(136),
];

/// One instruction, before it is known where a miss leads.
#[derive(Clone, Copy)]
enum Check {
    LoadWord(u32),
    LoadHalf(u32),
    LoadByte(u32),
    LoadLength,
    /// A miss if the loaded value is this one.
    If(u32),
    /// A miss if it is any other.
    Unless(u32),
    /// A miss if it is less.
    Below(u32),
    /// A miss if it is more.
    Above(u32),
    /// A miss if it lacks this bit.
    WithoutBit(u32),
    /// A miss if it has this bit.
    WithBit(u32),
    /// Skip so many checks if it is any other.
    SkipUnless(u32, u8),
}

/// Where a part of the program leads that found what it should not, or did not find what it should.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Miss {
    Drop,
    Accept,
    /// To the next part.
    GoOn,
}

/// The checks, followed by what a miss is; without one the program goes on behind that. A frame too short for a load is
/// dropped by the kernel.
fn checks(checks: &[Check], miss: Miss) -> Vec<sock_filter> {
    let mut program: Vec<sock_filter> = (1..)
        .zip(checks)
        .map(|(next, check)| {
            // Jumps are relative to the next instruction. Behind the last one stands the jump over the miss.
            let to_miss = u8::try_from(checks.len() + 1 - next).expect("a filter has few checks");
            match *check {
                Check::LoadWord(offset) => load(libc::BPF_W, offset),
                Check::LoadHalf(offset) => load(libc::BPF_H, offset),
                Check::LoadByte(offset) => load(libc::BPF_B, offset),
                Check::LoadLength => instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_LEN, 0, 0, 0),
                Check::If(value) => jump(libc::BPF_JEQ, value, to_miss, 0),
                Check::Unless(value) => jump(libc::BPF_JEQ, value, 0, to_miss),
                Check::Below(value) => jump(libc::BPF_JGE, value, 0, to_miss),
                Check::Above(value) => jump(libc::BPF_JGT, value, to_miss, 0),
                Check::WithoutBit(bit) => jump(libc::BPF_JSET, bit, 0, to_miss),
                Check::WithBit(bit) => jump(libc::BPF_JSET, bit, to_miss, 0),
                Check::SkipUnless(value, count) => jump(libc::BPF_JEQ, value, 0, count),
            }
        })
        .collect();
    program.push(go_over(1));
    program.push(if miss == Miss::Accept { ACCEPT } else { DROP });
    program
}

/// Accept the frame if the word at `offset` lies in one of the ranges.
fn search(offset: u32, ranges: &Ranges, miss: Miss) -> Vec<sock_filter> {
    let mut program = vec![load(libc::BPF_W, offset)];
    tree(&mut program, &ranges.bounds(), 0);
    if miss == Miss::GoOn {
        // Every leaf that drops has to leave for the end instead.
        let end = program.len();
        let drops = |leaf: &sock_filter| leaf.code == DROP.code && leaf.k == DROP.k;
        for (at, leaf) in program.iter_mut().enumerate().filter(|(_, leaf)| drops(leaf)) {
            *leaf = go_over(end - at - 1);
        }
    }
    program
}

/// A search tree over the bounds; `below` of them are to the left. An odd number of bounds to the left is inside.
fn tree(program: &mut Vec<sock_filter>, bounds: &[u32], below: usize) {
    let middle = bounds.len() / 2;
    let Some(&bound) = bounds.get(middle) else {
        program.push(if below % 2 == 1 { ACCEPT } else { DROP });
        return;
    };
    let at = program.len();
    program.push(DROP); // its place
    tree(program, &bounds[..middle], below);
    // 64 ranges have 128 bounds: 128 instructions to the left of the topmost.
    let left = u8::try_from(program.len() - at - 1).expect("half of the tree is shorter than a jump");
    program[at] = jump(libc::BPF_JGE, bound, left, 0);
    tree(program, &bounds[middle + 1..], below + middle + 1);
}

const ACCEPT: sock_filter = sock_filter { code: 0x06, jt: 0, jf: 0, k: u32::MAX };
const DROP: sock_filter = sock_filter { code: 0x06, jt: 0, jf: 0, k: 0 };

fn load(size: u32, offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | size | libc::BPF_ABS, 0, 0, offset)
}

fn jump(comparison: u32, value: u32, then: u8, otherwise: u8) -> sock_filter {
    instruction(libc::BPF_JMP | comparison | libc::BPF_K, then, otherwise, value)
}

fn go_over(count: usize) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JA, 0, 0, u32::try_from(count).expect("a filter is shorter than 4096"))
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).expect("an opcode has 16 bits"), jt, jf, k }
}
