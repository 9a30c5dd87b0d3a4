//! What a beacon says, as a value.

use super::{Claim, FIXED_LEN, Key, MAGIC, MAX_LEN, MAX_NAME_LEN, QUIET, VERSION, Verified};
use crate::{Error, MacAddr};

const HEARS_YOU: u8 = 1 << 0;
const GOODBYE: u8 = 1 << 1;

/// What a beacon says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repr {
    /// The sender's node name, 1 to 253 bytes.
    pub sender: String,
    /// The recipient's node name, 1 to 253 bytes.
    pub recipient: String,
    /// The sender's session: a random number, not 0, drawn when it started.
    pub nonce: u64,
    /// The recipient's nonce as the sender last heard it; 0 if never.
    pub echo: u64,
    /// Number of the beacon in its session.
    pub sequence: u64,
    /// Whether the sender hears the recipient on this path.
    pub hears_you: bool,
    /// Whether it is the sender's last.
    pub goodbye: bool,
    /// Whether it says nothing new on this path to this recipient: it need not be read at once.
    pub quiet: bool,
    /// Milliseconds until the next one on this path to this recipient.
    pub interval_ms: u32,
    /// Of the interface that it leaves by; in a datagram of any interface of the sender.
    pub mac: MacAddr,
    /// The claims are the sender's changes after this revision ...
    pub since: u64,
    /// ... up to and with this one.
    pub through: u64,
    /// The sender's newest revision.
    pub latest: u64,
    /// Newest revision of the recipient's claims that the sender has applied.
    pub acknowledged: u64,
    /// What changed.
    pub claims: Vec<Claim>,
}

impl Repr {
    /// Reads a beacon whose signature was proven.
    ///
    /// # Errors
    /// - [`Error::Unsupported`] for flags of a later version.
    /// - [`Error::Malformed`] for names that are not UTF-8, and claims that are not as many as stated or not understood.
    pub fn parse(beacon: &Verified<'_>) -> Result<Self, Error> {
        let packet = beacon.packet();
        let flags = packet.flags();
        if flags & !(HEARS_YOU | GOODBYE | QUIET) != 0 {
            return Err(Error::Unsupported);
        }
        Ok(Self {
            sender: name(packet.sender())?,
            recipient: name(packet.recipient())?,
            nonce: packet.nonce(),
            echo: packet.echo(),
            sequence: packet.sequence(),
            hears_you: flags & HEARS_YOU != 0,
            goodbye: flags & GOODBYE != 0,
            quiet: flags & QUIET != 0,
            interval_ms: packet.interval_ms(),
            mac: packet.mac(),
            since: packet.since(),
            through: packet.through(),
            latest: packet.latest(),
            acknowledged: packet.acknowledged(),
            claims: claims(packet.claims(), packet.claim_count())?,
        })
    }

    /// Length of the signed beacon, in bytes.
    pub fn buffer_len(&self) -> usize {
        let claims: usize = self.claims.iter().map(Claim::wire_len).sum();
        FIXED_LEN + self.sender.len() + self.recipient.len() + claims
    }

    /// The beacon's bytes, signed with `key`. [`room`](super::room) tells how many claims fit.
    ///
    /// # Errors
    /// - [`Error::NameLength`] if a name is not 1 to 253 bytes long.
    /// - [`Error::TooLong`] if the beacon would be longer than [`MAX_LEN`].
    /// - [`Error::UnknownKey`] if the key's secret is empty.
    pub fn emit_signed(&self, key: &Key) -> Result<Vec<u8>, Error> {
        let sender_len = name_len(&self.sender)?;
        let recipient_len = name_len(&self.recipient)?;
        let total = self.buffer_len();
        if total > MAX_LEN {
            return Err(Error::TooLong);
        }
        let mut out = Vec::with_capacity(total);
        self.emit_header(&mut out, key.id, u16::try_from(total).map_err(|_| Error::TooLong)?)?;
        out.push(sender_len);
        out.extend(self.sender.as_bytes());
        out.push(recipient_len);
        out.extend(self.recipient.as_bytes());
        for claim in &self.claims {
            claim.emit(&mut out);
        }
        key.sign(&mut out)?;
        Ok(out)
    }

    fn emit_header(&self, out: &mut Vec<u8>, key_id: u16, total: u16) -> Result<(), Error> {
        let claim_count = u16::try_from(self.claims.len()).map_err(|_| Error::TooLong)?;
        out.extend(MAGIC);
        out.extend([VERSION, self.flags()]);
        out.extend([key_id, total, claim_count].map(u16::to_be_bytes).as_flattened());
        out.extend([self.nonce, self.echo, self.sequence].map(u64::to_be_bytes).as_flattened());
        out.extend(self.interval_ms.to_be_bytes());
        out.extend(self.mac.octets());
        let revisions = [self.since, self.through, self.latest, self.acknowledged];
        out.extend(revisions.map(u64::to_be_bytes).as_flattened());
        Ok(())
    }

    const fn flags(&self) -> u8 {
        (if self.hears_you { HEARS_YOU } else { 0 })
            | (if self.goodbye { GOODBYE } else { 0 })
            | (if self.quiet { QUIET } else { 0 })
    }
}

fn name_len(name: &str) -> Result<u8, Error> {
    if name.is_empty() || name.len() > MAX_NAME_LEN {
        return Err(Error::NameLength);
    }
    u8::try_from(name.len()).map_err(|_| Error::NameLength)
}

fn name(bytes: &[u8]) -> Result<String, Error> {
    core::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Error::Malformed)
}

fn claims(mut bytes: &[u8], count: u16) -> Result<Vec<Claim>, Error> {
    let mut claims = Vec::new();
    for _ in 0..count {
        let (claim, rest) = Claim::parse(bytes)?;
        claims.push(claim);
        bytes = rest;
    }
    if bytes.is_empty() { Ok(claims) } else { Err(Error::Malformed) }
}

#[cfg(test)]
mod tests;
