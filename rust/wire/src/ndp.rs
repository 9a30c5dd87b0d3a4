//! Neighbor discovery for IPv6 over Ethernet: solicitations and advertisements (RFC 4861 sections 4.3, 4.4 and 4.6.1).
//!
//! ```text
//!    0                4        6    7    8         24        40    41    42         44      48        64
//!    ├────────────────┼────────┼────┼────┼─────────┼─────────┼─────┼─────┼──────────┼───────┼─────────┼─────────
//!    │ 6, class, label│ length │ 58 │ 255│ source  │  dest.  │ type│ code│ checksum │ flags │ target  │ options
//!    │                │        │    │    │         │         │     │  0  │          │ R S O │         │ ...
//! ```
//!
//! An option is a type, a length in units of 8 octets, and what it says. Those that are not known are skipped; one of
//! length zero, at which a careless reader would stand for ever, makes the packet [`Error::Malformed`]. So does a hop
//! limit other than 255: the packet has come through a router, and no neighbor has sent it.
//!
//! A message behind extension headers is [`Error::Unsupported`]: nobody sends such, and fragments must be ignored
//! (RFC 6980). Whatever follows the length that the header states is the padding of the frame.

mod packet;

use core::net::Ipv6Addr;

pub use packet::{MIN_LEN, Packet};
use packet::{OPTION_LEN, SOURCE_LINK_LAYER, TARGET_LINK_LAYER};

use crate::{Error, MacAddr, ethernet, ipv6};

const TYPE_SOLICITATION: u8 = 135;
const TYPE_ADVERTISEMENT: u8 = 136;
/// What a neighbor sends, and no router lets pass (RFC 4861 section 3.1).
const HOP_LIMIT: u8 = 255;

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Repr {
    /// Who sends it; unspecified in the probe of duplicate address detection (RFC 4862 section 5.4.2).
    pub src_ip: Ipv6Addr,
    /// To whom.
    pub dst_ip: Ipv6Addr,
    /// The address that is asked for or advertised.
    pub target: Ipv6Addr,
    /// Which of the two, and what belongs to it.
    pub message: Message,
}

/// The two kinds of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Who has the target address?
    Solicitation {
        /// The sender's link-layer address.
        source_mac: Option<MacAddr>,
    },
    /// The target address is here.
    Advertisement {
        /// What the sender says besides.
        flags: Flags,
        /// The target's link-layer address.
        target_mac: Option<MacAddr>,
    },
}

/// The flags of an advertisement (RFC 4861 section 4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    /// R: the sender is a router.
    pub router: bool,
    /// S: it answers a solicitation.
    pub solicited: bool,
    /// O: it replaces what is cached.
    pub overrides: bool,
}

impl Flags {
    const fn to_octet(self) -> u8 {
        (self.router as u8) << 7 | (self.solicited as u8) << 6 | (self.overrides as u8) << 5
    }

    const fn from_octet(octet: u8) -> Self {
        Self { router: octet & 0x80 != 0, solicited: octet & 0x40 != 0, overrides: octet & 0x20 != 0 }
    }
}

impl Repr {
    /// Reads a packet and validates it as RFC 4861 sections 7.1.1 and 7.1.2 say.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the buffer is shorter than the packet, [`Error::Unsupported`] if it is neither of the
    /// two messages right behind an IPv6 header, [`Error::Malformed`] if it is to be discarded silently.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Result<Self, Error> {
        packet.check_len()?;
        let message = match packet.message_type() {
            TYPE_SOLICITATION => Message::Solicitation { source_mac: packet.option(SOURCE_LINK_LAYER)? },
            TYPE_ADVERTISEMENT => {
                let flags = Flags::from_octet(packet.flags());
                Message::Advertisement { flags, target_mac: packet.option(TARGET_LINK_LAYER)? }
            }
            _ => return Err(Error::Unsupported),
        };
        let repr = Self { src_ip: packet.src_ip(), dst_ip: packet.dst_ip(), target: packet.target(), message };
        let intact = packet.hop_limit() == HOP_LIMIT && packet.code() == 0 && packet.checksum_fits();
        if intact && repr.makes_sense() { Ok(repr) } else { Err(Error::Malformed) }
    }

    /// Whether its parts go together.
    fn makes_sense(&self) -> bool {
        let alone = match self.message {
            // A probe goes to the group of its target and has no link-layer address to be answered at.
            Message::Solicitation { source_mac } => {
                !self.is_probe() || source_mac.is_none() && ipv6::is_solicited_node(self.dst_ip)
            }
            Message::Advertisement { flags, .. } => !(flags.solicited && self.dst_ip.is_multicast()),
        };
        alone && !self.target.is_multicast() && !self.src_ip.is_multicast()
    }

    /// Whether it is the probe of a node that is about to take the target for its own (RFC 4862 section 5.4.2).
    pub fn is_probe(&self) -> bool {
        matches!(self.message, Message::Solicitation { .. }) && self.src_ip.is_unspecified()
    }

    /// How many bytes [`Repr::emit`] writes.
    pub const fn buffer_len(&self) -> usize {
        match self.link_layer() {
            Some(_) => MIN_LEN + OPTION_LEN,
            None => MIN_LEN,
        }
    }

    const fn link_layer(&self) -> Option<(u8, MacAddr)> {
        match self.message {
            Message::Solicitation { source_mac: Some(mac) } => Some((SOURCE_LINK_LAYER, mac)),
            Message::Advertisement { target_mac: Some(mac), .. } => Some((TARGET_LINK_LAYER, mac)),
            _ => None,
        }
    }

    /// Writes the packet with its checksum.
    ///
    /// # Panics
    /// If the buffer is not as long as [`Repr::buffer_len`] says.
    pub fn emit<T: AsRef<[u8]> + AsMut<[u8]>>(&self, packet: &mut Packet<T>) {
        packet.set_header(HOP_LIMIT, self.src_ip, self.dst_ip);
        let (kind, flags) = match self.message {
            Message::Solicitation { .. } => (TYPE_SOLICITATION, 0),
            Message::Advertisement { flags, .. } => (TYPE_ADVERTISEMENT, flags.to_octet()),
        };
        packet.set_message(kind, flags, self.target);
        if let Some((option, mac)) = self.link_layer() {
            packet.set_option(option, mac);
        }
        packet.fill_checksum();
    }

    /// The packet as a whole frame.
    pub fn frame(&self, dst: MacAddr, src: MacAddr) -> Vec<u8> {
        let mut bytes = vec![0; ethernet::HEADER_LEN + self.buffer_len()];
        let mut frame = ethernet::Frame::new_unchecked(&mut bytes);
        ethernet::Repr { dst, src, ethertype: ethernet::EtherType::IPV6 }.emit(&mut frame);
        self.emit(&mut Packet::new_unchecked(frame.payload_mut()));
        bytes
    }
}

#[cfg(test)]
mod tests;
