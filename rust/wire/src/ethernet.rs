//! Ethernet II frames, without preamble and frame check sequence, as an `AF_PACKET` socket carries them.
//!
//! ```text
//!    0           6          12     14
//!    ├───────────┼───────────┼──────┼─────────────
//!    │destination│  source   │ type │ payload ...
//! ```
//!
//! Short frames are not padded here: the driver does that. Nor is anything behind an 802.1Q tag looked at: frames of a VLAN
//! are for the VLAN's own interface, where the kernel has taken the tag off.

use core::fmt;

use crate::field::{get_mac, get_u16, set};
use crate::{Error, MacAddr};

/// Length of the header, in bytes.
pub const HEADER_LEN: usize = 14;

mod field {
    use crate::field::Field;

    pub(super) const DESTINATION: Field = 0..6;
    pub(super) const SOURCE: Field = 6..12;
    pub(super) const ETHERTYPE: Field = 12..14;
    pub(super) const PAYLOAD: core::ops::RangeFrom<usize> = super::HEADER_LEN..;
}

/// What a frame carries (IEEE 802 `EtherType`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EtherType(pub u16);

impl EtherType {
    /// Address resolution (RFC 826).
    pub const ARP: Self = Self(0x0806);
    /// IPv6 (RFC 2464).
    pub const IPV6: Self = Self(0x86dd);
    /// The tag of a VLAN (IEEE 802.1Q): the real type follows it.
    pub const VLAN: Self = Self(0x8100);
    /// The tag of a service provider around others' VLANs (IEEE 802.1ad).
    pub const SERVICE_VLAN: Self = Self(0x88a8);
    /// Local Experimental `EtherType` 1 (IEEE 802), which no switch gives a meaning: the beacon.
    pub const BEACON: Self = Self(0x88b5);

    /// Whether it is a tag and not yet what the frame carries.
    pub const fn is_tag(self) -> bool {
        matches!(self, Self::VLAN | Self::SERVICE_VLAN)
    }
}

impl fmt::Display for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

impl fmt::Debug for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The view of a buffer as a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Frame<T> {
    /// A view that makes no promise: its getters panic on a buffer that is too short.
    pub const fn new_unchecked(buffer: T) -> Self {
        Self { buffer }
    }

    /// A view after [`Frame::check_len`].
    ///
    /// # Errors
    /// [`Error::Truncated`] if the buffer is shorter than the header.
    pub fn new_checked(buffer: T) -> Result<Self, Error> {
        let frame = Self::new_unchecked(buffer);
        frame.check_len()?;
        Ok(frame)
    }

    /// Makes sure that no getter panics.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the buffer is shorter than the header.
    pub fn check_len(&self) -> Result<(), Error> {
        if self.buffer.as_ref().len() < HEADER_LEN { Err(Error::Truncated) } else { Ok(()) }
    }

    /// To whom.
    pub fn dst(&self) -> MacAddr {
        get_mac(self.buffer.as_ref(), field::DESTINATION)
    }

    /// From whom.
    pub fn src(&self) -> MacAddr {
        get_mac(self.buffer.as_ref(), field::SOURCE)
    }

    /// What the payload is.
    pub fn ethertype(&self) -> EtherType {
        EtherType(get_u16(self.buffer.as_ref(), field::ETHERTYPE))
    }

    /// Everything after the header, with the padding that a short frame has at its end.
    pub fn payload(&self) -> &[u8] {
        &self.buffer.as_ref()[field::PAYLOAD]
    }

    /// The buffer back.
    pub fn into_inner(self) -> T {
        self.buffer
    }
}

impl<'a> Frame<&'a [u8]> {
    /// As [`Frame::payload`], but living as long as the buffer.
    pub fn into_payload(self) -> &'a [u8] {
        &self.buffer[field::PAYLOAD]
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Frame<T> {
    /// Sets to whom.
    pub fn set_dst(&mut self, mac: MacAddr) {
        set(self.buffer.as_mut(), field::DESTINATION, &mac.octets());
    }

    /// Sets from whom.
    pub fn set_src(&mut self, mac: MacAddr) {
        set(self.buffer.as_mut(), field::SOURCE, &mac.octets());
    }

    /// Sets what the payload is.
    pub fn set_ethertype(&mut self, ethertype: EtherType) {
        set(self.buffer.as_mut(), field::ETHERTYPE, &ethertype.0.to_be_bytes());
    }

    /// Everything after the header, to be written.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        &mut self.buffer.as_mut()[field::PAYLOAD]
    }
}

/// What a frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Repr {
    /// To whom.
    pub dst: MacAddr,
    /// From whom.
    pub src: MacAddr,
    /// What the payload is.
    pub ethertype: EtherType,
}

impl Repr {
    /// Reads a header.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the buffer is shorter than the header.
    pub fn parse<T: AsRef<[u8]>>(frame: &Frame<T>) -> Result<Self, Error> {
        frame.check_len()?;
        Ok(Self { dst: frame.dst(), src: frame.src(), ethertype: frame.ethertype() })
    }

    /// How many bytes [`Repr::emit`] writes.
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// Writes the header and leaves the payload alone.
    ///
    /// # Panics
    /// If the buffer is shorter than [`Repr::buffer_len`].
    pub fn emit<T: AsRef<[u8]> + AsMut<[u8]>>(&self, frame: &mut Frame<T>) {
        frame.set_dst(self.dst);
        frame.set_src(self.src);
        frame.set_ethertype(self.ethertype);
    }

    /// A whole frame of this header and `payload`.
    pub fn frame(&self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_LEN + payload.len()];
        let mut frame = Frame::new_unchecked(&mut bytes);
        self.emit(&mut frame);
        frame.payload_mut().copy_from_slice(payload);
        bytes
    }
}

#[cfg(test)]
mod tests;
