//! The view of an IPv6 packet as a message of neighbor discovery.

use core::net::Ipv6Addr;

use crate::field::{get_ipv6, get_u16, octets, set};
use crate::{Error, MacAddr, ipv6};

/// Length of an IPv6 header and a message without options, in bytes.
pub const MIN_LEN: usize = field::OPTIONS_AT;

/// Source link-layer address (RFC 4861 section 4.6.1).
pub(super) const SOURCE_LINK_LAYER: u8 = 1;
/// Target link-layer address.
pub(super) const TARGET_LINK_LAYER: u8 = 2;
/// The unit of an option's length: just what a link-layer address of Ethernet takes (RFC 2464 section 6).
pub(super) const OPTION_LEN: usize = 8;

mod field {
    use crate::field::Field;

    pub(super) const VERSION: usize = 0;
    pub(super) const HEAD: Field = 0..4;
    pub(super) const PAYLOAD_LEN: Field = 4..6;
    pub(super) const NEXT_HEADER: usize = 6;
    pub(super) const HOP_LIMIT: usize = 7;
    pub(super) const SRC_IP: Field = 8..24;
    pub(super) const DST_IP: Field = 24..40;
    pub(super) const MESSAGE_AT: usize = 40;
    pub(super) const TYPE: usize = 40;
    pub(super) const CODE: usize = 41;
    pub(super) const CHECKSUM: Field = 42..44;
    pub(super) const FLAGS: usize = 44;
    pub(super) const RESERVED: Field = 45..48;
    pub(super) const TARGET: Field = 48..64;
    pub(super) const OPTIONS_AT: usize = 64;
}

/// The view of a buffer as an IPv6 packet with a solicitation or an advertisement.
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

    /// Makes sure that no getter panics, and that it is `ICMPv6` right behind an IPv6 header.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the buffer is shorter than [`MIN_LEN`] or than the header says, [`Error::Unsupported`]
    /// for another version or next header, [`Error::Malformed`] if the header leaves no room for a message.
    pub fn check_len(&self) -> Result<(), Error> {
        let data = self.buffer.as_ref();
        if data.len() < MIN_LEN {
            return Err(Error::Truncated);
        }
        if data[field::VERSION] >> 4 != 6 || data[field::NEXT_HEADER] != ipv6::NEXT_HEADER_ICMPV6 {
            return Err(Error::Unsupported);
        }
        match self.total_len() {
            total if total < MIN_LEN => Err(Error::Malformed),
            total if total > data.len() => Err(Error::Truncated),
            _ => Ok(()),
        }
    }

    /// How long the packet is by its header, without the padding of the frame.
    pub fn total_len(&self) -> usize {
        field::MESSAGE_AT + usize::from(get_u16(self.buffer.as_ref(), field::PAYLOAD_LEN))
    }

    /// How many routers may still pass it on; 255 if none has.
    pub fn hop_limit(&self) -> u8 {
        self.buffer.as_ref()[field::HOP_LIMIT]
    }

    /// Who sends it.
    pub fn src_ip(&self) -> Ipv6Addr {
        get_ipv6(self.buffer.as_ref(), field::SRC_IP)
    }

    /// To whom.
    pub fn dst_ip(&self) -> Ipv6Addr {
        get_ipv6(self.buffer.as_ref(), field::DST_IP)
    }

    /// The type of the `ICMPv6` message: whether the rest means what this view says of it.
    pub fn message_type(&self) -> u8 {
        self.buffer.as_ref()[field::TYPE]
    }

    /// Its code; always 0.
    pub fn code(&self) -> u8 {
        self.buffer.as_ref()[field::CODE]
    }

    /// The octet with the flags of an advertisement.
    pub fn flags(&self) -> u8 {
        self.buffer.as_ref()[field::FLAGS]
    }

    /// The address that is asked for or advertised.
    pub fn target(&self) -> Ipv6Addr {
        get_ipv6(self.buffer.as_ref(), field::TARGET)
    }

    /// Whether the checksum is that of the message and the addresses.
    pub fn checksum_fits(&self) -> bool {
        ipv6::icmpv6_checksum(self.src_ip(), self.dst_ip(), self.message()) == 0
    }

    /// The Ethernet address in the first option of this kind, if there is one. Every option is looked at.
    ///
    /// # Errors
    /// [`Error::Malformed`] if an option has length zero or reaches beyond the packet, or if one of this kind is not as
    /// long as that of Ethernet.
    pub fn option(&self, kind: u8) -> Result<Option<MacAddr>, Error> {
        let mut found = None;
        let mut rest = &self.buffer.as_ref()[field::OPTIONS_AT..self.total_len()];
        while let &[this, units, ..] = rest {
            // Zero would make no headway, for ever.
            let len = usize::from(units) * OPTION_LEN;
            let (option, after) = rest.split_at_checked(len).filter(|_| len > 0).ok_or(Error::Malformed)?;
            if this == kind {
                let mac = <&[u8; OPTION_LEN]>::try_from(option).map_err(|_| Error::Malformed)?;
                found = found.or(Some(MacAddr::new(octets(mac, 2..8))));
            }
            rest = after;
        }
        if rest.is_empty() { Ok(found) } else { Err(Error::Malformed) }
    }

    fn message(&self) -> &[u8] {
        &self.buffer.as_ref()[field::MESSAGE_AT..self.total_len()]
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    /// Writes the header of a packet that takes the whole buffer.
    pub(super) fn set_header(&mut self, hop_limit: u8, src: Ipv6Addr, dst: Ipv6Addr) {
        let data = self.buffer.as_mut();
        // Never more than one option, so it fits.
        let payload = u16::try_from(data.len() - field::MESSAGE_AT).unwrap_or(u16::MAX);
        set(data, field::HEAD, &[0x60, 0, 0, 0]);
        set(data, field::PAYLOAD_LEN, &payload.to_be_bytes());
        data[field::NEXT_HEADER] = ipv6::NEXT_HEADER_ICMPV6;
        data[field::HOP_LIMIT] = hop_limit;
        set(data, field::SRC_IP, &src.octets());
        set(data, field::DST_IP, &dst.octets());
    }

    /// Writes all of the message but its options, with a checksum of zero.
    pub(super) fn set_message(&mut self, kind: u8, flags: u8, target: Ipv6Addr) {
        let data = self.buffer.as_mut();
        data[field::TYPE] = kind;
        data[field::CODE] = 0;
        set(data, field::CHECKSUM, &[0; 2]);
        data[field::FLAGS] = flags;
        set(data, field::RESERVED, &[0; 3]);
        set(data, field::TARGET, &target.octets());
    }

    /// Writes the only option.
    pub(super) fn set_option(&mut self, kind: u8, mac: MacAddr) {
        let data = self.buffer.as_mut();
        set(data, field::OPTIONS_AT..field::OPTIONS_AT + 2, &[kind, 1]);
        set(data, field::OPTIONS_AT + 2..field::OPTIONS_AT + OPTION_LEN, &mac.octets());
    }

    /// Writes the checksum that everything else calls for.
    pub(crate) fn fill_checksum(&mut self) {
        set(self.buffer.as_mut(), field::CHECKSUM, &[0; 2]);
        let checksum = ipv6::icmpv6_checksum(self.src_ip(), self.dst_ip(), self.message());
        set(self.buffer.as_mut(), field::CHECKSUM, &checksum.to_be_bytes());
    }
}
