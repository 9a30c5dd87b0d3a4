//! The questions that are sent: whether anybody has an address, as a probe, and where it is, as a client would ask.

use std::net::{IpAddr, Ipv6Addr};

use metalev_wire::ndp::{self, Message};
use metalev_wire::{MacAddr, arp, ipv6};

use crate::event::{Action, Interface};
use crate::links;

/// Does anybody have this address? Asked under none, so that nobody's cache learns anything from it: an ARP probe
/// (RFC 5227 section 2.1.1), the solicitation of duplicate address detection (RFC 4862 section 5.4.2).
pub(crate) fn probe(link: &Interface, address: IpAddr) -> Action {
    let bytes = match address {
        IpAddr::V4(target_ip) => {
            let sender_ip = [0; 4].into();
            let operation = arp::Operation::Request;
            let repr = arp::Repr { operation, sender_mac: link.mac, sender_ip, target_mac: MacAddr::ZERO, target_ip };
            repr.frame(MacAddr::BROADCAST, link.mac).to_vec()
        }
        IpAddr::V6(target) => solicitation(link, target, (Ipv6Addr::UNSPECIFIED, None), None),
    };
    Action::SendFrame { interface: link.index, bytes }
}

/// Where is this address? Asked under this node's own address in its subnet, of everybody; `None` if it has none there.
pub(crate) fn question(link: &Interface, address: IpAddr) -> Option<Action> {
    ask(link, address, None)
}

/// The same, asked of one alone. A peer takes it as a request to announce the address again.
pub(crate) fn in_person(link: &Interface, address: IpAddr, of: MacAddr) -> Option<Action> {
    ask(link, address, Some(of))
}

fn ask(link: &Interface, address: IpAddr, of: Option<MacAddr>) -> Option<Action> {
    let own = links::own_beside(link, address)?;
    let bytes = match (own, address) {
        (IpAddr::V4(sender_ip), IpAddr::V4(target_ip)) => {
            let operation = arp::Operation::Request;
            let repr = arp::Repr { operation, sender_mac: link.mac, sender_ip, target_mac: MacAddr::ZERO, target_ip };
            repr.frame(of.unwrap_or(MacAddr::BROADCAST), link.mac).to_vec()
        }
        (IpAddr::V6(own), IpAddr::V6(target)) => solicitation(link, target, (own, Some(link.mac)), of),
        _ => return None,
    };
    Some(Action::SendFrame { interface: link.index, bytes })
}

fn solicitation(
    link: &Interface,
    target: Ipv6Addr,
    (src_ip, source_mac): (Ipv6Addr, Option<MacAddr>),
    of: Option<MacAddr>,
) -> Vec<u8> {
    let group = ipv6::solicited_node(target);
    let repr = ndp::Repr { src_ip, dst_ip: group, target, message: Message::Solicitation { source_mac } };
    repr.frame(of.unwrap_or_else(|| ipv6::multicast_mac(group)), link.mac)
}
