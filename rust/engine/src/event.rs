//! What goes into the engine and what comes out of it: read this file and you know what a speaker can do.

mod cause;
mod counters;
mod dropped;
mod fact;

use core::time::Duration;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use metalev_wire::MacAddr;

use crate::Table;

pub use cause::Cause;
pub use counters::{AddressCounters, Counters, PathCounters};
pub use dropped::DropReason;
pub use fact::{Fact, FactKind};

/// An input. The time of it is handed in beside it.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The whole table of peers, keys and groups, replacing the one before.
    Table(Table),
    /// All interfaces that are up and may carry VIPs, replacing those before.
    Interfaces(Vec<Interface>),
    /// What is this host's own on whichever interface, replacing what was before.
    Host(Host),
    /// A frame as it came off an interface, from the Ethernet header on: ARP, IPv6 with neighbor discovery, or a beacon.
    Frame {
        /// The interface's index.
        interface: u32,
        /// The frame.
        bytes: &'a [u8],
        /// For how long it has waited to be read: what it says counts from now on, that its sender lived from its arrival.
        waited: Duration,
    },
    /// The payload of a UDP datagram on the beacon port.
    Datagram(Datagram<'a>),
    /// The caller runs again: handed in before what has queued meanwhile, so that an engine that overslept knows it before
    /// it believes any of that. Does nothing else.
    Woke,
    /// Time has passed: handed in after what had queued, so that nobody is given up whose beacon waits to be read.
    Tick,
    /// The group of this address is to move, if somebody else can have it: for a drill.
    Drill(IpAddr),
    /// The speaker ends: hand over what is held, then say goodbye. [`Engine::stopped`](crate::Engine::stopped) tells when
    /// that is done: after a second at most.
    Stop,
}

/// A UDP datagram and the way it took.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Index of the interface on which it arrived (`IP_PKTINFO`).
    pub interface: u32,
    /// Its source.
    pub from: SocketAddr,
    /// Its payload.
    pub bytes: &'a [u8],
    /// For how long it has waited to be read.
    pub waited: Duration,
}

/// An interface that is up and may carry VIPs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its current MAC address: the source of every frame that leaves by it.
    pub mac: MacAddr,
    /// Its own addresses, each with the length of the on-link prefix.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The default gateways that are reached through it, of both families.
    pub gateways: Vec<IpAddr>,
}

/// What nobody may be given, because this host or the way out of it has it: also what is configured on interfaces that
/// carry no VIPs, as the loopback and the bridges of containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The host's own addresses.
    pub addresses: Vec<IpAddr>,
    /// Its default gateways.
    pub gateways: Vec<IpAddr>,
    /// The MAC addresses of its other interfaces that have addresses, by name: its kernel may answer there.
    pub others: Vec<(String, MacAddr)>,
}

/// An output, to be carried out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a whole Ethernet frame.
    SendFrame {
        /// The interface's index.
        interface: u32,
        /// The frame from the Ethernet header on, without checksum.
        bytes: Vec<u8>,
    },
    /// Send a UDP datagram to the beacon port of a node.
    SendDatagram {
        /// The node's address.
        to: IpAddr,
        /// The payload.
        bytes: Vec<u8>,
    },
    /// Be a member of exactly these solicited-node groups (RFC 4291 section 2.7.1) on an interface, and of no others
    /// that an earlier action named; so that switches which snoop MLD let the questions through.
    SetGroups {
        /// The interface's index.
        interface: u32,
        /// The groups, sorted, each once.
        groups: Vec<Ipv6Addr>,
    },
    /// Throw away whatever is queued in the sockets: it is from before a sleep, and nobody waits for the answer.
    DiscardQueued,
    /// Tell whoever watches.
    Report(Fact),
}
