//! Values in and out. What comes in is read by attribute, so that the Python side passes its own model.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use metalev_engine as engine;
use metalev_wire::beacon;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

// ===== in: the table =====

#[derive(FromPyObject)]
pub(crate) struct Table {
    peers: Vec<Peer>,
    keys: Vec<Key>,
    groups: Vec<Group>,
    silence: Option<Silence>,
    probing: Probing,
}

#[derive(FromPyObject)]
struct Silence {
    id: String,
    seconds: f64,
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
    keeps: bool,
    drilled: bool,
    preempt: Preempt,
}

/// By its word.
struct Preempt(engine::Preempt);

impl<'py> FromPyObject<'_, 'py> for Preempt {
    type Error = PyErr;

    fn extract(word: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match word.extract::<&str>()? {
            "sticky" => Ok(Self(engine::Preempt::Sticky)),
            "balanced" => Ok(Self(engine::Preempt::Balanced)),
            "immediate" => Ok(Self(engine::Preempt::Immediate)),
            other => {
                Err(PyValueError::new_err(format!("preempt must be sticky, balanced or immediate, not {other:?}")))
            }
        }
    }
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
            silence: table.silence.map(Into::into),
            probing: engine::Probing { addresses: table.probing.addresses, full: table.probing.full },
        }
    }
}

impl From<Silence> for engine::Silence {
    fn from(Silence { id, seconds }: Silence) -> Self {
        // What is no length of time is none; the engine knows the longest.
        Self { id, length: Duration::try_from_secs_f64(seconds).unwrap_or_default() }
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
            keeps: group.keeps,
            drilled: group.drilled,
            preempt: group.preempt.0,
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
    patience: f64,
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
            patience: fact.patience.as_secs_f64(),
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
    failovers: (Vec<(f64, u64)>, u64, f64),
    probes_sent: u64,
    witnessed: BTreeMap<&'static str, u64>,
    unsent: u64,
    facts_lost: u64,
    promise: f64,
    paths: Vec<(String, String, bool, u64, u64, f64, f64)>,
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
            failovers: failovers(engine.failovers),
            probes_sent: engine.probes_sent,
            witnessed: engine.witnessed.into_iter().collect(),
            unsent,
            facts_lost,
            promise: engine.promise.as_secs_f64(),
            paths: engine.paths.into_iter().map(path).collect(),
        }
    }
}

/// Upper bounds in seconds and how many each has; how many there are; their sum in seconds.
fn failovers(of: engine::Failovers) -> (Vec<(f64, u64)>, u64, f64) {
    let within = of.within.into_iter().map(|(bound, count)| (bound.as_secs_f64(), count)).collect();
    (within, of.count, of.sum.as_secs_f64())
}

fn path(row: engine::PathCounters) -> (String, String, bool, u64, u64, f64, f64) {
    let engine::PathCounters { peer, path, alive, received, missed, jitter, patience } = row;
    (peer, path, alive, received, missed, jitter.as_secs_f64(), patience.as_secs_f64())
}

/// Exact to the nanosecond for a hundred days, to a quarter of a microsecond for as long as machines run.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(crate) fn seconds(time: engine::Time) -> f64 {
    time.nanos() as f64 / 1e9
}
