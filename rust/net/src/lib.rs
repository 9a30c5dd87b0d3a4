//! Sockets, and the threads that feed the engine.
//!
//! ```text
//!   any thread                       metalev-engine (epoll)                         metalev-links
//!  ┌────────┐  set, counters, stop  ┌──────────────────────────────┐  interfaces   ┌───────────────────────┐
//!  │ Speaker│ ────── mailbox ─────▶ │ engine ◀─▶ ARP, NDP, beacon  │ ◀── mailbox ─ │ rtnetlink: told of a  │
//!  │        │ ◀───── facts ──────── │            sockets, UDP port │               │ change, lists anew    │
//!  └────────┘                       └──────────────┬───────────────┘               └───────────────────────┘
//!                                                  │ wish                           metalev-groups
//!                                                  │                               ┌───────────────────────┐
//!                                                  └─────────────────────────────▶ │ solicited-node groups │
//!                                                                                  └───────────────────────┘
//! ```
//!
//! The links are listed and groups are joined by threads of their own because both wait for the kernel's RTNL lock, which
//! others hold for a fifth of a second and more while containers come and go; the engine's promises are shorter than that.
#![deny(unsafe_code)]

mod caps;
mod clock;
mod driver;
mod error;
mod filter;
mod groups;
mod links;
mod mailbox;
mod netlink;
mod packet;
mod ports;
mod ranges;
mod speaker;
mod sys;
mod udp;
mod unsent;
mod waiting;
mod watcher;

#[cfg(test)]
#[path = "../tests/lab/mod.rs"]
mod lab;
#[cfg(test)]
extern crate self as metalev_net; // the lab names the crate as the tests outside of it do

pub use caps::keep_capabilities;
pub use clock::now;
pub use error::Error;
pub use links::check_patterns;
pub use mailbox::Counters;
pub use packet::{ETHERTYPE_ARP, ETHERTYPE_BEACON, ETHERTYPE_IPV6, PacketSocket};
pub use ranges::Ranges;
pub use speaker::{Options, Speaker};
pub use unsent::Refused;
