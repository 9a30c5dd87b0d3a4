//! The announcing engine as state machines: no socket, no clock, no thread.
//!
//! Time is an argument, inputs are [`Event`]s, outputs are [`Action`]s and [`Fact`]s. A caller feeds events with the
//! current [`Time`], carries out every action it polls, and comes back at [`Engine::deadline`] at the latest.
//!
//! ```text
//!   frames, datagrams, table,     ┌─────────────────────────────────────────┐    frames, datagrams
//!   interfaces, tick  ───Event──▶ │ responder   answers for what is held    │ ──Action──▶
//!                                 │ announcer   gratuitous frames, paced    │
//!                                 │ beacons     who is alive, what they say │
//!                                 │ ownership   who does: term, then order  │ ──Fact────▶ logs, events, metrics
//!                                 └─────────────────────────────────────────┘
//! ```
#![forbid(unsafe_code)]

mod announcer;
mod budget;
mod claims;
mod clearance;
mod conflicts;
mod defence;
mod engine;
mod event;
mod failover;
mod foreign_words;
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod herald;
mod kernels;
mod lateness;
mod links;
mod lot;
mod memberships;
mod misfits;
mod moves;
mod offer;
mod ownership;
mod patience;
mod peer;
mod peers;
mod prober;
mod proxies;
mod pulse;
mod questions;
mod responder;
mod session;
mod sighting;
mod silence;
mod table;
mod time;
mod witness;
mod words;

pub use announcer::REFRESH;
pub use engine::{Config, Engine};
pub use event::{
    Action, AddressCounters, Cause, Counters, Datagram, DropReason, Event, Fact, FactKind, Host, Interface,
    PathCounters,
};
pub use failover::Failovers;
pub use moves::HOLD_DOWN;
pub use table::{Candidate, Group, Peer, Preempt, Probing, Silence, Table};
pub use time::Time;
