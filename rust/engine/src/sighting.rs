//! Who says, by whichever frame, that an address is theirs.

use core::time::Duration;
use std::net::IpAddr;

use metalev_wire::ethernet::{EtherType, Frame};
use metalev_wire::ndp::Message;
use metalev_wire::{MacAddr, arp, ndp};

/// For how long somebody of whom no such frame is seen again is remembered.
pub(crate) const MEMORY: Duration = Duration::from_secs(600);

/// One frame in which somebody says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// The address.
    pub(crate) address: IpAddr,
    /// Who says so.
    pub(crate) mac: MacAddr,
    /// How.
    pub(crate) form: Form,
}

/// How somebody says that an address is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// By asking or announcing under it: an ARP request, a gratuitous reply, a neighbor solicitation from it.
    Use,
    /// By an ARP reply or a neighbor advertisement.
    Answer,
    /// By an ARP reply to an announcement of another, which is a request: who answers for everybody (proxy ARP) answers
    /// those, too.
    Objection,
    /// By asking whether anybody has it, before taking it (RFC 5227 section 2.1.1, RFC 4862 section 5.4.2).
    Probe,
}

impl Sighting {
    /// Whether it is of somebody else than who has `own`. Nobody's own MAC address is that of a group.
    pub(crate) fn is_of_another(&self, own: MacAddr) -> bool {
        self.mac != own && !self.mac.is_multicast()
    }
}

/// What a frame says of an address; `None` if it is none of these protocols, or broken, or says nothing.
pub(crate) fn of_frame(bytes: &[u8]) -> Option<Sighting> {
    let frame = Frame::new_checked(bytes).ok()?;
    match frame.ethertype() {
        EtherType::ARP => of_arp(&arp::Packet::new_checked(frame.payload()).and_then(|it| arp::Repr::parse(&it)).ok()?),
        EtherType::IPV6 => {
            let message = ndp::Packet::new_checked(frame.payload()).and_then(|it| ndp::Repr::parse(&it)).ok()?;
            Some(of_ndp(&message, frame.src()))
        }
        _ => None,
    }
}

/// What an ARP packet says of an address.
pub(crate) fn of_arp(packet: &arp::Repr) -> Option<Sighting> {
    let (address, form) = match packet.operation {
        arp::Operation::Request if packet.sender_ip.is_unspecified() => (packet.target_ip, Form::Probe),
        _ if packet.sender_ip.is_unspecified() => return None,
        arp::Operation::Reply if packet.sender_ip != packet.target_ip => (packet.sender_ip, Form::Answer),
        arp::Operation::Reply if is_of_another(packet) => (packet.sender_ip, Form::Objection),
        _ => (packet.sender_ip, Form::Use),
    };
    Some(Sighting { address: address.into(), mac: packet.sender_mac, form })
}

/// Whether a gratuitous reply names somebody else as who has the address, and so is none.
fn is_of_another(packet: &arp::Repr) -> bool {
    let nobody = [MacAddr::ZERO, MacAddr::BROADCAST, packet.sender_mac];
    !nobody.contains(&packet.target_mac)
}

/// What a message of neighbor discovery says of an address; `from` is the MAC address that sent it.
pub(crate) fn of_ndp(message: &ndp::Repr, from: MacAddr) -> Sighting {
    let (address, mac, form) = match message.message {
        Message::Solicitation { .. } if message.is_probe() => (message.target, from, Form::Probe),
        Message::Solicitation { source_mac } => (message.src_ip, source_mac.unwrap_or(from), Form::Use),
        Message::Advertisement { target_mac, .. } => (message.target, target_mac.unwrap_or(from), Form::Answer),
    };
    Sighting { address: address.into(), mac, form }
}

#[cfg(test)]
mod tests;
