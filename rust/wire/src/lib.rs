//! Bytes and their meaning: Ethernet, ARP, neighbor discovery and the beacon. No socket, no clock, no panic on any input.
//!
//! Each codec has two halves. A *view* (`Frame`, `Packet`) names the fields of a buffer and copies nothing; a `Repr`
//! is what a valid packet means, a plain value. Parse once, at the edge, then pass only values:
//!
//! ```text
//!   &[u8] ──new_checked──▶ view ──Repr::parse──▶ Repr ──Repr::emit──▶ &mut [u8]
//! ```
//!
//! **The promise.** `new_checked` looks at every length first; after it no getter of that view panics, whatever the
//! bytes are. `new_unchecked` makes no promise: call `check_len` yourself. A beacon has one step more, because nothing
//! that it says may be believed before its signature: only [`beacon::verify`] makes the value from which a
//! [`beacon::Repr`] can be parsed. The fuzz targets hold the codecs to all of this.
#![forbid(unsafe_code)]

pub mod arp;
pub mod beacon;
mod error;
pub mod ethernet;
mod field;
#[doc(hidden)]
pub mod fuzzing;
pub mod ipv6;
mod mac;
pub mod ndp;

pub use error::Error;
pub use mac::MacAddr;
