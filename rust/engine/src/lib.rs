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

mod event;
mod table;
mod time;

pub use event::{Action, Cause, Counters, Datagram, DropReason, Event, Fact, FactKind, AddressCounters, Interface};
pub use table::{Candidate, Group, Peer, Table};
pub use time::Time;
