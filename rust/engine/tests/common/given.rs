//! What the tests start from: addresses, interfaces, groups and keys.

use core::time::Duration;
use std::net::{IpAddr, Ipv6Addr};

use metalev_engine::{Candidate, Group, Interface, Preempt};
use metalev_wire::MacAddr;
use metalev_wire::beacon::Key;

pub const MS: Duration = Duration::from_millis(1);
pub const ETH: u32 = 2;
/// The order of the candidates in most tests.
pub const ORDER: [&str; 3] = ["node1", "node2", "node3"];

pub fn vip(last: u8) -> IpAddr {
    [192, 168, 1, last].into()
}

pub fn vip6(last: u8) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()).into()
}

/// The same address in each family: what holds for one has to hold for the other.
pub const FAMILIES: [fn(u8) -> IpAddr; 2] = [vip, vip6];

/// What a node has on its interface: one address of each family, and the link-local one.
pub fn own_addresses(i: u8) -> Vec<(IpAddr, u8)> {
    let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, i.into());
    vec![(vip(9 + i), 24), (vip6(9 + i), 64), (link_local.into(), 64)]
}

pub fn key() -> Key {
    Key { id: 1, secret: b"0123456789abcdef0123456789abcdef".to_vec() }
}

/// `192.168.1.<last>` with these candidates, in order.
pub fn group(last: u8, candidates: &[&str]) -> Group {
    let candidates = candidates.iter().map(|node| Candidate { node: (*node).to_owned(), score: 0 }).collect();
    Group {
        key: vip(last),
        addresses: vec![vip(last)],
        candidates,
        interfaces: vec![],
        gives_way: false,
        keeps: false,
        drilled: false,
        preempt: Preempt::Sticky,
    }
}

/// The interface of node `i`.
pub fn link(i: u8) -> Interface {
    let mac = MacAddr::new([2, 0, 0, 0, 0, i]);
    Interface { index: ETH, name: "eth0".into(), mac, addresses: own_addresses(i), gateways: vec![] }
}

/// The interface of node `i` on the same segment, but with addresses of another subnet only.
pub fn elsewhere(i: u8) -> Interface {
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, i.into());
    Interface { addresses: vec![([10, 0, 0, i].into(), 24), (v6.into(), 64)], ..link(i) }
}

/// These addresses together, with these candidates, in order.
pub fn group_of(addresses: &[IpAddr], candidates: &[&str]) -> Group {
    Group { key: addresses[0], addresses: addresses.to_vec(), ..group(0, candidates) }
}
