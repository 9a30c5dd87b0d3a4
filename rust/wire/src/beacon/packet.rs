//! The view of a buffer as a beacon: whose fields are where, and nothing about whether to believe them.

use super::{FIXED_LEN, FLAGS_AT, MAGIC, MAX_LEN, MAX_NAME_LEN, TAG_LEN, VERSION};
use crate::field::{get_mac, get_u16, get_u32, get_u64, octets};
use crate::{Error, MacAddr};

mod field {
    use crate::field::Field;

    pub(super) const MAGIC: Field = 0..4;
    pub(super) const VERSION: usize = 4;
    pub(super) const KEY_ID: Field = 6..8;
    pub(super) const TOTAL_LEN: Field = 8..10;
    pub(super) const CLAIM_COUNT: Field = 10..12;
    pub(super) const NONCE: Field = 12..20;
    pub(super) const ECHO: Field = 20..28;
    pub(super) const SEQUENCE: Field = 28..36;
    pub(super) const INTERVAL: Field = 36..40;
    pub(super) const MAC: Field = 40..46;
    pub(super) const SINCE: Field = 46..54;
    pub(super) const THROUGH: Field = 54..62;
    pub(super) const LATEST: Field = 62..70;
    pub(super) const ACKNOWLEDGED: Field = 70..78;
    pub(super) const SENDER_LEN: usize = 78;
    pub(super) const SENDER: usize = 79;
}

/// The view of a buffer as a beacon.
///
/// Its getters tell what the bytes say, signed or not. To act on a beacon, [`verify`](super::verify) it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// A view that makes no promise: its getters panic on a buffer that is too short.
    pub const fn new_unchecked(buffer: T) -> Self {
        Self { buffer }
    }

    /// A view after [`Packet::check_len`].
    ///
    /// # Errors
    /// As [`Packet::check_len`].
    pub fn new_checked(buffer: T) -> Result<Self, Error> {
        let packet = Self::new_unchecked(buffer);
        packet.check_len()?;
        Ok(packet)
    }

    /// Makes sure that this is a beacon of this version and that no getter panics.
    ///
    /// # Errors
    /// - [`Error::Malformed`] for another magic, or lengths that contradict each other or the limits.
    /// - [`Error::Unsupported`] for another version, whose fields may be elsewhere.
    /// - [`Error::Truncated`] if the buffer is shorter than the shortest beacon or than the total length it states.
    pub fn check_len(&self) -> Result<(), Error> {
        let data = self.buffer.as_ref();
        if data.len() < FIXED_LEN {
            return Err(Error::Truncated);
        }
        if &octets(data, field::MAGIC) != MAGIC {
            return Err(Error::Malformed);
        }
        if data[field::VERSION] != VERSION {
            return Err(Error::Unsupported);
        }
        let total = self.total_len();
        if !(FIXED_LEN..=MAX_LEN).contains(&total) {
            return Err(Error::Malformed);
        }
        if data.len() < total {
            return Err(Error::Truncated);
        }
        self.check_names(total - FIXED_LEN)
    }

    /// `room` is what names and claims have together.
    fn check_names(&self, room: usize) -> Result<(), Error> {
        let allowed = 1..=MAX_NAME_LEN;
        // The recipient's length lies behind the sender's name, so that must be known to fit first.
        let sender = self.sender_len();
        if !allowed.contains(&sender) || sender > room {
            return Err(Error::Malformed);
        }
        let recipient = self.recipient_len();
        if !allowed.contains(&recipient) || recipient > room - sender {
            return Err(Error::Malformed);
        }
        Ok(())
    }

    fn u64(&self, field: core::ops::Range<usize>) -> u64 {
        get_u64(self.buffer.as_ref(), field)
    }

    /// The bits: 0 is "I hear you", 1 is "goodbye", 2 is "quiet".
    pub fn flags(&self) -> u8 {
        self.buffer.as_ref()[FLAGS_AT]
    }

    /// Which key signed it.
    pub fn key_id(&self) -> u16 {
        get_u16(self.buffer.as_ref(), field::KEY_ID)
    }

    /// Length of the whole beacon, in bytes; what follows in the buffer is padding.
    pub fn total_len(&self) -> usize {
        get_u16(self.buffer.as_ref(), field::TOTAL_LEN).into()
    }

    /// Number of claims that [`Packet::claims`] should hold.
    pub fn claim_count(&self) -> u16 {
        get_u16(self.buffer.as_ref(), field::CLAIM_COUNT)
    }

    /// The sender's session.
    pub fn nonce(&self) -> u64 {
        self.u64(field::NONCE)
    }

    /// The recipient's nonce as last heard.
    pub fn echo(&self) -> u64 {
        self.u64(field::ECHO)
    }

    /// Number of the beacon in its session.
    pub fn sequence(&self) -> u64 {
        self.u64(field::SEQUENCE)
    }

    /// Milliseconds until the next one on this path.
    pub fn interval_ms(&self) -> u32 {
        get_u32(self.buffer.as_ref(), field::INTERVAL)
    }

    /// Of the interface that it left by; in a datagram of any interface of the sender.
    pub fn mac(&self) -> MacAddr {
        get_mac(self.buffer.as_ref(), field::MAC)
    }

    /// The claims are the changes after this revision.
    pub fn since(&self) -> u64 {
        self.u64(field::SINCE)
    }

    /// The claims are the changes up to and with this revision.
    pub fn through(&self) -> u64 {
        self.u64(field::THROUGH)
    }

    /// The sender's newest revision.
    pub fn latest(&self) -> u64 {
        self.u64(field::LATEST)
    }

    /// Newest revision of the recipient's claims that the sender has applied.
    pub fn acknowledged(&self) -> u64 {
        self.u64(field::ACKNOWLEDGED)
    }

    /// The sender's node name; whether it is UTF-8 is not checked here.
    pub fn sender(&self) -> &[u8] {
        &self.buffer.as_ref()[field::SENDER..][..self.sender_len()]
    }

    /// The recipient's node name; whether it is UTF-8 is not checked here.
    pub fn recipient(&self) -> &[u8] {
        &self.buffer.as_ref()[self.recipient_at() + 1..][..self.recipient_len()]
    }

    /// The bytes of the claims.
    pub fn claims(&self) -> &[u8] {
        let start = self.recipient_at() + 1 + self.recipient_len();
        &self.buffer.as_ref()[start..self.signed_len()]
    }

    /// Everything that the tag is over.
    pub fn signed(&self) -> &[u8] {
        &self.buffer.as_ref()[..self.signed_len()]
    }

    /// The tag.
    pub fn tag(&self) -> &[u8] {
        &self.buffer.as_ref()[self.signed_len()..self.total_len()]
    }

    fn signed_len(&self) -> usize {
        self.total_len() - TAG_LEN
    }

    fn sender_len(&self) -> usize {
        self.buffer.as_ref()[field::SENDER_LEN].into()
    }

    /// Where the recipient's length is.
    fn recipient_at(&self) -> usize {
        field::SENDER + self.sender_len()
    }

    fn recipient_len(&self) -> usize {
        self.buffer.as_ref()[self.recipient_at()].into()
    }
}

#[cfg(test)]
mod tests;
