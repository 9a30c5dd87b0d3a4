//! What the engine is told: peers, keys and groups, always whole.

use core::time::Duration;
use std::net::IpAddr;
use std::sync::Arc;

use metalev_wire::beacon::Key;

/// Everything that ownership is decided from, besides what peers say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The other nodes that may run a speaker.
    pub peers: Vec<Peer>,
    /// Keys of the beacons: the first signs, every one is accepted.
    pub keys: Vec<Key>,
    /// The groups of addresses that some node may announce.
    pub groups: Vec<Group>,
    /// An order to this node to be silent for a while, as if it had died.
    pub silence: Option<Silence>,
    /// What is to be found out about addresses before anybody announces them.
    pub probing: Probing,
}

/// A silence that an operator ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Names the order: one that is repeated does not begin anew.
    pub id: String,
    /// How long it lasts from when it is first heard of; at most half a minute.
    pub length: Duration,
}

/// Addresses of which somebody is to find out whether anybody else has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probing {
    /// Those that are given away next, the first first: the same on every node, one of which asks.
    pub addresses: Vec<IpAddr>,
    /// Whether an address that nobody has announced yet is probed by the whole schedule of RFC 5227 before it is.
    pub full: bool,
}

/// Another node, and where its speaker hears beacons by UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The node's name.
    pub node: String,
    /// Its addresses on the node network.
    pub addresses: Vec<IpAddr>,
}

/// Addresses that move together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The smallest of the first addresses of its Services: its name on the wire.
    pub key: IpAddr,
    /// Every address of it.
    pub addresses: Vec<IpAddr>,
    /// The nodes that may announce it, in the order in which they are asked; shared by all who have this list.
    pub candidates: Arc<[Candidate]>,
    /// Names of the interfaces to announce on; empty means all.
    pub interfaces: Vec<String>,
    /// Whether a speaker that is no peer is coming up to announce it (`MetalLB`'s, on the way back): whoever announces it
    /// goes on until that one is heard to, and nobody takes it.
    pub gives_way: bool,
    /// Whether this node, should it announce it and be no candidate, goes on for as long as nobody relieves it: it may not
    /// any more, but it could serve.
    pub keeps: bool,
    /// Whether this node is no candidate because an operator wants to see it move, and for no other reason.
    pub drilled: bool,
    /// When a better candidate takes it back.
    pub preempt: Preempt,
}

/// When a living announcer has to leave a group to a better candidate. Always make before break.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preempt {
    /// If that one has a strictly higher preference score, after the hold-down; never on the ground of the order.
    #[default]
    Sticky,
    /// If that one comes first, after the hold-down.
    Balanced,
    /// If that one comes first, as soon as it is up and has listened (`MetalLB`'s way).
    Immediate,
}

/// A node that may announce a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The node's name.
    pub node: String,
    /// The sum of the preferences that name it; a strictly higher one is a reason to move back.
    pub score: i64,
}
