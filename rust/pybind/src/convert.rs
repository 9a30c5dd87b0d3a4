//! Values in and out. What comes in is read by attribute, so that the Python side passes its own model.

use std::collections::BTreeMap;
use std::net::IpAddr;

use metalev_engine as engine;
use metalev_wire::beacon;
use pyo3::prelude::*;

// ===== in: the table =====

#[derive(FromPyObject)]
pub(crate) struct Table {
    peers: Vec<Peer>,
    keys: Vec<Key>,
    groups: Vec<Group>,
    probing: Probing,
}

#[derive(FromPyObject)]
struct Probing {
    addresses: Vec<IpAddr>,
    full: bool,
}

#[derive(FromPyObject)]
struct Peer {
    node: String,
    addresses: Vec<IpAddr>,
}

#[derive(FromPyObject)]
struct Key {
    id: u16,
    secret: Vec<u8>,
}

#[derive(FromPyObject)]
struct Group {
    key: IpAddr,
    addresses: Vec<IpAddr>,
    candidates: Vec<Candidate>,
    interfaces: Vec<String>,
    gives_way: bool,
}

#[derive(FromPyObject)]
struct Candidate {
    node: String,
    score: i64,
}

impl From<Table> for engine::Table {
    fn from(table: Table) -> Self {
        Self {
            peers: table.peers.into_iter().map(Into::into).collect(),
            keys: table.keys.into_iter().map(Into::into).collect(),
            groups: table.groups.into_iter().map(Into::into).collect(),
            probing: engine::Probing { addresses: table.probing.addresses, full: table.probing.full },
        }
    }
}

impl From<Peer> for engine::Peer {
    fn from(Peer { node, addresses }: Peer) -> Self {
        Self { node, addresses }
    }
}

impl From<Key> for beacon::Key {
    fn from(Key { id, secret }: Key) -> Self {
        Self { id, secret }
    }
}

impl From<Group> for engine::Group {
    fn from(group: Group) -> Self {
        Self {
            key: group.key,
            addresses: group.addresses,
            candidates: group.candidates.into_iter().map(Into::into).collect(),
            interfaces: group.interfaces,
            gives_way: group.gives_way,
        }
    }
}

impl From<Candidate> for engine::Candidate {
    fn from(Candidate { node, score }: Candidate) -> Self {
        Self { node, score }
    }
}

// ===== out: facts and counters =====

/// Something that the engine saw or did.
#[pyclass(frozen, get_all, module = "metalev._native")]
pub(crate) struct Fact {
    kind: String,
    at: f64,
    cause: String,
    message: String,
    group: Option<IpAddr>,
    addresses: Vec<IpAddr>,
    term: u64,
    peer: String,
    interface: String,
    mac: String,
}

impl From<engine::Fact> for Fact {
    fn from(fact: engine::Fact) -> Self {
        Self {
            kind: fact.kind.to_string(),
            at: seconds(fact.at),
            cause: fact.cause.to_string(),
            message: fact.message,
            group: fact.group,
            addresses: fact.addresses,
            term: fact.term,
            peer: fact.peer,
            interface: fact.interface,
            mac: fact.mac.map_or_else(String::new, |mac| mac.to_string()),
        }
    }
}

/// What was counted since the start.
#[pyclass(frozen, get_all, module = "metalev._native")]
pub(crate) struct Counters {
    addresses: Vec<(IpAddr, u64, u64, u64, u64)>,
    dropped: BTreeMap<String, u64>,
    beacons_sent: u64,
    beacons_received: u64,
    probes_sent: u64,
    witnessed: BTreeMap<&'static str, u64>,
    unsent: u64,
    facts_lost: u64,
}

impl From<metalev_net::Counters> for Counters {
    fn from(counters: metalev_net::Counters) -> Self {
        let metalev_net::Counters { engine, unsent, facts_lost } = counters;
        Self {
            addresses: engine
                .addresses
                .iter()
                .map(|a| (a.address, a.requests_received, a.responses_sent, a.gratuitous_sent, a.foreign_claims))
                .collect(),
            dropped: engine.dropped.iter().map(|(reason, count)| (reason.to_string(), *count)).collect(),
            beacons_sent: engine.beacons_sent,
            beacons_received: engine.beacons_received,
            probes_sent: engine.probes_sent,
            witnessed: engine.witnessed.into_iter().collect(),
            unsent,
            facts_lost,
        }
    }
}

/// Exact to the nanosecond for a hundred days, to a quarter of a microsecond for as long as machines run.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(crate) fn seconds(time: engine::Time) -> f64 {
    time.nanos() as f64 / 1e9
}
