//! Why a frame got no answer: the fixed words.

use core::fmt;

/// Why a frame got no answer (the first six are MetalLB's names).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// An ARP reply: nothing to answer.
    ArpReply,
    /// Neither an ARP request nor a reply; in IPv6 anything but a neighbor solicitation.
    MessageType,
    /// A neighbor solicitation to a group that does not say where to answer.
    NoSourceLl,
    /// Addressed to another host.
    EthernetDestination,
    /// Asks for an address that this node does not hold.
    AnnounceIp,
    /// Asks on an interface on which the address is not announced.
    NotMatchInterface,
    /// Asks after the promise to answer had run out: this node has slept and does not know who answers now.
    Lapsed,
    /// No frame of a kind that is understood.
    Malformed,
    /// Tagged for a VLAN: for the VLAN's own interface, not for this one.
    Vlan,
    /// Longer than anything that is spoken here.
    Oversized,
    /// This node's own, come back.
    LoopedBack,
    /// A beacon whose signature does not fit.
    BadSignature,
    /// A beacon from somebody who is no peer, or for somebody else.
    NotForUs,
    /// A beacon that was already heard, or from an earlier life of its sender.
    Replayed,
    /// A beacon of another version.
    OtherVersion,
    /// A beacon under the name of a node that lives elsewhere, or of this one.
    SameName,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ArpReply => "ARPReply",
            Self::MessageType => "messageType",
            Self::NoSourceLl => "noSourceLL",
            Self::EthernetDestination => "ethernetDestination",
            Self::AnnounceIp => "announceIP",
            Self::NotMatchInterface => "notMatchInterface",
            Self::Lapsed => "lapsed",
            Self::Malformed => "malformed",
            Self::Vlan => "vlan",
            Self::Oversized => "oversized",
            Self::LoopedBack => "loopedBack",
            Self::BadSignature => "badSignature",
            Self::NotForUs => "notForUs",
            Self::Replayed => "replayed",
            Self::OtherVersion => "otherVersion",
            Self::SameName => "sameName",
        })
    }
}
