//! What the engine counts, for the metrics.

use core::time::Duration;
use std::net::IpAddr;

use super::DropReason;
use crate::Failovers;

/// What was counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Per address held now or before.
    pub addresses: Vec<AddressCounters>,
    /// Frames and datagrams that got no answer, by reason, sorted.
    pub dropped: Vec<(DropReason, u64)>,
    /// Beacons sent, over all paths.
    pub beacons_sent: u64,
    /// Beacons heard and accepted, over all paths.
    pub beacons_received: u64,
    /// Probes sent for addresses that nobody of ours has.
    pub probes_sent: u64,
    /// How often what came of asking for an announced address as a client would.
    pub witnessed: Vec<(&'static str, u64)>,
    /// How long addresses were without an announcer that had died.
    pub failovers: Failovers,
    /// For how long a round of beacons renews the promise to answer now: more than usual if this host is starved.
    pub promise: Duration,
    /// Per peer and path on which it was ever heard.
    pub paths: Vec<PathCounters>,
}

/// How a peer is heard on one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathCounters {
    /// The peer's node.
    pub peer: String,
    /// The interface's name, or `udp`.
    pub path: String,
    /// Whether it is alive there.
    pub alive: bool,
    /// Beacons heard there.
    pub received: u64,
    /// Beacons that did not come when they were due, by the interval that the peer stated.
    pub missed: u64,
    /// By how much beacons have been late, lately.
    pub jitter: Duration,
    /// After how long a silence the peer is given up there.
    pub patience: Duration,
}

/// What was seen and sent for one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressCounters {
    /// The address.
    pub address: IpAddr,
    /// Requests for it that reached this node while it held it.
    pub requests_received: u64,
    /// Answers.
    pub responses_sent: u64,
    /// Gratuitous frames, counting each.
    pub gratuitous_sent: u64,
    /// Frames in which somebody else said that it is theirs, while this node held it.
    pub foreign_claims: u64,
}
