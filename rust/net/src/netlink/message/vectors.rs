//! `RTM_NEWLINK` messages of a host with a bond and VLANs, octet by octet: not every kernel that runs the tests has those.
//!
//! They are laid out as net/core/rtnetlink.c writes them in a dump (without statistics), with the `IFLA_LINKINFO` of
//! drivers/net/bonding and net/8021q: its inner attributes have numbers that outside of it mean a name or a MAC address.
//! In the order of a machine that puts the least significant octet first.
#![cfg(target_endian = "little")]

use super::super::{Link, Listing};
use super::{all, link};
use crate::links::Selection;

/// The active port of bond0: flags with `IFF_SLAVE`, `IFLA_MASTER` 4, `IFLA_INFO_SLAVE_KIND` "bond".
const ETH0: &str = "\
    c00000001000020001000000671200000000010002000000431801000000000009000300657468300000000008000d00\
    e80300000500100006000000050011000000000008000400dc05000008000a000400000005002100010000000a000100\
    020000000a0100000a000200ffffffffffff00004000120009000400626f6e6400000000300005000500010000000000\
    050002000000000008000300000000000a000400020000000a02000006000500000000000c0006006e6f717565756500";

/// Its other port, whose cable is out.
const ETH1: &str = "\
    c00000001000020001000000671200000000010003000000031800000000000009000300657468310000000008000d00\
    e80300000500100002000000050011000000000008000400dc05000008000a000400000005002100000000000a000100\
    020000000a0100000a000200ffffffffffff00004000120009000400626f6e6400000000300005000500010000000000\
    050002000000000008000300000000000a000400020000000a02000006000500000000000c0006006e6f717565756500";

/// Flags with `IFF_MASTER`, `IFLA_INFO_KIND` "bond" in mode active-backup.
const BOND0: &str = "\
    ac000000100002000100000067120000000001000400000043140100000000000a000300626f6e643000000008000d00\
    e80300000500100006000000050011000000000008000400dc05000005002100010000000a000100020000000a010000\
    0a000200ffffffffffff00003400120009000100626f6e64000000002400020005000100010000000800020002000000\
    080003006400000008000400000000000c0006006e6f717565756500";

/// VLAN 5 above it: `IFLA_LINK` 4, `IFLA_INFO_KIND` "vlan".
const BOND0_5: &str = "\
    b0000000100002000100000067120000000001000500000043100100000000000c000300626f6e64302e350008000d00\
    e80300000500100006000000050011000000000008000400dc05000005002100010000000a000100020000000a010000\
    0a000200ffffffffffff00003000120009000100766c616e000000002000020006000500810000000600010005000000\
    0c00020001000000ffffffff08000500040000000c0006006e6f717565756500";

/// VLAN 5 above eth2, which has no carrier: `IF_OPER_LOWERLAYERDOWN`, and up but not running.
const ETH2_5: &str = "\
    b0000000100002000100000067120000000001000700000003100000000000000b000300657468322e35000008000d00\
    e80300000500100007000000050011000000000008000400dc05000005002100000000000a000100020000000a030000\
    0a000200ffffffffffff00003000120009000100766c616e000000002000020006000500810000000600010005000000\
    0c00020001000000ffffffff08000500060000000c0006006e6f717565756500";

fn octets(message: &str) -> Vec<u8> {
    let pairs = message.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// Read as one datagram of a dump.
fn read(messages: &[&str]) -> Vec<Link> {
    let datagram: Vec<u8> = messages.iter().flat_map(|message| octets(message)).collect();
    let messages = all(&datagram).inspect(|message| assert_eq!(message.kind, libc::RTM_NEWLINK));
    messages.map(|message| link(message.body).unwrap()).collect()
}

fn one(message: &str) -> Link {
    let [link] = <[_; 1]>::try_from(read(&[message])).unwrap();
    link
}

fn chosen(messages: &[&str]) -> Vec<String> {
    let listing = Listing { links: read(messages), addresses: vec![] };
    let found = Selection::new(vec![], &[]).unwrap().find(listing, &[]);
    found.interfaces.into_iter().map(|interface| interface.name).collect()
}

#[test]
fn the_port_of_a_bond_is_read_with_its_master() {
    let mac = Some([2, 0, 0, 0, 0x0a, 1].into());
    assert_eq!(one(ETH0), Link { index: 2, name: "eth0".to_owned(), flags: 0x11843, mac, enslaved: true });
}

#[test]
fn a_bond_is_read_with_its_own_name_and_mac_address() {
    let mac = Some([2, 0, 0, 0, 0x0a, 1].into());
    assert_eq!(one(BOND0), Link { index: 4, name: "bond0".to_owned(), flags: 0x11443, mac, enslaved: false });
}

/// What lies below a VLAN is its link, not its master.
#[test]
fn a_vlan_is_read_as_nobodys_port() {
    let mac = Some([2, 0, 0, 0, 0x0a, 1].into());
    assert_eq!(one(BOND0_5), Link { index: 5, name: "bond0.5".to_owned(), flags: 0x11043, mac, enslaved: false });
}

#[test]
fn of_a_dump_the_bond_and_the_vlan_above_it_carry_and_nothing_else() {
    assert_eq!(chosen(&[ETH0, ETH1, BOND0, BOND0_5, ETH2_5]), ["bond0", "bond0.5"]);
}

#[test]
fn a_message_that_is_cut_anywhere_is_no_link_or_one_that_does_not_carry_another_name() {
    for message in [ETH0, BOND0, BOND0_5] {
        let whole = octets(message);
        for len in 0..whole.len() {
            assert_eq!(all(&whole[..len]).count(), 0, "{len}");
            // The same cut below a header that promises no more than there is.
            let body = link(whole.get(16..len).unwrap_or_default());
            assert!(body.is_none_or(|link| ["", &one(message).name].contains(&link.name.as_str())), "{len}");
        }
    }
}
