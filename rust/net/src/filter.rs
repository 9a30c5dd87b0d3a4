//! Which frames the kernel lets through to a packet socket: a classic BPF program per socket.
//!
//! ```text
//!   came in on this very interface?      a frame for a VLAN or macvlan above it is also shown to sockets here, its
//!                                        tag already taken off: answering it here would answer on the wrong segment
//!   for us: not for another host         the kernel's own verdict by destination address, so that a promiscuous
//!                                        interface (a bridge port, a capture) changes nothing
//!   not our own                          neither outgoing, nor sent back to us by a switch or bridge
//!   beacons: starts with the magic       0x88B5 is for local experiments (IEEE 802), ours may not be the only one
//! ```

use libc::sock_filter;
use metalev_wire::MacAddr;

/// Loads of the packet's metadata: offsets above this are not offsets.
const METADATA: u32 = libc::SKF_AD_OFF.cast_unsigned();
const IFINDEX: u32 = METADATA.wrapping_add(libc::SKF_AD_IFINDEX.cast_unsigned());
const PKTTYPE: u32 = METADATA.wrapping_add(libc::SKF_AD_PKTTYPE.cast_unsigned());
/// Offset of the source address in an Ethernet frame.
const SOURCE: u32 = 6;
/// Offset of the payload.
const PAYLOAD: u32 = 14;

/// One instruction, before the distance to the end is known.
#[derive(Clone, Copy)]
enum Step {
    LoadWord(u32),
    LoadHalf(u32),
    /// Drop the frame if the loaded value is this one.
    DropIf(u32),
    /// Drop it if it is any other.
    DropUnless(u32),
    /// Skip so many steps if it is any other.
    SkipUnless(u32, u8),
}

/// The program for frames that came in on interface `index`, whose own address is `mac`, and whose payload starts with
/// the four octets of `magic`, if given. A frame too short for a load is dropped by the kernel.
pub(crate) fn program(index: u32, mac: MacAddr, magic: Option<[u8; 4]>) -> Vec<sock_filter> {
    let [front @ .., five, six] = mac.octets();
    let mut steps = vec![
        Step::LoadWord(IFINDEX),
        Step::DropUnless(index),
        Step::LoadWord(PKTTYPE),
        Step::DropIf(libc::PACKET_OTHERHOST.into()),
        Step::DropIf(libc::PACKET_OUTGOING.into()),
        Step::LoadWord(SOURCE),
        Step::SkipUnless(u32::from_be_bytes(front), 2),
        Step::LoadHalf(SOURCE + 4),
        Step::DropIf(u16::from_be_bytes([five, six]).into()),
    ];
    if let Some(magic) = magic {
        steps.extend([Step::LoadWord(PAYLOAD), Step::DropUnless(u32::from_be_bytes(magic))]);
    }
    assemble(&steps)
}

/// Resolve the jumps. The last instruction drops, the one before it accepts the whole frame.
fn assemble(steps: &[Step]) -> Vec<sock_filter> {
    let drop_at = steps.len() + 1;
    let mut program: Vec<sock_filter> = steps
        .iter()
        .enumerate()
        .map(|(at, step)| {
            // Jumps are relative to the next instruction; the programs here are a dozen long.
            let to_drop = u8::try_from(drop_at - at - 1).expect("a filter has fewer than 256 instructions");
            match *step {
                Step::LoadWord(offset) => instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset),
                Step::LoadHalf(offset) => instruction(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 0, 0, offset),
                Step::DropIf(value) => jump_if_equal(value, to_drop, 0),
                Step::DropUnless(value) => jump_if_equal(value, 0, to_drop),
                Step::SkipUnless(value, steps) => jump_if_equal(value, 0, steps),
            }
        })
        .collect();
    program.push(instruction(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX));
    program.push(instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0));
    program
}

fn jump_if_equal(value: u32, then: u8, otherwise: u8) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, then, otherwise, value)
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).expect("an opcode has 16 bits"), jt, jf, k }
}
