//! The beacon: what one speaker tells another, signed. As an Ethernet frame (type 0x88B5) or a UDP payload.
//!
//! Version 1, all numbers big-endian:
//!
//! | offset | bytes | field | meaning |
//! |-------:|------:|-------|---------|
//! |  0 |  4 | magic            | `MLEV` |
//! |  4 |  1 | version          | 1 |
//! |  5 |  1 | flags            | bit 0: I hear you; bit 1: goodbye; bit 2: quiet, see below; the others are 0 |
//! |  6 |  2 | key id           | which key signed it |
//! |  8 |  2 | total length     | of the whole beacon with its tag; padding after it is ignored |
//! | 10 |  2 | claim count      | number of claims |
//! | 12 |  8 | nonce            | the sender's session, drawn at its start |
//! | 20 |  8 | echo             | the recipient's nonce as last heard; 0: none |
//! | 28 |  8 | sequence         | counts the beacons of the session |
//! | 36 |  4 | interval         | milliseconds until the next one on this path |
//! | 40 |  6 | MAC              | of the interface that it leaves by; in a datagram any of the sender's |
//! | 46 |  8 | since            | the claims are the changes of the revisions after this one ... |
//! | 54 |  8 | through          | ... up to and with this one |
//! | 62 |  8 | latest           | the sender's newest revision |
//! | 70 |  8 | acknowledged     | newest revision of the recipient's claims that the sender has applied |
//! | 78 |  1 | sender length    | 1 to 253 |
//! | 79 |  s | sender           | its node name, UTF-8 |
//! | 79 + s | 1 | recipient length | 1 to 253 |
//! | 80 + s | r | recipient    | its node name, UTF-8 |
//! | 80 + s + r | 15 or 27 each | claims | see below |
//! | total - 32 | 32 | tag     | HMAC-SHA256 (RFC 2104) over all before, with the key's secret |
//!
//! A claim: family (1 byte: 4 or 6), address (4 or 16), term (8), standing (1: 1 holds, 2 able, 3 unable, 4 gone, 128 and
//! more an offer for the reason in the lower seven bits), reason (1: why it is unable; how many of the addresses of the
//! group are off-link if it holds, offers or is able, 255 for more; else 0).
//!
//! A quiet beacon says nothing that the ones before it on this path to this recipient did not say, but that its sender
//! lives: no claims, and the same echo, hearing, revisions and, in a frame, MAC; another interval at most. Its recipient need not wake up to
//! read it at once; nothing else follows from the bit, which is where a kernel's filter finds it.
//!
//! The sizes and the tag are checked here, the *meaning* of nonces, sequences and revisions is the engine's: replay is
//! ruled out by the echoed nonce, not by this module.

mod claim;
mod packet;
mod repr;
mod sign;

#[cfg(test)]
mod fixtures;

pub use claim::{Claim, Standing};
pub use packet::Packet;
pub use repr::Repr;
pub use sign::{Key, Verified, verify};

/// Longest beacon: fits a frame of 1500 bytes in UDP over IPv6, with room for an encapsulation.
pub const MAX_LEN: usize = 1400;
/// Longest node name, in bytes (a DNS subdomain).
pub const MAX_NAME_LEN: usize = 253;

pub(crate) const MAGIC: &[u8; 4] = b"MLEV";
pub(crate) const VERSION: u8 = 1;
/// Offset of the flags: with [`QUIET`] all that a filter has to know.
pub const FLAGS_AT: usize = 5;
/// The flag of a quiet beacon.
pub const QUIET: u8 = 1 << 2;
pub(crate) const TAG_LEN: usize = 32;
/// Everything but names and claims.
pub(crate) const FIXED_LEN: usize = 80 + TAG_LEN;

/// How many bytes of claims ([`Claim::wire_len`]) fit into a beacon beside names of these lengths.
pub const fn room(sender_len: usize, recipient_len: usize) -> usize {
    MAX_LEN.saturating_sub(FIXED_LEN + sender_len + recipient_len)
}
